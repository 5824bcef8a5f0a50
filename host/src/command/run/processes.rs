//! Exports side by side in processes of their own, so that one cannot take the memory or the fate of another.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rivet_plugin_api::{Cancel, Error as ApiError};

use crate::cli::RunArgs;
use crate::clock;
use crate::error::{Error, Result, exit};
use crate::signal;

/// How often children are looked after.
const LOOK: Duration = Duration::from_millis(20);

/// Runs each export in a child, passes signals on to them, and answers the exit code of the first that failed.
pub fn run(args: &RunArgs, plugin_dirs: &[PathBuf], names: &[&str], cancel: &Cancel) -> Result<u8> {
    let failed = |e: io::Error| Error::Run(ApiError::from(e).context("could not start a process for an export"));
    let program = std::env::current_exe().map_err(failed)?;
    let config = std::path::absolute(&args.config.config).map_err(failed)?;
    let state = std::path::absolute(args.config.state_file()).map_err(failed)?;
    let mut children = Vec::new();
    for name in names {
        let mut command = Command::new(&program);
        command.arg("run").arg("--config").arg(&config).arg("--state").arg(&state).args(["--export", name]);
        let flags = [("--validate", args.validate), ("--reconcile", args.reconcile), ("--resume", args.resume)];
        command.args(flags.into_iter().filter(|(_, on)| *on).map(|(flag, _)| flag));
        for param in &args.params {
            command.args(["--param", param]);
        }
        for dir in plugin_dirs {
            command.arg("--plugin-dir").arg(dir);
        }
        children.push(command.stdin(Stdio::null()).spawn().map_err(failed)?);
    }
    let codes = wait(&mut children, cancel);
    let mut first = exit::OK;
    for (name, code) in names.iter().zip(codes) {
        if code != exit::OK {
            tracing::warn!("export \"{name}\" exited with status {code}");
            first = if first == exit::OK { code } else { first };
        }
    }
    Ok(first)
}

/// Waits for all. A signal that reached only this process is passed on once.
fn wait(children: &mut [Child], cancel: &Cancel) -> Vec<u8> {
    let mut passed_on = false;
    loop {
        let codes: Vec<Option<u8>> = children.iter_mut().map(code).collect();
        if let Some(codes) = codes.iter().copied().collect::<Option<Vec<u8>>>() {
            return codes;
        }
        if let Some(signal) = signal::received().filter(|_| !passed_on) {
            passed_on = true;
            let running = children.iter().zip(&codes).filter(|(_, code)| code.is_none());
            running.for_each(|(child, _)| signal::send(child.id(), signal));
        }
        // Cancelled, a sleep would end at once.
        let awake = Cancel::new();
        clock::sleep(LOOK, if passed_on { &awake } else { cancel });
    }
}

/// The exit code of a child that has ended. One that a signal ended counts as failed.
fn code(child: &mut Child) -> Option<u8> {
    match child.try_wait() {
        Ok(None) => None,
        Ok(Some(status)) => Some(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED)),
        Err(_) => Some(exit::FAILED),
    }
}
