//! Which column of a query the name of a key means.

use rivet_plugin_api::suggest::{did_you_mean, list};
use rivet_plugin_api::{Error, Result};

/// The place of the column that the user calls `name` among the `columns` of a query.
///
/// A column of that very name comes first. Then a name in double quotes or backquotes means what is inside, as it does
/// in SQL. At last case does not matter, as long as one column alone is meant.
///
/// Errors: there is no such column, or there are several.
pub fn place<'a>(columns: impl Iterator<Item = &'a str> + Clone, name: &str) -> Result<usize> {
    let exact = |name: &str| columns.clone().position(|column| column == name);
    let inner = unquoted(name);
    if let Some(place) = exact(name).or_else(|| exact(inner.as_deref()?)) {
        return Ok(place);
    }
    let meant = inner.as_deref().unwrap_or(name);
    let lower = meant.to_lowercase();
    let alike: Vec<_> = columns.clone().enumerate().filter(|(_, column)| column.to_lowercase() == lower).collect();
    match alike.as_slice() {
        [(place, _)] => Ok(*place),
        [] => Err(Error::config(format!("the query has no column \"{name}\"")).hint(did_you_mean(
            meant,
            columns,
            "its columns are",
        ))),
        several => {
            let several = list(several.iter().map(|(_, column)| *column), "or");
            Err(Error::config(format!("the query has several columns that \"{name}\" could mean"))
                .hint(format!("write the name as the query has it: {several}")))
        }
    }
}

/// What is inside of the quotes around a name, with doubled ones undone; `None` where there are none.
fn unquoted(name: &str) -> Option<String> {
    ['"', '`'].into_iter().find_map(|quote| {
        let inner = name.strip_prefix(quote)?.strip_suffix(quote)?;
        let doubled = [quote, quote].iter().collect::<String>();
        // A lone quote inside would have ended the name.
        let is_whole = !inner.replace(&doubled, "").contains(quote);
        (is_whole && !inner.is_empty()).then(|| inner.replace(&doubled, &quote.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use rivet_plugin_api::Category;

    use super::*;

    #[test]
    fn a_key_is_found_as_it_is_written_in_quotes_and_in_any_case() {
        let columns = ["id", "userId", "UserID", "\"odd\"", "a\"b", "c`d", "Größe", "ID2"];
        for (name, found) in [
            ("id", "id"),
            ("ID", "id"),
            ("\"id\"", "id"),
            ("\"ID\"", "id"),
            ("userId", "userId"),
            ("\"UserID\"", "UserID"),
            ("`userId`", "userId"),
            ("\"odd\"", "\"odd\""),
            ("odd\"", ""),
            ("\"\"\"odd\"\"\"", "\"odd\""),
            ("\"a\"\"b\"", "a\"b"),
            ("A\"B", "a\"b"),
            ("`c``d`", "c`d"),
            ("\"c`d\"", "c`d"),
            ("gRÖSSE", ""),
            ("GRÖßE", "Größe"),
            ("`id\"", ""),
            ("\"a\"b\"", ""),
            ("\"\"", ""),
            ("\"", ""),
            ("id2", "ID2"),
        ] {
            let place = place(columns.into_iter(), name).ok();
            assert_eq!(place.map_or("", |place| columns[place]), found, "{name}");
        }
    }

    #[test]
    fn what_is_not_found_or_not_alone_says_what_there_is() {
        let columns = || ["id", "userId", "UserID"].into_iter();
        for (name, message, hint) in [
            ("idd", "the query has no column \"idd\"", "did you mean `id`?"),
            ("`idd`", "the query has no column \"`idd`\"", "did you mean `id`?"),
            ("moment", "the query has no column \"moment\"", "its columns are: `id`, `userId` and `UserID`"),
            (
                "USERID",
                "the query has several columns that \"USERID\" could mean",
                "write the name as the query has it: `userId` or `UserID`",
            ),
        ] {
            let error = place(columns(), name).unwrap_err();
            let said = (error.category(), error.message(), error.hint_text());
            assert_eq!(said, (Category::Config, message, Some(hint)));
        }
    }
}
