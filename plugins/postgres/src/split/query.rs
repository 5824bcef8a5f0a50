//! The queries that can be read in pieces: `SELECT list FROM [ONLY] table [[AS] alias] [WHERE condition]`. A piece is
//! the same query with one more condition, so nothing else about it changes.

use rivet_plugin_api::Result;
use rivet_plugin_base::sql::{Dialect, Kind, Token, Tokens};

use crate::sql::statement;

/// A query of one table, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Query {
    /// Up to the condition.
    head: String,
    condition: Option<String>,
    /// The table as it is written, without white space and comments.
    pub(super) table: String,
    /// Tables that inherit from it are left out.
    pub(super) only: bool,
}

/// Takes `query` apart. The inner error says, for the user, why it is none of one plain table.
///
/// Errors: it is not one statement.
pub(super) fn parse(query: &str) -> Result<Result<Query, String>> {
    let query = statement(query)?;
    let tokens = Tokens::new(query, Dialect::Postgres).collect::<Result<Vec<_>>>()?;
    Ok(Parser { query, tokens, at: 0 }.query())
}

impl Query {
    /// The query as it is.
    pub(super) fn whole(&self) -> String {
        [&*self.head, self.condition.as_deref().unwrap_or_default()].concat()
    }

    /// The query with one more condition.
    pub(super) fn with(&self, piece: &str) -> String {
        let head = &self.head;
        // The line breaks end a comment, which the query may have before its end.
        match &self.condition {
            Some(condition) => format!("{head} ({condition}\n) AND {piece}"),
            None => format!("{head}\nWHERE {piece}"),
        }
    }
}

/// The words that end the list or the condition of a query. All are reserved: outside of brackets an expression holds
/// one only as a name behind "." or "AS".
const CLAUSES: [&str; 12] =
    ["INTO", "GROUP", "HAVING", "WINDOW", "UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"];
/// The words that join another table.
const JOINS: [&str; 7] = ["JOIN", "CROSS", "NATURAL", "INNER", "LEFT", "RIGHT", "FULL"];

struct Parser<'a> {
    query: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn query(mut self) -> Result<Query, String> {
        if !self.skip("SELECT") {
            return Err("the query does not begin with \"SELECT\"".to_owned());
        }
        if self.is("DISTINCT") {
            return Err(has("DISTINCT"));
        }
        match self.clause(true) {
            Some("FROM") => {}
            Some(clause) => return Err(has(clause)),
            None => return Err("the query reads no table".to_owned()),
        }
        let only = self.skip("ONLY");
        let table = self.table()?;
        self.skip("*");
        self.alias()?;
        let end = self.peek().map_or(self.query.len(), |token| token.end());
        if self.peek().is_none() {
            return Ok(Query { head: self.query.to_owned(), condition: None, table, only });
        }
        if !self.skip("WHERE") {
            return Err(self.unfit());
        }
        match self.clause(false) {
            Some(clause) => Err(has(clause)),
            None => Ok(Query {
                head: self.query[..end].to_owned(),
                condition: Some(self.query[end..].to_owned()),
                table,
                only,
            }),
        }
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| is(&token, text))
    }

    fn skip(&mut self, text: &str) -> bool {
        let found = self.is(text);
        self.at += usize::from(found);
        found
    }

    /// Steps behind the next word outside of brackets that begins a clause, which may be `FROM`.
    fn clause(&mut self, or_from: bool) -> Option<&'static str> {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            let behind = |text: &str| self.at > 0 && is(&self.tokens[self.at - 1], text);
            let is_name = behind(".") || behind("AS");
            // As in "a IS DISTINCT FROM b".
            let is_from = or_from && token.is("FROM") && !behind("DISTINCT");
            self.at += 1;
            match token.text {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ if depth > 0 || is_name => {}
                _ if is_from => return Some("FROM"),
                _ => {
                    if let Some(clause) = one_of(&CLAUSES, &token) {
                        return Some(clause);
                    }
                }
            }
        }
        None
    }

    /// A name, perhaps with its schema.
    fn table(&mut self) -> Result<String, String> {
        let mut name = String::new();
        loop {
            match self.peek() {
                Some(token) if is_name(&token) => name.push_str(token.text),
                Some(token) if token.text == "(" => return Err("the query reads from a subquery".to_owned()),
                _ => return Err("the query does not read from one table".to_owned()),
            }
            self.at += 1;
            if !self.skip(".") {
                break;
            }
            name.push('.');
        }
        if self.is("(") { Err("the query reads from a function".to_owned()) } else { Ok(name) }
    }

    fn alias(&mut self) -> Result<(), String> {
        self.skip("AS");
        let no_alias = |token: &Token<'_>| {
            token.is("WHERE") || token.is("TABLESAMPLE") || one_of(&CLAUSES, token).or(one_of(&JOINS, token)).is_some()
        };
        if self.peek().is_some_and(|token| is_name(&token) && !no_alias(&token)) {
            self.at += 1;
        }
        if self.is("(") { Err("the query renames the columns of its table".to_owned()) } else { Ok(()) }
    }

    /// Why the query cannot go on as it does behind its table.
    fn unfit(&self) -> String {
        match self.peek() {
            Some(token) if token.is("TABLESAMPLE") => has("TABLESAMPLE"),
            Some(token) if token.text == "," || one_of(&JOINS, &token).is_some() => "the query joins tables".to_owned(),
            token => match token.and_then(|token| one_of(&CLAUSES, &token)) {
                Some(clause) => has(clause),
                None => "the query is not of the form \"SELECT list FROM table WHERE condition\"".to_owned(),
            },
        }
    }
}

/// Whether a token is this keyword or symbol.
fn is(token: &Token<'_>, text: &str) -> bool {
    token.is(text) || token.kind == Kind::Symbol && token.text == text
}

fn is_name(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::QuotedName => true,
        Kind::Word => !token.text.starts_with(|c: char| c.is_ascii_digit() || c == '$'),
        _ => false,
    }
}

fn one_of(words: &[&'static str], token: &Token<'_>) -> Option<&'static str> {
    words.iter().copied().find(|word| token.is(word))
}

fn has(clause: &str) -> String {
    format!("the query has a \"{clause}\"")
}

#[cfg(test)]
mod tests;
