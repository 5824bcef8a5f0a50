//! The thread that owns a connection. rusqlite's rows borrow their connection, so a reader that outlives a call keeps
//! both on a thread of their own and takes finished results over a rendezvous: at most one waits while one is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rivet_plugin_api::{Cancel, CancelGuard, Category, Context, Error, Result, Timeouts};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, InterruptHandle, OpenFlags, ffi};

use crate::error::{NO_TIME, driver, opening, shown};
use crate::frugal;
use crate::options::Location;
use crate::time::{parse_date, parse_timestamp};

/// How often a wait looks at the host's wish to stop, should no interrupt announce it.
const POLL: Duration = Duration::from_millis(100);

/// The pause between two attempts to get a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The SQL functions that read the text of timestamps and dates exactly as the batches do.
pub(crate) const MICROS: &str = "rivet_micros";
pub(crate) const DAYS: &str = "rivet_days";

/// Work on a thread of its own, in one read transaction. Dropping it ends the work and the thread.
pub(crate) struct Worker<T> {
    results: Option<Receiver<Result<T>>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<Stop>,
    cancel: Cancel,
    guard: Option<CancelGuard>,
    limit: Option<Duration>,
    waited: Duration,
}

/// Ends the work from another thread.
struct Stop {
    flag: Arc<AtomicBool>,
    interrupt: InterruptHandle,
}

impl Stop {
    fn now(&self) {
        // The flag comes first: whoever misses the interrupt then sees the flag.
        self.flag.store(true, Ordering::SeqCst);
        self.interrupt.interrupt();
    }
}

/// Where the work puts its results.
pub(crate) struct Outlet<T>(SyncSender<Result<T>>);

impl<T> Outlet<T> {
    /// Waits until the host takes `result`; an error once nobody will.
    pub(crate) fn send(&self, result: T) -> Result<()> {
        self.0.send(Ok(result)).map_err(|_| Error::cancelled())
    }
}

impl<T: Send + 'static> Worker<T> {
    pub(crate) fn spawn(
        location: &Location,
        timeouts: Timeouts,
        context: &Context,
        work: impl FnOnce(&Connection, &Outlet<T>) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        context.check()?;
        let flag = Arc::new(AtomicBool::new(false));
        let connection = connect(location, timeouts.lock(), &flag)?;
        let stop = Arc::new(Stop { flag: Arc::clone(&flag), interrupt: connection.get_interrupt_handle() });
        let guard = context.on_cancel({
            let stop = Arc::clone(&stop);
            move || stop.now()
        });
        let (sender, results) = sync_channel(0);
        let location = location.clone();
        let thread = std::thread::Builder::new().name("rivet-sqlite".to_owned()).spawn(move || {
            let outlet = Outlet(sender);
            if let Err(error) = in_transaction(&connection, &location, &flag, |c| work(c, &outlet)) {
                // A closed channel means that the host gave up first and no longer asks why.
                let _ = outlet.0.send(Err(error));
            }
        })?;
        Ok(Self {
            results: Some(results),
            thread: Some(thread),
            stop,
            cancel: context.cancel().clone(),
            guard: Some(guard),
            limit: timeouts.statement(),
            waited: Duration::ZERO,
        })
    }

    /// The next result, or `None` when the work is done.
    ///
    /// Only the time spent waiting here counts against the statement limit, so a host that pauses costs nothing.
    pub(crate) fn receive(&mut self) -> Result<Option<T>> {
        let Some(results) = &self.results else { return Ok(None) };
        loop {
            self.cancel.check()?;
            let left = self.limit.map_or(POLL, |limit| limit.saturating_sub(self.waited));
            let begun = Instant::now();
            let result = results.recv_timeout(left.min(POLL));
            self.waited += begun.elapsed();
            match result {
                Ok(result) => return result.map(Some),
                Err(RecvTimeoutError::Disconnected) => return self.close().map(|()| None),
                Err(RecvTimeoutError::Timeout) if self.limit.is_some_and(|limit| self.waited >= limit) => {
                    self.close()?;
                    return Err(Error::timeout("the statement reached its time limit")
                        .hint("raise the statement timeout, or read fewer rows at a time"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Ends the work, also in the middle, and waits for the thread, which an interrupt stops at its next step.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.guard = None;
        self.results = None;
        self.stop.now();
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::internal("the reading thread panicked")),
            _ => Ok(()),
        }
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.guard = None;
        self.results = None;
        self.stop.now();
        if let Some(thread) = self.thread.take() {
            // A panic has nobody left to be told to; the host's hook has printed it.
            let _ = thread.join();
        }
    }
}

/// Runs `work` to its one result.
pub(crate) fn run<T: Send + 'static>(
    location: &Location,
    timeouts: Timeouts,
    context: &Context,
    work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
) -> Result<T> {
    Worker::spawn(location, timeouts, context, move |connection, outlet| outlet.send(work(connection)?))?
        .receive()?
        .ok_or_else(|| Error::internal("the reading thread ended without a result"))
}

/// Whether there is a database that can be read, as far as that shows without waiting for a lock: each call waits for one
/// as long as its own limit allows.
pub(crate) fn look(location: &Location) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let connection = connect(location, Some(Duration::ZERO), &stop)?;
    match in_transaction(&connection, location, &stop, |_| Ok(())) {
        Err(error) if error.category() == Category::Timeout => Ok(()),
        looked => looked,
    }
}

/// Opens the database so that nothing can be written: neither by the file's mode nor by a statement.
fn connect(location: &Location, lock: Option<Duration>, stop: &Arc<AtomicBool>) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match location {
        Location::File(path) => {
            // SQLite says no more than that it cannot open the file.
            std::fs::metadata(path).map_err(|e| {
                Error::from(e)
                    .context(format!("could not open \"{}\"", path.display()))
                    .hint("check the path; relative paths start at the working directory")
            })?;
            Connection::open_with_flags(path, flags)
        }
        Location::Uri(uri) => Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI),
    };
    let mut connection = opened.map_err(|e| opening(e, location))?;
    wait_for_locks(&mut connection, lock, Arc::clone(stop)).map_err(driver)?;
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(log)).map_err(driver)?;
    connection.progress_handler(frugal::EVERY, Some(frugal::is_spent)).map_err(driver)?;
    connection.pragma_update(None, "query_only", true).map_err(driver)?;
    // Otherwise a misspelt "column" is read as the text 'column'.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).map_err(driver)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection
        .create_scalar_function(MICROS, 1, flags, |call| read(call.get_raw(0), parse_timestamp))
        .map_err(driver)?;
    connection.create_scalar_function(DAYS, 1, flags, |call| read(call.get_raw(0), parse_date)).map_err(driver)?;
    Ok(connection)
}

/// Logs a statement when it begins to run, without the values that are bound to it.
fn log(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(_, sql) = event {
        tracing::debug!("sql: {sql}");
    }
}

/// Text as `parse` reads it. The error names no column: the caller, who knows it, does. Of an error of a function SQLite
/// keeps either the code or the text.
fn read<T>(value: ValueRef<'_>, parse: fn(&[u8]) -> Option<T>) -> rusqlite::Result<Option<T>> {
    match value {
        ValueRef::Null => Some(None),
        ValueRef::Text(text) => parse(text).map(Some),
        _ => None,
    }
    .ok_or_else(|| {
        let message = format!("{NO_TIME}{}", shown(value));
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_MISMATCH), Some(message))
    })
}

/// Unlike SQLite's own busy timeout, this wait ends when the host wants to stop, and can be without limit.
fn wait_for_locks(connection: &mut Connection, limit: Option<Duration>, stop: Arc<AtomicBool>) -> rusqlite::Result<()> {
    let mut since = Instant::now();
    connection.busy_handler(Some(move |attempt| {
        if attempt == 0 {
            since = Instant::now();
        }
        let go_on = !stop.load(Ordering::SeqCst) && limit.is_none_or(|limit| since.elapsed() < limit);
        if go_on {
            std::thread::sleep(LOCK_PAUSE);
        }
        go_on
    }))
}

/// Runs `work` while a statement stands on its first row. That statement holds one snapshot for all others, and it makes
/// an interrupt stick that comes between two of them: SQLite forgets interrupts once no statement is active.
fn in_transaction(
    connection: &Connection,
    location: &Location,
    stop: &AtomicBool,
    work: impl FnOnce(&Connection) -> Result<()>,
) -> Result<()> {
    let stopped = || if stop.load(Ordering::SeqCst) { Err(Error::cancelled()) } else { Ok(()) };
    let mut pin =
        connection.prepare("SELECT 1 UNION ALL SELECT 1 FROM sqlite_schema").map_err(|e| opening(e, location))?;
    let mut rows = pin.raw_query();
    let first = rows.next().map(|_| ()).map_err(|e| opening(e, location));
    stopped()?;
    first?;
    work(connection)
}
