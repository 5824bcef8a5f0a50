//! The state file as a whole: what opens, what is refused, and that a window is closed wholly or not at all.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rivet_plugin_api::{CursorValue, Part};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::*;

mod lock;
mod open;
mod tables;
mod window;

/// A directory with the path of a state file in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    (directory, path)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    at("2026-03-29T12:52:00Z")
}

/// The names in the directory of `path`, without SQLite's own side files.
fn names(path: &Path) -> Vec<String> {
    let entries = path.parent().unwrap().read_dir().unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    names.sort();
    names
}

fn part(name: &str, rows: u64) -> Part {
    Part { name: name.into(), location: format!("/out/{name}"), rows, bytes: 10 * rows, ..Part::default() }
}

fn begin(lock: &RunLock, run_id: &str, chunks: usize, now: Timestamp) -> Result<Intent> {
    let chunk = |i: usize| ChunkPlan {
        start: Some(format!("{i}00")),
        end: Some(format!("{i}99")),
        plan: json!({"from": i}).into(),
    };
    let chunks: Vec<ChunkPlan> = (0..chunks).map(chunk).collect();
    let new = NewIntent {
        run_id,
        mode: "chunked",
        window: &json!({"hi": "99"}),
        chunks: &chunks,
        config_fingerprint: "c0ffee",
        source_fingerprint: "source",
        destination_fingerprint: "destination",
    };
    lock.begin(&new, now)
}

fn metrics(export: &str, run_id: &str) -> RunMetrics {
    RunMetrics { export: export.into(), run_id: Some(run_id.into()), status: "success".into(), ..RunMetrics::default() }
}

fn cursor(value: i64) -> CursorUpdate {
    CursorUpdate { value: Some(CursorValue::Int(value)), column: "id".into(), source: "source".into() }
}
