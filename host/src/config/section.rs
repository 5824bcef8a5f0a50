//! Typed reading of one map of the configuration: every getter reports what is wrong and goes on, so that one run
//! shows all problems.

use std::collections::BTreeMap;

use rivet_plugin_api::suggest::{did_you_mean, list, nearest};

use super::diagnostic::{Diagnostic, Problems};
use super::key::{Key, Takes, find, names};
use super::mask::is_secret_key;
use super::node::{Core, Entry, Node, Span, Value};
use crate::code::Code;

/// A map that is being read.
pub(super) struct Section<'a> {
    /// What users know it by, such as `export "users"`.
    pub(super) label: String,
    /// Where to point when a key is missing.
    pub(super) at: Span,
    pub(super) entries: &'a [Entry],
    pub(super) problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The map in `node`, or a problem when it is none.
    pub(super) fn open(label: impl Into<String>, at: Span, node: &'a Node, problems: &'a Problems) -> Option<Self> {
        let label = label.into();
        if let Value::Map(entries) = &node.value {
            return Some(Self { label, at, entries, problems });
        }
        problems.push(Diagnostic::new(format!("{label} must be a map, not {}", node.describe(true))).at(node.span));
        None
    }

    /// The map under `key`, if the key is there.
    pub(super) fn section(&self, key: &str, label: impl Into<String>) -> Option<Self> {
        let entry = self.get(key)?;
        Self::open(label, entry.key_span, &entry.value, self.problems)
    }

    /// Reports every key that is not one of `known`, but for those `reported` already. `elsewhere` says where a key
    /// belongs that is known in other maps.
    pub(super) fn only(
        &self,
        known: &'static [Key],
        reported: &'static [Key],
        elsewhere: impl Fn(&str) -> Option<&'static str>,
    ) {
        let is_unknown = |e: &&Entry| find(known, &e.key).or_else(|| find(reported, &e.key)).is_none();
        for entry in self.entries.iter().filter(is_unknown) {
            if self.problems.is_full() {
                return;
            }
            let hint = match elsewhere(&entry.key) {
                Some(home) => format!("`{}` belongs {home}", entry.key),
                None => did_you_mean(&entry.key, names(known), "known keys"),
            };
            let message = format!("unknown key `{}` in {}", super::node::shorten(&entry.key), self.label);
            self.problem_as(Code::UnknownKey, entry.key_span, message, hint);
        }
    }

    pub(super) fn problem(&self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.problem_as(Code::WrongValue, at, message, hint);
    }

    pub(super) fn problem_as(&self, code: Code, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Diagnostic::new(message).at(at).hint(hint).code(code));
    }

    /// The entry, unless it is absent or null: `key:` without a value counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|e| e.key == key && !e.value.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Where `key` stands, or the section itself.
    pub(super) fn place(&self, key: &str) -> Span {
        self.entries.iter().find(|e| e.key == key).map_or(self.at, |e| e.key_span)
    }

    /// As [`Self::get`], with a problem when there is nothing.
    pub(super) fn required(&self, key: &str, hint: &str) -> Option<&'a Entry> {
        let entry = self.get(key);
        if entry.is_none() {
            self.problem_as(Code::MissingKey, self.place(key), format!("{} has no `{key}`", self.label), hint);
        }
        entry
    }

    pub(super) fn wrong(&self, key: &str, node: &Node, expected: &str, hint: Option<String>) {
        let found = node.describe(is_secret_key(key));
        let mut diagnostic =
            Diagnostic::new(format!("`{key}` in {} must be {expected}, not {found}", self.label)).at(node.span);
        diagnostic.hint = hint;
        self.problems.push(diagnostic);
    }

    /// Text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        let entry = self.get(key)?;
        let text = self.text_of(key, &entry.value)?;
        if text.trim().is_empty() {
            // A block scalar of nothing would be found on the line that follows.
            self.problems.push(Diagnostic::new(format!("`{key}` in {} is empty", self.label)).at(entry.key_span));
            return None;
        }
        Some(text)
    }

    fn text_of(&self, key: &str, node: &'a Node) -> Option<&'a str> {
        let text = match &node.value {
            Value::Scalar(scalar) => scalar.as_text(),
            _ => None,
        };
        if text.is_none() {
            let is_scalar = matches!(node.value, Value::Scalar(_));
            self.wrong(key, node, "text", is_scalar.then(|| "put it into quotes".to_owned()));
        }
        text
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let node = &self.get(key)?.value;
        let Value::Scalar(scalar) = &node.value else {
            self.wrong(key, node, "true or false", None);
            return None;
        };
        if let Core::Bool(value) = scalar.core() {
            return Some(value);
        }
        self.wrong(key, node, "true or false", boolean_hint(&scalar.text));
        None
    }

    /// A whole number of the range that `keys` have for it, which fits `T`.
    pub(super) fn integer<T: TryFrom<i128>>(&self, keys: &'static [Key], key: &str) -> Option<T> {
        let node = &self.get(key)?.value;
        let Some(Takes::Whole(least, most)) = find(keys, key).map(|key| key.takes) else { return None };
        let range = least..=most;
        let expected = match range.clone().into_inner() {
            (0, _) => "a whole number",
            _ => "a positive whole number",
        };
        let Value::Scalar(scalar) = &node.value else {
            self.wrong(key, node, expected, None);
            return None;
        };
        match scalar.core() {
            Core::Int(value) if range.contains(&value) => T::try_from(value).ok(),
            Core::Int(_) => {
                let (least, most) = range.into_inner();
                self.wrong(key, node, &format!("between {least} and {most}"), None);
                None
            }
            _ => {
                self.wrong(key, node, expected, number_hint(scalar.origin.is_none(), scalar.plain, &scalar.text));
                None
            }
        }
    }

    /// One of a fixed set of names.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let node = &self.get(key)?.value;
        self.choice_of(key, node, choices)
    }

    pub(super) fn choice_of<T: Copy>(&self, key: &str, node: &Node, choices: &[(&str, T)]) -> Option<T> {
        let text = match &node.value {
            Value::Scalar(scalar) => scalar.as_text(),
            _ => None,
        };
        if let Some((_, value)) = choices.iter().find(|(name, _)| Some(*name) == text) {
            return Some(*value);
        }
        let names = choices.iter().map(|(name, _)| *name);
        let near = text.and_then(|t| nearest(t, names.clone()));
        self.wrong(key, node, &list(names, "or"), near.map(|n| format!("did you mean `{n}`?")));
        None
    }

    /// A list; each item goes through `read`.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(&'a Node) -> Option<T>) -> Option<Vec<T>> {
        let node = &self.get(key)?.value;
        let Value::List(items) = &node.value else {
            let hint = "write one item a line, each after \"- \", or [a, b]";
            self.wrong(key, node, "a list", Some(hint.to_owned()));
            return None;
        };
        Some(items.iter().filter_map(read).collect())
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.list(key, |node| self.text_of(key, node).map(str::to_owned))
    }

    /// A map from names to `T`; each value goes through `read`.
    pub(super) fn map<T>(&self, key: &str, read: impl Fn(&'a Node) -> Option<T>) -> BTreeMap<String, T> {
        let Some(entry) = self.get(key) else { return BTreeMap::new() };
        let Value::Map(entries) = &entry.value.value else {
            self.wrong(key, &entry.value, "a map", None);
            return BTreeMap::new();
        };
        entries.iter().filter_map(|e| Some((e.key.clone(), read(&e.value)?))).collect()
    }

    pub(super) fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        self.map(key, |node| self.text_of(key, node).map(str::to_owned))
    }
}

/// What to write where YAML 1.1 knew more booleans than YAML 1.2 does.
pub(super) fn boolean_hint(text: &str) -> Option<String> {
    let meant = match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "true" | "1" => "true",
        "no" | "n" | "off" | "false" | "0" => "false",
        _ => return None,
    };
    Some(format!("write {meant} without quotes: in YAML 1.2 only true and false are booleans"))
}

/// How a number has to be written, for a text that looks like one.
pub(super) fn number_hint(in_file: bool, plain: bool, text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',' | '\'')).collect();
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    (in_file && is_number).then(|| match (plain, digits.trim_start_matches('0')) {
        (_, "") => "write 0".to_owned(),
        (true, digits) => format!("write {digits}"),
        (false, digits) => format!("write {digits} without quotes"),
    })
}
