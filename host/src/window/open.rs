//! A window whose intent is on disk: its names, its records and its end.

use rivet_plugin_api::abi::{DestinationHandle, WriterHandle};
use rivet_plugin_api::{Category, Part, WriteRequest};
use serde_json::json;

use super::{Window, sweep};
use crate::clock;
use crate::error::Result;
use crate::reading::{Reading, cursor_of};
use crate::state::{ChunkPlan, Commit, Intent, RunMetrics, SchemaColumn};

/// Names tried before giving up on finding one that is free.
const MOST_NAMES: u32 = 100;

/// A window whose intent is on disk.
pub struct Open<'a> {
    window: &'a Window<'a>,
    intent: Intent,
    renamed: u32,
}

/// What the files of a chunk begin with. A window of one chunk does not number it.
pub(super) fn base_name(intent: &Intent, chunk: usize) -> String {
    let base = intent.base_name();
    if intent.chunks.len() > 1 { format!("{base}_chunk{chunk}") } else { base }
}

impl<'a> Open<'a> {
    pub(super) fn new(window: &'a Window<'a>, intent: Intent) -> Self {
        Self { window, intent, renamed: 0 }
    }

    /// The rows of the window, when they are fixed.
    pub fn recorded(&self) -> Option<Reading> {
        Reading::recorded(&self.window.job.export.mode, &self.intent)
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
            replace: self.intent.chunks.get(chunk).is_some_and(|c| c.begun),
            verify,
        }
    }

    /// Has `begin` take the names of every chunk, and of the next free name when the destination reports one as taken.
    /// Answers one writer a chunk.
    pub fn begin(
        &mut self,
        run_id: &str,
        verify: bool,
        mut begin: impl FnMut(&WriteRequest) -> rivet_plugin_api::Result<WriterHandle>,
    ) -> Result<Vec<WriterHandle>> {
        loop {
            let chunks = 0..self.intent.chunks.len();
            let begun = chunks.clone().map(|chunk| begin(&self.request(chunk, run_id, verify)));
            match begun.collect::<rivet_plugin_api::Result<Vec<_>>>() {
                Ok(writers) => {
                    self.window.lock.record_begun(&mut self.intent, &chunks.collect::<Vec<_>>(), clock::now())?;
                    return Ok(writers);
                }
                Err(e) if !self.rename(&e)? => return Err(e.into()),
                Err(_) => {}
            }
        }
    }

    /// Takes the next name when `error` says that the present one is somebody else's.
    fn rename(&mut self, error: &rivet_plugin_api::Error) -> Result<bool> {
        let ours = self.intent.chunks.iter().any(|chunk| chunk.begun);
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
        if error.category() != Category::Conflict || self.is_split() {
            return Ok(false);
        }
        // One chunk, and it was refused: nothing of this window is at the destination.
        let plans = self.plans();
        self.window.lock.replan(&mut self.intent, &plans, clock::now())?;
        self.rename(error)
    }

    /// Prepares for another attempt, which reads `reading`. Of another plan nothing may stay at the destination.
    pub fn replan(&mut self, reading: &Reading, destination: &mut DestinationHandle) -> Result<()> {
        self.reload()?;
        let chunks = reading.chunks();
        let same = self.plans() == chunks && cursor_of(&self.intent) == reading.cursor;
        // The chunks of a window are of one snapshot: with a new one, all are read again.
        if self.is_split() || !same {
            sweep::remove(&self.intent, self.window.job.format().kind, destination)?;
            self.intent.window["cursor"] = json!(reading.cursor);
            self.window.lock.replan(&mut self.intent, &chunks, clock::now())?;
        }
        Ok(())
    }

    fn plans(&self) -> Vec<ChunkPlan> {
        self.intent.chunks.iter().map(|chunk| chunk.plan.clone()).collect()
    }

    /// Workers have written about the window since it was read.
    fn reload(&mut self) -> Result<()> {
        if let Some(intent) = self.window.state.unfinished(&self.intent.export)?
            && intent.run_id == self.intent.run_id
        {
            self.intent = intent;
        }
        Ok(())
    }

    /// Remembers what landed of a chunk: after a crash from here on it is not read again.
    pub fn record(&self, chunk: usize, parts: &[Part]) -> Result<()> {
        Ok(self.window.lock.record_parts(&self.intent, chunk, parts, clock::now())?)
    }

    /// Remembers that an attempt at a chunk failed.
    pub fn record_failure(&self, chunk: usize, error: &str) -> Result<()> {
        Ok(self.window.lock.record_chunk_failure(&self.intent, chunk, error, clock::now())?)
    }

    /// Closes the window: files, schema, metrics and the end of the intent in one transaction. `columns` are those of
    /// this attempt, or the recorded ones when nothing had to be read.
    pub fn commit(&self, columns: Option<&[SchemaColumn]>, metrics: &RunMetrics) -> Result<()> {
        let recorded = || serde_json::from_value::<Vec<SchemaColumn>>(self.intent.window["columns"].clone()).ok();
        let columns = columns.map(<[_]>::to_vec).or_else(recorded);
        let (format, cursor) = (self.window.job.format(), cursor_of(&self.intent));
        let commit = Commit {
            parts: &[],
            cursor: cursor.as_ref(),
            schema: columns.as_deref(),
            format: format.kind.extension(),
            compression: Some(format.compression.as_str()),
            metrics,
        };
        Ok(self.window.lock.commit(&self.intent, &commit, clock::now())?)
    }

    /// Whether chunks of a failed attempt may lie at the destination.
    pub fn is_split(&self) -> bool {
        self.intent.chunks.len() > 1
    }

    /// Removes what finished chunks of a failed attempt have left at the destination.
    pub fn discard(&mut self, destination: &mut DestinationHandle) -> Result<()> {
        self.reload()?;
        sweep::remove(&self.intent, self.window.job.format().kind, destination)
    }

    /// Gives the window up after a failure that left nothing at the destination.
    pub fn abandon(&self, reason: &str) -> Result<()> {
        Ok(self.window.lock.abandon(&self.intent, reason, clock::now())?)
    }
}
