//! What is printed and what the reference says are the same, in both directions.

use std::collections::BTreeMap;

use rivet_plugin_api::Category;

use super::*;
use crate::state::{ChunkReport, ChunkRow, FileRecord, RunRecord, StoredCursor};

const PAGE: &str = include_str!("../../../../docs/src/reference/json.md");

/// Fields and their types.
type Fields = BTreeMap<String, String>;

/// What the page says, by heading.
fn documented() -> BTreeMap<String, Fields> {
    let mut sections: BTreeMap<String, Fields> = BTreeMap::new();
    let mut heading = None;
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            // The plug-in commands' own tests hold what these print.
            heading = Some(title.replace('`', "")).filter(|title| !title.starts_with("rivet plugin "));
        } else if let (Some(row), Some(heading)) = (line.strip_prefix("| `"), &heading) {
            let mut cells = row.split(" | ").map(|cell| cell.trim_end_matches('`').to_owned());
            let (name, kind) = (cells.next().unwrap(), cells.next().unwrap());
            sections.entry(heading.clone()).or_default().insert(name, kind);
        }
    }
    sections
}

/// One event of each type.
fn events() -> Vec<Event> {
    let text = || "text".to_owned();
    vec![
        Event::RunStarted { version: text(), exports: vec![text()] },
        Event::ExportStarted { run_id: text() },
        Event::Planned { chunks: 1, pending: 1, rows: None, resumable: false },
        Event::Progress { rows: 1, bytes: 1 },
        Event::PartWritten { chunk: 0, file: text(), location: text(), rows: 1, bytes: 1 },
        Event::ChunkFinished { chunk: 0, rows: 1, bytes: 1, files: 1, done: 1, chunks: 1 },
        Event::Retry { retry: 1, max_retries: 1, pause_ms: 1, category: Category::Network, error: text() },
        Event::MemoryWait { rss_mb: 1, limit_mb: 1 },
        Event::SchemaChanged { changes: vec![text()] },
        Event::Warning { message: text() },
        Event::Cancelled { signal: 2 },
        Event::ExportFinished(Box::default()),
    ]
}

/// What is printed, by heading.
fn printed() -> BTreeMap<String, Value> {
    let mut printed = BTreeMap::new();
    for event in events() {
        let mut value = serde_json::to_value(&event).unwrap();
        let fields = value.as_object_mut().unwrap();
        // These two are said once for all.
        fields.remove("export");
        let name = fields.remove("type").unwrap().as_str().unwrap().to_owned();
        printed.insert(name, value);
    }
    let mut result = Json::default().result(2, Some(json!({})));
    result.as_object_mut().unwrap().remove("type");
    printed.insert("result".to_owned(), result);
    let report = ChunkReport { chunks: vec![ChunkRow::default()], ..ChunkReport::default() };
    for (name, record) in [
        ("rivet state show --json", serde_json::to_value(StoredCursor::default())),
        ("rivet state files --json", serde_json::to_value(FileRecord::default())),
        ("rivet state chunks --json", serde_json::to_value(&report)),
        ("chunks of rivet state chunks --json", serde_json::to_value(&report.chunks[0])),
        ("rivet metrics --json", serde_json::to_value(RunRecord::default())),
    ] {
        printed.insert(name.to_owned(), record.unwrap());
    }
    printed
}

fn fits(value: &Value, kind: &str) -> bool {
    match value {
        Value::Null => kind.ends_with('?'),
        Value::Bool(_) => kind.starts_with("boolean"),
        Value::Number(n) => kind.starts_with("integer") && n.is_u64() || n.is_i64(),
        Value::String(_) => kind.starts_with("string"),
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind.starts_with("object"),
    }
}

#[test]
fn every_field_is_documented_and_every_documented_field_is_printed() {
    let (documented, printed) = (documented(), printed());
    let names = |of: &dyn Fn(&str) -> Vec<String>| documented.keys().map(|key| of(key)).collect::<Vec<_>>();
    assert_eq!(documented.keys().collect::<Vec<_>>(), printed.keys().collect::<Vec<_>>());
    let said = names(&|key| documented[key].keys().cloned().collect());
    let found = names(&|key| printed[key].as_object().unwrap().keys().cloned().collect());
    assert_eq!(found, said);
    for (name, fields) in &documented {
        for (field, kind) in fields {
            assert!(fits(&printed[name][field], kind), "{name}: {field} is {} and no {kind}", printed[name][field]);
        }
    }
}

#[test]
fn what_a_child_tells_is_what_its_parent_hears() {
    for event in events() {
        let value = serde_json::to_value(&event).unwrap();
        let heard: Event = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(heard).unwrap(), value);
    }
}

#[test]
fn a_secret_is_hidden_also_where_json_would_write_it_otherwise() {
    secret::add(&["qu\"o\\te-canary".to_owned()]);
    let mut line = json!({ "a": ["x qu\"o\\te-canary y"], "b": { "c": "qu\"o\\te-canary" } });
    redact(&mut line);
    assert_eq!(line, json!({ "a": ["x *** y"], "b": { "c": "***" } }));
}
