//! The kit judges the fault source, which behaves when nothing else is asked of it: the kit's own smoke test, and
//! the shortest example of its use.

use std::process::ExitCode;

use rivet_connector_kit::SourceTarget;
use rivet_plugin_api::serde_json::json;

fn main() -> ExitCode {
    let target = SourceTarget {
        options: json!({ "rows": 1000, "columns": 3 }),
        query: "count".into(),
        rows: 1000,
        key: "c0".into(),
        empty: Some("empty".into()),
        endless: vec!["endless".into()],
        ..SourceTarget::default()
    };
    rivet_connector_kit::source(&rivet_plugin_fault::PLUGIN, "rivet-plugin-fault", target).run()
}
