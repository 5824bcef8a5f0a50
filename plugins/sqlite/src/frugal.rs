//! Work within a budget: what a frugal request asks must not read a large table.

use std::cell::Cell;
use std::ffi::c_int;

use rivet_plugin_api::Result;
use rusqlite::Connection;

use crate::error::driver;

/// Steps of SQLite's virtual machine that a frugal answer may take: those of a scan of some 50 000 rows.
const STEPS: c_int = 200_000;

/// How often a connection asks [`is_spent`], in steps.
pub(crate) const EVERY: c_int = 1000;

thread_local! {
    /// The steps that are left to the thread's connection, of which it has one; no limit when absent.
    static LEFT: Cell<Option<c_int>> = const { Cell::new(None) };
}

/// Takes note of [`EVERY`] more steps; true ends the statement.
pub(crate) fn is_spent() -> bool {
    let left = LEFT.get().map(|left| left - EVERY);
    LEFT.set(left);
    left.is_some_and(|left| left <= 0)
}

/// The result of `work`, or `None` when it was given up because it took too long.
pub(crate) fn within_budget<T>(work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    LEFT.set(Some(STEPS));
    let result = work();
    let is_spent = LEFT.take().is_some_and(|left| left <= 0);
    if is_spent && result.is_err() { Ok(None) } else { result.map(Some) }
}

/// Whether `sql` counts all rows of a table, which is one step however many these are.
pub(crate) fn counts(connection: &Connection, sql: &str) -> Result<bool> {
    let find = || {
        let mut program = connection.prepare(&format!("EXPLAIN {sql}"))?;
        let mut steps = program.raw_query();
        while let Some(step) = steps.next()? {
            if step.get_ref(1)?.as_str() == Ok("Count") {
                return Ok(true);
            }
        }
        Ok(false)
    };
    find().map_err(driver)
}
