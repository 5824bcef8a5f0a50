mod cost;
mod rules;
mod spilled;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};

use super::*;

fn unique(column: &str) -> config::Quality {
    config::Quality { unique_columns: vec![column.to_owned()], ..config::Quality::default() }
}

fn null_ratio(column: &str, most: f64) -> config::Quality {
    config::Quality { null_ratio_max: BTreeMap::from([(column.to_owned(), most)]), ..config::Quality::default() }
}

/// One column, `v`.
fn batch(values: ArrayRef) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("v", values.data_type().clone(), true)]);
    RecordBatch::try_new(Arc::new(schema), vec![values]).unwrap()
}

fn ints(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    batch(Arc::new(Int64Array::from_iter_values(values)))
}

/// As many rows as `rows`, of which the first `nulls` are NULL.
fn with_nulls(rows: usize, nulls: usize) -> RecordBatch {
    batch(Arc::new((0..rows).map(|row| (row >= nulls).then_some(row as i64)).collect::<Int64Array>()))
}

fn prepare(rules: &config::Quality, like: &RecordBatch) -> Quality {
    Quality::within(BUDGET, rules, &like.schema(), std::env::temp_dir()).unwrap()
}

fn keep(quality: &Quality, batches: &[RecordBatch]) {
    let mut observer = quality.chunk();
    for batch in batches {
        observer.see(batch).unwrap();
    }
    observer.keep().unwrap();
}

/// Judges a window that has no rows but those that were kept.
fn judge(quality: &Quality) -> Verdict {
    let rows = quality.lock().tally.rows;
    quality.judge(rows).unwrap()
}

/// What the rules say of a single batch.
fn issues(rules: &config::Quality, batch: &RecordBatch) -> Vec<String> {
    let quality = prepare(rules, batch);
    keep(&quality, std::slice::from_ref(batch));
    judge(&quality).issues
}
