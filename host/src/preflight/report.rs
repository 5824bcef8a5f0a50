//! What was found out about one export, in the form of `rivet check --json`. The names of its fields are documented
//! (`docs/src/reference/check.md`) and stay.

use rivet_plugin_api::Column;
use serde::Serialize;

use super::coverage::Coverage;
use super::estimate::Range;
use super::verdict::{self, Verdict};
use super::warning::Warning;
use crate::error::Error;
use crate::plan::Job;
use crate::secret;

/// One export.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The export.
    pub export: String,
    /// The mode's name in configurations.
    pub mode: &'static str,
    /// The mode with its keys, for people.
    #[serde(skip)]
    pub mode_line: String,
    /// What it does, in a word.
    pub strategy: String,
    /// How the source bears it; absent when it could not be found out.
    pub verdict: Option<Verdict>,
    /// The rows of the next run.
    pub row_estimate: Option<u64>,
    /// The column that the mode selects by.
    pub key_column: Option<String>,
    /// Its least value.
    pub key_min: Option<String>,
    /// Its greatest value.
    pub key_max: Option<String>,
    /// Why these are not known.
    pub key_range_unknown: Option<String>,
    /// The stored cursor of an incremental export.
    pub cursor: Option<String>,
    /// Whether an incremental export has none yet.
    pub first_run: Option<bool>,
    /// When a time window begins.
    pub since: Option<String>,
    /// The most chunks of a chunked export.
    pub chunks: Option<u64>,
    /// How the table is read.
    pub scan: Option<String>,
    /// The index that leads to the rows.
    pub index: Option<String>,
    /// Its columns.
    pub index_columns: Vec<String>,
    /// How far an index helps.
    pub index_coverage: Option<Coverage>,
    /// Rows that the source looks at.
    pub examined_rows: Option<u64>,
    /// The largest table that is read.
    pub table: Option<String>,
    /// Its rows by the statistics.
    pub table_rows: Option<u64>,
    /// Its bytes without indexes.
    pub table_bytes: Option<u64>,
    /// The source's own figure for the work.
    pub cost: Option<f64>,
    /// The plan as the source prints it.
    pub plan: Option<String>,
    /// The profile that runs now.
    pub profile: &'static str,
    /// The profile that fits.
    pub recommended_profile: Option<&'static str>,
    /// The workers that fit.
    pub recommended_parallel: Option<usize>,
    /// Why so many.
    pub parallel_reason: Option<&'static str>,
    /// What may go wrong.
    pub warnings: Vec<Warning>,
    /// What would be better.
    pub suggestion: Option<String>,
    /// What becomes of each column.
    pub columns: Vec<ColumnReport>,
    /// Bytes of a row.
    pub row_bytes: Option<u64>,
    /// `statistics` or `types`.
    pub row_bytes_from: Option<&'static str>,
    /// Bytes of all files.
    pub output_bytes: Option<Range>,
    /// Milliseconds of a run.
    pub duration_ms: Option<Range>,
    /// How the two were estimated, for people.
    #[serde(skip)]
    pub basis: [String; 2],
    /// What else is good to know.
    pub notes: Vec<String>,
    /// Why it could not be checked.
    pub error: Option<Failure>,
}

/// What becomes of a column.
#[derive(Debug, Serialize)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its type at the source.
    pub native_type: String,
    /// Its type in the output; absent when it cannot be exported, or when only a run decides.
    pub arrow_type: Option<String>,
    /// Whether it takes NULL; `true` when not known.
    pub nullable: bool,
    /// The rule that decided, or why there is no type.
    pub note: String,
}

/// An error as a document.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// One line.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The error itself, which is shown as `run` shows it.
    #[serde(skip)]
    pub error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { message: secret::redact(&error.to_string()), hint: error.hint(), error }
    }
}

impl From<Column> for ColumnReport {
    fn from(column: Column) -> Self {
        Self {
            name: column.name,
            native_type: column.native_type,
            arrow_type: Some(column.arrow_type).filter(|name| !name.is_empty()),
            nullable: column.nullable,
            note: column.rule,
        }
    }
}

impl Report {
    /// What the configuration alone tells.
    pub fn new(job: &Job<'_>) -> Self {
        let (export, mode) = (job.export, &job.export.mode);
        Self {
            export: export.name.clone(),
            mode: mode.as_str(),
            mode_line: verdict::mode(mode),
            strategy: verdict::strategy(mode, export.parallel),
            key_column: super::outline::key(mode).map(str::to_owned),
            profile: job.tuning.profile.as_str(),
            ..Self::default()
        }
    }
}
