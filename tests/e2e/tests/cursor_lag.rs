//! `cursor_lag`: rows that are committed late are not passed by the cursor, and nothing comes twice or never.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::{Database, Kind, Sandbox, on_both};
use rusqlite::Connection;

on_both!(
    rows_of_the_last_interval_wait,
    a_commit_behind_newer_rows_is_not_lost,
    numbers_wait_below_the_greatest,
    a_lag_that_does_not_go_with_the_column_is_refused,
);

fn config(database: &Database, column: &str, lag: &str) -> String {
    database.config(&format!("select id, {column} from {}.t", database.name()), "max_retries: 0, throttle_ms: 0")
        + &mode(column, lag)
}

fn mode(column: &str, lag: &str) -> String {
    format!("    mode: incremental\n    cursor_column: {column}\n    cursor_lag: {lag}\n")
}

/// The ids of all rows that were written, sorted.
fn ids(sandbox: &Sandbox) -> Vec<u64> {
    let read = |name| fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
    let id = |line: &str| line.split(',').next().unwrap().parse().ok();
    let files = sandbox.out().into_iter().map(read);
    let mut ids: Vec<u64> = files.flat_map(|text| text.lines().skip(1).filter_map(id).collect::<Vec<_>>()).collect();
    ids.sort_unstable();
    ids
}

fn no_cursor(sandbox: &Sandbox) {
    sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &["No export state recorded yet."]);
}

/// The hours before now, as a value of a type with a zone, of one without, and as a date.
fn rows_of_the_last_interval_wait(kind: Kind) {
    let ago = |hours: i32| match kind {
        Kind::Postgres => format!("now() - interval '{hours} hours'"),
        Kind::Mysql => format!("utc_timestamp(6) - interval {hours} hour"),
    };
    kind.each("lag_times", |database| {
        let types =
            [database.either("timestamptz", "timestamp(6)"), database.either("timestamp", "datetime(6)"), "date"];
        let zone = database.either("set timezone = 'UTC'", "set time_zone = '+00:00'");
        for k in types {
            let insert = |rows: &[(u32, String)]| {
                let rows: Vec<_> = rows.iter().map(|(id, at)| format!("({id}, {at})")).collect();
                database.sql(&format!("{zone}; insert into t values {}", rows.join(", ")));
            };
            database.sql(&format!("drop table if exists t; create table t (id int, k {k} null)"));
            // A zone of the session that is ahead of ours must not let anything through.
            let mut sandbox = database.sandbox(&database.foreign_url());
            sandbox.env("RUST_LOG", "info");
            insert(&[(1, ago(30)), (2, ago(-30)), (3, "null".to_owned())]);
            // All values are too new: this is no first run, for which rows without a value wait.
            let outcome = sandbox.run(&config(database, "k", "60h"));
            outcome.expect(0, &["rows:        0", "leaves all new rows to later runs"]);
            no_cursor(&sandbox);
            // Row 1 is a day old, and its date is over.
            sandbox.run(&config(database, "k", "1h")).expect(0, &["rows:        2", "leaves the rows above"]);
            assert_eq!(ids(&sandbox), [1, 3], "{k}");
            // A longer lag would move the cursor back.
            sandbox.run(&config(database, "k", "48h")).expect(0, &["rows:        0"]);
            sandbox.run(&config(database, "k", "1h")).expect(0, &["rows:        0"]);
            assert_eq!(ids(&sandbox), [1, 3], "{k}");
            // Without a lag the row from the future comes as well.
            let plain = config(database, "k", "1h").replace("    cursor_lag: 1h\n", "");
            sandbox.run(&plain).expect(0, &["rows:        1"]);
            assert_eq!(ids(&sandbox), [1, 2, 3], "{k}");
        }
    });
}

fn a_commit_behind_newer_rows_is_not_lost(kind: Kind) {
    kind.each("lag_late", |database| {
        let (now, before) = match kind {
            Kind::Postgres => ("now()", "now() - interval '2 seconds'"),
            Kind::Mysql => ("utc_timestamp(6)", "utc_timestamp(6) - interval 2 second"),
        };
        database.sql(&format!("create table t (id int, k {})", database.either("timestamptz", "datetime(6)")));
        let [careful, hasty] = [(); 2].map(|()| database.sandbox(database.url()));
        let sleep = database.either("select pg_sleep(8)", "do sleep(8)");
        let mut late = database.start(&format!("begin; insert into t values (1, {before}); {sleep}; commit"));
        database.sql(&format!("insert into t values (2, {now})"));
        hasty.run(&config(database, "k", "0s")).expect(0, &["rows:        1\n"]);
        careful.run(&config(database, "k", "1h")).expect(0, &["rows:        0\n"]);
        assert!(late.wait().unwrap().success());
        // A shorter lag, instead of waiting for the hour to pass.
        hasty.run(&config(database, "k", "0s")).expect(0, &["rows:        0\n"]);
        careful.run(&config(database, "k", "0s")).expect(0, &["rows:        2\n"]);
        assert_eq!((ids(&careful), ids(&hasty)), (vec![1, 2], vec![2]));
    });
}

fn numbers_wait_below_the_greatest(kind: Kind) {
    kind.each("lag_numbers", |database| {
        let types: Vec<(&str, i128)> = match kind {
            Kind::Postgres => {
                vec![
                    ("int", 0),
                    ("bigint", i128::from(i64::MAX) - 100),
                    ("numeric", 10_i128.pow(30)),
                    ("double precision", 0),
                ]
            }
            Kind::Mysql => {
                vec![
                    ("bigint unsigned", i128::from(u64::MAX) - 100),
                    ("decimal(40,2)", -(10_i128.pow(30))),
                    ("double", 0),
                ]
            }
        };
        for (k, base) in types {
            let insert = |range: std::ops::RangeInclusive<i128>| {
                let rows: Vec<_> = range.map(|id| format!("({id}, {})", base + id)).collect();
                database.sql(&format!("insert into t values {}", rows.join(", ")));
            };
            database.sql(&format!("drop table if exists t; create table t (id int, k {k} null)"));
            let sandbox = database.sandbox(database.url());
            insert(1..=9);
            database.sql("insert into t values (99, null)");
            sandbox.run(&config(database, "k", "10")).expect(0, &["rows:        0"]);
            no_cursor(&sandbox);
            insert(11..=20);
            // 10 is not there yet, and is not passed before its time.
            sandbox.run(&config(database, "k", "10")).expect(0, &["rows:        10\n"]);
            insert(21..=100);
            sandbox.run(&config(database, "k", "10")).expect(0, &["rows:        80\n"]);
            sandbox.run(&config(database, "k", "10")).expect(0, &["rows:        0\n"]);
            database.sql("delete from t where id > 90 and id <> 95 and k is not null");
            // The end would now be below the cursor.
            sandbox.run(&config(database, "k", "10")).expect(0, &["rows:        0\n"]);
            sandbox.run(&config(database, "k", "0")).expect(0, &["rows:        1\n"]);
            assert_eq!(ids(&sandbox), (1..=9).chain(11..=90).chain([95, 99]).collect::<Vec<_>>(), "{k}");
        }
    });
}

fn a_lag_that_does_not_go_with_the_column_is_refused(kind: Kind) {
    kind.each("lag_misfit", |database| {
        database.sql(&format!(
            "create table t (id int, k {}, name varchar(9)); insert into t values (1, '2026-01-01', 'a')",
            database.either("timestamptz", "datetime")
        ));
        let sandbox = database.sandbox(database.url());
        for (column, lag, text) in [
            ("k", "300", "`cursor_lag` is a number, but the cursor column \"k\" is of kind"),
            ("name", "5m", "`cursor_lag` has no meaning for the cursor column \"name\" of kind \"text\""),
        ] {
            sandbox.try_run(&config(database, column, lag)).expect(1, &[text, "hint:"]);
        }
        let id = config(database, "id", "5m").replace("select id, id", "select id");
        sandbox
            .try_run(&id)
            .expect(1, &["`cursor_lag` is a duration, but the cursor column \"id\" is of kind \"int\""]);
        no_cursor(&sandbox);
        assert!(sandbox.out().is_empty());
    });
}

fn embedded(column: &str, lag: &str, tuning: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: shop.db, tuning: {{ {tuning} }} }}
exports:
  - name: orders
    query: select * from t
    format: csv
    destination: {{ type: local, path: out }}
{}",
        mode(column, lag)
    )
}

#[test]
fn the_embedded_database_reads_the_clock_too() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(
        "create table t (id integer, at timestamp, day date, seconds integer);
         insert into t values (1, datetime('now', '-2 days'), date('now', '-2 days'), 100),
             (2, datetime('now'), date('now'), 200), (3, null, null, null)",
    )
    .unwrap();
    for (column, lag) in [("at", "1h"), ("day", "0s"), ("seconds", "100")] {
        let config = embedded(column, lag, "throttle_ms: 0");
        sandbox.run(&config).expect(0, &["rows:        2"]);
        assert_eq!(ids(&sandbox), [1, 3], "{column}");
        sandbox.run(&config).expect(0, &["rows:        0"]);
        sandbox.rivet(&["state", "reset", "--config", "rivet.yaml", "--export", "orders"]);
        fs::remove_dir_all(sandbox.path().join("out")).unwrap();
        fs::create_dir(sandbox.path().join("out")).unwrap();
    }
}

#[test]
fn a_window_that_was_cut_off_keeps_its_end_whatever_the_lag_says_now() {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(
        "create table t (id integer primary key, note text);
         insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 40100)
             select i, hex(randomblob(30)) from n",
    )
    .unwrap();
    let running = sandbox.start(&embedded("id", "100", "batch_size: 1000, throttle_ms: 100"));
    sandbox.wait_for_output();
    running.kill();
    db.execute_batch("insert into t values (50000, 'late')").unwrap();
    sandbox.run(&embedded("id", "0", "throttle_ms: 0")).expect(0, &["rows:        40000\n"]);
    sandbox.run(&embedded("id", "0", "throttle_ms: 0")).expect(0, &["rows:        101\n"]);
}
