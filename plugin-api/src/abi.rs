//! The stable plug-in ABI, major version 1: a plain C table, the same as `include/rivet_plugin.h`.
//!
//! Rules that hold for every struct and call:
//!
//! * A struct that may grow begins with `struct_size`; fields are only ever appended.
//! * Numbers, pointers and `RvStr` only: no enum, bool or bit field crosses. Strings are UTF-8 with a length.
//! * A call returns `RV_OK`, `RV_END` or a negative code, and fills `*err` only with a negative code.
//! * A handle, reader or writer is used by one thread at a time, and may move between threads.
//! * Each side frees its own memory, through the `release` pointer that came with it.
//! * Everything that may grow in meaning is a JSON document whose unknown fields the reader ignores.
//!
//! The function types are not `unsafe` because abi_stable describes the signature only of safe ones. They are called
//! in `abi/handle.rs` alone, which keeps the rules above.
//!
//! abi_stable derives a description of these structs, by which the host checks plug-ins written in Rust
//! (see `RvRustHeader`). Plug-ins in other languages leave that pointer NULL.

use std::ffi::c_void;

use abi_stable::StableAbi;

mod version;
mod layout;
pub mod arrow;
mod vet;
mod sized;
mod guard;
mod log;
mod table;
pub mod export;
#[cfg(feature = "host")]
pub mod frozen;
#[cfg(feature = "host")]
mod compare;
#[cfg(feature = "host")]
mod take;
#[cfg(feature = "host")]
mod elf;
#[cfg(feature = "host")]
mod inspect;
#[cfg(feature = "host")]
mod host_log;
#[cfg(feature = "host")]
mod crash;
#[cfg(feature = "host")]
mod load;
#[cfg(feature = "host")]
pub mod remote;
#[cfg(feature = "host")]
mod handle;

pub use guard::{category_code, init_panic_hook};
#[cfg(feature = "host")]
pub use {
    compare::layout_text,
    crash::name_plugins_in_crashes,
    elf::Library,
    handle::{DestinationHandle, ReaderHandle, SourceHandle, WriterHandle},
    host_log::{LogEvent, PluginLog, redact_events},
    inspect::{Marker, Process, Refusal, inspect, inspect_for},
    load::{Plugin, Trust},
    log::LogValue,
};

pub use arrow::{RvArrowArray, RvArrowSchema};
pub use layout::{RvRustHeader, RvTables};
pub use version::{ABI_MAJOR, ABI_MINOR};

/// The symbol every plug-in exports: a function without arguments that returns a pointer to [`RvPlugin`].
pub const ENTRY_SYMBOL: &str = "rivet_plugin_entry";
/// The ELF section that holds the marker, which the host reads before it loads the file.
pub const MARKER_SECTION: &str = ".rivet_plugin";
/// How the marker begins; JSON and a NUL byte follow.
pub const MARKER_MAGIC: &[u8; 16] = b"\x7fRIVET-PLUGIN\0\x01\n";

/// The contract for C: the text of `rivet_plugin.h`.
#[cfg(feature = "host")]
pub const HEADER: &str = include_str!("../include/rivet_plugin.h");

/// The call did what it should.
pub const RV_OK: i32 = 0;
/// There are no more batches.
pub const RV_END: i32 = 1;
/// The call failed; the error is filled.
pub const RV_ERR: i32 = -1;
/// The call panicked and was caught; the error is filled and the handle is dead.
pub const RV_PANIC: i32 = -2;

/// Borrowed UTF-8 text, valid for the call.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvStr {
    /// First byte; may be NULL when `len` is 0.
    pub ptr: *const u8,
    /// Length in bytes.
    pub len: usize,
}

impl RvStr {
    /// Borrows `text`; the result must not outlive it.
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }

    /// No text.
    pub const EMPTY: Self = Self { ptr: std::ptr::null(), len: 0 };

    /// The text, with invalid UTF-8 replaced: what a plug-in sends is input to be checked.
    ///
    /// # Safety
    /// `ptr` must point to `len` readable bytes, or be NULL.
    #[expect(unsafe_code, reason = "reads memory that the other side of the ABI describes")]
    pub unsafe fn to_text(self) -> String {
        if self.ptr.is_null() || self.len == 0 {
            return String::new();
        }
        // SAFETY: the caller promises `len` readable bytes at the non-null `ptr`.
        String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(self.ptr, self.len) }).into_owned()
    }
}

/// Text owned by the callee and freed by `release`.
#[repr(C)]
#[derive(StableAbi)]
pub struct RvBuf {
    /// Size of this struct, set by the caller.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The text.
    pub text: RvStr,
    /// For `release`.
    pub private_data: *mut c_void,
    /// Frees the text; NULL when there is nothing to free.
    pub release: Option<extern "C" fn(*mut RvBuf)>,
}

/// An error. The caller zeroes it and sets `struct_size`; the callee fills it; the caller calls `release` if not NULL.
#[repr(C)]
#[derive(StableAbi)]
pub struct RvError {
    /// Size of this struct, set by the caller.
    pub struct_size: u32,
    /// 1 network, 2 timeout, 3 capacity, 4 deadlock, 5 auth, 6 permanent, 7 cancelled, 8 internal, 9 not found,
    /// 10 data, 11 config, 12 unsupported, 13 conflict; anything else counts as permanent.
    pub category: u32,
    /// For people: lower case, no full stop, never a secret.
    pub message: RvStr,
    /// The whole error as the JSON of [`Error`](crate::Error), or empty: adds context, hint, code, `retry_after_ms`.
    pub detail_json: RvStr,
    /// For `release`.
    pub private_data: *mut c_void,
    /// Frees the texts; NULL when there is nothing to free.
    pub release: Option<extern "C" fn(*mut RvError)>,
}

/// A callback that ends what a plug-in is blocked in; called at most once at a time, from any thread.
#[repr(transparent)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvInterrupt(pub Option<extern "C" fn(*mut c_void)>);

/// The host's wish to stop. Owned by the host, valid until the handle it was given for is closed.
#[repr(C)]
#[derive(StableAbi)]
pub struct RvCancel {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Read it atomically; other than 0 means stop.
    pub flag: *const u32,
    /// For `set_interrupt`.
    pub ctx: *mut c_void,
    /// Registers the one interrupt of this handle, called with `data`. A NULL interrupt unregisters and returns only
    /// when the former one is not running.
    pub set_interrupt: Option<extern "C" fn(ctx: *mut c_void, interrupt: RvInterrupt, data: *mut c_void)>,
}

/// One field of a log event.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvField {
    /// The field's name.
    pub key: RvStr,
    /// 0 absent, 1 signed, 2 unsigned, 3 float, 4 bool (all in `bits`), 5 `text`.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// The value's bits.
    pub bits: u64,
    /// The value's text.
    pub text: RvStr,
}

/// A log event.
#[repr(C)]
#[derive(StableAbi)]
pub struct RvLog {
    /// Size of this struct.
    pub struct_size: u32,
    /// 1 error, 2 warn, 3 info, 4 debug, 5 trace.
    pub level: u32,
    /// The module the event comes from.
    pub target: RvStr,
    /// The source file, or empty.
    pub file: RvStr,
    /// The line in it, or 0.
    pub line: u32,
    /// Number of `fields`.
    pub n_fields: u32,
    /// The message.
    pub message: RvStr,
    /// The other fields.
    pub fields: *const RvField,
    /// A number that is the same for every event of one place in the plug-in's code, or 0.
    pub callsite: u64,
}

/// What the host offers a plug-in. Lives as long as the process.
#[repr(C)]
#[derive(StableAbi)]
pub struct RvHost {
    /// Size of this struct.
    pub struct_size: u32,
    /// The host's [`ABI_MAJOR`].
    pub abi_major: u32,
    /// The host's [`ABI_MINOR`].
    pub abi_minor: u32,
    /// Events above this level (see [`RvLog::level`]) are never wanted; 0 wants none.
    pub max_level: u32,
    /// Not 0 when the plug-in is linked into the host: it then shares the host's logging and panic hook.
    pub linked: u32,
    /// Zero.
    pub reserved: u32,
    /// First argument of the calls below. It names the plug-in, so keep it apart for each.
    pub ctx: *mut c_void,
    /// Whether events of this level and target are wanted: not 0 for yes.
    pub log_enabled: Option<extern "C" fn(ctx: *mut c_void, level: u32, target: RvStr) -> u32>,
    /// Takes an event.
    pub log: Option<extern "C" fn(ctx: *mut c_void, event: *const RvLog)>,
}

/// A call with a JSON request and a JSON answer; NULL when it is not offered.
#[repr(transparent)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvCall(
    pub Option<extern "C" fn(handle: *mut c_void, request: RvStr, out: *mut RvBuf, err: *mut RvError) -> i32>,
);

/// Ends a handle, reader or writer, which is gone whatever the call returns.
#[repr(transparent)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvClose(pub Option<extern "C" fn(handle: *mut c_void, err: *mut RvError) -> i32>);

/// Opens a handle from options in JSON. It is not NULL, nor is a reader or a writer: `RV_OK` with NULL is refused.
#[repr(transparent)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvOpen(
    pub Option<extern "C" fn(options: RvStr, cancel: *const RvCancel, out: *mut *mut c_void, err: *mut RvError) -> i32>,
);

/// The calls of a source. A call may be NULL when its capability is not announced.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvSource {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// See [`Source::open`](crate::Source::open).
    pub open: RvOpen,
    /// No request; answers a [`Probe`](crate::Probe).
    pub probe: RvCall,
    /// [`DescribeRequest`](crate::DescribeRequest); answers a [`Description`](crate::Description).
    pub describe: RvCall,
    /// [`ReadRequest`](crate::ReadRequest); answers an [`Explanation`](crate::Explanation).
    pub explain: RvCall,
    /// [`BoundsRequest`](crate::BoundsRequest); answers [`Bounds`](crate::Bounds).
    pub bounds: RvCall,
    /// [`ReadRequest`](crate::ReadRequest); answers a number.
    pub count: RvCall,
    /// No request; answers a string.
    pub snapshot: RvCall,
    /// [`SplitRequest`](crate::SplitRequest); answers a [`Split`](crate::Split).
    pub split: RvCall,
    /// Starts reading; fills `reader` and, for the receiver to release, `schema`.
    pub read: extern "C" fn(
        handle: *mut c_void,
        request_json: RvStr,
        cancel: *const RvCancel,
        reader: *mut *mut c_void,
        schema: *mut RvArrowSchema,
        err: *mut RvError,
    ) -> i32,
    /// `RV_OK` and a struct array, or `RV_END`. After an error only `close_reader` may follow.
    pub next_batch: extern "C" fn(reader: *mut c_void, out: *mut RvArrowArray, err: *mut RvError) -> i32,
    /// Ends a reader, also in the middle.
    pub close_reader: RvClose,
    /// Ends the handle. Readers may outlive it.
    pub close: RvClose,
    /// Since 1.1. [`TablesRequest`](crate::TablesRequest); answers [`Tables`](crate::Tables).
    pub tables: RvCall,
}

/// The calls of a destination. A call may be NULL when its capability is not announced.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvDestination {
    /// Size of this struct.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// See [`Destination::open`](crate::Destination::open).
    pub open: RvOpen,
    /// No request; answers a [`DestinationProbe`](crate::DestinationProbe).
    pub probe: RvCall,
    /// Starts an attempt from a [`WriteRequest`](crate::WriteRequest). Takes `schema` over, also on error.
    pub begin: extern "C" fn(
        handle: *mut c_void,
        request_json: RvStr,
        schema: *mut RvArrowSchema,
        cancel: *const RvCancel,
        writer: *mut *mut c_void,
        err: *mut RvError,
    ) -> i32,
    /// Takes `batch`, a struct array, over, also on error; fills `progress`.
    pub write: extern "C" fn(
        writer: *mut c_void,
        batch: *mut RvArrowArray,
        progress: *mut RvProgress,
        err: *mut RvError,
    ) -> i32,
    /// Makes all durable and visible, or nothing; answers a [`Receipt`](crate::Receipt). The writer is gone afterwards.
    pub finish: extern "C" fn(writer: *mut c_void, receipt_json: *mut RvBuf, err: *mut RvError) -> i32,
    /// Leaves nothing behind. The writer is gone afterwards.
    pub abort: RvClose,
    /// A part name as JSON string; answers a [`PartStat`](crate::PartStat) or `null`.
    pub stat: RvCall,
    /// A part name as JSON string; answers `null`.
    pub remove: RvCall,
    /// Takes a [`PutRequest`](crate::PutRequest), answers a [`Part`](crate::Part).
    pub put: RvCall,
    /// Ends the handle. Writers may outlive it.
    pub close: RvClose,
}

/// See [`Progress`](crate::Progress).
#[repr(C)]
#[derive(Clone, Copy, Default, StableAbi)]
pub struct RvProgress {
    /// Bytes held in memory.
    pub buffered: u64,
    /// Encoded bytes so far.
    pub written: u64,
}

/// What `rivet_plugin_entry` returns. Lives as long as the process.
#[repr(C)]
#[derive(Clone, Copy, StableAbi)]
pub struct RvPlugin {
    /// Size of this struct.
    pub struct_size: u32,
    /// The [`ABI_MAJOR`] the plug-in was built for.
    pub abi_major: u32,
    /// The [`ABI_MINOR`] the plug-in was built for.
    pub abi_minor: u32,
    /// The lowest minor version of a host it works with.
    pub needs_minor: u32,
    /// The `type:` users write.
    pub name: RvStr,
    /// The plug-in's own version.
    pub version: RvStr,
    /// Called once, before anything else.
    pub init: extern "C" fn(host: *const RvHost, err: *mut RvError) -> i32,
    /// Answers a [`Spec`](crate::Spec).
    pub spec: extern "C" fn(out_json: *mut RvBuf, err: *mut RvError) -> i32,
    /// NULL when it is no source.
    pub source: *const RvSource,
    /// NULL when it is no destination.
    pub destination: *const RvDestination,
    /// Interfaces outside this contract, by name; NULL for an unknown one. May itself be NULL.
    pub get_extension: Option<extern "C" fn(name: RvStr) -> *const c_void>,
    /// An `RvRustHeader`, or NULL for plug-ins not written in Rust.
    pub rust_header: *const c_void,
    /// The marker, named here so that no linker drops it.
    pub marker: *const u8,
}

#[expect(unsafe_code, reason = "a table of constants is shared between threads")]
// SAFETY: the table is immutable and its pointers lead to immutable statics.
unsafe impl Sync for RvPlugin {}
