//! Dates, timestamps and times of day: from the server's epoch, 2000, to Arrow's, 1970.

use super::Misfit;

/// Days and microseconds from Arrow's epoch to the server's.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

#[inline]
pub(super) fn date(days: i32) -> Result<i32, Misfit> {
    match days {
        i32::MAX => Err(Misfit::Beyond("the date \"infinity\"")),
        i32::MIN => Err(Misfit::Beyond("the date \"-infinity\"")),
        _ => days.checked_add(EPOCH_DAYS).ok_or(Misfit::Beyond("a date out of range")),
    }
}

#[inline]
pub(super) fn timestamp(micros: i64) -> Result<i64, Misfit> {
    match micros {
        i64::MAX => Err(Misfit::Beyond("the timestamp \"infinity\"")),
        i64::MIN => Err(Misfit::Beyond("the timestamp \"-infinity\"")),
        _ => micros.checked_add(EPOCH_MICROS).ok_or(Misfit::Beyond("a timestamp behind the year 294246")),
    }
}

/// PostgreSQL has 24:00:00, Arrow's times of day end before it.
pub(super) fn time(micros: i64) -> Result<i64, Misfit> {
    if micros == DAY_MICROS { Err(Misfit::Value("the time \"24:00:00\"")) } else { Ok(micros) }
}
