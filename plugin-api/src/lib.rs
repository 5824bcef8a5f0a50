//! Everything a Rivet connector author needs: the traits, the messages and the stable ABI.
//!
//! A connector is a crate with `crate-type = ["cdylib"]` that implements [`Source`] or [`Destination`] (or both) and
//! ends in [`export_connector!`]. Build it, drop the library into a directory of the plug-in search path, and
//! `type: counter` works in `rivet.yaml`. This is one, whole:
//!
//! ```
//! use std::sync::Arc;
//!
//! use rivet_plugin_api::arrow_array::{Int64Array, RecordBatch};
//! use rivet_plugin_api::arrow_schema::{DataType, Field, Schema, SchemaRef};
//! use rivet_plugin_api::*;
//!
//! /// The options users write under `source:`.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(crate = "rivet_plugin_api::serde", deny_unknown_fields)]
//! #[schemars(crate = "rivet_plugin_api::schemars")]
//! struct Options {
//!     /// How many rows there are.
//!     rows: i64,
//! }
//!
//! struct Counter(Options);
//!
//! impl Source for Counter {
//!     type Options = Options;
//!     const CAPABILITIES: SourceCapabilities = SourceCapabilities::NONE;
//!
//!     fn open(options: Options, _: &Context) -> Result<Self> {
//!         if options.rows < 0 { Err(Error::config("\"rows\" is negative")) } else { Ok(Self(options)) }
//!     }
//!
//!     fn probe(&mut self, _: &Context) -> Result<Probe> {
//!         Ok(Probe { server: "counter".into(), ..Probe::default() })
//!     }
//!
//!     fn describe(&mut self, _: &DescribeRequest, _: &Context) -> Result<Description> {
//!         Ok(Description::of(&schema()))
//!     }
//!
//!     fn read(&mut self, request: &ReadRequest, _: &Context) -> Result<Box<dyn BatchReader>> {
//!         let (end, step) = (self.0.rows, request.batch.rows);
//!         Ok(reader_of(schema(), (0..end).step_by(step).map(move |from| {
//!             let rows = Int64Array::from_iter_values(from..end.min(from + step as i64));
//!             Ok(RecordBatch::try_new(schema(), vec![Arc::new(rows)])?)
//!         })))
//!     }
//! }
//!
//! fn schema() -> SchemaRef {
//!     Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
//! }
//!
//! export_connector!("counter", source: Counter);
//! # fn main() {
//! #     let plugin = &PLUGIN;
//! #     assert_eq!(plugin.abi_major, 1);
//! # }
//! ```
//!
//! * Values never arrive altered: what a connector cannot represent is an [`Error`] of [`Category::Data`].
//! * Calls may block; one handle is used by one thread at a time. [`Context::on_cancel`] ends a blocked call.
//! * `tracing` events reach the host's log with level, target and fields.
//! * A panic becomes an error that names the plug-in and the call. Build with `panic = "unwind"`.
//! * The contract below is plain C ([`abi`] and `include/rivet_plugin.h`), so other languages can take part.
//!
//! `rivet plugin new NAME --kind source` writes such a crate with its tests and a configuration that runs it.
//!
//! # Who calls what, and when
//!
//! The host loads a library once and never unloads it. It opens a [`Source`] for each connection that a run needs, calls
//! it from one thread at a time, and drops it at the end; several are open at once only with
//! [`concurrent_readers`](SourceCapabilities::concurrent_readers). `rivet doctor` calls `open` and `probe`; `rivet check`
//! `describe`, `explain` and `bounds`; `rivet init` `tables`; a run `bounds`, `split` or `count` as its mode needs, and then
//! `read`, of which it drains the [`BatchReader`] on one thread, maybe another one than that of `read`.
//!
//! A run opens a [`Destination`] for each file-writing worker. Each attempt to write a window or chunk is a
//! [`BatchWriter`]: `write` in the order of the batches, then `finish` or `abort`. An attempt that failed is repeated under the
//! same name with [`replace`](WriteRequest::replace). `stat` and `remove` are asked later, also by other runs, about parts
//! that a receipt has named.
//!
//! What an error's [`Category`] says decides what happens next: the host repeats the attempt after `Network`, `Timeout`,
//! `Capacity` and `Deadlock`, and shows every other error to the user at once, with its hint.

#![warn(missing_docs)]

mod error;
mod capabilities;
mod spec;
mod context;
mod cursor;
mod params;
mod source;
mod tables;
mod checksum;
pub mod suggest;
mod destination;
pub mod abi;

pub use arrow_array;
pub use arrow_schema;
pub use schemars::JsonSchema;
pub use serde::Deserialize;
pub use {schemars, serde, serde_json, tracing};

pub use capabilities::{DestinationCapabilities, SourceCapabilities};
pub use checksum::Checksum;
pub use context::{Cancel, CancelGuard, Context};
pub use cursor::{CursorValue, civil_from_days, days_from_civil};
pub use destination::{
    ArrowLayout, BatchWriter, Compression, Destination, DestinationProbe, Format, FormatKind, Part, PartStat, Progress,
    PutRequest, Receipt, WriteRequest,
};
pub use error::{Category, Error, Result, ResultExt};
pub use params::{ParamValue, Params};
pub use source::{
    BatchReader, BatchSize, Bounds, BoundsRequest, Column, DescribeRequest, Description, Explanation, Filter, Mapping,
    NULLABLE, Probe, ReadRequest, Source, Split, SplitRequest, Strategy, TimeEncoding, Timeouts, declared_nullable,
    reader_of,
};
pub use spec::{DestinationSpec, Locations, SecretString, SourceSpec, Spec, options_schema, parse_options, title};
pub use tables::{Table, Tables, TablesRequest};
