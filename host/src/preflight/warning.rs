//! What may go wrong although the query is fine.

use rivet_plugin_api::CursorValue;
use serde::Serialize;

use crate::config::Mode;

/// A warning, with a name that stays the same.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Warning {
    /// `sparse_key_range`, `dense_surrogate_sort` or `parallel_memory`.
    pub code: &'static str,
    /// What it means here.
    pub text: String,
}

/// What the warnings depend on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The export's mode.
    pub mode: &'a Mode,
    /// Its query.
    pub query: &'a str,
    /// Its workers.
    pub parallel: usize,
    /// The rows it exports.
    pub rows: Option<u64>,
    /// The least and the greatest key.
    pub range: Option<(&'a CursorValue, &'a CursorValue)>,
    /// The most chunks between them.
    pub chunks: Option<u64>,
}

/// Below this share of keys that are there, a range is sparse.
const SPARSE: f64 = 0.1;
/// So few chunks are no loss, however empty they are.
const FEW_CHUNKS: u64 = 10;
/// More rows than these make the memory of several workers worth a thought.
const MANY_ROWS: u64 = 5_000_000;

/// The warnings that apply.
pub fn warnings(facts: Facts<'_>) -> Vec<Warning> {
    [sparse(facts), dense(facts), memory(facts)].into_iter().flatten().collect()
}

fn sparse(Facts { mode, rows, range, chunks, .. }: Facts<'_>) -> Option<Warning> {
    let Mode::Chunked { dense: false, size, column, .. } = mode else { return None };
    let (rows, (min, max), chunks) = (rows?, range?, chunks?);
    let width = (whole(max)? - whole(min)?).max(1);
    let density = rows as f64 / width as f64;
    if density >= SPARSE || chunks <= FEW_CHUNKS {
        return None;
    }
    // Never 100: the rows are somewhere.
    let empty = ((1.0 - density) * 100.0).round().min(99.0);
    let rows = super::about(rows);
    Some(Warning {
        code: "sparse_key_range",
        text: format!(
            "Sparse key range: ~{empty}% of chunk windows will be empty or nearly so: {rows} rows in the range {min} .. \
             {max} of '{column}' ({chunks} windows of {size}). Raise chunk_size, set chunk_dense: true, or chunk by a \
             column without gaps."
        ),
    })
}

fn dense(Facts { mode, query, .. }: Facts<'_>) -> Option<Warning> {
    let Mode::Chunked { dense, column, .. } = mode else { return None };
    let numbers = query.to_ascii_uppercase().contains("ROW_NUMBER");
    let text = if *dense {
        format!(
            "Dense surrogate sort cost: chunk_dense orders all rows by '{column}' once a run. Without an index on it the \
             server sorts them; consider incremental mode on an indexed column."
        )
    } else if numbers {
        "Dense surrogate sort cost: the query numbers its rows with ROW_NUMBER(), which the server does again for every \
         chunk. chunk_dense: true numbers them once a run; a stored dense key costs nothing."
            .to_owned()
    } else {
        return None;
    };
    Some(Warning { code: "dense_surrogate_sort", text })
}

fn memory(Facts { parallel, rows, .. }: Facts<'_>) -> Option<Warning> {
    let rows = rows.filter(|rows| parallel > 1 && *rows > MANY_ROWS)?;
    let rows = super::about(rows);
    Some(Warning {
        code: "parallel_memory",
        text: format!(
            "Parallel memory risk: {parallel} workers on {rows} rows hold a batch and a row group each. Lower parallel, or \
             set tuning.memory_threshold_mb."
        ),
    })
}

/// A key as a whole number, for keys that are numbers.
fn whole(key: &CursorValue) -> Option<i128> {
    match key {
        CursorValue::Int(key) => Some(i128::from(*key)),
        CursorValue::UInt(key) => Some(i128::from(*key)),
        CursorValue::Decimal(text) => text.split('.').next()?.parse().ok(),
        _ => None,
    }
}
