//! SQLite's query plan, and how many rows the scanned table has by what the database knows without a scan.

use rivet_plugin_api::{Explanation, Result};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::error::driver;
use crate::filter::Statement;

/// How many rows a table has, and how that is known.
struct Count {
    rows: u64,
    is_analysed: bool,
}

/// Explains `statement`, which reads all rows of the query unless it `is_filtered`, maybe by what is computed.
pub(crate) fn explain(
    connection: &Connection,
    statement: &Statement,
    is_filtered: bool,
    unindexable: bool,
) -> Result<Explanation> {
    let lines = plan(connection, statement).map_err(driver)?;
    let table_access = |word: &str| lines.iter().map(|(_, line)| line.as_str()).find(|line| line.starts_with(word));
    // A full scan weighs most; constant rows come from no table.
    let scan = table_access("SCAN ").filter(|line| !line.contains("CONSTANT ROW")).or_else(|| table_access("SEARCH "));
    let table = scan.and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let (index, index_columns) = match scan.and_then(index_of) {
        Some(PRIMARY_KEY) => (
            Some(PRIMARY_KEY.to_owned()),
            names(connection, "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk", table),
        ),
        Some(index) => {
            (Some(index.to_owned()), names(connection, "SELECT name FROM pragma_index_info(?1) ORDER BY seqno", index))
        }
        None => (None, Ok(Vec::new())),
    };
    let count = rows(connection, table).map_err(driver)?;
    let rows = count.as_ref().map(|count| count.rows);
    let whole = scan.map(|line| line.starts_with("SCAN "));
    Ok(Explanation {
        rows,
        examined: rows.filter(|_| whole == Some(true)),
        row_bytes: None,
        scan: scan.map(str::to_owned),
        whole,
        table: scan.map(|_| table.to_owned()),
        table_rows: rows,
        table_bytes: None,
        warnings: count.map(|count| warnings(table, &count, is_filtered)).unwrap_or_default(),
        index,
        index_columns: index_columns.map_err(driver)?,
        cost: None,
        unindexable,
        plan: lines.iter().map(|(depth, line)| format!("{}{line}", "  ".repeat(*depth))).collect::<Vec<_>>().join("\n"),
    })
}

/// What a plan calls the table's own key.
const PRIMARY_KEY: &str = "INTEGER PRIMARY KEY";

/// The lines of the plan with their depth.
fn plan(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<(usize, String)>> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql))?;
    let mut rows = explain.query(params_from_iter(&statement.values))?;
    let (mut depths, mut lines) = (std::collections::HashMap::from([(0, 0)]), Vec::new());
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
        let depth = depths.get(&parent).copied().unwrap_or(0);
        depths.insert(id, depth + 1);
        lines.push((depth, row.get(3)?));
    }
    Ok(lines)
}

/// The index that a line of the plan names; one that SQLite builds for the statement alone is none.
fn index_of(line: &str) -> Option<&str> {
    if line.contains("USING INTEGER PRIMARY KEY") {
        return Some(PRIMARY_KEY);
    }
    let (_, rest) = line.split_once("USING INDEX ").or_else(|| line.split_once("USING COVERING INDEX "))?;
    Some(rest.split(" (").next().unwrap_or(rest))
}

fn names(connection: &Connection, sql: &str, object: &str) -> rusqlite::Result<Vec<String>> {
    // An index on an expression has columns without a name.
    let names = connection
        .prepare(sql)?
        .query_map([object], |row| row.get::<_, Option<String>>(0))?
        .collect::<Result<Vec<_>, _>>();
    Ok(names?.into_iter().flatten().collect())
}

fn warnings(table: &str, count: &Count, is_filtered: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if !count.is_analysed {
        warnings.push(format!(
            "\"{table}\" was never analysed: its number of rows is its greatest row id, until `ANALYZE`"
        ));
    }
    if is_filtered {
        warnings.push(format!(
            "SQLite does not estimate what a condition leaves: the number of rows is that of \"{table}\""
        ));
    }
    warnings
}

/// The rows of `table` as ANALYZE counted them, else by its greatest row id; unknown where the plan names an alias.
fn rows(connection: &Connection, table: &str) -> rusqlite::Result<Option<Count>> {
    let exists = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let Some(table) = connection.query_row(exists, [table], |row| row.get::<_, String>(0)).optional()? else {
        return Ok(None);
    };
    let analysed = connection
        .query_row("SELECT stat FROM sqlite_stat1 WHERE tbl = ?1 LIMIT 1", [&table], |row| row.get::<_, String>(0))
        .ok()
        .and_then(|stat| Some(Count { rows: stat.split(' ').next()?.parse().ok()?, is_analysed: true }));
    let by_row_id = || {
        let sql = format!("SELECT max(rowid) FROM \"{}\"", table.replace('"', "\"\""));
        // A table without row ids has no such column.
        connection
            .query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))
            .ok()
            .map(|max| Count { rows: max.unwrap_or(0).max(0) as u64, is_analysed: false })
    };
    Ok(analysed.or_else(by_row_id))
}
