//! Lists, structs, maps and dictionaries. Texts inside of others are framed by their length, so that no two values have
//! the same text.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, OffsetSizeTrait};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::cells::{Cells, Column, Loops};
use super::kinds::Nothing;
use super::{number, row_hash};

/// What writes the cells of `array`, whose type is none of the plain ones.
pub(super) fn loops(array: &ArrayRef) -> Option<Box<dyn Loops + '_>> {
    Some(match array.data_type() {
        DataType::List(_) => Box::new(lists(array.as_list::<i32>().values(), array.as_list::<i32>().value_offsets())?),
        DataType::LargeList(_) => {
            Box::new(lists(array.as_list::<i64>().values(), array.as_list::<i64>().value_offsets())?)
        }
        DataType::FixedSizeList(..) => {
            let lists = array.as_fixed_size_list();
            let length = lists.value_length() as usize;
            Box::new(Lists { elements: Texts::of(lists.values())?, range: move |row| row * length..(row + 1) * length })
        }
        DataType::Map(..) => {
            let entries: ArrayRef = Arc::new(array.as_map().entries().clone());
            Box::new(lists(&entries, array.as_map().value_offsets())?)
        }
        DataType::Struct(_) => {
            let fields = array.as_struct().columns().iter().map(Texts::of);
            Box::new(Structs(fields.collect::<Option<_>>()?))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let values = Texts::of(dictionary.values())?;
            if values.ends.is_empty() {
                // There are only NULL keys, which normalized_keys refuses.
                return Some(Box::new(Nothing));
            }
            Box::new(Dictionary { keys: dictionary.normalized_keys(), values })
        }
        _ => return None,
    })
}

fn lists<'a, O: OffsetSizeTrait>(
    values: &ArrayRef,
    offsets: &'a [O],
) -> Option<Lists<impl Fn(usize) -> Range<usize> + 'a>> {
    // A slice of a list column keeps all elements.
    let (first, last) = (offsets.first()?.as_usize(), offsets.last()?.as_usize());
    let elements = Texts::of(&values.slice(first, last - first))?;
    let start = move |row: usize| offsets[row].as_usize() - first;
    Some(Lists { elements, range: move |row| start(row)..start(row + 1) })
}

/// The texts of a whole column, one after the other.
struct Texts {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    nulls: Option<NullBuffer>,
}

impl Texts {
    fn of(array: &ArrayRef) -> Option<Self> {
        let column = Column::of(array)?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(array.len()));
        row_hash::rows(&[column], array.len(), |row| {
            // The last byte is the separator.
            bytes.extend_from_slice(&row[..row.len() - 1]);
            ends.push(bytes.len());
        });
        Some(Self { bytes, ends, nulls: array.logical_nulls() })
    }

    /// Where the texts of `rows` lie.
    fn span(&self, rows: &Range<usize>) -> Range<usize> {
        let before = |row: usize| row.checked_sub(1).map_or(0, |last| self.ends[last]);
        before(rows.start)..before(rows.end)
    }

    fn text(&self, row: usize) -> &[u8] {
        &self.bytes[self.span(&(row..row + 1))]
    }

    /// At least the length of `rows` with their frames.
    fn framed_width(&self, rows: Range<usize>) -> usize {
        self.span(&rows).len() + rows.len() * 21
    }

    /// Writes `LENGTH:TEXT`, or `-` for NULL.
    fn frame(&self, row: usize, out: &mut [u8]) -> usize {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out[0] = b'-';
            return 1;
        }
        let text = self.text(row);
        let digits = number::unsigned(text.len() as u64, out);
        out[digits] = b':';
        digits + 1 + number::copy(text, &mut out[digits + 1..])
    }
}

/// `[` the framed elements `]`.
struct Lists<R> {
    elements: Texts,
    range: R,
}

impl<R: Fn(usize) -> Range<usize>> Cells for Lists<R> {
    fn width(&self, row: usize) -> usize {
        2 + self.elements.framed_width((self.range)(row))
    }

    fn write(&self, row: usize, out: &mut [u8]) -> usize {
        out[0] = b'[';
        let end = (self.range)(row).fold(1, |end, element| end + self.elements.frame(element, &mut out[end..]));
        out[end] = b']';
        end + 1
    }
}

/// `{` the framed fields, in their order, `}`.
struct Structs(Vec<Texts>);

impl Cells for Structs {
    fn width(&self, row: usize) -> usize {
        2 + self.0.iter().map(|field| field.framed_width(row..row + 1)).sum::<usize>()
    }

    fn write(&self, row: usize, out: &mut [u8]) -> usize {
        out[0] = b'{';
        let end = self.0.iter().fold(1, |end, field| end + field.frame(row, &mut out[end..]));
        out[end] = b'}';
        end + 1
    }
}

/// The texts of the values, as if there were no dictionary.
struct Dictionary {
    keys: Vec<usize>,
    values: Texts,
}

impl Cells for Dictionary {
    fn width(&self, row: usize) -> usize {
        let key = self.keys[row];
        self.values.framed_width(key..key + 1)
    }

    fn write(&self, row: usize, out: &mut [u8]) -> usize {
        number::copy(self.values.text(self.keys[row]), out)
    }
}
