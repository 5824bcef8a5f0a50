//! Which table a plan means: plans name aliases alone, and the statement as the server rewrote it, its last warning after
//! an `EXPLAIN`, tells what they stand for: `` from `shop`.`orders` `o` ``.

/// A table of a statement.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Named {
    pub(super) schema: String,
    pub(super) table: String,
    /// The name in plans.
    pub(super) alias: String,
}

/// What may be a table in the server's `statement`: two names with a dot between them, and perhaps an alias.
pub(super) fn tables(statement: &str) -> Vec<Named> {
    let mut tables = Vec::new();
    let mut rest = statement;
    while let Some(start) = rest.find('`') {
        let (chain, after) = chain(&rest[start..]);
        rest = after;
        if let [schema, table] = &chain[..] {
            let alias = match after.strip_prefix(' ').filter(|after| after.starts_with('`')).map(self::chain) {
                Some((alias, _)) if alias.len() == 1 => alias.into_iter().next(),
                _ => None,
            };
            tables.push(Named {
                schema: schema.clone(),
                table: table.clone(),
                alias: alias.unwrap_or_else(|| table.clone()),
            });
        }
    }
    tables
}

/// The quoted names with dots between them at the beginning of `text`, and what follows.
fn chain(text: &str) -> (Vec<String>, &str) {
    let (mut names, mut rest) = (Vec::new(), text);
    while let Some(after) = rest.strip_prefix('`') {
        let (name, after) = name(after);
        names.push(name);
        rest = after;
        match rest.strip_prefix('.').filter(|after| after.starts_with('`')) {
            Some(after) => rest = after,
            None => break,
        }
    }
    (names, rest)
}

/// A name up to its closing quote, and what follows.
fn name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '`' {
            name.push(c);
        } else if text[at + 1..].starts_with('`') {
            name.push('`');
            chars.next();
        } else {
            return (name, &text[at + 1..]);
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_lead_to_tables() {
        let statement = "/* select#1 */ select `shop`.`o`.`id` AS `id`,`shop`.`o``s`.`k` AS `a.b` from `shop`.`big orders` \
             `o` join `other`.`o``s` where `shop`.`o`.`id` > 5";
        let found: Vec<_> = tables(statement).into_iter().map(|t| (t.schema, t.table, t.alias)).collect();
        let table = |schema: &str, table: &str, alias: &str| (schema.to_owned(), table.to_owned(), alias.to_owned());
        assert_eq!(found, [table("shop", "big orders", "o"), table("other", "o`s", "o`s")]);
    }

    #[test]
    fn broken_text_ends() {
        for text in ["`", "`a", "`a`.", "`a`.`", "`a`.`b` `", "```", ""] {
            let _ = tables(text);
        }
    }
}
