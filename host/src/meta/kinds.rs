//! The text form of each Arrow type that is not nested.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ByteArrayType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalYearMonthType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, GenericByteArray};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::cells::{Cells, Loops, SLACK};
use super::{nested, number, time};

type Boxed<'a> = Box<dyn Loops + 'a>;

/// What writes the cells of `array`, or `None` when there is no text form for its type.
pub(super) fn loops(array: &ArrayRef) -> Option<Boxed<'_>> {
    Some(match array.data_type() {
        DataType::Null => boxed(Nothing),
        DataType::Boolean => boxed(array.as_boolean()),
        DataType::Int8 => integers::<Int8Type>(array),
        DataType::Int16 => integers::<Int16Type>(array),
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => integers::<Int64Type>(array),
        DataType::UInt8 => integers::<UInt8Type>(array),
        DataType::UInt16 => integers::<UInt16Type>(array),
        DataType::UInt32 => integers::<UInt32Type>(array),
        DataType::UInt64 => values::<UInt64Type>(array, 20, number::unsigned),
        DataType::Float16 => values::<Float16Type>(array, 24, |value, out| number::float(f32::from(value), out)),
        DataType::Float32 => values::<Float32Type>(array, 24, number::float),
        DataType::Float64 => values::<Float64Type>(array, 24, number::float),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale),
        DataType::Decimal256(_, scale) => large_decimals(array, *scale),
        DataType::Date32 => values::<Date32Type>(array, time::WIDTH, |days, out| time::date(days.into(), out)),
        DataType::Date64 => values::<Date64Type>(array, time::WIDTH, time::timestamp::<1_000>),
        DataType::Time32(_) | DataType::Time64(_) => times(array),
        DataType::Timestamp(unit, _) => timestamps(array, *unit),
        DataType::Duration(unit) => durations(array, *unit),
        DataType::Interval(unit) => intervals(array, *unit),
        DataType::Utf8 => boxed(Texts::of(array.as_string::<i32>())),
        DataType::LargeUtf8 => boxed(Texts::of(array.as_string::<i64>())),
        DataType::Utf8View => {
            let texts = array.as_string_view();
            boxed(Bytes { get: move |row| texts.value(row).as_bytes(), stretch: 1, write: number::copy })
        }
        DataType::Binary => hex(array.as_binary::<i32>(), |bytes, row| bytes.value(row)),
        DataType::LargeBinary => hex(array.as_binary::<i64>(), |bytes, row| bytes.value(row)),
        DataType::BinaryView => hex(array.as_binary_view(), |bytes, row| bytes.value(row)),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary(), |bytes, row| bytes.value(row)),
        _ => nested::loops(array)?,
    })
}

fn boxed<'a>(cells: impl Cells + 'a) -> Boxed<'a> {
    Box::new(cells)
}

/// A column in which every row is NULL.
pub(super) struct Nothing;

impl Cells for Nothing {
    fn width(&self, _: usize) -> usize {
        0
    }

    fn write(&self, _: usize, _: &mut [u8]) -> usize {
        0
    }
}

impl Cells for &BooleanArray {
    fn width(&self, _: usize) -> usize {
        5
    }

    fn write(&self, row: usize, out: &mut [u8]) -> usize {
        let value = self.value(row);
        out[..5].copy_from_slice(if value { b"true " } else { b"false" });
        5 - usize::from(value)
    }
}

/// Values of one size, and a function that writes one.
struct Values<'a, N, W> {
    of_rows: &'a [N],
    width: usize,
    write: W,
}

impl<N: ArrowNativeType, W: Fn(N, &mut [u8]) -> usize> Cells for Values<'_, N, W> {
    fn width(&self, _: usize) -> usize {
        self.width
    }

    fn write(&self, row: usize, out: &mut [u8]) -> usize {
        (self.write)(self.of_rows[row], out)
    }
}

fn values<'a, T: ArrowPrimitiveType>(
    array: &'a ArrayRef,
    width: usize,
    write: impl Fn(T::Native, &mut [u8]) -> usize + 'a,
) -> Boxed<'a> {
    boxed(Values { of_rows: array.as_primitive::<T>().values(), width, write })
}

fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &ArrayRef) -> Boxed<'_> {
    values::<T>(array, 20, |value, out| number::signed(value.into(), out))
}

fn decimals<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef, scale: i8) -> Boxed<'_> {
    values::<T>(array, number::decimal_width(scale), move |value, out| {
        let value: i128 = value.into();
        let magnitude = value.unsigned_abs();
        number::decimal(value < 0, [magnitude as u64, (magnitude >> 64) as u64, 0, 0], scale, out)
    })
}

fn large_decimals(array: &ArrayRef, scale: i8) -> Boxed<'_> {
    values::<Decimal256Type>(array, number::decimal_width(scale), move |value, out| {
        // The least value is its own negation, whose bits are right as an unsigned number.
        let (low, high) = value.wrapping_abs().to_parts();
        let magnitude = [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64];
        number::decimal(value.is_negative(), magnitude, scale, out)
    })
}

fn times(array: &ArrayRef) -> Boxed<'_> {
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            values::<Time32SecondType>(array, time::WIDTH, |value, out| time::of_day::<1>(value.into(), out))
        }
        DataType::Time32(_) => {
            values::<Time32MillisecondType>(array, time::WIDTH, |value, out| time::of_day::<1_000>(value.into(), out))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            values::<Time64NanosecondType>(array, time::WIDTH, time::of_day::<1_000_000_000>)
        }
        _ => values::<Time64MicrosecondType>(array, time::WIDTH, time::of_day::<1_000_000>),
    }
}

fn timestamps(array: &ArrayRef, unit: TimeUnit) -> Boxed<'_> {
    match unit {
        TimeUnit::Second => values::<TimestampSecondType>(array, time::WIDTH, time::timestamp::<1>),
        TimeUnit::Millisecond => values::<TimestampMillisecondType>(array, time::WIDTH, time::timestamp::<1_000>),
        TimeUnit::Microsecond => values::<TimestampMicrosecondType>(array, time::WIDTH, time::timestamp::<1_000_000>),
        TimeUnit::Nanosecond => values::<TimestampNanosecondType>(array, time::WIDTH, time::timestamp::<1_000_000_000>),
    }
}

fn durations(array: &ArrayRef, unit: TimeUnit) -> Boxed<'_> {
    match unit {
        TimeUnit::Second => integers::<DurationSecondType>(array),
        TimeUnit::Millisecond => integers::<DurationMillisecondType>(array),
        TimeUnit::Microsecond => integers::<DurationMicrosecondType>(array),
        TimeUnit::Nanosecond => integers::<DurationNanosecondType>(array),
    }
}

fn intervals(array: &ArrayRef, unit: IntervalUnit) -> Boxed<'_> {
    match unit {
        IntervalUnit::YearMonth => integers::<IntervalYearMonthType>(array),
        IntervalUnit::DayTime => values::<IntervalDayTimeType>(array, 24, |value, out| {
            number::joined([value.days.into(), value.milliseconds.into()], out)
        }),
        IntervalUnit::MonthDayNano => values::<IntervalMonthDayNanoType>(array, 48, |value, out| {
            number::joined([value.months.into(), value.days.into(), value.nanoseconds], out)
        }),
    }
}

/// Texts that lie one after the other.
struct Texts<'a, T: ByteArrayType> {
    bytes: &'a [u8],
    offsets: &'a [T::Offset],
}

impl<'a, T: ByteArrayType> Texts<'a, T> {
    fn of(array: &'a GenericByteArray<T>) -> Self {
        Self { bytes: array.value_data(), offsets: array.value_offsets() }
    }
}

impl<T: ByteArrayType> Cells for Texts<'_, T> {
    fn width(&self, row: usize) -> usize {
        self.offsets[row + 1].as_usize() - self.offsets[row].as_usize()
    }

    fn write(&self, row: usize, out: &mut [u8]) -> usize {
        let (start, length) = (self.offsets[row].as_usize(), self.width(row));
        // Most texts are short, and most have others behind them.
        match self.bytes.get(start..start + SLACK) {
            Some(text) if length <= SLACK => {
                out[..SLACK].copy_from_slice(text);
                length
            }
            _ => number::copy(&self.bytes[start..start + length], out),
        }
    }
}

/// Bytes by row, of which each takes `stretch` in the text.
struct Bytes<G> {
    get: G,
    stretch: usize,
    write: fn(&[u8], &mut [u8]) -> usize,
}

impl<'a, G: Fn(usize) -> &'a [u8]> Cells for Bytes<G> {
    fn width(&self, row: usize) -> usize {
        (self.get)(row).len() * self.stretch
    }

    fn write(&self, row: usize, out: &mut [u8]) -> usize {
        (self.write)((self.get)(row), out)
    }
}

fn hex<'a, A>(array: &'a A, get: impl Fn(&'a A, usize) -> &'a [u8] + 'a) -> Boxed<'a> {
    boxed(Bytes { get: move |row| get(array, row), stretch: 2, write: number::hex })
}
