//! The rows of one read: steps through the wire's rows, fills batches, and leaves the connection clean or cuts it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchReader, Cancel, CancelGuard, Result};

use crate::batch::BatchBuilder;
use crate::ranges::Ranges;
use crate::session;
use crate::wire::{Connection, RowStream, Step};

/// Rows of the first page, before anything is known of their size.
const FIRST_PAGE: usize = 1000;
/// How many batches' bytes of one statement may wait for its end.
const WAITING: usize = 4;

/// Where a source keeps its connection while nobody uses it; readers bring it back when they are done.
pub(crate) type Slot = Arc<Mutex<Option<Connection>>>;

/// Gives a connection back, or ends what it still runs on the server. Its transaction is over either way.
pub(crate) fn release(mut connection: Connection, slot: &Slot) {
    if connection.is_idle() {
        if session::end(&mut connection) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
    } else if !connection.is_broken() {
        // A server that sorts or scans does not notice a closed socket for as long as it sends nothing.
        connection.cancel_key().cancel();
    }
}

/// How the rows of a read arrive.
pub(crate) struct Rows {
    /// The statement under way.
    stream: Option<RowStream>,
    /// Those that follow it.
    ranges: Option<Ranges>,
}

impl Rows {
    /// By one statement, which has been started.
    pub(crate) fn at_once(stream: RowStream) -> Self {
        Self { stream: Some(stream), ranges: None }
    }

    /// By one statement after the other.
    pub(crate) fn in_ranges(ranges: Ranges) -> Self {
        Self { stream: None, ranges: Some(ranges) }
    }
}

/// See [`BatchReader`].
pub(crate) struct Reader {
    /// Gone once the read is over, for better or worse.
    running: Option<Running>,
    batch: BatchBuilder,
    /// Batches that a page or a range filled before it was over.
    ready: VecDeque<RecordBatch>,
    cancel: Cancel,
    slot: Slot,
}

struct Running {
    connection: Connection,
    rows: Rows,
    _interrupt: CancelGuard,
    /// Rows and Arrow bytes of all full batches, from which the size of the next page follows.
    seen: usize,
    bytes: usize,
    /// Arrow bytes before the page or range under way.
    before: usize,
}

impl Reader {
    /// Reads `rows` on `connection`.
    pub(crate) fn new(
        connection: Connection,
        rows: Rows,
        interrupt: CancelGuard,
        batch: BatchBuilder,
        cancel: Cancel,
        slot: Slot,
    ) -> Self {
        let running = Running { connection, rows, _interrupt: interrupt, seen: 0, bytes: 0, before: 0 };
        Self { running: Some(running), batch, ready: VecDeque::new(), cancel, slot }
    }

    /// Reads until a batch may be handed out.
    fn fill(&mut self) -> Result<Option<RecordBatch>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        while running.open(&self.batch)? {
            running.read(&mut self.batch, &mut self.ready)?;
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            self.cancel.check()?;
        }
        let rest = if self.batch.rows() > 0 { Some(self.batch.finish()?) } else { None };
        self.stop();
        Ok(rest)
    }

    /// Ends the read wherever it is.
    fn stop(&mut self) {
        if let Some(Running { connection, _interrupt: interrupt, .. }) = self.running.take() {
            // A late wish to stop must not hit what the connection does next.
            drop(interrupt);
            release(connection, &self.slot);
        }
    }
}

impl Running {
    /// Sees to it that a statement is under way; false when all rows were read.
    fn open(&mut self, batch: &BatchBuilder) -> Result<bool> {
        let bytes = self.bytes + batch.size();
        match &mut self.rows.stream {
            Some(stream @ RowStream::Portal { page_open: false, .. }) => {
                // A page that should just fill the batch.
                let left = batch.limit().bytes.saturating_sub(batch.size());
                let fitting = bytes.checked_div(self.seen + batch.rows()).map_or(FIRST_PAGE, |row| left / row.max(1));
                self.connection.fetch(stream, fitting.clamp(1, batch.limit().rows - batch.rows()))?;
            }
            Some(_) => return Ok(true),
            None => {
                let Some(range) = self.rows.ranges.as_mut().and_then(Ranges::next) else { return Ok(false) };
                self.rows.stream = Some(self.connection.start_copy(&range)?);
            }
        }
        self.before = bytes;
        Ok(true)
    }

    /// Reads to the end of the page or range under way, as the server's clock goes on while the host has a batch. Only
    /// a statement that lasts as long as the read is left in the middle, whenever a batch is full.
    fn read(&mut self, batch: &mut BatchBuilder, ready: &mut VecDeque<RecordBatch>) -> Result<()> {
        let Some(stream) = &mut self.rows.stream else { return Ok(()) };
        let is_paced = self.rows.ranges.is_some() || matches!(stream, RowStream::Portal { .. });
        // Some pages hold far larger values than others: a few batches are as much as may wait in memory.
        let most = if is_paced { batch.limit().bytes.saturating_mul(WAITING) } else { 0 };
        loop {
            match self.connection.step(stream)? {
                Step::Row(row) => {
                    batch.push_row(self.connection.row(&row))?;
                    if batch.is_full() {
                        self.seen += batch.rows();
                        self.bytes += batch.size();
                        ready.push_back(batch.finish()?);
                        if self.bytes - self.before >= most {
                            return Ok(());
                        }
                    }
                }
                Step::PageEnd => return Ok(()),
                Step::End => break,
            }
        }
        self.rows.stream = None;
        if let Some(ranges) = &mut self.rows.ranges {
            ranges.measure(self.bytes + batch.size() - self.before);
        }
        Ok(())
    }
}

impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.ready.pop_front() {
            return Ok(Some(batch));
        }
        let result = self.cancel.check().and_then(|()| self.fill());
        if result.is_err() {
            self.stop();
        }
        result
    }

    fn close(&mut self) -> Result<()> {
        self.stop();
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}
