//! How the server would run a read: its plan, and what in it reads the most rows. MariaDB and MySQL describe plans by
//! the same nested objects; only a few members have other names.

use rivet_plugin_api::serde_json::{self, Map, Value};
use rivet_plugin_api::{Error, Explanation, Result};

use crate::key::text;
use crate::wire::Connection;

mod names;

/// What reads rows of a table in the plan.
struct Scan<'a> {
    table: &'a Map<String, Value>,
    rows: f64,
}

/// What the server's statistics know of a table.
#[derive(Default)]
struct Size {
    table: Option<String>,
    rows: Option<u64>,
    row_bytes: Option<u64>,
    bytes: Option<u64>,
}

/// Explains `sql` without running it.
pub(crate) fn explain(connection: &mut Connection, sql: &str) -> Result<Explanation> {
    let (plan, document) = document(connection, sql)?;
    if connection.server().is_mariadb {
        // Its documents come without the rewritten statement.
        connection.query(&format!("EXPLAIN EXTENDED {sql}"))?;
    }
    // The rewritten statement tells the tables behind the aliases, until the next one is sent.
    let rewritten = connection.query("SHOW WARNINGS")?;
    let mut scans = Vec::new();
    collect(&document, &mut scans);
    // The first of equals: the outer one of a join.
    let largest = scans.iter().rev().max_by(|a, b| a.rows.total_cmp(&b.rows));
    let text = |name: &str| largest.and_then(|scan| scan.table.get(name)?.as_str());
    let parts = largest.and_then(|scan| scan.table.get("used_key_parts")?.as_array());
    // A tree reads better than the document, where the server prints one.
    let tree = if connection.server().has_plan_trees() {
        Some(only_cell(connection, &format!("EXPLAIN FORMAT=TREE {sql}"))?)
    } else {
        None
    };
    let size = match text("table_name") {
        Some(alias) => size(connection, alias, &rewritten)?,
        None => Size::default(),
    };
    let access_type = text("access_type").unwrap_or_default();
    let scan = |table: &str| match text("key") {
        Some(index) => format!("{} using {index}", access(access_type)),
        None => format!("{} on {table}", access(access_type)),
    };
    let mut warnings = Vec::new();
    if !connection.server().merges_subqueries() && document["query_block"]["table"]["table_name"] == "_rivet" {
        let text = "this server copies the rows of the query into a temporary table before it applies the bounds of a \
                    run, and uses no index for them: MySQL 5.7 and newer do";
        warnings.push(text.to_owned());
    }
    Ok(Explanation {
        rows: estimate(&document["query_block"]).map(|rows| rows.round() as u64),
        examined: (!scans.is_empty()).then(|| scans.iter().map(|scan| scan.rows as u64).sum()),
        row_bytes: size.row_bytes,
        scan: text("table_name").map(scan),
        whole: largest.map(|_| matches!(access_type, "ALL" | "index")),
        table: size.table.or_else(|| text("table_name").map(str::to_owned)),
        table_rows: size.rows,
        table_bytes: size.bytes,
        index: text("key").map(str::to_owned),
        index_columns: parts.into_iter().flatten().filter_map(|part| part.as_str().map(str::to_owned)).collect(),
        cost: cost(&document["query_block"]),
        plan: tree.unwrap_or(plan).trim_end().to_owned(),
        warnings,
        unindexable: false,
    })
}

/// How many rows of tables the server expects to look at for `sql`.
pub(crate) fn examined(connection: &mut Connection, sql: &str) -> Result<u64> {
    let (_, document) = document(connection, sql)?;
    let mut scans = Vec::new();
    collect(&document, &mut scans);
    Ok(scans.iter().map(|scan| scan.rows as u64).sum())
}

fn document(connection: &mut Connection, sql: &str) -> Result<(String, Value)> {
    if connection.server().has_plan_versions() {
        // The newer document leaves out which columns of an index are used.
        connection.query("SET SESSION explain_json_format_version = 1")?;
    }
    let plan = only_cell(connection, &format!("EXPLAIN FORMAT=JSON {sql}"))?;
    let document =
        serde_json::from_str(&plan).map_err(|e| Error::internal(format!("the server's plan is no JSON: {e}")))?;
    Ok((plan, document))
}

fn only_cell(connection: &mut Connection, sql: &str) -> Result<String> {
    let cell = connection.query(sql)?.into_iter().flatten().flatten().next();
    cell.ok_or_else(|| Error::internal("the server answered no plan"))
}

/// What is known of the table that the plan calls `alias`; nothing where the server does not tell which one that is.
fn size(connection: &mut Connection, alias: &str, rewritten: &[Vec<Option<String>>]) -> Result<Size> {
    let statements = rewritten.iter().filter_map(|row| row.get(2)?.as_deref());
    let Some((schema, table)) =
        statements.flat_map(names::tables).find(|t| t.alias == alias).map(|t| (t.schema, t.table))
    else {
        return Ok(Size::default());
    };
    let sql = format!(
        "SELECT TABLE_ROWS, AVG_ROW_LENGTH, DATA_LENGTH FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        text(&schema),
        text(&table)
    );
    let row = connection.query(&sql)?.pop().unwrap_or_default();
    let number = |place: usize| row.get(place)?.as_deref()?.parse::<u64>().ok();
    Ok(Size { table: Some(table), rows: number(0), row_bytes: number(1).filter(|bytes| *bytes > 0), bytes: number(2) })
}
/// The access in words: the server's own are those of its source code.
fn access(access_type: &str) -> String {
    match access_type {
        "ALL" => "full scan",
        "index" => "full index scan",
        "range" => "index range scan",
        "ref" | "ref_or_null" | "fulltext" => "index lookup",
        "eq_ref" | "const" | "system" => "lookup of one row",
        "index_merge" => "merge of index scans",
        other => other,
    }
    .to_owned()
}

fn collect<'a>(node: &'a Value, scans: &mut Vec<Scan<'a>>) {
    match node {
        Value::Object(object) => {
            if let Some(rows) = table_rows(object) {
                scans.push(Scan { table: object, rows });
            }
            object.values().for_each(|child| collect(child, scans));
        }
        Value::Array(list) => list.iter().for_each(|child| collect(child, scans)),
        _ => {}
    }
}

/// How many rows of a table are looked at. `None` for what is no table of the user's.
fn table_rows(object: &Map<String, Value>) -> Option<f64> {
    let is_derived = ["materialized", "materialized_from_subquery"].iter().any(|name| object.contains_key(*name));
    if is_derived || !object.contains_key("access_type") || !object.contains_key("table_name") {
        return None;
    }
    rows(object)
}

fn rows(table: &Map<String, Value>) -> Option<f64> {
    // MySQL since 5.7, then MariaDB and older versions; the row of a constant table is not estimated.
    let rows = ["rows_examined_per_scan", "rows"].iter().find_map(|name| table.get(*name)?.as_f64());
    rows.or_else(|| matches!(table.get("access_type")?.as_str()?, "const" | "system").then_some(1.0))
}

/// The rows that a query block yields: the product of its joined tables, each reduced to what passes its condition.
/// What is limited, grouped or made unique is estimated as if it were not.
fn estimate(block: &Value) -> Option<f64> {
    match block {
        Value::Object(object) => {
            // No tables at all, or a condition that nothing fulfils: one row at most.
            if object.contains_key("message") {
                return Some(1.0);
            }
            if let Some(Value::Object(table)) = object.get("table") {
                if table.contains_key("message") {
                    return Some(1.0);
                }
                let share = ["filtered", "r_filtered"].iter().find_map(|name| table.get(*name)?.as_f64());
                return Some(rows(table)? * share.unwrap_or(100.0) / 100.0);
            }
            if let Some(parts) = object.get("query_specifications").and_then(Value::as_array) {
                return parts.iter().map(|part| estimate(&part["query_block"])).sum();
            }
            if let Some(joined) = object.get("nested_loop").and_then(Value::as_array) {
                return joined.iter().map(estimate).product();
            }
            object.values().find_map(estimate)
        }
        _ => None,
    }
}

fn cost(block: &Value) -> Option<f64> {
    let cost = &block["cost_info"]["query_cost"];
    // MySQL writes it as text.
    cost.as_str().and_then(|cost| cost.parse().ok()).or_else(|| block["cost"].as_f64())
}
