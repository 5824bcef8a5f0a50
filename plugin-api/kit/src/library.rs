//! Finds the library that a connector's crate builds, and loads it as the host does: inspected first, by descriptor.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use libtest_mimic::Failed;
use rivet_plugin_api::abi::Plugin;

use crate::load;
use crate::suite::{Trial, Verdict};

/// A plug-in that is loaded when it is first needed, so that listing the trials builds nothing.
#[derive(Clone)]
pub(crate) struct Library(Arc<Lazy>);

struct Lazy {
    package: String,
    loaded: OnceLock<Result<Plugin, String>>,
}

impl Library {
    /// One that is linked in.
    pub(crate) fn ready(plugin: Result<Plugin, String>) -> Self {
        Self(Arc::new(Lazy { package: String::new(), loaded: OnceLock::from(plugin) }))
    }

    /// The library of a crate of this workspace.
    pub(crate) fn of_package(package: &str) -> Self {
        Self(Arc::new(Lazy { package: package.to_owned(), loaded: OnceLock::new() }))
    }

    pub(crate) fn plugin(&self) -> Result<Plugin, Failed> {
        let loaded = self.0.loaded.get_or_init(|| {
            let path = find(&self.0.package)?;
            let file = File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            load::load(&path, &file).whole()
        });
        loaded.clone().map_err(Failed::from)
    }

    /// Whether the library says the same about itself as the linked table: it was built from the same code.
    pub(crate) fn trial(&self, linked: &Self) -> Trial {
        let (library, linked) = (self.clone(), linked.clone());
        Trial::new("library::load", move || {
            let spec = |library: &Self| -> Result<serde_json::Value, Failed> {
                Ok(serde_json::to_value(library.plugin()?.spec())?)
            };
            if spec(&library)? == spec(&linked)? {
                return Ok(Verdict::Passed(None));
            }
            Err("the library is not of this build".into())
        })
    }
}

/// The library beside this test executable (`target/debug/deps`), else one directory up, else built there.
fn find(package: &str) -> Result<PathBuf, String> {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    let executable = std::env::current_exe().map_err(|e| format!("the test's own path is not known: {e}"))?;
    let file = format!("{DLL_PREFIX}{}{DLL_SUFFIX}", package.replace('-', "_"));
    // What cargo built together with this test lies beside it; the copy one up may be older.
    let places: Vec<PathBuf> = executable.ancestors().skip(1).take(2).map(|directory| directory.join(&file)).collect();
    let existing = || places.iter().find(|path| path.is_file()).cloned();
    if let Some(path) = existing() {
        return Ok(path);
    }
    let profile = executable.ancestors().nth(2).ok_or("the test does not lie in a build directory")?;
    build(package, profile)?;
    existing().ok_or_else(|| format!("building \"{package}\" made no {file}: its crate-type lacks \"cdylib\""))
}

fn build(package: &str, profile: &Path) -> Result<(), String> {
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package, "--profile", name, "--target-dir"]);
    command.arg(profile.parent().unwrap_or(profile));
    let output = command.output().map_err(|e| format!("cargo cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("\"{package}\" does not build: {}", String::from_utf8_lossy(&output.stderr)))
}
