//! Connections that break in the middle of a read, and servers that go away: the rows are right in the end, or the run
//! fails and leaves nothing.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, and print what they measured")]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rivet_e2e::{Database, Fault, Kind, Private, Proxy, Sandbox, line, on_both};

const ROWS: u32 = 30_000;
/// In the middle of the rows, which are 3 MB, and behind everything that comes before them.
const MIDDLE: u64 = 1 << 20;
/// The ways in which rows are read: one statement for all of them, and many under a limit.
const WAYS: [&str; 2] = ["profile: fast", "statement_timeout_s: 60, throttle_ms: 0, batch_size: 5000"];

on_both!(
    a_cut_connection_is_retried_on_a_new_one,
    without_retries_a_cut_fails_the_run_and_changes_nothing,
    an_incremental_window_is_the_same_after_a_cut,
    a_server_that_refuses_at_first_is_tried_again,
    a_server_that_never_answers_a_log_in_is_given_up,
    a_server_that_falls_silent_is_given_up,
    a_run_that_waits_for_a_silent_server_can_be_stopped,
    a_crash_in_the_middle_of_a_read_is_survived,
    a_session_ended_by_an_administrator_is_repeated,
);

fn config(database: &Database, tuning: &str) -> String {
    database.config(&format!("select id, note from {}.t", database.name()), tuning)
}

/// The rows `ids` in some order, each once, in one file.
fn assert_rows(sandbox: &Sandbox, ids: impl Iterator<Item = u32>) {
    let text = fs::read_to_string(sandbox.only("csv")).unwrap();
    let mut found: Vec<_> = text.lines().skip(1).collect();
    let mut expected: Vec<_> = ids.map(line).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert!(found == expected, "{} rows, and {} were expected", found.len(), expected.len());
}

fn assert_no_history(sandbox: &Sandbox) {
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &["No export state recorded yet."]);
    sandbox.rivet(&["state", "files", "--config", "rivet.yaml"]).expect(0, &["No files recorded yet."]);
}

fn a_cut_connection_is_retried_on_a_new_one(kind: Kind) {
    kind.each("cut", |database| {
        database.fill("t", ROWS);
        for way in WAYS {
            let proxy = Proxy::new(database.url());
            proxy.fail(Fault::Cut, MIDDLE, 2);
            let sandbox = database.sandbox(&proxy.url);
            let outcome = sandbox.run(&config(database, &format!("{way}, max_retries: 2, retry_backoff_ms: 1")));
            outcome.expect(0, &["retry 1/2 in 1ms reconnecting", "retry 2/2 in 2ms reconnecting", "retries:     2"]);
            assert_eq!(proxy.hit(), 2);
            assert_rows(&sandbox, 1..=ROWS);
        }
    });
}

fn without_retries_a_cut_fails_the_run_and_changes_nothing(kind: Kind) {
    kind.each("cut_fails", |database| {
        database.fill("t", ROWS);
        for way in WAYS {
            let proxy = Proxy::new(database.url());
            proxy.fail(Fault::Cut, MIDDLE, 1);
            let sandbox = database.sandbox(&proxy.url);
            let config = config(database, &format!("{way}, max_retries: 0"));
            let outcome = sandbox.try_run(&config);
            outcome.expect(1, &["── lines ──", "status:      failed", "rows:        0", "files:       0", "127.0.0.1"]);
            assert!(!outcome.stderr.contains("retry 1/"), "{outcome}");
            assert_no_history(&sandbox);
            sandbox.run(&config);
            assert_rows(&sandbox, 1..=ROWS);
        }
    });
}

fn an_incremental_window_is_the_same_after_a_cut(kind: Kind) {
    kind.each("cut_window", |database| {
        database.fill("t", ROWS);
        let proxy = Proxy::new(database.url());
        let sandbox = database.sandbox(&proxy.url);
        let mode = |tuning: &str| config(database, tuning) + "    mode: incremental\n    cursor_column: id\n";
        proxy.fail(Fault::Cut, MIDDLE, 1);
        sandbox.try_run(&mode("profile: fast, max_retries: 0")).expect(1, &["closed the connection unexpectedly"]);
        assert_no_history(&sandbox);
        proxy.fail(Fault::Cut, MIDDLE, 1);
        let outcome = sandbox.run(&mode("profile: fast, max_retries: 1, retry_backoff_ms: 1"));
        outcome.expect(0, &["retries:     1"]);
        assert_rows(&sandbox, 1..=ROWS);
        // The window of the second run is one row, and its failure leaves the cursor where it was.
        database.sql(&format!("insert into t values ({}, 'new')", ROWS + 1));
        proxy.fail(Fault::Cut, 0, 100);
        sandbox.try_run(&mode("max_retries: 0")).expect(1, &["status:      failed"]);
        sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &[&format!(" {ROWS} ")]);
        proxy.fail(Fault::Cut, 0, 0);
        sandbox.run(&mode("max_retries: 0")).expect(0, &["rows:        1"]);
        assert_eq!(sandbox.out().len(), 2);
    });
}

fn a_server_that_refuses_at_first_is_tried_again(kind: Kind) {
    kind.each("refused", |database| {
        database.fill("t", 10);
        let proxy = Proxy::refusing(database.url());
        let sandbox = database.sandbox(&proxy.url);
        let outcome = sandbox.try_run(&config(database, "max_retries: 1, retry_backoff_ms: 1"));
        outcome.expect(1, &["── lines ──", "connection refused", "retries:     1"]);
        assert_no_history(&sandbox);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(700));
                proxy.accept();
            });
            let outcome = sandbox.run(&config(database, "max_retries: 5, retry_backoff_ms: 200"));
            outcome.expect(0, &["retry 1/5 in 2", "ms reconnecting", "connection refused"]);
        });
        assert_rows(&sandbox, 1..=10);
    });
}

fn a_server_that_never_answers_a_log_in_is_given_up(kind: Kind) {
    kind.each("silent_login", |database| {
        database.fill("t", 10);
        let proxy = Proxy::new(database.url());
        proxy.fail(Fault::Silence, 0, 1);
        let sandbox = database.sandbox(&format!("{}?connect_timeout=1", proxy.url));
        let start = Instant::now();
        sandbox.run(&config(database, "max_retries: 1, retry_backoff_ms: 1")).expect(0, &["retries:     1"]);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_rows(&sandbox, 1..=10);
    });
}

/// A server that is there ends a statement at its limit; one that does not even do that has gone.
fn a_server_that_falls_silent_is_given_up(kind: Kind) {
    kind.each("silent", |database| {
        database.fill("t", ROWS);
        let proxy = Proxy::new(database.url());
        proxy.fail(Fault::Silence, MIDDLE, 1);
        let sandbox = database.sandbox(&proxy.url);
        let tuning = "statement_timeout_s: 1, throttle_ms: 0, retry_backoff_ms: 1, max_retries: 1";
        let start = Instant::now();
        let running = sandbox.start(&config(database, tuning));
        assert_eq!(running.wait_for(Duration::from_secs(25)), Some(0), "{}", sandbox.log());
        assert_eq!(proxy.hit(), 1);
        assert_rows(&sandbox, 1..=ROWS);
        println!("a silent server was given up, and the rows read anew, after {:?}", start.elapsed());
    });
}

fn a_run_that_waits_for_a_silent_server_can_be_stopped(kind: Kind) {
    kind.each("silent_stop", |database| {
        database.fill("t", ROWS);
        let proxy = Proxy::new(database.url());
        proxy.fail(Fault::Silence, MIDDLE, 1);
        let sandbox = database.sandbox(&proxy.url);
        let running = sandbox.start(&config(database, "profile: fast"));
        wait_for(|| proxy.hit() == 1);
        let start = Instant::now();
        assert_eq!(running.terminate("TERM"), Some(143));
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "it took {took:?} to stop");
        println!("{}: waiting for a silent server was stopped after {took:?}", kind.name());
        assert_no_history(&sandbox);
    });
}

fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "it did not happen within 20 s");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A query that sends many rows, then lets the server sleep, and then sends the rest.
fn pausing(database: &Database, seconds: u32) -> String {
    let pause = database.either("pg_sleep(", "sleep(");
    let is_over = database.either(") is not null", ") = 0");
    format!("select id, note from {}.t where id <> 25000 or {pause}{seconds}{is_over} order by id", database.name())
}

#[test]
fn a_restart_of_mysql_in_the_middle_of_a_read_is_survived() {
    restart(Kind::Mysql, "restart", Private::stop);
}

/// The retry waits 15 s after PostgreSQL's goodbye, which is the same as the one to a session that an administrator ended.
#[test]
#[ignore = "slow"]
fn a_restart_of_postgres_in_the_middle_of_a_read_is_survived() {
    restart(Kind::Postgres, "restart", Private::stop);
}

fn a_crash_in_the_middle_of_a_read_is_survived(kind: Kind) {
    restart(kind, "crash", Private::crash);
}

fn restart(kind: Kind, name: &str, stop: impl Fn(&mut Private)) {
    let Some(mut server) = Private::new(kind, &[]) else { return };
    let database = kind.on(&server.url, name);
    database.fill("t", ROWS);
    let sandbox = database.sandbox(database.url());
    // While the server is away, attempts fail at once; those of a goodbye ask for 15 s more.
    let tuning = "profile: fast, max_retries: 8, retry_backoff_ms: 100";
    let running = sandbox.start(&database.config(&pausing(&database, 2), tuning));
    database.wait_until_runs("25000", true, Duration::from_secs(10));
    thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    stop(&mut server);
    thread::sleep(Duration::from_millis(500));
    server.start();
    let code = running.wait_for(Duration::from_secs(45));
    assert_eq!(code, Some(0), "{}", sandbox.log());
    println!("{}: {name} survived after {:?}\n{}", kind.name(), start.elapsed(), sandbox.log());
    assert!(sandbox.log().contains("retry 1/8"), "{}", sandbox.log());
    assert_rows(&sandbox, 1..=ROWS);
}

/// PostgreSQL's 57P01 may mean that the server shuts down, for which the retry waits 15 s: this test takes as long.
fn a_session_ended_by_an_administrator_is_repeated(kind: Kind) {
    kind.each("ended", |database| {
        database.fill("t", ROWS);
        let sandbox = database.sandbox(database.url());
        let tuning = "profile: fast, max_retries: 1, retry_backoff_ms: 10";
        let running = sandbox.start(&database.config(&pausing(database, 2), tuning));
        database.wait_until_runs("25000", true, Duration::from_secs(10));
        thread::sleep(Duration::from_millis(200));
        let start = Instant::now();
        match kind {
            Kind::Postgres => {
                let which = "query like 'COPY%e2e_ended%' and pid <> pg_backend_pid()";
                assert_eq!(
                    database.sql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where {which}")),
                    "t\n"
                );
            }
            Kind::Mysql => {
                let which = "info like '%e2e_ended%' and id <> connection_id()";
                let id = database.sql(&format!("select id from information_schema.processlist where {which}"));
                database.sql(&format!("kill connection {}", id.trim()));
            }
        }
        assert_eq!(running.wait_for(Duration::from_secs(40)), Some(0), "{}", sandbox.log());
        let log = sandbox.log();
        println!("{}: an ended session was repeated after {:?}\n{log}", kind.name(), start.elapsed());
        let pause = log.split_once("retry 1/1 in ").and_then(|(_, rest)| rest.split_once("ms reconnecting"));
        let pause: u32 = pause.expect(&log).0.parse().unwrap();
        let least = if kind == Kind::Postgres { 15_010 } else { 10 };
        assert!((least..=least + least / 4).contains(&pause), "{log}");
        assert_rows(&sandbox, 1..=ROWS);
    });
}
