//! SQL text: finds where the user's query really ends, and quotes names.

use rivet_plugin_api::{Error, Result};

/// What the server's `sql_mode` means for quotes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Quotes {
    /// `NO_BACKSLASH_ESCAPES`: a backslash in a string is an ordinary character.
    pub(crate) plain_backslash: bool,
    /// `ANSI_QUOTES`: `"` quotes names, not strings.
    pub(crate) ansi: bool,
}

/// `name` as an identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The one statement in `query`, without a final `;` and what follows it. It may end inside a `-- ` or `#` comment:
/// whoever wraps it puts a line break behind it.
///
/// Errors: no statement, more than one, or a quote or comment that does not end.
pub(crate) fn statement(query: &str, quotes: Quotes) -> Result<&str> {
    let mut lexer = Lexer { text: query.as_bytes(), at: 0, quotes };
    let mut statement = None;
    let mut end = None;
    while let Some(token) = lexer.next()? {
        match token {
            Token::Semicolon(_) if statement.is_none() => {}
            Token::Semicolon(at) => {
                end.get_or_insert(at);
            }
            Token::Word(_) if end.is_some() => {
                return Err(Error::config("the query holds more than one statement")
                    .hint("write one SELECT per export; nothing may follow the \";\""));
            }
            Token::Word(at) => {
                statement.get_or_insert(at);
            }
        }
    }
    let Some(start) = statement else {
        return Err(Error::config("the query is empty"));
    };
    Ok(&query[start..end.unwrap_or(query.len())])
}

enum Token {
    /// A `;` outside of quotes and comments.
    Semicolon(usize),
    /// The start of anything else that is not white space or a comment.
    Word(usize),
}

/// Steps over SQL as the server's own scanner does, as far as quotes and comments go.
struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    quotes: Quotes,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Result<Option<Token>> {
        while let Some(c) = self.peek(0) {
            let start = self.at;
            match (c, self.peek(1), self.peek(2)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, ..) => {
                    self.at += 1;
                    continue;
                }
                // Without white space behind it, "--" subtracts a negative number.
                (b'#', ..) | (b'-', Some(b'-'), None | Some(0..=b' ')) => {
                    self.line_comment();
                    continue;
                }
                (b'/', Some(b'*'), next) => {
                    let is_code = next == Some(b'!') || (next == Some(b'M') && self.peek(3) == Some(b'!'));
                    self.block_comment()?;
                    // What is inside /*! ... */ is run.
                    if !is_code {
                        continue;
                    }
                }
                (b';', ..) => {
                    self.at += 1;
                    return Ok(Some(Token::Semicolon(start)));
                }
                (b'\'', ..) => self.quoted(b'\'', !self.quotes.plain_backslash)?,
                (b'"', ..) => self.quoted(b'"', !self.quotes.ansi && !self.quotes.plain_backslash)?,
                (b'`', ..) => self.quoted(b'`', false)?,
                _ => self.at += 1,
            }
            return Ok(Some(Token::Word(start)));
        }
        Ok(None)
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != b'\n') {
            self.at += 1;
        }
    }

    fn block_comment(&mut self) -> Result<()> {
        let rest = &self.text[self.at + 2..];
        match rest.windows(2).position(|pair| pair == b"*/") {
            Some(end) => {
                self.at += 2 + end + 2;
                Ok(())
            }
            None => Err(unterminated("comment")),
        }
    }

    /// A doubled quote stands for itself.
    fn quoted(&mut self, quote: u8, escapes: bool) -> Result<()> {
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err(unterminated(if quote == b'`' { "quoted name" } else { "string" })),
                Some(b'\\') if escapes => self.at += 2,
                Some(c) if c == quote => {
                    self.at += 1;
                    if self.peek(0) != Some(quote) {
                        return Ok(());
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }
}

fn unterminated(what: &str) -> Error {
    Error::config(format!("the query has a {what} that does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSI: Quotes = Quotes { plain_backslash: false, ansi: true };
    const PLAIN: Quotes = Quotes { plain_backslash: true, ansi: false };

    #[test]
    fn the_end_of_the_statement_is_found() {
        for (query, expected) in [
            ("select 1", "select 1"),
            (" \n/* a ; */ # b ;\n select 1 ; -- done; really\n ;\n", "select 1 "),
            ("select ';' as `;`, \";\";", "select ';' as `;`, \";\""),
            ("select 'it''s; ok';", "select 'it''s; ok'"),
            ("select '\\';' ;", "select '\\';' "),
            ("select \"\\\";\" ;", "select \"\\\";\" "),
            ("select `\\`;", "select `\\`"),
            ("select 1--1;", "select 1--1"),
            ("select 1 --\t; x\n", "select 1 --\t; x\n"),
            ("select /*! 1 */;", "select /*! 1 */"),
            ("/*! select 1 */", "/*! select 1 */"),
            ("with é as (select 1) table é;", "with é as (select 1) table é"),
            ("select 1 # no end", "select 1 # no end"),
            ("values (1);;", "values (1)"),
        ] {
            assert_eq!(statement(query, Quotes::default()).unwrap(), expected, "{query}");
        }
        assert_eq!(statement("select '\\';", PLAIN).unwrap(), "select '\\'");
        assert_eq!(statement("select \"\\\" ;", ANSI).unwrap(), "select \"\\\" ");
    }

    #[test]
    fn what_is_not_one_statement_is_refused() {
        for query in [
            "",
            " ; -- x",
            "select 1; drop table t",
            "select 1;;select 2",
            "select 1; /*! drop table t */",
            "/* x",
            "/*/",
            "select 'a",
            "select 'a\\'",
            "select `a",
        ] {
            assert!(statement(query, Quotes::default()).is_err(), "{query}");
        }
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(identifier("o`\\"), "`o``\\`");
    }
}
