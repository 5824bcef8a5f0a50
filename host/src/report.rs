//! What people see of a run.

mod checks;
mod summary;

pub use checks::{CheckReport, document};
pub use summary::{Status, Summary};
