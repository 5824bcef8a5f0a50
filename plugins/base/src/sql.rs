//! SQL text: its tokens as far as quotes and comments go, where the user's one statement begins and ends, what limits it,
//! the values of its parameters, and which of its columns a name means.

use rivet_plugin_api::{Error, Result};

mod limit;
mod params;
mod place;

pub use limit::no_limit;
pub use params::{bind, unbind};
pub use place::place;

/// Whose rules decide what is a string, a name or a comment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// PostgreSQL with `standard_conforming_strings` on.
    Postgres,
    /// MySQL and MariaDB.
    Mysql(Quotes),
    /// SQLite.
    Sqlite,
}

/// What the `sql_mode` of MySQL and MariaDB means for quotes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quotes {
    /// `NO_BACKSLASH_ESCAPES`: a backslash in a string is an ordinary character.
    pub plain_backslash: bool,
    /// `ANSI_QUOTES`: `"` quotes names, not strings.
    pub ansi: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A `;`.
    Semicolon,
    /// Letters, digits, `_` and `$`: a keyword, a name or a number.
    Word,
    /// A name in quotes.
    QuotedName,
    /// A string of any sort, quotes included.
    Text,
    /// A comment that MySQL runs: `/*! ... */`.
    CodeComment,
    /// Any other character by itself.
    Symbol,
}

/// A piece of SQL that is neither white space nor a comment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// It as written.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub at: usize,
}

impl Token<'_> {
    /// Whether it is this keyword, which is written in ASCII.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Where it ends, in bytes.
    pub fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// The one statement in `query`, from its first token to its last: without a final `;`, and without white space and
/// comments around it.
///
/// Errors: no statement, more than one, or a quote or comment that does not end.
pub fn statement(query: &str, dialect: Dialect) -> Result<&str> {
    let mut start = None;
    let mut end = 0;
    let mut is_over = false;
    for token in Tokens::new(query, dialect) {
        let token = token?;
        if token.kind == Kind::Semicolon {
            is_over = start.is_some();
        } else if is_over {
            return Err(Error::config("the query holds more than one statement")
                .hint("write one SELECT per export; nothing may follow the \";\""));
        } else {
            start.get_or_insert(token.at);
            end = token.end();
        }
    }
    match start {
        Some(start) => Ok(&query[start..end]),
        None => Err(Error::config("the query is empty")),
    }
}

/// Steps over SQL as the server's own scanner does. The first error is the last item.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    dialect: Dialect,
}

impl<'a> Tokens<'a> {
    /// The tokens of `text`.
    pub fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, dialect }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
    }

    /// Moves behind white space and comments; a comment that is run stays.
    fn skip_blank(&mut self) -> Result<()> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c), _) => self.at += 1,
                (Some(b'#'), _) if self.is_mysql() => self.line_comment(),
                // Without white space behind it, MySQL's "--" subtracts a negative number.
                (Some(b'-'), Some(b'-')) if !self.is_mysql() || self.peek(2).is_none_or(|c| c <= b' ') => {
                    self.line_comment();
                }
                (Some(b'/'), Some(b'*')) if !self.is_code_comment() => self.block_comment()?,
                // A byte order mark, which SQLite takes for white space.
                (Some(0xef), Some(0xbb)) if self.dialect == Dialect::Sqlite && self.peek(2) == Some(0xbf) => {
                    self.at += 3;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Moves behind one token.
    fn token(&mut self, first: u8) -> Result<Kind> {
        let postgres = self.dialect == Dialect::Postgres;
        Ok(match (first, self.dialect) {
            (b';', _) => {
                self.at += 1;
                Kind::Semicolon
            }
            (b'/', _) if self.is_code_comment() => {
                self.block_comment()?;
                Kind::CodeComment
            }
            (b'e' | b'E', Dialect::Postgres) if self.peek(1) == Some(b'\'') => {
                self.at += 1;
                self.continued_string(true)?
            }
            (b'\'', Dialect::Postgres) => self.continued_string(false)?,
            (b'\'', Dialect::Mysql(quotes)) => self.quoted(b'\'', !quotes.plain_backslash, Kind::Text)?,
            (b'\'', Dialect::Sqlite) => self.quoted(b'\'', false, Kind::Text)?,
            (b'"', Dialect::Mysql(quotes)) if !quotes.ansi => self.quoted(b'"', !quotes.plain_backslash, Kind::Text)?,
            (b'"', _) => self.quoted(b'"', false, Kind::QuotedName)?,
            (b'`', Dialect::Mysql(_) | Dialect::Sqlite) => self.quoted(b'`', false, Kind::QuotedName)?,
            (b'[', Dialect::Sqlite) => self.bracketed()?,
            (b'$', Dialect::Postgres) => self.dollar()?,
            _ if is_word(first) || (first == b'$' && !postgres) => {
                self.skip_while(|c| is_word(c) || c == b'$');
                Kind::Word
            }
            _ => {
                self.at += 1;
                Kind::Symbol
            }
        })
    }

    fn is_mysql(&self) -> bool {
        matches!(self.dialect, Dialect::Mysql(_))
    }

    /// Whether a `/*` begins what MySQL (`/*!`) or MariaDB (`/*M!`) runs.
    fn is_code_comment(&self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.is_mysql() && (rest.starts_with(b"/*!") || rest.starts_with(b"/*M!"))
    }

    fn line_comment(&mut self) {
        let postgres = self.dialect == Dialect::Postgres;
        self.skip_while(|c| c != b'\n' && !(postgres && c == b'\r'));
    }

    fn block_comment(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) if depth == 0 || self.dialect == Dialect::Postgres => {
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
                (None, _) if self.dialect == Dialect::Sqlite => return Ok(()),
                (None, _) => return Err(unterminated("comment")),
            }
        }
    }

    /// A string literal. After a line break another quoted piece continues it, with the same escapes.
    fn continued_string(&mut self, escapes: bool) -> Result<Kind> {
        loop {
            self.quoted(b'\'', escapes, Kind::Text)?;
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
                return Ok(Kind::Text);
            }
        }
    }

    /// A doubled quote stands for itself.
    fn quoted(&mut self, quote: u8, escapes: bool, kind: Kind) -> Result<Kind> {
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err(unterminated(if kind == Kind::Text { "string" } else { "quoted name" })),
                Some(b'\\') if escapes => self.at += 2,
                Some(c) if c == quote => {
                    self.at += 1;
                    if self.peek(0) != Some(quote) {
                        return Ok(kind);
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// `[name]`, in which nothing is doubled or escaped.
    fn bracketed(&mut self) -> Result<Kind> {
        self.skip_while(|c| c != b']');
        if self.peek(0).is_none() {
            return Err(unterminated("quoted name"));
        }
        self.at += 1;
        Ok(Kind::QuotedName)
    }

    /// `$tag$ ... $tag$`, or a lone `$`, such as that of `$1`.
    fn dollar(&mut self) -> Result<Kind> {
        let rest = &self.bytes[self.at..];
        let tag = rest[1..].iter().take_while(|c| is_word(**c)).count();
        let delimiter = rest.get(..tag + 2).filter(|d| d.ends_with(b"$") && !rest[1].is_ascii_digit());
        let Some(delimiter) = delimiter else {
            self.at += 1;
            return Ok(Kind::Symbol);
        };
        let body = &rest[delimiter.len()..];
        match body.windows(delimiter.len()).position(|w| w == delimiter) {
            Some(end) => {
                self.at += end + 2 * delimiter.len();
                Ok(Kind::Text)
            }
            None => Err(unterminated("dollar-quoted string")),
        }
    }

    fn fail(&mut self, error: Error) -> Result<Token<'a>> {
        self.at = self.bytes.len();
        Err(error)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.skip_blank() {
            return Some(self.fail(error));
        }
        let (first, at) = (self.peek(0)?, self.at);
        Some(match self.token(first) {
            // Every token ends before or behind an ASCII character, or with the text.
            Ok(kind) => Ok(Token { kind, text: &self.text[at..self.at], at }),
            Err(error) => self.fail(error),
        })
    }
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || c >= 0x80
}

fn unterminated(what: &str) -> Error {
    Error::config(format!("the query has a {what} that does not end"))
}

#[cfg(test)]
mod tests;
