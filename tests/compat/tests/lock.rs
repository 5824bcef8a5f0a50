//! `rivet plugin inspect`, `lock` and `trust`: what is loaded is what was allowed, to the byte.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rivet_compat::{Header, compile, plugins};
use rivet_e2e::{Outcome, Sandbox, built};

const CONFIG: &str = "source: { type: acme, rows: 5 }
exports: [{ name: words, query: all, format: csv, destination: { type: local, path: out } }]
";

/// A sandbox with the plug-in `acme`, its configuration, and nothing locked.
fn acme() -> (Sandbox, PathBuf) {
    let mut sandbox = Sandbox::new();
    let dir = plugins(&mut sandbox);
    let library = compile(&dir, "acme", Header::Current, &[]);
    sandbox.write("rivet.yaml", CONFIG);
    (sandbox, library)
}

fn run(sandbox: &Sandbox) -> Outcome {
    sandbox.rivet(&["run", "--config", "rivet.yaml"])
}

fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// Another build of the plug-in, in its place.
fn replace(library: &Path) -> String {
    compile(library.parent().unwrap(), "acme", Header::Current, &["OTHER_BUILD"]);
    sha256(library)
}

#[test]
fn a_lock_is_written_enforced_and_updated() {
    let (sandbox, library) = acme();
    run(&sandbox).expect(0, &[]);
    sandbox
        .rivet(&["plugin", "lock", "--check", "-c", "rivet.yaml"])
        .expect(1, &["added acme 1.4.2", "not up to date"]);
    let written = sandbox.rivet(&["plugin", "lock", "--config", "rivet.yaml"]);
    written.expect(0, &["added acme 1.4.2", "added local", "rivet-plugins.lock names"]);
    let first = sha256(&library);
    let lock = fs::read_to_string(sandbox.path().join("rivet-plugins.lock")).unwrap();
    assert!(lock.contains(&first) && lock.contains("\"version\": 1") && lock.contains("linux"), "{lock}");
    sandbox.rivet(&["plugin", "lock", "--check", "--config", "rivet.yaml"]).expect(0, &["is up to date"]);
    run(&sandbox).expect(0, &["rows:        5"]);
    // Another file of the same name and version, before anything is read.
    let other = replace(&library);
    let files = sandbox.out();
    for command in ["run", "doctor", "check"] {
        let refused = sandbox.rivet(&[command, "--config", "rivet.yaml"]);
        let code = if command == "doctor" { refused.code.filter(|code| *code > 0).unwrap() } else { 2 };
        refused.expect(code, &["acme 1.4.2 is not the file that", &first, &other, "lock --update acme"]);
    }
    assert_eq!(sandbox.out(), files);
    sandbox.rivet(&["plugin", "list", "--config", "rivet.yaml"]).expect(0, &["not locked: acme", "Lock file: "]);
    let inspected = sandbox.rivet(&["plugin", "inspect", "plugins/libacme.so"]);
    inspected.expect(1, &["it is not the one that", &other, "refused: ", "lock --update acme"]);
    sandbox.rivet(&["plugin", "lock", "--update", "acmee"]).expect(2, &["\"acmee\"", "acme"]);
    sandbox.rivet(&["plugin", "lock", "--update", "acme"]).expect(0, &["updated acme 1.4.2: another file"]);
    run(&sandbox).expect(0, &["rows:        5"]);
    sandbox.rivet(&["plugin", "inspect", "plugins/libacme.so"]).expect(0, &["it is the one that"]);
}

#[test]
fn what_the_lock_does_not_name_is_refused_and_a_damaged_lock_is_an_error() {
    let (sandbox, library) = acme();
    let hidden = library.with_extension("away");
    fs::rename(&library, &hidden).unwrap();
    sandbox.rivet(&["plugin", "lock"]).expect(0, &["added local"]);
    fs::rename(&hidden, &library).unwrap();
    run(&sandbox).expect(2, &["acme 1.4.2 is not in", "rivet-plugins.lock", "rivet plugin lock"]);
    sandbox.write("rivet-plugins.lock", "{\n  \"version\": 1,\n  \"plugins\": [\n<<<<<<< ours\n]}\n");
    for args in
        [&["run", "--config", "rivet.yaml"][..], &["plugin", "list"], &["plugin", "lock"], &["schema", "config"]]
    {
        sandbox.rivet(args).expect(2, &["could not read the lock file", "line 4", "plugin.lock"]);
    }
    // The lock of another directory is not this configuration's.
    fs::create_dir(sandbox.path().join("sub")).unwrap();
    fs::write(sandbox.path().join("sub/rivet.yaml"), CONFIG).unwrap();
    sandbox.rivet(&["run", "--config", "sub/rivet.yaml"]).expect(0, &["rows:        5"]);
}

#[test]
fn what_is_loaded_is_a_sealed_copy_of_what_was_hashed() {
    let (sandbox, _) = acme();
    sandbox.rivet(&["plugin", "lock"]).expect(0, &[]);
    let maps = sandbox.path().join("maps");
    // The plug-in itself says what it was loaded from. Isolated ones keep variables of this family.
    let mut command = sandbox.command(built().join("rivet"));
    command.args(["run", "--config", "rivet.yaml"]).env("LC_ACME_MAPS", &maps);
    Outcome::of(&mut command).expect(0, &[]);
    let text = fs::read_to_string(&maps).unwrap();
    assert!(text.contains("/memfd:libacme.so"), "{text}");
    assert!(!text.contains("plugins/libacme.so"), "{text}");
    fs::remove_file(sandbox.path().join("rivet-plugins.lock")).unwrap();
    Outcome::of(&mut command).expect(0, &[]);
    assert!(fs::read_to_string(&maps).unwrap().contains("plugins/libacme.so"), "without a lock nothing is copied");
}

/// The process that loads it is the one that must not load anything else.
#[test]
fn an_isolated_plugin_is_held_to_the_lock_by_its_own_process() {
    let (sandbox, library) = acme();
    let maps = sandbox.path().join("maps");
    sandbox.rivet(&["plugin", "lock"]).expect(0, &["added acme"]);
    let mut command = sandbox.command(built().join("rivet"));
    command.args(["run", "--config", "rivet.yaml", "--isolate"]).env("LC_ACME_MAPS", &maps);
    Outcome::of(&mut command).expect(0, &["rows:        5"]);
    let text = fs::read_to_string(&maps).unwrap();
    assert!(text.contains("/memfd:libacme.so") && !text.contains("plugins/libacme.so"), "{text}");
    fs::remove_file(&maps).unwrap();
    let (files, other) = (sandbox.out(), replace(&library));
    Outcome::of(&mut command).expect(2, &["acme 1.4.2 is not the file that", &other, "lock --update acme"]);
    assert_eq!(sandbox.out(), files);
    assert!(!maps.exists(), "it was loaded");
    sandbox.rivet(&["plugin", "lock", "--update", "acme"]).expect(0, &[]);
    Outcome::of(&mut command).expect(0, &["rows:        5"]);
}

#[test]
fn an_exposed_file_is_refused_until_its_content_is_trusted() {
    let (sandbox, library) = acme();
    fs::set_permissions(&library, fs::Permissions::from_mode(0o666)).unwrap();
    let path = library.to_str().unwrap();
    let trust = format!("rivet plugin trust {path}");
    run(&sandbox).expect(2, &["can be changed by other users", "chmod go-w", &trust]);
    sandbox.rivet(&["plugin", "trust", "plugins"]).expect(0, &["trusted: acme 1.4.2", &sha256(&library), path]);
    run(&sandbox).expect(0, &["rows:        5"]);
    sandbox.rivet(&["plugin", "list"]).expect(0, &["(trusted)"]);
    sandbox.rivet(&["plugin", "trust", "--list"]).expect(0, &[&sha256(&library), path]);
    // The same for a directory that others can write to.
    fs::set_permissions(library.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    run(&sandbox).expect(0, &["rows:        5"]);
    replace(&library);
    run(&sandbox).expect(2, &["its directory can be changed by other users", &trust]);
    sandbox.rivet(&["plugin", "trust", path]).expect(0, &["trusted: "]);
    run(&sandbox).expect(0, &[]);
    sandbox.rivet(&["plugin", "trust", "--remove", path]).expect(0, &["no longer trusted"]);
    sandbox.rivet(&["plugin", "trust", "--remove", path]).expect(2, &["is not trusted"]);
    run(&sandbox).expect(2, &[&trust]);
    // Nothing but a plug-in can be trusted.
    let text = sandbox.write("text.so", "this is no library at all, but long enough to be looked at\n");
    sandbox.rivet(&["plugin", "trust", text.to_str().unwrap()]).expect(2, &["not a shared library"]);
    // A lock is enforced for trusted files too.
    sandbox.rivet(&["plugin", "trust", path]).expect(0, &[]);
    sandbox.rivet(&["plugin", "lock"]).expect(0, &["added acme"]);
    run(&sandbox).expect(0, &[]);
    compile(library.parent().unwrap(), "acme", Header::Current, &["OTHER_BUILD=2"]);
    sandbox.rivet(&["plugin", "trust", path]).expect(0, &[]);
    run(&sandbox).expect(2, &["is not the file that"]);
}

#[test]
fn inspect_says_what_a_file_is_without_trusting_it() {
    let (sandbox, library) = acme();
    let shown = sandbox.rivet(&["plugin", "inspect", "plugins/libacme.so"]);
    shown.expect(0, &["acme", "1.4.2", "1.1, needs 1.0 (this host speaks 1.0 to 1.1)", &sha256(&library), "glibc"]);
    shown.expect(0, &["libc.so.6", "source options:", "integer", "path", "(required)", "destination can: atomic"]);
    let json = sandbox.rivet(&["plugin", "inspect", "--json", "plugins/libacme.so"]);
    json.expect(0, &["\"sha256\"", "\"needs\": \"1.0\"", "\"refused\": null", "\"capabilities\""]);
    let s3 = sandbox.rivet(&["plugin", "inspect", built().join("librivet_plugin_s3.so").to_str().unwrap()]);
    s3.expect(0, &["bucket", "secret", "destination can:"]);
    let missing = sandbox.rivet(&["plugin", "inspect", "nothing.so"]);
    missing.expect(1, &["refused: cannot be opened"]);
    let damaged = sandbox.path().join("plugins/libdamaged.so");
    fs::write(&damaged, &fs::read(&library).unwrap()[..3000]).unwrap();
    sandbox.rivet(&["plugin", "inspect", damaged.to_str().unwrap()]).expect(1, &["sha256", "damaged or truncated"]);
}

/// What may only run in a process of its own is a plug-in like any other to those who look at it or trust it.
#[test]
fn one_that_may_only_run_isolated_is_inspected_and_trusted() {
    let (mut sandbox, _) = acme();
    let library = compile(&sandbox.path().join("plugins"), "acme", Header::Current, &["PANIC=\"abort\""]);
    let maps = sandbox.path().join("maps");
    sandbox.env("LC_ACME_MAPS", maps.to_str().unwrap());
    let inspect = || sandbox.rivet(&["plugin", "inspect", "plugins/libacme.so"]);
    inspect().expect(0, &["abort (runs with `isolation: process` or --isolate only)", "source options:", "integer"]);
    let json = sandbox.rivet(&["plugin", "inspect", "--json", "plugins/libacme.so"]);
    json.expect(0, &["\"panic\": \"abort\"", "\"refused\": null", "\"capabilities\""]);
    fs::set_permissions(&library, fs::Permissions::from_mode(0o666)).unwrap();
    inspect().expect(1, &["refused: the file can be changed by other users", "source"]);
    sandbox.rivet(&["plugin", "trust", "plugins/libacme.so"]).expect(0, &["trusted: acme 1.4.2"]);
    inspect().expect(0, &["source options:"]);
    sandbox.rivet(&["run", "--config", "rivet.yaml", "--isolate"]).expect(0, &["rows:        5"]);
    run(&sandbox).expect(2, &["was built with panic = \"abort\""]);
}

/// Judging a library loads it, which is what lock and owner decide about.
#[test]
fn verify_loads_only_what_may_be_loaded() {
    let (mut sandbox, library) = acme();
    let maps = sandbox.path().join("maps");
    sandbox.env("LC_ACME_MAPS", maps.to_str().unwrap());
    let verify = || sandbox.rivet(&["plugin", "verify", "plugins/libacme.so"]);
    assert!(verify().stdout.contains("load::is_a_plugin"));
    let opened = |sandbox: &Sandbox| fs::remove_file(sandbox.path().join("maps")).is_ok();
    opened(&sandbox);
    fs::set_permissions(&library, fs::Permissions::from_mode(0o666)).unwrap();
    let refused = verify();
    refused.expect(2, &["can be changed by other users", "rivet plugin trust"]);
    assert!(!refused.stdout.contains("load::") && !opened(&sandbox), "{refused}");
    sandbox.rivet(&["plugin", "trust", "plugins"]).expect(0, &[]);
    assert!(verify().stdout.contains("load::marker_and_spec_agree"));
    fs::set_permissions(&library, fs::Permissions::from_mode(0o644)).unwrap();
    sandbox.rivet(&["plugin", "lock"]).expect(0, &["added acme"]);
    assert!(verify().stdout.contains("load::marker_and_spec_agree"));
    let other = replace(&library);
    let refused = verify();
    refused.expect(2, &["acme 1.4.2 is not the file that", &other, "lock --update acme"]);
    assert!(!refused.stdout.contains("load::"), "{refused}");
    // What is no plug-in fails its first trial, whatever is locked.
    let text = sandbox.write("text.so", "this is no library at all, but long enough to be looked at\n");
    let judged = sandbox.rivet(&["plugin", "verify", text.to_str().unwrap()]);
    judged.expect(1, &["load::is_a_plugin", "not a shared library"]);
}
