//! The rule on columns whose best encoding is known.

use arrow_array::TimestampMicrosecondArray;
use arrow_array::{Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray};

use parquet::basic::ZstdLevel;

use super::*;

/// Well mixed numbers below `below`.
fn noise(count: u64, below: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |i| xxh3_64(&i.to_le_bytes()) % below)
}

fn chosen(column: &ArrayRef) -> Choice {
    let rows = sample_rows(column);
    choose(column, &rows, integers(column, &rows), Compression::ZSTD(ZstdLevel::default())).unwrap()
}

#[test]
fn rule() {
    let cases: Vec<(&str, ArrayRef, Choice)> = vec![
        ("sorted key", Arc::new(Int64Array::from_iter_values(0..10_000)), Choice::Delta),
        ("sorted key that repeats", Arc::new(Int64Array::from_iter_values((0..10_000).map(|i| i / 3))), Choice::Delta),
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
        ("random key", Arc::new(Int64Array::from_iter_values(noise(9000, u64::MAX).map(|n| n as i64))), Choice::Plain),
        (
            "random number",
            Arc::new(Int64Array::from_iter_values(noise(9000, 1 << 20).map(|n| n as i64))),
            Choice::Delta,
        ),
        (
            "random second",
            Arc::new(TimestampMicrosecondArray::from_iter_values(noise(9000, 1 << 30).map(|n| n as i64 * 1_000_000))),
            Choice::Delta,
        ),
        (
            "number with outliers",
            Arc::new(Int64Array::from_iter_values(
                noise(9000, 1 << 40).map(|n| if n % 100 == 0 { n } else { n % (1 << 17) } as i64),
            )),
            Choice::Plain,
        ),
        ("few numbers", Arc::new(Int32Array::from_iter_values(noise(9000, 50).map(|n| n as i32))), Choice::Dictionary),
        ("few days", Arc::new(Date32Array::from_iter_values(noise(9000, 400).map(|n| n as i32))), Choice::Dictionary),
        (
            "wide price",
            Arc::new(
                Decimal128Array::from_iter_values(noise(9000, 1 << 40).map(i128::from))
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
            Choice::Plain,
        ),
        ("measure", Arc::new(Float64Array::from_iter_values(noise(9000, 1 << 50).map(|n| n as f64))), Choice::Plain),
        (
            "comment",
            Arc::new(StringArray::from_iter_values(noise(9000, 1 << 50).map(|n| n.to_string()))),
            Choice::Plain,
        ),
        ("status", Arc::new(StringArray::from_iter_values(noise(9000, 7).map(|n| n.to_string()))), Choice::Dictionary),
        ("city", Arc::new(StringArray::from_iter_values(noise(9000, 3000).map(|n| n.to_string()))), Choice::Dictionary),
        ("nothing", Arc::new(StringArray::new_null(9000)), Choice::Dictionary),
        ("few rows", Arc::new(Int64Array::from_iter_values(0..10)), Choice::Dictionary),
    ];
    for (name, column, expected) in cases {
        assert_eq!(chosen(&column), expected, "{name}");
        let part = column.slice(column.len() / 3, column.len() / 2);
        assert_eq!(chosen(&part), expected, "a slice of {name}");
    }
}
