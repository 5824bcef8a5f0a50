//! What runs did: one row of metrics a run, and one row a file.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::error::{Fault, Result};
use super::{State, rfc3339};

/// One run of one export, as `rivet metrics` lists it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RunMetrics {
    /// The export.
    pub export: String,
    /// The run; rivet-cli 0.2 did not always write it.
    pub run_id: Option<String>,
    /// Wall time in milliseconds.
    pub duration_ms: u64,
    /// Rows exported.
    pub rows: u64,
    /// Peak resident memory in MiB.
    pub peak_rss_mb: Option<u64>,
    /// `success`, `failed` or `skipped`.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// `fast`, `balanced` or `safe`.
    pub profile: Option<String>,
    /// `parquet`, `csv` or `arrow`.
    pub format: Option<String>,
    /// `full`, `incremental`, `chunked` or `timewindow`.
    pub mode: Option<String>,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Whether `--validate` found the files right, when it was asked to look.
    pub validated: Option<bool>,
    /// Whether the columns differ from those of the run before.
    pub schema_changed: Option<bool>,
}

/// A stored [`RunMetrics`].
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RunRecord {
    /// When it was stored, RFC 3339.
    pub run_at: String,
    /// What was stored.
    #[serde(flatten)]
    pub metrics: RunMetrics,
}

/// One file of the manifest, as `rivet state files` lists it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct FileRecord {
    /// The run that made it.
    pub run_id: String,
    /// The export.
    pub export: String,
    /// Its name, without directory or prefix.
    #[serde(rename = "file")]
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// `parquet`, `csv` or `arrow`.
    pub format: String,
    /// The codec.
    pub compression: Option<String>,
    /// When it was finished, RFC 3339.
    pub created_at: String,
}

impl State {
    /// Records a run that commits no window: a failed or skipped one.
    pub fn record_run(&self, metrics: &RunMetrics, now: Timestamp) -> Result<()> {
        self.write(|tx| insert(tx, metrics, now))
    }

    /// The latest `last` runs, newest first, of one export or of all.
    pub fn runs(&self, export: Option<&str>, last: usize) -> Result<Vec<RunRecord>> {
        self.newest("export_metrics", RUN_COLUMNS, export, last, run_record)
    }

    /// Whether there is anything of an export.
    pub fn knows(&self, export: &str) -> Result<bool> {
        let tables = ["export_state", "export_metrics", "rivet_run", "chunk_run"];
        let found = tables.map(|table| format!("EXISTS (SELECT 1 FROM {table} WHERE export_name = ?1)"));
        let sql = format!("SELECT {}", found.join(" OR "));
        self.read(|tx| Ok(tx.query_row(&sql, [export], |row| row.get(0))?))
    }

    /// When a run of an export last succeeded, if ever.
    pub fn last_success(&self, export: &str) -> Result<Option<Timestamp>> {
        let sql = "SELECT run_at FROM export_metrics WHERE export_name = ?1 AND status IN ('success', 'skipped')
                   ORDER BY id DESC LIMIT 1";
        let at: Option<String> = self.read(|tx| Ok(tx.query_row(sql, [export], |row| row.get(0)).optional()?))?;
        Ok(at.and_then(|at| at.parse().ok()))
    }

    /// The latest `last` files, newest first, of one export or of all.
    pub fn files(&self, export: Option<&str>, last: usize) -> Result<Vec<FileRecord>> {
        self.newest("file_manifest", FILE_COLUMNS, export, last, file_record)
    }

    /// Runs that are not finished and have files already: export, run, and how many.
    pub fn unfinished_files(&self, export: Option<&str>) -> Result<Vec<(String, String, u64)>> {
        let select =
            "SELECT r.export_name, r.run_id, count(*) FROM rivet_run r JOIN rivet_part p ON p.run_id = r.run_id
                      WHERE r.status = 'open' AND (?1 IS NULL OR r.export_name = ?1) GROUP BY 1, 2 ORDER BY 1, 2";
        self.read(|tx| {
            let mut statement = tx.prepare(select)?;
            let rows = statement.query_map([export], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn newest<T>(
        &self,
        table: &str,
        columns: &str,
        export: Option<&str>,
        last: usize,
        record: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let filter = if export.is_some() { "WHERE export_name = ?1" } else { "WHERE ?1 IS NULL" };
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        self.read(|tx| {
            let mut statement =
                tx.prepare(&format!("SELECT {columns} FROM {table} {filter} ORDER BY id DESC LIMIT ?2"))?;
            let rows = statement.query_map(params![export, last], record)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// What [`run_record`] reads.
pub(super) const RUN_COLUMNS: &str = "run_at, export_name, run_id, duration_ms, total_rows, peak_rss_mb, status, error_message, tuning_profile, format, \
     mode, files_produced, bytes_written, retries, validated, schema_changed";

pub(super) fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    // Columns that rivet-cli 0.2 added later are null in older rows.
    let or_zero = |column| row.get::<_, Option<u64>>(column).map(Option::unwrap_or_default);
    Ok(RunRecord {
        run_at: row.get(0)?,
        metrics: RunMetrics {
            export: row.get(1)?,
            run_id: row.get(2)?,
            duration_ms: row.get(3)?,
            rows: row.get(4)?,
            peak_rss_mb: row.get(5)?,
            status: row.get(6)?,
            error: row.get(7)?,
            profile: row.get(8)?,
            format: row.get(9)?,
            mode: row.get(10)?,
            files: or_zero(11)?,
            bytes: or_zero(12)?,
            retries: or_zero(13)?,
            validated: row.get(14)?,
            schema_changed: row.get(15)?,
        },
    })
}

/// What [`file_record`] reads.
pub(super) const FILE_COLUMNS: &str =
    "run_id, export_name, file_name, row_count, bytes, format, compression, created_at";

pub(super) fn file_record(row: &Row<'_>) -> rusqlite::Result<FileRecord> {
    Ok(FileRecord {
        run_id: row.get(0)?,
        export: row.get(1)?,
        name: row.get(2)?,
        rows: row.get(3)?,
        bytes: row.get(4)?,
        format: row.get(5)?,
        compression: row.get(6)?,
        created_at: row.get(7)?,
    })
}

pub(super) fn insert(tx: &Transaction<'_>, m: &RunMetrics, now: Timestamp) -> Result<(), Fault> {
    tx.execute(
        "INSERT INTO export_metrics (run_at, export_name, run_id, duration_ms, total_rows, peak_rss_mb, status,
             error_message, tuning_profile, format, mode, files_produced, bytes_written, retries, validated,
             schema_changed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        params![
            rfc3339(now),
            m.export,
            m.run_id,
            m.duration_ms,
            m.rows,
            m.peak_rss_mb,
            m.status,
            m.error,
            m.profile,
            m.format,
            m.mode,
            m.files,
            m.bytes,
            m.retries,
            m.validated,
            m.schema_changed
        ],
    )?;
    Ok(())
}
