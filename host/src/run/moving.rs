//! Moves the rows of one attempt: in one go, in parts side by side, or counted off into chunks.

use rivet_plugin_api::abi::DestinationHandle;
use rivet_plugin_api::{Cancel, Error as ApiError};

use super::judge::judge;
use crate::config::Mode;
use crate::dense::Dense;
use crate::error::{Error, Result};
use crate::inspect::Inspector;
use crate::pipeline::{self, Flow, Pace};
use crate::plan::Job;
use crate::reading::Reading;
use crate::retry::Attempts;
use crate::window::Open;
use crate::workers::{Begun, Crew};

/// One attempt at a window that is written down.
pub(super) struct Moving<'a, 'w> {
    pub(super) job: &'a Job<'a>,
    pub(super) open: &'a mut Open<'w>,
    pub(super) reading: &'a Reading,
    pub(super) inspector: &'a Inspector<'a>,
    pub(super) verify: bool,
    pub(super) cancel: &'a Cancel,
    pub(super) attempts: &'a Attempts<'a>,
}

/// What the attempt shows, whether or not it succeeds.
#[derive(Default)]
pub(super) struct Signs {
    /// Whether the failure came after all retries that it may have.
    pub(super) exhausted: bool,
    /// Whether the rows keep the rules under `quality`; absent without any, or when it did not come to that.
    pub(super) quality: Option<bool>,
}

impl Moving<'_, '_> {
    /// Moves everything and judges it; `begun` is the first piece.
    pub(super) fn run(self, begun: Begun, to: &mut DestinationHandle, signs: &mut Signs) -> Result<()> {
        let Self { job, open, reading, inspector, verify, cancel, attempts } = self;
        if let Mode::Chunked { dense: true, size, .. } = job.export.mode {
            Dense { job, open, to, inspector, verify, size, cancel }.run(begun, attempts.feed())?;
            return judge(inspector, rows(open)?, signs);
        }
        if reading.pieces.len() > 1 {
            let done = Crew { job, open, reading, inspector, verify, cancel, attempts }.run(begun);
            // Its chunks have used up the retries, unless all of them have to be read again.
            signs.exhausted = matches!(&done, Err(Error::Run(e)) if e.code_text() != Some(ApiError::SNAPSHOT));
            done?;
            return judge(inspector, rows(open)?, signs);
        }
        Self { job, open, reading, inspector, verify, cancel, attempts }.whole(begun, signs)
    }

    /// From the source to the destination, reading and writing side by side. Nothing is published before it is judged.
    fn whole(self, begun: Begun, signs: &mut Signs) -> Result<()> {
        let name = &self.job.export.name;
        let (throttle, threshold) = (self.job.throttle(), &self.job.threshold);
        let tally = self.attempts.feed().attempt();
        let flow = Flow { throttle, threshold, pace: Pace::Overlapped, tally: &tally, cancel: self.cancel };
        let (_, filter) = self.reading.first()?;
        let mut inspection = self.inspector.inspect(filter)?;
        let failed = |e: ApiError| e.context(format!("could not run export \"{name}\""));
        let moved = pipeline::pass(begun, &flow, &mut inspection).map_err(failed)?;
        let nulls = inspection.keep()?;
        if nulls > 0 {
            tracing::warn!("{nulls} rows of export \"{name}\" have no cursor value: later runs will not see new ones");
        }
        judge(self.inspector, moved.rows(), signs)?;
        self.open.publishing();
        let receipt = moved.finish().map_err(failed)?;
        self.job.check_validated(&receipt, self.verify)?;
        self.open.record(0, &receipt.parts)?;
        tally.landed(0, &receipt.parts);
        tally.keep();
        Ok(())
    }
}

fn rows(open: &mut Open<'_>) -> Result<u64> {
    Ok(open.parts()?.iter().map(|part| part.rows).sum())
}
