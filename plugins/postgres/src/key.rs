//! A column as a key: what its values are when they bound windows and chunks, and how it is compared with them. Values
//! are literals of a type that compares exactly with the column and, where the column has an index, by that index.

use rivet_plugin_api::{CursorValue, Error, Result, civil_from_days};

use crate::select::{column, place};
use crate::sql::literal;
use crate::types::Planned;

const DAY: i64 = 86_400_000_000;
/// The first day of the server's calendar, 4714-11-24 BC, and the day behind its last one, both since 1970-01-01.
const FIRST_DAY: i32 = -2_440_588;
const END_DAY: i32 = 2_145_042_906;
const CHANGED: &str = "name a column of another type, or reset the state of this export if the column changed";

/// What the values of a key are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Integer,
    Oid,
    Float,
    Numeric,
    Bytes,
    Uuid,
    Date,
    Timestamp,
    Instant,
    /// Text, and whatever else the server orders: it reads its own text back.
    Printed,
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
    index: usize,
}

impl<'a> Key<'a> {
    /// The column `name` of the query. Errors: the query does not return it.
    pub(crate) fn new(columns: &'a [Planned], name: &str) -> Result<Self> {
        let index = place(columns, name)?;
        let planned = &columns[index];
        let kind = match planned.native.binary_name() {
            "int2" | "int4" | "int8" => Kind::Integer,
            "oid" => Kind::Oid,
            "float4" | "float8" => Kind::Float,
            "numeric" => Kind::Numeric,
            "bytea" => Kind::Bytes,
            "uuid" => Kind::Uuid,
            "date" => Kind::Date,
            "timestamp" => Kind::Timestamp,
            "timestamptz" => Kind::Instant,
            _ => Kind::Printed,
        };
        Ok(Self { planned, kind, index })
    }

    pub(crate) fn name(&self) -> &str {
        &self.planned.name
    }

    pub(crate) fn native_type(&self) -> &str {
        &self.planned.native.full_name
    }

    /// Whether the server has `min` and `max` of the type, which take one scan for both; it does not for every type
    /// that it orders.
    pub(crate) fn has_extremes(&self) -> bool {
        let name = self.planned.native.binary_name();
        // Enums go by the name "text", and have extremes as well.
        self.kind != Kind::Uuid && self.kind != Kind::Bytes && self.kind != Kind::Printed
            || matches!(name, "text" | "varchar" | "bpchar")
    }

    /// The column in SQL, as it is ordered.
    pub(crate) fn sql(&self) -> String {
        column(self.index)
    }

    /// `key IS NOT NULL`.
    pub(crate) fn is_present(&self) -> String {
        format!("{} IS NOT NULL", self.sql())
    }

    /// The comparison of the key with `value`. Errors: a value of another kind, which another column has left behind.
    pub(crate) fn compare(&self, is: Is, value: &CursorValue) -> Result<String> {
        use CursorValue as V;
        let operator = is.operator();
        let with =
            |text: &str, type_name: &str| Ok(format!("{} {operator} {}::{type_name}", self.sql(), literal(text)));
        match (self.kind, value) {
            // The server compares integers of different widths, so no bound overflows the column's own.
            (Kind::Integer, V::Int(v)) => with(&v.to_string(), "pg_catalog.int8"),
            (Kind::Oid, V::Int(v)) => Ok(format!("{}::pg_catalog.int8 {operator} '{v}'::pg_catalog.int8", self.sql())),
            (Kind::Integer | Kind::Numeric, V::Int(_) | V::UInt(_)) => with(&value.to_string(), "pg_catalog.numeric"),
            (Kind::Integer | Kind::Numeric, V::Decimal(v)) | (Kind::Numeric, V::Text(v)) => {
                with(v, "pg_catalog.numeric")
            }
            (Kind::Float, V::Float(v)) => with(&float(*v), "pg_catalog.float8"),
            (Kind::Float, V::Int(_) | V::UInt(_) | V::Decimal(_)) => with(&value.to_string(), "pg_catalog.float8"),
            (Kind::Bytes, V::Bytes(_)) => with(&format!("\\x{value}"), "pg_catalog.bytea"),
            (Kind::Uuid, V::Uuid(v) | V::Text(v)) => with(v, "pg_catalog.uuid"),
            (Kind::Printed, V::Text(v)) => with(v, &self.planned.native.cast_name),
            (Kind::Date, V::Date(days)) => Ok(self.at_day(is, *days)),
            (Kind::Timestamp, V::Timestamp(micros)) => Ok(self.at(is, *micros, "", "pg_catalog.timestamp")),
            (Kind::Timestamp, V::Date(days)) => {
                Ok(self.at(is, i64::from(*days).saturating_mul(DAY), "", "pg_catalog.timestamp"))
            }
            // With its offset, so that the session's zone does not matter.
            (Kind::Instant, V::Instant(micros)) => Ok(self.at(is, *micros, "+00", "pg_catalog.timestamptz")),
            _ => Err(self.mismatch(value.kind(), CHANGED)),
        }
    }

    fn at_day(&self, is: Is, days: i32) -> String {
        if !(FIRST_DAY..END_DAY).contains(&days) {
            return self.at_end(is, days < 0, "pg_catalog.date");
        }
        let (date, era) = day(i64::from(days));
        format!("{} {} '{date}{era}'::pg_catalog.date", self.sql(), is.operator())
    }

    fn at(&self, is: Is, micros: i64, offset: &str, type_name: &str) -> String {
        let days = micros.div_euclid(DAY);
        if days < i64::from(FIRST_DAY) {
            return self.at_end(is, true, type_name);
        }
        let (date, era) = day(days);
        let (seconds, micros) = (micros.rem_euclid(DAY) / 1_000_000, micros.rem_euclid(1_000_000));
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let text = format!("{date} {hour:02}:{minute:02}:{second:02}.{micros:06}{offset}{era}");
        format!("{} {} '{text}'::{type_name}", self.sql(), is.operator())
    }

    /// The comparison with a finite value beyond the server's calendar: only infinity lies there.
    fn at_end(&self, is: Is, before: bool, type_name: &str) -> String {
        let above = matches!(is, Is::Above | Is::AtLeast);
        let (operator, end) = match (before, above) {
            (true, true) => (">", "-infinity"),
            (true, false) => ("<=", "-infinity"),
            (false, true) => (">=", "infinity"),
            (false, false) => ("<", "infinity"),
        };
        format!("{} {operator} '{end}'::{type_name}", self.sql())
    }

    /// The error for a value, or an encoding of time, that the column's type does not have.
    pub(crate) fn mismatch(&self, what: &str, hint: &str) -> Error {
        Error::config(format!(
            "column \"{}\" of type \"{}\" cannot be compared with a value of kind \"{what}\"",
            self.name(),
            self.native_type()
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

/// A date as the server reads it in every `DateStyle`, and the era that has to come last.
fn day(days: i64) -> (String, &'static str) {
    let (year, month, day) = civil_from_days(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

fn float(value: f64) -> String {
    match value {
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => value.to_string(),
    }
}
