//! What a run would ask the source for: the same windows and ranges, planned without reading a large table.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::{
    Bounds, BoundsRequest, Category, Column, CursorValue, Error as ApiError, Filter, ReadRequest, SplitRequest,
    TimeEncoding, Timeouts,
};

use super::note;
use crate::config::Mode;
use crate::error::{Error, Result};
use crate::plan::Job;
use crate::reading::{Reading, incremental, ranges, split, time_window};
use crate::state::State;
use crate::{clock, column};

/// The most seconds of server work for one question.
const STATEMENT_S: u64 = 10;
/// The most seconds to wait for a lock.
const LOCK_S: u64 = 5;
const DAY: i64 = 86_400_000_000;

/// The requests of a run, as far as they can be told.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// Requests that stand for all of the run.
    pub run: Vec<Filter>,
    /// The column that orders the rows.
    pub order_by: Option<String>,
    /// A request for next to no rows of the mode's column.
    pub probe: Option<Filter>,
    /// The least and the greatest value of the mode's column.
    pub bounds: Option<Bounds>,
    /// Why the bounds are not known.
    pub declined: Option<String>,
    /// The most chunks.
    pub chunks: Option<u64>,
    /// Whether an incremental export has no cursor yet.
    pub is_first: bool,
    /// The stored cursor.
    pub cursor: Option<String>,
    /// What else is good to know, one sentence each.
    pub notes: Vec<String>,
}

/// The column by which a mode selects rows.
pub fn key(mode: &Mode) -> Option<&str> {
    match mode {
        Mode::Full => None,
        Mode::Incremental { cursor_column: column, .. }
        | Mode::Chunked { column, .. }
        | Mode::TimeWindow { column, .. } => Some(column),
    }
}

/// How long the source may work for one question.
pub fn timeouts(job: &Job<'_>) -> Timeouts {
    let least = |configured: u64, most: u64| if configured == 0 { most } else { configured.min(most) };
    let given = job.timeouts();
    Timeouts { statement_s: least(given.statement_s, STATEMENT_S), lock_s: least(given.lock_s, LOCK_S) }
}

/// How the source is asked to explain the rows of `filter`.
pub fn request(job: &Job<'_>, filter: &Filter, order_by: Option<&String>) -> ReadRequest {
    let request = job.read_request(filter.clone(), None);
    ReadRequest { order_by: order_by.into_iter().cloned().collect(), timeouts: timeouts(job), frugal: true, ..request }
}

impl Outline {
    /// Outlines the next run of `job`, whose query has `columns`.
    pub fn of(job: &Job<'_>, state: Option<&State>, columns: &[Column], source: &mut SourceHandle) -> Result<Self> {
        let mut look = Look { job, source, declined: None };
        let mut outline = match &job.export.mode {
            Mode::Full => Self::full(job, look.source)?,
            Mode::Incremental { cursor_column, .. } => Self::incremental(job, state, cursor_column, &mut look)?,
            Mode::Chunked { column, size, dense, .. } => Self::chunked(column, *size, *dense, &mut look)?,
            Mode::TimeWindow { column, encoding, days } => {
                Self { run: vec![time_window::filter(column, *encoding, *days)?], ..Self::default() }
            }
        };
        outline.probe = outline.probe(&job.export.mode, columns);
        if let Mode::Incremental { cursor_column, .. } = &job.export.mode {
            outline.notes.extend(named(columns, cursor_column).and_then(note::nulls));
        }
        outline.interrupted(job, state)?;
        Ok(outline)
    }

    fn full(job: &Job<'_>, source: &mut SourceHandle) -> Result<Self> {
        let mut notes = Vec::new();
        if job.export.parallel > 1 {
            let reason = match split::obstacle(job) {
                Some(reason) => Some(reason),
                None => source.split(&SplitRequest { timeouts: timeouts(job), ..split::request(job) })?.reason,
            };
            notes.extend(reason.map(|reason| format!("parallel has no effect, one connection reads: {reason}")));
        }
        Ok(Self { run: vec![Filter::All], notes, ..Self::default() })
    }

    fn incremental(job: &Job<'_>, state: Option<&State>, column: &str, look: &mut Look<'_, '_>) -> Result<Self> {
        let Mode::Incremental { cursor_lag, .. } = job.export.mode else { return Ok(Self::default()) };
        let stored = state.map(|state| state.cursor(&job.export.name)).transpose()?.flatten();
        let bounds = look.at(column)?;
        let planned = match bounds {
            Some(_) => match incremental::plan_with(job, state, column, cursor_lag, &mut |request| look.ask(request)) {
                Err(_) if look.declined.is_some() => None,
                planned => planned?.pieces.pop().map(|piece| piece.filter),
            },
            None => None,
        };
        let is_first = stored.is_none();
        let after = || {
            let (state, kind) = (state?, stored.as_ref()?.kind.as_ref()?);
            Some(state.cursor_value(&job.export.name, column, kind))
        };
        let after = after().transpose()?.flatten();
        let greatest = bounds.as_ref().and_then(|bounds| bounds.max.as_ref());
        let behind =
            after.as_ref().zip(greatest).and_then(|(after, greatest)| note::behind(job, column, after, greatest));
        let filter = match planned {
            Some(filter) => filter,
            // A run looks for the upper end first, and then reads the same rows.
            None => Filter::Window { column: column.to_owned(), after, upto: None, include_null: is_first },
        };
        let cursor = stored.and_then(|stored| stored.value);
        let (declined, notes) = (look.declined.take(), behind.into_iter().collect());
        Ok(Self { run: vec![filter], bounds, declined, is_first, cursor, notes, ..Self::default() })
    }

    fn chunked(column: &str, size: u64, dense: bool, look: &mut Look<'_, '_>) -> Result<Self> {
        let bounds = look.at(column)?;
        let declined = look.declined.take();
        if dense {
            let order_by = Some(column.to_owned());
            return Ok(Self { run: vec![Filter::All], order_by, bounds, declined, ..Self::default() });
        }
        let samples = bounds.as_ref().map(|bounds| ranges::samples(column, bounds, size)).transpose()?.flatten();
        let (chunks, run) = samples.map_or((None, vec![Filter::All]), |(chunks, run)| (Some(chunks), run));
        Ok(Self { run, bounds, declined, chunks, ..Self::default() })
    }

    /// Whether a run would find nothing new: no value lies between two equal ends.
    pub fn is_empty(&self) -> bool {
        let empty = |filter: &Filter| matches!(filter, Filter::Window { after: Some(after), upto: Some(upto), include_null: false, .. } if after == upto);
        self.run.iter().all(empty)
    }

    /// A condition that next to no row fulfils, so that an index is used if there is one.
    fn probe(&self, mode: &Mode, columns: &[Column]) -> Option<Filter> {
        if let Mode::TimeWindow { column, encoding, .. } = mode {
            let (column, instant) = (column.clone(), clock::now().as_microsecond());
            return Some(Filter::Since { column, instant, encoding: *encoding });
        }
        let column = key(mode)?;
        let greatest = self.bounds.as_ref().and_then(|bounds| bounds.max.clone());
        let from = greatest.or_else(|| recent(named(columns, column)?))?;
        let column = column.to_owned();
        Some(match mode {
            Mode::Chunked { .. } => Filter::Range { column, from: Some(from), to: None, include_null: false },
            _ => Filter::Window { column, after: Some(from), upto: None, include_null: false },
        })
    }

    /// A run that was interrupted is redone as it was written down.
    fn interrupted(&mut self, job: &Job<'_>, state: Option<&State>) -> Result<()> {
        let Some(state) = state else { return Ok(()) };
        let Some(intent) = state.unfinished(&job.export.name)? else {
            self.notes.extend(note::predecessor(job, state)?);
            return Ok(());
        };
        self.notes.extend(note::interrupted(job, &intent));
        if job.would_redo(&intent)
            && let Some(Reading { pieces, pending, .. }) = Reading::recorded(&job.export.mode, &intent)
            && let (Some(first), Some(last)) = (pending.first(), pending.last())
        {
            let mut places = vec![*first, pending[pending.len() / 2], *last];
            places.dedup();
            self.run = places.into_iter().filter_map(|place| Some(pieces.get(place)?.filter.clone())).collect();
        }
        Ok(())
    }
}

fn named<'a>(columns: &'a [Column], name: &str) -> Option<&'a Column> {
    columns.get(column::place(columns.iter().map(|column| column.name.as_str()), name)?)
}

/// A value of the column's type that few rows are above.
fn recent(column: &Column) -> Option<CursorValue> {
    let now = clock::now().as_microsecond();
    Some(match column.arrow_type.as_str() {
        "Int16" => CursorValue::Int(i16::MAX.into()),
        "Int32" => CursorValue::Int(i32::MAX.into()),
        "Int64" => CursorValue::Int(i64::MAX),
        "UInt64" => CursorValue::UInt(u64::MAX),
        "Float32" | "Float64" => CursorValue::Float(f64::MAX),
        "Date32" => CursorValue::Date(i32::try_from(now.div_euclid(DAY)).ok()?),
        other if other.starts_with("Timestamp") && other.contains('"') => CursorValue::Instant(now),
        other if other.starts_with("Timestamp") => CursorValue::Timestamp(now),
        _ => return None,
    })
}

/// Asks for bounds that are cheap to know.
struct Look<'a, 'b> {
    job: &'a Job<'b>,
    source: &'a mut SourceHandle,
    declined: Option<String>,
}

impl Look<'_, '_> {
    /// The bounds of `column`; `None` when they are not cheap.
    fn at(&mut self, column: &str) -> Result<Option<Bounds>> {
        let request = BoundsRequest {
            query: self.job.export.query.text.clone(),
            params: self.job.export.params.clone(),
            column: column.to_owned(),
            mapping: self.job.export.mapping.clone(),
            ..BoundsRequest::default()
        };
        match self.ask(&request) {
            Err(_) if self.declined.is_some() => Ok(None),
            bounds => bounds.map(Some),
        }
    }

    /// What is not answered is an error, and its reason is kept.
    fn ask(&mut self, request: &BoundsRequest) -> Result<Bounds> {
        let can = self.job.source_can();
        let answer = if can.bounds && can.frugal {
            let request = BoundsRequest { timeouts: timeouts(self.job), frugal: true, ..request.clone() };
            self.source.bounds(&request)
        } else {
            Ok(Bounds { declined: Some("the connector has no cheap way to tell".to_owned()), ..Bounds::default() })
        };
        let declined = match answer {
            Ok(Bounds { declined: Some(reason), .. }) => reason,
            Err(e) if e.category() == Category::Timeout => format!("the source did not answer in time: {e}"),
            answer => return Ok(answer?),
        };
        self.declined = Some(declined.clone());
        Err(Error::Run(ApiError::unsupported(declined)))
    }
}

/// The instant at which a time window begins, as RFC 3339 to the second.
pub fn since(filter: &Filter) -> Option<String> {
    let Filter::Since { instant, encoding, .. } = filter else { return None };
    let at = jiff::Timestamp::from_microsecond(*instant).ok()?;
    let unix = if *encoding == TimeEncoding::Unix { format!(" ({})", at.as_second()) } else { String::new() };
    Some(format!("{}{unix}", at.strftime("%Y-%m-%dT%H:%M:%SZ")))
}
