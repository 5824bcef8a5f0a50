//! Tables of ten thousand, a million and ten million rows with and without indexes, every way to export them, and what
//! `rivet check` says of each.

use serde_json::Value;

use crate::{Database, Kind, Sandbox};

/// The ways to export a table, and whether an index serves them.
pub const WAYS: [(&str, &str, bool); 7] = [
    ("full", "mode: full", false),
    ("inc", "mode: incremental, cursor_column: placed", true),
    ("inc_slow", "mode: incremental, cursor_column: k", false),
    ("chunk", "mode: chunked, chunk_column: id, chunk_size: 1000", true),
    ("chunk_slow", "mode: chunked, chunk_column: k, chunk_size: 1000", false),
    ("window", "mode: time_window, time_column: placed, days_window: 7", true),
    ("window_slow", "mode: time_window, time_column: seen, days_window: 7", false),
];

/// The line `source:` of a configuration, and the next one.
pub fn source(kind: Kind) -> String {
    format!("source: {{ type: {}, url_env: DATABASE_URL }}\nexports:\n", kind.name())
}

/// The same for the file of [`make_sqlite`].
pub const SQLITE: &str = "source: { type: sqlite, path: t.db }\nexports:\n";

/// An export of `query` in the mode that `keys` say.
pub fn export(name: &str, query: &str, keys: &str) -> String {
    format!(
        "  - {{ name: {name}, query: \"{query}\", {keys}, format: parquet, destination: {{ type: local, path: out }} }}\n"
    )
}

/// An export for each of [`WAYS`].
pub fn all_ways(query: &str) -> String {
    WAYS.iter().map(|(name, keys, _)| export(name, query, keys)).collect()
}

/// What `rivet check --json` says of each export, by its name.
pub fn reports(sandbox: &Sandbox, config: &str, code: i32, more: &[&str]) -> impl Fn(&str) -> Value + use<> {
    sandbox.write("rivet.yaml", config);
    let outcome = sandbox.rivet(&[&["check", "--config", "rivet.yaml", "--json"], more].concat());
    assert_eq!(outcome.code, Some(code), "{outcome}");
    by_name(&outcome.stdout)
}

/// What the document that `rivet check --json` printed says of each export.
pub fn by_name(document: &str) -> impl Fn(&str) -> Value + use<> {
    let document: Value = serde_json::from_str(document).unwrap();
    move |name: &str| {
        let exports = document["exports"].as_array().unwrap();
        exports.iter().find(|report| report["export"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    }
}

/// Makes the table `t<digits>` of 10^digits rows over the last thousand days: `id` and `placed` have indexes, `k` and
/// `seen` none. The rows of the largest are narrow, for the time that making them takes.
pub fn make(database: &Database, digits: u32) {
    let (rows, pad) = (10_u64.pow(digits), if digits > 6 { 1 } else { 40 });
    if database.kind() == Kind::Postgres {
        database.sql(&format!(
            "create unlogged table t{digits} as select i as id, (i * 7919 % 1009)::int as k, \
               now() - interval '1000 days' + i * (interval '1000 days' / {rows}) as placed, \
               now() - i * interval '1 second' as seen, repeat('x', {pad}) as pad from generate_series(1, {rows}::bigint) i"
        ));
        database.sql(&format!(
            "set maintenance_work_mem = '256MB'; alter table t{digits} add primary key (id); \
             create index t{digits}_placed on t{digits} (placed); analyze t{digits}"
        ));
        return;
    }
    database.sql(&format!(
        "create table t{digits} (id bigint primary key, k int, placed datetime, seen datetime, pad varchar(40), \
           key t{digits}_placed (placed))"
    ));
    let insert = |numbers: &str| {
        format!(
            "insert into t{digits} select i, i * 7919 % 1009, \
               utc_timestamp() - interval 1000 day + interval floor(i * 86400000 / {rows}) second, \
               utc_timestamp() - interval (i % 86400000) second, repeat('x', {pad}) from ({numbers}) n"
        )
    };
    // MariaDB counts by an engine of its own, and MySQL by joining digits, which takes several times as long.
    if database.sql("select version()").contains("MariaDB") {
        let part = |first: u64, last: u64| insert(&format!("select seq as i from seq_{first}_to_{last}"));
        // By two processors.
        let mut other = database.start(&part(rows / 2 + 1, rows));
        database.sql(&part(1, rows / 2));
        assert!(other.wait().unwrap().success());
    } else {
        let ones = (1..10).map(|d| format!(" union all select {d}")).collect::<Vec<_>>().concat();
        let tables: Vec<_> = (0..digits).map(|n| format!("(select 0 as d{ones}) d{n}")).collect();
        let sum: Vec<_> = (0..digits).map(|n| format!("d{n}.d * {}", 10_u64.pow(n))).collect();
        database.sql(&insert(&format!("select 1 + {} as i from {} order by i", sum.join(" + "), tables.join(", "))));
    }
    database.sql(&format!("analyze table t{digits}"));
}

/// A sandbox with that table in the database file `t.db`.
pub fn make_sqlite(digits: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let connection = rusqlite::Connection::open(sandbox.path().join("t.db")).unwrap();
    let (rows, pad) = (10_u64.pow(digits), if digits > 6 { 1 } else { 40 });
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -100000; BEGIN;
             CREATE TABLE t{digits} (id INTEGER PRIMARY KEY, k INT, placed DATE, seen DATE, pad TEXT);
             INSERT INTO t{digits} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
               SELECT i, i * 7919 % 1009, date(julianday('now') - 1000 + i * 1000 / {rows}), date('now'),
                 printf('%.{pad}c', 'x') FROM n;
             CREATE INDEX t{digits}_placed ON t{digits} (placed); COMMIT;"
        ))
        .unwrap();
    sandbox
}
