//! SQL text: where the user's query really ends, what its parameters become, and how names are quoted.

use rivet_plugin_api::{Filter, Params, ReadRequest, Result};
use rivet_plugin_base::sql::{self, Dialect};

pub(crate) use rivet_plugin_base::sql::Quotes;

use crate::key::text;

/// `name` as an identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The one statement in `query`, with the values of its parameters in place: see [`sql::bind`] and [`sql::statement`].
pub(crate) fn statement(query: &str, params: &Params, quotes: Quotes) -> Result<String> {
    let dialect = Dialect::Mysql(quotes);
    let query = sql::bind(query, params, dialect, |value| Ok(text(value)))?;
    sql::statement(&query, dialect).map(str::to_owned)
}

/// The statement of a read. Errors: besides those of [`statement`], see [`sql::no_limit`].
pub(crate) fn read_statement(request: &ReadRequest, quotes: Quotes) -> Result<String> {
    let query = statement(&request.query, &request.params, quotes)?;
    if matches!(request.filter, Filter::Window { .. }) {
        sql::no_limit(&query, Dialect::Mysql(quotes))?;
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(identifier("o`\\"), "`o``\\`");
    }
}
