//! The user's query: one statement that only reads, and the names of its columns with what their tables declare.

use rivet_plugin_api::{Error, Params, Result};
use rivet_plugin_base::sql::{Dialect, Tokens, bind, place, statement, unbind};
use rusqlite::{Connection, Statement};

use crate::error::of_query;

/// A checked query.
pub(crate) struct Query {
    /// The statement without trailing semicolons and comments, so that it can stand in parentheses.
    pub(crate) text: String,
    /// Its columns in order.
    pub(crate) columns: Vec<ResultColumn>,
}

/// One column of the result.
pub(crate) struct ResultColumn {
    /// The name, unique in the result.
    pub(crate) name: String,
    /// The type in the table's definition; absent for an expression and for a column declared without one.
    pub(crate) declared: Option<String>,
    /// Whether the table lets it be NULL; absent for an expression.
    pub(crate) nullable: Option<bool>,
}

impl Query {
    /// Checks `query`, with the values of its parameters in place.
    pub(crate) fn check(connection: &Connection, query: &str, params: &Params) -> Result<Self> {
        let bound = bind(query, params, Dialect::Sqlite, |value| Ok(literal(value)))?;
        let text = single_statement(&bound)?;
        let start = text.as_ptr().addr() - bound.as_ptr().addr();
        // What was bound before can be bound again.
        let origin = |at: usize| {
            unbind(query, params, Dialect::Sqlite, |value| Ok(literal(value)), start + at).unwrap_or_default()
        };
        tracing::debug!("sql to parse: {text}");
        let statement = connection.prepare(text).map_err(|e| of_query(e, query, origin))?;
        if !statement.readonly() {
            return Err(Error::permanent("the query writes").hint("a source only takes queries that read"));
        }
        if statement.parameter_count() > 0 {
            return Err(Error::permanent("the query holds an SQL parameter, which nothing binds")
                .hint("write `:name`, and declare its value under `params` of the export"));
        }
        Ok(Self { text: text.to_owned(), columns: columns(connection, &statement) })
    }

    /// The number of the column that the user calls `name`.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        place(self.columns.iter().map(|c| c.name.as_str()), name)
    }
}

/// `text` as an expression. The tokenizer takes NUL for the end of the statement, so that a function has to make it.
fn literal(text: &str) -> String {
    let pieces: Vec<_> = text.split('\0').map(|piece| format!("'{}'", piece.replace('\'', "''"))).collect();
    if let [whole] = &pieces[..] { whole.clone() } else { format!("({})", pieces.join(" || char(0) || ")) }
}

/// Names of a result repeat easily, as with joins; formats and overrides need them to differ.
fn columns(connection: &Connection, statement: &Statement<'_>) -> Vec<ResultColumn> {
    let given: Vec<&str> = statement.column_names().collect();
    let mut columns: Vec<ResultColumn> = Vec::with_capacity(given.len());
    for (index, column) in statement.columns().enumerate() {
        let name = column.name();
        let taken = |name: &str| columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        let unique = if taken(name) {
            let free = |name: &String| !taken(name) && !given.iter().any(|g| g.eq_ignore_ascii_case(name));
            // Fewer names are taken than are tried here.
            let renamed = (2..=2 * given.len() + 2).map(|n| format!("{name}_{n}")).find(free).unwrap_or_default();
            tracing::warn!("the query returns more than one column \"{name}\": a later one becomes \"{renamed}\"");
            renamed
        } else {
            name.to_owned()
        };
        let declared = column.decl_type().map(str::trim).filter(|t| !t.is_empty() && !t.eq_ignore_ascii_case("any"));
        let nullable = nullable(connection, statement, index);
        columns.push(ResultColumn { name: unique, declared: declared.map(str::to_owned), nullable });
    }
    columns
}

/// What the table declares of a column. A table-valued function has none that could be asked.
fn nullable(connection: &Connection, statement: &Statement<'_>, index: usize) -> Option<bool> {
    let (database, table, _, _, _, is_not_null, is_key, _) = statement.column_metadata(index).ok()??;
    if is_not_null || !is_key {
        return Some(!is_not_null);
    }
    // Of the keys only the alias of the rowid, which has no index of its own, takes no NULL by itself.
    let has_index = "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?1, ?2) WHERE origin = 'pk')";
    let names = [table.to_str().ok()?, database.to_str().ok()?];
    connection.query_row(has_index, names, |row| row.get(0)).ok()
}

/// The one statement of `query`, without what surrounds it, so that it can stand in parentheses. What SQLite would run
/// while preparing it, such as a PRAGMA, is refused by its first word.
fn single_statement(query: &str) -> Result<&str> {
    let text = statement(query, Dialect::Sqlite)?;
    let first = Tokens::new(text, Dialect::Sqlite).next().transpose()?;
    if first.is_some_and(|first| ["select", "with", "values"].iter().any(|word| first.is(word))) {
        return Ok(text);
    }
    Err(Error::permanent("the query is no SELECT").hint("begin it with SELECT, WITH or VALUES"))
}

#[cfg(test)]
mod tests {
    use rivet_plugin_api::ParamValue;

    use super::*;

    #[test]
    fn values_cannot_break_out() {
        assert_eq!(literal("o'\\\"; --"), "'o''\\\"; --'");
        assert_eq!(literal("a\0'b"), "('a' || char(0) || '''b')");
    }

    #[test]
    fn errors_name_the_place_in_what_the_user_wrote() {
        let params =
            Params::from([("a", "it''s é"), ("b", "")].map(|(k, v)| (k.to_owned(), ParamValue::Text(v.to_owned()))));
        let none = Params::default();
        let connection = Connection::open_in_memory().unwrap();
        for (query, params, place) in [
            ("SELECT nope", &none, "line 1, column 8"),
            ("-- é\n /* two\n lines */ SELECT 1,\n  nope ;", &none, "line 4, column 3"),
            ("-- why\nSELECT :a AS a, :b || nope AS é,\n  1", &params, "line 2, column 23"),
            ("SELECT :a, :b FROM\n  (SELECT 1) WHERE :b = nope", &params, "line 2, column 25"),
        ] {
            let error = Query::check(&connection, query, params).err().unwrap();
            assert_eq!(error.message(), format!("no such column: nope at {place}"), "{query}");
        }
    }

    #[test]
    fn what_surrounds_the_statement_is_cut() {
        for (query, text) in [
            ("SELECT 1 ;; -- end;\n ;", "SELECT 1"),
            ("; values (';''--', \"a;b\", [c;d], `e;f`);", "values (';''--', \"a;b\", [c;d], `e;f`)"),
            ("/* a */ WITH x AS (SELECT 1) SELECT * FROM x /* open", "WITH x AS (SELECT 1) SELECT * FROM x"),
        ] {
            assert_eq!(single_statement(query).unwrap(), text);
        }
    }

    #[test]
    fn what_is_not_one_select_is_refused() {
        for query in [
            "",
            " ; -- x",
            "SELECT 1; SELECT 2",
            "PRAGMA query_only=OFF",
            "DELETE FROM t",
            "EXPLAIN SELECT 1",
            "ATTACH 'x' AS y",
        ] {
            assert!(single_statement(query).is_err(), "{query}");
        }
    }
}
