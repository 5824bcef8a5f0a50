//! The least and the greatest value of a column, fetched in binary so that no setting of the session shapes them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::Schema;
use rivet_plugin_api::{BatchSize, Bounds, BoundsRequest, Category, CursorValue, Error, Result};

use crate::batch;
use crate::explain::examined;
use crate::filter::sql_key;
use crate::key::{Is, Key, Kind};
use crate::select::{Field, Relation};
use crate::types::{Decoder, Mapped, Planned};
use crate::wire::{Connection, Step};

/// The rows that a frugal request may look at.
const FRUGAL_ROWS: u64 = 100_000;

/// Asks for the bounds of `request`, whose `query` has `columns`.
pub(crate) fn bounds(
    connection: &mut Connection,
    query: &str,
    columns: &[Planned],
    request: &BoundsRequest,
) -> Result<Bounds> {
    let key = Key::new(columns, &request.column)?;
    let relation = Relation::new(query, columns, connection.server());
    let sql_key = sql_key(&relation, &key);
    let condition = match &request.above {
        Some(value) => format!(" WHERE {}", key.compare(&sql_key, Is::Above, value)?),
        None => String::new(),
    };
    let Relation { with, from, .. } = &relation;
    let sql = format!("{with}SELECT MIN({sql_key}) AS a, MAX({sql_key}) AS b FROM {from}{condition}");
    if request.frugal && examined(connection, &sql)? > FRUGAL_ROWS {
        let reason = format!("no index leads the server to the least and the greatest \"{}\"", key.name());
        return Ok(Bounds { declined: Some(reason), ..Bounds::default() });
    }
    let batch = only_row(connection, &sql, &key).map_err(|e| match e.category() {
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

/// The server's time in microseconds since 1970. What is read next is read in a later transaction.
fn clock(connection: &mut Connection) -> Result<i64> {
    let row = connection.query("SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))")?.pop();
    let now = row.and_then(|row| row.first()?.as_deref()?.parse().ok());
    now.ok_or_else(|| Error::internal("the server did not tell the time"))
}

fn decoder(kind: Kind) -> Decoder {
    match kind {
        Kind::Signed => Decoder::Int64,
        Kind::Unsigned => Decoder::UInt64,
        Kind::Float => Decoder::Float64,
        Kind::Date => Decoder::Date,
        Kind::Timestamp => Decoder::Timestamp,
        Kind::Instant => Decoder::Instant,
        Kind::Time => Decoder::Printed,
        Kind::Bytes => Decoder::Binary,
        Kind::Decimal | Kind::Text => Decoder::Text,
    }
}

fn only_row(connection: &mut Connection, sql: &str, key: &Key<'_>) -> Result<RecordBatch> {
    let mapped = Mapped { decoder: decoder(key.kind), invalid_is_null: false, rule: String::new() };
    // Messages name the column, not the two bounds.
    let arrow = arrow_schema::Field::new(key.name(), mapped.decoder.data_type(), true);
    let fields = vec![Field { mapped, native_type: key.native().full_name() }; 2];
    let schema = Arc::new(Schema::new(vec![arrow; 2]));
    let prepared = connection.prepare(sql)?;
    let stream = connection.execute(prepared)?;
    let mut builder = batch::builder(schema, &fields, stream.columns(), BatchSize::default());
    let mut misfit = None;
    while let Step::Row(row) = connection.step()? {
        // The rest of the answer is read even so, which leaves the connection in order.
        misfit = misfit.or(builder.push_row(connection.row(row)).err());
    }
    connection.close_statement(stream.prepared())?;
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
        Kind::Signed => CursorValue::Int(array.as_primitive::<Int64Type>().value(0)),
        Kind::Unsigned => CursorValue::UInt(array.as_primitive::<UInt64Type>().value(0)),
        Kind::Float => CursorValue::Float(array.as_primitive::<Float64Type>().value(0)),
        Kind::Decimal => CursorValue::Decimal(text()),
        Kind::Date => CursorValue::Date(array.as_primitive::<Date32Type>().value(0)),
        Kind::Timestamp => CursorValue::Timestamp(micros()),
        Kind::Instant => CursorValue::Instant(micros()),
        Kind::Bytes => CursorValue::Bytes(array.as_binary::<i32>().value(0).to_vec()),
        Kind::Time | Kind::Text => CursorValue::Text(text()),
    })
}
