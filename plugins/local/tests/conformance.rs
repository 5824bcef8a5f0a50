//! The connector against the conformance kit, in a temporary directory.

use std::process::ExitCode;

use rivet_connector_kit::DestinationTarget;

fn main() -> ExitCode {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().to_owned();
    let (listed, fetched) = (path.clone(), path.clone());
    let target = DestinationTarget {
        options: serde_json::json!({ "path": path }),
        list: Box::new(move || {
            let entries =
                std::fs::read_dir(&listed).expect("the directory exists").map(|entry| entry.expect("an entry"));
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        }),
        fetch: Box::new(move |name| std::fs::read(fetched.join(name))),
        skip: None,
    };
    rivet_connector_kit::destination(&rivet_plugin_local::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}
