//! What a row costs: `cargo test --release -p rivet --lib row_costs -- --ignored --nocapture`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray};

use super::{HASH, batches, meta};
use crate::clock::Stopwatch;

/// TPC-H's `lineitem`, with numerics as text.
fn lineitem(rows: usize) -> RecordBatch {
    let numbers = |factor: usize, span: usize| (0..rows).map(move |row| row.wrapping_mul(factor) % span);
    let int =
        |factor, span| -> ArrayRef { Arc::new(Int32Array::from_iter_values(numbers(factor, span).map(|n| n as i32))) };
    let key =
        |factor, span| -> ArrayRef { Arc::new(Int64Array::from_iter_values(numbers(factor, span).map(|n| n as i64))) };
    let date = |factor| -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(numbers(factor, 2500).map(|n| 8000 + n as i32)))
    };
    let money = |factor, span| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(numbers(factor, span).map(|n| format!("{}.{:02}", n / 100, n % 100))))
    };
    let word = |factor, words: &[&str]| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(numbers(factor, words.len()).map(|n| words[n])))
    };
    let comment = "egular courts above the carefully final depos";
    let comments = numbers(7, 34).map(|n| &comment[..10 + n]);
    batches::batch(vec![
        ("l_orderkey", key(7_919, 6_000_000)),
        ("l_partkey", key(104_729, 200_000)),
        ("l_suppkey", key(1_299_709, 10_000)),
        ("l_linenumber", int(1, 7)),
        ("l_quantity", money(100, 5000)),
        ("l_extendedprice", money(15_485_863, 9_000_000)),
        ("l_discount", money(3, 11)),
        ("l_tax", money(5, 9)),
        ("l_returnflag", word(3, &["A", "N", "R"])),
        ("l_linestatus", word(5, &["F", "O"])),
        ("l_shipdate", date(31)),
        ("l_commitdate", date(37)),
        ("l_receiptdate", date(41)),
        ("l_shipinstruct", word(11, &["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"])),
        ("l_shipmode", word(13, &["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"])),
        ("l_comment", Arc::new(StringArray::from_iter_values(comments))),
    ])
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "it is there to be read")]
fn row_costs() {
    let rows = lineitem(32_768);
    let meta = meta(HASH, rows.schema_ref());
    let mut costs: Vec<_> = (0..50)
        .map(|_| {
            let watch = Stopwatch::start();
            meta.apply(rows.clone()).unwrap();
            watch.elapsed().as_nanos() / rows.num_rows() as u128
        })
        .collect();
    costs.sort_unstable();
    eprintln!("row hash of lineitem: median {} ns, least {} ns a row", costs[25], costs[0]);
}
