//! `rivet run --metrics-file`: the last run of each export as OpenMetrics text, for node_exporter's textfile collector.
//! All are gauges: that collector knows neither state sets nor infos, and every file tells only of one run.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::{Status, Summary};
use crate::clock;
use crate::error::{Error, Result};
use crate::event::{Event, Listener};
use crate::state::State;

/// The file and what will be in it.
pub struct MetricsFile {
    path: PathBuf,
    state: PathBuf,
    runs: Mutex<Vec<(Summary, Timestamp)>>,
}

/// One export's last run.
struct Run<'a> {
    summary: &'a Summary,
    ended: Timestamp,
    succeeded: Option<Timestamp>,
}

/// A family: name, unit, help, and the value of a run, if it has one.
type Family = (&'static str, &'static str, &'static str, fn(&Run<'_>) -> Option<f64>);

const FAMILIES: [Family; 8] = [
    ("rivet_export_rows", "rows", "Rows exported by the last run.", |run| Some(run.summary.rows as f64)),
    ("rivet_export_files", "files", "Files made by the last run.", |run| Some(run.summary.files as f64)),
    ("rivet_export_size_bytes", "bytes", "Size of the files made by the last run.", |run| {
        Some(run.summary.bytes as f64)
    }),
    ("rivet_export_duration_seconds", "seconds", "Wall time of the last run.", |run| {
        Some(run.summary.duration.as_secs_f64())
    }),
    ("rivet_export_retries", "retries", "Attempts of the last run after the first.", |run| {
        Some(f64::from(run.summary.retries))
    }),
    ("rivet_export_peak_rss_bytes", "bytes", "Greatest resident memory of the process of the last run.", |run| {
        Some((run.summary.peak_rss_mb << 20) as f64).filter(|bytes| *bytes > 0.0)
    }),
    ("rivet_export_last_run_timestamp_seconds", "seconds", "When the last run ended, in Unix time.", |run| {
        Some(seconds(run.ended))
    }),
    (
        "rivet_export_last_success_timestamp_seconds",
        "seconds",
        "When a run last succeeded, in Unix time; absent when none has.",
        |run| run.succeeded.map(seconds),
    ),
];

const STATUS: &str = "rivet_export_status";
const STATUS_HELP: &str = "How the last run ended: 1 for its status, 0 for the others.";

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

impl MetricsFile {
    /// A file at `path` about exports whose history is in `state`.
    pub fn new(path: &Path, state: PathBuf) -> Self {
        Self { path: path.to_owned(), state, runs: Mutex::default() }
    }

    /// Notes an export that could not begin.
    pub fn failed(&self, export: &str) {
        self.note(&Summary { export: export.to_owned(), status: Status::Failed, ..Summary::default() });
    }

    fn note(&self, summary: &Summary) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push((summary.clone(), clock::now()));
    }

    /// Writes the file, in one step: a reader never sees half of it.
    ///
    /// # Errors
    /// It cannot be written; the former one is as it was.
    pub fn write(&self) -> Result<()> {
        let mut noted = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        noted.sort_by(|(a, _), (b, _)| a.export.cmp(&b.export));
        let state = State::open_read_only(&self.state).ok().flatten();
        let earlier = |export: &str| state.as_ref()?.last_success(export).ok()?;
        let runs = noted.iter().map(|(summary, ended)| {
            let now = Some(*ended).filter(|_| summary.status != Status::Failed);
            Run { summary, ended: *ended, succeeded: now.or_else(|| earlier(&summary.export)) }
        });
        let runs: Vec<Run<'_>> = runs.collect();
        replace(&self.path, &text(&runs)).map_err(|e| {
            let path = self.path.display();
            let error = rivet_plugin_api::Error::from(e).context(format!("could not write the metrics file {path}"));
            Error::Run(
                error.hint("the exports are not touched by this: give a path in a directory that can be written"),
            )
        })
    }
}

impl Listener for MetricsFile {
    fn hear(&self, _: Option<&str>, event: &Event) {
        if let Event::ExportFinished(summary) = event {
            self.note(summary);
        }
    }
}

/// Puts a file in the place of another, with the rights that the umask leaves.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // What a link leads to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(".rivet-metrics-").permissions(Permissions::from_mode(0o666)).tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.persist(&path)?;
    Ok(())
}

fn text(runs: &[Run<'_>]) -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    for (name, unit, help, value) in FAMILIES {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n# UNIT {name} {unit}\n");
        for run in runs {
            if let Some(value) = value(run) {
                let _ = writeln!(text, "{name}{{export=\"{}\"}} {value}", escaped(&run.summary.export));
            }
        }
    }
    let _ = write!(text, "# HELP {STATUS} {STATUS_HELP}\n# TYPE {STATUS} gauge\n");
    for run in runs {
        let export = escaped(&run.summary.export);
        for status in [Status::Success, Status::Failed, Status::Skipped] {
            let (is, status) = (u8::from(status == run.summary.status), status.as_str());
            let _ = writeln!(text, "{STATUS}{{export=\"{export}\",status=\"{status}\"}} {is}");
        }
    }
    text + "# EOF\n"
}

/// The text of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_run_is_told_in_gauges() {
        let summary = Summary {
            export: "a\"\\\nb".into(),
            status: Status::Success,
            rows: 12_345_678_901,
            duration: Duration::from_millis(1250),
            ..Summary::default()
        };
        let ended = Timestamp::from_millisecond(1_700_000_000_250).unwrap();
        let text = text(&[Run { summary: &summary, ended, succeeded: None }]);
        for line in [
            "# TYPE rivet_export_rows gauge",
            "# UNIT rivet_export_duration_seconds seconds",
            r#"rivet_export_rows{export="a\"\\\nb"} 12345678901"#,
            r#"rivet_export_duration_seconds{export="a\"\\\nb"} 1.25"#,
            r#"rivet_export_last_run_timestamp_seconds{export="a\"\\\nb"} 1700000000.25"#,
            r#"rivet_export_status{export="a\"\\\nb",status="success"} 1"#,
            r#"rivet_export_status{export="a\"\\\nb",status="failed"} 0"#,
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("success_timestamp_seconds{") && !text.contains("rss_bytes{"), "{text}");
        assert!(text.ends_with("\n# EOF\n"));
        for (name, unit, ..) in FAMILIES {
            assert!(name.ends_with(&format!("_{unit}")), "OpenMetrics wants the unit at the end of {name}");
        }
    }
}
