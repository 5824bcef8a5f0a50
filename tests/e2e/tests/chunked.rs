//! Chunked exports on the embedded database: every row in one file, whatever the keys are and whatever fails.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::process::Command;
use std::time::Instant;

use rivet_e2e::{Outcome, Sandbox, built, skip};
use rusqlite::Connection;

fn config(mode: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: shop.db, tuning: {{ throttle_ms: 0, max_retries: 0 }} }}
exports:
  - name: orders
    query: select * from orders
    mode: chunked
    chunk_column: id
    {mode}
    format: csv
    destination: {{ type: local, path: out }}
"
    )
}

fn database(sandbox: &Sandbox, sql: &str) -> Connection {
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(sql).unwrap();
    db
}

/// The lines of all files but their headers, sorted, and the ends of the file names.
fn rows(sandbox: &Sandbox) -> (Vec<String>, Vec<String>) {
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    for name in sandbox.out() {
        let text = fs::read_to_string(sandbox.path().join("out").join(&name)).unwrap();
        rows.extend(text.lines().skip(1).map(str::to_owned));
        names.push(name.rsplit_once("_chunk").unwrap().1.strip_suffix(".csv").unwrap().to_owned());
    }
    rows.sort();
    names.sort_by_key(|name| name.parse::<usize>().unwrap());
    (rows, names)
}

fn state(sandbox: &Sandbox, command: &str) -> Outcome {
    sandbox.rivet(&["state", command, "--config", "rivet.yaml", "--export", "orders"])
}

const HUNDRED: &str = "create table orders (id integer primary key, note text);
    insert into orders with recursive n(i) as (select 1 union all select i + 1 from n where i < 100)
        select i, 'note ' || i from n";

#[test]
fn floats_that_have_no_fractions_any_more_are_read() {
    for (size, keys) in [
        ("10000000000000000", "(0.0), (3.5e16), (1e17)"),
        ("100", "(1e16), (1.0000000000000002e16), (10000000000000100.0), (2e16)"),
    ] {
        let sandbox = Sandbox::new();
        database(&sandbox, &format!("create table orders (id real); insert into orders values {keys}"));
        let outcome = sandbox.run(&config(&format!("chunk_size: {size}")));
        outcome.expect(0, &[&format!("rows:        {}\n", keys.matches('(').count())]);
    }
}

#[test]
fn ranges_and_numbers_are_those_of_the_predecessor() {
    for parallel in [1, 3] {
        let sandbox = Sandbox::new();
        let db = database(&sandbox, HUNDRED);
        db.execute_batch("delete from orders where id between 31 and 60").unwrap();
        sandbox.run(&config(&format!("chunk_size: 30\n    parallel: {parallel}"))).expect(0, &["rows:        70"]);
        let (rows, names) = rows(&sandbox);
        assert_eq!(rows.len(), 70);
        // 31 to 60 is empty: no file, and its number stays free.
        assert_eq!(names, ["0", "2", "3"]);
    }
}

#[test]
fn sparse_keys_up_to_the_limits_finish_at_once() {
    let sandbox = Sandbox::new();
    database(
        &sandbox,
        "create table orders (id integer, note text); create index by_id on orders (id);
         insert into orders values (1, 'a'), (9000000000000000000, 'b'), (-9223372036854775807 - 1, 'c'),
             (9223372036854775807, 'd'), (null, 'e'), (null, 'f')",
    );
    sandbox.run(&config("chunk_size: 100000")).expect(0, &["rows:        6", "files:       5"]);
    let (rows, names) = rows(&sandbox);
    assert_eq!(rows.len(), 6);
    assert_eq!(names, ["0", "1", "2", "3", "4"]);
}

#[test]
fn fractions_dates_and_tables_without_keys_are_cut_too() {
    for (kind, values, size, files) in [
        ("real", "(-1.5), (-1.0), (0.0), (0.25), (2.999), (3.0), (null)", 1, 6),
        ("date", "('2024-02-28'), ('2024-02-29'), ('2024-03-01'), ('2024-03-31'), (null)", 2, 4),
        ("timestamp", "('2024-01-01 00:00:00'), ('2024-01-01 00:00:59.999999'), ('2024-01-01 00:01:00')", 60, 2),
        ("integer", "(null), (null)", 10, 1),
    ] {
        let sandbox = Sandbox::new();
        let db = database(&sandbox, &format!("create table orders (id {kind}); insert into orders values {values}"));
        let count: usize = db.query_row("select count(*) from orders", [], |row| row.get(0)).unwrap();
        sandbox.run(&config(&format!("chunk_size: {size}"))).expect(0, &[&format!("rows:        {count}")]);
        assert_eq!(sandbox.out().len(), files, "{kind}: {:?}", sandbox.out());
    }
    let sandbox = Sandbox::new();
    database(&sandbox, "create table orders (id text); insert into orders values ('a')");
    sandbox.try_run(&config("chunk_size: 5")).expect(1, &["\"id\"", "text", "chunk_dense"]);
}

#[test]
fn dense_chunks_count_rows() {
    let sandbox = Sandbox::new();
    database(&sandbox, &HUNDRED.replace("select i,", "select i * i * 7919,"));
    sandbox.run(&config("chunk_size: 40\n    chunk_dense: true")).expect(0, &["rows:        100", "files:       3"]);
    let count = |name: &String| fs::read_to_string(sandbox.path().join("out").join(name)).unwrap().lines().count() - 1;
    assert_eq!(sandbox.out().iter().map(count).collect::<Vec<_>>(), [40, 40, 20]);
    assert_eq!(rows(&sandbox).1, ["0", "1", "2"]);
}

/// An export of which chunk 2 fails: a value does not fit the type of its column.
fn broken(sandbox: &Sandbox) -> Connection {
    database(sandbox, &format!("{HUNDRED}; update orders set note = x'ff' where id = 70"))
}

const CHECKPOINT: &str = "chunk_size: 30\n    chunk_checkpoint: true";

#[test]
fn a_failed_chunk_leaves_the_others_to_resume_from() {
    for parallel in [1, 2] {
        let sandbox = Sandbox::new();
        let db = broken(&sandbox);
        let config = config(&format!("{CHECKPOINT}\n    parallel: {parallel}"));
        let failed = sandbox.try_run(&config);
        failed.expect(1, &["chunk 2 (61 to 90) of \"orders\"", "note", "--resume"]);
        assert_eq!(rows(&sandbox).1, ["0", "1", "3"], "{failed}");
        state(&sandbox, "chunks").expect(0, &["in_progress", "failed", "completed", "error:"]);
        sandbox.try_run(&config).expect(1, &["in progress", "--resume", "reset-chunks"]);
        let other = config.replace("chunk_size: 30", "chunk_size: 31");
        sandbox.write("rivet.yaml", &other);
        sandbox.rivet(&["run", "-c", "rivet.yaml", "--resume"]).expect(1, &["another configuration"]);
        // What is done is not read again, and what is gone is.
        db.execute_batch(
            "update orders set note = 'repaired' where id = 70; update orders set note = 'seen' where id = 5",
        )
        .unwrap();
        let lost = sandbox.out().into_iter().find(|name| name.ends_with("_chunk3.csv")).unwrap();
        fs::remove_file(sandbox.path().join("out").join(lost)).unwrap();
        sandbox.write("rivet.yaml", &config);
        let resumed = sandbox.rivet(&["run", "-c", "rivet.yaml", "--resume"]);
        resumed.expect(0, &["rows:        100", "files:       4"]);
        let (rows, names) = rows(&sandbox);
        assert_eq!((rows.len(), names.len()), (100, 4));
        assert!(rows.contains(&"70,repaired".to_owned()) && rows.contains(&"5,note 5".to_owned()));
        state(&sandbox, "chunks").expect(0, &["completed"]);
        sandbox.rivet(&["run", "-c", "rivet.yaml", "--resume"]).expect(1, &["no in-progress"]);
    }
}

#[test]
fn reset_chunks_begins_again() {
    let sandbox = Sandbox::new();
    let db = broken(&sandbox);
    sandbox.try_run(&config(CHECKPOINT)).expect(1, &["--resume"]);
    state(&sandbox, "reset-chunks").expect(0, &["Removed 1 chunk run record(s) for export 'orders'."]);
    state(&sandbox, "reset-chunks").expect(0, &["Removed 0 chunk run record(s) for export 'orders'."]);
    db.execute_batch("update orders set note = 'repaired' where id = 70").unwrap();
    sandbox.run(&config(CHECKPOINT)).expect(0, &["rows:        100"]);
}

#[test]
fn without_a_checkpoint_a_failure_leaves_nothing() {
    let sandbox = Sandbox::new();
    broken(&sandbox);
    for parallel in [1, 2] {
        let config = config(&format!("chunk_size: 30\n    parallel: {parallel}"));
        sandbox.try_run(&config).expect(1, &["chunk 2 (61 to 90) of \"orders\""]);
        assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    }
}

#[test]
fn a_killed_run_is_resumed_and_never_doubles_a_row() {
    let sandbox = Sandbox::new();
    database(&sandbox, &HUNDRED.replace("i < 100", "i < 50000"));
    let config = config("chunk_size: 5000\n    chunk_checkpoint: true\n    parallel: 2");
    let slow = config.replace("throttle_ms: 0", "batch_size: 1000, throttle_ms: 50");
    let running = sandbox.start(&slow);
    sandbox.wait_for_output();
    std::thread::sleep(std::time::Duration::from_millis(600));
    running.kill();
    sandbox.write("rivet.yaml", &config);
    sandbox.rivet(&["run", "-c", "rivet.yaml", "--resume"]).expect(0, &["rows:        50000", "files:       10"]);
    let (rows, names) = rows(&sandbox);
    assert_eq!((rows.len(), names.len()), (50_000, 10));
}

/// Ten thousand chunks, of which three have rows: nearly all that such a run does is bookkeeping.
const MANY: &str = "create table orders (id integer primary key, note text);
    insert into orders values (1, 'a'), (5000000, 'b'), (9999990, 'c')";

/// The MiB that the summary gives as peak.
fn peak(outcome: &Outcome) -> u64 {
    let line = outcome.stdout.lines().find(|line| line.contains("peak RSS:")).unwrap();
    line.trim().trim_start_matches("peak RSS:").trim().strip_suffix("MB").unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_chunks_take_little_memory() {
    let sandbox = Sandbox::new();
    database(&sandbox, MANY);
    let few = sandbox.run(&config("chunk_size: 5000000"));
    let many = sandbox.run(&config("chunk_size: 1000\n    chunk_checkpoint: true"));
    many.expect(0, &["rows:        3", "files:       3"]);
    assert_eq!(rows(&sandbox).0.len(), 6, "both runs");
    assert!(peak(&many) <= peak(&few) + 50, "{} MB, and {} MB for two chunks", peak(&many), peak(&few));
    let chunks = state(&sandbox, "chunks");
    // Behind number and status, both bounds; then how often each was tried.
    let once = |line: &&str| {
        line.split_whitespace().nth(1) == Some("completed") && line.split_whitespace().nth(4) == Some("1")
    };
    assert_eq!(chunks.stdout.lines().filter(once).count(), 10_001, "and one for rows without a key");
}

/// A wish to stop that comes while a chunk becomes visible is heard after it: the others are still to be read.
#[test]
fn a_run_that_is_stopped_between_two_chunks_is_not_done() {
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success()) {
        return skip("a signal at a system call needs strace and the right to trace");
    }
    let sandbox = Sandbox::new();
    database(&sandbox, HUNDRED);
    sandbox.write("rivet.yaml", &config("chunk_size: 30\n    chunk_checkpoint: true\n    manifest: true"));
    let mut strace = sandbox.command("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", "trace=linkat"]);
    strace.args(["-e", "inject=linkat:signal=TERM:delay_exit=500000:when=1"]);
    let outcome = Outcome::of(strace.arg(built().join("rivet")).args(["run", "-c", "rivet.yaml"]));
    outcome.expect(143, &["stopped by signal 15", "when it also has `--resume`"]);
    assert_eq!(sandbox.out().len(), 1, "{:?}: one chunk and no manifest", sandbox.out());
    let refused = sandbox.rivet(&["run", "-c", "rivet.yaml"]);
    refused
        .expect(1, &["is in progress", "`rivet run --config rivet.yaml --export orders --resume`", "state.unfinished"]);
    let check = sandbox.rivet(&["check", "-c", "rivet.yaml"]);
    check.expect(0, &["is in progress:", "--export orders --resume` goes"]);
    sandbox.rivet(&["run", "-c", "rivet.yaml", "--resume"]).expect(0, &["rows:        100", "files:       4"]);
}

/// What is forced to disk while chunks come and go is a matter of time and not of their number.
#[test]
fn chunks_are_not_forced_to_disk_one_by_one() {
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success()) {
        return skip("counting system calls needs strace and the right to trace");
    }
    let sandbox = Sandbox::new();
    database(&sandbox, MANY);
    sandbox.write("rivet.yaml", &config("chunk_size: 5000\n    parallel: 2"));
    let mut strace = sandbox.command("strace");
    strace.args(["-f", "-y", "-e", "trace=fsync,fdatasync", "-o", "calls.txt"]);
    let start = Instant::now();
    let outcome = Outcome::of(strace.arg(built().join("rivet")).args(["run", "-c", "rivet.yaml"]));
    let took = start.elapsed();
    outcome.expect(0, &["rows:        3"]);
    let calls = fs::read_to_string(sandbox.path().join("calls.txt")).unwrap();
    let forced = calls.lines().filter(|call| call.contains(".rivet_state.db")).count() as u128;
    // One in 20 ms, two each time that the log is copied into the database, and those of the beginning and the end.
    let most = took.as_millis() / 20 + 2 * 2000 / 100 + 30;
    assert!(forced <= most, "{forced} times for 2000 chunks in {took:?}");
}
