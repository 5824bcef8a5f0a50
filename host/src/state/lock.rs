//! One live run per export and state file: an operating-system lock that ends with its process, and a row that says
//! who holds it. The row's epoch fences out a run whose lock file someone removed; its boot tells a run that was killed
//! from one that a power loss ended.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use super::error::{Fault, Result, StateErrorKind};
use super::{State, open, progress, rfc3339};

/// Who holds the lock of an export, as far as is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LockedBy {
    /// The export.
    pub export: String,
    /// The process.
    pub pid: Option<u32>,
    /// The machine.
    pub host: Option<String>,
    /// When it took the lock, RFC 3339.
    pub started: Option<String>,
}

impl fmt::Display for LockedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "export \"{}\" is already being run", self.export)?;
        if let Some(pid) = self.pid {
            write!(f, " by process {pid}")?;
        }
        if let Some(host) = &self.host {
            write!(f, " on host \"{host}\"")?;
        }
        match &self.started {
            Some(started) => write!(f, ", since {started}"),
            None => Ok(()),
        }
    }
}

/// The right to change what the state file holds about one export. Dropping it gives it back; so does the end of the
/// process, however it comes. Threads that work on the same export share one.
#[derive(Debug)]
pub struct RunLock {
    pub(super) state: State,
    pub(super) export: String,
    epoch: i64,
    _file: LockFile,
}

impl RunLock {
    /// Takes the lock without waiting. A run that died does not hold it any more; a live one, also in this process, is
    /// [`StateErrorKind::Locked`].
    pub fn acquire(state: &State, export: &str, now: Timestamp) -> Result<Self> {
        let path = open::sibling(state.path(), &format!(".lock-{}", file_name_of(export)));
        let Some(file) = Fault::io("lock", LockFile::try_acquire(&path)).map_err(|fault| fault.at(state.path()))?
        else {
            return Err(Fault::from(StateErrorKind::Locked(holder(state, export)?)).at(state.path()));
        };
        let epoch = state.write_volatile(|tx| take_over(tx, export, now))?;
        Ok(Self { state: state.clone(), export: export.to_owned(), epoch, _file: file })
    }

    /// The export it protects.
    pub fn export(&self) -> &str {
        &self.export
    }

    /// Writes in one durable transaction, unless another run has taken the export over.
    pub(super) fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        self.state.write(|tx| {
            self.check(tx)?;
            f(tx)
        })
    }

    /// As `write`, but a power loss may undo it, as [`State::write_soon`] has it.
    pub(super) fn write_soon<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        self.state.write_soon(|tx| {
            self.check(tx)?;
            f(tx)
        })
    }

    fn check(&self, tx: &Transaction<'_>) -> Result<(), Fault> {
        let current = "SELECT epoch FROM rivet_lock WHERE export_name = ?1";
        let epoch: Option<i64> = tx.prepare_cached(current)?.query_row([&self.export], |row| row.get(0)).optional()?;
        if epoch == Some(self.epoch) {
            return Ok(());
        }
        Err(StateErrorKind::LockLost { export: self.export.clone() }.into())
    }
}

/// Writes this process into the row and returns the new epoch. Nobody clears the row: it is only read while the
/// operating system's lock is held, by whoever wrote it last.
fn take_over(tx: &Transaction<'_>, export: &str, now: Timestamp) -> Result<i64, Fault> {
    let boot = kernel("random/boot_id");
    let same = "SELECT count(*) FROM rivet_lock WHERE export_name = ?1 AND boot_id = ?2";
    if tx.query_row(same, params![export, boot], |row| row.get::<_, i64>(0))? == 0 {
        // The machine went down since the last run, or may have.
        progress::distrust(tx, export)?;
    }
    let row = params![export, std::process::id(), boot, kernel("hostname"), rfc3339(now)];
    Ok(tx.query_row(
        "INSERT INTO rivet_lock (export_name, epoch, pid, boot_id, host, started_at) VALUES (?1, 1, ?2, ?3, ?4, ?5)
         ON CONFLICT (export_name) DO UPDATE SET epoch = epoch + 1, pid = excluded.pid, boot_id = excluded.boot_id,
             host = excluded.host, started_at = excluded.started_at
         RETURNING epoch",
        row,
        |row| row.get(0),
    )?)
}

fn holder(state: &State, export: &str) -> Result<LockedBy> {
    state.read(|tx| {
        let sql = "SELECT pid, host, started_at FROM rivet_lock WHERE export_name = ?1";
        let found = tx.query_row(sql, [export], |row| {
            Ok(LockedBy { export: export.to_owned(), pid: row.get(0)?, host: row.get(1)?, started: row.get(2)? })
        });
        Ok(found.optional()?.unwrap_or_else(|| LockedBy { export: export.to_owned(), ..LockedBy::default() }))
    })
}

/// What the kernel says about this machine, where there is such a file.
pub(super) fn kernel(name: &str) -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The export's name with everything but letters, digits, `_`, `-` and `.` escaped, so that it stays one file name.
fn file_name_of(export: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    export.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02x}") }).collect()
}

/// A locked file, removed when the lock is given back.
#[derive(Debug)]
pub(super) struct LockFile {
    path: PathBuf,
    _locked: File,
}

impl LockFile {
    /// Takes the lock if it is free, `None` when it is held.
    pub(super) fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        Self::acquire(path, |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(e),
        })
    }

    /// Takes the lock when it becomes free.
    pub(super) fn wait(path: &Path) -> io::Result<Option<Self>> {
        Self::acquire(path, |file| file.lock().map(|()| true))
    }

    fn acquire(path: &Path, lock: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
            if !lock(&file)? {
                return Ok(None);
            }
            // The previous owner may have removed the file between the open and the lock; then the lock is on a file
            // that nobody else can find.
            let identity = |m: fs::Metadata| (m.dev(), m.ino());
            if fs::metadata(path).is_ok_and(|m| file.metadata().is_ok_and(|own| identity(own) == identity(m))) {
                return Ok(Some(Self { path: path.to_owned(), _locked: file }));
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Still locked here, so the file is this one's to remove. One that stays is locked anew by the next run.
        let _ = fs::remove_file(&self.path);
    }
}
