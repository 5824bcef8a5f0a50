//! The window protocol, which makes a crash harmless: what will be written is recorded before the first byte, what was
//! written is recorded before it counts, and everything that remembers a run moves in one transaction.
//!
//! A window left unfinished is finished by the next run: from its records alone when all its parts are at the
//! destination, else by writing it again under the same names.

use rivet_plugin_api::abi::DestinationHandle;
use rivet_plugin_api::{Category, Part, WriteRequest};
use serde_json::json;

use crate::clock;
use crate::error::Result;
use crate::plan::Job;
use crate::state::{ChunkPlan, Commit, Intent, NewIntent, RunLock, RunMetrics, SchemaColumn, State};

/// Names tried before giving up on finding one that is free.
const MOST_NAMES: u32 = 100;

/// The right to run one export, and what an earlier run left of it.
pub struct Window<'a> {
    job: &'a Job<'a>,
    lock: RunLock,
    left: Option<Intent>,
}

/// A window whose intent is on disk.
pub struct Open<'a> {
    window: &'a Window<'a>,
    intent: Intent,
    /// Whether parts of these names may be there from an earlier attempt.
    redo: bool,
}

impl<'a> Window<'a> {
    /// Takes the lock of the export.
    pub fn lock(job: &'a Job<'a>, state: &State) -> Result<Self> {
        let lock = RunLock::acquire(state, &job.export.name, clock::now())?;
        let left = state.unfinished(&job.export.name)?;
        Ok(Self { job, lock, left })
    }

    /// The identity of this run: that of the unfinished one when it will be redone.
    pub fn run_id(&self) -> Option<&str> {
        self.left.as_ref().filter(|intent| self.is_same(intent)).map(|intent| intent.run_id.as_str())
    }

    fn is_same(&self, intent: &Intent) -> bool {
        intent.config_fingerprint == self.job.config_fingerprint()
            && intent.source_fingerprint == self.job.source.fingerprint
            && intent.destination_fingerprint == self.job.destination.fingerprint
    }

    /// The parts of an unfinished window that needs no more than its bookkeeping; also when it wrote none.
    /// With `validated`, parts that were not read back do not count.
    pub fn finished(
        &self,
        destination: &mut DestinationHandle,
        validated: bool,
    ) -> Result<Option<(Open<'_>, Vec<Part>)>> {
        let Some(intent) = self.left.as_ref().filter(|i| self.is_same(i) && i.chunks.iter().all(|c| c.done)) else {
            return Ok(None);
        };
        let parts: Vec<Part> = intent.chunks.iter().flat_map(|c| c.parts.clone()).collect();
        if validated && parts.iter().any(|part| part.validated_rows.is_none()) {
            return Ok(None);
        }
        for part in &parts {
            let there = match destination.stat(&part.name) {
                Ok(stat) => stat,
                Err(e) if e.category() == Category::Unsupported => None,
                Err(e) => return Err(e.into()),
            };
            let matches = there.is_some_and(|s| s.bytes == part.bytes && s.checksum.is_none_or(|c| c == part.checksum));
            if !matches {
                tracing::warn!("part \"{}\" of the interrupted run is not at the destination: redoing it", part.name);
                return Ok(None);
            }
        }
        tracing::info!("run {} had written everything: finishing its bookkeeping", intent.run_id);
        Ok(Some((Open { window: self, intent: intent.clone(), redo: true }, parts)))
    }

    /// Writes the intent down, or takes up the unfinished one. Nothing was written when this fails. `columns` are those
    /// the files will have.
    pub fn open(
        &self,
        run_id: &str,
        columns: &[SchemaColumn],
        destination: &mut DestinationHandle,
    ) -> Result<Open<'_>> {
        if let Some(left) = &self.left {
            if self.is_same(left) {
                tracing::info!("redoing the interrupted run {}", left.run_id);
                return Ok(Open { window: self, intent: left.clone(), redo: true });
            }
            self.give_up(left, destination)?;
        }
        let chunk = ChunkPlan::default();
        let new = NewIntent {
            run_id,
            mode: self.job.export.mode.as_str(),
            window: &json!({ "columns": columns }),
            chunks: std::slice::from_ref(&chunk),
            config_fingerprint: &self.job.config_fingerprint(),
            source_fingerprint: &self.job.source.fingerprint,
            destination_fingerprint: &self.job.destination.fingerprint,
        };
        let intent = self.lock.begin(&new, clock::now())?;
        Ok(Open { window: self, intent, redo: false })
    }

    /// The configuration has changed since the unfinished window began, so it cannot be redone.
    fn give_up(&self, left: &Intent, destination: &mut DestinationHandle) -> Result<()> {
        let base = left.base_name();
        for part in left.chunks.iter().flat_map(|c| &c.parts) {
            let removed = left.destination_fingerprint == self.job.destination.fingerprint
                && match destination.remove(&part.name) {
                    Err(e) if e.category() == Category::Unsupported => false,
                    outcome => outcome.map(|()| true)?,
                };
            if !removed {
                tracing::warn!("the interrupted run {} left {}: it is in no manifest", left.run_id, part.location);
            }
        }
        if left.chunks.iter().any(|c| !c.done) {
            // Files may have become visible just before the run was killed; without a record nothing is deleted.
            tracing::warn!(
                "files that begin with \"{base}\" belong to the interrupted run: remove them if there are any"
            );
        }
        let reason = "the configuration changed before the run was finished";
        tracing::warn!("giving up the interrupted run {}: {reason}", left.run_id);
        Ok(self.lock.abandon(left, reason, clock::now())?)
    }
}

impl Open<'_> {
    /// Runs `begin` under this window's name, and under the next free one when the destination reports it as taken.
    pub fn begin<T>(
        &mut self,
        run_id: &str,
        verify: bool,
        mut begin: impl FnMut(&WriteRequest) -> rivet_plugin_api::Result<T>,
    ) -> Result<T> {
        let job = self.window.job;
        let mut tried = 0;
        loop {
            let metadata = [("rivet.export", job.export.name.as_str()), ("rivet.run_id", run_id)];
            let source = ("rivet.source_type", job.source.plugin.spec().name.as_str());
            let request = WriteRequest {
                export: job.export.name.clone(),
                base_name: self.intent.base_name(),
                format: job.format(),
                metadata: metadata.into_iter().chain([source]).map(|(k, v)| (k.into(), v.into())).collect(),
                replace: self.redo,
                verify,
            };
            match begin(&request) {
                Err(e) if e.category() == Category::Conflict && !self.redo && tried < MOST_NAMES => {
                    tracing::info!("{e}: taking the next name");
                    self.window.lock.rename(&mut self.intent, clock::now())?;
                    tried += 1;
                }
                other => return Ok(other?),
            }
        }
    }

    /// From now on a failed attempt may have left parts of these names.
    pub fn attempted(&mut self) {
        self.redo = true;
    }

    /// Remembers what landed: after a crash from here on nothing is read again.
    pub fn record(&self, parts: &[Part]) -> Result<()> {
        Ok(self.window.lock.record_parts(&self.intent, 0, parts, clock::now())?)
    }

    /// Closes the window: files, schema, metrics and the end of the intent in one transaction. `columns` are those of
    /// this attempt, or the recorded ones when nothing had to be read.
    pub fn commit(&self, columns: Option<&[SchemaColumn]>, metrics: &RunMetrics) -> Result<()> {
        let recorded = || serde_json::from_value::<Vec<SchemaColumn>>(self.intent.window["columns"].clone()).ok();
        let columns = columns.map(<[_]>::to_vec).or_else(recorded);
        let format = self.window.job.format();
        let commit = Commit {
            parts: &[],
            cursor: None,
            schema: columns.as_deref(),
            format: format.kind.extension(),
            compression: Some(format.compression.as_str()),
            metrics,
        };
        Ok(self.window.lock.commit(&self.intent, &commit, clock::now())?)
    }

    /// Gives the window up after a failure that left nothing at the destination.
    pub fn abandon(&self, reason: &str) -> Result<()> {
        Ok(self.window.lock.abandon(&self.intent, reason, clock::now())?)
    }
}
