//! What servers refuse, and the limits of statements and locks: how each is reported, and whether it is tried again.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use rivet_e2e::{Database, Kind, Outcome, on_both};

on_both!(
    a_statement_that_computes_too_long_is_a_timeout,
    a_throttled_export_may_last_longer_than_the_limit,
    a_lock_that_does_not_come_is_a_timeout,
    a_wrong_password_is_not_tried_again,
    an_unknown_database_is_not_tried_again,
    an_unknown_table_is_told_in_the_servers_words,
    a_missing_right_is_not_tried_again,
    a_query_that_writes_is_refused,
);

const ONCE: &str = "max_retries: 1, retry_backoff_ms: 1";

/// Runs `query`, which has to fail at once, and asserts that it was not tried again and left nothing.
fn assert_refused(database: &Database, url: &str, query: &str, texts: &[&str]) -> Outcome {
    let sandbox = database.sandbox(url);
    let outcome = sandbox.try_run(&database.config(query, "max_retries: 3, retry_backoff_ms: 1"));
    outcome.expect(1, &["── lines ──", "status:      failed"]);
    outcome.expect(1, texts);
    assert!(!outcome.stderr.contains("retry 1/") && !outcome.stdout.contains("retries:"), "{outcome}");
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    outcome
}

fn a_statement_that_computes_too_long_is_a_timeout(kind: Kind) {
    kind.each("limit", |database| {
        let queries = match kind {
            Kind::Postgres => [
                "select pg_sleep(20)",
                "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b where a + b < 0",
            ],
            Kind::Mysql => ["select sleep(20)", "select benchmark(100000000000, sha2('x', 512)) as n"],
        };
        for query in queries {
            let sandbox = database.sandbox(database.url());
            let start = Instant::now();
            let outcome = sandbox.try_run(&database.config(query, &format!("statement_timeout_s: 1, {ONCE}")));
            outcome.expect(1, &["retry 1/1 in 1ms (", "retries:     1", "statement_timeout_s"]);
            assert!(start.elapsed() < Duration::from_secs(6), "two attempts took {:?}", start.elapsed());
            assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
        }
    });
}

fn a_throttled_export_may_last_longer_than_the_limit(kind: Kind) {
    kind.each("limit_throttled", |database| {
        database.fill("t", 30_000);
        // A plain table, and a query that cannot be read in ranges of pages.
        let table = database.name();
        let queries = [format!("select * from {table}.t"), format!("select * from {table}.t order by note, id")];
        for query in queries {
            let sandbox = database.sandbox(database.url());
            let start = Instant::now();
            let tuning = "statement_timeout_s: 1, max_retries: 0, batch_size: 3000, throttle_ms: 250";
            sandbox.run(&database.config(&query, tuning)).expect(0, &["rows:        30000"]);
            assert!(start.elapsed() > Duration::from_millis(2250), "it was too fast to show anything");
            let text = fs::read_to_string(sandbox.only("csv")).unwrap();
            assert_eq!(text.lines().count(), 30_001);
        }
    });
}

fn a_lock_that_does_not_come_is_a_timeout(kind: Kind) {
    kind.each("lock", |database| {
        database.fill("t", 10);
        let name = database.name();
        let mut holder = database.start(&match kind {
            Kind::Postgres => format!("begin; lock table {name}.t in access exclusive mode; select pg_sleep(8)"),
            Kind::Mysql => format!("lock tables {name}.t write; do sleep(8)"),
        });
        database.wait_until_runs(database.either("access exclusive mode", "do sleep(8)"), true, Duration::from_secs(5));
        let sandbox = database.sandbox(database.url());
        let start = Instant::now();
        let query = format!("select * from {name}.t");
        let outcome = sandbox.try_run(&database.config(&query, &format!("lock_timeout_s: 1, {ONCE}")));
        outcome
            .expect(1, &["retry 1/1 in 1ms (", "retries:     1", "lock_timeout_s", database.either("55P03", "1205")]);
        assert!(start.elapsed() < Duration::from_secs(6), "two attempts took {:?}", start.elapsed());
        holder.kill().unwrap();
        holder.wait().unwrap();
        if let Database::Postgres(postgres) = database {
            let which = format!("query like '%{name}%access exclusive%' and pid <> pg_backend_pid()");
            postgres.sql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where {which}"));
        } else {
            let which = "info = 'do sleep(8)'";
            let ids =
                database.sql(&format!("select id from information_schema.processlist where {which} and db = '{name}'"));
            for id in ids.lines() {
                database.sql(&format!("kill {id}"));
            }
        }
        sandbox.run(&database.config(&query, "max_retries: 0")).expect(0, &["rows:        10"]);
    });
}

fn a_wrong_password_is_not_tried_again(kind: Kind) {
    kind.each("password", |database| {
        let wrong = database.url().replace("S3CR3T", "wrong-S3CR3T");
        let code = database.either("28P01", "1045");
        let outcome = assert_refused(database, &wrong, "select 1 as n", &["check user and password", code]);
        assert!(!outcome.to_string().contains("S3CR3T"), "{outcome}");
    });
}

fn an_unknown_database_is_not_tried_again(kind: Kind) {
    kind.each("unknown", |database| {
        let (server, _) = database.url().rsplit_once('/').unwrap();
        let nowhere = format!("{server}/nowhere_at_all");
        let code = database.either("3D000", "1049");
        assert_refused(database, &nowhere, "select 1 as n", &["nowhere_at_all", "check the database name", code]);
    });
}

fn an_unknown_table_is_told_in_the_servers_words(kind: Kind) {
    kind.each("missing", |database| {
        database.fill("t", 1);
        let name = database.name();
        let words = database.either("does not exist", "doesn't exist");
        let code = database.either("42P01", "1146");
        assert_refused(database, database.url(), &format!("select * from {name}.absent"), &["absent", words, code]);
        let query = format!("select id, ntoe from {name}.t");
        let (unknown, code) = (
            database.either("column \"ntoe\" does not exist", "Unknown column 'ntoe'"),
            database.either("42703", "1054"),
        );
        let outcome = assert_refused(database, database.url(), &query, &[unknown, code]);
        if kind == Kind::Postgres {
            outcome.expect(1, &["hint: Perhaps you meant to reference the column \"t.note\"."]);
        }
        assert_refused(database, database.url(), "selec 1", &["selec", database.either("42601", "1064")]);
    });
}

fn a_missing_right_is_not_tried_again(kind: Kind) {
    kind.each("right", |database| {
        database.fill("t", 1);
        let (name, port) = (database.name(), database.url().rsplit_once(':').unwrap().1.split_once('/').unwrap());
        if kind == Kind::Postgres {
            // The role of the tests may not create others; its own schema can still be closed to it.
            database.sql(&format!("revoke all on {name}.t from current_user"));
            let texts = ["permission denied for", "42501", "grant SELECT"];
            assert_refused(database, database.url(), &format!("select * from {name}.t"), &texts);
        } else {
            // Old servers know neither `if exists` nor names of more than 16 characters.
            let user = format!("e2e_{}", std::process::id());
            database.sql(&format!(
                "create user {user}@'127.0.0.1' identified by 'S3CR3T-CANARY'; grant select on rivet.* to {user}@'127.0.0.1'"
            ));
            let weak = format!("mysql://{user}:S3CR3T-CANARY@127.0.0.1:{}/{}", port.0, port.1);
            let texts = ["denied", &format!("'{user}'@"), "1142", "grant SELECT"];
            assert_refused(database, &weak, &format!("select * from {name}.t"), &texts);
            database.sql(&format!("drop user {user}@'127.0.0.1'"));
        }
    });
}

fn a_query_that_writes_is_refused(kind: Kind) {
    kind.each("writes", |database| {
        database.fill("t", 3);
        let name = database.name();
        let queries = match kind {
            Kind::Postgres => vec![
                format!("delete from {name}.t returning id"),
                format!("with gone as (delete from {name}.t returning id) select * from gone"),
                format!("drop table {name}.t"),
            ],
            Kind::Mysql => vec![format!("delete from {name}.t"), format!("drop table {name}.t")],
        };
        for query in queries {
            assert_refused(database, database.url(), &query, &[]);
        }
        assert_eq!(database.sql(&format!("select count(*) from {name}.t")), "3\n");
    });
}
