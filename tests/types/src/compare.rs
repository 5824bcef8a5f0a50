//! A run and what the readers saw against what the case expects.

use serde_json::Value;

use crate::case::with_pictures;
use crate::run::Run;

/// The sections of a case that is not refused.
const EXPECTATIONS: [&str; 4] = ["arrow", "parquet", "rows", "csv"];

/// Everything that is not as the case says, for people.
pub(crate) fn differences(run: &Run, seen: &Value) -> Vec<String> {
    let outcome = match &run.outcome {
        Ok(outcome) => outcome,
        Err(reason) => return vec![reason.clone()],
    };
    if let Some(expected) = run.case.lines("error") {
        return refusal(run, &expected);
    }
    if !run.succeeded() {
        return vec![format!("the run failed or wrote no file; when it should fail, say so in [error]\n{outcome}")];
    }
    if let Some(reason) = seen["failed"].as_str() {
        return vec![format!("the files cannot be read: {reason}")];
    }
    let mut found = Vec::new();
    let missing = EXPECTATIONS.iter().filter(|section| run.case.section(section).is_none() && !crate::is_updating());
    found.extend(missing.map(|section| format!("the case has no [{section}]: RIVET_UPDATE_GOLDENS=1 fills it in")));
    for section in ["arrow", "parquet"] {
        if let Some(expected) = run.case.lines(section) {
            found.extend(difference(&format!("[{section}]"), &expected, &texts(&seen[section])));
        }
    }
    found.extend(rows(run, seen));
    if let Some(expected) = run.case.section("csv") {
        let text = with_pictures(&run.csv());
        if text != expected {
            found.push(format!("[csv]\n--- expected\n{expected}\n--- got\n{text}"));
        }
    }
    found
}

/// The run has to fail in every format, saying what is expected, and leave nothing behind.
fn refusal(run: &Run, expected: &[&str]) -> Vec<String> {
    let Ok(outcome) = &run.outcome else { return Vec::new() };
    let printed = format!("{}{}", outcome.stdout, outcome.stderr);
    let mut found = Vec::new();
    if outcome.code != Some(1) || !run.sandbox.out().is_empty() {
        found.push(format!("exit 1 and no files were expected, got {:?}: {outcome}", run.sandbox.out()));
    }
    let missing = expected.iter().filter(|text| !printed.contains(**text));
    found.extend(missing.map(|text| format!("[error]\n--- expected\n{text}\n--- got\n{outcome}")));
    found
}

/// Every reader's rows against the expected ones, or against each other while there are none.
fn rows(run: &Run, seen: &Value) -> Vec<String> {
    let Some(readers) = seen["rows"].as_object() else { return vec!["no reader saw rows".to_owned()] };
    let first = readers.values().next().map(texts).unwrap_or_default();
    let expected = run.case.lines("rows").unwrap_or(first);
    let parsed: Vec<Option<Value>> = expected.iter().map(|line| serde_json::from_str(line).ok()).collect();
    let mut found = Vec::new();
    for (reader, lines) in readers {
        let lines = texts(lines);
        if lines.len() != expected.len() {
            found.push(format!("[rows] by {reader}: {} rows were expected, got {}", expected.len(), lines.len()));
        }
        for (number, line) in lines.iter().enumerate().take(expected.len()) {
            if parsed[number].is_none() || serde_json::from_str(line).ok() != parsed[number] {
                let row = number + 1;
                found.push(format!(
                    "[rows] by {reader}, row {row}\n--- expected\n{}\n--- got\n{line}",
                    expected[number]
                ));
            }
        }
    }
    found
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn difference(what: &str, expected: &[&str], found: &[&str]) -> Option<String> {
    (expected != found).then(|| format!("{what}\n--- expected\n{}\n--- got\n{}", expected.join("\n"), found.join("\n")))
}

/// Writes what was seen into the sections that the case lacks. The author then holds every line against the SQL.
pub(crate) fn fill_in(run: &Run, seen: &Value) {
    let mut case = run.case.clone();
    if case.is_refused() {
        return;
    }
    let rows = seen["rows"].as_object().and_then(|readers| readers.values().next()).unwrap_or(&Value::Null);
    for (section, lines) in [("arrow", &seen["arrow"]), ("parquet", &seen["parquet"]), ("rows", rows)] {
        if case.section(section).is_none() {
            case.add(section, &format!("{}\n", texts(lines).join("\n")));
        }
    }
    if case.section("csv").is_none() {
        case.add("csv", &with_pictures(&run.csv()));
    }
}
