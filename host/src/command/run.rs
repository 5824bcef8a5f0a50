//! `rivet run`: every selected export, one after the other or side by side.

mod audience;
mod processes;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rivet_plugin_api::Cancel;

use self::audience::{Audience, Offices};
use crate::cli::RunArgs;
use crate::config::{self, Config};
use crate::error::{Error, Result, exit};
use crate::event::{self, Feed};
use crate::plan::{self, Job};
use crate::plugin::Catalog;
use crate::report::Json;
use crate::run::Options;
use crate::state::State;
use crate::{advice, environment, run, signal};

/// Runs the exports and answers the exit code: that of the first failure.
pub fn run(
    args: &RunArgs,
    plugin_dirs: &[PathBuf],
    catalog: impl Fn(Option<&Config>) -> Result<Catalog>,
) -> Result<u8> {
    let json = (args.json || args.as_child).then(Arc::<Json>::default);
    if let Some(json) = &json {
        event::tell_warnings_to(json.clone());
    }
    let outcome = selected_exports(args, plugin_dirs, catalog, json.as_ref());
    signal::wait_until_told();
    let Some(json) = json else { return outcome };
    match json.end(outcome) {
        // Whoever started this process has read why, and shows it.
        Err(e) if args.as_child => Ok(e.exit_code()),
        outcome => outcome,
    }
}

fn selected_exports(
    args: &RunArgs,
    plugin_dirs: &[PathBuf],
    catalog: impl Fn(Option<&Config>) -> Result<Catalog>,
    json: Option<&Arc<Json>>,
) -> Result<u8> {
    let params = args.exports.params()?;
    let mut config = config::load(&args.config.config, args.exports.export.as_deref(), &params, &environment)?;
    config.isolate(args.isolation.isolate);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let offices = Offices::new(args, &config, selected(args, &config), json);
    let outcome = begin(args, plugin_dirs, &config, catalog, &offices);
    offices.close(outcome)
}

fn begin(
    args: &RunArgs,
    plugin_dirs: &[PathBuf],
    config: &Config,
    catalog: impl Fn(Option<&Config>) -> Result<Catalog>,
    offices: &Offices<'_>,
) -> Result<u8> {
    let not_begun = |error: &Error| offices.not_begun(error);
    let jobs = prepare(args, config, catalog).inspect_err(not_begun)?;
    if jobs.is_empty() {
        tracing::warn!("the configuration names no exports");
        return Ok(exit::OK);
    }
    let audience = offices.open(args, jobs.iter().any(Job::writes_to_stdout));
    let cancel = Cancel::new();
    signal::install(&cancel, audience.stopping(args.as_child));
    audience.begins(offices);
    let several = jobs.len() > 1;
    if several && (args.parallel_export_processes || config.parallel_export_processes) {
        let code = processes::run(args, plugin_dirs, &jobs, audience.listeners()).inspect_err(not_begun)?;
        return audience.outcome(&[code]);
    }
    advice::warn_of_other_state(&args.config);
    let state = State::open(&args.config.state_file()).map_err(Error::from).inspect_err(not_begun)?;
    let parallel = several && (args.parallel_exports || config.parallel_exports);
    all(args, &jobs, parallel, &state, &audience, &cancel)
}

fn all(
    args: &RunArgs,
    jobs: &[Job<'_>],
    parallel: bool,
    state: &State,
    audience: &Audience,
    cancel: &Cancel,
) -> Result<u8> {
    let options = Options { validate: args.validate, reconcile: args.reconcile, resume: args.resume };
    let one = |job: &Job<'_>| {
        let feed = Feed::new(audience.listeners(), &job.export.name);
        run::export(job, &feed, state, options, cancel)
    };
    if parallel {
        let done = thread::scope(|scope| {
            let running: Vec<_> = jobs.iter().map(|job| scope.spawn(|| one(job))).collect();
            running.into_iter().map(|export| export.join().unwrap_or(exit::FAILED)).collect::<Vec<_>>()
        });
        return audience.outcome(&done);
    }
    let mut done = Vec::new();
    for job in jobs {
        done.push(one(job));
        if let Some(signal) = signal::received() {
            if done.len() < jobs.len() && done.iter().all(|code| *code == exit::OK) {
                return Err(Error::Stopped(signal));
            }
            break;
        }
    }
    audience.outcome(&done)
}

/// The names of the exports that are asked for.
fn selected<'a>(args: &'a RunArgs, config: &'a Config) -> Vec<&'a str> {
    match &args.exports.export {
        Some(name) => vec![name],
        None => config.exports.iter().map(|export| export.name.as_str()).collect(),
    }
}

/// Finds connectors and checks what they are asked, before anything is touched.
fn prepare<'a>(
    args: &RunArgs,
    config: &'a Config,
    catalog: impl Fn(Option<&Config>) -> Result<Catalog>,
) -> Result<Vec<Job<'a>>> {
    let catalog = catalog(Some(config))?;
    let jobs = plan::prepare(config, args.exports.export.as_deref(), &catalog)?;
    let mixing: Vec<_> =
        jobs.iter().filter(|j| j.writes_to_stdout()).map(|j| format!("\"{}\"", j.export.name)).collect();
    if mixing.len() > 1 {
        let text = format!("exports {} write to standard output, where they would mix", mixing.join(", "));
        let error = rivet_plugin_api::Error::config(text);
        return Err(Error::Usage(error.hint("select one with `--export NAME`")));
    }
    Ok(jobs)
}
