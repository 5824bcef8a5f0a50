//! What came of one look: the document of `rivet doctor --json`, whose fields `docs/src/reference/doctor.md` describes.

use std::path::Path;

use rivet_plugin_api::{Category, Error, Probe};
use serde::Serialize;

use crate::config::Diagnostic;
use crate::secret::redact;

/// What was looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The configuration, or one mistake in it.
    Config,
    /// The source.
    Source,
    /// The query of an export.
    Query,
    /// A destination.
    Destination,
}

/// How it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Ok,
    /// It does not.
    Failed,
    /// It was not tried, since trying it would write where it cannot be undone.
    Skipped,
}

/// One thing that was looked at. Its texts hold no secret.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What kind of thing.
    #[serde(rename = "check")]
    pub kind: Kind,
    /// How it is.
    pub status: Status,
    /// What people know it by: `Postgres`, `S3(my-bucket)`, the name of an export, the configuration file.
    pub name: String,
    /// The connector's `type`.
    pub connector: Option<String>,
    /// The exports that use it.
    pub exports: Vec<String>,
    /// Who answered; for a source.
    pub server: Option<Server>,
    /// Where output goes; for a destination.
    pub location: Option<String>,
    /// What is wrong.
    pub error: Option<Problem>,
    /// What works and is doubtful, one sentence each.
    pub warnings: Vec<String>,
}

/// The server of a source.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Its make.
    pub product: String,
    /// Its version.
    pub version: String,
    /// Whom we are there.
    pub user: Option<String>,
    /// The database or file.
    pub database: Option<String>,
    /// Whether nobody can listen.
    pub encrypted: Option<bool>,
    /// Whether it is on another machine.
    pub remote: Option<bool>,
    /// Whether it follows another server.
    pub replica: Option<bool>,
}

/// What is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// The stable name of the kind of error.
    pub category: String,
    /// The kind of error in the words of the report.
    pub label: String,
    /// The code of the system that failed.
    pub code: Option<String>,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The line of the configuration, from 1.
    pub line: Option<usize>,
    /// The column of the configuration, from 1.
    pub column: Option<usize>,
}

impl Check {
    /// One that works.
    pub fn ok(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            status: Status::Ok,
            name: name.into(),
            connector: None,
            exports: Vec::new(),
            server: None,
            location: None,
            error: None,
            warnings: Vec::new(),
        }
    }

    /// One that does not.
    pub fn failed(kind: Kind, name: impl Into<String>, problem: Problem) -> Self {
        Self { status: Status::Failed, error: Some(problem), ..Self::ok(kind, name) }
    }

    /// A configuration without mistakes.
    pub fn of_config(file: &Path, warnings: &[String]) -> Self {
        Self { warnings: redacted(warnings), ..Self::ok(Kind::Config, file.display().to_string()) }
    }

    /// A mistake in the configuration.
    pub fn of_mistake(file: &Path, mistake: &Diagnostic) -> Self {
        let problem = Problem {
            line: mistake.span.map(|span| span.line),
            column: mistake.span.map(|span| span.column),
            hint: mistake.hint.as_deref().map(redact),
            ..Problem::of_config(&Error::config(&mistake.message))
        };
        Self::failed(Kind::Config, file.display().to_string(), problem)
    }
}

impl From<Probe> for Server {
    fn from(probe: Probe) -> Self {
        Self {
            product: redact(&probe.server),
            version: redact(&probe.version),
            user: probe.user.as_deref().map(redact),
            database: probe.database.as_deref().map(redact),
            encrypted: probe.encrypted,
            remote: probe.remote,
            replica: probe.replica,
        }
    }
}

/// `texts` without secrets.
pub(super) fn redacted(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| redact(text)).collect()
}

impl Problem {
    /// The failure of a connector; `place` is the noun for what may be missing, such as `bucket`.
    pub fn of(error: &Error, place: Option<&str>) -> Self {
        let (label, hint) = match error.category() {
            Category::Auth => {
                ("auth error".to_owned(), "check that the credentials are set and valid, and their rights")
            }
            Category::Network | Category::Timeout | Category::Capacity | Category::Deadlock => {
                ("connectivity error".to_owned(), "check host, port, DNS and firewall, and that the server runs")
            }
            Category::NotFound => {
                let label = place.map_or_else(|| "not found".to_owned(), |place| format!("{place} not found"));
                (label, "create it, or correct its name in the configuration")
            }
            _ => ("error".to_owned(), "RUST_LOG=debug shows more"),
        };
        Self {
            category: error.category().as_str().to_owned(),
            label,
            code: error.code_text().map(str::to_owned),
            message: redact(&error.to_string()),
            hint: Some(redact(error.hint_text().unwrap_or(hint))),
            line: None,
            column: None,
        }
    }

    /// The failure of a query.
    pub fn of_query(error: &Error) -> Self {
        let problem = Self::of(error, None);
        let is_wrong = error.category() == Category::Permanent && error.hint_text().is_none();
        let hint = if is_wrong { Some("correct the query, or what it reads".to_owned()) } else { problem.hint };
        Self { hint, ..problem }
    }

    /// A mistake that was made in the configuration or the command line.
    pub fn of_config(error: &Error) -> Self {
        let hint = error.hint_text().map(redact);
        Self { label: "config error".to_owned(), hint, ..Self::of(error, None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_have_the_words_of_the_predecessor() {
        let label = |category, place| Problem::of(&Error::new(category, "x"), place).label;
        let words: Vec<_> = Category::ALL.into_iter().map(|category| label(category, Some("bucket"))).collect();
        assert_eq!(
            words,
            [
                "connectivity error",
                "connectivity error",
                "connectivity error",
                "connectivity error",
                "auth error",
                "bucket not found",
                "error",
                "error",
                "error",
                "error",
                "error",
                "error",
                "error"
            ]
        );
        assert_eq!(label(Category::NotFound, Some("path")), "path not found");
        assert_eq!(label(Category::NotFound, None), "not found");
    }

    #[test]
    fn each_category_has_a_hint_and_the_connectors_own_wins() {
        assert!(Category::ALL.into_iter().all(|c| Problem::of(&Error::new(c, "x"), None).hint.is_some()));
        let error = Error::auth("x").hint("ask for the right").code("42501");
        let problem = Problem::of(&error, None);
        assert_eq!((problem.hint.as_deref(), problem.code.as_deref()), (Some("ask for the right"), Some("42501")));
    }
}
