//! Cursor values as Arrow arrays of one row, for parameters, and out of them, for bounds.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use rivet_plugin_api::{CursorValue, Error, Result};

/// The parameters of a statement, in their order.
pub(crate) fn parameters(values: &[CursorValue]) -> Result<RecordBatch> {
    let mut columns = Vec::new();
    for (number, value) in values.iter().enumerate() {
        columns.push((format!("p{}", number + 1), parameter(value)?));
    }
    RecordBatch::try_from_iter(columns).map_err(|e| Error::internal(e.to_string()))
}

fn parameter(value: &CursorValue) -> Result<ArrayRef> {
    Ok(match value {
        CursorValue::Int(v) => Arc::new(Int64Array::from(vec![*v])),
        CursorValue::UInt(v) => Arc::new(UInt64Array::from(vec![*v])),
        CursorValue::Float(v) => Arc::new(Float64Array::from(vec![*v])),
        CursorValue::Text(v) => Arc::new(StringArray::from(vec![v.as_str()])),
        CursorValue::Bytes(v) => Arc::new(BinaryArray::from(vec![v.as_slice()])),
        CursorValue::Date(v) => Arc::new(Date32Array::from(vec![*v])),
        CursorValue::Timestamp(v) => Arc::new(TimestampMicrosecondArray::from(vec![*v])),
        CursorValue::Instant(v) => Arc::new(TimestampMicrosecondArray::from(vec![*v]).with_timezone("UTC")),
        other => {
            return Err(Error::unsupported(format!("ADBC drivers take no parameter of kind \"{}\"", other.kind()))
                .hint("cast the column in the query, such as to an integer or text"));
        }
    })
}

/// The value in the first row of `array`.
pub(crate) fn first(array: &dyn Array, column: &str) -> Result<Option<CursorValue>> {
    if array.is_empty() || array.is_null(0) {
        return Ok(None);
    }
    Ok(Some(match array.data_type() {
        DataType::Int8 => CursorValue::Int(array.as_primitive::<Int8Type>().value(0).into()),
        DataType::Int16 => CursorValue::Int(array.as_primitive::<Int16Type>().value(0).into()),
        DataType::Int32 => CursorValue::Int(array.as_primitive::<Int32Type>().value(0).into()),
        DataType::Int64 => CursorValue::Int(array.as_primitive::<Int64Type>().value(0)),
        DataType::UInt8 => CursorValue::Int(array.as_primitive::<UInt8Type>().value(0).into()),
        DataType::UInt16 => CursorValue::Int(array.as_primitive::<UInt16Type>().value(0).into()),
        DataType::UInt32 => CursorValue::Int(array.as_primitive::<UInt32Type>().value(0).into()),
        DataType::UInt64 => CursorValue::UInt(array.as_primitive::<UInt64Type>().value(0)),
        DataType::Float32 => CursorValue::Float(array.as_primitive::<Float32Type>().value(0).into()),
        DataType::Float64 => CursorValue::Float(array.as_primitive::<Float64Type>().value(0)),
        DataType::Utf8 => CursorValue::Text(array.as_string::<i32>().value(0).to_owned()),
        DataType::LargeUtf8 => CursorValue::Text(array.as_string::<i64>().value(0).to_owned()),
        DataType::Utf8View => CursorValue::Text(array.as_string_view().value(0).to_owned()),
        DataType::Binary => CursorValue::Bytes(array.as_binary::<i32>().value(0).to_owned()),
        DataType::Date32 => CursorValue::Date(array.as_primitive::<Date32Type>().value(0)),
        DataType::Timestamp(unit, zone) => {
            let us = microseconds(array, *unit).ok_or_else(|| cannot_bound(column, array.data_type()))?;
            if zone.is_some() { CursorValue::Instant(us) } else { CursorValue::Timestamp(us) }
        }
        other => return Err(cannot_bound(column, other)),
    }))
}

/// Nanoseconds have no cursor: rounded down, the row at the upper bound would never be in a window.
fn microseconds(array: &dyn Array, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(0).checked_mul(1_000_000),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(0).checked_mul(1000),
        TimeUnit::Microsecond => Some(array.as_primitive::<TimestampMicrosecondType>().value(0)),
        TimeUnit::Nanosecond => None,
    }
}

fn cannot_bound(column: &str, data_type: &DataType) -> Error {
    Error::unsupported(format!("column \"{column}\" of type {data_type} cannot bound rows"))
        .hint("cast it in the query, such as to an integer, text, date or timestamp with microseconds")
}
