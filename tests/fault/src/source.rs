//! The source half: numbers from 0 and their text. The queries `endless` and `empty` do what they say, any other one
//! reads the rows of the options.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use rivet_plugin_api::{
    BatchReader, Bounds, BoundsRequest, Context, CursorValue, DescribeRequest, Description, Error, Explanation, Filter,
    Probe, ReadRequest, Result, Source, SourceCapabilities, Split, SplitRequest,
};

use crate::options::{self, Options};

/// Counts, and fails as its options say.
pub struct FaultSource {
    options: Options,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Source for FaultSource {
    type Options = Options;
    const CAPABILITIES: SourceCapabilities = SourceCapabilities {
        explain: true,
        bounds: true,
        count: true,
        snapshot: true,
        split: true,
        concurrent_readers: true,
        ..SourceCapabilities::NONE
    };

    fn open(options: Options, context: &Context) -> Result<Self> {
        options.strike("open", context)?;
        Ok(Self { options, sent: Arc::default() })
    }

    fn probe(&mut self, context: &Context) -> Result<Probe> {
        self.options.strike("probe", context)?;
        let warnings = std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Probe {
            server: "fault".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            warnings,
            ..Probe::default()
        })
    }

    fn describe(&mut self, request: &DescribeRequest, context: &Context) -> Result<Description> {
        self.options.about(&request.query, 0).strike("describe", context)?;
        Ok(Description::of(&schema(self.options.columns)))
    }

    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>> {
        let part = match &request.filter {
            Filter::All if request.columns.is_none() => None,
            Filter::Part { token } if request.columns.is_none() => Some(part_of(token)?),
            _ => return Err(Error::unsupported("the fault source reads all rows and columns")),
        };
        let next = part.as_ref().map_or(0, |part| part.start);
        let (mut options, sent) = (self.options.about(&request.query, next), Arc::clone(&self.sent));
        options.strike("read", context)?;
        let context = context.clone();
        match request.query.as_str() {
            "endless" => options.endless = true,
            "empty" => options.rows = 0,
            _ => {}
        }
        if let Some(part) = &part {
            options.rows = options.rows.min(part.end);
        }
        let row_bytes = 16 * options.columns.max(1);
        let step = request.batch.rows.min(request.batch.bytes / row_bytes).max(1) as u64;
        Ok(Box::new(Rows { schema: schema(options.columns), next, step, options, sent, context }))
    }

    fn explain(&mut self, request: &ReadRequest, context: &Context) -> Result<Explanation> {
        self.options.about(&request.query, 0).strike("explain", context)?;
        Ok(Explanation { rows: Some(self.options.rows), plan: "count upwards".to_owned(), ..Explanation::default() })
    }

    fn bounds(&mut self, request: &BoundsRequest, context: &Context) -> Result<Bounds> {
        self.options.strike("bounds", context)?;
        let least = match request.above {
            Some(CursorValue::Int(above)) => above + 1,
            _ => 0,
        };
        let value = |v: i64| (least < self.options.rows as i64).then_some(CursorValue::Int(v));
        Ok(Bounds { min: value(least), max: value(self.options.rows as i64 - 1), nulls: Some(0), ..Bounds::default() })
    }

    fn count(&mut self, request: &ReadRequest, context: &Context) -> Result<u64> {
        self.options.about(&request.query, 0).strike("count", context)?;
        Ok(self.options.rows)
    }

    fn snapshot(&mut self, context: &Context) -> Result<String> {
        self.options.strike("snapshot", context)?;
        Ok("always the same".to_owned())
    }

    fn split(&mut self, request: &SplitRequest, context: &Context) -> Result<Split> {
        self.options.about(&request.query, 0).strike("split", context)?;
        if request.query == "whole" {
            return Ok(Split { reason: Some("the query asks for it whole".to_owned()), ..Split::default() });
        }
        let (rows, parts) = (self.options.rows, request.parts.max(1) as u64);
        let part = |i: u64| Filter::Part { token: format!("{}-{}", rows * i / parts, rows * (i + 1) / parts) };
        Ok(Split { parts: (0..parts).map(part).collect(), reason: None })
    }
}

fn part_of(token: &str) -> Result<std::ops::Range<u64>> {
    let range = token.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.ok_or_else(|| Error::config(format!("\"{token}\" is no part of a split")))
}

impl Drop for FaultSource {
    fn drop(&mut self) {
        self.options.panic("close");
        self.options.misbehave("close");
    }
}

struct Rows {
    schema: SchemaRef,
    next: u64,
    step: u64,
    options: Options,
    sent: Arc<Mutex<Vec<String>>>,
    context: Context,
}

impl BatchReader for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.options.strike("next_batch", &self.context)?;
        if self.options.is_empty_forever() {
            return Ok(Some(RecordBatch::new_empty(self.schema())));
        }
        self.options.dawdle(&self.context)?;
        let end = if self.options.endless { u64::MAX } else { self.options.rows };
        let rows = self.next..end.min(self.next + self.step);
        if rows.is_empty() {
            return Ok(None);
        }
        self.next = rows.end;
        let column = |i: usize| -> ArrayRef {
            match i % 2 {
                0 => Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row as i64))),
                _ => Arc::new(StringArray::from_iter_values(rows.clone().map(|row| row.to_string()))),
            }
        };
        let batch = RecordBatch::try_new(self.schema(), (0..self.options.columns).map(column).collect())?;
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).extend(options::addresses(&batch));
        Ok(Some(batch))
    }

    fn close(&mut self) -> Result<()> {
        self.options.strike("close_reader", &self.context)
    }
}

fn schema(columns: usize) -> SchemaRef {
    let kind = |i: usize| if i.is_multiple_of(2) { DataType::Int64 } else { DataType::Utf8 };
    Arc::new(Schema::new((0..columns).map(|i| Field::new(format!("c{i}"), kind(i), false)).collect::<Vec<_>>()))
}
