//! `rivet schema config`: what editors complete and check configurations by.

use std::path::{Path, PathBuf};

use super::print_as_it_is;
use crate::error::Result;
use crate::plugin::Catalog;
use crate::{config, environment};

/// Prints the schema with the options of every connector that is found.
pub fn config(config_file: Option<&Path>, catalog: impl Fn(&[PathBuf]) -> Result<Catalog>) -> Result<u8> {
    let dirs = match config_file {
        Some(file) => config::load(file, &[], &environment)?.plugins,
        None => Vec::new(),
    };
    let plugins = catalog(&dirs)?.all();
    let specs: Vec<_> = plugins.iter().map(|plugin| plugin.spec()).collect();
    print_as_it_is(&format!("{:#}\n", config::json_schema(&specs)))
}
