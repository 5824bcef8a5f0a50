//! The window protocol, which makes a crash harmless: what will be written is recorded before the first byte, what was
//! written is recorded before it counts, and everything that remembers a run moves in one transaction.
//!
//! A window left unfinished is finished by the next run: from its records alone when all its parts are at the
//! destination, else by writing it again under the same names.

use rivet_plugin_api::Part;
use rivet_plugin_api::abi::DestinationHandle;
use serde_json::json;

use crate::clock;
use crate::config::Mode;
use crate::error::Result;
use crate::plan::Job;
use crate::reading::Reading;
use crate::state::{Intent, NewIntent, RunLock, SchemaColumn, State};

pub use self::open::Open;

mod manifest;
mod open;
mod resume;
mod sweep;

/// The right to run one export, and what an earlier run left of it.
pub struct Window<'a> {
    job: &'a Job<'a>,
    state: &'a State,
    lock: RunLock,
    left: Option<Intent>,
}

impl<'a> Window<'a> {
    /// Takes the lock of the export.
    pub fn lock(job: &'a Job<'a>, state: &'a State) -> Result<Self> {
        let lock = RunLock::acquire(state, &job.export.name, clock::now())?;
        let left = state.unfinished(&job.export.name)?;
        Ok(Self { job, state, lock, left })
    }

    /// The identity of this run: that of the unfinished one when it will be redone.
    pub fn run_id(&self) -> Option<&str> {
        self.left.as_ref().filter(|intent| self.is_same(intent)).map(|intent| intent.run_id.as_str())
    }

    /// The rows of the unfinished window, when they are fixed.
    pub fn recorded(&self) -> Option<Reading> {
        let left = self.left.as_ref().filter(|intent| self.is_same(intent))?;
        Reading::recorded(&self.job.export.mode, left)
    }

    fn is_same(&self, intent: &Intent) -> bool {
        self.job.would_redo(intent)
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
        if !self.was_judged(intent) {
            return Ok(None);
        }
        let parts: Vec<Part> = intent.chunks.iter().flat_map(|c| c.parts.clone()).collect();
        if !resume::are_there(intent, &parts, validated, destination)? {
            return Ok(None);
        }
        tracing::info!("run {} had written everything: finishing its bookkeeping", intent.run_id);
        Ok(Some((Open::new(self, intent.clone()), parts)))
    }

    /// Whether what is published has been judged by the present rules: files that are one of several appear before the
    /// last row is seen.
    fn was_judged(&self, intent: &Intent) -> bool {
        let dense = matches!(self.job.export.mode, Mode::Chunked { dense: true, .. });
        let by_these = intent.window["quality"] == self.job.quality_fingerprint();
        self.job.export.quality.is_none() || by_these && intent.chunks.len() == 1 && !dense
    }

    /// Writes the intent down, or takes up the unfinished one. Nothing was written when this fails. `columns` are those
    /// the files will have.
    pub fn open(
        &self,
        run_id: &str,
        columns: &[SchemaColumn],
        reading: &Reading,
        destination: &mut DestinationHandle,
    ) -> Result<Open<'_>> {
        if let Some(left) = &self.left {
            if self.is_same(left) {
                tracing::info!("redoing the interrupted run {}", left.run_id);
                let mut open = Open::new(self, left.clone());
                open.replan(reading, columns, destination)?;
                return Ok(open);
            }
            self.give_up(left, destination)?;
        }
        let new = NewIntent {
            run_id,
            mode: self.job.export.mode.as_str(),
            window: &json!({
                "columns": columns,
                "cursor": reading.cursor,
                "format": self.job.format(),
                "quality": self.job.quality_fingerprint(),
            }),
            chunks: &reading.chunks(),
            config_fingerprint: &self.job.config_fingerprint(),
            source_fingerprint: &self.job.source.fingerprint,
            destination_fingerprint: &self.job.destination.fingerprint,
        };
        Ok(Open::new(self, self.lock.begin(&new, clock::now())?))
    }

    /// The configuration has changed since the unfinished window began, so it cannot be redone.
    fn give_up(&self, left: &Intent, destination: &mut DestinationHandle) -> Result<()> {
        let reason = "the configuration changed before the run was finished";
        tracing::warn!("giving up the interrupted run {}: {reason}", left.run_id);
        if left.destination_fingerprint != self.job.destination.fingerprint {
            sweep::warn_of(left);
            return Ok(self.lock.leave(left, reason, clock::now())?);
        }
        // Its files may have another extension than those to come.
        let format = serde_json::from_value(left.window["format"].clone());
        sweep::remove(left, &format.unwrap_or_else(|_| self.job.format()), destination)?;
        Ok(self.lock.abandon(left, reason, clock::now())?)
    }
}
