//! `manifest: true`: a list of the parts of a window, which a reader can trust where it cannot trust a directory.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::{Sandbox, read_with};
use rusqlite::Connection;

fn config(mode: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: notes.db, tuning: {{ profile: fast }} }}
exports:
  - name: notes
    query: SELECT id, note FROM notes
    mode: {mode}
    manifest: true
    meta_columns: {{ run_id: true }}
    format: parquet
    destination: {{ type: local, path: out }}
"
    )
}

fn notes(sandbox: &Sandbox, ids: std::ops::RangeInclusive<i64>) {
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, note TEXT)").unwrap();
    for id in ids {
        db.execute("INSERT INTO notes VALUES (?1, 'n')", [id]).unwrap();
    }
}

fn manifests(sandbox: &Sandbox) -> Vec<String> {
    sandbox.out().into_iter().filter(|name| name.ends_with(".manifest.json")).collect()
}

#[test]
fn lists_every_part_of_every_mode() {
    let sandbox = Sandbox::new();
    notes(&sandbox, 1..=100);
    let incremental = config("incremental\n    cursor_column: id");
    sandbox.run(&config("full"));
    sandbox.run(&config("chunked\n    chunk_column: id\n    chunk_size: 40\n    parallel: 2"));
    sandbox.run(&incremental);
    notes(&sandbox, 101..=103);
    sandbox.run(&incremental);
    sandbox.run(&incremental);
    let Some(seen) = read_with("manifest.py", &[sandbox.path().join("out").to_str().unwrap()]) else { return };
    let mut seen: Vec<&str> = seen.lines().collect();
    seen.sort_unstable();
    let value = |id: i32| format!(r#"{{"t": "int", "v": {id}}}"#);
    let window = |after: &str, include_null: bool, upto: &str, rows: &str| {
        format!(
            r#"notes incremental {{"after": {after}, "column": "id", "include_null": {include_null}, "kind": "window", "upto": {upto}}} {rows}"#
        )
    };
    let expected = [
        "notes chunked null 100 1 100 3".to_owned(),
        "notes full null 100 1 100 1".to_owned(),
        window("null", true, &value(100), "100 1 100 1"),
        window(&value(100), false, &value(103), "3 101 103 1"),
        // Nothing was there to export.
        window(&value(103), false, &value(103), "0 None None 0"),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn is_written_again_when_the_run_dies_before_its_end() {
    let sandbox = Sandbox::new();
    notes(&sandbox, 1..=10);
    sandbox.run(&config("full"));
    let name = manifests(&sandbox).remove(0);
    let path = sandbox.path().join("out").join(&name);
    let first = fs::read_to_string(&path).unwrap();
    // As if the run had been killed between the manifest and the end of its window.
    let state = Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
    state.execute("UPDATE rivet_run SET status = 'open'", []).unwrap();
    drop(state);
    fs::write(&path, "half a mani").unwrap();
    sandbox.run(&config("full"));
    assert_eq!(manifests(&sandbox), [name]);
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
}

#[test]
fn goes_with_the_parts_of_a_run_that_is_given_up() {
    let sandbox = Sandbox::new();
    notes(&sandbox, 1..=10);
    sandbox.run(&config("full"));
    let state = Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
    state.execute("UPDATE rivet_run SET status = 'open'", []).unwrap();
    drop(state);
    let before = sandbox.out();
    // Another query: the interrupted window cannot be redone.
    sandbox.run(&config("full").replace("FROM notes", "FROM notes WHERE id > 0"));
    let after = sandbox.out();
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.iter().all(|name| !before.contains(name)), "{before:?} {after:?}");
}
