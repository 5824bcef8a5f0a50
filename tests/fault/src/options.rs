//! What can go wrong and where, and the one place where it does.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use arrow_array::{Array, RecordBatch};
use rivet_plugin_api::{Category, Context, Error, Result, SecretString};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::crash;

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
    /// A call that cannot be survived.
    pub misbehave: Option<Misbehave>,
    /// A call that blocks until the host cancels.
    pub hang_in: String,
    /// Whether what ends a blocked call never returns, and ends nothing.
    pub hang_in_interrupt: bool,
    /// How long each batch takes, unless the host cancels.
    pub sleep_ms_per_batch: u64,
    /// Means nothing, but is not to be seen.
    pub password: SecretString,
    /// Whether the source never ends.
    pub endless: bool,
    /// Whether each call is logged.
    pub log: bool,
    /// Is logged with the first call, in all the ways an event has.
    pub say: String,
    /// How many rows less than it took the destination reports.
    pub lose: u64,
}

/// What a call does to the process that it is made in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Misbehave {
    /// The call.
    pub call: String,
    /// What it does.
    pub how: How,
    /// Does so only until this file exists, and creates it.
    #[serde(default)]
    pub once: Option<PathBuf>,
    /// Does so only in reads of the part that begins with this row.
    #[serde(default)]
    pub part: Option<u64>,
    /// Does so only in calls about this query.
    #[serde(default)]
    pub query: Option<String>,
    /// Does so only when the call is made for this time, counted from 1, in this process.
    #[serde(default)]
    pub time: Option<u32>,
    /// What is printed.
    #[serde(default)]
    pub text: String,
}

/// The ways to misbehave.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// A panic, which unwinds.
    Panic,
    /// `abort()`.
    Abort,
    /// A write to nowhere.
    Segfault,
    /// Recursion without an end.
    StackOverflow,
    /// `exit(3)`.
    Exit,
    /// Never returns and hears nothing.
    Loop,
    /// Takes memory until there is none.
    Memory,
    /// Answers batches without rows, for ever.
    Empty,
    /// Prints a line, then ends as by `abort()`.
    Print,
}

impl Misbehave {
    /// Whether it happens now.
    fn happens(&self, call: &str) -> bool {
        static MADE: AtomicU32 = AtomicU32::new(0);
        self.call == call
            && self.time.is_none_or(|time| MADE.fetch_add(1, Ordering::SeqCst) + 1 == time)
            && self.once.as_ref().is_none_or(is_first)
    }

    fn happen(&self) {
        match self.how {
            How::Panic => panic!("asked to panic in {}", self.call),
            How::Abort => std::process::abort(),
            How::Segfault => crash::segfault(),
            How::StackOverflow => crash::overflow_the_stack(),
            How::Exit => std::process::exit(3),
            How::Loop => crash::never_return(),
            How::Memory => crash::take_all_memory(),
            How::Empty => {}
            How::Print => {
                let _ = writeln!(std::io::stderr(), "{}", self.text);
                std::process::abort();
            }
        }
    }
}

/// Whether `file` did not exist.
fn is_first(file: &PathBuf) -> bool {
    OpenOptions::new().write(true).create_new(true).open(file).is_ok()
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
        self.call == call && self.once.as_ref().is_none_or(is_first)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: 10,
            columns: 1,
            panic_in: String::new(),
            error_in: None,
            misbehave: None,
            hang_in: String::new(),
            hang_in_interrupt: false,
            sleep_ms_per_batch: 0,
            password: SecretString::default(),
            endless: false,
            log: false,
            say: String::new(),
            lose: 0,
        }
    }
}

impl Options {
    /// Does to `call` what was asked for.
    pub(crate) fn strike(&self, call: &str, context: &Context) -> Result<()> {
        if self.log {
            tracing::info!(call, rows = self.rows, endless = self.endless, "fault was called");
        }
        if call == "open" && !self.say.is_empty() {
            tracing::warn!(text = self.say, value = ?[&self.say], "fault says: {}", self.say);
        }
        self.panic(call);
        self.misbehave(call);
        if self.hang_in == call {
            self.wait(context, None)?;
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

    /// Does what ends processes.
    pub(crate) fn misbehave(&self, call: &str) {
        if let Some(misbehave) = self.misbehave.as_ref().filter(|misbehave| misbehave.happens(call)) {
            misbehave.happen();
        }
    }

    /// Whether there are batches without rows and no others.
    pub(crate) fn is_empty_forever(&self) -> bool {
        self.misbehave.as_ref().is_some_and(|misbehave| misbehave.how == How::Empty)
    }

    /// The options as they are for a query, of which `first` is the first row.
    pub(crate) fn about(&self, query: &str, first: u64) -> Self {
        let of_part = |part: Option<u64>| part.is_none_or(|part| part == first);
        let mut options = self.clone();
        options.error_in = options.error_in.filter(|fault| of_part(fault.part));
        options.misbehave = options
            .misbehave
            .filter(|misbehave| of_part(misbehave.part) && misbehave.query.as_ref().is_none_or(|only| only == query));
        options
    }

    pub(crate) fn dawdle(&self, context: &Context) -> Result<()> {
        match self.sleep_ms_per_batch {
            0 => Ok(()),
            ms => self.wait(context, Some(Duration::from_millis(ms))),
        }
    }

    /// Blocks for `pause`, or for ever, until the host cancels.
    fn wait(&self, context: &Context, pause: Option<Duration>) -> Result<()> {
        let (wake, sleep) = mpsc::channel();
        let hangs = self.hang_in_interrupt;
        let _guard = context.on_cancel(move || {
            if hangs {
                crash::never_return();
            }
            let _ = wake.send(());
        });
        let _ = match pause {
            Some(pause) => sleep.recv_timeout(pause).ok(),
            None => sleep.recv().ok(),
        };
        context.check()
    }
}

/// The addresses of a batch's buffers, column by column.
pub(crate) fn addresses(batch: &RecordBatch) -> Vec<String> {
    let buffers = |column: &arrow_array::ArrayRef| {
        column.to_data().buffers().iter().map(|buffer| format!("{:p}", buffer.as_ptr())).collect::<Vec<_>>()
    };
    batch.columns().iter().flat_map(buffers).collect()
}
