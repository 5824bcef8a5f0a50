//! The mode for a table, from its columns, keys and size, and the reason in one sentence.

use rivet_plugin_api::Column;

use super::survey::{Found, is_integer, is_time};

/// From here on a table is read in ranges of its key, so that a failure costs one range and no statement runs for long.
const LARGE_ROWS: u64 = 500_000;
const LARGE_BYTES: u64 = 512 << 20;

/// Names of columns that change whenever their row does, without case and underscores; the surest first.
const CHANGE: [&str; 22] = [
    "updatedat",
    "modifiedat",
    "lastmodifiedat",
    "lastupdatedat",
    "changedat",
    "lastmodified",
    "lastupdated",
    "lastupdate",
    "lastchanged",
    "updated",
    "modified",
    "changed",
    "updatedon",
    "modifiedon",
    "updatetime",
    "updatedtime",
    "modifytime",
    "modifiedtime",
    "dateupdated",
    "datemodified",
    "modificationdate",
    "mtime",
];
/// Names of columns that are set once, when the row is added.
const BIRTH: [&str; 9] = [
    "createdat",
    "created",
    "createdon",
    "createtime",
    "datecreated",
    "insertedat",
    "addedat",
    "occurredat",
    "eventtime",
];

/// How a table is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Chosen {
    Full,
    Incremental(String),
    Chunked(String),
}

impl Chosen {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental(_) => "incremental",
            Self::Chunked(_) => "chunked",
        }
    }
}

/// A mode, and what to say about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Choice {
    pub(super) mode: Chosen,
    pub(super) reason: String,
    /// A column by which new rows can be told, for tables whose rows never change.
    pub(super) grows: Option<String>,
    /// What is doubtful.
    pub(super) warnings: Vec<String>,
}

pub(super) fn choose(found: &Found) -> Choice {
    let table = &found.table;
    let choice = |mode, reason: String| Choice { mode, reason, grows: None, warnings: Vec::new() };
    if table.is_view {
        return choice(Chosen::Full, "a view has neither key nor index".to_owned());
    }
    let mut choice = match (change(found), splitter(found)) {
        (Some(column), _) => {
            let name = column.name.clone();
            let mut choice =
                choice(Chosen::Incremental(name.clone()), "its name says that every change moves it".to_owned());
            if is_indexed(found, &name) {
                choice.reason = format!("{}, and an index finds new values", choice.reason);
            } else if is_large(found) {
                choice.warnings.push(format!("no index begins with \"{name}\": every run reads the whole table"));
            }
            if column.nullable {
                choice
                    .warnings
                    .push(format!("\"{name}\" can be NULL: rows without a value come with the first run only"));
            }
            choice
        }
        (None, Some(column)) if is_large(found) => Choice {
            grows: growing(found),
            ..choice(Chosen::Chunked(column.to_owned()), "large, and no column tells what has changed".to_owned())
        },
        (None, _) => {
            let size = if is_large(found) { "large" } else { "small" };
            let mut choice = Choice {
                grows: growing(found),
                ..choice(Chosen::Full, format!("{size}, and no column tells what has changed"))
            };
            if is_large(found) {
                choice.warnings.push("no indexed whole number to split it by: one statement reads it all".to_owned());
            }
            choice
        }
    };
    if table.primary_key.is_empty() {
        choice.warnings.push("no primary key: rows that arrive twice cannot be told apart".to_owned());
    }
    choice
}

fn is_large(found: &Found) -> bool {
    found.table.rows.is_some_and(|rows| rows >= LARGE_ROWS) || found.table.bytes.is_some_and(|b| b >= LARGE_BYTES)
}

fn is_indexed(found: &Found, column: &str) -> bool {
    found.table.indexed.iter().any(|indexed| indexed == column)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The column that shows changes: an indexed one before others, then the surest name.
fn change(found: &Found) -> Option<&Column> {
    let rank = |column: &Column| CHANGE.iter().position(|name| *name == plain(&column.name));
    let fits = |column: &&Column| is_time(column) || is_integer(column);
    let candidates = found.columns.iter().filter(fits).filter_map(|column| Some((rank(column)?, column)));
    candidates.min_by_key(|(rank, column)| (!is_indexed(found, &column.name), *rank)).map(|(_, column)| column)
}

/// The column to split the table by: its key, or another indexed whole number without NULL.
fn splitter(found: &Found) -> Option<&str> {
    let number = |name: &&String| found.columns.iter().any(|c| &c.name == *name && is_integer(c));
    let filled = |name: &&String| found.columns.iter().any(|c| &c.name == *name && !c.nullable);
    if let [key] = found.table.primary_key.as_slice()
        && number(&key)
        && is_indexed(found, key)
    {
        return Some(key);
    }
    found.table.indexed.iter().filter(number).find(filled).map(String::as_str)
}

/// The column that only grows as rows are added: an indexed time of birth, or the key.
fn growing(found: &Found) -> Option<String> {
    let born = found.columns.iter().filter(|c| is_time(c) && is_indexed(found, &c.name));
    let born = born.filter(|c| BIRTH.contains(&plain(&c.name).as_str())).map(|c| c.name.as_str()).next();
    let key = match found.table.primary_key.as_slice() {
        [key] => found.columns.iter().find(|c| &c.name == key && is_integer(c)).map(|c| c.name.as_str()),
        _ => None,
    };
    key.or(born).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rivet_plugin_api::Table;

    use super::*;

    fn column(name: &str, arrow_type: &str) -> Column {
        Column { name: name.to_owned(), arrow_type: arrow_type.to_owned(), ..Column::default() }
    }

    fn orders(rows: u64, indexed: &[&str], columns: &[(&str, &str)]) -> Found {
        let table = Table {
            name: "orders".to_owned(),
            rows: Some(rows),
            primary_key: vec!["id".to_owned()],
            indexed: indexed.iter().map(|&name| name.to_owned()).collect(),
            ..Table::default()
        };
        let id = [("id", "Int64")];
        let columns = id.iter().chain(columns).map(|(name, arrow_type)| column(name, arrow_type)).collect();
        Found { table, columns, ..Found::default() }
    }

    const TIME: &str = "Timestamp(µs)";

    #[test]
    fn a_column_that_shows_changes_wins() {
        let found = orders(10, &["id", "modified"], &[("updatedAt", TIME), ("modified", TIME)]);
        assert_eq!(choose(&found).mode, Chosen::Incremental("modified".to_owned()));
        let found = orders(10, &["id"], &[("modified", TIME), ("UPDATED_AT", TIME)]);
        assert_eq!(choose(&found).mode, Chosen::Incremental("UPDATED_AT".to_owned()));
        assert!(choose(&found).warnings.is_empty());
        let found = orders(LARGE_ROWS, &["id"], &[("updated_at", TIME)]);
        assert_eq!(choose(&found).warnings, ["no index begins with \"updated_at\": every run reads the whole table"]);
        // A day that is not over yet would hide the rest of its rows, and text may be anything.
        let found = orders(10, &["id"], &[("updated_at", "Date32"), ("modified", "Utf8"), ("changed", "Boolean")]);
        assert_eq!(choose(&found).mode, Chosen::Full);
    }

    #[test]
    fn large_tables_are_split_by_their_key() {
        let found = orders(LARGE_ROWS, &["id"], &[("created_at", TIME)]);
        let choice = choose(&found);
        assert_eq!((&choice.mode, choice.grows.as_deref()), (&Chosen::Chunked("id".to_owned()), Some("id")));
        let mut by_bytes = orders(3, &["id"], &[]);
        by_bytes.table.bytes = Some(LARGE_BYTES);
        assert_eq!(choose(&by_bytes).mode, Chosen::Chunked("id".to_owned()));
        let mut keyless = orders(LARGE_ROWS, &[], &[]);
        keyless.table.primary_key.clear();
        let choice = choose(&keyless);
        assert_eq!((choice.mode, choice.warnings.len()), (Chosen::Full, 2));
        let mut named = orders(LARGE_ROWS, &["code", "part"], &[("part", "Int32")]);
        named.table.primary_key = vec!["code".to_owned()];
        assert_eq!(choose(&named).mode, Chosen::Chunked("part".to_owned()));
        named.columns[1].nullable = true;
        assert_eq!(choose(&named).mode, Chosen::Full);
    }

    #[test]
    fn small_tables_and_views_are_read_whole() {
        let choice = choose(&orders(LARGE_ROWS - 1, &["id"], &[]));
        assert_eq!((choice.mode, choice.grows.as_deref()), (Chosen::Full, Some("id")));
        let mut view = orders(LARGE_ROWS, &["id"], &[("updated_at", TIME)]);
        view.table.is_view = true;
        assert_eq!(choose(&view).mode, Chosen::Full);
    }
}
