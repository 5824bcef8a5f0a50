//! Moves the batches of one read into one write: reading and encoding overlap, and bytes bound what is in between.

use std::thread;

use arrow_array::RecordBatch;
use rivet_plugin_api::abi::{ReaderHandle, WriterHandle};
use rivet_plugin_api::{Cancel, Error, Receipt, Result};

use crate::queue::Queue;
use crate::throttle::Throttle;

/// What a connector should aim at for one batch: large enough to amortise a call, small enough to stay in the cache.
pub const BATCH_BYTES: usize = 4 << 20;

/// Batches that wait for the writer.
const QUEUE_BYTES: usize = 12 << 20;

/// Reads everything, writes it, makes it durable, and answers what landed. After an error nothing of the attempt is left.
pub fn run(reader: ReaderHandle, writer: WriterHandle, throttle: Throttle, cancel: &Cancel) -> Result<Receipt> {
    let queue = Queue::new(QUEUE_BYTES);
    let (read, written) = thread::scope(|scope| {
        let writing = scope.spawn(|| write_all(writer, &queue));
        let read = read_all(reader, &queue, throttle, cancel);
        (read, writing.join())
    });
    let written = written.unwrap_or_else(|_| Err(Error::internal("the writing thread panicked")));
    // A writer that failed has closed the queue under the reader, so its error is the cause.
    let (rows, writer) = match (read, written) {
        (Ok(rows), Ok(writer)) => (rows, writer),
        (_, Err(e)) | (Err(e), Ok(_)) => return Err(e),
    };
    let receipt = writer.finish()?;
    let landed: u64 = receipt.parts.iter().map(|part| part.rows).sum();
    if landed == rows {
        Ok(receipt)
    } else {
        Err(Error::internal(format!("{rows} rows were read but the destination reports {landed}")))
    }
}

/// Lets the other side go when this one ends, also by a panic.
struct Close<'a>(&'a Queue<RecordBatch>);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn read_all(mut reader: ReaderHandle, queue: &Queue<RecordBatch>, throttle: Throttle, cancel: &Cancel) -> Result<u64> {
    let _end = Close(queue);
    let (mut rows, mut reported) = (0_u64, 0_u64);
    while let Some(batch) = reader.next()? {
        let count = batch.num_rows();
        rows += count as u64;
        let bytes = batch.get_array_memory_size();
        if !queue.push(batch, bytes) {
            return Err(Error::cancelled());
        }
        if rows - reported >= 1_000_000 {
            reported = rows;
            tracing::info!("fetched {rows} rows so far...");
        }
        throttle.after(count, cancel);
        cancel.check()?;
    }
    reader.close()?;
    tracing::info!("total: {rows} rows");
    Ok(rows)
}

fn write_all(mut writer: WriterHandle, queue: &Queue<RecordBatch>) -> Result<WriterHandle> {
    let _end = Close(queue);
    while let Some(batch) = queue.pop() {
        writer.write(batch)?;
    }
    Ok(writer)
}
