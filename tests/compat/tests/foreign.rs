//! A plug-in that has nothing in common with the host but the contract: another arrow, allocator and way to compile.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rivet_compat::{here, plugins};
use rivet_e2e::{Sandbox, built, read_with, workspace};

/// Builds the crate outside of the workspace, with the workspace's versions of what both use; the library. `more` goes to
/// the compiler of the plug-in itself.
fn build(sandbox: &Sandbox, more: &[&str]) -> PathBuf {
    let project = sandbox.path().join("arrow58");
    fs::create_dir_all(project.join("src")).unwrap();
    let manifest = fs::read_to_string(here().join("arrow58/Cargo.toml")).unwrap();
    let api = workspace().join("plugin-api");
    fs::write(project.join("Cargo.toml"), manifest.replace("../../../plugin-api", api.to_str().unwrap())).unwrap();
    fs::copy(here().join("arrow58/src/lib.rs"), project.join("src/lib.rs")).unwrap();
    fs::copy(workspace().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let target = built().parent().unwrap().join("compat");
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--release", "--quiet", "--"])
        .args(more)
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("release/libarrow58.so")
}

const CONFIG: &str = "source: { type: arrow58, rows: 25000 }
exports:
  - name: words
    query: all
    format: parquet
    destination: { type: local, path: out }
";

/// One test, since both parts build into one place.
#[test]
fn a_plugin_with_another_arrow_allocator_and_compiler_setting_works_unless_a_panic_would_end_the_host() {
    let mut sandbox = Sandbox::new();
    let dir = plugins(&mut sandbox);
    let aborting = build(&sandbox, &["-C", "panic=abort"]);
    fs::copy(aborting, dir.join("libarrow58.so")).unwrap();
    sandbox.try_run(CONFIG).expect(2, &["arrow58 5.8.0 was built with panic = \"abort\"", "panic = \"unwind\""]);

    fs::copy(build(&sandbox, &[]), dir.join("libarrow58.so")).unwrap();
    sandbox.run(CONFIG).expect(0, &["rows:        25000"]);
    sandbox.rivet(&["plugin", "inspect", "plugins/libarrow58.so"]).expect(0, &["rows", "integer (required)"]);
    if let Some(wrong) = read_with("words.py", &[&sandbox.only("parquet"), "25000", "price"]) {
        assert_eq!(wrong, "");
    }
}
