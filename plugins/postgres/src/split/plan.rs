//! What the server would do for a query: it alone knows which names are aggregates, views or policies.

use rivet_plugin_api::{Error, Result};
use serde_json::Value;

use super::table::Table;
use crate::wire::Connection;

/// The scans of a plan, by their node types.
pub(super) type Scans = Vec<String>;

/// Explains `sql`; the inner error says, for the user, what else than scans of `table` its plan has.
pub(super) fn scans(connection: &mut Connection, sql: &str, table: &Table) -> Result<Result<Scans, String>> {
    let lines = connection.query(&format!("EXPLAIN (VERBOSE, FORMAT JSON) {sql}"))?;
    let json: Vec<String> = lines.into_iter().flatten().flatten().collect();
    let plan: Value = serde_json::from_str(&json.join("\n"))
        .map_err(|e| Error::internal(format!("the server's plan is no JSON: {e}")))?;
    let mut scans = Vec::new();
    Ok(collect(&plan[0]["Plan"], table, &mut scans).map(|()| scans))
}

fn collect(node: &Value, table: &Table, scans: &mut Scans) -> Result<(), String> {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let kind = text("Node Type");
    match kind {
        "Append" | "Gather" | "Bitmap Index Scan" | "BitmapAnd" | "BitmapOr" => {}
        "Seq Scan" | "Index Scan" | "Index Only Scan" | "Bitmap Heap Scan" | "Tid Scan" | "Tid Range Scan" => {
            if !table.contains(text("Schema"), text("Relation Name")) {
                return Err(format!("the query also reads \"{}\"", text("Relation Name")));
            }
            scans.push(kind.to_owned());
        }
        _ => return Err(reason(kind)),
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        // A value that is computed once, or once a row, hangs below the scan that needs it.
        if matches!(child["Parent Relationship"].as_str(), Some("InitPlan" | "SubPlan")) {
            return Err("the query has a subquery".to_owned());
        }
        collect(child, table, scans)?;
    }
    Ok(())
}

fn reason(kind: &str) -> String {
    let what = match kind {
        "Aggregate" | "Group" => "aggregates rows",
        "WindowAgg" => "has a window function",
        "ProjectSet" => "has a function that returns many rows",
        "LockRows" => "locks rows",
        "Nested Loop" | "Hash Join" | "Merge Join" => "joins tables",
        // A condition that is false for every row, or an aggregate that an index answers.
        "Result" => "is not answered by a scan of its table",
        "Foreign Scan" => "reads a foreign table",
        _ => return format!("the server's plan has a \"{kind}\""),
    };
    format!("the query {what}")
}
