//! The days of a calendar, a row each. The query says which: `all`, `workdays` or `weekends`.
//!
//! A whole source in little space: keep its shape, and replace what it reads.

use std::iter::Filter as Chosen;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use rivet_plugin_api::arrow_array::{
    BooleanArray, Date32Array, Int32Array, RecordBatch, StringArray,
};
use rivet_plugin_api::arrow_schema::{DataType, Field, Schema, SchemaRef};
use rivet_plugin_api::suggest::did_you_mean;
use rivet_plugin_api::*;

/// What users write under `source:`. These comments are the reference of the options.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "rivet_plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "rivet_plugin_api::schemars")]
pub struct Options {
    /// The first day, such as 2024-01-31.
    from: String,
    /// The last day; today in UTC when absent.
    to: Option<String>,
}

/// One opened source. A source of a server keeps its connection here.
pub struct Days {
    days: Range<i32>,
}

export_connector!("__NAME__", source: Days);

impl Source for Days {
    type Options = Options;

    // The host asks for nothing that is not announced here: begin with `NONE`, and add what you build.
    const CAPABILITIES: SourceCapabilities = SourceCapabilities {
        window: true,
        range: true,
        bounds: true,
        count: true,
        concurrent_readers: true,
        ..SourceCapabilities::NONE
    };

    fn open(options: Options, _: &Context) -> Result<Self> {
        let first = day_of("from", &options.from)?;
        let last = options.to.map_or_else(today, |to| day_of("to", &to))?;
        if last < first {
            return Err(Error::config("\"to\" is before \"from\"").hint("exchange them"));
        }
        Ok(Self {
            days: first..last + 1,
        })
    }

    fn probe(&mut self, _: &Context) -> Result<Probe> {
        Ok(Probe {
            server: "calendar".into(),
            version: "gregorian".into(),
            ..Probe::default()
        })
    }

    fn describe(&mut self, request: &DescribeRequest, _: &Context) -> Result<Description> {
        is_wanted(&request.query)?;
        Ok(Description::of(&schema()))
    }

    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>> {
        // What is asked for and cannot be done is refused: rows must never be other than asked for.
        if request.columns.is_some() || request.mapping != Mapping::default() {
            return Err(Error::unsupported("columns come as they are")
                .hint("leave `columns` and `types` out"));
        }
        if let Some(column) = request.order_by.iter().find(|column| *column != "day") {
            return Err(Error::unsupported(format!(
                "rows cannot be ordered by \"{column}\""
            )));
        }
        // Whichever limit is reached first ends a batch. A row takes about 24 bytes.
        let rows = request.batch.rows.min(request.batch.bytes / 24).max(1);
        Ok(Box::new(Reader {
            days: self.chosen(&request.query, &request.filter)?,
            rows,
            cancel: context.cancel().clone(),
        }))
    }

    fn bounds(&mut self, request: &BoundsRequest, _: &Context) -> Result<Bounds> {
        let above = Filter::Window {
            column: request.column.clone(),
            after: request.above.clone(),
            upto: None,
            include_null: false,
        };
        let mut days = self.chosen(&request.query, &above)?;
        let min = days.next();
        let max = days.next_back().or(min);
        let value = |day: Option<i32>| day.map(CursorValue::Date);
        Ok(Bounds {
            min: value(min),
            max: value(max),
            nulls: Some(0),
            ..Bounds::default()
        })
    }

    fn count(&mut self, request: &ReadRequest, _: &Context) -> Result<u64> {
        Ok(self.chosen(&request.query, &request.filter)?.count() as u64)
    }
}

type Wanted = fn(&i32) -> bool;

impl Days {
    /// The days of a query and a filter, in order.
    fn chosen(&self, query: &str, filter: &Filter) -> Result<Chosen<Range<i32>, Wanted>> {
        let Range { mut start, mut end } = self.days;
        match filter {
            Filter::All => {}
            // after < day <= upto
            Filter::Window {
                column,
                after,
                upto,
                ..
            } => {
                start = start
                    .max(bound(column, after.as_ref())?.map_or(start, |day| day.saturating_add(1)));
                end =
                    end.min(bound(column, upto.as_ref())?.map_or(end, |day| day.saturating_add(1)));
            }
            // from <= day < to
            Filter::Range {
                column, from, to, ..
            } => {
                start = start.max(bound(column, from.as_ref())?.unwrap_or(start));
                end = end.min(bound(column, to.as_ref())?.unwrap_or(end));
            }
            _ => {
                return Err(Error::unsupported(
                    "this source does not offer such a filter",
                ));
            }
        }
        Ok((start..end).filter(is_wanted(query)?))
    }
}

/// The rows of one read. It may outlive its source, and is used by one thread at a time.
struct Reader {
    days: Chosen<Range<i32>, Wanted>,
    rows: usize,
    cancel: Cancel,
}

impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        // Between units of work; a call that blocks is ended by `Context::on_cancel`.
        self.cancel.check()?;
        let days: Vec<i32> = self.days.by_ref().take(self.rows).collect();
        if days.is_empty() {
            return Ok(None);
        }
        let dates = || days.iter().map(|day| civil_from_days(i64::from(*day)));
        let batch = RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(Date32Array::from_iter_values(days.iter().copied())),
                Arc::new(Int32Array::from_iter_values(
                    dates().map(|(year, _, _)| year as i32),
                )),
                Arc::new(Int32Array::from_iter_values(
                    dates().map(|(_, month, _)| month as i32),
                )),
                Arc::new(StringArray::from_iter_values(
                    days.iter().map(|day| WEEKDAYS[weekday(*day)]),
                )),
                Arc::new(BooleanArray::from_iter(
                    days.iter().map(|day| Some(is_workday(day))),
                )),
            ],
        )?;
        Ok(Some(batch))
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("day", DataType::Date32, false),
        Field::new("year", DataType::Int32, false),
        Field::new("month", DataType::Int32, false),
        Field::new("weekday", DataType::Utf8, false),
        Field::new("workday", DataType::Boolean, false),
    ]))
}

/// What a query means here.
fn is_wanted(query: &str) -> Result<Wanted> {
    let queries: [(&str, Wanted); 3] = [
        ("all", |_| true),
        ("workdays", is_workday),
        ("weekends", |day| !is_workday(day)),
    ];
    let query = query.trim();
    match queries.iter().find(|(name, _)| *name == query) {
        Some((_, wanted)) => Ok(*wanted),
        None => Err(
            Error::permanent(format!("there is no query \"{query}\"")).hint(did_you_mean(
                query,
                queries.map(|(name, _)| name),
                "the queries are",
            )),
        ),
    }
}

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// From 0 for Monday; 1970-01-01 was a Thursday.
fn weekday(day: i32) -> usize {
    (day + 3).rem_euclid(7) as usize
}

fn is_workday(day: &i32) -> bool {
    weekday(*day) < 5
}

/// A bound of a filter: days are compared with days, and only the column `day` can be.
fn bound(column: &str, value: Option<&CursorValue>) -> Result<Option<i32>> {
    match value {
        _ if column != "day" => Err(Error::config(format!(
            "rows cannot be bounded by column \"{column}\""
        ))
        .hint("use \"day\"")),
        None => Ok(None),
        Some(CursorValue::Date(day)) => Ok(Some(*day)),
        Some(other) => Err(Error::config(format!(
            "\"day\" cannot be compared with a value of type {}",
            other.kind()
        ))),
    }
}

/// The day that an option names, in days since 1970-01-01.
fn day_of(option: &str, text: &str) -> Result<i32> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u32>().ok());
    let day = match (
        parts.next().flatten(),
        parts.next().flatten(),
        parts.next().flatten(),
    ) {
        (Some(year), Some(month), Some(day)) if year <= 9999 => {
            days_from_civil(i64::from(year), month, day)
        }
        _ => None,
    };
    let day = day.ok_or_else(|| {
        Error::config(format!("\"{option}\" is no day")).hint("write it like 2024-01-31")
    })?;
    Ok(day as i32)
}

fn today() -> Result<i32> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since =
        since.map_err(|_| Error::permanent("the clock is before 1970").hint("set the clock"))?;
    Ok((since.as_secs() / 86_400) as i32)
}
