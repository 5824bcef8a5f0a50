//! `--validate`: what changes on the disk between a part's last byte and its first reader keeps a run from counting.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rivet_e2e::{Outcome, Sandbox, Source, Tables, built, on_all, skip};

on_all!(a_changed_byte_is_found_in_every_mode);

const MODES: [&str; 3] = [
    "full",
    "incremental\n    cursor_column: id",
    "chunked\n    chunk_column: id\n    chunk_size: 100\n    parallel: 2",
];

fn config(tables: &Tables<'_>, mode: &str, format: &str) -> String {
    format!(
        "{}
exports:
  - name: orders
    query: select * from {}
    mode: {mode}
    format: {format}
    destination: {{ type: local, path: out }}
",
        tables.source("throttle_ms: 0"),
        tables.table("orders")
    )
}

/// A sandbox and an empty table.
fn empty(tables: &Tables<'_>) -> Sandbox {
    let sandbox = tables.sandbox();
    tables.sql(&sandbox, "drop table if exists orders; create table orders (id int primary key, note varchar(20))");
    sandbox
}

fn orders(tables: &Tables<'_>, sandbox: &Sandbox, ids: std::ops::RangeInclusive<u32>) {
    let rows: Vec<_> = ids.map(|id| format!("({id}, 'note {id}')")).collect();
    tables.sql(sandbox, &format!("insert into orders values {}", rows.join(", ")));
}

/// Runs `rivet` and holds it up each time that it asks the disk to keep a file; meanwhile `damage` befalls each
/// unfinished part once, all of whose bytes are written by then. `None` where processes cannot be traced.
fn run_damaged(sandbox: &Sandbox, args: &[&str], damage: fn(&File)) -> Option<Outcome> {
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        skip("strace is missing, or may not trace");
        return None;
    }
    let mut command = sandbox.command("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=500ms"]);
    command.arg(built().join("rivet")).args(args);
    let run = thread::spawn(move || Outcome::of(&mut command));
    let mut damaged = BTreeSet::new();
    while !run.is_finished() {
        for name in sandbox.out() {
            let path = sandbox.path().join("out").join(&name);
            let is_part = name.ends_with(".rivet-tmp") && !name.ends_with(".lock.rivet-tmp");
            if is_part && fs::metadata(&path).is_ok_and(|m| m.len() > 0) && damaged.insert(name) {
                damage(&OpenOptions::new().read(true).write(true).open(path).unwrap());
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    let outcome = run.join().unwrap();
    assert!(!damaged.is_empty(), "no part was damaged: {outcome}");
    Some(outcome)
}

/// Turns over one bit in the middle.
fn flip(file: &File) {
    let (position, mut byte) = (file.metadata().unwrap().len() / 2, [0]);
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 1], position).unwrap();
}

/// Takes the last byte away.
fn cut(file: &File) {
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
}

const RUN: [&str; 3] = ["run", "--config", "rivet.yaml"];
const VALIDATE: [&str; 4] = ["run", "--config", "rivet.yaml", "--validate"];

fn a_changed_byte_is_found_in_every_mode(source: Source) {
    source.each("validate", |tables| MODES.iter().for_each(|mode| assert_found(tables, mode)));
}

fn assert_found(tables: &Tables<'_>, mode: &str) {
    let sandbox = empty(tables);
    sandbox.write("rivet.yaml", &config(tables, mode, "parquet"));
    orders(tables, &sandbox, 1..=100);
    sandbox.rivet(&VALIDATE).expect(0, &["rows:        100", "validated:   pass"]);
    let before = (sandbox.out(), cursor(&sandbox));
    orders(tables, &sandbox, 101..=200);
    let Some(refused) = run_damaged(&sandbox, &VALIDATE, flip) else { return };
    let says = ".parquet\" failed: the file has other bytes than were written";
    refused.expect(3, &["validated:   FAIL", "validation of \"orders_", says]);
    assert_eq!((sandbox.out(), cursor(&sandbox)), before, "{refused}");
    let rows = if mode.starts_with("incremental") { 100 } else { 200 };
    sandbox.rivet(&VALIDATE).expect(0, &[&format!("rows:        {rows}"), "validated:   pass"]);
}

#[test]
fn a_part_that_was_cut_is_found_in_every_format() {
    for format in ["parquet", "csv", "arrow"] {
        let tables = Tables::embedded();
        let sandbox = empty(&tables);
        sandbox.write("rivet.yaml", &config(&tables, "full", format));
        orders(&tables, &sandbox, 1..=100);
        let Some(refused) = run_damaged(&sandbox, &VALIDATE, cut) else { return };
        refused.expect(3, &["bytes were written, but the file has"]);
        assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    }
}

#[test]
fn without_validation_the_manifest_tells() {
    let tables = Tables::embedded();
    let sandbox = empty(&tables);
    sandbox.write("rivet.yaml", &config(&tables, "full\n    manifest: true", "csv"));
    orders(&tables, &sandbox, 1..=100);
    let Some(done) = run_damaged(&sandbox, &RUN, cut) else { return };
    done.expect(0, &["rows:        100"]);
    let manifest: serde_json::Value = serde_json::from_str(&fs::read_to_string(sandbox.only("json")).unwrap()).unwrap();
    let length = fs::metadata(sandbox.only("csv")).unwrap().len();
    assert_eq!(manifest["parts"][0]["bytes"], length + 1, "the manifest tells what was written");
}

fn cursor(sandbox: &Sandbox) -> String {
    sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).stdout
}
