//! Moves the batches of one read into one write: reading and encoding overlap, and bytes bound what is in between.

use std::thread;

use arrow_array::RecordBatch;
use rivet_plugin_api::abi::{ReaderHandle, WriterHandle};
use rivet_plugin_api::{Cancel, Error, Receipt, Result};

use crate::clock::Stopwatch;
use crate::event::Tally;
use crate::inspect::Inspection;
use crate::memory::Threshold;
use crate::queue::Queue;
use crate::throttle::Throttle;
use crate::workers::Begun;

/// What a connector should aim at for one batch: large enough to amortise a call, small enough to stay in the cache.
pub const BATCH_BYTES: usize = 4 << 20;

/// Batches that wait for the writer.
const QUEUE_BYTES: usize = 12 << 20;

/// How reading and writing share the processor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// One thread in turn: where as many workers run as there are cores, a second thread each only gets in the way.
    Inline,
    /// Two threads: reading goes on while a batch is encoded.
    Overlapped,
}

/// How rows move.
#[derive(Clone, Copy)]
pub struct Flow<'a> {
    /// How fast they are read.
    pub throttle: Throttle,
    /// How much memory it may take before it slows down.
    pub threshold: &'a Threshold,
    /// How reading and writing share the processor.
    pub pace: Pace,
    /// Counts it.
    pub tally: &'a Tally<'a>,
    /// Ends it.
    pub cancel: &'a Cancel,
}

/// Rows that a writer has taken and not published.
pub struct Moved {
    rows: u64,
    writer: WriterHandle,
}

impl Moved {
    /// What `writer` has taken: so many rows.
    pub fn new(rows: u64, writer: WriterHandle) -> Self {
        Self { rows, writer }
    }

    /// How many.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes everything durable and visible, and answers what landed. After an error nothing of the attempt is left, nor
    /// when this is dropped instead.
    pub fn finish(self) -> Result<Receipt> {
        let receipt = self.writer.finish()?;
        let landed: u64 = receipt.parts.iter().map(|part| part.rows).sum();
        if landed == self.rows {
            return Ok(receipt);
        }
        Err(Error::internal(format!("{} rows were read but the destination reports {landed}", self.rows)))
    }
}

/// Reads everything and writes it. After an error nothing of the attempt is left.
pub fn pass(begun: Begun, flow: &Flow<'_>, inspection: &mut Inspection<'_>) -> Result<Moved> {
    let Begun { reader, writer } = begun;
    match flow.pace {
        Pace::Inline => in_turn(reader, writer, flow, inspection),
        Pace::Overlapped => overlapped(reader, writer, flow, inspection),
    }
}

fn in_turn(
    reader: ReaderHandle,
    mut writer: WriterHandle,
    flow: &Flow<'_>,
    inspection: &mut Inspection<'_>,
) -> Result<Moved> {
    let rows = read_all(reader, flow, |batch| write(&mut writer, inspection.pass(batch)?, flow))?;
    Ok(Moved::new(rows, writer))
}

fn overlapped(
    reader: ReaderHandle,
    writer: WriterHandle,
    flow: &Flow<'_>,
    inspection: &mut Inspection<'_>,
) -> Result<Moved> {
    let queue = Queue::new(QUEUE_BYTES);
    let (read, written) = thread::scope(|scope| {
        let writing = scope.spawn(|| write_all(writer, &queue, flow));
        let end = Close(&queue);
        let read = read_all(reader, flow, |batch| {
            let batch = inspection.pass(batch)?;
            let bytes = batch.get_array_memory_size();
            if queue.push(batch, bytes) { Ok(()) } else { Err(Error::cancelled()) }
        });
        drop(end);
        (read, writing.join())
    });
    let written = written.unwrap_or_else(|_| Err(Error::internal("the writing thread panicked")));
    // A writer that failed has closed the queue under the reader, so its error is the cause.
    match (read, written) {
        (Ok(rows), Ok(writer)) => Ok(Moved::new(rows, writer)),
        (_, Err(e)) | (Err(e), Ok(_)) => Err(e),
    }
}

/// Lets the other side go when this one ends, also by a panic.
struct Close<'a>(&'a Queue<RecordBatch>);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn read_all(mut reader: ReaderHandle, flow: &Flow<'_>, mut take: impl FnMut(RecordBatch) -> Result<()>) -> Result<u64> {
    let (mut rows, mut reported) = (0_u64, 0_u64);
    let mut asked = Stopwatch::start();
    while let Some(batch) = reader.next()? {
        let count = batch.num_rows();
        tracing::debug!("batch of {count} rows read in {:.1?}", asked.elapsed());
        rows += count as u64;
        flow.tally.read(count);
        take(batch)?;
        if rows - reported >= 1_000_000 {
            reported = rows;
            tracing::info!("fetched {rows} rows so far...");
        }
        flow.throttle.after(count, flow.cancel);
        flow.threshold.check(flow.tally.feed(), flow.cancel);
        flow.cancel.check()?;
        asked = Stopwatch::start();
    }
    reader.close()?;
    tracing::info!("total: {rows} rows");
    Ok(rows)
}

fn write(writer: &mut WriterHandle, batch: RecordBatch, flow: &Flow<'_>) -> Result<()> {
    let (count, given) = (batch.num_rows(), Stopwatch::start());
    flow.tally.wrote(writer.write(batch)?.written);
    tracing::debug!("batch of {count} rows written in {:.1?}", given.elapsed());
    Ok(())
}

fn write_all(mut writer: WriterHandle, queue: &Queue<RecordBatch>, flow: &Flow<'_>) -> Result<WriterHandle> {
    let _end = Close(queue);
    while let Some(batch) = queue.pop() {
        write(&mut writer, batch, flow)?;
    }
    Ok(writer)
}
