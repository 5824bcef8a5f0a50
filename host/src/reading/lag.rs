//! `cursor_lag`: where an incremental window ends so that the newest rows are left to later runs. Never is less held back
//! than was asked for: what cannot be computed exactly is rounded down, and what has no distance is refused.

mod decimal;

use std::cmp::Ordering;

use rivet_plugin_api::{Bounds, CursorValue, Error, Result};

use self::decimal::Decimal;
use crate::config::CursorLag;

const DAY: i64 = 86_400_000_000;

/// The greatest value of `column` that a window over the values of `bounds` may hold; `None` when all of them are too new.
///
/// Where the clock counts, it is read as UTC by columns without a zone, and a date is over when its day is.
///
/// # Errors
/// A column whose type does not go with the lag, a value that is no finite number, and a source without a clock.
pub(super) fn upper_end(lag: CursorLag, column: &str, bounds: &Bounds) -> Result<Option<CursorValue>> {
    let (Some(min), Some(max)) = (&bounds.min, &bounds.max) else { return Ok(None) };
    let Some(limit) = limit(lag, column, max, bounds.now)? else { return Ok(None) };
    let not_beyond = |value: &CursorValue| Some(order(value, &limit)? != Ordering::Greater);
    match (not_beyond(min), not_beyond(max)) {
        (_, Some(true)) => Ok(Some(max.clone())),
        (Some(true), Some(false)) => Ok(Some(limit)),
        (Some(false), Some(false)) => Ok(None),
        _ => Err(no_distance(column, min)),
    }
}

/// What lies `lag` behind; `None` when that is below every value of the type.
fn limit(lag: CursorLag, column: &str, max: &CursorValue, now: Option<i64>) -> Result<Option<CursorValue>> {
    use CursorValue as V;
    match (lag, max) {
        (CursorLag::Amount(amount), V::Int(v)) => Ok(v.checked_sub_unsigned(amount).map(V::Int)),
        (CursorLag::Amount(amount), V::UInt(v)) => Ok(v.checked_sub(amount).map(V::UInt)),
        (CursorLag::Amount(amount), V::Float(v)) if v.is_finite() => Ok(Some(V::Float(below(*v, amount)))),
        (CursorLag::Amount(amount), V::Decimal(text)) => {
            let value = Decimal::parse(text).ok_or_else(|| no_distance(column, max))?;
            Ok(Some(V::Decimal(value.minus(amount).to_string())))
        }
        (CursorLag::Time(micros), V::Date(_) | V::Timestamp(_) | V::Instant(_)) => {
            let now = now.ok_or_else(no_clock)?;
            let limit = now.checked_sub(micros);
            Ok(limit.and_then(|limit| match max {
                V::Date(_) => i32::try_from(limit.div_euclid(DAY) - 1).ok().map(V::Date),
                V::Timestamp(_) => Some(V::Timestamp(limit)),
                _ => Some(V::Instant(limit)),
            }))
        }
        (CursorLag::Amount(_), V::Float(_)) => Err(no_distance(column, max)),
        _ => Err(misfit(lag, column, max)),
    }
}

/// `value - amount`, or the next number below where that is between two numbers.
fn below(value: f64, amount: u64) -> f64 {
    let amount = amount as f64;
    let difference = value - amount;
    if value - difference < amount { difference.next_down() } else { difference }
}

/// How two values of one kind are ordered, for kinds that have a distance.
fn order(a: &CursorValue, b: &CursorValue) -> Option<Ordering> {
    use CursorValue as V;
    match (a, b) {
        (V::Int(a), V::Int(b)) | (V::Timestamp(a), V::Timestamp(b)) | (V::Instant(a), V::Instant(b)) => Some(a.cmp(b)),
        (V::UInt(a), V::UInt(b)) => Some(a.cmp(b)),
        (V::Date(a), V::Date(b)) => Some(a.cmp(b)),
        (V::Float(a), V::Float(b)) => a.partial_cmp(b),
        (V::Decimal(a), V::Decimal(b)) => Some(Decimal::parse(a)?.order(&Decimal::parse(b)?)),
        _ => None,
    }
}

fn no_clock() -> Error {
    Error::unsupported("the connector does not tell the time at the source, which `cursor_lag` needs")
        .hint("update the connector, or remove `cursor_lag`")
}

fn no_distance(column: &str, value: &CursorValue) -> Error {
    Error::data(format!("column \"{column}\" holds {value}, from which `cursor_lag` cannot be subtracted"))
        .hint("leave such rows out in the query, or remove `cursor_lag`")
}

fn misfit(lag: CursorLag, column: &str, value: &CursorValue) -> Error {
    let kind = value.kind();
    let is_time = matches!(value, CursorValue::Date(_) | CursorValue::Timestamp(_) | CursorValue::Instant(_));
    let is_number = matches!(value, CursorValue::Int(_) | CursorValue::UInt(_) | CursorValue::Decimal(_))
        || matches!(value, CursorValue::Float(_));
    match lag {
        CursorLag::Amount(_) if is_time => {
            Error::config(format!("`cursor_lag` is a number, but the cursor column \"{column}\" is of kind \"{kind}\""))
                .hint("write a duration, such as 5m")
        }
        CursorLag::Time(_) if is_number => Error::config(format!(
            "`cursor_lag` is a duration, but the cursor column \"{column}\" is of kind \"{kind}\""
        ))
        .hint("write a number without a unit: how far below the greatest value a window ends"),
        _ => {
            Error::config(format!("`cursor_lag` has no meaning for the cursor column \"{column}\" of kind \"{kind}\""))
                .hint("remove it, or use a cursor column of numbers, dates or timestamps")
        }
    }
}

#[cfg(test)]
mod tests;
