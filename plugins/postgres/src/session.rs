//! The transaction around every read: read-only, one snapshot, with limits that end with it. Everything is set with
//! `SET LOCAL`, because behind a pooler the next user of the server connection would inherit anything else.

use std::fmt::Write;
use std::time::Duration;

use rivet_plugin_api::{Error, Result, Timeouts};

use crate::sql::literal;
use crate::wire::Connection;

/// Starts the transaction, in `snapshot` when there is one.
pub(crate) fn begin(connection: &mut Connection, timeouts: &Timeouts, snapshot: Option<&str>) -> Result<()> {
    let mut sql = String::from("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;");
    let mut add = |statement: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = write!(sql, "{statement};");
    };
    if let Some(token) = snapshot {
        // It has to be the first statement of the transaction.
        add(format_args!("SET TRANSACTION SNAPSHOT {}", literal(token)));
    }
    add(format_args!("{}", limits(timeouts)));
    // Statements quote values on this premise.
    add(format_args!("SET LOCAL standard_conforming_strings = on"));
    // A throttled host may pause between two pages for longer than the server lets others idle.
    add(format_args!("SET LOCAL idle_in_transaction_session_timeout = 0"));
    // What the server prints must read the same everywhere. Not every pooler passes the start-up parameters on.
    add(format_args!("SET LOCAL client_encoding = 'UTF8'"));
    add(format_args!("SET LOCAL datestyle = 'ISO, MDY'"));
    add(format_args!("SET LOCAL timezone = 'UTC'"));
    add(format_args!("SET LOCAL intervalstyle = 'iso_8601'"));
    add(format_args!("SET LOCAL bytea_output = 'hex'"));
    add(format_args!("SET LOCAL extra_float_digits = 3"));
    if major_version(connection).is_some_and(|version| version >= 11) {
        // Compiling pays for heavy queries, and costs seconds on the many short ones of a chunked read.
        add(format_args!("SET LOCAL jit = off"));
    }
    connection.expect_within(timeouts.statement());
    connection.query(&sql).map_err(|e| match (snapshot, e.code_text()) {
        // Whoever reads can begin again in a new one, so that this is no mistake in the request.
        (Some(_), Some("22023" | "42704")) => Error::network(e.message())
            .code(Error::SNAPSHOT)
            .context("could not join the snapshot")
            .hint("the connection that exported it has ended: read again from the start"),
        _ => e,
    })?;
    Ok(())
}

/// Sets other limits for the rest of the transaction.
pub(crate) fn set_limits(connection: &mut Connection, timeouts: &Timeouts) -> Result<()> {
    connection.expect_within(timeouts.statement());
    connection.query(&limits(timeouts)).map(drop)
}

/// A limit of the role stays in force when the request names none.
fn limits(timeouts: &Timeouts) -> String {
    let set = |name: &str, limit: Duration| format!("SET LOCAL {name} = {};", milliseconds(limit));
    let statement = timeouts.statement().map(|limit| set("statement_timeout", limit));
    let lock = timeouts.lock().map(|limit| set("lock_timeout", limit));
    [statement, lock].into_iter().flatten().collect()
}

/// Ends the transaction. It was read-only, so there is nothing to keep; false means that the connection is of no use.
pub(crate) fn end(connection: &mut Connection) -> bool {
    match connection.query("ROLLBACK") {
        Ok(_) => true,
        Err(e) => {
            tracing::debug!("could not end the transaction: {e}");
            false
        }
    }
}

/// A token by which other connections see what this one sees, as long as its transaction is open.
pub(crate) fn export_snapshot(connection: &mut Connection) -> Result<String> {
    let mut rows = connection.query("SELECT pg_catalog.pg_export_snapshot()")?;
    rows.pop().and_then(|mut row| row.pop()).flatten().ok_or_else(|| Error::internal("the server exported no snapshot"))
}

/// PostgreSQL takes 32-bit milliseconds; more than 24 days are as good as the most it takes.
fn milliseconds(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
}

/// The server's version, such as 15; `None` when it does not say.
pub(crate) fn major_version(connection: &Connection) -> Option<u32> {
    let version = connection.parameter("server_version")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
