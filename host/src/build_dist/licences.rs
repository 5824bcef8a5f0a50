//! The licences of every crate that is linked, each text once.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::bill::licence;
use super::graph::{Graph, Package};

const NAMES: [&str; 6] = ["license", "licence", "copying", "notice", "unlicense", "copyright"];
/// A crate of a workspace may leave its licence to the root.
const PARENTS: usize = 3;

/// Each text once, below all the crates that come with it.
pub fn licences(name: &str, graph: &Graph) -> String {
    let linked = graph.linked(&graph.roots());
    let mut packages: Vec<&Package> = linked.keys().filter_map(|id| graph.package(id)).collect();
    packages.sort_by_key(|p| (&p.name, &p.version));
    let (mut texts, mut silent): (Vec<(String, Vec<String>)>, Vec<String>) = Default::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for package in packages {
        let licence = licence(package).or(package.license_file.clone()).unwrap_or_default();
        let line = format!("{} {} ({licence})", package.name, package.version);
        let found = texts_of(package);
        if found.is_empty() {
            let from = package.repository.as_deref().unwrap_or_default();
            silent.push(format!("{line} {from}").trim_end().to_owned());
        }
        for text in found {
            let place = *places.entry(text.clone()).or_insert_with(|| {
                texts.push((text, Vec::new()));
                texts.len() - 1
            });
            if texts[place].1.last() != Some(&line) {
                texts[place].1.push(line.clone());
            }
        }
    }
    let rule = "-".repeat(80);
    let mut out = format!("{name} contains the following crates, under these licences.\n");
    for (text, crates) in texts {
        let _ = write!(out, "\n{rule}\n{}\n{rule}\n\n{text}\n", crates.join("\n"));
    }
    if !silent.is_empty() {
        let _ = write!(
            out,
            "\n{rule}\nThese come without a text; their licence is the one that they name:\n\n{}\n",
            silent.join("\n")
        );
    }
    out
}

/// The texts in a crate, and in the sources of C that it brings along.
fn texts_of(package: &Package) -> Vec<String> {
    let Some(root) = package.manifest_path.parent() else { return Vec::new() };
    let mut folders = entries(root);
    folders.retain(|path| path.is_dir());
    folders.insert(0, root.to_owned());
    let mut found: Vec<String> = folders.iter().flat_map(|folder| texts_in(folder)).collect();
    if found.is_empty() && package.source.is_none() {
        let parents = root.ancestors().skip(1).take(PARENTS);
        found = parents.map(texts_in).find(|texts| !texts.is_empty()).unwrap_or_default();
    }
    found
}

fn texts_in(folder: &Path) -> Vec<String> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for path in entries(folder) {
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let is_code = path.extension().is_some_and(|e| e == "rs" || e == "h" || e == "c");
        if path.is_file() && !is_code && NAMES.iter().any(|start| name.starts_with(start)) {
            found.push((name, path));
        }
    }
    // Beside a licence of its own, COPYING is the other one of two to choose from, as in zstd.
    if found.iter().any(|(name, _)| name.starts_with("licen")) {
        found.retain(|(name, _)| !name.starts_with("copying"));
    }
    let read = |path: PathBuf| fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
    found.into_iter().filter_map(|(_, path)| read(path)).map(|text| text.trim().to_owned()).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}
