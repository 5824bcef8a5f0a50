//! What can go wrong with the state file: always with its path, and with the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rivet_plugin_api::{Category, Error};
use rusqlite::ErrorCode;

use super::lock::LockedBy;
use crate::advice;

/// The result of every call on the state file.
pub type Result<T, E = StateError> = std::result::Result<T, E>;

/// A failure, and the file it happened to.
#[derive(Debug)]
pub struct StateError(Box<(PathBuf, StateErrorKind)>);

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// The operating system refused: what was tried, and its answer.
    Io(&'static str, io::Error),
    /// SQLite refused for a reason that has no own kind.
    Sqlite(rusqlite::Error),
    /// Another process kept the file locked for longer than the busy timeout.
    Busy,
    /// The file, or the directory it lies in, cannot be written.
    ReadOnly,
    /// The file is no SQLite database.
    NotADatabase,
    /// The file is a database of another program.
    Foreign,
    /// The database is damaged; SQLite's finding.
    Corrupt(String),
    /// A newer program wrote the file.
    Newer {
        /// The file's version.
        found: i64,
        /// The newest version this program knows.
        supported: i64,
    },
    /// Another run of the export is alive.
    Locked(LockedBy),
    /// Another run took the export over, which only happens when someone removed the lock file of a live run.
    LockLost {
        /// The export.
        export: String,
    },
    /// The cursor was stored for something else than what is configured now.
    OtherCursor {
        /// The export.
        export: String,
        /// `column`, `type` or `source`.
        what: &'static str,
        /// What the file holds.
        stored: String,
        /// What the configuration says.
        configured: String,
    },
    /// A stored value cannot be read, or a value cannot be stored: where, and why.
    Value(&'static str, String),
    /// A step of the window protocol was called out of order.
    Protocol(String),
}

impl StateError {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.0
    }

    /// What happened.
    pub fn kind(&self) -> &StateErrorKind {
        &self.0.1
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        use StateErrorKind as K;
        let file = self.path().display();
        Some(match self.kind() {
            K::NotADatabase | K::Corrupt(_) => format!(
                "move \"{file}\" away, then {}; without a backup the cursors are lost and incremental exports begin again",
                backup_advice(self.path())
            ),
            K::Foreign => "name another file with --state".into(),
            K::Newer { .. } => {
                format!(
                    "run the version that wrote it, name another file with --state, or {}",
                    backup_advice(self.path())
                )
            }
            K::Busy => "another process is writing to it; run again when it has finished".into(),
            K::ReadOnly => "make the file and its directory writable, or name another file with --state".into(),
            K::Io(..) => "check that the directory exists and is writable, or name another file with --state".into(),
            K::Locked(by) => match by.pid {
                Some(pid) => format!("wait for process {pid} to finish, or stop it; its lock ends with it"),
                None => "wait for the other run to finish; its lock ends with it".into(),
            },
            K::LockLost { .. } => "do not remove lock files of live runs; run the export again".into(),
            K::OtherCursor { export, what, .. } => {
                let adopt = match *what {
                    "source" => {
                        let adopt = advice::command("state adopt", &format!("--export {export}"));
                        format!("if it is the same data in another place: {adopt} keeps the cursor; ")
                    }
                    _ => String::new(),
                };
                let reset = advice::command("state reset", &format!("--export {export}"));
                format!("{adopt}{reset} forgets the cursor, so that the next run exports from the beginning")
            }
            K::Sqlite(e) => match e.sqlite_error_code()? {
                ErrorCode::DiskFull => "make room on the disk, then run again".into(),
                ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::PermissionDenied => {
                    "check that the file and its directory are readable and writable, and that the disk is sound".into()
                }
                _ => return None,
            },
            K::Value(..) | K::Protocol(_) => return None,
        })
    }

    /// The category by which the host decides what to do.
    pub fn category(&self) -> Category {
        use StateErrorKind as K;
        match self.kind() {
            K::Io(_, e) if e.kind() == io::ErrorKind::NotFound => Category::NotFound,
            K::Busy => Category::Timeout,
            K::Locked(_) | K::LockLost { .. } => Category::Conflict,
            K::Foreign | K::Newer { .. } | K::OtherCursor { .. } => Category::Config,
            K::Value(..) => Category::Data,
            K::Protocol(_) => Category::Internal,
            K::Io(..) | K::Sqlite(_) | K::ReadOnly | K::NotADatabase | K::Corrupt(_) => Category::Permanent,
        }
    }
}

/// Names the newest backup beside the file, since that is what a user in trouble looks for.
fn backup_advice(path: &Path) -> String {
    let prefix = format!("{}.backup-v", path.file_name().unwrap_or_default().to_string_lossy());
    let entries = super::open::directory(path).read_dir().ok();
    let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.filter(|name| name.starts_with(&prefix)).max() {
        Some(name) => format!("put the backup \"{name}\" in its place"),
        None => "put a backup in its place if you have one".into(),
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use StateErrorKind as K;
        let file = self.path().display();
        match self.kind() {
            K::Io(doing, e) => write!(f, "could not {doing} state file \"{file}\": {e}"),
            K::Sqlite(e) => write!(f, "state file \"{file}\": {e}"),
            K::Busy => write!(f, "state file \"{file}\" is locked by another process"),
            K::ReadOnly => write!(f, "state file \"{file}\" cannot be written"),
            K::NotADatabase => write!(f, "\"{file}\" is not a state file: it is no SQLite database"),
            K::Foreign => write!(f, "\"{file}\" is not a state file: it is the database of another program"),
            K::Corrupt(finding) => write!(f, "state file \"{file}\" is damaged: {finding}"),
            K::Newer { found, supported } => {
                write!(
                    f,
                    "state file \"{file}\" has version {found}, but this program knows versions up to {supported}"
                )
            }
            K::Locked(by) => by.fmt(f),
            K::LockLost { export } => write!(f, "another run of export \"{export}\" took over its lock"),
            // The configuration does not say it: the column has changed, or its values where a column has no type.
            K::OtherCursor { export, what: "type", stored, configured } => write!(
                f,
                "the cursor of export \"{export}\" was stored for type \"{stored}\", but the column's type is now \"{configured}\""
            ),
            K::OtherCursor { export, what, stored, configured } => write!(
                f,
                "the cursor of export \"{export}\" was stored for {what} \"{stored}\", but the configuration says \"{configured}\""
            ),
            K::Value(place, reason) => write!(f, "state file \"{file}\", {place}: {reason}"),
            K::Protocol(what) => write!(f, "state file \"{file}\": {what}"),
        }
    }
}

impl std::error::Error for StateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            StateErrorKind::Io(_, e) => Some(e),
            StateErrorKind::Sqlite(e) => Some(e),
            _ => None,
        }
    }
}

impl From<StateError> for Error {
    fn from(e: StateError) -> Self {
        let error = Self::new(e.category(), e.to_string());
        match e.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// A failure whose file the caller knows.
#[derive(Debug)]
pub(super) struct Fault(Box<StateErrorKind>);

impl Fault {
    pub(super) fn at(self, path: &Path) -> StateError {
        StateError(Box::new((path.to_owned(), *self.0)))
    }

    /// Whether SQLite wanted to write beside the file, which reading a WAL database takes.
    pub(super) fn needs_writing(&self) -> bool {
        match &*self.0 {
            StateErrorKind::ReadOnly => true,
            StateErrorKind::Sqlite(e) => e.sqlite_error_code() == Some(ErrorCode::CannotOpen),
            _ => false,
        }
    }

    pub(super) fn io<T>(doing: &'static str, result: io::Result<T>) -> Result<T, Self> {
        result.map_err(|e| match e.kind() {
            io::ErrorKind::ReadOnlyFilesystem => StateErrorKind::ReadOnly.into(),
            _ => StateErrorKind::Io(doing, e).into(),
        })
    }

    pub(super) fn value(place: &'static str, reason: impl fmt::Display) -> Self {
        StateErrorKind::Value(place, reason.to_string()).into()
    }

    pub(super) fn protocol(what: impl Into<String>) -> Self {
        StateErrorKind::Protocol(what.into()).into()
    }
}

impl From<StateErrorKind> for Fault {
    fn from(kind: StateErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(e: rusqlite::Error) -> Self {
        use StateErrorKind as K;
        let kind = match e.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => K::NotADatabase,
            Some(ErrorCode::DatabaseCorrupt) => K::Corrupt(e.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => K::Busy,
            Some(ErrorCode::ReadOnly) => K::ReadOnly,
            _ => K::Sqlite(e),
        };
        kind.into()
    }
}
