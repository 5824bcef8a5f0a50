//! `${NAME}` and `${NAME:-default}` in scalars: expanded once, after parsing, so that a value can neither inject YAML
//! nor be expanded again.

use rivet_plugin_api::Error;

use super::diagnostic::{Diagnostic, Problems, SourceText};
use super::mask::is_secret_key;
use super::node::{Node, Scalar, Span, Value, shorten};
use crate::code::Code;

/// Where placeholders get their values: `--param` first, then the environment.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a> {
    pub(super) params: &'a [(String, String)],
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        // The last of several parameters of one name wins.
        self.params.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone()).or_else(|| (self.env)(name))
    }
}

/// Splits `NAME=VALUE`. The value may be empty and may hold further `=`.
pub fn parse_param(text: &str) -> Result<(String, String), Error> {
    let example = "write --param NAME=VALUE";
    let Some((name, value)) = text.split_once('=') else {
        return Err(Error::config(format!("parameter \"{}\" has no \"=\"", shorten(text))).hint(example));
    };
    if !is_name(name) {
        let message = format!("\"{}\" is not a parameter name", shorten(name));
        return Err(Error::config(message).hint("a name is made of letters, digits, \"_\", \"-\" and \".\""));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Whether `body` may stand between `${` and `}`.
pub(super) fn is_placeholder(body: &str) -> bool {
    is_name(body.split_once(":-").map_or(body, |(name, _)| name))
}

/// A text with its placeholders replaced.
pub(super) struct Expansion {
    pub(super) text: String,
    /// Whether anything was replaced by a value, and not only unescaped.
    pub(super) replaced: bool,
    /// Names without a value, replaced by nothing.
    pub(super) missing: Vec<String>,
    /// What stands between `${` and `}` where that is no name.
    pub(super) malformed: Vec<String>,
}

/// Replaces the placeholders of `text`. `$${` is a literal `${`; a `${` without `}` stays as it is.
pub(super) fn expand(text: &str, variables: Variables<'_>) -> Expansion {
    let mut out =
        Expansion { text: String::with_capacity(text.len()), replaced: false, missing: vec![], malformed: vec![] };
    for piece in Pieces(text) {
        match piece {
            Piece::Plain(text) => out.text.push_str(text),
            Piece::Escape => out.text.push_str("${"),
            Piece::Placeholder(body) => out.placeholder(body, variables),
        }
    }
    out
}

/// A part of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece<'a> {
    /// What stands for itself.
    Plain(&'a str),
    /// `$${`.
    Escape,
    /// What is between `${` and `}`.
    Placeholder(&'a str),
}

/// The pieces of what is left of a text. A step looks at no more than the piece that it answers with and the `${` behind
/// it, so that hostile texts cost no more than others.
pub(super) struct Pieces<'a>(pub(super) &'a str);

impl<'a> Pieces<'a> {
    fn cut(&mut self, at: usize) -> &'a str {
        let (piece, rest) = self.0.split_at(at);
        self.0 = rest;
        piece
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.0;
        match rest.find("${") {
            _ if rest.is_empty() => None,
            Some(0) => Some(match rest.find('}') {
                Some(end) => Piece::Placeholder(&self.cut(end + 1)[2..end]),
                None => Piece::Plain(self.cut(rest.len())),
            }),
            Some(1) if rest.starts_with('$') => {
                self.cut(3);
                Some(Piece::Escape)
            }
            Some(at) => Some(Piece::Plain(self.cut(if rest[..at].ends_with('$') { at - 1 } else { at }))),
            None => Some(Piece::Plain(self.cut(rest.len()))),
        }
    }
}

impl Expansion {
    fn placeholder(&mut self, body: &str, variables: Variables<'_>) {
        let (name, default) = match body.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (body, None),
        };
        self.replaced = true;
        if !is_name(name) {
            self.malformed.push(body.to_owned());
            return;
        }
        // As in a shell, the default also stands in for an empty value.
        match (variables.get(name), default) {
            (Some(value), Some(default)) if value.is_empty() => self.text.push_str(default),
            (Some(value), _) => self.text.push_str(&value),
            (None, Some(default)) => self.text.push_str(default),
            (None, None) => self.missing.push(name.to_owned()),
        }
    }
}

/// What a placeholder without a value means.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Missing {
    /// An error.
    Refused,
    /// Nothing, with a warning: the rule for the URL of a source.
    Empty,
}

/// Expands a text and reports what is missing, at the place that `locate` knows for what stands behind `${`.
pub(super) fn expand_at(
    text: &str,
    missing: Missing,
    is_secret: bool,
    locate: impl Fn(&str) -> Span,
    variables: Variables<'_>,
    problems: &Problems,
) -> Expansion {
    let expansion = expand(text, variables);
    for body in &expansion.malformed {
        // A literal password may look like a placeholder.
        let shown = if is_secret { "…".to_owned() } else { shorten(body) };
        let message = format!("\"${{{shown}}}\" is not a placeholder");
        let hint = "a name is made of letters, digits, \"_\", \"-\" and \".\"; write \"$${\" for a literal \"${\"";
        problems.push(Diagnostic::new(message).at(locate(body)).hint(hint).code(Code::Placeholder));
    }
    for name in &expansion.missing {
        let (at, message) = (locate(name), format!("\"${{{name}}}\" has no value"));
        if missing == Missing::Empty {
            problems.warn(at, format!("{message}: it stands for nothing in this URL"));
            continue;
        }
        let hint =
            format!("set the environment variable, pass --param {name}=VALUE, or write \"${{{name}:-default}}\"");
        problems.push(Diagnostic::new(message).at(at).hint(hint).code(Code::Placeholder));
    }
    expansion
}

/// Expands every scalar of the tree; `path` is where the node stands.
pub(super) fn expand_tree(root: &mut Node, source: &SourceText, variables: Variables<'_>, problems: &Problems) {
    walk(root, &mut Vec::new(), &|scalar, path, span| {
        if !scalar.text.contains("${") {
            return;
        }
        let is_secret = path.last().is_some_and(|key| is_secret_key(key));
        let missing = if path == ["source", "url"] { Missing::Empty } else { Missing::Refused };
        let expansion =
            expand_at(&scalar.text, missing, is_secret, |body| narrow(span, source, body), variables, problems);
        if expansion.replaced {
            scalar.origin = Some(format!("\"{}\"", shorten(&scalar.text)));
        }
        scalar.text = expansion.text;
    });
}

fn walk(node: &mut Node, path: &mut Vec<String>, visit: &impl Fn(&mut Scalar, &[String], Span)) {
    let span = node.span;
    match &mut node.value {
        Value::Scalar(scalar) => visit(scalar, path, span),
        Value::List(items) => {
            path.push("[]".to_owned());
            for item in items {
                walk(item, path, visit);
            }
            path.pop();
        }
        Value::Map(entries) => {
            for entry in entries {
                path.push(entry.key.clone());
                walk(&mut entry.value, path, visit);
                path.pop();
            }
        }
    }
}

/// Where `${body` stands on the scalar's first line: a better place for a caret than the whole scalar.
fn narrow(span: Span, source: &SourceText, body: &str) -> Span {
    let line = source.line(span.line);
    let start = line.char_indices().nth(span.column - 1).map_or(line.len(), |(at, _)| at);
    let Some(found) = line[start..].find(&format!("${{{body}")) else { return span };
    let column = span.column + line[start..start + found].chars().count();
    let length = line[start + found..].chars().position(|c| c == '}').map_or(2, |end| end + 1);
    Span { line: span.line, column, length }
}
