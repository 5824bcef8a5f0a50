//! The conformance suite of Rivet connectors: one call judges a source or a destination, linked into the test and
//! loaded as the library that users get. This is a connector's whole `tests/conformance.rs`:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use rivet_connector_kit::SourceTarget;
//! use rivet_plugin_api::serde_json::json;
//!
//! # use rivet_plugin_fault as my_connector;
//! fn main() -> ExitCode {
//!     let target = SourceTarget {
//!         options: json!({ "rows": 1000, "columns": 3 }),
//!         query: "select * from events".into(),
//!         rows: 1000,
//!         key: "c0".into(),
//!         ..SourceTarget::default()
//!     };
//!     rivet_connector_kit::source(&my_connector::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
//! }
//! ```
//!
//! with `[[test]] name = "conformance"`, `harness = false` in `Cargo.toml`. Every trial exists twice: `linked::NAME`
//! calls the connector's table in this process, `library::NAME` loads `lib<crate>.so` from the build directory. What
//! a connector announces is compared with an unfiltered read; what it does not announce it must refuse. Trials whose
//! target lacks something (a server, an endless query) are shown as ignored with the reason.

mod check;
mod library;
mod suite;
mod table;
mod target;
mod source;
mod destination;

use rivet_plugin_api::abi::RvPlugin;

pub use suite::Suite;
pub use target::{DestinationTarget, SinceTarget, SourceTarget};

/// The trials of a source. `package` is the connector's crate: pass `env!("CARGO_PKG_NAME")`.
pub fn source(plugin: &'static RvPlugin, package: &str, target: SourceTarget) -> Suite {
    Suite::new(plugin, package, target, source::cases)
}

/// The trials of a destination. `package` is the connector's crate: pass `env!("CARGO_PKG_NAME")`.
pub fn destination(plugin: &'static RvPlugin, package: &str, target: DestinationTarget) -> Suite {
    Suite::new(plugin, package, target, destination::cases)
}
