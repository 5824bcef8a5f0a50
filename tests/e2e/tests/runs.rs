//! What `rivet run` does around its exports: side by side, counted again, stopped together.

use std::time::{Duration, Instant};

use rivet_e2e::Sandbox;

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
        assert!(start.elapsed() < Duration::from_millis(4400), "{way}: one after the other");
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
