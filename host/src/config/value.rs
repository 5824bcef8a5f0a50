//! One option's value: checked against its schema and turned into JSON.

use rivet_plugin_api::suggest::{list, nearest};
use serde_json::{Map, Value as Json};

use super::mask::{is_secret_key, url_secrets};
use super::node::{Core, Entry, Node, Scalar, Value};
use super::resolve::Resolver;
use super::schema::{Shape, properties};
use super::section::{boolean_hint, number_hint};

impl<'a> Resolver<'a> {
    /// The JSON of `node`, or a problem. Notes secrets.
    pub(super) fn value(&mut self, label: &str, node: &Node, schema: &'a Json) -> Option<Json> {
        let shape = Shape::of(schema, self.root);
        let value = match &node.value {
            _ if shape.is_open() => Some(untyped(node)),
            Value::Scalar(scalar) => self.scalar(label, node, scalar, &shape),
            Value::List(items) if shape.takes("array") => Some(self.list(label, items, &shape)),
            Value::Map(entries) => self.map(label, node, entries, &shape),
            Value::List(_) => self.wrong(label, node, &shape),
        };
        if let Some(value) = &value {
            self.note_secrets(value, shape.secret);
        }
        value
    }

    fn list(&mut self, label: &str, items: &[Node], shape: &Shape<'a>) -> Json {
        let item_label = format!("{label}[]");
        let values = items.iter().filter_map(|item| match shape.items {
            Some(schema) => self.value(&item_label, item, schema),
            None => Some(untyped(item)),
        });
        Json::Array(values.collect())
    }

    fn map(&mut self, label: &str, node: &Node, entries: &[Entry], shape: &Shape<'a>) -> Option<Json> {
        match shape.objects.as_slice() {
            [] => self.wrong(label, node, shape),
            [object] if properties(object).is_some() || object.contains_key("additionalProperties") => {
                let entries: Vec<&Entry> = entries.iter().collect();
                Some(Json::Object(self.object(&entries, object, &format!("{label}."))))
            }
            // Which of several objects is meant is for the connector to find out.
            _ => Some(untyped(node)),
        }
    }

    fn scalar(&self, label: &str, node: &Node, scalar: &Scalar, shape: &Shape<'_>) -> Option<Json> {
        let text = scalar.as_text();
        let chosen =
            shape.choices.iter().find(|c| c.as_str().is_some_and(|c| Some(c) == text) || **c == &untyped(node));
        if let Some(choice) = chosen {
            return Some((*choice).clone());
        }
        let in_range = |n: i128| shape.minimum.is_none_or(|m| n >= m) && shape.maximum.is_none_or(|m| n <= m);
        match scalar.core() {
            Core::Bool(value) if shape.takes("boolean") => return Some(Json::Bool(value)),
            Core::Int(value) if shape.takes("integer") || shape.takes("number") => {
                if in_range(value)
                    && let Some(number) = whole(value)
                {
                    return Some(number);
                }
                return self.out_of_range(label, node, shape);
            }
            Core::Float(value) if shape.takes("number") && value.is_finite() => return Some(Json::from(value)),
            _ => {}
        }
        match text.filter(|_| shape.takes("string")) {
            Some(text) => Some(Json::from(text)),
            None => self.wrong(label, node, shape),
        }
    }

    fn out_of_range(&self, label: &str, node: &Node, shape: &Shape<'_>) -> Option<Json> {
        let least = shape.minimum.unwrap_or(i128::from(i64::MIN));
        let most = shape.maximum.unwrap_or(i128::from(i64::MAX));
        self.section.wrong(label, node, &format!("between {least} and {most}"), None);
        None
    }

    fn wrong(&self, label: &str, node: &Node, shape: &Shape<'_>) -> Option<Json> {
        let choices: Vec<&str> = shape.choices.iter().filter_map(|c| c.as_str()).collect();
        let names = shape.types.iter().map(|t| match *t {
            "string" => "text",
            "integer" => "a whole number",
            "boolean" => "true or false",
            "number" => "a number",
            "array" => "a list",
            "object" => "a map",
            other => other,
        });
        let types = names.collect::<Vec<_>>().join(" or ");
        let expected = match (choices.is_empty(), types.is_empty()) {
            (true, _) => types,
            (false, true) => list(choices.iter().copied(), "or"),
            (false, false) => format!("{types} or {}", list(choices.iter().copied(), "or")),
        };
        let hint = match &node.value {
            Value::Scalar(scalar) => {
                let text = scalar.text.as_str();
                let near = nearest(text, choices.iter().copied()).map(|n| format!("did you mean `{n}`?"));
                near.or_else(|| boolean_hint(text).filter(|_| shape.takes("boolean")))
                    .or_else(|| {
                        number_hint(scalar.origin.is_none() && !is_secret_key(label), scalar.plain, text)
                            .filter(|_| shape.takes("integer"))
                    })
                    .or_else(|| shape.takes("string").then(|| "put it into quotes".to_owned()))
            }
            _ => None,
        };
        self.section.wrong(label, node, &expected, hint);
        None
    }

    fn note_secrets(&mut self, value: &Json, is_secret: bool) {
        let mut found = Vec::new();
        match value {
            Json::String(text) => {
                found = url_secrets(text);
                if is_secret {
                    found.push(text.clone());
                }
            }
            Json::Number(number) if is_secret => found.push(number.to_string()),
            Json::Array(items) => items.iter().for_each(|item| self.note_secrets(item, is_secret)),
            Json::Object(map) => map.values().for_each(|item| self.note_secrets(item, is_secret)),
            _ => {}
        }
        for secret in found {
            if !secret.is_empty() && !self.secrets.contains(&secret) {
                self.secrets.push(secret);
            }
        }
    }
}

fn whole(value: i128) -> Option<Json> {
    i64::try_from(value).map(Json::from).or_else(|_| u64::try_from(value).map(Json::from)).ok()
}

/// The JSON of a value whose schema says nothing: typed by the core schema of YAML.
pub(super) fn untyped(node: &Node) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(untyped).collect(),
        Value::Map(entries) => untyped_map(entries),
        Value::Scalar(scalar) => match scalar.core() {
            Core::Null => Json::Null,
            Core::Bool(value) => Json::Bool(value),
            Core::Int(value) => whole(value).unwrap_or_else(|| Json::from(scalar.text.as_str())),
            Core::Float(value) if value.is_finite() => Json::from(value),
            Core::Float(_) => Json::from(scalar.text.as_str()),
            Core::Text(text) => Json::from(text),
        },
    }
}

pub(super) fn untyped_map(entries: &[Entry]) -> Json {
    entries.iter().map(|e| (e.key.clone(), untyped(&e.value))).collect::<Map<_, _>>().into()
}
