//! What the end-to-end tests share: a directory of their own to run the real binary in, a database schema of their own,
//! and readers that know nothing of Rivet.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stderr, reason = "tests fail by panicking")]

mod database;
mod modes;
mod mysql;
mod postgres;
mod private;
mod proxy;
mod sandbox;
pub mod sizes;
mod tables;
mod terminal;
mod webhook;

pub use database::{Database, Kind, line};
pub use modes::{MODES, SEEN};
pub use mysql::Mysql;
pub use postgres::Postgres;
pub use private::Private;
pub use proxy::{Fault, Proxy};
pub use sandbox::{Outcome, Running, Sandbox, built, workspace};
pub use tables::{Source, Tables};
pub use terminal::{Shown, Terminal};
pub use webhook::{Answer, Request, Webhook};

use std::path::Path;
use std::process::Command;

/// Part of every password of the tests, so that a leak is found by searching for it.
pub const CANARY: &str = "S3CR3T-CANARY";

/// Says why a test does not run. With `CI` set nothing may be skipped.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "may not be skipped in CI: {reason}");
    eprintln!("skipped: {reason}");
}

/// Runs the script `name` of `tests/e2e/readers` with duckdb and pyarrow at hand; what it prints, or `None` when the
/// environment has no such Python.
pub fn read_with(name: &str, args: &[&str]) -> Option<String> {
    let Ok(python) = std::env::var("RIVET_TEST_PYTHON") else {
        skip("RIVET_TEST_PYTHON names no python with duckdb and pyarrow: use scripts/test");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers").join(name);
    let output = Command::new(python).arg(script).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{name} {args:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}
