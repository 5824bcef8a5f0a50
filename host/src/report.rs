//! What people see of a run.

mod summary;

pub use summary::{Status, Summary};
