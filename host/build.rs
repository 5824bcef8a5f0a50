//! Which connectors are built with this host: the crates that lie beside it. Elsewhere, as where crates are vendored, there
//! are none.

use std::fs;
use std::path::Path;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let entries = fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
    let crates = entries.filter(|entry| entry.path().join("Cargo.toml").is_file());
    // As their libraries are called, without `lib` and the ending.
    let mut names: Vec<String> = crates.map(|entry| format!("rivet_plugin_{}", entry.file_name().display())).collect();
    names.sort();
    println!("cargo::rustc-env=RIVET_BUNDLED={}", names.join(","));
    println!("cargo::rerun-if-changed=build.rs");
    if folder.exists() {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
}
