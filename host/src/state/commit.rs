//! The end of a window: one transaction moves the cursor, lists the files and closes the intent, or nothing happens.

use jiff::Timestamp;
use rivet_plugin_api::Part;
use rusqlite::{Transaction, params};

use super::error::{Fault, Result};
use super::{CursorUpdate, Intent, RunLock, RunMetrics, SchemaColumn, cursor, history, progress, rfc3339, schema};

/// What a finished window leaves behind. Its files are those of [`RunLock::record_parts`], and of `parts`.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// Chunks that were finished just now, with their files: recording them here instead saves the wait for the disk.
    pub parts: &'a [(usize, &'a [Part])],
    /// The new cursor; the present one stays when absent.
    pub cursor: Option<&'a CursorUpdate>,
    /// The columns the window had; the stored ones stay when absent.
    pub schema: Option<&'a [SchemaColumn]>,
    /// The file format, such as `parquet`.
    pub format: &'a str,
    /// The codec, such as `zstd`.
    pub compression: Option<&'a str>,
    /// The run's line in the history.
    pub metrics: &'a RunMetrics,
}

impl RunLock {
    /// Closes the window, all or nothing.
    ///
    /// # Errors
    /// A window with a chunk that is not recorded as complete is never closed: its rows would be lost.
    pub fn commit(&self, intent: &Intent, commit: &Commit<'_>, now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| {
            for (chunk, parts) in commit.parts {
                progress::complete(tx, intent, *chunk, parts, now)?;
            }
            let open = "SELECT count(*) FROM rivet_chunk WHERE run_id = ?1 AND status <> 'completed'";
            let open: i64 = tx.query_row(open, [&intent.run_id], |row| row.get(0))?;
            if open > 0 {
                let refusal = format!("run \"{}\" cannot be committed with {open} chunks to read", intent.run_id);
                return Err(Fault::protocol(refusal));
            }
            if let Some(update) = commit.cursor {
                cursor::store(tx, &self.export, update, now)?;
            }
            tx.execute(
                "INSERT INTO file_manifest
                     (run_id, export_name, file_name, row_count, bytes, format, compression, created_at)
                 SELECT run_id, ?2, file_name, row_count, bytes, ?3, ?4, recorded_at
                 FROM rivet_part WHERE run_id = ?1 ORDER BY chunk_index, part_index",
                params![intent.run_id, self.export, commit.format, commit.compression],
            )?;
            if let Some(columns) = commit.schema {
                schema::store(tx, &self.export, columns, now)?;
            }
            history::insert(tx, commit.metrics, now)?;
            close(tx, intent, "committed", None, now)
        })
    }

    /// Gives a window up whose parts are removed: cursor, schema and earlier files stay as they are.
    pub fn abandon(&self, intent: &Intent, reason: &str, now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| {
            tx.execute("DELETE FROM rivet_part WHERE run_id = ?1", [&intent.run_id])?;
            close(tx, intent, "abandoned", Some(reason), now)
        })
    }

    /// Gives a window up whose parts stay where they are.
    pub fn leave(&self, intent: &Intent, reason: &str, now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| close(tx, intent, "abandoned", Some(reason), now))
    }
}

pub(super) fn close(
    tx: &Transaction<'_>,
    intent: &Intent,
    status: &str,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), Fault> {
    let close = "UPDATE rivet_run SET status = ?2, reason = ?3, updated_at = ?4 WHERE run_id = ?1";
    tx.execute(close, params![intent.run_id, status, reason, rfc3339(now)])?;
    Ok(())
}
