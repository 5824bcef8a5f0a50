//! Chunk progress as `rivet state chunks` shows it: of our own runs, and of check-points that rivet-cli 0.2 left.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;

use super::error::{Fault, Result};
use super::{Intent, RunLock, State, commit, intent};

/// The chunks of one run.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ChunkReport {
    /// The run.
    pub run_id: String,
    /// The fingerprint its plan was made for.
    pub plan_hash: String,
    /// `in_progress`, `completed` or `abandoned`.
    pub status: String,
    /// When it last got further, RFC 3339.
    pub updated_at: String,
    /// In order.
    pub chunks: Vec<ChunkRow>,
}

/// One chunk.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct ChunkRow {
    /// Its number, from 0.
    #[serde(rename = "chunk")]
    pub index: u64,
    /// `pending`, `running`, `completed` or `failed`; of a run that was given up, `removed` where there are no files now.
    pub status: String,
    /// Its lower bound.
    pub start: Option<String>,
    /// Its upper bound.
    pub end: Option<String>,
    /// How often it was tried.
    pub attempts: u64,
    /// Rows written.
    pub rows: Option<u64>,
    /// Its first file.
    pub file: Option<String>,
    /// How many files it has.
    pub files: u64,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// Both kinds of run in the words of rivet-cli 0.2; the newest wins.
const LATEST_RUN: &str = "
    SELECT run_id, config_fingerprint, CASE status WHEN 'open' THEN 'in_progress' WHEN 'committed' THEN 'completed'
        ELSE status END, updated_at, 1 FROM rivet_run WHERE export_name = ?1 AND mode = 'chunked'
    UNION ALL
    SELECT run_id, plan_hash, status, updated_at, 0 FROM chunk_run WHERE export_name = ?1
    ORDER BY 4 DESC LIMIT 1";

/// Without those that `chunk_dense` planned ahead and has not come to.
const OWN_CHUNKS: &str = "
    SELECT c.chunk_index, c.status, c.start_key, c.end_key, c.attempts,
        CASE c.status WHEN 'completed' THEN coalesce(sum(p.row_count), 0) END,
        min(CASE p.part_index WHEN 0 THEN p.file_name END), count(p.part_index), c.last_error
    FROM rivet_chunk c LEFT JOIN rivet_part p USING (run_id, chunk_index)
    WHERE c.run_id = ?1 AND NOT (c.status = 'pending' AND c.attempts = 0 AND c.plan_json = 'null')
    GROUP BY c.chunk_index ORDER BY c.chunk_index";

const PREDECESSORS_CHUNKS: &str = "
    SELECT chunk_index, status, start_key, end_key, attempts, rows_written, file_name,
        file_name IS NOT NULL, last_error
    FROM chunk_task WHERE run_id = ?1 ORDER BY chunk_index";

impl State {
    /// The latest chunked run of an export.
    pub fn chunks(&self, export: &str) -> Result<Option<ChunkReport>> {
        self.read(|tx| {
            let header = tx.query_row(LATEST_RUN, [export], |row| {
                let own: bool = row.get(4)?;
                let (run_id, plan_hash, status, updated_at) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok((own, ChunkReport { run_id, plan_hash, status, updated_at, chunks: Vec::new() }))
            });
            let Some((own, mut report)) = header.optional()? else { return Ok(None) };
            report.chunks = rows(tx, if own { OWN_CHUNKS } else { PREDECESSORS_CHUNKS }, &report.run_id)?;
            if own && report.status == "abandoned" {
                for chunk in report.chunks.iter_mut().filter(|chunk| chunk.status == "completed" && chunk.files == 0) {
                    (chunk.status, chunk.rows) = ("removed".to_owned(), None);
                }
            }
            Ok(Some(report))
        })
    }
}

impl RunLock {
    /// Gives up the check-points of the export: what rivet-cli 0.2 left, and our own unfinished window, which is
    /// returned because its parts may still lie at the destination. Also says how many runs these were.
    pub fn reset_chunks(&self, now: Timestamp) -> Result<(usize, Option<Intent>)> {
        self.write(|tx| {
            let tasks = "DELETE FROM chunk_task WHERE run_id IN (SELECT run_id FROM chunk_run WHERE export_name = ?1)";
            tx.execute(tasks, [&self.export])?;
            let removed = tx.execute("DELETE FROM chunk_run WHERE export_name = ?1", [&self.export])?;
            let open = intent::unfinished(tx, &self.export)?;
            if let Some(intent) = &open {
                commit::close(tx, intent, "abandoned", Some("the chunks were reset"), now)?;
            }
            Ok((removed + usize::from(open.is_some()), open))
        })
    }
}

fn rows(tx: &Transaction<'_>, sql: &str, run_id: &str) -> Result<Vec<ChunkRow>, Fault> {
    let mut statement = tx.prepare(sql)?;
    let rows = statement.query_map([run_id], |row| {
        Ok(ChunkRow {
            index: row.get(0)?,
            status: row.get(1)?,
            start: row.get(2)?,
            end: row.get(3)?,
            attempts: row.get(4)?,
            rows: row.get(5)?,
            file: row.get(6)?,
            files: row.get(7)?,
            error: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
