//! The connector itself: one connection that is taken for each call and brought back after it.

use std::sync::{Arc, PoisonError};

use rivet_plugin_api::{
    BatchReader, Bounds, BoundsRequest, CancelGuard, Column, Context, DescribeRequest, Description, Error, Explanation,
    Locations, Mapping, Probe, ReadRequest, Result, Source, SourceCapabilities, Tables, TablesRequest, Timeouts,
};

use crate::batch::{self, BatchBuilder};
use crate::options::{Options, SCHEME, Target};
use crate::reader::{Reader, Slot, release};
use crate::select::{Relation, Select};
use crate::session::{self, Watch};
use crate::sql::{read_statement, statement};
use crate::types::{Planned, plan};
use crate::wire::{Connection, Prepared, RowStream};
use crate::{bounds, explain, filter, tables};

/// A MySQL or MariaDB server as a source of rows.
pub struct Mysql {
    target: Arc<Target>,
    slot: Slot,
}

impl Source for Mysql {
    type Options = Options;

    const CAPABILITIES: SourceCapabilities = SourceCapabilities {
        explain: true,
        bounds: true,
        count: true,
        snapshot: false,
        split: false,
        tables: true,
        window: true,
        range: true,
        dense: true,
        since: true,
        params: true,
        concurrent_readers: true,
        frugal: true,
        server_time: true,
    };

    const LOCATIONS: Locations = Locations { schemes: SCHEME.names, paths: false };

    fn open(options: Self::Options, context: &Context) -> Result<Self> {
        let target = Arc::new(options.target()?);
        let connection = session::open(&target, context.cancel())?;
        let slot = Slot::default();
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(Self { target, slot })
    }

    fn probe(&mut self, context: &Context) -> Result<Probe> {
        self.in_transaction(&Timeouts::default(), context, crate::probe::probe)
    }

    fn describe(&mut self, request: &DescribeRequest, context: &Context) -> Result<Description> {
        let columns = self.in_transaction(&Timeouts::default(), context, |connection| {
            let query = statement(&request.query, &request.params, connection.quotes())?;
            described_columns(connection, &query, &request.mapping)
        })?;
        Ok(Description { columns: columns.into_iter().map(described).collect() })
    }

    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>> {
        no_snapshot(request.snapshot.as_deref())?;
        let (mut connection, interrupt) = self.take(context)?;
        match start(&mut connection, request) {
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
        no_snapshot(request.snapshot.as_deref())?;
        let rows = self.in_transaction(&request.timeouts, context, |connection| {
            let query = read_statement(request, connection.quotes())?;
            let columns = described_columns(connection, &query, &request.mapping)?;
            let relation = Relation::new(&query, &columns, connection.server());
            let rows = filter::rows(&relation, &columns, &request.filter)?;
            connection.query(&format!("{}SELECT COUNT(*) FROM {rows}", relation.with))
        })?;
        let count = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
        count.ok_or_else(|| Error::internal("the server counted no rows and not even none"))
    }

    fn bounds(&mut self, request: &BoundsRequest, context: &Context) -> Result<Bounds> {
        no_snapshot(request.snapshot.as_deref())?;
        let target = Arc::clone(&self.target);
        self.in_transaction(&request.timeouts, context, |connection| {
            let query = statement(&request.query, &request.params, connection.quotes())?;
            let columns = described_columns(connection, &query, &request.mapping)?;
            let found = bounds::bounds(connection, &query, &columns, request)?;
            Ok(Bounds { place: Some(target.place(&SCHEME, target.database.as_deref().unwrap_or_default())), ..found })
        })
    }

    fn explain(&mut self, request: &ReadRequest, context: &Context) -> Result<Explanation> {
        no_snapshot(request.snapshot.as_deref())?;
        self.in_transaction(&request.timeouts, context, |connection| {
            let query = read_statement(request, connection.quotes())?;
            let columns = described_columns(connection, &query, &request.mapping)?;
            let select = Select::new(&query, &columns, request, connection.server())?;
            explain::explain(connection, select.sql.as_deref().unwrap_or(&query))
        })
    }

    fn tables(&mut self, request: &TablesRequest, context: &Context) -> Result<Tables> {
        self.in_transaction(&request.timeouts, context, |connection| tables::tables(connection, request))
    }
}

impl Mysql {
    /// The connection, ready for `context`: the idle one, or a new one while a reader has it.
    fn take(&self, context: &Context) -> Result<(Connection, CancelGuard)> {
        context.check()?;
        let idle = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut connection = match idle {
            Some(connection) => connection,
            None => session::open(&self.target, context.cancel())?,
        };
        connection.follow(context.cancel());
        let killer = connection.killer();
        Ok((connection, context.on_cancel(move || killer.kill())))
    }

    fn in_transaction<T>(
        &self,
        timeouts: &Timeouts,
        context: &Context,
        work: impl FnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let (mut connection, interrupt) = self.take(context)?;
        let result = session::begin(&mut connection, timeouts, Watch::Server).and_then(|()| work(&mut connection));
        drop(interrupt);
        release(connection, &self.slot);
        result
    }
}

/// Sends the query; what comes back tells where the stream stands and what its batches look like.
fn start(connection: &mut Connection, request: &ReadRequest) -> Result<(RowStream, BatchBuilder)> {
    session::begin(connection, &request.timeouts, Watch::Client)?;
    let query = read_statement(request, connection.quotes())?;
    let (columns, mut prepared) = columns(connection, &query, &request.mapping)?;
    let select = Select::new(&query, &columns, request, connection.server())?;
    if let Some(sql) = &select.sql {
        connection.close_statement(&prepared)?;
        prepared = connection.prepare(sql)?;
    }
    let stream = connection.execute(prepared)?;
    let batch = batch::builder(select.schema, &select.fields, stream.columns(), request.batch);
    Ok((stream, batch))
}

/// The columns of the user's query, which the server parses and does not run yet.
fn columns(connection: &mut Connection, query: &str, mapping: &Mapping) -> Result<(Vec<Planned>, Prepared)> {
    let prepared = connection.prepare(query)?;
    let planned = if prepared.columns.is_empty() {
        Err(Error::config("the query returns no columns").hint("write a SELECT with at least one column"))
    } else {
        plan(prepared.columns.clone(), mapping)
    };
    match planned {
        Ok(planned) => Ok((planned, prepared)),
        Err(e) => {
            connection.close_statement(&prepared)?;
            Err(e)
        }
    }
}

/// As [`columns`], for a query that will not run as it is.
fn described_columns(connection: &mut Connection, query: &str, mapping: &Mapping) -> Result<Vec<Planned>> {
    let (columns, prepared) = columns(connection, query, mapping)?;
    connection.close_statement(&prepared)?;
    Ok(columns)
}

fn described(column: Planned) -> Column {
    let (arrow_type, rule) = match column.mapped {
        Ok(mapped) => (mapped.decoder.data_type().to_string(), mapped.rule),
        Err(e) => (String::new(), e.to_string()),
    };
    let (native_type, nullable) = (column.native.full_name(), column.native.nullable.unwrap_or(true));
    Column { name: column.name, native_type, arrow_type, nullable, rule }
}

fn no_snapshot(token: Option<&str>) -> Result<()> {
    match token {
        None => Ok(()),
        Some(_) => Err(Error::unsupported("this source has no snapshots that connections could share")),
    }
}
