//! Names of types, and what tables declare of their columns, from the server's catalog.

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
    /// For a cast that cuts nothing off: SQL's `character` and `bit` alone mean a length of 1.
    pub(crate) cast_name: String,
    /// The catalog's name, such as `varchar`, or `_varchar` for its array.
    pub(crate) catalog_name: String,
    pub(crate) is_builtin: bool,
    pub(crate) is_enum: bool,
    pub(crate) modifier: i32,
    /// Of an array, which has the modifier of its elements.
    pub(crate) element: Option<Box<Element>>,
    /// Whether the table that the column comes from lets it be NULL; `None` for an expression or a view.
    pub(crate) nullable: Option<bool>,
}

/// What an array holds. A domain is replaced by what it stands for, as the server does for columns.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Element {
    pub(crate) native: NativeType,
    /// What the server prints between two elements; a comma but for a few geometric types.
    pub(crate) delimiter: String,
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
        if let Some(element) = self.catalog_name.strip_prefix('_').filter(|_| self.element.is_some()) {
            keys.push(format!("{element}[]"));
        }
        keys
    }
}

/// Every type that is asked for and, for arrays, that of the elements, following domains down to their base.
/// The catalog calls no column of a view `NOT NULL`, which says nothing.
const QUERY: &str = "\
    element (place, type, modifier) AS ( \
      SELECT w.place, t.typelem, w.modifier FROM wanted AS w \
      JOIN pg_catalog.pg_type AS t ON t.oid = w.type \
      JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid \
      UNION ALL SELECT e.place, t.typbasetype, t.typtypmod FROM element AS e \
      JOIN pg_catalog.pg_type AS t ON t.oid = e.type AND t.typtype = 'd') \
    SELECT c.is_element, c.modifier, pg_catalog.format_type(t.oid, NULL), pg_catalog.format_type(t.oid, c.modifier), \
      pg_catalog.format_type(t.oid, -1), t.typname, t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace, \
      t.typtype = 'e', \
      (SELECT NOT (a.attnotnull OR d.typnotnull) FROM pg_catalog.pg_attribute AS a \
        JOIN pg_catalog.pg_class AS r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'f') \
        JOIN pg_catalog.pg_type AS d ON d.oid = a.atttypid \
        WHERE a.attrelid = c.relation AND a.attnum = c.attribute), t.typdelim \
    FROM (SELECT place, false, type, modifier, relation, attribute FROM wanted \
      UNION ALL SELECT place, true, type, modifier, NULL, NULL FROM element) \
      AS c (place, is_element, type, modifier, relation, attribute) \
    JOIN pg_catalog.pg_type AS t ON t.oid = c.type \
    WHERE NOT c.is_element OR t.typtype <> 'd' ORDER BY c.place, c.is_element";

/// Looks up the types of `columns`, in order.
pub(crate) fn native_types(connection: &mut Connection, columns: &[ResultColumn]) -> Result<Vec<NativeType>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let (oid, (relation, attribute)) = ("pg_catalog.oid", c.origin);
            format!("({i},{}::{oid},{},{relation}::{oid},{attribute})", c.type_oid, c.modifier)
        })
        .collect();
    let rows = connection.query(&format!(
        "WITH RECURSIVE wanted (place, type, modifier, relation, attribute) AS (VALUES {}), {QUERY}",
        list.join(",")
    ))?;
    let mut types: Vec<NativeType> = Vec::with_capacity(columns.len());
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let is_element = next() == "t";
        let native = NativeType {
            modifier: next().parse().map_err(protocol)?,
            name: next(),
            full_name: next(),
            cast_name: next(),
            catalog_name: next(),
            is_builtin: next() == "t",
            is_enum: next() == "t",
            element: None,
            nullable: Some(next()).filter(|cell| !cell.is_empty()).map(|cell| cell == "t"),
        };
        match types.last_mut() {
            Some(array) if is_element => array.element = Some(Box::new(Element { native, delimiter: next() })),
            _ => types.push(native),
        }
    }
    if types.len() == columns.len() {
        Ok(types)
    } else {
        Err(protocol("a column of a type that the catalog does not list"))
    }
}
