//! Which Arrow type a column becomes. What cannot be kept exactly is refused by name.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::{DataType, TimeUnit};
use mysql_common::constants::ColumnType;
use rivet_plugin_api::suggest::did_you_mean;
use rivet_plugin_api::{Error, Mapping, Result};

mod native;

pub(crate) use native::NativeColumn;

/// What the cells of a column become. The Arrow type follows from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decoder {
    Bool,
    Int16,
    Int32,
    Int64,
    UInt64,
    /// A bit field, which the server sends as big-endian bytes.
    Bits,
    Float32,
    Float64,
    Date,
    Timestamp,
    Instant,
    Duration,
    Decimal128(u8, i8),
    Decimal256(u8, i8),
    /// Text as the server sends it.
    Text,
    Binary,
    /// Any other value in the text form that the server prints.
    Printed,
}

impl Decoder {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::UInt64 | Self::Bits => DataType::UInt64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Duration => DataType::Duration(TimeUnit::Microsecond),
            Self::Decimal128(p, s) => DataType::Decimal128(p, s),
            Self::Decimal256(p, s) => DataType::Decimal256(p, s),
            Self::Text | Self::Printed => DataType::Utf8,
            Self::Binary => DataType::Binary,
        }
    }
}

/// What becomes of a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mapped {
    pub(crate) decoder: Decoder,
    /// Whether dates that do not exist, such as 0000-00-00, become NULL instead of an error.
    pub(crate) invalid_is_null: bool,
    /// Why, for people.
    pub(crate) rule: String,
}

/// A column of the result with its output name.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) native: NativeColumn,
    /// The error says why the column cannot be read.
    pub(crate) mapped: Result<Mapped>,
}

/// Decides over every column. An override that names no column is an error.
pub(crate) fn plan(columns: Vec<NativeColumn>, mapping: &Mapping) -> Result<Vec<Planned>> {
    let names = unique_names(columns.iter().map(|c| c.name.as_str()).collect());
    if let Some(unknown) = mapping.columns.keys().find(|key| !names.contains(key)) {
        return Err(Error::config(format!("\"columns\" maps \"{unknown}\", which the query does not return"))
            .hint(did_you_mean(unknown, names.iter().map(String::as_str), "it returns")));
    }
    let planned = names.into_iter().zip(columns).map(|(name, native)| {
        let mapped = map(&name, &native, mapping);
        Planned { name, native, mapped }
    });
    Ok(planned.collect())
}

/// A name that occurs again gets `_2`, `_3` ..., skipping names that the query itself uses.
fn unique_names(names: Vec<&str>) -> Vec<String> {
    let given: BTreeSet<&str> = names.iter().copied().collect();
    let mut used = BTreeSet::new();
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let mut candidate = name.to_owned();
        let mut n = 1;
        while used.contains(&candidate) || (n > 1 && given.contains(candidate.as_str())) {
            n += 1;
            candidate = format!("{name}_{n}");
        }
        if n > 1 {
            tracing::warn!("the query returns more than one column \"{name}\": this one is called \"{candidate}\"");
        }
        used.insert(candidate.clone());
        out.push(candidate);
    }
    out
}

fn map(column: &str, native: &NativeColumn, mapping: &Mapping) -> Result<Mapped> {
    if let Some(wish) = mapping.columns.get(column) {
        return overridden(column, native, wish, &format!("columns: {column}: {wish}"));
    }
    for key in [native.full_name(), native.name()] {
        if let Some(wish) = by_type(&mapping.types, &key) {
            return overridden(column, native, wish, &format!("types: {key}: {wish}"));
        }
    }
    default(column, native)
}

fn by_type<'a>(types: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").replace(", ", ",");
    types.iter().find(|(name, _)| plain(name).eq_ignore_ascii_case(key)).map(|(_, wish)| wish.as_str())
}

/// The mapping that users get without saying anything.
fn default(column: &str, native: &NativeColumn) -> Result<Mapped> {
    use ColumnType as C;
    let (decoder, rule) = match (native.wire, native.is_unsigned) {
        (C::MYSQL_TYPE_TINY | C::MYSQL_TYPE_YEAR, _) | (C::MYSQL_TYPE_SHORT, false) => (Decoder::Int16, "exact"),
        (C::MYSQL_TYPE_SHORT, true) | (C::MYSQL_TYPE_INT24 | C::MYSQL_TYPE_LONG, false) => (Decoder::Int32, "exact"),
        (C::MYSQL_TYPE_INT24 | C::MYSQL_TYPE_LONG, true) | (C::MYSQL_TYPE_LONGLONG, false) => (Decoder::Int64, "exact"),
        (C::MYSQL_TYPE_LONGLONG, true) => (Decoder::UInt64, "exact"),
        (C::MYSQL_TYPE_BIT, _) if native.length == 1 => (Decoder::Bool, "exact"),
        (C::MYSQL_TYPE_BIT, _) => (Decoder::Bits, "exact"),
        (C::MYSQL_TYPE_FLOAT, _) => (Decoder::Float32, "exact"),
        (C::MYSQL_TYPE_DOUBLE, _) => (Decoder::Float64, "exact"),
        (C::MYSQL_TYPE_DECIMAL | C::MYSQL_TYPE_NEWDECIMAL, _) => (Decoder::Text, "exact text"),
        (C::MYSQL_TYPE_DATE | C::MYSQL_TYPE_NEWDATE, _) => (Decoder::Date, "exact; zero and invalid dates are errors"),
        (C::MYSQL_TYPE_DATETIME, _) => (Decoder::Timestamp, "exact; zero and invalid dates are errors"),
        (C::MYSQL_TYPE_TIMESTAMP, _) => (Decoder::Instant, "exact, in UTC; zero dates are errors"),
        (C::MYSQL_TYPE_TIME, _) => (Decoder::Printed, "exact text"),
        (C::MYSQL_TYPE_NULL, _) => (Decoder::Text, "always NULL"),
        (C::MYSQL_TYPE_GEOMETRY, _) => (Decoder::Binary, "SRID and WKB"),
        (C::MYSQL_TYPE_VECTOR, _) => (Decoder::Binary, "exact"),
        (C::MYSQL_TYPE_JSON | C::MYSQL_TYPE_ENUM | C::MYSQL_TYPE_SET, _) => (Decoder::Text, "exact"),
        _ if native.is_string() && native.is_binary() => (Decoder::Binary, "exact"),
        _ if native.is_string() => (Decoder::Text, "exact"),
        _ => {
            return Err(Error::data(format!("column \"{column}\" has a type that this connector does not know"))
                .hint("convert it in the query, for example with CAST(... AS CHAR)"));
        }
    };
    Ok(Mapped { decoder, invalid_is_null: false, rule: rule.to_owned() })
}

/// The mapping that the user asks for by `wish`.
fn overridden(column: &str, native: &NativeColumn, wish: &str, rule: &str) -> Result<Mapped> {
    use ColumnType as C;
    let text = wish.trim().to_ascii_lowercase();
    let standard = default(column, native)?;
    let with = |decoder| Ok(Mapped { decoder, invalid_is_null: false, rule: rule.to_owned() });
    let is_integer = matches!(standard.decoder, Decoder::Int16 | Decoder::Int32 | Decoder::Int64 | Decoder::UInt64);
    match (native.wire, text.as_str()) {
        (_, "text") => match standard.decoder {
            Decoder::Text => with(Decoder::Text),
            // Bytes that are no text are an error then, never altered.
            Decoder::Binary if native.is_string() => with(Decoder::Text),
            Decoder::Binary => Err(refused(column, native, wish)),
            _ => with(Decoder::Printed),
        },
        (C::MYSQL_TYPE_DATE | C::MYSQL_TYPE_NEWDATE | C::MYSQL_TYPE_DATETIME | C::MYSQL_TYPE_TIMESTAMP, "null") => {
            Ok(Mapped { invalid_is_null: true, rule: rule.to_owned(), ..standard })
        }
        (C::MYSQL_TYPE_TIME, "duration") => with(Decoder::Duration),
        (C::MYSQL_TYPE_BIT, "uint64") => with(Decoder::Bits),
        (C::MYSQL_TYPE_BIT | C::MYSQL_TYPE_TINY, "bool" | "boolean") => with(Decoder::Bool),
        (_, "int64") if is_integer => with(Decoder::Int64),
        (C::MYSQL_TYPE_DECIMAL | C::MYSQL_TYPE_NEWDECIMAL, decimal) if decimal.starts_with("decimal") => {
            let (precision, scale) = decimal_size(decimal, native.decimal_size()).map_err(|e| {
                e.context(format!("could not map column \"{column}\" of type \"{}\" to \"{wish}\"", native.full_name()))
            })?;
            match precision {
                0..=38 => with(Decoder::Decimal128(precision, scale)),
                _ => with(Decoder::Decimal256(precision, scale)),
            }
        }
        _ if native.is_string() && text == "binary" => with(Decoder::Binary),
        _ => Err(refused(column, native, wish)),
    }
}

fn refused(column: &str, native: &NativeColumn, wish: &str) -> Error {
    Error::config(format!("column \"{column}\" of type \"{}\" cannot be mapped to \"{wish}\"", native.full_name())).hint(
        "types but geometry and vector can be \"text\", decimals \"decimal\" or \"decimal(18,2)\", integers \"int64\", dates and \
         times of day with date \"null\", time \"duration\", bit \"uint64\", tinyint and bit \"bool\", strings \"binary\"",
    )
}

/// Precision and scale of `decimal(p,s)`, or of `decimal` for the column's own.
fn decimal_size(wish: &str, own: (u32, u32)) -> Result<(u8, i8)> {
    let hint =
        "write \"decimal(precision,scale)\", precision at most 76 and scale from 0 to the precision, or \"text\"";
    let wrong = |what: &str| Error::config(what.to_owned()).hint(hint);
    let (precision, scale) = match wish["decimal".len()..].trim() {
        "" => own,
        size => {
            let inner = size.strip_prefix('(').and_then(|s| s.strip_suffix(')'));
            let (p, s) = inner.and_then(|s| s.split_once(',')).ok_or_else(|| wrong("the decimal has no size"))?;
            let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong("the decimal's size is no number"));
            (number(p)?, number(s)?)
        }
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=76), Ok(s)) if scale <= precision => Ok((p, s)),
        _ => Err(wrong("the decimal's size is out of range")),
    }
}

#[cfg(test)]
mod tests;
