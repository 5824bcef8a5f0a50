//! The state file: cursors, history and the intents of running windows, in one SQLite database beside the config.
//!
//! A file of rivet-cli 0.2 opens without loss. Everything that belongs to one export is written through its
//! [`RunLock`], so that no two runs can both move a cursor.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

mod error;
mod open;
mod migrate;
mod lock;
mod cursor;
mod intent;
mod progress;
mod commit;
mod schema;
mod history;
mod overview;
mod chunk;
mod tables;
#[cfg(test)]
mod tests;

pub use chunk::{ChunkReport, ChunkRow};
pub use commit::Commit;
pub use cursor::{CursorUpdate, Origin, StoredCursor, parse_cursor};
pub use error::{Result, StateError, StateErrorKind};
pub use history::{FileRecord, RunMetrics, RunRecord};
pub use intent::{ChunkPlan, Intent, IntentChunk, NewIntent};
pub use lock::{LockedBy, RunLock};
pub use overview::{Day, ExportHistory, Overview, RUNS};
pub use schema::{SchemaChange, SchemaColumn};
pub use tables::{chunk_table, cursor_table, file_table, human_bytes, human_duration, metrics_table};

use error::Fault;

use crate::clock::Stopwatch;

/// The file's name, beside the configuration unless the user moves it.
pub const FILE_NAME: &str = ".rivet_state.db";

/// How long a transaction that says so may wait to be forced to disk. A power loss costs the work of that time; forcing
/// each would cost runs of many small chunks more than their rows.
const UNFORCED: Duration = Duration::from_millis(20);

/// An open state file. Clones share one connection, which threads use in turn.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    path: PathBuf,
    session: Mutex<Session>,
}

struct Session {
    connection: Connection,
    /// Since a transaction was last forced to disk.
    forced: Option<Stopwatch>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({})", self.0.path.display())
    }
}

impl State {
    /// Opens the file for a run: creates it when there is none, and brings an older one up to date after a backup copy
    /// `<file>.backup-v<N>`.
    pub fn open(path: &Path) -> Result<Self> {
        Self::with(path, open::create_or_update(path))
    }

    /// As [`State::open`], but `None` when there is no file: for commands that change state and must not create it.
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        open::update(path).transpose().map(|opened| Self::with(path, opened)).transpose()
    }

    /// Opens the file for looking only, `None` when there is none. It is neither created nor migrated, may belong to an
    /// older version, and may lie where nothing can be written. Every write fails with [`StateErrorKind::ReadOnly`].
    pub fn open_read_only(path: &Path) -> Result<Option<Self>> {
        open::read_only(path).transpose().map(|opened| Self::with(path, opened)).transpose()
    }

    /// The file, without symbolic links: the one name under which every process finds the same locks.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    fn with(path: &Path, opened: Result<Connection, Fault>) -> Result<Self> {
        let opened = opened.and_then(|c| Ok((Fault::io("find", path.canonicalize())?, c)));
        match opened {
            Ok((path, connection)) => {
                Ok(Self(Arc::new(Inner { path, session: Mutex::new(Session { connection, forced: None }) })))
            }
            Err(fault) => Err(fault.at(path)),
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        // A transaction that a panic interrupted was rolled back while unwinding, so the connection stays usable.
        self.0.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` on one consistent view of the file.
    fn read<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        let mut session = self.session();
        let read = |c: &mut Connection| f(&c.transaction_with_behavior(TransactionBehavior::Deferred)?);
        read(&mut session.connection).map_err(|fault| fault.at(self.path()))
    }

    /// Runs `f` in one transaction that is durable when this returns `Ok`, and has left no trace otherwise.
    fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        self.commit(true, f)
    }

    /// As `write`, but a power loss may undo it when another transaction was forced to disk within [`UNFORCED`]: the next
    /// one that is forced makes it durable too. The end of this process, however it comes, undoes nothing.
    fn write_soon<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        self.commit(false, f)
    }

    fn commit<T>(&self, force: bool, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        let mut session = self.session();
        let Session { connection, forced } = &mut *session;
        let force = force || forced.is_none_or(|since| since.elapsed() >= UNFORCED);
        let done = connection
            .pragma_update(None, "synchronous", if force { "FULL" } else { "NORMAL" })
            .map_err(Fault::from)
            .and_then(|()| transaction(connection, f));
        if force && done.is_ok() {
            *forced = Some(Stopwatch::start());
        }
        done.map_err(|fault| fault.at(self.path()))
    }

    /// As `write`, but a power loss may undo it: for what only matters while this machine is up, without an fsync. The
    /// next durable transaction makes it durable too. Meanwhile no checkpoint may run, for it would not sync either.
    fn write_volatile<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        let connection = &mut self.session().connection;
        let done = connection
            .execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF")
            .map_err(Fault::from)
            .and_then(|()| transaction(connection, f));
        let restored = connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000");
        done.and_then(|out| restored.map(|()| out).map_err(Fault::from)).map_err(|fault| fault.at(self.path()))
    }
}

/// Takes the write lock at the start: a transaction that reads first and writes later could not wait for another
/// writer, because what it read would be stale.
fn transaction<T>(
    connection: &mut Connection,
    f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let out = f(&transaction)?;
    transaction.commit()?;
    Ok(out)
}

/// An instant as rivet-cli 0.2 wrote it, with a fixed width so that text sorts by time.
fn rfc3339(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.9f+00:00").to_string()
}
