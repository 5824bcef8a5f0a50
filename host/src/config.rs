//! The configuration file: YAML in, typed and checked values out, every problem with its place in the file.
//!
//! The host knows no connector. What `source` and `destination` may hold beyond `type` is the connector's to say, so it
//! is checked later, by [`Connector::resolve`], against the schema the connector announces.

mod node;
mod key;
mod diagnostic;
mod mask;
mod file;
mod yaml;
mod expand;
mod section;
mod tuning;
mod chosen;
mod connector;
mod isolation;
mod schema;
mod options;
mod resolve;
mod value;
mod size;
mod export;
mod notifications;
mod json_schema;
mod distribution;
#[cfg(feature = "verify")]
mod verify;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rivet_plugin_api::Error;
use rivet_plugin_api::suggest::did_you_mean;

pub use connector::Connector;
pub(crate) use diagnostic::is_printable;
pub use diagnostic::{ConfigError, Diagnostic};
pub use distribution::{CrateEntry, CrateSource, Recipe, load_recipe};
pub use expand::parse_param;
pub use export::{CursorLag, Export, MetaColumns, Mode, OnSchemaChange, Quality, Query};
pub use file::{directory, is_stream};
pub use json_schema::json_schema;
pub(crate) use mask::url_secrets;
pub use mask::{url_without_secrets, userinfo_masked};
pub use node::Span;
pub use notifications::{Notifications, Occasion, Slack};
pub use options::{OptionRow, option_rows};
pub use resolve::Resolved;
pub use tuning::{Profile, Tuning, TuningSection};
#[cfg(feature = "verify")]
pub use verify::trials;

use crate::plugin::Isolation;
use connector::Origin;
use diagnostic::{Problems, SourceText};
use expand::Variables;
use key::{Key, Takes};
use section::Section;

/// A configuration that has been read and checked, but for the options of its connectors.
#[derive(Debug)]
pub struct Config {
    /// The file's name for messages, as the user gave it.
    pub file: PathBuf,
    /// Where the state file and relative `query_file`s are: beside the configuration, or the working directory when
    /// the configuration came through a pipe.
    pub dir: PathBuf,
    /// What to read from.
    pub source: Connector,
    /// The `tuning` of the source, which holds for every export that does not say otherwise.
    pub tuning: TuningSection,
    /// What to export, in the order of the file. Names are unique.
    pub exports: Vec<Export>,
    /// Whom to tell.
    pub notifications: Option<Notifications>,
    /// Run the exports on threads of one process.
    pub parallel_exports: bool,
    /// Run each export in a process of its own; wins over `parallel_exports`.
    pub parallel_export_processes: bool,
    /// Where connectors run that do not say it themselves.
    isolation: Option<Isolation>,
    /// Where to look for connectors, made relative to [`Self::dir`].
    pub plugins: Vec<PathBuf>,
    /// What is doubtful but no error, one sentence each, in the order of the file.
    pub warnings: Vec<String>,
}

impl Config {
    /// Puts every connector into a process of its own if `all` says so, also those that wish otherwise.
    pub fn isolate(&mut self, all: bool) {
        if all {
            self.source.isolate(self.isolation);
            self.exports.iter_mut().for_each(|export| export.destination.isolate(self.isolation));
        }
    }

    /// The export of that name. The error suggests the nearest name.
    pub fn export(&self, name: &str) -> Result<&Export, Error> {
        self.exports.iter().find(|e| e.name == name).ok_or_else(|| {
            let error = Error::config(format!("export \"{}\" not found in config", node::shorten(name)));
            error.hint(did_you_mean(name, self.exports.iter().map(|e| e.name.as_str()), "its exports are"))
        })
    }
}

/// Reads and checks a configuration file. `params` are the `--param`s, of which the last of a name wins; `env` looks up
/// environment variables. With an export as `chosen`, others may lack values and query files; those are left out.
pub fn load(
    path: &Path,
    chosen: Option<&str>,
    params: &[(String, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let fail = |diagnostic| ConfigError::new(&Arc::new(SourceText::new(name.clone(), "")), vec![diagnostic]);
    let bytes = file::read(path, "the configuration").map_err(fail)?;
    let text = file::decode(&bytes, "the configuration").map_err(fail)?;
    parse(text, path, chosen, params, env)
}

/// As [`load`] without parameters, for a text that is not in a file yet.
pub(crate) fn parse_text(text: &str, path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
    parse(text, path, None, &[], env)
}

/// As [`load`], for a text that has been read from `path`.
fn parse(
    text: &str,
    path: &Path,
    chosen: Option<&str>,
    params: &[(String, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let source = Arc::new(SourceText::new(path.display().to_string(), text));
    let problems = Problems::default();
    let mut root = match yaml::parse(text, &problems) {
        Ok(root) => root,
        Err(fatal) => {
            problems.push(fatal);
            return Err(problems.into_error(&source));
        }
    };
    let (variables, dir) = (Variables { params, env }, file::directory(path));
    let left_out = chosen.map(|chosen| chosen::leave_out_others(&mut root, chosen, &dir, variables));
    expand::expand_tree(&mut root, &source, variables, &problems);
    let origin = Arc::new(Origin { text: Arc::clone(&source), params: params.to_vec() });
    let left_out = left_out.unwrap_or_default();
    let reader = Reader { path, dir, variables, origin, left_out, problems: &problems };
    let config = reader.root(&root);
    match (problems.finish(&source)?, config) {
        (warnings, Some(config)) => Ok(Config { warnings, ..config }),
        // Only reached when a getter answers nothing without saying why.
        (_, None) => Err(ConfigError::new(&source, vec![Diagnostic::new("the configuration is incomplete")])),
    }
}

/// What the readers of the maps share.
struct Reader<'a> {
    path: &'a Path,
    dir: PathBuf,
    variables: Variables<'a>,
    origin: Arc<Origin>,
    /// Exports that are not looked at.
    left_out: Vec<Span>,
    problems: &'a Problems,
}

const ROOT_KEYS: &[Key] = &[
    Key::new("source", Takes::Source, "What to read from."),
    Key::new("exports", Takes::List(export::KEYS), "What to export. `[]` is nothing."),
    Key::new("notifications", Takes::Section(notifications::KEYS), "Whom to tell about runs."),
    Key::new("parallel_exports", Takes::Flag, "Run the exports side by side, on threads of one process."),
    Key::new("parallel_export_processes", Takes::Flag, "Run each export in a process of its own."),
    ISOLATION,
    Key::new("plugins", Takes::Texts, "Where to look for connectors: directories or files, relative to this file."),
];

/// The keys of `source` that are no connector's. Those of `tuning` are the predecessor's place for them.
const SOURCE_KEYS: &[Key] = &[
    TYPE,
    OWN_ISOLATION,
    Key::new("tuning", Takes::Section(tuning::KEYS), "How hard the source is worked."),
    Key::new("types", Takes::TextMap, "Other types for columns of all exports, by the name of their native type."),
    Key::new("columns", Takes::TextMap, "Other types for columns of all exports, by their name."),
];
const DESTINATION_KEYS: &[Key] = &[TYPE, OWN_ISOLATION];
const TYPE: Key = Key::new("type", Takes::Text, "The connector. `rivet plugin list` shows those that are found.");

const ISOLATION: Key = Key::new(
    "isolation",
    Takes::Isolation,
    "`process` runs the connector in a process of its own, so that a crash of it only fails what it was doing. At the top \
     level it holds for every connector that does not say otherwise.",
);
const OWN_ISOLATION: Key =
    Key::new("isolation", Takes::Isolation, "As `isolation` at the top level, for this connector alone.");

/// Where keys belong that stand in the wrong map.
fn home(key: &str) -> Option<&'static str> {
    let homes = [
        ("under `source.tuning`", tuning::KEYS),
        ("in an entry of `exports`", export::KEYS),
        ("under `exports[].quality`", export::QUALITY_KEYS),
        ("under `exports[].meta_columns`", export::META_KEYS),
        ("at the top level", ROOT_KEYS),
        ("under `notifications.slack`", notifications::SLACK_KEYS),
    ];
    homes.into_iter().find(|(_, keys)| key::find(keys, key).is_some()).map(|(home, _)| home)
}

impl Reader<'_> {
    fn root(&self, node: &node::Node) -> Option<Config> {
        let root = Section::open("the configuration", Span { line: 1, column: 1, length: 1 }, node, self.problems)?;
        root.only(ROOT_KEYS, &[], home);
        let isolation = root.isolation();
        let mut source = self.source(&root);
        let mut exports = self.exports(&root, source.as_ref().map(|(_, shared)| shared));
        if let Some((source, _)) = &mut source {
            source.inherit(isolation);
        }
        exports.iter_mut().flatten().for_each(|export| export.destination.inherit(isolation));
        let notifications = root.section("notifications", "`notifications`");
        let config = Config {
            file: self.path.to_path_buf(),
            dir: self.dir.clone(),
            notifications: notifications.map(|n| self.notifications(&n)),
            parallel_exports: root.boolean("parallel_exports").unwrap_or(false),
            parallel_export_processes: root.boolean("parallel_export_processes").unwrap_or(false),
            isolation,
            plugins: root.texts("plugins").unwrap_or_default().iter().map(|p| self.dir.join(p)).collect(),
            warnings: Vec::new(),
            tuning: source.as_ref().map(|(_, shared)| shared.tuning.clone()).unwrap_or_default(),
            exports: exports?,
            source: source?.0,
        };
        Some(config)
    }

    /// The source, and what its exports inherit.
    fn source(&self, root: &Section<'_>) -> Option<(Connector, export::Shared)> {
        let hint = "say what to read from, for example `source: { type: …, url_env: DATABASE_URL }`";
        let entry = root.required("source", hint)?;
        let source = Section::open("`source`", entry.key_span, &entry.value, self.problems)?;
        tuning::misplaced(&source, "`source`", "source.tuning");
        let shared = export::Shared {
            tuning: TuningSection::of(&source, "`source.tuning`"),
            types: source.text_map("types"),
            columns: source.text_map("columns"),
        };
        let own: Vec<&str> = key::names(SOURCE_KEYS).chain(key::names(tuning::KEYS)).collect();
        Some((self.connector(&source, &own)?, shared))
    }
}
