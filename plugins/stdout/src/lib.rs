#![doc = include_str!("../README.md")]

mod options;
mod error;
mod pipe;
mod store;
mod destination;

pub use destination::Stdout;
pub use options::Options;

rivet_plugin_api::export_connector!("stdout", destination: Stdout);
