//! What people and programs see of a run: listeners to its events.

mod bars;
mod board;
mod checks;
mod json;
mod openmetrics;
mod printer;
mod screen;
mod summary;

pub use bars::Bars;
pub use board::Board;
pub use checks::{CheckReport, document};
pub use json::Json;
pub use openmetrics::MetricsFile;
pub use printer::Printer;
pub use screen::{apart, eprint, has_room};
pub use summary::{Status, Summary};
