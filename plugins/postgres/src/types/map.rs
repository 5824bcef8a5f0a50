//! The rules: which Arrow type a column gets by default, and which ones users may ask for instead.

use std::collections::BTreeMap;

use rivet_plugin_api::{Error, Mapping, Result};

use super::decimal::decimal_size;
use super::{Beyond, Decoder, Fetch, Mapped};
use crate::catalog::{Element, NativeType};

/// Decides over one column: an entry for it wins over entries for its type, and these over the default.
pub(super) fn map(column: &str, native: &NativeType, mapping: &Mapping) -> Result<Mapped> {
    if let Some(wish) = mapping.columns.get(column) {
        return overridden(column, native, wish, &format!("columns: {column}: {wish}"));
    }
    by_type(column, native, &mapping.types)
}

fn by_type(column: &str, native: &NativeType, types: &BTreeMap<String, String>) -> Result<Mapped> {
    let wished = |key: &String| types.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    if let Some((key, wish)) = native.keys().iter().find_map(wished) {
        return overridden(column, native, wish, &format!("types: {key}: {wish}"));
    }
    match &native.element {
        Some(element) => {
            let mapped = by_type(column, &element.native, types)?;
            let rule = format!("list, each element: {}", mapped.rule);
            list(column, native, element, Mapped { rule, ..mapped })
        }
        None => Ok(default(native)),
    }
}

/// The mapping that users get without saying anything, of what is no array.
fn default(native: &NativeType) -> Mapped {
    let beyond = Beyond::Refused;
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
        "date" => (Decoder::Date(beyond), Fetch::AsIs, "exact; infinity is an error"),
        "timestamp" => (Decoder::Timestamp(beyond), Fetch::AsIs, "exact; infinity is an error"),
        "timestamptz" => (Decoder::Instant(beyond), Fetch::AsIs, "exact, in UTC; infinity is an error"),
        "numeric" => (Decoder::Numeric, Fetch::AsIs, "exact text"),
        "uuid" => (Decoder::Uuid, Fetch::AsIs, "exact text"),
        "inet" => (Decoder::Text, Fetch::Abbreviated, "the server's text"),
        _ => (Decoder::Text, Fetch::Printed, "the server's text"),
    };
    Mapped { decoder, fetch, rule: rule.to_owned() }
}

/// A list whose elements are `mapped`.
fn list(column: &str, native: &NativeType, element: &Element, mapped: Mapped) -> Result<Mapped> {
    let fetch = match mapped.fetch {
        Fetch::AsIs => Fetch::AsIs,
        // The server's text of the whole array is read back as one of text, which separates by commas.
        _ if element.delimiter == "," => Fetch::PrintedElements,
        _ => {
            let name = &native.name;
            return Err(Error::data(format!(
                "column \"{column}\" has type \"{name}\", an array, which cannot be exported as a list"
            ))
            .hint(format!("export the server's text: types: {{ \"{name}\": text }}")));
        }
    };
    Ok(Mapped { decoder: Decoder::List(Box::new(mapped.decoder)), fetch, rule: mapped.rule })
}

/// The mapping that the user asks for by `wish`. For an array it is the elements' one, unless the wish is `text`.
fn overridden(column: &str, native: &NativeType, wish: &str, rule: &str) -> Result<Mapped> {
    let text = wish.trim().to_ascii_lowercase();
    if let Some(element) = native.element.as_ref().filter(|_| text != "text") {
        return list(column, native, element, overridden(column, &element.native, wish, rule)?);
    }
    let beyond = if text == "null" { Beyond::Null } else { Beyond::Clamped };
    let (decoder, fetch) = match (native.binary_name(), text.as_str()) {
        // The default already is text, and cheaper to fetch.
        ("text" | "varchar" | "bpchar" | "name" | "json" | "jsonb" | "numeric" | "uuid" | "inet", "text") => {
            let Mapped { decoder, fetch, .. } = default(native);
            (decoder, fetch)
        }
        (_, "text") => (Decoder::Text, Fetch::Printed),
        ("oid", "int64") => (Decoder::Oid, Fetch::AsIs),
        ("time", "time64") => (Decoder::Time, Fetch::AsIs),
        ("date", "null" | "clamp") => (Decoder::Date(beyond), Fetch::AsIs),
        ("timestamp", "null" | "clamp") => (Decoder::Timestamp(beyond), Fetch::AsIs),
        ("timestamptz", "null" | "clamp") => (Decoder::Instant(beyond), Fetch::AsIs),
        ("numeric", decimal) if decimal.starts_with("decimal") => {
            let (precision, scale) = decimal_size(decimal, native.modifier).map_err(|e| {
                e.context(format!("could not map column \"{column}\" of type \"{}\" to \"{wish}\"", native.full_name))
            })?;
            match precision {
                0..=38 => (Decoder::Decimal128(precision, scale), Fetch::AsIs),
                _ => (Decoder::Decimal256(precision, scale), Fetch::AsIs),
            }
        }
        _ => return Err(no_such_mapping(column, native, wish)),
    };
    Ok(Mapped { decoder, fetch, rule: rule.to_owned() })
}

fn no_such_mapping(column: &str, native: &NativeType, wish: &str) -> Error {
    let name = &native.full_name;
    Error::config(format!("column \"{column}\" of type \"{name}\" cannot be mapped to \"{wish}\"")).hint(
        "every type can be \"text\", numeric also \"decimal\" or \"decimal(18,2)\", oid \"int64\", time \"time64\", \
         dates and timestamps \"null\" or \"clamp\"",
    )
}
