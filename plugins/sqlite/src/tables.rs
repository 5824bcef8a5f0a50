//! What there is to export: the tables and views of the file, without a scan of any of them.

use rivet_plugin_api::{Result, Table, Tables, TablesRequest};
use rusqlite::{Connection, OptionalExtension as _};

use crate::error::driver;

/// The names by which a table's own number of a row is reached, unless a column has the name.
const ROWID: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Lists the tables, but for those that SQLite and its modules keep for themselves. There are no schemas.
pub(crate) fn tables(connection: &Connection, request: &TablesRequest) -> Result<Tables> {
    if !request.schemas.is_empty() {
        return Ok(Tables::default());
    }
    let sql = "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') \
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql).map_err(driver)?;
    let found = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<(String, String, bool)>>>)
        .map_err(driver)?;
    let table = |(name, kind, has_no_rowid): (String, String, bool)| {
        let query = format!("SELECT * FROM {}", identifier(&name));
        if kind == "view" {
            return Ok(Table { name, query, is_view: true, ..Table::default() });
        }
        let names = |sql: &str| names(connection, sql, &name);
        let columns = names("SELECT name FROM pragma_table_info(?1)")?;
        let primary_key = names("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
        let mut indexed = names(
            "SELECT DISTINCT i.name FROM pragma_index_list(?1) AS l, pragma_index_info(l.name) AS i \
             WHERE l.partial = 0 AND i.seqno = 0 AND i.name IS NOT NULL",
        )?;
        // The alias of the rowid has no index of its own, nor has the key of a table without rowids.
        indexed.extend(primary_key.first().filter(|key| !indexed.contains(key)).cloned());
        let own = ROWID.into_iter().find(|own| !columns.iter().any(|column| column.eq_ignore_ascii_case(own)));
        let rows = match own.filter(|_| kind == "table" && !has_no_rowid) {
            Some(own) => greatest(connection, &name, own)?,
            None => None,
        };
        Ok(Table { name, query, rows, primary_key, indexed, ..Table::default() })
    };
    Ok(Tables { tables: found.into_iter().map(table).collect::<Result<_>>()? })
}

fn names(connection: &Connection, sql: &str, table: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare(sql).map_err(driver)?;
    let names = statement.query_map([table], |row| row.get(0)).and_then(Iterator::collect);
    names.map_err(driver)
}

/// The greatest row number, which is the number of rows unless some were deleted. SQLite keeps no better estimate.
fn greatest(connection: &Connection, table: &str, rowid: &str) -> Result<Option<u64>> {
    let sql = format!("SELECT {rowid} FROM {} ORDER BY {rowid} DESC LIMIT 1", identifier(table));
    let greatest = connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).optional().map_err(driver)?;
    Ok(u64::try_from(greatest.unwrap_or(0)).ok())
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
