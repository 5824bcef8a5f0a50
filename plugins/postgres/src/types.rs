//! Which Arrow type a PostgreSQL column becomes, and how its values are fetched: in binary where there is a decoder,
//! as the server's own text otherwise. What cannot be kept exactly is refused by name.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::{DataType, TimeUnit};
use rivet_plugin_api::{Error, Mapping, Result};

use crate::catalog::NativeType;

/// How the binary values of a column are read. The Arrow type follows from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decoder {
    Bool,
    Int16,
    Int32,
    Int64,
    Oid,
    Float32,
    Float64,
    Date,
    Timestamp,
    Instant,
    Time,
    Decimal128(u8, i8),
    Decimal256(u8, i8),
    Text,
    Binary,
    Jsonb,
    Uuid,
    Numeric,
}

impl Decoder {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 | Self::Oid => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Decimal128(p, s) => DataType::Decimal128(p, s),
            Self::Decimal256(p, s) => DataType::Decimal256(p, s),
            Self::Text | Self::Jsonb | Self::Uuid | Self::Numeric => DataType::Utf8,
            Self::Binary => DataType::Binary,
        }
    }
}

/// How the select list asks for a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fetch {
    /// As it is, in binary.
    AsIs,
    /// Cast to text by the server.
    Printed,
    /// By `abbrev`: the cast of `inet` to text adds a netmask that its output does not have.
    Abbreviated,
}

/// What becomes of a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mapped {
    pub(crate) decoder: Decoder,
    pub(crate) fetch: Fetch,
    /// Why, for people.
    pub(crate) rule: String,
}

/// A column of the result with its output name.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) native: NativeType,
    /// The error says why the column cannot be read.
    pub(crate) mapped: Result<Mapped>,
}

/// Decides over every column. An override that names no column is an error.
pub(crate) fn plan(columns: Vec<(String, NativeType)>, mapping: &Mapping) -> Result<Vec<Planned>> {
    let names = unique_names(columns.iter().map(|(name, _)| name.as_str()).collect());
    if let Some(unknown) = mapping.columns.keys().find(|key| !names.contains(key)) {
        return Err(Error::config(format!("\"columns\" maps \"{unknown}\", which the query does not return"))
            .hint(format!("it returns {}", names.join(", "))));
    }
    let planned = names.into_iter().zip(columns).map(|(name, (_, native))| {
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

fn map(column: &str, native: &NativeType, mapping: &Mapping) -> Result<Mapped> {
    if let Some(wish) = mapping.columns.get(column) {
        return overridden(column, native, wish, &format!("columns: {column}: {wish}"));
    }
    for key in native.keys() {
        if let Some(wish) = by_type(&mapping.types, &key) {
            return overridden(column, native, wish, &format!("types: {key}: {wish}"));
        }
    }
    default(column, native)
}

fn by_type<'a>(types: &'a BTreeMap<String, String>, key: &str) -> Option<&'a str> {
    types.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, wish)| wish.as_str())
}

/// The mapping that users get without saying anything.
fn default(column: &str, native: &NativeType) -> Result<Mapped> {
    let (decoder, fetch, rule) = match native.binary_name() {
        "bool" => (Decoder::Bool, Fetch::AsIs, "exact"),
        "int2" => (Decoder::Int16, Fetch::AsIs, "exact"),
        "int4" => (Decoder::Int32, Fetch::AsIs, "exact"),
        "int8" => (Decoder::Int64, Fetch::AsIs, "exact"),
        "float4" => (Decoder::Float32, Fetch::AsIs, "exact"),
        "float8" => (Decoder::Float64, Fetch::AsIs, "exact"),
        "text" | "varchar" | "bpchar" | "name" | "json" => (Decoder::Text, Fetch::AsIs, "exact"),
        "jsonb" => (Decoder::Jsonb, Fetch::AsIs, "exact text"),
        "bytea" => (Decoder::Binary, Fetch::AsIs, "exact"),
        "date" => (Decoder::Date, Fetch::AsIs, "exact; infinity is an error"),
        "timestamp" => (Decoder::Timestamp, Fetch::AsIs, "exact; infinity is an error"),
        "timestamptz" => (Decoder::Instant, Fetch::AsIs, "exact, in UTC; infinity is an error"),
        "numeric" => (Decoder::Numeric, Fetch::AsIs, "exact text"),
        "uuid" => (Decoder::Uuid, Fetch::AsIs, "exact text"),
        "inet" => (Decoder::Text, Fetch::Abbreviated, "the server's text"),
        _ if native.is_array => return Err(refused_array(column, native)),
        _ => (Decoder::Text, Fetch::Printed, "the server's text"),
    };
    Ok(Mapped { decoder, fetch, rule: rule.to_owned() })
}

fn refused_array(column: &str, native: &NativeType) -> Error {
    let name = &native.name;
    Error::data(format!("column \"{column}\" has type \"{name}\", an array, which cannot be exported as a list yet"))
        .hint(format!("export the server's text: types: {{ \"{name}\": text }}"))
}

/// The mapping that the user asks for by `wish`.
fn overridden(column: &str, native: &NativeType, wish: &str, rule: &str) -> Result<Mapped> {
    let text = wish.trim().to_ascii_lowercase();
    let mapped = |decoder, fetch| Ok(Mapped { decoder, fetch, rule: rule.to_owned() });
    match (native.binary_name(), text.as_str()) {
        // The default already is text, and cheaper to fetch.
        ("text" | "varchar" | "bpchar" | "name" | "json" | "jsonb" | "numeric" | "uuid" | "inet", "text") => {
            default(column, native).map(|m| Mapped { rule: rule.to_owned(), ..m })
        }
        (_, "text") => mapped(Decoder::Text, Fetch::Printed),
        ("oid", "int64") => mapped(Decoder::Oid, Fetch::AsIs),
        ("time", "time64") => mapped(Decoder::Time, Fetch::AsIs),
        ("numeric", decimal) if decimal.starts_with("decimal") => {
            let (precision, scale) = decimal_size(decimal, native.modifier).map_err(|e| {
                e.context(format!("could not map column \"{column}\" of type \"{}\" to \"{wish}\"", native.full_name))
            })?;
            match precision {
                0..=38 => mapped(Decoder::Decimal128(precision, scale), Fetch::AsIs),
                _ => mapped(Decoder::Decimal256(precision, scale), Fetch::AsIs),
            }
        }
        _ => Err(Error::config(format!(
            "column \"{column}\" of type \"{}\" cannot be mapped to \"{wish}\"",
            native.full_name
        ))
        .hint(
            "every type can be \"text\", numeric also \"decimal\" or \"decimal(18,2)\", oid \"int64\", time \"time64\"",
        )),
    }
}

/// Precision and scale of `decimal(p,s)`, or of `decimal` for a column with its own.
fn decimal_size(wish: &str, modifier: i32) -> Result<(u8, i8)> {
    let hint =
        "write \"decimal(precision,scale)\", precision at most 76 and scale from 0 to the precision, or \"text\"";
    let wrong = |what: &str| Error::config(what.to_owned()).hint(hint);
    let (precision, scale) = match wish["decimal".len()..].trim() {
        "" => numeric_modifier(modifier).ok_or_else(|| wrong("the column has no precision of its own"))?,
        size => {
            let inner = size.strip_prefix('(').and_then(|s| s.strip_suffix(')'));
            let (p, s) = inner.and_then(|s| s.split_once(',')).ok_or_else(|| wrong("the decimal has no size"))?;
            let number = |text: &str| text.trim().parse::<i32>().map_err(|_| wrong("the decimal's size is no number"));
            (number(p)?, number(s)?)
        }
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=76), Ok(s @ 0..)) if i32::from(s) <= precision => Ok((p, s)),
        _ => Err(wrong("the decimal's size is out of range")),
    }
}

/// Precision and scale of `numeric(p,s)`, as a decimal with a scale from 0 to the precision. PostgreSQL also has scales
/// below 0, which round to tens, and above the precision.
fn numeric_modifier(modifier: i32) -> Option<(i32, i32)> {
    let packed = modifier.checked_sub(4).filter(|m| *m >= 0)?;
    let precision = packed >> 16;
    // Eleven bits with sign.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Some(if scale < 0 { (precision - scale, 0) } else { (precision.max(scale), scale) })
}

#[cfg(test)]
mod tests;
