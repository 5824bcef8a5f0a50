//! `source` and `destination`: a connector's type and its options, as yet unknown to the host.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rivet_plugin_api::{Category, Error};

use super::Reader;
use super::diagnostic::{ConfigError, Diagnostic, Problems, SourceText};
use super::mask::url_secrets;
use super::node::{Core, Entry, Span, Value};
use super::section::Section;
use crate::code::Code;
use crate::plugin::Isolation;

/// A connector to open: its type and what the user wrote for it. `Debug` shows no option values.
pub struct Connector {
    /// The `type`: the name a connector declares.
    pub kind: String,
    /// Where the map stands in the file.
    pub at: Span,
    /// Where the type stands.
    pub(super) kind_at: Span,
    /// Where it runs.
    pub isolation: Isolation,
    /// Where it says itself that it runs.
    pub(super) own_isolation: Option<Isolation>,
    /// What users know it by, such as `destination of export "users"`.
    pub(super) label: String,
    pub(super) options: Vec<Entry>,
    pub(super) origin: Arc<Origin>,
}

/// The file an option comes from, for messages, and the parameters that apply to it.
pub(super) struct Origin {
    pub(super) text: Arc<SourceText>,
    pub(super) params: Vec<(String, String)>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.options.iter().map(|e| e.key.as_str()).collect();
        f.debug_struct("Connector").field("kind", &self.kind).field("options", &keys).finish_non_exhaustive()
    }
}

impl Reader<'_> {
    /// Reads a connector; `own` are the keys of the map that are the host's.
    pub(super) fn connector(&self, section: &Section<'_>, own: &[&str]) -> Option<Connector> {
        check(section);
        section.required("type", "name the connector, for example `type: NAME`; `rivet plugin list` shows them all")?;
        let options = section.entries.iter().filter(|e| !own.contains(&e.key.as_str()) && !e.value.is_null());
        Some(Connector {
            kind: section.text("type")?.to_owned(),
            at: section.at,
            kind_at: section.get("type")?.value.span,
            isolation: Isolation::default(),
            own_isolation: section.isolation(),
            label: section.label.clone(),
            options: options.cloned().collect(),
            origin: Arc::clone(&self.origin),
        })
    }
}

/// What holds for the options of any connector, whatever its schema says.
fn check(section: &Section<'_>) {
    for [plain, env, file] in [["url", "url_env", "url_file"], ["password", "password_env", "password_file"]] {
        let given: Vec<&Entry> = [plain, env, file].iter().filter_map(|key| section.get(key)).collect();
        if let [first, second, ..] = given.as_slice() {
            let message = format!("`{}` and `{}` exclude each other in {}", first.key, second.key, section.label);
            let hint = format!("give exactly one of `{plain}`, `{env}` and `{file}`");
            section.problem_as(Code::Exclusive, second.key_span.max(first.key_span), message, hint);
        }
    }
    for (given, absent) in [("access_key_env", "secret_key_env"), ("secret_key_env", "access_key_env")] {
        if section.has(given) && !section.has(absent) {
            let message = format!("`{given}` without `{absent}` in {}", section.label);
            section.problem_as(
                Code::Exclusive,
                section.place(given),
                message,
                "give both, or neither for the default credentials",
            );
        }
    }
    check_credentials_file(section);
    warn_plain_text(section);
}

fn check_credentials_file(section: &Section<'_>) {
    let Some(entry) = section.get("credentials_file") else { return };
    let is_anonymous = section
        .get("allow_anonymous")
        .is_some_and(|e| matches!(&e.value.value, Value::Scalar(s) if matches!(s.core(), Core::Bool(true))));
    if is_anonymous {
        let message = format!("`allow_anonymous` and `credentials_file` exclude each other in {}", section.label);
        section.problem_as(Code::Exclusive, entry.key_span, message, "keep one of the two");
    }
    if let Some(path) = section.text("credentials_file")
        && !Path::new(path).exists()
    {
        let message = format!("`credentials_file` of {} does not exist: \"{path}\"", section.label);
        section.problem_as(Code::File, entry.value.span, message, "the path is relative to the working directory");
    }
}

/// Secrets in the file itself end up in version control.
fn warn_plain_text(section: &Section<'_>) {
    let literal = |key| section.get(key).filter(|e| matches!(&e.value.value, Value::Scalar(s) if s.origin.is_none()));
    if let Some(entry) = literal("password") {
        let message = format!("`password` of {} stands in plain text: use `password_env`", section.label);
        section.problems.warn(entry.key_span, message);
    }
    if let Some(entry) = literal("url")
        && let Value::Scalar(scalar) = &entry.value.value
        && !url_secrets(&scalar.text).is_empty()
    {
        let message =
            format!("`url` of {} holds a password in plain text: use `url_env` or `${{NAME}}`", section.label);
        section.problems.warn(entry.key_span, message);
    }
}

impl Connector {
    /// That its type names nothing of use, which `error` says, as a problem of the file.
    pub fn refused(&self, error: &Error) -> ConfigError {
        let code = match error.category() {
            Category::Conflict => Code::PluginLock,
            _ => Code::UnknownConnector,
        };
        let problem = Diagnostic::new(error.to_string()).at(self.kind_at).code(code);
        ConfigError::new(&self.origin.text, vec![problem.hint_of(error)])
    }

    /// The problems of a later step, under the name by which users know this connector.
    pub(super) fn section<'a>(&'a self, problems: &'a Problems) -> Section<'a> {
        Section { label: self.label.clone(), at: self.at, entries: &self.options, problems }
    }
}
