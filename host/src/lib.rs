//! The host: configuration, orchestration, retries and state. It reads and writes nothing itself: connectors do, and it
//! knows none of them by name. The modules stand in the order in which a run goes through them.

mod cli;
mod command;
pub mod config;
mod secret;
mod signal;
mod plugin;
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
mod report;
mod notify;
mod error;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use rivet_plugin_api::abi::RvPlugin;
use tracing_subscriber::EnvFilter;

pub use error::exit;

/// Parses the command line, runs the command, and shows its error. `linked` are connectors built into the binary.
pub fn main_with(linked: &[&'static RvPlugin]) -> ExitCode {
    let arguments = cli::parse();
    init_logging();
    match command::run(&arguments, linked) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            // Nothing is left to do when standard error is gone.
            let _ = write!(std::io::stderr(), "{}", secret::redact(&e.render()));
            ExitCode::from(e.exit_code())
        }
    }
}

/// Logs go to standard error: warnings by default, more or less by `RUST_LOG`.
fn init_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let colour = std::io::stderr().is_terminal() && environment("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    subscriber.with_writer(|| secret::RedactedStderr).with_ansi(colour).init();
}

/// An environment variable that is set and not empty, and is text.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
