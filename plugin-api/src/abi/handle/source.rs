//! An opened source and its readers.

#![expect(unsafe_code, reason = "calls through the table of a plug-in")]

use std::ptr;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::de::DeserializeOwned;

use super::{CancelBridge, DEFECT, Raw, broken_promise, call, open, parsed, to_json};
use crate::abi::remote::RemoteSource;
use crate::abi::{RV_END, RV_OK, RvArrowArray, RvArrowSchema, RvCall, RvSource, RvStr, arrow};
use crate::{
    BatchReader, Bounds, BoundsRequest, Cancel, DescribeRequest, Description, Error, Explanation, Probe, ReadRequest,
    Result, Split, SplitRequest, Tables, TablesRequest,
};

/// An opened source.
pub struct SourceHandle(SourceSide);

/// Where a source is.
enum SourceSide {
    /// In this process.
    Table { raw: Raw, table: &'static RvSource, check_contents: bool },
    /// Elsewhere.
    Remote { plugin: String, remote: Box<dyn RemoteSource> },
}

impl SourceHandle {
    pub(in crate::abi) fn open(
        plugin: &str,
        table: &'static RvSource,
        options: &serde_json::Value,
        cancel: &Cancel,
        check_contents: bool,
    ) -> Result<Self> {
        let raw = open(plugin, table.open, table.close, options, cancel)?;
        Ok(Self(SourceSide::Table { raw, table, check_contents }))
    }

    pub(in crate::abi) fn remote(plugin: &str, remote: Box<dyn RemoteSource>) -> Self {
        Self(SourceSide::Remote { plugin: plugin.to_owned(), remote })
    }

    fn ask<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        call: fn(&RvSource) -> RvCall,
        request: &str,
    ) -> Result<T> {
        match &mut self.0 {
            SourceSide::Table { raw, table, .. } => raw.answer(name, call(table), request),
            SourceSide::Remote { plugin, remote } => parsed(plugin, name, &remote.call(name, request)?),
        }
    }

    /// See [`Source::probe`](crate::Source::probe).
    pub fn probe(&mut self) -> Result<Probe> {
        self.ask("probe", |table| table.probe, "")
    }

    /// See [`Source::describe`](crate::Source::describe).
    pub fn describe(&mut self, request: &DescribeRequest) -> Result<Description> {
        self.ask("describe", |table| table.describe, &to_json(request)?)
    }

    /// See [`Source::explain`](crate::Source::explain).
    pub fn explain(&mut self, request: &ReadRequest) -> Result<Explanation> {
        self.ask("explain", |table| table.explain, &to_json(request)?)
    }

    /// See [`Source::bounds`](crate::Source::bounds).
    pub fn bounds(&mut self, request: &BoundsRequest) -> Result<Bounds> {
        self.ask("bounds", |table| table.bounds, &to_json(request)?)
    }

    /// See [`Source::count`](crate::Source::count).
    pub fn count(&mut self, request: &ReadRequest) -> Result<u64> {
        self.ask("count", |table| table.count, &to_json(request)?)
    }

    /// See [`Source::snapshot`](crate::Source::snapshot).
    pub fn snapshot(&mut self) -> Result<String> {
        self.ask("snapshot", |table| table.snapshot, "")
    }

    /// See [`Source::split`](crate::Source::split).
    pub fn split(&mut self, request: &SplitRequest) -> Result<Split> {
        self.ask("split", |table| table.split, &to_json(request)?)
    }

    /// See [`Source::tables`](crate::Source::tables).
    pub fn tables(&mut self, request: &TablesRequest) -> Result<Tables> {
        self.ask("tables", |table| table.tables, &to_json(request)?)
    }

    /// See [`Source::read`](crate::Source::read).
    pub fn read(&mut self, request: &ReadRequest, cancel: &Cancel) -> Result<ReaderHandle> {
        let (source, table, check_contents) = match &mut self.0 {
            SourceSide::Table { raw, table, check_contents } => (raw, *table, *check_contents),
            SourceSide::Remote { plugin, remote } => {
                let reader = remote.read(request, cancel)?;
                let (plugin, schema) = (plugin.clone(), reader.schema());
                return Ok(ReaderHandle::new(plugin, ReaderSide::Remote(reader), schema, cancel));
            }
        };
        let bridge = CancelBridge::new(cancel);
        let (json, mut pointer, mut schema) = (to_json(request)?, ptr::null_mut(), RvArrowSchema::empty());
        call(&source.plugin, "read", |err| {
            let (reader, schema) = (&raw mut pointer, &raw mut schema);
            (table.read)(source.pointer, RvStr::new(&json), &raw const bridge.raw, reader, schema, err)
        })?;
        let plugin = source.plugin.clone();
        // SAFETY: the call succeeded, so it filled the schema, which is ours to release.
        let schema = unsafe { arrow::import_schema(&raw mut schema) };
        let raw = Raw::new(&plugin, "read", pointer, (table.close_reader, "close_reader"), bridge)?;
        let schema = schema.map_err(|e| broken_promise(&plugin, e))?;
        Ok(ReaderHandle::new(plugin, ReaderSide::Table { raw, table, check_contents }, schema, cancel))
    }

    /// Ends the handle and says whether that went well; dropping it ends it too.
    pub fn close(self) -> Result<()> {
        match self.0 {
            SourceSide::Table { mut raw, .. } => raw.end(),
            SourceSide::Remote { mut remote, .. } => remote.close(),
        }
    }
}

/// How many batches without rows may come in a row: a connector that sends none at all would never come to an end.
const MAX_EMPTY: u32 = 1000;

/// A running read.
pub struct ReaderHandle {
    plugin: String,
    side: ReaderSide,
    schema: SchemaRef,
    cancel: Cancel,
    dead: bool,
}

/// Where a read runs.
enum ReaderSide {
    Table { raw: Raw, table: &'static RvSource, check_contents: bool },
    Remote(Box<dyn BatchReader>),
}

impl ReaderHandle {
    fn new(plugin: String, side: ReaderSide, schema: SchemaRef, cancel: &Cancel) -> Self {
        Self { plugin, side, schema, cancel: cancel.clone(), dead: false }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// See [`BatchReader::next`](crate::BatchReader::next). Buffers are those of the connector, not copies, unless it
    /// runs elsewhere. Batches without rows are passed over.
    #[expect(clippy::should_implement_trait, reason = "the name of the contract's call; it can fail")]
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        for _ in 0..=MAX_EMPTY {
            let batch = self.next_of_any_size()?;
            if batch.as_ref().is_none_or(|batch| batch.num_rows() > 0) {
                return Ok(batch);
            }
            self.cancel.check()?;
        }
        self.dead = true;
        let error = Error::internal(format!("{MAX_EMPTY} batches without rows came in a row"));
        Err(broken_promise(&self.plugin, error.hint(DEFECT)))
    }

    fn next_of_any_size(&mut self) -> Result<Option<RecordBatch>> {
        if self.dead {
            return Err(Error::internal(format!("reader of \"{}\" was used after its end", self.plugin)));
        }
        let (raw, table, check_contents) = match &mut self.side {
            ReaderSide::Table { raw, table, check_contents } => (raw, table, *check_contents),
            ReaderSide::Remote(reader) => {
                let batch = reader.next();
                self.dead = !matches!(batch, Ok(Some(_)));
                return batch;
            }
        };
        let mut array = RvArrowArray::empty();
        let code = call(&self.plugin, "next_batch", |err| (table.next_batch)(raw.pointer, &raw mut array, err));
        self.dead = !matches!(code, Ok(RV_OK));
        if code? == RV_END {
            return Ok(None);
        }
        // SAFETY: the call succeeded, so it filled the array, which is ours; its numbers are vetted by the import.
        let batch = unsafe { arrow::import_batch(&raw mut array, &self.schema, check_contents) };
        self.dead = batch.is_err();
        batch.map(Some).map_err(|e| broken_promise(&self.plugin, e))
    }

    /// Ends the read, also in the middle; dropping the reader does so too.
    pub fn close(self) -> Result<()> {
        match self.side {
            ReaderSide::Table { mut raw, .. } => raw.end(),
            ReaderSide::Remote(mut reader) => reader.close(),
        }
    }

    /// The token that this read follows.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}
