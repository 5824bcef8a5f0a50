//! From the configuration to a job: connectors found and their options checked, before anything is touched.

mod fingerprint;

use std::sync::Arc;

use rivet_plugin_api::abi::{DestinationHandle, Plugin, SourceHandle};
use rivet_plugin_api::{
    BatchSize, Cancel, Error as ApiError, Filter, Format, FormatKind, ReadRequest, Receipt, Result as ApiResult,
    SourceCapabilities, Strategy, Timeouts,
};
use serde_json::Value;

use crate::config::{Config, ConfigError, Connector, Export, Mode, Tuning};
use crate::environment;
use crate::error::{Error, Result};
use crate::memory::Threshold;
use crate::pipeline::BATCH_BYTES;
use crate::plugin::{Catalog, Half};
use crate::secret;
use crate::state::Intent;
use crate::throttle::Throttle;

/// A batch sized by memory may have at most this many rows.
const MOST_ROWS: usize = 500_000;

/// A connector ready to be opened.
pub struct Endpoint {
    /// Its plug-in.
    pub plugin: Arc<Plugin>,
    /// Its options, with variables and files read.
    pub options: Value,
    /// Tells another endpoint apart, without secrets.
    pub fingerprint: String,
}

/// One export, ready to run.
pub struct Job<'a> {
    /// What the configuration says.
    pub export: &'a Export,
    /// Its tuning, merged.
    pub tuning: Tuning,
    /// Of the memory of the process.
    pub threshold: Threshold,
    /// Where it reads.
    pub source: Arc<Endpoint>,
    /// Where it writes.
    pub destination: Endpoint,
}

impl Endpoint {
    /// Whether `other` is the same place, reached in the same way.
    pub fn is(&self, other: &Self) -> bool {
        self.plugin.spec().name == other.plugin.spec().name && self.options == other.options
    }

    /// Whether what is written there cannot be read again, because it is a pipe.
    pub fn is_stream(&self) -> bool {
        self.plugin.spec().destination.as_ref().is_some_and(|half| half.capabilities.stream)
    }
}

/// The source of a configuration.
pub fn source(config: &Config, catalog: &Catalog) -> Result<Endpoint> {
    endpoint(&config.source, Half::Source, catalog)
}

/// Prepares the exports to run: all, or the one named `only`.
pub fn prepare<'a>(config: &'a Config, only: Option<&str>, catalog: &Catalog) -> Result<Vec<Job<'a>>> {
    let exports: Vec<&Export> = match only {
        Some(name) => vec![config.export(name).map_err(Error::Usage)?],
        None => config.exports.iter().collect(),
    };
    if exports.is_empty() {
        return Ok(Vec::new());
    }
    let source = source(config, catalog);
    let destinations = exports.iter().map(|export| endpoint(&export.destination, Half::Destination, catalog));
    let mut endpoints = together(std::iter::once(source).chain(destinations))?.into_iter();
    // One for the source and one for each export.
    let source = endpoints.next().map(Arc::new);
    let job = |(export, destination): (&'a Export, Endpoint)| {
        let tuning = Tuning::merge(&config.tuning, &export.tuning);
        let threshold = Threshold::new(tuning.memory_threshold_mb);
        Some(Job { export, tuning, threshold, source: Arc::clone(source.as_ref()?), destination })
    };
    let jobs: Vec<Job<'a>> = exports.into_iter().zip(endpoints).filter_map(job).collect();
    for job in &jobs {
        job.check_source()?;
        job.check_params()?;
        job.check_manifest()?;
        job.check_stream()?;
    }
    Ok(jobs)
}

/// All values, or every mistake in the configuration at once.
fn together<T>(results: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut values, mut mistakes) = (Vec::new(), None::<ConfigError>);
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(Error::Config(e)) => {
                mistakes = Some(match mistakes {
                    Some(former) => former.and(e),
                    None => e,
                });
            }
            Err(e) => return Err(e),
        }
    }
    mistakes.map_or(Ok(values), |e| Err(e.into()))
}

fn endpoint(connector: &Connector, half: Half, catalog: &Catalog) -> Result<Endpoint> {
    let plugin = catalog.find(&connector.kind, half, connector.isolation).map_err(|e| connector.refused(&e))?;
    let spec = plugin.spec();
    let schema = match half {
        Half::Source => spec.source.as_ref().map(|s| &s.options),
        Half::Destination => spec.destination.as_ref().map(|d| &d.options),
    };
    let schema = schema.unwrap_or(&Value::Null);
    let resolved = connector.resolve(schema, &environment)?;
    secret::add(&resolved.secrets);
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    let fingerprint = fingerprint::of(&(&spec.name, fingerprint::without_secrets(&resolved.options, schema)));
    Ok(Endpoint { plugin, options: resolved.options, fingerprint })
}

impl Job<'_> {
    /// What its source can do.
    pub fn source_can(&self) -> SourceCapabilities {
        self.source.plugin.spec().source.as_ref().map(|half| half.capabilities).unwrap_or_default()
    }

    /// Opens its source. An error names the export, since several may fail side by side.
    pub fn open_source(&self, cancel: &Cancel) -> ApiResult<SourceHandle> {
        let opened = self.source.plugin.open_source(&self.source.options, cancel);
        opened.map_err(|e| e.context(format!("could not open the source of export \"{}\"", self.export.name)))
    }

    /// The same for its destination.
    pub fn open_destination(&self, cancel: &Cancel) -> ApiResult<DestinationHandle> {
        let opened = self.destination.plugin.open_destination(&self.destination.options, cancel);
        opened.map_err(|e| e.context(format!("could not open the destination of export \"{}\"", self.export.name)))
    }

    fn not_offered(&self, error: &ApiError) -> Error {
        self.export.not_offered(error).into()
    }

    /// Whether the source can do what the mode needs.
    fn check_source(&self) -> Result<()> {
        let (can, mode) = (self.source_can(), &self.export.mode);
        let offered = match mode {
            Mode::Full | Mode::Chunked { dense: true, .. } => true,
            Mode::Incremental { .. } => can.window && can.bounds,
            Mode::Chunked { .. } => can.range && can.bounds,
            Mode::TimeWindow { .. } => can.since,
        };
        if offered {
            return Ok(());
        }
        let (export, mode, kind) = (&self.export.name, mode.as_str(), &self.source.plugin.spec().name);
        let text = format!("export \"{export}\" has mode \"{mode}\", which connector \"{kind}\" does not offer");
        Err(self.not_offered(&ApiError::config(text).hint("use `mode: full`, or a newer version of the connector")))
    }

    /// Whether the source takes the values that the query names.
    fn check_params(&self) -> Result<()> {
        if self.export.params.is_empty() || self.source_can().params {
            return Ok(());
        }
        let (export, kind) = (&self.export.name, &self.source.plugin.spec().name);
        let text = format!("export \"{export}\" has `params`, which connector \"{kind}\" does not offer");
        Err(self
            .not_offered(&ApiError::config(text).hint("write the values into the query, or use ${NAME} with --param")))
    }

    /// Whether the destination can hold a manifest where one is asked for.
    fn check_manifest(&self) -> Result<()> {
        let plugin = self.destination.plugin.spec();
        if !self.export.manifest || plugin.destination.as_ref().is_some_and(|half| half.capabilities.put) {
            return Ok(());
        }
        let text = format!(
            "export \"{}\" has `manifest`, which connector \"{}\" does not offer",
            self.export.name, plugin.name
        );
        Err(self.not_offered(&ApiError::config(text).hint("remove `manifest`, or choose another destination")))
    }

    /// Whether a stream can hold it: what is judged at the end cannot be taken back once chunks are out, and readers of
    /// formats with an end of their own stop at the first one, or see only the last.
    fn check_stream(&self) -> Result<()> {
        if !self.writes_to_stdout() {
            return Ok(());
        }
        let in_chunks = matches!(self.export.mode, Mode::Chunked { .. });
        let in_pieces = match self.format().max_file_size {
            _ if in_chunks => Some("mode: chunked"),
            Some(_) => Some("max_file_size"),
            None => None,
        };
        let (export, kind) = (&self.export.name, &self.destination.plugin.spec().name);
        let (text, hint) = match in_pieces {
            Some(_) if in_chunks && self.export.quality.is_some() => (
                format!("has `quality` and `mode: chunked`, but connector \"{kind}\" cannot take chunks back"),
                "use `mode: full`, or write to files",
            ),
            Some(pieces) if self.export.format != FormatKind::Csv => (
                format!(
                    "has `{pieces}`, but of several {} files on one stream readers would see only one",
                    self.export.format.as_str()
                ),
                "use `format: csv`, or `mode: full` without `max_file_size`, or write to files",
            ),
            _ => return Ok(()),
        };
        Err(Error::Usage(ApiError::config(format!("export \"{export}\" {text}")).hint(hint)))
    }

    /// Limits for the server.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts { statement_s: self.tuning.statement_timeout_s, lock_s: self.tuning.lock_timeout_s }
    }

    /// Whether a destination that was asked to has read its files back.
    pub fn check_validated(&self, receipt: &Receipt, asked: bool) -> Result<()> {
        if asked && receipt.parts.iter().any(|part| part.validated_rows != Some(part.rows)) {
            let text = format!("the destination of export \"{}\" did not read its files back", self.export.name);
            return Err(Error::Run(ApiError::internal(text)));
        }
        Ok(())
    }

    /// How fast rows may be read.
    pub fn throttle(&self) -> Throttle {
        Throttle::new(self.tuning.throttle_ms, self.tuning.batch_size)
    }

    /// What to ask the source for.
    pub fn read_request(&self, filter: Filter, snapshot: Option<String>) -> ReadRequest {
        let tuning = &self.tuning;
        let batch = match tuning.batch_size_memory_mb {
            Some(mb) => BatchSize { rows: MOST_ROWS, bytes: usize::try_from(mb << 20).unwrap_or(usize::MAX) },
            // Several readers share what one may hold.
            None => BatchSize { rows: tuning.batch_size, bytes: BATCH_BYTES / self.export.parallel.clamp(1, 4) },
        };
        ReadRequest {
            query: self.export.query.text.clone(),
            params: self.export.params.clone(),
            filter,
            snapshot,
            batch,
            timeouts: self.timeouts(),
            // Rests in the middle of one long statement would keep it open on the server.
            strategy: if tuning.throttle_ms > 0 { Strategy::Cursor } else { Strategy::Auto },
            mapping: self.export.mapping.clone(),
            ..ReadRequest::default()
        }
    }

    /// How to encode.
    pub fn format(&self) -> Format {
        Format {
            kind: self.export.format,
            arrow_layout: self.export.arrow_layout,
            compression: self.export.compression,
            level: self.export.compression_level,
            max_file_size: self.export.max_file_size.filter(|limit| *limit > 0),
        }
    }

    /// Whether nothing may go out before it is complete: it has to be judged first, or comes in several pieces of which
    /// each may be tried again.
    pub fn holds_back(&self) -> bool {
        self.export.quality.is_some() || self.export.parallel > 1 || matches!(self.export.mode, Mode::Chunked { .. })
    }

    /// Whether the data goes to standard output, so that nothing else may.
    pub fn writes_to_stdout(&self) -> bool {
        self.destination.is_stream()
    }

    /// Differs when other rows would pass.
    pub fn quality_fingerprint(&self) -> String {
        fingerprint::of(&format!("{:?}", self.export.quality))
    }

    /// Whether an unfinished window is of this very configuration, so that a run would redo it.
    pub fn would_redo(&self, intent: &Intent) -> bool {
        intent.config_fingerprint == self.config_fingerprint()
            && intent.source_fingerprint == self.source.fingerprint
            && intent.destination_fingerprint == self.destination.fingerprint
    }

    /// Differs when another configuration would write other files for the same window.
    pub fn config_fingerprint(&self) -> String {
        let export = self.export;
        let mut mode = export.mode.clone();
        match &mut mode {
            // It decides where a window ends, and nothing about one whose end is recorded.
            Mode::Incremental { cursor_lag, .. } => *cursor_lag = None,
            // Whoever resumes may want to try more often.
            Mode::Chunked { max_attempts, .. } => *max_attempts = None,
            Mode::Full | Mode::TimeWindow { .. } => {}
        }
        fingerprint::of(&(
            &export.query.text,
            &export.params,
            format!("{mode:?}"),
            &export.mapping,
            self.format(),
            format!("{:?}", export.meta_columns),
        ))
    }
}
