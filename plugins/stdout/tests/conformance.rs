//! The connector against the conformance kit, as far as a pipe can be looked at. What it writes is tested through the
//! binary, in `tests/e2e/tests/stdout.rs`.

use std::process::ExitCode;

use rivet_connector_kit::DestinationTarget;

fn main() -> ExitCode {
    let target = DestinationTarget {
        options: serde_json::json!({}),
        list: Box::new(Vec::new),
        fetch: Box::new(|_| Err(std::io::ErrorKind::Unsupported.into())),
        skip: None,
    };
    rivet_connector_kit::destination(&rivet_plugin_stdout::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}
