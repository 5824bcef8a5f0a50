//! The configuration as text with comments, and the table of what was found.

use std::fmt::Write as _;

use super::choose::{Choice, Chosen, choose};
use super::survey::{Found, Override};
use super::text::{Names, key, scalar, shown};
use crate::state::human_bytes;

/// What stands under `source`.
pub struct Source {
    /// The connector's name.
    pub kind: String,
    /// `url` or `url_env`.
    pub key: &'static str,
    /// The location, or the variable that holds it.
    pub value: String,
}

/// What stands under `destination` of each export.
pub struct Destination {
    /// The connector's name.
    pub kind: String,
}

/// The file that the schema of configurations is expected in.
const SCHEMA_FILE: &str = "rivet.schema.json";
/// Values of the key that one chunk spans; what a configuration without the key gets too.
const CHUNK_SIZE: u64 = 100_000;

/// The configuration: one export for each table that can be read, and a comment for each other one.
pub fn configuration(source: &Source, destination: &Destination, tables: &[Found]) -> String {
    let mut out = format!(
        "# yaml-language-server: $schema=./{SCHEMA_FILE}
# The line above lets editors complete and check this file, once `rivet schema config > {SCHEMA_FILE}` has been run.
#
# Written by `rivet init`, to be read and changed: what is needed of each table, and where it goes.

source:
  type: {}
  {}: {}
  # How hard the source is worked: fast for a replica of one's own, safe for a database under load.
  # tuning: {{ profile: balanced }}

exports:
",
        scalar(&source.kind),
        source.key,
        scalar(&source.value)
    );
    let mut names = Names::default();
    let readable = tables.iter().filter(|found| found.problem.is_none()).count();
    if readable == 0 {
        out.truncate(out.len() - "\n".len());
        out.push_str(" []\n");
    }
    for (place, found) in tables.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        match &found.problem {
            Some(problem) => {
                let _ = writeln!(out, "  # {}: left out: {}", title(found), shown(problem));
            }
            None => export(&mut out, &names.name(found.table.schema.as_deref(), &found.table.name), destination, found),
        }
    }
    out
}

fn export(out: &mut String, name: &str, destination: &Destination, found: &Found) {
    let Choice { mode, reason, grows, warnings } = choose(found);
    let mut line = |text: &str| {
        out.push_str("  ");
        out.push_str(text);
        out.push('\n');
    };
    line(&format!("# {}: {}", title(found), size(found)));
    for warning in &warnings {
        line(&format!("# Note: {}.", shown(warning)));
    }
    line(&format!("- name: {}", scalar(name)));
    line(&format!("  query: {}", scalar(&found.table.query)));
    line(&format!("  # {}.", sentence(&mode, &reason)));
    line(&format!("  mode: {}", mode.as_str()));
    match &mode {
        Chosen::Full => {}
        Chosen::Incremental(column) => line(&format!("  cursor_column: {}", scalar(column))),
        Chosen::Chunked(column) => {
            line(&format!("  chunk_column: {}", scalar(column)));
            line(&format!("  chunk_size: {CHUNK_SIZE}"));
            line("  # parallel: 4  # chunks that are read at once");
        }
    }
    if let Some(column) = grows {
        line("  # If rows are only ever added and never changed, each run can read the new ones alone, by");
        line(&format!("  # `mode: incremental` and `cursor_column: {}`.", shown(&scalar(&column))));
    }
    line("  format: parquet");
    if !found.needed.is_empty() {
        for Override { column, reason, .. } in &found.needed {
            line(&format!("  # \"{}\": {}.", shown(column), shown(reason)));
        }
        line(&format!("  columns: {}", overrides(&found.needed)));
    }
    offers(&mut line, found);
    line(&format!("  destination: {{ type: {}, path: ./output }}", scalar(&destination.kind)));
}

/// Overrides that are there to be uncommented. They take the place of those that are needed, so they repeat them.
fn offers(line: &mut impl FnMut(&str), found: &Found) {
    let mut reasons: Vec<&str> = found.offered.iter().map(|o| o.reason.as_str()).collect();
    reasons.dedup();
    for reason in reasons {
        let chosen = found.offered.iter().filter(|o| o.reason == reason);
        let all: Vec<Override> = found.needed.iter().chain(chosen).cloned().collect();
        line(&format!("  # columns: {}  # {}", shown(&overrides(&all)), shown(reason)));
    }
}

fn overrides(all: &[Override]) -> String {
    let entries: Vec<String> = all.iter().map(|o| format!("{}: {}", key(&o.column), scalar(&o.to))).collect();
    format!("{{ {} }}", entries.join(", "))
}

fn sentence(mode: &Chosen, reason: &str) -> String {
    match mode {
        Chosen::Incremental(column) => format!("New and changed rows by \"{}\": {reason}", shown(column)),
        Chosen::Chunked(column) => format!("All rows, in ranges of \"{}\": {reason}", shown(column)),
        Chosen::Full => format!("All rows: {reason}"),
    }
}

/// The table's name with its schema.
fn title(found: &Found) -> String {
    let schema = found.table.schema.iter().map(|schema| format!("{}.", shown(schema)));
    schema.collect::<String>() + &shown(&found.table.name)
}

fn size(found: &Found) -> String {
    let table = &found.table;
    let mut parts = vec![if table.is_view { "a view" } else { "a table" }.to_owned()];
    parts.extend(table.rows.map(|rows| format!("about {} rows", grouped(rows))));
    parts.extend(table.bytes.map(human_bytes));
    if !table.primary_key.is_empty() {
        parts.push(format!("key {}", shown(&table.primary_key.join(", "))));
    }
    parts.join(", ")
}

/// `1234567` as `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let places = digits.chars().enumerate();
    let spaced = places.flat_map(|(i, c)| {
        let is_start = i > 0 && (digits.len() - i).is_multiple_of(3);
        is_start.then_some(' ').into_iter().chain([c])
    });
    spaced.collect()
}

/// What was found and why each table gets its mode, for people.
pub fn report(tables: &[Found]) -> String {
    let width = tables.iter().map(|found| title(found).chars().count()).max().unwrap_or(0).clamp(5, 48);
    let mut out = format!("{:<width$}  {:>13}  {:>9}  {:<12} WHY\n", "TABLE", "ROWS", "SIZE", "MODE");
    for found in tables {
        let rows = found.table.rows.map_or_else(|| "?".to_owned(), |rows| format!("~{}", grouped(rows)));
        let bytes = found.table.bytes.map_or_else(|| "?".to_owned(), human_bytes);
        let (mode, why, warnings) = if let Some(problem) = &found.problem {
            ("left out", shown(problem), Vec::new())
        } else {
            let Choice { mode, reason, warnings, .. } = choose(found);
            let why = match &mode {
                Chosen::Full => reason,
                Chosen::Incremental(column) | Chosen::Chunked(column) => format!("{}: {reason}", shown(column)),
            };
            (mode.as_str(), why, warnings)
        };
        let _ = writeln!(out, "{:<width$}  {rows:>13}  {bytes:>9}  {mode:<12} {why}", title(found));
        for warning in warnings {
            let _ = writeln!(out, "{:<width$}  {:>13}  {:>9}  {:<12} warning: {}", "", "", "", "", shown(&warning));
        }
    }
    out
}
