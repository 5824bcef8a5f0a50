//! The source on real database files: batches, filters, errors and cancellation.

use std::time::{Duration, Instant};

use rivet_plugin_api::arrow_array::RecordBatch;
use rivet_plugin_api::arrow_array::cast::AsArray;
use rivet_plugin_api::{
    BatchSize, BoundsRequest, Category, Context, CursorValue, DescribeRequest, Error, Filter, ReadRequest, Source,
    TimeEncoding, Timeouts, declared_nullable,
};

use common::{Database, all, filtered, open};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

#[test]
fn rows_come_in_batches_of_bounded_size() {
    let db = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, s TEXT);
         INSERT INTO t SELECT value, 'row ' || value FROM (WITH RECURSIVE n(value) AS
           (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 70000) SELECT value FROM n);",
    );
    let batches = db.read(&all("SELECT id, s, id + 0 AS e FROM t")).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [10_000; 7]);
    assert_eq!(batches[6].column(1).as_string::<i32>().value(9_999), "row 70000");
    assert_eq!(db.integers(&all("SELECT id FROM t")), (1..=70_000).collect::<Vec<_>>());
    let batch = BatchSize { rows: 1_000_000, bytes: 100_000 };
    let small = db.read(&ReadRequest { batch, ..all("SELECT id, s FROM t") }).unwrap();
    assert!(small.len() > 10 && small.iter().all(|b| b.get_array_memory_size() < 1 << 20));
}

#[test]
fn every_filter_covers_its_rows_once() {
    let db = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, ts DATETIME, d DATE, u TEXT COLLATE NOCASE);
         INSERT INTO t VALUES (1, 10, '2024-01-01 00:00:00', '2024-01-01', 'a'), (2, 20, '2024-01-01T00:00:00.000', '2024-01-02', 'A'),
           (3, 20, '2024-01-02T01:00:00+02:00', '2024-01-03', 'b'), (4, NULL, NULL, NULL, NULL), (5, 30, '2024-01-02 00:00:00', '2024-01-04', 'c');",
    );
    let query = "SELECT * FROM t -- all of them;\n;";
    let int = |v| Some(CursorValue::Int(v));
    let window = |column: &str, after, upto, include_null| {
        db.integers(&filtered(query, Filter::Window { column: column.into(), after, upto, include_null }))
    };
    assert_eq!(window("k", int(10), int(20), false), [2, 3]);
    assert_eq!(window("K", None, int(20), true), [1, 2, 3, 4]);
    assert_eq!(window("k", None, None, false), [1, 2, 3, 5]);
    assert_eq!(window("k", None, None, true), [1, 2, 3, 4, 5]);
    // Two forms of one instant are one value, and the offset counts.
    let midnight = 1_704_067_200_000_000;
    let at = |us| Some(CursorValue::Timestamp(us));
    assert_eq!(window("ts", at(midnight), at(midnight + 86_400_000_000), false), [3, 5]);
    assert_eq!(window("ts", None, at(midnight), false), [1, 2]);
    assert_eq!(window("d", Some(CursorValue::Date(19_724)), None, false), [3, 5]);
    assert_eq!(window("u", Some(CursorValue::Text("A".into())), None, false), [3, 5]);
    let range =
        |from, to| db.integers(&filtered(query, Filter::Range { column: "k".into(), from, to, include_null: false }));
    assert_eq!((range(int(10), int(20)), range(int(20), None)), (vec![1], vec![2, 3, 5]));
    let dense = |from, to| db.integers(&filtered(query, Filter::Dense { order_by: "k".into(), from, to }));
    assert_eq!((dense(0, 2), dense(2, 4), dense(4, 9)), (vec![4, 1], vec![2, 3], vec![5]));
    let since = |column: &str, instant, encoding| {
        db.integers(&filtered(query, Filter::Since { column: column.into(), instant, encoding }))
    };
    assert_eq!(since("ts", midnight + 1, TimeEncoding::Timestamp), [3, 5]);
    assert_eq!(since("d", midnight + 1, TimeEncoding::Timestamp), [2, 3, 5]);
    assert_eq!(since("k", 20_000_000, TimeEncoding::Unix), [2, 3, 5]);
    let count = db.source().count(
        &filtered(query, Filter::Window { column: "k".into(), after: int(10), upto: None, include_null: false }),
        &Context::default(),
    );
    assert_eq!(count.unwrap(), 3);
}

#[test]
fn columns_order_and_repeated_names() {
    let db = Database::new("CREATE TABLE t(a INTEGER, \"select\" TEXT); INSERT INTO t VALUES (2, 'x'), (1, 'y')");
    let request = ReadRequest {
        order_by: vec!["a".into()],
        columns: Some(vec!["select".into(), "A_2".into()]),
        ..all("SELECT a, \"select\", a AS a FROM t")
    };
    let batch = &db.read(&request).unwrap()[0];
    assert_eq!(batch.schema().field(1).name(), "a_2");
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "y");
    let error = db.read(&ReadRequest { order_by: vec!["b".into()], ..all("SELECT a FROM t") }).unwrap_err();
    assert_eq!((error.category(), error.hint_text()), (Category::Config, Some("did you mean `a`?")));
}

#[test]
fn bounds_are_typed() {
    let db = Database::new(
        "CREATE TABLE t(id INTEGER, ts DATETIME, d DATE, n NUMERIC, s TEXT);
         INSERT INTO t VALUES (5, '2024-01-02T00:00:00Z', '2024-01-02', 1.5, 'b'), (-7, '2024-01-02 01:00:00', '2024-01-01', 3, 'a'), (NULL, NULL, NULL, NULL, NULL);",
    );
    let bounds = |column: &str, above| {
        let request = BoundsRequest {
            query: "SELECT * FROM t;".into(),
            column: column.into(),
            above,
            ..BoundsRequest::default()
        };
        db.source()
            .bounds(&request, &Context::default())
            .map(|b| (b.min.map(|v| v.to_string()), b.max.map(|v| v.to_string())))
    };
    let pair = |min: &str, max: &str| (Some(min.to_owned()), Some(max.to_owned()));
    assert_eq!(bounds("id", None).unwrap(), pair("-7", "5"));
    assert_eq!(bounds("id", Some(CursorValue::Int(-7))).unwrap(), pair("5", "5"));
    assert_eq!(bounds("id", Some(CursorValue::Int(5))).unwrap(), (None, None));
    assert_eq!(bounds("ts", None).unwrap(), pair("2024-01-02T00:00:00.000000", "2024-01-02T01:00:00.000000"));
    assert_eq!(bounds("d", None).unwrap(), pair("2024-01-01", "2024-01-02"));
    assert_eq!(bounds("n", None).unwrap(), pair("1.5", "3"));
    assert_eq!(bounds("s", None).unwrap(), pair("a", "b"));
    db.connect().execute_batch("INSERT INTO t(id, ts) VALUES ('stray', 'never')").unwrap();
    for column in ["id", "ts"] {
        assert_eq!(bounds(column, None).unwrap_err().category(), Category::Data, "{column}");
    }
}

#[test]
fn what_is_not_one_reading_statement_is_refused() {
    let db = Database::new("CREATE TABLE t(a INTEGER)");
    for query in [
        "SELECT 1; SELECT 2",
        "DELETE FROM t",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "PRAGMA query_only=OFF",
        "SELECT ?",
        "",
    ] {
        assert!(matches!(db.error(query).category(), Category::Permanent | Category::Config), "{query}");
    }
    let error = db.error("SELECT a FROM t\n  WHERE ORDER BY a");
    assert!(error.message().contains("at line 2, column"), "{error}");
    assert_eq!(error.code_text(), Some("SQLITE_ERROR"));
    assert!(db.error("SELECT \"b\" FROM t").message().contains("no such column"));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let db = Database::new("CREATE TABLE t(a)");
    let missing = open(&db.0.path().join("missing.db")).unwrap_err();
    assert_eq!(missing.category(), Category::NotFound);
    assert!(missing.hint_text().is_some() && !db.0.path().join("missing.db").exists());
    let text = db.0.path().join("text.db");
    std::fs::write(
        &text,
        "this is no database, and it is longer than a header of one hundred bytes, which SQLite wants to see first",
    )
    .unwrap();
    let error = open(&text).unwrap_err();
    assert_eq!((error.category(), error.code_text()), (Category::Permanent, Some("SQLITE_NOTADB")));
    assert!(open(db.0.path()).is_err());
}

#[test]
fn a_lock_is_waited_for_and_then_reported() {
    let db = Database::new("CREATE TABLE t(a INTEGER); INSERT INTO t VALUES (1)");
    let writer = db.connect();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let timeouts = Timeouts { lock_s: 1, statement_s: 0 };
    let begun = Instant::now();
    // Opening waits for nothing: the limit is that of the read.
    let mut source = db.source();
    let error = source.read(&ReadRequest { timeouts, ..all("SELECT a FROM t") }, &Context::default()).err().unwrap();
    assert_eq!((error.category(), error.code_text()), (Category::Timeout, Some("SQLITE_BUSY")));
    assert!((1..3).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(db.integers(&all("SELECT a FROM t")), [1]);
}

#[test]
fn a_read_sees_one_moment() {
    let db = Database::new("PRAGMA journal_mode=WAL; CREATE TABLE t(a INTEGER); INSERT INTO t VALUES (1), (2), (3)");
    let request = ReadRequest { batch: BatchSize { rows: 1, bytes: 1 << 20 }, ..all("SELECT a FROM t") };
    let mut reader = db.source().read(&request, &Context::default()).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().num_rows(), 1);
    db.connect().execute_batch("DELETE FROM t").unwrap();
    assert!(reader.next().unwrap().is_some() && reader.next().unwrap().is_some() && reader.next().unwrap().is_none());
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

#[test]
fn cancelling_and_closing_end_an_endless_query() {
    let db = Database::new("CREATE TABLE t(a)");
    // One sends batches for ever, the other never sends one.
    for query in [ENDLESS.to_owned(), format!("{ENDLESS} WHERE i < 0")] {
        let context = Context::default();
        let cancel = context.cancel().clone();
        let timer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            cancel.cancel();
            Instant::now()
        });
        let error = db
            .source()
            .read(&all(&query), &context)
            .and_then(|mut reader| -> Result<(), Error> {
                loop {
                    reader.next()?;
                }
            })
            .unwrap_err();
        let cancelled = timer.join().unwrap();
        assert_eq!(error.category(), Category::Cancelled);
        assert!(cancelled.elapsed() < Duration::from_secs(1));
    }
    let begun = Instant::now();
    let mut reader = db.source().read(&all(ENDLESS), &Context::default()).unwrap();
    reader.next().unwrap();
    reader.close().unwrap();
    drop(db.source().read(&all(ENDLESS), &Context::default()).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_statement_limit_counts_only_waiting() {
    let db = Database::new("CREATE TABLE t(a)");
    let timeouts = Timeouts { statement_s: 1, lock_s: 0 };
    let request = ReadRequest { timeouts, ..all(&format!("{ENDLESS} WHERE i < 0")) };
    let error = db.source().read(&request, &Context::default()).err().unwrap();
    assert_eq!(error.category(), Category::Timeout);
    let mut reader = db.source().read(&ReadRequest { timeouts, ..all("VALUES (1)") }, &Context::default()).unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    assert!(reader.next().unwrap().is_some());
}

#[test]
fn explain_and_probe_tell_what_an_operator_needs() {
    let db = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER); CREATE INDEX by_k ON t(k);
         INSERT INTO t SELECT value, value FROM json_each('[1,2,3]');",
    );
    let mut source = db.source();
    let scan = source.explain(&all("SELECT * FROM t"), &Context::default()).unwrap();
    assert_eq!((scan.rows, scan.scan.as_deref(), scan.index), (Some(3), Some("SCAN t"), None));
    let filter =
        Filter::Window { column: "k".into(), after: Some(CursorValue::Int(1)), upto: None, include_null: false };
    let plan = source.explain(&filtered("SELECT id, k FROM t;", filter), &Context::default()).unwrap();
    assert_eq!(
        (plan.index.as_deref(), &plan.index_columns[..]),
        (Some("by_k"), &["k".to_owned()][..]),
        "{}",
        plan.plan
    );
    let probe = source.probe(&Context::default()).unwrap();
    assert_eq!(probe.server, "SQLite");
    assert!(probe.warnings[0].contains("WAL"));
}

#[test]
fn what_is_asked_frugally_reads_no_large_table() {
    let db = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, i INTEGER); CREATE INDEX by_i ON t(i);
         INSERT INTO t WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 200000) SELECT v, v, v FROM n;
         CREATE TABLE small(k INTEGER); INSERT INTO small VALUES (1), (2);",
    );
    let mut source = db.source();
    let mut bounds = |query: &str, column: &str, frugal| {
        let (query, column) = (query.to_owned(), column.to_owned());
        source
            .bounds(&BoundsRequest { query, column, frugal, ..BoundsRequest::default() }, &Context::default())
            .unwrap()
    };
    for (query, column, is_cheap) in [
        ("SELECT * FROM t", "id", true),
        ("SELECT * FROM t", "i", true),
        ("SELECT * FROM small", "k", true),
        ("SELECT * FROM t", "k", false),
        ("SELECT i + 0 AS i FROM t", "i", false),
        // One step of SQLite's machine counts a whole table.
        ("SELECT count(*) AS n FROM t", "n", false),
    ] {
        let found = bounds(query, column, true);
        assert_eq!((found.declined.is_none(), found.max.is_some()), (is_cheap, is_cheap), "{query}: {found:?}");
        // The budget ends with the call.
        assert!(bounds(query, column, false).max.is_some(), "{query}");
    }
    for (query, arrow_type) in [
        ("SELECT 1 AS x FROM t", "Int64"),
        ("SELECT count(*) AS x FROM t", ""),
        ("SELECT max(k + 0) AS x FROM t", ""),
        ("SELECT count(*) AS x FROM small WHERE k = 1", "Int64"),
    ] {
        let request = DescribeRequest { query: query.to_owned(), frugal: true, ..DescribeRequest::default() };
        let column = db.source().describe(&request, &Context::default()).unwrap().columns.remove(0);
        assert_eq!(
            (column.arrow_type.as_str(), column.rule.contains("of a run decide")),
            (arrow_type, arrow_type.is_empty())
        );
    }
}

#[test]
fn fields_say_what_the_table_declares_of_null() {
    let db = Database::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, must TEXT NOT NULL, may DATE); INSERT INTO t VALUES (1, 'x', NULL);
         CREATE TABLE typed(id INT PRIMARY KEY, x); INSERT INTO typed VALUES (1, 1);
         CREATE TABLE pair(a INTEGER, id INTEGER, PRIMARY KEY (a, id)); INSERT INTO pair VALUES (1, 1);
         CREATE TABLE back(id INTEGER PRIMARY KEY DESC); INSERT INTO back VALUES (1);
         CREATE TABLE bare(id TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO bare VALUES (1);
         CREATE VIEW v AS SELECT id, must, may FROM t;",
    );
    let (no, yes) = (Some(false), Some(true));
    for (query, expected) in [
        ("SELECT *, id + 1, 1 FROM t", vec![no, no, yes, None, None]),
        ("SELECT may, must AS other, id FROM v", vec![yes, no, no]),
        // Only an alias of the rowid takes no NULL by itself, which SQLite keeps for compatibility.
        ("SELECT * FROM typed", vec![yes, yes]),
        ("SELECT * FROM pair", vec![yes, yes]),
        ("SELECT * FROM back", vec![yes]),
        ("SELECT * FROM bare", vec![no]),
        ("SELECT value AS id FROM json_each('[1]')", vec![None]),
    ] {
        let range = Filter::Range { column: "id".into(), from: None, to: None, include_null: true };
        for request in [all(query), filtered(query, range)] {
            let schema = db.read(&request).unwrap()[0].schema();
            let said: Vec<_> = schema.fields().iter().map(|f| declared_nullable(f)).collect();
            assert_eq!(said, expected, "{query}");
            assert!(schema.fields().iter().all(|f| f.is_nullable()), "{query}");
        }
        let request = DescribeRequest { query: query.into(), ..DescribeRequest::default() };
        let described = db.source().describe(&request, &Context::default()).unwrap().columns;
        let described: Vec<_> = described.iter().map(|c| c.nullable).collect();
        assert_eq!(described, expected.iter().map(|e| e.unwrap_or(true)).collect::<Vec<_>>(), "{query}");
    }
}
