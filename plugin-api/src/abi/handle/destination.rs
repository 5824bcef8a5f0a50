//! An opened destination and its attempts to write.

#![expect(unsafe_code, reason = "calls through the table of a plug-in")]

use std::ptr;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::de::DeserializeOwned;

use super::{CancelBridge, Raw, answer, call, open, parsed, to_json};
use crate::abi::remote::RemoteDestination;
use crate::abi::{RvArrowArray, RvArrowSchema, RvCall, RvDestination, RvProgress, RvStr, arrow};
use crate::{
    BatchWriter, Cancel, DestinationProbe, Part, PartStat, Progress, PutRequest, Receipt, Result, WriteRequest,
};

/// An opened destination.
pub struct DestinationHandle(DestinationSide);

/// Where a destination is.
enum DestinationSide {
    /// In this process.
    Table { raw: Raw, table: &'static RvDestination },
    /// Elsewhere.
    Remote { plugin: String, remote: Box<dyn RemoteDestination> },
}

impl DestinationHandle {
    pub(in crate::abi) fn open(
        plugin: &str,
        table: &'static RvDestination,
        options: &serde_json::Value,
        cancel: &Cancel,
    ) -> Result<Self> {
        let raw = open(plugin, table.open, table.close, options, cancel)?;
        Ok(Self(DestinationSide::Table { raw, table }))
    }

    pub(in crate::abi) fn remote(plugin: &str, remote: Box<dyn RemoteDestination>) -> Self {
        Self(DestinationSide::Remote { plugin: plugin.to_owned(), remote })
    }

    fn ask<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        call: fn(&RvDestination) -> RvCall,
        request: &str,
    ) -> Result<T> {
        match &mut self.0 {
            DestinationSide::Table { raw, table } => raw.answer(name, call(table), request),
            DestinationSide::Remote { plugin, remote } => parsed(plugin, name, &remote.call(name, request)?),
        }
    }

    /// See [`Destination::probe`](crate::Destination::probe).
    pub fn probe(&mut self) -> Result<DestinationProbe> {
        self.ask("probe", |table| table.probe, "")
    }

    /// See [`Destination::begin`](crate::Destination::begin).
    pub fn begin(&mut self, request: &WriteRequest, schema: &SchemaRef, cancel: &Cancel) -> Result<WriterHandle> {
        let (destination, table) = match &mut self.0 {
            DestinationSide::Table { raw, table } => (raw, *table),
            DestinationSide::Remote { remote, .. } => {
                let side = WriterSide::Remote(remote.begin(request, schema, cancel)?);
                return Ok(WriterHandle { side, cancel: cancel.clone() });
            }
        };
        let bridge = CancelBridge::new(cancel);
        let (json, mut pointer, mut raw_schema) = (to_json(request)?, ptr::null_mut(), RvArrowSchema::empty());
        // SAFETY: the target is a local of the right type.
        unsafe { arrow::export_schema(schema, &raw mut raw_schema)? };
        call(&destination.plugin, "begin", |err| {
            let (schema, cancel) = (&raw mut raw_schema, &raw const bridge.raw);
            (table.begin)(destination.pointer, RvStr::new(&json), schema, cancel, &raw mut pointer, err)
        })?;
        let raw = Raw::new(&destination.plugin, "begin", pointer, (table.abort, "abort"), bridge)?;
        Ok(WriterHandle { side: WriterSide::Table { raw, table }, cancel: cancel.clone() })
    }

    /// See [`Destination::stat`](crate::Destination::stat).
    pub fn stat(&mut self, name: &str) -> Result<Option<PartStat>> {
        self.ask("stat", |table| table.stat, &to_json(&name)?)
    }

    /// See [`Destination::remove`](crate::Destination::remove).
    pub fn remove(&mut self, name: &str) -> Result<()> {
        self.ask("remove", |table| table.remove, &to_json(&name)?)
    }

    /// See [`Destination::put`](crate::Destination::put).
    pub fn put(&mut self, request: &PutRequest) -> Result<Part> {
        self.ask("put", |table| table.put, &to_json(request)?)
    }

    /// Ends the handle and says whether that went well; dropping it ends it too.
    pub fn close(self) -> Result<()> {
        match self.0 {
            DestinationSide::Table { mut raw, .. } => raw.end(),
            DestinationSide::Remote { mut remote, .. } => remote.close(),
        }
    }
}

/// A running attempt to write; dropping it aborts.
pub struct WriterHandle {
    side: WriterSide,
    cancel: Cancel,
}

/// Where an attempt runs.
enum WriterSide {
    Table { raw: Raw, table: &'static RvDestination },
    Remote(Box<dyn BatchWriter>),
}

impl WriterHandle {
    /// See [`BatchWriter::write`](crate::BatchWriter::write). Buffers are handed over, not copied, unless the
    /// destination runs elsewhere; an error may then be that of the batch before.
    pub fn write(&mut self, batch: RecordBatch) -> Result<Progress> {
        let (raw, table) = match &mut self.side {
            WriterSide::Table { raw, table } => (raw, table),
            WriterSide::Remote(writer) => return writer.write(batch),
        };
        let (mut array, mut progress) = (RvArrowArray::empty(), RvProgress::default());
        // SAFETY: the target is a local of the right type.
        unsafe { arrow::export_batch(batch, &raw mut array) };
        call(&raw.plugin, "write", |err| (table.write)(raw.pointer, &raw mut array, &raw mut progress, err))?;
        Ok(Progress { buffered: progress.buffered, written: progress.written })
    }

    /// See [`BatchWriter::finish`](crate::BatchWriter::finish). A failed finish has aborted.
    pub fn finish(self) -> Result<Receipt> {
        match self.side {
            WriterSide::Table { mut raw, table } => {
                let pointer = std::mem::replace(&mut raw.pointer, ptr::null_mut());
                answer(&raw.plugin, "finish", |out, err| (table.finish)(pointer, out, err))
            }
            WriterSide::Remote(mut writer) => writer.finish(),
        }
    }

    /// See [`BatchWriter::abort`](crate::BatchWriter::abort).
    pub fn abort(self) -> Result<()> {
        match self.side {
            WriterSide::Table { mut raw, .. } => raw.end(),
            WriterSide::Remote(mut writer) => writer.abort(),
        }
    }

    /// The token that this attempt follows.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}
