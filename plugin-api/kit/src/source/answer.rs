//! The calls that answer about rows instead of reading them.

use rivet_plugin_api::{
    BoundsRequest, Category, CursorValue, DescribeRequest, Filter, ReadRequest, SplitRequest, TablesRequest,
};

use super::{Source, drain, filter, same_rows};
use crate::check::{ensure, refused};
use crate::suite::Outcome;
use crate::table::Table;

pub(super) fn count_is_exact(source: &Source) -> Outcome {
    let count = source.open()?.count(&source.request())?;
    ensure!(count == source.target.rows, "{count} rows were counted, there are {}", source.target.rows);
    if !source.half()?.capabilities.range {
        return Ok(());
    }
    let keys = filter::ordered(source, &source.target.key)?.values(&source.target.key)?;
    let half = keys.len() / 2;
    let upper =
        Filter::Range { column: source.target.key.clone(), from: keys[half].clone(), to: None, include_null: false };
    let request = source.filtered(upper);
    let (count, read) = (source.open()?.count(&request)?, source.read(&request)?.row_count());
    ensure!(count == read, "{count} rows of a range were counted, {read} were read");
    Ok(())
}

fn bounds(source: &Source, above: Option<CursorValue>) -> BoundsRequest {
    let (query, column) = (source.target.query.clone(), source.target.key.clone());
    BoundsRequest { query, column, above, ..BoundsRequest::default() }
}

pub(super) fn bounds_are_those_of_the_rows(source: &Source) -> Outcome {
    let keys = filter::ordered(source, &source.target.key)?.values(&source.target.key)?;
    ensure!(keys.len() > 2, "there are too few rows");
    let (least, second, greatest) = (&keys[0], &keys[1], &keys[keys.len() - 1]);
    let mut handle = source.open()?;
    let all = handle.bounds(&bounds(source, None))?;
    ensure!((&all.min, &all.max) == (least, greatest), "bounds {all:?}, rows from {least:?} to {greatest:?}");
    let next = handle.bounds(&bounds(source, least.clone()))?;
    ensure!(&next.min == second, "the next above {least:?} is {:?}, not {second:?}", next.min);
    let none = handle.bounds(&bounds(source, greatest.clone()))?;
    ensure!(none.min.is_none() && none.max.is_none(), "there are bounds above the greatest value: {none:?}");
    // The kit's tables are small, but a source may know better.
    let frugal = handle.bounds(&BoundsRequest { frugal: true, ..bounds(source, None) })?;
    let is_same = (&frugal.min, &frugal.max) == (least, greatest);
    ensure!(is_same || frugal.declined.is_some(), "a frugal request answers {frugal:?} instead of {all:?}");
    // A source may have no clock. One that has shows microseconds since 1970, of this century.
    if let Some(now) = handle.bounds(&BoundsRequest { now: true, ..bounds(source, None) })?.now {
        let century = 946_684_800_000_000..4_102_444_800_000_000;
        ensure!(century.contains(&now), "the clock shows {now}, which is not in microseconds since 1970");
    }
    Ok(())
}

pub(super) fn snapshot_is_joined(source: &Source) -> Outcome {
    let whole = source.read(&source.request())?;
    let mut owner = source.open()?;
    let token = owner.snapshot()?;
    ensure!(!token.is_empty(), "the token is empty");
    let request = ReadRequest { snapshot: Some(token), ..source.request() };
    // Two at once, as parallel chunks do.
    let (mut one, mut two) = (source.open()?, source.open()?);
    let cancel = rivet_plugin_api::Cancel::new();
    let readers = (one.read(&request, &cancel)?, two.read(&request, &cancel)?);
    same_rows("the first reader of a snapshot", &whole, &drain(readers.0)?)?;
    same_rows("the second reader of a snapshot", &whole, &drain(readers.1)?)?;
    owner.close()?;
    Ok(())
}

pub(super) fn parts_of_a_split_cover_all_rows_once(source: &Source) -> Outcome {
    let whole = source.read(&source.request())?;
    let mut owner = source.open()?;
    let snapshot = if source.half()?.capabilities.snapshot { Some(owner.snapshot()?) } else { None };
    let request = SplitRequest {
        query: source.target.query.clone(),
        parts: 3,
        snapshot: snapshot.clone(),
        ..SplitRequest::default()
    };
    let split = owner.split(&request)?;
    if split.parts.is_empty() {
        ensure!(split.reason.is_some(), "there are no parts, and no reason why");
        return Ok(());
    }
    let mut batches = Vec::new();
    for filter in split.parts {
        batches.extend(source.read(&ReadRequest { snapshot: snapshot.clone(), ..source.filtered(filter) })?.batches);
    }
    same_rows("the parts of a split", &whole, &Table { schema: whole.schema.clone(), batches })?;
    owner.close()?;
    Ok(())
}

pub(super) fn tables_can_be_described(source: &Source) -> Outcome {
    let Some((schema, name)) = &source.target.table else { return Err("the target names no table".into()) };
    let mut handle = source.open()?;
    let schemas = schema.iter().cloned().collect();
    let tables = handle.tables(&TablesRequest { schemas, ..TablesRequest::default() })?.tables;
    let found = tables.iter().filter(|table| &table.schema == schema && &table.name == name).count();
    ensure!(found == 1, "table {schema:?}.{name} is listed {found} times");
    let stray = tables.iter().find(|table| &table.schema != schema);
    ensure!(stray.is_none(), "a table of another schema than {schema:?} is listed: {stray:?}");
    for table in tables.into_iter().filter(|table| !table.is_denied) {
        let request = DescribeRequest { query: table.query, ..DescribeRequest::default() };
        let columns = handle.describe(&request).map_err(|e| format!("table \"{}\": {e}", table.name))?.columns;
        for key in table.primary_key.iter().chain(&table.indexed) {
            ensure!(columns.iter().any(|column| &column.name == key), "\"{key}\" is no column of \"{}\"", table.name);
        }
    }
    let nowhere = TablesRequest { schemas: vec!["rivet kit 'nowhere'".into()], ..TablesRequest::default() };
    ensure!(handle.tables(&nowhere)?.tables.is_empty(), "a schema that does not exist has tables");
    Ok(())
}

pub(super) fn explain_shows_a_plan(source: &Source) -> Outcome {
    let explanation = source.open()?.explain(&source.request())?;
    ensure!(!explanation.plan.trim().is_empty(), "the plan is empty");
    Ok(())
}

pub(super) fn count_is_refused(source: &Source) -> Outcome {
    refused("\"count\"", source.open()?.count(&source.request()), Category::Unsupported).map(drop)
}

pub(super) fn bounds_are_refused(source: &Source) -> Outcome {
    refused("\"bounds\"", source.open()?.bounds(&bounds(source, None)), Category::Unsupported).map(drop)
}

pub(super) fn snapshot_is_refused(source: &Source) -> Outcome {
    refused("\"snapshot\"", source.open()?.snapshot(), Category::Unsupported).map(drop)
}

pub(super) fn split_is_refused(source: &Source) -> Outcome {
    let request = SplitRequest { query: source.target.query.clone(), parts: 2, ..SplitRequest::default() };
    refused("\"split\"", source.open()?.split(&request), Category::Unsupported).map(drop)
}

pub(super) fn tables_are_refused(source: &Source) -> Outcome {
    refused("\"tables\"", source.open()?.tables(&TablesRequest::default()), Category::Unsupported).map(drop)
}

pub(super) fn explain_is_refused(source: &Source) -> Outcome {
    refused("\"explain\"", source.open()?.explain(&source.request()), Category::Unsupported).map(drop)
}
