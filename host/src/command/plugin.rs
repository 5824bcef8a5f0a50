//! `rivet plugin …`: one file a verb.

mod build_dist;
mod inspect;
mod list;
mod lock;
mod new;
mod trust;
#[cfg(feature = "verify")]
mod verify;

use std::path::Path;

use crate::cli::PluginCommand;
use crate::config::{self, Config};
use crate::environment;
use crate::error::Result;
use crate::plugin::Finder;

/// Runs `rivet plugin …`.
pub fn plugin(command: &PluginCommand, finder: &Finder<'_>) -> Result<u8> {
    match command {
        PluginCommand::List { config, output } => list::list(config.as_deref(), *output, finder),
        PluginCommand::Inspect(args) => inspect::inspect(args),
        PluginCommand::Lock(args) => lock::lock(args, finder),
        PluginCommand::Trust(args) => trust::trust(args),
        PluginCommand::New(args) => new::new(args, &finder.catalog(None)?),
        #[cfg(feature = "verify")]
        PluginCommand::Verify(args) => verify::verify(args),
        PluginCommand::BuildDist(args) => build_dist::build_dist(args),
    }
}

fn configuration(file: Option<&Path>) -> Result<Option<Config>> {
    Ok(file.map(|file| config::load(file, None, &[], &environment)).transpose()?)
}

/// What is printed as JSON and what the reference says are the same, in both directions.
#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{inspect, list};

    const PAGE: &str = include_str!("../../../docs/src/reference/json.md");

    /// The fields that the tables under a heading name.
    fn documented(heading: &str) -> BTreeSet<String> {
        let (_, below) = PAGE.split_once(&format!("\n### `{heading}`\n")).expect(heading);
        let section = below.split("\n#").next().expect("a section");
        let cells = section.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split(" | ").next());
        cells.flat_map(|cell| cell[2..].split(", ")).map(|name| name.trim_matches('`').to_owned()).collect()
    }

    fn fields(documents: &[Value]) -> BTreeSet<String> {
        documents.iter().flat_map(|document| document.as_object().expect("an object").keys().cloned()).collect()
    }

    #[test]
    fn every_field_is_documented_and_every_documented_field_is_printed() {
        let listed = [serde_json::to_value(list::Line::default()), serde_json::to_value(list::Searched::default())];
        let listed: Vec<Value> = listed.into_iter().map(Result::unwrap).collect();
        assert_eq!(documented("rivet plugin list --json"), fields(&listed));
        let inspected = serde_json::to_value(inspect::Report::default()).unwrap();
        assert_eq!(documented("rivet plugin inspect --json"), fields(&[inspected]));
    }
}
