//! The real binary on every case, and all its files given to the foreign readers at once.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use rivet_e2e::{Outcome, Sandbox, skip};
use serde_json::{Value, json};

use crate::{Case, Server};

/// Each format is an export of its own. The Arrow one is read page by page or row by row, the others in one stream, so
/// that both ways are compared.
const EXPORTS: [(&str, &str); 3] = [
    ("parquet", "tuning: { statement_timeout_s: 0 }"),
    ("csv", "tuning: { statement_timeout_s: 0 }"),
    ("arrow", "tuning: { statement_timeout_s: 600 }"),
];

/// A run mostly waits for the disk to take its state.
const WORKERS: usize = 4;

/// A case that was run.
pub(crate) struct Run {
    pub(crate) case: Case,
    pub(crate) outcome: Result<Outcome, String>,
    pub(crate) sandbox: Sandbox,
}

impl Run {
    /// The text of the CSV file.
    pub(crate) fn csv(&self) -> String {
        std::fs::read_to_string(self.sandbox.only("csv")).unwrap()
    }

    /// Whether every export ended well and wrote its file, which one without rows does not.
    pub(crate) fn succeeded(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|outcome| outcome.code == Some(0)) && self.sandbox.out().len() == EXPORTS.len()
    }
}

/// Runs every case that `server` has, several at a time.
pub(crate) fn all(server: &Server, cases: &[Case]) -> Vec<Run> {
    let rest = Mutex::new(cases.iter().filter(|case| server.has(case)));
    let runs = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(case) = rest.lock().unwrap().next() else { break };
                    if let Some(run) = one(server, case) {
                        runs.lock().unwrap().push(run);
                    }
                }
            });
        }
    });
    let mut runs = runs.into_inner().unwrap();
    runs.sort_by(|a: &Run, b: &Run| a.case.name.cmp(&b.case.name));
    eprintln!("{server}: {} cases", runs.len());
    runs
}

fn one(server: &Server, case: &Case) -> Option<Run> {
    let mut sandbox = Sandbox::new();
    let outcome = match server.set_up(case, &sandbox) {
        Ok(false) => return None,
        Ok(true) => {
            let config = config(&server.source(case, &mut sandbox), case);
            sandbox.write("rivet.yaml", &config);
            // The same with connectors in processes of their own, for whoever sets it.
            let isolate = std::env::var_os("RIVET_TYPES_ISOLATE").map(|_| "--isolate");
            let args: Vec<&str> = ["run", "--config", "rivet.yaml", "--validate"].into_iter().chain(isolate).collect();
            let outcome = sandbox.rivet(&args);
            server.tear_down(case).map(|()| outcome)
        }
        Err(reason) => Err(format!("[setup] failed: {reason}")),
    };
    Some(Run { case: case.clone(), outcome, sandbox })
}

fn config(source: &str, case: &Case) -> String {
    let mut config = String::from("source:\n");
    let mut add = |indent: &str, text: &str| {
        for line in text.lines() {
            let _ = writeln!(config, "{indent}{line}");
        }
    };
    add("  ", source);
    add("  ", "tuning: { max_retries: 0, throttle_ms: 0 }");
    add("  ", case.section("source").unwrap_or_default());
    add("", "exports:");
    for (format, tuning) in EXPORTS {
        add("", &format!("- name: {format}"));
        add("  ", &format!("format: {format}\ndestination: {{ type: local, path: out }}\n{tuning}\nquery: |-"));
        add("    ", case.section("query").unwrap_or("select * from t"));
        add("  ", case.section("config").unwrap_or_default());
    }
    config
}

/// What the readers see in the files of `runs`, in order: null for a run without files. `None` without Python.
pub(crate) fn read_back(runs: &[Run]) -> Option<Vec<Value>> {
    let Ok(python) = std::env::var("RIVET_TEST_PYTHON") else {
        skip("RIVET_TEST_PYTHON names no python with duckdb and pyarrow: use scripts/test");
        return None;
    };
    let request = |run: &Run| {
        run.succeeded().then(|| {
            let duckdb = run.case.readers.is_none();
            json!({ "parquet": run.sandbox.only("parquet"), "arrow": run.sandbox.only("arrows"), "duckdb": duckdb })
        })
    };
    let requests: Vec<_> = runs.iter().map(request).collect();
    let mut reader = Command::new(python)
        .arg(crate::folder().join("readers/read.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(json!(requests).to_string().as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "readers/read.py failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
