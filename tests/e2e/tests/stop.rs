//! Runs that are stopped in the middle of a query: nothing of ours stays on the server.
#![expect(clippy::print_stdout, reason = "tests print what they measured")]

use std::time::{Duration, Instant};

use rivet_e2e::{Database, Kind, Sandbox, on_both};

on_both!(
    a_query_that_computes_is_stopped_on_the_server,
    a_query_that_streams_is_stopped_on_the_server,
    a_killed_run_leaves_a_streaming_query_until_the_server_notices,
);

/// What the server needs to see that nobody wants the rows any more.
const A_SECOND: Duration = Duration::from_secs(1);

/// A query that computes for minutes before its first row.
fn computing(database: &Database, mark: &str) -> String {
    let count = match database.kind() {
        Kind::Postgres => "count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b where a + b < 0",
        Kind::Mysql => "benchmark(100000000000, sha2('x', 512))",
    };
    format!("select '{mark}' as mark, {count}")
}

/// A query of far more rows than anybody waits for.
fn streaming(database: &Database, mark: &str) -> String {
    format!("select '{mark}' as mark, a.note from {0}.t a, {0}.t b, {0}.t c", database.name())
}

fn stop(database: &Database, sandbox: &Sandbox, config: &str, mark: &str, is_streaming: bool) {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let running = sandbox.start(config);
        database.wait_until_runs(mark, true, Duration::from_secs(20));
        if is_streaming {
            sandbox.wait_for_output();
        }
        if let Database::Postgres(postgres) = database {
            let ours = "application_name like 'rivet%'";
            let names = postgres.sql(&format!("select count(*) from pg_stat_activity where {ours} and query like '%{mark}%' and pid <> pg_backend_pid()"));
            assert_ne!(names, "0\n", "the session does not say whose it is");
        }
        let start = Instant::now();
        assert_eq!(running.terminate(signal), Some(code), "{}", sandbox.log());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "it took {took:?} to stop");
        database.wait_until_runs(mark, false, A_SECOND);
        println!(
            "{} {mark}: {signal} ended the run after {took:?}, the query after {:?}",
            database.name(),
            start.elapsed()
        );
        assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    }
}

fn a_query_that_computes_is_stopped_on_the_server(kind: Kind) {
    kind.each("stop_computing", |database| {
        let sandbox = database.sandbox(database.url());
        for (mark, tuning) in [("computes_at_once", "profile: fast"), ("computes_limited", "statement_timeout_s: 600")]
        {
            stop(database, &sandbox, &database.config(&computing(database, mark), tuning), mark, false);
        }
    });
}

fn a_query_that_streams_is_stopped_on_the_server(kind: Kind) {
    kind.each("stop_streaming", |database| {
        database.fill("t", 1000);
        let sandbox = database.sandbox(database.url());
        // As fast as we read, and half a second of rest after every thousand rows.
        for (mark, tuning) in
            [("streams_at_once", "profile: fast"), ("streams_slowly", "batch_size: 1000, throttle_ms: 500")]
        {
            stop(database, &sandbox, &database.config(&streaming(database, mark), tuning), mark, true);
        }
    });
}

/// Nobody is left to cancel after `kill -9`. The closed socket is what the server notices, when it sends the next rows.
fn a_killed_run_leaves_a_streaming_query_until_the_server_notices(kind: Kind) {
    kind.each("stop_killed", |database| {
        database.fill("t", 1000);
        let sandbox = database.sandbox(database.url());
        let running = sandbox.start(&database.config(&streaming(database, "streams_killed"), "profile: fast"));
        database.wait_until_runs("streams_killed", true, Duration::from_secs(20));
        sandbox.wait_for_output();
        running.kill();
        let start = Instant::now();
        database.wait_until_runs("streams_killed", false, Duration::from_secs(5));
        println!("{}: the query of a killed run ended after {:?}", kind.name(), start.elapsed());
    });
}
