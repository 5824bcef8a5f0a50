//! The block printed for each export when it is done, in the layout of rivet-cli 0.2.

use std::fmt;
use std::time::Duration;

use rivet_plugin_api::{Compression, FormatKind};
use serde::{Deserialize, Serialize};

use crate::state::{human_bytes, human_duration};

/// How an export ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything is durable.
    Success,
    /// Nothing was published and nothing moved.
    #[default]
    Failed,
    /// There were no rows and the export wants that reported.
    Skipped,
}

impl Status {
    /// The name in summaries and in the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What came of one export.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// The export.
    pub export: String,
    /// Links summary, metrics and files; empty when the run did not come to have one.
    pub run_id: String,
    /// How it ended.
    pub status: Status,
    /// Profile and batch size.
    pub tuning: String,
    /// Rows exported; none after a failure.
    pub rows: u64,
    /// Rows written, also when they were refused; counted for `source_rows`.
    #[serde(rename = "exported_rows")]
    pub exported: u64,
    /// Files published.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Wall time.
    #[serde(rename = "duration_ms", with = "millis")]
    pub duration: Duration,
    /// Peak resident memory of the process in MiB; 0 when not known.
    pub peak_rss_mb: u64,
    /// The file format.
    pub format: FormatKind,
    /// The codec.
    pub compression: Compression,
    /// Attempts after the first.
    pub retries: u32,
    /// Whether the files were read back and found right; absent when nobody asked.
    pub validated: Option<bool>,
    /// Whether the columns differ from the last run's; absent on the first run.
    pub schema_changed: Option<bool>,
    /// Whether the rows keep the rules under `quality`; absent without any.
    pub quality: Option<bool>,
    /// The rows that the source counts for the same window; absent when nobody asked or it could not be said.
    pub source_rows: Option<u64>,
    /// Why it failed, in one line.
    pub error: Option<String>,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The error as a terminal shows it: with its place, what to do, and its codes.
    pub error_text: Option<String>,
    /// The stable codes of the error; none without one.
    pub error_codes: Vec<String>,
    /// What the process answers when this export decides.
    pub exit_code: u8,
}

/// A duration as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

impl Summary {
    /// Wall time in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A blank line, a rule with the name, and one aligned line a fact.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n── {} ──", self.export)?;
        let mut line = |label: &str, value: &dyn fmt::Display| writeln!(f, "  {label:<13}{value}");
        line("run_id:", &self.run_id)?;
        line("status:", &self.status.as_str())?;
        line("tuning:", &self.tuning)?;
        line("rows:", &self.rows)?;
        line("files:", &self.files)?;
        if self.bytes > 0 {
            line("bytes:", &human_bytes(self.bytes))?;
        }
        line("duration:", &human_duration(self.duration_ms()))?;
        if self.peak_rss_mb > 0 {
            line("peak RSS:", &format_args!("{}MB", self.peak_rss_mb))?;
        }
        if self.format == FormatKind::Parquet && self.compression != Compression::Zstd {
            line("compression:", &self.compression.as_str())?;
        }
        if self.retries > 0 {
            line("retries:", &self.retries)?;
        }
        if let Some(validated) = self.validated.filter(|passed| !passed || self.files > 0) {
            line("validated:", &if validated { "pass" } else { "FAIL" })?;
        }
        if let Some(changed) = self.schema_changed {
            line("schema:", &if changed { "CHANGED" } else { "unchanged" })?;
        }
        if let Some(passed) = self.quality {
            line("quality:", &if passed { "pass" } else { "FAIL" })?;
        }
        match self.source_rows {
            Some(source) if source == self.exported => {
                line("reconcile:", &format_args!("MATCH ({}/{source})", self.exported))?;
            }
            Some(source) => {
                let exported = self.exported;
                line("reconcile:", &format_args!("MISMATCH (exported {exported} vs source {source})"))?;
            }
            None => {}
        }
        match &self.error {
            Some(error) => line("error:", error),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_the_predecessor() {
        let summary = Summary {
            export: "orders".into(),
            run_id: "orders_20260329T125109.336".into(),
            status: Status::Success,
            tuning: "profile=balanced (default), batch_size=10000".into(),
            rows: 150_000,
            files: 1,
            bytes: 13_002_342,
            duration: Duration::from_millis(3210),
            peak_rss_mb: 142,
            validated: Some(true),
            schema_changed: Some(false),
            ..Summary::default()
        };
        let expected = "
── orders ──
  run_id:      orders_20260329T125109.336
  status:      success
  tuning:      profile=balanced (default), batch_size=10000
  rows:        150000
  files:       1
  bytes:       12.4 MB
  duration:    3.2s
  peak RSS:    142MB
  validated:   pass
  schema:      unchanged
";
        assert_eq!(summary.to_string(), expected);
    }

    #[test]
    fn a_failure_names_its_error_and_hides_what_is_unknown() {
        let summary = Summary {
            export: "x".into(),
            run_id: "x_1".into(),
            tuning: "profile=fast, batch_size=5".into(),
            compression: Compression::Gzip,
            retries: 2,
            validated: Some(true),
            error: Some("no route".into()),
            ..Summary::default()
        };
        let expected = "
── x ──
  run_id:      x_1
  status:      failed
  tuning:      profile=fast, batch_size=5
  rows:        0
  files:       0
  duration:    0ms
  compression: gzip
  retries:     2
  error:       no route
";
        assert_eq!(summary.to_string(), expected);
    }
}
