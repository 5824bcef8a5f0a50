//! Exports side by side in processes of their own, so that one cannot take the memory or the fate of another. A child
//! tells its events in JSON, and this process tells them on.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use rivet_plugin_api::{Cancel, Error as ApiError};
use serde_json::Value;

use crate::cli::RunArgs;
use crate::error::{Error, Result, exit};
use crate::event::{Event, Listeners};
use crate::plan::Job;
use crate::report::{self, Status, Summary};
use crate::{clock, config, signal};

/// How often children are looked after.
const LOOK: Duration = Duration::from_millis(20);

const AGAIN: &str = "run the same command again: it redoes what was not finished";

/// Runs each export in a child, and answers the exit code of the first that failed. Signals reach the children through
/// [`signal::spawn`].
pub(super) fn run(args: &RunArgs, plugin_dirs: &[PathBuf], jobs: &[Job<'_>], listeners: &Listeners) -> Result<u8> {
    let command = command(args, plugin_dirs)?;
    let names: Vec<_> = jobs.iter().map(|job| job.export.name.as_str()).collect();
    let start = |job: &Job<'_>| {
        let mut command = copy_of(&command);
        let command = command.args(["--export", job.export.name.as_str()]).stdin(Stdio::null());
        // One that writes data to standard output tells its events where it logs.
        let stdout = if job.writes_to_stdout() { Stdio::inherit() } else { Stdio::piped() };
        signal::spawn(command.stdout(stdout).stderr(Stdio::piped()))
    };
    let mut children: Vec<_> = jobs.iter().map(start).collect();
    thread::scope(|scope| {
        let told: Vec<_> = names
            .iter()
            .zip(&mut children)
            .map(|(name, child)| match child {
                Ok(Some(child)) => Some(listen(scope, child, name, listeners)),
                _ => None,
            })
            .collect();
        let mut first = exit::OK;
        for ((name, child), told) in names.iter().zip(&mut children).zip(told) {
            let lost = |text: &str| failed(name, text, AGAIN, exit::FAILED, listeners);
            let code = match child {
                Ok(Some(child)) => {
                    let status = wait(child);
                    let told = told.and_then(|told| told.join().ok()).unwrap_or_default();
                    code(name, status, told, listeners)
                }
                Ok(None) => signal::received().map_or(exit::FAILED, |signal| Error::Stopped(signal).exit_code()),
                Err(e) => lost(&format!("export \"{name}\" has no process: {e}")),
            };
            first = if first == exit::OK { code } else { first };
        }
        Ok(first)
    })
}

/// What all children are started with.
fn command(args: &RunArgs, plugin_dirs: &[PathBuf]) -> Result<Command> {
    let failed = |e: io::Error| Error::Run(ApiError::from(e).context("could not start processes for the exports"));
    if config::is_stream(&args.config.config) {
        let error = ApiError::config("each process reads the configuration anew, and this one is no file");
        return Err(Error::Usage(error.hint("use `--parallel-exports`, or write the configuration to a file")));
    }
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["run", "--as-child", "--config"]).arg(std::path::absolute(&args.config.config).map_err(failed)?);
    command.arg("--state").arg(std::path::absolute(args.config.state_file()).map_err(failed)?);
    let flags = [
        ("--validate", args.validate),
        ("--reconcile", args.reconcile),
        ("--resume", args.resume),
        ("--isolate", args.isolation.isolate),
    ];
    command.args(flags.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag));
    for param in &args.exports.params {
        command.args(["--param", param]);
    }
    for dir in plugin_dirs {
        command.arg("--plugin-dir").arg(dir);
    }
    Ok(command)
}

/// A command with the same program and arguments.
fn copy_of(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

/// What a child said of its end.
#[derive(Default)]
struct Told {
    finished: bool,
    /// Why it did not come to its export, and what to do.
    error: Option<(String, String)>,
}

/// Tells on what a child tells; its log goes where ours does.
fn listen<'scope>(
    scope: &'scope Scope<'scope, '_>,
    child: &mut Child,
    name: &'scope str,
    listeners: &'scope Listeners,
) -> ScopedJoinHandle<'scope, Told> {
    let log = child.stderr.take().map(boxed);
    let (events, log) = match child.stdout.take() {
        Some(events) => (Some(boxed(events)), log),
        None => (log, None),
    };
    scope.spawn(move || {
        for line in lines(log) {
            report::eprint(&format!("{line}\n"));
        }
    });
    scope.spawn(move || {
        let mut told = Told::default();
        for line in lines(events) {
            let value: Value = serde_json::from_str(&line).unwrap_or_default();
            match value["type"].as_str() {
                // There is one run for all, and one result.
                Some("run_started" | "cancelled") => {}
                Some("result") => {
                    let text = |key: &str| value["error"][key].as_str().map(str::to_owned);
                    told.error = text("message").map(|message| (message, text("hint").unwrap_or_default()));
                }
                _ => match serde_json::from_value::<Event>(value) {
                    Ok(event) => {
                        told.finished |= matches!(event, Event::ExportFinished(_));
                        listeners.tell(Some(name), &event);
                    }
                    // A line of the log, or a connector's library that prints where it should not.
                    Err(_) => report::eprint(&format!("{line}\n")),
                },
            }
        }
        told
    })
}

type Pipe = Box<dyn Read + Send>;

fn boxed(pipe: impl Read + Send + 'static) -> Pipe {
    Box::new(pipe)
}

/// The lines of a pipe up to its end.
fn lines(pipe: Option<Pipe>) -> impl Iterator<Item = String> {
    let mut pipe = pipe.map(BufReader::new);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        pipe.as_mut()?.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
        Some(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned())
    })
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
fn code(name: &str, ended: io::Result<ExitStatus>, told: Told, listeners: &Listeners) -> u8 {
    let lost = |text: &str| failed(name, text, AGAIN, exit::FAILED, listeners);
    let status = match ended {
        Ok(status) => status,
        Err(e) => return lost(&format!("the process of export \"{name}\" is lost: {e}")),
    };
    let Some(code) = status.code() else {
        return lost(&format!("the process of export \"{name}\" did not finish: {status}"));
    };
    if code == 0 {
        return exit::OK;
    }
    let code = u8::try_from(code).unwrap_or(exit::FAILED);
    tracing::warn!("export \"{name}\" exited with status {code}");
    if !told.finished {
        let (error, hint) = told.error.unwrap_or_else(|| (format!("export \"{name}\" did not finish"), AGAIN.into()));
        return failed(name, &error, &hint, code, listeners);
    }
    code
}

/// Tells that an export failed which has no summary of its own, and answers its exit code.
fn failed(name: &str, error: &str, hint: &str, exit_code: u8, listeners: &Listeners) -> u8 {
    let (error, hint) = (Some(error.to_owned()), Some(hint.to_owned()).filter(|hint| !hint.is_empty()));
    let summary =
        Summary { export: name.to_owned(), status: Status::Failed, error, hint, exit_code, ..Summary::default() };
    listeners.tell(Some(name), &Event::ExportFinished(Box::new(summary)));
    exit_code
}
