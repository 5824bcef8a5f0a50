//! `verify.yaml`: how `rivet plugin verify` opens a connector, and what it finds there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{fs, io};

use rivet_connector_kit::{DestinationTarget, SinceTarget, SourceTarget, Targets};
use rivet_plugin_api::{Spec, TimeEncoding};
use serde_json::Value as Json;

use super::connector::{Connector, Origin};
use super::diagnostic::{ConfigError, Problems, SourceText};
use super::expand::{self, Variables};
use super::key::{Key, Takes};
use super::node::Span;
use super::resolve::Resolved;
use super::section::Section;
use super::{file, yaml};

const ROOT_KEYS: &[Key] = &[
    Key::new("source", Takes::Section(SOURCE_KEYS), "How its source is opened, and rows that are known."),
    Key::new("destination", Takes::Section(DESTINATION_KEYS), "How its destination is opened and looked at."),
];
const SOURCE_KEYS: &[Key] = &[
    Key::new("options", Takes::Values, "What stands under `source:` of a configuration, without `type`."),
    Key::new("query", Takes::Text, "A query of at least 20 rows that do not change."),
    Key::new("rows", Takes::Whole(1, 1 << 53), "How many rows it has."),
    Key::new("key", Takes::Text, "A column of it without NULL or repeated values."),
    Key::new("nullable_key", Takes::Text, "A column of it with some NULLs."),
    Key::new("empty", Takes::Text, "A query with columns but no rows."),
    Key::new("endless", Takes::Texts, "Queries that run until they are stopped."),
    Key::new("wrong", Takes::Text, "A query with a syntax error, of a source that speaks SQL."),
    Key::new("forbidden", Takes::Texts, "Statements that a read must refuse."),
    Key::new("echo", Takes::Text, "A query of one row with the value of parameter `value` in its column `v`."),
    Key::new("table", Takes::Section(TABLE_KEYS), "A table that may be read."),
    Key::new("since", Takes::Section(SINCE_KEYS), "A time filter of known result."),
];
const TABLE_KEYS: &[Key] = &[
    Key::new("schema", Takes::Text, "Its schema, where there are schemas."),
    Key::new("name", Takes::Text, "Its name."),
];
const SINCE_KEYS: &[Key] = &[
    Key::new("column", Takes::Text, "The time column of the query."),
    Key::new("instant", Takes::Text, "The instant, such as 2024-01-01T08:20:00Z."),
    Key::new("encoding", Takes::One(|| ENCODINGS.map(|(name, _)| name).to_vec()), "How the column encodes time."),
    Key::new("rows", Takes::Whole(0, 1 << 53), "How many rows are at or after the instant."),
];
const ENCODINGS: [(&str, TimeEncoding); 2] = [("timestamp", TimeEncoding::Timestamp), ("unix", TimeEncoding::Unix)];
const DESTINATION_KEYS: &[Key] = &[
    Key::new("options", Takes::Values, "What stands under `destination:` of a configuration, without `type`."),
    Key::new("directory", Takes::Text, "The directory where the files appear, relative to the working directory."),
    Key::new("list", Takes::Texts, "A command that prints the name of every object there, one a line."),
    Key::new("fetch", Takes::Texts, "A command that prints the object whose name is added to it."),
];

/// What a `verify.yaml` says.
pub struct Trials {
    /// What to judge with.
    pub targets: Targets,
    /// What must never be shown.
    pub secrets: Vec<String>,
    /// What is doubtful, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads `path` for the connector that `spec` describes.
pub fn trials(path: &Path, spec: &Spec, env: &dyn Fn(&str) -> Option<String>) -> Result<Trials, ConfigError> {
    let name = path.display().to_string();
    let fail = |problem| ConfigError::new(&Arc::new(SourceText::new(name.clone(), "")), vec![problem]);
    let bytes = file::read(path, "the test options").map_err(fail)?;
    let text = file::decode(&bytes, "the test options").map_err(fail)?;
    let source = Arc::new(SourceText::new(name.clone(), text));
    let problems = Problems::default();
    let mut root = match yaml::parse(text, &problems) {
        Ok(root) => root,
        Err(fatal) => {
            problems.push(fatal);
            return Err(problems.into_error(&source));
        }
    };
    expand::expand_tree(&mut root, &source, Variables { params: &[], env }, &problems);
    let origin = Arc::new(Origin { text: Arc::clone(&source), params: Vec::new() });
    let mut reader = Reader { spec, env, origin, resolved: Vec::new() };
    let mut targets = Targets::default();
    let start = Span { line: 1, column: 1, length: 1 };
    if let Some(root) = Section::open("the test options", start, &root, &problems) {
        root.only(ROOT_KEYS, &[], |_| None);
        targets.source = root.section("source", "`source`").and_then(|section| reader.source(&section));
        targets.destination =
            root.section("destination", "`destination`").and_then(|section| reader.destination(&section));
    }
    let mut all = Trials { targets, secrets: Vec::new(), warnings: Vec::new() };
    let mut wrong = problems.finish(&source).map(|warnings| all.warnings.extend(warnings)).err();
    for resolved in reader.resolved {
        match resolved {
            Ok(more) => {
                all.secrets.extend(more.secrets);
                all.warnings.extend(more.warnings);
            }
            Err(e) => {
                wrong = Some(match wrong {
                    Some(before) => before.and(e),
                    None => e,
                });
            }
        }
    }
    wrong.map_or(Ok(all), Err)
}

struct Reader<'a> {
    spec: &'a Spec,
    env: &'a dyn Fn(&str) -> Option<String>,
    origin: Arc<Origin>,
    /// What became of the options of each half.
    resolved: Vec<Result<Resolved, ConfigError>>,
}

impl Reader<'_> {
    fn source(&mut self, section: &Section<'_>) -> Option<SourceTarget> {
        section.only(SOURCE_KEYS, &[], |_| None);
        let Some(half) = &self.spec.source else { return self.no_half(section, "source") };
        let options = self.options(section, &half.options);
        for key in ["query", "rows", "key"] {
            section.required(key, "the trials compare with rows that are known");
        }
        let text = |key| section.text(key).map(str::to_owned);
        Some(SourceTarget {
            options,
            query: text("query")?,
            rows: section.integer(SOURCE_KEYS, "rows")?,
            key: text("key")?,
            nullable_key: text("nullable_key"),
            empty: text("empty"),
            endless: section.texts("endless").unwrap_or_default(),
            wrong: text("wrong"),
            forbidden: section.texts("forbidden").unwrap_or_default(),
            echo: text("echo"),
            table: section.section("table", "`source.table`").and_then(|table| named(&table)),
            since: section.section("since", "`source.since`").and_then(|since| of_time(&since)),
            skip: None,
        })
    }

    fn destination(&mut self, section: &Section<'_>) -> Option<DestinationTarget> {
        section.only(DESTINATION_KEYS, &[], |_| None);
        let Some(half) = &self.spec.destination else { return self.no_half(section, "destination") };
        let options = self.options(section, &half.options);
        let target = DestinationTarget { options, ..DestinationTarget::default() };
        if let Some(directory) = section.text("directory").map(PathBuf::from) {
            let fetched = directory.clone();
            return Some(DestinationTarget {
                list: Box::new(move || names(&directory)),
                fetch: Box::new(move |name| fs::read(fetched.join(name))),
                ..target
            });
        }
        match (section.texts("list"), section.texts("fetch")) {
            (Some(list), Some(fetch)) => Some(DestinationTarget {
                // A command that fails shows nothing, and the trial says what it misses.
                list: Box::new(move || {
                    let printed = output(&list, None).unwrap_or_default();
                    String::from_utf8_lossy(&printed).lines().map(str::to_owned).collect()
                }),
                fetch: Box::new(move |name| output(&fetch, Some(name))),
                ..target
            }),
            _ if half.capabilities.stream => Some(target),
            _ => {
                let message = "`destination` does not say where its objects can be looked at";
                section.problem(section.at, message, "give `directory`, or the commands `list` and `fetch`");
                None
            }
        }
    }

    fn no_half<T>(&self, section: &Section<'_>, half: &str) -> Option<T> {
        let message = format!("connector \"{}\" is not a {half}", self.spec.name);
        section.problem(section.at, message, "remove this part");
        None
    }

    /// The options as a run would give them to the connector.
    fn options(&mut self, section: &Section<'_>, schema: &Json) -> Json {
        let options = section.section("options", format!("`options` of {}", section.label));
        let entries = options.iter().flat_map(|options| options.entries);
        let connector = Connector {
            kind: self.spec.name.clone(),
            at: options.as_ref().map_or(section.at, |options| options.at),
            kind_at: section.at,
            isolation: crate::plugin::Isolation::None,
            own_isolation: None,
            label: section.label.clone(),
            options: entries.filter(|entry| !entry.value.is_null()).cloned().collect(),
            origin: Arc::clone(&self.origin),
        };
        let resolved = connector.resolve(schema, self.env);
        let options = resolved.as_ref().map_or(Json::Null, |resolved| resolved.options.clone());
        self.resolved.push(resolved);
        options
    }
}

fn named(table: &Section<'_>) -> Option<(Option<String>, String)> {
    table.only(TABLE_KEYS, &[], |_| None);
    table.required("name", "name the table");
    Some((table.text("schema").map(str::to_owned), table.text("name")?.to_owned()))
}

fn of_time(since: &Section<'_>) -> Option<SinceTarget> {
    since.only(SINCE_KEYS, &[], |_| None);
    for key in ["column", "instant", "rows"] {
        since.required(key, "the trial compares with rows that are known");
    }
    let instant = since.text("instant")?;
    let Ok(parsed) = instant.parse::<jiff::Timestamp>() else {
        since.problem(since.place("instant"), "`instant` is no time", "write it like 2024-01-01T08:20:00Z");
        return None;
    };
    Some(SinceTarget {
        column: since.text("column")?.to_owned(),
        instant: parsed.as_microsecond(),
        encoding: since.choice("encoding", &ENCODINGS).unwrap_or_default(),
        rows: since.integer(SINCE_KEYS, "rows")?,
    })
}

/// A directory that does not exist yet holds nothing.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn output(command: &[String], argument: Option<&str>) -> io::Result<Vec<u8>> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let output = Command::new(program).args(arguments).args(argument).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("\"{program}\" failed: {}", said.trim())))
}
