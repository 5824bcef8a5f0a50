//! The user's query: one statement that only reads, and the names and declared types of its columns.

use rivet_plugin_api::{Error, Result};
use rusqlite::{Connection, Statement};

use crate::error::driver;

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
}

impl Query {
    pub(crate) fn check(connection: &Connection, query: &str) -> Result<Self> {
        let text = single_statement(query)?;
        let statement = connection.prepare(text).map_err(driver)?;
        if !statement.readonly() {
            return Err(Error::permanent("the query writes").hint("a source only takes queries that read"));
        }
        if statement.parameter_count() > 0 {
            return Err(Error::permanent("the query holds an SQL parameter, which nothing binds")
                .hint("write values into the query, or use ${NAME} with --param"));
        }
        Ok(Self { text: text.to_owned(), columns: columns(&statement) })
    }

    /// The number of the column called `name`, which SQLite compares without regard to ASCII case.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        self.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let known: Vec<_> = self.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
            Error::config(format!("the query has no column \"{name}\""))
                .hint(format!("its columns are {}", known.join(", ")))
        })
    }
}

/// Names of a result repeat easily, as with joins; formats and overrides need them to differ.
fn columns(statement: &Statement<'_>) -> Vec<ResultColumn> {
    let given: Vec<&str> = statement.column_names().collect();
    let mut columns: Vec<ResultColumn> = Vec::with_capacity(given.len());
    for column in statement.columns() {
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
        columns.push(ResultColumn { name: unique, declared: declared.map(str::to_owned) });
    }
    columns
}

/// The one statement of `query`. What SQLite would run while preparing it, such as a PRAGMA, is refused by its first word.
fn single_statement(query: &str) -> Result<&str> {
    let mut end = 0;
    let mut first = None;
    let mut ended = false;
    for (start, token) in (Tokens { text: query, at: 0 }) {
        if token == ";" {
            ended = ended || first.is_some();
        } else if ended {
            return Err(Error::permanent("the query holds more than one statement").hint("keep one SELECT"));
        } else {
            first.get_or_insert(token);
            end = start + token.len();
        }
    }
    match first {
        None => Err(Error::permanent("the query is empty")),
        Some(word) if ["select", "with", "values"].iter().any(|k| word.eq_ignore_ascii_case(k)) => {
            // Semicolons before the statement are legal on their own, but not in parentheses.
            Ok(query[..end].trim_start_matches(|c: char| c == ';' || c.is_ascii_whitespace()))
        }
        Some(_) => Err(Error::permanent("the query is no SELECT").hint("begin it with SELECT, WITH or VALUES")),
    }
}

/// The pieces of SQL text that matter here: quoted text whole, words whole, any other character by itself; no comments.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            let length = match first {
                '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
                c if c.is_ascii_whitespace() || c == '\u{feff}' => c.len_utf8(),
                _ => {
                    let token = &rest[..token_length(rest, first)];
                    let start = self.at;
                    self.at += token.len();
                    return Some((start, token));
                }
            };
            self.at += length;
        }
    }
}

fn token_length(rest: &str, first: char) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    match first {
        // A doubled quote ends one token and begins the next, which is just as good here.
        '\'' | '"' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
        '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
        c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
        c => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_statement_is_cut() {
        for (query, text) in [
            ("SELECT 1", "SELECT 1"),
            ("SELECT 1 ;; -- end;\n ;", "SELECT 1"),
            ("SELECT 1 -- ; no\n, 2 /* ; */ ;", "SELECT 1 -- ; no\n, 2"),
            ("; values (';''--', \"a;b\", [c;d], `e;f`);", "values (';''--', \"a;b\", [c;d], `e;f`)"),
            ("/* a */ WITH x AS (SELECT 1) SELECT * FROM x /* open", "/* a */ WITH x AS (SELECT 1) SELECT * FROM x"),
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
