//! A connector that misbehaves on request: it panics, errs, hangs or dawdles in the call its options name, or ends its
//! process in one of the ways that there are.
//!
//! As a source it counts; as a destination it swallows. Both record the addresses of the buffers that pass, and
//! `probe` tells them, so that a test can show that nothing was copied on the way.

mod crash;
mod options;
mod source;
mod destination;

pub use destination::FaultDestination;
pub use source::FaultSource;

rivet_plugin_api::export_connector!("fault", source: FaultSource, destination: FaultDestination);
