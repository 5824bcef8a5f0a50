//! `dist.yaml`: what a distribution is made of. Read as a configuration is: every mistake with its place, all at once.

mod read;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{ConfigError, Diagnostic, Problems, SourceText};
use super::node::Span;
use super::{file, yaml};
use crate::code::Code;

/// What to build, checked as far as it can be without cargo.
pub struct Recipe {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// The program's name: `[a-z][a-z0-9-]{0,63}`.
    pub name: String,
    /// The version that the program shows; the host's when absent.
    pub version: Option<String>,
    /// Make the single binary.
    pub makes_static: bool,
    /// Make the tarball.
    pub makes_tarball: bool,
    /// Cargo's name of the optimisation: `release` or `dev`.
    pub profile: &'static str,
    /// The target triple; this machine's when absent.
    pub target: Option<String>,
    /// The host.
    pub host: CrateEntry,
    /// The connectors, in the order of the file.
    pub plugins: Vec<CrateEntry>,
    /// Where the results go.
    pub output: PathBuf,
    /// Where the sources of all crates are kept, for builds without a network.
    pub vendor: Option<PathBuf>,
    /// Where the chosen versions of all crates are kept.
    pub lock: PathBuf,
    /// Further files and directories of the tarball: the name in it, and where it is taken from.
    pub files: BTreeMap<String, PathBuf>,
    vendor_at: Span,
    text: Arc<SourceText>,
}

/// A crate that goes into the distribution.
pub struct CrateEntry {
    /// The name of the package.
    pub name: String,
    /// Where it comes from.
    pub source: CrateSource,
    /// The version that it must have, all of it.
    pub version: Option<String>,
    /// Features beyond the default ones.
    pub features: Vec<String>,
    /// Whether the default ones are on.
    pub default_features: bool,
    /// Where it stands in the file.
    pub at: Span,
}

/// Where a crate comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CrateSource {
    /// A directory of this machine, which exists and holds a `Cargo.toml`; absolute, links resolved.
    Path(PathBuf),
    /// A repository, with `rev`, `tag` or `branch` and its value.
    Git(String, Option<(&'static str, String)>),
    /// Cargo's registry, in the version that the entry names.
    Registry,
}

impl Recipe {
    /// A mistake that a later step found in what the file says at `at`.
    pub fn problem(&self, at: Span, message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.text, vec![Diagnostic::new(message).at(at).hint(hint)])
    }

    /// As [`Self::problem`], for the value of `vendor`.
    pub fn vendor_problem(&self, message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        self.problem(self.vendor_at, message, hint)
    }
}

/// Reads and checks `path`.
pub fn load_recipe(path: &Path) -> Result<Recipe, ConfigError> {
    let name = path.display().to_string();
    let fail = |diagnostic| ConfigError::new(&Arc::new(SourceText::new(name.clone(), "")), vec![diagnostic]);
    let bytes = file::read(path, "the distribution").map_err(fail)?;
    let text = file::decode(&bytes, "the distribution").map_err(fail)?;
    let source = Arc::new(SourceText::new(name.clone(), text));
    let problems = Problems::default();
    let root = match yaml::parse(text, &problems) {
        Ok(root) => root,
        Err(fatal) => {
            let is_empty = fatal.code == Code::MissingKey;
            let empty = Diagnostic::new("the distribution is empty").code(Code::MissingKey);
            problems.push(if is_empty { empty.hint("it needs at least `name`, `host` and `plugins`") } else { fatal });
            return Err(problems.into_error(&source));
        }
    };
    let recipe = read::recipe(path, &root, &source, &problems);
    problems.finish(&source)?;
    // Only reached when a getter answers nothing without saying why.
    recipe.ok_or_else(|| fail(Diagnostic::new("the distribution is incomplete")))
}
