//! `mode: incremental`: the rows above the stored cursor, up to the greatest value that is there now, or to where
//! `cursor_lag` holds back. Both ends are fixed before the first row is read, so that rows that arrive meanwhile belong
//! to the next window.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{Bounds, BoundsRequest, CursorValue, Filter};

use super::{Reading, lag};
use crate::config::CursorLag;
use crate::error::Result;
use crate::plan::Job;
use crate::state::{CursorUpdate, State};

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
    let (export, from) = (&job.export.name, &job.source.fingerprint);
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
    let planner = Planner { export, source: from, column, lag };
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
        None => bounds(None)?.max.map(|value| value.kind().to_owned()),
    };
    let Some(kind) = kind else { return Ok(Reading::of(planner.window(None, None, false))) };
    let after = state.cursor_value(export, column, &kind, from)?;
    let bounds = bounds(after.as_ref())?;
    if let Some(max) = &bounds.max {
        // Says so when the column has got another type since.
        state.cursor_value(export, column, max.kind(), from)?;
    }
    planner.reading(after, &bounds, false)
}

struct Planner<'a> {
    export: &'a str,
    source: &'a str,
    column: &'a str,
    lag: Option<CursorLag>,
}

impl Planner<'_> {
    /// The window above `after`, in which the values of `bounds` lie.
    fn reading(&self, after: Option<CursorValue>, bounds: &Bounds, is_first: bool) -> Result<Reading> {
        let Some(max) = &bounds.max else {
            if let Some(end) = after {
                // What arrives from now on belongs to the next window.
                return Ok(self.nothing(end));
            }
            // The next run is not the first one any more, if this one finds rows without a value.
            let cursor = is_first.then(|| self.cursor(None));
            return Ok(Reading { cursor, ..Reading::of(self.window(None, None, is_first)) });
        };
        let upto = match self.lag {
            None => Some(max.clone()),
            Some(lag) => lag::upper_end(lag, self.column, bounds)?,
        };
        let Some(upto) = upto else {
            tracing::info!("`cursor_lag` of export \"{}\" leaves all new rows to later runs", self.export);
            // Rows without a value wait for the run that moves the cursor.
            return Ok(self.nothing(after.unwrap_or_else(|| max.clone())));
        };
        if upto != *max {
            tracing::info!("`cursor_lag` of export \"{}\" leaves the rows above {upto} to later runs", self.export);
        }
        let cursor = Some(self.cursor(Some(upto.clone())));
        Ok(Reading { cursor, ..Reading::of(self.window(after, Some(upto), is_first)) })
    }

    /// A window without rows: nothing lies between two equal ends.
    fn nothing(&self, end: CursorValue) -> Reading {
        Reading::of(self.window(Some(end.clone()), Some(end), false))
    }

    fn window(&self, after: Option<CursorValue>, upto: Option<CursorValue>, include_null: bool) -> Filter {
        Filter::Window { column: self.column.to_owned(), after, upto, include_null }
    }

    fn cursor(&self, value: Option<CursorValue>) -> CursorUpdate {
        CursorUpdate { value, column: self.column.to_owned(), source: self.source.to_owned() }
    }
}
