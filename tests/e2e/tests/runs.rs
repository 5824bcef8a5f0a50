//! What `rivet run` does around its exports: side by side, counted again, stopped together.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rivet_e2e::{MODES, SEEN, Sandbox, built};
use rusqlite::Connection;

/// Exports of the fault source, by name and query.
fn config(options: &str, exports: &[(&str, &str)]) -> String {
    let export = |(name, query): &(&str, &str)| {
        format!(
            "  - name: {name}\n    query: {query}\n    format: csv\n    destination: {{ type: local, path: out }}\n"
        )
    };
    let exports: Vec<String> = exports.iter().map(export).collect();
    format!("source: {{ type: fault, rows: 1000, {options} }}\nexports:\n{}", exports.concat())
}

const WAYS: [&str; 2] = ["--parallel-exports", "--parallel-export-processes"];

#[test]
fn exports_run_side_by_side() {
    for way in WAYS {
        let sandbox = Sandbox::new();
        sandbox.write("rivet.yaml", &config("sleep_ms_per_batch: 1500", &[("a", "x"), ("b", "x"), ("c", "x")]));
        let start = Instant::now();
        let outcome = sandbox.rivet(&["run", "-c", "rivet.yaml", way]);
        outcome.expect(0, &["── a ──", "── b ──", "── c ──"]);
        assert!(start.elapsed() < Duration::from_millis(7500), "{way}: one after the other");
        assert_eq!(sandbox.out().len(), 3);
        sandbox.rivet(&["metrics", "-c", "rivet.yaml"]).expect(0, &["a  ", "b  ", "c  "]);
    }
}

#[test]
fn one_failing_export_stops_no_other_and_decides_the_exit_code() {
    let sandbox = Sandbox::new();
    let failing = config("", &[("a", "x"), ("b", "x")]).replacen("path: out", "path: rivet.yaml", 1);
    sandbox.write("rivet.yaml", &failing);
    for way in WAYS {
        sandbox.rivet(&["run", "-c", "rivet.yaml", way]).expect(1, &["── a ──", "── b ──", "failed", "success"]);
    }
    assert_eq!(sandbox.out().len(), 2);
    // The same by the configuration's own keys.
    sandbox.try_run(&format!("{failing}parallel_exports: true\n")).expect(1, &["success"]);
    sandbox.try_run(&format!("{failing}parallel_export_processes: true\n")).expect(1, &["success"]);
}

#[test]
fn a_signal_reaches_every_process() {
    let sandbox = Sandbox::new();
    let config = config("sleep_ms_per_batch: 60000", &[("a", "x"), ("b", "x")]);
    let running = sandbox.start(&format!("{config}parallel_export_processes: true\n"));
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    assert_eq!(running.terminate("TERM"), Some(143));
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}

#[test]
fn rows_that_the_source_counts_otherwise_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("rivet.yaml", &config("", &[("a", "x")]));
    sandbox.rivet(&["run", "-c", "rivet.yaml", "--reconcile"]).expect(0, &["reconcile:   MATCH (1000/1000)"]);
    let parts = config("", &[("a", "x")]).replace("format", "parallel: 3\n    format");
    sandbox.write("rivet.yaml", &parts);
    sandbox.rivet(&["run", "-c", "rivet.yaml", "--reconcile"]).expect(0, &["reconcile:   MATCH (1000/1000)"]);
    let before = sandbox.out();
    // The query `empty` reads nothing, while the source goes on counting its rows.
    sandbox.write("rivet.yaml", &config("", &[("a", "empty")]));
    let outcome = sandbox.rivet(&["run", "-c", "rivet.yaml", "--reconcile"]);
    outcome.expect(3, &["reconcile:   MISMATCH (exported 0 vs source 1000)", "status:      failed"]);
    assert_eq!(sandbox.out(), before);
}

/// Ctrl-C reaches the whole group of a terminal. A child that heard it twice would end without cleaning up.
#[test]
fn ctrl_c_lets_every_process_clean_up() {
    let sandbox = Sandbox::new();
    sandbox.write("rivet.yaml", &config("sleep_ms_per_batch: 60000", &[("a", "x"), ("b", "x")]));
    let mut run = sandbox.command(built().join("rivet"));
    run.args(["run", "-c", "rivet.yaml", WAYS[1]]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = run.process_group(0).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let group = format!("-{}", run.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    let metrics = sandbox.rivet(&["metrics", "-c", "rivet.yaml"]);
    assert_eq!(metrics.stdout.matches("stopped by signal 2").count(), 2, "{metrics}");
}

#[test]
fn a_killed_process_fails_its_export_alone_and_the_next_run_redoes_it() {
    let sandbox = Sandbox::new();
    let both = [("a", "x"), ("b", "x")];
    let running = sandbox.start(&(config("sleep_ms_per_batch: 1500", &both) + "parallel_export_processes: true\n"));
    // The child of "a" is the one that the lock's row names.
    let owner = || -> rusqlite::Result<u32> {
        let path = sandbox.path().join(".rivet_state.db");
        let state = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        state.query_row("select pid from rivet_lock where export_name = 'a'", [], |row| row.get(0))
    };
    let start = Instant::now();
    let pid = loop {
        match owner() {
            Ok(pid) => break pid,
            Err(e) => assert!(start.elapsed() < Duration::from_secs(30), "nobody has the lock: {e}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    assert_eq!(running.wait(), Some(1), "{}", sandbox.log());
    let log = sandbox.log();
    assert!(log.contains("the process of export \"a\" did not finish: signal: 9"), "{log}");
    assert!(log.contains("── b ──") && !log.contains("── a ──"), "{log}");
    // The lock of a dead owner is nobody's.
    sandbox.write("rivet.yaml", &config("sleep_ms_per_batch: 0", &both));
    sandbox.rivet(&["run", "-c", "rivet.yaml", "-e", "a"]).expect(0, &["── a ──", "success"]);
    assert_eq!(sandbox.out().len(), 2, "{:?}", sandbox.out());
}

#[test]
fn processes_need_a_configuration_that_can_be_read_again() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("rivet.yaml", &config("", &[("a", "x"), ("b", "x")]));
    let run = |way: &str| {
        let mut command = sandbox.command(built().join("rivet"));
        command.args(["run", "-c", "/dev/stdin", way]).stdin(fs::File::open(&path).unwrap());
        rivet_e2e::Outcome::of(&mut command)
    };
    run(WAYS[1]).expect(2, &["--parallel-exports"]);
    run(WAYS[0]).expect(0, &["── a ──", "── b ──"]);
}

#[test]
fn files_are_read_back_and_rows_counted_in_every_mode() {
    for (name, lines) in MODES {
        let sandbox = Sandbox::new();
        let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
        db.execute_batch("create table t (id integer primary key, seen integer)").unwrap();
        let config = format!(
            "source: {{ type: sqlite, path: shop.db }}
exports:
  - name: lines
    query: select * from t
    format: csv
    destination: {{ type: local, path: out }}
{lines}"
        );
        sandbox.write("rivet.yaml", &config);
        let run = || sandbox.rivet(&["run", "-c", "rivet.yaml", "--validate", "--reconcile"]);
        let empty = run();
        empty.expect(0, &["status:      success", "rows:        0", "files:       0", "reconcile:   MATCH (0/0)"]);
        assert!(!empty.stdout.contains("validated:"), "{name}: {empty}");
        db.execute_batch(&format!("insert into t values (1, {SEEN}), (9000, {SEEN}), (20000, {SEEN})")).unwrap();
        run().expect(0, &["rows:        3", "validated:   pass", "reconcile:   MATCH (3/3)"]);
        sandbox.rivet(&["metrics", "-c", "rivet.yaml", "-l", "1"]).expect(0, &["  validated=pass  schema=ok"]);
    }
}
