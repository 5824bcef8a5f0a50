//! `mode: chunked`: half-open ranges of a numeric, date or timestamp key, on a grid that begins at its least value.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{Bounds, BoundsRequest, CursorValue, Error as ApiError, Filter};

use super::{Piece, Reading};
use crate::error::Result;
use crate::plan::Job;

/// Up to this many ranges are planned without looking for gaps: reading an empty one costs no more than looking.
const MOST_EAGER: i128 = 10_000;
/// A plan of more chunks is a mistake.
const MOST_CHUNKS: usize = 1_000_000;
const MICROS: i128 = 1_000_000;

pub(super) fn plan(job: &Job<'_>, source: &mut SourceHandle, column: &str, size: u64) -> Result<Reading> {
    let snapshot = snapshot(job, source)?;
    let mut bounds = |above: Option<CursorValue>| -> Result<Bounds> {
        Ok(source.bounds(&BoundsRequest {
            query: job.export.query.text.clone(),
            params: job.export.params.clone(),
            column: column.to_owned(),
            above,
            snapshot: snapshot.clone(),
            timeouts: job.timeouts(),
            mapping: job.export.mapping.clone(),
            ..BoundsRequest::default()
        })?)
    };
    let all = bounds(None)?;
    let mut pieces = Vec::new();
    if let (Some(min), Some(max)) = (&all.min, &all.max) {
        let grid = Grid::new(column, min, max, size)?;
        let mut next = Some(0);
        while let Some(index) = next {
            pieces.push(grid.piece(column, index));
            if pieces.len() > MOST_CHUNKS {
                let text = format!("`chunk_size: {size}` makes more than {MOST_CHUNKS} chunks of \"{column}\"");
                return Err(ApiError::config(text).hint("raise `chunk_size`").into());
            }
            next = match grid.last - index {
                0 => None,
                _ if grid.last < MOST_EAGER => Some(index + 1),
                // A gap costs one look at the index, however wide it is.
                _ => bounds(grid.below(index + 1))?
                    .min
                    .map(|key| grid.index_of(&key).map_or(index + 1, |i| i.max(index + 1))),
            };
        }
        tracing::info!("chunks of \"{column}\" from {min} to {max}: {}", pieces.len());
    }
    if all.nulls != Some(0) {
        pieces.push(null_keys(column, all.min));
    }
    Ok(Reading { snapshot, word: "chunk", ..Reading::of_pieces(pieces) })
}

/// How many ranges there are at most between the bounds, and the first, the middle and the last of them. `None` without
/// any key.
pub fn samples(column: &str, bounds: &Bounds, size: u64) -> Result<Option<(u64, Vec<Filter>)>> {
    let (Some(min), Some(max)) = (&bounds.min, &bounds.max) else { return Ok(None) };
    let grid = Grid::new(column, min, max, size)?;
    let mut places = vec![0, grid.last / 2, grid.last];
    places.dedup();
    let filters = places.into_iter().map(|index| grid.piece(column, index).filter).collect();
    Ok(Some((u64::try_from(grid.last + 1).unwrap_or(u64::MAX), filters)))
}

/// What several workers read in, where the source has it.
pub(super) fn snapshot(job: &Job<'_>, source: &mut SourceHandle) -> Result<Option<String>> {
    if job.export.parallel < 2 || !job.source_can().snapshot {
        return Ok(None);
    }
    let snapshot = super::snapshot(source)?;
    Ok(snapshot.inspect_err(|reason| tracing::warn!("chunks are read at different times: {reason}")).ok())
}

/// Rows without a key are in no range. Without any key at all, this is every row.
fn null_keys(column: &str, key: Option<CursorValue>) -> Piece {
    let filter = Filter::Range { column: column.to_owned(), from: key.clone(), to: key, include_null: true };
    Piece { filter, start: Some("NULL".to_owned()), end: Some("NULL".to_owned()) }
}

/// Where ranges begin: `origin`, and every `step` from it. Counted in whole numbers, days or microseconds.
struct Grid {
    origin: i128,
    step: i128,
    /// The least value behind the greatest key.
    end: i128,
    /// The number of the last range.
    last: i128,
    value: fn(i128) -> Option<CursorValue>,
    /// What lies behind every key, where that is not the value of `end`: from 2⁵³ on, a float and the next whole number
    /// are the same float.
    beyond: Option<CursorValue>,
}

impl Grid {
    fn new(column: &str, min: &CursorValue, max: &CursorValue, size: u64) -> Result<Self> {
        let (unit, value): (i128, fn(i128) -> Option<CursorValue>) = match min {
            CursorValue::Int(_) => (1, |v| Some(CursorValue::Int(v.try_into().ok()?))),
            CursorValue::UInt(_) => (1, |v| Some(CursorValue::UInt(v.try_into().ok()?))),
            CursorValue::Decimal(_) => (1, |v| Some(CursorValue::Decimal(v.to_string()))),
            CursorValue::Float(_) => (1, |v| Some(CursorValue::Float(v as f64))),
            CursorValue::Date(_) => (1, |v| Some(CursorValue::Date(v.try_into().ok()?))),
            CursorValue::Timestamp(_) => (MICROS, |v| Some(CursorValue::Timestamp(v.try_into().ok()?))),
            CursorValue::Instant(_) => (MICROS, |v| Some(CursorValue::Instant(v.try_into().ok()?))),
            other => {
                let text = format!("column \"{column}\" cannot be cut into ranges: its keys are {}", other.kind());
                return Err(ApiError::config(text)
                    .hint("`chunk_column` takes a number, a date or a timestamp; or set `chunk_dense: true`")
                    .into());
            }
        };
        let whole = |key: &CursorValue| {
            floor(key).ok_or_else(|| {
                let text = format!("column \"{column}\" holds {key}, which no range can reach");
                ApiError::data(text).hint("exclude such rows in the query, or set `chunk_dense: true`")
            })
        };
        let (origin, greatest) = (whole(min)?, whole(max)?);
        let step = i128::from(size).max(1) * unit;
        let beyond = match max {
            CursorValue::Float(max) => Some(CursorValue::Float(((greatest + 1) as f64).max(max.next_up()))),
            _ => None,
        };
        Ok(Self { origin, step, end: greatest + 1, last: (greatest - origin).max(0) / step, value, beyond })
    }

    fn start(&self, index: i128) -> i128 {
        self.origin + index * self.step
    }

    /// The number of the range that holds `key`.
    fn index_of(&self, key: &CursorValue) -> Option<i128> {
        Some((floor(key)? - self.origin).div_euclid(self.step).min(self.last))
    }

    /// The greatest value below range `index`; of decimals, the greatest whole one.
    fn below(&self, index: i128) -> Option<CursorValue> {
        match (self.value)(self.start(index)) {
            Some(CursorValue::Float(start)) => Some(CursorValue::Float(start.next_down())),
            _ => (self.value)(self.start(index) - 1),
        }
    }

    fn piece(&self, column: &str, index: i128) -> Piece {
        let (start, end) = (self.start(index), self.start(index + 1).min(self.end));
        // Past the greatest value of the type the range stays open.
        let from = (self.value)(start);
        let to = self.beyond.clone().filter(|_| end == self.end).or_else(|| (self.value)(end));
        let label = |value: Option<CursorValue>| value.map(|v| v.to_string());
        let (first, last) = (label(from.clone()), label((self.value)(end - 1)));
        let filter = Filter::Range { column: column.to_owned(), from, to, include_null: false };
        Piece { filter, start: first, end: last }
    }
}

/// The whole number at or below a key; `None` for what is no number.
fn floor(key: &CursorValue) -> Option<i128> {
    /// Far beyond 64 bits, and far from overflow.
    const MOST: f64 = 1e30;
    match key {
        CursorValue::Int(v) | CursorValue::Timestamp(v) | CursorValue::Instant(v) => Some(i128::from(*v)),
        CursorValue::UInt(v) => Some(i128::from(*v)),
        CursorValue::Date(v) => Some(i128::from(*v)),
        CursorValue::Float(v) if v.abs() < MOST => Some(v.floor() as i128),
        CursorValue::Decimal(text) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let down = text.starts_with('-') && fraction.bytes().any(|digit| digit != b'0');
            let value = whole.parse::<i128>().ok().filter(|v| v.unsigned_abs() < 1 << 100)?;
            Some(value - i128::from(down))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(min: CursorValue, max: CursorValue, size: u64) -> Vec<(String, String)> {
        let grid = Grid::new("k", &min, &max, size).unwrap();
        let piece = |i| grid.piece("k", i);
        (0..=grid.last).map(piece).map(|p| (p.start.unwrap_or_default(), p.end.unwrap_or_default())).collect()
    }

    fn pair(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn ranges_are_those_of_the_predecessor() {
        let expected = [pair("1", "30"), pair("31", "60"), pair("61", "90"), pair("91", "100")];
        assert_eq!(labels(CursorValue::Int(1), CursorValue::Int(100), 30), expected);
        assert_eq!(labels(CursorValue::Int(5), CursorValue::Int(5), 30), [pair("5", "5")]);
        let dates = labels(CursorValue::Date(19_724), CursorValue::Date(19_726), 2);
        assert_eq!(dates, [pair("2024-01-02", "2024-01-03"), pair("2024-01-04", "2024-01-04")]);
    }

    #[test]
    fn the_limits_of_a_type_are_no_limits() {
        let (min, max) = (CursorValue::Int(i64::MIN), CursorValue::Int(i64::MAX));
        let grid = Grid::new("k", &min, &max, 1 << 62).unwrap();
        assert_eq!(grid.last, 3);
        let Filter::Range { from, to, .. } = grid.piece("k", 3).filter else { panic!("a range") };
        assert_eq!((from, to), (Some(CursorValue::Int(1 << 62)), None));
        assert_eq!(grid.index_of(&max), Some(3));
        let grid = Grid::new("k", &CursorValue::UInt(0), &CursorValue::UInt(u64::MAX), u64::MAX).unwrap();
        assert_eq!(grid.last, 1);
    }

    #[test]
    fn floats_without_fractions_are_in_a_range_too() {
        let (min, max) = (CursorValue::Float(0.0), CursorValue::Float(1e17));
        let grid = Grid::new("k", &min, &max, 10_000_000_000_000_000).unwrap();
        let Filter::Range { from, to, .. } = grid.piece("k", grid.last).filter else { panic!("a range") };
        assert_eq!((from, to), (Some(max), Some(CursorValue::Float(1e17_f64.next_up()))));
        // Half way between two floats, which rounds to the one above.
        let grid = Grid::new("k", &CursorValue::Float(1e16), &CursorValue::Float(2e16), 100).unwrap();
        assert_eq!(grid.below(1), Some(CursorValue::Float(1e16 + 98.0)));
    }

    #[test]
    fn fractions_belong_to_the_whole_number_below() {
        for (key, whole) in [("1.5", 1), ("-1.5", -2), ("-1.0", -1), ("-0.5", -1), ("7", 7)] {
            assert_eq!(floor(&CursorValue::Decimal(key.into())), Some(whole), "{key}");
            assert_eq!(floor(&CursorValue::Float(key.parse().unwrap())), Some(whole), "{key}");
        }
        assert!(Grid::new("k", &CursorValue::Float(f64::NAN), &CursorValue::Float(1.0), 1).is_err());
        assert!(Grid::new("k", &CursorValue::Text("a".into()), &CursorValue::Text("b".into()), 1).is_err());
    }
}
