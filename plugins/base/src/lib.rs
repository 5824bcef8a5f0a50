//! What connectors share. It is no plug-in by itself, and each connector names what it needs as features.
//!
//! * `destination`: encoders from Arrow batches to files, and a writer that rotates, checks and publishes parts. A
//!   file-like destination implements `Store` and hands it to `PartWriter`; the rest of a
//!   [`BatchWriter`](rivet_plugin_api::BatchWriter) is here.
//! * `source`: `batch` cuts rows into batches by rows and by bytes, `sql` finds where the user's statement ends, and
//!   which of its columns a name means.
//! * `network`: `net` reads connection options and URLs, connects, and encrypts.
//! * `object`: `object` makes a destination of a bucket; a connector says where it is and how requests are signed.

#[cfg(feature = "destination")]
pub mod encode;
#[cfg(feature = "destination")]
pub mod names;
#[cfg(feature = "destination")]
mod output;
#[cfg(feature = "destination")]
mod store;
#[cfg(feature = "destination")]
mod verify;
#[cfg(feature = "destination")]
mod writer;
#[cfg(feature = "source")]
pub mod batch;
#[cfg(feature = "source")]
pub mod sql;
#[cfg(feature = "network")]
pub mod net;
#[cfg(feature = "object")]
pub mod object;

#[cfg(feature = "destination")]
pub use rivet_plugin_api::Checksum;
#[cfg(feature = "destination")]
pub use store::{PartSink, Published, Store};
#[cfg(feature = "destination")]
pub use writer::PartWriter;
