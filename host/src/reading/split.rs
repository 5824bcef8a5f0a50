//! `mode: full`: the whole query over one connection, or the parts into which the source cuts a plain table, over
//! several connections in one snapshot.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{Filter, SplitRequest};

use super::{Piece, Reading};
use crate::error::Result;
use crate::plan::Job;

pub(super) fn plan(job: &Job<'_>, source: &mut SourceHandle) -> Result<Reading> {
    let whole = |reason: Option<String>| {
        if let Some(reason) = reason {
            tracing::warn!("export \"{}\" reads over one connection: {reason}", job.export.name);
        }
        Ok(Reading::of(Filter::All))
    };
    let wanted = job.export.parallel;
    if wanted < 2 {
        return whole(None);
    }
    let kind = &job.source.plugin.spec().name;
    let can = job.source_can();
    if !can.split || !can.snapshot {
        return whole(Some(format!("connector \"{kind}\" cannot read one table in one snapshot over several")));
    }
    if job.writes_to_stdout() {
        return whole(Some("the destination takes one stream".to_owned()));
    }
    let snapshot = match super::snapshot(source)? {
        Ok(token) => Some(token),
        Err(reason) => return whole(Some(reason)),
    };
    let request = SplitRequest {
        query: job.export.query.text.clone(),
        params: job.export.params.clone(),
        parts: wanted,
        snapshot: snapshot.clone(),
        timeouts: job.timeouts(),
    };
    let split = source.split(&request)?;
    match split.parts.len() {
        0 => whole(Some(split.reason.unwrap_or_else(|| "the query cannot be split".to_owned()))),
        1 => whole(None),
        parts => {
            tracing::info!("export \"{}\" reads {parts} parts at once", job.export.name);
            let piece = |filter| Piece { filter, start: None, end: None };
            Ok(Reading { snapshot, ..Reading::of_pieces(split.parts.into_iter().map(piece).collect()) })
        }
    }
}
