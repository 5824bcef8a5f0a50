//! A column of any type as something that writes the text of its cells.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;

use super::kinds;
use super::row_hash::Block;

/// How far behind a cell's end its writer may put bytes that do not count: copies of a fixed length are faster.
pub(super) const SLACK: usize = 32;

/// The cells of a column as text.
pub(super) trait Cells {
    /// At least the length of the text in `row`, which may be NULL.
    fn width(&self, row: usize) -> usize;

    /// Writes the text of `row`, which is not NULL, to the front of `out`, and answers its length.
    fn write(&self, row: usize, out: &mut [u8]) -> usize;
}

/// A column whose type is known inside only, so that its loops are compiled for the type.
pub(super) struct Column<'a> {
    nulls: Option<NullBuffer>,
    cells: Box<dyn Loops + 'a>,
}

impl<'a> Column<'a> {
    /// `None` when there is no text form for the type.
    pub(super) fn of(array: &'a ArrayRef) -> Option<Self> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Some(Self { nulls, cells: kinds::loops(array)? })
    }

    /// Adds what each cell needs at most to the width of its row.
    pub(super) fn add_widths(&self, widths: &mut [usize]) {
        self.cells.add_widths(widths);
    }

    /// Appends the cells from row `first` on, one to each row of the block.
    pub(super) fn append_to(&self, first: usize, block: &mut Block) {
        self.cells.append_to(self.nulls.as_ref(), first, block);
    }
}

/// The loops over the rows of a column.
pub(super) trait Loops {
    fn add_widths(&self, widths: &mut [usize]);
    fn append_to(&self, nulls: Option<&NullBuffer>, first: usize, block: &mut Block);
}

impl<C: Cells> Loops for C {
    fn add_widths(&self, widths: &mut [usize]) {
        // Room for the separator, and for NULL where the text is empty.
        widths.iter_mut().enumerate().for_each(|(row, width)| *width += self.width(row) + 2);
    }

    fn append_to(&self, nulls: Option<&NullBuffer>, first: usize, block: &mut Block) {
        match nulls {
            None => block.append(|row, out| Some(self.write(first + row, out))),
            Some(nulls) => block.append(|row, out| nulls.is_valid(first + row).then(|| self.write(first + row, out))),
        }
    }
}
