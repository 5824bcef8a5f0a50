//! One file a verb: what each command does with its arguments.

mod check;
mod doctor;
mod explain;
mod init;
mod plugin;
mod report;
mod run;
mod schema;
mod state;

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use rivet_plugin_api::abi::RvPlugin;

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::error::{Error, Result, exit};
use crate::plugin::Finder;
use crate::report::apart;
use crate::{advice, cli, distribution, secret};

/// Runs the command and answers the process's exit code.
pub fn run(arguments: &Cli, linked: &[&'static RvPlugin]) -> Result<u8> {
    advice::remember(&arguments.command);
    let finder = Finder { linked, dirs: &arguments.plugin_dir };
    let catalog = |config: Option<&Config>| finder.catalog(config);
    match &arguments.command {
        Command::Run(args) => run::run(args, &arguments.plugin_dir, catalog),
        Command::Doctor(args) => doctor::doctor(args, catalog),
        Command::Check(args) => check::check(args, catalog),
        Command::State(command) => state::state(command),
        Command::Init(args) => init::init(args, &catalog(None)?),
        Command::Metrics { history, last } => state::metrics(history, *last),
        Command::Report(args) => report::report(args),
        Command::Plugin(command) => plugin::plugin(command, &finder),
        Command::Schema(cli::SchemaCommand::Config { config }) => schema::config(config.as_deref(), catalog),
        Command::ExplainError { codes } => explain::explain(codes),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut cli::description(), distribution::name(), &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        // Answered before anything else was set up.
        Command::PluginServe => Ok(exit::OK),
        Command::Man { output } => man(output),
    }
}

/// Writes manual pages: `rivet.1`, `rivet-run.1` and so on.
fn man(output: &Path) -> Result<u8> {
    let write = || std::fs::create_dir_all(output).and_then(|()| clap_mangen::generate_to(cli::description(), output));
    write().map_err(|e| {
        let error = rivet_plugin_api::Error::from(e);
        Error::Run(error.context(format!("could not write manual pages to {}", output.display())))
    })?;
    Ok(exit::OK)
}

/// Prints a report.
pub fn print(text: &str) -> Result<u8> {
    print_as_it_is(&secret::redact(text))
}

/// Prints data, in which a word that happens to be a password too must stay what it is. A reader that has seen enough
/// closes the pipe, which is no failure.
fn print_as_it_is(text: &str) -> Result<u8> {
    let mut out = std::io::stdout();
    match apart(|| out.write_all(text.as_bytes()).and_then(|()| out.flush())) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Run(rivet_plugin_api::Error::from(e).context("could not write to standard output")))
        }
        _ => Ok(exit::OK),
    }
}
