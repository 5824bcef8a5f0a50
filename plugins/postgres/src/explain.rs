//! How the server would run a read: its plan, and what in it reads the largest relation.

use rivet_plugin_api::{Error, Explanation, Result};
use serde_json::Value;

use crate::sql::literal;
use crate::wire::Connection;

/// A node of the plan that reads a relation.
struct Scan<'a> {
    node: &'a str,
    schema: &'a str,
    relation: &'a str,
    index: Option<&'a str>,
}

/// Explains `sql` without running it.
pub(crate) fn explain(connection: &mut Connection, sql: &str) -> Result<Explanation> {
    let plan: Vec<String> = lines(connection, &format!("EXPLAIN {sql}"))?;
    let json = lines(connection, &format!("EXPLAIN (VERBOSE, FORMAT JSON) {sql}"))?.join("\n");
    let document: Value =
        serde_json::from_str(&json).map_err(|e| Error::internal(format!("the server's plan is no JSON: {e}")))?;
    let root = &document[0]["Plan"];
    let mut scans = Vec::new();
    collect(root, &mut scans);
    let largest = largest(connection, &scans)?;
    Ok(Explanation {
        rows: root["Plan Rows"].as_u64(),
        scan: largest.map(|scan| format!("{} on {}", scan.node, scan.relation)),
        index: largest.and_then(|scan| scan.index).map(str::to_owned),
        index_columns: largest.map_or_else(|| Ok(Vec::new()), |scan| index_columns(connection, scan))?,
        cost: root["Total Cost"].as_f64(),
        plan: plan.join("\n"),
    })
}

/// Has the server do all that comes before the first row of `sql`, which is when it looks at the rights.
pub(crate) fn check_rights(connection: &mut Connection, sql: &str) -> Result<()> {
    connection.query(&format!("EXPLAIN (COSTS OFF) {sql}")).map(drop)
}

fn lines(connection: &mut Connection, sql: &str) -> Result<Vec<String>> {
    Ok(connection.query(sql)?.into_iter().flatten().flatten().collect())
}

fn collect<'a>(node: &'a Value, scans: &mut Vec<Scan<'a>>) {
    let children = || node["Plans"].as_array().into_iter().flatten();
    if let (Some(kind), Some(relation)) = (node["Node Type"].as_str(), node["Relation Name"].as_str()) {
        // A bitmap scan leaves the index to a node below it.
        let below = || children().find_map(|child| child["Index Name"].as_str());
        let index = node["Index Name"].as_str().or_else(below);
        scans.push(Scan { node: kind, schema: node["Schema"].as_str().unwrap_or_default(), relation, index });
    }
    for child in children() {
        collect(child, scans);
    }
}

fn largest<'a, 'b>(connection: &mut Connection, scans: &'b [Scan<'a>]) -> Result<Option<&'b Scan<'a>>> {
    if scans.is_empty() {
        return Ok(None);
    }
    let list: Vec<String> = scans
        .iter()
        .enumerate()
        .map(|(place, scan)| format!("({place},{},{})", literal(scan.schema), literal(scan.relation)))
        .collect();
    let sql = format!(
        "SELECT v.place FROM (VALUES {}) AS v (place, schema, relation) \
         JOIN pg_catalog.pg_namespace AS n ON n.nspname = v.schema \
         JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = v.relation \
         ORDER BY c.relpages DESC, v.place LIMIT 1",
        list.join(",")
    );
    let place = lines(connection, &sql)?.first().and_then(|place| place.parse::<usize>().ok());
    Ok(place.and_then(|place| scans.get(place)))
}

/// The columns, or expressions, by which the scan's index is ordered. An index lives in its table's schema.
fn index_columns(connection: &mut Connection, scan: &Scan<'_>) -> Result<Vec<String>> {
    let Some(index) = scan.index else { return Ok(Vec::new()) };
    // Only the columns that order the index have an entry in "indoption".
    let sql = format!(
        "SELECT pg_catalog.pg_get_indexdef(i.indexrelid, n, true) FROM pg_catalog.pg_index AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relname = {} \
         JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = {} \
         CROSS JOIN pg_catalog.generate_series(1, pg_catalog.array_length(i.indoption::pg_catalog.int2[], 1)) AS n \
         ORDER BY n",
        literal(index),
        literal(scan.schema)
    );
    lines(connection, &sql)
}
