//! Configurations around the fault connector, and what is left of their processes.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rivet_e2e::{Outcome, Sandbox};

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A good destination.
pub const LOCAL: &str = "type: local, path: out";

/// One export of 50 rows with these options, in processes that have a second for a call.
pub fn config(source: &str, destination: &str) -> String {
    let source = if source.is_empty() { String::new() } else { format!(", {source}") };
    format!(
        "source: {{ type: fault, rows: 50{source}, tuning: {{ batch_size: 10, max_retries: 0 }} }}
isolation: {{ mode: process, call_timeout_s: 2, memory_mb: 400 }}
exports:
  - {{ name: t, query: good, format: csv, destination: {{ {destination} }} }}
"
    )
}

/// The CSV of 50 such rows.
pub fn rows() -> String {
    (0..50).fold("c0\n".to_owned(), |text, row| format!("{text}{row}\n"))
}

/// Runs a configuration with further arguments.
pub fn run(sandbox: &Sandbox, config: &str, args: &[&str]) -> Outcome {
    sandbox.write("rivet.yaml", config);
    sandbox.rivet(&[&["run", "--config", "rivet.yaml"], args].concat())
}

/// Every process that runs in the sandbox, by its command line; a dead one that nobody has waited for has none.
pub fn processes(sandbox: &Sandbox) -> Vec<String> {
    let inside = |pid: &Path| fs::read_link(pid.join("cwd")).is_ok_and(|cwd| cwd == sandbox.path());
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.filter(|pid| inside(pid)).map(|pid| fs::read_to_string(pid.join("cmdline")).unwrap_or_default()).collect()
}

/// Waits until no process is left in the sandbox.
pub fn all_gone(sandbox: &Sandbox) {
    let start = Instant::now();
    loop {
        let left = processes(sandbox);
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "these are left: {left:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
