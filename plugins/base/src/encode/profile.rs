//! Chooses each column's Parquet encoding from a sample of the first batch.
//!
//! Dictionary encoding costs a hash a value and pays where values repeat; delta encoding suits keys and times that
//! grow; anything else is written plain and left to the codec. The choice affects size and speed, never the values.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::basic::Encoding;
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;
use xxhash_rust::xxh3::xxh3_64;

/// Rows looked at, evenly spaced over the batch. Sampling takes well under a millisecond a column.
const SAMPLE_ROWS: usize = 4096;

/// Fewer non-null values say nothing, and a file that small does not need a choice.
const LEAST_VALUES: usize = 64;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    Dictionary,
    Delta,
    Plain,
}

/// Sets the encoding of every top-level primitive, text and binary column of `batch`; nested ones keep the default,
/// which is a dictionary that falls back to plain when it grows over a page.
pub(super) fn choose_encodings(
    mut properties: WriterPropertiesBuilder,
    batch: &RecordBatch,
) -> WriterPropertiesBuilder {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let path = ColumnPath::new(vec![field.name().clone()]);
        properties = match choose(column) {
            Choice::Dictionary => properties,
            Choice::Plain => properties.set_column_dictionary_enabled(path, false),
            Choice::Delta => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        };
    }
    properties
}

/// The rule, with `n` sampled values of which `d` are distinct:
///
/// 1. `d <= n / 8`: dictionary. Few values, whatever their type and order.
/// 2. Whole numbers, dates and times of which nine steps in ten go the same way and fit half their width: delta.
/// 3. `d <= 9/10 n`: dictionary. That is below about 20 000 distinct values when they are evenly spread.
/// 4. Otherwise plain.
fn choose(column: &ArrayRef) -> Choice {
    let rows = sample_rows(column);
    if rows.len() < LEAST_VALUES {
        return Choice::Dictionary;
    }
    let integers = integers(column, &rows);
    let Some(mut keys) = integers
        .as_ref()
        .map(|(_, values)| values.iter().map(|v| *v as u64).collect::<Vec<_>>())
        .or_else(|| hashes(column, &rows))
    else {
        return Choice::Dictionary;
    };
    keys.sort_unstable();
    keys.dedup();
    let (n, distinct) = (rows.len(), keys.len());
    if distinct <= n / 8 {
        return Choice::Dictionary;
    }
    if integers.is_some_and(|(width, values)| is_sorted(&values) && step_bits(&values) * 2 <= width) {
        return Choice::Delta;
    }
    if distinct * 10 <= n * 9 { Choice::Dictionary } else { Choice::Plain }
}

/// The numbers of the non-null rows to look at, in order.
fn sample_rows(column: &ArrayRef) -> Vec<usize> {
    let step = column.len().div_ceil(SAMPLE_ROWS).max(1);
    (0..column.len()).step_by(step).filter(|row| column.is_valid(*row)).collect()
}

/// The width in bits with which Parquet stores a column of whole numbers, and the sampled values as they are stored.
/// Unsigned values may wrap: that changes their order at one point, which is harmless in a sample.
fn integers(column: &ArrayRef, rows: &[usize]) -> Option<(u32, Vec<i64>)> {
    let stored = match column.data_type() {
        DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Interval(_)
        | DataType::Decimal256(..) => {
            return None;
        }
        DataType::Decimal128(precision, _) if *precision > 18 => return None,
        DataType::Decimal128(precision, _) | DataType::Decimal64(precision, _) if *precision <= 9 => 32,
        other => other.primitive_width()?.clamp(4, 8) as u32 * 8,
    };
    let data = column.to_data();
    let values = match column.data_type().primitive_width()? {
        1 => pick(data.buffer::<i8>(0), rows, i64::from),
        2 => pick(data.buffer::<i16>(0), rows, i64::from),
        4 => pick(data.buffer::<i32>(0), rows, i64::from),
        8 => pick(data.buffer::<i64>(0), rows, |v| v),
        _ => pick(data.buffer::<i128>(0), rows, |v| v as i64),
    };
    Some((stored, values))
}

fn pick<T: Copy>(values: &[T], rows: &[usize], widen: impl Fn(T) -> i64) -> Vec<i64> {
    rows.iter().map(|row| widen(values[*row])).collect()
}

/// Whether the values grow, or fall, but for one step in ten: rows that arrive late do not unsort a column of times.
fn is_sorted(values: &[i64]) -> bool {
    let up = values.windows(2).filter(|pair| pair[0] <= pair[1]).count();
    let down = values.windows(2).filter(|pair| pair[0] >= pair[1]).count();
    up.max(down) * 10 >= values.len() * 9
}

/// How many bits a step from one value to the next takes on average, packed in groups of 32 as Parquet does.
fn step_bits(values: &[i64]) -> u32 {
    let groups = values.chunks(32).filter(|group| group.len() > 1);
    let bits = groups.map(|group| {
        let steps = group.windows(2).map(|pair| i128::from(pair[1]) - i128::from(pair[0]));
        let (least, greatest) = steps.fold((i128::MAX, i128::MIN), |(lo, hi), step| (lo.min(step), hi.max(step)));
        i128::BITS - (greatest - least).leading_zeros()
    });
    let (count, total) = bits.fold((0, 0), |(count, total), bits| (count + 1, total + bits));
    total / count.max(1)
}

/// A number for each sampled value that differs where the values differ; `None` for types without a choice.
fn hashes(column: &ArrayRef, rows: &[usize]) -> Option<Vec<u64>> {
    use arrow_array::types::{Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type};
    let rows = rows.iter().copied();
    let array = column.as_ref();
    Some(match column.data_type() {
        DataType::Float16 => rows.map(|i| u64::from(array.as_primitive::<Float16Type>().value(i).to_bits())).collect(),
        DataType::Float32 => rows.map(|i| u64::from(array.as_primitive::<Float32Type>().value(i).to_bits())).collect(),
        DataType::Float64 => rows.map(|i| array.as_primitive::<Float64Type>().value(i).to_bits()).collect(),
        DataType::Decimal128(..) => {
            rows.map(|i| xxh3_64(&array.as_primitive::<Decimal128Type>().value(i).to_le_bytes())).collect()
        }
        DataType::Decimal256(..) => {
            rows.map(|i| xxh3_64(&array.as_primitive::<Decimal256Type>().value(i).to_le_bytes())).collect()
        }
        DataType::Utf8 => rows.map(|i| xxh3_64(array.as_string::<i32>().value(i).as_bytes())).collect(),
        DataType::LargeUtf8 => rows.map(|i| xxh3_64(array.as_string::<i64>().value(i).as_bytes())).collect(),
        DataType::Utf8View => rows.map(|i| xxh3_64(array.as_string_view().value(i).as_bytes())).collect(),
        DataType::Binary => rows.map(|i| xxh3_64(array.as_binary::<i32>().value(i))).collect(),
        DataType::LargeBinary => rows.map(|i| xxh3_64(array.as_binary::<i64>().value(i))).collect(),
        DataType::BinaryView => rows.map(|i| xxh3_64(array.as_binary_view().value(i))).collect(),
        DataType::FixedSizeBinary(_) => rows.map(|i| xxh3_64(array.as_fixed_size_binary().value(i))).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::TimestampMicrosecondArray;
    use arrow_array::{Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray};

    use super::*;

    /// Well mixed numbers below `below`.
    fn noise(count: u64, below: u64) -> impl Iterator<Item = u64> {
        (0..count).map(move |i| xxh3_64(&i.to_le_bytes()) % below)
    }

    #[test]
    fn rule() {
        let cases: Vec<(&str, ArrayRef, Choice)> = vec![
            ("sorted key", Arc::new(Int64Array::from_iter_values(0..10_000)), Choice::Delta),
            (
                "sorted key that repeats",
                Arc::new(Int64Array::from_iter_values((0..10_000).map(|i| i / 3))),
                Choice::Delta,
            ),
            (
                "key with gaps",
                Arc::new(Int64Array::from_iter_values((0..10_000).map(|i| i + (i / 500) * 1_000_000_000))),
                Choice::Delta,
            ),
            (
                "growing time",
                Arc::new(TimestampMicrosecondArray::from_iter_values(
                    noise(9000, 1 << 20).enumerate().map(|(i, n)| (i as i64) << 20 | n as i64),
                )),
                Choice::Delta,
            ),
            (
                "random key",
                Arc::new(Int64Array::from_iter_values(noise(9000, 1 << 62).map(|n| n as i64))),
                Choice::Plain,
            ),
            (
                "few numbers",
                Arc::new(Int32Array::from_iter_values(noise(9000, 50).map(|n| n as i32))),
                Choice::Dictionary,
            ),
            (
                "few days",
                Arc::new(Date32Array::from_iter_values(noise(9000, 400).map(|n| n as i32))),
                Choice::Dictionary,
            ),
            (
                "wide price",
                Arc::new(
                    Decimal128Array::from_iter_values(noise(9000, 1 << 40).map(i128::from))
                        .with_precision_and_scale(38, 2)
                        .unwrap(),
                ),
                Choice::Plain,
            ),
            (
                "measure",
                Arc::new(Float64Array::from_iter_values(noise(9000, 1 << 50).map(|n| n as f64))),
                Choice::Plain,
            ),
            (
                "comment",
                Arc::new(StringArray::from_iter_values(noise(9000, 1 << 50).map(|n| n.to_string()))),
                Choice::Plain,
            ),
            (
                "status",
                Arc::new(StringArray::from_iter_values(noise(9000, 7).map(|n| n.to_string()))),
                Choice::Dictionary,
            ),
            (
                "city",
                Arc::new(StringArray::from_iter_values(noise(9000, 3000).map(|n| n.to_string()))),
                Choice::Dictionary,
            ),
            ("nothing", Arc::new(StringArray::new_null(9000)), Choice::Dictionary),
            ("few rows", Arc::new(Int64Array::from_iter_values(0..10)), Choice::Dictionary),
        ];
        for (name, column, expected) in cases {
            assert_eq!(choose(&column), expected, "{name}");
            let part = column.slice(column.len() / 3, column.len() / 2);
            assert_eq!(choose(&part), expected, "a slice of {name}");
        }
    }
}
