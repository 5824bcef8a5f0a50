//! The rows of one read: steps through the wire's rows, fills batches, and leaves the connection clean or cuts it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchReader, Cancel, CancelGuard, Result};

use crate::batch::BatchBuilder;
use crate::session;
use crate::wire::{Connection, RowStream, Step};

/// Rows of the first page, before anything is known of their size.
const FIRST_PAGE: usize = 1000;

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

/// See [`BatchReader`].
pub(crate) struct Reader {
    /// Gone once the read is over, for better or worse.
    running: Option<Running>,
    batch: BatchBuilder,
    /// Batches that a page filled before it was over.
    ready: VecDeque<RecordBatch>,
    cancel: Cancel,
    slot: Slot,
}

struct Running {
    connection: Connection,
    stream: RowStream,
    _interrupt: CancelGuard,
    /// Rows and Arrow bytes of all full batches, from which the size of the next page follows.
    rows: usize,
    bytes: usize,
}

impl Reader {
    /// Reads what `stream` yields on `connection`.
    pub(crate) fn new(
        connection: Connection,
        stream: RowStream,
        interrupt: CancelGuard,
        batch: BatchBuilder,
        cancel: Cancel,
        slot: Slot,
    ) -> Self {
        let running = Running { connection, stream, _interrupt: interrupt, rows: 0, bytes: 0 };
        Self { running: Some(running), batch, ready: VecDeque::new(), cancel, slot }
    }

    /// Reads until a batch may be handed out: at once in a COPY, at the end of a page from a portal, because a page
    /// that is half sent would keep the server's clock running while the host pauses.
    fn fill(&mut self) -> Result<Option<RecordBatch>> {
        let Some(running) = &mut self.running else { return Ok(None) };
        running.open_page(&self.batch)?;
        loop {
            match running.connection.step(&mut running.stream)? {
                Step::Row(row) => {
                    self.batch.push_row(running.connection.row(&row))?;
                    if self.batch.is_full() {
                        let batch = running.cut(&mut self.batch)?;
                        match running.stream {
                            RowStream::Copy { .. } => return Ok(Some(batch)),
                            RowStream::Portal { .. } => self.ready.push_back(batch),
                        }
                    }
                }
                Step::PageEnd => {
                    if let Some(batch) = self.ready.pop_front() {
                        return Ok(Some(batch));
                    }
                    self.cancel.check()?;
                    running.open_page(&self.batch)?;
                }
                Step::End => break,
            }
        }
        if self.batch.rows() > 0 {
            self.ready.push_back(self.batch.finish()?);
        }
        self.stop();
        Ok(self.ready.pop_front())
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
    /// Asks for a page that should just fill the batch, if none is under way.
    fn open_page(&mut self, batch: &BatchBuilder) -> Result<()> {
        if !matches!(self.stream, RowStream::Portal { page_open: false, .. }) {
            return Ok(());
        }
        let (rows, bytes) = (self.rows + batch.rows(), self.bytes + batch.size());
        let left = batch.limit().bytes.saturating_sub(batch.size());
        let fitting = bytes.checked_div(rows).map_or(FIRST_PAGE, |row| left / row.max(1));
        let page = fitting.clamp(1, batch.limit().rows - batch.rows());
        self.connection.fetch(&mut self.stream, page)
    }

    fn cut(&mut self, batch: &mut BatchBuilder) -> Result<RecordBatch> {
        self.rows += batch.rows();
        self.bytes += batch.size();
        batch.finish()
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
