//! The hold of one attempt on its base name, and the removal of what dead attempts left behind.
//!
//! An attempt's files are called `.<base>.<n>.rivet-tmp`. As long as it lives it holds an exclusive lock on
//! `.<base>.lock.rivet-tmp`, created first and removed last; the system frees the lock of a process that dies. Whoever
//! gets the lock of an existing file may therefore remove what belongs to it. One lock for the attempt, rather than one
//! a file, keeps the number of open files small however many parts there are.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rivet_plugin_api::{Error, Result, tracing};
use rivet_plugin_base::names::is_of_export;

use crate::directory::Directory;
use crate::error::failed;

const SUFFIX: &str = ".rivet-tmp";
const LOCK: &str = "lock";

/// Somebody who sweeps holds the lock of a file for an instant only; an attempt holds it for longer than this.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// A base name that is this attempt's until dropped.
pub(crate) struct Claim {
    directory: Directory,
    base: String,
    /// Holds the lock.
    _lock: File,
}

impl Claim {
    /// Takes the base name, or says that a live attempt has it. Leftovers of a dead attempt are removed.
    pub(crate) fn take(directory: &Directory, base: &str) -> Result<Self> {
        let path = directory.join(&temporary(base, LOCK))?;
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            let is_new = !path.exists();
            if let Some(lock) = lock(&path).map_err(|e| failed("lock", &path, &e))? {
                let claim = Self { directory: directory.clone(), base: base.to_owned(), _lock: lock };
                // Only who is dead leaves its lock. Looking through a directory of many files for each new one would
                // cost more than writing them.
                if !is_new {
                    remove_parts(directory, base)?;
                }
                return Ok(claim);
            }
        }
        Err(Error::conflict(format!(
            "\"{base}\" is being written to \"{}\" by another run",
            directory.path().display()
        ))
        .hint("wait until the other run has ended"))
    }

    /// The name of the temporary file of part `index`.
    pub(crate) fn temporary_name(&self, index: usize) -> String {
        temporary(&self.base, &index.to_string())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Before the lock is freed with the file: nobody may get a lock on a name that is about to vanish.
        if let Err(error) = self.directory.remove(&temporary(&self.base, LOCK)) {
            tracing::warn!(%error, "a lock file could not be removed");
        }
    }
}

/// Removes the temporary files of attempts of `export` that are dead. Failures are no reason not to export.
pub(crate) fn sweep(directory: &Directory, export: &str, names: &[String]) {
    let bases: BTreeSet<&str> = names.iter().filter_map(|name| Some(parse(name)?.0)).collect();
    for base in bases.into_iter().filter(|base| is_of_export(base, export)) {
        if let Err(error) = sweep_base(directory, base, names) {
            tracing::debug!(%error, name = base, "a leftover of an earlier run could not be removed");
        }
    }
}

fn sweep_base(directory: &Directory, base: &str, names: &[String]) -> Result<()> {
    let lock_name = temporary(base, LOCK);
    let path = directory.join(&lock_name)?;
    // An attempt that could not remove a part has removed its lock all the same, so that a new one is needed.
    let held = if names.contains(&lock_name) { lock_existing(&path) } else { lock(&path) };
    let Some(_lock) = held.map_err(|e| failed("lock", &path, &e))? else {
        return Ok(());
    };
    remove_parts(directory, base)?;
    directory.remove(&lock_name)?;
    tracing::info!(name = base, "removed what an earlier run left behind");
    Ok(())
}

fn remove_parts(directory: &Directory, base: &str) -> Result<()> {
    for name in directory.names()? {
        if parse(&name).is_some_and(|(of, index)| of == base && index != LOCK) {
            directory.remove(&name)?;
        }
    }
    Ok(())
}

fn temporary(base: &str, what: &str) -> String {
    format!(".{base}.{what}{SUFFIX}")
}

/// The base name and the part number or `lock` of a temporary file's name; `None` for any other name.
fn parse(name: &str) -> Option<(&str, &str)> {
    let (base, what) = name.strip_prefix('.')?.strip_suffix(SUFFIX)?.rsplit_once('.')?;
    let number = !what.is_empty() && what.bytes().all(|b| b.is_ascii_digit());
    (number || what == LOCK).then_some((base, what))
}

/// The locked file, created when there was none; `None` when somebody else holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => match try_lock(&file, path) {
            Ok(held) => Ok(held.then_some(file)),
            Err(e) => {
                // A file system without locks: the error counts, whether or not the file can be removed.
                let _ = std::fs::remove_file(path);
                Err(e)
            }
        },
        Err(e) if e.kind() == ErrorKind::AlreadyExists => lock_existing(path),
        Err(e) => Err(e),
    }
}

fn lock_existing(path: &Path) -> io::Result<Option<File>> {
    // A symbolic link is nothing that an attempt makes, and opening it could reach any file.
    if !std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file()) {
        return Ok(None);
    }
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => Ok(try_lock(&file, path)?.then_some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether the lock was got on the file that still has this name: its holder may have removed it meanwhile.
fn try_lock(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    let (held, named) = (file.metadata()?, std::fs::symlink_metadata(path));
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())))
}
