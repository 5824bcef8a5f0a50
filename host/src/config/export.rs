//! One entry of `exports`: what to read, how, and where it goes.

pub(super) mod fields;
mod params;
mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rivet_plugin_api::{ArrowLayout, Category, Compression, Error, FormatKind, Mapping, Params, TimeEncoding};

use super::diagnostic::{ConfigError, Diagnostic};
use super::key::{Key, Takes, choices};
use super::node::Span;
use super::{Connector, TuningSection, tuning};
use crate::code::Code;

/// One named item of the configuration.
#[derive(Debug)]
pub struct Export {
    /// Unique; the key of the state file and the stem of file names: `[A-Za-z0-9_.-]{1,100}`.
    pub name: String,
    /// Where the export begins in the file.
    pub at: Span,
    /// What to read.
    pub query: Query,
    /// The values that the query names.
    pub params: Params,
    /// Which rows of it, and in which pieces.
    pub mode: Mode,
    /// Workers, at least 1.
    pub parallel: usize,
    /// The file format.
    pub format: FormatKind,
    /// How an Arrow file is laid out; the other formats have no use for it.
    pub arrow_layout: ArrowLayout,
    /// The codec; CSV ignores it.
    pub compression: Compression,
    /// The codec's level; its default when absent.
    pub compression_level: Option<u32>,
    /// Report a run without rows as skipped.
    pub skip_empty: bool,
    /// Lay a list of the parts beside them.
    pub manifest: bool,
    /// Begin another part once one has this many bytes; no limit when absent.
    pub max_file_size: Option<u64>,
    /// Columns that the host adds.
    pub meta_columns: MetaColumns,
    /// What the result must satisfy before it becomes visible.
    pub quality: Option<Quality>,
    /// Where it goes.
    pub destination: Connector,
    /// As written; see [`Tuning::merge`](super::Tuning::merge).
    pub tuning: TuningSection,
    /// Overrides of the type mapping, those of the source included; the export's win.
    pub mapping: Mapping,
    /// What to do when the columns are not those of the last run.
    pub on_schema_change: OnSchemaChange,
    /// The columns and parameters that the export names, and where.
    mentioned: Vec<(String, Span)>,
}

impl Export {
    /// That it asks for what its connectors do not offer, as a problem of the file.
    pub fn not_offered(&self, error: &Error) -> ConfigError {
        self.problem(error, self.at, Code::NotOffered)
    }

    /// `error` with its place in the file, where it is about a column or parameter that the export names.
    pub fn located(&self, error: &Error) -> Option<ConfigError> {
        let quoted = |name: &str| error.message().contains(&format!("\"{name}\""));
        let at = self.mentioned.iter().find(|(name, _)| quoted(name)).map(|(_, at)| *at);
        at.filter(|_| error.category() == Category::Config).map(|at| self.problem(error, at, Code::Config))
    }

    fn problem(&self, error: &Error, at: Span, code: Code) -> ConfigError {
        let problem = Diagnostic::new(error.to_string()).at(at).code(code);
        ConfigError::new(&self.destination.origin.text, vec![problem.hint_of(error)])
    }
}

/// The text of a query, placeholders expanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Query {
    /// As the user wrote it: it may end in `;` or a comment.
    pub text: String,
    /// The file it came from.
    pub file: Option<PathBuf>,
}

/// Which rows an export reads, and in which pieces.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Every row, every time.
    #[default]
    Full,
    /// Rows above the last exported cursor.
    Incremental {
        /// The column that grows.
        cursor_column: String,
        /// What is left to later runs; nothing when absent.
        cursor_lag: Option<CursorLag>,
    },
    /// Every row, in ranges of a key.
    Chunked {
        /// The key.
        column: String,
        /// The width of a range in values of the key, at least 1; rows with `dense`.
        size: u64,
        /// Number the rows and split by number instead of by key.
        dense: bool,
        /// Remember finished chunks, so that `--resume` goes on from them.
        checkpoint: bool,
        /// Attempts for one chunk, at least 1; one more than `max_retries` when absent.
        max_attempts: Option<u32>,
    },
    /// Rows of the last days.
    TimeWindow {
        /// The column that holds the time.
        column: String,
        /// How it holds it.
        encoding: TimeEncoding,
        /// How many days before today's midnight UTC the window begins.
        days: u32,
    },
}

/// How far the upper end of an incremental window stays behind, for rows that are committed late.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CursorLag {
    /// Microseconds behind the source's clock, for cursors that hold times.
    Time(i64),
    /// An amount below the greatest value, for cursors that hold numbers.
    Amount(u64),
}

impl Mode {
    /// Whether chunks that are done outlive a run that fails. Rows that are numbered anew have none of use to another run.
    pub fn keeps_chunks(&self) -> bool {
        matches!(self, Self::Chunked { checkpoint: true, dense: false, .. })
    }

    /// The name in configurations.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental { .. } => "incremental",
            Self::Chunked { .. } => "chunked",
            Self::TimeWindow { .. } => "time_window",
        }
    }
}

/// Columns that the host adds behind those of the query.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MetaColumns {
    /// `_rivet_exported_at`.
    pub exported_at: bool,
    /// `_rivet_row_hash`.
    pub row_hash: bool,
    /// `_rivet_run_id`.
    pub run_id: bool,
}

/// What a result must satisfy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// The least number of rows.
    pub row_count_min: Option<u64>,
    /// The greatest number of rows.
    pub row_count_max: Option<u64>,
    /// By column, the greatest share of NULLs, from 0 to 1.
    pub null_ratio_max: BTreeMap<String, f64>,
    /// Columns without a value that occurs twice, each by itself.
    pub unique_columns: Vec<String>,
}

impl Quality {
    /// Whether the rows themselves decide, and not only their number.
    pub fn is_of_values(&self) -> bool {
        !self.null_ratio_max.is_empty() || !self.unique_columns.is_empty()
    }
}

/// What to do when the columns are not those of the last run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnSchemaChange {
    /// Say so and go on.
    #[default]
    Warn,
    /// Refuse the result.
    Fail,
}

/// What exports inherit from the source.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) tuning: TuningSection,
    pub(super) types: BTreeMap<String, String>,
    pub(super) columns: BTreeMap<String, String>,
}

/// About a century.
const MAX_DAYS: i128 = 36_500;
const MOST: i128 = i64::MAX as i128;

/// The keys of an export.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "name",
        Takes::Text,
        "Unique; the stem of file names, and what the state is kept under. Letters, digits, `_`, `.` and `-`.",
    ),
    Key::new("query", Takes::Text, "What to read: one SELECT, as the source takes it."),
    Key::new(
        "query_file",
        Takes::Text,
        "A file that holds the query, instead of `query`; relative to the directory of this file.",
    ),
    Key::new("params", Takes::Values, "The values of the `:name`s in the query, by name."),
    Key::new(
        "mode",
        Takes::One(|| fields::MODES.to_vec()),
        "Which rows are read: `full` (the default) all of them, `incremental` those above the last exported cursor, \
         `chunked` all of them in ranges of a key, `time_window` those of the last days.",
    ),
    Key::new("cursor_column", Takes::Text, "Mode incremental: the column that grows with every new or changed row."),
    Key::new(
        "cursor_lag",
        Takes::Lag,
        "Mode incremental: what is left to later runs, because rows behind it may be committed late: `90s`, `5m`, `2h`, \
         `1d`, or an amount for a cursor of numbers.",
    ),
    Key::new("chunk_column", Takes::Text, "Mode chunked: the key whose ranges are read one by one."),
    Key::new("chunk_size", Takes::Whole(1, MOST), "Mode chunked: values of the key in one range; 100000 when absent."),
    Key::new(
        "chunk_dense",
        Takes::Flag,
        "Mode chunked: number the rows and split by number, for keys with large gaps.",
    ),
    Key::new(
        "chunk_checkpoint",
        Takes::Flag,
        "Mode chunked: remember finished chunks, so that `rivet run --resume` goes on from them.",
    ),
    Key::new(
        "chunk_max_attempts",
        Takes::Whole(1, 1000),
        "Mode chunked: attempts for one chunk; one more than `max_retries` when absent.",
    ),
    Key::new("parallel", Takes::Whole(1, 1024), "How many parts are read at once; 1 when absent."),
    Key::new("time_column", Takes::Text, "Mode time_window: the column that holds the time."),
    Key::new(
        "time_column_type",
        Takes::One(|| choices(fields::ENCODINGS)),
        "Mode time_window: `timestamp` (the default) for dates and timestamps, `unix` for seconds since 1970.",
    ),
    Key::new(
        "days_window",
        Takes::Whole(0, MAX_DAYS),
        "Mode time_window: how many days before today's midnight UTC the window begins.",
    ),
    Key::new("format", Takes::One(|| choices(fields::formats())), "The format of the files."),
    Key::new(
        "arrow_layout",
        Takes::One(|| choices(fields::LAYOUTS)),
        "Format arrow: `stream` (the default), or `file` with an index at its end.",
    ),
    Key::new(
        "compression",
        Takes::One(|| choices(fields::codecs())),
        "The codec of the files; `zstd` when absent. CSV is never compressed.",
    ),
    Key::new(
        "compression_level",
        Takes::Whole(0, 1000),
        "The codec's level: 1 to 22 for zstd, 0 to 10 for gzip; the others have none.",
    ),
    Key::new("skip_empty", Takes::Flag, "Report a run without rows as skipped."),
    Key::new("manifest", Takes::Flag, "Write a list of the files of each run beside them."),
    Key::new(
        "max_file_size",
        Takes::Size,
        "Begin another file once one has this many bytes: `512MB`, `1.5GB`; one KB is 1024 bytes.",
    ),
    Key::new("meta_columns", Takes::Section(META_KEYS), "Columns to add behind those of the query."),
    Key::new(
        "quality",
        Takes::Section(QUALITY_KEYS),
        "What the rows must satisfy before anything of them becomes visible.",
    ),
    Key::new("destination", Takes::Destination, "Where the files go."),
    Key::new("tuning", Takes::Section(tuning::KEYS), "How hard the source is worked; wins over `source.tuning`."),
    Key::new("types", Takes::TextMap, "Other types for columns, by the name of their native type."),
    Key::new("columns", Takes::TextMap, "Other types for columns, by their name."),
    Key::new(
        "on_schema_change",
        Takes::One(|| choices(read::CHANGES)),
        "What to do when the columns are not those of the last run: `warn` (the default), or `fail` before anything \
         becomes visible.",
    ),
];
pub(super) const META_KEYS: &[Key] = &[
    Key::new("exported_at", Takes::Flag, "Add `_rivet_exported_at`, when the rows were exported."),
    Key::new("row_hash", Takes::Flag, "Add `_rivet_row_hash`, a hash of the values of the row."),
    Key::new("run_id", Takes::Flag, "Add `_rivet_run_id`, which names the run."),
];
pub(super) const QUALITY_KEYS: &[Key] = &[
    Key::new("row_count_min", Takes::Whole(0, MOST), "The least number of rows."),
    Key::new("row_count_max", Takes::Whole(0, MOST), "The greatest number of rows."),
    Key::new("null_ratio_max", Takes::Ratios, "By column, the greatest share of NULLs, from 0 to 1."),
    Key::new("unique_columns", Takes::Texts, "Columns in which no value may occur twice, each by itself."),
];
