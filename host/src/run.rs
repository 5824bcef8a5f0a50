//! One export from lock to summary: its attempts, its retries and what is remembered of it.

use std::time::Duration;

use arrow_schema::Schema;
use rivet_plugin_api::abi::{ReaderHandle, SourceHandle};
use rivet_plugin_api::{Cancel, Category, Error as ApiError, Filter, Part, ReadRequest, Receipt};

use crate::clock::{self, Stopwatch};
use crate::config::OnSchemaChange;
use crate::error::{Error, Result};
use crate::pipeline::{self, Flow, Pace};
use crate::plan::Job;
use crate::reading::{Reading, Watch};
use crate::report::{Status, Summary};
use crate::retry::{Attempts, Retry};
use crate::state::{RunMetrics, SchemaChange, SchemaColumn, State};
use crate::window::{Open, Window};
use crate::workers::{Crew, Piece};
use crate::{memory, secret, signal};

/// An export that is running.
struct Run<'a> {
    job: &'a Job<'a>,
    state: &'a State,
    cancel: &'a Cancel,
    validate: bool,
    watch: Stopwatch,
    summary: Summary,
}

/// Runs an export. The summary tells all, also of a failure, whose error comes beside it.
pub fn export(job: &Job<'_>, state: &State, validate: bool, cancel: &Cancel) -> (Summary, Option<Error>) {
    let summary = Summary {
        export: job.export.name.clone(),
        run_id: format!("{}_{}", job.export.name, clock::now().strftime("%Y%m%dT%H%M%S%.3f")),
        tuning: job.tuning.label(),
        format: job.export.format,
        compression: job.export.compression,
        ..Summary::default()
    };
    let mut run = Run { job, state, cancel, validate, watch: Stopwatch::start(), summary };
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
                Error::Run(e) if !self.cancel.is_cancelled() => budget.next(e),
                _ => None,
            };
            let Some(pause) = pause else {
                // What a killed run left is only cleaned up by a redo that succeeds: its intent stays for the next one.
                let own = open.as_mut().filter(|_| window.run_id().is_none());
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
            && let Err(e) = self.discard(open).and_then(|()| open.abandon(&secret::redact(&error.to_string())))
        {
            tracing::warn!("the failed run is not closed: {e}");
        }
        error
    }

    /// Removes what finished parts of a failed run have left.
    fn discard(&self, open: &mut Open<'_>) -> Result<()> {
        if !open.is_split() {
            return Ok(());
        }
        // Also after a signal: the parts would be in no manifest.
        let destination = &self.job.destination;
        let mut to = destination.plugin.open_destination(&destination.options, &Cancel::new())?;
        open.discard(&mut to)
    }

    /// One try on fresh connections.
    fn attempt<'w>(&mut self, window: &'w Window<'w>, open: &mut Option<Open<'w>>, attempts: &Attempts) -> Result<()> {
        let name = &self.job.export.name;
        let destination = &self.job.destination;
        let mut to = destination.plugin.open_destination(&destination.options, self.cancel)?;
        if open.is_none()
            && let Some((finished, parts)) = window.finished(&mut to, self.validate)?
        {
            self.landed(&parts);
            return finished.commit(None, &self.metrics());
        }
        let source = &self.job.source;
        let mut from = source.plugin.open_source(&source.options, self.cancel)?;
        // A failing part stops the others, and with them this attempt, but not the run.
        let cancel = Cancel::new();
        let siblings = cancel.clone();
        let _follows = self.cancel.on_cancel(move || siblings.cancel());
        tracing::info!("executing query of export \"{name}\"");
        let recorded = match open.as_ref() {
            Some(open) => open.recorded(),
            None => window.recorded(),
        };
        let reading = match recorded {
            Some(reading) => reading,
            None => Reading::plan(self.job, self.state, &mut from)?,
        };
        let readers = self.readers(&reading, &mut from, &cancel)?;
        let (_, first) = readers.first().ok_or_else(|| ApiError::internal("there is nothing to read"))?;
        let schema = first.schema().clone();
        let columns = self.track_schema(&schema)?;
        let open = match open {
            Some(open) => {
                open.replan(&reading, &mut to)?;
                open
            }
            none => none.insert(window.open(&self.summary.run_id, &columns, &reading, &mut to)?),
        };
        let writers = open.begin(&self.summary.run_id, self.validate, |request| {
            to.begin(request, &schema, &cancel).map_err(|e| e.context(format!("could not write export \"{name}\"")))
        })?;
        let piece = |((request, reader), writer)| Piece { request, reader, writer };
        let pieces: Vec<Piece> = readers.into_iter().zip(writers).map(piece).collect();
        let receipts = self.move_all(open, pieces, &cancel, attempts)?;
        let parts: Vec<Part> = receipts.into_iter().flat_map(|receipt| receipt.parts).collect();
        self.landed(&parts);
        self.summary.retries = attempts.made();
        open.commit(Some(&columns), &self.metrics())
    }

    /// Starts to read every part. The first one uses the connection that is there.
    fn readers(
        &self,
        reading: &Reading,
        from: &mut SourceHandle,
        cancel: &Cancel,
    ) -> Result<Vec<(ReadRequest, ReaderHandle)>> {
        let source = &self.job.source;
        let start = |(index, filter): (usize, &Filter)| {
            let request = self.job.read_request(filter.clone(), reading.snapshot.clone());
            let reader = match index {
                0 => from.read(&request, cancel),
                _ => source.plugin.open_source(&source.options, cancel).and_then(|mut own| own.read(&request, cancel)),
            };
            Ok((request, reader?))
        };
        let readers = reading.filters.iter().enumerate().map(start).collect::<rivet_plugin_api::Result<Vec<_>>>();
        Ok(readers.map_err(|e| e.context(format!("could not read export \"{}\"", self.job.export.name)))?)
    }

    /// From the source to the destination, with a record of each part as soon as it is there.
    fn move_all(
        &self,
        open: &Open<'_>,
        mut pieces: Vec<Piece>,
        cancel: &Cancel,
        attempts: &Attempts,
    ) -> Result<Vec<Receipt>> {
        let name = &self.job.export.name;
        if pieces.len() > 1 {
            let (job, verify, run_id) = (self.job, self.validate, self.summary.run_id.as_str());
            let receipts = Crew { job, open, run_id, verify, cancel, attempts }.run(pieces)?;
            receipts.iter().try_for_each(|receipt| self.check(receipt))?;
            return Ok(receipts);
        }
        let Some(Piece { reader, writer, request }) = pieces.pop() else { return Ok(Vec::new()) };
        let watch = Watch::new(&request.filter, reader.schema());
        let flow = Flow { throttle: self.job.throttle(), pace: Pace::Overlapped, watch: &watch, cancel };
        let receipt =
            pipeline::run(reader, writer, &flow).map_err(|e| e.context(format!("could not run export \"{name}\"")))?;
        if watch.nulls() > 0 {
            let nulls = watch.nulls();
            tracing::warn!("{nulls} rows of export \"{name}\" have no cursor value: later runs will not see new ones");
        }
        self.check(&receipt)?;
        open.record(0, &receipt.parts)?;
        Ok(vec![receipt])
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

    fn check(&self, receipt: &Receipt) -> Result<()> {
        if self.validate && receipt.parts.iter().any(|part| part.validated_rows != Some(part.rows)) {
            let text = format!("the destination of export \"{}\" did not read its files back", self.job.export.name);
            return Err(Error::Run(ApiError::internal(text)));
        }
        Ok(())
    }

    fn landed(&mut self, parts: &[Part]) {
        self.measure();
        let summary = &mut self.summary;
        summary.rows = parts.iter().map(|part| part.rows).sum();
        summary.files = parts.len() as u64;
        summary.bytes = parts.iter().map(|part| part.bytes).sum();
        summary.validated = (self.validate && !parts.is_empty())
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
