//! How a run that failed leaves its window: closed, or open for a later run to go on with.

use rivet_plugin_api::{Cancel, Category, Error as ApiError};

use super::Run;
use crate::error::{Error, Result};
use crate::window::Open;
use crate::{advice, secret};

impl Run<'_> {
    /// What a failed attempt left is removed here, so its intent has nothing left to protect. It stays for the next
    /// run only when the state cannot be written, when parts cannot be removed, or when a defect or the end of a
    /// plug-in's process makes it doubtful that everything was cleaned up.
    pub(super) fn close(&self, open: Option<&mut Open<'_>>, error: Error) -> Error {
        if let Some(open) = open
            && let Error::Run(e) | Error::Refused(e) = &error
            && e.category() != Category::Internal
            && e.code_text() != Some(ApiError::CRASHED)
            && let Err(e) = self.give_up(open, &error)
        {
            tracing::warn!("the failed run is not closed: {e}");
        }
        error
    }

    /// Removes what a failed run has published, unless a later run can go on from it: its chunks, or a whole window that
    /// something failed for afterwards.
    pub(super) fn give_up(&self, open: &mut Open<'_>, error: &Error) -> Result<()> {
        let refused = matches!(error, Error::Refused(_));
        if !refused && open.is_resumable()? {
            let go_on = advice::command("run", &format!("--export {} --resume", self.job.export.name));
            tracing::warn!("chunks that are done are kept: {go_on} goes on with the others");
            return Ok(());
        }
        if refused || open.may_have_left(error)? {
            // Also after a signal: the parts would be in no manifest.
            let mut to = self.job.open_destination(&Cancel::new())?;
            open.discard(&mut to)?;
        }
        open.abandon(&secret::redact(&error.to_string()))
    }
}
