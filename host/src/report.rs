//! What people and programs see of a run and of all runs: listeners to events, and the page of the history.

mod bars;
mod board;
mod checks;
mod json;
mod openmetrics;
mod page;
mod printer;
mod screen;
mod summary;

pub use bars::Bars;
pub use board::Board;
pub use checks::{CheckReport, document};
pub use json::Json;
pub use openmetrics::MetricsFile;
pub use page::{About, page};
pub use printer::Printer;
pub use screen::{apart, eprint, eprint_error, has_colours, has_room};
pub use summary::{Status, Summary};
