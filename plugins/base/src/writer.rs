//! The `BatchWriter` of every file-like destination: parts, rotation by size, read-back check, publication.

use arrow_array::RecordBatch;
use rivet_plugin_api::{BatchWriter, Cancel, Error, Part, Progress, Receipt, Result, ResultExt, WriteRequest, tracing};

use crate::encode::{self, Encoder};
use crate::output::{Output, Written};
use crate::verify::Tally;
use crate::{PartSink, Store};

/// Writes one attempt into a [`Store`].
///
/// Parts become visible only in [`finish`](BatchWriter::finish), in order. When a part cannot be published, the ones
/// before it are removed again, except those that took the place of an earlier attempt's. After any error the attempt
/// is over and nothing of it is left; only `abort` makes sense then.
///
/// With `max_file_size`, a part ends with the batch that brings its encoded size to the limit, so a part exceeds the
/// limit by less than one batch. The next part begins with the next batch: there are no empty parts.
pub struct PartWriter<S: Store> {
    attempt: Option<Attempt<S>>,
}

struct Attempt<S: Store> {
    open: Option<OpenPart<S::Sink>>,
    sealed: Vec<SealedPart<S::Sink>>,
    sealed_bytes: u64,
    store: S,
    request: WriteRequest,
    cancel: Cancel,
}

struct OpenPart<P> {
    encoder: Box<dyn Encoder>,
    output: Output<P>,
    rows: u64,
    /// What the finished part must hold, when it is to be read back.
    tally: Option<Tally>,
}

struct SealedPart<P> {
    written: Written<P>,
    rows: u64,
    validated_rows: Option<u64>,
}

impl<S: Store + 'static> PartWriter<S> {
    /// A writer into `store`. The format must have passed [`encode::check`].
    pub fn new(store: S, request: WriteRequest, cancel: Cancel) -> Self {
        let attempt = Attempt { open: None, sealed: Vec::new(), sealed_bytes: 0, store, request, cancel };
        Self { attempt: Some(attempt) }
    }

    fn take(&mut self) -> Result<Attempt<S>> {
        self.attempt.take().ok_or_else(|| Error::internal("the write was ended before"))
    }
}

impl<S: Store + 'static> BatchWriter for PartWriter<S> {
    fn write(&mut self, batch: RecordBatch) -> Result<Progress> {
        let mut attempt = self.take()?;
        match attempt.write(&batch) {
            Ok(progress) => {
                self.attempt = Some(attempt);
                Ok(progress)
            }
            Err(error) => Err(attempt.give_up(error)),
        }
    }

    fn finish(&mut self) -> Result<Receipt> {
        let mut attempt = self.take()?;
        match attempt.finish() {
            Ok(receipt) => {
                attempt.sealed.clear();
                if let Err(error) = attempt.store.end() {
                    tracing::warn!(%error, "the parts are complete, but the attempt could not be closed");
                }
                Ok(receipt)
            }
            Err(error) => Err(attempt.give_up(error)),
        }
    }

    fn abort(&mut self) -> Result<()> {
        self.attempt.take().map_or(Ok(()), Attempt::discard)
    }
}

impl<S: Store> Drop for PartWriter<S> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.attempt.take().map(Attempt::discard) {
            tracing::warn!(%error, "an attempt could not be removed entirely");
        }
    }
}

impl<S: Store> Attempt<S> {
    /// Removes everything of the attempt and returns why that was needed.
    fn give_up(self, error: Error) -> Error {
        if let Err(leftover) = self.discard() {
            tracing::warn!(error = %leftover, "an attempt could not be removed entirely");
        }
        error
    }

    fn discard(mut self) -> Result<()> {
        let mut outcome = Ok(());
        if let Some(part) = self.open.take() {
            outcome = outcome.and(part.output.take().and_then(|mut written| written.sink.discard()));
        }
        for part in &mut self.sealed {
            outcome = outcome.and(part.written.sink.discard());
        }
        self.sealed.clear();
        outcome.and(self.store.end())
    }
}

impl<S: Store<Sink: 'static>> Attempt<S> {
    fn write(&mut self, batch: &RecordBatch) -> Result<Progress> {
        self.cancel.check()?;
        if batch.num_rows() > 0 {
            let mut part = match self.open.take() {
                Some(part) => part,
                None => self.start(batch)?,
            };
            let outcome = part.tally.as_mut().map_or(Ok(()), |tally| tally.add(batch));
            let outcome = outcome.and_then(|()| part.encoder.write(batch).map_err(|e| part.output.cause_of(e)));
            part.rows += batch.num_rows() as u64;
            let full = self.request.format.max_file_size.is_some_and(|limit| part.encoder.written() >= limit);
            self.open = Some(part);
            outcome?;
            if full {
                self.seal()?;
            }
        }
        let (buffered, written) = self.open.as_ref().map_or((0, 0), |p| (p.encoder.buffered(), p.encoder.written()));
        Ok(Progress { buffered, written: self.sealed_bytes + written })
    }

    fn start(&mut self, first: &RecordBatch) -> Result<OpenPart<S::Sink>> {
        let index = self.sealed.len();
        let name = self.request.part_name(index, index > 0);
        let output = Output::new(self.store.create(index, &name, self.request.verify)?);
        let tally = self.request.verify.then(|| Tally::new(&self.request.format, first)).transpose();
        let encoder = encode::open(Box::new(output.clone()), &self.request, first);
        match tally.and_then(|tally| Ok((encoder?, tally))) {
            Ok((encoder, tally)) => Ok(OpenPart { encoder, output, rows: 0, tally }),
            Err(error) => {
                let error = output.cause_of(error);
                output.take()?.sink.discard()?;
                Err(error)
            }
        }
    }

    /// Completes the open part, checks it, and keeps it for publication.
    fn seal(&mut self) -> Result<()> {
        let Some(OpenPart { encoder, output, rows, tally }) = self.open.take() else {
            return Ok(());
        };
        let finished = encoder.finish().map_err(|e| output.cause_of(e));
        let mut written = output.take()?;
        let outcome = finished.and_then(|()| written.sink.seal());
        let name = self.request.part_name(self.sealed.len(), !self.sealed.is_empty());
        let verify = |tally: Tally| tally.verify(&mut written, &name, &self.cancel);
        let outcome = outcome.and_then(|()| tally.map(verify).transpose());
        self.sealed_bytes += written.bytes;
        let (validated_rows, outcome) = match outcome {
            Ok(validated_rows) => (validated_rows, Ok(())),
            Err(error) => (None, Err(error)),
        };
        // Kept also after an error, so that it is discarded with the others.
        self.sealed.push(SealedPart { written, rows, validated_rows });
        outcome
    }

    fn finish(&mut self) -> Result<Receipt> {
        self.seal()?;
        // The last point at which a wish to stop is heard: publication is short and must not end half way.
        self.cancel.check()?;
        let several = self.sealed.len() > 1;
        let names: Vec<String> = (0..self.sealed.len()).map(|index| self.request.part_name(index, several)).collect();
        let mut parts = Vec::with_capacity(names.len());
        let mut fresh = Vec::new();
        let outcome = self.publish(&names, &mut parts, &mut fresh);
        if outcome.is_err() {
            // Backwards, so that what a crash leaves is again the first parts.
            for name in fresh.iter().rev() {
                if let Err(error) = self.store.remove(name) {
                    tracing::warn!(%error, part = name, "a part of a failed attempt could not be removed");
                }
            }
        }
        outcome.map(|()| Receipt { parts })
    }

    /// Makes the sealed parts visible. `fresh` gets the names that did not exist before.
    fn publish(&mut self, names: &[String], parts: &mut Vec<Part>, fresh: &mut Vec<String>) -> Result<()> {
        for (part, name) in self.sealed.iter_mut().zip(names) {
            let published = part.written.sink.publish(name).context(|| format!("could not publish \"{name}\""))?;
            if !published.replaced {
                fresh.push(name.clone());
            }
            parts.push(Part {
                name: name.clone(),
                location: self.store.location(name),
                rows: part.rows,
                bytes: part.written.bytes,
                checksum: part.written.checksum.clone(),
                store_checksum: published.store_checksum,
                validated_rows: part.validated_rows,
            });
        }
        self.store.settle(names)
    }
}

#[cfg(test)]
mod tests;
