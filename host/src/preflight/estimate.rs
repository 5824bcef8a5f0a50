//! How much comes out of a run and how long it takes, as ranges: nobody knows before. The rates are those that the
//! documentation names (`docs/src/reference/check.md`).

use rivet_plugin_api::{Compression, FormatKind};
use serde::Serialize;

/// From and to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Range {
    /// At least about this.
    pub low: u64,
    /// At most about this.
    pub high: u64,
}

/// What is estimated from.
#[derive(Clone, Copy, Debug)]
pub struct Basis {
    /// The rows of a run.
    pub rows: u64,
    /// Bytes of one.
    pub row_bytes: u64,
    /// Bytes that are scanned without coming out.
    pub scanned: u64,
    /// The file format.
    pub format: FormatKind,
    /// Its codec.
    pub compression: Compression,
    /// Readers at once.
    pub workers: u64,
    /// Milliseconds of rest for every `batch_size` rows of a reader.
    pub throttle_ms: u64,
    /// See `throttle_ms`.
    pub batch_size: u64,
}

/// Bytes of rows a second that one connection brings: from a loaded or distant server to an idle one nearby.
const READ: (f64, f64) = (10e6, 100e6);
/// Bytes a second that a server scans: from a disk to its cache.
const SCAN: (f64, f64) = (100e6, 2e9);

/// The bytes of the files.
pub fn output(basis: Basis) -> Range {
    let raw = basis.rows as f64 * basis.row_bytes as f64;
    let (low, high) = match (basis.format, basis.compression) {
        (FormatKind::Parquet, Compression::None) => (0.3, 1.1),
        (FormatKind::Parquet, _) => (0.1, 0.8),
        _ => (0.6, 1.6),
    };
    Range { low: (raw * low) as u64, high: (raw * high) as u64 }
}

/// The milliseconds of a run, its pauses included.
pub fn duration(basis: Basis) -> Range {
    let workers = basis.workers.max(1) as f64;
    let raw = basis.rows as f64 * basis.row_bytes as f64 / workers;
    let pauses = pauses_ms(basis) as f64 / 1000.0;
    let scanned = basis.scanned as f64;
    let seconds = |read: f64, scan: f64| raw / read + scanned / scan + pauses;
    let ms = |seconds: f64| (seconds * 1000.0) as u64;
    Range { low: ms(seconds(READ.1, SCAN.1)), high: ms(seconds(READ.0, SCAN.0)) }
}

/// The milliseconds that a reader rests.
pub fn pauses_ms(basis: Basis) -> u64 {
    let rows = u128::from(basis.rows / basis.workers.max(1));
    u64::try_from(rows * u128::from(basis.throttle_ms) / u128::from(basis.batch_size.max(1))).unwrap_or(u64::MAX)
}

/// The bytes of a row by the types of its columns, where no statistics say more.
pub fn row_bytes<'a>(arrow_types: impl Iterator<Item = &'a str>) -> u64 {
    arrow_types.map(width).sum::<u64>().max(1)
}

fn width(arrow_type: &str) -> u64 {
    match arrow_type {
        "Boolean" | "Int8" | "UInt8" => 1,
        "Int16" | "UInt16" => 2,
        "Int32" | "UInt32" | "Float32" | "Date32" => 4,
        "Utf8" | "Binary" => 32,
        other if other.starts_with("List") => 64,
        other if other.starts_with("Decimal") => 16,
        _ => 8,
    }
}
