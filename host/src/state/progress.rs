//! How far the chunks of a window are. A run may have very many of them, so that not every step is forced to disk: a
//! kill undoes none, and what a power loss may undo is only read again (see `docs/src/decisions/0012-chunk-bookkeeping.md`).

use jiff::Timestamp;
use rivet_plugin_api::Part;
use rusqlite::{Transaction, params};

use super::error::{Fault, Result};
use super::{Intent, RunLock, rfc3339};

impl RunLock {
    /// Records that the destination has taken the file names of the chunk that a run begins with: from now on a later run
    /// may replace parts of these names. When this returns, a power loss cannot undo it.
    pub fn record_first_begun(&self, intent: &Intent, chunk: usize, now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| begun(tx, intent, chunk, now))
    }

    /// As [`RunLock::record_first_begun`] for a further chunk. A power loss may undo it, and therefore makes every chunk
    /// of the window count as begun.
    pub fn record_begun(&self, intent: &Intent, chunk: usize, now: Timestamp) -> Result<()> {
        self.write_soon(|tx| {
            self.touch(tx, intent, now)?;
            begun(tx, intent, chunk, now)
        })
    }

    /// Records that a chunk is wholly at the destination. This is the point from which a later run resumes; an earlier
    /// record of the same chunk is replaced. A power loss may undo it, and the chunk is read again.
    pub fn record_parts(&self, intent: &Intent, chunk: usize, parts: &[Part], now: Timestamp) -> Result<()> {
        self.write_soon(|tx| {
            self.touch(tx, intent, now)?;
            complete(tx, intent, chunk, parts, now)
        })
    }

    /// Records that an attempt at a chunk failed, or that its parts are not at the destination any more: it has to be
    /// read again.
    pub fn record_chunk_failure(&self, intent: &Intent, chunk: usize, error: &str, now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| mark(tx, intent, chunk, "failed", Some(error), now))
    }
}

/// Makes all chunks of the open window of an export count as begun, if one is: a power loss may have undone the records
/// of the others. Answers how many these are.
pub(super) fn distrust(tx: &Transaction<'_>, export: &str) -> Result<usize, Fault> {
    Ok(tx.execute(
        "UPDATE rivet_chunk SET status = 'running' WHERE status = 'pending' AND run_id IN
             (SELECT run_id FROM rivet_run r WHERE export_name = ?1 AND r.status = 'open' AND EXISTS
                 (SELECT 1 FROM rivet_chunk c WHERE c.run_id = r.run_id AND c.status <> 'pending'))",
        [export],
    )?)
}

fn begun(tx: &Transaction<'_>, intent: &Intent, chunk: usize, now: Timestamp) -> Result<(), Fault> {
    let running = "UPDATE rivet_chunk SET status = 'running', updated_at = ?3
                   WHERE run_id = ?1 AND chunk_index = ?2 AND status = 'pending'";
    tx.prepare_cached(running)?.execute(params![intent.run_id, chunk, rfc3339(now)])?;
    Ok(())
}

pub(super) fn complete(
    tx: &Transaction<'_>,
    intent: &Intent,
    chunk: usize,
    parts: &[Part],
    now: Timestamp,
) -> Result<(), Fault> {
    mark(tx, intent, chunk, "completed", None, now)?;
    for (index, part) in parts.iter().enumerate() {
        insert_part(tx, &intent.run_id, (chunk, index), part, now)?;
    }
    Ok(())
}

/// Ends an attempt at a chunk. Parts of an earlier attempt are forgotten, for the next one replaces them.
fn mark(
    tx: &Transaction<'_>,
    intent: &Intent,
    chunk: usize,
    status: &str,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), Fault> {
    let forget = "DELETE FROM rivet_part WHERE run_id = ?1 AND chunk_index = ?2";
    tx.prepare_cached(forget)?.execute(params![intent.run_id, chunk])?;
    let update = "UPDATE rivet_chunk SET status = ?3, attempts = attempts + 1, last_error = ?4, updated_at = ?5
                  WHERE run_id = ?1 AND chunk_index = ?2";
    let changed = tx.prepare_cached(update)?.execute(params![intent.run_id, chunk, status, error, rfc3339(now)])?;
    if changed == 1 { Ok(()) } else { Err(Fault::protocol(format!("run \"{}\" has no chunk {chunk}", intent.run_id))) }
}

fn insert_part(
    tx: &Transaction<'_>,
    run_id: &str,
    (chunk, index): (usize, usize),
    part: &Part,
    now: Timestamp,
) -> Result<(), Fault> {
    let insert =
        "INSERT INTO rivet_part (run_id, chunk_index, part_index, file_name, location, row_count, bytes, checksum,
                      store_checksum, validated_rows, recorded_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    tx.prepare_cached(insert)?.execute(params![
        run_id,
        chunk,
        index,
        part.name,
        part.location,
        part.rows,
        part.bytes,
        part.checksum,
        part.store_checksum,
        part.validated_rows,
        rfc3339(now)
    ])?;
    Ok(())
}
