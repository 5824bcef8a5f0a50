#![doc = include_str!("../README.md")]

mod options;
mod error;
mod driver;
mod sql;
mod value;
mod border;
mod reader;
mod source;

use rivet_plugin_api::export_connector;
use source::Adbc;

export_connector!("adbc", source: Adbc);
