//! The connector itself: one connection that is taken for each call and brought back after it.

use std::sync::{Arc, PoisonError};

use rivet_plugin_api::{
    BatchReader, Bounds, BoundsRequest, CancelGuard, Column, Context, DescribeRequest, Description, Error, Explanation,
    Mapping, Probe, ReadRequest, Result, Source, SourceCapabilities, Strategy, Timeouts,
};

use crate::batch::BatchBuilder;
use crate::options::{Options, Target};
use crate::reader::{Reader, Slot, release};
use crate::select::Select;
use crate::sql::statement;
use crate::types::{Planned, plan};
use crate::wire::Connection;
use crate::{bounds, catalog, explain, filter, session};

/// A PostgreSQL database as a source of rows.
pub struct Postgres {
    target: Arc<Target>,
    slot: Slot,
    /// The open transaction behind the token that `snapshot` gave.
    snapshot: Option<Connection>,
}

impl Source for Postgres {
    type Options = Options;

    const CAPABILITIES: SourceCapabilities = SourceCapabilities {
        explain: true,
        bounds: true,
        count: true,
        snapshot: true,
        split: false,
        window: true,
        range: true,
        dense: true,
        since: true,
        concurrent_readers: true,
    };

    fn open(options: Self::Options, context: &Context) -> Result<Self> {
        let target = Arc::new(Target::new(&options)?);
        let connection = Connection::open(&target, context.cancel())?;
        let slot = Slot::default();
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(Self { target, slot, snapshot: None })
    }

    fn probe(&mut self, context: &Context) -> Result<Probe> {
        self.in_transaction(&Timeouts::default(), None, context, crate::probe::probe)
    }

    fn describe(&mut self, request: &DescribeRequest, context: &Context) -> Result<Description> {
        let columns = self.in_transaction(&Timeouts::default(), None, context, |connection| {
            columns(connection, &request.query, &request.mapping)
        })?;
        Ok(Description { columns: columns.into_iter().map(described).collect() })
    }

    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>> {
        let (mut connection, interrupt) = self.take(context)?;
        let started = start(&mut connection, request);
        match started {
            Ok((stream, batch)) => {
                let (cancel, slot) = (context.cancel().clone(), Arc::clone(&self.slot));
                Ok(Box::new(Reader::new(connection, stream, interrupt, batch, cancel, slot)))
            }
            Err(e) => {
                drop(interrupt);
                release(connection, &self.slot);
                Err(e)
            }
        }
    }

    fn count(&mut self, request: &ReadRequest, context: &Context) -> Result<u64> {
        let snapshot = request.snapshot.as_deref();
        let rows = self.in_transaction(&request.timeouts, snapshot, context, |connection| {
            let columns = columns(connection, &request.query, &request.mapping)?;
            let rows = filter::rows(statement(&request.query)?, &columns, &request.filter)?;
            connection.query(&format!("SELECT pg_catalog.count(*) FROM {rows}"))
        })?;
        let count = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
        count.ok_or_else(|| Error::internal("the server counted no rows and not even none"))
    }

    fn bounds(&mut self, request: &BoundsRequest, context: &Context) -> Result<Bounds> {
        let snapshot = request.snapshot.as_deref();
        self.in_transaction(&Timeouts::default(), snapshot, context, |connection| {
            let columns = columns(connection, &request.query, &Mapping::default())?;
            bounds::bounds(connection, statement(&request.query)?, &columns, request)
        })
    }

    fn explain(&mut self, request: &ReadRequest, context: &Context) -> Result<Explanation> {
        let snapshot = request.snapshot.as_deref();
        self.in_transaction(&request.timeouts, snapshot, context, |connection| {
            let select = select(connection, request)?;
            explain::explain(connection, &select.sql)
        })
    }

    fn snapshot(&mut self, context: &Context) -> Result<String> {
        // A connection of its own: the transaction has to stay open while this source goes on working.
        let mut connection = Connection::open(&self.target, context.cancel())?;
        session::begin(&mut connection, &Timeouts::default(), None)?;
        let token = session::export_snapshot(&mut connection)?;
        self.snapshot = Some(connection);
        Ok(token)
    }
}

impl Postgres {
    /// The connection, ready for `context`: the idle one, or a new one while a reader has it.
    fn take(&self, context: &Context) -> Result<(Connection, CancelGuard)> {
        context.check()?;
        let idle = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.target, context.cancel())?,
        };
        connection.follow(context.cancel());
        let key = connection.cancel_key();
        Ok((connection, context.on_cancel(move || key.cancel())))
    }

    fn in_transaction<T>(
        &self,
        timeouts: &Timeouts,
        snapshot: Option<&str>,
        context: &Context,
        work: impl FnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let (mut connection, interrupt) = self.take(context)?;
        let result = session::begin(&mut connection, timeouts, snapshot).and_then(|()| work(&mut connection));
        drop(interrupt);
        release(connection, &self.slot);
        result
    }
}

/// Sends the query; what comes back tells where the stream stands and what its batches look like.
fn start(connection: &mut Connection, request: &ReadRequest) -> Result<(crate::wire::RowStream, BatchBuilder)> {
    session::begin(connection, &request.timeouts, request.snapshot.as_deref())?;
    let select = select(connection, request)?;
    let stream = match request.strategy {
        Strategy::Stream => connection.start_copy(&select.sql)?,
        // A limit for statements must not be one for the whole table.
        Strategy::Auto if request.timeouts.statement_s == 0 => connection.start_copy(&select.sql)?,
        Strategy::Auto | Strategy::Cursor => connection.start_portal(&select.sql)?,
    };
    Ok((stream, BatchBuilder::new(select.schema, select.native_types, &select.decoders, request.batch)))
}

fn select(connection: &mut Connection, request: &ReadRequest) -> Result<Select> {
    let columns = columns(connection, &request.query, &request.mapping)?;
    Select::new(statement(&request.query)?, &columns, request)
}

/// The columns of the user's query, which the server parses and does not run.
fn columns(connection: &mut Connection, query: &str, mapping: &Mapping) -> Result<Vec<Planned>> {
    let columns = connection.describe(statement(query)?)?;
    if columns.is_empty() {
        return Err(Error::config("the query returns no columns").hint("write a SELECT with at least one column"));
    }
    let types = catalog::native_types(connection, &columns)?;
    plan(columns.into_iter().map(|c| c.name).zip(types).collect(), mapping)
}

fn described(column: Planned) -> Column {
    let (arrow_type, rule) = match column.mapped {
        Ok(mapped) => (mapped.decoder.data_type().to_string(), mapped.rule),
        Err(e) => (String::new(), e.to_string()),
    };
    Column { name: column.name, native_type: column.native.full_name, arrow_type, nullable: true, rule }
}
