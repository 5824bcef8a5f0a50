//! SQL text: finds where the user's query really ends, and quotes values.

use rivet_plugin_api::{Error, Result};

/// `text` as a string literal; sessions have `standard_conforming_strings` on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The one statement in `query`, without a final `;` and what follows it. It may end inside a `--` comment: whoever
/// wraps it puts a line break behind it.
///
/// Errors: no statement, more than one, or a quote or comment that does not end.
pub(crate) fn statement(query: &str) -> Result<&str> {
    let mut lexer = Lexer { text: query.as_bytes(), at: 0 };
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

/// Steps over SQL as PostgreSQL's own scanner does, as far as quotes and comments go.
struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Result<Option<Token>> {
        while let Some(c) = self.peek(0) {
            let start = self.at;
            match (c, self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => {
                    self.at += 1;
                    continue;
                }
                (b'-', Some(b'-')) => {
                    self.line_comment();
                    continue;
                }
                (b'/', Some(b'*')) => {
                    self.block_comment()?;
                    continue;
                }
                (b';', _) => {
                    self.at += 1;
                    return Ok(Some(Token::Semicolon(start)));
                }
                (b'e' | b'E', Some(b'\'')) => {
                    self.at += 1;
                    self.string(true)?;
                }
                (b'\'', _) => self.string(false)?,
                (b'"', _) => self.quoted(b'"', false)?,
                (b'$', _) => self.dollar()?,
                _ if is_word(c) => {
                    while self.peek(0).is_some_and(|c| is_word(c) || c == b'$') {
                        self.at += 1;
                    }
                }
                _ => self.at += 1,
            }
            return Ok(Some(Token::Word(start)));
        }
        Ok(None)
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != b'\n' && c != b'\r') {
            self.at += 1;
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(unterminated("comment")),
            }
        }
    }

    /// A string literal. After a line break another quoted piece continues it, with the same escapes.
    fn string(&mut self, escapes: bool) -> Result<()> {
        loop {
            self.quoted(b'\'', escapes)?;
            let end = self.at;
            let mut line_break = false;
            loop {
                match (self.peek(0), self.peek(1)) {
                    (Some(b'\n' | b'\r'), _) => {
                        line_break = true;
                        self.at += 1;
                    }
                    (Some(b' ' | b'\t' | 0x0b | 0x0c), _) => self.at += 1,
                    (Some(b'-'), Some(b'-')) => self.line_comment(),
                    _ => break,
                }
            }
            if !(line_break && self.peek(0) == Some(b'\'')) {
                self.at = end;
                return Ok(());
            }
        }
    }

    fn quoted(&mut self, quote: u8, escapes: bool) -> Result<()> {
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err(unterminated(if quote == b'"' { "quoted name" } else { "string" })),
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

    /// `$tag$ ... $tag$`, or a lone `$`, such as that of `$1`.
    fn dollar(&mut self) -> Result<()> {
        let rest = &self.text[self.at..];
        let tag = rest[1..].iter().take_while(|c| is_word(**c)).count();
        let delimiter = rest.get(..tag + 2).filter(|d| d.ends_with(b"$") && !rest[1].is_ascii_digit());
        let Some(delimiter) = delimiter else {
            self.at += 1;
            return Ok(());
        };
        let body = &rest[delimiter.len()..];
        match body.windows(delimiter.len()).position(|w| w == delimiter) {
            Some(end) => {
                self.at += end + 2 * delimiter.len();
                Ok(())
            }
            None => Err(unterminated("dollar-quoted string")),
        }
    }
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c >= 0x80
}

fn unterminated(what: &str) -> Error {
    Error::config(format!("the query has a {what} that does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_statement_is_found() {
        for (query, expected) in [
            ("select 1", "select 1"),
            (" \n/* a /* nested */ ; */ select 1 ; -- done; really\n ;\n", "select 1 "),
            ("select ';' as \";\"", "select ';' as \";\""),
            ("select 'it''s; ok';", "select 'it''s; ok'"),
            ("select E'\\';' ;", "select E'\\';' "),
            ("select E'a'\n -- c'\n '\\';'; ", "select E'a'\n -- c'\n '\\';'"),
            ("select '\\';", "select '\\'"),
            ("select namee';';", "select namee';'"),
            ("select $$;$$, $t$ ; $$ $t$;", "select $$;$$, $t$ ; $$ $t$"),
            ("select a$b$ ; ", "select a$b$ "),
            ("select $1;", "select $1"),
            ("with é as (select 1) table é;", "with é as (select 1) table é"),
            ("select 1 -- no end", "select 1 -- no end"),
            ("values (1);;", "values (1)"),
        ] {
            assert_eq!(statement(query).unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn what_is_not_one_statement_is_refused() {
        for query in
            ["", " ; -- x", "select 1; drop table t", "select 1;;select 2", "/* /* */", "select 'a", "select $x$"]
        {
            assert!(statement(query).is_err(), "{query}");
        }
    }

    #[test]
    fn values_cannot_break_out() {
        assert_eq!(literal("o'\\"), "'o''\\'");
    }
}
