//! Intents: a window is written down before its first byte is read, so that a run that dies is resumed with the same
//! bounds, the same chunks and the same file names.

use std::sync::Arc;

use jiff::Timestamp;
use rivet_plugin_api::Part;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::Value;

use super::error::{Fault, Result};
use super::{RunLock, State, rfc3339};

/// A window about to be exported.
#[derive(Clone, Debug)]
pub struct NewIntent<'a> {
    /// The run's identity, unique in the file.
    pub run_id: &'a str,
    /// The export's mode, such as `full`.
    pub mode: &'a str,
    /// What the planner needs to redo the window: its bounds.
    pub window: &'a Value,
    /// What is read, in order; one entry when the window is not split.
    pub chunks: &'a [ChunkPlan],
    /// A fingerprint of all configuration that decides about the content of the files.
    pub config_fingerprint: &'a str,
    /// A fingerprint of the source.
    pub source_fingerprint: &'a str,
    /// A fingerprint of the destination.
    pub destination_fingerprint: &'a str,
}

/// One chunk of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChunkPlan {
    /// Its lower bound, for people.
    pub start: Option<String>,
    /// Its upper bound, for people.
    pub end: Option<String>,
    /// What the reader needs: its filter. Shared, for a window may have very many chunks.
    pub plan: Arc<Value>,
}

/// A window that is written down and not finished.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The run's identity.
    pub run_id: String,
    /// The export.
    pub export: String,
    /// The export's mode.
    pub mode: String,
    /// `YYYYMMDD_HHMMSS`, or that and `_<n>`: the same for every attempt, and of no other window of this export.
    pub stamp: String,
    /// As in [`NewIntent::window`].
    pub window: Value,
    /// As in [`NewIntent::config_fingerprint`].
    pub config_fingerprint: String,
    /// As in [`NewIntent::source_fingerprint`].
    pub source_fingerprint: String,
    /// As in [`NewIntent::destination_fingerprint`].
    pub destination_fingerprint: String,
    /// When it was written down, RFC 3339.
    pub started_at: String,
    /// Its chunks, in order.
    pub chunks: Vec<IntentChunk>,
}

/// How far a chunk is.
#[derive(Clone, Debug)]
pub struct IntentChunk {
    /// What to read.
    pub plan: ChunkPlan,
    /// Whether the destination was given its file names: parts of these names may be ours, and nobody else's.
    pub begun: bool,
    /// Whether all of it is at the destination.
    pub done: bool,
    /// Its files; none when it had no rows.
    pub parts: Vec<Part>,
}

impl IntentChunk {
    fn planned(plan: &ChunkPlan) -> Self {
        Self { plan: plan.clone(), begun: false, done: false, parts: Vec::new() }
    }
}

impl Intent {
    /// File names of the window begin with this: `<export>_<stamp>`.
    pub fn base_name(&self) -> String {
        format!("{}_{}", self.export, self.stamp)
    }
}

impl State {
    /// The window that the last run of an export left unfinished.
    pub fn unfinished(&self, export: &str) -> Result<Option<Intent>> {
        self.read(|tx| unfinished(tx, export))
    }

    /// Brings the chunks of a window up to date with what workers have recorded since it was read.
    pub fn refresh(&self, intent: &mut Intent) -> Result<()> {
        self.read(|tx| progress(tx, &intent.run_id, &mut intent.chunks))
    }
}

impl RunLock {
    /// Writes a window down and fixes its file names. When this returns, a power loss cannot undo it.
    ///
    /// # Errors
    /// An unfinished window of the export must be finished or abandoned first.
    pub fn begin(&self, new: &NewIntent<'_>, now: Timestamp) -> Result<Intent> {
        self.write(|tx| {
            let open = "SELECT run_id FROM rivet_run WHERE export_name = ?1 AND status = 'open'";
            if let Some(open) = tx.query_row(open, [&self.export], |row| row.get::<_, String>(0)).optional()? {
                let refusal = format!("run \"{open}\" of export \"{}\" is not finished", self.export);
                return Err(Fault::protocol(refusal));
            }
            let stamp = reserve_stamp(tx, &self.export, now)?;
            tx.execute(
                "INSERT INTO rivet_run (run_id, export_name, mode, stamp, status, window_json, config_fingerprint,
                     source_fingerprint, destination_fingerprint, started_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, 'open', ?5, ?6, ?7, ?8, ?9, ?9)",
                params![
                    new.run_id,
                    self.export,
                    new.mode,
                    stamp,
                    new.window.to_string(),
                    new.config_fingerprint,
                    new.source_fingerprint,
                    new.destination_fingerprint,
                    rfc3339(now)
                ],
            )?;
            insert_chunks(tx, new.run_id, 0, new.chunks, now)?;
            Ok(Intent {
                run_id: new.run_id.to_owned(),
                export: self.export.clone(),
                mode: new.mode.to_owned(),
                stamp,
                window: new.window.clone(),
                config_fingerprint: new.config_fingerprint.to_owned(),
                source_fingerprint: new.source_fingerprint.to_owned(),
                destination_fingerprint: new.destination_fingerprint.to_owned(),
                started_at: rfc3339(now),
                chunks: new.chunks.iter().map(IntentChunk::planned).collect(),
            })
        })
    }

    /// Adds chunks to a window whose plan is found while it is read.
    pub fn add_chunks(&self, intent: &mut Intent, chunks: &[ChunkPlan], now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| insert_chunks(tx, &intent.run_id, intent.chunks.len(), chunks, now))?;
        intent.chunks.extend(chunks.iter().map(IntentChunk::planned));
        Ok(())
    }

    /// Takes chunks back that were added and not begun: `keep` are left.
    pub fn drop_chunks(&self, intent: &mut Intent, keep: usize, now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| {
            let drop = "DELETE FROM rivet_chunk WHERE run_id = ?1 AND chunk_index >= ?2 AND status = 'pending'";
            tx.execute(drop, params![intent.run_id, keep])?;
            Ok(())
        })?;
        intent.chunks.truncate(keep);
        Ok(())
    }

    /// Gives the window another name that it never had, after the destination reported the present one as taken.
    pub fn rename(&self, intent: &mut Intent, now: Timestamp) -> Result<()> {
        intent.stamp = self.write_open(intent, now, |tx| {
            let stamp = reserve_stamp(tx, &self.export, now)?;
            tx.execute("UPDATE rivet_run SET stamp = ?2 WHERE run_id = ?1", params![intent.run_id, stamp])?;
            Ok(stamp)
        })?;
        Ok(())
    }

    /// Replaces the chunks of a window that has to be read again in another way, and writes its `window` anew. Whatever an attempt left at the
    /// destination must be gone.
    pub fn replan(&self, intent: &mut Intent, chunks: &[ChunkPlan], now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| {
            write_window(tx, intent)?;
            tx.execute("DELETE FROM rivet_part WHERE run_id = ?1", [&intent.run_id])?;
            tx.execute("DELETE FROM rivet_chunk WHERE run_id = ?1", [&intent.run_id])?;
            insert_chunks(tx, &intent.run_id, 0, chunks, now)
        })?;
        intent.chunks = chunks.iter().map(IntentChunk::planned).collect();
        Ok(())
    }

    /// Writes the `window` of an intent anew; its chunks and parts stay.
    pub fn rewrite_window(&self, intent: &Intent, now: Timestamp) -> Result<()> {
        self.write_open(intent, now, |tx| write_window(tx, intent))
    }

    /// Writes about a window that must still be open.
    pub(super) fn write_open<T>(
        &self,
        intent: &Intent,
        now: Timestamp,
        f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T> {
        self.write(|tx| {
            self.touch(tx, intent, now)?;
            f(tx)
        })
    }

    /// Refuses a window that is not open any more.
    pub(super) fn touch(&self, tx: &Transaction<'_>, intent: &Intent, now: Timestamp) -> Result<(), Fault> {
        let touch = "UPDATE rivet_run SET updated_at = ?3 WHERE run_id = ?1 AND export_name = ?2 AND status = 'open'";
        if tx.prepare_cached(touch)?.execute(params![intent.run_id, self.export, rfc3339(now)])? == 1 {
            return Ok(());
        }
        Err(Fault::protocol(format!("run \"{}\" of export \"{}\" is not open", intent.run_id, self.export)))
    }
}

fn write_window(tx: &Transaction<'_>, intent: &Intent) -> Result<(), Fault> {
    let window = params![intent.run_id, intent.window.to_string()];
    tx.execute("UPDATE rivet_run SET window_json = ?2 WHERE run_id = ?1", window)?;
    Ok(())
}

/// The open window of an export, with its chunks and parts.
pub(super) fn unfinished(tx: &Transaction<'_>, export: &str) -> Result<Option<Intent>, Fault> {
    let select = "SELECT run_id, mode, stamp, window_json, config_fingerprint, source_fingerprint,
                      destination_fingerprint, started_at
                  FROM rivet_run WHERE export_name = ?1 AND status = 'open'";
    let read = |row: &Row<'_>| {
        let window: String = row.get(3)?;
        let intent = Intent {
            run_id: row.get(0)?,
            export: export.to_owned(),
            mode: row.get(1)?,
            stamp: row.get(2)?,
            window: Value::Null,
            config_fingerprint: row.get(4)?,
            source_fingerprint: row.get(5)?,
            destination_fingerprint: row.get(6)?,
            started_at: row.get(7)?,
            chunks: Vec::new(),
        };
        Ok((intent, window))
    };
    let Some((mut intent, window)) = tx.query_row(select, [export], read).optional()? else { return Ok(None) };
    intent.window = json(&window, "table \"rivet_run\", column \"window_json\"")?;
    intent.chunks = chunks(tx, &intent.run_id)?;
    Ok(Some(intent))
}

fn chunks(tx: &Transaction<'_>, run_id: &str) -> Result<Vec<IntentChunk>, Fault> {
    let select = "SELECT start_key, end_key, plan_json FROM rivet_chunk WHERE run_id = ?1 ORDER BY chunk_index";
    let mut statement = tx.prepare(select)?;
    let mut rows = statement.query([run_id])?;
    let mut chunks = Vec::new();
    while let Some(row) = rows.next()? {
        let plan = json(&row.get::<_, String>(2)?, "table \"rivet_chunk\", column \"plan_json\"")?;
        let plan = ChunkPlan { start: row.get(0)?, end: row.get(1)?, plan: Arc::new(plan) };
        chunks.push(IntentChunk::planned(&plan));
    }
    progress(tx, run_id, &mut chunks)?;
    Ok(chunks)
}

/// Reads how far chunks are, and their parts.
fn progress(tx: &Transaction<'_>, run_id: &str, chunks: &mut [IntentChunk]) -> Result<(), Fault> {
    let select = "SELECT chunk_index, status <> 'pending', status = 'completed' FROM rivet_chunk WHERE run_id = ?1";
    let mut statement = tx.prepare(select)?;
    let mut rows = statement.query([run_id])?;
    while let Some(row) = rows.next()? {
        let chunk = chunks.get_mut(row.get::<_, usize>(0)?);
        let chunk =
            chunk.ok_or_else(|| Fault::value("table \"rivet_chunk\"", "the chunks are not numbered through"))?;
        (chunk.begun, chunk.done) = (row.get(1)?, row.get(2)?);
        chunk.parts.clear();
    }
    let mut statement = tx.prepare(
        "SELECT chunk_index, file_name, location, row_count, bytes, checksum, store_checksum, validated_rows
         FROM rivet_part WHERE run_id = ?1 ORDER BY chunk_index, part_index",
    )?;
    let mut rows = statement.query([run_id])?;
    while let Some(row) = rows.next()? {
        let chunk: usize = row.get(0)?;
        let part = Part {
            name: row.get(1)?,
            location: row.get(2)?,
            rows: row.get(3)?,
            bytes: row.get(4)?,
            checksum: row.get(5)?,
            store_checksum: row.get(6)?,
            validated_rows: row.get(7)?,
        };
        let chunk = chunks.get_mut(chunk).ok_or_else(|| Fault::value("table \"rivet_part\"", "a part has no chunk"))?;
        chunk.parts.push(part);
    }
    Ok(())
}

/// The first stamp of this second that the export never used.
fn reserve_stamp(tx: &Transaction<'_>, export: &str, now: Timestamp) -> Result<String, Fault> {
    let base = now.strftime("%Y%m%d_%H%M%S").to_string();
    let mut stamp = base.clone();
    let mut next = 2_u32;
    while tx.execute("INSERT OR IGNORE INTO rivet_stamp (export_name, stamp) VALUES (?1, ?2)", [export, &stamp])? == 0 {
        stamp = format!("{base}_{next}");
        next += 1;
    }
    Ok(stamp)
}

fn insert_chunks(
    tx: &Transaction<'_>,
    run_id: &str,
    first: usize,
    chunks: &[ChunkPlan],
    now: Timestamp,
) -> Result<(), Fault> {
    let mut statement = tx.prepare(
        "INSERT INTO rivet_chunk (run_id, chunk_index, start_key, end_key, plan_json, status, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6)",
    )?;
    let at = rfc3339(now);
    for (index, chunk) in (first..).zip(chunks) {
        statement.execute(params![run_id, index, chunk.start, chunk.end, chunk.plan.to_string(), at])?;
    }
    Ok(())
}

fn json(text: &str, place: &'static str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|e| Fault::value(place, e))
}
