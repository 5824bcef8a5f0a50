//! Which column of a query's result a key of the configuration means: sources find it in quotes of SQL too, and in
//! another case where one column alone is meant.

use std::borrow::Cow;

/// The place of the column `name` among `columns`.
pub fn place<'a>(columns: impl Iterator<Item = &'a str> + Clone, name: &str) -> Option<usize> {
    let inner = unquoted(name);
    let mut by = [name, inner.as_ref()].into_iter().filter_map(|name| columns.clone().position(|c| c == name));
    by.next().or_else(|| columns.clone().position(|column| is_same(column, name)))
}

/// Whether both names mean one column, unless a query has two that differ in case alone.
pub fn is_same(a: &str, b: &str) -> bool {
    unquoted(a).to_lowercase() == unquoted(b).to_lowercase()
}

fn unquoted(name: &str) -> Cow<'_, str> {
    let inside = |quote: char| Some((quote, name.strip_prefix(quote)?.strip_suffix(quote)?));
    match ['"', '`'].into_iter().find_map(inside) {
        Some((quote, inner)) if !inner.is_empty() => {
            inner.replace(&format!("{quote}{quote}"), &quote.to_string()).into()
        }
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_columns_as_they_do_for_sources() {
        let columns = ["id", "userId", "userid", "a\"b"];
        for (name, found) in [
            ("id", Some(0)),
            ("ID", Some(0)),
            ("\"userid\"", Some(2)),
            ("`userId`", Some(1)),
            ("\"a\"\"b\"", Some(3)),
            ("none", None),
            ("\"", None),
        ] {
            assert_eq!(place(columns.into_iter(), name), found, "{name}");
        }
    }
}
