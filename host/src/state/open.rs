//! Opening the file: private creation, the checks that refuse a wrong or damaged one, and the connection's settings.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{Fault, Result, StateErrorKind};
use super::lock::LockFile;
use super::migrate::{self, Found};

/// How long one process waits for another to finish its transaction; these take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Up to this size the whole file is checked on open, which takes a few milliseconds. Of larger files, only the tables
/// that decide about data are.
const FULL_CHECK_BYTES: i64 = 4 << 20;

/// The lock of whoever creates the file.
const CREATING: &str = ".lock";

pub(super) fn create_or_update(path: &Path) -> Result<Connection, Fault> {
    let turn = sibling(path, CREATING);
    if !Fault::io("find", path.try_exists())? {
        create(path, &turn)?;
    } else if turn.exists() {
        // Left by a process that died just after it had created the file. Who has the lock removes it.
        drop(LockFile::try_acquire(&turn));
    }
    connect_and_update(path)
}

pub(super) fn update(path: &Path) -> Result<Option<Connection>, Fault> {
    if Fault::io("find", path.try_exists())? { connect_and_update(path).map(Some) } else { Ok(None) }
}

/// Reads a file without changing it. A connection that may write is preferred even so: SQLite needs it to clean up
/// after itself, whereas a read-only one leaves its side files behind.
pub(super) fn read_only(path: &Path) -> Result<Option<Connection>, Fault> {
    if !Fault::io("find", path.try_exists())? {
        return Ok(None);
    }
    let readable = |c: Connection| {
        c.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(c)
    };
    let connection = match connect(path).and_then(readable) {
        Err(fault) if fault.needs_writing() && !has_pending_wal(path) => connect_immutable(path)?,
        other => other?,
    };
    let found = migrate::inspect(&connection)?;
    check(&connection)?;
    if found != Found::Version(migrate::CURRENT) {
        migrate::overlay(&connection)?;
    }
    connection.pragma_update(None, "query_only", true)?;
    Ok(Some(connection))
}

fn connect_and_update(path: &Path) -> Result<Connection, Fault> {
    let mut connection = connect(path)?;
    let found = migrate::inspect(&connection)?;
    check(&connection)?;
    use_wal(&connection)?;
    if found != Found::Version(migrate::CURRENT) {
        migrate::migrate(&mut connection, path)?;
    }
    Ok(connection)
}

/// The file is only ever opened by SQLite: closing any other descriptor of it would drop this process's locks on it.
fn connect(path: &Path) -> Result<Connection, Fault> {
    // SQLite takes a file below its smallest page for an empty database and would overwrite it.
    if (1..512).contains(&Fault::io("find", fs::metadata(path))?.len()) {
        return Err(StateErrorKind::NotADatabase.into());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    configured(Connection::open_with_flags(path, flags)?)
}

/// SQLite cannot read a WAL database in a directory it cannot write to, unless told that nobody else can either.
fn connect_immutable(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let path = Fault::io("find", path.canonicalize())?;
    let text = path.to_str().ok_or_else(|| Fault::value("path", "it is not UTF-8"))?;
    let escaped = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    configured(Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?)
}

fn configured(connection: Connection) -> Result<Connection, Fault> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY",
    )?;
    Ok(connection)
}

/// Whether transactions exist that only the side file holds, which an immutable reader would miss.
fn has_pending_wal(path: &Path) -> bool {
    fs::metadata(sibling(path, "-wal")).is_ok_and(|m| m.len() > 0)
}

fn use_wal(connection: &Connection) -> Result<(), Fault> {
    let mode = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    if mode("PRAGMA journal_mode")? == "wal" || mode("PRAGMA journal_mode = WAL")? == "wal" {
        return Ok(());
    }
    let e =
        io::Error::new(io::ErrorKind::Unsupported, "this file system offers no shared memory for SQLite's WAL mode");
    Fault::io("use", Err(e))
}

fn check(connection: &Connection) -> Result<(), Fault> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let bytes = pragma("page_count")?.saturating_mul(pragma("page_size")?);
    let vital: &[&str] = &["export_state", "rivet_run"];
    let checks: Vec<String> = if bytes <= FULL_CHECK_BYTES {
        vec!["PRAGMA quick_check(1)".into()]
    } else {
        let present = vital.iter().filter(|table| connection.table_exists(None, **table).unwrap_or(false));
        present.map(|table| format!("PRAGMA quick_check({table})")).collect()
    };
    for sql in checks {
        let finding: String = connection.query_row(&sql, [], |row| row.get(0))?;
        if finding != "ok" {
            return Err(StateErrorKind::Corrupt(finding.replace('\n', " ")).into());
        }
    }
    Ok(())
}

/// Builds the whole file under another name and publishes it in one step, so that no other process ever sees half of
/// it, and with one fsync. The name becomes durable with the first transaction: SQLite syncs the directory then.
fn create(path: &Path, turn: &Path) -> Result<(), Fault> {
    let _turn = Fault::io("create", LockFile::wait(turn))?;
    if Fault::io("find", path.try_exists())? {
        // Another process was faster.
        return Ok(());
    }
    let temp = sibling(path, ".new");
    // Left by a process that died while it created the file.
    let _ = fs::remove_file(&temp);
    build(&temp)?;
    Fault::io("create", fs::rename(&temp, path))
}

fn build(temp: &Path) -> Result<(), Fault> {
    create_private(temp)?;
    let mut connection = connect(temp)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")?;
    super::transaction(&mut connection, migrate::create_all)?;
    use_wal(&connection)?;
    connection.close().map_err(|(_, e)| e)?;
    Fault::io("create", File::open(temp).and_then(|f| f.sync_all()))
}

/// Makes an empty file that only its owner can read. SQLite gives its side files the same mode.
pub(super) fn create_private(path: &Path) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    Fault::io("create", file.map(drop))
}

/// Makes the names in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

/// The directory that holds `path`.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `path` with `suffix` at its end.
pub(super) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
