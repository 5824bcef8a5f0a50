//! The calls of the contract. Each opens a connection of its own, which costs microseconds, and runs on its thread, so
//! that the host's wish to stop reaches it.

use rivet_plugin_api::{
    BatchReader, Bounds, BoundsRequest, Column, Context, CursorValue, DescribeRequest, Description, Explanation,
    Locations, Probe, ReadRequest, Result, Source, SourceCapabilities, Tables, TablesRequest, Timeouts,
};
use rusqlite::{Connection, params_from_iter};

use crate::error::driver;
use crate::filter::{self, Statement};
use crate::frugal::{counts, within_budget};
use crate::options::{Location, Options};
use crate::query::Query;
use crate::reader::{Reader, typed, typed_frugally};
use crate::types::{Overrides, Typed, UNDECIDED};
use crate::worker::{look, run};
use crate::{explain, tables};

/// The limits of calls that bring none: a lock that lasts longer is an error, not a hang.
const DEFAULT_TIMEOUTS: Timeouts = Timeouts { statement_s: 0, lock_s: 5 };

/// An SQLite database file.
#[derive(Debug)]
pub struct Sqlite {
    location: Location,
}

impl Source for Sqlite {
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
        server_time: false,
    };

    const LOCATIONS: Locations = Locations { schemes: &["sqlite", "file"], paths: true };

    fn open(options: Options, context: &Context) -> Result<Self> {
        let location = options.location()?;
        context.check()?;
        look(&location)?;
        Ok(Self { location })
    }

    fn probe(&mut self, context: &Context) -> Result<Probe> {
        let database = self.location.display();
        run(&self.location, DEFAULT_TIMEOUTS, context, |connection| {
            Ok(Probe {
                server: "SQLite".to_owned(),
                version: rusqlite::version().to_owned(),
                database: Some(database),
                warnings: warnings(connection)?,
                ..Probe::default()
            })
        })
    }

    fn describe(&mut self, request: &DescribeRequest, context: &Context) -> Result<Description> {
        let request = request.clone();
        run(&self.location, DEFAULT_TIMEOUTS, context, move |connection| {
            let overrides = Overrides::check(&request.mapping)?;
            let query = Query::check(connection, &request.query, &request.params)?;
            let decide = if request.frugal { typed_frugally } else { typed };
            let columns = decide(connection, &query, &overrides)?.into_iter().map(|column| Column {
                arrow_type: if column.rule == UNDECIDED { String::new() } else { column.kind.data_type().to_string() },
                name: column.name,
                native_type: column.native,
                nullable: column.nullable.unwrap_or(true),
                rule: column.rule,
            });
            Ok(Description { columns: columns.collect() })
        })
    }

    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>> {
        Ok(Box::new(Reader::start(&self.location, request, context)?))
    }

    fn explain(&mut self, request: &ReadRequest, context: &Context) -> Result<Explanation> {
        let request = request.clone();
        run(&self.location, request.timeouts, context, move |connection| {
            let query = Query::check(connection, &request.query, &request.params)?;
            let decide = if request.frugal { typed_frugally } else { typed };
            let typed = decide(connection, &query, &Overrides::check(&request.mapping)?)?;
            explain::explain(connection, &query, &typed, &request)
        })
    }

    fn bounds(&mut self, request: &BoundsRequest, context: &Context) -> Result<Bounds> {
        let (request, place) = (request.clone(), self.location.place());
        run(&self.location, request.timeouts, context, move |connection| {
            let query = Query::check(connection, &request.query, &request.params)?;
            let decide = if request.frugal { typed_frugally } else { typed };
            let typed = decide(connection, &query, &Overrides::check(&request.mapping)?)?;
            let index = query.column(&request.column)?;
            let column = &typed[index];
            let statements = filter::bounds(&query, &typed, index, request.above.as_ref(), request.frugal)?;
            let both = || {
                let found = statements.iter().map(|statement| ends(connection, statement, column));
                Ok(found.collect::<Result<Vec<_>>>()?.concat())
            };
            let found = if request.frugal { frugally(connection, &query, both)? } else { Some(both()?) };
            let Some(mut found) = found else {
                let reason = format!("no index leads SQLite to the least and the greatest \"{}\"", column.name);
                return Ok(Bounds { declined: Some(reason), ..Bounds::default() });
            };
            let now = request.now.then(|| clock(connection)).transpose()?;
            let (max, min) = (found.pop().flatten(), found.pop().flatten());
            Ok(Bounds { min, max, now, place: Some(place), ..Bounds::default() })
        })
    }

    fn tables(&mut self, request: &TablesRequest, context: &Context) -> Result<Tables> {
        let request = request.clone();
        run(&self.location, request.timeouts, context, move |connection| tables::tables(connection, &request))
    }

    fn count(&mut self, request: &ReadRequest, context: &Context) -> Result<u64> {
        let request = request.clone();
        run(&self.location, request.timeouts, context, move |connection| {
            let query = Query::check(connection, &request.query, &request.params)?;
            let typed = typed(connection, &query, &Overrides::check(&request.mapping)?)?;
            one(connection, &filter::count(&query, &typed, &request)?, |row| row.get::<_, i64>(0))
                .map(i64::unsigned_abs)
        })
    }
}

/// The result of `work` over `query`, or `None` where that takes looking at many rows.
fn frugally<T>(connection: &Connection, query: &Query, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    if counts(connection, &query.text)? { Ok(None) } else { within_budget(work) }
}

/// This machine's time in microseconds since 1970, of which SQLite tells the milliseconds.
fn clock(connection: &Connection) -> Result<i64> {
    let milliseconds = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    connection.query_row(milliseconds, [], |row| row.get::<_, i64>(0)).map(|ms| ms * 1000).map_err(driver)
}

/// What a statement of [`filter::bounds`] finds of `column`.
fn ends(connection: &Connection, statement: &Statement, column: &Typed) -> Result<Vec<Option<CursorValue>>> {
    let values = |row: &rusqlite::Row<'_>| {
        let count = row.as_ref().column_count();
        let value = |place| Ok(filter::cursor_value(column, row.get_ref(place)?));
        (0..count).map(value).collect::<rusqlite::Result<Result<Vec<_>>>>()
    };
    one(connection, statement, values)
        .map_err(|e| e.context(format!("could not find the bounds of column \"{}\"", column.name)))?
}

/// The one row of a statement.
fn one<T>(
    connection: &Connection,
    statement: &Statement,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<T> {
    connection.query_row(&statement.sql, params_from_iter(&statement.values), read).map_err(driver)
}

/// What an operator should know.
fn warnings(connection: &Connection) -> Result<Vec<String>> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0)).map_err(driver);
    let mut warnings = Vec::new();
    if pragma("journal_mode")? != "wal" {
        warnings.push("the database is not in WAL mode: while an export reads, writers cannot commit".to_owned());
    }
    let encoding = pragma("encoding")?;
    if encoding != "UTF-8" {
        warnings
            .push(format!("the database stores text as {encoding}: SQLite replaces unpaired surrogates on reading"));
    }
    Ok(warnings)
}
