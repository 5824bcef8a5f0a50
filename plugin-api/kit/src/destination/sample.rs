//! Batches to write: one of every type with NULLs and edge values, and many rows that do not compress.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema};

/// Every type that a database source makes, each column with a NULL in its second row.
pub(super) fn all_types() -> RecordBatch {
    let texts = vec![Some("plain, \"quoted\"\r\nand more"), None, Some(""), Some("\u{1f980} \u{0} \u{fffd}")];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]))),
        ("int8", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(0), Some(i8::MAX)]))),
        ("int16", Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(0), Some(i16::MAX)]))),
        ("int32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(0), Some(i32::MAX)]))),
        ("int64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(0), Some(i64::MAX)]))),
        ("uint8", Arc::new(UInt8Array::from(vec![Some(0), None, Some(1), Some(u8::MAX)]))),
        ("uint16", Arc::new(UInt16Array::from(vec![Some(0), None, Some(1), Some(u16::MAX)]))),
        ("uint32", Arc::new(UInt32Array::from(vec![Some(0), None, Some(1), Some(u32::MAX)]))),
        ("uint64", Arc::new(UInt64Array::from(vec![Some(0), None, Some(1), Some(u64::MAX)]))),
        ("float32", Arc::new(Float32Array::from(vec![Some(f32::NAN), None, Some(-0.0), Some(f32::MIN_POSITIVE)]))),
        ("float64", Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None, Some(0.1), Some(f64::MAX)]))),
        ("utf8", Arc::new(StringArray::from(texts))),
        ("binary", Arc::new(BinaryArray::from(vec![Some(&[0_u8, 255][..]), None, Some(&[]), Some(b"\n")]))),
        ("date32", Arc::new(Date32Array::from(vec![Some(-719_162), None, Some(0), Some(2_932_896)]))),
        ("time64", Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(1), Some(86_399_999_999)]))),
        ("timestamp", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(0), Some(1 << 50)]))),
        (
            "instant",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(-1), None, Some(0), Some(1 << 50)]).with_timezone("UTC"),
            ),
        ),
        ("decimal128", Arc::new(decimal128())),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
                Some(vec![Some(1), None]),
                None,
                Some(vec![]),
                Some(vec![Some(i64::MAX)]),
            ])),
        ),
    ];
    batch(columns)
}

fn decimal128() -> Decimal128Array {
    let most = 10_i128.pow(38) - 1;
    let values = Decimal128Array::from(vec![Some(-most), None, Some(0), Some(most)]);
    // Precision and scale are within the limits of the type, so this cannot fail.
    values.with_precision_and_scale(38, 10).expect("38 and 10 are allowed")
}

/// Two rows, for trials to which the content does not matter.
pub(super) fn small() -> RecordBatch {
    batch(vec![("n", Arc::new(Int64Array::from(vec![1, 2]))), ("t", Arc::new(StringArray::from(vec!["a", "b"])))])
}

/// `batches` batches of `rows` rows of 8 bytes each that no codec makes smaller.
pub(super) fn noise(batches: usize, rows: usize) -> Vec<RecordBatch> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        // xorshift64: the same numbers on every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as i64
    };
    let column = |rows| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..rows).map(|_| next()))) };
    std::iter::repeat_n(rows, batches).map(column).map(|column| batch(vec![("n", column)])).collect()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field = |(name, column): &(&str, ArrayRef)| {
        Field::new(*name, column.data_type().clone(), !matches!(column.data_type(), DataType::Null))
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(schema), columns).expect("the columns have the schema's types and one length")
}
