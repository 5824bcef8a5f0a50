//! What `rivet doctor` prints: the lines of rivet-cli 0.2 with warnings and hints between them, or one JSON document.

use std::fmt;
use std::path::Path;

use rivet_plugin_api::Error as ApiError;
use serde::Serialize;

use crate::doctor::{Check, Kind, Problem, Server, Status};
use crate::error::{Error, Result};

/// Where what belongs to a line begins.
const INDENT: &str = "       ";

/// The lines about some checks.
pub struct CheckReport<'a>(pub &'a [Check]);

impl CheckReport<'_> {
    /// What comes first.
    pub fn heading(config: &Path) -> String {
        format!("rivet doctor: verifying auth for config '{}'\n\n", config.display())
    }

    /// What comes last.
    pub fn conclusion(all_passed: bool) -> &'static str {
        if all_passed {
            "\nAll checks passed.\n"
        } else {
            "\nSome checks failed. Fix the issues above before running exports.\n"
        }
    }
}

impl fmt::Display for CheckReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in self.0 {
            match (&check.error, check.kind) {
                (Some(problem), _) => failed(check, problem, f)?,
                // One line for all of them; that of the source tells how many there are.
                (None, Kind::Query) => {}
                (None, _) if check.status == Status::Skipped => {}
                (None, Kind::Config) => writeln!(f, "[OK]  Config parsed successfully")?,
                (None, Kind::Source) => writeln!(f, "[OK]  Source auth ({})", check.name)?,
                (None, Kind::Destination) => writeln!(f, "[OK]  Destination {}", check.name)?,
            }
            if let Some(server) = &check.server {
                self.server(server, f)?;
            }
            for warning in &check.warnings {
                writeln!(f, "[WARN] {}", plain(warning))?;
            }
        }
        Ok(())
    }
}

fn failed(check: &Check, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Problem { label, message, .. } = problem;
    let (name, message) = (&check.name, plain(message));
    match check.kind {
        Kind::Config => {
            let place = match (problem.line, problem.column) {
                (Some(line), Some(column)) => format!("{name}:{line}:{column}: "),
                _ => String::new(),
            };
            writeln!(f, "[FAIL] Config error: {place}{message}")?;
        }
        Kind::Source => writeln!(f, "[FAIL] Source {label}: {message}")?,
        Kind::Query => writeln!(f, "[FAIL] Query of export \"{name}\" -- {label}: {message}")?,
        Kind::Destination => writeln!(f, "[FAIL] Destination {name} -- {label}: {message}")?,
    }
    match &problem.hint {
        Some(hint) => writeln!(f, "{INDENT}hint: {}", plain(hint)),
        None => Ok(()),
    }
}

impl CheckReport<'_> {
    /// Who answers, and of how many queries it has said that they can be read.
    fn server(&self, server: &Server, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{INDENT}server: {} {}", plain(&server.product), plain(&server.version))?;
        for (what, value) in [("user", &server.user), ("database", &server.database)] {
            if let Some(value) = value {
                write!(f, ", {what} \"{}\"", plain(value))?;
            }
        }
        let traits = [
            (server.remote, "remote", "on this machine"),
            (server.encrypted, "encrypted", "not encrypted"),
            (server.replica, "replica", "no replica"),
        ];
        for word in traits.into_iter().filter_map(|(is, yes, no)| Some(if is? { yes } else { no })) {
            write!(f, ", {word}")?;
        }
        writeln!(f)?;
        let queries = || self.0.iter().filter(|check| check.kind == Kind::Query);
        match (queries().filter(|query| query.status == Status::Ok).count(), queries().count()) {
            (_, 0) => Ok(()),
            (readable, all) => writeln!(f, "{INDENT}queries: {readable} of {all} can be read"),
        }
    }
}

/// `text` on lines that show what belongs together, without what could do something to a terminal.
fn plain(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| line.replace(char::is_control, " ")).collect();
    lines.join(&format!("\n{INDENT}"))
}

#[derive(Serialize)]
struct Document<'a> {
    config: String,
    ok: bool,
    checks: &'a [Check],
}

/// The document of `--json`.
pub fn document(config: &Path, checks: &[Check]) -> Result<String> {
    let ok = checks.iter().all(|check| check.status != Status::Failed);
    let document = Document { config: config.display().to_string(), ok, checks };
    let text = serde_json::to_string_pretty(&document)
        .map_err(|e| Error::Run(ApiError::internal(format!("the report has no JSON: {e}"))))?;
    Ok(text + "\n")
}
