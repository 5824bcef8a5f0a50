//! Many rows, of many types, sliced anywhere: the same hashes as in the simplest way.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    PrimitiveArray, RecordBatch, StringArray,
};

use super::{batches, hashes, naive};

/// Marsaglia's xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number with any count of bits, so that short texts are as frequent as long ones.
    fn bits(&mut self) -> u64 {
        let shift = self.next() % 64;
        self.next() >> shift
    }

    fn sign(&mut self) -> i64 {
        self.bits() as i64 * if self.next().is_multiple_of(2) { 1 } else { -1 }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// One in five is NULL.
    fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.next().is_multiple_of(5)).then(|| make(self))
    }

    fn column<T: ArrowPrimitiveType>(&mut self, rows: usize, make: fn(&mut Self) -> T::Native) -> ArrayRef {
        Arc::new((0..rows).map(|_| self.option(make)).collect::<PrimitiveArray<T>>())
    }

    fn text(&mut self) -> String {
        let long = if self.next().is_multiple_of(50) { 3000 } else { 40 };
        (0..self.below(long)).map(|_| ['a', '\u{1f}', '\0', 'é', '🦀'][self.below(5)]).collect()
    }

    fn texts(&mut self, rows: usize) -> Vec<Option<String>> {
        (0..rows).map(|_| self.option(Self::text)).collect()
    }
}

fn batch(random: &mut Random, rows: usize) -> RecordBatch {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for _ in 0..rows {
        let list = random.option(|random| random.texts(3));
        lists.append_option(list);
    }
    let bytes = random.texts(rows);
    let bytes: Vec<_> = bytes.iter().map(|text| text.as_ref().map(String::as_bytes)).collect();
    let words = random.texts(rows);
    let words: DictionaryArray<Int16Type> = words.iter().map(|word| word.as_deref()).collect();
    let decimals: Decimal128Array =
        (0..rows).map(|_| random.option(|r| i128::from(r.sign()) * i128::from(r.bits() % 1_000_000))).collect();
    batches::batch(vec![
        ("int16", random.column::<Int16Type>(rows, |r| r.sign() as i16)),
        ("int64", random.column::<Int64Type>(rows, Random::sign)),
        ("uint64", random.column::<UInt64Type>(rows, Random::bits)),
        ("float32", random.column::<Float32Type>(rows, |r| f32::from_bits(r.next() as u32))),
        ("float64", random.column::<Float64Type>(rows, |r| f64::from_bits(r.next()))),
        ("round", random.column::<Float64Type>(rows, |r| r.sign() as f64 / 100.0)),
        ("bool", Arc::new((0..rows).map(|_| random.option(|r| r.next() > 1 << 63)).collect::<BooleanArray>())),
        ("date", Arc::new((0..rows).map(|_| random.option(|r| r.sign() as i32)).collect::<Date32Array>())),
        ("timestamp", random.column::<TimestampMicrosecondType>(rows, Random::sign)),
        ("decimal", Arc::new(decimals.with_precision_and_scale(38, 4).unwrap())),
        ("text", Arc::new(StringArray::from(random.texts(rows)))),
        ("binary", Arc::new(BinaryArray::from(bytes))),
        ("dictionary", Arc::new(words)),
        ("list", Arc::new(lists.finish())),
    ])
}

/// Column by column first, so that a difference is named, and none hides another.
fn same(batch: &RecordBatch) {
    let columns = (0..batch.num_columns()).map(|column| batch.project(&[column]).unwrap());
    for batch in columns.chain([batch.clone()]) {
        for (row, hash) in hashes(&batch).into_iter().enumerate() {
            assert_eq!(hash, naive::hash(&batch, row), "{:?}", batch.slice(row, 1));
        }
    }
}

#[test]
fn random_rows_hash_as_in_the_simplest_way() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20 {
        let rows = 1 + random.below(400);
        let whole = batch(&mut random, rows);
        same(&whole);
        let first = random.below(rows);
        same(&whole.slice(first, 1 + random.below(rows - first)));
    }
}

#[test]
fn edge_values_hash_as_in_the_simplest_way() {
    for whole in [batches::example(), batches::edges(), batches::everything()] {
        same(&whole);
        for row in 0..whole.num_rows() {
            same(&whole.slice(row, 1));
        }
        same(&whole.slice(1, whole.num_rows() - 1));
    }
}
