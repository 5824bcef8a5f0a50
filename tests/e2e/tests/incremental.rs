//! Incremental and time-window exports on the embedded database: every row once, whatever happens between the runs.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::{Outcome, Sandbox};
use rusqlite::Connection;

fn config(query: &str, mode: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: shop.db, tuning: {{ throttle_ms: 0 }} }}
exports:
  - name: orders
    query: {query}
    mode: {mode}
    format: csv
    destination: {{ type: local, path: out }}
"
    )
}

fn by(column: &str) -> String {
    config("select * from orders", &format!("incremental\n    cursor_column: {column}"))
}

fn database(sandbox: &Sandbox, sql: &str) -> Connection {
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(sql).unwrap();
    db
}

/// The lines of all files but their headers, sorted.
fn rows(sandbox: &Sandbox) -> Vec<String> {
    let mut rows = Vec::new();
    for name in sandbox.out() {
        let text = fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
        rows.extend(text.lines().skip(1).map(str::to_owned));
    }
    rows.sort();
    rows
}

fn cursor(sandbox: &Sandbox) -> Outcome {
    sandbox.rivet(&["state", "show", "--config", "rivet.yaml"])
}

#[test]
fn each_run_exports_what_came_after_the_last() {
    let sandbox = Sandbox::new();
    let db = database(&sandbox, "create table orders (id integer primary key, at timestamp, note text)");
    sandbox.run(&by("id")).expect(0, &["rows:        0"]);
    db.execute_batch("insert into orders values (1, '2026-01-01 00:00:00', 'a'), (2, null, 'b')").unwrap();
    sandbox.run(&by("id")).expect(0, &["rows:        2"]);
    sandbox.run(&by("id")).expect(0, &["rows:        0"]);
    db.execute_batch(
        "insert into orders values (-5, null, 'behind'), (3, null, 'c'), (9223372036854775807, null, 'z')",
    )
    .unwrap();
    sandbox.run(&by("id")).expect(0, &["rows:        2"]);
    cursor(&sandbox).expect(0, &["orders", "9223372036854775807"]);
    db.execute_batch("delete from orders").unwrap();
    sandbox.run(&by("id")).expect(0, &["rows:        0"]);
    cursor(&sandbox).expect(0, &["9223372036854775807"]);
    let exported = ["1,2026-01-01T00:00:00.000000,a", "2,,b", "3,,c", "9223372036854775807,,z"];
    assert_eq!(rows(&sandbox), exported, "a row that comes behind the cursor is never exported");
}

#[test]
fn rows_without_a_cursor_come_with_the_first_run_and_are_counted() {
    let sandbox = Sandbox::new();
    let db = database(
        &sandbox,
        "create table orders (at timestamp, note text);
         insert into orders values ('2026-01-01 00:00:00.000001', 'a'), (null, 'n'), (null, 'm')",
    );
    sandbox.run(&by("at")).expect(0, &["rows:        3", "2 rows of export \"orders\" have no cursor value"]);
    db.execute_batch(
        "insert into orders values (null, 'unseen'), ('2026-01-01 00:00:00.000001', 'tie'),
             ('2026-01-01 00:00:00.000002', 'b')",
    )
    .unwrap();
    sandbox.run(&by("at")).expect(0, &["rows:        1"]);
    cursor(&sandbox).expect(0, &["2026-01-01T00:00:00.000002"]);
    assert_eq!(rows(&sandbox).len(), 4);
}

#[test]
fn text_cursors_may_hold_anything() {
    let sandbox = Sandbox::new();
    let db = database(
        &sandbox,
        "create table orders (code text); insert into orders values ('a'), ('o''; drop table orders; --')",
    );
    sandbox.run(&by("code")).expect(0, &["rows:        2"]);
    db.execute_batch(r#"insert into orders values ('o'''), ('o''; drop table orders; --x'), ('Ω "q" \')"#).unwrap();
    sandbox.run(&by("code")).expect(0, &["rows:        2"]);
    sandbox.run(&by("code")).expect(0, &["rows:        0"]);
}

#[test]
fn a_cursor_column_that_is_not_selected_is_an_error_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let db = database(
        &sandbox,
        "create table orders (id integer primary key, note text); insert into orders values (1, 'a')",
    );
    sandbox.run(&by("id"));
    db.execute_batch("insert into orders values (2, 'b')").unwrap();
    let other = config("select note from orders", "incremental\n    cursor_column: id");
    sandbox.try_run(&other).expect(1, &["\"id\"", "note"]);
    // The cursor belongs to another column.
    sandbox.try_run(&by("note")).expect(1, &["state reset"]);
    sandbox.run(&by("id")).expect(0, &["rows:        1"]);
    assert_eq!(rows(&sandbox), ["1,a", "2,b"]);
}

#[test]
fn a_state_file_of_the_predecessor_goes_on_where_it_stood() {
    let sandbox = Sandbox::new();
    database(&sandbox, "create table orders (id integer primary key); insert into orders values (1), (2), (3)");
    let state = Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
    state
        .execute_batch(
            "create table export_state (export_name text primary key, last_cursor_value text, last_run_at text);
             insert into export_state values ('orders', '2', '2026-01-01T00:00:00Z')",
        )
        .unwrap();
    drop(state);
    sandbox.run(&by("id")).expect(0, &["rows:        1"]);
    assert_eq!(rows(&sandbox), ["3"]);
    cursor(&sandbox).expect(0, &["3"]);
}

#[test]
fn a_killed_run_is_redone_with_the_same_window() {
    let sandbox = Sandbox::new();
    let db = database(
        &sandbox,
        "create table orders (id integer primary key, note text);
         insert into orders with recursive n(i) as (select 1 union all select i + 1 from n where i < 40000)
             select i, hex(randomblob(30)) from n",
    );
    let running = sandbox.start(&by("id").replace("throttle_ms: 0", "batch_size: 1000, throttle_ms: 100"));
    sandbox.wait_for_output();
    running.kill();
    db.execute_batch("insert into orders values (40001, 'late')").unwrap();
    sandbox.run(&by("id")).expect(0, &["rows:        40000"]);
    sandbox.run(&by("id")).expect(0, &["rows:        1"]);
    assert_eq!(rows(&sandbox).len(), 40_001);
    db.execute_batch("insert into orders values (40002, 'x')").unwrap();
    assert_ne!(sandbox.try_run(&by("id").replace("path: out", "path: shop.db")).code, Some(0));
    sandbox.run(&by("id")).expect(0, &["rows:        1"]);
}

#[test]
fn a_time_window_begins_at_midnight_utc() {
    let sandbox = Sandbox::new();
    database(
        &sandbox,
        "create table orders (id integer primary key, at timestamp, day date, seconds integer);
         insert into orders values
             (1, datetime('now', 'start of day', '-2 days'), date('now', '-2 days'),
                 unixepoch('now', 'start of day', '-2 days')),
             (2, datetime('now', 'start of day', '-2 days', '-1 second'), date('now', '-3 days'),
                 unixepoch('now', 'start of day', '-2 days') - 1),
             (3, datetime('now'), date('now'), unixepoch()), (4, null, null, null)",
    );
    for (column, encoding) in [("at", "timestamp"), ("day", "timestamp"), ("seconds", "unix")] {
        let mode =
            format!("time_window\n    time_column: {column}\n    time_column_type: {encoding}\n    days_window: 2");
        sandbox.run(&config("select * from orders", &mode)).expect(0, &["rows:        2"]);
    }
    let mode = "time_window\n    time_column: at\n    days_window: 4000000000";
    sandbox.try_run(&config("select * from orders", mode)).expect(2, &["days_window"]);
}
