//! The harness's own tests, by the Python that `RIVET_TEST_PYTHON` names (with duckdb). A benchmark whose comparison lets
//! wrong values through would praise the wrong tool.
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::process::Command;

#[test]
fn the_harness_passes_its_own_tests() {
    let Ok(python) = std::env::var("RIVET_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "RIVET_TEST_PYTHON is not set, and CI demands it");
        eprintln!("skipped: RIVET_TEST_PYTHON names no python with duckdb: use scripts/test");
        return;
    };
    let output = Command::new(python)
        .args(["-B", "-m", "unittest", "--quiet", "harness.selftest"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
