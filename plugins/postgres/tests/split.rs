//! Tables cut into parts, and read range by range, against the server in `RIVET_TEST_POSTGRES_URL`, whose role may
//! create tables. What is only true from version 14 on says so.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_cast::display::array_value_to_string;
use rivet_plugin_api::{Context, Filter, Mapping, ReadRequest, Source, Split, SplitRequest, Strategy, Timeouts};
use rivet_plugin_postgres::Postgres;

use common::{STRATEGIES, open, psql, read, request, url};

mod common;

/// Whether pages are found without reading all the others, on the server at `url`.
fn has_range_scans(url: &str) -> bool {
    psql(url, "SHOW server_version_num").trim().parse::<u32>().unwrap() >= 140_000
}

fn split(source: &mut Postgres, query: &str, parts: usize, snapshot: Option<&str>) -> Split {
    let snapshot = snapshot.map(str::to_owned);
    let request = SplitRequest { query: query.into(), parts, snapshot, ..SplitRequest::default() };
    source.split(&request, &Context::default()).unwrap_or_else(|e| panic!("{query}: {e}"))
}

/// The rows as text, sorted.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let row = |batch: &RecordBatch, row| {
        let cells = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
        cells.collect::<Vec<_>>().join("|")
    };
    let mut rows: Vec<String> =
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at))).collect();
    rows.sort_unstable();
    rows
}

/// A schema with a table of about 300 pages, rows of it dead, one that has partitions of different sizes, one that
/// others inherit from, and one with values that are stored out of line.
fn schema(url: &str, name: &str) {
    psql(
        url,
        &format!(
            "DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; \
             BEGIN; SET LOCAL search_path = {name}; \
             CREATE TABLE plain (id int PRIMARY KEY, t text, n numeric(9,2)); \
             INSERT INTO plain SELECT i, repeat('x', 80), i / 7.0 FROM generate_series(1, 20000) AS i; \
             DELETE FROM plain WHERE id % 13 = 0; UPDATE plain SET t = 'new' WHERE id % 11 = 0; \
             CREATE TABLE \"Ö tab\"\"le\" (\"Sel\"\"ect\" int PRIMARY KEY, t text); \
             INSERT INTO \"Ö tab\"\"le\" SELECT id, t FROM plain; \
             CREATE TABLE parted (id int, t text) PARTITION BY RANGE (id); \
             CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (2000); \
             CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (2000) TO (100000); \
             CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (100000) TO (200000); \
             INSERT INTO parted SELECT id, t FROM plain; \
             CREATE TABLE parent (id int, t text); CREATE TABLE child (extra int) INHERITS (parent); \
             INSERT INTO parent SELECT id, t FROM plain WHERE id < 15000; INSERT INTO child SELECT id, t, 1 FROM plain; \
             CREATE TABLE wide (id int, t text); ALTER TABLE wide ALTER t SET STORAGE EXTERNAL; \
             INSERT INTO wide SELECT i, repeat(i::text, CASE WHEN i BETWEEN 300 AND 310 THEN 20000 ELSE 9 END) \
               FROM generate_series(1, 20000) AS i; \
             CREATE TABLE tiny AS SELECT 1 AS id; CREATE TABLE hollow (id int); \
             CREATE VIEW seen AS SELECT * FROM plain; CREATE MATERIALIZED VIEW kept AS SELECT * FROM plain; \
             ANALYZE plain; ANALYZE \"Ö tab\"\"le\"; ANALYZE parted; ANALYZE parent; ANALYZE wide; ANALYZE kept; COMMIT"
        ),
    );
}

#[test]
fn parts_together_are_the_whole() {
    let Some(url) = url() else { return };
    schema(&url, "rivet_parts");
    let mut source = open(&url);
    for (query, by_key) in [
        ("SELECT * FROM rivet_parts.plain", true),
        (
            "SELECT id, n AS n, n AS n FROM ONLY rivet_parts . plain AS x WHERE x.id % 3 = 0 OR t = 'new' -- all\n; -- end",
            true,
        ),
        ("select 'from' AS \"from\", id /* from */ from rivet_parts.plain x where (id > 5 or t = '--')", true),
        ("SELECT \"Sel\"\"ect\" AS \"select\", t FROM rivet_parts.\"Ö tab\"\"le\"", true),
        (
            "SELECT id IS DISTINCT FROM 7 AS d, extract(day FROM date '2024-01-02') AS e, id FROM rivet_parts.plain",
            true,
        ),
        ("SELECT ctid::text, plain::text, tableoid::int, plain FROM rivet_parts.plain", true),
        ("SELECT id, interval '1 s' * id AS i FROM rivet_parts.parted", false),
        ("SELECT id FROM rivet_parts.parent", false),
        ("SELECT id FROM ONLY rivet_parts.parent", false),
        ("SELECT id, length(t) AS l FROM rivet_parts.wide", false),
        ("SELECT id FROM rivet_parts.kept", false),
        ("SELECT (SELECT 1) AS one, id FROM rivet_parts.plain WHERE false", false),
    ] {
        let whole = rows(&read(&mut source, &request(query)).unwrap());
        let split = split(&mut source, query, 3, None);
        if query.contains("WHERE false") || !(by_key || has_range_scans(&url)) {
            assert!(split.reason.is_some(), "{query}: {:?}", split.parts);
            continue;
        }
        // A table of few pages is read at once.
        let few = query.contains("ONLY rivet_parts.parent") || query.contains("wide");
        assert!(split.parts.len() == 3 || few && split.parts.len() == 2, "{query}: {split:?}");
        let mut parts = Vec::new();
        for filter in split.parts {
            let strategies = STRATEGIES.map(|strategy| {
                let timeouts = Timeouts { statement_s: 60, lock_s: 60 };
                let part = ReadRequest { filter: filter.clone(), strategy, timeouts, ..request(query) };
                read(&mut source, &part).unwrap_or_else(|e| panic!("{query}: {e}"))
            });
            assert_eq!(rows(&strategies[0]), rows(&strategies[1]), "{query}");
            let ordered = ReadRequest { filter, ..request(query) };
            let count = source.count(&ordered, &Context::default()).unwrap();
            assert_eq!(count, rows(&strategies[0]).len() as u64, "{query}");
            assert!(count > 0, "{query}: a part without rows");
            parts.extend(read(&mut source, &ordered).unwrap());
        }
        assert_eq!(rows(&parts), whole, "{query}");
    }
    psql(&url, "DROP SCHEMA rivet_parts CASCADE");
}

#[test]
fn a_part_takes_mappings_columns_and_order() {
    let Some(url) = url() else { return };
    schema(&url, "rivet_part_of");
    let mut source = open(&url);
    let query = "SELECT id, n, interval '1 s' * id AS i FROM rivet_part_of.plain;";
    let filter = split(&mut source, query, 4, None).parts.remove(1);
    let mapping = Mapping { types: [("numeric".to_owned(), "decimal".to_owned())].into(), ..Mapping::default() };
    let part = ReadRequest {
        filter,
        mapping,
        columns: Some(vec!["n".into(), "id".into()]),
        order_by: vec!["id".into()],
        ..request(query)
    };
    for strategy in STRATEGIES {
        let batches = read(&mut source, &ReadRequest { strategy, ..part.clone() }).unwrap();
        assert_eq!(batches[0].schema().field(0).data_type().to_string(), "Decimal128(9, 2)");
        let ids: Vec<i32> =
            batches.iter().flat_map(|b| b.column(1).to_data().buffers()[0].typed_data::<i32>().to_vec()).collect();
        assert!(ids.is_sorted() && ids.len() > 3000);
    }
    assert!(source.explain(&part, &Context::default()).unwrap().scan.is_some());
    psql(&url, "DROP SCHEMA rivet_part_of CASCADE");
}

#[test]
fn what_cannot_be_cut_says_why() {
    let Some(url) = url() else { return };
    schema(&url, "rivet_uncut");
    let mut source = open(&url);
    for (query, reason) in [
        ("SELECT count(*) FROM plain", "aggregates"),
        ("SELECT max(id) FROM plain", "scan"),
        ("SELECT DISTINCT t FROM plain", "DISTINCT"),
        ("SELECT * FROM plain LIMIT 5", "LIMIT"),
        ("SELECT * FROM plain FETCH FIRST ROW ONLY", "FETCH"),
        ("SELECT * FROM plain OFFSET 5", "OFFSET"),
        ("SELECT * FROM plain ORDER BY id", "ORDER"),
        ("SELECT t FROM plain GROUP BY t", "GROUP"),
        ("SELECT id FROM plain WHERE id > 3 GROUP BY id", "GROUP"),
        ("SELECT row_number() OVER () AS r, id FROM plain", "window"),
        ("SELECT a.id FROM plain AS a JOIN tiny ON true", "joins"),
        ("SELECT a.id FROM plain AS a, tiny", "joins"),
        ("SELECT id FROM plain WHERE id IN (SELECT id FROM parent)", "joins"),
        ("SELECT id FROM plain UNION ALL SELECT id FROM tiny", "UNION"),
        ("WITH x AS (SELECT * FROM plain) SELECT * FROM x", "SELECT"),
        ("SELECT * FROM (SELECT * FROM plain) AS s", "subquery"),
        ("SELECT id, (SELECT max(id) FROM tiny) AS m FROM plain", "subquery"),
        ("SELECT * FROM generate_series(1, 100000) AS i", "function"),
        ("SELECT id, unnest('{1,2}'::int[]) AS u FROM plain", "many rows"),
        ("SELECT * FROM plain FOR UPDATE", "FOR"),
        ("SELECT * FROM plain TABLESAMPLE SYSTEM (50)", "TABLESAMPLE"),
        ("SELECT * FROM seen", "view"),
        ("SELECT * FROM plain AS p (a, b, c)", "columns"),
        ("TABLE plain", "SELECT"),
        ("SELECT 1 AS one", "no table"),
        ("SELECT * FROM plain WHERE id = 7", "index"),
    ] {
        let query = query.replace("plain", "rivet_uncut.plain").replace("tiny", "rivet_uncut.tiny");
        let query = query.replace("parent", "rivet_uncut.parent").replace("seen", "rivet_uncut.seen");
        let split = split(&mut source, &query, 4, None);
        assert!(split.parts.is_empty(), "{query}: {:?}", split.parts);
        let found = split.reason.unwrap();
        assert!(found.contains(reason) || found.contains("whole table"), "{query}: {found}");
    }
    for query in ["SELECT * FROM rivet_uncut.tiny", "SELECT * FROM rivet_uncut.hollow"] {
        assert_eq!(split(&mut source, query, 4, None).parts, [Filter::All], "{query}");
    }
    let wrong = SplitRequest { query: "SELECT * FROM no_such".into(), parts: 2, ..SplitRequest::default() };
    assert!(source.split(&wrong, &Context::default()).is_err());
    let foreign = Filter::Part { token: "{\"pages\":[0,1]} OR true".into() };
    let part = ReadRequest { filter: foreign, ..request("SELECT * FROM rivet_uncut.plain") };
    assert!(read(&mut source, &part).is_err());
    psql(&url, "DROP SCHEMA rivet_uncut CASCADE");
}

#[test]
fn parts_of_one_snapshot_miss_and_repeat_nothing_while_others_write() {
    let Some(url) = url() else { return };
    schema(&url, "rivet_busy");
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (url, stop) = (url.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                psql(
                    &url,
                    "UPDATE rivet_busy.plain SET t = repeat('y', 120), id = -id WHERE id % 5 = 0; \
                     DELETE FROM rivet_busy.plain WHERE id % 17 = 3; \
                     INSERT INTO rivet_busy.plain SELECT max(id) + i, 'z' FROM rivet_busy.plain, \
                       generate_series(1, 3000) AS i GROUP BY i",
                );
                psql(&url, "VACUUM rivet_busy.plain");
            }
        })
    };
    let mut source = open(&url);
    let query = "SELECT id, t, n FROM rivet_busy.plain";
    for round in 0..4 {
        let snapshot = Some(source.snapshot(&Context::default()).unwrap());
        let split = split(&mut source, query, 3, snapshot.as_deref());
        assert!(split.parts.len() > 1, "{split:?}");
        let strategy = if round % 2 == 0 { Strategy::Auto } else { Strategy::Cursor };
        let of = |filter| ReadRequest { filter, snapshot: snapshot.clone(), strategy, ..request(query) };
        let mut parts = Vec::new();
        for filter in split.parts {
            parts.extend(read(&mut open(&url), &of(filter)).unwrap());
        }
        let whole = read(&mut source, &of(Filter::All)).unwrap();
        assert_eq!(rows(&parts), rows(&whole));
        assert_eq!(whole.iter().map(RecordBatch::num_rows).sum::<usize>() as u64, {
            source.count(&of(Filter::All), &Context::default()).unwrap()
        });
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    // Its snapshot holds the table.
    drop(source);
    psql(&url, "DROP SCHEMA rivet_busy CASCADE");
}

#[test]
fn nobody_rewrites_a_table_between_its_parts() {
    let Some(url) = url() else { return };
    schema(&url, "rivet_held");
    let mut source = open(&url);
    let may_rewrite = || {
        let rewrite = "BEGIN; SET LOCAL lock_timeout = '200ms'; CLUSTER rivet_held.plain USING plain_pkey; COMMIT";
        let args = [url.as_str(), "-qX", "-v", "ON_ERROR_STOP=1", "-c", rewrite];
        Command::new("psql").args(args).output().unwrap().status.success()
    };
    let snapshot = source.snapshot(&Context::default()).unwrap();
    assert!(split(&mut source, "SELECT * FROM rivet_held.plain", 4, Some(&snapshot)).parts.len() == 4);
    assert!(!may_rewrite());
    drop(source);
    assert!(may_rewrite());
    psql(&url, "DROP SCHEMA rivet_held CASCADE");
}

#[test]
fn short_statements_read_a_table_by_its_pages() {
    let Some(url) = url() else { return };
    schema(&url, "rivet_ranges");
    let mut source = open(&url);
    for table in ["plain", "parted", "parent", "wide", "hollow", "tiny", "kept"] {
        let query = format!("SELECT * FROM rivet_ranges.{table} AS x");
        let whole = rows(&read(&mut source, &request(&query)).unwrap());
        for (rows_limit, bytes) in [(1 << 20, 256 << 10), (100, 1 << 20), (10_000, 4096), (1 << 20, 64 << 20)] {
            let mut short = ReadRequest { strategy: Strategy::Cursor, ..request(&query) };
            (short.batch.rows, short.batch.bytes) = (rows_limit, bytes);
            let batches = read(&mut source, &short).unwrap();
            assert_eq!(rows(&batches), whole, "{table}");
            assert!(batches.iter().all(|batch| batch.num_rows() <= rows_limit), "{table}");
        }
    }
    psql(&url, "DROP SCHEMA rivet_ranges CASCADE");
}

#[test]
fn pauses_between_batches_do_not_count_and_no_statement_is_open_meanwhile() {
    let Some(url) = url() else { return };
    if !has_range_scans(&url) {
        return;
    }
    schema(&url, "rivet_paused");
    let mut paused = ReadRequest {
        strategy: Strategy::Cursor,
        timeouts: Timeouts { statement_s: 1, lock_s: 0 },
        ..request("SELECT *, 'paused_by_page' AS mark FROM rivet_paused.plain")
    };
    paused.batch.bytes = 128 << 10;
    let mut source = open(&url);
    let mut reader = source.read(&paused, &Context::default()).unwrap();
    let (mut total, mut pauses) = (0, 0);
    while let Some(batch) = reader.next().unwrap() {
        total += batch.num_rows();
        if pauses < 2 && total > 3000 * (pauses + 1) {
            pauses += 1;
            thread::sleep(Duration::from_millis(1500));
            let states = "SELECT state, query LIKE '%ctid%' FROM pg_stat_activity \
                          WHERE query LIKE 'COPY%paused_by_page%'";
            assert_eq!(psql(&url, states).trim(), "idle in transaction|t");
        }
    }
    assert_eq!((total, pauses), (18_462, 2));
    psql(&url, "DROP SCHEMA rivet_paused CASCADE");
}
