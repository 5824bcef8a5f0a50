//! Whether a file may be loaded: who can change it, what the user trusts, and what the lock file names. What is loaded
//! is what was judged.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error;
use rivet_plugin_api::abi::{Marker, Process, Refusal, inspect_for};
use serde::{Deserialize, Serialize};

use super::lock::Lock;
use super::seal::{library_sha256, seal};
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
        let (file, found) = self.open(path)?;
        let marker = inspect_for(path, &file, process)?;
        self.check(path, &marker, found.as_deref())?;
        Ok(Admitted { file, marker })
    }

    /// As [`Self::admit`] for a file that is yet to be judged: only what the user and the lock say of it counts.
    pub fn admit_unjudged(&self, path: &Path) -> Result<File, Refusal> {
        let (file, found) = self.open(path)?;
        // What has no marker is never loaded, whatever a lock would say of it.
        if let Some(marker) = Marker::read(&file) {
            self.check(path, &marker, found.as_deref())?;
        }
        Ok(file)
    }

    /// The file as it is to be loaded, and its checksum where that was asked for.
    fn open(&self, path: &Path) -> Result<(File, Option<String>), Refusal> {
        let (file, exposed) = open(path)?;
        if let Some(why) = exposed {
            return self.trusted_copy(path, &file, why).map(|(copy, sha256)| (copy, Some(sha256)));
        }
        if self.lock.is_none() {
            return Ok((file, None));
        }
        let sealed = seal(path, &file).map_err(|e| uncopied(path, &e))?;
        Ok((sealed.file, Some(sealed.sha256)))
    }

    fn check(&self, path: &Path, marker: &Marker, found: Option<&str>) -> Result<(), Refusal> {
        let Some(lock) = &self.lock else { return Ok(()) };
        lock.check(&marker.name, &marker.version, found).map_err(|why| refusal(path, why))
    }

    /// A refusal as the error of a command.
    pub fn refused(&self, refusal: &Refusal) -> Error {
        let text = format!("plug-in {refusal}");
        if self.lock.as_ref().is_some_and(|lock| lock.refuses(refusal)) {
            return Error::conflict(text).hint("`rivet plugin list` compares every plug-in with the lock file");
        }
        Error::config(text).hint("`rivet plugin list` shows every plug-in that was looked at")
    }

    /// A copy that nobody can change of what the user trusts. Others can put anything in such a place, so that nothing is
    /// taken into memory before its checksum is known.
    fn trusted_copy(&self, path: &Path, file: &File, why: String) -> Result<(File, String), Refusal> {
        if self.trusted.files().is_empty() || !is_library(file) {
            return Err(refusal(path, why));
        }
        let hash = library_sha256(file).map_err(|e| refusal(path, format!("cannot be read: {e}")))?;
        if !self.trusted.has(&hash) {
            return Err(refusal(path, why));
        }
        let sealed = seal(path, file).map_err(|e| uncopied(path, &e))?;
        // It may have been changed since it was hashed.
        if sealed.sha256 == hash { Ok((sealed.file, hash)) } else { Err(refusal(path, why)) }
    }
}

fn uncopied(path: &Path, e: &std::io::Error) -> Refusal {
    refusal(path, format!("cannot be copied: {e}"))
}

/// Whether it begins as libraries do.
fn is_library(file: &File) -> bool {
    let mut magic = [0; 4];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *b"\x7fELF"
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
    let sha256 = library_sha256(&file).map_err(unreadable)?;
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

/// Whether someone beside the owner can write. A group-writable file is what an umask of 002 makes on systems where every
/// user has a group of their own, which has the user's own number there. A group of another number may have any members,
/// even the user's primary one.
fn is_writable_by_others(metadata: &fs::Metadata) -> bool {
    let me = fs::metadata("/proc/self").ok().map(|m| m.uid());
    others_can_write(metadata.mode(), metadata.uid(), metadata.gid(), me)
}

fn others_can_write(mode: u32, uid: u32, gid: u32, me: Option<u32>) -> bool {
    let is_private_group = me == Some(uid) && uid == gid;
    mode & 0o002 != 0 || (mode & 0o020 != 0 && !is_private_group)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_group_may_write_when_it_is_the_users_own_alone() {
        for (mode, uid, gid, others) in [
            (0o100_644, 1000, 100, false),
            (0o100_664, 1000, 1000, false),
            (0o100_664, 1000, 100, true),
            (0o100_664, 1000, 65_534, true),
            (0o100_664, 1001, 1001, true),
            (0o100_666, 1000, 1000, true),
            (0o041_777, 1000, 1000, true),
        ] {
            assert_eq!(others_can_write(mode, uid, gid, Some(1000)), others, "{mode:o} {uid}:{gid}");
        }
        assert!(others_can_write(0o664, 1000, 1000, None));
    }

    /// A file that everybody can change, which begins as libraries do.
    fn exposed(dir: &Path, name: &str, bytes: u64) -> PathBuf {
        let path = dir.join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(b"\x7fELF").unwrap();
        file.set_len(bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        path
    }

    #[test]
    fn nothing_of_what_is_not_trusted_is_taken_into_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut policy = Policy::default();
        policy.trusted.add("1".repeat(64), "/elsewhere.so".into()).unwrap();
        // As large as it says, it would take an hour to read and all of the memory to keep.
        let huge = exposed(dir.path(), "huge.so", 1 << 40);
        let started = crate::clock::Stopwatch::start();
        let refused = policy.look(&huge).unwrap_err();
        assert!(refused.reason.contains("larger than any plug-in"), "{refused}");
        assert!(glance(&huge).is_err_and(|refused| refused.reason.contains("larger than any plug-in")));
        let other = exposed(dir.path(), "other.so", 1 << 20);
        assert!(policy.look(&other).unwrap_err().reason.contains("can be changed by other users"));
        assert!(started.elapsed().as_secs() < 10);
        // What is trusted is copied, and is then judged like any other.
        let hash = glance(&other).unwrap().sha256;
        policy.trusted.add(hash, other.clone()).unwrap();
        assert!(policy.look(&other).unwrap_err().reason.contains("built for another processor"));
        let mut text = File::options().write(true).open(&other).unwrap();
        text.write_all(b"#!/bin/sh").unwrap();
        assert!(policy.look(&other).unwrap_err().reason.contains("can be changed by other users"));
    }
}
