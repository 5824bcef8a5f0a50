//! SQL text: where the user's query really ends, and how values are quoted.

use rivet_plugin_api::Result;
use rivet_plugin_base::sql::{self, Dialect};

/// `text` as a string literal; sessions have `standard_conforming_strings` on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// See [`sql::statement`].
pub(crate) fn statement(query: &str) -> Result<&str> {
    sql::statement(query, Dialect::Postgres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out() {
        assert_eq!(literal("o'\\"), "'o''\\'");
    }
}
