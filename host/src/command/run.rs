//! `rivet run`: every selected export, one after the other or side by side, and what to tell of them.

mod processes;

use std::io::Write as _;
use std::path::PathBuf;
use std::thread;

use rivet_plugin_api::Cancel;

use super::print;
use crate::cli::RunArgs;
use crate::config::{self, Config, parse_param};
use crate::error::{Error, Result, exit};
use crate::notify::Notifier;
use crate::plan::{self, Job};
use crate::plugin::Catalog;
use crate::report::Summary;
use crate::run::Options;
use crate::state::State;
use crate::{environment, run, secret, signal};

/// Runs the exports and answers the exit code: that of the first failure.
pub fn run(args: &RunArgs, plugin_dirs: &[PathBuf], catalog: impl Fn(&[PathBuf]) -> Result<Catalog>) -> Result<u8> {
    let params = args.params.iter().map(|p| parse_param(p)).collect::<Result<Vec<_>, _>>().map_err(Error::Usage)?;
    let config = config::load(&args.config.config, &params, &environment)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let notifier = Notifier::new(config.notifications.as_ref());
    let not_begun = |error: &Error| notifier.failed(&selected(args, &config), error);
    let jobs = prepare(args, &config, catalog).inspect_err(not_begun)?;
    if jobs.is_empty() {
        tracing::warn!("the configuration names no exports");
        return Ok(exit::OK);
    }
    let cancel = Cancel::new();
    signal::install(&cancel);
    let several = jobs.len() > 1;
    if several && (args.parallel_export_processes || config.parallel_export_processes) {
        return processes::run(args, plugin_dirs, &jobs, &notifier).inspect_err(not_begun);
    }
    let state = State::open(&args.config.state_file()).map_err(Error::from).inspect_err(not_begun)?;
    let options = Options { validate: args.validate, reconcile: args.reconcile, resume: args.resume };
    let to_stderr = jobs.iter().any(Job::writes_to_stdout);
    let one = |job: &Job<'_>| {
        let (summary, error) = run::export(job, &state, options, &cancel);
        let done = show(&summary, error.as_ref(), to_stderr);
        notifier.ended(&summary, error.as_ref());
        done
    };
    if several && (args.parallel_exports || config.parallel_exports) {
        let done = thread::scope(|scope| {
            let running: Vec<_> = jobs.iter().map(|job| scope.spawn(|| one(job))).collect();
            running.into_iter().map(|export| export.join().unwrap_or((exit::FAILED, Ok(exit::OK)))).collect::<Vec<_>>()
        });
        return outcome(done);
    }
    let mut done = Vec::new();
    for job in &jobs {
        done.push(one(job));
        if let Some(signal) = signal::received() {
            if done.len() < jobs.len() && done.iter().all(|(code, _)| *code == exit::OK) {
                return Err(Error::Stopped(signal));
            }
            break;
        }
    }
    outcome(done)
}

/// The names of the exports that are asked for.
fn selected<'a>(args: &'a RunArgs, config: &'a Config) -> Vec<&'a str> {
    match &args.export {
        Some(name) => vec![name],
        None => config.exports.iter().map(|export| export.name.as_str()).collect(),
    }
}

/// Finds connectors and checks what they are asked, before anything is touched.
fn prepare<'a>(
    args: &RunArgs,
    config: &'a Config,
    catalog: impl Fn(&[PathBuf]) -> Result<Catalog>,
) -> Result<Vec<Job<'a>>> {
    let catalog = catalog(&config.plugins)?;
    let jobs = plan::prepare(config, args.export.as_deref(), &catalog)?;
    let mixing: Vec<_> =
        jobs.iter().filter(|j| j.writes_to_stdout()).map(|j| format!("\"{}\"", j.export.name)).collect();
    if mixing.len() > 1 {
        let text = format!("exports {} write to standard output, where they would mix", mixing.join(", "));
        let error = rivet_plugin_api::Error::config(text);
        return Err(Error::Usage(error.hint("select one with `--export NAME`")));
    }
    Ok(jobs)
}

/// The exit code of several exports: that of the first failure. Every export was attempted before a report that nobody
/// could read counts.
fn outcome(done: Vec<(u8, Result<u8>)>) -> Result<u8> {
    let code = done.iter().map(|(code, _)| *code).find(|code| *code != exit::OK);
    let unseen = done.into_iter().find_map(|(_, shown)| shown.err());
    match (code, unseen) {
        (Some(code), _) => Ok(code),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(exit::OK),
    }
}

/// Shows what came of an export, and answers its exit code and whether that could be shown.
fn show(summary: &Summary, error: Option<&Error>, to_stderr: bool) -> (u8, Result<u8>) {
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
