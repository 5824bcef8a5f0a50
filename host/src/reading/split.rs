//! `mode: full`: the whole query over one connection, or the parts into which the source cuts a plain table, over
//! several connections in one snapshot.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{Filter, SplitRequest};

use super::{Piece, Reading};
use crate::error::Result;
use crate::plan::Job;

/// Why there can be only one connection, whatever the query is.
pub fn obstacle(job: &Job<'_>) -> Option<String> {
    let (kind, can) = (&job.source.plugin.spec().name, job.source_can());
    if !can.split || !can.snapshot {
        return Some(format!("connector \"{kind}\" cannot read one table in one snapshot over several"));
    }
    job.writes_to_stdout().then(|| "the destination takes one stream".to_owned())
}

/// Asks for as many parts as there are to be workers.
pub fn request(job: &Job<'_>) -> SplitRequest {
    SplitRequest {
        query: job.export.query.text.clone(),
        params: job.export.params.clone(),
        parts: job.export.parallel,
        snapshot: None,
        timeouts: job.timeouts(),
    }
}

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
    if let Some(reason) = obstacle(job) {
        return whole(Some(reason));
    }
    let snapshot = match super::snapshot(source)? {
        Ok(token) => Some(token),
        Err(reason) => return whole(Some(reason)),
    };
    let split = source.split(&SplitRequest { snapshot: snapshot.clone(), ..request(job) })?;
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
