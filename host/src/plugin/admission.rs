//! Whether a file may be loaded: who can change it, what the user trusts, and what the lock file names. What is loaded
//! is what was judged.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error;
use rivet_plugin_api::abi::{Marker, Process, Refusal, inspect_for};
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::seal::{seal, sha256};
use super::trust::Trusted;

/// What decides about files; a process of a plug-in is told of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Policy {
    /// The project's lock file, which is enforced when there is one.
    pub lock: Option<Lock>,
    /// What the user trusts although others could change it.
    pub trusted: Trusted,
}

/// A file that may be loaded.
#[derive(Debug)]
pub struct Admitted {
    /// What to load: the file itself where only its owner can change it, else a sealed copy.
    pub file: File,
    /// What its marker says.
    pub marker: Marker,
}

impl Policy {
    /// The user's own list, and the lock file in `dir`.
    pub fn of(dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        Ok(Self { lock: Lock::read(dir)?, trusted: Trusted::read(env)? })
    }

    /// Looks at a file without asking the lock: what it is, and whether others can change it.
    pub fn look(&self, path: &Path) -> Result<Marker, Refusal> {
        let (file, exposed) = open(path)?;
        match exposed {
            Some(why) => {
                self.trusted_copy(path, &file, why).and_then(|(copy, _)| inspect_for(path, &copy, Process::Isolated))
            }
            None => inspect_for(path, &file, Process::Isolated),
        }
    }

    /// Opens a file for loading into `process`. Where a checksum decides, a sealed copy is what was hashed and what gets loaded.
    pub fn admit(&self, path: &Path, process: Process) -> Result<Admitted, Refusal> {
        let (mut file, exposed) = open(path)?;
        let mut found = None;
        if let Some(why) = exposed {
            let (copy, sha256) = self.trusted_copy(path, &file, why)?;
            (file, found) = (copy, Some(sha256));
        } else if self.lock.is_some() {
            let sealed = seal(path, &file).map_err(|e| refusal(path, format!("cannot be copied: {e}")))?;
            (file, found) = (sealed.file, Some(sealed.sha256));
        }
        let marker = inspect_for(path, &file, process)?;
        if let Some(lock) = &self.lock {
            let why = lock.check(&marker.name, &marker.version, found.as_deref());
            why.map_err(|why| refusal(path, why))?;
        }
        Ok(Admitted { file, marker })
    }

    /// A refusal as the error of a command.
    pub fn refused(&self, refusal: &Refusal) -> Error {
        let text = format!("plug-in {refusal}");
        if self.lock.as_ref().is_some_and(|lock| lock.refuses(refusal)) {
            return Error::conflict(text).hint("`rivet plugin list` compares every plug-in with the lock file");
        }
        Error::config(text).hint("`rivet plugin list` shows every plug-in that was looked at")
    }

    fn trusted_copy(&self, path: &Path, file: &File, why: String) -> Result<(File, String), Refusal> {
        if self.trusted.files().is_empty() {
            return Err(refusal(path, why));
        }
        let sealed = seal(path, file).map_err(|e| refusal(path, format!("cannot be copied: {e}")))?;
        if self.trusted.has(&sealed.sha256) {
            return Ok((sealed.file, sealed.sha256));
        }
        Err(refusal(path, why))
    }
}

fn refusal(path: &Path, reason: String) -> Refusal {
    Refusal { path: path.to_owned(), reason }
}

/// What a look at a file tells, whoever owns it: for the user to judge. Nothing of it is loaded.
pub struct Glance {
    /// The opened file.
    pub file: File,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower hex.
    pub sha256: String,
    /// Who could change it, and what to do about that.
    pub exposed: Option<String>,
}

/// Opens a file and hashes it.
pub fn glance(path: &Path) -> Result<Glance, Refusal> {
    let (file, exposed) = open(path)?;
    let unreadable = |e: std::io::Error| refusal(path, format!("cannot be read: {e}"));
    let bytes = file.metadata().map_err(unreadable)?.len();
    let sha256 = sha256(&file).map_err(unreadable)?;
    Ok(Glance { file, bytes, sha256, exposed })
}

/// Opens a regular file, and says whether others than its owner could change it.
fn open(path: &Path) -> Result<(File, Option<String>), Refusal> {
    let refuse = |reason: String| refusal(path, reason);
    // Before it is opened: opening a pipe would wait for a writer.
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(refuse("not a file".into()));
    }
    let file = File::open(path).map_err(|e| refuse(format!("cannot be opened: {e}")))?;
    let metadata = file.metadata().map_err(|e| refuse(format!("cannot be read: {e}")))?;
    if !metadata.is_file() {
        return Err(refuse("not a file".into()));
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = fs::metadata(parent).map_err(|e| refuse(format!("its directory cannot be read: {e}")))?;
    let trust = format!("or trust its present content: rivet plugin trust {}", path.display());
    for (what, metadata) in [("the file", &metadata), ("its directory", &directory)] {
        if is_writable_by_others(metadata) {
            return Ok((file, Some(format!("{what} can be changed by other users: run `chmod go-w` on it, {trust}"))));
        }
        if !is_trusted_owner(metadata.uid()) {
            let uid = metadata.uid();
            return Ok((file, Some(format!("{what} belongs to another user (uid {uid}): run `chown` on it, {trust}"))));
        }
    }
    Ok((file, None))
}

/// Root, this user, or whoever installed the host itself: the others could put their own code in.
fn is_trusted_owner(uid: u32) -> bool {
    let owner = |path: PathBuf| fs::metadata(path).map(|m| m.uid()).ok();
    let exe = std::env::current_exe().ok().and_then(owner);
    uid == 0 || Some(uid) == owner("/proc/self".into()) || Some(uid) == exe
}

/// Whether someone beside the owner can write. A group-writable file of this user's own group is what an umask of 002
/// makes on systems where every user has a group of their own.
fn is_writable_by_others(metadata: &fs::Metadata) -> bool {
    let me = fs::metadata("/proc/self").map(|m| (m.uid(), m.gid()));
    let own_group = me.is_ok_and(|(uid, gid)| metadata.uid() == uid && metadata.gid() == gid);
    metadata.mode() & 0o002 != 0 || (metadata.mode() & 0o020 != 0 && !own_group)
}
