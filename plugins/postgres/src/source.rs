//! The connector itself: one connection that is taken for each call and brought back after it.

use std::sync::{Arc, PoisonError};

use rivet_plugin_api::{
    BatchReader, Bounds, BoundsRequest, CancelGuard, Column, Context, DescribeRequest, Description, Error, Explanation,
    Filter, Locations, Mapping, Params, Probe, ReadRequest, Result, Source, SourceCapabilities, Split, SplitRequest,
    Strategy, Tables, TablesRequest, Timeouts,
};

use crate::batch::{self, BatchBuilder};
use crate::options::{Options, SCHEME, Target};
use crate::ranges::Ranges;
use crate::reader::{Reader, Rows, Slot, release};
use crate::select::Select;
use crate::split::{self, Pages, Piece};
use crate::sql::{Written, bind, statement};
use crate::types::{Planned, plan};
use crate::wire::Connection;
use crate::{bounds, catalog, explain, filter, session, tables};

/// A PostgreSQL database as a source of rows.
pub struct Postgres {
    target: Arc<Target>,
    slot: Slot,
    /// The token that `snapshot` gave, and the open transaction behind it.
    snapshot: Option<(String, Connection)>,
}

impl Source for Postgres {
    type Options = Options;

    const CAPABILITIES: SourceCapabilities = SourceCapabilities {
        explain: true,
        bounds: true,
        count: true,
        snapshot: true,
        split: true,
        tables: true,
        window: true,
        range: true,
        dense: true,
        since: true,
        params: true,
        concurrent_readers: true,
        frugal: true,
        server_time: false,
    };

    const LOCATIONS: Locations = Locations { schemes: SCHEME.names, paths: false };

    fn open(options: Self::Options, context: &Context) -> Result<Self> {
        let target = Arc::new(options.target()?);
        let connection = Connection::open(&target, context.cancel())?;
        let slot = Slot::default();
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(Self { target, slot, snapshot: None })
    }

    fn probe(&mut self, context: &Context) -> Result<Probe> {
        self.in_transaction(&Timeouts::default(), None, context, crate::probe::probe)
    }

    fn describe(&mut self, request: &DescribeRequest, context: &Context) -> Result<Description> {
        let query = bind(&request.query, &request.params)?;
        let columns = self.in_transaction(&Timeouts::default(), None, context, |connection| {
            let columns = columns(connection, &query, &request.mapping, written(&request.query, &request.params))?;
            if request.rights {
                explain::check_rights(connection, statement(&query)?)?;
            }
            Ok(columns)
        })?;
        Ok(Description { columns: columns.into_iter().map(described).collect() })
    }

    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>> {
        let (mut connection, interrupt) = self.take(context)?;
        let started = start(&mut connection, request);
        match started {
            Ok((rows, batch)) => {
                let (cancel, slot) = (context.cancel().clone(), Arc::clone(&self.slot));
                Ok(Box::new(Reader::new(connection, rows, interrupt, batch, cancel, slot)))
            }
            Err(e) => {
                drop(interrupt);
                release(connection, &self.slot);
                Err(e)
            }
        }
    }

    fn count(&mut self, request: &ReadRequest, context: &Context) -> Result<u64> {
        let written = written(&request.query, &request.params);
        let request = &bound(request)?;
        let snapshot = request.snapshot.as_deref();
        let rows = self.in_transaction(&request.timeouts, snapshot, context, |connection| {
            let columns = columns(connection, &request.query, &request.mapping, written)?;
            let (query, filter) = split::resolve(statement(&request.query)?, &request.filter)?;
            let rows = filter::rows(&query, &columns, &filter)?;
            connection.query(&format!("SELECT pg_catalog.count(*) FROM {rows}"))
        })?;
        let count = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
        count.ok_or_else(|| Error::internal("the server counted no rows and not even none"))
    }

    fn bounds(&mut self, request: &BoundsRequest, context: &Context) -> Result<Bounds> {
        let query = bind(&request.query, &request.params)?;
        let (snapshot, target) = (request.snapshot.as_deref(), Arc::clone(&self.target));
        self.in_transaction(&request.timeouts, snapshot, context, |connection| {
            let written = written(&request.query, &request.params);
            let columns = columns(connection, &query, &request.mapping, written)?;
            let found = bounds::bounds(connection, statement(&query)?, &columns, request)?;
            // Who names no database gets that of the same name as the user.
            let database = target.database.as_deref().unwrap_or(&target.user);
            Ok(Bounds { place: Some(target.place(&SCHEME, database)), ..found })
        })
    }

    fn explain(&mut self, request: &ReadRequest, context: &Context) -> Result<Explanation> {
        let written = written(&request.query, &request.params);
        let request = &bound(request)?;
        let snapshot = request.snapshot.as_deref();
        self.in_transaction(&request.timeouts, snapshot, context, |connection| {
            let select = select(connection, request, written)?;
            explain::explain(connection, &select.sql)
        })
    }

    fn snapshot(&mut self, context: &Context) -> Result<String> {
        // A connection of its own: the transaction has to stay open while this source goes on working.
        let mut connection = Connection::open(&self.target, context.cancel())?;
        session::begin(&mut connection, &Timeouts::default(), None)?;
        let token = session::export_snapshot(&mut connection)?;
        self.snapshot = Some((token.clone(), connection));
        Ok(token)
    }

    fn split(&mut self, request: &SplitRequest, context: &Context) -> Result<Split> {
        let written = written(&request.query, &request.params);
        let request = &SplitRequest { query: bind(&request.query, &request.params)?, ..request.clone() };
        let snapshot = request.snapshot.as_deref();
        let split = self.in_transaction(&request.timeouts, snapshot, context, |connection| {
            columns(connection, &request.query, &Mapping::default(), written)?;
            split::split(connection, request)
        })?;
        if let Some((token, connection)) = &mut self.snapshot
            && Some(token.as_str()) == snapshot
            && split.parts.len() > 1
        {
            connection.follow(context.cancel());
            let key = connection.cancel_key();
            let _interrupt = context.on_cancel(move || key.cancel());
            session::set_limits(connection, &request.timeouts)?;
            split::hold(connection, statement(&request.query)?)?;
        }
        Ok(split)
    }

    fn tables(&mut self, request: &TablesRequest, context: &Context) -> Result<Tables> {
        self.in_transaction(&request.timeouts, None, context, |connection| tables::tables(connection, request))
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

/// The request with the values of its query in place, so that every statement made of it has the same ones.
fn bound(request: &ReadRequest) -> Result<ReadRequest> {
    Ok(ReadRequest { query: bind(&request.query, &request.params)?, ..request.clone() })
}

/// Sends the query; what comes back tells how its rows arrive and what its batches look like.
fn start(connection: &mut Connection, request: &ReadRequest) -> Result<(Rows, BatchBuilder)> {
    let written = written(&request.query, &request.params);
    let request = &bound(request)?;
    session::begin(connection, &request.timeouts, request.snapshot.as_deref())?;
    let select = select(connection, request, written)?;
    let (schema, native_types) = (Arc::clone(&select.schema), select.native_types.clone());
    let batch = batch::builder(schema, native_types, &select.decoders, request.batch);
    let at_once = match request.strategy {
        Strategy::Stream => true,
        // A limit for statements must not be one for the whole table.
        Strategy::Auto => request.timeouts.statement_s == 0,
        Strategy::Cursor => false,
    };
    let rows = if at_once {
        Rows::at_once(connection.start_copy(&select.sql)?)
    } else if let Some((table, piece)) = by_page(connection, request)?
        && let Some(ranges) = Ranges::new(&select, table, &piece, request)
    {
        Rows::in_ranges(ranges)
    } else {
        Rows::at_once(connection.start_portal(&select.sql)?)
    };
    Ok((rows, batch))
}

/// The table whose pages can be read range by range, and which of them are wanted.
fn by_page(connection: &mut Connection, request: &ReadRequest) -> Result<Option<(Pages, Piece)>> {
    let piece = match &request.filter {
        Filter::All => Piece::Pages(None, None),
        Filter::Part { token } => Piece::read(token)?,
        _ => return Ok(None),
    };
    if !request.order_by.is_empty() {
        return Ok(None);
    }
    Ok(split::pages(connection, &request.query)?.map(|table| (table, piece)))
}

fn select(connection: &mut Connection, request: &ReadRequest, written: Written<'_>) -> Result<Select> {
    let columns = columns(connection, &request.query, &request.mapping, written)?;
    let (query, filter) = split::resolve(statement(&request.query)?, &request.filter)?;
    Select::new(&query, &columns, &filter, request)
}

fn written<'a>(query: &'a str, params: &'a Params) -> Written<'a> {
    Written { query, params }
}

/// The columns of the user's query, which the server parses and does not run. An error names the place in what the user
/// has `written`.
fn columns(connection: &mut Connection, query: &str, mapping: &Mapping, written: Written<'_>) -> Result<Vec<Planned>> {
    let statement = statement(query)?;
    let described = connection.describe(statement);
    let columns = described.map_err(|e| match connection.error_position().and_then(|place| place.checked_sub(1)) {
        Some(characters) => {
            let before = statement.char_indices().nth(characters).map_or(statement.len(), |(at, _)| at);
            let start = statement.as_ptr().addr() - query.as_ptr().addr();
            let (line, column) = written.place(start + before);
            e.context(format!("at line {line}, column {column} of the query"))
        }
        None => e,
    })?;
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
    let nullable = column.native.nullable.unwrap_or(true);
    Column { name: column.name, native_type: column.native.full_name, arrow_type, nullable, rule }
}
