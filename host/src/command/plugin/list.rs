//! `rivet plugin list`: every plug-in that was looked at, and what became of it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use rivet_plugin_api::Error as ApiError;
use serde::Serialize;

use super::configuration;
use crate::cli::OutputArgs;
use crate::command::print;
use crate::error::{Error, Result};
use crate::plugin::{Catalog, Finder, Found, Lock, Trusted, Verdict, glance};

/// What there is, in the order of the search.
#[derive(Debug, Serialize)]
struct Report {
    plugins: Vec<Line>,
    searched: Vec<Searched>,
    /// The lock file that was compared with.
    lock: Option<String>,
}

/// A file, or a plug-in that is linked in.
#[derive(Debug, Default, Serialize)]
pub(super) struct Line {
    /// `None` when it is linked in.
    path: Option<String>,
    name: Option<String>,
    version: Option<String>,
    kinds: Vec<String>,
    abi: Option<String>,
    needs: Option<String>,
    /// Whether it is the one that the lock file names; absent without a lock file.
    locked: Option<bool>,
    /// Why it does not agree with the lock file.
    lock_problem: Option<String>,
    /// Whether others could change it and the user trusts its content.
    trusted: bool,
    /// The file of the same name that comes first in the search, and is used instead.
    shadowed_by: Option<String>,
    /// Why it is refused.
    refused: Option<String>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Searched {
    directory: String,
    reason: &'static str,
    exists: bool,
}

/// Prints usable plug-ins as a table, then refused files, then the directories searched.
pub fn list(config_file: Option<&Path>, output: OutputArgs, finder: &Finder<'_>) -> Result<u8> {
    let config = configuration(config_file)?;
    let lock = Lock::read(Finder::directory(config.as_ref())).map_err(Error::Usage)?;
    let report = look(&finder.unlocked(config.as_ref())?, lock.as_ref());
    if !output.json {
        return print(&report.table());
    }
    let json =
        serde_json::to_string_pretty(&report).map_err(|e| ApiError::internal(format!("the list has no JSON: {e}")))?;
    print(&(json + "\n"))
}

fn look(catalog: &Catalog, lock: Option<&Lock>) -> Report {
    let (linked, found) = catalog.list();
    let (mut plugins, mut first) = (Vec::new(), HashMap::new());
    for plugin in linked {
        let (spec, (major, minor)) = (plugin.spec(), plugin.abi());
        let kinds = [spec.source.as_ref().map(|_| "source"), spec.destination.as_ref().map(|_| "destination")];
        let mut line = Line {
            name: Some(spec.name.clone()),
            version: Some(spec.version.clone()),
            kinds: kinds.into_iter().flatten().map(str::to_owned).collect(),
            abi: Some(format!("{major}.{minor}")),
            ..Line::default()
        };
        line.compare(lock, None);
        first.insert(spec.name.clone(), "built in".to_owned());
        plugins.push(line);
    }
    plugins.extend(found.iter().filter_map(|file| file_line(file, lock, &catalog.policy().trusted, &mut first)));
    let searched = catalog.search().directories().map(|(dir, reason)| Searched {
        directory: dir.display().to_string(),
        reason,
        exists: dir.exists(),
    });
    Report { plugins, searched: searched.collect(), lock: lock.map(|lock| lock.path.display().to_string()) }
}

/// What there is to say of a file; `None` for one that was found before.
fn file_line(
    file: &Found,
    lock: Option<&Lock>,
    trusted: &Trusted,
    first: &mut HashMap<String, String>,
) -> Option<Line> {
    let path = file.path.display().to_string();
    let mut line = Line { path: Some(path.clone()), ..Line::default() };
    let marker = match &file.verdict {
        Verdict::Usable(marker) => marker,
        Verdict::Refused(refusal) => return Some(Line { refused: Some(refusal.reason.clone()), ..line }),
    };
    match first.get(&marker.name) {
        Some(other) if *other == path => return None,
        Some(other) => line.shadowed_by = Some(other.clone()),
        None => drop(first.insert(marker.name.clone(), path)),
    }
    line.name = Some(marker.name.clone());
    line.version = Some(marker.version.clone());
    line.kinds = marker.kinds.split(',').map(str::to_owned).collect();
    line.abi = Some(marker.abi.clone());
    line.needs.clone_from(&marker.needs);
    // Only what is compared is hashed.
    if (lock.is_some() || !trusted.files().is_empty())
        && let Ok(glance) = glance(&file.path)
    {
        line.trusted = glance.exposed.is_some() && trusted.has(&glance.sha256);
        line.compare(lock, Some(&glance.sha256));
    }
    Some(line)
}

impl Line {
    fn compare(&mut self, lock: Option<&Lock>, sha256: Option<&str>) {
        let (Some(lock), Some(name), Some(version)) = (lock, &self.name, &self.version) else { return };
        self.lock_problem = lock.check(name, version, sha256).err();
        self.locked = Some(self.lock_problem.is_none());
    }
}

impl Report {
    fn table(&self) -> String {
        let mut table = String::new();
        row(&mut table, ["NAME", "VERSION", "KIND", "ABI", "LOCK", "FROM"]);
        let mut refused = String::new();
        for line in &self.plugins {
            let mut from = line.path.clone().unwrap_or_else(|| "built in".to_owned());
            if let Some(why) = &line.refused {
                let _ = writeln!(refused, "refused: {from}: {why}");
                continue;
            }
            if line.trusted {
                from += "  (trusted)";
            }
            if let Some(other) = &line.shadowed_by {
                let _ = write!(from, "  (not used: {other} comes first)");
            } else if let Some(why) = &line.lock_problem {
                let _ = writeln!(refused, "not locked: {why}");
            }
            let locked = match line.locked {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            };
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            row(
                &mut table,
                [&text(&line.name), &text(&line.version), &line.kinds.join(","), &text(&line.abi), locked, &from],
            );
        }
        if !refused.is_empty() {
            table.push('\n');
            table.push_str(&refused);
        }
        table.push_str("\nSearched, in this order:\n");
        for Searched { directory, reason, exists } in &self.searched {
            let absent = if *exists { "" } else { ", does not exist" };
            let _ = writeln!(table, "  {directory} ({reason}{absent})");
        }
        if let Some(lock) = &self.lock {
            let _ = writeln!(table, "Lock file: {lock}");
        }
        table
    }
}

fn row(table: &mut String, [name, version, kind, abi, lock, from]: [&str; 6]) {
    let _ = writeln!(table, "{name:<16} {version:<10} {kind:<20} {abi:<5} {lock:<5} {from}");
}
