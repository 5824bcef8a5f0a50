//! `rivet plugin …`: one file a verb.

mod list;
mod new;
#[cfg(feature = "verify")]
mod verify;

use std::path::PathBuf;

use crate::cli::PluginCommand;
use crate::error::Result;
use crate::plugin::Catalog;

/// Runs `rivet plugin …`.
pub fn plugin(command: &PluginCommand, catalog: impl Fn(&[PathBuf]) -> Result<Catalog>) -> Result<u8> {
    match command {
        PluginCommand::List { config } => list::list(config.as_deref(), catalog),
        PluginCommand::New(args) => new::new(args, &catalog(&[])?),
        #[cfg(feature = "verify")]
        PluginCommand::Verify(args) => verify::verify(args),
    }
}
