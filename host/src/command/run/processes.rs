//! Exports side by side in processes of their own, so that one cannot take the memory or the fate of another.

use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rivet_plugin_api::{Cancel, Error as ApiError};

use super::eprint_redacted;
use crate::cli::RunArgs;
use crate::error::{Error, Result, exit};
use crate::notify::Notifier;
use crate::plan::Job;
use crate::{clock, config, signal};

/// How often children are looked after.
const LOOK: Duration = Duration::from_millis(20);

/// Runs each export in a child and answers the exit code of the first that failed. Signals reach the children through
/// [`signal::spawn`]. A child notifies of itself, unless it did not finish.
pub fn run(args: &RunArgs, plugin_dirs: &[PathBuf], jobs: &[Job<'_>], notifier: &Notifier) -> Result<u8> {
    let failed = |e: io::Error| Error::Run(ApiError::from(e).context("could not start processes for the exports"));
    if config::is_stream(&args.config.config) {
        let error = ApiError::config("each process reads the configuration anew, and this one is no file");
        return Err(Error::Usage(error.hint("use `--parallel-exports`, or write the configuration to a file")));
    }
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("run").arg("--config").arg(std::path::absolute(&args.config.config).map_err(failed)?);
    command.arg("--state").arg(std::path::absolute(args.config.state_file()).map_err(failed)?);
    let flags = [("--validate", args.validate), ("--reconcile", args.reconcile), ("--resume", args.resume)];
    command.args(flags.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag));
    for param in &args.params {
        command.args(["--param", param]);
    }
    for dir in plugin_dirs {
        command.arg("--plugin-dir").arg(dir);
    }
    let has_data = jobs.iter().any(Job::writes_to_stdout);
    let start = |job: &Job<'_>| {
        let mut command = copy_of(&command);
        if has_data && !job.writes_to_stdout() {
            // A child does not know that the data of another one goes where its summary would.
            command.stdout(io::stderr().as_fd().try_clone_to_owned()?);
        }
        signal::spawn(command.args(["--export", job.export.name.as_str()]).stdin(Stdio::null()))
    };
    let mut children: Vec<_> = jobs.iter().map(start).collect();
    let mut first = exit::OK;
    for (name, child) in jobs.iter().map(|job| job.export.name.as_str()).zip(&mut children) {
        let code = match child {
            Ok(Some(child)) => code(name, wait(child), notifier),
            Ok(None) => signal::received().map_or(exit::FAILED, |signal| Error::Stopped(signal).exit_code()),
            Err(e) => tell(name, &format!("export \"{name}\" has no process: {e}"), notifier),
        };
        first = if first == exit::OK { code } else { first };
    }
    Ok(first)
}

/// A command with the same program and arguments.
fn copy_of(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = signal::try_wait(child)? {
            return Ok(status);
        }
        clock::sleep(LOOK, &Cancel::new());
    }
}

/// The exit code of a child that has ended. A child says itself why it failed, unless a signal ended it.
fn code(name: &str, ended: io::Result<ExitStatus>, notifier: &Notifier) -> u8 {
    match ended {
        Ok(status) => match status.code() {
            Some(0) => exit::OK,
            Some(code) => {
                tracing::warn!("export \"{name}\" exited with status {code}");
                u8::try_from(code).unwrap_or(exit::FAILED)
            }
            None => tell(name, &format!("the process of export \"{name}\" did not finish: {status}"), notifier),
        },
        Err(e) => tell(name, &format!("the process of export \"{name}\" is lost: {e}"), notifier),
    }
}

fn tell(name: &str, text: &str, notifier: &Notifier) -> u8 {
    let hint = "run the same command again: it redoes what was not finished";
    let error = Error::Run(ApiError::permanent(text).hint(hint));
    eprint_redacted(&format!("\n{}", error.render()));
    notifier.failed(&[name], &error);
    exit::FAILED
}
