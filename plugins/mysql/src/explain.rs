//! How the server would run a read: its plan, and what in it reads the most rows. MariaDB and MySQL describe plans by
//! the same nested objects; only a few members have other names.

use rivet_plugin_api::serde_json::{self, Map, Value};
use rivet_plugin_api::{Error, Explanation, Result};

use crate::wire::Connection;

/// What reads rows of a table in the plan.
struct Scan<'a> {
    table: &'a Map<String, Value>,
    rows: f64,
}

/// Explains `sql` without running it.
pub(crate) fn explain(connection: &mut Connection, sql: &str) -> Result<Explanation> {
    if connection.server().has_plan_versions() {
        // The newer document leaves out which columns of an index are used.
        connection.query("SET SESSION explain_json_format_version = 1")?;
    }
    let plan = only_cell(connection, &format!("EXPLAIN FORMAT=JSON {sql}"))?;
    let document: Value =
        serde_json::from_str(&plan).map_err(|e| Error::internal(format!("the server's plan is no JSON: {e}")))?;
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
    Ok(Explanation {
        rows: estimate(&document["query_block"]).map(|rows| rows.round() as u64),
        scan: text("table_name").map(|table| format!("{} on {table}", access(text("access_type").unwrap_or_default()))),
        index: text("key").map(str::to_owned),
        index_columns: parts.into_iter().flatten().filter_map(|part| part.as_str().map(str::to_owned)).collect(),
        cost: cost(&document["query_block"]),
        plan: tree.unwrap_or(plan).trim_end().to_owned(),
    })
}

fn only_cell(connection: &mut Connection, sql: &str) -> Result<String> {
    let cell = connection.query(sql)?.into_iter().flatten().flatten().next();
    cell.ok_or_else(|| Error::internal("the server answered no plan"))
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
