//! Cuts a query of one table into parts by the table's pages, which the server reads in no order and without an index.
//! A part is the user's query with one more condition, on `ctid`, so columns and values stay what they are.
//!
//! Servers before version 14 scan the whole table for such a condition: there an integer primary key cuts the table.

use std::borrow::Cow;

use rivet_plugin_api::{Error, Filter, Result, Split, SplitRequest};
use serde::{Deserialize, Serialize};

use self::query::Query;
use self::table::Table;
use crate::session::major_version;
use crate::wire::Connection;

mod plan;
mod query;
mod table;

/// Fewer pages than this are not worth another connection.
const PART_PAGES: u64 = 64;
/// The first version that finds the rows of a range of pages without reading all the others.
const RANGE_SCANS: u32 = 14;
/// Why a cut does not pay.
const BY_INDEX: &str = "the server finds the rows by an index, not by reading the table";

/// Which rows of a table; what [`Filter::Part`] holds as JSON. An absent bound is open, so that no row is lost where
/// the table has grown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Piece {
    /// Those on pages from the first number to below the second, of every partition.
    Pages(Option<u64>, Option<u64>),
    /// Those whose key, the column of this name, is from the first number to below the second.
    Keys(String, Option<i64>, Option<i64>),
}

impl Piece {
    /// Reads the token of a [`Filter::Part`].
    pub(crate) fn read(token: &str) -> Result<Self> {
        serde_json::from_str(token).map_err(|_| {
            Error::config("the part of a split is not one of this connector").hint("split the query again")
        })
    }

    fn filter(&self) -> Result<Filter> {
        let token = serde_json::to_string(self).map_err(|e| Error::internal(format!("a part has no token: {e}")))?;
        Ok(Filter::Part { token })
    }

    /// As a condition of the table's query.
    fn condition(&self) -> String {
        let terms = match self {
            Self::Pages(from, to) => {
                let page = |page: u64, operator: &str| format!("ctid {operator} '({page},0)'::pg_catalog.tid");
                [from.map(|from| page(from, ">=")), to.map(|to| page(to, "<"))]
            }
            Self::Keys(key, from, to) => {
                let key = format!("\"{}\"", key.replace('"', "\"\""));
                let compare = |value: i64, operator: &str| format!("{key} {operator} '{value}'::pg_catalog.int8");
                [from.map(|from| compare(from, ">=")), to.map(|to| compare(to, "<"))]
            }
        };
        let terms: Vec<String> = terms.into_iter().flatten().collect();
        if terms.is_empty() { "true".to_owned() } else { terms.join(" AND ") }
    }
}

impl Query {
    /// The query for one piece of its table.
    pub(crate) fn piece(&self, piece: &Piece) -> String {
        self.with(&piece.condition())
    }
}

/// A query whose table can be read range by range.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) query: Query,
    /// Of the longest relation when it was asked for; tables grow.
    pub(crate) length: u64,
    /// Bytes stored for one page, values out of line included.
    pub(crate) page_bytes: u64,
}

/// What `filter` leaves of `query`: of a part only the rows, no filter.
pub(crate) fn resolve<'a>(query: &'a str, filter: &Filter) -> Result<(Cow<'a, str>, Filter)> {
    let Filter::Part { token } = filter else { return Ok((Cow::Borrowed(query), filter.clone())) };
    let piece = Piece::read(token)?;
    match query::parse(query)? {
        Ok(query) => Ok((Cow::Owned(query.piece(&piece)), Filter::All)),
        Err(reason) => Err(Error::config(format!("{reason}, so it has no parts")).hint("split the query again")),
    }
}

/// Keeps the table from being rewritten until the transaction ends. Rows would move to other pages, and the parts that
/// are read before and after could miss or repeat them. Planning takes the lock, on all partitions.
pub(crate) fn hold(connection: &mut Connection, query: &str) -> Result<()> {
    connection.query(&format!("EXPLAIN {query}")).map(drop)
}

/// Cuts the query of `request`, which the server accepts.
///
/// The parts are whole only in one snapshot, whose transaction [`hold`]s the table.
pub(crate) fn split(connection: &mut Connection, request: &SplitRequest) -> Result<Split> {
    let pieces = match cut(connection, request)? {
        Ok(pieces) => pieces,
        Err(reason) => return Ok(Split { parts: Vec::new(), reason: Some(reason) }),
    };
    let parts =
        if pieces.len() > 1 { pieces.iter().map(Piece::filter).collect::<Result<_>>()? } else { vec![Filter::All] };
    Ok(Split { parts, reason: None })
}

fn cut(connection: &mut Connection, request: &SplitRequest) -> Result<Result<Vec<Piece>, String>> {
    let Whole { query, table, scans } = match one_table(connection, &request.query)? {
        Ok(whole) => whole,
        Err(reason) => return Ok(Err(reason)),
    };
    let wanted = u64::try_from(request.parts).unwrap_or(u64::MAX);
    let parts = (table.pages() / PART_PAGES).clamp(1, wanted.max(1));
    if parts == 1 {
        return Ok(Ok(vec![Piece::Pages(None, None)]));
    }
    if has_range_scans(connection) {
        let pieces = page_ranges(&table, parts);
        return Ok(scans_pages(connection, &query, &table, &pieces[0])?.map(|()| pieces));
    }
    if !scans.iter().any(|scan| scan == "Seq Scan") {
        return Ok(Err(BY_INDEX.to_owned()));
    }
    let Some((key, least, greatest)) = table.integer_key(connection)? else {
        return Ok(Err("the server is older than version 14, and the table has no integer key".to_owned()));
    };
    let pieces = key_ranges(&key, least, greatest, parts);
    Ok(plan::scans(connection, &query.piece(&pieces[0]), &table)?.and_then(|scans| {
        // A small partition may be scanned whole even so.
        let by_key = scans.iter().any(|scan| scan.starts_with("Index") || scan.starts_with("Bitmap"));
        if by_key { Ok(pieces) } else { Err("the server would scan the whole table for each part".to_owned()) }
    }))
}

/// Whether the server reads only the pages of `piece`; if not, the parts together would cost more than the whole.
fn scans_pages(connection: &mut Connection, query: &Query, table: &Table, piece: &Piece) -> Result<Result<(), String>> {
    Ok(plan::scans(connection, &query.piece(piece), table)?.and_then(|scans| {
        let by_page = scans.iter().any(|scan| scan == "Tid Range Scan");
        if by_page { Ok(()) } else { Err(BY_INDEX.to_owned()) }
    }))
}

fn has_range_scans(connection: &Connection) -> bool {
    major_version(connection).is_some_and(|version| version >= RANGE_SCANS)
}

/// A query taken apart, its table, and how the server scans that.
struct Whole {
    query: Query,
    table: Table,
    scans: plan::Scans,
}

/// Takes `query` apart; the inner error says, for the user, what else the server does for it than scan one table.
fn one_table(connection: &mut Connection, query: &str) -> Result<Result<Whole, String>> {
    let query = match query::parse(query)? {
        Ok(query) => query,
        Err(reason) => return Ok(Err(reason)),
    };
    let table = match Table::find(connection, &query)? {
        Ok(table) => table,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(plan::scans(connection, &query.whole(), &table)?.map(|scans| Whole { query, table, scans }))
}

/// What it takes to read `query` range by range of pages; `None` where that costs more than reading it at once.
pub(crate) fn pages(connection: &mut Connection, query: &str) -> Result<Option<Pages>> {
    if !has_range_scans(connection) {
        return Ok(None);
    }
    let Ok(Whole { query, table, .. }) = one_table(connection, query)? else { return Ok(None) };
    let (length, page_bytes) = (table.length(), table.page_bytes());
    let half = Piece::Pages(None, Some((length / 2).max(1)));
    Ok(scans_pages(connection, &query, &table, &half)?.ok().map(|()| Pages { query, length, page_bytes }))
}

/// Ranges with about as many pages each, over all relations together.
fn page_ranges(table: &Table, parts: u64) -> Vec<Piece> {
    let up_to = |page: u64| table.relations.iter().map(|relation| relation.pages.min(page)).sum::<u64>();
    let bound = |part: u64| {
        let wanted = u128::from(table.pages()) * u128::from(part) / u128::from(parts);
        let (mut low, mut high) = (0, table.length());
        while low < high {
            let middle = low + (high - low) / 2;
            if u128::from(up_to(middle)) < wanted { low = middle + 1 } else { high = middle }
        }
        low
    };
    let mut bounds: Vec<u64> = (1..parts).map(bound).collect();
    bounds.dedup();
    between(&bounds).map(|(from, to)| Piece::Pages(from, to)).collect()
}

/// Ranges of equal width between the least and the greatest key.
fn key_ranges(key: &str, least: i64, greatest: i64, parts: u64) -> Vec<Piece> {
    let width = i128::from(greatest) - i128::from(least) + 1;
    let bound = |part| i128::from(least) + width * i128::from(part) / i128::from(parts);
    let mut bounds: Vec<i64> = (1..parts).filter_map(|part| i64::try_from(bound(part)).ok()).collect();
    bounds.dedup();
    between(&bounds).map(|(from, to)| Piece::Keys(key.to_owned(), from, to)).collect()
}

/// The half-open ranges that `bounds` cut everything into; the first and the last one have an open end.
fn between<T: Copy>(bounds: &[T]) -> impl Iterator<Item = (Option<T>, Option<T>)> {
    (0..=bounds.len()).map(|part| (part.checked_sub(1).map(|before| bounds[before]), bounds.get(part).copied()))
}

#[cfg(test)]
mod tests;
