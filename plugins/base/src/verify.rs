//! Whether a finished part, read back, holds what came into the writer.
//!
//! The bytes are compared first, with the checksum that was taken on their way to the store, so no decoder ever sees
//! damaged ones. Then the file is decoded and its columns are compared by name, type and a sum of their values. The
//! sums are taken of the batches before an encoder has them, so what an encoder loses is found as well.

mod fingerprint;

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use rivet_plugin_api::{Cancel, Error, Format, Result, ResultExt};

use crate::output::Written;
use crate::{Checksum, PartSink, encode};

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 256 << 10;

/// About as much as a decoded batch may take, and the most rows it may have.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_ROWS: usize = 8192;

/// What went into a part.
pub(crate) struct Tally {
    format: Format,
    schema: SchemaRef,
    sums: Sums,
    /// The memory that a row takes, in the batch where it takes most.
    row_bytes: usize,
}

impl Tally {
    /// For a part whose first batch will be `first`.
    pub(crate) fn new(format: &Format, first: &RecordBatch) -> Result<Self> {
        let schema = encode::as_kept(format.kind, &first.slice(0, 0))?.schema();
        Ok(Self { format: format.clone(), sums: Sums::new(schema.fields().len()), schema, row_bytes: 0 })
    }

    /// Adds a batch that is about to be encoded.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let kept = encode::as_kept(self.format.kind, batch)?;
        self.row_bytes = self.row_bytes.max(kept.get_array_memory_size() / kept.num_rows().max(1));
        self.sums.add(&kept)
    }

    /// Compares the sealed part, and returns the records counted in it.
    pub(crate) fn verify<P: PartSink>(&self, part: &mut Written<P>, name: &str, cancel: &Cancel) -> Result<u64> {
        let mut file = part.sink.reopen()?;
        compare_bytes(&mut file, part, cancel)
            .and_then(|()| self.compare_values(file, cancel))
            .context(|| format!("validation of \"{name}\" failed"))
    }

    fn compare_values(&self, file: File, cancel: &Cancel) -> Result<u64> {
        let rows = (BATCH_BYTES / self.row_bytes.max(1)).clamp(1, BATCH_ROWS);
        let reader = encode::read(&self.format, file, rows).map_err(unreadable)?;
        self.compare_columns(reader.as_ref())?;
        let mut read = Sums::new(self.schema.fields().len());
        for batch in reader {
            cancel.check()?;
            read.add(&batch.map_err(unreadable)?)?;
        }
        if read.rows != self.sums.rows {
            return Err(different(format!("{} rows were written, but the file holds {}", self.sums.rows, read.rows)));
        }
        let differ = |index: &usize| read.columns[*index] != self.sums.columns[*index];
        let names: Vec<String> = (0..read.columns.len())
            .filter(differ)
            .map(|index| format!("\"{}\"", self.schema.field(index).name()))
            .collect();
        match names.len() {
            0 => Ok(read.rows),
            1 => Err(different(format!("column {} holds other values than were written", names[0]))),
            _ => Err(different(format!("columns {} hold other values than were written", names.join(", ")))),
        }
    }

    fn compare_columns(&self, reader: &dyn RecordBatchReader) -> Result<()> {
        let (schema, expected) = (reader.schema(), self.schema.fields());
        if schema.fields().len() != expected.len() {
            let count = schema.fields().len();
            return Err(different(format!("{} columns were written, but the file holds {count}", expected.len())));
        }
        for (read, expected) in schema.fields().iter().zip(expected) {
            if read.name() != expected.name() {
                let (read, expected) = (read.name(), expected.name());
                return Err(different(format!("column \"{expected}\" is called \"{read}\" in the file")));
            }
            if !read.data_type().equals_datatype(expected.data_type()) {
                let (name, read, expected) = (read.name(), read.data_type(), expected.data_type());
                return Err(different(format!("column \"{name}\" of type \"{expected}\" is \"{read}\" in the file")));
            }
        }
        Ok(())
    }
}

/// Reads `file` once, and leaves it at its beginning.
fn compare_bytes<P>(file: &mut File, part: &Written<P>, cancel: &Cancel) -> Result<()> {
    let (mut block, mut length, mut checksum) = (vec![0; BLOCK_BYTES], 0, Checksum::new());
    loop {
        cancel.check()?;
        match file.read(&mut block) {
            Ok(0) => break,
            Ok(read) => {
                checksum.update(&block[..read]);
                length += read as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    if length != part.bytes {
        return Err(different(format!("{} bytes were written, but the file has {length}", part.bytes)));
    }
    if checksum.to_string() != part.checksum {
        return Err(different("the file has other bytes than were written".to_owned()));
    }
    Ok(file.rewind()?)
}

fn different(what: String) -> Error {
    Error::data(what)
        .code(Error::VALIDATION)
        .hint("nothing of this attempt is visible; run again, and check the storage when it happens again")
}

fn unreadable(error: ArrowError) -> Error {
    match error {
        // The others of this kind are decoders' own, which come without a number of the system.
        ArrowError::IoError(_, error) if error.raw_os_error().is_some() => error.into(),
        error => different(format!("the file cannot be decoded: {error}")),
    }
}

/// A sum for each column over its cells and their rows. A cell that differs changes it for certain when the column's
/// type has at most 64 bits, and otherwise but for one chance in 2^64. The order of rows matters.
struct Sums {
    rows: u64,
    columns: Vec<u64>,
    /// The fingerprints of a column of one batch, kept for its memory.
    cells: Vec<u64>,
}

impl Sums {
    fn new(columns: usize) -> Self {
        Self { rows: 0, columns: vec![0; columns], cells: Vec::new() }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        for ((sum, array), field) in self.columns.iter_mut().zip(batch.columns()).zip(batch.schema_ref().fields()) {
            self.cells.clear();
            fingerprint::append(array, &mut self.cells).context(|| format!("column \"{}\"", field.name()))?;
            for (row, cell) in (self.rows..).zip(&self.cells) {
                *sum = sum.wrapping_add(fingerprint::mix(cell ^ fingerprint::place(row)));
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
