#![doc = include_str!("../README.md")]

mod error;
mod options;
mod sql;
mod wire;
mod session;
mod catalog;
mod types;
mod select;
mod key;
mod split;
mod filter;
mod bounds;
mod explain;
mod decode;
mod batch;
mod ranges;
mod reader;
mod probe;
mod tables;
mod source;

pub use options::{Options, Tls, TlsMode};
pub use source::Postgres;

rivet_plugin_api::export_connector!("postgres", source: Postgres);
