//! `rivet state` and `rivet metrics`: look at the state file. Neither reads the configuration or creates a file.

use std::fmt::Write as _;
use std::path::Path;

use rivet_plugin_api::Error as ApiError;
use serde::Serialize;

use super::print;
use crate::cli::{ConfigArgs, ExportArgs, HistoryArgs, OutputArgs, StateCommand};
use crate::error::Result;
use crate::state::{Intent, RunLock, State, chunk_table, cursor_table, file_table, metrics_table};
use crate::{advice, clock};

/// Runs `rivet state …`.
pub fn state(command: &StateCommand) -> Result<u8> {
    match command {
        StateCommand::Show { config, output } => {
            let cursors = look(config)?.map(|s| s.cursors()).transpose()?.unwrap_or_default();
            show(*output, &cursors, || cursor_table(&cursors))
        }
        StateCommand::Files { history: HistoryArgs { config, export, output }, last } => {
            let state = look(config)?;
            let files = state.as_ref().map(|s| s.files(export.as_deref(), *last)).transpose()?.unwrap_or_default();
            let open = state.map(|s| s.unfinished_files(export.as_deref())).transpose()?.unwrap_or_default();
            for (export, run, files) in &open {
                warn_of_unfinished(export, run, *files);
            }
            show(*output, &files, || file_table(&files))
        }
        StateCommand::Chunks { export: ExportArgs { config, export }, output } => {
            let report = look(config)?.map(|s| s.chunks(export)).transpose()?.flatten();
            show(*output, &report, || chunk_table(&config.state_file(), export, report.as_ref()))
        }
        StateCommand::ResetChunks(ExportArgs { config, export }) => reset_chunks(config, export),
        StateCommand::Reset(ExportArgs { config, export }) => reset(config, export),
        StateCommand::Adopt(ExportArgs { config, export }) => adopt(config, export),
    }
}

/// Runs `rivet metrics`.
pub fn metrics(args: &HistoryArgs, last: usize) -> Result<u8> {
    let runs = look(&args.config)?.map(|s| s.runs(args.export.as_deref(), last)).transpose()?;
    let runs = runs.unwrap_or_default();
    show(args.output, &runs, || metrics_table(&runs))
}

/// Prints records as a table, or as one line of JSON.
fn show(output: OutputArgs, records: &impl Serialize, table: impl FnOnce() -> String) -> Result<u8> {
    if !output.json {
        return print(&table());
    }
    let json = serde_json::to_string(records).map_err(|e| ApiError::internal(format!("records are no JSON: {e}")))?;
    print(&(json + "\n"))
}

fn look(config: &ConfigArgs) -> Result<Option<State>> {
    let file = config.state_file();
    let state = State::open_read_only(&file)?;
    warn_of_neither(config, &file, state.is_some());
    Ok(state)
}

/// Files of a run are listed once it has succeeded.
fn warn_of_unfinished(export: &str, run: &str, files: u64) {
    let chunks = advice::command("state chunks", &format!("--export {export}"));
    tracing::warn!(
        "run {run} is not finished: files that it has written so far ({files}) are not listed; see {chunks}"
    );
}

/// Without a run there is no state yet; without a configuration either, a name was mistyped.
fn warn_of_neither(config: &ConfigArgs, file: &Path, is_there: bool) {
    if !is_there && !config.config.exists() {
        tracing::warn!("there is neither \"{}\" nor a state file \"{}\"", config.config.display(), file.display());
    }
}

/// Opens the state to change what it holds of `export`. What is not there needs no change, but may be a slip.
fn change(config: &ConfigArgs, export: &str) -> Result<Option<State>> {
    let file = config.state_file();
    let state = State::open_existing(&file)?;
    warn_of_neither(config, &file, state.is_some());
    if let Some(state) = &state
        && !state.knows(export)?
    {
        tracing::warn!("the state file \"{}\" holds nothing of an export \"{export}\"", file.display());
    }
    Ok(state)
}

fn reset(config: &ConfigArgs, export: &str) -> Result<u8> {
    let mut text = String::new();
    if let Some(state) = change(config, export)? {
        let open = RunLock::acquire(&state, export, clock::now())?.reset_cursor(clock::now())?;
        text += &given_up(open.as_ref());
    }
    let _ = writeln!(text, "State reset for export '{export}'");
    print(&text)
}

fn reset_chunks(config: &ConfigArgs, export: &str) -> Result<u8> {
    let (mut text, mut removed) = (String::new(), 0);
    if let Some(state) = change(config, export)? {
        let (runs, open) = RunLock::acquire(&state, export, clock::now())?.reset_chunks(clock::now())?;
        removed = runs;
        text += &given_up(open.as_ref());
    }
    let _ = writeln!(text, "Removed {removed} chunk run record(s) for export '{export}'.");
    print(&text)
}

fn adopt(config: &ConfigArgs, export: &str) -> Result<u8> {
    let state = change(config, export)?;
    let adopted = match &state {
        Some(state) => RunLock::acquire(state, export, clock::now())?.adopt_cursor()?,
        None => false,
    };
    if adopted {
        return print(&format!("The cursor of export '{export}' goes on with the source of its next run\n"));
    }
    let hint = "\"rivet state show\" lists the exports that have one";
    Err(ApiError::not_found(format!("export \"{export}\" has no cursor")).hint(hint).into())
}

/// What an unfinished run leaves: only the next run knows the destination.
fn given_up(open: Option<&Intent>) -> String {
    let Some(open) = open else { return String::new() };
    let mut text = format!("Gave up the unfinished run {}: its files, if any, stay where they are\n", open.run_id);
    for part in open.chunks.iter().flat_map(|chunk| &chunk.parts) {
        let _ = writeln!(text, "  {}", part.location);
    }
    text
}
