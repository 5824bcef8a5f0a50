//! What one attempt reads: which rows, in how many parts, and where the cursor stands afterwards.

pub mod incremental;
mod lag;
pub mod ranges;
pub mod split;
pub mod time_window;
mod watch;

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{Category, Error as ApiError, Filter, ReadRequest};
use serde_json::json;

pub use self::watch::Watch;
use crate::config::Mode;
use crate::error::Result;
use crate::plan::Job;
use crate::state::{ChunkPlan, CursorUpdate, Intent, IntentChunk, State};

/// The rows of one window.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// One or more pieces that have every row of the window once.
    pub pieces: Vec<Piece>,
    /// Those that are not at the destination yet, by number.
    pub pending: Vec<usize>,
    /// What the pieces are read in; kept alive by the source that gave it.
    pub snapshot: Option<String>,
    /// The cursor after the window; the present one stays when absent.
    pub cursor: Option<CursorUpdate>,
    /// The column that orders the rows.
    pub order_by: Option<String>,
    /// What a piece is called in messages.
    pub word: &'static str,
    /// Whether the others are of no use once one piece has failed.
    pub stops_at_failure: bool,
}

/// What one reader reads.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which rows.
    pub filter: Filter,
    /// Its first key, for people.
    pub start: Option<String>,
    /// Its last key, for people.
    pub end: Option<String>,
}

impl Reading {
    /// Asks `source` what there is to read.
    pub fn plan(job: &Job<'_>, state: &State, source: &mut SourceHandle) -> Result<Self> {
        match &job.export.mode {
            Mode::Incremental { cursor_column, cursor_lag } => {
                incremental::plan(job, state, source, cursor_column, *cursor_lag)
            }
            Mode::TimeWindow { column, encoding, days } => time_window::plan(column, *encoding, *days),
            Mode::Full => split::plan(job, source),
            Mode::Chunked { dense: true, checkpoint, column, .. } => {
                if *checkpoint {
                    tracing::warn!(
                        "`chunk_checkpoint` has no effect with `chunk_dense`: every run numbers the rows anew"
                    );
                }
                let order_by = Some(column.clone());
                Ok(Self { order_by, word: "chunk", ..Self::of(Filter::All) })
            }
            Mode::Chunked { column, size, checkpoint, .. } => {
                Ok(Self { stops_at_failure: !checkpoint, ..ranges::plan(job, source, column, *size)? })
            }
        }
    }

    /// Prepares a window that was planned by another run or attempt: its snapshot is gone.
    pub fn renew(&mut self, job: &Job<'_>, source: &mut SourceHandle) -> Result<()> {
        if matches!(job.export.mode, Mode::Chunked { .. }) {
            self.snapshot = ranges::snapshot(job, source)?;
        }
        Ok(())
    }

    /// The window of an intent whose bounds are fixed, so that every attempt reads the same rows. `None` for modes that
    /// plan anew.
    pub fn recorded(mode: &Mode, intent: &Intent) -> Option<Self> {
        let pieces = || {
            let piece = |chunk: &IntentChunk| {
                let filter = serde_json::from_value(chunk.plan.plan["filter"].clone()).ok()?;
                Some(Piece { filter, start: chunk.plan.start.clone(), end: chunk.plan.end.clone() })
            };
            intent.chunks.iter().map(piece).collect::<Option<Vec<_>>>()
        };
        match mode {
            Mode::Full | Mode::Chunked { checkpoint: false, .. } | Mode::Chunked { dense: true, .. } => None,
            Mode::Chunked { checkpoint: true, .. } => {
                let pending = |(index, chunk): (usize, &IntentChunk)| (!chunk.done).then_some(index);
                let pending = intent.chunks.iter().enumerate().filter_map(pending).collect();
                Some(Self { pending, word: "chunk", stops_at_failure: false, ..Self::of_pieces(pieces()?) })
            }
            Mode::Incremental { .. } | Mode::TimeWindow { .. } => {
                let pieces = pieces()?;
                // Without an upper end, what the window holds changes while it is read.
                if pieces.iter().any(|piece| matches!(piece.filter, Filter::Window { upto: None, .. })) {
                    return None;
                }
                Some(Self { cursor: cursor_of(intent), ..Self::of_pieces(pieces) })
            }
        }
    }

    /// The first piece to read, and its number.
    pub fn first(&self) -> Result<(usize, &Filter)> {
        let first = self.pending.first().and_then(|index| Some((*index, &self.pieces.get(*index)?.filter)));
        Ok(first.ok_or_else(|| ApiError::internal("there is nothing to read"))?)
    }

    /// How to read the rows of `filter`.
    pub fn request(&self, job: &Job<'_>, filter: &Filter) -> ReadRequest {
        let order_by = self.order_by.iter().cloned().collect();
        ReadRequest { order_by, ..job.read_request(filter.clone(), self.snapshot.clone()) }
    }

    /// All rows of the window, for counting them.
    pub fn whole(&self, job: &Job<'_>) -> ReadRequest {
        match self.pieces.as_slice() {
            [piece] => job.read_request(piece.filter.clone(), self.snapshot.clone()),
            _ => job.read_request(Filter::All, self.snapshot.clone()),
        }
    }

    /// All rows.
    pub fn everything() -> Self {
        Self::of(Filter::All)
    }

    fn of(filter: Filter) -> Self {
        Self::of_pieces(vec![Piece { filter, start: None, end: None }])
    }

    fn of_pieces(pieces: Vec<Piece>) -> Self {
        let pending = (0..pieces.len()).collect();
        Self { pieces, pending, word: "part", stops_at_failure: true, ..Self::default() }
    }

    /// Whether other attempts have read some of the pieces.
    pub fn is_rest(&self) -> bool {
        self.pending.len() < self.pieces.len()
    }

    /// What the intent remembers of the pieces.
    pub fn chunks(&self) -> Vec<ChunkPlan> {
        let chunk = |piece: &Piece| {
            let (start, end) = (piece.start.clone(), piece.end.clone());
            ChunkPlan { start, end, plan: json!({ "filter": piece.filter }).into() }
        };
        self.pieces.iter().map(chunk).collect()
    }
}

/// A token for several readers; the inner error says why there is none.
fn snapshot(source: &mut SourceHandle) -> Result<Result<String, String>> {
    match source.snapshot() {
        Ok(token) => Ok(Ok(token)),
        // A standby cannot export snapshots, and there are servers that only speak the protocol.
        Err(e) if matches!(e.category(), Category::Unsupported | Category::Permanent) => {
            Ok(Err(format!("the server gives no snapshot: {e}")))
        }
        Err(e) => Err(e.into()),
    }
}

/// The cursor that the intent will move to.
pub fn cursor_of(intent: &Intent) -> Option<CursorUpdate> {
    serde_json::from_value(intent.window["cursor"].clone()).ok().flatten()
}
