//! What the plan of a read says: the table behind an alias, the index that leads to the rows, and all that a window costs.

use rivet_plugin_api::{Context, CursorValue, Explanation, Filter, ReadRequest, Source, TimeEncoding};

use common::{Database, all, filtered};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

fn explain(db: &Database, request: &ReadRequest) -> Explanation {
    db.source().explain(request, &Context::default()).unwrap_or_else(|e| panic!("{}: {e}", request.query))
}

fn after(column: &str, value: CursorValue) -> Filter {
    Filter::Window { column: column.into(), after: Some(value), upto: None, include_null: false }
}

const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)";

#[test]
fn the_table_is_told_whatever_the_query_calls_it() {
    let db = Database::new(&format!(
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, k INTEGER, note TEXT); CREATE INDEX by_k ON orders(k);
         CREATE TABLE \"order items\"(a INTEGER, b INTEGER); CREATE INDEX \"by b (x\" ON \"order items\"(b);
         CREATE TABLE wr(k INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID;
         CREATE TABLE \"a USING b\"(x);
         CREATE VIEW recent AS SELECT o.* FROM orders AS o WHERE o.note IS NULL;
         CREATE VIEW outer_view AS SELECT r.id AS id FROM recent r;
         INSERT INTO orders {NUMBERS} SELECT i, i, NULL FROM n; INSERT INTO \"order items\" {NUMBERS} SELECT i, i FROM n;
         INSERT INTO wr {NUMBERS} SELECT i, i FROM n; INSERT INTO \"a USING b\" VALUES (1);
         ANALYZE wr;"
    ));
    for (query, table, rows, whole, index) in [
        ("SELECT * FROM orders", "orders", Some(500), true, None),
        ("SELECT o.* FROM orders o", "orders", Some(500), true, None),
        ("SELECT * FROM main.orders", "orders", Some(500), true, None),
        ("SELECT wr.* FROM orders AS wr", "orders", Some(500), true, None),
        ("SELECT * FROM \"order items\"", "order items", Some(500), true, None),
        ("SELECT b FROM \"order items\" AS i WHERE b > 3", "order items", Some(500), false, Some("by b")),
        ("SELECT * FROM recent", "orders", Some(500), true, None),
        ("SELECT * FROM outer_view", "orders", Some(500), true, None),
        ("SELECT o.* FROM orders o WHERE k > 3", "orders", Some(500), false, Some("by_k")),
        ("SELECT o.* FROM orders o WHERE id > 3", "orders", Some(500), false, Some("INTEGER PRIMARY KEY")),
        ("SELECT id FROM orders o WHERE id IN (1, 2)", "orders", Some(500), false, Some("INTEGER PRIMARY KEY")),
        ("SELECT * FROM wr AS w WHERE k > 1 AND k < 9", "wr", Some(500), false, Some("PRIMARY KEY")),
        ("SELECT * FROM wr w ORDER BY k", "wr", Some(500), true, None),
        ("SELECT count(*) AS n FROM orders o", "orders", Some(500), true, Some("by_k")),
        ("SELECT count(*) AS n FROM \"a USING b\"", "a USING b", Some(1), true, None),
        ("SELECT w.v, o.k FROM wr w JOIN orders o ON o.id = w.k", "wr", Some(500), true, None),
        ("SELECT o.k FROM orders o LEFT JOIN wr w ON w.k = o.k", "orders", Some(500), true, Some("by_k")),
        ("SELECT 1 AS x FROM orders o WHERE id = 1 OR k = 2", "orders", Some(500), false, Some("INTEGER PRIMARY KEY")),
        ("SELECT max(k) AS k FROM orders AS o", "orders", Some(500), false, Some("by_k")),
        // Rows that the query makes itself are not scanned in a table.
        (
            "WITH s AS MATERIALIZED (SELECT k FROM orders o WHERE k > 9) SELECT * FROM s",
            "orders",
            Some(500),
            false,
            Some("by_k"),
        ),
        (
            "WITH orders AS MATERIALIZED (SELECT k FROM wr WHERE k > 9) SELECT * FROM orders",
            "wr",
            Some(500),
            false,
            Some("PRIMARY KEY"),
        ),
        ("SELECT id FROM orders o UNION ALL SELECT a FROM \"order items\" i", "orders", Some(500), true, Some("by_k")),
        ("SELECT value FROM json_each('[1]')", "json_each", None, true, None),
        ("SELECT name FROM sqlite_schema s", "sqlite_schema", None, true, None),
    ] {
        let plan = explain(&db, &all(query));
        let found = (plan.table.as_deref(), plan.rows, plan.whole, plan.index.as_deref());
        assert_eq!(found, (Some(table), rows, Some(whole), index), "{query}: {}", plan.plan);
    }
    for query in ["SELECT 1 AS x", "VALUES (1), (2)", &format!("{NUMBERS} SELECT i FROM n")] {
        let plan = explain(&db, &all(query));
        assert_eq!((plan.scan, plan.table, plan.whole), (None, None, None), "{query}: {}", plan.plan);
    }
    let keyed = explain(&db, &filtered("SELECT w.* FROM wr w", after("k", CursorValue::Int(3))));
    assert_eq!((keyed.index.as_deref(), &*keyed.index_columns), (Some("PRIMARY KEY"), &["k".to_owned()][..]));
    assert!(keyed.scan.unwrap().starts_with("SEARCH w USING PRIMARY KEY"));
}

#[test]
fn a_window_over_text_of_times_costs_the_search_for_its_ends_too() {
    let db = Database::new(&format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, u DATETIME, d DATE, n INTEGER, s TEXT);
         CREATE INDEX ix_u ON t(u); CREATE INDEX ix_d ON t(d); CREATE INDEX ix_n ON t(n); CREATE INDEX ix_s ON t(s);
         INSERT INTO t {NUMBERS} SELECT i, datetime(i * 86400, 'unixepoch'), date(i * 86400, 'unixepoch'), i, i % 9 FROM n;"
    ));
    let window = |query: &str, column: &str, value| explain(&db, &filtered(query, after(column, value)));
    let (time, date) = (CursorValue::Timestamp(86_400_000_000), CursorValue::Date(1));
    for (query, column, value, scan, rows) in [
        ("SELECT * FROM t", "u", time.clone(), "SCAN t USING COVERING INDEX ix_u", "SEARCH t USING INDEX ix_u (u>?)"),
        (
            "SELECT u FROM t",
            "u",
            time.clone(),
            "SCAN t USING COVERING INDEX ix_u",
            "SEARCH t USING COVERING INDEX ix_u (u>?)",
        ),
        ("SELECT x.* FROM t x", "d", date, "SCAN x USING COVERING INDEX ix_d", "SEARCH x USING INDEX ix_d (d>?)"),
    ] {
        let plan = window(query, column, value);
        assert_eq!(
            (plan.scan.as_deref(), plan.whole, plan.unindexable),
            (Some(scan), Some(true), true),
            "{}",
            plan.plan
        );
        assert_eq!((&plan.index, plan.index_columns.len(), plan.examined), (&None, 0, Some(500)));
        assert!(
            plan.warnings.iter().any(|w| w.contains(&format!("every \"{column}\"")) && w.ends_with(rows)),
            "{plan:?}"
        );
        assert_eq!(plan.plan, format!("{scan}\n{rows}"));
    }
    // What else the query asks may leave few rows for both.
    let few = window("SELECT * FROM t WHERE s = '3'", "u", time);
    assert_eq!((few.index.as_deref(), few.whole, few.unindexable), (Some("ix_s"), Some(false), true), "{}", few.plan);
    let number = window("SELECT * FROM t", "n", CursorValue::Int(1));
    assert_eq!((number.index.as_deref(), number.whole, number.unindexable), (Some("ix_n"), Some(false), false));
    // A time window has no bounds, and no index either, not even one that has the whole column.
    for (column, unindexable) in [("u", true), ("d", true), ("n", false)] {
        let encoding = if column == "n" { TimeEncoding::Unix } else { TimeEncoding::Timestamp };
        let since = Filter::Since { column: column.into(), instant: 86_400_000_000, encoding };
        let plan = explain(&db, &filtered(&format!("SELECT {column} FROM t"), since));
        assert_eq!((plan.unindexable, plan.index.is_none()), (unindexable, unindexable), "{}", plan.plan);
        assert_eq!(plan.whole, Some(unindexable));
    }
    // The ranges of a chunked export are found once, and read by the index.
    let range =
        Filter::Range { column: "u".into(), from: Some(CursorValue::Timestamp(0)), to: None, include_null: false };
    assert_eq!(explain(&db, &filtered("SELECT * FROM t", range)).index.as_deref(), Some("ix_u"));
}
