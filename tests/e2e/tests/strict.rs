//! What the user wrote is done or refused, never ignored.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use rivet_e2e::{Outcome, Sandbox};

const GOOD: &str = "source:
  type: sqlite
  path: x.db
exports:
  - name: t
    query: SELECT 1 AS a
    format: csv
    destination:
      type: local
      path: out
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    rusqlite::Connection::open(sandbox.path().join("x.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    sandbox
}

fn refused(old: &str, new: &str, texts: &[&str]) -> Outcome {
    let sandbox = sandbox();
    assert!(GOOD.contains(old));
    let outcome = sandbox.try_run(&GOOD.replace(old, new));
    outcome.expect(2, texts);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    outcome
}

#[test]
fn a_wrong_key_is_shown_where_it_is_with_the_nearest_right_one() {
    refused("    format: csv", "    fromat: csv", &["rivet.yaml:7:5", "fromat", "format"]);
    refused("      path: out", "      pth: out", &["rivet.yaml:10:7", "pth", "path"]);
    refused("exports:", "exprots:", &["rivet.yaml:4:1", "exprots", "exports"]);
    refused("  path: x.db", "  path: x.db\n  batch_size: 10", &["rivet.yaml:4:3", "batch_size", "source.tuning"]);
    refused("    format: csv", "    format: csv\n    format: parquet", &["rivet.yaml:8:5", "format"]);
}

#[test]
fn a_wrong_value_is_refused_before_anything_is_read() {
    refused("format: csv", "format: xlsx", &["rivet.yaml:7:", "xlsx", "parquet"]);
    refused("format: csv", "format: parquet\n    compression_level: 99", &["t", "99"]);
    refused("name: t", "name: ../t", &["../t"]);
    refused("type: local", "type: loacl", &["loacl", "local"]);
}

#[test]
fn usage_errors_exit_2_and_help_0() {
    let sandbox = sandbox();
    sandbox.rivet(&["run"]).expect(2, &["--config"]);
    sandbox.rivet(&["run", "--config", "missing.yaml"]).expect(2, &["missing.yaml"]);
    sandbox.rivet(&["--help"]).expect(0, &["run", "state", "metrics", "plugin"]);
    sandbox.rivet(&["--version"]).expect(0, &["rivet 0.3.0"]);
    sandbox.write("rivet.yaml", GOOD);
    sandbox.rivet(&["run", "--config", "rivet.yaml", "--export", "nope"]).expect(2, &["nope"]);
    sandbox.rivet(&["metrics", "--config", "rivet.yaml", "--last", "0"]).expect(2, &["--last", "from 1 on"]);
    let shells = ["bash", "zsh", "fish", "elvish", "powershell"];
    for shell in shells {
        sandbox.rivet(&["completions", shell]).expect(0, &["rivet"]);
    }
}

#[test]
fn names_in_a_query_cannot_write() {
    let sandbox = sandbox();
    for query in ["DELETE FROM t", "SELECT 1; SELECT 2", "PRAGMA user_version = 7", "ATTACH 'y.db' AS y"] {
        let outcome = sandbox.try_run(&GOOD.replace("SELECT 1 AS a", query));
        outcome.expect(1, &["status:      failed"]);
    }
    assert!(!sandbox.path().join("y.db").exists());
}
