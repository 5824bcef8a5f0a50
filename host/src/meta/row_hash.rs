//! `_rivet_row_hash`: the lower half of XXH3-128 over the texts of a row's cells, as rivet 0.2 computed it. Each cell is
//! followed by a separator, and NULL is a byte of its own. `docs/src/reference/meta-columns.md` holds every text form.
//!
//! Rows are laid out a block at a time and filled column by column, so that the loop over the rows of a column knows the
//! type, nothing is allocated for a cell, and the block stays in the processor's cache until it is hashed.

use arrow_array::{Int64Array, RecordBatch, new_empty_array};
use arrow_schema::Field;
use rivet_plugin_api::{Error, Result};
use xxhash_rust::xxh3::xxh3_128;

use super::cells::{Column, SLACK};

/// What follows each cell.
const END: u8 = 0x1f;
/// What stands for NULL.
const NULL: u8 = 0;
/// Bytes of a block, which holds at least one row.
const BLOCK: usize = 32 << 10;

/// Whether the hash is defined for the type of `field`.
pub(super) fn check(field: &Field) -> Result<()> {
    Column::of(&new_empty_array(field.data_type())).map(drop).ok_or_else(|| undefined(field))
}

fn undefined(field: &Field) -> Error {
    let (name, kind) = (field.name(), field.data_type());
    Error::unsupported(format!("column \"{name}\" is of the type \"{kind}\", which the row hash is not defined for"))
        .hint("select the column as text, or leave `row_hash` out of `meta_columns`")
}

/// The hash of each row of `batch`.
pub(super) fn of(batch: &RecordBatch) -> Result<Int64Array> {
    let fields = batch.schema_ref().fields().iter();
    let columns = fields.zip(batch.columns()).map(|(field, array)| Column::of(array).ok_or_else(|| undefined(field)));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let mut hashes = Vec::with_capacity(batch.num_rows());
    rows(&columns, batch.num_rows(), |row| hashes.push(xxh3_128(row) as i64));
    Ok(Int64Array::from(hashes))
}

/// Hands the bytes of one row after the other to `take`: of each column the cell, or `NULL`, and `END`.
pub(super) fn rows(columns: &[Column<'_>], count: usize, mut take: impl FnMut(&[u8])) {
    let mut widths = vec![SLACK; count];
    for column in columns {
        column.add_widths(&mut widths);
    }
    let mut block = Block::default();
    let mut first = 0;
    while first < count {
        block.lay_out(&widths[first..]);
        for column in columns {
            column.append_to(first, &mut block);
        }
        block.rows().for_each(&mut take);
        first += block.starts.len();
    }
}

/// Rows side by side, each in a slot that is long enough for it.
#[derive(Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    starts: Vec<usize>,
    ends: Vec<usize>,
}

impl Block {
    /// Makes slots of the first `widths`, as many as fit.
    fn lay_out(&mut self, widths: &[usize]) {
        self.starts.clear();
        let mut end = 0;
        for width in widths {
            if end > 0 && end + width > BLOCK {
                break;
            }
            self.starts.push(end);
            end += width;
        }
        self.ends.clone_from(&self.starts);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
    }

    /// Appends a cell to each row, in turn: `write` gets the row's position in the block and the bytes behind what the
    /// row holds, and answers how many it wrote, or `None` for NULL.
    #[inline]
    pub(super) fn append(&mut self, mut write: impl FnMut(usize, &mut [u8]) -> Option<usize>) {
        for (row, end) in self.ends.iter_mut().enumerate() {
            let rest = &mut self.bytes[*end..];
            let length = write(row, rest).unwrap_or_else(|| {
                rest[0] = NULL;
                1
            });
            rest[length] = END;
            *end += length + 1;
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.iter().zip(&self.ends).map(|(start, end)| &self.bytes[*start..*end])
    }
}
