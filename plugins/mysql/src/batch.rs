//! Cuts a stream of rows into record batches by rows and by bytes.

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchSize, Error, Result};

use crate::decode::{ColumnBuilder, Misfit};
use crate::error::protocol;
use crate::select::Field;
use crate::types::NativeColumn;

/// Builders are made for at most this many rows at first; a batch that gets larger grows them.
const FIRST_ROWS: usize = 16_384;
/// Offsets into text are 32 bits wide. A single row adds less than 1 GiB.
const MAX_BYTES: usize = 1 << 29;
/// How many wire bytes pass at least between two looks at the batch's exact size.
const LOOK_BYTES: usize = 4096;

/// Builds one batch after the other.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    native_types: Vec<String>,
    columns: Vec<ColumnBuilder>,
    limit: BatchSize,
    rows: usize,
    /// Wire bytes still to come before the exact size is worth computing again.
    unlooked: usize,
    full: bool,
}

impl BatchBuilder {
    /// Builds batches of `schema` from rows that hold `fields`.
    pub(crate) fn new(schema: SchemaRef, fields: &[Field], sent: &[NativeColumn], limit: BatchSize) -> Self {
        let limit = BatchSize { rows: limit.rows.max(1), bytes: limit.bytes.clamp(1, MAX_BYTES) };
        let rows = limit.rows.min(FIRST_ROWS);
        let columns =
            fields.iter().zip(sent).map(|(field, sent)| ColumnBuilder::new(&field.mapped, sent, rows)).collect();
        let native_types = fields.iter().map(|field| field.native_type.clone()).collect();
        Self { schema, native_types, columns, limit, rows: 0, unlooked: LOOK_BYTES.min(limit.bytes), full: false }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of Arrow buffers so far.
    fn size(&self) -> usize {
        self.columns.iter().map(ColumnBuilder::size).sum()
    }

    /// Whether a limit is reached.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// Adds a row: a zero, a bit for each NULL from the third bit on, and the other values one after the other.
    #[inline]
    pub(crate) fn push_row(&mut self, row: &[u8]) -> Result<()> {
        // Seven more, for two reserved bits and for rounding up.
        let nulls = (self.columns.len() + 9) / 8;
        let Some((nulls, mut rest)) = row.get(1..).and_then(|row| row.split_at_checked(nulls)) else {
            return Err(protocol("a row that is cut short"));
        };
        for (index, column) in self.columns.iter_mut().enumerate() {
            let bit = index + 2;
            let pushed = if nulls[bit / 8] >> (bit % 8) & 1 == 1 { column.push_null() } else { column.push(&mut rest) };
            if let Err(misfit) = pushed {
                return Err(self.misfit(index, misfit));
            }
        }
        if !rest.is_empty() {
            return Err(protocol("a row that is longer than its columns"));
        }
        self.rows += 1;
        self.unlooked = self.unlooked.saturating_sub(row.len().max(self.columns.len()));
        if self.rows >= self.limit.rows {
            self.full = true;
        } else if self.unlooked == 0 {
            self.look();
        }
        Ok(())
    }

    /// Computes the exact size, and when to do so again. But for NULLs, which are one bit on the wire, a wire byte becomes
    /// at most eight bytes of Arrow, so the limit is overrun by one row or by `LOOK_BYTES` of wire, whichever is more.
    fn look(&mut self) {
        let size = self.size();
        self.full = size >= self.limit.bytes;
        self.unlooked = (self.limit.bytes.saturating_sub(size) / 8).max(LOOK_BYTES.min(self.limit.bytes));
    }

    #[cold]
    fn misfit(&self, column: usize, misfit: Misfit) -> Error {
        misfit.into_error(self.schema.field(column).name(), &self.native_types[column])
    }

    /// The rows so far as a batch; the next one begins empty.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let array = self.columns[index].finish();
            arrays.push(array.map_err(|misfit| self.misfit(index, misfit))?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema(), arrays, &options)?;
        self.rows = 0;
        self.full = false;
        self.unlooked = LOOK_BYTES.min(self.limit.bytes);
        Ok(batch)
    }
}
