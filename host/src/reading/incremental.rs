//! `mode: incremental`: the rows above the stored cursor, up to the greatest value that is there now. Both ends are
//! fixed before the first row is read, so that rows that arrive meanwhile belong to the next window.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{BoundsRequest, CursorValue, Filter};

use super::Reading;
use crate::error::Result;
use crate::plan::Job;
use crate::state::{CursorUpdate, State};

pub(super) fn plan(job: &Job<'_>, state: &State, source: &mut SourceHandle, column: &str) -> Result<Reading> {
    let (export, from) = (&job.export.name, &job.source.fingerprint);
    let mut greatest = |above: Option<&CursorValue>| {
        let request = BoundsRequest {
            query: job.export.query.text.clone(),
            column: column.to_owned(),
            above: above.cloned(),
            timeouts: job.timeouts(),
            mapping: job.export.mapping.clone(),
            ..BoundsRequest::default()
        };
        source.bounds(&request).map(|bounds| bounds.max)
    };
    let window = |after, upto, include_null| Filter::Window { column: column.to_owned(), after, upto, include_null };
    let cursor = |value| Some(CursorUpdate { value, column: column.to_owned(), source: from.clone() });
    let Some(stored) = state.cursor(export)? else {
        let upto = greatest(None)?;
        // Rows without a value are seen by the first run only.
        return Ok(Reading { cursor: upto.clone().and_then(cursor), ..Reading::of(window(None, upto, true)) });
    };
    // The predecessor stored no type: that of the column decides.
    let kind = match stored.kind {
        Some(kind) => Some(kind),
        None => greatest(None)?.map(|value| value.kind().to_owned()),
    };
    let Some(kind) = kind else { return Ok(Reading::of(window(None, None, false))) };
    let after = state.cursor_value(export, column, &kind, from)?;
    let upto = greatest(after.as_ref())?;
    if let Some(upto) = &upto {
        // Says so when the column has got another type since.
        state.cursor_value(export, column, upto.kind(), from)?;
    }
    Ok(Reading { cursor: upto.clone().and_then(cursor), ..Reading::of(window(after, upto, false)) })
}
