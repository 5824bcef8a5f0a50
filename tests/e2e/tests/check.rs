//! `rivet check`: the documented verdicts on real tables, the request that would really run, and what it costs a server.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::{Answer, Database, Kind, Outcome, Sandbox, Webhook, built, on_both, skip};
use serde_json::Value;

on_both!(
    verdicts_follow_size_and_index,
    a_stored_cursor_narrows_the_request,
    parameters_and_query_files_are_part_of_it,
    a_query_that_fails_is_shown_as_run_shows_it,
    the_layout_is_that_of_the_predecessor,
);

/// Makes the table `t<digits>` of 10^digits rows over the last thousand days: `id` and `placed` have indexes, `k` and
/// `seen` none.
fn make(database: &Database, digits: u32) {
    let rows = 10_u64.pow(digits);
    let statements = match database.kind() {
        Kind::Postgres => format!(
            "create table t{digits} as select i as id, (i * 7919 % 1009)::int as k, \
               now() - interval '1000 days' \
               + i * (interval '1000 days' / {rows}) as placed, now() - i * interval '1 second' as seen, repeat('x', 40) as pad \
             from generate_series(1, {rows}::bigint) i; \
             alter table t{digits} add primary key (id); create index t{digits}_placed on t{digits} (placed); analyze t{digits}"
        ),
        Kind::Mysql => {
            // MariaDB counts by an engine of its own, and MySQL by joining digits, which takes several times as long.
            let numbers = if database.sql("select version()").contains("MariaDB") {
                format!("select seq as i from seq_1_to_{rows}")
            } else {
                let ones = (1..10).map(|d| format!(" union all select {d}")).collect::<Vec<_>>().concat();
                let tables: Vec<_> = (0..digits).map(|n| format!("(select 0 as d{ones}) d{n}")).collect();
                let sum: Vec<_> = (0..digits).map(|n| format!("d{n}.d * {}", 10_u64.pow(n))).collect();
                format!("select 1 + {} as i from {} order by i", sum.join(" + "), tables.join(", "))
            };
            format!(
                "create table t{digits} (id bigint primary key, k int, placed datetime, seen datetime, pad varchar(40), \
                   key t{digits}_placed (placed)); \
                 insert into t{digits} select i, i * 7919 % 1009, \
                   utc_timestamp() - interval 1000 day + interval floor(i * 86400000 / {rows}) second, \
                   utc_timestamp() - interval (i % 86400000) second, repeat('x', 40) \
                   from ({numbers}) n; analyze table t{digits}"
            )
        }
    };
    database.sql(&statements);
}

/// The ways to export a table, and whether an index serves them.
const WAYS: [(&str, &str, bool); 7] = [
    ("full", "mode: full", false),
    ("inc", "mode: incremental, cursor_column: placed", true),
    ("inc_slow", "mode: incremental, cursor_column: k", false),
    ("chunk", "mode: chunked, chunk_column: id, chunk_size: 1000", true),
    ("chunk_slow", "mode: chunked, chunk_column: k, chunk_size: 1000", false),
    ("window", "mode: time_window, time_column: placed, days_window: 7", true),
    ("window_slow", "mode: time_window, time_column: seen, days_window: 7", false),
];

fn source(kind: Kind) -> String {
    format!("source: {{ type: {}, url_env: DATABASE_URL }}\nexports:\n", kind.name())
}

/// An export of `query` in the mode that `keys` say.
fn export(name: &str, query: &str, keys: &str) -> String {
    format!(
        "  - {{ name: {name}, query: \"{query}\", {keys}, format: parquet, destination: {{ type: local, path: out }} }}\n"
    )
}

fn all_ways(query: &str) -> String {
    WAYS.iter().map(|(name, keys, _)| export(name, query, keys)).collect()
}

/// What `rivet check --json` says of each export, by its name.
fn reports(sandbox: &Sandbox, config: &str, code: i32, more: &[&str]) -> impl Fn(&str) -> Value {
    sandbox.write("rivet.yaml", config);
    let outcome = sandbox.rivet(&[&["check", "--config", "rivet.yaml", "--json"], more].concat());
    assert_eq!(outcome.code, Some(code), "{outcome}");
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    move |name: &str| {
        let exports = document["exports"].as_array().unwrap();
        exports.iter().find(|report| report["export"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    }
}

/// Asserts the documented rows for the table of [`make`] with 10^`digits` rows.
fn assert_verdicts(report: impl Fn(&str) -> Value, digits: u32, looks_up_all: bool) {
    let rows = 10_u64.pow(digits);
    for (name, _, indexed) in WAYS {
        let report = report(name);
        let text = || format!("{report:#}");
        let is_window = name == "window";
        assert_eq!(report["verdict"], if indexed { "EFFICIENT" } else { "DEGRADED" }, "{}", text());
        assert_eq!(report["index_coverage"], if indexed { "key" } else { "none" }, "{}", text());
        let examined = report[if indexed { "row_estimate" } else { "examined_rows" }].as_u64().unwrap();
        assert!(is_window || (rows * 4 / 10..rows * 16 / 10).contains(&examined), "{}", text());
        // Statistics of a million rows may fall on either side of the boundary.
        let profiles: &[&str] = match (digits, is_window || examined < 1_000_000) {
            (4, _) => &["fast"],
            (_, true) if indexed => &["fast"],
            _ if indexed => &["balanced"],
            (_, true) => &["balanced"],
            _ => &["balanced", "safe"],
        };
        assert!(profiles.contains(&report["recommended_profile"].as_str().unwrap()), "{}", text());
        let parallel = match (name, digits) {
            ("chunk", 6) => 4,
            ("chunk_slow", 6) => 2,
            _ => 1,
        };
        assert_eq!(report["recommended_parallel"], parallel, "{}", text());
        assert_eq!(report["suggestion"].is_null(), indexed, "{}", text());
        assert!(report["warnings"].as_array().unwrap().is_empty(), "{}", text());
        assert!(report["error"].is_null() && report["scan"].is_string() && report["plan"].is_string(), "{}", text());
        assert_eq!(report["columns"].as_array().unwrap().len(), 5, "{}", text());
        let (low, high) = (&report["output_bytes"]["low"], &report["output_bytes"]["high"]);
        assert!(low.as_u64().unwrap() <= high.as_u64().unwrap(), "{}", text());
        let range = report["key_min"].is_string() && report["key_max"].is_string();
        match name {
            "inc" | "chunk" => assert!(range, "{}", text()),
            "inc_slow" | "chunk_slow" => {
                assert_eq!(range, looks_up_all, "{}", text());
                assert_eq!(report["key_range_unknown"].is_string(), !looks_up_all, "{}", text());
            }
            _ => assert!(!range, "{}", text()),
        }
    }
}

fn verdicts_follow_size_and_index(kind: Kind) {
    kind.each("check_verdicts", |database| {
        for digits in [4, 6] {
            make(database, digits);
            let sandbox = database.sandbox(database.url());
            let table = format!("select * from {}.t{digits}", database.name());
            assert_verdicts(reports(&sandbox, &(source(kind) + &all_ways(&table)), 0, &[]), digits, digits == 4);
            assert!(!sandbox.path().join(".rivet_state.db").exists(), "check makes no state file");
        }
    });
}

/// A database file with the table of [`make`].
fn sqlite(digits: u32) -> Sandbox {
    let sandbox = Sandbox::new();
    let connection = rusqlite::Connection::open(sandbox.path().join("t.db")).unwrap();
    let rows = 10_u64.pow(digits);
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;
             CREATE TABLE t{digits} (id INTEGER PRIMARY KEY, k INT, placed DATE, seen DATE, pad TEXT);
             INSERT INTO t{digits} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
               SELECT i, i * 7919 % 1009, date('now', (i * 1000 / {rows} - 1000) || ' days'), date('now'),
                 printf('%.40c', 'x') FROM n;
             CREATE INDEX t{digits}_placed ON t{digits} (placed); COMMIT;"
        ))
        .unwrap();
    sandbox
}

#[test]
fn verdicts_on_sqlite_follow_size_and_index() {
    for digits in [4, 6] {
        let sandbox = sqlite(digits);
        let config = format!(
            "source: {{ type: sqlite, path: t.db }}\nexports:\n{}",
            all_ways(&format!("select * from t{digits}"))
        );
        let report = reports(&sandbox, &config, 0, &[]);
        // SQLite estimates no conditions, so that a window looks like the whole table, and its profile like that.
        let report = |name: &str| {
            let mut report = report(name);
            if name == "window" && digits == 6 {
                assert_eq!(report["recommended_profile"], "balanced");
                report["recommended_profile"] = "fast".into();
            }
            report
        };
        assert_verdicts(report, digits, digits == 4);
    }
}

fn a_stored_cursor_narrows_the_request(kind: Kind) {
    kind.each("check_cursor", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        let query = format!("select id, k from {}.t4", database.name());
        let fast = source(kind).replace("url_env: DATABASE_URL", "url_env: DATABASE_URL, tuning: { profile: fast }");
        let config = fast + &export("inc", &query, "mode: incremental, cursor_column: id");
        let first = reports(&sandbox, &config, 0, &[])("inc");
        assert_eq!((&first["first_run"], &first["cursor"]), (&true.into(), &Value::Null), "{first:#}");
        sandbox.run(&config);
        let nothing = reports(&sandbox, &config, 0, &[])("inc");
        assert_eq!((&nothing["row_estimate"], &nothing["verdict"]), (&0.into(), &"EFFICIENT".into()), "{nothing:#}");
        database.sql("insert into t4 select id + 10000, k, placed, seen, pad from t4 where id <= 50");
        database.sql(database.either("analyze t4", "analyze table t4"));
        let state = sandbox.path().join(".rivet_state.db");
        let before = fs::read(&state).unwrap();
        let second = reports(&sandbox, &config, 0, &[])("inc");
        assert_eq!((&second["first_run"], &second["cursor"]), (&false.into(), &"10000".into()), "{second:#}");
        assert_eq!((&second["key_max"], &second["verdict"]), (&"10050".into(), &"EFFICIENT".into()), "{second:#}");
        assert!(second["row_estimate"].as_u64().unwrap() < 1000, "{second:#}");
        assert_eq!(fs::read(&state).unwrap(), before, "check changes no state");
        // The cursor of another column is what stops a run as well.
        let other = config.replace("cursor_column: id", "cursor_column: k");
        let error = reports(&sandbox, &other, 1, &[])("inc")["error"]["message"].as_str().unwrap().to_owned();
        let run = sandbox.try_run(&other);
        assert!(run.stderr.contains(&error), "{error}\n{run}");
    });
}

fn parameters_and_query_files_are_part_of_it(kind: Kind) {
    kind.each("check_params", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        sandbox.write("part.sql", &format!("-- a part\nselect * from {}.t4 where id <= :most;", database.name()));
        let config = source(kind)
            + "  - { name: part, query_file: part.sql, params: { most: \"${MOST}\" }, format: csv, destination: { type: local, path: out } }\n";
        for most in [10, 5000] {
            let report = reports(&sandbox, &config, 0, &["--param", &format!("MOST={most}")])("part");
            let rows = report["row_estimate"].as_u64().unwrap();
            assert!((most / 2..=most * 2).contains(&rows), "{report:#}");
        }
    });
}

fn a_query_that_fails_is_shown_as_run_shows_it(kind: Kind) {
    kind.each("check_errors", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        let query = |what: &str| format!("select {what} from {}.t4", database.name());
        let config = source(kind)
            + &export("bad", &query("id,\\n  nope"), "mode: full")
            + &export("inc", &query("id"), "mode: incremental, cursor_column: other")
            + &export("good", &query("*"), "mode: full");
        sandbox.write("rivet.yaml", &config);
        let outcome = sandbox.rivet(&["check", "-c", "rivet.yaml"]);
        outcome.expect(1, &["nope", "could not check export \"bad\"", "column \"other\"", "Verdict:      DEGRADED"]);
        let run = sandbox.rivet(&["run", "-c", "rivet.yaml", "-e", "bad"]);
        let error = |outcome: &Outcome| {
            let line = outcome.stderr.lines().find(|line| line.starts_with("error:") && line.contains("nope")).unwrap();
            line.split_once("\"bad\": ").unwrap().1.to_owned()
        };
        assert_eq!(error(&outcome), error(&run), "{outcome}\n{run}");
        sandbox.rivet(&["check", "-c", "rivet.yaml", "-e", "good"]).expect(0, &["Export: good"]);
        sandbox.rivet(&["check", "-c", "rivet.yaml", "-e", "good", "--strict"]).expect(3, &["DEGRADED"]);
        sandbox.rivet(&["check", "-c", "rivet.yaml", "-e", "gone"]).expect(2, &["export \"gone\" not found"]);
    });
}

/// Text without what differs from server to server and run to run.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            c => shape.push(c),
        }
    }
    shape
}

fn the_layout_is_that_of_the_predecessor(kind: Kind) {
    kind.each("check_layout", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        let table = format!("select id, placed from {}.t4", database.name());
        let config = source(kind)
            + &export("orders_chunked", &table, "mode: chunked, chunk_column: id, chunk_size: 1000, parallel: 4")
            + &export("orders_full", &table, "mode: full");
        sandbox.write("rivet.yaml", &config);
        let outcome = sandbox.rivet(&["check", "-c", "rivet.yaml"]);
        let (scan, by_key) = match kind {
            Kind::Postgres => ("Seq Scan on t4", "Index Scan using t4_pkey"),
            Kind::Mysql => ("full index scan using t4_placed", "index range scan using PRIMARY"),
        };
        let chunked = format!(
            "\nExport: orders_chunked\n  Strategy:     chunked-parallel(id, size=1000, p=4)\n  \
             Mode:         chunked (column: id, size: 1000)\n  Row estimate: ~10K\n  Cursor range: 1 .. 10000\n  \
             Scan type:    {by_key}\n  Verdict:      EFFICIENT\n  Recommended:  tuning.profile: fast\n  \
             Parallelism:  1 (a small dataset: more connections would cost more than they save)\n"
        );
        let full = format!(
            "\nExport: orders_full\n  Strategy:     full-scan\n  Mode:         full\n  Row estimate: ~10K\n  \
             Scan type:    {scan}\n"
        );
        let printed = shape(&outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" "));
        for expected in [chunked, full] {
            let expected = shape(&expected.split_whitespace().collect::<Vec<_>>().join(" "));
            assert!(printed.contains(&expected), "{expected}\n{outcome}");
        }
        let labels: Vec<&str> = outcome.stdout.lines().filter_map(|line| line.get(2..16)).collect();
        for label in ["Strategy:     ", "Row estimate: ", "Columns:      ", "Output:       ", "Duration:     "] {
            assert!(labels.contains(&label), "{label}\n{outcome}");
        }
        assert!(outcome.stdout.lines().all(|line| line.chars().count() < 120), "{outcome}");
    });
}

#[test]
fn a_degraded_source_is_told_when_that_is_wanted() {
    let check = |on: &str, more: &[&str]| {
        let hook = Webhook::new(Answer::Status("200 OK"));
        let mut sandbox = sqlite(4);
        sandbox.env("HOOK", &hook.url);
        let config = format!(
            "source: {{ type: sqlite, path: t.db }}\nnotifications: {{ slack: {{ webhook_url_env: HOOK, on: [{on}] }} }}\nexports:\n"
        ) + &export("slow", "select * from t4", "mode: full")
            + &export("quick", "select * from t4", "mode: incremental, cursor_column: id");
        sandbox.write("rivet.yaml", &config);
        let outcome = sandbox.rivet(&[&["check", "-c", "rivet.yaml"], more].concat());
        assert!(!outcome.stdout.contains(&hook.url) && !outcome.stderr.contains(&hook.url), "{outcome}");
        (outcome.code, hook.attachments())
    };
    let (code, told) = check("degraded", &["--strict"]);
    assert_eq!((code, told.len()), (Some(3), 1), "{told:?}");
    assert_eq!((&told[0]["color"], &told[0]["title"]), (&"#f39c12".into(), &"Rivet: check of slow".into()));
    let text = told[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("*slow* | status: `degraded` | verdict: DEGRADED | rows: ~10000\nscan: SCAN t4"),
        "{text}"
    );
    assert!(text.contains("\nsuggestion: No index detected"), "{text}");
    assert_eq!(check("failure, schema_change", &[]), (Some(0), Vec::new()));
}

#[test]
fn what_a_type_becomes_is_shown_or_why_it_cannot() {
    let sandbox = sqlite(4);
    let config = "source: { type: sqlite, path: t.db }\nexports:\n".to_owned()
        + &export("counted", "select count(*) as n, sum(k) as s from t4", "mode: full")
        + &export("typed", "select id, placed from t4", "mode: full, columns: { id: text }");
    let report = reports(&sandbox, &config, 0, &[]);
    let typed = report("typed");
    assert_eq!(typed["columns"][0]["arrow_type"], "Utf8", "{typed:#}");
    assert_eq!(typed["columns"][0]["note"], "override of the column", "{typed:#}");
    assert_eq!(typed["columns"][1]["arrow_type"], "Date32", "{typed:#}");
    assert_eq!(report("counted")["columns"][0]["arrow_type"], "Int64");
    let bad = config.replace("id: text", "id: decimal");
    let error = reports(&sandbox, &bad, 1, &["--export", "typed"])("typed")["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("\"decimal\"") && error["hint"].is_string(), "{error:#}");
}

/// Ten million rows: what is not indexed is not read.
mod ten_million {
    use super::*;

    /// A hundredth of what there is.
    fn assert_hardly_read(read: u64, whole: u64) {
        assert!(whole > 10_000 && read < whole / 100, "{read} of {whole}");
    }

    #[test]
    #[ignore = "slow"]
    fn postgres_reads_next_to_nothing() {
        Kind::Postgres.each("check_large", |database| {
            make(database, 7);
            let blocks = || -> u64 {
                let sql = format!(
                    "select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)) \
                     from pg_statio_all_tables where schemaname = '{}'",
                    database.name()
                );
                database.sql(&sql).trim().parse().unwrap()
            };
            let pages =
                database.sql("select relpages from pg_class where oid = 't7'::regclass").trim().parse().unwrap();
            let before = blocks();
            let sandbox = database.sandbox(database.url());
            let table = format!("select * from {}.t7", database.name());
            let config = source(Kind::Postgres) + &all_ways(&table);
            let report = reports(&sandbox, &config, 0, &[]);
            assert_hardly_read(blocks() - before, pages);
            assert_eq!(report("inc_slow")["verdict"], "DEGRADED");
            assert_eq!(report("inc_slow")["recommended_profile"], "safe");
            assert_eq!(report("chunk_slow")["recommended_parallel"], 1);
        });
    }

    #[test]
    #[ignore = "slow"]
    fn mysql_reads_next_to_nothing() {
        Kind::Mysql.each("check_large", |database| {
            make(database, 7);
            let rows = || -> u64 {
                let sql = "select sum(variable_value) from information_schema.global_status \
                    where variable_name like 'Handler_read%'";
                database.sql(sql).trim().parse::<f64>().unwrap() as u64
            };
            let before = rows();
            let sandbox = database.sandbox(database.url());
            let table = format!("select * from {}.t7", database.name());
            let config = source(Kind::Mysql) + &all_ways(&table);
            let report = reports(&sandbox, &config, 0, &[]);
            assert_hardly_read(rows() - before, 10_000_000);
            assert_eq!(report("inc_slow")["verdict"], "DEGRADED");
            assert_eq!(report("inc_slow")["recommended_profile"], "safe");
        });
    }

    #[test]
    #[ignore = "slow"]
    fn sqlite_reads_next_to_nothing() {
        let sandbox = sqlite(7);
        let config = format!(
            "source: {{ type: sqlite, path: t.db }}\nexports:\n{}",
            export("slow", "select * from t7", WAYS[2].1)
        );
        sandbox.write("rivet.yaml", &config);
        let mut strace = sandbox.command("strace");
        strace.args(["-f", "-y", "-e", "trace=pread64,mmap", "-o", "calls.txt"]);
        let outcome = Outcome::of(strace.arg(built().join("rivet")).args(["check", "-c", "rivet.yaml"]));
        if outcome.code.is_none_or(|code| code != 0) {
            return skip(&format!("counting system calls needs strace and the right to trace: {outcome}"));
        }
        let calls = fs::read_to_string(sandbox.path().join("calls.txt")).unwrap();
        let read = calls.lines().filter(|line| line.contains("t.db")).count() as u64;
        let pages = fs::metadata(sandbox.path().join("t.db")).unwrap().len() / 4096;
        assert!(read > 0, "{calls}");
        assert_hardly_read(read, pages);
        outcome.expect(0, &["range not looked up", "Verdict:      DEGRADED", "tuning.profile: safe"]);
    }
}
