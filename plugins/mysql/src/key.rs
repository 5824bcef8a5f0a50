//! A column as a key: what its values are when they bound windows and chunks, and how it is compared with them. Values
//! are literals of the column's own kind: with a string in place of a number the server would compare as floating point.

use std::fmt::Write;

use mysql_common::constants::ColumnType;
use rivet_plugin_api::{CursorValue, Error, Result, civil_from_days};

use crate::select::place;
use crate::types::{NativeColumn, Planned};

const DAY: i64 = 86_400_000_000;
/// The first and the last day of the server's calendar, 0000-01-01 and 9999-12-31, since 1970-01-01.
const FIRST_DAY: i64 = -719_528;
const LAST_DAY: i64 = 2_932_896;

/// What the values of a key are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Signed,
    Unsigned,
    Float,
    Decimal,
    Date,
    Timestamp,
    Instant,
    Time,
    Bytes,
    Text,
}

/// How a key is compared with a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Is {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// A column by which rows are bounded.
#[derive(Debug)]
pub(crate) struct Key<'a> {
    planned: &'a Planned,
    pub(crate) kind: Kind,
    /// The column's place in the query.
    pub(crate) index: usize,
}

impl<'a> Key<'a> {
    /// The column `name` of the query. Errors: the query does not return it, or its type has no order.
    pub(crate) fn new(columns: &'a [Planned], name: &str) -> Result<Self> {
        let index = place(columns, name)?;
        let planned = &columns[index];
        let kind = kind(&planned.native).ok_or_else(|| {
            let native_type = planned.native.full_name();
            Error::config(format!("column \"{name}\" of type \"{native_type}\" has no order to bound rows by"))
                .hint("name a column of another type")
        })?;
        Ok(Self { planned, kind, index })
    }

    pub(crate) fn name(&self) -> &str {
        &self.planned.name
    }

    pub(crate) fn native(&self) -> &NativeColumn {
        &self.planned.native
    }

    /// The condition that `sql`, the [`ordered`] form of this key, compares so with `value`. It is not NULL-safe: a NULL key
    /// fulfils none. Errors: a value of another kind, which another column has left behind.
    pub(crate) fn compare(&self, sql: &str, is: Is, value: &CursorValue) -> Result<String> {
        use CursorValue as V;
        let than = |literal: String| Ok(format!("{sql} {} {literal}", is.operator()));
        match (self.kind, value) {
            (Kind::Signed | Kind::Unsigned | Kind::Decimal, V::Int(_) | V::UInt(_)) => than(value.to_string()),
            (Kind::Signed | Kind::Unsigned | Kind::Decimal, V::Decimal(v)) | (Kind::Decimal, V::Text(v))
                if is_decimal(v) =>
            {
                than(v.clone())
            }
            // An exponent makes a literal of floating point, and seventeen digits an exact one.
            (Kind::Float, V::Float(v)) if v.is_finite() => than(format!("{v:e}")),
            (Kind::Float, V::Int(_) | V::UInt(_)) => than(format!("{value}e0")),
            (Kind::Float, V::Decimal(v)) if is_decimal(v) => than(format!("{v}e0")),
            (Kind::Bytes, V::Bytes(v)) => than(hex(v)),
            (Kind::Text, V::Text(v) | V::Uuid(v)) => than(text(v)),
            (Kind::Time, V::Text(v)) if is_time(v) => than(format!("TIME'{v}'")),
            (Kind::Date, V::Date(days)) => Ok(at_day(sql, is, i64::from(*days))),
            // The session's zone is UTC, and so is that of a literal to which an instant is compared.
            (Kind::Timestamp, V::Timestamp(micros)) | (Kind::Instant, V::Instant(micros)) => Ok(at(sql, is, *micros)),
            (Kind::Instant, V::Timestamp(micros)) => Ok(at_server_time(sql, is, *micros)),
            (Kind::Timestamp, V::Date(days)) => Ok(at(sql, is, i64::from(*days).saturating_mul(DAY))),
            _ => {
                let hint = "name a column of another type, or reset the state of this export if the column changed";
                Err(self.mismatch(value.kind(), hint))
            }
        }
    }

    /// The error for a value, or an encoding of time, that the column's type does not have.
    pub(crate) fn mismatch(&self, what: &str, hint: &str) -> Error {
        Error::config(format!(
            "column \"{}\" of type \"{}\" cannot be compared with this value of kind \"{what}\"",
            self.name(),
            self.native().full_name()
        ))
        .hint(hint)
    }
}

impl Is {
    fn operator(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }
}

fn kind(native: &NativeColumn) -> Option<Kind> {
    use ColumnType as C;
    Some(match native.wire {
        C::MYSQL_TYPE_LONGLONG if native.is_unsigned => Kind::Unsigned,
        C::MYSQL_TYPE_BIT => Kind::Unsigned,
        C::MYSQL_TYPE_TINY
        | C::MYSQL_TYPE_SHORT
        | C::MYSQL_TYPE_INT24
        | C::MYSQL_TYPE_LONG
        | C::MYSQL_TYPE_LONGLONG
        | C::MYSQL_TYPE_YEAR => Kind::Signed,
        C::MYSQL_TYPE_FLOAT | C::MYSQL_TYPE_DOUBLE => Kind::Float,
        C::MYSQL_TYPE_DECIMAL | C::MYSQL_TYPE_NEWDECIMAL => Kind::Decimal,
        C::MYSQL_TYPE_DATE | C::MYSQL_TYPE_NEWDATE => Kind::Date,
        C::MYSQL_TYPE_DATETIME => Kind::Timestamp,
        C::MYSQL_TYPE_TIMESTAMP => Kind::Instant,
        C::MYSQL_TYPE_TIME => Kind::Time,
        C::MYSQL_TYPE_JSON | C::MYSQL_TYPE_ENUM | C::MYSQL_TYPE_SET | C::MYSQL_TYPE_NULL => Kind::Text,
        _ if native.is_string() && native.is_binary() => Kind::Bytes,
        _ if native.is_string() => Kind::Text,
        _ => return None,
    })
}

/// `column` in the form in which it is compared, ordered and bounded, which has to be one and the same order: the server
/// sorts enums by number and compares them by label, and reads years below 100 as others.
pub(crate) fn ordered(column: &str, native: &NativeColumn) -> String {
    use ColumnType as C;
    match native.wire {
        _ if native.is_enum || native.is_set => format!("CAST({column} AS CHAR)"),
        C::MYSQL_TYPE_JSON => format!("CAST({column} AS CHAR)"),
        C::MYSQL_TYPE_YEAR => format!("CAST({column} AS SIGNED)"),
        C::MYSQL_TYPE_BIT => format!("CAST({column} AS UNSIGNED)"),
        _ => column.to_owned(),
    }
}

/// Text in a form that means the same in every `sql_mode`. The column's collation wins over that of a literal.
pub(crate) fn text(value: &str) -> String {
    format!("_utf8mb4 {}", hex(value.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2 + 3);
    out.push_str("x'");
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out.push('\'');
    out
}

/// Whether `text` is a number that the server reads as an exact one: digits, maybe with a sign and a point.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    is_number(whole) && is_number(fraction)
}

fn is_time(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit() || b"-:.".contains(&c))
}

fn at_day(sql: &str, is: Is, days: i64) -> String {
    match date(days) {
        Some(date) => format!("{sql} {} DATE'{date}'", is.operator()),
        None => beyond(sql, is, days),
    }
}

fn at(sql: &str, is: Is, micros: i64) -> String {
    match literal(micros) {
        Some(literal) => format!("{sql} {} {literal}", is.operator()),
        None => beyond(sql, is, micros.div_euclid(DAY)),
    }
}

/// The comparison of an instant with a time on the clock of the server. In the hour that its clock shows twice, the first
/// one counts: rows may come again then, but none is passed. So it is where the server cannot tell: no zone is further
/// ahead than 14 hours.
fn at_server_time(sql: &str, is: Is, micros: i64) -> String {
    let Some(local) = literal(micros) else { return beyond(sql, is, micros.div_euclid(DAY)) };
    let (zone, utc) = ("@@global.time_zone", "'+00:00'");
    let one = format!("CONVERT_TZ({local}, {zone}, {utc})");
    let before = format!("{one} - INTERVAL 1 HOUR");
    let found = format!("IF(CONVERT_TZ({before}, {utc}, {zone}) = {local}, {before}, {one})");
    format!("{sql} {} IFNULL({found}, {local} - INTERVAL 14 HOUR)", is.operator())
}

/// `None` for a time beyond the server's calendar.
fn literal(micros: i64) -> Option<String> {
    let date = date(micros.div_euclid(DAY))?;
    let (seconds, micros) = (micros.rem_euclid(DAY) / 1_000_000, micros.rem_euclid(1_000_000));
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(format!("TIMESTAMP'{date} {hour:02}:{minute:02}:{second:02}.{micros:06}'"))
}

/// `None` for a day that the server's calendar does not have.
fn date(days: i64) -> Option<String> {
    (FIRST_DAY..=LAST_DAY).contains(&days).then(|| {
        let (year, month, day) = civil_from_days(days);
        format!("{year:04}-{month:02}-{day:02}")
    })
}

/// The comparison with a day beyond the calendar: every value, also 0000-00-00, is on one side of it.
fn beyond(sql: &str, is: Is, days: i64) -> String {
    let is_below_all = days < FIRST_DAY;
    let holds = is_below_all == matches!(is, Is::Above | Is::AtLeast);
    if holds { format!("{sql} IS NOT NULL") } else { "FALSE".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_become_literals() {
        for good in ["0", "-1", "12.50", "-0.001"] {
            assert!(is_decimal(good), "{good}");
        }
        for bad in ["", "-", ".5", "1.", "1e5", "1 or 1", "0x1", "--1", "NaN", "1.2.3"] {
            assert!(!is_decimal(bad), "{bad}");
        }
        assert!(is_time("-838:59:59.000000") && !is_time("1' or '1") && !is_time(""));
    }

    #[test]
    fn days_beyond_the_calendar_are_on_one_side() {
        assert_eq!(at_day("k", Is::AtLeast, 0), "k >= DATE'1970-01-01'");
        assert_eq!(at("k", Is::Below, -1), "k < TIMESTAMP'1969-12-31 23:59:59.999999'");
        assert_eq!(at("k", Is::Above, i64::MIN), "k IS NOT NULL");
        assert_eq!(at("k", Is::Above, i64::MAX), "FALSE");
        assert_eq!(at_day("k", Is::AtMost, LAST_DAY + 1), "k IS NOT NULL");
        assert_eq!(at_day("k", Is::Below, FIRST_DAY), "k < DATE'0000-01-01'");
        assert_eq!(at_day("k", Is::Below, FIRST_DAY - 1), "FALSE");
        assert_eq!(at_server_time("k", Is::Above, i64::MIN), "k IS NOT NULL");
    }

    #[test]
    fn text_cannot_break_out() {
        assert_eq!(text("a'\\"), "_utf8mb4 x'61275c'");
        assert_eq!(hex(b""), "x''");
    }
}
