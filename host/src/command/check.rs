//! `rivet check`: what each export would do to its source, before it does it.

use rivet_plugin_api::Cancel;
use serde_json::json;

use super::print;
use crate::cli::CheckArgs;
use crate::config::{self, Config};
use crate::error::{Error, Result, exit};
use crate::notify::Notifier;
use crate::plan;
use crate::plugin::Catalog;
use crate::preflight::{self, Report};
use crate::report::eprint_error;
use crate::state::State;
use crate::{advice, environment, signal};

/// Checks the exports and answers the exit code.
pub fn check(args: &CheckArgs, catalog: impl Fn(Option<&Config>) -> Result<Catalog>) -> Result<u8> {
    let params = args.exports.params()?;
    let mut config = config::load(&args.config.config, args.exports.export.as_deref(), &params, &environment)?;
    config.isolate(args.isolation.isolate);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let jobs = plan::prepare(&config, args.exports.export.as_deref(), &catalog(Some(&config))?)?;
    advice::warn_of_other_state(&args.config);
    let state = State::open_read_only(&args.config.state_file())?;
    let cancel = Cancel::new();
    signal::install(&cancel, |_| ());
    let notifier = Notifier::new(config.notifications.as_ref());
    let mut reports = Vec::new();
    if let Some(first) = jobs.first() {
        let mut source = first.source.plugin.open_source(&first.source.options, &cancel)?;
        for job in &jobs {
            let report = preflight::check(job, state.as_ref(), &mut source);
            if let Some(signal) = signal::received() {
                return Err(Error::Stopped(signal));
            }
            if !args.json {
                show(&report)?;
            }
            notifier.judged(&report);
            reports.push(report);
        }
    }
    notifier.wait();
    if args.json {
        let document = json!({ "config": args.config.config.display().to_string(), "exports": reports });
        print(&format!("{document:#}\n"))?;
    }
    Ok(code(&reports, args.strict))
}

/// Shows what was found, and an error as `run` does.
fn show(report: &Report) -> Result<()> {
    print(&report.to_string())?;
    if let Some(failure) = &report.error {
        eprint_error(&format!("\n{}", failure.error.render()));
    }
    Ok(())
}

/// What cannot be checked fails; with `strict` a source that would suffer does as well.
fn code(reports: &[Report], strict: bool) -> u8 {
    let failed = reports.iter().find_map(|report| report.error.as_ref());
    let suffers = reports.iter().any(|report| report.verdict.is_some_and(preflight::Verdict::is_degraded));
    match failed {
        Some(failure) => failure.error.exit_code(),
        None if strict && suffers => exit::REFUSED,
        None => exit::OK,
    }
}
