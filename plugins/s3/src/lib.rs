#![doc = include_str!("../README.md")]

mod options;
mod error;
mod profile;
mod credentials;
mod endpoint;
mod destination;

pub use destination::S3;
pub use options::Options;

rivet_plugin_api::export_connector!("s3", destination: rivet_plugin_base::object::Objects<S3>);
