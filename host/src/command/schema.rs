//! `rivet schema config`: what editors complete and check configurations by.

use std::path::Path;

use super::print_as_it_is;
use crate::config::Config;
use crate::error::Result;
use crate::plugin::{Catalog, Isolation};
use crate::{config, environment};

/// Prints the schema with the options of every connector that is found.
pub fn config(config_file: Option<&Path>, catalog: impl Fn(Option<&Config>) -> Result<Catalog>) -> Result<u8> {
    let config = config_file.map(|file| config::load(file, None, &[], &environment)).transpose()?;
    let plugins = catalog(config.as_ref())?.all(Isolation::None);
    let specs: Vec<_> = plugins.iter().map(|plugin| plugin.spec()).collect();
    print_as_it_is(&format!("{:#}\n", config::json_schema(&specs)))
}
