//! What can go wrong and where, and the one place where it does.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use arrow_array::{Array, RecordBatch};
use rivet_plugin_api::{Category, Context, Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// Options of both halves. A call is named as in the C table: `open`, `probe`, `next_batch`, `close_reader`, ...
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How many rows the source has.
    pub rows: u64,
    /// How many columns: `c0`, `c2`, ... hold numbers, `c1`, `c3`, ... their text.
    pub columns: usize,
    /// Calls that panic, separated by commas.
    pub panic_in: String,
    /// A call that fails.
    pub error_in: Option<ErrorIn>,
    /// A call that blocks until the host cancels.
    pub hang_in: String,
    /// How long each batch takes, unless the host cancels.
    pub sleep_ms_per_batch: u64,
    /// Whether the source never ends.
    pub endless: bool,
    /// Whether each call is logged.
    pub log: bool,
}

/// A failure to answer with. Context, hint, code and retry pause are always the same.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorIn {
    /// The call that fails.
    pub call: String,
    /// A category by its stable name.
    #[schemars(with = "String")]
    pub category: Category,
    /// The message.
    pub message: String,
    /// The code.
    #[serde(default = "ErrorIn::default_code")]
    pub code: String,
    /// Fails only until this file exists, and creates it.
    #[serde(default)]
    pub once: Option<PathBuf>,
    /// Fails only in reads of the part that begins with this row.
    #[serde(default)]
    pub part: Option<u64>,
}

impl ErrorIn {
    fn default_code() -> String {
        "F0001".to_owned()
    }

    fn happens(&self, call: &str) -> bool {
        let again = |file: &PathBuf| OpenOptions::new().write(true).create_new(true).open(file).is_ok();
        self.call == call && self.once.as_ref().is_none_or(again)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: 10,
            columns: 1,
            panic_in: String::new(),
            error_in: None,
            hang_in: String::new(),
            sleep_ms_per_batch: 0,
            endless: false,
            log: false,
        }
    }
}

impl Options {
    /// Does to `call` what was asked for.
    pub(crate) fn strike(&self, call: &str, context: &Context) -> Result<()> {
        if self.log {
            tracing::info!(call, rows = self.rows, endless = self.endless, "fault was called");
        }
        self.panic(call);
        if self.hang_in == call {
            wait(context, None)?;
        }
        match &self.error_in {
            Some(fault) if fault.happens(call) => Err(Error::new(fault.category, &fault.message)
                .context("could not do as asked")
                .hint("ask for something else")
                .code(&fault.code)
                .retry_after(Duration::from_millis(1500))),
            _ => Ok(()),
        }
    }

    pub(crate) fn panic(&self, call: &str) {
        assert!(!self.panic_in.split(',').any(|name| name == call), "asked to panic in {call}");
    }

    pub(crate) fn dawdle(&self, context: &Context) -> Result<()> {
        match self.sleep_ms_per_batch {
            0 => Ok(()),
            ms => wait(context, Some(Duration::from_millis(ms))),
        }
    }
}

/// Blocks for `pause`, or for ever, until the host cancels.
fn wait(context: &Context, pause: Option<Duration>) -> Result<()> {
    let (wake, sleep) = mpsc::channel();
    let _guard = context.on_cancel(move || {
        let _ = wake.send(());
    });
    let _ = match pause {
        Some(pause) => sleep.recv_timeout(pause).ok(),
        None => sleep.recv().ok(),
    };
    context.check()
}

/// The addresses of a batch's buffers, column by column.
pub(crate) fn addresses(batch: &RecordBatch) -> Vec<String> {
    let buffers = |column: &arrow_array::ArrayRef| {
        column.to_data().buffers().iter().map(|buffer| format!("{:p}", buffer.as_ptr())).collect::<Vec<_>>()
    };
    batch.columns().iter().flat_map(buffers).collect()
}
