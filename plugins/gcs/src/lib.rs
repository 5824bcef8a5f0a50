#![doc = include_str!("../README.md")]

mod options;
mod error;
mod source;
mod exchange;
mod tokens;
mod whole;
mod destination;

pub use destination::Gcs;
pub use options::Options;

rivet_plugin_api::export_connector!("gcs", destination: rivet_plugin_base::object::Objects<Gcs>);
