//! `chunk_checkpoint`: a run that failed or died keeps its finished chunks, and goes on from them when it is asked to.

use rivet_plugin_api::abi::DestinationHandle;
use rivet_plugin_api::{Category, Error as ApiError, Part, PartStat};

use super::Window;
use crate::advice;
use crate::error::{Error, Result};
use crate::reading::Reading;
use crate::state::{Intent, IntentChunk};

impl Window<'_> {
    /// Whether the run may begin, given that it was asked to `resume` or not.
    pub fn check_resume(&self, resume: bool) -> Result<()> {
        if !self.job.export.mode.keeps_chunks() {
            return Ok(());
        }
        let name = &self.job.export.name;
        let reset = advice::command("state reset-chunks", &format!("--export {name}"));
        let go_on = advice::command("run", &format!("--export {name} --resume"));
        let refuse = |text: String, hint: String| Err(Error::Unfinished(ApiError::config(text).hint(hint)));
        match self.left.as_ref().filter(|left| left.mode == "chunked") {
            Some(left) if !self.is_same(left) => refuse(
                format!(
                    "run {} of export \"{name}\" is in progress with another configuration (fingerprint mismatch)",
                    left.run_id
                ),
                format!("restore the configuration and go on with it by {go_on}, or give its chunks up by {reset}"),
            ),
            Some(left) if !resume => refuse(
                format!("run {} of export \"{name}\" is in progress", left.run_id),
                format!("go on with it by {go_on}, or give its chunks up by {reset}"),
            ),
            None if self.predecessor_in_progress()? => refuse(
                format!("rivet 0.2 left a chunked run of export \"{name}\" in progress, which cannot be resumed"),
                format!("begin anew after {reset}"),
            ),
            None if resume => refuse(
                format!("there is no in-progress run of export \"{name}\" to resume"),
                "run without `--resume`".to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn predecessor_in_progress(&self) -> Result<bool> {
        let report = self.state.chunks(&self.job.export.name)?;
        Ok(report.is_some_and(|report| report.status == "in_progress"))
    }

    /// Puts chunks back on the list whose parts are not at the destination any more.
    pub fn verify(&self, reading: &mut Reading, validated: bool, destination: &mut DestinationHandle) -> Result<()> {
        let Some(left) = &self.left else { return Ok(()) };
        let unread = |chunk: &IntentChunk| chunk.done && chunk.parts.iter().any(|part| part.validated_rows.is_none());
        if validated && left.chunks.iter().any(unread) {
            tracing::warn!("--validate: chunks that are done were not read back when they were written: redoing them");
        }
        for (index, chunk) in left.chunks.iter().enumerate().filter(|(_, chunk)| chunk.done) {
            if !are_there(left, &chunk.parts, validated, destination)? {
                reading.pending.push(index);
            }
        }
        reading.pending.sort_unstable();
        reading.pending.dedup();
        Ok(())
    }
}

/// Whether all these parts are at the destination as they were recorded. With `validated`, parts that were not read back
/// do not count.
pub(super) fn are_there(
    left: &Intent,
    parts: &[Part],
    validated: bool,
    destination: &mut DestinationHandle,
) -> Result<bool> {
    if validated && parts.iter().any(|part| part.validated_rows.is_none()) {
        return Ok(false);
    }
    for part in parts {
        let there = match destination.stat(&part.name) {
            Ok(stat) => stat,
            Err(e) if e.category() == Category::Unsupported => None,
            Err(e) => return Err(e.into()),
        };
        if !there.is_some_and(|stat| is_same(part, &stat)) {
            let (part, run) = (&part.name, &left.run_id);
            tracing::warn!("part \"{part}\" of run {run} is not at the destination: redoing it");
            return Ok(false);
        }
    }
    Ok(true)
}

/// By the strongest that both know: the content's checksum, the store's, or the size.
fn is_same(part: &Part, stat: &PartStat) -> bool {
    let same = match (&stat.checksum, &stat.store_checksum, &part.store_checksum) {
        (Some(checksum), _, _) => *checksum == part.checksum,
        (None, Some(found), Some(recorded)) => found == recorded,
        _ => true,
    };
    same && stat.bytes == part.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_of_what_is_known_decides() {
        let text = |text: &str| Some(text.to_owned());
        let part = Part { bytes: 5, checksum: "c".into(), store_checksum: text("e"), ..Part::default() };
        let stat = |checksum, store_checksum| PartStat { bytes: 5, checksum, store_checksum };
        assert!(is_same(&part, &stat(text("c"), None)));
        assert!(is_same(&part, &stat(text("c"), text("moved"))), "the content is what counts");
        assert!(!is_same(&part, &stat(text("d"), text("e"))));
        assert!(is_same(&part, &stat(None, text("e"))));
        assert!(!is_same(&part, &stat(None, text("f"))));
        assert!(is_same(&part, &stat(None, None)));
        assert!(is_same(&Part { store_checksum: None, ..part.clone() }, &stat(None, text("f"))));
        assert!(!is_same(&Part { bytes: 6, ..part }, &stat(text("c"), text("e"))));
    }
}
