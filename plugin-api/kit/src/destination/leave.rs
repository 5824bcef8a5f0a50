//! What did not come to its end leaves nothing behind.

use rivet_plugin_api::{Cancel, Category, Format, WriteRequest};

use super::{Destination, sample};
use crate::check::{PROMPT, ensure, refused, within};
use crate::suite::Outcome;

pub(super) fn probe_leaves_nothing(destination: &Destination) -> Outcome {
    let before = destination.list();
    let probe = destination.open()?.probe()?;
    ensure!(!probe.location.is_empty(), "the probe names no location");
    destination.unchanged("\"probe\"", &before)
}

/// A request whose parts are small, so that several are complete before the write is given up.
fn several_parts(destination: &Destination, trial: &str) -> Result<WriteRequest, libtest_mimic::Failed> {
    let request = destination.request(trial)?;
    let format = Format { max_file_size: Some(64 << 10), ..request.format };
    Ok(WriteRequest { format, ..request })
}

pub(super) fn abort_leaves_nothing(destination: &Destination) -> Outcome {
    let before = destination.list();
    let request = several_parts(destination, "abort")?;
    let batches = sample::noise(6, 10_000);
    for count in [0, 1, batches.len()] {
        let mut writer = destination.begin(&request, &batches[0])?;
        for batch in &batches[..count] {
            writer.write(batch.clone())?;
        }
        writer.abort()?;
        destination.unchanged(&format!("\"abort\" after {count} batches"), &before)?;
    }
    // The name is free again.
    let receipt = destination.write(&request, &batches[..1])?;
    destination.tidy(&receipt)
}

pub(super) fn drop_leaves_nothing(destination: &Destination) -> Outcome {
    let before = destination.list();
    let request = several_parts(destination, "drop")?;
    let batches = sample::noise(6, 10_000);
    let mut writer = destination.begin(&request, &batches[0])?;
    for batch in batches {
        writer.write(batch)?;
    }
    drop(writer);
    destination.unchanged("a dropped writer", &before)
}

pub(super) fn nothing_is_visible_before_finish(destination: &Destination) -> Outcome {
    let request = several_parts(destination, "visible")?;
    let mut early = destination.list();
    let mut writer = destination.begin(&request, &sample::noise(1, 1)[0])?;
    for batch in sample::noise(6, 10_000) {
        writer.write(batch)?;
        early.extend(destination.list());
    }
    let receipt = writer.finish()?;
    let after = destination.list();
    for part in &receipt.parts {
        ensure!(!early.contains(&part.name), "\"{}\" was visible before \"finish\"", part.name);
        ensure!(after.contains(&part.name), "\"{}\" is not visible after \"finish\"", part.name);
    }
    destination.tidy(&receipt)
}

pub(super) fn cancel_stops_a_write_and_leaves_nothing(destination: &Destination) -> Outcome {
    let before = destination.list();
    let batch = sample::small();
    for late in [false, true] {
        let cancel = Cancel::new();
        let request = destination.request("cancel")?;
        let mut writer = destination.open()?.begin(&request, &batch.schema(), &cancel)?;
        writer.write(batch.clone())?;
        cancel.cancel();
        let batch = batch.clone();
        let (outcome, took) = within(PROMPT * 15, "a cancelled write", move || {
            if late { writer.finish().map(drop) } else { writer.write(batch).map(drop) }
        })?;
        let what = if late { "\"finish\" after cancel" } else { "\"write\" after cancel" };
        refused(what, outcome, Category::Cancelled)?;
        ensure!(took < PROMPT, "{what} took {took:?}");
        destination.unchanged(what, &before)?;
    }
    Ok(())
}
