//! `rivet doctor`: what it says of sources and destinations that work and of those that do not, each really tried; that
//! it leaves nothing anywhere, and shows no secret.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rivet_e2e::{Outcome, Sandbox, built, skip, workspace};
use rusqlite::Connection;
use serde_json::Value;

const DOCTOR: [&str; 3] = ["doctor", "--config", "rivet.yaml"];

/// A sandbox with the table `notes` in `notes.db`, and a configuration with these exports.
fn sqlite(exports: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("notes.db")).unwrap();
    db.execute_batch("pragma journal_mode = wal; create table notes (id integer primary key, note text)").unwrap();
    sandbox.write("rivet.yaml", &format!("source: {{ type: sqlite, path: notes.db }}\nexports:\n{exports}"));
    sandbox
}

fn export(name: &str, query: &str, destination: &str) -> String {
    format!("  - {{ name: {name}, query: \"{query}\", format: csv, destination: {{ {destination} }} }}\n")
}

fn notes(name: &str, destination: &str) -> String {
    export(name, "select * from notes", destination)
}

/// What was printed, without what differs from place to place.
fn shown(outcome: &Outcome, sandbox: &Sandbox) -> String {
    let mut text = outcome.stdout.replace(sandbox.path().to_str().unwrap(), "…");
    if let Some((before, version)) = text.split_once("server: SQLite ") {
        let (_, after) = version.split_once(',').unwrap();
        text = format!("{before}server: SQLite …,{after}");
    }
    text
}

/// Every file and directory below the sandbox, but those that SQLite keeps beside a database that is read.
fn everything(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path().display().to_string();
        if !path.ends_with("-shm") && !path.ends_with("-wal") {
            found.insert(path);
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(everything(&entry.path()));
        }
    }
    found
}

fn json(sandbox: &Sandbox, code: i32) -> Value {
    let outcome = sandbox.rivet(&["doctor", "--config", "rivet.yaml", "--json"]);
    assert_eq!(outcome.code, Some(code), "{outcome}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn what_works_is_shown_as_by_the_predecessor() {
    let exports = [notes("a", "type: local, path: out"), notes("b", "type: local, path: out/new/er")].concat();
    let sandbox = sqlite(&(exports + &notes("c", "type: local, path: out") + &notes("d", "type: stdout")));
    let before = everything(sandbox.path());
    let outcome = sandbox.rivet(&DOCTOR);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(
        shown(&outcome, &sandbox),
        "rivet doctor: verifying auth for config 'rivet.yaml'

[OK]  Config parsed successfully
[OK]  Source auth (Sqlite)
       server: SQLite …, database \"…/notes.db\"
       queries: 4 of 4 can be read
[OK]  Destination Local(out)
[OK]  Destination Local(out/new/er)
[WARN] the directory does not exist: the first export creates it

All checks passed.
"
    );
    assert_eq!(outcome.stderr, "");
    assert_eq!(everything(sandbox.path()), before, "nothing is left: no state file, no directory, no object");
}

#[test]
fn each_failure_has_its_category_and_a_hint_and_stops_no_other_check() {
    let sandbox = sqlite(
        &[
            export("absent", "select * from nowhere", "type: local, path: taken/deep"),
            notes("here", "type: local, path: out"),
            notes("nowhere", "type: local, path: /proc/rivet"),
            notes("there", "type: local, path: out/new"),
        ]
        .concat(),
    );
    sandbox.write("taken", "a file");
    let outcome = sandbox.rivet(&DOCTOR);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert_eq!(
        shown(&outcome, &sandbox),
        "rivet doctor: verifying auth for config 'rivet.yaml'

[OK]  Config parsed successfully
[OK]  Source auth (Sqlite)
       server: SQLite …, database \"…/notes.db\"
       queries: 3 of 4 can be read
[FAIL] Query of export \"absent\" -- error: no such table: nowhere (SQLITE_ERROR)
       hint: correct the query, or what it reads
[FAIL] Destination Local(taken/deep) -- error: could not create \"taken/deep\": \"taken\" is not a directory (ENOTDIR)
       hint: name a directory in destination.path
[OK]  Destination Local(out)
[FAIL] Destination Local(/proc/rivet) -- path not found: could not create \"/proc/rivet\": no such file or directory (ENOENT)
       hint: check destination.path, and that nobody removes it
[OK]  Destination Local(out/new)
[WARN] the directory does not exist: the first export creates it

Some checks failed. Fix the issues above before running exports.
"
    );
    let selected = sandbox.rivet(&[&DOCTOR[..], &["--export", "here"]].concat());
    selected.expect(0, &["queries: 1 of 1", "[OK]  Destination Local(out)\n", "All checks passed."]);
    assert!(!selected.stdout.contains("taken"), "{selected}");
}

#[test]
fn a_source_that_is_missing_does_not_stop_the_destinations() {
    let sandbox = sqlite(&notes("a", "type: local, path: out"));
    fs::remove_file(sandbox.path().join("notes.db")).unwrap();
    sandbox.rivet(&DOCTOR).expect(
        1,
        &["[FAIL] Source not found: could not open", "       hint: check the path", "[OK]  Destination Local(out)\n"],
    );
}

#[test]
fn a_configuration_without_exports_still_has_a_source() {
    let sandbox = sqlite("");
    let text = fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap();
    sandbox.write("rivet.yaml", &text.replace("exports:", "exports: []"));
    let outcome = sandbox.rivet(&DOCTOR);
    outcome.expect(0, &["[OK]  Source auth (Sqlite)", "All checks passed."]);
    assert!(!outcome.stdout.contains("queries"), "{outcome}");
}

#[test]
fn mistakes_in_the_configuration_are_told_with_their_places() {
    let sandbox = sqlite(&notes("a", "type: local, path: out, bucket: b"));
    let wrong = sandbox.rivet(&DOCTOR);
    wrong.expect(2, &["[FAIL] Config error: rivet.yaml:3:", "bucket", "       hint: ", "Some checks failed."]);
    assert!(!wrong.stdout.contains("[OK]") && wrong.stderr.is_empty(), "{wrong}");
    let document = json(&sandbox, 2);
    let error = &document["checks"][0]["error"];
    assert_eq!((&document["ok"], &error["label"]), (&Value::from(false), &Value::from("config error")));
    assert!(error["line"] == 3 && error["column"].as_u64() > Some(1), "{error}");
    sandbox.rivet(&[&DOCTOR[..], &["--export", "z"]].concat()).expect(2, &["[FAIL] Config error", "\"z\" not found"]);
    sandbox.rivet(&["doctor", "--config", "absent.yaml"]).expect(2, &["[FAIL] Config error", "absent.yaml"]);
    sandbox.write("rivet.yaml", "source: { type: sqlite, path: \"${WHERE}\" }\nexports: []\n");
    sandbox.rivet(&DOCTOR).expect(2, &["[FAIL] Config error", "WHERE"]);
    sandbox.rivet(&[&DOCTOR[..], &["-p", "WHERE=notes.db"]].concat()).expect(0, &["[OK]  Source auth (Sqlite)"]);
}

#[test]
fn destinations_that_look_alike_are_told_apart() {
    let source = "source: { type: fault }\nexports:\n";
    let sandbox = Sandbox::new();
    let exports = [export("a", "x", "type: fault, rows: 1"), export("b", "x", "type: fault, rows: 2")].concat();
    sandbox.write("rivet.yaml", &format!("{source}{exports}").replace("csv", "parquet"));
    sandbox
        .rivet(&DOCTOR)
        .expect(0, &["[OK]  Destination Fault of export \"a\"\n", "[OK]  Destination Fault of export \"b\"\n"]);
    sandbox.write("rivet.yaml", &format!("{source}{exports}").replace("csv", "parquet").replace("rows: 2", "rows: 1"));
    assert!(sandbox.rivet(&DOCTOR).stdout.contains("[OK]  Destination Fault\n\n"), "the same options, the same place");
}

#[test]
fn what_never_answers_is_given_up_and_a_panic_is_an_error() {
    let sandbox = Sandbox::new();
    let exports = [
        export("a", "x", "type: fault, hang_in: probe"),
        export("b", "x", "type: fault, panic_in: probe"),
        export("c", "x", "type: fault, hang_in: open"),
        export("d", "x", "type: local, path: out"),
    ];
    sandbox.write(
        "rivet.yaml",
        &format!("source: {{ type: fault, hang_in: describe }}\nexports:\n{}", exports.concat())
            .replace("csv", "parquet"),
    );
    let start = Instant::now();
    let outcome = sandbox.rivet(&[&DOCTOR[..], &["--timeout", "1"]].concat());
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    outcome.expect(
        1,
        &[
            "[OK]  Source auth (Fault)",
            "queries: 0 of 4 can be read",
            "[FAIL] Query of export \"a\" -- connectivity error: no answer within 1 s",
            "[FAIL] Query of export \"d\" -- connectivity error: no answer within 1 s",
            "[FAIL] Destination Fault of export \"a\" -- connectivity error: no answer within 1 s",
            "[FAIL] Destination Fault of export \"b\" -- error: plug-in \"fault\" failed in \"probe\"",
            "[FAIL] Destination Fault of export \"c\" -- connectivity error: no answer within 1 s",
            "[OK]  Destination Local(out)",
        ],
    );
    // A connector's failure in each category, and its own hint.
    for (category, label) in [("auth", "auth error"), ("capacity", "connectivity error"), ("data", "error")] {
        let failing = format!("error_in: {{ call: probe, category: {category}, message: so it is }}");
        let to = export("a", "x", &format!("type: fault, {failing}"));
        sandbox.write(
            "rivet.yaml",
            &format!("source: {{ type: fault, {failing} }}\nexports:\n{to}").replace("csv", "parquet"),
        );
        let (source, destination) =
            (format!("[FAIL] Source {label}: "), format!("[FAIL] Destination Fault -- {label}: "));
        sandbox
            .rivet(&DOCTOR)
            .expect(1, &[&source, &destination, "so it is (F0001)", "       hint: ask for something else"]);
    }
}

#[test]
fn the_document_has_the_fields_that_are_documented() {
    let sandbox = sqlite(
        &[
            notes("a", "type: local, path: out"),
            export("b", "select * from nowhere", "type: stdout"),
            notes("c", "type: local, path: /proc/rivet"),
        ]
        .concat(),
    );
    let document = json(&sandbox, 1);
    let checks = document["checks"].as_array().unwrap();
    let brief: Vec<_> = checks
        .iter()
        .map(|check| ["check", "status", "name"].map(|key| check[key].as_str().unwrap().to_owned()).join(" "))
        .collect();
    assert_eq!(
        brief,
        [
            "config ok rivet.yaml",
            "source ok Sqlite",
            "query ok a",
            "query failed b",
            "query ok c",
            "destination ok Local(out)",
            "destination skipped Stdout",
            "destination failed Local(/proc/rivet)"
        ]
    );
    assert_eq!((&document["ok"], &document["config"]), (&Value::from(false), &Value::from("rivet.yaml")));
    assert_eq!(checks[1]["server"]["product"], "SQLite");
    assert_eq!((&checks[5]["location"], &checks[5]["exports"][0]), (&Value::from("out"), &Value::from("a")));
    let error = &checks[7]["error"];
    assert_eq!(
        (&error["category"], &error["label"], &error["code"]),
        (&Value::from("not_found"), &Value::from("path not found"), &Value::from("ENOENT"))
    );
    let page = fs::read_to_string(workspace().join("docs/src/reference/doctor.md")).unwrap();
    let mut keys = BTreeSet::new();
    keys_of(&document, &mut keys);
    for check in checks {
        let own: Vec<_> = check.as_object().unwrap().keys().map(String::as_str).collect();
        let all = ["check", "connector", "error", "exports", "location", "name", "server", "status", "warnings"];
        assert_eq!(own, all, "every field is there, also when it says nothing");
    }
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "`{key}` is not documented");
    }
}

fn keys_of(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            keys.extend(map.keys().cloned());
            map.values().for_each(|value| keys_of(value, keys));
        }
        Value::Array(list) => list.iter().for_each(|value| keys_of(value, keys)),
        _ => {}
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_an_auth_error() {
    if !Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success()) {
        return skip("mounting a file system needs root");
    }
    let sandbox = sqlite(&(notes("a", "type: local, path: out") + &notes("b", "type: local, path: out/new")));
    let script = "mount -t tmpfs -o ro tmpfs out && exec \"$0\" doctor --config rivet.yaml";
    let read_only = Outcome::of(sandbox.command("unshare").args(["-m", "sh", "-c", script]).arg(built().join("rivet")));
    read_only.expect(
        1,
        &[
            "[FAIL] Destination Local(out) -- auth error: could not write \"out/.rivet-probe-",
            "[FAIL] Destination Local(out/new) -- auth error: could not create \"out/new\": read-only file system (EROFS)",
            "hint: mount it writable, or change destination.path",
        ],
    );
    // Somebody who may read everything here, but not write.
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(sandbox.path());
    open(&sandbox.path().join("out"));
    let as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut command = sandbox.command("setpriv");
    let denied = Outcome::of(command.args(as_nobody).arg(built().join("rivet")).args(DOCTOR));
    if denied.code == Some(127) || denied.stderr.contains("setpriv") {
        return skip(&format!("another user cannot be had: {denied}"));
    }
    denied.expect(
        1,
        &[
            "[FAIL] Destination Local(out) -- auth error: ",
            "permission denied (EACCES)",
            "hint: give this user the right",
        ],
    );
}
