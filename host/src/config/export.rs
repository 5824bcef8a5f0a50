//! One entry of `exports`: what to read, how, and where it goes.

mod fields;
mod params;
mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rivet_plugin_api::{ArrowLayout, Compression, FormatKind, Mapping, Params, TimeEncoding};

use super::node::Span;
use super::{Connector, TuningSection};

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

pub(super) const KEYS: [&str; 30] = [
    "name",
    "query",
    "query_file",
    "params",
    "mode",
    "cursor_column",
    "cursor_lag",
    "chunk_column",
    "chunk_size",
    "chunk_dense",
    "chunk_checkpoint",
    "chunk_max_attempts",
    "parallel",
    "time_column",
    "time_column_type",
    "days_window",
    "format",
    "arrow_layout",
    "compression",
    "compression_level",
    "skip_empty",
    "manifest",
    "max_file_size",
    "meta_columns",
    "quality",
    "destination",
    "tuning",
    "types",
    "columns",
    "on_schema_change",
];
pub(super) const META_KEYS: [&str; 3] = ["exported_at", "row_hash", "run_id"];
pub(super) const QUALITY_KEYS: [&str; 4] = ["row_count_min", "row_count_max", "null_ratio_max", "unique_columns"];
