//! What connectors share: encoders from Arrow batches to files, and a writer that rotates, checks and publishes parts.
//!
//! A file-like destination implements [`Store`] and hands it to [`PartWriter`]; the rest of a
//! [`BatchWriter`](rivet_plugin_api::BatchWriter) is here. This crate is no plug-in by itself.

mod checksum;
pub mod encode;
mod output;
mod store;
mod writer;

pub use checksum::Checksum;
pub use store::{PartSink, Published, Store};
pub use writer::PartWriter;
