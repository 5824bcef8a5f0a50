//! One export from lock to summary: its attempts, its retries and what is remembered of it.

use std::time::Duration;

use rivet_plugin_api::abi::{DestinationHandle, SourceHandle};
use rivet_plugin_api::{Cancel, Category, Error as ApiError, Part, ReadRequest};

use self::moving::{Moving, Signs};
use crate::clock::{self, Stopwatch};
use crate::config;
use crate::error::{Error, Result, exit};
use crate::event::{Event, Feed};
use crate::inspect::Inspector;
use crate::plan::Job;
use crate::quality::Quality;
use crate::reading::Reading;
use crate::report::{Status, Summary};
use crate::retry::{Attempts, Retry};
use crate::state::{RunMetrics, State};
use crate::window::{Open, Window};
use crate::workers::Begun;
use crate::{memory, secret, signal};

mod close;
mod judge;
mod moving;

/// An export that is running.
struct Run<'a> {
    job: &'a Job<'a>,
    feed: &'a Feed,
    state: &'a State,
    cancel: &'a Cancel,
    options: Options,
    watch: Stopwatch,
    summary: Summary,
    /// Whether the last failure came after all retries that it may have.
    exhausted: bool,
    /// What the rows so far have shown.
    quality: Option<Quality>,
}

/// What the command line asks of every export.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Read the files back before they become visible.
    pub validate: bool,
    /// Count the rows of the window in the source, and refuse files that have another number of them.
    pub reconcile: bool,
    /// Go on with a chunked run that was interrupted.
    pub resume: bool,
}

/// Runs an export, tells `feed` how it goes, and answers the exit code. The last event is the summary, which tells all,
/// also of a failure.
pub fn export(job: &Job<'_>, feed: &Feed, state: &State, options: Options, cancel: &Cancel) -> u8 {
    let summary = summary_of(job, feed, state, options, cancel);
    let code = summary.exit_code;
    feed.tell(&Event::ExportFinished(Box::new(summary)));
    code
}

fn summary_of(job: &Job<'_>, feed: &Feed, state: &State, options: Options, cancel: &Cancel) -> Summary {
    let summary = Summary {
        export: job.export.name.clone(),
        run_id: format!("{}_{}", job.export.name, clock::now().strftime("%Y%m%dT%H%M%S%.3f")),
        tuning: job.tuning.label(),
        format: job.export.format,
        compression: job.export.compression,
        ..Summary::default()
    };
    let mut run =
        Run { job, feed, state, cancel, options, watch: Stopwatch::start(), summary, exhausted: false, quality: None };
    // What a success took was measured for the history, and the summary says the same.
    let Err(e) = run.go() else { return run.summary };
    run.measure();
    let error = match (signal::received(), e) {
        (Some(signal), e) if is_cancelled(&e) => Error::Stopped(signal),
        (_, Error::Run(e)) if is_of_validation(&e) => {
            run.summary.validated = Some(false);
            Error::Refused(e)
        }
        (_, e) => named(e, &job.export.name),
    };
    run.summary.status = Status::Failed;
    (run.summary.rows, run.summary.files, run.summary.bytes) = (0, 0, 0);
    run.summary.error = Some(secret::redact(&error.to_string()));
    run.summary.hint = error.hint().map(|hint| secret::redact(&hint));
    let located = match &error {
        Error::Run(e) | Error::Usage(e) => job.export.located(e).map(Error::Config),
        _ => None,
    };
    run.summary.error_text = Some(secret::redact(&located.as_ref().unwrap_or(&error).render()));
    run.summary.error_codes = error.codes().into_iter().map(|code| code.name().to_owned()).collect();
    run.summary.exit_code = error.exit_code();
    // A run that only met another one's lock is no event of this export's history.
    if error.exit_code() != exit::LOCKED
        && let Err(e) = state.record_run(&run.metrics(), clock::now())
    {
        tracing::warn!("the failed run is missing in the history: {e}");
    }
    run.summary
}

/// An error that says which export it is about.
fn named(error: Error, export: &str) -> Error {
    match error {
        Error::Run(e) if !e.to_string().contains(&format!("\"{export}\"")) => {
            Error::Run(e.context(format!("could not run export \"{export}\"")))
        }
        error => error,
    }
}

/// Whether files that were read back are not what was written.
fn is_of_validation(error: &ApiError) -> bool {
    error.code_text() == Some(ApiError::VALIDATION)
}

fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Refused(_)) || matches!(error, Error::Run(e) if is_of_validation(e))
}

fn is_cancelled(error: &Error) -> bool {
    matches!(error, Error::Run(e) if e.category() == Category::Cancelled)
}

impl Run<'_> {
    fn go(&mut self) -> Result<()> {
        let window = Window::lock(self.job, self.state)?;
        window.check_resume(self.options.resume)?;
        if let Some(run_id) = window.run_id() {
            run_id.clone_into(&mut self.summary.run_id);
        }
        self.feed.tell(&Event::ExportStarted { run_id: self.summary.run_id.clone() });
        let attempts = Attempts::new(self.retry(), self.feed);
        let mut budget = attempts.budget();
        let mut open = None;
        loop {
            let outcome = self.attempt(&window, &mut open, &attempts);
            self.summary.retries = attempts.made();
            let Err(error) = outcome else { return Ok(()) };
            if let (Some(open), Error::Run(e)) = (&mut open, &error)
                && open.evade(e)?
            {
                continue;
            }
            let pause = match &error {
                Error::Run(e) if !self.cancel.is_cancelled() && !self.exhausted && !self.is_out(open.as_mut())? => {
                    budget.next(e)
                }
                _ => None,
            };
            let Some(pause) = pause else {
                // What a killed run left is only cleaned up by a redo that succeeds: its intent stays for the next one.
                // What a data gate has refused must not be taken for finished work.
                let refused = is_refusal(&error);
                let own = open.as_mut().filter(|_| refused || window.run_id().is_none());
                return Err(self.close(own, error));
            };
            self.summary.retries = attempts.made();
            clock::sleep(pause, self.cancel);
        }
    }

    /// Whether rows may have gone where they cannot be taken back from, so that another attempt would repeat them.
    fn is_out(&self, open: Option<&mut Open<'_>>) -> Result<bool> {
        let Some(open) = open.filter(|_| self.job.writes_to_stdout()) else { return Ok(false) };
        Ok(!self.job.holds_back() && !self.options.validate || open.has_parts()?)
    }

    fn retry(&self) -> Retry {
        let tuning = &self.job.tuning;
        Retry { max_retries: tuning.max_retries, backoff: Duration::from_millis(tuning.retry_backoff_ms) }
    }

    /// One try on fresh connections.
    fn attempt<'w>(
        &mut self,
        window: &'w Window<'w>,
        open: &mut Option<Open<'w>>,
        attempts: &Attempts<'_>,
    ) -> Result<()> {
        let name = &self.job.export.name;
        let mut to = self.job.open_destination(self.cancel)?;
        if open.is_none()
            && let Some((mut finished, parts)) = window.finished(&mut to, self.options.validate)?
        {
            self.landed(&parts);
            return self.finish(&mut finished, &mut to);
        }
        let mut from = self.job.open_source(self.cancel)?;
        // A failing part stops the others, and with them this attempt, but not the run.
        let cancel = Cancel::new();
        let siblings = cancel.clone();
        let _follows = self.cancel.on_cancel(move || siblings.cancel());
        tracing::info!("executing query of export \"{name}\"");
        let reading = self.plan(window, open, &mut from, &mut to)?;
        let (first, filter) = reading.first()?;
        let request = reading.request(self.job, filter);
        self.tell_plan(&reading, &request, &mut from);
        let reader =
            from.read(&request, &cancel).map_err(|e| e.context(format!("could not read export \"{name}\"")))?;
        let columns = self.track_schema(reader.schema())?;
        self.prepare_quality(reader.schema(), &reading)?;
        let run_id = self.summary.run_id.clone();
        let inspector =
            Inspector::new(self.job, &run_id, reader.schema(), self.quality.as_ref()).map_err(Error::Usage)?;
        let open = match open {
            Some(open) => {
                open.replan(&reading, &columns, &mut to)?;
                open
            }
            none => none.insert(window.open(&run_id, &columns, &reading, &mut to)?),
        };
        let writer = open.begin(first, &run_id, self.options.validate, |request| {
            let begun = to.begin(request, inspector.files(), &cancel);
            begun.map_err(|e| e.context(format!("could not write export \"{name}\"")))
        })?;
        let (job, verify, mut signs) = (self.job, self.options.validate, Signs::default());
        let moving = Moving { job, open, reading: &reading, inspector: &inspector, verify, cancel: &cancel, attempts };
        let moved = moving.run(Begun { reader, writer }, &mut to, &mut signs);
        (self.exhausted, self.summary.quality) = (signs.exhausted, signs.quality);
        moved?;
        self.landed(&open.parts()?);
        self.summary.retries = attempts.made();
        self.reconcile(&reading, &mut from)?;
        open.publish_manifest(Some(&columns), self.summary.retries > 0, &mut to)?;
        self.measure();
        open.commit(Some(&columns), &self.metrics())
    }

    /// What this attempt reads: what an earlier one has left to do, or a new plan.
    fn plan<'w>(
        &self,
        window: &'w Window<'w>,
        open: &mut Option<Open<'w>>,
        from: &mut SourceHandle,
        to: &mut DestinationHandle,
    ) -> Result<Reading> {
        let recorded = match open {
            Some(open) => open.recorded()?,
            None => window.recorded(),
        };
        let Some(mut reading) = recorded else { return Reading::plan(self.job, self.state, from) };
        if open.is_none() {
            window.verify(&mut reading, self.options.validate, to)?;
        }
        if self.quality.is_none() && self.job.export.quality.as_ref().is_some_and(config::Quality::is_of_values) {
            // What is judged are all rows of the window, and nobody remembers those of another run.
            reading.pending = (0..reading.pieces.len()).collect();
        }
        reading.renew(self.job, from)?;
        Ok(reading)
    }

    /// Tells what will be read. How many rows that may be is asked only for somebody who shows it, and only where chunks
    /// do not tell it.
    fn tell_plan(&self, reading: &Reading, request: &ReadRequest, from: &mut SourceHandle) {
        let chunks = reading.pieces.len();
        let asks = chunks == 1 && self.feed.wants_estimate() && self.job.source_can().explain;
        let rows = asks.then(|| from.explain(request)).and_then(|explained| match explained {
            Ok(explanation) => explanation.rows,
            // What is wrong with the query, the read will say.
            Err(e) => {
                tracing::debug!("the source does not say how many rows there are: {e}");
                None
            }
        });
        let checkpoint = self.job.export.mode.keeps_chunks();
        self.feed.planned(chunks, reading.pending.len(), rows, checkpoint);
    }

    fn landed(&mut self, parts: &[Part]) {
        let summary = &mut self.summary;
        summary.rows = parts.iter().map(|part| part.rows).sum();
        summary.files = parts.len() as u64;
        summary.bytes = parts.iter().map(|part| part.bytes).sum();
        summary.validated = (self.options.validate && !parts.is_empty())
            .then(|| parts.iter().all(|part| part.validated_rows == Some(part.rows)));
        let skipped = summary.rows == 0 && self.job.export.skip_empty;
        summary.status = if skipped { Status::Skipped } else { Status::Success };
    }

    fn measure(&mut self) {
        self.summary.duration = self.watch.elapsed();
        self.summary.peak_rss_mb = memory::peak_rss_mb();
    }

    /// The run's line in the history.
    fn metrics(&self) -> RunMetrics {
        let summary = &self.summary;
        RunMetrics {
            export: summary.export.clone(),
            run_id: Some(summary.run_id.clone()),
            duration_ms: summary.duration_ms(),
            rows: summary.rows,
            peak_rss_mb: Some(summary.peak_rss_mb).filter(|mb| *mb > 0),
            status: summary.status.as_str().to_owned(),
            error: summary.error.clone(),
            profile: Some(self.job.tuning.profile.as_str().to_owned()),
            format: Some(summary.format.as_str().to_owned()),
            mode: Some(self.job.export.mode.as_str().replace('_', "")),
            files: summary.files,
            bytes: summary.bytes,
            retries: u64::from(summary.retries),
            validated: summary.validated,
            schema_changed: summary.schema_changed,
        }
    }
}
