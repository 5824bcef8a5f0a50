//! `mode: incremental`: the rows above the stored cursor, up to the greatest value that is there now, or to where
//! `cursor_lag` holds back. Both ends are fixed before the first row is read, so that rows that arrive meanwhile belong
//! to the next window.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{Bounds, BoundsRequest, CursorValue, Error, Filter};

use super::{Reading, lag};
use crate::advice;
use crate::config::CursorLag;
use crate::error::Result;
use crate::plan::Job;
use crate::state::{CursorUpdate, Origin, State};

pub(super) fn plan(
    job: &Job<'_>,
    state: &State,
    source: &mut SourceHandle,
    column: &str,
    lag: Option<CursorLag>,
) -> Result<Reading> {
    plan_with(job, Some(state), column, lag, &mut |request| Ok(source.bounds(request)?))
}

/// As a run would plan, but the column's `bounds` come from whoever asks, and without a state file nothing is stored.
pub fn plan_with(
    job: &Job<'_>,
    state: Option<&State>,
    column: &str,
    lag: Option<CursorLag>,
    ask: &mut dyn FnMut(&BoundsRequest) -> Result<Bounds>,
) -> Result<Reading> {
    let export = &job.export.name;
    let mut bounds = |above: Option<&CursorValue>| {
        ask(&BoundsRequest {
            query: job.export.query.text.clone(),
            params: job.export.params.clone(),
            column: column.to_owned(),
            above: above.cloned(),
            now: matches!(lag, Some(CursorLag::Time(_))),
            timeouts: job.timeouts(),
            mapping: job.export.mapping.clone(),
            ..BoundsRequest::default()
        })
    };
    let planner = Planner { job, column, lag };
    let stored = match state {
        Some(state) => state.cursor(export)?.map(|stored| (state, stored)),
        None => None,
    };
    let Some((state, stored)) = stored else {
        // Rows without a value are seen by the first run only.
        return planner.reading(None, &bounds(None)?, true);
    };
    // The predecessor stored no type: that of the column decides.
    let kind = match stored.kind {
        Some(kind) => Some(kind),
        None => bounds(None)?.max.map(|value| untyped(job, &value).to_owned()),
    };
    let Some(kind) = kind else { return Ok(Reading::of(planner.window(None, None, false))) };
    let after = state.cursor_value(export, column, &kind)?;
    if let Some(after) = after.as_ref().filter(|after| is_beyond_all(after)) {
        let reset = advice::command("state reset", &format!("--export {export}"));
        let hint = format!("{reset} begins anew; leave such rows out in the query");
        let text = format!("the cursor of export \"{export}\" is {after}, above which no value is ever found");
        return Err(Error::data(text).hint(hint).into());
    }
    let bounds = bounds(after.as_ref())?;
    state.check_origin(export, &planner.origin(&bounds))?;
    if let Some(max) = &bounds.max {
        // Says so when the column has got another type since.
        state.cursor_value(export, column, max.kind())?;
    }
    planner.reading(after, &bounds, false)
}

/// The kind of a cursor that the predecessor stored, of a column whose greatest value is `max`.
fn untyped(job: &Job<'_>, max: &CursorValue) -> &'static str {
    match max {
        CursorValue::Instant(_) if job.source_can().server_time => CursorValue::Timestamp(0).kind(),
        _ => max.kind(),
    }
}

/// Whether a server orders nothing above `value`, so that as a cursor it would hide every later row.
fn is_beyond_all(value: &CursorValue) -> bool {
    match value {
        CursorValue::Float(value) => value.is_nan() || *value == f64::INFINITY,
        CursorValue::Decimal(text) => matches!(text.as_str(), "NaN" | "Infinity"),
        _ => false,
    }
}

struct Planner<'a> {
    job: &'a Job<'a>,
    column: &'a str,
    lag: Option<CursorLag>,
}

impl Planner<'_> {
    fn origin<'b>(&'b self, bounds: &'b Bounds) -> Origin<'b> {
        Origin { fingerprint: &self.job.source.fingerprint, place: bounds.place.as_deref() }
    }

    /// The window above `after`, in which the values of `bounds` lie.
    fn reading(&self, after: Option<CursorValue>, bounds: &Bounds, is_first: bool) -> Result<Reading> {
        let Some(max) = &bounds.max else {
            if let Some(end) = after {
                // What arrives from now on belongs to the next window.
                return Ok(self.nothing(end));
            }
            // The next run is not the first one any more, if this one finds rows without a value.
            let cursor = is_first.then(|| self.cursor(None, bounds));
            return Ok(Reading { cursor, ..Reading::of(self.window(None, None, is_first)) });
        };
        let export = &self.job.export.name;
        let upto = match self.lag {
            None => Some(max.clone()),
            Some(lag) => lag::upper_end(lag, self.column, bounds)?,
        };
        let Some(upto) = upto else {
            tracing::info!("`cursor_lag` of export \"{export}\" leaves all new rows to later runs");
            // Rows without a value wait for the run that moves the cursor.
            return Ok(self.nothing(after.unwrap_or_else(|| max.clone())));
        };
        if is_beyond_all(&upto) {
            let column = self.column;
            let text = format!("column \"{column}\" holds {upto}, above which no later row would ever be found");
            let hint = "leave such rows out in the query, or use another `cursor_column`";
            return Err(Error::data(text).hint(hint).into());
        }
        if upto != *max {
            tracing::info!("`cursor_lag` of export \"{export}\" leaves the rows above {upto} to later runs");
        }
        let cursor = Some(self.cursor(Some(upto.clone()), bounds));
        Ok(Reading { cursor, ..Reading::of(self.window(after, Some(upto), is_first)) })
    }

    /// A window without rows: nothing lies between two equal ends.
    fn nothing(&self, end: CursorValue) -> Reading {
        Reading::of(self.window(Some(end.clone()), Some(end), false))
    }

    fn window(&self, after: Option<CursorValue>, upto: Option<CursorValue>, include_null: bool) -> Filter {
        Filter::Window { column: self.column.to_owned(), after, upto, include_null }
    }

    fn cursor(&self, value: Option<CursorValue>, bounds: &Bounds) -> CursorUpdate {
        CursorUpdate { value, column: self.column.to_owned(), source: self.origin(bounds).text() }
    }
}
