//! Compares the layout that a Rust plug-in was compiled with to that of its version, by abi_stable.

#![expect(unsafe_code, reason = "reads the layout description of a plug-in")]

use std::fmt::Write as _;

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstabilityError, AbiInstabilityErrors, check_layout_compatibility,
};
use abi_stable::type_layout::{TLFieldOrFunction, TLFields, TypeLayout};

use super::{
    ABI_MAJOR, ABI_MINOR, RvArrowArray, RvArrowSchema, RvBuf, RvCall, RvCancel, RvClose, RvDestination, RvError,
    RvField, RvHost, RvInterrupt, RvLog, RvOpen, RvPlugin, RvProgress, RvRustHeader, RvSource, RvStr, RvTables, frozen,
};
use crate::{Error, Result};

/// The layout of version `ABI_MAJOR.minor`, for one that this host knows.
fn known(minor: u32) -> Option<&'static TypeLayout> {
    match minor {
        0 => Some(<frozen::v1_0::RvTables as StableAbi>::LAYOUT),
        ABI_MINOR => Some(<RvTables as StableAbi>::LAYOUT),
        _ => None,
    }
}

/// Compares what the plug-in says with its own minor version, or, for a newer one, with the part that this host knows.
/// Plug-ins in other languages say nothing.
pub(super) fn check(table: &RvPlugin) -> Result<()> {
    // SAFETY: NULL, or a header that lives as long as the process.
    let Some(header) = (unsafe { table.rust_header.cast::<RvRustHeader>().as_ref() }) else { return Ok(()) };
    if !header.abi_stable.is_valid() {
        return Err(Error::internal("its Rust layout description is of another format: rebuild it"));
    }
    let found = (header.tables)();
    let outcome = match known(table.abi_minor) {
        Some(expected) => check_layout_compatibility(expected, found),
        None => check_layout_compatibility(<RvTables as StableAbi>::LAYOUT, found).or_else(only_longer),
    };
    outcome.map_err(|errors| {
        tracing::debug!("{errors:#?}");
        Error::internal(format!(
            "its tables have another layout than plug-in ABI {ABI_MAJOR}.{}: rebuild it with the SDK of that version",
            table.abi_minor
        ))
    })
}

/// A newer minor version may have longer structs, and nothing else that differs.
fn only_longer(errors: AbiInstabilityErrors) -> Result<(), AbiInstabilityErrors> {
    let of_struct = |error: &AbiInstabilityError| {
        !matches!(error.stack_trace.last().map(|at| at.found), Some(TLFieldOrFunction::Function(_)))
    };
    let longer = |why: &AbiInstability| match why {
        AbiInstability::FieldCountMismatch(n) | AbiInstability::Size(n) => n.found > n.expected,
        _ => false,
    };
    if errors.errors.iter().all(|error| of_struct(error) && error.errs.iter().all(longer)) {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Every struct of version `ABI_MAJOR.minor` as text: fields with place, size and type, functions with their signature.
/// `None` for a version that this host does not know. By it a test sees that the contract has changed.
pub fn layout_text(minor: u32) -> Option<String> {
    let (source, plugin) = match minor {
        0 => (<frozen::v1_0::RvSource as StableAbi>::LAYOUT, <frozen::v1_0::RvPlugin as StableAbi>::LAYOUT),
        ABI_MINOR => (<RvSource as StableAbi>::LAYOUT, <RvPlugin as StableAbi>::LAYOUT),
        _ => return None,
    };
    let all: [&'static TypeLayout; 17] = [
        <RvStr as StableAbi>::LAYOUT,
        <RvBuf as StableAbi>::LAYOUT,
        <RvError as StableAbi>::LAYOUT,
        <RvInterrupt as StableAbi>::LAYOUT,
        <RvCancel as StableAbi>::LAYOUT,
        <RvField as StableAbi>::LAYOUT,
        <RvLog as StableAbi>::LAYOUT,
        <RvHost as StableAbi>::LAYOUT,
        <RvArrowSchema as StableAbi>::LAYOUT,
        <RvArrowArray as StableAbi>::LAYOUT,
        <RvOpen as StableAbi>::LAYOUT,
        <RvCall as StableAbi>::LAYOUT,
        <RvClose as StableAbi>::LAYOUT,
        source,
        <RvProgress as StableAbi>::LAYOUT,
        <RvDestination as StableAbi>::LAYOUT,
        plugin,
    ];
    Some(all.into_iter().map(struct_text).collect())
}

fn struct_text(layout: &'static TypeLayout) -> String {
    let mut text = format!("{} {} bytes\n", layout.name(), layout.size());
    let mut place = 0_usize;
    for field in layout.get_fields().iter().flat_map(TLFields::iter) {
        let of = field.layout();
        place = place.next_multiple_of(of.alignment().max(1));
        let functions: Vec<_> = field.function_range().iter().map(|function| function.to_string()).collect();
        let kind = if functions.is_empty() { of.full_type().to_string() } else { functions.join(", ") };
        let _ = writeln!(text, "  {place:>3} {:>2} {}: {kind}", of.size(), field.name());
        place += of.size();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions to come, each with one struct that differs. What the plug-in says of itself is that it is newer.
    macro_rules! later {
        ($name:ident, $level:ty, $log:ty, { $($more:ident: $type:ty),* }) => {
            mod $name {
                use std::ffi::c_void;

                use abi_stable::StableAbi;

                use super::super::super::{RvCancel, RvDestination, RvField, RvLog, RvPlugin, RvRustHeader, RvSource, RvStr};

                #[repr(C)]
                #[derive(StableAbi)]
                pub struct RvHost {
                    struct_size: u32,
                    abi_major: u32,
                    abi_minor: u32,
                    max_level: u32,
                    linked: u32,
                    reserved: u32,
                    ctx: *mut c_void,
                    log_enabled: Option<extern "C" fn(ctx: *mut c_void, level: $level, target: RvStr) -> u32>,
                    log: Option<extern "C" fn(ctx: *mut c_void, event: *const $log)>,
                    $($more: $type,)*
                }

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

                extern "C" fn tables() -> &'static abi_stable::type_layout::TypeLayout {
                    <RvTables as StableAbi>::LAYOUT
                }

                pub static HEADER: RvRustHeader =
                    RvRustHeader { abi_stable: abi_stable::library::AbiHeader::VALUE, tables };
            }
        };
    }

    /// One whose errors have a field more: every call names them.
    mod longer_errors {
        use std::ffi::c_void;

        use abi_stable::StableAbi;

        use super::super::super::{RvCancel, RvDestination, RvField, RvHost, RvLog, RvRustHeader, RvSource, RvStr};

        #[repr(C)]
        #[derive(StableAbi)]
        pub struct RvError {
            struct_size: u32,
            category: u32,
            message: RvStr,
            detail_json: RvStr,
            private_data: *mut c_void,
            release: Option<extern "C" fn(*mut RvError)>,
            advice: RvStr,
        }

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
            spec: extern "C" fn(out_json: *mut super::RvBuf, err: *mut RvError) -> i32,
            source: *const RvSource,
            destination: *const RvDestination,
            get_extension: Option<extern "C" fn(name: RvStr) -> *const c_void>,
            rust_header: *const c_void,
            marker: *const u8,
        }

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

        extern "C" fn tables() -> &'static abi_stable::type_layout::TypeLayout {
            <RvTables as StableAbi>::LAYOUT
        }

        pub static HEADER: RvRustHeader = RvRustHeader { abi_stable: abi_stable::library::AbiHeader::VALUE, tables };
    }

    later!(longer, u32, RvLog, { budget: u64, offer: *const c_void });
    later!(other_level, u64, RvLog, { budget: u64 });
    later!(other_event, u32, RvField, {});

    fn checked(abi_minor: u32, header: &'static RvRustHeader) -> Result<()> {
        extern "C" fn init(_: *const RvHost, _: *mut RvError) -> i32 {
            0
        }
        extern "C" fn spec(_: *mut RvBuf, _: *mut RvError) -> i32 {
            0
        }
        check(&RvPlugin {
            struct_size: size_of::<RvPlugin>() as u32,
            abi_major: ABI_MAJOR,
            abi_minor,
            needs_minor: 0,
            name: RvStr::EMPTY,
            version: RvStr::EMPTY,
            init,
            spec,
            source: std::ptr::null(),
            destination: std::ptr::null(),
            get_extension: None,
            rust_header: (&raw const *header).cast(),
            marker: std::ptr::null(),
        })
    }

    #[test]
    fn a_newer_version_may_be_longer_and_nothing_else() {
        let newer = ABI_MINOR + 1;
        checked(newer, &longer::HEADER).unwrap();
        checked(newer, &longer_errors::HEADER).unwrap();
        checked(ABI_MINOR, &longer::HEADER).expect_err("longer without another version");
        for header in [&other_level::HEADER, &other_event::HEADER] {
            let error = checked(newer, header).expect_err("a signature differs").to_string();
            assert!(error.contains(&format!("another layout than plug-in ABI {ABI_MAJOR}.{newer}")), "{error}");
        }
    }
}
