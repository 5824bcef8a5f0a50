//! How the server would run a read: its plan, what in it reads the largest relation, and what the statistics know of
//! that. Nothing is run: plans and catalogues answer.

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
    /// Whether it goes through the whole relation or index.
    whole: bool,
    /// Rows that come out of it.
    rows: f64,
    /// Which share of it is read before a `LIMIT` above it is content.
    share: f64,
}

/// What the catalogue knows of a scan's relation.
struct Size {
    /// `None` when nobody ever counted them.
    rows: Option<f64>,
    bytes: Option<u64>,
}

/// Explains `sql` without running it.
pub(crate) fn explain(connection: &mut Connection, sql: &str) -> Result<Explanation> {
    let plan: Vec<String> = lines(connection, &format!("EXPLAIN {sql}"))?;
    let document = document(connection, sql)?;
    let root = &document[0]["Plan"];
    let mut scans = Vec::new();
    collect(root, 1.0, &mut scans);
    let sizes = sizes(connection, &scans)?;
    let largest = (0..scans.len()).rev().max_by_key(|place| sizes[*place].bytes);
    let scan = largest.map(|place| &scans[place]);
    let never_counted = scans.iter().zip(&sizes).filter(|(_, size)| size.rows.is_none());
    let mut warnings: Vec<String> = never_counted
        .map(|(Scan { relation, .. }, _)| {
            format!("\"{relation}\" was never analysed: its figures are guesses until `ANALYZE`")
        })
        .collect();
    warnings.dedup();
    Ok(Explanation {
        rows: root["Plan Rows"].as_u64(),
        examined: (!scans.is_empty()).then(|| scans.iter().zip(&sizes).map(|(scan, size)| scan.examined(size)).sum()),
        row_bytes: root["Plan Width"].as_u64(),
        scan: scan.map(Scan::name),
        whole: scan.map(|scan| scan.whole),
        table: scan.map(|scan| scan.relation.to_owned()),
        table_rows: largest.and_then(|place| sizes[place].rows).map(|rows| rows as u64),
        table_bytes: largest.and_then(|place| sizes[place].bytes),
        index: scan.and_then(|scan| scan.index).map(str::to_owned),
        index_columns: scan.map_or_else(|| Ok(Vec::new()), |scan| index_columns(connection, scan))?,
        cost: root["Total Cost"].as_f64(),
        plan: plan.join("\n"),
        warnings,
        unindexable: false,
    })
}

/// Has the server do all that comes before the first row of `sql`, which is when it looks at the rights.
pub(crate) fn check_rights(connection: &mut Connection, sql: &str) -> Result<()> {
    connection.query(&format!("EXPLAIN (COSTS OFF) {sql}")).map(drop)
}

/// The server's own figure for the work of `sql`: a page read in sequence counts 1.
pub(crate) fn cost(connection: &mut Connection, sql: &str) -> Result<f64> {
    let document = document(connection, sql)?;
    document[0]["Plan"]["Total Cost"].as_f64().ok_or_else(|| Error::internal("the server's plan has no cost"))
}

fn document(connection: &mut Connection, sql: &str) -> Result<Value> {
    let json = lines(connection, &format!("EXPLAIN (VERBOSE, FORMAT JSON) {sql}"))?.join("\n");
    serde_json::from_str(&json).map_err(|e| Error::internal(format!("the server's plan is no JSON: {e}")))
}

fn lines(connection: &mut Connection, sql: &str) -> Result<Vec<String>> {
    Ok(connection.query(sql)?.into_iter().flatten().flatten().collect())
}

impl Scan<'_> {
    /// As the server's own plans say it.
    fn name(&self) -> String {
        match (self.index, self.node) {
            (Some(index), "Bitmap Heap Scan") => format!("Bitmap Index Scan using {index}"),
            (Some(index), node) => format!("{node} using {index}"),
            (None, node) => format!("{node} on {}", self.relation),
        }
    }

    fn examined(&self, size: &Size) -> u64 {
        let all = if self.whole { size.rows.unwrap_or_default().max(self.rows) } else { self.rows };
        (all * self.share).round() as u64
    }
}

/// The scans under `node`, of which `share` is read.
fn collect<'a>(node: &'a Value, share: f64, scans: &mut Vec<Scan<'a>>) {
    let children = || node["Plans"].as_array().into_iter().flatten();
    let kind = node["Node Type"].as_str().unwrap_or_default();
    if let Some(relation) = node["Relation Name"].as_str() {
        // A bitmap scan leaves the index to a node below it.
        let below = || children().find_map(|child| child["Index Name"].as_str());
        let index = node["Index Name"].as_str().or_else(below);
        let by_index = index.is_some() && (kind == "Bitmap Heap Scan" || node["Index Cond"].is_string());
        scans.push(Scan {
            node: kind,
            schema: node["Schema"].as_str().unwrap_or_default(),
            relation,
            index,
            whole: !by_index && !kind.starts_with("Tid "),
            rows: node["Plan Rows"].as_f64().unwrap_or_default(),
            share,
        });
    }
    for child in children() {
        let share = match kind {
            "Limit" => share * share_of(node, child),
            // These take all rows before they give one.
            "Sort" | "Hash" | "Aggregate" | "WindowAgg" | "Materialize" => 1.0,
            _ => share,
        };
        collect(child, share, scans);
    }
}

/// How much of `child` its `limit` lets run, by their costs.
fn share_of(limit: &Value, child: &Value) -> f64 {
    let cost = |node: &Value, which: &str| node[which].as_f64().unwrap_or_default();
    let start = cost(child, "Startup Cost");
    let share = (cost(limit, "Total Cost") - start) / (cost(child, "Total Cost") - start);
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 }
}

/// What the catalogue knows of the relation of each scan, in their order.
fn sizes(connection: &mut Connection, scans: &[Scan<'_>]) -> Result<Vec<Size>> {
    if scans.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<String> = scans
        .iter()
        .enumerate()
        .map(|(place, scan)| format!("({place},{},{})", literal(scan.schema), literal(scan.relation)))
        .collect();
    // Before version 14, a table that nobody ever counted looks like an empty one.
    let sql = format!(
        "SELECT CASE WHEN c.reltuples > 0 OR c.relpages > 0 OR (c.reltuples = 0 \
             AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 140000) THEN c.reltuples END, \
             pg_catalog.pg_table_size(c.oid) \
         FROM (VALUES {}) AS v (place, schema, relation) \
         LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = v.schema \
         LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = v.relation ORDER BY v.place",
        list.join(",")
    );
    let size = |row: Vec<Option<String>>| {
        let cell = |place: usize| row.get(place)?.as_deref();
        Size {
            rows: cell(0).and_then(|rows| rows.parse().ok()).filter(|rows| *rows >= 0.0),
            bytes: cell(1).and_then(|bytes| bytes.parse().ok()),
        }
    };
    let sizes: Vec<Size> = connection.query(&sql)?.into_iter().map(size).collect();
    if sizes.len() == scans.len() { Ok(sizes) } else { Err(Error::internal("two relations of one name in one schema")) }
}

/// The columns, or expressions, by which the scan's index is ordered. An index lives in its table's schema.
fn index_columns(connection: &mut Connection, scan: &Scan<'_>) -> Result<Vec<String>> {
    let Some(index) = scan.index else { return Ok(Vec::new()) };
    // Only the columns that order the index have an entry in "indoption".
    let sql = format!(
        "SELECT COALESCE(a.attname::pg_catalog.text, pg_catalog.pg_get_indexdef(i.indexrelid, n, true)) \
         FROM pg_catalog.pg_index AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid AND c.relname = {} \
         JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace AND s.nspname = {} \
         CROSS JOIN pg_catalog.generate_series(1, pg_catalog.array_length(i.indoption::pg_catalog.int2[], 1)) AS n \
         LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1] AND a.attnum > 0 \
         ORDER BY n",
        literal(index),
        literal(scan.schema)
    );
    lines(connection, &sql)
}
