//! `rivet plugin build-dist`: makes a distribution of the host and chosen connectors.

use std::fmt::Write as _;

use crate::build_dist::{self, Options};
use crate::cli::BuildDistArgs;
use crate::command::print;
use crate::config;
use crate::error::Result;

/// Builds, and prints what was made.
pub fn build_dist(args: &BuildDistArgs) -> Result<u8> {
    let mut recipe = config::load_recipe(&args.file)?;
    if let Some(output) = &args.output {
        recipe.output.clone_from(output);
    }
    let options = Options { vendor: args.vendor, update: args.update, built: args.built.clone() };
    let made = build_dist::build(&recipe, &options)?;
    print(&made.iter().fold(String::new(), |mut text, path| {
        let _ = writeln!(text, "{}", path.display());
        text
    }))
}
