//! The calls behind the tables: a connector's traits as C functions over raw handles.

#![expect(unsafe_code, reason = "implements the C table over raw pointers")]

use std::ffi::c_void;
use std::ptr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::guard::{fill_text, guard};
use super::{
    RV_END, RV_OK, RvArrowArray, RvArrowSchema, RvBuf, RvCall, RvCancel, RvClose, RvDestination, RvError, RvInterrupt,
    RvOpen, RvProgress, RvSource, RvStr, arrow, sized,
};
use crate::{BatchReader, BatchWriter, Cancel, Context, Destination, Error, Result, Source, parse_options};

/// An opened source, destination, reader or writer, with the host's wish to stop.
struct Handle<T> {
    value: T,
    context: Context,
    /// Ends the registration before the token it cancels is dropped.
    _interrupt: Registration,
}

impl<T> Handle<T> {
    fn into_raw(self) -> *mut c_void {
        Box::into_raw(Box::new(self)).cast()
    }

    /// # Safety
    /// `raw` must come from [`Handle::into_raw`] of the same `T`, not be taken back yet, and not be in use.
    unsafe fn borrow<'a>(raw: *mut c_void) -> &'a mut Self {
        // SAFETY: promised by the caller; the contract allows one thread at a time.
        unsafe { &mut *raw.cast() }
    }

    /// # Safety
    /// As for [`Handle::borrow`]; the handle is gone afterwards.
    unsafe fn take(raw: *mut c_void) -> Box<Self> {
        // SAFETY: promised by the caller.
        unsafe { Box::from_raw(raw.cast()) }
    }
}

/// Cancels a token of this plug-in when the host's interrupt fires.
struct Registration {
    /// A copy of the host's struct.
    host: Option<RvCancel>,
    token: *mut Cancel,
}

// SAFETY: the host's struct may be used from any thread, and the token is shared by design.
unsafe impl Send for Registration {}

impl Registration {
    /// # Safety
    /// `host` must be NULL or valid until the registration is dropped.
    unsafe fn new(host: *const RvCancel) -> (Self, Context) {
        let cancel = Cancel::new();
        let context = Context::new(cancel.clone());
        let token = Box::into_raw(Box::new(cancel));
        // SAFETY: promised by the caller; the host's struct is as long as it says.
        let host = (!host.is_null()).then(|| unsafe { sized::copied(host) });
        if let Some(host) = &host
            && let Some(set) = host.set_interrupt
        {
            set(host.ctx, RvInterrupt(Some(interrupted)), token.cast());
        }
        (Self { host, token }, context)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // What the copy leads to is valid until here by the promise of `new`.
        if let Some(host) = &self.host
            && let Some(set) = host.set_interrupt
        {
            set(host.ctx, RvInterrupt(None), ptr::null_mut());
        }
        // SAFETY: made by `Box::into_raw`, and no interrupt runs any more.
        drop(unsafe { Box::from_raw(self.token) });
    }
}

extern "C" fn interrupted(token: *mut c_void) {
    // SAFETY: the registration keeps the token until the host has unregistered this function.
    let token = unsafe { &*token.cast::<Cancel>() };
    // A panic in an interrupt of the connector must not cross into the host.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| token.cancel()));
}

/// Reads a JSON request.
fn request<T: DeserializeOwned>(json: RvStr) -> Result<T> {
    // SAFETY: in-strings are readable for the call.
    let text = unsafe { json.to_text() };
    serde_json::from_str(&text).map_err(|e| {
        let why = e.to_string();
        if why.starts_with("unknown variant") {
            // A newer host has words that this connector was built without.
            let error = Error::unsupported(format!("the host asks for what this connector does not know: {why}"));
            return error.hint("update the plug-in");
        }
        Error::internal(format!("the host sent a request that cannot be read: {why}"))
    })
}

pub(super) fn answer<T: Serialize>(out: *mut RvBuf, value: &T) -> Result<i32> {
    let json = serde_json::to_string(value).map_err(|e| Error::internal(format!("the answer has no JSON: {e}")))?;
    // SAFETY: the host passes a struct to fill.
    unsafe { fill_text(out, json) };
    Ok(RV_OK)
}

fn open<T: Send + 'static, O: DeserializeOwned>(
    options: RvStr,
    cancel: *const RvCancel,
    out: *mut *mut c_void,
    err: *mut RvError,
    make: impl FnOnce(O, &Context) -> Result<T>,
) -> i32 {
    guard(err, || {
        let options = parse_options(request(options)?)?;
        // SAFETY: the host keeps `cancel` until the handle is closed.
        let (interrupt, context) = unsafe { Registration::new(cancel) };
        let value = make(options, &context)?;
        // SAFETY: the host passes a pointer to fill.
        unsafe { out.write(Handle { value, context, _interrupt: interrupt }.into_raw()) };
        Ok(RV_OK)
    })
}

/// A call on an opened handle with a JSON answer.
fn call<T: 'static, A: Serialize>(
    handle: *mut c_void,
    out: *mut RvBuf,
    err: *mut RvError,
    run: impl FnOnce(&mut T, &Context) -> Result<A>,
) -> i32 {
    guard(err, || {
        // SAFETY: the host passes a handle that `open` returned.
        let handle = unsafe { Handle::<T>::borrow(handle) };
        answer(out, &run(&mut handle.value, &handle.context)?)
    })
}

extern "C" fn close<T: 'static>(handle: *mut c_void, err: *mut RvError) -> i32 {
    guard(err, || {
        // SAFETY: the host gives the handle back, once.
        drop(unsafe { Handle::<T>::take(handle) });
        Ok(RV_OK)
    })
}

type Reader = Box<dyn BatchReader>;
type Writer = Box<dyn BatchWriter>;

pub(super) struct SourceTable<S>(std::marker::PhantomData<S>);

impl<S: Source> SourceTable<S> {
    pub(super) const TABLE: RvSource = RvSource {
        struct_size: size_of::<RvSource>() as u32,
        reserved: 0,
        open: RvOpen(Some(Self::open)),
        probe: RvCall(Some(Self::probe)),
        describe: RvCall(Some(Self::describe)),
        explain: RvCall(Some(Self::explain)),
        bounds: RvCall(Some(Self::bounds)),
        count: RvCall(Some(Self::count)),
        snapshot: RvCall(Some(Self::snapshot)),
        split: RvCall(Some(Self::split)),
        read: Self::read,
        next_batch,
        close_reader: RvClose(Some(close_reader)),
        close: RvClose(Some(close::<S>)),
        tables: RvCall(Some(Self::tables)),
    };

    extern "C" fn open(o: RvStr, cancel: *const RvCancel, out: *mut *mut c_void, err: *mut RvError) -> i32 {
        open(o, cancel, out, err, S::open)
    }

    extern "C" fn probe(h: *mut c_void, _: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.probe(c))
    }

    extern "C" fn describe(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.describe(&request(r)?, c))
    }

    extern "C" fn explain(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.explain(&request(r)?, c))
    }

    extern "C" fn bounds(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.bounds(&request(r)?, c))
    }

    extern "C" fn count(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.count(&request(r)?, c))
    }

    extern "C" fn snapshot(h: *mut c_void, _: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.snapshot(c))
    }

    extern "C" fn split(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.split(&request(r)?, c))
    }

    extern "C" fn tables(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |s: &mut S, c| s.tables(&request(r)?, c))
    }

    extern "C" fn read(
        h: *mut c_void,
        r: RvStr,
        cancel: *const RvCancel,
        reader: *mut *mut c_void,
        schema: *mut RvArrowSchema,
        err: *mut RvError,
    ) -> i32 {
        guard(err, || {
            // SAFETY: the host passes a handle that `open` returned, and keeps `cancel` until the reader is closed.
            let (source, (interrupt, context)) = unsafe { (Handle::<S>::borrow(h), Registration::new(cancel)) };
            let value: Reader = source.value.read(&request(r)?, &context)?;
            // SAFETY: the host passes a schema and a pointer to fill.
            unsafe {
                arrow::export_schema(&value.schema(), schema)?;
                reader.write(Handle { value, context, _interrupt: interrupt }.into_raw());
            }
            Ok(RV_OK)
        })
    }
}

extern "C" fn next_batch(reader: *mut c_void, out: *mut RvArrowArray, err: *mut RvError) -> i32 {
    guard(err, || {
        // SAFETY: the host passes a reader that `read` returned.
        let reader = unsafe { Handle::<Reader>::borrow(reader) };
        reader.context.check()?;
        let Some(batch) = reader.value.next()? else { return Ok(RV_END) };
        // SAFETY: the host passes an array to fill.
        unsafe { arrow::export_batch(batch, out) };
        Ok(RV_OK)
    })
}

extern "C" fn close_reader(reader: *mut c_void, err: *mut RvError) -> i32 {
    guard(err, || {
        // SAFETY: the host gives the reader back, once.
        let mut reader = unsafe { Handle::<Reader>::take(reader) };
        reader.value.close().map(|()| RV_OK)
    })
}

pub(super) struct DestinationTable<D>(std::marker::PhantomData<D>);

impl<D: Destination> DestinationTable<D> {
    pub(super) const TABLE: RvDestination = RvDestination {
        struct_size: size_of::<RvDestination>() as u32,
        reserved: 0,
        open: RvOpen(Some(Self::open)),
        probe: RvCall(Some(Self::probe)),
        begin: Self::begin,
        write,
        finish,
        abort: RvClose(Some(abort)),
        stat: RvCall(Some(Self::stat)),
        remove: RvCall(Some(Self::remove)),
        put: RvCall(Some(Self::put)),
        close: RvClose(Some(close::<D>)),
    };

    extern "C" fn open(o: RvStr, cancel: *const RvCancel, out: *mut *mut c_void, err: *mut RvError) -> i32 {
        open(o, cancel, out, err, D::open)
    }

    extern "C" fn probe(h: *mut c_void, _: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |d: &mut D, c| d.probe(c))
    }

    extern "C" fn stat(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |d: &mut D, c| d.stat(&request::<String>(r)?, c))
    }

    extern "C" fn remove(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |d: &mut D, c| d.remove(&request::<String>(r)?, c))
    }

    extern "C" fn put(h: *mut c_void, r: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32 {
        call(h, out, err, |d: &mut D, c| d.put(request(r)?, c))
    }

    extern "C" fn begin(
        h: *mut c_void,
        r: RvStr,
        schema: *mut RvArrowSchema,
        cancel: *const RvCancel,
        writer: *mut *mut c_void,
        err: *mut RvError,
    ) -> i32 {
        guard(err, || {
            // SAFETY: the host gives the schema away, passes a handle that `open` returned, and keeps `cancel` until
            // the writer is ended.
            let (schema, destination, (interrupt, context)) =
                unsafe { (arrow::import_schema(schema)?, Handle::<D>::borrow(h), Registration::new(cancel)) };
            let value = destination.value.begin(request(r)?, std::sync::Arc::clone(&schema), &context)?;
            let value = SchemaWriter { writer: value, schema, ended: false };
            // SAFETY: the host passes a pointer to fill.
            unsafe { writer.write(Handle { value, context, _interrupt: interrupt }.into_raw()) };
            Ok(RV_OK)
        })
    }
}

/// A writer with the schema its batches have; dropped before its end it aborts.
struct SchemaWriter {
    writer: Writer,
    schema: arrow_schema::SchemaRef,
    ended: bool,
}

impl Drop for SchemaWriter {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // The drop may be part of a panic in `finish`: a second one that leaves it would end the process.
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.writer.abort())) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::warn!("could not clean up after a failed write: {e}"),
            Err(_) => tracing::warn!("could not clean up after a failed write: \"abort\" panicked"),
        }
    }
}

extern "C" fn write(writer: *mut c_void, batch: *mut RvArrowArray, out: *mut RvProgress, err: *mut RvError) -> i32 {
    guard(err, || {
        // SAFETY: the host passes a writer that `begin` returned.
        let writer = unsafe { Handle::<SchemaWriter>::borrow(writer) };
        // SAFETY: the host gives the array away.
        let batch = unsafe { arrow::import_batch(batch, &writer.value.schema, false)? };
        writer.context.check()?;
        let progress = writer.value.writer.write(batch)?;
        // SAFETY: the host passes a struct to fill.
        unsafe { out.write(RvProgress { buffered: progress.buffered, written: progress.written }) };
        Ok(RV_OK)
    })
}

extern "C" fn finish(writer: *mut c_void, receipt: *mut RvBuf, err: *mut RvError) -> i32 {
    guard(err, || {
        // SAFETY: the host gives the writer back, once.
        let mut writer = unsafe { Handle::<SchemaWriter>::take(writer) };
        writer.context.check()?;
        let done = writer.value.writer.finish()?;
        writer.value.ended = true;
        answer(receipt, &done)
    })
}

extern "C" fn abort(writer: *mut c_void, err: *mut RvError) -> i32 {
    guard(err, || {
        // SAFETY: the host gives the writer back, once.
        let mut writer = unsafe { Handle::<SchemaWriter>::take(writer) };
        writer.value.ended = true;
        writer.value.writer.abort().map(|()| RV_OK)
    })
}
