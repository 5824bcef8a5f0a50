//! Looks at the tables of a source: which are wanted, what their columns become, and which overrides they need.

use rivet_plugin_api::abi::SourceHandle;
use rivet_plugin_api::suggest::did_you_mean;
use rivet_plugin_api::{
    Column, DescribeRequest, Error as ApiError, Mapping, Result as ApiResult, ResultExt as _, Table, TablesRequest,
};

use super::glob::matches;
use crate::error::{Error, Result};

/// Which tables are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Patterns for names, with or without the schema in front; all tables when empty.
    pub patterns: Vec<String>,
    /// Schemas; the source's choice when empty.
    pub schemas: Vec<String>,
}

/// A table, and what an export of it would be made of.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// As the source lists it.
    pub table: Table,
    /// Its columns with the types they get; those that have none by default are in `columns` of the mapping.
    pub columns: Vec<Column>,
    /// Overrides without which it cannot be exported, and why.
    pub needed: Vec<Override>,
    /// Overrides that one may want, and why.
    pub offered: Vec<Override>,
    /// Why it cannot be exported; nothing else is known then.
    pub problem: Option<String>,
}

/// An entry of `columns:`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Override {
    /// The column.
    pub column: String,
    /// The type it gets.
    pub to: String,
    /// Why.
    pub reason: String,
}

/// Looks at every wanted table, in the order of the source.
pub fn survey(source: &mut SourceHandle, wanted: &Wanted) -> Result<Vec<Found>> {
    let request = TablesRequest { schemas: wanted.schemas.clone(), ..TablesRequest::default() };
    let all = source.tables(&request).context(|| "could not list the tables".to_owned())?.tables;
    for pattern in &wanted.patterns {
        if !all.iter().any(|table| is_named(table, pattern)) {
            let error = ApiError::config(format!("no table matches \"{pattern}\""));
            let names = all.iter().map(|table| table.name.as_str());
            return Err(Error::Usage(error.hint(did_you_mean(pattern, names, "the tables found are"))));
        }
    }
    let is_wanted = |table: &Table| wanted.patterns.is_empty() || wanted.patterns.iter().any(|p| is_named(table, p));
    let tables: Vec<Table> = all.into_iter().filter(is_wanted).collect();
    if tables.is_empty() {
        let error = ApiError::config("the source has no table to export");
        return Err(Error::Usage(error.hint("name other schemas with --schema, or ask for the right to read some")));
    }
    tables.into_iter().map(|table| found(source, table)).collect()
}

fn is_named(table: &Table, pattern: &str) -> bool {
    let whole = table.schema.as_ref().map(|schema| format!("{schema}.{}", table.name));
    matches(pattern, &table.name) || whole.is_some_and(|whole| matches(pattern, &whole))
}

fn found(source: &mut SourceHandle, table: Table) -> Result<Found> {
    if table.is_denied {
        return Ok(Found { table, problem: Some("the user may not read it".to_owned()), ..Found::default() });
    }
    let mut describe = |columns: &[Override]| -> ApiResult<Vec<Column>> {
        let columns = columns.iter().map(|o| (o.column.clone(), o.to.clone())).collect();
        let mapping = Mapping { columns, ..Mapping::default() };
        let request = DescribeRequest { query: table.query.clone(), mapping, ..DescribeRequest::default() };
        source.describe(&request).map(|description| description.columns)
    };
    let columns = match describe(&[]) {
        Ok(columns) => columns,
        // One table that cannot be read, such as a view of a dropped one, says nothing about the others.
        Err(e) if !e.category().is_transient() && e.category() != rivet_plugin_api::Category::Cancelled => {
            return Ok(Found { table, problem: Some(e.message().to_owned()), ..Found::default() });
        }
        Err(e) => return Err(e.context(format!("could not look at table \"{}\"", table.name)).into()),
    };
    let needed: Vec<Override> = columns
        .iter()
        .filter(|column| !is_read(column))
        .map(|column| wish(column, "text".to_owned(), column.rule.clone()))
        .collect();
    let columns = match describe(&needed) {
        Ok(columns) if columns.iter().all(is_read) => columns,
        Ok(_) | Err(_) => {
            let first = needed.first().map(|o| o.reason.clone()).unwrap_or_default();
            return Ok(Found { table, problem: Some(first), ..Found::default() });
        }
    };
    let offered =
        offers(&columns, |offer| describe(&[needed.as_slice(), offer].concat()).is_ok_and(|c| c.iter().all(is_read)));
    Ok(Found { table, columns, needed, offered, problem: None })
}

/// What a column may become instead, as far as the source agrees.
fn offers(columns: &[Column], mut agrees: impl FnMut(&[Override]) -> bool) -> Vec<Override> {
    let exact = columns.iter().filter(|c| c.arrow_type == "Utf8").filter_map(|column| {
        let size = decimal_size(&column.native_type)?;
        Some(wish(column, format!("decimal{size}"), "numbers instead of their text".to_owned()))
    });
    let times = columns.iter().filter(|c| is_time(c) || c.arrow_type == "Date32");
    let nulls = times
        .map(|column| wish(column, "null".to_owned(), format!("NULL where a run fails otherwise: {}", column.rule)));
    let kinds: [Vec<Override>; 2] = [exact.collect(), nulls.collect()];
    kinds.into_iter().filter(|offers| !offers.is_empty() && agrees(offers)).flatten().collect()
}

fn wish(column: &Column, to: String, reason: String) -> Override {
    Override { column: column.name.clone(), to, reason }
}

/// A column without an Arrow type cannot be read.
fn is_read(column: &Column) -> bool {
    !column.arrow_type.is_empty()
}

/// Whether the column holds points in time.
pub(super) fn is_time(column: &Column) -> bool {
    column.arrow_type.starts_with("Timestamp")
}

/// Whether the column holds whole numbers.
pub(super) fn is_integer(column: &Column) -> bool {
    ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"].contains(&column.arrow_type.as_str())
}

/// `(12,2)` of a type such as `numeric(12, 2)`.
fn decimal_size(native_type: &str) -> Option<String> {
    let (_, size) = native_type.split_once('(')?;
    let (precision, scale) = size.strip_suffix(')')?.split_once(',')?;
    let number = |text: &str| text.trim().parse::<u8>().ok();
    Some(format!("({},{})", number(precision)?, number(scale)?))
}
