//! `rivet run`: every selected export, one after the other, and what to tell of them.

use std::io::Write as _;
use std::path::PathBuf;

use rivet_plugin_api::Cancel;

use super::print;
use crate::cli::RunArgs;
use crate::config::{self, Config, parse_param};
use crate::error::{Error, Result, exit};
use crate::plan::{self, Job};
use crate::plugin::Catalog;
use crate::run::Options;
use crate::state::State;
use crate::{environment, run, secret, signal};

/// Runs the exports and answers the exit code: that of the first failure.
pub fn run(args: &RunArgs, catalog: impl Fn(&[PathBuf]) -> Result<Catalog>) -> Result<u8> {
    let params = args.params.iter().map(|p| parse_param(p)).collect::<Result<Vec<_>, _>>().map_err(Error::Usage)?;
    let config = config::load(&args.config.config, &params, &environment)?;
    warn(&config);
    let catalog = catalog(&config.plugins)?;
    let jobs = plan::prepare(&config, args.export.as_deref(), &catalog)?;
    if jobs.is_empty() {
        tracing::warn!("the configuration names no exports");
        return Ok(exit::OK);
    }
    let to_stderr = jobs.iter().any(Job::writes_to_stdout);
    if to_stderr && jobs.len() > 1 {
        let error =
            rivet_plugin_api::Error::config("several exports, one of which writes to standard output, would mix");
        return Err(Error::Usage(error.hint("select one with `--export NAME`")));
    }
    let cancel = Cancel::new();
    signal::install(&cancel);
    let state = State::open(&args.config.state_file())?;
    let options = Options { validate: args.validate, resume: args.resume };
    let (mut code, mut unseen) = (exit::OK, None);
    for (done, job) in jobs.iter().enumerate() {
        let (failed, shown) = one(job, &state, options, &cancel, to_stderr);
        if code == exit::OK {
            code = failed;
        }
        unseen = unseen.or(shown.err());
        if let Some(signal) = signal::received() {
            if code == exit::OK && done + 1 < jobs.len() {
                return Err(Error::Stopped(signal));
            }
            break;
        }
    }
    // Every export was attempted before a report that nobody could read counts.
    unseen.filter(|_| code == exit::OK).map_or(Ok(code), Err)
}

/// Runs one export, shows what came of it, and answers its exit code and whether that could be shown.
fn one(job: &Job<'_>, state: &State, options: Options, cancel: &Cancel, to_stderr: bool) -> (u8, Result<u8>) {
    let (summary, error) = run::export(job, state, options, cancel);
    let shown = if to_stderr {
        eprint_redacted(&summary.to_string());
        Ok(exit::OK)
    } else {
        print(&summary.to_string())
    };
    let Some(error) = error else { return (exit::OK, shown) };
    eprint_redacted(&format!("\n{}", error.render()));
    (error.exit_code(), shown)
}

/// Shows what can be shown: a terminal that is gone must not stop the run.
fn eprint_redacted(text: &str) {
    let _ = std::io::stderr().write_all(secret::redact(text).as_bytes());
}

fn warn(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if config.parallel_exports || config.parallel_export_processes {
        tracing::warn!("exports run one after the other: this version does not run them in parallel yet");
    }
    if config.notifications.is_some() {
        tracing::warn!("this version does not send notifications yet");
    }
}
