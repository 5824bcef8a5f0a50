//! What the tests of object stores share: a place of their own in a store, a proxy that makes trouble on the way to it, a
//! store of Google's make with everything that the emulators lack, and clients that know nothing of Rivet.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests fail by panicking")]

mod bucket;
mod gcs;
mod http;
mod instance;
mod notes;
mod proxy;
mod sink;
mod step;

pub use bucket::{Bucket, Make};
pub use gcs::{Gcs, Grant, Identity};
pub use instance::Instance;
pub use notes::Notes;
pub use proxy::{HttpProxy, Rule, Seen, Trouble};
pub use sink::Sink;
pub use step::Step;
