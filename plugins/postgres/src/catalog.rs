//! Names of types, from the server's catalog.

use rivet_plugin_api::Result;

use crate::error::protocol;
use crate::wire::{Connection, ResultColumn};

/// The type of a column as the server knows it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct NativeType {
    /// SQL's name without modifier, such as `character varying`.
    pub(crate) name: String,
    /// With modifier, such as `character varying(20)`.
    pub(crate) full_name: String,
    /// The catalog's name, such as `varchar`, or `_varchar` for its array.
    pub(crate) catalog_name: String,
    pub(crate) is_builtin: bool,
    pub(crate) is_enum: bool,
    pub(crate) is_array: bool,
    pub(crate) modifier: i32,
}

impl NativeType {
    /// The name by which a binary decoder may be chosen. A user's type called `uuid` is not the server's.
    pub(crate) fn binary_name(&self) -> &str {
        match (self.is_builtin, self.is_enum) {
            (true, _) => &self.catalog_name,
            // An enum travels as its label.
            (_, true) => "text",
            _ => "",
        }
    }

    /// The names under which users may map it, the most particular first.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = vec![self.full_name.clone(), self.name.clone(), self.catalog_name.clone()];
        if let Some(element) = self.catalog_name.strip_prefix('_').filter(|_| self.is_array) {
            keys.push(format!("{element}[]"));
        }
        keys
    }
}

/// Looks up the types of `columns`, in order.
pub(crate) fn native_types(connection: &mut Connection, columns: &[ResultColumn]) -> Result<Vec<NativeType>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| format!("({i},{}::pg_catalog.oid,{})", c.type_oid, c.modifier))
        .collect();
    let rows = connection.query(&format!(
        "SELECT pg_catalog.format_type(t.oid, NULL), pg_catalog.format_type(t.oid, c.modifier), t.typname, \
         t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace, t.typtype = 'e', a.oid IS NOT NULL \
         FROM (VALUES {}) AS c (place, type, modifier) \
         JOIN pg_catalog.pg_type AS t ON t.oid = c.type \
         LEFT JOIN pg_catalog.pg_type AS a ON a.typarray = t.oid ORDER BY c.place",
        list.join(",")
    ))?;
    if rows.len() != columns.len() {
        return Err(protocol("a column of a type that the catalog does not list"));
    }
    let types = rows.into_iter().zip(columns).map(|(row, column)| {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        NativeType {
            name: next(),
            full_name: next(),
            catalog_name: next(),
            is_builtin: next() == "t",
            is_enum: next() == "t",
            is_array: next() == "t",
            modifier: column.modifier,
        }
    });
    Ok(types.collect())
}
