//! The host's side of opened plug-ins: safe calls over the table, with errors that name the plug-in and the call. A
//! plug-in that runs elsewhere has the same handles.

#![expect(unsafe_code, reason = "calls through the table of a plug-in")]

mod destination;
mod source;

use std::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{RV_PANIC, RvBuf, RvCall, RvCancel, RvClose, RvError, RvInterrupt, RvStr, crash};
use crate::{Cancel, CancelGuard, Category, Error, Result};

pub use destination::{DestinationHandle, WriterHandle};
pub use source::{ReaderHandle, SourceHandle};

/// What the user does next.
const DEFECT: &str = "this is a defect of the plug-in: report it with this message to its author";

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
    let code = crash::during(plugin, name, || run(&raw mut err));
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
        return Err(error.hint(DEFECT));
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
    parsed(plugin, name, &text)
}

fn parsed<T: DeserializeOwned>(plugin: &str, name: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
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
    _cancel: Box<CancelBridge>,
}

// SAFETY: a handle may move between threads; the contract has one thread use it at a time, as `&mut self` does.
unsafe impl Send for Raw {}

impl Raw {
    /// What `call` has answered, to be ended by `end`. Without a pointer nothing could be: a plug-in that means to answer
    /// none has failed.
    fn new(
        plugin: &str,
        call: &str,
        pointer: *mut c_void,
        (end, end_name): (RvClose, &'static str),
        cancel: Box<CancelBridge>,
    ) -> Result<Self> {
        if pointer.is_null() {
            let error = Error::internal(format!("\"{call}\" succeeded and answered NULL")).hint(DEFECT);
            return Err(broken_promise(plugin, error));
        }
        Ok(Self { plugin: plugin.to_owned(), pointer, end, end_name, _cancel: cancel })
    }

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
    Raw::new(plugin, "open", pointer, (end, "close"), bridge)
}

/// That a plug-in did something else than the contract says.
fn broken_promise(plugin: &str, error: Error) -> Error {
    error.context(format!("plug-in \"{plugin}\" broke its promise"))
}

#[cfg(test)]
mod tests;
