//! One printer a column, chosen once a batch, so that a cell costs one call and no look at its type.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, OffsetSizeTrait};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};
use rivet_plugin_api::{Error, Result};

use super::text::{self, Fraction};

const DAY_SECONDS: i64 = 86_400;

/// Appends the text of the value in a row that is not NULL.
type Print<'a> = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<()> + 'a>;

pub(super) struct Column<'a> {
    nulls: Option<NullBuffer>,
    print: Print<'a>,
    /// Whether the text can hold what needs quotes.
    free_text: bool,
}

impl<'a> Column<'a> {
    /// `None` when the type has no text form that keeps its values.
    pub(super) fn new(array: &'a ArrayRef) -> Option<Self> {
        let free_text = !array.data_type().is_primitive() && !matches!(array.data_type(), DataType::Boolean);
        Some(Self { nulls: array.logical_nulls(), print: printer(array)?, free_text })
    }

    /// Appends the cell of `row`, with quotes when it needs them.
    pub(super) fn append(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        if self.print(row, out)? && self.free_text {
            text::quote_if_needed(out, start);
        }
        Ok(())
    }

    /// Appends the text of `row`, without quotes, or returns `false` for NULL.
    pub(super) fn print(&self, row: usize, out: &mut Vec<u8>) -> Result<bool> {
        if self.is_null(row) {
            return Ok(false);
        }
        (self.print)(row, out)?;
        Ok(true)
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

fn printer(array: &ArrayRef) -> Option<Print<'_>> {
    Some(match array.data_type() {
        DataType::Null => Box::new(|_, _| Ok(())),
        DataType::Boolean => {
            let values = array.as_boolean();
            infallible(move |row, out| out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }))
        }
        DataType::Int8 => integers::<Int8Type>(array),
        DataType::Int16 => integers::<Int16Type>(array),
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => integers::<Int64Type>(array),
        DataType::UInt8 => integers::<UInt8Type>(array),
        DataType::UInt16 => integers::<UInt16Type>(array),
        DataType::UInt32 => integers::<UInt32Type>(array),
        DataType::UInt64 => integers::<UInt64Type>(array),
        DataType::Float32 => native::<Float32Type>(array, |value, out| text::float(out, value)),
        DataType::Float64 => native::<Float64Type>(array, |value, out| text::float(out, value)),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale),
        DataType::Decimal256(_, scale) => {
            let scale = *scale;
            native::<Decimal256Type>(array, move |value, out| text::decimal(out, &value.to_string(), scale))
        }
        DataType::Date32 => native::<Date32Type>(array, |days, out| text::date(out, days.into())),
        DataType::Date64 => ticks::<Date64Type>(array, date_of_milliseconds),
        DataType::Time32(TimeUnit::Second) => ticks::<Time32SecondType>(array, time_of(&SECOND)),
        DataType::Time32(_) => ticks::<Time32MillisecondType>(array, time_of(&MILLISECOND)),
        DataType::Time64(TimeUnit::Nanosecond) => ticks::<Time64NanosecondType>(array, time_of(&NANOSECOND)),
        DataType::Time64(_) => ticks::<Time64MicrosecondType>(array, time_of(&MICROSECOND)),
        DataType::Timestamp(unit, zone) => timestamps(array, *unit, zone.is_some()),
        DataType::Duration(unit) => durations(array, *unit),
        DataType::Utf8 => bytes_of(array.as_string::<i32>(), |values, row| values.value(row).as_bytes()),
        DataType::LargeUtf8 => bytes_of(array.as_string::<i64>(), |values, row| values.value(row).as_bytes()),
        DataType::Utf8View => bytes_of(array.as_string_view(), |values, row| values.value(row).as_bytes()),
        DataType::Binary => hex_of(array.as_binary::<i32>(), |values, row| values.value(row)),
        DataType::LargeBinary => hex_of(array.as_binary::<i64>(), |values, row| values.value(row)),
        DataType::BinaryView => hex_of(array.as_binary_view(), |values, row| values.value(row)),
        DataType::FixedSizeBinary(_) => hex_of(array.as_fixed_size_binary(), |values, row| values.value(row)),
        DataType::List(_) => variable_lists::<i32>(array)?,
        DataType::LargeList(_) => variable_lists::<i64>(array)?,
        DataType::FixedSizeList(..) => {
            let lists = array.as_fixed_size_list();
            let length = lists.value_length() as usize;
            lists_of(lists.values(), move |row| {
                let start = lists.value_offset_at(row);
                start..start + length
            })?
        }
        DataType::Dictionary(..) => dictionary(array)?,
        _ => return None,
    })
}

fn infallible<'a>(print: impl Fn(usize, &mut Vec<u8>) + 'a) -> Print<'a> {
    Box::new(move |row, out| {
        print(row, out);
        Ok(())
    })
}

fn native<'a, T: ArrowPrimitiveType>(array: &'a ArrayRef, print: impl Fn(T::Native, &mut Vec<u8>) + 'a) -> Print<'a> {
    let values = array.as_primitive::<T>().values();
    infallible(move |row, out| print(values[row], out))
}

fn integers<T: ArrowPrimitiveType<Native: itoa::Integer>>(array: &ArrayRef) -> Print<'_> {
    native::<T>(array, |value, out| text::integer(out, value))
}

fn decimals<T: ArrowPrimitiveType<Native: itoa::Integer>>(array: &ArrayRef, scale: i8) -> Print<'_> {
    native::<T>(array, move |value, out| text::decimal(out, itoa::Buffer::new().format(value), scale))
}

fn bytes_of<'a, A>(values: &'a A, get: impl Fn(&'a A, usize) -> &'a [u8] + 'a) -> Print<'a> {
    infallible(move |row, out| out.extend_from_slice(get(values, row)))
}

fn hex_of<'a, A>(values: &'a A, get: impl Fn(&'a A, usize) -> &'a [u8] + 'a) -> Print<'a> {
    infallible(move |row, out| text::hex(out, get(values, row)))
}

/// How a unit of time divides a second, and how its fraction is printed: six digits, or nine where six would cut.
struct Unit {
    per_second: i64,
    to_fraction: u64,
    digits: usize,
}

const SECOND: Unit = Unit { per_second: 1, to_fraction: 1_000_000, digits: 6 };
const MILLISECOND: Unit = Unit { per_second: 1000, to_fraction: 1000, digits: 6 };
const MICROSECOND: Unit = Unit { per_second: 1_000_000, to_fraction: 1, digits: 6 };
const NANOSECOND: Unit = Unit { per_second: 1_000_000_000, to_fraction: 1, digits: 9 };

impl Unit {
    fn fraction(&self, ticks: u64) -> Fraction {
        Fraction { value: ticks * self.to_fraction, digits: self.digits }
    }
}

/// Values that count units of time.
fn ticks<'a, T: ArrowPrimitiveType<Native: Into<i64>>>(
    array: &'a ArrayRef,
    print: impl Fn(i64, &mut Vec<u8>) -> Result<()> + 'a,
) -> Print<'a> {
    let values = array.as_primitive::<T>().values();
    Box::new(move |row, out| print(values[row].into(), out))
}

fn date_of_milliseconds(value: i64, out: &mut Vec<u8>) -> Result<()> {
    const DAY: i64 = DAY_SECONDS * 1000;
    if value % DAY != 0 {
        return Err(Error::data("a date has a time of day").hint("map the column to a timestamp"));
    }
    text::date(out, value / DAY);
    Ok(())
}

fn time_of(unit: &'static Unit) -> impl Fn(i64, &mut Vec<u8>) -> Result<()> {
    move |value, out| {
        // 24:00:00 is a valid time of day in SQL.
        let ticks = u64::try_from(value).ok().filter(|_| value <= DAY_SECONDS * unit.per_second);
        let ticks = ticks.ok_or_else(|| {
            Error::data("a time of day is outside of 00:00 to 24:00").hint("select the column as text")
        })?;
        let per_second = unit.per_second as u64;
        text::time(out, ticks / per_second, unit.fraction(ticks % per_second));
        Ok(())
    }
}

fn timestamps(array: &ArrayRef, unit: TimeUnit, instant: bool) -> Print<'_> {
    let print = |unit: &'static Unit| {
        move |value: i64, out: &mut Vec<u8>| {
            let seconds = value.div_euclid(unit.per_second);
            text::date(out, seconds.div_euclid(DAY_SECONDS));
            out.push(b'T');
            let fraction = unit.fraction(value.rem_euclid(unit.per_second) as u64);
            text::time(out, seconds.rem_euclid(DAY_SECONDS) as u64, fraction);
            if instant {
                out.push(b'Z');
            }
            Ok(())
        }
    };
    match unit {
        TimeUnit::Second => ticks::<TimestampSecondType>(array, print(&SECOND)),
        TimeUnit::Millisecond => ticks::<TimestampMillisecondType>(array, print(&MILLISECOND)),
        TimeUnit::Microsecond => ticks::<TimestampMicrosecondType>(array, print(&MICROSECOND)),
        TimeUnit::Nanosecond => ticks::<TimestampNanosecondType>(array, print(&NANOSECOND)),
    }
}

/// `[-]HH:MM:SS.ffffff`, as MySQL prints `TIME` and PostgreSQL an interval below a day.
fn durations(array: &ArrayRef, unit: TimeUnit) -> Print<'_> {
    let print = |unit: &'static Unit| {
        move |value: i64, out: &mut Vec<u8>| {
            if value < 0 {
                out.push(b'-');
            }
            let (ticks, per_second) = (value.unsigned_abs(), unit.per_second as u64);
            text::time(out, ticks / per_second, unit.fraction(ticks % per_second));
            Ok(())
        }
    };
    match unit {
        TimeUnit::Second => ticks::<DurationSecondType>(array, print(&SECOND)),
        TimeUnit::Millisecond => ticks::<DurationMillisecondType>(array, print(&MILLISECOND)),
        TimeUnit::Microsecond => ticks::<DurationMicrosecondType>(array, print(&MICROSECOND)),
        TimeUnit::Nanosecond => ticks::<DurationNanosecondType>(array, print(&NANOSECOND)),
    }
}

fn variable_lists<O: OffsetSizeTrait>(array: &ArrayRef) -> Option<Print<'_>> {
    let lists = array.as_list::<O>();
    let offsets = lists.value_offsets();
    lists_of(lists.values(), move |row| offsets[row].as_usize()..offsets[row + 1].as_usize())
}

/// PostgreSQL's array syntax: `{1,NULL,"a b"}`, lists of lists nested.
fn lists_of<'a>(values: &'a ArrayRef, range: impl Fn(usize) -> std::ops::Range<usize> + 'a) -> Option<Print<'a>> {
    let elements = Column::new(values)?;
    let quotable = elements.free_text && !values.data_type().is_list();
    Some(Box::new(move |row, out| {
        out.push(b'{');
        for (position, element) in range(row).enumerate() {
            if position > 0 {
                out.push(b',');
            }
            if elements.is_null(element) {
                out.extend_from_slice(b"NULL");
                continue;
            }
            let start = out.len();
            (elements.print)(element, out)?;
            if quotable {
                text::quote_element(out, start);
            }
        }
        out.push(b'}');
        Ok(())
    }))
}

fn dictionary(array: &ArrayRef) -> Option<Print<'_>> {
    let dictionary = array.as_any_dictionary();
    let print = printer(dictionary.values())?;
    // Without values there are only NULL keys, which normalized_keys refuses.
    let keys = if dictionary.values().is_empty() { Vec::new() } else { dictionary.normalized_keys() };
    Some(Box::new(move |row, out| print(keys[row], out)))
}
