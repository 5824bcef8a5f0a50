//! `rivet plugin list`: every plug-in that was looked at, and what became of it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::command::print;
use crate::error::Result;
use crate::plugin::{Catalog, Verdict};
use crate::{config, environment};

/// Prints usable plug-ins as a table, then refused files, then the directories searched.
pub fn list(config_file: Option<&Path>, catalog: impl Fn(&[PathBuf]) -> Result<Catalog>) -> Result<u8> {
    let dirs = match config_file {
        Some(file) => config::load(file, &[], &environment)?.plugins,
        None => Vec::new(),
    };
    let catalog = catalog(&dirs)?;
    let (linked, found) = catalog.list();
    let mut table = format!("{:<16} {:<10} {:<20} {:<5} FROM\n", "NAME", "VERSION", "KIND", "ABI");
    let mut first: HashMap<String, PathBuf> = HashMap::new();
    for plugin in &linked {
        let (spec, (major, minor)) = (plugin.spec(), plugin.abi());
        let kinds = [spec.source.as_ref().map(|_| "source"), spec.destination.as_ref().map(|_| "destination")];
        let kinds: Vec<&str> = kinds.into_iter().flatten().collect();
        row(&mut table, [&spec.name, &spec.version, &kinds.join(","), &format!("{major}.{minor}"), "built in"]);
        first.insert(spec.name.clone(), "built in".into());
    }
    let mut refused = String::new();
    for file in &found {
        match &file.verdict {
            Verdict::Usable(marker) => {
                let mut from = file.path.display().to_string();
                match first.get(&marker.name) {
                    Some(other) if *other == file.path => continue,
                    Some(other) => {
                        let _ = write!(from, "  (not used: {} comes first)", other.display());
                    }
                    None => drop(first.insert(marker.name.clone(), file.path.clone())),
                }
                row(&mut table, [&marker.name, &marker.version, &marker.kinds, &marker.abi, &from]);
            }
            Verdict::Refused(refusal) => {
                let _ = writeln!(refused, "refused: {refusal}");
            }
        }
    }
    if !refused.is_empty() {
        table.push('\n');
        table.push_str(&refused);
    }
    table.push_str("\nSearched, in this order:\n");
    for (dir, why) in catalog.search().directories() {
        let absent = if dir.exists() { "" } else { ", does not exist" };
        let _ = writeln!(table, "  {} ({why}{absent})", dir.display());
    }
    print(&table)
}

fn row(table: &mut String, [name, version, kind, abi, from]: [&str; 5]) {
    let _ = writeln!(table, "{name:<16} {version:<10} {kind:<20} {abi:<5} {from}");
}
