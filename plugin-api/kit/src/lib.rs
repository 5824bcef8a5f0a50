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
mod elf;
mod load;
mod library;
mod suite;
mod judge;
mod table;
mod target;
mod source;
mod destination;

use std::fs::File;
use std::path::Path;

use rivet_plugin_api::Spec;
use rivet_plugin_api::abi::RvPlugin;

pub use judge::Progress;
pub use suite::{Suite, Verdict};
pub use target::{DestinationTarget, SinceTarget, SourceTarget, Targets};

/// The trials of a source. `package` is the connector's crate: pass `env!("CARGO_PKG_NAME")`.
pub fn source(plugin: &'static RvPlugin, package: &str, target: SourceTarget) -> Suite {
    Suite::new(plugin, package, target, source::cases)
}

/// The trials of a destination. `package` is the connector's crate: pass `env!("CARGO_PKG_NAME")`.
pub fn destination(plugin: &'static RvPlugin, package: &str, target: DestinationTarget) -> Suite {
    Suite::new(plugin, package, target, destination::cases)
}

/// The trials of a built library, in whatever language it was written: of its loading, and of each half that it has.
/// `file` is what is read and loaded, under the name `path`: what others can put there meanwhile is not. `targets` is
/// asked with what the library says about itself, when it could be loaded. [`Suite::judge`] runs the trials;
/// `rivet plugin verify` is made of this.
pub fn library<E>(path: &Path, file: &File, targets: impl FnOnce(&Spec) -> Result<Targets, E>) -> Result<Suite, E> {
    Suite::of_file(path, file, targets)
}
