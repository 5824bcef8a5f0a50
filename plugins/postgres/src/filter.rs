//! Which rows: a filter as the relation of a statement, around the user's query.

use rivet_plugin_api::{CursorValue, Error, Filter, Result, TimeEncoding};
use rivet_plugin_base::sql::{Dialect, no_limit};

use crate::key::{Is, Key, Kind};
use crate::select::relation;
use crate::types::Planned;

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// What follows `FROM`: the rows of `query` that `filter` wants. `columns` are all of the query's.
pub(crate) fn rows(query: &str, columns: &[Planned], filter: &Filter) -> Result<String> {
    let all = relation(query, columns.len());
    let condition = match filter {
        Filter::All => None,
        Filter::Window { column, after, upto, include_null } => {
            no_limit(query, Dialect::Postgres)?;
            let key = Key::new(columns, column)?;
            between(&key, [(Is::Above, after), (Is::AtMost, upto)], *include_null)?
        }
        Filter::Range { column, from, to, include_null } => {
            let key = Key::new(columns, column)?;
            between(&key, [(Is::AtLeast, from), (Is::Below, to)], *include_null)?
        }
        Filter::Dense { order_by, from, to } => return Ok(numbered(&all, &Key::new(columns, order_by)?, *from, *to)),
        Filter::Since { column, instant, encoding } => Some(since(&Key::new(columns, column)?, *instant, *encoding)?),
        _ => {
            return Err(Error::unsupported("this filter is newer than the postgres source")
                .hint("update the postgres connector"));
        }
    };
    Ok(match condition {
        Some(condition) => format!("{all} WHERE {condition}"),
        None => all,
    })
}

fn between(key: &Key<'_>, bounds: [(Is, &Option<CursorValue>); 2], include_null: bool) -> Result<Option<String>> {
    let terms = bounds
        .into_iter()
        .filter_map(|(is, value)| Some(key.compare(is, value.as_ref()?)))
        .collect::<Result<Vec<_>>>()?
        .join(" AND ");
    Ok(match (terms.is_empty(), include_null) {
        (true, true) => None,
        (true, false) => Some(key.is_present()),
        (false, false) => Some(terms),
        (false, true) => Some(format!("({terms} OR {} IS NULL)", key.sql())),
    })
}

/// The rows by their number. Rows with equal keys are told apart by the text of the whole row, so that every read
/// numbers them alike; what is equal in that too is interchangeable.
fn numbered(all: &str, key: &Key<'_>, from: u64, to: u64) -> String {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    format!(
        "(SELECT * FROM {all} ORDER BY {}, \"_rivet\"::pg_catalog.text COLLATE pg_catalog.\"C\" OFFSET {} LIMIT {}) AS \"_rivet\"",
        key.sql(),
        number(from),
        number(to.saturating_sub(from)),
    )
}

/// Rows at or after an instant. What has no zone counts as UTC, and a date as its midnight.
fn since(key: &Key<'_>, instant: i64, encoding: TimeEncoding) -> Result<String> {
    let up = |unit: i64| instant.div_euclid(unit) + i64::from(instant.rem_euclid(unit) > 0);
    let value = match (encoding, key.kind) {
        (TimeEncoding::Timestamp, Kind::Instant) => CursorValue::Instant(instant),
        (TimeEncoding::Timestamp, Kind::Timestamp) => CursorValue::Timestamp(instant),
        (TimeEncoding::Timestamp, Kind::Date) => CursorValue::Date(i32::try_from(up(DAY)).unwrap_or(i32::MAX)),
        (TimeEncoding::Unix, Kind::Integer) => CursorValue::Int(up(SECOND)),
        (TimeEncoding::Unix, Kind::Numeric | Kind::Float) => {
            let (sign, micros) = (if instant < 0 { "-" } else { "" }, instant.unsigned_abs());
            CursorValue::Decimal(format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000))
        }
        (TimeEncoding::Timestamp, Kind::Integer | Kind::Numeric | Kind::Float) => {
            return Err(
                key.mismatch("timestamp", "write `time_column_type: unix` if the column holds seconds since 1970")
            );
        }
        (TimeEncoding::Timestamp, _) => {
            return Err(key.mismatch("timestamp", "name a column of dates or timestamps, or cast it in the query"));
        }
        (TimeEncoding::Unix, _) => {
            return Err(key.mismatch("unix seconds", "leave `time_column_type: unix` out, or name a column of numbers"));
        }
    };
    key.compare(Is::AtLeast, &value)
}
