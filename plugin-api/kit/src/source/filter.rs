//! Filters: the parts that a filter cuts out make up the whole, and no row comes twice.

use libtest_mimic::Failed;
use rivet_plugin_api::{Category, CursorValue, Filter, ReadRequest, TimeEncoding};

use super::{Source, same_rows};
use crate::check::{ensure, refused};
use crate::suite::Outcome;
use crate::table::Table;

/// Bounds of three parts: up to the first, up to the second, the rest.
fn cuts(source: &Source, column: &str) -> Result<[Option<CursorValue>; 4], Failed> {
    let values: Vec<CursorValue> = ordered(source, column)?.values(column)?.into_iter().flatten().collect();
    ensure!(values.len() >= 6, "column \"{column}\" has too few values to cut: {}", values.len());
    let at = |n: usize| Some(values[values.len() * n / 3].clone());
    Ok([None, at(1), at(2), None])
}

/// All rows in the connector's order of a column.
pub(super) fn ordered(source: &Source, column: &str) -> Result<Table, Failed> {
    source.read(&ReadRequest { order_by: vec![column.to_owned()], ..source.request() })
}

/// Reads the parts and compares their union with an unfiltered read.
fn cover(source: &Source, what: &str, filters: impl IntoIterator<Item = Filter>) -> Outcome {
    let whole = source.read(&source.request())?;
    let mut union = Table { schema: whole.schema.clone(), batches: Vec::new() };
    for filter in filters {
        let part = source.read(&source.filtered(filter))?;
        ensure!(part.schema == whole.schema, "{what}: a part has another schema than the whole");
        ensure!(part.row_count() > 0, "{what}: a part that must have rows has none");
        union.batches.extend(part.batches);
    }
    same_rows(what, &whole, &union)
}

fn windows(column: &str, cuts: &[Option<CursorValue>], include_null: bool) -> Vec<Filter> {
    let window = |(i, pair): (usize, &[Option<CursorValue>])| Filter::Window {
        column: column.to_owned(),
        after: pair[0].clone(),
        upto: pair[1].clone(),
        include_null: include_null && i == 0,
    };
    cuts.windows(2).enumerate().map(window).collect()
}

fn ranges(column: &str, cuts: &[Option<CursorValue>], include_null: bool) -> Vec<Filter> {
    let range = |(i, pair): (usize, &[Option<CursorValue>])| Filter::Range {
        column: column.to_owned(),
        from: pair[0].clone(),
        to: pair[1].clone(),
        include_null: include_null && i == 0,
    };
    cuts.windows(2).enumerate().map(range).collect()
}

type Cut = fn(&str, &[Option<CursorValue>], bool) -> Vec<Filter>;

fn covers_by(source: &Source, what: &str, cut: Cut) -> Outcome {
    let key = &source.target.key;
    cover(source, what, cut(key, &cuts(source, key)?, false))?;
    let Some(column) = &source.target.nullable_key else { return Ok(()) };
    let bounds = cuts(source, column)?;
    cover(source, &format!("{what} with NULL"), cut(column, &bounds, true))?;
    let whole = source.read(&source.request())?;
    let nulls = whole.values(column)?.iter().filter(|value| value.is_none()).count() as u64;
    ensure!(nulls > 0, "column \"{column}\" has no NULL: name another nullable_key");
    let mut rows = 0;
    for filter in cut(column, &bounds, false) {
        rows += source.read(&source.filtered(filter))?.row_count();
    }
    ensure!(rows + nulls == source.target.rows, "{what} without NULL have {rows} rows, {nulls} hold NULL");
    Ok(())
}

pub(super) fn windows_cover_all_rows_once(source: &Source) -> Outcome {
    covers_by(source, "windows", windows)?;
    let key = &source.target.key;
    let [_, cut, ..] = cuts(source, key)?;
    let nothing = windows(key, &[cut.clone(), cut.clone()], false);
    let rows = source.read(&source.filtered(nothing[0].clone()))?.row_count();
    ensure!(rows == 0, "a window whose bounds are equal has {rows} rows");
    let upto = source.read(&source.filtered(windows(key, &[None, cut.clone()], false)[0].clone()))?;
    ensure!(upto.values(key)?.contains(&cut), "a window lacks the row at its upper bound");
    Ok(())
}

pub(super) fn ranges_cover_all_rows_once(source: &Source) -> Outcome {
    covers_by(source, "ranges", ranges)?;
    let key = &source.target.key;
    let [_, cut, ..] = cuts(source, key)?;
    let from = source.read(&source.filtered(ranges(key, &[cut.clone(), None], false)[0].clone()))?;
    ensure!(from.values(key)?.contains(&cut), "a range lacks the row at its lower bound");
    Ok(())
}

pub(super) fn dense_chunks_cover_all_rows_once(source: &Source) -> Outcome {
    let (key, rows) = (&source.target.key, source.target.rows);
    let dense = |from, to| Filter::Dense { order_by: key.clone(), from, to };
    let (first, second) = (rows / 3, rows / 2);
    cover(source, "dense chunks", [dense(0, first), dense(first, second), dense(second, rows)])?;
    let count = source.read(&source.filtered(dense(first, second)))?.row_count();
    ensure!(count == second - first, "a dense chunk has {count} rows of {}", second - first);
    let beyond = source.read(&source.filtered(dense(rows, rows + 10)))?.row_count();
    ensure!(beyond == 0, "{beyond} rows are beyond the last");
    Ok(())
}

pub(super) fn since_counts_right(source: &Source) -> Outcome {
    let Some(since) = &source.target.since else {
        return Err("\"since\" is announced: the target must name a time filter of known result".into());
    };
    let (column, instant, encoding) = (since.column.clone(), since.instant, since.encoding);
    let rows = source.read(&source.filtered(Filter::Since { column, instant, encoding }))?.row_count();
    ensure!(rows == since.rows, "{rows} rows are since the instant, {} are known to be", since.rows);
    Ok(())
}

fn is_refused(source: &Source, filter: Filter) -> Outcome {
    refused("a filter that is not announced", source.attempt(&source.filtered(filter)), Category::Unsupported).map(drop)
}

pub(super) fn window_is_refused(source: &Source) -> Outcome {
    is_refused(source, windows(&source.target.key, &[None, None], false)[0].clone())
}

pub(super) fn range_is_refused(source: &Source) -> Outcome {
    is_refused(source, ranges(&source.target.key, &[None, None], false)[0].clone())
}

pub(super) fn dense_is_refused(source: &Source) -> Outcome {
    is_refused(source, Filter::Dense { order_by: source.target.key.clone(), from: 0, to: 1 })
}

pub(super) fn since_is_refused(source: &Source) -> Outcome {
    let (column, encoding) = (source.target.key.clone(), TimeEncoding::Unix);
    is_refused(source, Filter::Since { column, instant: 0, encoding })
}
