//! One export from lock to summary: its attempts, its retries and what is remembered of it.

use std::time::Duration;

use arrow_schema::Schema;
use rivet_plugin_api::abi::{DestinationHandle, ReaderHandle};
use rivet_plugin_api::{Cancel, Category, Error as ApiError, Part, Receipt};

use crate::clock::{self, Stopwatch};
use crate::config::OnSchemaChange;
use crate::error::{Error, Result};
use crate::plan::Job;
use crate::report::{Status, Summary};
use crate::retry::Retry;
use crate::state::{RunMetrics, SchemaChange, SchemaColumn, State};
use crate::throttle::Throttle;
use crate::window::{Open, Window};
use crate::{memory, pipeline, secret, signal};

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

/// A failed attempt has cleaned up after itself, so its intent has nothing left to protect. It stays for the next run
/// only when the state cannot be written, or when a defect makes it doubtful that everything was cleaned up.
fn close(open: Option<&Open<'_>>, error: Error) -> Error {
    if let Some(open) = open
        && let Error::Run(e) | Error::Refused(e) = &error
        && e.category() != Category::Internal
        && let Err(e) = open.abandon(&secret::redact(&error.to_string()))
    {
        tracing::warn!("the failed run is not closed: {e}");
    }
    error
}

impl Run<'_> {
    fn go(&mut self) -> Result<()> {
        let window = Window::lock(self.job, self.state)?;
        if let Some(run_id) = window.run_id() {
            run_id.clone_into(&mut self.summary.run_id);
        }
        let mut retry = 0;
        let mut open = None;
        loop {
            let error = match self.attempt(&window, &mut open) {
                Ok(()) => return Ok(()),
                Err(e) => e,
            };
            let pause = match &error {
                Error::Run(e) => self.budget().pause(retry + 1, e),
                _ => None,
            };
            let Some(pause) = pause.filter(|_| !self.cancel.is_cancelled()) else {
                // What a killed run left is only cleaned up by a redo that succeeds: its intent stays for the next one.
                let own = open.as_ref().filter(|_| window.run_id().is_none());
                return Err(close(own, error));
            };
            retry += 1;
            self.summary.retries = retry;
            self.announce(retry, pause, &error);
            clock::sleep(pause, self.cancel);
        }
    }

    fn budget(&self) -> Retry {
        let tuning = &self.job.tuning;
        Retry { max_retries: tuning.max_retries, backoff: Duration::from_millis(tuning.retry_backoff_ms) }
    }

    fn announce(&self, retry: u32, pause: Duration, error: &Error) {
        let reconnects =
            matches!(error, Error::Run(e) if matches!(e.category(), Category::Network | Category::Capacity));
        let label = if reconnects { " reconnecting" } else { "" };
        let (most, ms) = (self.job.tuning.max_retries, pause.as_millis());
        tracing::warn!("retry {retry}/{most} in {ms}ms{label} ({error})");
    }

    /// One try on fresh connections.
    fn attempt<'w>(&mut self, window: &'w Window<'w>, open: &mut Option<Open<'w>>) -> Result<()> {
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
        tracing::info!("executing query of export \"{name}\"");
        let reader = from
            .read(&self.job.read_request(), self.cancel)
            .map_err(|e| e.context(format!("could not read export \"{name}\"")))?;
        let columns = self.track_schema(reader.schema())?;
        let open = match open {
            Some(open) => open,
            none => none.insert(window.open(&self.summary.run_id, &columns, &mut to)?),
        };
        let receipt = self.write(open, reader, &mut to)?;
        self.check(&receipt)?;
        open.record(&receipt.parts)?;
        self.landed(&receipt.parts);
        open.commit(Some(&columns), &self.metrics())
    }

    fn write(&self, open: &mut Open<'_>, reader: ReaderHandle, to: &mut DestinationHandle) -> Result<Receipt> {
        let name = &self.job.export.name;
        let schema = reader.schema().clone();
        let writer = open.begin(&self.summary.run_id, self.validate, |request| {
            to.begin(request, &schema, self.cancel).map_err(|e| e.context(format!("could not write export \"{name}\"")))
        })?;
        open.attempted();
        let throttle = Throttle::new(self.job.tuning.throttle_ms, self.job.tuning.batch_size);
        let moved = pipeline::run(reader, writer, throttle, self.cancel);
        Ok(moved.map_err(|e| e.context(format!("could not run export \"{name}\"")))?)
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
