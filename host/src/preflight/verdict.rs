//! What the figures mean: verdict, profile, parallelism and the strategy's name, by the tables of the documentation
//! (`docs/src/reference/check.md`).

use serde::Serialize;

use super::coverage::Coverage;
use crate::config::{Mode, Profile};

/// How a source bears an export.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// An index leads to the rows, and they are not too many.
    Efficient,
    /// An index helps, but there are very many rows, or it helps only in part.
    Acceptable,
    /// The whole table is scanned, which can be borne.
    Degraded,
    /// A very large table is scanned.
    Unsafe,
}

impl Verdict {
    /// The word that is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Efficient => "EFFICIENT",
            Self::Acceptable => "ACCEPTABLE",
            Self::Degraded => "DEGRADED",
            Self::Unsafe => "UNSAFE",
        }
    }

    /// Whether the source suffers.
    pub fn is_degraded(self) -> bool {
        matches!(self, Self::Degraded | Self::Unsafe)
    }
}

/// From here on a dataset is very large.
pub const VERY_LARGE: u64 = 10_000_000;
/// A scan of more rows than these is not to be borne.
const MOST_SCANNED: u64 = 50_000_000;

/// Judges an export that makes the source look at `rows` rows; `None` when nobody knows.
pub fn verdict(coverage: Coverage, rows: Option<u64>) -> Verdict {
    match (coverage, rows) {
        (Coverage::Nothing, _) => Verdict::Efficient,
        (Coverage::Key, Some(rows)) if rows < VERY_LARGE => Verdict::Efficient,
        (Coverage::Key | Coverage::Standby | Coverage::Partial, _) => Verdict::Acceptable,
        (Coverage::None, Some(rows)) if rows > MOST_SCANNED => Verdict::Unsafe,
        (Coverage::None, _) => Verdict::Degraded,
    }
}

/// The tuning profile for an export over `parallel` connections.
pub fn profile(coverage: Coverage, rows: Option<u64>, parallel: usize) -> Profile {
    match (coverage.is_indexed(), rows) {
        (false, Some(0..100_000)) if parallel > 1 => Profile::Balanced,
        (true, Some(0..1_000_000)) | (false, Some(0..100_000)) => Profile::Fast,
        (true, Some(1_000_000..=10_000_000) | None) | (false, Some(100_000..=1_000_000)) => Profile::Balanced,
        _ => Profile::Safe,
    }
}

/// How many workers an export is best given, and why.
pub fn parallelism(mode: &Mode, coverage: Coverage, rows: Option<u64>) -> (usize, &'static str) {
    let dense = matches!(mode, Mode::Chunked { dense: true, .. });
    let rows = rows.unwrap_or(0);
    match (mode, coverage.is_indexed()) {
        (Mode::Chunked { .. }, _) if dense => (1, "chunk_dense reads in one ordered pass"),
        (Mode::Chunked { .. }, _) if rows < 50_000 => {
            (1, "a small dataset: more connections would cost more than they save")
        }
        (Mode::Chunked { .. }, false) if rows > 5_000_000 => {
            (1, "every chunk scans a large table: workers would scan it at once")
        }
        (Mode::Chunked { .. }, false) => (2, "no index: every worker scans the table"),
        (Mode::Chunked { .. }, true) if rows < 500_000 => (2, "a medium dataset with an index on the chunk column"),
        (Mode::Chunked { .. }, true) => (4, "a large dataset with an index on the chunk column"),
        _ => (1, "only chunked mode gains from more"),
    }
}

/// What an export does, in a word.
pub fn strategy(mode: &Mode, parallel: usize) -> String {
    match mode {
        Mode::Full if parallel > 1 => format!("full-parallel({parallel})"),
        Mode::Full => "full-scan".to_owned(),
        Mode::Incremental { cursor_column, .. } => format!("incremental({cursor_column})"),
        Mode::Chunked { column, size, .. } if parallel > 1 => {
            format!("chunked-parallel({column}, size={size}, p={parallel})")
        }
        Mode::Chunked { column, size, .. } => format!("chunked({column}, size={size})"),
        Mode::TimeWindow { column, days, .. } => format!("time-window({column}, {days}d)"),
    }
}

/// The mode and its keys.
pub fn mode(mode: &Mode) -> String {
    match mode {
        Mode::Full => "full".to_owned(),
        Mode::Incremental { cursor_column, .. } => format!("incremental (cursor: {cursor_column})"),
        Mode::Chunked { column, size, .. } => format!("chunked (column: {column}, size: {size})"),
        Mode::TimeWindow { column, days, .. } => format!("time_window (column: {column}, days: {days})"),
    }
}
