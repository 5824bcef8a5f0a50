#![doc = include_str!("../README.md")]

mod options;
mod error;
mod directory;
mod claim;
mod store;
mod destination;

pub use destination::Local;
pub use options::Options;

rivet_plugin_api::export_connector!("local", destination: Local);
