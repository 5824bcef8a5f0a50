//! A window whose intent is on disk: its names, its records and its end.

use std::sync::atomic::{AtomicBool, Ordering};

use rivet_plugin_api::abi::{DestinationHandle, WriterHandle};
use rivet_plugin_api::{Category, Error as ApiError, Part, WriteRequest};
use serde_json::json;

use super::{Window, manifest, sweep};
use crate::error::{Error, Result};
use crate::reading::{Reading, cursor_of};
use crate::state::{ChunkPlan, Commit, Intent, RunMetrics, SchemaChange, SchemaColumn};
use crate::{advice, clock};

/// What a single writer may hold in memory.
const WRITER_BYTES: u64 = 48 << 20;

/// What several writers may hold together. Less than a single one, for each of their readers holds batches as well.
const CREW_BYTES: u64 = 32 << 20;

/// A store that refuses one request of many is back sooner than a server that broke a connection.
const SHORTER: u64 = 4;

/// Chunks that are planned at once where their number is not known.
const CHUNKS_AHEAD: usize = 64;

/// Names tried before giving up on finding one that is free.
const MOST_NAMES: u32 = 100;

/// A window whose intent is on disk.
pub struct Open<'a> {
    window: &'a Window<'a>,
    intent: Intent,
    /// By chunk, whether its names are ours: then an earlier attempt's part is replaced.
    begun: Vec<AtomicBool>,
    renamed: u32,
    /// Whether the name of the manifest turned out to be somebody else's.
    has_foreign_manifest: bool,
    /// Whether a destination was asked to make parts visible: one that then fails may have done so.
    was_publishing: AtomicBool,
}

fn begun(intent: &Intent) -> Vec<AtomicBool> {
    intent.chunks.iter().map(|chunk| AtomicBool::new(chunk.begun)).collect()
}

/// What the files of a chunk begin with. Only the ranges of `mode: chunked` are numbered also when there is but one.
pub(super) fn base_name(intent: &Intent, chunk: usize) -> String {
    let base = intent.base_name();
    if intent.chunks.len() > 1 || intent.mode == "chunked" { format!("{base}_chunk{chunk}") } else { base }
}

/// The columns that the first attempt had.
pub(super) fn columns_of(intent: &Intent) -> Option<Vec<SchemaColumn>> {
    serde_json::from_value(intent.window["columns"].clone()).ok()
}

impl<'a> Open<'a> {
    pub(super) fn new(window: &'a Window<'a>, intent: Intent) -> Self {
        let (begun, was_publishing) = (begun(&intent), AtomicBool::new(false));
        Self { window, begun, intent, renamed: 0, has_foreign_manifest: false, was_publishing }
    }

    /// The rows of the window, when they are fixed.
    pub fn recorded(&mut self) -> Result<Option<Reading>> {
        self.reload()?;
        Ok(Reading::recorded(&self.window.job.export.mode, &self.intent))
    }

    /// Makes sure that the window has chunk number `chunk`, for plans that are found while they are read. Several are added
    /// at once, for each addition waits for the disk.
    pub fn reach_chunk(&mut self, chunk: usize) -> Result<()> {
        if chunk < self.intent.chunks.len() {
            return Ok(());
        }
        self.window.lock.add_chunks(&mut self.intent, &vec![ChunkPlan::default(); CHUNKS_AHEAD], clock::now())?;
        self.begun.resize_with(self.intent.chunks.len(), AtomicBool::default);
        Ok(())
    }

    /// Takes the chunks back that were added and not needed, all from number `count` on.
    pub fn end_at_chunk(&mut self, count: usize) -> Result<()> {
        if count < self.intent.chunks.len() {
            self.window.lock.drop_chunks(&mut self.intent, count, clock::now())?;
            self.begun.truncate(count);
        }
        Ok(())
    }

    /// What to ask the destination for. Parts of these names are replaced only when they can be nobody else's.
    pub fn request(&self, chunk: usize, run_id: &str, verify: bool) -> WriteRequest {
        let job = self.window.job;
        let source = job.source.plugin.spec().name.as_str();
        let metadata =
            [("rivet.export", job.export.name.as_str()), ("rivet.run_id", run_id), ("rivet.source_type", source)];
        WriteRequest {
            export: job.export.name.clone(),
            base_name: base_name(&self.intent, chunk),
            format: job.format(),
            metadata: metadata.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            replace: self.begun.get(chunk).is_some_and(|begun| begun.load(Ordering::SeqCst)),
            verify,
            hold: job.holds_back(),
            memory_bytes: Some(match self.workers() {
                1 => WRITER_BYTES,
                several => CREW_BYTES / several,
            }),
            request_retries: job.tuning.max_retries,
            request_backoff_ms: job.tuning.retry_backoff_ms / SHORTER,
        }
    }

    /// How many writers run at once.
    fn workers(&self) -> u64 {
        let parallel = self.window.job.export.parallel as u64;
        parallel.min(self.intent.chunks.len() as u64).max(1)
    }

    /// Has `begin` take the names of `chunk`, the first one of an attempt, and the next free ones when the destination
    /// reports them as taken.
    pub fn begin(
        &mut self,
        chunk: usize,
        run_id: &str,
        verify: bool,
        mut begin: impl FnMut(&WriteRequest) -> rivet_plugin_api::Result<WriterHandle>,
    ) -> Result<WriterHandle> {
        loop {
            match begin(&self.request(chunk, run_id, verify)) {
                Ok(writer) => {
                    if self.is_new(chunk) {
                        self.window.lock.record_first_begun(&self.intent, chunk, clock::now())?;
                    }
                    return Ok(writer);
                }
                Err(e) if !self.rename(&e)? => return Err(e.into()),
                Err(_) => {}
            }
        }
    }

    /// Remembers that the destination has taken the names of a further chunk. Nothing of it may become visible before.
    pub fn record_begun(&self, chunk: usize) -> Result<()> {
        if self.is_new(chunk) {
            self.window.lock.record_begun(&self.intent, chunk, clock::now())?;
        }
        Ok(())
    }

    /// Whether nothing knows yet that the names of `chunk` are ours; from now on this window does.
    fn is_new(&self, chunk: usize) -> bool {
        self.begun.get(chunk).is_some_and(|begun| !begun.swap(true, Ordering::SeqCst))
    }

    /// Takes the next name when `error` says that the present one is somebody else's.
    fn rename(&mut self, error: &rivet_plugin_api::Error) -> Result<bool> {
        let ours = self.begun.iter().any(|begun| begun.load(Ordering::SeqCst));
        if error.category() != Category::Conflict || ours || self.renamed == MOST_NAMES {
            return Ok(false);
        }
        tracing::info!("{error}: taking the next name");
        self.window.lock.rename(&mut self.intent, clock::now())?;
        self.renamed += 1;
        Ok(true)
    }

    /// Takes the next name after another program took the present one while this window was being written, and says
    /// whether it did. Nothing of that program's is touched.
    pub fn evade(&mut self, error: &rivet_plugin_api::Error) -> Result<bool> {
        if error.category() != Category::Conflict || self.may_have_parts()? {
            return Ok(false);
        }
        let plans = self.plans();
        self.window.lock.replan(&mut self.intent, &plans, clock::now())?;
        self.begun = begun(&self.intent);
        self.rename(error)
    }

    /// Prepares for another attempt, which reads `reading` with these columns. Of another plan nothing may stay at the
    /// destination.
    ///
    /// # Errors
    /// Chunks that are done have other columns: the files of one export would not fit together.
    pub fn replan(
        &mut self,
        reading: &Reading,
        columns: &[SchemaColumn],
        destination: &mut DestinationHandle,
    ) -> Result<()> {
        self.reload()?;
        let chunks = reading.chunks();
        let same = self.plans() == chunks && cursor_of(&self.intent) == reading.cursor;
        // Chunks that are worth nothing without the others are of one snapshot: with a new one, all are read again.
        let all = self.is_split() && reading.stops_at_failure;
        let recorded = columns_of(&self.intent).unwrap_or_default();
        if same && !all && reading.is_rest() {
            return self.check_columns(&recorded, columns);
        }
        // All of it is read again, and judged by the rules of today.
        let rules = json!(self.window.job.quality_fingerprint());
        let other_rules = self.intent.window["quality"] != rules;
        self.intent.window["quality"] = rules;
        if all || !same || recorded != columns {
            sweep::remove(&self.intent, &self.window.job.format(), destination)?;
            self.intent.window["cursor"] = json!(reading.cursor);
            self.intent.window["columns"] = json!(columns);
            self.window.lock.replan(&mut self.intent, &chunks, clock::now())?;
            self.begun = begun(&self.intent);
        } else if other_rules {
            self.window.lock.rewrite_window(&self.intent, clock::now())?;
        }
        Ok(())
    }

    fn check_columns(&self, done: &[SchemaColumn], now: &[SchemaColumn]) -> Result<()> {
        // A declaration about NULL changes nothing in the files.
        let of = |columns: &[SchemaColumn]| {
            columns.iter().map(|c| (c.name.clone(), c.data_type.clone())).collect::<Vec<_>>()
        };
        if of(done) == of(now) {
            return Ok(());
        }
        let (export, changes) = (&self.intent.export, SchemaChange::between(done, now).details().join("; "));
        let text = format!("the columns of export \"{export}\" are not those of the chunks that are done: {changes}");
        let reset = advice::command("state reset-chunks", &format!("--export {export}"));
        Err(ApiError::config(text).hint(format!("restore the columns, or give the chunks up by {reset}")).into())
    }

    fn plans(&self) -> Vec<ChunkPlan> {
        self.intent.chunks.iter().map(|chunk| chunk.plan.clone()).collect()
    }

    /// Workers have written about the window since it was read.
    fn reload(&mut self) -> Result<()> {
        self.window.state.refresh(&mut self.intent)?;
        self.begun = begun(&self.intent);
        Ok(())
    }

    /// All parts that are recorded, in order.
    pub fn parts(&mut self) -> Result<Vec<Part>> {
        self.reload()?;
        Ok(self.intent.chunks.iter().flat_map(|chunk| chunk.parts.clone()).collect())
    }

    /// Remembers, for as long as this process runs, that parts are about to become visible.
    pub fn publishing(&self) {
        self.was_publishing.store(true, Ordering::SeqCst);
    }

    /// Remembers what landed of a chunk: after a crash from here on it is not read again.
    pub fn record(&self, chunk: usize, parts: &[Part]) -> Result<()> {
        Ok(self.window.lock.record_parts(&self.intent, chunk, parts, clock::now())?)
    }

    /// Remembers that an attempt at a chunk failed.
    pub fn record_failure(&self, chunk: usize, error: &str) -> Result<()> {
        Ok(self.window.lock.record_chunk_failure(&self.intent, chunk, error, clock::now())?)
    }

    /// Lays a manifest of the recorded parts beside them, when the configuration asks for it. `retried` says that an
    /// attempt of this run may have done so before.
    pub fn publish_manifest(
        &mut self,
        columns: Option<&[SchemaColumn]>,
        retried: bool,
        destination: &mut DestinationHandle,
    ) -> Result<()> {
        if !self.window.job.export.manifest {
            return Ok(());
        }
        self.reload()?;
        let redone = retried || self.window.run_id().is_some();
        let published = manifest::publish(self.window.job, &self.intent, columns, redone, destination);
        self.has_foreign_manifest = matches!(&published, Err(Error::Run(e)) if e.category() == Category::Conflict);
        published
    }

    /// Closes the window: files, schema, metrics and the end of the intent in one transaction. `columns` are those of
    /// this attempt, or the recorded ones when nothing had to be read.
    pub fn commit(&self, columns: Option<&[SchemaColumn]>, metrics: &RunMetrics) -> Result<()> {
        let columns = columns.map(<[_]>::to_vec).or_else(|| columns_of(&self.intent));
        let format = self.window.job.format();
        // A run without any row was no first run.
        let cursor = cursor_of(&self.intent).filter(|cursor| cursor.value.is_some() || metrics.rows > 0);
        let commit = Commit {
            parts: &[],
            cursor: cursor.as_ref(),
            schema: columns.as_deref(),
            format: format.kind.as_str(),
            compression: Some(format.compression.as_str()),
            metrics,
        };
        Ok(self.window.lock.commit(&self.intent, &commit, clock::now())?)
    }

    /// Whether parts of a failed attempt may lie at the destination.
    pub fn may_have_parts(&mut self) -> Result<bool> {
        Ok(self.has_parts()? || self.is_split())
    }

    /// Whether parts of an attempt that ended with `error` may lie at the destination. What lies under a name that
    /// somebody else has taken is theirs.
    pub fn may_have_left(&mut self, error: &Error) -> Result<bool> {
        let is_theirs = matches!(error, Error::Run(e) if e.category() == Category::Conflict);
        Ok(self.may_have_parts()? || self.was_publishing.load(Ordering::SeqCst) && !is_theirs)
    }

    /// Whether parts are known to have become visible.
    pub fn has_parts(&mut self) -> Result<bool> {
        self.reload()?;
        Ok(self.intent.chunks.iter().any(|chunk| !chunk.parts.is_empty()))
    }

    fn is_split(&self) -> bool {
        self.intent.chunks.len() > 1
    }

    /// Whether a later run can go on from chunks that are done.
    pub fn is_resumable(&mut self) -> Result<bool> {
        self.reload()?;
        let checkpoint = self.window.job.export.mode.keeps_chunks();
        Ok(checkpoint && self.intent.chunks.iter().any(|chunk| chunk.done))
    }

    /// Removes what a failed attempt has left at the destination.
    pub fn discard(&mut self, destination: &mut DestinationHandle) -> Result<()> {
        self.reload()?;
        if self.has_foreign_manifest {
            return sweep::remove_parts(&self.intent, &self.window.job.format(), destination);
        }
        sweep::remove(&self.intent, &self.window.job.format(), destination)
    }

    /// Gives the window up after a failure that left nothing at the destination.
    pub fn abandon(&self, reason: &str) -> Result<()> {
        Ok(self.window.lock.abandon(&self.intent, reason, clock::now())?)
    }
}
