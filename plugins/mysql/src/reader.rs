//! The rows of one read: steps through the wire's rows, fills batches, and leaves the connection clean or cuts it.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchReader, Cancel, CancelGuard, Error, Result};

use crate::batch::BatchBuilder;
use crate::session::{self, MOST_WARNINGS};
use crate::wire::{Connection, RowStream, Step};

/// Where a source keeps its connection while nobody uses it; readers bring it back when they are done.
pub(crate) type Slot = Arc<Mutex<Option<Connection>>>;

/// Warnings with which the server says that it cut a value short or made it NULL: GROUP_CONCAT that got too long, and
/// text that outgrew max_allowed_packet.
const LOSSES: [&str; 2] = ["1260", "1301"];

/// Of those that mean no loss, the log shows so many: a query that converts can have one about each row.
const SHOWN_WARNINGS: usize = 20;

/// Gives a connection back, or ends what it still runs on the server. Its transaction is over either way.
pub(crate) fn release(mut connection: Connection, slot: &Slot) {
    if connection.is_idle() {
        if session::end(&mut connection) {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
    } else if !connection.is_broken() {
        // A server that sorts or scans does not notice a closed socket for as long as it sends nothing.
        connection.killer().kill();
    }
}

/// See [`BatchReader`].
pub(crate) struct Reader {
    /// Gone once the read is over, for better or worse.
    running: Option<Running>,
    batch: BatchBuilder,
    cancel: Cancel,
    slot: Slot,
}

struct Running {
    connection: Connection,
    stream: RowStream,
    _interrupt: CancelGuard,
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
        let running = Running { connection, stream, _interrupt: interrupt };
        Self { running: Some(running), batch, cancel, slot }
    }

    fn fill(&mut self) -> Result<Option<RecordBatch>> {
        let Some(Running { connection, stream, .. }) = &mut self.running else { return Ok(None) };
        loop {
            match connection.step()? {
                Step::Row(row) => {
                    self.batch.push_row(connection.row(row))?;
                    if self.batch.is_full() {
                        return self.batch.finish().map(Some);
                    }
                }
                Step::End { warnings } => {
                    if warnings > 0 {
                        // The rows are all here: what is left to ask must not make the read too slow.
                        connection.limit(None);
                        no_losses(connection, warnings)?;
                    }
                    connection.close_statement(stream.prepared())?;
                    break;
                }
            }
        }
        let last = if self.batch.rows() > 0 { Some(self.batch.finish()?) } else { None };
        self.stop();
        Ok(last)
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

/// Passes the first of the server's `count` warnings on; those that mean a lost value are errors, and so are more of them
/// than the server keeps, for then nobody knows.
fn no_losses(connection: &mut Connection, count: u16) -> Result<()> {
    let warnings = connection.query("SHOW WARNINGS")?;
    let listed = warnings.len();
    for (number, warning) in warnings.into_iter().enumerate() {
        let mut cells = warning.into_iter().skip(1).map(Option::unwrap_or_default);
        let (code, message) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        if LOSSES.contains(&code.as_str()) {
            return Err(Error::data(format!("the server cut a value of the query short: {message}"))
                .code(code)
                .hint("raise the server's group_concat_max_len or max_allowed_packet, or change the query"));
        }
        if number < SHOWN_WARNINGS {
            tracing::warn!("server: {message} ({code})");
        }
    }
    if listed > SHOWN_WARNINGS {
        tracing::warn!("server: {} further warnings", listed - SHOWN_WARNINGS);
    }
    if listed < usize::from(count) || count == MOST_WARNINGS {
        let text = format!("the server had {count} warnings or more about the query and keeps {listed} of them");
        return Err(Error::data(format!("{text}: one of the others may be about a value that was cut short"))
            .hint("change the query so that it converts nothing implicitly"));
    }
    Ok(())
}

impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.batch.schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
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
