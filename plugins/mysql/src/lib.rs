#![doc = include_str!("../README.md")]

// It is a dependency for its features alone.
use flate2 as _;

mod error;
mod options;
mod sql;
mod wire;
mod session;
mod types;
mod key;
mod filter;
mod select;
mod decode;
mod batch;
mod bounds;
mod explain;
mod reader;
mod probe;
mod tables;
mod source;

pub use options::{Options, Tls, TlsMode};
pub use source::Mysql;

rivet_plugin_api::export_connector!("mysql", source: Mysql);
