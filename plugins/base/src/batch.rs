//! Cuts a stream of rows into record batches by rows and by bytes. How a row looks on the wire, and what becomes of its
//! values, is the connector's [`Column`].

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchSize, Error, Result};

mod arrays;
mod misfit;

pub use arrays::{Bytes, primitive, take};
pub use misfit::{Misfit, Refused};

/// Builders are made for at most this many rows at first; a batch that gets larger grows them.
const FIRST_ROWS: usize = 16_384;
/// Offsets into text are 32 bits wide. A single row adds less than 1 GiB.
const MAX_BYTES: usize = 1 << 29;
/// What a byte on the wire becomes at most, in columns that have a [`Column::bound`]: 16 bytes of UUID are 36 of text.
const EXPANSION: usize = 4;

/// Collects one column of a batch.
pub trait Column: Sized {
    /// Adds `row`, as it came over the wire, to the columns of a batch.
    fn push_row(columns: &mut [Self], row: &[u8]) -> Result<(), Refused>;

    /// Bytes of Arrow buffers so far.
    fn size(&self) -> usize;

    /// How many bytes a row adds at most, beyond four for each of its bytes on the wire; a NULL counts as well. `None`
    /// when a few bytes may become very many: the column is then looked at after each row.
    fn bound(&self) -> Option<usize>;

    /// The column so far; the builder is empty afterwards.
    fn finish(&mut self) -> Result<ArrayRef, Misfit>;

    /// What to do about [`Misfit::Beyond`] and [`Misfit::NotUtf8`] in `column`.
    fn hint(misfit: Misfit, column: &str) -> String;
}

/// Builds one batch after the other.
#[derive(Debug)]
pub struct BatchBuilder<C> {
    schema: SchemaRef,
    native_types: Vec<String>,
    columns: Vec<C>,
    limit: BatchSize,
    rows: usize,
    /// The sum of the columns' bounds.
    row_bound: usize,
    /// The columns without a bound.
    unbounded: Vec<usize>,
    /// The size of the columns without a bound at the last row.
    unbounded_size: usize,
    /// Bytes that may still be added before the limit can have been reached.
    room: usize,
    full: bool,
}

impl<C: Column> BatchBuilder<C> {
    /// Builds batches of `schema`, whose fields have `native_types` on the server. `columns` makes their builders, with
    /// room for as many rows as it is told.
    pub fn new(
        schema: SchemaRef,
        native_types: Vec<String>,
        limit: BatchSize,
        columns: impl FnOnce(usize) -> Vec<C>,
    ) -> Self {
        let limit = BatchSize { rows: limit.rows.max(1), bytes: limit.bytes.clamp(1, MAX_BYTES) };
        let columns = columns(limit.rows.min(FIRST_ROWS));
        let row_bound = columns.iter().filter_map(C::bound).sum();
        let unbounded = (0..columns.len()).filter(|i| columns[*i].bound().is_none()).collect();
        Self {
            schema,
            native_types,
            columns,
            limit,
            rows: 0,
            row_bound,
            unbounded,
            unbounded_size: 0,
            room: limit.bytes,
            full: false,
        }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Rows in the batch so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The limits, as they are kept.
    pub fn limit(&self) -> BatchSize {
        self.limit
    }

    /// Bytes of Arrow buffers so far.
    pub fn size(&self) -> usize {
        self.columns.iter().map(C::size).sum()
    }

    /// Whether a limit is reached: the batch exceeds it by less than the last row.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Adds a row as it came over the wire.
    #[inline]
    pub fn push_row(&mut self, row: &[u8]) -> Result<()> {
        if let Err(refused) = C::push_row(&mut self.columns, row) {
            return Err(self.refuse(refused));
        }
        self.rows += 1;
        let mut added = row.len() * EXPANSION + self.row_bound;
        if !self.unbounded.is_empty() {
            let size = self.unbounded.iter().map(|i| self.columns[*i].size()).sum();
            added += size - self.unbounded_size;
            self.unbounded_size = size;
        }
        self.room = self.room.saturating_sub(added);
        if self.rows >= self.limit.rows {
            self.full = true;
        } else if self.room == 0 {
            // Each look at the exact size uses up most of the room that is left, so there are few of them.
            self.room = self.limit.bytes.saturating_sub(self.size());
            self.full = self.room == 0;
        }
        Ok(())
    }

    #[cold]
    fn refuse(&self, refused: Refused) -> Error {
        match refused {
            Refused::Value { column, misfit } => self.misfit(column, misfit),
            Refused::Row(error) => error,
        }
    }

    #[cold]
    fn misfit(&self, column: usize, misfit: Misfit) -> Error {
        let name = self.schema.field(column).name();
        misfit.into_error(name, &self.native_types[column], || C::hint(misfit, name))
    }

    /// The rows so far as a batch; the next one begins empty.
    pub fn finish(&mut self) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let array = self.columns[index].finish();
            arrays.push(array.map_err(|misfit| self.misfit(index, misfit))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema(), arrays, &options)?;
        (self.rows, self.unbounded_size) = (0, 0);
        self.room = self.limit.bytes;
        self.full = false;
        Ok(batch)
    }
}

#[cfg(test)]
mod tests;
