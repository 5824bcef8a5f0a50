//! Runs that fail, or are killed, after their files have become visible: no row is left where a later run writes it again,
//! and nothing of other programs is touched.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::process::Command;

use rivet_e2e::{Outcome, Sandbox};
use rusqlite::Connection;

const RECONCILE: [&str; 4] = ["run", "--config", "rivet.yaml", "--reconcile"];

/// A source of ten numbers whose count fails as `fault` says.
fn uncountable(fault: &str) -> String {
    format!(
        "source: {{ type: fault, error_in: {{ call: count, message: no, {fault} }}, tuning: {{ max_retries: 1, retry_backoff_ms: 1 }} }}
exports:
  - {{ name: numbers, query: all, format: csv, destination: {{ type: local, path: out }} }}
"
    )
}

fn notes(sandbox: &Sandbox, sql: &str) -> Connection {
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch(sql).unwrap();
    db
}

const TEN: &str = "create table notes (id integer primary key, note text);
    insert into notes with recursive n(i) as (select 1 union all select i + 1 from n where i < 10) select i, 'x' from n";

fn config(lines: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: notes.db, tuning: {{ max_retries: 0 }} }}
exports:
  - name: notes
    query: select * from notes
    destination: {{ type: local, path: out }}
    {lines}
"
    )
}

/// Makes the last run look as if it had been killed: just before its end, or before it recorded what it had published.
fn kill(sandbox: &Sandbox, is_recorded: bool) {
    let state = Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
    let forget = "update rivet_chunk set status = 'running'; delete from rivet_part;";
    let sql = "update rivet_run set status = 'open'; delete from file_manifest; delete from export_state;";
    state.execute_batch(&format!("{sql}{}", if is_recorded { "" } else { forget })).unwrap();
}

fn reconcile(sandbox: &Sandbox, config: &str) -> Outcome {
    sandbox.write("rivet.yaml", config);
    sandbox.rivet(&RECONCILE)
}

#[test]
fn a_count_that_fails_leaves_no_file() {
    let sandbox = Sandbox::new();
    reconcile(&sandbox, &uncountable("category: permanent")).expect(1, &["could not count the rows"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    sandbox.rivet(&["state", "files", "--config", "rivet.yaml"]).expect(0, &["No files recorded yet."]);
    let once = format!("category: network, once: {}", sandbox.path().join("once").display());
    reconcile(&sandbox, &uncountable(&once)).expect(0, &["retries:     1", "reconcile:   MATCH (10/10)"]);
    assert_eq!(sandbox.out().len(), 1, "{:?}", sandbox.out());
}

#[test]
fn a_count_that_fails_while_a_window_is_finished_is_repeated() {
    for (fault, code) in [("category: network, once: once", 0), ("category: permanent", 1)] {
        let sandbox = Sandbox::new();
        let config = uncountable(fault);
        sandbox.run(&config);
        let before = sandbox.out();
        kill(&sandbox, true);
        reconcile(&sandbox, &config).expect(code, &[]);
        assert_eq!(sandbox.out(), before, "{fault}");
        // A later run without the count closes what is still open.
        sandbox.run(&config).expect(0, &["rows:        10"]);
        assert_eq!(sandbox.out().len(), if code == 0 { 2 } else { 1 }, "{fault}: {:?}", sandbox.out());
    }
}

#[test]
fn what_a_killed_run_wrote_is_judged_by_the_rules_of_today() {
    for (mode, rule) in [
        ("full", "{ row_count_min: 1000 }"),
        ("incremental\n    cursor_column: id", "{ unique_columns: [note] }"),
        ("chunked\n    chunk_column: id\n    chunk_size: 4", "{ row_count_max: 9 }"),
    ] {
        for before in ["", "quality: { row_count_min: 1 }\n    "] {
            let sandbox = Sandbox::new();
            notes(&sandbox, TEN);
            let lines = |quality: &str| config(&format!("{quality}format: csv\n    mode: {mode}"));
            sandbox.run(&lines(before));
            kill(&sandbox, true);
            let refused = sandbox.try_run(&lines(&format!("quality: {rule}\n    ")));
            refused.expect(3, &["quality:     FAIL"]);
            assert!(sandbox.out().is_empty(), "{mode} {before}: {:?}\n{refused}", sandbox.out());
            sandbox.run(&lines(before)).expect(0, &["rows:        10"]);
        }
    }
}

/// What was written last under no rules has passed none, whatever held when the window began.
#[test]
fn what_a_redo_wrote_under_other_rules_is_judged_again() {
    let sandbox = Sandbox::new();
    let db = notes(&sandbox, TEN);
    let ruled = config("format: csv\n    quality: { row_count_max: 10 }");
    sandbox.run(&ruled).expect(0, &["quality:     pass"]);
    kill(&sandbox, false);
    db.execute_batch("insert into notes values (11, 'x')").unwrap();
    sandbox.run(&config("format: csv")).expect(0, &["rows:        11"]);
    kill(&sandbox, true);
    sandbox.try_run(&ruled).expect(3, &["quality:     FAIL", "row count is 11"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}

/// Chunks of one ordered read are counted as those of ranges are.
#[test]
fn a_destination_that_reports_fewer_rows_fails_the_run() {
    for mode in ["full", "chunked\n    chunk_column: id\n    chunk_size: 4\n    chunk_dense: true"] {
        let sandbox = Sandbox::new();
        notes(&sandbox, TEN);
        let config =
            config(&format!("format: csv\n    mode: {mode}")).replace("type: local, path: out", "type: fault, lose: 1");
        sandbox.try_run(&config).expect(1, &["rows were read but the destination reports"]);
    }
}

#[test]
fn files_of_a_killed_run_go_though_the_format_has_changed() {
    for mode in ["full", "incremental\n    cursor_column: id"] {
        let sandbox = Sandbox::new();
        notes(&sandbox, TEN);
        sandbox.run(&config(&format!("format: csv\n    mode: {mode}")));
        kill(&sandbox, false);
        let outcome = sandbox.run(&config(&format!("format: parquet\n    mode: {mode}")));
        outcome.expect(0, &["rows:        10"]);
        let names = sandbox.out();
        assert!(names.len() == 1 && names[0].ends_with(".parquet"), "{names:?}\n{outcome}");
    }
}

#[test]
fn chunks_of_other_columns_are_not_mixed() {
    let sandbox = Sandbox::new();
    let db = notes(&sandbox, TEN);
    db.execute_batch("update notes set note = x'ff' where id = 9").unwrap();
    let config =
        config("format: csv\n    mode: chunked\n    chunk_column: id\n    chunk_size: 4\n    chunk_checkpoint: true");
    sandbox.try_run(&config).expect(1, &["chunk 2", "--resume"]);
    let before = sandbox.out();
    db.execute_batch("update notes set note = 'x'; alter table notes add more text").unwrap();
    let resume = || sandbox.rivet(&["run", "--config", "rivet.yaml", "--resume"]);
    resume().expect(1, &["not those of the chunks that are done: added columns: more (Utf8)", "state reset-chunks"]);
    assert_eq!(sandbox.out(), before);
    db.execute_batch("alter table notes drop more").unwrap();
    // Whoever goes on may try more often.
    sandbox.write("rivet.yaml", &(config + "    chunk_max_attempts: 5\n"));
    resume().expect(0, &["rows:        10", "files:       3"]);
}

#[test]
fn a_manifest_of_another_program_is_left_alone() {
    let sandbox = Sandbox::new();
    notes(&sandbox, TEN);
    // For every second in which the run may begin.
    let begin = Command::new("date").args(["+%s"]).output().unwrap().stdout;
    let begin: u64 = String::from_utf8(begin).unwrap().trim().parse().unwrap();
    for second in begin..begin + 30 {
        let date = ["-u", "-d", &format!("@{second}"), "+%Y%m%d_%H%M%S"];
        let stamp = String::from_utf8(Command::new("date").args(date).output().unwrap().stdout).unwrap();
        sandbox.write(&format!("out/notes_{}.manifest.json", stamp.trim()), "of another program");
    }
    let before = sandbox.out();
    sandbox
        .try_run(&config("format: csv\n    manifest: true"))
        .expect(1, &["could not write the manifest", "exists already"]);
    assert_eq!(sandbox.out(), before);
    for name in &before {
        assert_eq!(fs::read_to_string(sandbox.path().join("out").join(name)).unwrap(), "of another program");
        fs::remove_file(sandbox.path().join("out").join(name)).unwrap();
    }
    sandbox.run(&config("format: csv\n    manifest: true"));
    assert_eq!(sandbox.out().len(), 2);
}
