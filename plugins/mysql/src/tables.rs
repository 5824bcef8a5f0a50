//! What there is to export: tables and views with what the server's statistics say of them.

use std::collections::HashMap;

use rivet_plugin_api::{Result, Table, Tables, TablesRequest};

use crate::error::protocol;
use crate::key::text;
use crate::sql::identifier;
use crate::wire::Connection;

/// The databases that are the server's own.
const OWN: &str = "'information_schema', 'mysql', 'performance_schema', 'sys'";

/// What the indexes of a table say.
#[derive(Default)]
struct Keys {
    primary: Vec<String>,
    leading: Vec<String>,
}

/// Lists the tables of `request`; databases are its schemas. A table that the user has no right to is not listed at all.
pub(crate) fn tables(connection: &mut Connection, request: &TablesRequest) -> Result<Tables> {
    let wanted = if request.schemas.is_empty() {
        format!("IF(DATABASE() IS NULL, TABLE_SCHEMA NOT IN ({OWN}), TABLE_SCHEMA = DATABASE())")
    } else {
        let names: Vec<String> = request.schemas.iter().map(|schema| text(schema)).collect();
        format!("TABLE_SCHEMA IN ({})", names.join(", "))
    };
    let mut keys = keys(connection, &wanted)?;
    // A sequence is no table, and what else the server lists is its own.
    let rows = connection.query(&format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES \
         WHERE {wanted} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW') \
         ORDER BY BINARY TABLE_SCHEMA, BINARY TABLE_NAME"
    ))?;
    let mut tables = Vec::with_capacity(rows.len());
    for row in rows {
        let mut cells = row.into_iter();
        let mut next = || cells.next().flatten();
        let (schema, name, kind) = (next().unwrap_or_default(), next().unwrap_or_default(), next().unwrap_or_default());
        let mut number = || next().map(|number| number.parse().map_err(protocol)).transpose();
        let (rows, bytes) = (number()?, number()?);
        let query = format!("SELECT * FROM {}.{}", identifier(&schema), identifier(&name));
        let Keys { primary, leading } = keys.remove(&(schema.clone(), name.clone())).unwrap_or_default();
        tables.push(Table {
            schema: Some(schema),
            name,
            is_view: kind == "VIEW",
            is_denied: false,
            query,
            rows,
            bytes,
            primary_key: primary,
            indexed: leading,
        });
    }
    Ok(Tables { tables })
}

/// The keys of all tables, by schema and name. A part of an index that is an expression has no name.
fn keys(connection: &mut Connection, wanted: &str) -> Result<HashMap<(String, String), Keys>> {
    let rows = connection.query(&format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME FROM information_schema.STATISTICS \
         WHERE {wanted} AND INDEX_TYPE = 'BTREE' AND COLUMN_NAME IS NOT NULL \
         ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    ))?;
    let mut keys: HashMap<_, Keys> = HashMap::new();
    for row in rows {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let mut next = || cells.next().unwrap_or_default();
        let (table, index, place, column) = ((next(), next()), next(), next(), next());
        let keys = keys.entry(table).or_default();
        if place == "1" && !keys.leading.contains(&column) {
            keys.leading.push(column.clone());
        }
        if index == "PRIMARY" {
            keys.primary.push(column);
        }
    }
    Ok(keys)
}
