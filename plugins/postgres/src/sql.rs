//! SQL text: where the user's query really ends, what its parameters become, and how values are quoted.

use std::borrow::Cow;

use rivet_plugin_api::{Error, Params, Result};
use rivet_plugin_base::sql::{self, Dialect};

/// `text` as a string literal; sessions have `standard_conforming_strings` on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// See [`sql::bind`].
pub(crate) fn bind(query: &str, params: &Params) -> Result<String> {
    sql::bind(query, params, Dialect::Postgres, escaped).map(Cow::into_owned)
}

/// As [`literal`], of a form that does not continue a string before it, in which a backslash may escape. Without line
/// breaks of its own it leaves the lines of the query their numbers.
fn escaped(text: &str) -> Result<String> {
    if text.contains('\0') {
        return Err(Error::data("PostgreSQL has no text with a NUL character").hint("remove the character"));
    }
    let escaped = text.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r");
    Ok(format!("E'{escaped}'"))
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
        assert_eq!(escaped("o'\\\n\r\u{2028}\"$$").unwrap(), "E'o''\\\\\\n\\r\u{2028}\"$$'");
        assert!(escaped("\0").is_err());
    }
}
