//! The output directory: which names may be in it, and how changes to it become durable.

use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rivet_plugin_api::{Error, Result};

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
        let missing: Vec<&Path> = self.0.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        if missing.is_empty() && self.0.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.0).map_err(|e| match e.kind() {
            // What create_dir_all says when the path is a file.
            ErrorKind::AlreadyExists => failed("create", &self.0, &ErrorKind::NotADirectory.into()),
            _ => failed("create", &self.0, &e),
        })?;
        missing.iter().try_for_each(|created| match created.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync(parent),
            _ => sync(Path::new(".")),
        })
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

fn sync(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|d| d.sync_all()).map_err(|e| failed("synchronise", directory, &e))
}
