//! Every code of an error is provoked once, and shown in the last line.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use rivet_e2e::{Outcome, Sandbox};
use rusqlite::Connection;

const GOOD: &str = "source: { type: sqlite, path: t.db, tuning: { max_retries: 0 } }
exports:
  - name: t
    query: SELECT * FROM t
    format: csv
    destination: { type: local, path: out }
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("t.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, born DATE); INSERT INTO t VALUES (1, '2024-01-01'), (2, NULL)",
    )
    .unwrap();
    sandbox
}

/// Asserts the exit code, the last line, and that the code can be explained.
fn shows(sandbox: &Sandbox, outcome: &Outcome, exit: i32, code: &str) {
    assert_eq!(outcome.code, Some(exit), "{code}: {outcome}");
    assert_eq!(outcome.stderr.lines().last(), Some(format!("more: rivet explain-error {code}").as_str()), "{outcome}");
    let explained = sandbox.rivet(&["explain-error", code]);
    explained.expect(0, &["Common causes:", "What to do: "]);
    let exits = explained.stdout.split_once("Exit code: ").unwrap().1;
    assert!(exits.contains(&exit.to_string()), "{explained}");
    assert!(explained.stdout.starts_with(&format!("{code}\n\n")), "{explained}");
}

#[test]
fn what_is_wrong_with_a_configuration() {
    let sandbox = sandbox();
    let with = |old: &str, new: &str| {
        assert!(GOOD.contains(old), "{old}");
        GOOD.replace(old, new)
    };
    let cases = [
        ("config.syntax", with("exports:", "exports: [")),
        ("config.file", with("query: SELECT * FROM t", "query_file: no/such.sql")),
        ("config.unknown-key", with("    format:", "    frobnicate: 1\n    format:")),
        ("config.missing-key", with("    format: csv\n", "")),
        ("config.wrong-value", with("format: csv", "format: csw")),
        ("config.exclusive", with("    format:", "    query_file: t.sql\n    format:")),
        ("config.misplaced-key", with("tuning: { max_retries: 0 }", "max_retries: 0")),
        ("config.duplicate", with("    format:", "    format: csv\n    format:")),
        ("config.placeholder", with("FROM t", "FROM ${NO_SUCH_NAME}")),
        ("config.variable", with("path: t.db", "path_env: NO_SUCH_NAME")),
        ("config.unknown-option", with("path: t.db", "path: t.db, pth: 1")),
        ("config.unknown-connector", with("type: sqlite", "type: sqlit")),
        ("config.not-offered", with("type: local, path: out }", "type: stdout }\n    manifest: true")),
    ];
    for (code, text) in cases {
        let outcome = sandbox.try_run(&text);
        shows(&sandbox, &outcome, 2, code);
        // The first line of the place, but for what is about no line.
        assert!(outcome.stderr.contains("--> rivet.yaml:"), "{code}: {outcome}");
    }
    sandbox.try_run(&with("type: sqlite", "type: sqlit")).expect(2, &["hint: did you mean `sqlite`?"]);
    sandbox.write("rivet.yaml", GOOD);
    let outcome = sandbox.rivet(&["run", "--config", "rivet.yaml", "--export", "tt"]);
    shows(&sandbox, &outcome, 2, "usage");
    outcome.expect(2, &["did you mean `t`?"]);
    // A lock file that names no connector.
    let lock = sandbox.write("rivet-plugins.lock", "{ \"version\": 1, \"plugins\": [] }");
    let outcome = sandbox.try_run(GOOD);
    shows(&sandbox, &outcome, 2, "plugin.lock");
    outcome.expect(2, &["--> rivet.yaml:1:", "is not in ", "rivet plugin lock"]);
    std::fs::remove_file(lock).unwrap();
    let outcome = sandbox.rivet(&["explain-error", "config.unknown-kex"]);
    outcome.expect(2, &["did you mean `config.unknown-key`?"]);
    sandbox.rivet(&["explain-error"]).expect(0, &["config.syntax", "signal"]);
}

/// A column or parameter that the export names is shown where it stands, with the nearest name.
#[test]
fn columns_that_are_not_there() {
    let sandbox = sandbox();
    for (keys, exit, place) in [
        ("    mode: incremental\n    cursor_column: bron\n", 1, "7:20"),
        ("    mode: chunked\n    chunk_column: bron\n", 1, "7:19"),
        ("    mode: time_window\n    days_window: 1\n    time_column: bron\n", 1, "8:18"),
        ("    quality: { unique_columns: [id, bron] }\n", 2, "6:37"),
        ("    quality: { null_ratio_max: { bron: 0.5 } }\n", 2, "6:34"),
    ] {
        let outcome = sandbox.try_run(&GOOD.replace("    destination:", &format!("{keys}    destination:")));
        shows(&sandbox, &outcome, exit, "config");
        outcome.expect(exit, &[&format!("--> rivet.yaml:{place}\n"), "hint: did you mean `born`?"]);
    }
    let unused = GOOD.replace("    destination:", "    params: { since: 1 }\n    destination:");
    let outcome = sandbox.try_run(&unused.replace("FROM t", "FROM t WHERE id > :sinse"));
    shows(&sandbox, &outcome, 1, "config");
    outcome.expect(1, &["--> rivet.yaml:6:15\n", "the query has \":sinse\""]);
}

#[test]
fn what_connectors_report() {
    let sandbox = sandbox();
    for category in [
        "network",
        "timeout",
        "capacity",
        "deadlock",
        "auth",
        "not_found",
        "conflict",
        "config",
        "data",
        "unsupported",
        "permanent",
        "internal",
    ] {
        let fault = format!("type: fault, error_in: {{ call: read, category: {category}, message: no }}");
        let outcome = sandbox.try_run(&GOOD.replace("type: sqlite, path: t.db", &fault));
        shows(&sandbox, &outcome, 1, category);
    }
    let fault = "type: fault, isolation: process, misbehave: { call: read, how: exit }";
    let outcome = sandbox.try_run(&GOOD.replace("type: sqlite, path: t.db", fault));
    shows(&sandbox, &outcome, 1, "plugin.crashed");
    let fault = "type: fault, error_in: { call: read, category: cancelled, message: no }";
    let outcome = sandbox.try_run(&GOOD.replace("type: sqlite, path: t.db", fault));
    assert!(outcome.stderr.contains("more: rivet explain-error cancelled\n"), "{outcome}");
}

#[test]
fn gates_and_the_state_file() {
    let sandbox = sandbox();
    let strict = GOOD.replace("    format:", "    quality: { row_count_min: 3 }\n    format:");
    shows(&sandbox, &sandbox.try_run(&strict), 3, "gate.refused");
    let by = |column: &str| {
        GOOD.replace("    format:", &format!("    mode: incremental\n    cursor_column: {column}\n    format:"))
    };
    sandbox.run(&by("id"));
    shows(&sandbox, &sandbox.try_run(&by("born")), 1, "state.cursor");
    let chunked = "    mode: chunked\n    chunk_column: id\n    chunk_checkpoint: true\n    format:";
    sandbox.write("rivet.yaml", &GOOD.replace("    format:", chunked));
    shows(&sandbox, &sandbox.rivet(&["run", "-c", "rivet.yaml", "--resume"]), 1, "state.unfinished");
    sandbox.write(".rivet_state.db", "this is no database, and must not become one");
    shows(&sandbox, &sandbox.try_run(GOOD), 1, "state.file");
}

#[test]
fn a_second_run_and_a_signal() {
    let sandbox = sandbox();
    let slow = GOOD.replace("type: sqlite, path: t.db", "type: fault, endless: true, sleep_ms_per_batch: 20");
    let running = sandbox.start(&slow);
    sandbox.wait_for_output();
    shows(&sandbox, &sandbox.rivet(&["run", "--config", "rivet.yaml"]), 4, "state.locked");
    assert_eq!(running.terminate("TERM"), Some(143));
    let log = sandbox.log();
    assert!(
        ["signal", "cancelled"].iter().any(|code| log.contains(&format!("more: rivet explain-error {code}"))),
        "{log}"
    );
    let two = format!("{slow}{}", slow.split_once("exports:\n").unwrap().1.replace("name: t", "name: u"));
    let sandbox = Sandbox::new();
    let running = sandbox.start(&two);
    sandbox.wait_for_output();
    assert_eq!(running.terminate("INT"), Some(130));
}
