//! `rivet plugin verify`: the conformance suite on one library, before anybody installs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rivet_connector_kit::{Progress, Targets, Verdict, library};
use serde_json::{Value, json};

use crate::cli::VerifyArgs;
use crate::command::print;
use crate::error::{Error, Result, exit};
use crate::plugin::{Finder, Policy};
use crate::{config, environment, secret};

/// Where an author's options are when nothing else is said.
const OPTIONS: &str = "verify.yaml";

/// Runs the trials, tells of each, and answers 1 when one failed.
pub fn verify(args: &VerifyArgs) -> Result<u8> {
    let options = args.options.clone().or_else(|| Some(PathBuf::from(OPTIONS)).filter(|path| path.exists()));
    if !args.file.is_file() {
        let error = rivet_plugin_api::Error::config(format!("there is no file \"{}\"", args.file.display()));
        return Err(Error::Usage(error.hint("give the path of the library that your build made")));
    }
    // What may not be used may not be loaded here either. A lock of the working directory counts, as for every command.
    let policy = Policy::of(Finder::directory(None), &environment).map_err(Error::Usage)?;
    let path = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let file = policy.admit_unjudged(&path).map_err(|refusal| Error::Usage(policy.refused(&refusal)))?;
    let suite = library(&path, &file, |spec| -> Result<Targets> {
        let Some(path) = &options else { return Ok(Targets::default()) };
        let trials = config::trials(path, spec, &environment)?;
        secret::add(&trials.secrets);
        trials.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(trials.targets)
    })?;
    let wanted = |name: &str| args.filter.as_deref().is_none_or(|part| name.contains(part));
    let names: Vec<String> = suite.names().map(str::to_owned).collect();
    if !names.iter().any(|name| wanted(name)) {
        let filter = args.filter.as_deref().unwrap_or_default();
        let error = rivet_plugin_api::Error::config(format!("no trial has \"{filter}\" in its name"));
        return Err(Error::Usage(error.hint(format!("the trials are {}", names.join(", ")))));
    }
    let mut report = Report { json: args.json, ..Report::default() };
    suite.judge(wanted, Duration::from_secs(args.timeout), |progress| report.take(progress));
    report.finish(&args.file, options.as_deref())
}

/// Prints lines as they come, or one document at the end.
#[derive(Default)]
struct Report {
    json: bool,
    trials: Vec<Value>,
    passed: usize,
    skipped: usize,
    failed: usize,
    /// What stood in the way of printing.
    broken: Option<Error>,
}

impl Report {
    fn take(&mut self, progress: Progress<'_>) {
        let text = match progress {
            // A library that ends the process is known by the line that is not finished.
            Progress::Begins(name) => format!("{name:<60} "),
            Progress::Ended(name, verdict, took) => {
                let (result, why) = self.count(verdict);
                let seconds = took.as_secs_f64();
                self.trials.push(json!({ "trial": name, "result": result, "why": why, "seconds": seconds }));
                // Further lines stand below their trial.
                let why = why.map(|why| format!("  {}", why.replace('\n', "\n    "))).unwrap_or_default();
                format!("{}{why}\n", if result == "failed" { "FAILED" } else { result })
            }
        };
        if !self.json && self.broken.is_none() {
            self.broken = print(&text).err();
        }
    }

    fn count<'a>(&mut self, verdict: &'a Verdict) -> (&'static str, Option<&'a str>) {
        match verdict {
            Verdict::Passed(remark) => {
                self.passed += 1;
                ("ok", remark.as_deref())
            }
            Verdict::Skipped(why) => {
                self.skipped += 1;
                ("skipped", Some(why))
            }
            Verdict::Failed(why) => {
                self.failed += 1;
                ("failed", Some(why))
            }
        }
    }

    fn finish(self, file: &Path, options: Option<&Path>) -> Result<u8> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let Self { passed, skipped, failed, .. } = self;
        let options = options.map(|path| path.display().to_string());
        if self.json {
            let document = json!({
                "file": file.display().to_string(), "options": options, "trials": self.trials,
                "passed": passed, "skipped": skipped, "failed": failed,
            });
            print(&format!("{document:#}\n"))?;
        } else {
            let hint = match options {
                None if skipped > 0 => format!("\nSay how to open it in {OPTIONS}, and the rest is judged too.\n"),
                _ => String::new(),
            };
            print(&format!("\n{}: {passed} ok, {skipped} skipped, {failed} failed\n{hint}", file.display()))?;
        }
        Ok(if failed > 0 { exit::FAILED } else { exit::OK })
    }
}
