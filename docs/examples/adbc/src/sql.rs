//! The SQL around the user's query, which becomes a derived table: whatever it is, it can only be read from.

use rivet_plugin_api::{CursorValue, Error, Filter, ReadRequest, Result};

use crate::options::Dialect;

/// A statement and the values of its parameters.
#[derive(Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) values: Vec<CursorValue>,
}

impl Dialect {
    fn quoted(self, name: &str) -> String {
        let quote = match self {
            Self::Ansi => "\"",
            Self::Mysql => "`",
        };
        format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
    }

    fn parameter(self, number: usize) -> String {
        match self {
            Self::Ansi => format!("${number}"),
            Self::Mysql => "?".to_owned(),
        }
    }
}

/// `SELECT what FROM (query) WHERE filter`.
pub(crate) fn select(dialect: Dialect, what: &str, query: &str, filter: &Filter) -> Result<Statement> {
    let query = single_statement(query, dialect)?;
    let mut statement = Statement { sql: format!("SELECT {what} FROM (\n{query}\n) AS rivet"), values: Vec::new() };
    let (column, low, high, include_null) = match filter {
        Filter::All => return Ok(statement),
        Filter::Window { column, after, upto, include_null } => (column, (after, ">"), (upto, "<="), *include_null),
        Filter::Range { column, from, to, include_null } => (column, (from, ">="), (to, "<"), *include_null),
        _ => return Err(Error::unsupported("an ADBC source knows windows and ranges alone")),
    };
    let column = dialect.quoted(column);
    let mut conditions = Vec::new();
    for (bound, operator) in [low, high] {
        if let Some(value) = bound {
            statement.values.push(value.clone());
            conditions.push(format!("{column} {operator} {}", dialect.parameter(statement.values.len())));
        }
    }
    if conditions.is_empty() {
        conditions.push(format!("{column} IS NOT NULL"));
    }
    let mut condition = conditions.join(" AND ");
    if include_null {
        condition = format!("({condition}) OR {column} IS NULL");
    }
    statement.sql += &format!(" WHERE {condition}");
    Ok(statement)
}

/// What `request` reads.
pub(crate) fn read(dialect: Dialect, request: &ReadRequest) -> Result<Statement> {
    let list = |names: &[String]| names.iter().map(|name| dialect.quoted(name)).collect::<Vec<_>>().join(", ");
    let what = request.columns.as_deref().map_or_else(|| "*".to_owned(), list);
    let mut statement = select(dialect, &what, &request.query, &request.filter)?;
    if !request.order_by.is_empty() {
        statement.sql += &format!(" ORDER BY {}", list(&request.order_by));
    }
    Ok(statement)
}

/// The least and the greatest value of a column, above `above` when it is given.
pub(crate) fn bounds(dialect: Dialect, query: &str, column: &str, above: Option<&CursorValue>) -> Result<Statement> {
    let name = dialect.quoted(column);
    let filter = match above {
        None => Filter::All,
        Some(value) => {
            Filter::Window { column: column.to_owned(), after: Some(value.clone()), upto: None, include_null: false }
        }
    };
    select(dialect, &format!("min({name}) AS low, max({name}) AS high"), query, &filter)
}

/// The one statement of `query`, without what stands behind its `;`.
fn single_statement(query: &str, dialect: Dialect) -> Result<&str> {
    let bytes = query.as_bytes();
    let (mut at, mut start, mut end, mut is_over) = (0, None, 0, false);
    while at < bytes.len() {
        let next = skip_token(query, at, dialect)?;
        match bytes[at] {
            c if c.is_ascii_whitespace() || is_comment(&query[at..]) => {}
            b';' => is_over = start.is_some(),
            _ if is_over => {
                return Err(Error::permanent("the query holds more than one statement")
                    .hint("write one SELECT per export; nothing may follow the \";\""));
            }
            _ => {
                start.get_or_insert(at);
                end = next;
            }
        }
        at = next;
    }
    let start = start.ok_or_else(|| Error::permanent("the query is empty"))?;
    Ok(&query[start..end])
}

fn is_comment(rest: &str) -> bool {
    rest.starts_with("--") || rest.starts_with("/*")
}

/// Where the quoted piece, comment or character at `at` ends.
fn skip_token(query: &str, at: usize, dialect: Dialect) -> Result<usize> {
    let rest = &query[at..];
    let first = rest.chars().next().map_or(1, char::len_utf8);
    if rest.starts_with("--") {
        return Ok(at + rest.find('\n').unwrap_or(rest.len()));
    }
    let close = match rest.as_bytes()[0] {
        b'/' if rest.starts_with("/*") => "*/",
        b'\'' => "'",
        b'"' => "\"",
        b'`' => "`",
        b'$' if dialect == Dialect::Ansi => match dollar_tag(rest) {
            Some(tag) => tag,
            None => return Ok(at + first),
        },
        _ => return Ok(at + first),
    };
    let open = if close == "*/" { 2 } else { close.len() };
    match rest[open..].find(close) {
        Some(length) => Ok(at + open + length + close.len()),
        None => Err(Error::permanent(format!("the query has a {close} that is missing"))),
    }
}

/// `$$` or `$tag$` at the start of `text`.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[1..end - 1];
    let is_name =
        tag.chars().all(|c| c.is_alphanumeric() || c == '_') && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_name.then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_is_found_between_comments_and_semicolons() {
        let of = |query| single_statement(query, Dialect::Ansi);
        let odd = "select ';', \"--\", $q$;'$q$, $1 /* ; */ from t";
        let around = format!("-- a; b\n {odd} ; -- the end\n;");
        assert_eq!(of(&around).unwrap(), odd);
        assert!(of("select 1; select 2").unwrap_err().message().contains("more than one"));
        assert!(of("select 'a").is_err() && of(" ; -- x").is_err());
    }

    #[test]
    fn bounds_become_parameters() {
        let filter = Filter::Window {
            column: "a\"b".into(),
            after: Some(CursorValue::Int(1)),
            upto: Some(CursorValue::Int(9)),
            include_null: true,
        };
        let made = select(Dialect::Ansi, "*", "select 1;", &filter).unwrap();
        let name = "\"a\"\"b\"";
        let expected =
            format!("SELECT * FROM (\nselect 1\n) AS rivet WHERE ({name} > $1 AND {name} <= $2) OR {name} IS NULL");
        assert_eq!(made, Statement { sql: expected, values: vec![CursorValue::Int(1), CursorValue::Int(9)] });
        let mysql = bounds(Dialect::Mysql, "t", "k", Some(&CursorValue::Int(1))).unwrap();
        assert!(mysql.sql.ends_with("WHERE `k` > ?"), "{}", mysql.sql);
    }
}
