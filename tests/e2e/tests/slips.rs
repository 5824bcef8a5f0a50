//! Slips that used to be silent: another state, a level that is none, files that are not listed yet, rows that no run sees.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use rivet_e2e::Sandbox;
use rusqlite::Connection;

const CONFIG: &str = "source: { type: sqlite, path: t.db, tuning: { max_retries: 0 } }
exports:
  - name: t
    query: SELECT * FROM t
    mode: incremental
    cursor_column: id
    format: csv
    destination: { type: local, path: out }
";

fn sandbox(tables: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    Connection::open(sandbox.path().join("t.db")).unwrap().execute_batch(tables).unwrap();
    sandbox
}

const THREE: &str =
    "CREATE TABLE t (id INTEGER PRIMARY KEY, seen INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (3, NULL)";

#[test]
fn a_state_of_the_environment_does_not_hide_the_one_beside_the_configuration_silently() {
    let mut sandbox = sandbox(THREE);
    assert_eq!(sandbox.run(CONFIG).stderr, "");
    sandbox.env("RIVET_STATE", "other.db");
    for command in ["check", "run"] {
        let outcome = sandbox.rivet(&[command, "-c", "rivet.yaml"]);
        outcome
            .expect(0, &["RIVET_STATE names \"other.db\", which does not exist yet", ".rivet_state.db\" are not used"]);
    }
    assert_eq!(sandbox.run(CONFIG).stderr, "", "it exists now");
}

#[test]
fn a_slip_in_the_level_of_the_log_does_not_silence_it() {
    let mut sandbox = sandbox(THREE);
    let odd = CONFIG.replace("    mode: incremental\n", "");
    for (level, shown) in
        [("wran", true), ("warn", true), ("error", false), ("rivet=warn", true), ("ERROR,rivet=warn", true)]
    {
        sandbox.env("RUST_LOG", level);
        let stderr = sandbox.run(&odd).stderr;
        assert_eq!(stderr.contains("`cursor_column`"), shown, "{level}: {stderr}");
        assert_eq!(stderr.contains("RUST_LOG is \"wran\", not error, warn"), level == "wran", "{stderr}");
    }
}

#[test]
fn files_that_are_not_listed_yet_are_counted() {
    let sandbox =
        sandbox("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (3, 'no')");
    let chunked = "mode: chunked\n    chunk_column: id\n    chunk_size: 1\n    chunk_checkpoint: true";
    let chunked = CONFIG.replace("mode: incremental\n    cursor_column: id", chunked);
    sandbox.try_run(&chunked).expect(1, &["`rivet run --config rivet.yaml --export t --resume`"]);
    let files = sandbox.rivet(&["state", "files", "-c", "rivet.yaml"]);
    files.expect(
        0,
        &["is not finished: files that it has written so far (2) are not listed", "state chunks --config rivet.yaml"],
    );
    let gone = sandbox.rivet(&["state", "files", "-c", "rivet.yaml", "-e", "other"]);
    assert_eq!(gone.stderr, "");
}

#[test]
fn check_notes_rows_that_no_run_will_see() {
    let sandbox = sandbox(THREE);
    let note = "can be NULL: only a first run";
    let plain = |outcome: rivet_e2e::Outcome| outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    sandbox.write("rivet.yaml", &CONFIG.replace("cursor_column: id", "cursor_column: seen"));
    assert!(plain(sandbox.rivet(&["check", "-c", "rivet.yaml"])).contains(note));
    sandbox.run(CONFIG);
    let check = plain(sandbox.rivet(&["check", "-c", "rivet.yaml"]));
    assert!(!check.contains(note) && !check.contains("below the cursor"), "{check}");
    let db = Connection::open(sandbox.path().join("t.db")).unwrap();
    db.execute("DELETE FROM t WHERE id > 1", []).unwrap();
    let check = plain(sandbox.rivet(&["check", "-c", "rivet.yaml"]));
    assert!(check.contains("the greatest \"id\" is 1, below the cursor 3: nothing is exported"), "{check}");
    db.execute_batch("CREATE TABLE docs (id INTEGER PRIMARY KEY, updated_at DATETIME)").unwrap();
    let init = sandbox.rivet(&["init", "t.db", "--table", "docs", "-o", "-"]);
    init.expect(0, &["\"updated_at\" can be NULL: rows without a value come with the first run only"]);
}

#[test]
fn a_limit_under_a_cursor_is_refused() {
    let sandbox = sandbox(THREE);
    let limited = CONFIG.replace("FROM t\n", "FROM t ORDER BY id LIMIT 2\n");
    sandbox.try_run(&limited).expect(1, &["LIMIT"]);
    sandbox.rivet(&["check", "-c", "rivet.yaml"]).expect(1, &["LIMIT"]);
    sandbox.run(&CONFIG.replace("FROM t\n", "FROM (SELECT * FROM t LIMIT 2)\n"));
}

#[test]
fn a_cursor_may_be_named_as_in_sql() {
    let sandbox = sandbox(THREE);
    for (name, rows) in [("id", 3), ("ID", 0), ("'\"id\"'", 0)] {
        let outcome = sandbox.run(&CONFIG.replace("cursor_column: id", &format!("cursor_column: {name}")));
        outcome.expect(0, &[&format!("rows:        {rows}\n")]);
    }
}
