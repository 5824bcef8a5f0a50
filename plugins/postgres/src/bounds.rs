//! The least and the greatest value of a column, fetched in binary so that no setting of the session shapes them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{Field, Schema};
use rivet_plugin_api::{BatchSize, Bounds, BoundsRequest, Category, CursorValue, Error, Result};

use crate::batch;
use crate::explain::cost;
use crate::key::{Is, Key, Kind};
use crate::select::relation;
use crate::types::{Beyond, Decoder, Planned};
use crate::wire::{Connection, Step};

/// What a frugal request may cost: about what looking at 100 000 rows does.
const FRUGAL_COST: f64 = 5000.0;

/// Asks for the bounds of `request`, whose `query` has `columns`.
pub(crate) fn bounds(
    connection: &mut Connection,
    query: &str,
    columns: &[Planned],
    request: &BoundsRequest,
) -> Result<Bounds> {
    let key = Key::new(columns, &request.column)?;
    let condition = match &request.above {
        Some(value) => key.compare(Is::Above, value)?,
        None => key.is_present(),
    };
    let rows = format!("{} WHERE {condition}", relation(query, columns.len()));
    let (cast, decoder) = fetched(key.kind);
    let sql_key = key.sql();
    let sql = if key.has_extremes() {
        format!("SELECT pg_catalog.min({sql_key}){cast}, pg_catalog.max({sql_key}){cast} FROM {rows}")
    } else {
        let end = |direction| format!("(SELECT {sql_key}{cast} FROM {rows} ORDER BY {sql_key} {direction} LIMIT 1)");
        format!("SELECT {}, {}", end("ASC"), end("DESC"))
    };
    if request.frugal && cost(connection, &sql)? > FRUGAL_COST {
        let reason = format!("no index leads the server to the least and the greatest \"{}\"", key.name());
        return Ok(Bounds { declined: Some(reason), ..Bounds::default() });
    }
    let batch = only_row(connection, &sql, &key, &decoder).map_err(|e| match e.category() {
        // The hint about exporting such values as text does not help to compare with them.
        Category::Data => Error::data(e.message())
            .context(format!("could not find the bounds of column \"{}\"", key.name()))
            .hint("leave such rows out in the query, or bound by another column"),
        _ => e,
    })?;
    let now = request.now.then(|| clock(connection)).transpose()?;
    let (min, max) = (value(key.kind, &batch, 0), value(key.kind, &batch, 1));
    Ok(Bounds { min, max, now, ..Bounds::default() })
}

/// When the transaction began, in microseconds since 1970: what it does not see is committed later.
fn clock(connection: &mut Connection) -> Result<i64> {
    let row = connection.query("SELECT (extract(epoch FROM pg_catalog.now()) * 1000000)::pg_catalog.int8")?.pop();
    let now = row.and_then(|row| row.first()?.as_deref()?.parse().ok());
    now.ok_or_else(|| Error::internal("the server did not tell the time"))
}

/// How values of `kind` are cast and read.
fn fetched(kind: Kind) -> (&'static str, Decoder) {
    match kind {
        Kind::Integer | Kind::Oid => ("::pg_catalog.int8", Decoder::Int64),
        Kind::Float => ("::pg_catalog.float8", Decoder::Float64),
        Kind::Numeric => ("", Decoder::Numeric),
        Kind::Bytes => ("", Decoder::Binary),
        Kind::Uuid => ("", Decoder::Uuid),
        Kind::Date => ("", Decoder::Date(Beyond::Refused)),
        Kind::Timestamp => ("", Decoder::Timestamp(Beyond::Refused)),
        Kind::Instant => ("", Decoder::Instant(Beyond::Refused)),
        Kind::Printed => ("::pg_catalog.text", Decoder::Text),
    }
}

fn only_row(connection: &mut Connection, sql: &str, key: &Key<'_>, decoder: &Decoder) -> Result<RecordBatch> {
    // Messages name the column, not the two bounds.
    let schema = Schema::new(vec![Field::new(key.name(), decoder.data_type(), true); 2]);
    let native_types = vec![key.native_type().to_owned(); 2];
    let decoders = [decoder.clone(), decoder.clone()];
    let mut builder = batch::builder(Arc::new(schema), native_types, &decoders, BatchSize::default());
    let mut stream = connection.start_portal(sql)?;
    // More than the one row, so that the portal comes to its end.
    connection.fetch(&mut stream, 2)?;
    let mut misfit = None;
    while let Step::Row(row) = connection.step(&mut stream)? {
        // The rest of the answer is read even so, which leaves the connection in order.
        misfit = misfit.or(builder.push_row(connection.row(&row)).err());
    }
    match misfit {
        Some(error) => Err(error),
        None if builder.rows() == 1 => builder.finish(),
        None => Err(Error::internal("the server did not answer the bounds in one row")),
    }
}

fn value(kind: Kind, batch: &RecordBatch, column: usize) -> Option<CursorValue> {
    let array = batch.column(column);
    if array.is_null(0) {
        return None;
    }
    let text = || array.as_string::<i32>().value(0).to_owned();
    let micros = || array.as_primitive::<TimestampMicrosecondType>().value(0);
    Some(match kind {
        Kind::Integer | Kind::Oid => CursorValue::Int(array.as_primitive::<Int64Type>().value(0)),
        Kind::Float => CursorValue::Float(array.as_primitive::<Float64Type>().value(0)),
        Kind::Numeric => CursorValue::Decimal(text()),
        Kind::Bytes => CursorValue::Bytes(array.as_binary::<i32>().value(0).to_vec()),
        Kind::Uuid => CursorValue::Uuid(text()),
        Kind::Date => CursorValue::Date(array.as_primitive::<Date32Type>().value(0)),
        Kind::Timestamp => CursorValue::Timestamp(micros()),
        Kind::Instant => CursorValue::Instant(micros()),
        Kind::Printed => CursorValue::Text(text()),
    })
}
