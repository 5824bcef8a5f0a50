//! `rivet plugin …`: one file a verb.

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
    }
}

fn configuration(file: Option<&Path>) -> Result<Option<Config>> {
    Ok(file.map(|file| config::load(file, &[], &environment)).transpose()?)
}
