//! Dates and times, in the proleptic Gregorian calendar.

use rivet_plugin_api::civil_from_days;

use super::number::{eight, signed, unsigned};

/// At least the length of any text below: a year of the widest range takes a sign and twelve digits.
pub(super) const WIDTH: usize = 48;

const DAY: i64 = 86_400;

/// `YYYY-MM-DD`. Years before 0 and beyond 9999 have a sign and at least four digits; 0 is 1 BC.
#[inline]
pub(super) fn date(days: i64, out: &mut [u8]) -> usize {
    let (year, month, day) = civil_from_days(days);
    if !(0..=9999).contains(&year) {
        return far_date(year, month, day, out);
    }
    let [a, b, c, d, m, n, x, y] = eight(year as u32 * 10_000 + month * 100 + day);
    out[..10].copy_from_slice(&[a, b, c, d, b'-', m, n, b'-', x, y]);
    10
}

#[cold]
fn far_date(year: i64, month: u32, day: u32, out: &mut [u8]) -> usize {
    let [_, _, _, _, m, n, x, y] = eight(month * 100 + day);
    out[0] = if year < 0 { b'-' } else { b'+' };
    let year = year.unsigned_abs();
    // At least four digits.
    let zeros = usize::from(year < 1000) + usize::from(year < 100) + usize::from(year < 10);
    out[1..=zeros].fill(b'0');
    let end = 1 + zeros + unsigned(year, &mut out[1 + zeros..]);
    out[end..end + 6].copy_from_slice(&[b'-', m, n, b'-', x, y]);
    end + 6
}

/// `YYYY-MM-DDTHH:MM:SS` and the fraction of a count of seconds divided by `PER_SECOND`.
#[inline]
pub(super) fn timestamp<const PER_SECOND: i64>(value: i64, out: &mut [u8]) -> usize {
    let (seconds, fraction) = (value.div_euclid(PER_SECOND), value.rem_euclid(PER_SECOND));
    let length = date(seconds.div_euclid(DAY), out);
    out[length] = b'T';
    let nanoseconds = fraction * (1_000_000_000 / PER_SECOND);
    length + 1 + clock(seconds.rem_euclid(DAY) as u32, nanoseconds as u32, &mut out[length + 1..])
}

/// `HH:MM:SS` and the fraction; 24:00:00 is a time in SQL. What is none stays the count that it is.
pub(super) fn of_day<const PER_SECOND: i64>(value: i64, out: &mut [u8]) -> usize {
    if !(0..=DAY * PER_SECOND).contains(&value) {
        return signed(value, out);
    }
    let nanoseconds = value % PER_SECOND * (1_000_000_000 / PER_SECOND);
    clock((value / PER_SECOND) as u32, nanoseconds as u32, out)
}

/// The fraction has 0, 3, 6 or 9 digits, as few as keep it.
#[inline]
fn clock(seconds: u32, nanoseconds: u32, out: &mut [u8]) -> usize {
    let [a, b, c, d, e, f, ..] = eight((seconds / 3600 * 10_000 + seconds / 60 % 60 * 100 + seconds % 60) * 100);
    out[..8].copy_from_slice(&[a, b, b':', c, d, b':', e, f]);
    if nanoseconds == 0 {
        return 8;
    }
    out[8] = b'.';
    out[9..17].copy_from_slice(&eight(nanoseconds / 10));
    out[17] = b'0' + (nanoseconds % 10) as u8;
    match nanoseconds {
        n if n % 1_000_000 == 0 => 12,
        n if n % 1_000 == 0 => 15,
        _ => 18,
    }
}
