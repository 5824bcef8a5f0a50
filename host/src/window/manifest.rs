//! `manifest: true`: a list of what a window wrote, laid beside its parts once all of them are judged.
//!
//! It holds nothing that differs from one attempt to the next, so a repeated window writes the same one.

use rivet_plugin_api::abi::DestinationHandle;
use rivet_plugin_api::{Category, PutRequest};
use serde_json::{Value, json};

use super::open::columns_of;
use crate::config::Mode;
use crate::error::Result;
use crate::meta;
use crate::plan::Job;
use crate::state::{Intent, SchemaColumn};

/// The version of the document; it grows with every change that is no addition.
const VERSION: u32 = 1;

pub(super) fn name(intent: &Intent) -> String {
    format!("{}.manifest.json", intent.base_name())
}

/// Writes the manifest. With `redone`, one that an earlier attempt left is replaced.
pub(super) fn publish(
    job: &Job<'_>,
    intent: &Intent,
    columns: Option<&[SchemaColumn]>,
    redone: bool,
    destination: &mut DestinationHandle,
) -> Result<()> {
    let mut columns = columns.map(<[_]>::to_vec).or_else(|| columns_of(intent));
    // What is remembered of a run's columns are those of the query; the files have more.
    if let Some(columns) = &mut columns {
        columns.extend(added(job));
    }
    let mut content = serde_json::to_string_pretty(&document(job, intent, columns.as_deref())).unwrap_or_default();
    content.push('\n');
    let put = PutRequest { name: name(intent), content, replace: redone };
    let put = destination.put(&put).map_err(|e| e.context("could not write the manifest".to_owned()))?;
    tracing::info!("the manifest is {}", put.location);
    Ok(())
}

fn added(job: &Job<'_>) -> impl Iterator<Item = SchemaColumn> {
    meta::added(job.export.meta_columns).into_iter().map(|field| SchemaColumn {
        name: field.name().clone(),
        data_type: format!("{:?}", field.data_type()),
        nullable: Some(false),
    })
}

/// Removes the manifest of an attempt that is given up.
pub(super) fn remove(intent: &Intent, destination: &mut DestinationHandle) -> Result<()> {
    match destination.remove(&name(intent)) {
        Err(e) if e.category() == Category::Unsupported => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn document(job: &Job<'_>, intent: &Intent, columns: Option<&[SchemaColumn]>) -> Value {
    let export = job.export;
    let parts: Vec<Value> = intent
        .chunks
        .iter()
        .enumerate()
        .flat_map(|(index, chunk)| chunk.parts.iter().map(move |part| (index, part)))
        .map(|(index, part)| {
            let (name, rows, bytes, checksum) = (&part.name, part.rows, part.bytes, &part.checksum);
            json!({ "name": name, "chunk": index, "rows": rows, "bytes": bytes, "checksum": checksum })
        })
        .collect();
    let sum = |of: fn(&rivet_plugin_api::Part) -> u64| intent.chunks.iter().flat_map(|c| &c.parts).map(of).sum::<u64>();
    json!({
        "manifest_version": VERSION,
        "export": export.name,
        "run_id": intent.run_id,
        "started_at": intent.started_at,
        "mode": export.mode.as_str(),
        "window": window(&export.mode, intent),
        "format": job.format().kind.as_str(),
        "columns": columns,
        "rows": sum(|part| part.rows),
        "bytes": sum(|part| part.bytes),
        "parts": parts,
    })
}

/// The filter of modes that read one window; the chunks of others are no bounds that a reader could use.
fn window(mode: &Mode, intent: &Intent) -> Value {
    match (mode, intent.chunks.as_slice()) {
        (Mode::Incremental { .. } | Mode::TimeWindow { .. }, [only]) => only.plan.plan["filter"].clone(),
        _ => Value::Null,
    }
}
