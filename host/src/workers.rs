//! Reads the chunks of a window, several at once, each into its own files. A worker keeps its connections from chunk to
//! chunk; a chunk that fails is repeated by itself, on fresh ones.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use rivet_plugin_api::abi::{DestinationHandle, ReaderHandle, SourceHandle, WriterHandle};
use rivet_plugin_api::{Cancel, Category, Error as ApiError};

use crate::clock;
use crate::config::Mode;
use crate::error::{Error, Result};
use crate::inspect::Inspector;
use crate::pipeline::{self, Flow, Pace};
use crate::plan::Job;
use crate::reading::{Piece, Reading};
use crate::retry::{Attempts, Budget};
use crate::secret;
use crate::window::Open;

/// What all workers of a window share.
pub struct Crew<'a> {
    /// The export.
    pub job: &'a Job<'a>,
    /// The window they write.
    pub open: &'a Open<'a>,
    /// What they read.
    pub reading: &'a Reading,
    /// Looks at all rows.
    pub inspector: &'a Inspector<'a>,
    /// Whether files are read back.
    pub verify: bool,
    /// Stops all workers; follows the run's own token.
    pub cancel: &'a Cancel,
    /// Retries so far.
    pub attempts: &'a Attempts<'a>,
}

/// The connections of one worker.
struct Hands {
    from: SourceHandle,
    to: DestinationHandle,
}

/// A chunk that has been begun already.
pub struct Begun {
    /// Its rows.
    pub reader: ReaderHandle,
    /// Its files.
    pub writer: WriterHandle,
}

/// What is left to do, and what went wrong.
struct Board {
    chunks: VecDeque<(usize, Option<Begun>)>,
    failed: Vec<(usize, Error)>,
}

impl Crew<'_> {
    /// Moves every chunk that is not done, of which `first` is the one begun. Each is recorded as soon as it is there.
    ///
    /// # Errors
    /// The first one. Where finished chunks are of use to a later run, the others are read nevertheless.
    pub fn run(&self, first: Begun) -> Result<()> {
        let mut first = Some(first);
        let chunks = self.reading.pending.iter().map(|index| (*index, first.take())).collect();
        let board = Mutex::new(Board { chunks, failed: Vec::new() });
        let workers = self.job.export.parallel.clamp(1, self.reading.pending.len().max(1));
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| self.work(&board))).collect();
            for worker in workers {
                if worker.join().is_err() {
                    lock(&board).failed.push((usize::MAX, ApiError::internal("a worker panicked").into()));
                    self.cancel.cancel();
                }
            }
        });
        let Board { chunks: left, mut failed } = board.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Those that were stopped for another's failure only say so.
        failed.sort_by_key(|(index, error)| (is_cancelled(error), *index));
        let chunks = failed.iter().map(|(index, _)| index.to_string()).collect::<Vec<_>>().join(", ");
        let several = failed.len() > 1;
        match failed.into_iter().next() {
            // A wish to stop was heard between two chunks.
            None if !left.is_empty() => Err(ApiError::cancelled().into()),
            None => Ok(()),
            Some((_, Error::Run(e))) if several && !self.reading.stops_at_failure => {
                Err(e.context(format!("chunks {chunks} failed, the first one")).into())
            }
            Some((_, error)) => Err(error),
        }
    }

    fn work(&self, board: &Mutex<Board>) {
        let mut hands = None;
        loop {
            let Some((index, begun)) = lock(board).chunks.pop_front() else { return };
            if let Err(error) = self.chunk(index, begun, &mut hands) {
                let hopeless = self.reading.stops_at_failure || !is_of_chunk(&error);
                lock(board).failed.push((index, error));
                if hopeless {
                    self.cancel.cancel();
                }
            }
            if self.cancel.is_cancelled() {
                return;
            }
        }
    }

    /// Moves one chunk, with as many attempts as it may have.
    fn chunk(&self, index: usize, begun: Option<Begun>, hands: &mut Option<Hands>) -> Result<()> {
        let mut budget = match self.job.export.mode {
            Mode::Chunked { max_attempts: Some(most), .. } => self.attempts.budget_of(most - 1),
            _ => self.attempts.budget(),
        };
        let mut outcome = match begun {
            Some(begun) => self.move_all(index, begun),
            None => self.attempt(index, hands),
        };
        loop {
            let error = match outcome {
                Ok(()) => return Ok(()),
                Err(Error::Run(e)) => e.context(format!("could not export {}", self.name(index))),
                Err(e) => return Err(e),
            };
            *hands = None;
            let pause = self.pause(&mut budget, &error);
            if error.category() != Category::Cancelled {
                self.open.record_failure(index, &secret::redact(&error.to_string()))?;
            }
            let Some(pause) = pause else { return Err(error.into()) };
            clock::sleep(pause, self.cancel);
            outcome = self.attempt(index, hands);
        }
    }

    fn pause(&self, budget: &mut Budget<'_>, error: &ApiError) -> Option<std::time::Duration> {
        let of_snapshot = error.code_text() == Some(ApiError::SNAPSHOT);
        if of_snapshot || self.cancel.is_cancelled() { None } else { budget.next(error) }
    }

    fn name(&self, index: usize) -> String {
        let (word, export) = (self.reading.word, &self.job.export.name);
        match self.reading.pieces.get(index) {
            Some(piece) if piece.start.is_some() => {
                let (start, end) = (piece.start.as_deref().unwrap_or(""), piece.end.as_deref().unwrap_or(""));
                format!("{word} {index} ({start} to {end}) of \"{export}\"")
            }
            _ => format!("{word} {index} of \"{export}\""),
        }
    }

    fn attempt(&self, index: usize, hands: &mut Option<Hands>) -> Result<()> {
        let hands = match hands {
            Some(hands) => hands,
            none => none.insert(self.connect()?),
        };
        let reader = hands.from.read(&self.reading.request(self.job, &self.piece(index)?.filter), self.cancel)?;
        if reader.schema() != self.inspector.source() {
            let error = ApiError::data("the columns are not those of the chunks before");
            return Err(error.hint("the table has changed since the run began: run again").into());
        }
        let request = self.open.request(index, self.inspector.run_id(), self.verify);
        let writer = hands.to.begin(&request, self.inspector.files(), self.cancel)?;
        self.open.record_begun(index)?;
        self.move_all(index, Begun { reader, writer })
    }

    fn connect(&self) -> Result<Hands> {
        Ok(Hands { from: self.job.open_source(self.cancel)?, to: self.job.open_destination(self.cancel)? })
    }

    fn piece(&self, index: usize) -> Result<&Piece> {
        let piece = self.reading.pieces.get(index);
        Ok(piece.ok_or_else(|| ApiError::internal(format!("there is no chunk {index}")))?)
    }

    fn move_all(&self, index: usize, begun: Begun) -> Result<()> {
        let (throttle, threshold, pace) = (self.job.throttle(), &self.job.threshold, Pace::Inline);
        let tally = self.attempts.feed().attempt();
        let flow = Flow { throttle, threshold, pace, tally: &tally, cancel: self.cancel };
        let mut inspection = self.inspector.inspect(&self.piece(index)?.filter)?;
        let receipt = pipeline::pass(begun, &flow, &mut inspection)?.finish()?;
        self.job.check_validated(&receipt, self.verify)?;
        inspection.keep()?;
        self.open.record(index, &receipt.parts)?;
        tally.landed(index, &receipt.parts);
        tally.keep();
        Ok(())
    }
}

fn lock(board: &Mutex<Board>) -> std::sync::MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the error says nothing about the other chunks.
fn is_of_chunk(error: &Error) -> bool {
    matches!(error, Error::Run(e) if e.code_text() != Some(ApiError::SNAPSHOT)
        && !matches!(e.category(), Category::Auth | Category::Config | Category::NotFound | Category::Cancelled))
}

fn is_cancelled(error: &Error) -> bool {
    matches!(error, Error::Run(e) if e.category() == Category::Cancelled)
}
