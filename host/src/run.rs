//! One export from lock to summary: its attempts, its retries and what is remembered of it.

use std::time::Duration;

use arrow_schema::Schema;
use rivet_plugin_api::abi::{ReaderHandle, SourceHandle, WriterHandle};
use rivet_plugin_api::{Cancel, Category, Error as ApiError, Filter, Part};

use crate::clock::{self, Stopwatch};
use crate::config::{Mode, OnSchemaChange};
use crate::dense::Dense;
use crate::error::{Error, Result};
use crate::pipeline::{self, Flow, Pace};
use crate::plan::Job;
use crate::reading::{Reading, Watch};
use crate::report::{Status, Summary};
use crate::retry::{Attempts, Retry};
use crate::state::{RunMetrics, SchemaChange, SchemaColumn, State};
use crate::window::{Open, Window};
use crate::workers::{Begun, Crew};
use crate::{memory, secret, signal};

/// An export that is running.
struct Run<'a> {
    job: &'a Job<'a>,
    state: &'a State,
    cancel: &'a Cancel,
    options: Options,
    watch: Stopwatch,
    summary: Summary,
    /// Whether the last failure came after all retries that it may have.
    exhausted: bool,
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

/// Runs an export. The summary tells all, also of a failure, whose error comes beside it.
pub fn export(job: &Job<'_>, state: &State, options: Options, cancel: &Cancel) -> (Summary, Option<Error>) {
    let summary = Summary {
        export: job.export.name.clone(),
        run_id: format!("{}_{}", job.export.name, clock::now().strftime("%Y%m%dT%H%M%S%.3f")),
        tuning: job.tuning.label(),
        format: job.export.format,
        compression: job.export.compression,
        ..Summary::default()
    };
    let mut run = Run { job, state, cancel, options, watch: Stopwatch::start(), summary, exhausted: false };
    let outcome = run.go();
    run.measure();
    let Err(e) = outcome else { return (run.summary, None) };
    let error = match (signal::received(), e) {
        (Some(signal), e) if is_cancelled(&e) => Error::Stopped(signal),
        (_, Error::Run(e)) if e.code_text() == Some(ApiError::VALIDATION) => Error::Refused(e),
        (_, e) => e,
    };
    run.summary.status = Status::Failed;
    (run.summary.rows, run.summary.files, run.summary.bytes) = (0, 0, 0);
    run.summary.error = Some(secret::redact(&error.to_string()));
    // A run that only met another one's lock is no event of this export's history.
    if error.exit_code() != crate::error::exit::LOCKED
        && let Err(e) = state.record_run(&run.metrics(), clock::now())
    {
        tracing::warn!("the failed run is missing in the history: {e}");
    }
    (run.summary, Some(error))
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
        let attempts = Attempts::new(self.retry());
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
                Error::Run(e) if !self.cancel.is_cancelled() && !self.exhausted => budget.next(e),
                _ => None,
            };
            let Some(pause) = pause else {
                // What a killed run left is only cleaned up by a redo that succeeds: its intent stays for the next one.
                // What a data gate has refused must not be taken for finished work.
                let refused = matches!(error, Error::Refused(_));
                let own = open.as_mut().filter(|_| refused || window.run_id().is_none());
                return Err(self.close(own, error));
            };
            self.summary.retries = attempts.made();
            clock::sleep(pause, self.cancel);
        }
    }

    fn retry(&self) -> Retry {
        let tuning = &self.job.tuning;
        Retry { max_retries: tuning.max_retries, backoff: Duration::from_millis(tuning.retry_backoff_ms) }
    }

    /// A failed attempt has cleaned up after itself, so its intent has nothing left to protect. It stays for the next
    /// run only when the state cannot be written, when parts cannot be removed, or when a defect makes it doubtful that
    /// everything was cleaned up.
    fn close(&self, open: Option<&mut Open<'_>>, error: Error) -> Error {
        if let Some(open) = open
            && let Error::Run(e) | Error::Refused(e) = &error
            && e.category() != Category::Internal
            && let Err(e) = self.give_up(open, &error)
        {
            tracing::warn!("the failed run is not closed: {e}");
        }
        error
    }

    /// Removes what finished chunks of a failed run have left, unless a later run can go on from them.
    fn give_up(&self, open: &mut Open<'_>, error: &Error) -> Result<()> {
        let refused = matches!(error, Error::Refused(_));
        if !refused && open.is_resumable()? {
            tracing::warn!("chunks that are done are kept: `rivet run --resume` goes on with the others");
            return Ok(());
        }
        if refused || open.is_split() {
            // Also after a signal: the parts would be in no manifest.
            let destination = &self.job.destination;
            let mut to = destination.plugin.open_destination(&destination.options, &Cancel::new())?;
            open.discard(&mut to)?;
        }
        open.abandon(&secret::redact(&error.to_string()))
    }

    /// One try on fresh connections.
    fn attempt<'w>(&mut self, window: &'w Window<'w>, open: &mut Option<Open<'w>>, attempts: &Attempts) -> Result<()> {
        let name = &self.job.export.name;
        let destination = &self.job.destination;
        let mut to = destination.plugin.open_destination(&destination.options, self.cancel)?;
        if open.is_none()
            && let Some((mut finished, parts)) = window.finished(&mut to, self.options.validate)?
        {
            self.landed(&parts);
            return self.finish(&mut finished);
        }
        let source = &self.job.source;
        let mut from = source.plugin.open_source(&source.options, self.cancel)?;
        // A failing part stops the others, and with them this attempt, but not the run.
        let cancel = Cancel::new();
        let siblings = cancel.clone();
        let _follows = self.cancel.on_cancel(move || siblings.cancel());
        tracing::info!("executing query of export \"{name}\"");
        let recorded = match open {
            Some(open) => open.recorded()?,
            None => window.recorded(),
        };
        let reading = match recorded {
            Some(mut reading) => {
                if open.is_none() {
                    window.verify(&mut reading, self.options.validate, &mut to)?;
                }
                reading.renew(self.job, &mut from)?;
                reading
            }
            None => Reading::plan(self.job, self.state, &mut from)?,
        };
        let (first, filter) = reading.first()?;
        let request = reading.request(self.job, filter);
        let reader =
            from.read(&request, &cancel).map_err(|e| e.context(format!("could not read export \"{name}\"")))?;
        let schema = reader.schema().clone();
        let columns = self.track_schema(&schema)?;
        let open = match open {
            Some(open) => {
                open.replan(&reading, &mut to)?;
                open
            }
            none => none.insert(window.open(&self.summary.run_id, &columns, &reading, &mut to)?),
        };
        let writer = open.begin(first, &self.summary.run_id, self.options.validate, |request| {
            to.begin(request, &schema, &cancel).map_err(|e| e.context(format!("could not write export \"{name}\"")))
        })?;
        let (job, verify, run_id) = (self.job, self.options.validate, self.summary.run_id.as_str());
        if let Mode::Chunked { dense: true, size, .. } = job.export.mode {
            let (open, to, schema) = (&mut *open, &mut to, &schema);
            let dense = Dense { job, open, to, schema, run_id, verify, size, cancel: &cancel };
            dense.run(reader, writer)?;
        } else if reading.pieces.len() > 1 {
            let crew =
                Crew { job, open, reading: &reading, schema: &schema, run_id, verify, cancel: &cancel, attempts };
            let done = crew.run(Begun { reader, writer });
            // Its chunks have used up the retries, unless all of them have to be read again.
            self.exhausted = matches!(&done, Err(Error::Run(e)) if e.code_text() != Some(ApiError::SNAPSHOT));
            done?;
        } else {
            self.move_whole(open, filter, reader, writer, &cancel)?;
        }
        self.landed(&open.parts()?);
        self.summary.retries = attempts.made();
        self.reconcile(&reading, &mut from)?;
        open.commit(Some(&columns), &self.metrics())
    }

    /// Closes a window that a killed run had written.
    fn finish(&mut self, open: &mut Open<'_>) -> Result<()> {
        if self.options.reconcile
            && let Some(reading) = open.recorded()?
        {
            let source = &self.job.source;
            let mut from = source.plugin.open_source(&source.options, self.cancel)?;
            if let Err(e) = self.reconcile(&reading, &mut from) {
                self.give_up(open, &e)?;
                return Err(e);
            }
        }
        open.commit(None, &self.metrics())
    }

    /// Compares the rows that were written with those that the source counts in the same window.
    fn reconcile(&mut self, reading: &Reading, from: &mut SourceHandle) -> Result<()> {
        if !self.options.reconcile {
            return Ok(());
        }
        let (name, exported) = (&self.job.export.name, self.summary.rows);
        if !self.job.source_can().count {
            let kind = &self.job.source.plugin.spec().name;
            tracing::warn!("export \"{name}\" is not reconciled: connector \"{kind}\" does not count rows");
            return Ok(());
        }
        let counted = from.count(&reading.whole(self.job));
        let counted = counted.map_err(|e| e.context(format!("could not count the rows of export \"{name}\"")))?;
        (self.summary.exported, self.summary.source_rows) = (exported, Some(counted));
        if counted == exported {
            return Ok(());
        }
        let text = format!("export \"{name}\" wrote {exported} rows, but the source counts {counted}");
        Err(Error::Refused(ApiError::data(text).hint("rows may have changed meanwhile: run again")))
    }

    /// From the source to the destination, reading and writing side by side.
    fn move_whole(
        &self,
        open: &Open<'_>,
        filter: &Filter,
        reader: ReaderHandle,
        writer: WriterHandle,
        cancel: &Cancel,
    ) -> Result<()> {
        let name = &self.job.export.name;
        let watch = Watch::new(filter, reader.schema());
        let (throttle, threshold) = (self.job.throttle(), &self.job.threshold);
        let flow = Flow { throttle, threshold, pace: Pace::Overlapped, watch: &watch, cancel };
        let receipt =
            pipeline::run(reader, writer, &flow).map_err(|e| e.context(format!("could not run export \"{name}\"")))?;
        if watch.nulls() > 0 {
            let nulls = watch.nulls();
            tracing::warn!("{nulls} rows of export \"{name}\" have no cursor value: later runs will not see new ones");
        }
        self.job.check_validated(&receipt, self.options.validate)?;
        open.record(0, &receipt.parts)
    }

    /// Compares the columns with those of the last run.
    fn track_schema(&mut self, schema: &Schema) -> Result<Vec<SchemaColumn>> {
        let name = &self.job.export.name;
        let column = |f: &arrow_schema::FieldRef| SchemaColumn {
            name: f.name().clone(),
            data_type: format!("{:?}", f.data_type()),
        };
        let columns: Vec<SchemaColumn> = schema.fields().iter().map(column).collect();
        let Some(stored) = self.state.stored_schema(name)? else { return Ok(columns) };
        let change = SchemaChange::between(&stored, &columns);
        self.summary.schema_changed = Some(!change.is_empty());
        for line in change.lines(name) {
            tracing::warn!("{line}");
        }
        if change.is_empty() || self.job.export.on_schema_change == OnSchemaChange::Warn {
            return Ok(columns);
        }
        let error =
            ApiError::data(format!("the columns of export \"{name}\" have changed: {}", change.lines(name).join(", ")));
        Err(Error::Refused(
            error.hint("adapt the query, or set `on_schema_change: warn` for one run to accept the columns"),
        ))
    }

    fn landed(&mut self, parts: &[Part]) {
        self.measure();
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
            format: Some(summary.format.extension().to_owned()),
            mode: Some(self.job.export.mode.as_str().replace('_', "")),
            files: summary.files,
            bytes: summary.bytes,
            retries: u64::from(summary.retries),
            validated: summary.validated,
            schema_changed: summary.schema_changed,
        }
    }
}
