//! Reads the parts of a window at once, each on a thread with its own connections and into its own files. A part that
//! fails is repeated by itself; when one fails for good, the others stop.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use arrow_schema::SchemaRef;
use rivet_plugin_api::abi::{ReaderHandle, WriterHandle};
use rivet_plugin_api::{Cancel, Category, Error as ApiError, ReadRequest, Receipt};

use crate::clock;
use crate::error::{Error, Result};
use crate::pipeline::{self, Flow, Pace};
use crate::plan::Job;
use crate::reading::Watch;
use crate::retry::Attempts;
use crate::secret;
use crate::window::Open;

/// One part, ready to go.
pub struct Piece {
    /// How to begin again.
    pub request: ReadRequest,
    /// Its rows.
    pub reader: ReaderHandle,
    /// Its files.
    pub writer: WriterHandle,
}

/// What all workers of a window share.
pub struct Crew<'a> {
    /// The export.
    pub job: &'a Job<'a>,
    /// The window they write.
    pub open: &'a Open<'a>,
    /// The run's identity, for the files.
    pub run_id: &'a str,
    /// Whether files are read back.
    pub verify: bool,
    /// Stops the siblings of a part that failed; follows the run's own.
    pub cancel: &'a Cancel,
    /// Retries so far.
    pub attempts: &'a Attempts,
}

impl Crew<'_> {
    /// Moves every piece; answers their receipts in order. After an error, what finished pieces left is recorded.
    pub fn run(&self, pieces: Vec<Piece>) -> Result<Vec<Receipt>> {
        let failure = Mutex::new(None);
        let fail = |error: Error| {
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            // The siblings that were stopped for it only say so.
            if failure.as_ref().is_none_or(is_cancelled) {
                *failure = Some(error);
            }
            drop(failure);
            self.cancel.cancel();
        };
        let receipts = thread::scope(|scope| {
            let work = |(index, piece)| {
                let fail = &fail;
                scope.spawn(move || self.work(index, piece).map_err(fail).ok())
            };
            let workers: Vec<_> = pieces.into_iter().enumerate().map(work).collect();
            let end = |worker: thread::ScopedJoinHandle<'_, Option<Receipt>>| {
                worker.join().unwrap_or_else(|_| {
                    fail(ApiError::internal("a worker panicked").into());
                    None
                })
            };
            workers.into_iter().map(end).collect::<Option<Vec<_>>>()
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (receipts, failure) {
            (Some(receipts), None) => Ok(receipts),
            (_, Some(error)) => Err(error),
            (None, None) => Err(ApiError::internal("a worker ended without a word").into()),
        }
    }

    fn work(&self, index: usize, Piece { request, reader, writer }: Piece) -> Result<Receipt> {
        let schema = reader.schema().clone();
        let mut moved = self.move_all(reader, writer);
        let mut budget = self.attempts.budget();
        loop {
            let error = match moved {
                Ok(receipt) => {
                    self.open.record(index, &receipt.parts)?;
                    return Ok(receipt);
                }
                Err(e) => e.context(format!("could not export part {index} of \"{}\"", self.job.export.name)),
            };
            let of_snapshot = error.code_text() == Some(ApiError::SNAPSHOT);
            let pause = if of_snapshot || self.cancel.is_cancelled() { None } else { budget.next(&error) };
            let Some(pause) = pause else { return Err(error.into()) };
            self.open.record_failure(index, &secret::redact(&error.to_string()))?;
            clock::sleep(pause, self.cancel);
            moved = self.again(index, &request, &schema);
        }
    }

    /// A further attempt, on fresh connections.
    fn again(&self, index: usize, request: &ReadRequest, schema: &SchemaRef) -> rivet_plugin_api::Result<Receipt> {
        let (source, destination) = (&self.job.source, &self.job.destination);
        let mut from = source.plugin.open_source(&source.options, self.cancel)?;
        let reader = from.read(request, self.cancel)?;
        if reader.schema() != schema {
            return Err(ApiError::internal("the columns of a part have changed between two attempts"));
        }
        let mut to = destination.plugin.open_destination(&destination.options, self.cancel)?;
        let writer = to.begin(&self.open.request(index, self.run_id, self.verify), schema, self.cancel)?;
        self.move_all(reader, writer)
    }

    fn move_all(&self, reader: ReaderHandle, writer: WriterHandle) -> rivet_plugin_api::Result<Receipt> {
        let (throttle, watch) = (self.job.throttle(), &Watch::default());
        pipeline::run(reader, writer, &Flow { throttle, pace: Pace::Inline, watch, cancel: self.cancel })
    }
}

fn is_cancelled(error: &Error) -> bool {
    matches!(error, Error::Run(e) if e.category() == Category::Cancelled)
}
