mod error;
mod capabilities;
mod spec;
mod context;
mod cursor;
mod source;
mod destination;

pub use arrow_array;
pub use arrow_schema;
pub use schemars::JsonSchema;
pub use serde::Deserialize;
pub use {schemars, serde, serde_json, tracing};

pub use capabilities::{DestinationCapabilities, SourceCapabilities};
pub use context::{Cancel, CancelGuard, Context};
pub use cursor::{CursorValue, civil_from_days};
pub use destination::{
    BatchWriter, Compression, Destination, DestinationProbe, Format, FormatKind, Part, PartStat, Progress, Receipt,
    WriteRequest,
};
pub use error::{Category, Error, Result, ResultExt};
pub use source::{
    BatchReader, BatchSize, Bounds, BoundsRequest, Column, DescribeRequest, Description, Explanation, Filter, Mapping,
    Probe, ReadRequest, Source, Strategy, TimeEncoding, Timeouts,
};
pub use spec::{DestinationSpec, SecretString, SourceSpec, Spec, options_schema, parse_options};
