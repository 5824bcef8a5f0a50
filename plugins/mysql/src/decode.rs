//! From the wire's binary values into Arrow columns: one builder a column, chosen once, and no allocation per cell.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, DurationMicrosecondType, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, TimestampMicrosecondType, UInt64Type,
};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBufferBuilder, NullBufferBuilder, i256};
use rivet_plugin_base::batch::{Bytes, primitive, take};

use self::decimal::unscaled;
use self::time::{DateTime, Time};
use self::wire::Wire;
use crate::types::{Decoder, Mapped, NativeColumn};

mod decimal;
mod time;
mod wire;

pub(crate) use rivet_plugin_base::batch::Misfit;

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
                v.push(wire.bytes(rest)?)?;
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
            Cells::Text(v) | Cells::Binary(v) | Cells::Printed(v) => v.size(),
        };
        values + rows / 8
    }

    /// See [`Column::bound`](rivet_plugin_base::batch::Column::bound).
    pub(crate) fn bound(&self) -> Option<usize> {
        let value = match &self.cells {
            Cells::Bool(_) => 1,
            Cells::Int16(_) => 2,
            // Of text it is the offset.
            Cells::Int32(_) | Cells::Date(_) | Cells::Float32(_) | Cells::Text(_) | Cells::Binary(_) => 4,
            Cells::Int64(_) | Cells::UInt64(_) | Cells::Timestamp(..) | Cells::Duration(_) | Cells::Float64(_) => 8,
            Cells::Decimal128(..) => 16,
            Cells::Decimal256(..) => 32,
            // Eight bytes of a number may print as hundreds of digits.
            Cells::Printed(_) => return None,
        };
        Some(value + 1)
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
                Arc::new(take::<TimestampMicrosecondType>(v, nulls).with_timezone_opt(zone.clone()))
            }
            Cells::Decimal128(v, p, s) => {
                let values = take::<Decimal128Type>(v, nulls).with_precision_and_scale(*p, *s);
                Arc::new(values.map_err(|_| Misfit::Malformed)?)
            }
            Cells::Decimal256(v, p, s) => {
                let values = take::<Decimal256Type>(v, nulls).with_precision_and_scale(*p, *s);
                Arc::new(values.map_err(|_| Misfit::Malformed)?)
            }
            Cells::Binary(v) => v.take_binary(nulls),
            Cells::Text(v) | Cells::Printed(v) => v.take_text(nulls)?,
        })
    }
}

#[inline]
fn fit<T: TryFrom<i64>>(value: i64) -> Result<T, Misfit> {
    T::try_from(value).map_err(|_| Misfit::Malformed)
}

#[cfg(test)]
mod tests;
