//! Typed values of cursor and chunk columns, with one canonical text form.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value by which windows and chunks are bounded. Its text form is what the state file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "v", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CursorValue {
    /// A signed integer of any width up to 64 bits.
    Int(i64),
    /// An unsigned 64-bit integer.
    UInt(u64),
    /// An exact decimal, as the server prints it.
    Decimal(String),
    /// A binary floating point number, exchanged as its bits so that nothing is rounded.
    Float(#[serde(with = "float_bits")] f64),
    /// Text, compared by the column's collation on the server.
    Text(String),
    /// Bytes.
    Bytes(#[serde(with = "hex_bytes")] Vec<u8>),
    /// A UUID in its canonical text form.
    Uuid(String),
    /// A date, in days since 1970-01-01.
    Date(i32),
    /// A timestamp without zone, in microseconds since 1970-01-01T00:00:00.
    Timestamp(i64),
    /// An instant, in microseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
}

impl CursorValue {
    /// The kind's stable name, stored beside the value so that another column type is noticed.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Decimal(_) => "decimal",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "uuid",
            Self::Date(_) => "date",
            Self::Timestamp(_) => "timestamp",
            Self::Instant(_) => "instant",
        }
    }
}

/// The canonical text: integers and decimals plain, dates `YYYY-MM-DD`, timestamps and instants
/// `YYYY-MM-DDTHH:MM:SS.ffffff` in UTC without zone (as rivet-cli 0.2 stored them), bytes as lower hex.
impl fmt::Display for CursorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(v) => write!(f, "{v}"),
            Self::UInt(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Decimal(v) | Self::Text(v) | Self::Uuid(v) => f.write_str(v),
            Self::Bytes(v) => v.iter().try_for_each(|b| write!(f, "{b:02x}")),
            Self::Date(days) => {
                let (y, m, d) = civil_from_days(i64::from(*days));
                write!(f, "{y:04}-{m:02}-{d:02}")
            }
            Self::Timestamp(us) | Self::Instant(us) => {
                let (y, m, d) = civil_from_days(us.div_euclid(86_400_000_000));
                let of_day = us.rem_euclid(86_400_000_000);
                let (s, us) = (of_day / 1_000_000, of_day % 1_000_000);
                write!(f, "{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{us:06}", s / 3600, s / 60 % 60, s % 60)
            }
        }
    }
}

/// Year, month and day of a count of days since 1970-01-01 in the proleptic Gregorian calendar.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    // Howard Hinnant's days_from_civil, inverted: eras of 400 years that begin on 1 March.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// The days from 1970-01-01 to a date of the proleptic Gregorian calendar; `None` when there is no such day.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i64> {
    // The inverse of `civil_from_days`, which also tells whether the day exists.
    let shifted = year.checked_sub(i64::from(month <= 2))?;
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let days = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era.checked_mul(146_097)?.checked_add(days - 719_468)?;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

mod float_bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(v: &f64, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(v.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        u64::deserialize(d).map(f64::from_bits)
    }
}

mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(v: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&super::CursorValue::Bytes(v.to_vec()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        let digit = |c: u8| (c as char).to_digit(16).ok_or_else(|| D::Error::custom("not hexadecimal"));
        text.as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [hi, lo] => Ok((digit(*hi)? * 16 + digit(*lo)?) as u8),
                _ => Err(D::Error::custom("odd number of hexadecimal digits")),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_the_predecessor() {
        assert_eq!(CursorValue::Date(19_724).to_string(), "2024-01-02");
        assert_eq!(CursorValue::Timestamp(1_704_164_645_500_000).to_string(), "2024-01-02T03:04:05.500000");
        assert_eq!(CursorValue::Instant(-1).to_string(), "1969-12-31T23:59:59.999999");
        assert_eq!(CursorValue::Bytes(vec![0, 255, 171]).to_string(), "00ffab");
        assert_eq!(CursorValue::Float(1e300).to_string().len(), 301);
    }

    #[test]
    fn dates_are_days_and_back() {
        for days in (-1_000_000..1_000_000).step_by(37) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), Some(days));
        }
        for (year, month, day) in
            [(2023, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31), (2024, 1, 0), (i64::MAX, 1, 1)]
        {
            assert_eq!(days_from_civil(year, month, day), None, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn json_keeps_every_value() {
        for v in [
            CursorValue::Int(i64::MIN),
            CursorValue::UInt(u64::MAX),
            CursorValue::Float(f64::NAN),
            CursorValue::Bytes(vec![1, 254]),
            CursorValue::Text("o'\"\\".into()),
        ] {
            let back: CursorValue = serde_json::from_str(&serde_json::to_string(&v).unwrap()).unwrap();
            assert_eq!(back.to_string(), v.to_string());
            assert_eq!(back.kind(), v.kind());
        }
    }
}
