//! Texts as they stand in YAML, in comments and in names of exports.

use std::collections::HashSet;

use crate::config::is_printable;

/// Plain scalars that YAML, in one version or another, takes for something else than text.
const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// `text` as a scalar that reads as this very text: `${` in it is no placeholder, and nothing in it ends the scalar.
pub(super) fn scalar(text: &str) -> String {
    key(&text.replace("${", "$${"))
}

/// `text` as a key, in which nothing is expanded.
pub(super) fn key(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| is_word(c) || matches!(c, '.' | '/' | '-'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain {
        text.to_owned()
    } else if text.chars().all(is_printable) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        let escaped = text.chars().map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if is_printable(c) => c.to_string(),
            c => format!("\\U{:08X}", u32::from(c)),
        });
        format!("\"{}\"", escaped.collect::<String>())
    }
}

/// `text` for a comment or a terminal: on one line, with nothing that would act on either.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect()
}

/// Names for exports: what a file name may hold of the table's name, each once, also where case makes no difference.
#[derive(Default)]
pub(super) struct Names(HashSet<String>);

/// The longest name of an export.
const LONGEST: usize = 100;

impl Names {
    /// A name for `table`, with the schema in front where the name alone is taken.
    pub(super) fn name(&mut self, schema: Option<&str>, table: &str) -> String {
        let plain = |text: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let text: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
            if text.trim_matches('_').is_empty() { "table".to_owned() } else { text }
        };
        // Room for a number behind it.
        let cut = |text: String| text.chars().take(LONGEST - 8).collect::<String>();
        let short = cut(plain(table));
        let long = schema.map(|schema| cut(format!("{}_{}", plain(schema), plain(table))));
        let last = long.clone().unwrap_or_else(|| short.clone());
        let numbered = (2_u32..).map(|n| format!("{last}_{n}"));
        let mut candidates = std::iter::once(short).chain(long).chain(numbered);
        candidates.find(|name| self.0.insert(name.to_ascii_lowercase())).unwrap_or(last)
    }
}
