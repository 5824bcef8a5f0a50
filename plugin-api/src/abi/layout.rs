//! What a Rust plug-in says about the layout of its structs, by which the host knows a changed signature too.

use abi_stable::StableAbi;

use super::{RvCancel, RvDestination, RvField, RvHost, RvLog, RvPlugin, RvSource};

/// How a Rust plug-in describes the layout of its tables to abi_stable.
#[repr(C)]
pub struct RvRustHeader {
    /// abi_stable's own version and layout; read before anything else of it.
    pub abi_stable: abi_stable::library::AbiHeader,
    /// The layout of [`RvTables`] as the plug-in was compiled.
    pub tables: extern "C" fn() -> &'static abi_stable::type_layout::TypeLayout,
}

impl RvRustHeader {
    /// The header of a plug-in that is compiled against this crate.
    pub const CURRENT: Self = Self { abi_stable: abi_stable::library::AbiHeader::VALUE, tables };
}

extern "C" fn tables() -> &'static abi_stable::type_layout::TypeLayout {
    <RvTables as StableAbi>::LAYOUT
}

/// Names every struct of the contract, so that one layout covers them all.
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

#[cfg(target_pointer_width = "64")]
const _: () = {
    use super::{RvBuf, RvError, RvProgress, RvStr};

    assert!(size_of::<RvStr>() == 16 && size_of::<RvBuf>() == 40 && size_of::<RvError>() == 56);
    assert!(size_of::<RvCancel>() == 32 && size_of::<RvHost>() == 48 && size_of::<RvField>() == 48);
    assert!(size_of::<RvLog>() == 80 && size_of::<RvPlugin>() == 104 && size_of::<RvProgress>() == 16);
    assert!(size_of::<RvSource>() == 112 && size_of::<RvDestination>() == 88);
};
