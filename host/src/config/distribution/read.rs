//! From the tree of `dist.yaml` to a [`Recipe`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Problems, SourceText};
use super::super::key::{Key, Takes};
use super::super::node::{Node, Span};
use super::super::section::Section;
use super::{CrateEntry, CrateSource, Recipe};
use crate::code::Code;

const KEYS: &[Key] = &[
    Key::new("name", Takes::Text, "What the program is called."),
    Key::new("version", Takes::Text, "Its version."),
    Key::new("kind", Takes::Text, "`static`, `tarball` or `both`."),
    Key::new("profile", Takes::Text, "`release` or `dev`."),
    Key::new("target", Takes::Text, "The target triple."),
    Key::new("host", Takes::Section(HOST_KEYS), "Where the host comes from."),
    Key::new("plugins", Takes::List(PLUGIN_KEYS), "The connectors."),
    Key::new("output", Takes::Text, "Where the results go."),
    Key::new("vendor", Takes::Text, "Where the sources of all crates are kept."),
    Key::new("lock", Takes::Text, "Where the versions of all crates are kept."),
    Key::new("files", Takes::TextMap, "Further files of the tarball."),
];

const SOURCE_KEYS: [Key; 8] = [
    Key::new("path", Takes::Text, "The directory of the crate."),
    Key::new("git", Takes::Text, "The URL of its repository."),
    Key::new("rev", Takes::Text, "The commit."),
    Key::new("tag", Takes::Text, "The tag."),
    Key::new("branch", Takes::Text, "The branch."),
    Key::new("version", Takes::Text, "The version in the registry, or the one that path or repository must hold."),
    Key::new("features", Takes::Texts, "Features beyond the default ones."),
    Key::new("default_features", Takes::Flag, "Whether the default ones are on."),
];
const HOST_KEYS: &[Key] = &SOURCE_KEYS;
const CRATE: [Key; 1] = [Key::new("crate", Takes::Text, "The name of the package.")];
const PLUGIN_KEYS: &[Key] = &{
    let [path, git, rev, tag, branch, version, features, default_features] = SOURCE_KEYS;
    let [name] = CRATE;
    [name, path, git, rev, tag, branch, version, features, default_features]
};

const EXAMPLE: &str = "for example `- { crate: acme-crm, path: connectors/acme-crm }`";
const SOURCES: [&str; 3] = ["path", "git", "version"];

pub(super) fn recipe(path: &Path, root: &Node, text: &Arc<SourceText>, problems: &Problems) -> Option<Recipe> {
    let root = Section::open("the distribution", Span { line: 1, column: 1, length: 1 }, root, problems)?;
    root.only(KEYS, &[], |_| None);
    let dir = super::file::directory(path);
    let name = name(&root);
    let kinds = [("static", (true, false)), ("tarball", (false, true)), ("both", (true, true))];
    let (makes_static, makes_tarball) = root.choice("kind", &kinds).unwrap_or((true, true));
    let target = target(&root, makes_tarball);
    let host = root.required("host", "say where the host comes from, for example `host: { path: ../rivet/host }`");
    let host = host.and_then(|e| Section::open("`host`", e.key_span, &e.value, problems));
    let host = host.and_then(|section| {
        section.only(HOST_KEYS, &[], |_| None);
        entry(&section, &dir, "rivet".to_owned(), section.at)
    });
    let plugins = plugins(&root, &dir);
    let file_name = path.file_stem().map_or_else(|| "dist".into(), |stem| stem.to_string_lossy());
    let place = |key: &str| root.text(key).map(|text| dir.join(text));
    Some(Recipe {
        file: path.to_path_buf(),
        version: version(&root, "version", false),
        makes_static,
        makes_tarball,
        profile: root.choice("profile", &[("release", "release"), ("dev", "dev")]).unwrap_or("release"),
        output: place("output").unwrap_or_else(|| dir.join("dist")),
        vendor: place("vendor"),
        vendor_at: root.place("vendor"),
        lock: place("lock").unwrap_or_else(|| dir.join(format!("{file_name}.lock"))),
        files: files(&root, &dir),
        text: Arc::clone(text),
        name: name?,
        target,
        host: host?,
        plugins: plugins?,
    })
}

fn name(root: &Section<'_>) -> Option<String> {
    root.required("name", "say what the program is called, for example `name: acme-rivet`")?;
    let name = root.text("name")?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_name) {
        let node = &root.get("name")?.value;
        root.wrong("name", node, "a name that can be typed", Some("use a-z, 0-9 and `-`, at most 64 of them".into()));
        return None;
    }
    Some(name.to_owned())
}

fn target(root: &Section<'_>, makes_tarball: bool) -> Option<String> {
    let target = root.text("target")?;
    let node = &root.get("target")?.value;
    if !target.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        let hint = "`rustc --print target-list` prints all of them";
        root.wrong("target", node, "a target triple such as x86_64-unknown-linux-gnu", Some(hint.into()));
    }
    if makes_tarball && target.contains("-musl") {
        let message = "a program for musl cannot load plug-ins: it has no dynamic linker";
        root.problem_as(Code::Exclusive, node.span, message, "write `kind: static`, or choose a target with glibc");
    }
    Some(target.to_owned())
}

/// A version under `key`; with `whole`, one that names exactly one release.
fn version(section: &Section<'_>, key: &str, whole: bool) -> Option<String> {
    let text = section.text(key)?;
    let node = &section.get(key)?.value;
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_whole = numbers.split('.').count() == 3 && numbers.split('.').all(is_number);
    if !is_plain || (whole && !is_whole) {
        let hint = "write three numbers, such as 1.2.0, without `^` or `=`: one version, not a range";
        section.wrong(key, node, "a version", Some(hint.to_owned()));
        return None;
    }
    Some(text.to_owned())
}

fn plugins(root: &Section<'_>, dir: &Path) -> Option<Vec<CrateEntry>> {
    root.required("plugins", &format!("list the connectors, {EXAMPLE}"))?;
    let mut entries: Vec<CrateEntry> = Vec::new();
    let problems = root.problems;
    let nodes = root.list("plugins", Some)?;
    if nodes.is_empty() {
        root.problem_as(Code::MissingKey, root.place("plugins"), "`plugins` lists no connector", EXAMPLE);
        return None;
    }
    let count = nodes.len();
    for node in nodes {
        let Some(mut section) = Section::open("an entry of `plugins`", node.span, node, problems) else { continue };
        section.only(PLUGIN_KEYS, &[], |_| None);
        if section.required("crate", "name the package, as its Cargo.toml does").is_none() {
            continue;
        }
        let Some(name) = section.text("crate") else { continue };
        let at = section.get("crate").map_or(section.at, |e| e.value.span);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            section.problem(at, format!("\"{name}\" is not the name of a crate"), EXAMPLE);
            continue;
        }
        if entries.iter().any(|e| e.name == name) {
            section.problem_as(Code::Duplicate, at, format!("`{name}` stands twice"), "remove one of the two");
            continue;
        }
        section.label = format!("plug-in \"{name}\"");
        entries.extend(entry(&section, dir, name.to_owned(), at));
    }
    (entries.len() == count).then_some(entries)
}

fn entry(section: &Section<'_>, dir: &Path, name: String, at: Span) -> Option<CrateEntry> {
    let given: Vec<&str> = SOURCES.into_iter().filter(|key| section.has(key)).collect();
    if given.is_empty() {
        let message = format!("{} has none of `path`, `git` and `version`", section.label);
        section.problem_as(Code::MissingKey, section.at, message, "say where the crate comes from");
        return None;
    }
    if section.has("path") && section.has("git") {
        let message = format!("`path` and `git` exclude each other in {}", section.label);
        section.problem_as(Code::Exclusive, section.place("git"), message, "keep one of the two");
        return None;
    }
    let pins: Vec<&'static str> = ["rev", "tag", "branch"].into_iter().filter(|key| section.has(key)).collect();
    if let Some(pin) = pins.first().filter(|_| !section.has("git") || pins.len() > 1) {
        let message = format!("`{pin}` in {} needs `git`, and only one of `rev`, `tag` and `branch`", section.label);
        section.problem_as(Code::Exclusive, section.place(pin), message, "name the repository, or remove the key");
        return None;
    }
    let source = if section.has("path") {
        CrateSource::Path(crate_directory(section, dir)?)
    } else if section.has("git") {
        let pin = pins.first().and_then(|key| Some((*key, section.text(key)?.to_owned())));
        CrateSource::Git(section.text("git")?.to_owned(), pin)
    } else {
        CrateSource::Registry
    };
    let version = version(section, "version", true);
    if section.has("version") && version.is_none() {
        return None;
    }
    let features = section.texts("features").unwrap_or_default();
    let default_features = section.boolean("default_features").unwrap_or(true);
    Some(CrateEntry { name, source, version, features, default_features, at })
}

fn crate_directory(section: &Section<'_>, dir: &Path) -> Option<PathBuf> {
    let path = dir.join(section.text("path")?);
    let at = section.get("path")?.value.span;
    match path.canonicalize() {
        Ok(found) if found.join("Cargo.toml").is_file() => Some(found),
        _ => {
            let message = format!("there is no crate in \"{}\"", path.display());
            let hint = "name the directory of its Cargo.toml; the path starts at the directory of this file";
            section.problem_as(Code::File, at, message, hint);
            None
        }
    }
}

fn files(root: &Section<'_>, dir: &Path) -> std::collections::BTreeMap<String, PathBuf> {
    let files = root.text_map("files");
    for (name, source) in &files {
        let at = root.place("files");
        let inside = Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
        if !inside || name.is_empty() {
            root.problem(at, format!("`files` in the distribution names \"{name}\""), "name a path inside the tarball");
        }
        if !dir.join(source).exists() {
            let message = format!("there is no \"{}\", which `files` names", dir.join(source).display());
            root.problems.push(Diagnostic::new(message).at(at).code(Code::File));
        }
    }
    files.into_iter().map(|(name, source)| (name, dir.join(source))).collect()
}
