//! Arrays: a header, then each element as a field. A list has only the elements, so an array whose text says more than
//! them, by bounds or by dimensions, is refused.

use std::mem;
use std::sync::Arc;

use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::FieldRef;

use super::{ColumnBuilder, Misfit};
use crate::types::Decoder;

/// Lists, and the column of all their items.
#[derive(Debug)]
pub(super) struct List {
    field: FieldRef,
    offsets: Vec<i32>,
    items: Box<ColumnBuilder>,
}

impl List {
    pub(super) fn new(item: &Decoder, rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { field: Arc::new(item.list_field()), offsets, items: Box::new(ColumnBuilder::new(item, rows)) }
    }

    /// Adds an array in the server's binary form.
    pub(super) fn push(&mut self, field: &[u8]) -> Result<(), Misfit> {
        // Dimensions, a flag for NULLs, the elements' type.
        let (header, mut rest) = field.split_first_chunk::<12>().ok_or(Misfit::Malformed)?;
        let elements = match i32::from_be_bytes([header[0], header[1], header[2], header[3]]) {
            0 => 0,
            1 => {
                let ([a, b, c, d, lower @ ..], elements) = rest.split_first_chunk::<8>().ok_or(Misfit::Malformed)?;
                if i32::from_be_bytes(*lower) != 1 {
                    return Err(Misfit::Value("an array whose subscripts do not begin at 1, which a list has not"));
                }
                rest = elements;
                u32::from_be_bytes([*a, *b, *c, *d])
            }
            2.. => return Err(Misfit::Value("an array of more than one dimension, which a list has not")),
            _ => return Err(Misfit::Malformed),
        };
        for _ in 0..elements {
            let (length, values) = rest.split_first_chunk().ok_or(Misfit::Malformed)?;
            rest = match i32::from_be_bytes(*length) {
                -1 => {
                    self.items.push_null()?;
                    values
                }
                // Any other negative length becomes larger than every array.
                length => {
                    let (value, rest) = values.split_at_checked(length as u32 as usize).ok_or(Misfit::Malformed)?;
                    self.items.push(value)?;
                    rest
                }
            };
        }
        if rest.is_empty() { self.end_cell() } else { Err(Misfit::Malformed) }
    }

    pub(super) fn push_null(&mut self) -> Result<(), Misfit> {
        self.end_cell()
    }

    fn end_cell(&mut self) -> Result<(), Misfit> {
        let end = i32::try_from(self.items.len()).map_err(|_| Misfit::BatchTooLarge)?;
        self.offsets.push(end);
        Ok(())
    }

    /// What an item adds at most; see [`ColumnBuilder::bound`].
    pub(super) fn item_bound(&self) -> Option<usize> {
        self.items.bound()
    }

    /// Bytes of Arrow buffers so far, but for the lists' own NULLs.
    pub(super) fn size(&self) -> usize {
        self.items.size() + (self.offsets.len() - 1) * 4
    }

    /// The lists so far; the builder is empty afterwards.
    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, Misfit> {
        let mut next = Vec::with_capacity(self.offsets.len());
        next.push(0);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(mem::replace(&mut self.offsets, next)));
        let lists = ListArray::try_new(Arc::clone(&self.field), offsets, self.items.finish()?, nulls);
        Ok(Arc::new(lists.map_err(|_| Misfit::Malformed)?))
    }
}
