//! Dates and times as the server sends them, which may be ones that no calendar has: it stores 0000-00-00 and, by its
//! settings, 2024-02-30.

use std::io::{self, Write};

use super::Misfit;

const DAY_MICROS: i64 = 86_400_000_000;

/// A date, and a time of its day.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct DateTime {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micro: u32,
}

impl DateTime {
    /// Reads a value, which leaves out what is zero at the end.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Misfit> {
        let (date, time): (&[u8], &[u8]) = bytes.split_at(bytes.len().min(4));
        let mut out = Self::default();
        match date {
            [] => {}
            [y0, y1, month, day] => {
                (out.year, out.month, out.day) = (u16::from_le_bytes([*y0, *y1]), *month, *day);
            }
            _ => return Err(Misfit::Malformed),
        }
        match time {
            [] => {}
            [hour, minute, second, micro @ ..] => {
                (out.hour, out.minute, out.second) = (*hour, *minute, *second);
                out.micro = micros(micro)?;
            }
            _ => return Err(Misfit::Malformed),
        }
        Ok(out)
    }

    /// Days since 1970-01-01.
    #[inline]
    pub(super) fn days(self) -> Result<i32, Misfit> {
        const LENGTHS: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let year = i32::from(self.year);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let month_days = match self.month {
            2 if is_leap => 29,
            1..=12 => LENGTHS[usize::from(self.month) - 1],
            _ => 0,
        };
        if !(1..=month_days).contains(&self.day) {
            return Err(self.why_invalid());
        }
        // Howard Hinnant's days_from_civil: years that begin on 1 March, so that the leap day is the last.
        let year = if self.month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let month = (i32::from(self.month) + 9) % 12;
        let of_year = (153 * month + 2) / 5 + i32::from(self.day) - 1;
        Ok(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }

    #[cold]
    fn why_invalid(self) -> Misfit {
        Misfit::Beyond(match (self.year, self.month, self.day) {
            (0, 0, 0) => "the zero date \"0000-00-00\"",
            (_, 0, _) | (_, _, 0) => "a date with a zero month or day",
            _ => "a date that does not exist, such as \"2024-02-30\"",
        })
    }

    /// Microseconds since 1970-01-01T00:00:00.
    #[inline]
    pub(super) fn micros(self) -> Result<i64, Misfit> {
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Ok(i64::from(self.days()?) * DAY_MICROS + seconds * 1_000_000 + i64::from(self.micro))
    }

    pub(super) fn print_date(self, out: &mut Vec<u8>) -> io::Result<()> {
        write!(out, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    pub(super) fn print(self, fraction: u8, out: &mut Vec<u8>) -> io::Result<()> {
        self.print_date(out)?;
        write!(out, " {:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        print_fraction(self.micro, fraction, out)
    }
}

/// A signed span of time, up to 838:59:59.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Time {
    is_negative: bool,
    seconds: u64,
    micro: u32,
}

impl Time {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Misfit> {
        match bytes {
            [] => Ok(Self::default()),
            [sign, d0, d1, d2, d3, hour, minute, second, micro @ ..] => {
                let days = u64::from(u32::from_le_bytes([*d0, *d1, *d2, *d3]));
                let seconds = days * 86_400 + u64::from(*hour) * 3600 + u64::from(*minute) * 60 + u64::from(*second);
                Ok(Self { is_negative: *sign != 0, seconds, micro: micros(micro)? })
            }
            _ => Err(Misfit::Malformed),
        }
    }

    pub(super) fn micros(self) -> i64 {
        let micros = self.seconds as i64 * 1_000_000 + i64::from(self.micro);
        if self.is_negative { -micros } else { micros }
    }

    pub(super) fn print(self, fraction: u8, out: &mut Vec<u8>) -> io::Result<()> {
        let sign = if self.is_negative { "-" } else { "" };
        let (hours, minutes, seconds) = (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60);
        write!(out, "{sign}{hours:02}:{minutes:02}:{seconds:02}")?;
        print_fraction(self.micro, fraction, out)
    }
}

#[inline]
fn micros(bytes: &[u8]) -> Result<u32, Misfit> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match bytes.try_into().map(u32::from_le_bytes) {
        Ok(micros @ 0..=999_999) => Ok(micros),
        _ => Err(Misfit::Malformed),
    }
}

/// As many digits as the column declares, unless that would drop some.
fn print_fraction(micro: u32, digits: u8, out: &mut Vec<u8>) -> io::Result<()> {
    let digits = usize::from(digits);
    let dropped = 10_u32.pow(6 - digits.min(6) as u32);
    if !micro.is_multiple_of(dropped) {
        write!(out, ".{micro:06}")
    } else if digits > 0 {
        write!(out, ".{:0digits$}", micro / dropped)
    } else {
        Ok(())
    }
}
