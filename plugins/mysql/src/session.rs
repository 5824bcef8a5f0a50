//! What every session is set to, and the transaction around every read: read-only, with one snapshot.

use std::sync::Arc;

use rivet_plugin_api::{Cancel, Error, Result, Timeouts};

use crate::options::Target;
use crate::sql::Quotes;
use crate::wire::Connection;

/// Seconds for which the host may pause in the middle of a read before the server gives the connection up.
const PAUSE_S: u32 = 86_400;
/// How many warnings the server keeps for us to look for losses among them: all that it counts. Its own 64 would hide the
/// one that matters behind those that do not.
pub(crate) const MOST_WARNINGS: u16 = u16::MAX;
/// How long a GROUP_CONCAT may at least get; the server's own 1 KiB cuts short what most people mean to read whole.
const CONCAT_BYTES: u64 = 16 << 20;
/// Modes that turn dates into NULL where a query computes with them, pad text, or stand for others that do.
const ALTERING_MODES: [&str; 5] =
    ["NO_ZERO_DATE", "NO_ZERO_IN_DATE", "PAD_CHAR_TO_FULL_LENGTH", "TRADITIONAL", "TIME_TRUNCATE_FRACTIONAL"];

/// Connects and sets the session up.
pub(crate) fn open(target: &Arc<Target>, cancel: &Cancel) -> Result<Connection> {
    let mut connection = Connection::open(target, cancel)?;
    let mut row = connection
        .query("SELECT CONNECTION_ID(), @@sql_mode, @@group_concat_max_len")?
        .pop()
        .unwrap_or_default()
        .into_iter();
    let id = row.next().flatten().and_then(|id| id.parse().ok());
    let given = row.next().flatten().unwrap_or_default();
    let concat_bytes = row.next().flatten().and_then(|bytes| bytes.parse().ok()).unwrap_or(0).max(CONCAT_BYTES);
    let modes: Vec<&str> = given.split(',').filter(|mode| !ALTERING_MODES.contains(mode)).collect();
    let quotes =
        Quotes { plain_backslash: modes.contains(&"NO_BACKSLASH_ESCAPES"), ansi: modes.contains(&"ANSI_QUOTES") };
    connection.know(id.ok_or_else(|| Error::internal("the server gave the session no number"))?, quotes);
    // The limit of rows would cut results short without a word.
    connection.query(&format!(
        "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '{}', sql_select_limit = 18446744073709551615, \
         sql_auto_is_null = 0, max_error_count = {MOST_WARNINGS}, net_write_timeout = {PAUSE_S}, group_concat_max_len = {concat_bytes}",
        modes.join(",")
    ))?;
    connection.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
    Ok(connection)
}

/// Who watches over the limit of a statement. A server's own limit counts all of the time until the last row is taken,
/// so a host that throttles or a slow destination would use it up: where rows are streamed, we count the time that we
/// wait for the server instead. Every other statement answers at once and in one go, so there the server watches, which
/// ends it also when we are gone. MySQL before 5.7 has no limit of its own; we count there as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Watch {
    /// The server, whose clock also runs while it waits for us: for answers of one row.
    Server,
    /// We, who know when the host pauses: for rows that are streamed.
    Client,
}

/// Starts the transaction.
pub(crate) fn begin(connection: &mut Connection, timeouts: &Timeouts, watch: Watch) -> Result<()> {
    let mut settings = Vec::new();
    let lock =
        timeouts.lock().map_or_else(|| "DEFAULT".to_owned(), |limit| limit.as_secs().min(31_536_000).to_string());
    settings.push(format!("lock_wait_timeout = {lock}"));
    settings.push(format!("innodb_lock_wait_timeout = {lock}"));
    if let Some((setting, units)) = connection.server().statement_limit() {
        // A limit that the server sets stays in force when the request names none.
        let limit = match (timeouts.statement(), watch) {
            (None, _) => "DEFAULT".to_owned(),
            (Some(_), Watch::Client) => "0".to_owned(),
            (Some(limit), Watch::Server) => (limit.as_secs().min(31_536_000 / units) * units).to_string(),
        };
        settings.push(format!("{setting} = {limit}"));
    }
    connection.limit(None);
    connection.query(&format!("SET {}", settings.join(", ")))?;
    connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
    connection.limit(timeouts.statement());
    Ok(())
}

/// Ends the transaction. It was read-only, so there is nothing to keep; false means that the connection is of no use.
pub(crate) fn end(connection: &mut Connection) -> bool {
    connection.limit(None);
    match connection.query("ROLLBACK") {
        Ok(_) => true,
        Err(e) => {
            tracing::debug!("could not end the transaction: {e}");
            false
        }
    }
}
