//! The version of the contract, in the one place that says it: constants, markers and messages are made of it.

/// The major version as a literal, for texts that are put together at compile time.
#[doc(hidden)]
#[macro_export]
macro_rules! abi_major {
    () => {
        1
    };
}

/// The minor version as a literal.
#[doc(hidden)]
#[macro_export]
macro_rules! abi_minor {
    () => {
        1
    };
}

/// The lowest minor version that a connector needs, as a literal: what its author says, or 0.
#[doc(hidden)]
#[macro_export]
macro_rules! abi_needs {
    () => {
        0
    };
    ($minor:literal) => {
        $minor
    };
}

/// The major version: another one is another contract.
pub const ABI_MAJOR: u32 = abi_major!();
/// The minor version: a higher one only appends.
pub const ABI_MINOR: u32 = abi_minor!();

/// The crate's own major version is that of the contract: abi_stable compares it with the types.
const _: () = assert!(
    env!("CARGO_PKG_VERSION_MAJOR").len() == 1 && env!("CARGO_PKG_VERSION_MAJOR").as_bytes()[0] == b'0' + abi_major!()
);
