//! Reads this dialect back: a column of bytes for each of the header, NULL where a cell is empty and has no quotes.
//! Unlike readers of other people's files it takes nothing that the encoder would not write.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;

use arrow_array::builder::LargeBinaryBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

type Result<T> = std::result::Result<T, ArrowError>;

/// A batch ends before its text gets longer than this by more than one record.
const BATCH_BYTES: usize = 1 << 20;

/// How text looks as a column.
pub(super) fn text_field(name: &str) -> Field {
    Field::new(name, DataType::LargeBinary, true)
}

pub(in crate::encode) struct CsvReader<R> {
    records: Records<BufReader<R>>,
    schema: SchemaRef,
    batch_rows: usize,
}

impl<R: Read> CsvReader<R> {
    /// Reads the header of `input`, whose records come in batches of at most `batch_rows`.
    pub(in crate::encode) fn new(input: R, batch_rows: usize) -> Result<Self> {
        let input = BufReader::with_capacity(super::BLOCK_BYTES, input);
        let mut records = Records { input, cell: Vec::new(), quoted: false };
        let mut fields = Vec::new();
        loop {
            let end = records.next_cell()?.ok_or_else(ends_early)?;
            fields.push(text_field(&String::from_utf8_lossy(&records.cell)));
            if end == End::Record {
                break;
            }
        }
        Ok(Self { records, schema: Arc::new(Schema::new(fields)), batch_rows })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut columns: Vec<_> = self.schema.fields().iter().map(|_| LargeBinaryBuilder::new()).collect();
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.batch_rows && bytes < BATCH_BYTES {
            let Some(length) = self.next_record(&mut columns)? else { break };
            rows += 1;
            bytes += length;
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some)
    }

    /// Appends a record and returns the length of its text; `None` at the end of the file.
    fn next_record(&mut self, columns: &mut [LargeBinaryBuilder]) -> Result<Option<usize>> {
        let (mut length, last) = (0, columns.len() - 1);
        for (index, column) in columns.iter_mut().enumerate() {
            match self.records.next_cell()? {
                None if index == 0 => return Ok(None),
                None => return Err(ends_early()),
                Some(end) if (end == End::Record) != (index == last) => {
                    return Err(malformed("a record has another number of cells than the header"));
                }
                Some(_) if self.records.is_null() => column.append_null(),
                Some(_) => column.append_value(&self.records.cell),
            }
            length += self.records.cell.len();
        }
        Ok(Some(length))
    }
}

impl<R: Read> Iterator for CsvReader<R> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

impl<R: Read> RecordBatchReader for CsvReader<R> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// What follows a cell.
#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    Cell,
    Record,
}

struct Records<R> {
    input: R,
    /// The text of the last cell.
    cell: Vec<u8>,
    quoted: bool,
}

impl<R: BufRead> Records<R> {
    fn is_null(&self) -> bool {
        self.cell.is_empty() && !self.quoted
    }

    /// Reads a cell; `None` at the end of the file.
    fn next_cell(&mut self) -> Result<Option<End>> {
        self.cell.clear();
        let Some(first) = self.peek()? else { return Ok(None) };
        self.quoted = first == b'"';
        if self.quoted { self.rest_of_quoted().map(Some) } else { self.rest_of_plain().map(Some) }
    }

    fn rest_of_plain(&mut self) -> Result<End> {
        loop {
            self.peek()?.ok_or_else(ends_early)?;
            let block = self.input.fill_buf()?;
            let end = block.iter().position(|byte| matches!(byte, b',' | b'\n' | b'"'));
            self.cell.extend_from_slice(&block[..end.unwrap_or(block.len())]);
            let Some(end) = end else {
                let length = block.len();
                self.input.consume(length);
                continue;
            };
            let byte = block[end];
            self.input.consume(end + 1);
            return end_of(byte).ok_or_else(|| malformed("a quote stands within a cell that has none"));
        }
    }

    fn rest_of_quoted(&mut self) -> Result<End> {
        self.input.consume(1);
        loop {
            self.input.read_until(b'"', &mut self.cell)?;
            if self.cell.pop() != Some(b'"') {
                return Err(ends_early());
            }
            let next = self.peek()?.ok_or_else(ends_early)?;
            self.input.consume(1);
            match end_of(next) {
                Some(end) => return Ok(end),
                None if next == b'"' => self.cell.push(b'"'),
                None => return Err(malformed("text follows the closing quote of a cell")),
            }
        }
    }

    /// The next byte, which stays; `None` at the end of the file.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(block) => return Ok(block.first().copied()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

fn end_of(byte: u8) -> Option<End> {
    match byte {
        b',' => Some(End::Cell),
        b'\n' => Some(End::Record),
        _ => None,
    }
}

fn ends_early() -> ArrowError {
    malformed("it ends within a record")
}

fn malformed(what: &str) -> ArrowError {
    ArrowError::CsvError(what.to_owned())
}
