//! One statement that runs: its batches, cut to the size asked for, and how it is stopped.

use adbc_core::{CancelHandle, Connection as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedStatement};
use arrow_array::{RecordBatch, RecordBatchReader};
use rivet_plugin_api::arrow_array::RecordBatch as RivetBatch;
use rivet_plugin_api::arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchReader, BatchSize, Cancel, CancelGuard, Context, Error, Result};

use crate::border;
use crate::error::Secrets;
use crate::sql::Statement;
use crate::value::parameters;

/// A statement on a connection that can be stopped from any thread. What is dropped first comes first.
pub(crate) struct Running {
    guard: Option<CancelGuard>,
    statement: ManagedStatement,
    cancel: Cancel,
    secrets: Secrets,
}

impl Running {
    /// Prepares `statement`, so that the host's wish to stop reaches it from now on.
    pub(crate) fn new(
        connection: &mut ManagedConnection,
        statement: &Statement,
        secrets: &Secrets,
        context: &Context,
    ) -> Result<Self> {
        context.check()?;
        let driver_error = |e| secrets.error(&e);
        let mut prepared = connection.new_statement().map_err(driver_error)?;
        prepared.set_sql_query(&statement.sql).map_err(driver_error)?;
        if !statement.values.is_empty() {
            prepared.prepare().map_err(driver_error)?;
            prepared.bind(parameters(&statement.values)?).map_err(driver_error)?;
        }
        // Some drivers cancel by the statement and some by the connection; one of them answers that it does not.
        let handles: [Box<dyn CancelHandle>; 2] = [prepared.get_cancel_handle(), connection.get_cancel_handle()];
        let guard = context.on_cancel(move || {
            for handle in &handles {
                if let Err(error) = handle.try_cancel() {
                    rivet_plugin_api::tracing::debug!("the driver did not cancel: {error}");
                }
            }
        });
        let (cancel, secrets) = (context.cancel().clone(), secrets.clone());
        Ok(Self { guard: Some(guard), statement: prepared, cancel, secrets })
    }

    pub(crate) fn execute(&mut self) -> Result<Box<dyn RecordBatchReader + Send>> {
        let outcome = self.statement.execute();
        self.checked(outcome)
    }

    /// The schema of the result; drivers that cannot tell it have to begin.
    pub(crate) fn schema(&mut self) -> Result<SchemaRef> {
        match self.statement.execute_schema() {
            Ok(schema) => border::schema(&schema),
            Err(e) if e.status == adbc_core::error::Status::NotImplemented => border::schema(&self.execute()?.schema()),
            Err(e) => self.checked(Err(e)),
        }
    }

    /// A driver that was stopped reports all sorts of errors: what counts is that the host asked for it.
    fn checked<T>(&self, outcome: adbc_core::error::Result<T>) -> Result<T> {
        match outcome {
            Err(e) => {
                self.cancel.check()?;
                Err(self.secrets.error(&e))
            }
            Ok(value) => Ok(value),
        }
    }
}

/// A running read. Batches come before the statement, and that before its connection, when it is dropped.
pub(crate) struct Reader {
    batches: Option<Box<dyn RecordBatchReader + Send>>,
    running: Running,
    _connection: ManagedConnection,
    schema: SchemaRef,
    size: BatchSize,
    rest: Option<RecordBatch>,
}

impl Reader {
    pub(crate) fn start(connection: ManagedConnection, mut running: Running, size: BatchSize) -> Result<Self> {
        let batches = running.execute()?;
        let schema = border::schema(&batches.schema())?;
        Ok(Self { batches: Some(batches), running, _connection: connection, schema, size, rest: None })
    }

    /// The next batch of the driver that has rows.
    fn fetch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(batches) = &mut self.batches else { return Err(Error::internal("the reader is closed")) };
        loop {
            self.running.cancel.check()?;
            let Some(batch) = batches.next() else {
                // A driver may take a cancel for the end.
                self.running.cancel.check()?;
                return Ok(None);
            };
            let batch = self.running.checked(batch.map_err(|e| border::stream_error(&e)))?;
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
    }
}

impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self) -> Result<Option<RivetBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match self.fetch()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let rows = batch.num_rows().min(self.size.rows).min(rows_of(&batch, self.size.bytes));
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        border::batch(batch.slice(0, rows), &self.schema).map(Some)
    }

    fn close(&mut self) -> Result<()> {
        // The stream ends first: a driver may still be working for it.
        self.batches = None;
        self.rest = None;
        self.running.guard = None;
        Ok(())
    }
}

/// About how many rows of `batch` have so many bytes, at least one.
fn rows_of(batch: &RecordBatch, bytes: usize) -> usize {
    let slices = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0));
    let total: usize = slices.sum();
    if total <= bytes { batch.num_rows() } else { (batch.num_rows() * bytes / total).max(1) }
}
