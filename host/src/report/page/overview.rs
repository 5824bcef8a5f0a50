//! The figures at the top and the table of all exports.

use std::fmt::Write as _;

use super::text;
use crate::state::{Day, ExportHistory};

/// So many runs are in the strip of an export.
const STRIP: usize = 24;

/// One figure.
pub struct Tile {
    pub label: &'static str,
    pub value: String,
    pub note: String,
    pub bad: bool,
}

/// One export in the table.
pub struct Line {
    pub id: Option<String>,
    pub name: String,
    pub status: String,
    pub status_class: &'static str,
    pub last_run: String,
    pub strip: Option<Strip>,
    pub runs: String,
    pub failed: String,
    pub failing: bool,
    pub rows: String,
    pub bytes: String,
    pub retries: String,
}

/// The latest runs as marks, oldest first: low ones for success, tall ones for failure.
pub struct Strip {
    pub width: usize,
    pub good: String,
    pub bad: String,
    pub text: String,
}

/// Whether the last run failed.
pub fn needs_attention(export: &ExportHistory) -> bool {
    status(export) == "failed"
}

/// What came of the last run.
pub fn status(export: &ExportHistory) -> &str {
    export.last.as_ref().map_or("no run", |run| &run.metrics.status)
}

/// All days of an export together.
pub fn sums(export: &ExportHistory) -> Day {
    export.days.iter().fold(Day::default(), |mut sums, day| {
        sums.add(day);
        sums
    })
}

/// The figures of all exports together.
pub fn tiles(exports: &[&ExportHistory]) -> Vec<Tile> {
    let mut all = Day::default();
    for export in exports {
        all.add(&sums(export));
    }
    let tile = |label, value, note, bad| Tile { label, value, note, bad };
    // A great number would be wider than its place.
    let number = |n: u64| if n < 10_000_000 { text::thousands(n) } else { text::compact(n as f64) };
    let failing = exports.iter().filter(|export| needs_attention(export)).count() as u64;
    let failing_note = if failing > 0 { format!("{} failing", text::thousands(failing)) } else { String::new() };
    let failed_note = if all.failed > 0 { format!("{} failed", text::thousands(all.failed)) } else { String::new() };
    let retries = match all.retries {
        0 => String::new(),
        1 => "1 retry".to_owned(),
        n => format!("{} retries", text::thousands(n)),
    };
    vec![
        tile("Exports", number(exports.len() as u64), failing_note, failing > 0),
        tile("Runs", number(all.runs), failed_note, all.failed > 0),
        tile("Rows", number(all.rows), String::new(), false),
        tile("Written", text::bytes(all.bytes), text::count(all.files, "file"), false),
        tile("Time spent", text::duration(all.duration_ms), retries, false),
    ]
}

impl Line {
    pub fn new(export: &ExportHistory, id: Option<String>) -> Self {
        let sums = sums(export);
        Self {
            id,
            name: text::shown(&export.export),
            status: text::shown(status(export)),
            status_class: text::class(status(export)),
            last_run: export.last.as_ref().map(|run| text::when(&run.run_at)).unwrap_or_default(),
            strip: Strip::new(export),
            runs: text::thousands(sums.runs),
            failed: text::thousands(sums.failed),
            failing: sums.failed > 0,
            rows: text::thousands(sums.rows),
            bytes: text::bytes(sums.bytes),
            retries: text::thousands(sums.retries),
        }
    }
}

impl Strip {
    fn new(export: &ExportHistory) -> Option<Self> {
        let runs: Vec<_> = export.runs.iter().take(STRIP).rev().collect();
        let failed = runs.iter().filter(|run| run.metrics.status == "failed").count();
        let marks = |bad: bool, top: u8| -> String {
            let marked = runs.iter().enumerate().filter(|(_, run)| (run.metrics.status == "failed") == bad);
            marked.fold(String::new(), |mut path, (i, _)| {
                // Writing into memory cannot fail.
                let _ = write!(path, "M{} {top}h3V16h-3z", i * 5);
                path
            })
        };
        (!runs.is_empty()).then(|| Self {
            width: runs.len() * 5 - 2,
            good: marks(false, 9),
            bad: marks(true, 1),
            text: format!("Of the last {}, {failed} failed", text::count(runs.len() as u64, "run")),
        })
    }
}
