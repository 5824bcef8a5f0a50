//! A read request as SQL: the user's query as a common table expression with columns of our own names, and around it
//! the filter. Values are bound, and names of the user's columns never reach the text, so nothing needs quoting.

use rivet_plugin_api::{CursorValue, Error, Filter, ReadRequest, Result, TimeEncoding};
use rivet_plugin_base::sql::{Dialect, no_limit};
use rusqlite::types::{Value, ValueRef};

use crate::batch::exact_real;
use crate::error::shown;
use crate::query::Query;
use crate::time::{parse_date, parse_timestamp};
use crate::types::{Kind, Typed};
use crate::worker::{DAYS, MICROS};

const DAY: i64 = 86_400_000_000;

/// A statement and the values of its parameters.
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
    /// The columns of the result, by their number in the query.
    pub(crate) columns: Vec<usize>,
}

/// Whether the query runs just as the user wrote it.
pub(crate) fn is_plain(request: &ReadRequest) -> bool {
    request.filter == Filter::All && request.order_by.is_empty() && request.columns.is_none()
}

/// The statement of a read.
pub(crate) fn read(query: &Query, typed: &[Typed], request: &ReadRequest) -> Result<Statement> {
    let all = (0..typed.len()).collect();
    if is_plain(request) {
        return Ok(Statement { sql: query.text.clone(), values: Vec::new(), columns: all });
    }
    let columns = match &request.columns {
        Some(names) => names.iter().map(|name| query.column(name)).collect::<Result<Vec<_>>>()?,
        None => all,
    };
    if columns.is_empty() {
        return Err(Error::config("no column is selected"));
    }
    let mut scope = Scope::new(query, typed);
    let order = request.order_by.iter().map(|name| Ok(scope.key(query.column(name)?))).collect::<Result<Vec<_>>>()?;
    let condition = scope.condition(&request.filter)?;
    let names = columns.iter().map(|i| format!("c{i}")).collect::<Vec<_>>().join(", ");
    let relation = scope.relation(&request.filter)?;
    let condition = condition.map(|c| format!(" WHERE {c}")).unwrap_or_default();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
    let sql = format!("{} SELECT {names} FROM {relation}{condition}{order}", scope.with);
    Ok(Statement { sql, values: scope.values, columns })
}

/// The statement that counts the rows of a read.
pub(crate) fn count(query: &Query, typed: &[Typed], request: &ReadRequest) -> Result<Statement> {
    let mut scope = Scope::new(query, typed);
    let condition = scope.condition(&request.filter)?.map(|c| format!(" WHERE {c}")).unwrap_or_default();
    let sql = format!("{} SELECT count(*) FROM {}{condition}", scope.with, scope.relation(&request.filter)?);
    Ok(Statement { sql, values: scope.values, columns: Vec::new() })
}

/// The statements that find the least and the greatest value of a column. An index answers only one of them at a time;
/// what is computed takes a pass over all rows, which had better be a single one.
pub(crate) fn bounds(
    query: &Query,
    typed: &[Typed],
    column: usize,
    above: Option<&CursorValue>,
    frugal: bool,
) -> Result<Vec<Statement>> {
    let kind = typed[column].kind;
    // The text of dates sorts like them, and only that is in an index. Whatever else is there, a run will find.
    let plain_dates = frugal && kind == Kind::Date;
    let passes: &[&[&str]] =
        if kind.is_computed() && !plain_dates { &[&["min", "max"]] } else { &[&["min"], &["max"]] };
    let statement = |functions: &&[&str]| {
        let mut scope = Scope { plain_dates, ..Scope::new(query, typed) };
        let key = scope.key(column);
        let condition = match above {
            Some(above) if plain_dates => {
                format!(" WHERE {key} > {}", scope.parameter(Value::Text(above.to_string())))
            }
            Some(above) => format!(" WHERE {key} > {}", scope.bind(column, above)?),
            None => String::new(),
        };
        let ends = functions.iter().map(|function| format!("{function}({key})")).collect::<Vec<_>>().join(", ");
        let sql = format!("{} SELECT {ends} FROM {}{condition}", scope.with, scope.name);
        Ok(Statement { sql, values: scope.values, columns: Vec::new() })
    };
    passes.iter().map(statement).collect()
}

/// The value of a bound, `None` without rows.
///
/// SQLite orders values by storage class first, so that a value of a foreign class always is a bound: refusing it here
/// is what keeps rows from lying outside every window.
pub(crate) fn cursor_value(column: &Typed, value: ValueRef<'_>) -> Result<Option<CursorValue>> {
    let text = |v: &[u8]| String::from_utf8(v.to_vec()).ok();
    let cursor = match (column.kind, value) {
        (_, ValueRef::Null) => return Ok(None),
        (Kind::Int64 | Kind::Boolean, ValueRef::Integer(v)) => Some(CursorValue::Int(v)),
        (Kind::Timestamp, ValueRef::Integer(v)) => Some(CursorValue::Timestamp(v)),
        (Kind::Date, ValueRef::Text(v)) => parse_date(v).map(CursorValue::Date),
        (Kind::Date, ValueRef::Integer(v)) => i32::try_from(v).ok().map(CursorValue::Date),
        (Kind::Float64, ValueRef::Real(v)) => Some(CursorValue::Float(v)),
        (Kind::Float64, ValueRef::Integer(v)) => exact_real(v).map(CursorValue::Float),
        (Kind::Numeric | Kind::Text, ValueRef::Integer(v)) => Some(CursorValue::Decimal(v.to_string())),
        (Kind::Numeric | Kind::Text, ValueRef::Real(v)) if v.is_finite() => Some(CursorValue::Decimal(v.to_string())),
        (Kind::Text, ValueRef::Text(v)) => text(v).map(CursorValue::Text),
        (Kind::Binary, ValueRef::Blob(v)) => Some(CursorValue::Bytes(v.to_vec())),
        _ => None,
    };
    cursor.map(Some).ok_or_else(|| {
        // Its target is text, for the digits that no other type keeps.
        let kind = if column.kind == Kind::Numeric { "number".to_owned() } else { column.kind.to_string() };
        Error::data(format!("column \"{}\" holds {}, which is no {kind}", column.name, shown(value)))
            .hint("correct the value, leave its rows out in the query, or use another column")
    })
}

/// The rendering of one statement.
struct Scope<'a> {
    query: &'a Query,
    typed: &'a [Typed],
    /// A name that the user's query does not contain.
    name: String,
    with: String,
    values: Vec<Value>,
    /// Whether the key of a date is its text.
    plain_dates: bool,
}

impl<'a> Scope<'a> {
    fn new(query: &'a Query, typed: &'a [Typed]) -> Self {
        let text = query.text.to_ascii_lowercase();
        let mut name = "_rivet".to_owned();
        while text.contains(&name) {
            name.push('_');
        }
        let columns = (0..typed.len()).map(|i| format!("c{i}")).collect::<Vec<_>>().join(", ");
        // The line break ends a comment in the query's last line.
        let with = format!("WITH {name}({columns}) AS (\n{}\n)", query.text);
        Self { query, typed, name, with, values: Vec::new(), plain_dates: false }
    }

    /// What comparisons and orders see of a column. The text of timestamps sorts by its form, not by time, and what is no
    /// date would sort somewhere and be skipped there without a word.
    fn key(&self, column: usize) -> String {
        match self.typed[column].kind {
            Kind::Timestamp => format!("{MICROS}(c{column})"),
            Kind::Date if !self.plain_dates => format!("{DAYS}(c{column})"),
            _ => format!("c{column}"),
        }
    }

    fn parameter(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// A parameter that holds `value` as [`Scope::key`] is.
    fn bind(&mut self, column: usize, value: &CursorValue) -> Result<String> {
        let typed = &self.typed[column];
        let bound = stored(typed.kind, value).ok_or_else(|| {
            Error::config(format!(
                "column \"{}\" of type \"{}\" cannot be compared with a value of kind \"{}\"",
                typed.name,
                typed.kind,
                value.kind()
            ))
            .hint("override the column's type, or reset the state of this export if the column changed")
        })?;
        Ok(self.parameter(bound))
    }

    /// The relation of a filter: for [`Filter::Dense`] one with the rows' numbers in `n`.
    fn relation(&self, filter: &Filter) -> Result<String> {
        let Filter::Dense { order_by, .. } = filter else { return Ok(self.name.clone()) };
        // Rows equal in every column are interchangeable; all others must get the same number in every read.
        let rest = (0..self.typed.len()).map(|i| format!("c{i} COLLATE BINARY")).collect::<Vec<_>>().join(", ");
        let key = self.key(self.query.column(order_by)?);
        Ok(format!("(SELECT *, row_number() OVER (ORDER BY {key}, {rest}) - 1 AS n FROM {})", self.name))
    }

    fn condition(&mut self, filter: &Filter) -> Result<Option<String>> {
        match filter {
            Filter::All => Ok(None),
            Filter::Window { column, after, upto, include_null } => {
                no_limit(&self.query.text, Dialect::Sqlite)?;
                self.between(column, [(">", after), ("<=", upto)], *include_null)
            }
            Filter::Range { column, from, to, include_null } => {
                self.between(column, [(">=", from), ("<", to)], *include_null)
            }
            Filter::Dense { from, to, .. } => {
                let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
                let (from, to) = (self.parameter(number(*from)), self.parameter(number(*to)));
                Ok(Some(format!("n >= {from} AND n < {to}")))
            }
            Filter::Since { column, instant, encoding } => self.since(column, *instant, *encoding).map(Some),
            _ => {
                Err(Error::unsupported("this filter is newer than the sqlite source")
                    .hint("update the sqlite connector"))
            }
        }
    }

    fn between(
        &mut self,
        column: &str,
        bounds: [(&str, &Option<CursorValue>); 2],
        include_null: bool,
    ) -> Result<Option<String>> {
        let column = self.query.column(column)?;
        let key = self.key(column);
        let mut terms = Vec::new();
        for (operator, value) in bounds {
            if let Some(value) = value {
                let parameter = self.bind(column, value)?;
                terms.push(format!("{key} {operator} {parameter}"));
                terms.extend(self.near(column, operator, value));
            }
        }
        Ok(match (terms.is_empty(), include_null) {
            (true, true) => None,
            (true, false) => Some(format!("c{column} IS NOT NULL")),
            (false, false) => Some(terms.join(" AND ")),
            (false, true) => Some(format!("({} OR c{column} IS NULL)", terms.join(" AND "))),
        })
    }

    fn since(&mut self, column: &str, instant: i64, encoding: TimeEncoding) -> Result<String> {
        let column = self.query.column(column)?;
        let typed = &self.typed[column];
        let value = match (encoding, typed.kind) {
            (TimeEncoding::Timestamp, Kind::Timestamp) => CursorValue::Timestamp(instant),
            (TimeEncoding::Timestamp, Kind::Date) => {
                // A date is its midnight: one that begins before the instant is not since it.
                let days = instant.div_euclid(DAY) + i64::from(instant.rem_euclid(DAY) > 0);
                CursorValue::Date(i32::try_from(days).unwrap_or(i32::MAX))
            }
            (TimeEncoding::Unix, Kind::Int64 | Kind::Float64 | Kind::Numeric) if instant % 1_000_000 == 0 => {
                CursorValue::Int(instant / 1_000_000)
            }
            (TimeEncoding::Unix, Kind::Int64 | Kind::Float64 | Kind::Numeric) => {
                CursorValue::Float(instant as f64 / 1_000_000.0)
            }
            _ => {
                let (name, kind) = (&typed.name, typed.kind);
                return Err(Error::config(format!(
                    "column \"{name}\" of type \"{kind}\" does not encode time like that"
                ))
                .hint("write `time_column_type: unix` if the column holds seconds since 1970, leave it out if it does not, or override its type with timestamp or date"));
            }
        };
        let key = self.key(column);
        let parameter = self.bind(column, &value)?;
        // Without the term that an index could serve: it would skip values that are no timestamps instead of refusing
        // them, and nothing has looked at the whole column before, as bounds do for a window.
        Ok(format!("{key} >= {parameter}"))
    }

    /// A condition on the text of a date or timestamp that is at least as wide, which an index on the column can serve: every
    /// form begins with a date, and an offset shifts it by less than a day.
    fn near(&mut self, column: usize, operator: &str, value: &CursorValue) -> Option<String> {
        let (kind, above) = (self.typed[column].kind, operator.starts_with('>'));
        let (day, operator) = match (kind, stored(kind, value)?) {
            (Kind::Date, Value::Integer(day)) => (day, operator),
            (Kind::Timestamp, Value::Integer(micros)) if above => (micros.div_euclid(DAY) - 1, ">="),
            (Kind::Timestamp, Value::Integer(micros)) => (micros.div_euclid(DAY) + 2, "<"),
            _ => return None,
        };
        // Beyond four digits of a year, text no longer sorts by time.
        let day = i32::try_from(day).ok().map(|day| CursorValue::Date(day).to_string()).filter(|d| d.len() == 10)?;
        let parameter = self.parameter(Value::Text(day));
        Some(format!("c{column} {operator} {parameter}"))
    }
}

/// `value` as the key of a column of `kind` is, or `None` when they do not compare.
fn stored(kind: Kind, value: &CursorValue) -> Option<Value> {
    use CursorValue as C;
    match (kind, value) {
        (Kind::Timestamp, C::Timestamp(v) | C::Instant(v)) => Some(Value::Integer(*v)),
        (Kind::Timestamp, C::Date(v)) => Some(Value::Integer(i64::from(*v) * DAY)),
        (Kind::Timestamp, C::Text(v)) => parse_timestamp(v.as_bytes()).map(Value::Integer),
        (Kind::Date, C::Date(v)) => Some(Value::Integer(i64::from(*v))),
        (Kind::Date, C::Text(v)) => parse_date(v.as_bytes()).map(|days| Value::Integer(i64::from(days))),
        (Kind::Binary, C::Bytes(v)) => Some(Value::Blob(v.clone())),
        (Kind::Text, C::Text(v) | C::Uuid(v)) => Some(Value::Text(v.clone())),
        (Kind::Int64 | Kind::Float64 | Kind::Numeric | Kind::Boolean | Kind::Text, value) => match value {
            C::Int(v) => Some(Value::Integer(*v)),
            C::UInt(v) => i64::try_from(*v).ok().map(Value::Integer),
            C::Float(v) if !v.is_nan() => Some(Value::Real(*v)),
            C::Decimal(v) => number(v),
            _ => None,
        },
        _ => None,
    }
}

/// The number that the text is, if SQLite can hold it without rounding.
fn number(text: &str) -> Option<Value> {
    if let Ok(integer) = text.parse() {
        return Some(Value::Integer(integer));
    }
    let real: f64 = text.parse().ok().filter(|v: &f64| v.is_finite())?;
    (real.to_string() == text).then_some(Value::Real(real))
}
