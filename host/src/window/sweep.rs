//! Removes what attempts at a window left at the destination.

use rivet_plugin_api::abi::DestinationHandle;
use rivet_plugin_api::{Category, Format, WriteRequest};

use super::manifest;
use super::open::base_name;
use crate::error::Result;
use crate::state::Intent;

/// Removes every part and the manifest of a window.
pub(super) fn remove(left: &Intent, format: &Format, destination: &mut DestinationHandle) -> Result<()> {
    remove_parts(left, format, destination)?;
    if left.chunks.iter().any(|chunk| chunk.begun) { manifest::remove(left, destination) } else { Ok(()) }
}

/// Removes every part that is recorded, and every file that has a name which the destination gave to this window: it
/// may have become visible just before the run was killed. `format` is that of these files.
pub(super) fn remove_parts(left: &Intent, format: &Format, destination: &mut DestinationHandle) -> Result<()> {
    for (index, chunk) in left.chunks.iter().enumerate().filter(|(_, chunk)| chunk.begun) {
        for part in &chunk.parts {
            match destination.remove(&part.name) {
                Err(e) if e.category() == Category::Unsupported => {
                    tracing::warn!("run {} left {}, which is in no manifest", left.run_id, part.location);
                }
                outcome => outcome?,
            }
        }
        if chunk.parts.is_empty() {
            remove_unrecorded(left, index, format, destination)?;
        }
    }
    Ok(())
}

fn remove_unrecorded(left: &Intent, chunk: usize, format: &Format, destination: &mut DestinationHandle) -> Result<()> {
    let format = format.clone();
    let request = WriteRequest { base_name: base_name(left, chunk), format, ..WriteRequest::default() };
    // Parts become visible from the first to the last, so that the first gap is the end.
    let several = (0..).map(|part| request.part_name(part, true));
    for (place, name) in std::iter::once(request.part_name(0, false)).chain(several).enumerate() {
        match destination.stat(&name) {
            Ok(Some(_)) => {
                tracing::info!("removing \"{name}\" of the interrupted run {}", left.run_id);
                destination.remove(&name)?;
            }
            // Nothing is visible, but a store may hold an upload that was never completed.
            Ok(None) if place == 0 => match destination.remove(&name) {
                Err(e) if e.category() == Category::Unsupported => {}
                outcome => outcome?,
            },
            Ok(None) => break,
            Err(e) if e.category() == Category::Unsupported => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Says what may still lie at a destination that the configuration does not name any more.
pub(super) fn warn_of(left: &Intent) {
    for (index, chunk) in left.chunks.iter().enumerate().filter(|(_, chunk)| chunk.begun) {
        for part in &chunk.parts {
            tracing::warn!("run {} left {}, which is in no manifest", left.run_id, part.location);
        }
        if chunk.parts.is_empty() {
            let base = base_name(left, index);
            tracing::warn!("run {} may have left files that begin with \"{base}\" at its destination", left.run_id);
        }
    }
}
