//! Which rows: a filter as the relation of a statement, around the user's query.

use rivet_plugin_api::{CursorValue, Error, Filter, Result, TimeEncoding};

use crate::key::{Is, Key, Kind, ordered};
use crate::select::Relation;
use crate::types::{Decoder, Planned};

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// What follows `FROM`: the rows of `relation` that `filter` wants. `columns` are all of its columns.
pub(crate) fn rows(relation: &Relation, columns: &[Planned], filter: &Filter) -> Result<String> {
    let condition = match filter {
        Filter::All => None,
        Filter::Window { column, after, upto, include_null } => {
            let key = Key::new(columns, column)?;
            between(relation, &key, [(Is::Above, after), (Is::AtMost, upto)], *include_null)?
        }
        Filter::Range { column, from, to, include_null } => {
            let key = Key::new(columns, column)?;
            between(relation, &key, [(Is::AtLeast, from), (Is::Below, to)], *include_null)?
        }
        Filter::Dense { order_by, from, to } => {
            return Ok(numbered(relation, columns, &Key::new(columns, order_by)?, *from, *to));
        }
        Filter::Since { column, instant, encoding } => {
            Some(since(relation, &Key::new(columns, column)?, *instant, *encoding)?)
        }
        _ => {
            return Err(
                Error::unsupported("the mysql source does not offer this filter").hint("update the mysql connector")
            );
        }
    };
    Ok(match condition {
        Some(condition) => format!("{} WHERE {condition}", relation.from),
        None => relation.from.clone(),
    })
}

/// The key as it is compared and ordered.
pub(crate) fn sql_key(relation: &Relation, key: &Key<'_>) -> String {
    ordered(&relation.column(key.index), key.native())
}

fn between(
    relation: &Relation,
    key: &Key<'_>,
    bounds: [(Is, &Option<CursorValue>); 2],
    include_null: bool,
) -> Result<Option<String>> {
    let (column, sql) = (relation.column(key.index), sql_key(relation, key));
    let terms = bounds
        .into_iter()
        .filter_map(|(is, value)| Some(key.compare(&sql, is, value.as_ref()?)))
        .collect::<Result<Vec<_>>>()?
        .join(" AND ");
    Ok(match (terms.is_empty(), include_null) {
        (true, true) => None,
        (true, false) => Some(format!("{column} IS NOT NULL")),
        (false, false) => Some(terms),
        (false, true) => Some(format!("({terms} OR {column} IS NULL)")),
    })
}

/// The rows by their number. Rows with equal keys are told apart by a hash of all their values, so that every read numbers
/// them alike; what is equal in that too is interchangeable. The hash of a floating point number would be one of its
/// rounded text, so such columns order by themselves.
fn numbered(relation: &Relation, columns: &[Planned], key: &Key<'_>, from: u64, to: u64) -> String {
    let mut order = vec![sql_key(relation, key)];
    let mut hashes = Vec::with_capacity(columns.len());
    for (index, planned) in columns.iter().enumerate() {
        let column = relation.column(index);
        match planned.mapped.as_ref().map(|mapped| mapped.decoder) {
            Ok(Decoder::Float32 | Decoder::Float64) => order.push(column),
            _ => hashes.push(format!("IFNULL(SHA2({column}, 256), '')")),
        }
    }
    if !hashes.is_empty() {
        // The hash of a NULL is shorter than every other, so values cannot move from one column to the next.
        order.push(format!("SHA2(CONCAT_WS('-', {}), 256)", hashes.join(", ")));
    }
    let (order, count) = (order.join(", "), to.saturating_sub(from));
    format!("(SELECT * FROM {} ORDER BY {order} LIMIT {count} OFFSET {from}) AS `_rivet_rows`", relation.from)
}

/// Rows at or after an instant. What has no zone counts as UTC, and a date as its midnight.
fn since(relation: &Relation, key: &Key<'_>, instant: i64, encoding: TimeEncoding) -> Result<String> {
    let up = |unit: i64| instant.div_euclid(unit) + i64::from(instant.rem_euclid(unit) > 0);
    let value = match (encoding, key.kind) {
        (TimeEncoding::Timestamp, Kind::Instant) => CursorValue::Instant(instant),
        (TimeEncoding::Timestamp, Kind::Timestamp) => CursorValue::Timestamp(instant),
        (TimeEncoding::Timestamp, Kind::Date) => CursorValue::Date(i32::try_from(up(DAY)).unwrap_or(i32::MAX)),
        (TimeEncoding::Unix, Kind::Signed | Kind::Unsigned) => CursorValue::Int(up(SECOND)),
        (TimeEncoding::Unix, Kind::Decimal | Kind::Float) => {
            let (sign, micros) = (if instant < 0 { "-" } else { "" }, instant.unsigned_abs());
            CursorValue::Decimal(format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000))
        }
        (TimeEncoding::Timestamp, Kind::Signed | Kind::Unsigned | Kind::Decimal | Kind::Float) => {
            let hint = "write `time_column_type: unix` if the column holds seconds since 1970";
            return Err(key.mismatch("timestamp", hint));
        }
        (TimeEncoding::Timestamp, _) => {
            return Err(key.mismatch("timestamp", "name a column of dates or timestamps, or cast it in the query"));
        }
        (TimeEncoding::Unix, _) => {
            let hint = "leave `time_column_type: unix` out, or name a column of numbers";
            return Err(key.mismatch("unix seconds", hint));
        }
    };
    key.compare(&sql_key(relation, key), Is::AtLeast, &value)
}
