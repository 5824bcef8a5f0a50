//! A connector's options, checked against the schema it announces, with variables and files read.

use std::collections::BTreeMap;
use std::path::Path;

use rivet_plugin_api::suggest::{did_you_mean, list, nearest};
use serde_json::{Map, Value as Json};

use super::connector::Connector;
use super::diagnostic::{ConfigError, Problems};
use super::expand::{Missing, Variables, expand_at};
use super::file;
use super::node::{Entry, Node, Scalar, Span, Value, shorten};
use super::schema::{Shape, properties};
use super::section::Section;
use crate::code::Code;

/// Options ready to be given to a connector.
pub struct Resolved {
    /// One member for each option that is set; valid by the connector's schema as far as the host reads it.
    pub options: Json,
    /// What must never be shown: secret options and the passwords inside URLs. Never empty strings.
    pub secrets: Vec<String>,
    /// What is doubtful but no error, one sentence each.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolved").field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

impl Connector {
    /// Turns what the user wrote into the connector's options.
    ///
    /// `schema` is the JSON Schema of the options. Besides its properties, `<property>_env` names an environment
    /// variable and `<property>_file` a file (relative to the working directory, read and trimmed) that holds the
    /// value. A property the schema declares by such a name is taken literally.
    pub fn resolve(&self, schema: &Json, env: &dyn Fn(&str) -> Option<String>) -> Result<Resolved, ConfigError> {
        let problems = Problems::default();
        let section = self.section(&problems);
        let variables = Variables { params: &self.origin.params, env };
        let mut resolver = Resolver { kind: &self.kind, root: schema, variables, section, secrets: Vec::new() };
        let options = resolver.options(schema);
        let secrets = std::mem::take(&mut resolver.secrets);
        let warnings = problems.finish(&self.origin.text)?;
        Ok(Resolved { options: Json::Object(options), secrets, warnings })
    }
}

pub(super) struct Resolver<'a> {
    kind: &'a str,
    pub(super) root: &'a Json,
    variables: Variables<'a>,
    pub(super) section: Section<'a>,
    pub(super) secrets: Vec<String>,
}

/// What gives a connection without a URL.
pub(super) const FIELDS: [&str; 3] = ["host", "user", "database"];
const PASSWORDS: [&str; 3] = ["password", "password_env", "password_file"];
const URLS: [&str; 3] = ["url", "url_env", "url_file"];

impl<'a> Resolver<'a> {
    fn options(&mut self, schema: &'a Json) -> Map<String, Json> {
        let shape = Shape::of(schema, self.root);
        let Some(&object) = shape.objects.first() else {
            // A schema that describes no object takes nothing, and what is written must not be dropped in silence.
            self.section.entries.iter().for_each(|entry| self.unknown(entry, &Map::new(), &entry.key));
            return Map::new();
        };
        let known = properties(object);
        let takes = |key: &str| known.is_some_and(|p| p.contains_key(key));
        let mut ignored = Vec::new();
        // Two ways to say where the server is.
        let has_styles = takes("url") && takes("host");
        if has_styles {
            self.check_connection(&takes, &mut ignored);
        }
        let entries: Vec<&Entry> = self.section.entries.iter().filter(|e| !ignored.contains(&e.key.as_str())).collect();
        let options = self.object(&entries, object, "");
        let required = object.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for key in required.filter(|key| !(has_styles && (FIELDS.contains(key) || *key == "url"))) {
            // A value that is wrong has been reported where it stands.
            if !options.contains_key(key)
                && ![key.to_owned(), format!("{key}_env"), format!("{key}_file")].iter().any(|k| self.section.has(k))
            {
                let message = format!("{} has no `{key}`, which connector \"{}\" needs", self.section.label, self.kind);
                self.section.problem_as(Code::MissingKey, self.section.at, message, format!("add `{key}`"));
            }
        }
        options
    }

    /// A URL or fields, not both, and the fields whole.
    fn check_connection(&self, takes: &dyn Fn(&str) -> bool, ignored: &mut Vec<&'static str>) {
        let section = &self.section;
        let url = URLS.into_iter().find_map(|key| section.get(key));
        let parts: Vec<&str> = FIELDS.into_iter().filter(|key| takes(key)).collect();
        let given: Vec<&Entry> = FIELDS.iter().chain(&PASSWORDS).filter_map(|key| section.get(key)).collect();
        if let (Some(url), Some(field)) = (url, given.first()) {
            let message = format!("`{}` and `{}` exclude each other in {}", url.key, field.key, section.label);
            let hint = format!("connect either by a URL or by {}", list(parts.iter().copied(), "and"));
            section.problem_as(Code::Exclusive, field.key_span.max(url.key_span), message, hint);
        } else if url.is_some() {
            if section.has("port") {
                let message = format!("`port` of {} is ignored: the URL decides", section.label);
                section.problems.warn(section.place("port"), message);
                ignored.push("port");
            }
        } else if given.is_empty() {
            let message = format!("{} does not say how to connect", section.label);
            let hint =
                format!("give one of `url`, `url_env` and `url_file`, or {}", list(parts.iter().copied(), "and"));
            section.problem_as(Code::MissingKey, section.at, message, hint);
        } else {
            for key in parts.iter().filter(|key| !section.has(key)) {
                let message = format!("{} has no `{key}`", section.label);
                let hint = format!("connecting without a URL needs {}", list(parts.iter().copied(), "and"));
                section.problem_as(Code::MissingKey, section.at, message, hint);
            }
        }
    }

    /// The entries of one map by the schema of one object; `path` is where it stands, such as `tls.`.
    pub(super) fn object(
        &mut self,
        entries: &[&Entry],
        object: &'a Map<String, Json>,
        path: &str,
    ) -> Map<String, Json> {
        let empty = Map::new();
        let known = properties(object).unwrap_or(&empty);
        let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut out = Map::new();
        for &entry in entries.iter().filter(|e| !e.value.is_null()) {
            let label = format!("{path}{}", entry.key);
            let Some((name, via)) = property(&entry.key, |key| known.contains_key(key)) else {
                match object.get("additionalProperties") {
                    Some(Json::Bool(false)) | None => self.unknown(entry, known, &label),
                    Some(schema) => {
                        let value = self.value(&label, &entry.value, schema);
                        out.extend(value.map(|v| (entry.key.clone(), v)));
                    }
                }
                continue;
            };
            if let Some(first) = seen.insert(name, entry) {
                let message =
                    format!("`{path}{}` and `{label}` exclude each other in {}", first.key, self.section.label);
                self.section.problem_as(Code::Exclusive, entry.key_span, message, "keep one of the two");
                continue;
            }
            // Asked again because `known` may borrow from `empty`, which does not live as long as the schema.
            let Some(schema) = properties(object).and_then(|p| p.get(name)) else { continue };
            let Some(node) = self.fetch(entry, name, via, &label) else { continue };
            let value = self.value(&label, &node, schema);
            out.extend(value.map(|v| (name.to_owned(), v)));
        }
        out
    }

    fn unknown(&self, entry: &Entry, known: &Map<String, Json>, label: &str) {
        let message = format!("key `{}` is not an option of connector \"{}\"", shorten(label), self.kind);
        let with_suffix: Vec<String> =
            known.keys().flat_map(|k| [k.clone(), format!("{k}_env"), format!("{k}_file")]).collect();
        let hint = match nearest(&entry.key, with_suffix.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => did_you_mean(&entry.key, known.keys().map(String::as_str), "its options are"),
        };
        self.section.problem_as(Code::UnknownOption, entry.key_span, message, hint);
    }

    /// The value of an entry, read from where the suffix of its key says.
    fn fetch(&self, entry: &Entry, name: &str, via: Via, label: &str) -> Option<Node> {
        let at = entry.value.span;
        if via == Via::Here {
            return Some(entry.value.clone());
        }
        let place = match &entry.value.value {
            Value::Scalar(scalar) => scalar.as_text().filter(|t| !t.is_empty()),
            _ => None,
        };
        let Some(place) = place else {
            let expected = if via == Via::Env { "the name of an environment variable" } else { "the path of a file" };
            self.section.wrong(label, &entry.value, expected, None);
            return None;
        };
        let (text, origin) = match via {
            Via::Env => (self.variable(place, label, at)?, format!("environment variable \"{}\"", shorten(place))),
            _ => (self.file(place, label, at)?, format!("file \"{}\"", shorten(place))),
        };
        // Placeholders in a URL that comes from outside are a promise of the predecessor.
        let text = match name {
            "url" => expand_at(&text, Missing::Empty, true, |_| at, self.variables, self.section.problems).text,
            _ => text,
        };
        let scalar = Scalar { text, plain: true, origin: Some(origin) };
        Some(Node { span: at, value: Value::Scalar(scalar) })
    }

    fn variable(&self, name: &str, label: &str, at: Span) -> Option<String> {
        let value = (self.variables.env)(name);
        if value.is_none() {
            let message = format!("environment variable \"{}\" of `{label}` is not set, or is empty", shorten(name));
            self.section.problem_as(
                Code::Variable,
                at,
                message,
                format!("set it, or change `{label}` in {}", self.section.label),
            );
        }
        value
    }

    fn file(&self, path: &str, label: &str, at: Span) -> Option<String> {
        let what = format!("the file of `{label}`,");
        let read = file::read(Path::new(path), &what).and_then(|bytes| {
            file::decode(&bytes, &format!("the file of `{label}`, \"{path}\",")).map(|text| text.trim().to_owned())
        });
        read.map_err(|problem| {
            self.section.problems.push(problem.at(at).hint("the path is relative to the working directory"));
        })
        .ok()
    }
}

/// Where the value of an option is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Via {
    Here,
    Env,
    File,
}

/// The property a key sets, and where its value is. A declared property wins over a suffix.
fn property(key: &str, takes: impl Fn(&str) -> bool) -> Option<(&str, Via)> {
    let by_suffix = |suffix, via| key.strip_suffix(suffix).filter(|name| takes(name)).map(|name| (name, via));
    if takes(key) {
        return Some((key, Via::Here));
    }
    by_suffix("_env", Via::Env).or_else(|| by_suffix("_file", Via::File))
}
