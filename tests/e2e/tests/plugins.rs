//! Finding, refusing and building plug-ins: what a third party does, and what must never crash the host.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rivet_e2e::{Sandbox, built, workspace};

/// The connector on the crate page of `rivet-plugin-api`, as its readers would copy it.
fn crate_page_example() -> String {
    let page = fs::read_to_string(workspace().join("plugin-api/src/lib.rs")).unwrap();
    let lines = page.lines().take_while(|l| l.starts_with("//!")).map(|l| l.trim_start_matches("//!"));
    let lines = lines.map(|l| l.strip_prefix(' ').unwrap_or(l));
    let code = lines
        .skip_while(|l| *l != "```")
        .skip(1)
        .take_while(|l| *l != "```")
        .filter(|l| !l.starts_with('#') || l.starts_with("#["));
    code.fold(String::new(), |text, line| text + line + "\n")
}

/// Builds the example outside the workspace, against `plugin-api` alone; the library.
fn build_third_party(sandbox: &Sandbox) -> PathBuf {
    let project = sandbox.path().join("counter");
    fs::create_dir_all(project.join("src")).unwrap();
    fs::write(project.join("src/lib.rs"), crate_page_example()).unwrap();
    let manifest = format!(
        "[package]\nname = \"counter\"\nversion = \"0.7.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nrivet-plugin-api = {{ path = \"{}\" }}\n",
        workspace().join("plugin-api").display()
    );
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    // The same versions as the workspace's, which are on this machine already.
    fs::copy(workspace().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let target = built().parent().unwrap().join("third-party");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet"])
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug/libcounter.so")
}

fn directory(sandbox: &mut Sandbox, name: &str) -> PathBuf {
    let dir = sandbox.path().join(name);
    fs::create_dir(&dir).unwrap();
    sandbox.env("RIVET_PLUGIN_PATH", dir.to_str().unwrap());
    dir
}

const COUNTER: &str = "source: { type: counter, rows: 100000 }
exports:
  - name: numbers
    query: all
    format: csv
    destination: { type: local, path: out }
";

#[test]
fn a_third_party_plugin_built_outside_the_workspace_serves_an_export() {
    let mut sandbox = Sandbox::new();
    let library = build_third_party(&sandbox);
    let dir = directory(&mut sandbox, "plugins");
    sandbox.try_run(COUNTER).expect(2, &["counter", dir.to_str().unwrap()]);
    fs::copy(library, dir.join("libcounter.so")).unwrap();
    sandbox.rivet(&["plugin", "list"]).expect(0, &["counter", "0.7.0", "source", "libcounter.so"]);
    sandbox.run(COUNTER).expect(0, &["rows:        100000"]);
    let written = fs::read_to_string(sandbox.only("csv")).unwrap();
    let expected = (0..100_000).fold("n\n".to_owned(), |text, n| format!("{text}{n}\n"));
    assert!(written == expected, "the file differs: {written:.60}…");
    // Its options are checked against its own schema.
    sandbox.try_run(&COUNTER.replace("rows: 100000", "row: 5")).expect(2, &["row", "rows"]);
    sandbox.try_run(&COUNTER.replace("rows: 100000", "rows: -5")).expect(1, &["negative"]);
    // What it does not announce is never asked of it.
    sandbox
        .try_run(&format!("{COUNTER}    params: {{ n: 1 }}\n"))
        .expect(2, &["`params`", "\"counter\" does not offer"]);
}

fn plugin(name: &str) -> PathBuf {
    built().join(format!("librivet_plugin_{name}.so"))
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<_> =
        (0..bytes.len() - old.len()).filter(|i| bytes[*i] == old[0] && bytes[*i..].starts_with(old)).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + old.len()].copy_from_slice(new);
    }
    bytes
}

#[test]
fn bad_files_are_each_named_and_refused_while_the_good_ones_work() {
    let mut sandbox = Sandbox::new();
    let dir = directory(&mut sandbox, "plugins");
    let good = fs::read(plugin("local")).unwrap();
    let libc = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];
    let libc = libc.iter().find(|p| Path::new(p).exists()).unwrap();
    let bad: [(&str, Vec<u8>, &str); 7] = [
        ("libtext.so", b"#!/bin/sh\necho this is not a library at all\n".to_vec(), "not a shared library"),
        ("libempty.so", Vec::new(), "empty"),
        ("libtruncated.so", good[..good.len() / 2].to_vec(), "truncated"),
        ("libstub.so", good[..40].to_vec(), ""),
        ("libother.so", fs::read(libc).unwrap(), "not a rivet plug-in"),
        ("libmajor.so", replaced(&good, b"\"abi\":\"1.1\"", b"\"abi\":\"2.1\""), "2.1"),
        ("libsymbol.so", replaced(&good, b"rivet_plugin_entry\0", b"rivet_plugin_entrx\0"), "rivet_plugin_entry"),
    ];
    for (name, bytes, _) in &bad {
        fs::write(dir.join(name), bytes).unwrap();
    }
    let listed = sandbox.rivet(&["plugin", "list"]);
    listed.expect(0, &["sqlite", "local"]);
    for (name, _, why) in &bad {
        let text = format!("{}{}", listed.stdout, listed.stderr);
        let lines: Vec<_> = text.lines().filter(|line| line.contains(name)).collect();
        assert!(lines.iter().any(|line| line.contains(why)), "{name} is not refused with \"{why}\":\n{listed}");
    }
    rusqlite::Connection::open(sandbox.path().join("x.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t AS SELECT 1 AS a")
        .unwrap();
    let config = "source: { type: sqlite, path: x.db }
exports: [{ name: t, query: SELECT * FROM t, format: csv, destination: { type: local, path: out } }]
";
    sandbox.run(config);
    assert_eq!(fs::read_to_string(sandbox.only("csv")).unwrap(), "a\n1\n");
}

#[test]
fn a_type_that_nobody_offers_says_where_it_was_looked_for() {
    let mut sandbox = Sandbox::new();
    let dir = directory(&mut sandbox, "mine");
    let outcome = sandbox.try_run(&COUNTER.replace("counter", "sqlit"));
    outcome.expect(2, &["\"sqlit\"", "sqlite", dir.to_str().unwrap()]);
}
