//! What is equal in every type that a connector sends.

use std::iter;

use arrow_array::builder::{FixedSizeBinaryBuilder, NullBufferBuilder};
use arrow_array::types::Float16Type;
use arrow_buffer::i256;

use super::*;

fn repeated(values: ArrayRef) -> u64 {
    let issues = issues(&unique("v"), &batch(values));
    let number = |issue: &String| issue.split(' ').nth(2).and_then(|word| word.parse().ok());
    issues.first().map_or(0, |issue| number(issue).unwrap())
}

/// Two different values, NULL, and the first value again: of four rows one repeats, of the first three none.
fn check(values: ArrayRef) {
    let data_type = values.data_type();
    assert_eq!(values.null_count(), 1, "{data_type}");
    assert_eq!(repeated(values.slice(0, 3)), 0, "{data_type}");
    assert_eq!(repeated(values.slice(1, 3)), 0, "{data_type}");
    assert_eq!(repeated(Arc::clone(&values)), 1, "{data_type}");
}

macro_rules! check {
    ($array:ty, $a:expr, $b:expr) => {
        check(Arc::new(<$array>::from(vec![Some($a), Some($b), None, Some($a)])));
    };
}

#[test]
fn values_of_a_fixed_width() {
    check!(BooleanArray, true, false);
    check!(Int8Array, -1, i8::MAX);
    check!(Int16Array, -1, i16::MAX);
    check!(Int32Array, -1, i32::MAX);
    check!(Int64Array, -1, i64::MIN);
    check!(UInt8Array, 0, u8::MAX);
    check!(UInt16Array, 0, u16::MAX);
    check!(UInt32Array, 0, u32::MAX);
    check!(UInt64Array, 0, u64::MAX);
    check!(Float32Array, 0.1, f32::INFINITY);
    check!(Float64Array, 0.1, f64::MIN_POSITIVE);
    check!(Date32Array, 0, -719_162);
    check!(Date64Array, 0, 86_400_000);
    check!(Time32MillisecondArray, 0, 1);
    check!(Time64MicrosecondArray, 0, 86_399_999_999);
    check!(TimestampMicrosecondArray, 0, i64::MAX);
    check!(TimestampNanosecondArray, 0, 1);
    check!(DurationMicrosecondArray, 0, -1);
    check!(Decimal32Array, 150, -150);
    check!(Decimal64Array, 150, -150);
    check!(Decimal128Array, 1, 1 << 64);
    check!(Decimal128Array, -1, i128::MAX);
    check!(Decimal256Array, i256::from_i128(1), i256::from_parts(1, 1));
}

#[test]
fn values_of_any_length() {
    check!(StringArray, "", "a text that is longer than any key");
    check!(LargeStringArray, "a", "b");
    check!(StringViewArray, "short", "a text that does not fit into a view");
    check!(BinaryArray, b"\0".as_slice(), b"\0\0".as_slice());
    check!(LargeBinaryArray, b"a".as_slice(), b"b".as_slice());
    check!(BinaryViewArray, b"a".as_slice(), b"b".as_slice());
    for width in [1, 8, 15, 16, 17] {
        let (a, b) = (vec![1; width], [vec![1; width - 1], vec![2]].concat());
        let mut builder = FixedSizeBinaryBuilder::new(width as i32);
        builder.append_value(&a).unwrap();
        builder.append_value(&b).unwrap();
        builder.append_null();
        builder.append_value(&a).unwrap();
        check(Arc::new(builder.finish()));
    }
}

#[test]
fn floats_are_equal_as_in_a_database() {
    let other_nan = f64::from_bits(f64::NAN.to_bits() | 1);
    assert_eq!(repeated(Arc::new(Float64Array::from(vec![f64::NAN, other_nan, -f64::NAN]))), 2);
    assert_eq!(repeated(Arc::new(Float64Array::from(vec![0.0, -0.0]))), 1);
    assert_eq!(repeated(Arc::new(Float32Array::from(vec![f32::NAN, f32::NAN, 0.0, -0.0, 1.0]))), 2);
    let half = |bits| <Float16Type as ArrowPrimitiveType>::Native::from_bits(bits);
    let halves = Float16Array::from_iter_values([0, 0x8000, 0x7e00, 0xfe00, 0x3c00].map(half));
    assert_eq!(repeated(Arc::new(halves)), 2);
    let subnormal = Float64Array::from(vec![0.0, f64::from_bits(1), -f64::from_bits(1)]);
    assert_eq!(repeated(Arc::new(subnormal)), 0);
}

#[test]
fn texts_are_equal_byte_by_byte() {
    assert_eq!(repeated(Arc::new(StringArray::from(vec!["a", "A", "a ", "1.5", "1.50", "é", "e\u{301}"]))), 0);
}

#[test]
fn a_column_without_a_type_is_all_null() {
    assert_eq!(repeated(Arc::new(NullArray::new(3))), 2);
    assert_eq!(repeated(Arc::new(NullArray::new(1))), 0);
}

#[test]
fn what_lies_under_a_null_is_no_value() {
    let mut nulls = NullBufferBuilder::new(3);
    for valid in [true, false, false] {
        nulls.append(valid);
    }
    let values = Int64Array::new(vec![7; 3].into(), nulls.finish());
    assert_eq!(repeated(Arc::new(values)), 1, "the second NULL, not the sevens under it");
}

#[test]
fn a_type_is_wide_or_narrow_or_refused() {
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    for refused in [DataType::List(item), DataType::Struct(iter::empty::<Field>().collect()), dictionary] {
        assert_eq!(width(&refused), None, "{refused}");
    }
    assert_eq!(width(&DataType::Decimal128(38, 2)), Some(Width::Wide));
    assert_eq!(width(&DataType::Boolean), Some(Width::Narrow));
}

#[test]
fn a_batch_of_another_type_is_an_error() {
    let quality = prepare(&unique("v"), &ints([]));
    let text = batch(Arc::new(StringArray::from(vec!["a"])));
    let error = quality.chunk().see(&text).unwrap_err();
    assert_eq!(error.to_string(), "a batch holds Utf8 where the result has another type");
}
