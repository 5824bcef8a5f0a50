//! Runs that are killed, meet each other or run out of disk: what is there afterwards is whole or absent.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use rivet_e2e::{Outcome, Sandbox, built, read_with, skip};
use rusqlite::Connection;

const ROWS: u32 = 60_000;
const QUERY: &str = "SELECT id, note FROM notes ORDER BY id";

/// A table of random text, which no codec makes small.
fn notes(sandbox: &Sandbox) {
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT);
         INSERT INTO notes WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             SELECT i, hex(randomblob(40)) FROM n;"
    ))
    .unwrap();
}

/// An export that takes at least 60 pauses of `throttle_ms`.
fn config(throttle_ms: u32) -> String {
    format!(
        "source:
  type: sqlite
  path: notes.db
  tuning: {{ batch_size: 1000, throttle_ms: {throttle_ms} }}
exports:
  - name: notes
    query: {QUERY}
    format: parquet
    destination: {{ type: local, path: out }}
"
    )
}

fn assert_one_whole_file(sandbox: &Sandbox) {
    assert_eq!(sandbox.out().len(), 1, "one file and nothing else: {:?}", sandbox.out());
    assert_whole(sandbox);
}

/// All files together are the table, and there is nothing else.
fn assert_whole(sandbox: &Sandbox) {
    assert!(sandbox.out().iter().all(|name| !name.starts_with('.')), "{:?}", sandbox.out());
    let (db, files) = (sandbox.path().join("notes.db"), sandbox.path().join("out/*.parquet"));
    if let Some(rows) = read_with("same_as_sqlite.py", &[db.to_str().unwrap(), QUERY, files.to_str().unwrap()]) {
        assert_eq!(rows.trim(), ROWS.to_string());
    }
}

#[test]
fn a_killed_run_is_repaired_by_the_next() {
    let sandbox = Sandbox::new();
    notes(&sandbox);
    for _ in 0..3 {
        let running = sandbox.start(&config(100));
        sandbox.wait_for_output();
        running.kill();
        let visible: Vec<_> = sandbox.out().into_iter().filter(|name| !name.starts_with('.')).collect();
        assert!(visible.is_empty(), "an unfinished file is visible: {visible:?}");
    }
    sandbox.run(&config(0)).expect(0, &["rows:        60000"]);
    assert_one_whole_file(&sandbox);
}

#[test]
fn a_redo_that_is_stopped_too_leaves_the_window_to_the_next_run() {
    let sandbox = Sandbox::new();
    notes(&sandbox);
    let running = sandbox.start(&config(100));
    sandbox.wait_for_output();
    running.kill();
    let left = sandbox.out();
    let base = left.iter().find_map(|name| name.strip_prefix('.')?.strip_suffix(".lock.rivet-tmp")).unwrap().to_owned();
    // As if the run had been killed just after its file became visible.
    std::fs::write(sandbox.path().join(format!("out/{base}.parquet")), "of the killed run").unwrap();
    let redo = sandbox.start(&config(100));
    // In the middle of its six seconds.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(redo.terminate("TERM"), Some(143));
    sandbox.run(&config(0)).expect(0, &["rows:        60000"]);
    assert_eq!(sandbox.out(), [format!("{base}.parquet")]);
    assert_one_whole_file(&sandbox);
}

#[test]
fn a_run_that_is_told_to_stop_cleans_up_and_says_so() {
    let sandbox = Sandbox::new();
    notes(&sandbox);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let running = sandbox.start(&config(100));
        sandbox.wait_for_output();
        let start = Instant::now();
        assert_eq!(running.terminate(signal), Some(code));
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?} to stop", start.elapsed());
        assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    }
    sandbox.run(&config(0)).expect(0, &["rows:        60000"]);
    assert_one_whole_file(&sandbox);
}

#[test]
fn runs_in_the_same_second_keep_their_files() {
    let sandbox = Sandbox::new();
    notes(&sandbox);
    let config = config(0).replace("ORDER BY id", "LIMIT 10");
    for _ in 0..4 {
        sandbox.run(&config);
    }
    let files = sandbox.out();
    assert_eq!(files.len(), 4, "{files:?}");
    let listed = sandbox.rivet(&["state", "files", "--config", "rivet.yaml"]);
    for file in &files {
        listed.expect(0, &[file]);
    }
}

#[test]
fn another_state_file_does_not_overwrite_this_ones_output() {
    let sandbox = Sandbox::new();
    notes(&sandbox);
    let config = config(0).replace("ORDER BY id", "LIMIT 10");
    for _ in 0..3 {
        sandbox.run(&config);
        std::fs::remove_file(sandbox.path().join(".rivet_state.db")).unwrap();
    }
    assert_eq!(sandbox.out().len(), 3, "{:?}", sandbox.out());
}

/// The ways to read that remember something from run to run, and whether `--resume` is how a killed one goes on.
const REMEMBERING: [(&str, bool); 4] = [
    ("", false),
    ("    mode: incremental\n    cursor_column: id\n", false),
    ("    mode: chunked\n    chunk_column: id\n    chunk_size: 10000\n    parallel: 2\n", false),
    ("    mode: chunked\n    chunk_column: id\n    chunk_size: 10000\n    chunk_checkpoint: true\n", true),
];

#[test]
fn a_second_run_is_refused_by_the_name_of_the_first_and_goes_on_after_its_end() {
    for (mode, resumes) in REMEMBERING {
        let sandbox = Sandbox::new();
        notes(&sandbox);
        sandbox.write("rivet.yaml", &(config(100) + mode));
        let log = std::fs::File::create(sandbox.path().join("owner.log")).unwrap();
        let mut owner = sandbox.command(built().join("rivet"));
        owner.args(["run", "--config", "rivet.yaml"]).stdout(log.try_clone().unwrap()).stderr(log);
        let mut owner = owner.spawn().unwrap();
        sandbox.wait_for_output();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let by =
            format!("\"notes\" is already being run by process {} on host \"{}\", since 20", owner.id(), host.trim());
        for further in [&["run", "--config", "rivet.yaml"][..], &["run", "--config", "rivet.yaml", "--resume"]] {
            sandbox.rivet(further).expect(4, &[&by]);
        }
        assert!(owner.try_wait().unwrap().is_none(), "the run was over too early");
        owner.kill().unwrap();
        owner.wait().unwrap();
        sandbox.write("rivet.yaml", &(config(0) + mode));
        let mut next = sandbox.rivet(&["run", "--config", "rivet.yaml"]);
        if resumes {
            next.expect(1, &["in progress", "--resume", "reset-chunks"]);
            next = sandbox.rivet(&["run", "--config", "rivet.yaml", "--resume"]);
        }
        next.expect(0, &["rows:        60000"]);
        assert_whole(&sandbox);
    }
}

#[test]
fn a_second_run_does_not_disturb_the_first() {
    let sandbox = Sandbox::new();
    notes(&sandbox);
    let running = sandbox.start(&config(50));
    sandbox.wait_for_output();
    sandbox.rivet(&["run", "--config", "rivet.yaml"]).expect(4, &["\"notes\" is already being run"]);
    assert_eq!(running.wait(), Some(0));
    assert_one_whole_file(&sandbox);
}

/// What a power loss can undo: all that was recorded of chunks within the last instant, while their files are there.
#[test]
fn files_whose_records_a_power_loss_has_undone_are_replaced() {
    for parallel in [1, 2] {
        let sandbox = Sandbox::new();
        notes(&sandbox);
        let mode = format!("{}    parallel: {parallel}\n", REMEMBERING[3].0);
        let running = sandbox.start(&(config(100) + &mode));
        // Those that wait for their name are hidden.
        let file = |name: &String| !name.starts_with('.');
        while sandbox.out().iter().filter(|name| file(name)).count() < 2 {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.kill();
        let finished: Vec<_> = sandbox.out().into_iter().filter(file).collect();
        let state = Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
        // Only that the first chunk was begun is forced to disk before there are files.
        state
            .execute_batch(
                "DELETE FROM rivet_part;
                 UPDATE rivet_chunk SET status = iif(chunk_index = 0, 'running', 'pending'), attempts = 0;
                 UPDATE rivet_lock SET boot_id = 'of another boot'",
            )
            .unwrap();
        sandbox.write("rivet.yaml", &(config(0) + &mode));
        let resumed = sandbox.rivet(&["run", "--config", "rivet.yaml", "--resume"]);
        resumed.expect(0, &["rows:        60000", "files:       6"]);
        let names = sandbox.out();
        assert!(names.len() == 6 && finished.iter().all(|name| names.contains(name)), "{finished:?}, then {names:?}");
        assert_whole(&sandbox);
    }
}

#[test]
fn a_full_disk_is_an_error_that_leaves_nothing() {
    if !Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success()) {
        return skip("mounting a small file system needs root");
    }
    let sandbox = Sandbox::new();
    notes(&sandbox);
    sandbox.write("rivet.yaml", &config(0).replace("format: parquet", "format: parquet\n    compression: none"));
    // The mount lives in a namespace of its own, so that nothing is left to clean up.
    let script =
        "mount -t tmpfs -o size=1m tmpfs out && \"$0\" run --config rivet.yaml; code=$?; ls -A out; exit $code";
    let outcome = Outcome::of(sandbox.command("unshare").args(["-m", "sh", "-c", script]).arg(built().join("rivet")));
    outcome.expect(1, &["out/", "no space left on device"]);
    let listing = outcome.stdout.lines().filter(|line| line.contains("notes_2") && !line.contains(':'));
    assert_eq!(listing.count(), 0, "{outcome}");
    let next = sandbox.rivet(&["run", "--config", "rivet.yaml"]);
    next.expect(0, &["rows:        60000"]);
    assert_one_whole_file(&sandbox);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    notes(&sandbox);
    sandbox.write("taken", "a file where the directory should be");
    let outcome = sandbox.try_run(&config(0).replace("path: out", "path: taken"));
    outcome.expect(1, &["taken", "status:      failed"]);
}
