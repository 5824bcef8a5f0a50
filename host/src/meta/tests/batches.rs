//! The batches that the tests hash.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::{Int8Type, Int32Type, IntervalDayTime, IntervalMonthDayNano};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Date64Array, Decimal32Array,
    Decimal64Array, Decimal128Array, Decimal256Array, DictionaryArray, DurationMicrosecondArray, FixedSizeBinaryArray,
    FixedSizeListArray, Float16Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    IntervalDayTimeArray, IntervalMonthDayNanoArray, IntervalYearMonthArray, LargeBinaryArray, LargeListArray,
    LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray, StructArray, Time32MillisecondArray,
    Time32SecondArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow_buffer::{Buffer, i256};
use arrow_schema::{DataType, Field};

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// The row of which the predecessor's hash is published.
pub(super) fn example() -> RecordBatch {
    batch(vec![
        ("a", Arc::new(Int64Array::from(vec![1]))),
        ("b", Arc::new(Float64Array::from(vec![1.0]))),
        ("c", Arc::new(BooleanArray::from(vec![true]))),
        ("d", Arc::new(Int32Array::from(vec![None]))),
        ("e", Arc::new(StringArray::from(vec!["x"]))),
        ("f", Arc::new(Date32Array::from(vec![19_724]))),
        ("g", Arc::new(TimestampMicrosecondArray::from(vec![1_704_164_645_500_000]))),
    ])
}

/// Edge values of the types that the predecessor had, within the years that it could print.
pub(super) fn edges() -> RecordBatch {
    let mut columns = edge_numbers();
    columns.extend(edge_texts());
    batch(columns)
}

fn edge_numbers() -> Vec<(&'static str, ArrayRef)> {
    vec![
        (
            "bool",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
                Some(false),
                None,
                None,
                None,
            ])),
        ),
        (
            "int16",
            Arc::new(Int16Array::from(vec![
                Some(i16::MIN),
                Some(i16::MAX),
                Some(0),
                Some(-1),
                Some(9),
                Some(10),
                None,
                Some(-100),
            ])),
        ),
        (
            "int32",
            Arc::new(Int32Array::from(vec![
                Some(i32::MIN),
                Some(i32::MAX),
                Some(0),
                Some(99_999_999),
                Some(100_000_000),
                None,
                Some(-7),
                Some(12_345),
            ])),
        ),
        (
            "int64",
            Arc::new(Int64Array::from(vec![
                Some(i64::MIN),
                Some(i64::MAX),
                Some(0),
                Some(9_999_999_999_999_999),
                Some(10_000_000_000_000_000),
                Some(100_000_001),
                None,
                Some(-1),
            ])),
        ),
        (
            "float32",
            Arc::new(Float32Array::from(vec![
                Some(-0.0),
                Some(1e13),
                Some(1e12),
                Some(1e-6),
                Some(1e-45),
                Some(f32::MAX),
                None,
                Some(0.1),
            ])),
        ),
        (
            "float64",
            Arc::new(Float64Array::from(vec![
                Some(-0.0),
                Some(1e16),
                Some(1e15),
                Some(1e-5),
                Some(1e-7),
                Some(5e-324),
                Some(f64::NAN),
                Some(f64::NEG_INFINITY),
            ])),
        ),
    ]
}

fn edge_texts() -> Vec<(&'static str, ArrayRef)> {
    let text = "a text that is longer than any copy of a fixed length, and holds \u{1f}, \0, \" and \u{1f980}";
    vec![
        (
            "text",
            Arc::new(StringArray::from(vec![
                Some(""),
                Some("x"),
                None,
                Some(text),
                Some("12345678901234567890123456789012"),
                Some("123456789012345678901234567890123"),
                Some("\0"),
                Some("\u{1f}"),
            ])),
        ),
        (
            "binary",
            Arc::new(BinaryArray::from(vec![
                Some(&b""[..]),
                Some(b"\x00\xff\xab"),
                None,
                Some(text.as_bytes()),
                Some(b"9"),
                Some(b"\x0a"),
                Some(b"\xa0"),
                Some(b"abc"),
            ])),
        ),
        (
            "date",
            Arc::new(Date32Array::from(vec![
                Some(0),
                Some(-1),
                None,
                Some(-719_528),
                Some(-719_529),
                Some(2_932_896),
                Some(2_932_897),
                Some(-1_000_000),
            ])),
        ),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(0),
                Some(1_704_164_645_500_000),
                Some(1_704_164_645_500_001),
                Some(-1),
                Some(-62_167_219_200_000_001),
                Some(253_402_300_800_000_000),
                None,
                Some(-60_000_000),
            ])),
        ),
    ]
}

/// Every type that has a text form, four rows each, of which one is NULL.
pub(super) fn everything() -> RecordBatch {
    let mut columns = numbers();
    columns.extend(times());
    columns.extend(texts());
    columns.extend(nested());
    batch(columns)
}

fn numbers() -> Vec<(&'static str, ArrayRef)> {
    let large = Decimal256Array::from(vec![Some(i256::MIN), Some(i256::MAX), None, Some(i256::from_i128(-5))]);
    vec![
        ("null", Arc::new(NullArray::new(4))),
        ("int8", Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), None, Some(0)]))),
        ("uint8", Arc::new(UInt8Array::from(vec![Some(0), Some(u8::MAX), None, Some(10)]))),
        ("uint16", Arc::new(UInt16Array::from(vec![Some(0), Some(u16::MAX), None, Some(1000)]))),
        ("uint32", Arc::new(UInt32Array::from(vec![Some(0), Some(u32::MAX), None, Some(99_999_999)]))),
        ("uint64", Arc::new(UInt64Array::from(vec![Some(0), Some(u64::MAX), None, Some(10_000_000_000_000_000)]))),
        ("float16", Arc::new(halves())),
        (
            "decimal32",
            Arc::new(
                Decimal32Array::from(vec![Some(5), Some(-999_999_999), None, Some(0)])
                    .with_precision_and_scale(9, 2)
                    .unwrap(),
            ),
        ),
        (
            "decimal64",
            Arc::new(
                Decimal64Array::from(vec![Some(-5), Some(100), None, Some(0)]).with_precision_and_scale(18, 0).unwrap(),
            ),
        ),
        (
            "decimal128",
            Arc::new(
                Decimal128Array::from(vec![Some(10_i128.pow(38) - 1), Some(-(1_i128 << 64)), None, Some(-1)])
                    .with_precision_and_scale(38, 38)
                    .unwrap(),
            ),
        ),
        ("decimal256", Arc::new(large.with_precision_and_scale(76, 10).unwrap())),
        (
            "thousands",
            Arc::new(
                Decimal128Array::from(vec![Some(12), Some(-7), None, Some(0)]).with_precision_and_scale(5, -3).unwrap(),
            ),
        ),
    ]
}

/// 1.5, -0.0, NULL and the greatest, by their bits.
fn halves() -> Float16Array {
    let bits = Buffer::from_vec(vec![0x3e00_u16, 0x8000, 0, 0x7bff]);
    Float16Array::new(bits.into(), Some(vec![true, true, false, true].into()))
}

fn times() -> Vec<(&'static str, ArrayRef)> {
    let day_times = [Some(IntervalDayTime::new(1, -2)), Some(IntervalDayTime::new(i32::MIN, i32::MAX)), None, None];
    let nanos = [
        Some(IntervalMonthDayNano::new(1, -2, 3)),
        Some(IntervalMonthDayNano::new(i32::MIN, i32::MIN, i64::MIN)),
        None,
        Some(IntervalMonthDayNano::new(0, 0, 0)),
    ];
    vec![
        ("date", Arc::new(Date32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(-365 * 2000)]))),
        ("date64", Arc::new(Date64Array::from(vec![Some(-1), Some(86_400_000), None, Some(1)]))),
        ("time_s", Arc::new(Time32SecondArray::from(vec![Some(0), Some(86_399), None, Some(86_400)]))),
        ("time_ms", Arc::new(Time32MillisecondArray::from(vec![Some(1), Some(86_399_999), None, Some(1000)]))),
        ("time_us", Arc::new(Time64MicrosecondArray::from(vec![Some(1), Some(86_400_000_000), None, Some(1000)]))),
        (
            "time_ns",
            Arc::new(Time64NanosecondArray::from(vec![Some(1), Some(86_399_999_999_999), None, Some(1_000_000)])),
        ),
        ("timestamp_s", Arc::new(TimestampSecondArray::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(-1)]))),
        ("timestamp_ms", Arc::new(TimestampMillisecondArray::from(vec![Some(i64::MIN), Some(-1), None, Some(120)]))),
        ("timestamp_ns", Arc::new(TimestampNanosecondArray::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(1)]))),
        (
            "instant",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(1)])
                    .with_timezone("UTC"),
            ),
        ),
        ("duration", Arc::new(DurationMicrosecondArray::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)]))),
        ("months", Arc::new(IntervalYearMonthArray::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(0)]))),
        ("day_time", Arc::new(IntervalDayTimeArray::from(day_times.to_vec()))),
        ("month_day_nano", Arc::new(IntervalMonthDayNanoArray::from(nanos.to_vec()))),
    ]
}

fn texts() -> Vec<(&'static str, ArrayRef)> {
    let texts = [Some("a, b"), Some(""), None, Some("a text that is too long for the view itself")];
    let bytes = texts.map(|text| text.map(str::as_bytes));
    let uuids = [Some([0xab_u8; 16]), Some([0; 16]), None, Some([9; 16])];
    let uuids = FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 16).unwrap();
    let keys = Int8Array::from(vec![Some(1), Some(0), None, Some(2)]);
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some("a"), None]));
    vec![
        ("large_text", Arc::new(LargeStringArray::from(texts.to_vec()))),
        ("text_view", Arc::new(StringViewArray::from(texts.to_vec()))),
        ("large_binary", Arc::new(LargeBinaryArray::from(bytes.to_vec()))),
        ("binary_view", Arc::new(BinaryViewArray::from(bytes.to_vec()))),
        ("uuid", Arc::new(uuids)),
        ("dictionary", Arc::new(DictionaryArray::<Int8Type>::try_new(keys, values).unwrap())),
    ]
}

fn nested() -> Vec<(&'static str, ArrayRef)> {
    type Words = Vec<Option<&'static str>>;
    let lists: [Option<Vec<Option<Words>>>; 4] = [
        Some(vec![Some(vec![Some("a, b"), None, Some("")]), None, Some(vec![Some("]"), Some("1:x"), Some("-")])]),
        Some(vec![]),
        None,
        Some(vec![Some(vec![])]),
    ];
    let mut builder = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    builder.extend(lists);
    let lists = builder.finish();

    let numbers = [Some(vec![Some(1), None]), Some(vec![]), None, Some(vec![Some(-1)])];
    let numbers = LargeListArray::from_iter_primitive::<Int32Type, _, _>(numbers);
    let pairs = [Some([Some(1), None]), Some([Some(2), Some(3)]), None, Some([None, None])];
    let pairs = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(pairs, 2);

    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for row in 0..4 {
        for entry in 0..row {
            maps.keys().append_value(format!("k{entry}"));
            maps.values().append_option((entry != 1).then_some(entry));
        }
        maps.append(row != 2).unwrap();
    }
    let structs = StructArray::try_new(
        vec![Field::new("n", DataType::Int64, true), Field::new("l", lists.data_type().clone(), true)].into(),
        vec![Arc::new(Int64Array::from(vec![Some(1), None, Some(3), None])), Arc::new(lists.clone())],
        Some(vec![true, true, false, true].into()),
    );
    vec![
        ("list", Arc::new(lists)),
        ("large_list", Arc::new(numbers)),
        ("fixed_list", Arc::new(pairs)),
        ("map", Arc::new(maps.finish())),
        ("struct", Arc::new(structs.unwrap())),
    ]
}
