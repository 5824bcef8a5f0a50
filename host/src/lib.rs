//! The host: configuration, orchestration, retries and state. It reads and writes nothing itself: connectors do, and it
//! knows none of them by name. The modules stand in the order in which a run goes through them.

mod cli;
mod command;
mod distribution;
mod advice;
mod column;
pub mod config;
mod secret;
mod signal;
mod plugin;
mod init;
mod scaffold;
mod plan;
mod preflight;
mod run;
mod reading;
mod dense;
mod window;
mod workers;
mod meta;
mod pipeline;
mod queue;
mod quality;
mod throttle;
mod inspect;
mod retry;
mod clock;
mod memory;
pub mod state;
mod doctor;
mod event;
mod report;
mod notify;
mod code;
mod error;
mod build_dist;

use std::process::ExitCode;

use rivet_plugin_api::abi::RvPlugin;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

pub use distribution::Distribution;
pub use error::exit;
// For tests/fuzz alone.
#[doc(hidden)]
pub use plugin::{Lock, Trusted, platform};

/// The stock program with these connectors built into it: what [`main_of`] does with [`Distribution::stock`].
pub fn main_with(linked: &[&'static RvPlugin]) -> ExitCode {
    main_of(&Distribution::stock(linked))
}

/// Parses the command line, runs the command, and shows its error, under the name that the distribution has.
pub fn main_of(distribution: &Distribution<'_>) -> ExitCode {
    distribution::set(distribution);
    let arguments = cli::parse();
    if let cli::Command::PluginServe = arguments.command {
        return plugin::serve(distribution.linked);
    }
    rivet_plugin_api::abi::name_plugins_in_crashes();
    init_logging();
    match command::run(&arguments, distribution.linked) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            report::eprint_error(&e.render());
            ExitCode::from(e.exit_code())
        }
    }
}

/// Logs go to standard error: warnings by default, more or less by `RUST_LOG`.
fn init_logging() {
    let lines = fmt::layer().log_internal_errors(false).with_writer(|| secret::RedactedStderr);
    let lines = lines.with_ansi(report::has_colours());
    tracing_subscriber::registry().with(log_filter()).with(lines).with(event::Warnings).init();
    rivet_plugin_api::abi::redact_events(secret::redact);
    if let Some(asked) = environment("RUST_LOG").filter(|asked| filter_of(asked).is_none()) {
        tracing::warn!("RUST_LOG is \"{asked}\", not error, warn, info, debug or trace: warnings are logged");
    }
}

fn log_filter() -> EnvFilter {
    environment("RUST_LOG").as_deref().and_then(filter_of).unwrap_or_else(|| EnvFilter::new("warn"))
}

/// What `RUST_LOG` asks for. A word that is no level would be the name of a part of the program: a slip is none, and
/// nothing at all would be logged.
fn filter_of(asked: &str) -> Option<EnvFilter> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_part = |word: &str| word.contains(['=', '[', ':']) || word.contains("rivet");
    let is_known = |word: &str| word.is_empty() || is_level(word) || is_part(word);
    if asked.split(',').map(str::trim).all(is_known) { EnvFilter::try_new(asked).ok() } else { None }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// An environment variable that is set and not empty, and is text.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
