//! The row hash in the simplest way: one row after the other, one text after the other, by the standard library alone.

use std::fmt::LowerExp;
use std::str::FromStr;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use xxhash_rust::xxh3::xxh3_128;

pub(super) fn hash(batch: &RecordBatch, row: usize) -> i64 {
    let mut bytes = Vec::new();
    for column in batch.columns() {
        bytes.extend(cell(column, row).unwrap_or_else(|| vec![0]));
        bytes.push(0x1f);
    }
    xxh3_128(&bytes) as i64
}

fn cell(array: &ArrayRef, row: usize) -> Option<Vec<u8>> {
    if array.logical_nulls().is_some_and(|nulls| nulls.is_null(row)) {
        return None;
    }
    // A slice of one row, so that nothing below has to look for it.
    let array = &array.slice(row, 1);
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(0).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(0).into(),
        DataType::Utf8View => array.as_string_view().value(0).into(),
        DataType::List(_) => list(&array.as_list::<i32>().value(0)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(0)),
        DataType::FixedSizeList(..) => list(&array.as_fixed_size_list().value(0)),
        DataType::Map(..) => list(&(std::sync::Arc::new(array.as_map().value(0)) as ArrayRef)),
        DataType::Struct(_) => {
            let fields = array.as_struct().columns().iter().flat_map(|field| framed(field, 0));
            enclosed(b'{', fields, b'}')
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            cell(dictionary.values(), dictionary.normalized_keys()[0])?
        }
        _ => scalar(array).into_bytes(),
    })
}

fn list(elements: &ArrayRef) -> Vec<u8> {
    enclosed(b'[', (0..elements.len()).flat_map(|row| framed(elements, row)), b']')
}

fn enclosed(open: u8, inside: impl Iterator<Item = u8>, close: u8) -> Vec<u8> {
    std::iter::once(open).chain(inside).chain([close]).collect()
}

fn framed(array: &ArrayRef, row: usize) -> Vec<u8> {
    let Some(text) = cell(array, row) else { return vec![b'-'] };
    [format!("{}:", text.len()).into_bytes(), text].concat()
}

fn scalar(array: &ArrayRef) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(0).to_string(),
        DataType::Int8 => first::<Int8Type>(array).to_string(),
        DataType::Int16 => first::<Int16Type>(array).to_string(),
        DataType::Int32 => first::<Int32Type>(array).to_string(),
        DataType::Int64 => first::<Int64Type>(array).to_string(),
        DataType::UInt8 => first::<UInt8Type>(array).to_string(),
        DataType::UInt16 => first::<UInt16Type>(array).to_string(),
        DataType::UInt32 => first::<UInt32Type>(array).to_string(),
        DataType::UInt64 => first::<UInt64Type>(array).to_string(),
        DataType::Float16 => float(f32::from(first::<Float16Type>(array)), -6, 13),
        DataType::Float32 => float(first::<Float32Type>(array), -6, 13),
        DataType::Float64 => float(first::<Float64Type>(array), -5, 16),
        DataType::Decimal32(_, scale) => decimal(&first::<Decimal32Type>(array).to_string(), *scale),
        DataType::Decimal64(_, scale) => decimal(&first::<Decimal64Type>(array).to_string(), *scale),
        DataType::Decimal128(_, scale) => decimal(&first::<Decimal128Type>(array).to_string(), *scale),
        DataType::Decimal256(_, scale) => decimal(&first::<Decimal256Type>(array).to_string(), *scale),
        DataType::Binary => hex(array.as_binary::<i32>().value(0)),
        DataType::LargeBinary => hex(array.as_binary::<i64>().value(0)),
        DataType::BinaryView => hex(array.as_binary_view().value(0)),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(0)),
        _ => temporal(array),
    }
}

fn temporal(array: &ArrayRef) -> String {
    match array.data_type() {
        DataType::Date32 => date(first::<Date32Type>(array).into()),
        DataType::Date64 => timestamp(first::<Date64Type>(array), 1000),
        DataType::Time32(TimeUnit::Second) => time(first::<Time32SecondType>(array).into(), 1),
        DataType::Time32(_) => time(first::<Time32MillisecondType>(array).into(), 1000),
        DataType::Time64(TimeUnit::Microsecond) => time(first::<Time64MicrosecondType>(array), 1_000_000),
        DataType::Time64(_) => time(first::<Time64NanosecondType>(array), 1_000_000_000),
        DataType::Timestamp(TimeUnit::Second, _) => timestamp(first::<TimestampSecondType>(array), 1),
        DataType::Timestamp(TimeUnit::Millisecond, _) => timestamp(first::<TimestampMillisecondType>(array), 1000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => timestamp(first::<TimestampMicrosecondType>(array), 1_000_000),
        DataType::Timestamp(..) => timestamp(first::<TimestampNanosecondType>(array), 1_000_000_000),
        DataType::Duration(_) => first::<DurationMicrosecondType>(array).to_string(),
        DataType::Interval(IntervalUnit::YearMonth) => first::<IntervalYearMonthType>(array).to_string(),
        DataType::Interval(IntervalUnit::DayTime) => {
            let value = first::<IntervalDayTimeType>(array);
            format!("{},{}", value.days, value.milliseconds)
        }
        DataType::Interval(_) => {
            let value = first::<IntervalMonthDayNanoType>(array);
            format!("{},{},{}", value.months, value.days, value.nanoseconds)
        }
        other => panic!("{other} has no text"),
    }
}

fn first<T: ArrowPrimitiveType>(array: &ArrayRef) -> T::Native {
    array.as_primitive::<T>().value(0)
}

/// An exponent below `low` or from `high` on stays. The shortest digits are found by trial: of two numbers that are
/// equally near, the standard library's exact form is the even one, as it should be, while its shortest is the greater.
fn float<F: LowerExp + FromStr + PartialEq>(value: F, low: i32, high: i32) -> String {
    let reads_back = |text: &String| text.parse().is_ok_and(|read: F| read == value);
    let Some(scientific) = (0..17).map(|digits| format!("{value:.digits$e}")).find(reads_back) else {
        return "NaN".into();
    };
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let exponent: i32 = exponent.parse().unwrap();
    if digits == "0" || (low..high).contains(&exponent) {
        let digits = digits.replace('.', "");
        return match usize::try_from(exponent) {
            Ok(whole) if digits.len() > whole + 1 => format!("{sign}{}.{}", &digits[..=whole], &digits[whole + 1..]),
            Ok(whole) => format!("{sign}{digits:0<width$}.0", width = whole + 1),
            Err(_) => format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        };
    }
    scientific
}

fn decimal(unscaled: &str, scale: i8) -> String {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        return if digits == "0" { "0".into() } else { format!("{sign}{digits}{}", "0".repeat(places)) };
    }
    let digits = format!("{digits:0>width$}", width = places + 1);
    format!("{sign}{}.{}", &digits[..digits.len() - places], &digits[digits.len() - places..])
}

/// Year by year and month by month, after whole cycles of 400 years.
fn date(days: i64) -> String {
    const CYCLE: i64 = 146_097;
    let mut year = 1970 + 400 * days.div_euclid(CYCLE);
    let mut rest = days.rem_euclid(CYCLE);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while rest >= 365 + i64::from(leap(year)) {
        rest -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    let year = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+05}") };
    format!("{year}-{:02}-{:02}", month + 1, rest + 1)
}

fn timestamp(value: i64, per_second: i64) -> String {
    let day = 86_400 * i128::from(per_second);
    let (days, rest) = (i128::from(value).div_euclid(day), i128::from(value).rem_euclid(day));
    format!("{}T{}", date(days as i64), time(rest as i64, per_second))
}

fn time(value: i64, per_second: i64) -> String {
    let (seconds, fraction) = (value / per_second, value % per_second * (1_000_000_000 / per_second));
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!(".{fraction:09}");
    let fraction = fraction.strip_suffix("000").unwrap_or(&fraction);
    let fraction = fraction.strip_suffix("000").unwrap_or(fraction);
    whole + fraction.strip_suffix(".000").unwrap_or(fraction)
}
