//! `rivet check` on real tables of ten thousand, a million and ten million rows, with and without indexes: what the
//! documentation's tables say of each, and that hardly anything is read for it.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::sizes::{SQLITE, WAYS, all_ways, by_name, export, make, make_sqlite, reports, source};
use rivet_e2e::{Database, Kind, Outcome, built, on_both, skip};
use serde_json::Value;

on_both!(verdicts_follow_size_and_index, warnings_have_their_triggers);

const K: u64 = 1000;
const M: u64 = 1_000_000;

/// The documented verdict and profile for so many rows.
fn documented(indexed: bool, rows: u64) -> (&'static str, &'static str) {
    match rows {
        _ if indexed && rows < M => ("EFFICIENT", "fast"),
        _ if indexed && rows < 10 * M => ("EFFICIENT", "balanced"),
        _ if indexed => ("ACCEPTABLE", if rows > 10 * M { "safe" } else { "balanced" }),
        _ if rows < 100 * K => ("DEGRADED", "fast"),
        _ if rows <= M => ("DEGRADED", "balanced"),
        _ => ("DEGRADED", "safe"),
    }
}

/// The documented number of workers.
fn workers(name: &str, rows: u64) -> u64 {
    match name {
        _ if rows < 50 * K => 1,
        "chunk" if rows < 500 * K => 2,
        "chunk" => 4,
        "chunk_slow" if rows <= 5 * M => 2,
        _ => 1,
    }
}

/// Words of what is suggested for each of [`WAYS`] when it is less than efficient.
const SUGGESTIONS: [(&str, &str); 7] = [
    ("full", "No index detected -- full table scan. Add an indexed cursor column and switch to incremental mode."),
    ("inc", "Large dataset (~"),
    ("inc_slow", "Create an index on 'k'"),
    ("chunk", "rows). Add parallel > 1"),
    ("chunk_slow", "Create an index on 'k'"),
    ("window", "Large dataset (~"),
    ("window_slow", "Create an index on 'seen'"),
];

const STRATEGIES: [(&str, &str); 7] = [
    ("full", "full-scan"),
    ("inc", "incremental(placed)"),
    ("inc_slow", "incremental(k)"),
    ("chunk", "chunked(id, size=1000)"),
    ("chunk_slow", "chunked(k, size=1000)"),
    ("window", "time-window(placed, 7d)"),
    ("window_slow", "time-window(seen, 7d)"),
];

/// Asserts the documented rows for the table of 10^`digits` rows. The boundaries are applied to what was estimated, which
/// is near to what there is.
fn assert_documented(report: impl Fn(&str) -> Value, digits: u32, embedded: bool) {
    let rows = 10_u64.pow(digits);
    for (at, (name, _, indexed)) in WAYS.into_iter().enumerate() {
        // SQLite has to compute what the text of a date says.
        let computed = embedded && (name.starts_with("window") || name == "inc");
        let indexed = indexed && !computed;
        let report = report(name);
        let text = || format!("{report:#}");
        let examined = report[if indexed { "row_estimate" } else { "examined_rows" }].as_u64().unwrap();
        assert!(examined < rows * 16 / 10 && (name == "window" || examined > rows * 4 / 10), "{}", text());
        let (verdict, profile) = documented(indexed, examined);
        assert_eq!(report["verdict"], verdict, "{}", text());
        assert_eq!(report["recommended_profile"], profile, "{}", text());
        assert_eq!(report["recommended_parallel"], workers(name, examined), "{}", text());
        assert_eq!(report["index_coverage"], if indexed { "key" } else { "none" }, "{}", text());
        assert_eq!((name, report["strategy"].as_str().unwrap()), STRATEGIES[at]);
        match report["suggestion"].as_str() {
            None => assert_eq!(verdict, "EFFICIENT", "{}", text()),
            Some(suggestion) => {
                let words = if computed { "No index could serve" } else { SUGGESTIONS[at].1 };
                assert!(verdict != "EFFICIENT" && suggestion.contains(words), "{}", text());
            }
        }
        assert!(report["warnings"].as_array().unwrap().is_empty(), "{}", text());
        assert!(report["error"].is_null() && report["scan"].is_string() && report["plan"].is_string(), "{}", text());
        assert_eq!(report["columns"].as_array().unwrap().len(), 5, "{}", text());
        let (low, high) = (&report["output_bytes"]["low"], &report["output_bytes"]["high"]);
        assert!(low.as_u64().unwrap() <= high.as_u64().unwrap(), "{}", text());
        let range = report["key_min"].is_string() && report["key_max"].is_string();
        match name {
            "inc" | "chunk" => assert!(range, "{}", text()),
            // Without an index only the ends of a small table are looked up.
            "inc_slow" | "chunk_slow" => {
                assert_eq!(range, digits == 4, "{}", text());
                assert_eq!(report["key_range_unknown"].is_string(), digits != 4, "{}", text());
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
            assert_documented(reports(&sandbox, &(source(kind) + &all_ways(&table)), 0, &[]), digits, false);
            assert!(!sandbox.path().join(".rivet_state.db").exists(), "check makes no state file");
        }
    });
}

#[test]
fn verdicts_on_sqlite_follow_size_and_index() {
    for digits in [4, 6] {
        let sandbox = make_sqlite(digits);
        let config = SQLITE.to_owned() + &all_ways(&format!("select * from t{digits}"));
        assert_documented(reports(&sandbox, &config, 0, &[]), digits, true);
    }
}

fn warnings_have_their_triggers(kind: Kind) {
    kind.each("check_warnings", |database| {
        make(database, 4);
        database.sql("create table sparse (id bigint primary key); insert into sparse select id * 1000 from t4");
        database.sql(database.either("analyze sparse", "analyze table sparse"));
        let sandbox = database.sandbox(database.url());
        let table = |name: &str| format!("select * from {}.{name}", database.name());
        let chunked = "mode: chunked, chunk_column: id, chunk_size: 1000";
        let config = source(kind)
            + &export("sparse", &table("sparse"), chunked)
            + &export("packed", &table("t4"), chunked)
            + &export("dense", &table("t4"), &format!("{chunked}, chunk_dense: true"));
        let report = reports(&sandbox, &config, 0, &[]);
        let warned = |name: &str| {
            let warnings = report(name)["warnings"].as_array().unwrap().clone();
            warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(warned("sparse"), ["sparse_key_range"]);
        assert_eq!(warned("packed"), [""; 0]);
        assert_eq!(warned("dense"), ["dense_surrogate_sort"]);
        let text = report("sparse")["warnings"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.starts_with("Sparse key range: ~99% of chunk windows will be empty"), "{text}");
    });
}

/// What is not indexed is not read: the figures come from statistics and the ends of indexes.
mod ten_million {
    use super::*;

    const DIGITS: u32 = 7;
    const PARALLEL: &str = "mode: chunked, chunk_column: id, chunk_size: 1000000, parallel: 4";

    /// A hundredth of what there is.
    fn assert_hardly_read(read: u64, whole: u64) {
        assert!(read > 0 && whole > 10_000 && read < whole / 100, "{read} of {whole}");
    }

    /// Checks all ways of exporting the table, and answers how much `counted` grew meanwhile.
    fn growth(database: &Database, counted: &str) -> u64 {
        let count = || database.sql(counted).lines().last().unwrap().trim().parse::<f64>().unwrap() as u64;
        let table = format!("select * from {}.t{DIGITS}", database.name());
        let config = source(database.kind()) + &all_ways(&table) + &export("parallel", &table, PARALLEL);
        let sandbox = database.sandbox(database.url());
        let before = count();
        let report = reports(&sandbox, &config, 0, &[]);
        let grown = count() - before;
        let parallel = report("parallel");
        assert_eq!(parallel["strategy"], "chunked-parallel(id, size=1000000, p=4)");
        assert_eq!(parallel["warnings"][0]["code"], "parallel_memory", "{parallel:#}");
        assert_documented(report, DIGITS, false);
        grown
    }

    #[test]
    fn postgres_reads_next_to_nothing() {
        Kind::Postgres.each("check_large", |database| {
            make(database, DIGITS);
            let pages = "select relpages from pg_class where oid = 't7'::regclass";
            let pages = database.sql(pages).trim().parse().unwrap();
            // Sessions tell what they have read when they end, and of older servers a process gathers it.
            let blocks = format!(
                "select pg_sleep(1); \
                 select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)) \
                 from pg_statio_all_tables where schemaname = '{}'",
                database.name()
            );
            assert_hardly_read(growth(database, &blocks), pages);
        });
    }

    #[test]
    #[ignore = "slow"]
    fn mysql_reads_next_to_nothing() {
        Kind::Mysql.each("check_large", |database| {
            make(database, DIGITS);
            let handled = "select sum(variable_value) from information_schema.global_status \
                where variable_name like 'Handler_read%'";
            let handled = if database.sql("select version()").starts_with(['8', '9']) {
                handled.replace("information_schema", "performance_schema")
            } else {
                handled.to_owned()
            };
            assert_hardly_read(growth(database, &handled), 10 * M);
        });
    }

    #[test]
    fn sqlite_reads_next_to_nothing() {
        let sandbox = make_sqlite(DIGITS);
        let config =
            SQLITE.to_owned() + &all_ways("select * from t7") + &export("parallel", "select * from t7", PARALLEL);
        sandbox.write("rivet.yaml", &config);
        let mut strace = sandbox.command("strace");
        strace.args(["-f", "-y", "-e", "trace=pread64,mmap", "-o", "calls.txt"]);
        let outcome = Outcome::of(strace.arg(built().join("rivet")).args(["check", "-c", "rivet.yaml", "--json"]));
        if outcome.code.is_none_or(|code| code != 0) {
            return skip(&format!("counting system calls needs strace and the right to trace: {outcome}"));
        }
        assert_documented(by_name(&outcome.stdout), DIGITS, true);
        let calls = fs::read_to_string(sandbox.path().join("calls.txt")).unwrap();
        let read = calls.lines().filter(|line| line.contains("t.db")).count() as u64;
        assert_hardly_read(read, fs::metadata(sandbox.path().join("t.db")).unwrap().len() / 4096);
    }
}
