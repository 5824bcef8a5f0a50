//! The connector against the conformance kit: linked into this test, and as the library that users get.

use std::process::ExitCode;

use rivet_connector_kit::SourceTarget;
use rivet_plugin_api::serde_json::json;

fn main() -> ExitCode {
    let target = SourceTarget {
        options: json!({ "from": "2020-01-01", "to": "2023-12-31" }),
        query: "all".into(),
        rows: 1461,
        key: "day".into(),
        ..SourceTarget::default()
    };
    rivet_connector_kit::source(&__CRATE__::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}
