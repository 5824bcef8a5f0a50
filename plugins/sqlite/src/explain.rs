//! SQLite's query plan, and how many rows the scanned table has by what the database knows without a scan.

use std::collections::HashMap;

use rivet_plugin_api::{Explanation, Filter, ReadRequest, Result};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use crate::error::driver;
use crate::filter::{self, Statement};
use crate::query::Query;
use crate::types::Typed;

mod program;

use program::{Program, Read};

/// How many rows a table has, and how that is known.
struct Count {
    rows: u64,
    is_analysed: bool,
}

/// A line of the plan.
struct Step {
    depth: usize,
    text: String,
    read: Read,
}

/// Explains how the rows of `request` would be found. Of a window that is all that a run does for it: where keys are
/// computed, a search for its ends comes first.
pub(crate) fn explain(
    connection: &Connection,
    query: &Query,
    typed: &[Typed],
    request: &ReadRequest,
) -> Result<Explanation> {
    let found = of(connection, &filter::read(query, typed, request)?, request.filter != Filter::All)?;
    let (Filter::Window { column, .. } | Filter::Since { column, .. }) = &request.filter else { return Ok(found) };
    let index = query.column(column)?;
    let column = &typed[index];
    if !column.kind.is_computed() || found.scan.is_none() {
        return Ok(found);
    }
    let Filter::Window { after, .. } = &request.filter else {
        return Ok(unindexed(found));
    };
    let ends = filter::bounds(query, typed, index, after.as_ref(), false)?;
    let Some(ends) = ends.first() else { return Ok(found) };
    let ends = of(connection, ends, true)?;
    let mut warnings = found.warnings;
    if let Some(scan) = found.scan.filter(|_| ends.whole == Some(true) && found.whole != Some(true)) {
        warnings.push(format!(
            "each run looks at every \"{}\" to find where its window ends, so that nothing that is no {} is passed in \
             silence; the rows of the window then come by {scan}",
            column.name, column.kind
        ));
    }
    let plan = format!("{}\n{}", ends.plan, found.plan);
    Ok(Explanation { rows: found.rows, warnings, plan, ..unindexed(ends) })
}

/// As `plan`, where an index that is read as a whole is none that leads to rows.
fn unindexed(plan: Explanation) -> Explanation {
    let plan = Explanation { unindexable: true, ..plan };
    match plan.whole {
        Some(true) => Explanation { index: None, index_columns: Vec::new(), ..plan },
        _ => plan,
    }
}

/// Explains `statement`, which reads all rows of the query unless it `is_filtered`.
fn of(connection: &Connection, statement: &Statement, is_filtered: bool) -> Result<Explanation> {
    let steps = plan(connection, statement).map_err(driver)?;
    let access = |word| steps.iter().filter(move |step| step.text.starts_with(word));
    let table_access = |word| access(word).find(|step| step.read != Read::Nothing);
    // A full scan weighs most, unless it is one of rows that the query has made itself.
    let scan = table_access("SCAN ").or_else(|| table_access("SEARCH ")).or_else(|| access("SEARCH ").next());
    let table = scan.map(table_of).unwrap_or_default();
    let (index, index_columns) = match scan.and_then(|step| index_of(&step.text)) {
        Some(key @ (ROW_ID | PRIMARY_KEY)) => (
            Some(key.to_owned()),
            names(connection, "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk", table),
        ),
        Some(index) => {
            (Some(index.to_owned()), names(connection, "SELECT name FROM pragma_index_info(?1) ORDER BY seqno", index))
        }
        None => (None, Ok(Vec::new())),
    };
    let count = rows(connection, table).map_err(driver)?;
    let rows = count.as_ref().map(|count| count.rows);
    let whole = scan.map(|step| step.text.starts_with("SCAN "));
    let plan: Vec<_> = steps.iter().map(|step| format!("{}{}", "  ".repeat(step.depth), step.text)).collect();
    Ok(Explanation {
        rows,
        examined: rows.filter(|_| whole == Some(true)),
        row_bytes: None,
        scan: scan.map(|step| step.text.clone()),
        whole,
        table: scan.map(|_| table.to_owned()),
        table_rows: rows,
        table_bytes: None,
        warnings: count.map(|count| warnings(table, &count, is_filtered)).unwrap_or_default(),
        index,
        index_columns: index_columns.map_err(driver)?,
        cost: None,
        unindexable: false,
        plan: plan.join("\n"),
    })
}

/// What a plan calls the row id of a table, and the key of one without row ids.
const ROW_ID: &str = "INTEGER PRIMARY KEY";
const PRIMARY_KEY: &str = "PRIMARY KEY";

/// The lines of the plan with their depth, and what they read.
fn plan(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Step>> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql))?;
    let mut rows = explain.query(params_from_iter(&statement.values))?;
    let (mut depths, mut lines, mut ids) = (HashMap::from([(0, 0)]), Vec::<(usize, String)>::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
        let depth = depths.get(&parent).copied().unwrap_or(0);
        depths.insert(id, depth + 1);
        ids.push(id);
        lines.push((depth, row.get(3)?));
    }
    let mut reads = Program::of(connection, statement)?.reads(&ids);
    for step in 1..lines.len() {
        // One of the searches for an OR, which the program makes under the heading before it.
        if reads[step] == Read::Nothing && lines[step - 1].1.starts_with("INDEX ") {
            reads[step] = reads[step - 1].clone();
        }
    }
    Ok(lines.into_iter().zip(reads).map(|((depth, text), read)| Step { depth, text, read }).collect())
}

/// The table that a step reads, or what the plan calls it.
fn table_of(step: &Step) -> &str {
    if let Read::Table(table) = &step.read {
        return table;
    }
    let name = step.text.split_once(' ').map_or("", |(_, name)| name);
    let name = [" USING ", " VIRTUAL TABLE INDEX "].iter().fold(name, |name, end| before(name, end));
    before(before(name, " LEFT-JOIN"), " EXISTS")
}

/// The index that a line of the plan names; one that SQLite builds for the statement alone is none.
fn index_of(line: &str) -> Option<&str> {
    let (_, using) = line.split_once(" USING ")?;
    let name = before(before(using, " ("), " LEFT-JOIN");
    match name {
        ROW_ID | PRIMARY_KEY => Some(name),
        _ => name.strip_prefix("INDEX ").or_else(|| name.strip_prefix("COVERING INDEX ")),
    }
}

fn before<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or(text, |(before, _)| before)
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

/// The rows of `table` as ANALYZE counted them, else by its greatest row id; unknown where there is no such table.
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
