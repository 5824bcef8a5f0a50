//! YAML text to [`Node`]s: one document, no duplicate keys, anchors, aliases and merge keys within bounds.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Range, Tag};

use super::diagnostic::{Diagnostic, Problems};
use super::expand::is_placeholder;
use super::node::{Entry, Node, Scalar, Span, Value, shorten};
use crate::code::Code;

/// Lists and maps inside each other.
const MAX_DEPTH: usize = 64;
/// Values in the document, counting what aliases repeat.
const MAX_NODES: usize = 500_000;

/// The document's root. Duplicate keys are reported to `problems` and reading goes on; anything else that is wrong
/// with the YAML ends it.
pub(super) fn parse(text: &str, problems: &Problems) -> Result<Node, Diagnostic> {
    let text = shield(text);
    let shielded = matches!(text, Cow::Owned(_));
    let mut builder = Builder { problems, shielded, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    for event in Parser::new_from_str(&text) {
        let (event, range) = event.map_err(|e| syntax_error(&e))?;
        builder.event(event, span(range))?;
    }
    match builder.root {
        Some(root) if !root.is_null() => Ok(root),
        _ => Err(Diagnostic::new("the configuration is empty")
            .code(Code::MissingKey)
            .hint("it needs at least `source` and `exports`")),
    }
}

/// Stand for the braces of a placeholder while YAML is parsed. Unicode promises that they never become characters.
const BRACES: [(char, char); 2] = [('{', '\u{10fffe}'), ('}', '\u{10ffff}')];
/// How both are written in double quotes, in lower case and but for the last digit.
const ESCAPE: &str = "\\u0010fff";

/// Hides the braces of placeholders, which would end a plain scalar inside `{ … }` and `[ … ]`. Nothing moves. The text
/// stays as it is when there is nothing to hide, or when it holds what would stand for the braces.
fn shield(text: &str) -> Cow<'_, str> {
    let is_taken = BRACES.iter().any(|(_, hidden)| text.contains(*hidden));
    if !text.contains("${") || is_taken || text.to_ascii_lowercase().contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..=at]);
        let body = &rest[at + 2..];
        rest = &rest[at + 1..];
        // To stop at the next brace keeps this linear; a default with a placeholder in it needs quotes there.
        if let Some(end) = body.find(['}', '{', '\n', '\r']).filter(|end| body[*end..].starts_with('}'))
            && is_placeholder(&body[..end])
        {
            out.extend([BRACES[0].1]);
            out.push_str(&body[..end]);
            out.extend([BRACES[1].1]);
            rest = &body[end + 1..];
        }
    }
    Cow::Owned(out + rest)
}

fn unshield(text: &str) -> String {
    BRACES.iter().fold(text.to_owned(), |text, (brace, hidden)| text.replace(*hidden, &brace.to_string()))
}

fn syntax_error(error: &ScanError) -> Diagnostic {
    let at = error.marker();
    let place = Span { line: at.line().max(1), column: at.col() + 1, length: 1 };
    // The parser has a bound of its own for what it does recursively.
    if error.info().contains("recursion limit") {
        return too_deep(place);
    }
    let mut text = error.info().trim_end_matches('.').to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let error = Diagnostic::new(format!("this is not valid YAML: {text}")).code(Code::Syntax).at(place);
    if text.contains("tab") { error.hint("indent with spaces") } else { error }
}

fn span(range: Range) -> Span {
    let (start, end) = (range.start, range.end);
    let length = if start.line() == end.line() { end.col().saturating_sub(start.col()).max(1) } else { 1 };
    Span { line: start.line().max(1), column: start.col() + 1, length }
}

/// A finished value with what the bounds need to know of it.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    height: usize,
}

/// A list or map that has not ended.
struct Open {
    at: Span,
    anchor: usize,
    nodes: usize,
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Keys),
}

#[derive(Default)]
struct Keys {
    entries: Vec<Entry>,
    seen: HashMap<String, Span>,
    /// A key that waits for its value; `true` for a merge key.
    pending: Option<(String, Span, bool)>,
    /// The values of merge keys.
    merged: Vec<Node>,
}

struct Builder<'p> {
    problems: &'p Problems,
    /// Whether the braces of placeholders are hidden.
    shielded: bool,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Diagnostic::new("a second YAML document begins here")
                    .code(Code::Syntax)
                    .at(at)
                    .hint("keep one document a file"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text_tag(tag.as_deref(), at)?;
                let text = if self.shielded { unshield(&text) } else { text.into_owned() };
                let scalar = Scalar { text, plain, origin: None };
                self.finish(Node { span: at, value: Value::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(anchor, tag) => self.start(Content::List(Vec::new()), at, anchor, tag.as_deref()),
            Event::MappingStart(anchor, tag) => self.start(Content::Map(Keys::default()), at, anchor, tag.as_deref()),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            _ => Ok(()),
        }
    }

    fn start(&mut self, content: Content, at: Span, anchor: usize, tag: Option<&Tag>) -> Result<(), Diagnostic> {
        is_text_tag(tag, at)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        if let Some(Open { content: Content::Map(keys), .. }) = self.open.last()
            && keys.pending.is_none()
        {
            return Err(Diagnostic::new("a list or map cannot be a key").code(Code::Syntax).at(at));
        }
        self.count(1, at)?;
        self.open.push(Open { at, anchor, nodes: 1, height: 0, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map(keys) => Value::Map(keys.merge()?),
        };
        let built = Built { node: Node { span: open.at, value }, nodes: open.nodes, height: open.height + 1 };
        self.anchor(open.anchor, &built)?;
        self.add(built)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        self.count(1, node.span)?;
        let built = Built { node, nodes: 1, height: 0 };
        self.anchor(anchor, &built)?;
        self.add(built)
    }

    /// Called before anything is built or copied: a few lines of aliases can ask for billions of values.
    fn count(&mut self, nodes: usize, at: Span) -> Result<(), Diagnostic> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err(too_many(at)) } else { Ok(()) }
    }

    /// Keeps a copy of an anchored value for its aliases. The copy counts, or nested anchors would multiply a file.
    fn anchor(&mut self, anchor: usize, built: &Built) -> Result<(), Diagnostic> {
        // The parser numbers anchors from 1.
        if anchor > 0 {
            self.count(built.nodes, built.node.span)?;
            self.anchors.insert(anchor, built.clone());
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Span) -> Result<(), Diagnostic> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::new("an alias cannot stand inside the value it repeats").code(Code::Syntax).at(at));
        };
        if self.open.len() + target.height > MAX_DEPTH {
            return Err(too_deep(at));
        }
        let nodes = target.nodes;
        self.count(nodes, at)?;
        let Some(mut copy) = self.anchors.get(&anchor).cloned() else { return Ok(()) };
        if matches!(copy.node.value, Value::Scalar(_)) {
            copy.node.span = at;
        }
        self.add(copy)
    }

    fn add(&mut self, built: Built) -> Result<(), Diagnostic> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        open.nodes += built.nodes;
        open.height = open.height.max(built.height);
        match &mut open.content {
            Content::List(items) => items.push(built.node),
            Content::Map(keys) => keys.add(built.node, self.problems)?,
        }
        Ok(())
    }
}

impl Keys {
    fn add(&mut self, node: Node, problems: &Problems) -> Result<(), Diagnostic> {
        let Some((key, key_span, is_merge)) = self.pending.take() else {
            let Value::Scalar(scalar) = node.value else {
                return Err(Diagnostic::new("a list or map cannot be a key").code(Code::Syntax).at(node.span));
            };
            let is_merge = scalar.plain && scalar.text == "<<";
            self.pending = Some((scalar.text, node.span, is_merge));
            return Ok(());
        };
        if is_merge {
            self.merged.push(node);
            return Ok(());
        }
        if let Some(first) = self.seen.get(&key) {
            let hint = format!("it is already set in line {}: keep one of the two", first.line);
            problems.push(
                Diagnostic::new(format!("duplicate key `{}`", shorten(&key)))
                    .code(Code::Duplicate)
                    .at(key_span)
                    .hint(hint),
            );
        } else {
            self.seen.insert(key.clone(), key_span);
            self.entries.push(Entry { key, key_span, value: node });
        }
        Ok(())
    }

    /// The entries with those of merge keys behind them. A key of the map itself wins, then the earlier merged map.
    fn merge(mut self) -> Result<Vec<Entry>, Diagnostic> {
        for node in self.merged {
            let maps = match node.value {
                Value::List(items) => items,
                _ => vec![node],
            };
            for map in maps {
                let Value::Map(entries) = map.value else {
                    return Err(Diagnostic::new("the merge key `<<` takes a map or a list of maps")
                        .code(Code::Syntax)
                        .at(map.span));
                };
                for entry in entries {
                    if !self.seen.contains_key(&entry.key) {
                        self.seen.insert(entry.key.clone(), entry.key_span);
                        self.entries.push(entry);
                    }
                }
            }
        }
        Ok(self.entries)
    }
}

/// Whether the tag makes a scalar text. Tags other than those of plain text, lists and maps are refused.
fn is_text_tag(tag: Option<&Tag>, at: Span) -> Result<bool, Diagnostic> {
    let Some(tag) = tag else { return Ok(false) };
    match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
        (true, "str") => Ok(true),
        (true, "map" | "seq") => Ok(false),
        _ => Err(Diagnostic::new("YAML tags are not supported")
            .code(Code::Syntax)
            .at(at)
            .hint("remove the tag that begins with `!`")),
    }
}

fn too_deep(at: Span) -> Diagnostic {
    Diagnostic::new(format!("lists and maps are nested more than {MAX_DEPTH} deep")).code(Code::Syntax).at(at)
}

fn too_many(at: Span) -> Diagnostic {
    Diagnostic::new(format!("the configuration holds more than {MAX_NODES} values"))
        .code(Code::Syntax)
        .at(at)
        .hint("anchored values and their aliases count each time")
}
