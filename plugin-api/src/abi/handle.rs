//! The host's side of opened plug-ins: safe calls over the table, with errors that name the plug-in and the call.

#![expect(unsafe_code, reason = "calls through the table of a plug-in")]

use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    RV_END, RV_OK, RV_PANIC, RvArrowArray, RvArrowSchema, RvBuf, RvCall, RvCancel, RvClose, RvDestination, RvError,
    RvInterrupt, RvProgress, RvSource, RvStr, arrow,
};
use crate::{
    Bounds, BoundsRequest, Cancel, CancelGuard, Category, DescribeRequest, Description, DestinationProbe, Error,
    Explanation, Part, PartStat, Probe, Progress, PutRequest, ReadRequest, Receipt, Result, Split, SplitRequest,
    Tables, TablesRequest, WriteRequest,
};

/// Runs one call and reads its error.
pub(super) fn call(plugin: &str, name: &str, run: impl FnOnce(*mut RvError) -> i32) -> Result<i32> {
    let mut err = RvError {
        struct_size: size_of::<RvError>() as u32,
        category: 0,
        message: RvStr::EMPTY,
        detail_json: RvStr::EMPTY,
        private_data: ptr::null_mut(),
        release: None,
    };
    let code = run(&raw mut err);
    if code >= 0 {
        return Ok(code);
    }
    // SAFETY: a negative code means that the callee filled the texts, which live until `release`.
    let (message, detail) = unsafe { (err.message.to_text(), err.detail_json.to_text()) };
    let error = serde_json::from_str::<Error>(&detail).unwrap_or_else(|_| {
        Error::new(category(err.category), if message.is_empty() { "no message" } else { &message })
    });
    if let Some(release) = err.release {
        release(&raw mut err);
    }
    if code == RV_PANIC || error.category() == Category::Internal {
        let error = error.context(format!("plug-in \"{plugin}\" failed in \"{name}\""));
        return Err(error.hint("this is a defect of the plug-in: report it with this message to its author"));
    }
    Err(error)
}

fn category(code: u32) -> Category {
    Category::ALL.into_iter().find(|c| super::guard::category_code(*c) == code).unwrap_or(Category::Permanent)
}

/// Runs one call with a JSON answer.
pub(super) fn answer<T: DeserializeOwned>(
    plugin: &str,
    name: &str,
    run: impl FnOnce(*mut RvBuf, *mut RvError) -> i32,
) -> Result<T> {
    let mut out = RvBuf {
        struct_size: size_of::<RvBuf>() as u32,
        reserved: 0,
        text: RvStr::EMPTY,
        private_data: ptr::null_mut(),
        release: None,
    };
    call(plugin, name, |err| run(&raw mut out, err))?;
    // SAFETY: the callee filled the text, which lives until `release`.
    let text = unsafe { out.text.to_text() };
    if let Some(release) = out.release {
        release(&raw mut out);
    }
    serde_json::from_str(&text).map_err(|e| {
        Error::internal(format!("plug-in \"{plugin}\" answered \"{name}\" with something else than promised: {e}"))
    })
}

fn to_json(request: &impl Serialize) -> Result<String> {
    serde_json::to_string(request).map_err(|e| Error::internal(format!("the request has no JSON: {e}")))
}

/// The host's wish to stop as a plug-in sees it: one for each handle, with room for its one interrupt.
struct CancelBridge {
    raw: RvCancel,
    cancel: Cancel,
    registered: Mutex<Option<CancelGuard>>,
}

// SAFETY: the raw pointers lead to the token's atomic flag and to the bridge itself, both shared by design.
unsafe impl Send for CancelBridge {}

impl CancelBridge {
    /// Boxed, because the plug-in keeps its address.
    fn new(cancel: &Cancel) -> Box<Self> {
        let raw = RvCancel {
            struct_size: size_of::<RvCancel>() as u32,
            reserved: 0,
            flag: cancel.flag().as_ptr(),
            ctx: ptr::null_mut(),
            set_interrupt: Some(set_interrupt),
        };
        let mut bridge = Box::new(Self { raw, cancel: cancel.clone(), registered: Mutex::new(None) });
        bridge.raw.ctx = (&raw mut *bridge).cast();
        bridge
    }
}

extern "C" fn set_interrupt(ctx: *mut c_void, interrupt: RvInterrupt, data: *mut c_void) {
    struct Data(*mut c_void);
    // SAFETY: the plug-in promises that the interrupt may be called with it from any thread.
    unsafe impl Send for Data {}
    // SAFETY: as above.
    unsafe impl Sync for Data {}

    // SAFETY: `ctx` is the bridge, which lives until the handle is closed.
    let bridge = unsafe { &*ctx.cast::<CancelBridge>() };
    let mut registered = bridge.registered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Dropping the guard waits until the interrupt is not running.
    *registered = None;
    if let Some(interrupt) = interrupt.0 {
        let data = Data(data);
        *registered = Some(bridge.cancel.on_cancel(move || {
            let data = &data;
            interrupt(data.0);
        }));
    }
}

/// A pointer of a plug-in with what is needed to end it.
struct Raw {
    plugin: String,
    pointer: *mut c_void,
    end: RvClose,
    end_name: &'static str,
    /// Outlives `pointer`.
    cancel: Box<CancelBridge>,
}

// SAFETY: a handle may move between threads; the contract has one thread use it at a time, as `&mut self` does.
unsafe impl Send for Raw {}

impl Raw {
    fn end(&mut self) -> Result<()> {
        let pointer = std::mem::replace(&mut self.pointer, ptr::null_mut());
        if pointer.is_null() {
            return Ok(());
        }
        let Some(end) = self.end.0 else { return Err(self.lacks(self.end_name)) };
        call(&self.plugin, self.end_name, |err| end(pointer, err)).map(drop)
    }

    fn answer<T: DeserializeOwned>(&mut self, name: &str, function: RvCall, request: &str) -> Result<T> {
        let Some(function) = function.0 else { return Err(self.lacks(name)) };
        answer(&self.plugin, name, |out, err| function(self.pointer, RvStr::new(request), out, err))
    }

    fn lacks(&self, call: &str) -> Error {
        Error::unsupported(format!("connector \"{}\" does not offer \"{call}\"", self.plugin))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Err(e) = self.end() {
            tracing::debug!("{e}");
        }
    }
}

/// Opens a handle through `open`.
fn open(
    plugin: &str,
    function: super::RvOpen,
    end: RvClose,
    options: &serde_json::Value,
    cancel: &Cancel,
) -> Result<Raw> {
    let bridge = CancelBridge::new(cancel);
    let (options, mut pointer) = (to_json(options)?, ptr::null_mut());
    let Some(function) = function.0 else {
        return Err(Error::internal(format!("plug-in \"{plugin}\" has no \"open\"")));
    };
    call(plugin, "open", |err| function(RvStr::new(&options), &raw const bridge.raw, &raw mut pointer, err))?;
    Ok(Raw { plugin: plugin.to_owned(), pointer, end, end_name: "close", cancel: bridge })
}

/// An opened source.
pub struct SourceHandle {
    raw: Raw,
    table: &'static RvSource,
    check_contents: bool,
}

impl SourceHandle {
    pub(super) fn open(
        plugin: &str,
        table: &'static RvSource,
        options: &serde_json::Value,
        cancel: &Cancel,
        check_contents: bool,
    ) -> Result<Self> {
        Ok(Self { raw: open(plugin, table.open, table.close, options, cancel)?, table, check_contents })
    }

    /// See [`Source::probe`](crate::Source::probe).
    pub fn probe(&mut self) -> Result<Probe> {
        self.raw.answer("probe", self.table.probe, "")
    }

    /// See [`Source::describe`](crate::Source::describe).
    pub fn describe(&mut self, request: &DescribeRequest) -> Result<Description> {
        self.raw.answer("describe", self.table.describe, &to_json(request)?)
    }

    /// See [`Source::explain`](crate::Source::explain).
    pub fn explain(&mut self, request: &ReadRequest) -> Result<Explanation> {
        self.raw.answer("explain", self.table.explain, &to_json(request)?)
    }

    /// See [`Source::bounds`](crate::Source::bounds).
    pub fn bounds(&mut self, request: &BoundsRequest) -> Result<Bounds> {
        self.raw.answer("bounds", self.table.bounds, &to_json(request)?)
    }

    /// See [`Source::count`](crate::Source::count).
    pub fn count(&mut self, request: &ReadRequest) -> Result<u64> {
        self.raw.answer("count", self.table.count, &to_json(request)?)
    }

    /// See [`Source::snapshot`](crate::Source::snapshot).
    pub fn snapshot(&mut self) -> Result<String> {
        self.raw.answer("snapshot", self.table.snapshot, "")
    }

    /// See [`Source::split`](crate::Source::split).
    pub fn split(&mut self, request: &SplitRequest) -> Result<Split> {
        self.raw.answer("split", self.table.split, &to_json(request)?)
    }

    /// See [`Source::tables`](crate::Source::tables).
    pub fn tables(&mut self, request: &TablesRequest) -> Result<Tables> {
        self.raw.answer("tables", self.table.tables, &to_json(request)?)
    }

    /// See [`Source::read`](crate::Source::read).
    pub fn read(&mut self, request: &ReadRequest, cancel: &Cancel) -> Result<ReaderHandle> {
        let bridge = CancelBridge::new(cancel);
        let (json, mut pointer, mut schema) = (to_json(request)?, ptr::null_mut(), RvArrowSchema::empty());
        call(&self.raw.plugin, "read", |err| {
            let (reader, schema) = (&raw mut pointer, &raw mut schema);
            (self.table.read)(self.raw.pointer, RvStr::new(&json), &raw const bridge.raw, reader, schema, err)
        })?;
        let raw = Raw {
            plugin: self.raw.plugin.clone(),
            pointer,
            end: self.table.close_reader,
            end_name: "close_reader",
            cancel: bridge,
        };
        // SAFETY: the call succeeded, so it filled the schema, which is ours to release.
        let schema = unsafe { arrow::import_schema(&raw mut schema) }
            .map_err(|e| e.context(format!("plug-in \"{}\" broke its promise", raw.plugin)))?;
        Ok(ReaderHandle { raw, table: self.table, schema, check_contents: self.check_contents, dead: false })
    }

    /// Ends the handle and says whether that went well; dropping it ends it too.
    pub fn close(mut self) -> Result<()> {
        self.raw.end()
    }
}

/// A running read.
pub struct ReaderHandle {
    raw: Raw,
    table: &'static RvSource,
    schema: SchemaRef,
    check_contents: bool,
    dead: bool,
}

impl ReaderHandle {
    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// See [`BatchReader::next`](crate::BatchReader::next). Buffers are those of the connector, not copies.
    #[expect(clippy::should_implement_trait, reason = "the name of the contract's call; it can fail")]
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.dead {
            return Err(Error::internal(format!("reader of \"{}\" was used after its end", self.raw.plugin)));
        }
        let mut array = RvArrowArray::empty();
        let code =
            call(&self.raw.plugin, "next_batch", |err| (self.table.next_batch)(self.raw.pointer, &raw mut array, err));
        self.dead = !matches!(code, Ok(RV_OK));
        if code? == RV_END {
            return Ok(None);
        }
        // SAFETY: the call succeeded, so it filled the array, which is ours; its numbers are vetted by the import.
        let batch = unsafe { arrow::import_batch(&raw mut array, &self.schema, self.check_contents) };
        self.dead = batch.is_err();
        batch.map(Some).map_err(|e| e.context(format!("plug-in \"{}\" broke its promise", self.raw.plugin)))
    }

    /// Ends the read, also in the middle; dropping the reader does so too.
    pub fn close(mut self) -> Result<()> {
        self.raw.end()
    }

    /// The token that this read follows.
    pub fn cancel(&self) -> &Cancel {
        &self.raw.cancel.cancel
    }
}

/// An opened destination.
pub struct DestinationHandle {
    raw: Raw,
    table: &'static RvDestination,
}

impl DestinationHandle {
    pub(super) fn open(
        plugin: &str,
        table: &'static RvDestination,
        options: &serde_json::Value,
        cancel: &Cancel,
    ) -> Result<Self> {
        Ok(Self { raw: open(plugin, table.open, table.close, options, cancel)?, table })
    }

    /// See [`Destination::probe`](crate::Destination::probe).
    pub fn probe(&mut self) -> Result<DestinationProbe> {
        self.raw.answer("probe", self.table.probe, "")
    }

    /// See [`Destination::begin`](crate::Destination::begin).
    pub fn begin(&mut self, request: &WriteRequest, schema: &SchemaRef, cancel: &Cancel) -> Result<WriterHandle> {
        let bridge = CancelBridge::new(cancel);
        let (json, mut pointer, mut raw_schema) = (to_json(request)?, ptr::null_mut(), RvArrowSchema::empty());
        // SAFETY: the target is a local of the right type.
        unsafe { arrow::export_schema(schema, &raw mut raw_schema)? };
        call(&self.raw.plugin, "begin", |err| {
            let (schema, cancel) = (&raw mut raw_schema, &raw const bridge.raw);
            (self.table.begin)(self.raw.pointer, RvStr::new(&json), schema, cancel, &raw mut pointer, err)
        })?;
        let raw =
            Raw { plugin: self.raw.plugin.clone(), pointer, end: self.table.abort, end_name: "abort", cancel: bridge };
        Ok(WriterHandle { raw, table: self.table })
    }

    /// See [`Destination::stat`](crate::Destination::stat).
    pub fn stat(&mut self, name: &str) -> Result<Option<PartStat>> {
        self.raw.answer("stat", self.table.stat, &to_json(&name)?)
    }

    /// See [`Destination::remove`](crate::Destination::remove).
    pub fn remove(&mut self, name: &str) -> Result<()> {
        self.raw.answer("remove", self.table.remove, &to_json(&name)?)
    }

    /// See [`Destination::put`](crate::Destination::put).
    pub fn put(&mut self, request: &PutRequest) -> Result<Part> {
        self.raw.answer("put", self.table.put, &to_json(request)?)
    }

    /// Ends the handle and says whether that went well; dropping it ends it too.
    pub fn close(mut self) -> Result<()> {
        self.raw.end()
    }
}

/// A running attempt to write; dropping it aborts.
pub struct WriterHandle {
    raw: Raw,
    table: &'static RvDestination,
}

impl WriterHandle {
    /// See [`BatchWriter::write`](crate::BatchWriter::write). Buffers are handed over, not copied.
    pub fn write(&mut self, batch: RecordBatch) -> Result<Progress> {
        let (mut array, mut progress) = (RvArrowArray::empty(), RvProgress::default());
        // SAFETY: the target is a local of the right type.
        unsafe { arrow::export_batch(batch, &raw mut array) };
        call(&self.raw.plugin, "write", |err| {
            (self.table.write)(self.raw.pointer, &raw mut array, &raw mut progress, err)
        })?;
        Ok(Progress { buffered: progress.buffered, written: progress.written })
    }

    /// See [`BatchWriter::finish`](crate::BatchWriter::finish). A failed finish has aborted.
    pub fn finish(mut self) -> Result<Receipt> {
        let pointer = std::mem::replace(&mut self.raw.pointer, ptr::null_mut());
        answer(&self.raw.plugin, "finish", |out, err| (self.table.finish)(pointer, out, err))
    }

    /// See [`BatchWriter::abort`](crate::BatchWriter::abort).
    pub fn abort(mut self) -> Result<()> {
        self.raw.end()
    }

    /// The token that this attempt follows.
    pub fn cancel(&self) -> &Cancel {
        &self.raw.cancel.cancel
    }
}
