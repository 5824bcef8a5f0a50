//! The structs of older minor versions that have grown since, under the same names: by them the host checks a plug-in
//! written in Rust against the version that it was built for. A copy is made when a struct first grows, with every struct
//! that leads to it, and never changes.

/// Version 1.0: sources had no `tables`.
pub mod v1_0 {
    use std::ffi::c_void;

    use abi_stable::StableAbi;

    use super::super::{
        RvArrowArray, RvArrowSchema, RvBuf, RvCall, RvCancel, RvClose, RvDestination, RvError, RvField, RvHost, RvLog,
        RvOpen, RvRustHeader, RvStr,
    };

    /// See [`RvSource`](crate::abi::RvSource).
    #[repr(C)]
    #[derive(StableAbi)]
    #[expect(missing_docs, reason = "the current struct documents them")]
    pub struct RvSource {
        pub struct_size: u32,
        pub reserved: u32,
        pub open: RvOpen,
        pub probe: RvCall,
        pub describe: RvCall,
        pub explain: RvCall,
        pub bounds: RvCall,
        pub count: RvCall,
        pub snapshot: RvCall,
        pub split: RvCall,
        pub read: extern "C" fn(
            handle: *mut c_void,
            request_json: RvStr,
            cancel: *const RvCancel,
            reader: *mut *mut c_void,
            schema: *mut RvArrowSchema,
            err: *mut RvError,
        ) -> i32,
        pub next_batch: extern "C" fn(reader: *mut c_void, out: *mut RvArrowArray, err: *mut RvError) -> i32,
        pub close_reader: RvClose,
        pub close: RvClose,
    }

    impl RvSource {
        /// The table of version 1.0 with the calls of a current one.
        #[must_use]
        pub const fn of(table: &crate::abi::RvSource) -> Self {
            Self {
                struct_size: size_of::<Self>() as u32,
                reserved: 0,
                open: table.open,
                probe: table.probe,
                describe: table.describe,
                explain: table.explain,
                bounds: table.bounds,
                count: table.count,
                snapshot: table.snapshot,
                split: table.split,
                read: table.read,
                next_batch: table.next_batch,
                close_reader: table.close_reader,
                close: table.close,
            }
        }
    }

    /// See [`RvPlugin`](crate::abi::RvPlugin): frozen only because it leads to [`RvSource`].
    #[repr(C)]
    #[derive(StableAbi)]
    pub struct RvPlugin {
        struct_size: u32,
        abi_major: u32,
        abi_minor: u32,
        needs_minor: u32,
        name: RvStr,
        version: RvStr,
        init: extern "C" fn(host: *const RvHost, err: *mut RvError) -> i32,
        spec: extern "C" fn(out_json: *mut RvBuf, err: *mut RvError) -> i32,
        source: *const RvSource,
        destination: *const RvDestination,
        get_extension: Option<extern "C" fn(name: RvStr) -> *const c_void>,
        rust_header: *const c_void,
        marker: *const u8,
    }

    /// See [`RvTables`](crate::abi::RvTables).
    #[repr(C)]
    #[derive(StableAbi)]
    pub struct RvTables {
        plugin: RvPlugin,
        host: RvHost,
        source: RvSource,
        destination: RvDestination,
        cancel: RvCancel,
        log: RvLog,
        field: RvField,
    }

    /// The header of a plug-in that was compiled against version 1.0.
    pub const HEADER: RvRustHeader = RvRustHeader { abi_stable: abi_stable::library::AbiHeader::VALUE, tables };

    extern "C" fn tables() -> &'static abi_stable::type_layout::TypeLayout {
        <RvTables as StableAbi>::LAYOUT
    }
}
