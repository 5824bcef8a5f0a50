//! Queries that end before their rows do.

use rivet_plugin_api::{Error, Result};

use super::{Dialect, Kind, Tokens};

/// Refuses a `query` that limits its own rows, for a window around it: the window only sees the rows that the limit has
/// left, so that later runs would not find what came since. A limit in brackets is one of a part of the query.
///
/// Errors: there is a `LIMIT`, or a quote or comment that does not end.
pub fn no_limit(query: &str, dialect: Dialect) -> Result<()> {
    let tokens = Tokens::new(query, dialect).collect::<Result<Vec<_>>>()?;
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        let is_name = before.is_some_and(|before| before.is("AS") || before.kind == Kind::Symbol && before.text == ".");
        // A column of SQLite may be called "fetch", which is no word of its grammar.
        let fetches = || {
            let next = tokens.get(index + 1).is_some_and(|next| next.is("FIRST") || next.is("NEXT"));
            token.is("FETCH") && next && dialect != Dialect::Sqlite
        };
        match (token.kind, token.text) {
            (Kind::Symbol, "(") => depth += 1,
            (Kind::Symbol, ")") => depth = depth.saturating_sub(1),
            _ if depth > 0 || is_name => {}
            _ if token.is("LIMIT") => return Err(limited("LIMIT")),
            _ if fetches() => return Err(limited("FETCH FIRST")),
            _ => {}
        }
    }
    Ok(())
}

fn limited(word: &str) -> Error {
    let message = format!(
        "the query has a {word}, which an incremental export applies before its window: later runs would find nothing"
    );
    Error::config(message).hint(format!("remove the {word}, or use `mode: full`"))
}

#[cfg(test)]
mod tests {
    use rivet_plugin_api::Category;

    use super::super::Quotes;
    use super::*;

    const MYSQL: Dialect = Dialect::Mysql(Quotes { plain_backslash: false, ansi: false });

    #[test]
    fn a_limit_of_the_whole_query_is_found() {
        for (dialect, query, word) in [
            (Dialect::Sqlite, "SELECT id FROM t ORDER BY id limit 100", "LIMIT"),
            (Dialect::Sqlite, "SELECT id FROM t UNION ALL SELECT id FROM u LIMIT 5 OFFSET 2", "LIMIT"),
            (Dialect::Postgres, "WITH a AS (SELECT 1) SELECT * FROM a /* x */ LIMIT 1", "LIMIT"),
            (Dialect::Postgres, "SELECT id FROM t OFFSET 5 ROWS FETCH FIRST 3 ROWS ONLY", "FETCH FIRST"),
            (Dialect::Postgres, "SELECT id FROM t FETCH NEXT ROW ONLY", "FETCH FIRST"),
            (MYSQL, "SELECT id FROM t LIMIT 5, 10", "LIMIT"),
        ] {
            let error = no_limit(query, dialect).unwrap_err();
            assert_eq!(error.category(), Category::Config);
            assert!(error.message().starts_with(&format!("the query has a {word}, which")), "{query}: {error}");
            assert_eq!(error.hint_text(), Some(&*format!("remove the {word}, or use `mode: full`")));
        }
    }

    #[test]
    fn what_limits_no_rows_of_the_whole_stays() {
        for (dialect, query) in [
            (Dialect::Sqlite, "SELECT id FROM t WHERE k IN (SELECT k FROM u LIMIT 5)"),
            (Dialect::Sqlite, "SELECT \"limit\", [limit], `limit`, 'limit' FROM t -- limit 5"),
            (Dialect::Sqlite, "SELECT fetch first FROM t"),
            (Dialect::Sqlite, "SELECT max_limit, limits FROM t"),
            (Dialect::Postgres, "SELECT 1 AS limit, t.limit, t.\"limit\", $$ limit $$ FROM t"),
            (Dialect::Postgres, "WITH a AS (SELECT 1 LIMIT 1) SELECT * FROM a"),
            (MYSQL, "SELECT \"limit\" FROM t # limit 1"),
        ] {
            assert!(no_limit(query, dialect).is_ok(), "{query}");
        }
    }
}
