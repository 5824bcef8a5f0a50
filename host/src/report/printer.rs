//! Prints the summary of each export, and why it failed.

use std::sync::{Mutex, PoisonError};

use super::{Summary, screen};
use crate::command::print;
use crate::error::{Error, Result, exit, rendered};
use crate::event::{Event, Listener};

/// For people.
pub struct Printer {
    /// Whether summaries go to standard error, because standard output carries rows.
    to_stderr: bool,
    /// Whether what went well is not worth a word.
    quiet: bool,
    /// Why a summary could not be shown.
    unseen: Mutex<Option<Error>>,
}

impl Printer {
    /// Prints to standard output, or `to_stderr`.
    pub fn new(to_stderr: bool, quiet: bool) -> Self {
        Self { to_stderr, quiet, unseen: Mutex::new(None) }
    }

    /// Whether everything could be shown.
    ///
    /// # Errors
    /// The first failure to print.
    pub fn end(&self) -> Result<()> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn show(&self, summary: &Summary) {
        // An export without a run has no facts, only an error.
        if summary.run_id.is_empty() || self.quiet && summary.exit_code == exit::OK {
            return;
        }
        if self.to_stderr {
            screen::eprint(&summary.to_string());
        } else if let Err(e) = print(&summary.to_string()) {
            self.unseen.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
        }
    }
}

impl Listener for Printer {
    fn hear(&self, _: Option<&str>, event: &Event) {
        let Event::ExportFinished(summary) = event else { return };
        self.show(summary);
        if let Some(error) = &summary.error {
            let short = || rendered(error, summary.hint.as_deref());
            screen::eprint_error(&format!("\n{}", summary.error_text.clone().unwrap_or_else(short)));
        }
    }
}
