//! What an export will not see, or will not do, although nothing about it is wrong.

use rivet_plugin_api::{Column, CursorValue};

use crate::advice;
use crate::error::Result;
use crate::plan::Job;
use crate::state::{Intent, State};

/// An incremental export's rows without a cursor are those of the first run.
pub fn nulls(cursor: &Column) -> Option<String> {
    cursor.nullable.then(|| {
        format!(
            "as far as the source says, \"{}\" can be NULL: only a first run exports rows without a value, later runs do \
             not see them",
            cursor.name
        )
    })
}

/// The source has been emptied or restored since: what it gets now lies below the cursor for a while.
pub fn behind(job: &Job<'_>, column: &str, cursor: &CursorValue, greatest: &CursorValue) -> Option<String> {
    is_less(greatest, cursor).then(|| {
        let reset = advice::command("state reset", &format!("--export {}", job.export.name));
        format!(
            "the greatest \"{column}\" is {greatest}, below the cursor {cursor}: nothing is exported until the source is \
             above it again; if the rows are others than before, {reset} begins anew"
        )
    })
}

/// Whether `a` is below `b`, where that is known without the server.
fn is_less(a: &CursorValue, b: &CursorValue) -> bool {
    use CursorValue::{Date, Float, Instant, Int, Timestamp, UInt};
    match (a, b) {
        (Int(a), Int(b)) | (Timestamp(a), Timestamp(b)) | (Instant(a), Instant(b)) => a < b,
        (UInt(a), UInt(b)) => a < b,
        (Date(a), Date(b)) => a < b,
        (Float(a), Float(b)) => a < b,
        _ => false,
    }
}

/// What the next run does about a run that was interrupted.
pub fn interrupted(job: &Job<'_>, intent: &Intent) -> Option<String> {
    let (run, name) = (&intent.run_id, &job.export.name);
    if !job.export.mode.keeps_chunks() || intent.mode != "chunked" {
        return job.would_redo(intent).then(|| format!("run {run} was interrupted: the next run does the rest of it"));
    }
    let go_on = advice::command("run", &format!("--export {name} --resume"));
    let reset = advice::command("state reset-chunks", &format!("--export {name}"));
    Some(if job.would_redo(intent) {
        format!(
            "run {run} is in progress: {go_on} goes on with it, {reset} gives its chunks up, and a run does neither"
        )
    } else {
        format!(
            "run {run} is in progress with another configuration, so that no run begins: restore the configuration, or \
             give its chunks up by {reset}"
        )
    })
}

/// What rivet 0.2 left unfinished.
pub fn predecessor(job: &Job<'_>, state: &State) -> Result<Option<String>> {
    let name = &job.export.name;
    let report = if job.export.mode.keeps_chunks() { state.chunks(name)? } else { None };
    Ok(report.filter(|report| report.status == "in_progress").map(|_| {
        let reset = advice::command("state reset-chunks", &format!("--export {name}"));
        format!("rivet 0.2 left a chunked run in progress, which cannot be resumed: no run begins before {reset}")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_where_no_server_is_needed() {
        let int = CursorValue::Int;
        assert!(is_less(&int(2), &int(100)) && !is_less(&int(100), &int(100)));
        // By which collation the server compares is not known.
        assert!(!is_less(&CursorValue::Text("a".into()), &CursorValue::Text("b".into())));
    }
}
