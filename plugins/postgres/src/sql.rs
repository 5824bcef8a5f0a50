//! SQL text: where the user's query really ends, what its parameters become, and how values are quoted.

use std::borrow::Cow;

use rivet_plugin_api::{Error, Params, Result};
use rivet_plugin_base::sql::{self, Dialect};

/// `text` as a string literal; sessions have `standard_conforming_strings` on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `name` as an identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// See [`sql::bind`].
pub(crate) fn bind(query: &str, params: &Params) -> Result<String> {
    sql::bind(query, params, Dialect::Postgres, escaped).map(Cow::into_owned)
}

/// What the user wrote, of which [`bind`] made the text that the server got.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) query: &'a str,
    pub(crate) params: &'a Params,
}

impl Written<'_> {
    /// The line and the column, as an editor counts, of byte `at` of the bound text.
    pub(crate) fn place(self, at: usize) -> (usize, usize) {
        // What was bound before can be bound again.
        let at = sql::unbind(self.query, self.params, Dialect::Postgres, escaped, at).unwrap_or(at);
        let before = self.query.get(..at).unwrap_or(self.query);
        let line = before.matches('\n').count() + 1;
        (line, before.chars().rev().take_while(|c| *c != '\n').count() + 1)
    }
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
    use rivet_plugin_api::ParamValue;

    use super::*;

    #[test]
    fn places_are_those_of_what_the_user_wrote() {
        let params = Params::from(
            [("a", "it's\nlong"), ("b", "é")].map(|(k, v)| (k.to_owned(), ParamValue::Text(v.to_owned()))),
        );
        let query = "-- why\nselect :a as a, :b as é,\n  :a || no_such";
        let (bound, written) = (bind(query, &params).unwrap(), Written { query, params: &params });
        for (word, place) in
            [("select", (2, 1)), ("E'it", (2, 8)), ("as é", (2, 20)), ("|| no", (3, 6)), ("no_such", (3, 9))]
        {
            assert_eq!(written.place(bound.find(word).unwrap()), place, "{word}");
        }
        assert_eq!(Written { query, params: &Params::default() }.place(8), (2, 2));
    }

    #[test]
    fn values_cannot_break_out() {
        assert_eq!(literal("o'\\"), "'o''\\'");
        assert_eq!(identifier("o\"\\"), "\"o\"\"\\\"");
        assert_eq!(escaped("o'\\\n\r\u{2028}\"$$").unwrap(), "E'o''\\\\\\n\\r\u{2028}\"$$'");
        assert!(escaped("\0").is_err());
    }
}
