//! The columns that select rows: how users may write their names, what their values have to be, and what the query
//! around them must not do.

use rivet_plugin_api::{
    Bounds, BoundsRequest, Category, Context, CursorValue, Error, Filter, ReadRequest, Source, TimeEncoding,
};

use common::{Database, all, filtered};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

fn bounds(db: &Database, query: &str, column: &str) -> Result<Bounds, Error> {
    let request = BoundsRequest { query: query.into(), column: column.into(), ..BoundsRequest::default() };
    db.source().bounds(&request, &Context::default())
}

fn window(column: &str, after: Option<CursorValue>) -> Filter {
    Filter::Window { column: column.into(), after, upto: None, include_null: false }
}

#[test]
fn the_name_of_a_key_may_be_quoted_and_of_any_case() {
    let db = Database::new("CREATE TABLE t(id INTEGER, \"userId\" INTEGER); INSERT INTO t VALUES (1, 10), (2, 20)");
    let query = "SELECT id, \"userId\" FROM t";
    for name in ["userId", "USERID", "\"userId\"", "`userid`"] {
        assert_eq!(bounds(&db, query, name).unwrap().max, Some(CursorValue::Int(20)), "{name}");
        assert_eq!(db.integers(&filtered(query, window(name, Some(CursorValue::Int(10))))), [2], "{name}");
        assert_eq!(db.integers(&ReadRequest { order_by: vec![name.into()], ..all(query) }), [1, 2], "{name}");
    }
    let error = bounds(&db, query, "\"user\"").unwrap_err();
    assert_eq!((error.category(), error.message()), (Category::Config, "the query has no column \"\"user\"\""));
}

#[test]
fn a_key_that_is_none_is_shown() {
    let long = "x".repeat(100);
    let db = Database::new("CREATE TABLE t(v NUMERIC, ts DATETIME, d DATE, i INTEGER, s TEXT)");
    for (column, value, says) in [
        ("v", "'abc'", "column \"v\" holds \"abc\", which is no number"),
        ("v", "x'00ff'", "column \"v\" holds x'00ff', which is no number"),
        ("i", "'a' || char(10) || 'b'", "column \"i\" holds \"a\u{fffd}b\", which is no int64"),
        ("s", "x'01'", "column \"s\" holds x'01', which is no text"),
        ("ts", "'12/31/2026'", "holds a value that is none: \"12/31/2026\""),
        ("ts", "1704067200", "holds a value that is none: 1704067200"),
        ("d", "'never' || char(0)", "holds a value that is none: \"never\u{fffd}\""),
        ("d", &format!("'{long}'"), &format!("holds a value that is none: \"{}…\"", &long[..59])),
    ] {
        db.connect().execute_batch(&format!("DELETE FROM t; INSERT INTO t({column}) VALUES ({value})")).unwrap();
        let error = bounds(&db, "SELECT * FROM t", column).unwrap_err();
        assert!(error.message().ends_with(says), "{error}");
        assert_eq!(error.category(), Category::Data, "{error}");
        assert!(error.hint_text().is_some(), "{error}");
        let encoding = TimeEncoding::Timestamp;
        if let "ts" | "d" = column {
            assert_eq!(error.code_text(), Some("SQLITE_MISMATCH"));
            let since = Filter::Since { column: column.into(), instant: 0, encoding };
            assert!(db.read(&filtered("SELECT * FROM t", since)).unwrap_err().message().ends_with(says), "{column}");
        }
    }
}

#[test]
fn a_window_around_a_limit_is_refused() {
    let db = Database::new("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)");
    let query = "SELECT id FROM t ORDER BY id LIMIT 2";
    let request = filtered(query, window("id", None));
    let mut source = db.source();
    for error in [
        db.read(&request).unwrap_err(),
        source.explain(&request, &Context::default()).unwrap_err(),
        source.count(&request, &Context::default()).unwrap_err(),
    ] {
        assert_eq!(error.category(), Category::Config);
        assert!(error.message().starts_with("the query has a LIMIT, which an incremental export"), "{error}");
        assert_eq!(error.hint_text(), Some("remove the LIMIT, or use `mode: full`"));
    }
    // Samples are wanted in other modes, and parts of a query may have limits.
    assert_eq!(db.integers(&all(query)), [1, 2]);
    let range = Filter::Range { column: "id".into(), from: Some(CursorValue::Int(2)), to: None, include_null: false };
    assert_eq!(db.integers(&filtered(query, range)), [2]);
    let since = Filter::Since { column: "id".into(), instant: 2_000_000, encoding: TimeEncoding::Unix };
    assert_eq!(db.integers(&filtered(query, since)), [2]);
    let inner = "SELECT id FROM (SELECT id FROM t ORDER BY id DESC LIMIT 2)";
    assert_eq!(db.integers(&filtered(inner, window("id", Some(CursorValue::Int(2))))), [3]);
}
