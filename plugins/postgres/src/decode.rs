//! From the wire's binary fields into Arrow columns: one builder a column, chosen once, and no allocation per cell.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBufferBuilder, NullBufferBuilder, i256};
use rivet_plugin_base::batch::{Bytes, primitive, take};

use self::list::List;
use self::numeric::{push_numeric, unscaled};
use self::time::{date, time, timestamp};
use crate::types::{Beyond, Decoder};

mod list;
mod numeric;
mod time;

pub(crate) use rivet_plugin_base::batch::Misfit;

/// The cells of one column, by how they are decoded.
#[derive(Debug)]
enum Cells {
    Bool(BooleanBufferBuilder),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Oid(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Date(Vec<i32>, Beyond),
    Timestamp(Vec<i64>, Beyond, Option<Arc<str>>),
    Time(Vec<i64>),
    Decimal128(Vec<i128>, u8, i8),
    Decimal256(Vec<i256>, u8, i8),
    Text(Bytes),
    Binary(Bytes),
    Jsonb(Bytes),
    Uuid(Bytes),
    Numeric(Bytes),
    List(List),
}

/// Collects one column of a batch.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    cells: Cells,
    nulls: NullBufferBuilder,
}

impl ColumnBuilder {
    /// A builder with room for `rows` rows.
    pub(crate) fn new(decoder: &Decoder, rows: usize) -> Self {
        let bytes = || Bytes::new(rows, rows * 16);
        let cells = match *decoder {
            Decoder::Bool => Cells::Bool(BooleanBufferBuilder::new(rows)),
            Decoder::Int16 => Cells::Int16(Vec::with_capacity(rows)),
            Decoder::Int32 => Cells::Int32(Vec::with_capacity(rows)),
            Decoder::Int64 => Cells::Int64(Vec::with_capacity(rows)),
            Decoder::Oid => Cells::Oid(Vec::with_capacity(rows)),
            Decoder::Float32 => Cells::Float32(Vec::with_capacity(rows)),
            Decoder::Float64 => Cells::Float64(Vec::with_capacity(rows)),
            Decoder::Date(beyond) => Cells::Date(Vec::with_capacity(rows), beyond),
            Decoder::Timestamp(beyond) => Cells::Timestamp(Vec::with_capacity(rows), beyond, None),
            Decoder::Instant(beyond) => Cells::Timestamp(Vec::with_capacity(rows), beyond, Some("UTC".into())),
            Decoder::Time => Cells::Time(Vec::with_capacity(rows)),
            Decoder::Decimal128(p, s) => Cells::Decimal128(Vec::with_capacity(rows), p, s),
            Decoder::Decimal256(p, s) => Cells::Decimal256(Vec::with_capacity(rows), p, s),
            Decoder::Text => Cells::Text(bytes()),
            Decoder::Binary => Cells::Binary(bytes()),
            Decoder::Jsonb => Cells::Jsonb(bytes()),
            Decoder::Uuid => Cells::Uuid(bytes()),
            Decoder::Numeric => Cells::Numeric(bytes()),
            Decoder::List(ref item) => Cells::List(List::new(item, rows)),
        };
        Self { cells, nulls: NullBufferBuilder::new(rows) }
    }

    /// Adds a value in the server's binary form.
    #[inline]
    pub(crate) fn push(&mut self, field: &[u8]) -> Result<(), Misfit> {
        match &mut self.cells {
            Cells::Bool(v) => v.append(fixed::<1>(field)? != [0]),
            Cells::Int16(v) => v.push(i16::from_be_bytes(fixed(field)?)),
            Cells::Int32(v) => v.push(i32::from_be_bytes(fixed(field)?)),
            Cells::Int64(v) => v.push(i64::from_be_bytes(fixed(field)?)),
            Cells::Oid(v) => v.push(i64::from(u32::from_be_bytes(fixed(field)?))),
            Cells::Float32(v) => v.push(f32::from_be_bytes(fixed(field)?)),
            Cells::Float64(v) => v.push(f64::from_be_bytes(fixed(field)?)),
            Cells::Date(v, beyond) => {
                let days = i32::from_be_bytes(fixed(field)?);
                match date(days) {
                    Ok(days) => v.push(days),
                    Err(misfit) => match beyond {
                        Beyond::Refused => return Err(misfit),
                        Beyond::Null => return self.push_null(),
                        Beyond::Clamped => v.push(if days < 0 { -i32::MAX } else { i32::MAX }),
                    },
                }
            }
            Cells::Timestamp(v, beyond, _) => {
                let micros = i64::from_be_bytes(fixed(field)?);
                match timestamp(micros) {
                    Ok(micros) => v.push(micros),
                    Err(misfit) => match beyond {
                        Beyond::Refused => return Err(misfit),
                        Beyond::Null => return self.push_null(),
                        Beyond::Clamped => v.push(if micros < 0 { -i64::MAX } else { i64::MAX }),
                    },
                }
            }
            Cells::Time(v) => v.push(time(i64::from_be_bytes(fixed(field)?))?),
            Cells::Decimal128(v, p, s) => v.push(unscaled(field, *p, *s)?),
            Cells::Decimal256(v, p, s) => v.push(unscaled(field, *p, *s)?),
            Cells::Text(v) | Cells::Binary(v) => v.push(field)?,
            Cells::Jsonb(v) => {
                let [1, text @ ..] = field else { return Err(Misfit::Malformed) };
                v.push(text)?;
            }
            Cells::Uuid(v) => v.push(&uuid(fixed(field)?))?,
            Cells::Numeric(v) => {
                push_numeric(field, &mut v.data)?;
                v.end_cell()?;
            }
            Cells::List(v) => v.push(field)?,
        }
        self.nulls.append_non_null();
        Ok(())
    }

    /// Adds a NULL.
    #[inline]
    pub(crate) fn push_null(&mut self) -> Result<(), Misfit> {
        match &mut self.cells {
            Cells::Bool(v) => v.append(false),
            Cells::Int16(v) => v.push(0),
            Cells::Int32(v) | Cells::Date(v, _) => v.push(0),
            Cells::Int64(v) | Cells::Oid(v) | Cells::Timestamp(v, ..) | Cells::Time(v) => v.push(0),
            Cells::Float32(v) => v.push(0.0),
            Cells::Float64(v) => v.push(0.0),
            Cells::Decimal128(v, ..) => v.push(0),
            Cells::Decimal256(v, ..) => v.push(i256::ZERO),
            Cells::Text(v) | Cells::Binary(v) | Cells::Jsonb(v) | Cells::Uuid(v) | Cells::Numeric(v) => v.end_cell()?,
            Cells::List(v) => v.push_null()?,
        }
        self.nulls.append_null();
        Ok(())
    }

    /// Rows so far.
    fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Bytes of Arrow buffers so far.
    pub(crate) fn size(&self) -> usize {
        let rows = self.len();
        let values = match &self.cells {
            Cells::Bool(_) => rows / 8,
            Cells::Int16(_) => rows * 2,
            Cells::Int32(_) | Cells::Date(..) | Cells::Float32(_) => rows * 4,
            Cells::Int64(_) | Cells::Oid(_) | Cells::Timestamp(..) | Cells::Time(_) | Cells::Float64(_) => rows * 8,
            Cells::Decimal128(..) => rows * 16,
            Cells::Decimal256(..) => rows * 32,
            Cells::Text(v) | Cells::Binary(v) | Cells::Jsonb(v) | Cells::Uuid(v) | Cells::Numeric(v) => v.size(),
            Cells::List(v) => v.size(),
        };
        values + rows / 8
    }

    /// See [`Column::bound`](rivet_plugin_base::batch::Column::bound).
    pub(crate) fn bound(&self) -> Option<usize> {
        let value = match &self.cells {
            Cells::Bool(_) => 1,
            Cells::Int16(_) => 2,
            Cells::Int32(_) | Cells::Date(..) | Cells::Float32(_) => 4,
            // Of text it is the offset.
            Cells::Text(_) | Cells::Binary(_) | Cells::Jsonb(_) | Cells::Uuid(_) => size_of::<i32>(),
            Cells::Int64(_) | Cells::Oid(_) | Cells::Timestamp(..) | Cells::Time(_) | Cells::Float64(_) => 8,
            Cells::Decimal128(..) => 16,
            Cells::Decimal256(..) => 32,
            // Ten bytes can say 1e131071.
            Cells::Numeric(_) => return None,
            // A NULL item is four bytes on the wire, so wide ones are as good as without a bound.
            Cells::List(v) => v.item_bound().filter(|bound| *bound <= 16).map(|_| 4)?,
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
            Cells::Int64(v) | Cells::Oid(v) => primitive::<Int64Type>(v, nulls),
            Cells::Float32(v) => primitive::<Float32Type>(v, nulls),
            Cells::Float64(v) => primitive::<Float64Type>(v, nulls),
            Cells::Date(v, _) => primitive::<Date32Type>(v, nulls),
            Cells::Time(v) => primitive::<Time64MicrosecondType>(v, nulls),
            Cells::Timestamp(v, _, zone) => {
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
            Cells::Text(v) | Cells::Jsonb(v) | Cells::Uuid(v) | Cells::Numeric(v) => v.take_text(nulls)?,
            Cells::List(v) => v.finish(nulls)?,
        })
    }
}

#[inline]
fn fixed<const N: usize>(field: &[u8]) -> Result<[u8; N], Misfit> {
    field.try_into().map_err(|_| Misfit::Malformed)
}

fn uuid(bytes: [u8; 16]) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in bytes.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        out[at] = HEX[usize::from(byte >> 4)];
        out[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    out
}

#[cfg(test)]
mod tests;
