//! From the wire's binary values into Arrow columns: one builder a column, chosen once, and no allocation per cell.

use std::mem;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer, i256};
use rivet_plugin_api::{Error, Result};

use self::decimal::unscaled;
use self::time::{DateTime, Time};
use self::wire::Wire;
use crate::types::{Decoder, Mapped, NativeColumn};

mod decimal;
mod time;
mod wire;

/// Why a value cannot be stored. Made into an error, with the column's name, once it has happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Misfit {
    /// The bytes are not what the protocol documents for the type.
    Malformed,
    /// A class of values that the Arrow type does not have.
    Value(&'static str),
    /// A date that no calendar has; the user may want NULL.
    Date(&'static str),
    /// Bytes in a text column that are no text.
    NotUtf8,
    /// More text than 32-bit offsets can address.
    BatchTooLarge,
}

impl Misfit {
    /// The error for a value of `column`.
    #[cold]
    pub(crate) fn into_error(self, column: &str, native_type: &str) -> Error {
        let holds = |what| Error::data(format!("column \"{column}\" of type \"{native_type}\" holds {what}"));
        match self {
            Self::Malformed => {
                Error::internal(format!("column \"{column}\": the server sent a malformed \"{native_type}\""))
            }
            Self::Value(class) => holds(class)
                .hint(format!("exclude such rows, or export the column as text: columns: {{ \"{column}\": text }}")),
            Self::Date(class) => holds(class).hint(format!(
                "export such dates as NULL: columns: {{ \"{column}\": \"null\" }}, or all as text: columns: \
                 {{ \"{column}\": text }}"
            )),
            Self::NotUtf8 => holds("bytes that are not UTF-8 text").hint(format!(
                "export the column as bytes: columns: {{ \"{column}\": binary }}, or convert it in the query"
            )),
            Self::BatchTooLarge => {
                holds("more than 2 GiB in one batch").hint("lower \"batch_size\" or \"batch_size_memory_mb\"")
            }
        }
    }
}

/// Values of varying length, one after the other.
#[derive(Debug)]
struct Bytes {
    data: Vec<u8>,
    offsets: Vec<i32>,
}

impl Bytes {
    fn new(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { data: Vec::with_capacity(bytes), offsets }
    }

    #[inline]
    fn end_cell(&mut self) -> Result<(), Misfit> {
        let end = i32::try_from(self.data.len()).map_err(|_| Misfit::BatchTooLarge)?;
        self.offsets.push(end);
        Ok(())
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, arrow_buffer::Buffer) {
        // The next batch will need about as much.
        let next = Self::new(self.offsets.len(), self.data.len());
        let full = mem::replace(self, next);
        (OffsetBuffer::new(ScalarBuffer::from(full.offsets)), full.data.into())
    }
}

/// The cells of one column, by what they become.
#[derive(Debug)]
enum Cells {
    Bool(BooleanBufferBuilder),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    UInt64(Vec<u64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Date(Vec<i32>),
    Timestamp(Vec<i64>, Option<Arc<str>>),
    Duration(Vec<i64>),
    Decimal128(Vec<i128>, u8, i8),
    Decimal256(Vec<i256>, u8, i8),
    Text(Bytes),
    Binary(Bytes),
    Printed(Bytes),
}

/// Collects one column of a batch.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    wire: Wire,
    cells: Cells,
    nulls: NullBufferBuilder,
    invalid_is_null: bool,
}

impl ColumnBuilder {
    /// A builder with room for `rows` rows of what `sent` says is sent.
    pub(crate) fn new(mapped: &Mapped, sent: &NativeColumn, rows: usize) -> Self {
        let bytes = || Bytes::new(rows, rows * 16);
        let cells = match mapped.decoder {
            Decoder::Bool => Cells::Bool(BooleanBufferBuilder::new(rows)),
            Decoder::Int16 => Cells::Int16(Vec::with_capacity(rows)),
            Decoder::Int32 => Cells::Int32(Vec::with_capacity(rows)),
            Decoder::Int64 => Cells::Int64(Vec::with_capacity(rows)),
            Decoder::UInt64 | Decoder::Bits => Cells::UInt64(Vec::with_capacity(rows)),
            Decoder::Float32 => Cells::Float32(Vec::with_capacity(rows)),
            Decoder::Float64 => Cells::Float64(Vec::with_capacity(rows)),
            Decoder::Date => Cells::Date(Vec::with_capacity(rows)),
            Decoder::Timestamp => Cells::Timestamp(Vec::with_capacity(rows), None),
            Decoder::Instant => Cells::Timestamp(Vec::with_capacity(rows), Some("UTC".into())),
            Decoder::Duration => Cells::Duration(Vec::with_capacity(rows)),
            Decoder::Decimal128(p, s) => Cells::Decimal128(Vec::with_capacity(rows), p, s),
            Decoder::Decimal256(p, s) => Cells::Decimal256(Vec::with_capacity(rows), p, s),
            Decoder::Text => Cells::Text(bytes()),
            Decoder::Binary => Cells::Binary(bytes()),
            Decoder::Printed => Cells::Printed(bytes()),
        };
        let invalid_is_null = mapped.invalid_is_null;
        Self { wire: Wire::new(sent), cells, nulls: NullBufferBuilder::new(rows), invalid_is_null }
    }

    /// Adds the value that `rest` begins with, and moves `rest` behind it.
    #[inline]
    pub(crate) fn push(&mut self, rest: &mut &[u8]) -> Result<(), Misfit> {
        let wire = self.wire;
        match &mut self.cells {
            Cells::Bool(v) => v.append(wire.boolean(rest)?),
            Cells::Int16(v) => v.push(fit(wire.integer(rest)?)?),
            Cells::Int32(v) => v.push(fit(wire.integer(rest)?)?),
            Cells::Int64(v) => v.push(wire.integer(rest)?),
            Cells::UInt64(v) => v.push(wire.unsigned(rest)?),
            Cells::Float32(v) => v.push(wire.single(rest)?),
            Cells::Float64(v) => v.push(wire.double(rest)?),
            Cells::Date(v) => match wire.date_time(rest)?.days() {
                Ok(days) => v.push(days),
                Err(misfit) => return self.invalid(misfit),
            },
            Cells::Timestamp(v, _) => match wire.date_time(rest)?.micros() {
                Ok(micros) => v.push(micros),
                Err(misfit) => return self.invalid(misfit),
            },
            Cells::Duration(v) => v.push(wire.time(rest)?.micros()),
            Cells::Decimal128(v, p, s) => v.push(unscaled(wire.bytes(rest)?, *p, *s)?),
            Cells::Decimal256(v, p, s) => v.push(unscaled(wire.bytes(rest)?, *p, *s)?),
            Cells::Text(v) | Cells::Binary(v) => {
                v.data.extend_from_slice(wire.bytes(rest)?);
                v.end_cell()?;
            }
            Cells::Printed(v) => {
                wire.print(rest, &mut v.data)?;
                v.end_cell()?;
            }
        }
        self.nulls.append_non_null();
        Ok(())
    }

    #[cold]
    fn invalid(&mut self, misfit: Misfit) -> Result<(), Misfit> {
        if self.invalid_is_null { self.push_null() } else { Err(misfit) }
    }

    /// Adds a NULL.
    #[inline]
    pub(crate) fn push_null(&mut self) -> Result<(), Misfit> {
        match &mut self.cells {
            Cells::Bool(v) => v.append(false),
            Cells::Int16(v) => v.push(0),
            Cells::Int32(v) | Cells::Date(v) => v.push(0),
            Cells::Int64(v) | Cells::Timestamp(v, _) | Cells::Duration(v) => v.push(0),
            Cells::UInt64(v) => v.push(0),
            Cells::Float32(v) => v.push(0.0),
            Cells::Float64(v) => v.push(0.0),
            Cells::Decimal128(v, ..) => v.push(0),
            Cells::Decimal256(v, ..) => v.push(i256::ZERO),
            Cells::Text(v) | Cells::Binary(v) | Cells::Printed(v) => v.end_cell()?,
        }
        self.nulls.append_null();
        Ok(())
    }

    /// Bytes of Arrow buffers so far.
    pub(crate) fn size(&self) -> usize {
        let rows = self.nulls.len();
        let values = match &self.cells {
            Cells::Bool(_) => rows / 8,
            Cells::Int16(_) => rows * 2,
            Cells::Int32(_) | Cells::Date(_) | Cells::Float32(_) => rows * 4,
            Cells::Int64(_) | Cells::UInt64(_) | Cells::Timestamp(..) | Cells::Duration(_) | Cells::Float64(_) => {
                rows * 8
            }
            Cells::Decimal128(..) => rows * 16,
            Cells::Decimal256(..) => rows * 32,
            Cells::Text(v) | Cells::Binary(v) | Cells::Printed(v) => v.data.len() + rows * 4,
        };
        values + rows / 8
    }

    /// The column so far; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, Misfit> {
        let nulls = self.nulls.finish();
        Ok(match &mut self.cells {
            Cells::Bool(v) => Arc::new(BooleanArray::new(v.finish(), nulls)),
            Cells::Int16(v) => primitive::<Int16Type>(v, nulls),
            Cells::Int32(v) => primitive::<Int32Type>(v, nulls),
            Cells::Int64(v) => primitive::<Int64Type>(v, nulls),
            Cells::UInt64(v) => primitive::<UInt64Type>(v, nulls),
            Cells::Float32(v) => primitive::<Float32Type>(v, nulls),
            Cells::Float64(v) => primitive::<Float64Type>(v, nulls),
            Cells::Date(v) => primitive::<Date32Type>(v, nulls),
            Cells::Duration(v) => primitive::<DurationMicrosecondType>(v, nulls),
            Cells::Timestamp(v, zone) => {
                Arc::new(array::<TimestampMicrosecondType>(v, nulls).with_timezone_opt(zone.clone()))
            }
            Cells::Decimal128(v, p, s) => {
                let values = array::<Decimal128Type>(v, nulls).with_precision_and_scale(*p, *s);
                Arc::new(values.map_err(|_| Misfit::Malformed)?)
            }
            Cells::Decimal256(v, p, s) => {
                let values = array::<Decimal256Type>(v, nulls).with_precision_and_scale(*p, *s);
                Arc::new(values.map_err(|_| Misfit::Malformed)?)
            }
            Cells::Binary(v) => {
                let (offsets, data) = v.take();
                Arc::new(BinaryArray::new(offsets, data, nulls))
            }
            Cells::Text(v) | Cells::Printed(v) => {
                let (offsets, data) = v.take();
                // Checks the UTF-8 of the whole column at once.
                let text = StringArray::try_new(offsets, data, nulls);
                Arc::new(text.map_err(|_| Misfit::NotUtf8)?)
            }
        })
    }
}

fn array<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> PrimitiveArray<T> {
    let next = Vec::with_capacity(values.len());
    PrimitiveArray::new(mem::replace(values, next).into(), nulls)
}

fn primitive<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> Arc<dyn Array> {
    Arc::new(array::<T>(values, nulls))
}

#[inline]
fn fit<T: TryFrom<i64>>(value: i64) -> Result<T, Misfit> {
    T::try_from(value).map_err(|_| Misfit::Malformed)
}

#[cfg(test)]
mod tests;
