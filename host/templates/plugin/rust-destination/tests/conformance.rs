//! The connector against the conformance kit: linked into this test, and as the library that users get.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitCode, id};

use rivet_connector_kit::DestinationTarget;
use rivet_plugin_api::serde_json::json;

fn main() -> ExitCode {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{}", id()));
    let (listed, fetched) = (path.clone(), path.clone());
    let target = DestinationTarget {
        options: json!({ "path": path }),
        list: Box::new(move || {
            let entries = fs::read_dir(&listed).into_iter().flatten().flatten();
            entries
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        }),
        fetch: Box::new(move |name| fs::read(fetched.join(name))),
        skip: None,
    };
    let code =
        rivet_connector_kit::destination(&__CRATE__::PLUGIN, env!("CARGO_PKG_NAME"), target).run();
    let _ = fs::remove_dir_all(path);
    code
}
