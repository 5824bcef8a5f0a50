//! The section of one export: facts, plots, failures, and tables of runs, files and columns.

use super::plot::{self, Plot};
use super::points::{self, Grain};
use super::{overview, text};
use crate::state::{ExportHistory, FileRecord, RunRecord, SchemaColumn};

/// So many of the latest runs are listed.
const LISTED: usize = 20;
/// So many columns; a table may have thousands.
const COLUMNS: usize = 500;

/// One export, in the words of its template.
pub struct Section {
    pub id: String,
    pub name: String,
    pub status: String,
    pub status_class: &'static str,
    pub unfinished: Option<String>,
    pub facts: Vec<Fact>,
    pub plots: Vec<Plot>,
    pub legend: Option<String>,
    pub failures_title: String,
    pub failures: Vec<Failure>,
    pub tables: Vec<Table>,
}

/// A label and what it stands for.
pub struct Fact {
    pub label: &'static str,
    pub value: String,
    pub note: String,
    pub code: bool,
}

/// A run that failed.
pub struct Failure {
    pub at: String,
    pub details: Vec<String>,
    pub error: String,
}

/// A table behind a heading that opens it.
pub struct Table {
    pub title: String,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
pub struct Column {
    pub name: &'static str,
    pub number: bool,
}

/// One cell.
pub struct Cell {
    pub text: String,
    pub class: &'static str,
}

impl Section {
    pub fn new(export: &ExportHistory, id: String) -> Self {
        let (grain, points) = points::of_export(export);
        let failed = overview::sums(export).failed;
        let shown = export.failures.len() as u64;
        Self {
            name: text::shown(&export.export),
            status: text::shown(overview::status(export)),
            status_class: text::class(overview::status(export)),
            unfinished: export.unfinished.as_deref().map(unfinished),
            facts: facts(export),
            legend: legend(grain, points.len(), failed),
            plots: plot::plots(&id, grain, &points),
            failures_title: match failed {
                1 => "The failure".to_owned(),
                n if n > shown => format!("The latest {shown} of {} failures", text::thousands(n)),
                n => format!("The {n} failures"),
            },
            failures: export.failures.iter().map(failure).collect(),
            tables: [runs(export), files(&export.files), columns(&export.columns)].into_iter().flatten().collect(),
            id,
        }
    }
}

fn unfinished(started_at: &str) -> String {
    let at = text::when(started_at);
    format!(
        "A run that began on {at} is not finished. Either it is under way, or it was cut off; then the next run does it again."
    )
}

fn legend(grain: Grain, points: usize, failed: u64) -> Option<String> {
    let bars = match grain {
        Grain::Run if failed == 0 => return None,
        Grain::Run => "A bar is a run".to_owned(),
        Grain::Days(_) if points == 0 => return None,
        Grain::Days(1) => "A bar is a day: rows and bytes are sums, the duration is that of the mean run".to_owned(),
        Grain::Days(n) => format!("A bar is {n} days: rows and bytes are sums, the duration is that of the mean run"),
    };
    Some(match (failed, grain) {
        (0, _) => format!("{bars}."),
        (_, Grain::Run) => format!("{bars}. A cross marks failure."),
        (_, Grain::Days(_)) => format!("{bars}. Below the line is the share of runs that failed."),
    })
}

fn facts(export: &ExportHistory) -> Vec<Fact> {
    let sums = overview::sums(export);
    let fact = |label, value: String, note: String| Fact { label, value, note, code: false };
    let mut facts = Vec::new();
    if let Some(run) = &export.last {
        let m = &run.metrics;
        facts.push(fact("Last run", text::when(&run.run_at), text::duration(m.duration_ms)));
        let kind: Vec<&str> = [&m.mode, &m.format].into_iter().flatten().map(String::as_str).collect();
        if !kind.is_empty() {
            facts.push(fact("Kind", text::shown(&kind.join(", ")), String::new()));
        }
    }
    if let Some(cursor) = &export.cursor {
        let value = cursor.value.as_deref().map_or("none".to_owned(), text::shown);
        let of = cursor.column.as_deref().map(|column| format!("of {}", text::shown(column))).unwrap_or_default();
        facts.push(Fact { label: "Cursor", value, note: of, code: cursor.value.is_some() });
    }
    let failed = if sums.failed > 0 { format!("{} failed", text::thousands(sums.failed)) } else { String::new() };
    facts.push(fact("Runs", text::thousands(sums.runs), failed));
    facts.push(fact("Rows", text::thousands(sums.rows), String::new()));
    facts.push(fact("Written", text::bytes(sums.bytes), text::count(sums.files, "file")));
    if sums.retries > 0 {
        facts.push(fact("Retries", text::thousands(sums.retries), String::new()));
    }
    if let Some(run) = export.changes.first() {
        let times = text::count(sums.changes, "time");
        facts.push(fact("Columns changed", times, format!("last on {}", text::when(&run.run_at))));
    }
    if let Some(peak) = export.runs.iter().filter_map(|run| run.metrics.peak_rss_mb).max() {
        facts.push(fact("Peak memory", format!("{} MB", text::thousands(peak)), String::new()));
    }
    facts
}

fn failure(run: &RunRecord) -> Failure {
    let m = &run.metrics;
    let retries = (m.retries > 0).then(|| format!("tried {} times", text::thousands(m.retries.saturating_add(1))));
    let details =
        [Some(format!("after {}", text::duration(m.duration_ms))), retries, m.run_id.as_deref().map(text::shown)];
    Failure {
        at: text::when(&run.run_at),
        details: details.into_iter().flatten().collect(),
        error: m.error.as_deref().map_or("no error is recorded".to_owned(), text::shown),
    }
}

fn head(names: &[(&'static str, bool)]) -> Vec<Column> {
    names.iter().map(|(name, number)| Column { name, number: *number }).collect()
}

fn cell(text: String) -> Cell {
    Cell { text, class: "" }
}

fn number(text: String) -> Cell {
    Cell { text, class: "n" }
}

fn runs(export: &ExportHistory) -> Option<Table> {
    let listed = &export.runs[..export.runs.len().min(LISTED)];
    let row = |run: &RunRecord| {
        let m = &run.metrics;
        let verdict = |found: Option<bool>, yes: &str, no: &str| match found {
            Some(true) => yes.to_owned(),
            Some(false) => no.to_owned(),
            None => "–".to_owned(),
        };
        vec![
            cell(text::when(&run.run_at)),
            Cell { text: text::shown(&m.status), class: if m.status == "failed" { "bad" } else { "" } },
            number(text::thousands(m.rows)),
            number(text::bytes(m.bytes)),
            number(text::duration(m.duration_ms)),
            number(text::thousands(m.files)),
            number(text::thousands(m.retries)),
            cell(verdict(m.schema_changed, "changed", "same")),
            cell(verdict(m.validated, "passed", "FAILED")),
            cell(m.run_id.as_deref().map(text::shown).unwrap_or_default()),
        ]
    };
    (!listed.is_empty()).then(|| Table {
        title: if listed.len() == 1 { "The run".to_owned() } else { format!("The latest {} runs", listed.len()) },
        columns: head(&[
            ("Ended", false),
            ("Status", false),
            ("Rows", true),
            ("Bytes", true),
            ("Duration", true),
            ("Files", true),
            ("Retries", true),
            ("Columns", false),
            ("Validated", false),
            ("Run", false),
        ]),
        rows: listed.iter().map(row).collect(),
    })
}

fn files(files: &[FileRecord]) -> Option<Table> {
    let row = |file: &FileRecord| {
        vec![
            cell(text::shown(&file.name)),
            number(text::thousands(file.rows)),
            number(text::bytes(file.bytes)),
            cell(text::shown(file.compression.as_deref().unwrap_or("–"))),
            cell(text::when(&file.created_at)),
        ]
    };
    (!files.is_empty()).then(|| Table {
        title: if files.len() == 1 {
            "The latest file".to_owned()
        } else {
            format!("The latest {} files", files.len())
        },
        columns: head(&[("File", false), ("Rows", true), ("Bytes", true), ("Codec", false), ("Finished", false)]),
        rows: files.iter().map(row).collect(),
    })
}

fn columns(columns: &[SchemaColumn]) -> Option<Table> {
    let row = |column: &SchemaColumn| {
        let null = match column.nullable {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        };
        let kind = Cell { text: text::shown(&column.data_type), class: "wrap" };
        vec![cell(text::shown(&column.name)), kind, cell(null.to_owned())]
    };
    let title = match columns.len() {
        1 => "The column".to_owned(),
        n if n > COLUMNS => format!("The first {COLUMNS} of {} columns", text::thousands(n as u64)),
        n => format!("The {n} columns"),
    };
    (!columns.is_empty()).then(|| Table {
        title,
        columns: head(&[("Column", false), ("Arrow type", false), ("May be NULL", false)]),
        rows: columns.iter().take(COLUMNS).map(row).collect(),
    })
}
