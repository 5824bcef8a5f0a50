//! A full read over several connections: every row once, each part retried by itself, and nothing left of a failure.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;

use rivet_e2e::Sandbox;

const ROWS: usize = 100_000;

/// An export of numbers, by a source with these further options.
fn config(parallel: u32, options: &str) -> String {
    format!(
        "source: {{ type: fault, rows: {ROWS}, tuning: {{ profile: fast, retry_backoff_ms: 1 }}, {options} }}
exports:
  - name: numbers
    query: all
    parallel: {parallel}
    format: csv
    destination: {{ type: local, path: out }}
"
    )
}

/// The numbers in all files, and how many files there are.
fn numbers(sandbox: &Sandbox) -> (Vec<u64>, usize) {
    let names = sandbox.out();
    let file = |name: &String| fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
    let mut numbers = Vec::new();
    for text in names.iter().map(file) {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("c0"), "every file has a header");
        numbers.extend(lines.map(|line| line.parse::<u64>().unwrap()));
    }
    numbers.sort_unstable();
    (numbers, names.len())
}

fn assert_complete(sandbox: &Sandbox, files: usize) {
    let (numbers, found) = numbers(sandbox);
    assert!(numbers.iter().copied().eq(0..ROWS as u64), "{} numbers", numbers.len());
    assert_eq!(found, files);
}

#[test]
fn every_row_is_in_one_file_and_the_files_are_numbered() {
    let sandbox = Sandbox::new();
    sandbox.run(&config(4, "")).expect(0, &["rows:        100000", "files:       4"]);
    assert_complete(&sandbox, 4);
    let ends: BTreeSet<_> = sandbox.out().iter().map(|name| name.rsplit_once('_').unwrap().1.to_owned()).collect();
    assert!(ends.iter().map(String::as_str).eq(["chunk0.csv", "chunk1.csv", "chunk2.csv", "chunk3.csv"]), "{ends:?}");
    let files = sandbox.rivet(&["state", "files", "--config", "rivet.yaml"]);
    files.expect(0, &sandbox.out().iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_query_that_cannot_be_split_is_read_whole_and_the_log_says_why() {
    let sandbox = Sandbox::new();
    let whole = config(4, "").replace("query: all", "query: whole");
    let reason = "export \"numbers\" reads over one connection: the query asks for it whole";
    sandbox.run(&whole).expect(0, &[reason, "files:       1"]);
    assert_complete(&sandbox, 1);
    assert!(!sandbox.only("csv").contains("chunk"));
}

#[test]
fn a_part_that_fails_once_is_repeated_alone() {
    let sandbox = Sandbox::new();
    let fault =
        "error_in: { call: next_batch, category: network, message: connection reset, part: 50000, once: failed }";
    sandbox.run(&config(2, fault)).expect(0, &["retries:     1", "retry 1/", "part 1 of"]);
    assert_complete(&sandbox, 2);
}

#[test]
fn a_lost_snapshot_begins_everything_again() {
    let sandbox = Sandbox::new();
    let fault =
        "error_in: { call: next_batch, category: network, message: gone, code: snapshot, part: 50000, once: f }";
    let outcome = sandbox.run(&config(2, fault));
    outcome.expect(0, &["retries:     1"]);
    assert_complete(&sandbox, 2);
}

#[test]
fn a_part_that_fails_for_good_leaves_nothing_of_its_siblings() {
    let sandbox = Sandbox::new();
    let fault = "error_in: { call: close_reader, category: data, message: a bad value, part: 75000 }";
    sandbox.try_run(&config(4, fault)).expect(1, &["part 3 of", "a bad value"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    // Nothing is in the way of the next run.
    sandbox.run(&config(4, ""));
    assert_complete(&sandbox, 4);
}

#[test]
fn a_killed_run_is_redone_also_with_another_number_of_parts() {
    let sandbox = Sandbox::new();
    let running = sandbox.start(&config(3, "sleep_ms_per_batch: 1000"));
    sandbox.wait_for_output();
    running.kill();
    // As if two parts had become visible just before.
    let left = sandbox.out();
    let bases = left.iter().filter_map(|name| name.strip_prefix('.')?.strip_suffix(".lock.rivet-tmp"));
    for base in bases.filter(|base| !base.ends_with('1')) {
        fs::write(sandbox.path().join(format!("out/{base}.csv")), "of the killed run").unwrap();
    }
    sandbox.run(&config(2, "")).expect(0, &["rows:        100000"]);
    assert_complete(&sandbox, 2);
}
