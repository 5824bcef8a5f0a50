//! Every key of `tuning` does what it says, in every mode.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::thread;
use std::time::{Duration, Instant};

use rivet_e2e::{Kind, MODES, Outcome, SEEN, Sandbox, on_both};
use rusqlite::Connection;

on_both!(a_lock_limit_holds_in_every_mode, a_statement_limit_holds_in_every_mode);

fn a_lock_limit_holds_in_every_mode(kind: Kind) {
    kind.each("tuning_lock", |database| {
        database.fill("t", 10);
        let name = database.name();
        let holder = database.start(&match kind {
            Kind::Postgres => format!("begin; lock table {name}.t in access exclusive mode; select pg_sleep(7)"),
            Kind::Mysql => format!("lock tables {name}.t write; do sleep(7)"),
        });
        database.wait_until_runs(database.either("access exclusive mode", "do sleep(7)"), true, Duration::from_secs(5));
        let query = format!("select id, note, {SEEN} as seen from {name}.t");
        let config = database.config(&query, "lock_timeout_s: 1, max_retries: 0");
        let code = database.either("55P03", "1205");
        each_mode(|mode, lines| {
            let sandbox = database.sandbox(database.url());
            let start = Instant::now();
            let outcome = sandbox.try_run(&format!("{config}{lines}"));
            outcome.expect(1, &[code, "raise \"lock_timeout_s\""]);
            assert!(start.elapsed() < Duration::from_secs(5), "{mode}: {:?}", start.elapsed());
        });
        let mut holder = holder;
        holder.wait().unwrap();
    });
}

fn a_statement_limit_holds_in_every_mode(kind: Kind) {
    kind.each("tuning_limit", |database| {
        database.fill("t", 1000);
        // Ten seconds for all rows, whoever asks for them: the planner, the reader or the one that counts.
        let slow = database.either("pg_sleep(0.01) is not null", "sleep(0.01) = 0");
        let query = format!("select id, note, {SEEN} as seen from {}.t where {slow}", database.name());
        let config = database.config(&query, "statement_timeout_s: 1, max_retries: 0");
        each_mode(|mode, lines| {
            let sandbox = database.sandbox(database.url());
            let start = Instant::now();
            let outcome = sandbox.try_run(&format!("{config}{lines}"));
            outcome.expect(1, &["raise \"statement_timeout_s\""]);
            assert!(start.elapsed() < Duration::from_secs(7), "{mode}: {:?}", start.elapsed());
            assert!(sandbox.out().is_empty(), "{mode}: {:?}", sandbox.out());
        });
    });
}

fn each_mode(test: impl Fn(&str, &str) + Sync) {
    let test = &test;
    thread::scope(|scope| {
        for (mode, lines) in MODES {
            scope.spawn(move || test(mode, lines));
        }
    });
}

/// From the embedded database, under this tuning of the source and of the export.
fn run(lines: &str, rows: u32, source: &str, export: &str) -> Outcome {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(&format!(
        "create table t (id integer primary key, seen integer);
         insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
             select i, {SEEN} from n"
    ))
    .unwrap();
    sandbox.run(&format!(
        "source: {{ type: sqlite, path: shop.db, tuning: {{ {source} }} }}
exports:
  - name: lines
    query: select * from t
    format: csv
    tuning: {{ {export} }}
    destination: {{ type: local, path: out }}
{lines}"
    ))
}

#[test]
fn a_throttle_rests_by_rows_in_every_mode() {
    each_mode(|mode, lines| {
        let start = Instant::now();
        run(lines, 16_000, "batch_size: 1600", "throttle_ms: 100")
            .expect(0, &["batch_size=1600", "rows:        16000"]);
        // Two workers rest at the same time.
        let least = if lines.contains("parallel") { 500 } else { 1000 };
        assert!(start.elapsed() > Duration::from_millis(least), "{mode}: {:?}", start.elapsed());
    });
}

#[test]
fn memory_above_the_threshold_slows_every_mode_and_stops_none() {
    each_mode(|_, lines| {
        let outcome = run(lines, 16_000, "memory_threshold_mb: 1, throttle_ms: 0, batch_size: 4000", "");
        outcome.expect(0, &["rows:        16000", "more than `memory_threshold_mb: 1`: reading slows down"]);
        assert_eq!(outcome.stderr.matches("reading slows down").count(), 1, "{outcome}");
        let took = outcome.stdout.split_once("duration:    ").unwrap().1;
        assert!(!took.starts_with("0ms"), "{outcome}");
    });
}

#[test]
fn fields_of_the_export_win_one_by_one() {
    let outcome = run("", 10, "profile: safe, batch_size: 7, throttle_ms: 0", "profile: fast");
    outcome.expect(0, &["tuning:      profile=fast, batch_size=7\n"]);
    let outcome = run("", 10, "profile: safe, throttle_ms: 0", "batch_size: 9");
    outcome.expect(0, &["tuning:      profile=safe, batch_size=9\n"]);
    run("", 10, "", "").expect(0, &["tuning:      profile=balanced (default), batch_size=10000\n"]);
    run("", 10, "", "profile: fast").expect(0, &["tuning:      profile=fast, batch_size=50000\n"]);
}

#[test]
fn a_batch_has_the_rows_or_the_memory_that_it_may_have() {
    let batches = |tuning: &str| {
        let mut sandbox = Sandbox::new();
        sandbox.env("RUST_LOG", "info");
        let outcome = sandbox.run(&format!(
            "source: {{ type: fault, rows: 100000, log: true, tuning: {{ {tuning} }} }}
exports:
  - {{ name: n, query: all, format: csv, destination: {{ type: local, path: out }} }}
"
        ));
        // The last call finds the end.
        outcome.stderr.matches("next_batch").count() - 1
    };
    assert_eq!(batches("batch_size: 5000, throttle_ms: 0"), 20);
    // 65 536 numbers of 16 bytes, as that source counts them.
    assert_eq!(batches("batch_size_memory_mb: 1, throttle_ms: 0"), 2);
    assert_eq!(batches("profile: fast"), 2);
    assert_eq!(batches("profile: safe, throttle_ms: 0"), 50);
}

#[test]
fn the_number_of_retries_and_their_pause_are_those_of_the_tuning() {
    let retries = |tuning: &str| {
        Sandbox::new().try_run(&format!(
            "source: {{ type: fault, error_in: {{ call: read, category: timeout, message: late }}, tuning: {{ {tuning} }} }}
exports:
  - {{ name: n, query: all, format: csv, destination: {{ type: local, path: out }} }}
"
        ))
    };
    retries("max_retries: 0").expect(1, &["late"]);
    let outcome = retries("max_retries: 2, retry_backoff_ms: 300");
    outcome.expect(1, &["retry 1/2 in ", "retry 2/2 in ", "retries:     2"]);
    // The source asks for 1.5 s, the second backoff is twice the first, and either pause gets up to a quarter longer.
    for (retry, least) in [("retry 1/2 in ", 1800), ("retry 2/2 in ", 2100)] {
        let pause = outcome.stderr.split_once(retry).and_then(|(_, rest)| rest.split_once("ms ("));
        let pause: u32 = pause.expect("a pause").0.parse().unwrap();
        assert!((least..=least + least / 4).contains(&pause), "{outcome}");
    }
}
