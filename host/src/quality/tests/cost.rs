//! What a unique column costs. Figures for `docs/src/reference/quality.md`; run one at a time with
//! `cargo test --release -p rivet --lib quality::tests::cost -- --ignored --nocapture --test-threads=1 NAME`.

use std::ops::Range;

use super::*;
use crate::memory::peak_rss_mb;

const FIFTY_MILLION: u64 = 50_000_000;
const HUNDRED_MILLION: u64 = 100_000_000;
const BATCH: u64 = 65_536;

/// Of this thread in nanoseconds, so that other programs do not count.
fn processor_time() -> u64 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    statistics.split(' ').next().unwrap().parse().unwrap()
}

/// Shows batches made from row numbers and prints the processor time for each value, without that for making them.
#[expect(clippy::print_stderr, reason = "the figures are what it is for")]
fn measure(what: &str, rows: u64, data_type: DataType, expected: u64, make: impl Fn(Range<u64>) -> ArrayRef) {
    let schema = Arc::new(Schema::new(vec![Field::new("v", data_type, true)]));
    let quality = Quality::within(BUDGET, &unique("v"), &schema, std::env::temp_dir()).unwrap();
    let mut observer = quality.chunk();
    let (mut seeing, before) = (0, peak_rss_mb());
    for start in (0..rows).step_by(BATCH as usize) {
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![make(start..(start + BATCH).min(rows))]).unwrap();
        let start = processor_time();
        observer.see(&batch).unwrap();
        seeing += processor_time() - start;
    }
    let start = processor_time();
    observer.keep().unwrap();
    let issues = judge(&quality).issues;
    let judging = processor_time() - start;
    let per_value = |time: u64| time as f64 / rows as f64;
    let (see, judge, after) = (per_value(seeing), per_value(judging), peak_rss_mb());
    eprintln!(
        "{what}, {rows} rows: {see:.1} + {judge:.1} = {:.1} ns a value, peak RSS {before} -> {after} MiB",
        see + judge
    );
    let expected = (expected > 0).then(|| format!("\"v\" has {expected} duplicate value among {rows} rows"));
    assert_eq!(issues, expected.into_iter().collect::<Vec<_>>());
}

#[test]
#[ignore = "slow"]
fn distinct_integers() {
    for rows in [FIFTY_MILLION, HUNDRED_MILLION] {
        measure("Int64", rows, DataType::Int64, 0, |rows| {
            Arc::new(Int64Array::from_iter_values(rows.map(|n| n as i64)))
        });
    }
}

#[test]
#[ignore = "slow"]
fn one_repetition_at_the_end() {
    for all in [FIFTY_MILLION, HUNDRED_MILLION] {
        measure("Int64, the last one repeated", all, DataType::Int64, 1, |rows| {
            Arc::new(Int64Array::from_iter_values(rows.map(|n| n.min(all - 2) as i64)))
        });
    }
}

#[test]
#[ignore = "slow"]
fn short_texts() {
    measure("Utf8 of 8 bytes", FIFTY_MILLION, DataType::Utf8, 0, |rows| {
        Arc::new(StringArray::from_iter_values(rows.map(|n| format!("{n:08x}"))))
    });
}

#[test]
#[ignore = "slow"]
fn identifiers_as_text() {
    measure("Utf8 of 36 bytes", FIFTY_MILLION, DataType::Utf8, 0, |rows| {
        Arc::new(StringArray::from_iter_values(rows.map(|n| format!("{n:08x}-0000-4000-8000-{:012x}", n * 7919))))
    });
}
