//! The rows of one read, batch by batch.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use rivet_plugin_api::{BatchReader, Context, Error, ReadRequest, Result};
use rusqlite::{Connection, params_from_iter};

use crate::batch::Batches;
use crate::error::driver;
use crate::filter;
use crate::frugal::{counts, within_budget};
use crate::options::Location;
use crate::query::Query;
use crate::sample::Sample;
use crate::types::{Overrides, Typed};
use crate::worker::{Outlet, Worker};

/// What the reading thread sends: the schema first, then batches.
enum Message {
    Schema(SchemaRef),
    Batch(RecordBatch),
}

/// A running read.
pub(crate) struct Reader {
    schema: SchemaRef,
    worker: Worker<Message>,
}

impl Reader {
    pub(crate) fn start(location: &Location, request: &ReadRequest, context: &Context) -> Result<Self> {
        let mut worker = Worker::spawn(location, request.timeouts, context, {
            let request = request.clone();
            move |connection, outlet| read(connection, &request, outlet)
        })?;
        match worker.receive()? {
            Some(Message::Schema(schema)) => Ok(Self { schema, worker }),
            _ => Err(Error::internal("the reading thread sent no schema")),
        }
    }
}

impl BatchReader for Reader {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.worker.receive()? {
            Some(Message::Batch(batch)) => Ok(Some(batch)),
            Some(Message::Schema(_)) => Err(Error::internal("the reading thread sent a second schema")),
            None => Ok(None),
        }
    }

    fn close(&mut self) -> Result<()> {
        self.worker.close()
    }
}

/// Types the columns of a query by a sample of its own rows, whatever the filter, so that all parts of an export agree.
pub(crate) fn typed(connection: &Connection, query: &Query, overrides: &Overrides) -> Result<Vec<Typed>> {
    let sample = if overrides.need_sample(query) {
        let mut statement = connection.prepare(&query.text).map_err(driver)?;
        Sample::take(&mut statement.raw_query(), query.columns.len(), false)?
    } else {
        Sample::default()
    };
    Ok(overrides.decide(query, &sample))
}

/// As [`typed`], but a type that takes looking at many rows stays open.
pub(crate) fn typed_frugally(connection: &Connection, query: &Query, overrides: &Overrides) -> Result<Vec<Typed>> {
    let is_short = !overrides.need_sample(query) || !counts(connection, &query.text)?;
    let typed = if is_short { within_budget(|| typed(connection, query, overrides))? } else { None };
    Ok(typed.unwrap_or_else(|| overrides.decide_unseen(query)))
}

fn read(connection: &Connection, request: &ReadRequest, outlet: &Outlet<Message>) -> Result<()> {
    let overrides = Overrides::check(&request.mapping)?;
    let query = Query::check(connection, &request.query, &request.params)?;
    if filter::is_plain(request) {
        return read_plain(connection, &query, &overrides, request, outlet);
    }
    let typed = typed(connection, &query, &overrides)?;
    let rendered = filter::read(&query, &typed, request)?;
    let mut statement = connection.prepare(&rendered.sql).map_err(driver)?;
    let mut rows = statement.query(params_from_iter(rendered.values)).map_err(driver)?;
    let wanted: Vec<_> = rendered.columns.iter().map(|i| typed[*i].clone()).collect();
    let mut batches = Batches::new(&wanted, request.batch);
    outlet.send(Message::Schema(batches.schema()))?;
    drain(&mut rows, &mut batches, outlet)
}

/// Runs the query just once: an aggregate over a large table must not be computed again for its sample.
fn read_plain(
    connection: &Connection,
    query: &Query,
    overrides: &Overrides,
    request: &ReadRequest,
    outlet: &Outlet<Message>,
) -> Result<()> {
    let mut statement = connection.prepare(&query.text).map_err(driver)?;
    let mut rows = statement.raw_query();
    let sample = if overrides.need_sample(query) {
        Sample::take(&mut rows, query.columns.len(), true)?
    } else {
        Sample::default()
    };
    let mut batches = Batches::new(&overrides.decide(query, &sample), request.batch);
    outlet.send(Message::Schema(batches.schema()))?;
    for row in sample.rows() {
        if let Some(batch) = batches.push(|i| Ok(row[i].value()))? {
            outlet.send(Message::Batch(batch))?;
        }
    }
    let exhausted = sample.is_last();
    drop(sample);
    if exhausted { finish(&mut batches, outlet) } else { drain(&mut rows, &mut batches, outlet) }
}

fn drain(rows: &mut rusqlite::Rows<'_>, batches: &mut Batches, outlet: &Outlet<Message>) -> Result<()> {
    while let Some(row) = rows.next().map_err(driver)? {
        if let Some(batch) = batches.push(|i| row.get_ref(i).map_err(driver))? {
            outlet.send(Message::Batch(batch))?;
        }
    }
    finish(batches, outlet)
}

fn finish(batches: &mut Batches, outlet: &Outlet<Message>) -> Result<()> {
    batches.finish()?.map_or(Ok(()), |batch| outlet.send(Message::Batch(batch)))
}
