//! CSV after RFC 4180, in one dialect that tells NULL from the empty string.
//!
//! A header line, then one record a row, each ended by LF. NULL is an empty cell and an empty string is `""`. Only
//! cells that need quotes have them. A row of a single NULL column is therefore an empty line: PostgreSQL's `COPY`
//! reads it as it is meant, while some readers skip empty lines unless told otherwise.

mod cell;
mod read;
mod text;

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::LargeBinaryBuilder;
use arrow_array::{ArrayRef, RecordBatch, new_empty_array};
use arrow_schema::{Field, Schema};
use rivet_plugin_api::{Error, Result, ResultExt, tracing};

use super::{Encoder, Sink};
use cell::Column;
pub(super) use read::CsvReader;

/// Text is handed on in blocks of about this size.
const BLOCK_BYTES: usize = 256 << 10;

pub(super) struct CsvEncoder {
    sink: Sink,
    block: Vec<u8>,
    written: u64,
    names: Vec<String>,
}

pub(super) fn check(schema: &Schema) -> Result<()> {
    schema.fields().iter().try_for_each(|field| {
        let empty = new_empty_array(field.data_type());
        Column::new(&empty).map(drop).ok_or_else(|| unprintable(field))
    })
}

fn unprintable(field: &Field) -> Error {
    Error::data(format!("column \"{}\" of type \"{}\" cannot be written as CSV", field.name(), field.data_type()))
        .hint("choose the format \"parquet\", or select the column as text")
}

impl CsvEncoder {
    pub(super) fn new(sink: Sink, schema: &Schema) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        if let [field] = schema.fields().as_ref()
            && field.is_nullable()
        {
            tracing::info!(column = field.name(), "NULL in the only column of a CSV file is an empty line");
        }
        let mut encoder = Self { sink, block: Vec::with_capacity(BLOCK_BYTES * 5 / 4), written: 0, names };
        for (index, name) in encoder.names.iter().enumerate() {
            if index > 0 {
                encoder.block.push(b',');
            }
            let start = encoder.block.len();
            encoder.block.extend_from_slice(name.as_bytes());
            text::quote_if_needed(&mut encoder.block, start);
        }
        encoder.block.push(b'\n');
        encoder
    }

    fn hand_on(&mut self) -> Result<()> {
        self.sink.write_all(&self.block)?;
        self.written += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }
}

impl Encoder for CsvEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let fields = batch.schema_ref().fields();
        if fields.len() != self.names.len() {
            return Err(Error::internal("a batch has another number of columns than the file"));
        }
        let columns = batch.columns().iter().zip(fields);
        let columns: Vec<Column<'_>> = columns
            .map(|(array, field)| Column::new(array).ok_or_else(|| unprintable(field)))
            .collect::<Result<_>>()?;
        for row in 0..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    self.block.push(b',');
                }
                column.append(row, &mut self.block).context(|| format!("column \"{}\"", self.names[index]))?;
            }
            self.block.push(b'\n');
            if self.block.len() >= BLOCK_BYTES {
                self.hand_on()?;
            }
        }
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written + self.block.len() as u64
    }

    fn buffered(&self) -> u64 {
        self.block.len() as u64
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.hand_on()
    }
}

/// The texts of all cells, without the quotes that the file puts around some.
pub(super) fn texts(batch: &RecordBatch) -> Result<RecordBatch> {
    let (mut text, mut arrays, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for (array, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        let column = Column::new(array).ok_or_else(|| unprintable(field))?;
        let mut texts = LargeBinaryBuilder::with_capacity(batch.num_rows(), 0);
        for row in 0..batch.num_rows() {
            text.clear();
            let is_value = column.print(row, &mut text).context(|| format!("column \"{}\"", field.name()))?;
            texts.append_option(is_value.then_some(&text));
        }
        arrays.push(Arc::new(texts.finish()) as ArrayRef);
        fields.push(read::text_field(field.name()));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

#[cfg(test)]
mod tests;
