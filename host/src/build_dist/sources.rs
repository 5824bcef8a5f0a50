//! The crates of this machine, seen through one link below the crate that is written. Cargo mixes the path of a crate into
//! the names of its symbols, but only the part below the workspace: behind the link, the same sources give the same
//! binary wherever they lie.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::cargo::Cargo;
use super::failed;
use crate::config::{CrateSource, Recipe};
use crate::error::{Error, Result};

/// The name of the link.
pub const FOLDER: &str = "sources";

/// Where the crates of this machine lie.
pub struct Sources {
    /// The directory that holds them all; absent when no crate comes from this machine.
    root: Option<PathBuf>,
    /// Whether crates are seen through the link.
    is_linked: Cell<bool>,
    /// The versions that the host's own project was tested with.
    pub host_lock: Option<PathBuf>,
}

impl Sources {
    /// Asks cargo for the workspace of each crate, since a crate reaches its neighbours there by relative paths.
    pub fn of(recipe: &Recipe, cargo: &Cargo) -> Result<Self> {
        let mut known: HashMap<PathBuf, (PathBuf, String)> = HashMap::new();
        let (mut root, mut host_lock): (Option<PathBuf>, _) = (None, None);
        for (place, entry) in std::iter::once(&recipe.host).chain(&recipe.plugins).enumerate() {
            let CrateSource::Path(path) = &entry.source else { continue };
            if !known.contains_key(path) {
                let metadata = cargo.workspace_of(path)?;
                for package in metadata.packages {
                    let dir = package.manifest_path.parent().unwrap_or(path).to_owned();
                    known.insert(dir, (metadata.workspace_root.clone(), package.name));
                }
            }
            let Some((workspace, name)) = known.get(path) else {
                let message = format!("\"{}\" holds a workspace, not a crate", path.display());
                return Err(Error::Config(recipe.problem(
                    entry.at,
                    message,
                    "name the directory of one of its crates",
                )));
            };
            if *name != entry.name {
                let message = format!("the crate in \"{}\" is `{name}`, not `{}`", path.display(), entry.name);
                let hint = format!("write `{name}`, or the directory of `{}`", entry.name);
                return Err(Error::Config(recipe.problem(entry.at, message, hint)));
            }
            if place == 0 {
                host_lock = Some(workspace.join("Cargo.lock")).filter(|lock| lock.is_file());
            }
            root = Some(root.map_or_else(|| workspace.clone(), |root| common(&root, workspace)));
        }
        Ok(Self { is_linked: Cell::new(root.is_some()), root, host_lock })
    }

    /// The directory that holds all crates of this machine.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Whether crates are seen through the link.
    pub fn is_linked(&self) -> bool {
        self.is_linked.get()
    }

    /// From now on crates are seen where they are: one of them names a neighbour by an absolute path, and cargo would take
    /// the two paths of that neighbour for two crates.
    pub fn unlink(&self) {
        self.is_linked.set(false);
    }

    /// Makes the link in `dir`.
    pub fn link(&self, dir: &Path) -> Result<()> {
        let link = dir.join(FOLDER);
        let Some(root) = &self.root else { return Ok(()) };
        if fs::read_link(&link).is_ok_and(|to| to == *root) {
            return Ok(());
        }
        let _ = fs::remove_file(&link);
        symlink(root, &link).map_err(|e| failed(e, "could not make the link", &link))
    }

    /// The path by which the crate in `path` is named.
    pub fn seen(&self, path: &Path) -> String {
        let below = self.root.as_ref().and_then(|root| path.strip_prefix(root).ok()).filter(|_| self.is_linked());
        match below {
            Some(below) => Path::new(FOLDER).join(below).display().to_string(),
            None => path.display().to_string(),
        }
    }
}

/// The longest path above both.
fn common(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}
