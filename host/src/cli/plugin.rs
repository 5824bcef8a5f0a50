//! The arguments of `rivet plugin …`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show every plug-in found, in the order of the search, and why others are refused
    List {
        /// Also search the `plugins:` of this configuration.
        #[arg(short, long, value_name = "PATH")]
        config: Option<PathBuf>,
    },
}
