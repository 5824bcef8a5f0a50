//! Runs what was built, with nothing of this machine around it: it has to be what was asked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rivet_plugin_api::Error as ApiError;
use serde::Deserialize;

use super::crates::Shape;
use super::graph::Graph;
use super::{Job, cargo};
use crate::distribution::HOST_VERSION;
use crate::error::{Error, Result};

/// The part of `plugin list --json` that is read.
#[derive(Deserialize)]
struct Listed {
    plugins: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    path: Option<PathBuf>,
    version: Option<String>,
    refused: Option<String>,
}

/// The program, in an empty environment.
pub fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("HOME", "/nonexistent").stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Whether this machine runs what is built for `target`.
pub fn runs_here(target: &str, machine: &str) -> bool {
    let system = |triple: &str| {
        let mut parts = triple.split('-');
        (parts.next().map(str::to_owned), triple.contains("-linux-"))
    };
    target == machine || (system(target) == system(machine) && system(target).1)
}

/// That `path` says its name and version, and offers exactly the connectors that were asked for.
pub fn judge(job: &Job<'_>, graph: &Graph, path: &Path, shape: Shape) -> Result<()> {
    let mut command = program(path);
    command.arg("--version");
    let (name, own) = (&job.recipe.name, job.version(graph));
    let said = cargo::answer(command, "run what it built")?;
    let host = &graph.host.version;
    let whole = format!("{name} {own} (rivet {host})");
    // The stock program says its version once.
    let is_said = said.trim() == whole || (name == "rivet" && own == host && said.trim() == format!("{name} {own}"));
    if !is_said {
        return wrong(&format!("says it is \"{}\", not \"{whole}\"", said.trim()));
    }
    let mut command = program(path);
    command.args(["plugin", "list", "--json"]);
    let listed = cargo::answer(command, "list the connectors of what it built")?;
    let Listed { plugins } = serde_json::from_str(&listed)
        .map_err(|e| Error::Run(ApiError::internal(format!("could not read the connectors of what was built: {e}"))))?;
    for (place, package) in graph.plugins.iter().enumerate() {
        let is_it = |line: &&Line| {
            let is_there = match (&line.path, shape) {
                (None, Shape::Static) => true,
                (Some(file), Shape::Tarball) => file.ends_with(Path::new("plugins").join(file_name(package))),
                _ => false,
            };
            is_there && line.refused.is_none() && line.version.as_ref() == Some(&package.version)
        };
        // Linked ones come in the order of the file.
        let found = match shape {
            Shape::Static => plugins.get(place).filter(is_it),
            Shape::Tarball => plugins.iter().find(is_it),
        };
        if found.is_none() {
            return wrong(&format!("does not offer `{}` {}: {listed}", package.name, package.version));
        }
    }
    if plugins.len() != graph.plugins.len() {
        return wrong(&format!("offers other connectors than those that were asked for: {listed}"));
    }
    Ok(())
}

/// The file of a plug-in.
pub fn file_name(package: &super::graph::Package) -> String {
    let name = package.library().map(super::graph::Target::ident).unwrap_or_default();
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

fn wrong<T>(what: &str) -> Result<T> {
    let error = ApiError::internal(format!("what was built {what}"));
    Err(Error::Run(error.hint(format!("this is a defect of rivet {HOST_VERSION}, or of the host that was built"))))
}

/// Warns when `file` names a directory of this machine: built in another one, it would differ.
pub fn warn_of_paths(job: &Job<'_>, file: &Path) {
    let Ok(bytes) = fs::read(file) else { return };
    let home = crate::environment("HOME").unwrap_or_default();
    let places = [
        job.work.display().to_string(),
        job.sources.root().map_or_else(String::new, |root| root.display().to_string()),
        home,
    ];
    for place in places.iter().filter(|place| place.len() > 1) {
        // Followed by a name, it is a path and no accident.
        let sought = format!("{place}/");
        if memchr::memmem::find(&bytes, sought.as_bytes()).is_some() {
            tracing::warn!("{} holds paths below {place}: built elsewhere, it will differ", file.display());
        }
    }
}
