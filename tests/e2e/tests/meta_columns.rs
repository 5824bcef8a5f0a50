//! `meta_columns` in the files: hashes as an independent script computes them, one time a chunk, one run id.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use rivet_e2e::{Kind, Sandbox, on_both, read_with};
use rusqlite::Connection;

on_both!(every_hash_is_that_of_the_formula);

fn config(source: &str, query: &str, mode: &str, format: &str) -> String {
    format!(
        "source: {source}
exports:
  - name: rows
    query: {query}
    mode: {mode}
    meta_columns: {{ exported_at: true, row_hash: true, run_id: true }}
    format: {format}
    destination: {{ type: local, path: out }}
"
    )
}

/// Has the script compare every hash of every file, and answers how many rows there are.
fn compared(sandbox: &Sandbox) -> Option<u64> {
    let files = sandbox.out();
    let count = |name: &String| {
        let file = sandbox.path().join("out").join(name);
        Some(read_with("row_hash.py", &[file.to_str().unwrap()])?.trim().parse::<u64>().unwrap())
    };
    files.iter().map(count).sum()
}

/// 500 rows of many types.
const POSTGRES: &str =
    "create table many as select i as id, i::smallint as small, i * 4000000000 as big, i / 7.0::float8 as f8,
         (i / 7.0)::float4 as f4, i % 2 = 0 as flag, 'Zoë ' || i as name, (i / 3.0)::numeric(20, 6) as amount,
         date '0001-01-01' + i * 1000 as day, timestamp '1969-12-31 23:59:59.5' + i * interval '1 ms' as at,
         timestamptz '2024-02-29 12:00:00+05' + i * interval '1 hour' as tz, decode(md5(i::text), 'hex') as raw,
         case when i % 3 = 0 then null else i end as maybe, array[i, null, -i] as list, md5(i::text)::uuid as key,
         jsonb_build_object('a', i) as doc, time '00:00:00.000001' * 0 + i * interval '1 s' as span
     from generate_series(0, 499) i";

/// The same for servers of the other family, also for those without WITH and json.
const MYSQL: &str = "set time_zone = '+00:00';
    create table many (id int, tiny tinyint, small smallint unsigned, big bigint unsigned, f8 double, f4 float, flag bit(1),
        bits bit(12), name varchar(20) character set utf8mb4, amount decimal(20, 6), day date, at datetime(3),
        tz timestamp(6) null, raw varbinary(16), maybe int, y year, t time(1), kind enum('even', 'odd'));
    insert into many select i, i % 100 - 50, i * 100, 18446744073709551615 - i, i / 7.0e0, i / 7.0e0, i % 2, i,
        concat('Zoë ', i), i / 3.0, date_add('1000-01-01', interval i * 1000 day),
        date_add('1969-12-31 23:59:59.500', interval i * 1000 microsecond), date_add('2024-02-29 12:00:00', interval i hour),
        unhex(left(sha2(i, 256), 32)), if(i % 3 = 0, null, i), 1901 + i % 200, sec_to_time(i - 250), 1 + i % 2
    from (select a.d + 10 * b.d + 100 * c.d as i from
        (select 0 as d union select 1 union select 2 union select 3 union select 4 union select 5 union select 6
            union select 7 union select 8 union select 9) a,
        (select 0 as d union select 1 union select 2 union select 3 union select 4 union select 5 union select 6
            union select 7 union select 8 union select 9) b,
        (select 0 as d union select 1 union select 2 union select 3 union select 4) c) n";

fn every_hash_is_that_of_the_formula(kind: Kind) {
    kind.each("meta_columns", |database| {
        database.sql(database.either(POSTGRES, MYSQL));
        let source = format!("{{ type: {}, url_env: DATABASE_URL, tuning: {{ profile: fast }} }}", kind.name());
        for mode in ["full", "chunked\n    chunk_column: id\n    chunk_size: 200\n    parallel: 2"] {
            let sandbox = database.sandbox(database.url());
            let query = format!("select * from {}.many", database.name());
            sandbox.run(&config(&source, &query, mode, "parquet")).expect(0, &["rows:        500"]);
            let Some(rows) = compared(&sandbox) else { return };
            assert_eq!(rows, 500);
        }
    });
}

#[test]
fn a_chunk_has_one_time_and_all_have_the_run() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("x.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)",
    )
    .unwrap();
    for mode in [
        "full",
        "chunked\n    chunk_column: id\n    chunk_size: 2\n    chunk_dense: true",
        "incremental\n    cursor_column: id",
    ] {
        let sandbox_out = sandbox.out();
        let outcome = sandbox.run(&config("{ type: sqlite, path: x.db }", "SELECT * FROM t", mode, "csv"));
        let run = outcome.stdout.lines().find_map(|line| line.trim().strip_prefix("run_id:")).unwrap().trim();
        for name in sandbox.out().iter().filter(|name| !sandbox_out.contains(name)) {
            let text = std::fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("id,a,_rivet_exported_at,_rivet_row_hash,_rivet_run_id"));
            let cells: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
            assert!(cells.iter().all(|row| row[2] == cells[0][2] && row[2].ends_with('Z') && row[4] == run), "{text}");
        }
    }
}

#[test]
fn a_column_of_such_a_name_is_refused() {
    let sandbox = Sandbox::new();
    Connection::open(sandbox.path().join("x.db")).unwrap().execute_batch("CREATE TABLE t (id)").unwrap();
    let query = "SELECT 1 AS id, 2 AS _Rivet_Row_Hash";
    let outcome = sandbox.try_run(&config("{ type: sqlite, path: x.db }", query, "full", "csv"));
    outcome.expect(2, &["_Rivet_Row_Hash", "meta_columns"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}
