#![doc = include_str!("../README.md")]

mod options;
mod source;
mod explain;
mod tables;
mod reader;
mod batch;
mod filter;
mod query;
mod types;
mod sample;
mod time;
mod worker;
mod frugal;
mod error;

pub use options::Options;
pub use source::Sqlite;

rivet_plugin_api::export_connector!("sqlite", source: Sqlite);
