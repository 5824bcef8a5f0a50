//! The output directory: which names may be in it, and how changes to it become durable.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rivet_plugin_api::{Category, Error, Result};

use crate::error::failed;

/// A directory that every path stays in.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Creates the directory and its parents where they are missing.
    pub(crate) fn create(&self) -> Result<()> {
        let missing = self.create_missing()?;
        missing.iter().try_for_each(|created| match created.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync(parent),
            _ => sync(Path::new(".")),
        })
    }

    /// As [`create`](Self::create), until the answer is dropped.
    pub(crate) fn create_for_now(&self) -> Result<Temporary> {
        self.create_missing().map(Temporary)
    }

    /// Creates what is missing, and says what that was, the innermost first.
    fn create_missing(&self) -> Result<Vec<PathBuf>> {
        let named = self.0.ancestors().take_while(|p| !p.as_os_str().is_empty());
        let missing: Vec<PathBuf> = named.take_while(|p| !p.exists()).map(Path::to_owned).collect();
        if !missing.is_empty() || !self.0.is_dir() {
            fs::create_dir_all(&self.0).map_err(|e| self.not_created(&e))?;
        }
        Ok(missing)
    }

    /// The system does not say which part of a path is in the way.
    fn not_created(&self, error: &io::Error) -> Error {
        let mut parts: Vec<&Path> = self.0.ancestors().collect();
        parts.reverse();
        for part in parts {
            let Ok(metadata) = fs::symlink_metadata(part) else { continue };
            let (what, category, code, hint) = match fs::metadata(part) {
                Ok(reached) if reached.is_dir() => continue,
                Err(e) if e.kind() == ErrorKind::PermissionDenied => continue,
                Err(_) if metadata.is_symlink() => (
                    "a symbolic link that leads nowhere",
                    Category::NotFound,
                    "ENOENT",
                    "create what it points to, or change destination.path",
                ),
                _ => ("not a directory", Category::Config, "ENOTDIR", "name a directory in destination.path"),
            };
            let text = format!("could not create \"{}\": \"{}\" is {what}", self.0.display(), part.display());
            return Error::new(category, text).code(code).hint(hint);
        }
        failed("create", &self.0, error)
    }

    /// The path of a file in the directory. Names come from the host, but no name may lead elsewhere.
    pub(crate) fn join(&self, name: &str) -> Result<PathBuf> {
        let outside = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']);
        if outside {
            return Err(Error::config(format!("\"{}\" is not a file name", name.escape_default()))
                .hint("use letters, digits, \"_\", \"-\" and single dots in the export's name"));
        }
        Ok(self.0.join(name))
    }

    /// What is known of a file in the directory, `None` when there is none. Refuses a symbolic link, which could lead
    /// out of the directory, and anything else that is no regular file.
    pub(crate) fn look_up(&self, name: &str) -> Result<Option<Metadata>> {
        let path = self.join(name)?;
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
            Ok(metadata) => {
                let what = if metadata.is_symlink() { "a symbolic link" } else { "not a regular file" };
                Err(Error::conflict(format!("\"{}\" is {what}", path.display())).hint("remove it from the directory"))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("look up", &path, &e)),
        }
    }

    /// Deletes a file if it exists; says whether it did. Not durable before [`sync`](Self::sync).
    pub(crate) fn remove(&self, name: &str) -> Result<bool> {
        let path = self.join(name)?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(failed("remove", &path, &e)),
        }
    }

    /// Every name in the directory that is valid UTF-8; no other name is ours.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.0).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = entries.map_err(|e| failed("list", &self.0, &e))?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    /// Makes the names in the directory durable.
    pub(crate) fn sync(&self) -> Result<()> {
        sync(&self.0)
    }
}

/// Directories that exist for a moment, the innermost first. One that somebody else has put something into stays.
pub(crate) struct Temporary(Vec<PathBuf>);

impl Temporary {
    /// Whether everything was there before.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        for directory in &self.0 {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn sync(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|d| d.sync_all()).map_err(|e| failed("synchronise", directory, &e))
}
