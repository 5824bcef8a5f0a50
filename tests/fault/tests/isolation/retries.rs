//! What a crash leaves alone: other exports, other parts of the same export, what was published before, and the cursor.

use std::fs;

use rivet_e2e::Sandbox;

use super::stage::{LOCAL, all_gone, config, rows, run};

const PATIENT: &str = "max_retries: 2, retry_backoff_ms: 1";

#[test]
fn what_happens_once_is_tried_again() {
    for (how, words) in [("segfault", "SIGSEGV"), ("abort", "aborted"), ("exit", "code 3"), ("loop", "did not answer")]
    {
        for call in ["open", "read", "next_batch"] {
            let sandbox = Sandbox::new();
            let options = format!("misbehave: {{ call: {call}, how: {how}, once: struck }}");
            let config = config(&options, LOCAL).replace("max_retries: 0", PATIENT);
            let outcome = run(&sandbox, &config, &[]);
            outcome.expect(0, &["retry 1/2 in ", words, "rows:        50"]);
            assert!(!outcome.stderr.contains("retry 2/2"), "{outcome}");
            assert_eq!(fs::read_to_string(sandbox.only("csv")).unwrap(), rows(), "{how} in {call}");
        }
        for call in ["open", "begin", "write", "finish"] {
            let sandbox = Sandbox::new();
            let options = format!("type: fault, misbehave: {{ call: {call}, how: {how}, once: struck }}");
            let config = config("", &options).replace("max_retries: 0", PATIENT);
            run(&sandbox, &config, &[]).expect(0, &["retry 1/2 in ", words, "rows:        50"]);
        }
    }
}

#[test]
fn a_crash_in_one_part_is_repeated_alone() {
    let sandbox = Sandbox::new();
    // Four parts of the rows, of which the one that begins with row 25 ends its process once.
    let config = config("misbehave: { call: next_batch, how: segfault, part: 25, once: struck }", LOCAL)
        .replace("max_retries: 0", PATIENT)
        .replace("query: good", "query: good, parallel: 4");
    let outcome = run(&sandbox, &config, &[]);
    outcome.expect(0, &["retry 1/2 in ", "of \"t\"", "SIGSEGV", "rows:        50"]);
    let mut lines: Vec<String> = Vec::new();
    for name in sandbox.out() {
        let text = fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
        lines.extend(text.lines().skip(1).map(str::to_owned));
    }
    lines.sort_by_key(|line| line.parse::<u64>().ok());
    assert_eq!(lines.join("\n") + "\n", rows().replace("c0\n", ""));
    all_gone(&sandbox);
}

#[test]
fn other_exports_are_unhurt() {
    for args in [&[][..], &["--parallel-exports"], &["--parallel-export-processes"]] {
        let sandbox = Sandbox::new();
        let second = "  - { name: u, query: bad, format: csv, destination: { type: local, path: out } }\n";
        let config = config("misbehave: { call: next_batch, how: abort, query: bad }", LOCAL) + second;
        let outcome = run(&sandbox, &config, args);
        outcome.expect(1, &["aborted in \"next_batch\"", "rows:        50"]);
        assert_eq!(fs::read_to_string(sandbox.only("csv")).unwrap(), rows(), "{args:?}");
        all_gone(&sandbox);
    }
}

#[test]
fn the_cursor_and_what_was_published_stay() {
    let sandbox = Sandbox::new();
    let database = rusqlite::Connection::open(sandbox.path().join("t.db")).unwrap();
    database.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)").unwrap();
    let config = |destination: &str| {
        format!(
            "source: {{ type: sqlite, path: t.db, tuning: {{ max_retries: 0 }} }}
isolation: process
exports: [{{ name: t, query: SELECT * FROM t, mode: incremental, cursor_column: id, format: csv, \
             destination: {{ {destination} }} }}]
"
        )
    };
    run(&sandbox, &config(LOCAL), &[]).expect(0, &["rows:        2"]);
    let seen = || (sandbox.out(), sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).stdout);
    let before = seen();
    database.execute_batch("INSERT INTO t VALUES (3)").unwrap();
    for call in ["begin", "write", "finish"] {
        let crashes = format!("type: fault, misbehave: {{ call: {call}, how: segfault }}");
        run(&sandbox, &config(&crashes), &[]).expect(1, &["SIGSEGV"]);
        assert_eq!(seen(), before, "{call}");
    }
    run(&sandbox, &config(LOCAL), &[]).expect(0, &["rows:        1"]);
    all_gone(&sandbox);
}
