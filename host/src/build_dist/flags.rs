//! What makes two builds of the same sources the same, byte for byte: no paths of this machine, no time of today.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment;

/// The first moment that every archive format knows: 1980.
const EARLIEST: u64 = 315_532_800;

/// Variables and their values.
pub type Environment = Vec<(&'static str, String)>;

/// The directories whose paths must not get into a binary.
pub struct Paths<'a> {
    pub work: &'a Path,
    pub vendored: Option<&'a Path>,
    pub sources: Option<&'a Path>,
}

/// The environment of the compiler: `paths` are replaced by names that are the same everywhere, and times by `epoch`.
pub fn environment_of(paths: &Paths<'_>, epoch: u64) -> Environment {
    let maps = maps(paths);
    let own = match (environment("CARGO_ENCODED_RUSTFLAGS"), environment("RUSTFLAGS")) {
        (Some(encoded), _) => encoded.split('\x1f').map(str::to_owned).collect(),
        (None, Some(plain)) => plain.split_whitespace().map(str::to_owned).collect(),
        (None, None) => Vec::new(),
    };
    let rust: Vec<String> =
        own.into_iter().chain(maps.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}"))).collect();
    // Options for C are split at blanks.
    let c = |name: &str| {
        let mapped = maps.iter().filter(|(from, _)| !from.contains(char::is_whitespace));
        let mapped = mapped.map(|(from, to)| format!("-ffile-prefix-map={from}={to}"));
        environment(name).into_iter().chain(mapped).collect::<Vec<_>>().join(" ")
    };
    vec![
        ("CARGO_ENCODED_RUSTFLAGS", rust.join("\x1f")),
        ("CFLAGS", c("CFLAGS")),
        ("CXXFLAGS", c("CXXFLAGS")),
        ("CARGO_INCREMENTAL", "0".to_owned()),
        ("SOURCE_DATE_EPOCH", epoch.to_string()),
    ]
}

/// Prefixes and what stands for them. Of several that fit, the compilers take the last.
fn maps(paths: &Paths<'_>) -> Vec<(String, String)> {
    let mut maps = Vec::new();
    let mut add = |from: &Path, to: &str| {
        if from.is_absolute() && from.parent().is_some() {
            maps.push((from.display().to_string(), to.to_owned()));
        }
    };
    if let Some(sources) = paths.sources {
        add(sources, "/sources");
    }
    if let Some(home) = cargo_home() {
        // One folder a registry, which is called by where it is reached.
        let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten().map(|e| e.path());
        let mut registries: Vec<PathBuf> = registries.collect();
        registries.sort();
        for registry in &registries {
            add(registry, "/crates");
        }
        add(&home.join("git/checkouts"), "/git");
    }
    if let Some(vendored) = paths.vendored {
        add(vendored, "/crates");
    }
    if let Some(target) = environment("CARGO_TARGET_DIR").and_then(|dir| std::path::absolute(dir).ok()) {
        add(&target, "/build/target");
    }
    add(paths.work, "/build");
    maps
}

fn cargo_home() -> Option<PathBuf> {
    environment("CARGO_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&environment("HOME")?).join(".cargo")))
}

/// The time that stands for today: that of `SOURCE_DATE_EPOCH`, or of the last commit where `file` lies.
pub fn epoch(file: &Path) -> u64 {
    let given = environment("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok());
    let committed = || {
        let dir = crate::config::directory(file);
        let output = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(dir).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    given.or_else(committed).unwrap_or(EARLIEST).max(EARLIEST)
}
