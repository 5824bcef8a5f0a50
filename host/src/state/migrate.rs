//! The tables, and how a file of an older version gets them.

use std::fs::{self, File};
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Transaction};

use super::error::{Fault, Result, StateErrorKind};
use super::open;

/// The version this program writes. 1 to 3 are those of rivet-cli 0.2, 0 its files from before versions.
pub(super) const CURRENT: i64 = 4;
const LAST_OF_PREDECESSOR: i64 = 3;

/// "Rivt". A later rivet-cli may count its own versions beyond 3; only this tells its files from ours.
const APPLICATION_ID: i64 = 0x5269_7674;

/// Tables without prefix are those of rivet-cli 0.2, by name and column; what is new in them may be null.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS export_state (
    export_name TEXT PRIMARY KEY, last_cursor_value TEXT, last_run_at TEXT,
    cursor_type TEXT, cursor_column TEXT, source_fingerprint TEXT);
CREATE TABLE IF NOT EXISTS export_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, export_name TEXT NOT NULL, run_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL, total_rows INTEGER NOT NULL, peak_rss_mb INTEGER, status TEXT NOT NULL,
    error_message TEXT, tuning_profile TEXT, format TEXT, mode TEXT, files_produced INTEGER DEFAULT 0,
    bytes_written INTEGER DEFAULT 0, retries INTEGER DEFAULT 0, validated INTEGER, schema_changed INTEGER, run_id TEXT);
CREATE TABLE IF NOT EXISTS export_schema (
    export_name TEXT PRIMARY KEY, columns_json TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file_manifest (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, export_name TEXT NOT NULL, file_name TEXT NOT NULL,
    row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, format TEXT NOT NULL, compression TEXT, created_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunk_run (
    run_id TEXT PRIMARY KEY, export_name TEXT NOT NULL, plan_hash TEXT NOT NULL, status TEXT NOT NULL,
    max_chunk_attempts INTEGER NOT NULL DEFAULT 3, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunk_task (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, chunk_index INTEGER NOT NULL, start_key TEXT NOT NULL,
    end_key TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT,
    rows_written INTEGER, file_name TEXT, updated_at TEXT NOT NULL, UNIQUE (run_id, chunk_index));

CREATE TABLE IF NOT EXISTS rivet_lock (
    export_name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, pid INTEGER, boot_id TEXT, host TEXT, started_at TEXT);
CREATE TABLE IF NOT EXISTS rivet_stamp (
    export_name TEXT NOT NULL, stamp TEXT NOT NULL, PRIMARY KEY (export_name, stamp)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rivet_run (
    run_id TEXT PRIMARY KEY, export_name TEXT NOT NULL, mode TEXT NOT NULL, stamp TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'committed', 'abandoned')), reason TEXT,
    window_json TEXT NOT NULL, config_fingerprint TEXT NOT NULL, source_fingerprint TEXT NOT NULL,
    destination_fingerprint TEXT NOT NULL, started_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rivet_chunk (
    run_id TEXT NOT NULL REFERENCES rivet_run, chunk_index INTEGER NOT NULL, start_key TEXT, end_key TEXT,
    plan_json TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'failed', 'completed')),
    attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT, updated_at TEXT NOT NULL,
    PRIMARY KEY (run_id, chunk_index)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rivet_part (
    run_id TEXT NOT NULL, chunk_index INTEGER NOT NULL, part_index INTEGER NOT NULL, file_name TEXT NOT NULL,
    location TEXT NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum TEXT NOT NULL,
    store_checksum TEXT, validated_rows INTEGER, recorded_at TEXT NOT NULL,
    PRIMARY KEY (run_id, chunk_index, part_index),
    FOREIGN KEY (run_id, chunk_index) REFERENCES rivet_chunk) WITHOUT ROWID;
";

const INDEXES: &str = "
CREATE INDEX IF NOT EXISTS idx_file_manifest_export ON file_manifest (export_name, id DESC);
CREATE INDEX IF NOT EXISTS idx_chunk_run_export_status ON chunk_run (export_name, status);
CREATE INDEX IF NOT EXISTS idx_chunk_task_run_status ON chunk_task (run_id, status);
CREATE INDEX IF NOT EXISTS rivet_run_by_export ON rivet_run (export_name, started_at);
CREATE UNIQUE INDEX IF NOT EXISTS rivet_run_open ON rivet_run (export_name) WHERE status = 'open';
";

/// What a file holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// No tables at all.
    Empty,
    /// A state file of this version.
    Version(i64),
}

/// Finds the version, and refuses what is no state file or a newer one.
pub(super) fn inspect(connection: &Connection) -> Result<Found, Fault> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let owner: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if tables == 0 && owner == 0 {
        return Ok(Found::Empty);
    }
    if ![0, APPLICATION_ID].contains(&owner) || !connection.table_exists(Some("main"), "export_state")? {
        return Err(StateErrorKind::Foreign.into());
    }
    let found = if connection.table_exists(Some("main"), "schema_version")? {
        let newest = "SELECT max(version) FROM schema_version";
        connection.query_row(newest, [], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0)
    } else {
        0
    };
    let supported = if owner == APPLICATION_ID { CURRENT } else { LAST_OF_PREDECESSOR };
    if found > supported {
        return Err(StateErrorKind::Newer { found, supported }.into());
    }
    Ok(Found::Version(found))
}

/// Brings a file up to date in one transaction, after a copy of what it held.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    super::transaction(connection, |tx| {
        // Another process may have been faster while this one waited for the write lock.
        match inspect(tx)? {
            Found::Version(CURRENT) => return Ok(()),
            Found::Version(found) => {
                let backup = back_up(path, found)?;
                tracing::info!(from = found, to = CURRENT, backup = %backup, "updating the state file");
            }
            Found::Empty => {}
        }
        create_all(tx)
    })
}

/// Creates what is missing and keeps what is there.
pub(super) fn create_all(tx: &Transaction<'_>) -> Result<(), Fault> {
    tx.execute_batch(TABLES)?;
    for (table, column) in missing_columns(tx)? {
        tx.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {}", column.declaration))?;
    }
    tx.execute_batch(INDEXES)?;
    for version in 1..=CURRENT {
        let insert =
            "INSERT INTO schema_version (version) SELECT ?1 WHERE ?1 NOT IN (SELECT version FROM schema_version)";
        tx.execute(insert, [version])?;
    }
    Ok(tx.pragma_update(None, "application_id", APPLICATION_ID)?)
}

/// Shows a file of an older version, which must not be changed, as if it had today's tables: names in the temporary
/// schema come first.
pub(super) fn overlay(connection: &Connection) -> Result<(), Fault> {
    let missing = missing_columns(connection)?;
    for (table, sql) in wanted()?.tables()? {
        if !connection.table_exists(Some("main"), table.as_str())? {
            connection.execute_batch(&sql.replacen("CREATE TABLE", "CREATE TEMP TABLE", 1))?;
            continue;
        }
        let added: Vec<_> = missing.iter().filter(|(t, _)| *t == table).map(|(_, c)| c.name.as_str()).collect();
        if !added.is_empty() {
            let nulls = added.join(", NULL AS ");
            let view = format!("CREATE TEMP VIEW {table} AS SELECT *, NULL AS {nulls} FROM main.{table}");
            connection.execute_batch(&view)?;
        }
    }
    Ok(())
}

struct Column {
    name: String,
    declaration: String,
}

/// Today's tables, in memory.
struct Wanted(Connection);

fn wanted() -> Result<Wanted, Fault> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(TABLES)?;
    Ok(Wanted(connection))
}

impl Wanted {
    /// Name and definition of every table.
    fn tables(&self) -> Result<Vec<(String, String)>, Fault> {
        let mut statement =
            self.0.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// The columns that existing tables lack.
fn missing_columns(connection: &Connection) -> Result<Vec<(String, Column)>, Fault> {
    let wanted = wanted()?;
    let mut missing = Vec::new();
    for (table, _) in wanted.tables()? {
        let present: Vec<String> = columns(connection, &table)?.into_iter().map(|c| c.name).collect();
        if present.is_empty() {
            continue;
        }
        let lacking = columns(&wanted.0, &table)?.into_iter().filter(|c| !present.contains(&c.name));
        missing.extend(lacking.map(|c| (table.clone(), c)));
    }
    Ok(missing)
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Column>, Fault> {
    let mut statement = connection.prepare("SELECT name, type, dflt_value FROM pragma_table_info(?1, 'main')")?;
    let rows = statement.query_map([table], |row| {
        let (name, kind, default): (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let default = default.map(|d| format!(" DEFAULT {d}")).unwrap_or_default();
        Ok(Column { declaration: format!("{name} {kind}{default}"), name })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Copies the committed content beside the file and returns the copy's name. The caller holds the write lock, so
/// nothing can slip in between; the copy is complete on disk before it gets its name, and never replaces another.
fn back_up(path: &Path, version: i64) -> Result<String, Fault> {
    let temp = open::sibling(path, ".backup-new");
    // Only the holder of the write lock makes this file; one that exists was left by a process that died.
    let _ = fs::remove_file(&temp);
    open::create_private(&temp)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(path, flags)?;
    let target = temp.to_str().ok_or_else(|| Fault::value("path", "it is not UTF-8"))?;
    reader.execute("VACUUM INTO ?1", [target])?;
    Fault::io("back up", File::open(&temp).and_then(|f| f.sync_all()))?;
    let first = open::sibling(path, &format!(".backup-v{version}"));
    let more = (2..).map(|n| open::sibling(path, &format!(".backup-v{version}-{n}")));
    let target = std::iter::once(first).chain(more).find(|p| !p.exists()).unwrap_or_else(|| temp.clone());
    Fault::io("back up", fs::rename(&temp, &target).and_then(|()| open::sync_directory(path)))?;
    Ok(target.file_name().unwrap_or_default().to_string_lossy().into_owned())
}
