//! Chooses each column's Parquet encoding from the first batch.
//!
//! Dictionary encoding costs a hash a value and pays where values repeat. What does not repeat is packed by the
//! difference to the value before, or written plain: which of the two is smaller is tried, not guessed. The choice
//! affects size and speed, never the values.

use std::io;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use xxhash_rust::xxh3::xxh3_64;

/// Rows looked at, evenly spaced over the batch. Sampling takes well under a millisecond a column.
const SAMPLE_ROWS: usize = 4096;

/// Fewer non-null values say nothing, and a file that small does not need a choice.
const LEAST_VALUES: usize = 64;

/// Encodings are tried on this many runs of adjacent rows, spread over the batch. Together they fill about a page,
/// because the codec finds more to share in a page than in a part of one. A trial takes about a millisecond.
const TRIAL_RUNS: usize = 4;
const RUN_ROWS: usize = 4096;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    Dictionary,
    Delta,
    Plain,
}

/// Sets the encoding of every top-level primitive, text and binary column of `batch`; nested ones keep the default,
/// which is a dictionary that falls back to plain when it grows over a page.
///
/// Pages get an index of their least and greatest values only where the values are sorted: elsewhere every page spans
/// the whole range, and an index of that skips nothing.
pub(super) fn choose_encodings(
    mut properties: WriterPropertiesBuilder,
    batch: &RecordBatch,
    codec: Compression,
) -> Result<WriterPropertiesBuilder> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let path = ColumnPath::new(vec![field.name().clone()]);
        let rows = sample_rows(column);
        let integers = integers(column, &rows);
        if integers.as_ref().is_some_and(|values| is_sorted(values)) {
            properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::Page);
        }
        properties = match choose(column, &rows, integers, codec)? {
            Choice::Dictionary => properties,
            Choice::Plain => properties.set_column_dictionary_enabled(path, false),
            Choice::Delta => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        };
    }
    Ok(properties)
}

/// The rule, with `n` sampled values of which `d` are distinct:
///
/// 1. `d <= n / 8`: dictionary. Few values, whatever their type and order.
/// 2. `d <= 9/10 n`: dictionary, which is below about 20 000 distinct values when they are evenly spread. But whole
///    numbers, dates and times whose differences take fewer bits than it takes to number `d` values: delta.
/// 3. Whole numbers, dates and times that are smaller as differences: delta.
/// 4. Otherwise plain.
fn choose(column: &ArrayRef, rows: &[usize], integers: Option<Vec<i64>>, codec: Compression) -> Result<Choice> {
    if rows.len() < LEAST_VALUES {
        return Ok(Choice::Dictionary);
    }
    let whole = integers.is_some();
    let keys = integers.map(|values| values.into_iter().map(|v| v as u64).collect());
    let Some(mut keys) = keys.or_else(|| hashes(column, rows)) else {
        return Ok(Choice::Dictionary);
    };
    keys.sort_unstable();
    keys.dedup();
    let (n, distinct) = (rows.len(), keys.len());
    if distinct <= n / 8 {
        return Ok(Choice::Dictionary);
    }
    let repeats = distinct * 10 <= n * 9;
    if whole {
        let trial = Trial::new(column, codec);
        let delta = trial.bytes(Encoding::DELTA_BINARY_PACKED)?;
        let other = if repeats { trial.numbered_bytes(distinct) } else { trial.bytes(Encoding::PLAIN)? };
        if delta < other {
            return Ok(Choice::Delta);
        }
    }
    Ok(if repeats { Choice::Dictionary } else { Choice::Plain })
}

/// Some runs of a column, to be encoded and thrown away.
struct Trial {
    runs: Vec<ArrayRef>,
    codec: Compression,
}

impl Trial {
    fn new(column: &ArrayRef, codec: Compression) -> Self {
        let distance = column.len().div_ceil(TRIAL_RUNS).max(1);
        let starts = (0..column.len()).step_by(distance);
        let runs = starts.map(|start| column.slice(start, RUN_ROWS.min(distance).min(column.len() - start)));
        Self { runs: runs.collect(), codec }
    }

    /// The bytes that the runs take in a file, without its footer.
    fn bytes(&self, encoding: Encoding) -> Result<u64> {
        let properties = WriterProperties::builder()
            .set_compression(self.codec)
            .set_dictionary_enabled(false)
            .set_encoding(encoding)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let data_type = self.runs.first().map_or(DataType::Null, |run| run.data_type().clone());
        let schema = Arc::new(Schema::new(vec![Field::new("", data_type, true)]));
        let mut writer = ArrowWriter::try_new(io::sink(), Arc::clone(&schema), Some(properties))?;
        for run in &self.runs {
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(run)])?)?;
        }
        Ok(writer.close()?.row_groups().iter().map(|group| group.compressed_size() as u64).sum())
    }

    /// The bytes of the runs as entries of a dictionary of `distinct` values, which is not counted: a row group shares
    /// it.
    fn numbered_bytes(&self, distinct: usize) -> u64 {
        let values: usize = self.runs.iter().map(|run| run.len() - run.null_count()).sum();
        values as u64 * u64::from(usize::BITS - distinct.leading_zeros()) / 8
    }
}

/// The numbers of the non-null rows to look at, in order.
fn sample_rows(column: &ArrayRef) -> Vec<usize> {
    let step = column.len().div_ceil(SAMPLE_ROWS).max(1);
    (0..column.len()).step_by(step).filter(|row| column.is_valid(*row)).collect()
}

/// The sampled values as whole numbers where Parquet stores them as such, in 32 or 64 bits. Unsigned values may wrap:
/// that changes their order at one point, which is harmless in a sample.
fn integers(column: &ArrayRef, rows: &[usize]) -> Option<Vec<i64>> {
    match column.data_type() {
        DataType::Float16
        | DataType::Float32
        | DataType::Float64
        | DataType::Interval(_)
        | DataType::Decimal256(..) => return None,
        DataType::Decimal128(precision, _) if *precision > 18 => return None,
        _ => {}
    }
    let width = column.data_type().primitive_width()?;
    let data = column.to_data();
    Some(match width {
        1 => pick(data.buffer::<i8>(0), rows, i64::from),
        2 => pick(data.buffer::<i16>(0), rows, i64::from),
        4 => pick(data.buffer::<i32>(0), rows, i64::from),
        8 => pick(data.buffer::<i64>(0), rows, |v| v),
        _ => pick(data.buffer::<i128>(0), rows, |v| v as i64),
    })
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
mod tests;
