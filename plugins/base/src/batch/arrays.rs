//! From collected values to Arrow arrays. The vectors become the arrays' buffers, and new ones of the same size take
//! their place, as the next batch will need about as much.

use std::mem;
use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, BinaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::Misfit;

/// Values of varying length, one after the other.
#[derive(Debug)]
pub struct Bytes {
    /// What [`end_cell`](Self::end_cell) has not closed yet belongs to the next value.
    pub data: Vec<u8>,
    offsets: Vec<i32>,
}

impl Bytes {
    /// Room for `rows` values of `bytes` bytes together.
    pub fn new(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { data: Vec::with_capacity(bytes), offsets }
    }

    /// Adds a value.
    #[inline]
    pub fn push(&mut self, value: &[u8]) -> Result<(), Misfit> {
        self.data.extend_from_slice(value);
        self.end_cell()
    }

    /// Makes a value of what was added to `data` since the last one; nothing is an empty value, or the place of a NULL.
    #[inline]
    pub fn end_cell(&mut self) -> Result<(), Misfit> {
        let end = i32::try_from(self.data.len()).map_err(|_| Misfit::BatchTooLarge)?;
        self.offsets.push(end);
        Ok(())
    }

    /// Bytes of Arrow buffers so far, without the NULLs'.
    pub fn size(&self) -> usize {
        self.data.len() + (self.offsets.len() - 1) * size_of::<i32>()
    }

    /// The values as text, whose UTF-8 is checked for all of them at once.
    pub fn take_text(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, Misfit> {
        let (offsets, data) = self.take();
        Ok(Arc::new(StringArray::try_new(offsets, data, nulls).map_err(|_| Misfit::NotUtf8)?))
    }

    /// The values as they are.
    pub fn take_binary(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let (offsets, data) = self.take();
        Arc::new(BinaryArray::new(offsets, data, nulls))
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let next = Self::new(self.offsets.len(), self.data.len());
        let full = mem::replace(self, next);
        (OffsetBuffer::new(ScalarBuffer::from(full.offsets)), full.data.into())
    }
}

/// The values as an array whose type may still be refined, by a time zone or a precision.
pub fn take<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> PrimitiveArray<T> {
    let next = Vec::with_capacity(values.len());
    PrimitiveArray::new(mem::replace(values, next).into(), nulls)
}

/// The values as an array.
pub fn primitive<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(take::<T>(values, nulls))
}
