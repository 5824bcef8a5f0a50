//! SQL text: where the user's query really ends, and how names are quoted.

use rivet_plugin_api::Result;
use rivet_plugin_base::sql::{self, Dialect};

pub(crate) use rivet_plugin_base::sql::Quotes;

/// `name` as an identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// See [`sql::statement`].
pub(crate) fn statement(query: &str, quotes: Quotes) -> Result<&str> {
    sql::statement(query, Dialect::Mysql(quotes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(identifier("o`\\"), "`o``\\`");
    }
}
