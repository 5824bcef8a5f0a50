//! `rivet state` and `rivet metrics`: look at the state file. Neither reads the configuration or creates a file.

use std::fmt::Write as _;

use super::print;
use crate::cli::{ConfigArgs, HistoryArgs, StateCommand};
use crate::clock;
use crate::error::Result;
use crate::state::{RunLock, State, cursor_table, file_table, metrics_table};

/// Runs `rivet state …`.
pub fn state(command: &StateCommand) -> Result<u8> {
    match command {
        StateCommand::Show { config } => {
            let cursors = look(config)?.map(|s| s.cursors()).transpose()?.unwrap_or_default();
            print(&cursor_table(&cursors))
        }
        StateCommand::Files(args) => {
            let files = look(&args.config)?.map(|s| s.files(args.export.as_deref(), args.last)).transpose()?;
            print(&file_table(&files.unwrap_or_default()))
        }
        StateCommand::Reset { config, export } => reset(config, export),
    }
}

/// Runs `rivet metrics`.
pub fn metrics(args: &HistoryArgs<20>) -> Result<u8> {
    let runs = look(&args.config)?.map(|s| s.runs(args.export.as_deref(), args.last)).transpose()?;
    print(&metrics_table(&runs.unwrap_or_default()))
}

fn look(config: &ConfigArgs) -> Result<Option<State>> {
    Ok(State::open_read_only(&config.state_file())?)
}

fn reset(config: &ConfigArgs, export: &str) -> Result<u8> {
    let mut text = String::new();
    if let Some(state) = State::open_existing(&config.state_file())?
        && let Some(open) = RunLock::acquire(&state, export, clock::now())?.reset_cursor(clock::now())?
    {
        let _ = writeln!(text, "Gave up the unfinished run {}: its files, if any, stay where they are", open.run_id);
    }
    let _ = writeln!(text, "State reset for export '{export}'");
    print(&text)
}
