//! `rivet plugin lock`: writes down which plug-ins are used, or compares.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rivet_plugin_api::Error as ApiError;
use rivet_plugin_api::suggest::did_you_mean;

use super::configuration;
use crate::cli::LockArgs;
use crate::command::print;
use crate::error::{Error, Result, exit};
use crate::plugin::{Catalog, Entry, Finder, LOCK_FILE, Lock, Verdict, glance, platform};

/// Writes the file and says what changed in it, or with `--check` says what would.
pub fn lock(args: &LockArgs, finder: &Finder<'_>) -> Result<u8> {
    let config = configuration(args.config.as_deref())?;
    let dir = Finder::directory(config.as_ref());
    let former = Lock::read(dir).map_err(Error::Usage)?;
    let found = found(&finder.unlocked(config.as_ref())?)?;
    let old = former.as_ref().map_or(&[][..], |lock| &lock.plugins);
    let plugins = if args.update.is_empty() { all(old, &found) } else { updated(old, &found, &args.update)? };
    let path = dir.join(LOCK_FILE);
    let changes = changes(old, &plugins);
    let mut text = changes.clone();
    if args.check {
        if former.is_some() && changes.is_empty() {
            let _ = writeln!(text, "{} is up to date", path.display());
            return print(&text);
        }
        let _ = writeln!(text, "{} is not up to date: run `rivet plugin lock`", path.display());
        print(&text)?;
        return Ok(exit::FAILED);
    }
    let count = plugins.len();
    Lock { path: path.clone(), plugins }.write()?;
    let plural = if count == 1 { "" } else { "s" };
    let _ = writeln!(text, "{} names {count} plug-in{plural} for {}", path.display(), platform());
    print(&text)
}

/// The plug-ins that would be used, by name: those linked in, then the first file of each name.
fn found(catalog: &Catalog) -> Result<BTreeMap<String, Entry>> {
    let (linked, files) = catalog.list();
    let mut found = BTreeMap::new();
    for plugin in linked {
        let spec = plugin.spec();
        let entry = Entry { name: spec.name.clone(), version: spec.version.clone(), ..Entry::default() };
        found.insert(spec.name.clone(), entry);
    }
    for file in files {
        let Verdict::Usable(marker) = &file.verdict else { continue };
        if found.contains_key(&marker.name) {
            continue;
        }
        let sha256 = glance(&file.path).map_err(|refusal| ApiError::permanent(refusal.to_string()))?.sha256;
        let (name, version) = (marker.name.clone(), marker.version.clone());
        found.insert(marker.name.clone(), Entry { name, version, sha256: [(platform(), sha256)].into() });
    }
    Ok(found)
}

/// A new entry with the checksums that another platform has added for the same version.
fn merged(old: &[Entry], new: &Entry) -> Entry {
    let mut entry = new.clone();
    if let Some(former) = old.iter().find(|former| former.name == new.name && former.version == new.version) {
        let elsewhere = former.sha256.iter().filter(|(at, _)| **at != platform());
        entry.sha256.extend(elsewhere.map(|(at, hash)| (at.clone(), hash.clone())));
    }
    entry
}

fn all(old: &[Entry], found: &BTreeMap<String, Entry>) -> Vec<Entry> {
    found.values().map(|new| merged(old, new)).collect()
}

/// What was locked, but for the plug-ins of these names.
fn updated(old: &[Entry], found: &BTreeMap<String, Entry>, names: &[String]) -> Result<Vec<Entry>> {
    let mut entries: BTreeMap<String, Entry> = old.iter().map(|e| (e.name.clone(), e.clone())).collect();
    for name in names {
        let new = found.get(name).ok_or_else(|| {
            let error = ApiError::config(format!("no plug-in named \"{name}\" is found"));
            Error::Usage(error.hint(did_you_mean(name, found.keys().map(String::as_str), "the plug-ins found are")))
        })?;
        entries.insert(name.clone(), merged(old, new));
    }
    Ok(entries.into_values().collect())
}

/// A line for each plug-in that is not locked as it was.
fn changes(old: &[Entry], new: &[Entry]) -> String {
    let mut text = String::new();
    for entry in new {
        let Entry { name, version, .. } = entry;
        match old.iter().find(|former| former.name == *name) {
            None => drop(writeln!(text, "added {name} {version}")),
            Some(former) if former == entry => {}
            Some(former) if former.version != *version => {
                let lost = former.sha256.keys().filter(|at| **at != platform()).cloned().collect::<Vec<_>>().join(", ");
                let again = if lost.is_empty() { lost } else { format!("; lock it again on {lost}") };
                let _ = writeln!(text, "updated {name} {} to {version}{again}", former.version);
            }
            Some(_) => drop(writeln!(text, "updated {name} {version}: another file")),
        }
    }
    for former in old.iter().filter(|former| new.iter().all(|entry| entry.name != former.name)) {
        let _ = writeln!(text, "removed {} {}: it is not found", former.name, former.version);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: &str, hashes: &[(&str, &str)]) -> Entry {
        let sha256 = hashes.iter().map(|(at, hash)| ((*at).to_owned(), (*hash).to_owned())).collect();
        Entry { name: "x".to_owned(), version: version.to_owned(), sha256 }
    }

    #[test]
    fn checksums_of_other_platforms_are_kept_for_the_same_version_only() {
        let here = platform();
        let old = [entry("1.0.0", &[(&here, "a"), ("elsewhere", "b")])];
        let same = merged(&old, &entry("1.0.0", &[(&here, "c")]));
        assert_eq!(same, entry("1.0.0", &[(&here, "c"), ("elsewhere", "b")]));
        assert_eq!(changes(&old, &[same]), "updated x 1.0.0: another file\n");
        let newer = merged(&old, &entry("1.1.0", &[(&here, "c")]));
        assert_eq!(newer, entry("1.1.0", &[(&here, "c")]));
        assert_eq!(changes(&old, &[newer]), "updated x 1.0.0 to 1.1.0; lock it again on elsewhere\n");
        assert_eq!(changes(&old, &[]), "removed x 1.0.0: it is not found\n");
        assert_eq!(changes(&old, &old), "");
    }
}
