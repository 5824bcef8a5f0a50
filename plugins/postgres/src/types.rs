//! Which Arrow type a PostgreSQL column becomes, and how its values are fetched: in binary where there is a decoder,
//! as the server's own text otherwise. What cannot be kept exactly is refused by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use rivet_plugin_api::suggest::did_you_mean;
use rivet_plugin_api::{Error, Mapping, Result};

use self::map::map;
use crate::catalog::NativeType;

mod decimal;
mod map;

/// How the binary values of a column are read. The Arrow type follows from it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Decoder {
    Bool,
    Int16,
    Int32,
    Int64,
    Oid,
    Float32,
    Float64,
    Date(Beyond),
    Timestamp(Beyond),
    Instant(Beyond),
    Time,
    Decimal128(u8, i8),
    Decimal256(u8, i8),
    Text,
    Binary,
    Jsonb,
    Uuid,
    Numeric,
    /// An array of one dimension.
    List(Box<Decoder>),
}

/// What becomes of dates and timestamps that Arrow does not have: the infinite ones and the last ones.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Beyond {
    /// They are errors.
    #[default]
    Refused,
    /// They are NULL.
    Null,
    /// They are the greatest value of the Arrow type, or its negative.
    Clamped,
}

impl Decoder {
    pub(crate) fn data_type(&self) -> DataType {
        match *self {
            Self::Bool => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 | Self::Oid => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Date(_) => DataType::Date32,
            Self::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Instant(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Decimal128(p, s) => DataType::Decimal128(p, s),
            Self::Decimal256(p, s) => DataType::Decimal256(p, s),
            Self::Text | Self::Jsonb | Self::Uuid | Self::Numeric => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::List(ref item) => DataType::List(Arc::new(item.list_field())),
        }
    }

    /// The field of a list's items, which may be NULL.
    pub(crate) fn list_field(&self) -> Field {
        Field::new_list_field(self.data_type(), true)
    }
}

/// How the select list asks for a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fetch {
    /// As it is, in binary.
    AsIs,
    /// Cast to text by the server.
    Printed,
    /// Each element of an array as the server prints it.
    PrintedElements,
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
            .hint(did_you_mean(unknown, names.iter().map(String::as_str), "it returns")));
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

#[cfg(test)]
mod tests;
