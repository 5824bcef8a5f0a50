//! A plug-in that is not in this process: what the handles call instead of a table. Whoever runs the plug-in elsewhere
//! implements these; users of a handle cannot tell the difference.

use std::fmt::Debug;

use arrow_schema::SchemaRef;
use serde_json::Value;

use crate::{BatchReader, BatchWriter, Cancel, ReadRequest, Result, WriteRequest};

/// Opens the halves of a plug-in that runs elsewhere.
pub trait Remote: Debug + Send + Sync {
    /// See [`Source::open`](crate::Source::open).
    fn open_source(&self, options: &Value, cancel: &Cancel) -> Result<Box<dyn RemoteSource>>;

    /// See [`Destination::open`](crate::Destination::open).
    fn open_destination(&self, options: &Value, cancel: &Cancel) -> Result<Box<dyn RemoteDestination>>;
}

/// An opened handle elsewhere. Dropping it ends it.
pub trait RemoteHandle: Send {
    /// Makes a call of the table by its name, with a JSON request, and answers its JSON.
    fn call(&mut self, name: &'static str, request: &str) -> Result<String>;

    /// Ends the handle and says whether that went well.
    fn close(&mut self) -> Result<()>;
}

/// An opened source elsewhere.
pub trait RemoteSource: RemoteHandle {
    /// See [`Source::read`](crate::Source::read).
    fn read(&mut self, request: &ReadRequest, cancel: &Cancel) -> Result<Box<dyn BatchReader>>;
}

/// An opened destination elsewhere.
pub trait RemoteDestination: RemoteHandle {
    /// See [`Destination::begin`](crate::Destination::begin).
    fn begin(&mut self, request: &WriteRequest, schema: &SchemaRef, cancel: &Cancel) -> Result<Box<dyn BatchWriter>>;
}
