//! Cargo, as it is called: what it prints while it works is shown, what it answers is read.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rivet_plugin_api::Error as ApiError;

use super::flags::Environment;
use super::graph::Metadata;
use super::{crates, failed};
use crate::config::Recipe;
use crate::environment;
use crate::error::{Error, Result};

/// Beside vendored crates, tells cargo to use them.
pub const VENDOR_CONFIG: &str = "config.toml";

/// How cargo is called.
pub struct Cargo {
    /// Where it compiles.
    target: PathBuf,
    /// What makes it use vendored crates, and no network.
    source: Vec<OsString>,
}

impl Cargo {
    /// Cargo, that compiles below `work` unless `CARGO_TARGET_DIR` says otherwise, with the crates in `vendored` if there
    /// are any.
    pub fn new(vendored: Option<&Path>, work: &Path) -> Result<Self> {
        let target = environment("CARGO_TARGET_DIR").and_then(|dir| std::path::absolute(dir).ok());
        let mut source = Vec::new();
        if let Some(dir) = vendored {
            let dir = dir.canonicalize().map_err(|e| failed(e, "could not find", dir))?;
            let directory = serde_json::Value::from(dir.display().to_string());
            source.extend(["--offline".into(), "--config".into(), dir.join(VENDOR_CONFIG).into_os_string()]);
            source.extend(["--config".into(), format!("source.vendored-sources.directory={directory}").into()]);
        }
        Ok(Self { target: target.unwrap_or_else(|| work.join("target")), source })
    }

    /// The triple of this machine.
    pub fn machine(&self) -> Result<String> {
        let said = answer(self.command("-vV"), "ask cargo for its version")?;
        let triple = said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned);
        triple.ok_or_else(|| Error::Run(ApiError::internal("`cargo -vV` names no host")))
    }

    /// The workspace of the crate in `path`, its packages without what they use.
    pub fn workspace_of(&self, path: &Path) -> Result<Metadata> {
        let mut command = self.command("metadata");
        command.args(["--format-version=1", "--no-deps", "--offline"]).arg(manifest(path));
        read(&answer(command, &format!("read the crate in \"{}\"", path.display()))?)
    }

    /// Resolves the crate in `dir` for `target`; with `locked`, as its lock says.
    pub fn metadata(&self, dir: &Path, target: &str, locked: bool) -> Result<Metadata> {
        let mut command = self.command("metadata");
        command.args(["--format-version=1", "--filter-platform", target]).arg(manifest(dir));
        command.args(&self.source).args(locked.then_some("--locked")).stderr(Stdio::piped());
        read(&answer(command, "choose the versions of all crates").map_err(|e| match e {
            Error::Run(e) if locked && e.message().contains("--locked") => {
                Error::Run(e.hint("the kept versions are not those of this dist.yaml: choose anew with --update"))
            }
            // Two crates of one name and version, from two directories.
            Error::Run(e) if e.message().contains("package collision") => Error::Run(
                e.hint("let the host and all connectors have it from one place: the same directory, commit or version"),
            ),
            other => other,
        })?)
    }

    /// Compiles the crate in `dir`, and the libraries of `packages`, in this environment; the directory of the results.
    pub fn build(&self, dir: &Path, recipe: &Recipe, packages: &[&str], environment: Environment) -> Result<PathBuf> {
        let mut command = self.command("build");
        command.args(["--locked", "--profile", recipe.profile]).arg(manifest(dir)).args(&self.source);
        command.args(["--bins", "-p", &crates::package_name(recipe)]);
        if !packages.is_empty() {
            command.arg("--lib").args(packages.iter().flat_map(|id| ["-p", id]));
        }
        command.env_remove("RUSTFLAGS").envs(environment);
        let mut result = self.target.clone();
        if let Some(target) = &recipe.target {
            command.args(["--target", target]);
            result.push(target);
        }
        run(command, "build the distribution")?;
        result.push(if recipe.profile == "dev" { "debug" } else { recipe.profile });
        Ok(result)
    }

    /// Copies the sources of everything that the crate in `dir` uses into `into`.
    pub fn vendor(&self, dir: &Path, into: &Path) -> Result<()> {
        let mut command = self.command("vendor");
        command.args(["--locked", "--versioned-dirs"]).arg(manifest(dir)).arg(into);
        let config = answer(command, "copy the sources of all crates")?;
        let path = into.join(VENDOR_CONFIG);
        fs::write(&path, config).map_err(|e| failed(e, "could not write", &path))
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(environment("CARGO").unwrap_or_else(|| "cargo".to_owned()));
        command.arg(verb).stdin(Stdio::null()).stderr(Stdio::inherit());
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

fn manifest(dir: &Path) -> OsString {
    let mut argument = OsString::from("--manifest-path=");
    argument.push(dir.join("Cargo.toml"));
    argument
}

fn read(text: &str) -> Result<Metadata> {
    serde_json::from_str(text)
        .map_err(|e| Error::Run(ApiError::internal(format!("could not read what cargo metadata says: {e}"))))
}

/// Runs `command`; what it printed on standard output.
pub fn answer(mut command: Command, doing: &str) -> Result<String> {
    let output = command.output().map_err(|e| missing(&command, e))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().strip_prefix("error: ").unwrap_or(said.trim());
        let reason = if said.is_empty() { "what it says stands above" } else { said };
        return Err(Error::Run(ApiError::permanent(format!("could not {doing}: {reason}"))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(mut command: Command, doing: &str) -> Result<()> {
    let status = command.stdout(Stdio::null()).status().map_err(|e| missing(&command, e))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Run(ApiError::permanent(format!("could not {doing}: what it says stands above"))))
}

fn missing(command: &Command, e: std::io::Error) -> Error {
    let program = command.get_program().to_string_lossy().into_owned();
    Error::Run(
        ApiError::from(e)
            .context(format!("could not start {program}"))
            .hint("a distribution is compiled: install Rust, for example with rustup"),
    )
}
