//! What one attempt reads: which rows, in how many parts, and where the cursor stands afterwards.

mod incremental;
mod split;
mod time_window;
mod watch;

use rivet_plugin_api::Filter;
use rivet_plugin_api::abi::SourceHandle;
use serde_json::json;

pub use self::watch::Watch;
use crate::config::Mode;
use crate::error::Result;
use crate::plan::Job;
use crate::state::{ChunkPlan, CursorUpdate, Intent, State};

/// The rows of one window.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// One or more filters that have every row of the window once.
    pub filters: Vec<Filter>,
    /// What the filters are read in; kept alive by the source that gave it.
    pub snapshot: Option<String>,
    /// The cursor after the window; the present one stays when absent.
    pub cursor: Option<CursorUpdate>,
}

impl Reading {
    /// Asks `source` what there is to read.
    pub fn plan(job: &Job<'_>, state: &State, source: &mut SourceHandle) -> Result<Self> {
        match &job.export.mode {
            Mode::Incremental { cursor_column } => incremental::plan(job, state, source, cursor_column),
            Mode::TimeWindow { column, encoding, days } => time_window::plan(column, *encoding, *days),
            Mode::Full | Mode::Chunked { .. } => split::plan(job, source),
        }
    }

    /// The window of an intent whose bounds are fixed, so that every attempt reads the same rows. `None` for modes that
    /// plan anew.
    pub fn recorded(mode: &Mode, intent: &Intent) -> Option<Self> {
        let ([chunk], Mode::Incremental { .. } | Mode::TimeWindow { .. }) = (intent.chunks.as_slice(), mode) else {
            return None;
        };
        let filter = serde_json::from_value(chunk.plan.plan["filter"].clone()).ok()?;
        // Without an upper end, what the window holds changes while it is read.
        if matches!(filter, Filter::Window { upto: None, .. }) {
            return None;
        }
        Some(Self { cursor: cursor_of(intent), ..Self::of(filter) })
    }

    fn of(filter: Filter) -> Self {
        Self { filters: vec![filter], ..Self::default() }
    }

    /// What the intent remembers of the parts.
    pub fn chunks(&self) -> Vec<ChunkPlan> {
        let chunk = |filter| ChunkPlan { plan: json!({ "filter": filter }), ..ChunkPlan::default() };
        self.filters.iter().map(chunk).collect()
    }
}

/// The cursor that the intent will move to.
pub fn cursor_of(intent: &Intent) -> Option<CursorUpdate> {
    serde_json::from_value(intent.window["cursor"].clone()).ok().flatten()
}
