//! `quality`: rows that break a rule leave everything as it was, in every mode.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use rivet_e2e::{Outcome, Sandbox};
use rusqlite::Connection;

const MODES: [&str; 7] = [
    "full",
    "incremental\n    cursor_column: id",
    "time_window\n    time_column: at\n    days_window: 30",
    "chunked\n    chunk_column: id\n    chunk_size: 4",
    "chunked\n    chunk_column: id\n    chunk_size: 4\n    parallel: 2",
    "chunked\n    chunk_column: id\n    chunk_size: 4\n    chunk_checkpoint: true",
    "chunked\n    chunk_column: id\n    chunk_size: 4\n    chunk_dense: true",
];

fn config(mode: &str, quality: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: notes.db, tuning: {{ profile: fast }} }}
exports:
  - name: notes
    query: SELECT id, note, at FROM notes
    mode: {mode}
    quality: {quality}
    format: csv
    destination: {{ type: local, path: out }}
"
    )
}

fn database(sandbox: &Sandbox) -> Connection {
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT, at TIMESTAMP)").unwrap();
    db
}

fn add(db: &Connection, note: Option<&str>) {
    db.execute("INSERT INTO notes (note, at) VALUES (?1, datetime('now'))", [note]).unwrap();
}

/// Everything that a refused run must leave alone: files, cursor, recorded files.
fn standing(sandbox: &Sandbox) -> (Vec<String>, String, String) {
    let of = |what: &str| sandbox.rivet(&["state", what, "--config", "rivet.yaml"]).stdout;
    (sandbox.out(), of("show"), of("files"))
}

fn refused(sandbox: &Sandbox, config: &str, says: &str) -> Outcome {
    let before = standing(sandbox);
    let outcome = sandbox.try_run(config);
    outcome.expect(3, &["quality:     FAIL", "status:      failed", "rows:        0", says]);
    assert_eq!(standing(sandbox), before, "{config}\n{outcome}");
    outcome
}

#[test]
fn a_broken_rule_changes_nothing_in_any_mode() {
    let rules = [
        ("{ row_count_min: 1000 }", "required at least 1000"),
        ("{ row_count_max: 2 }", "row count is "),
        ("{ null_ratio_max: { note: 0.1 } }", "null ratio of \"note\" is 0."),
        ("{ unique_columns: [id, note] }", "\"note\" has "),
    ];
    for mode in MODES {
        let sandbox = Sandbox::new();
        let db = database(&sandbox);
        (0..5).for_each(|i| add(&db, Some(&i.to_string())));
        let good = "{ row_count_min: 1, row_count_max: 100, null_ratio_max: { note: 1 }, unique_columns: [id] }";
        sandbox.run(&config(mode, good)).expect(0, &["quality:     pass", "rows:        5"]);
        // Ten more: three without a note, two of one note.
        (0..3).for_each(|_| add(&db, None));
        (10..15).for_each(|i| add(&db, Some(&i.to_string())));
        (0..2).for_each(|_| add(&db, Some("twice")));
        for (rule, says) in rules {
            refused(&sandbox, &config(mode, rule), says);
        }
        let rows = if mode.starts_with("incremental") { "rows:        10" } else { "rows:        15" };
        sandbox.run(&config(mode, good)).expect(0, &["quality:     pass", rows]);
    }
}

#[test]
fn no_rows_are_judged_too() {
    for mode in MODES {
        let sandbox = Sandbox::new();
        let _db = database(&sandbox);
        refused(&sandbox, &config(mode, "{ row_count_min: 1 }"), "row count is 0, required at least 1");
        let kind = "{ row_count_max: 0, null_ratio_max: { note: 0 }, unique_columns: [id] }";
        sandbox.run(&config(mode, kind)).expect(0, &["quality:     pass", "files:       0"]);
    }
}

#[test]
fn a_column_that_is_not_there_is_a_mistake_of_the_configuration() {
    let sandbox = Sandbox::new();
    let db = database(&sandbox);
    add(&db, None);
    let outcome = sandbox.try_run(&config("full", "{ null_ratio_max: { notes: 0.5 } }"));
    outcome.expect(2, &["export \"notes\"", "\"notes\"", "did you mean `note`?"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}

#[test]
fn a_resumed_run_is_judged_by_all_of_its_rows() {
    for (quality, says) in [
        ("{ unique_columns: [note] }", "\"note\" has 1 duplicate"),
        ("{ row_count_max: 9 }", "row count is 10, allowed at most 9"),
    ] {
        let sandbox = Sandbox::new();
        let db = database(&sandbox);
        // The first and the last row are alike: chunks of two runs.
        for note in ["x", "b", "c", "d", "e", "f", "g", "h", "i", "x"] {
            add(&db, Some(note));
        }
        let config = config("chunked\n    chunk_column: id\n    chunk_size: 3\n    chunk_checkpoint: true", quality);
        // A value of the third chunk does not fit.
        db.execute_batch("UPDATE notes SET at = 'not a time' WHERE id = 8").unwrap();
        assert_ne!(sandbox.try_run(&config).code, Some(0));
        assert!(!sandbox.out().is_empty(), "the other chunks are kept");
        db.execute_batch("UPDATE notes SET at = NULL WHERE id = 8").unwrap();
        let resumed = sandbox.rivet(&["run", "--config", "rivet.yaml", "--resume"]);
        resumed.expect(3, &["quality:     FAIL", says]);
        assert!(sandbox.out().is_empty(), "{:?}\n{resumed}", sandbox.out());
    }
}
