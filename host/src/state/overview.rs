//! The whole history at a glance, for the report: totals by day, and of each export what happened last. What is read is
//! bounded by exports and days, not by runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};

use super::error::{Fault, Result};
use super::{FileRecord, RunRecord, SchemaColumn, State, StoredCursor, cursor, history, rfc3339, schema};

/// How many of its latest runs an export is shown with, one by one.
pub const RUNS: usize = 60;
/// How many of its latest failures, changes of columns, and files.
const EACH: usize = 10;

/// What the state file knows of a time, as one consistent view.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Every export that the file knows, by name.
    pub exports: Vec<ExportHistory>,
}

/// What is known of one export.
#[derive(Clone, Debug, Default)]
pub struct ExportHistory {
    /// Its name.
    pub export: String,
    /// The latest run, however long ago.
    pub last: Option<RunRecord>,
    /// Every day that had runs, oldest first.
    pub days: Vec<Day>,
    /// The latest runs, newest first.
    pub runs: Vec<RunRecord>,
    /// The latest runs that failed, newest first.
    pub failures: Vec<RunRecord>,
    /// The latest runs that found other columns than the run before, newest first.
    pub changes: Vec<RunRecord>,
    /// The latest files, newest first.
    pub files: Vec<FileRecord>,
    /// The present cursor, whenever it was stored.
    pub cursor: Option<StoredCursor>,
    /// The columns of the last commit, whenever it was.
    pub columns: Vec<SchemaColumn>,
    /// When the run began that is not finished: under way, or cut off.
    pub unfinished: Option<String>,
}

/// The runs of one export on one day, added up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Day {
    /// `YYYY-MM-DD`, in UTC; something else where the file holds no time.
    pub day: String,
    /// Runs, failed ones too.
    pub runs: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Rows exported.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Files written.
    pub files: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// The wall time of all, in milliseconds.
    pub duration_ms: u64,
    /// Runs that found other columns than the run before.
    pub changes: u64,
}

impl Day {
    /// Adds what another day counts.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.runs, other.runs),
            (&mut self.failed, other.failed),
            (&mut self.rows, other.rows),
            (&mut self.bytes, other.bytes),
            (&mut self.files, other.files),
            (&mut self.retries, other.retries),
            (&mut self.duration_ms, other.duration_ms),
            (&mut self.changes, other.changes),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl State {
    /// Everything, or what was recorded from `since` on. Cursors, columns and unfinished runs are today's in either case.
    pub fn overview(&self, since: Option<Timestamp>) -> Result<Overview> {
        // Every text comes after the empty one.
        let since = since.map(rfc3339).unwrap_or_default();
        self.read(|tx| overview(tx, &since))
    }
}

fn overview(tx: &Transaction<'_>, since: &str) -> Result<Overview, Fault> {
    let mut exports = Exports::default();
    let runs = |filter, since, last| {
        let table = ["export_metrics", "run_at", filter];
        newest(tx, table, history::RUN_COLUMNS, since, last, history::run_record)
    };
    for run in runs("1", "", 1)? {
        let export = exports.of(&run.metrics.export);
        export.last = Some(run);
    }
    for run in runs("1", since, RUNS)? {
        exports.of(&run.metrics.export).runs.push(run);
    }
    for run in runs("status = 'failed'", since, EACH)? {
        exports.of(&run.metrics.export).failures.push(run);
    }
    for run in runs("schema_changed", since, EACH)? {
        exports.of(&run.metrics.export).changes.push(run);
    }
    let files = ["file_manifest", "created_at", "1"];
    for file in newest(tx, files, history::FILE_COLUMNS, since, EACH, history::file_record)? {
        exports.of(&file.export).files.push(file);
    }
    for (export, day) in days(tx, since)? {
        exports.of(&export).days.push(day);
    }
    for cursor in cursor::all(tx)? {
        let export = exports.of(&cursor.export);
        export.cursor = Some(cursor);
    }
    for (export, columns) in pairs(tx, "SELECT export_name, columns_json FROM export_schema")? {
        exports.of(&export).columns = schema::parse(&columns)?;
    }
    for (export, started) in pairs(tx, "SELECT export_name, started_at FROM rivet_run WHERE status = 'open'")? {
        exports.of(&export).unfinished = Some(started);
    }
    Ok(Overview { exports: exports.0.into_values().collect() })
}

#[derive(Default)]
struct Exports(BTreeMap<String, ExportHistory>);

impl Exports {
    fn of(&mut self, export: &str) -> &mut ExportHistory {
        let new = || ExportHistory { export: export.to_owned(), ..ExportHistory::default() };
        self.0.entry(export.to_owned()).or_insert_with(new)
    }
}

/// Sums are floating point in SQLite here, which cannot overflow.
fn days(tx: &Transaction<'_>, since: &str) -> Result<Vec<(String, Day)>, Fault> {
    let sum = |column: &str| format!("CAST(total({column}) AS INTEGER)");
    let sums = ["total_rows", "bytes_written", "files_produced", "retries", "duration_ms", "schema_changed"].map(sum);
    let mut statement = tx.prepare(&format!(
        "SELECT export_name, substr(run_at, 1, 10), count(*), {}, {} FROM export_metrics WHERE run_at >= ?1
         GROUP BY 1, 2 ORDER BY 1, 2",
        sum("status = 'failed'"),
        sums.join(", ")
    ))?;
    let days = statement.query_map([since], |row| {
        let day = Day {
            day: row.get(1)?,
            runs: row.get(2)?,
            failed: row.get(3)?,
            rows: row.get(4)?,
            bytes: row.get(5)?,
            files: row.get(6)?,
            retries: row.get(7)?,
            duration_ms: row.get(8)?,
            changes: row.get(9)?,
        };
        Ok((row.get(0)?, day))
    })?;
    Ok(days.collect::<rusqlite::Result<_>>()?)
}

/// The newest rows of each export that a condition holds for, in one pass over the table.
fn newest<T>(
    tx: &Transaction<'_>,
    [table, time, filter]: [&str; 3],
    columns: &str,
    since: &str,
    last: usize,
    record: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Fault> {
    let mut statement = tx.prepare(&format!(
        "SELECT {columns} FROM (
             SELECT *, row_number() OVER (PARTITION BY export_name ORDER BY id DESC) AS place FROM {table}
             WHERE {time} >= ?1 AND {filter})
         WHERE place <= ?2 ORDER BY export_name, id DESC"
    ))?;
    let rows = statement.query_map(params![since, i64::try_from(last).unwrap_or(i64::MAX)], record)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn pairs(tx: &Transaction<'_>, select: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut statement = tx.prepare(select)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
