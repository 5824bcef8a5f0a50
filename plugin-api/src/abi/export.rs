//! The plug-in's side: turns the safe traits into the C table, with a guard against panics on every entry.

#![expect(unsafe_code, reason = "implements the C table over raw pointers")]

use std::ptr;

use super::guard::{guard, init_panic_hook};
use super::table::{DestinationTable, SourceTable, answer};
use super::{
    ABI_MAJOR, ABI_MINOR, MARKER_MAGIC, RV_OK, RvBuf, RvDestination, RvError, RvHost, RvPlugin, RvRustHeader, RvSource,
    RvStr, sized,
};
use crate::{Destination, DestinationSpec, Locations, Source, SourceSpec, Spec, options_schema};

/// Makes a plug-in of one or both halves: `export_connector!("name", source: S, destination: D);`.
///
/// `S` implements [`Source`], `D` [`Destination`]; either may be left out. Version, description and licence come from
/// the crate's `Cargo.toml`. `needs: 1` at the end says that hosts older than plug-in ABI 1.1 are of no use to the
/// connector; without it hosts of every minor version load it. The crate is built with `crate-type = ["cdylib"]` (add `"rlib"` to link it into a custom
/// distribution: its `linked` feature, when it has one, leaves the entry symbol out).
#[macro_export]
macro_rules! export_connector {
    ($name:literal, source: $source:ty $(, needs: $needs:literal)? $(,)?) => {
        $crate::export_connector!(@export $name, "source", [$($needs)?],
            Some($crate::abi::export::source_table::<$source>()), None,
            Some($crate::abi::export::source_spec::<$source>()), None);
    };
    ($name:literal, destination: $destination:ty $(, needs: $needs:literal)? $(,)?) => {
        $crate::export_connector!(@export $name, "destination", [$($needs)?],
            None, Some($crate::abi::export::destination_table::<$destination>()),
            None, Some($crate::abi::export::destination_spec::<$destination>()));
    };
    ($name:literal, source: $source:ty, destination: $destination:ty $(, needs: $needs:literal)? $(,)?) => {
        $crate::export_connector!(@export $name, "source,destination", [$($needs)?],
            Some($crate::abi::export::source_table::<$source>()),
            Some($crate::abi::export::destination_table::<$destination>()),
            Some($crate::abi::export::source_spec::<$source>()),
            Some($crate::abi::export::destination_spec::<$destination>()));
    };
    (@export $name:literal, $kinds:literal, [$($needs:literal)?], $source:expr, $destination:expr,
        $source_spec:expr, $destination_spec:expr) => {
        /// The plug-in's table, for a host that links this crate in.
        pub static PLUGIN: $crate::abi::RvPlugin = $crate::abi::export::plugin::<RivetExport>();

        #[doc(hidden)]
        pub struct RivetExport;

        impl $crate::abi::export::Export for RivetExport {
            const NAME: &'static str = $name;
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            const NEEDS: u32 = $crate::abi_needs!($($needs)?);
            const MARKER: &'static [u8] = &RIVET_MARKER;
            const SOURCE: Option<&'static $crate::abi::RvSource> = $source;
            const DESTINATION: Option<&'static $crate::abi::RvDestination> = $destination;

            fn spec() -> $crate::Spec {
                $crate::Spec {
                    name: $name.to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
                    license: env!("CARGO_PKG_LICENSE").to_owned(),
                    source: $source_spec,
                    destination: $destination_spec,
                }
            }
        }

        $crate::export_marker!($name, $kinds, [$($needs)?]);

        // The lint is judged at the module around the `cfg`, and fires only in crates without the feature.
        #[allow(unexpected_cfgs, reason = "a connector need not declare the feature")]
        mod rivet_entry {
            /// The one symbol of the plug-in ABI.
            #[cfg(not(feature = "linked"))]
            #[unsafe(no_mangle)]
            pub extern "C" fn rivet_plugin_entry() -> *const $crate::abi::RvPlugin {
                &raw const super::PLUGIN
            }
        }
    };
}

/// The marker of a crate, as `RIVET_MARKER`.
#[doc(hidden)]
#[macro_export]
macro_rules! export_marker {
    ($name:literal, $kinds:literal, [$($needs:literal)?]) => {
        #[used]
        #[cfg_attr(target_os = "linux", unsafe(link_section = ".rivet_plugin"))]
        static RIVET_MARKER: [u8; RIVET_MARKER_TEXT.len()] = $crate::abi::export::marker(RIVET_MARKER_TEXT);
        const RIVET_MARKER_TEXT: &str = if cfg!(panic = "unwind") {
            $crate::export_marker!(@text $name, $kinds, [$($needs)?], "unwind")
        } else {
            $crate::export_marker!(@text $name, $kinds, [$($needs)?], "abort")
        };
    };
    (@text $name:literal, $kinds:literal, [$($needs:literal)?], $panic:literal) => {
        concat!(
            "\x7fRIVET-PLUGIN\0\x01\n{\"name\":\"", $name, "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
            "\",\"kinds\":\"", $kinds, "\",\"abi\":\"", $crate::abi_major!(), ".", $crate::abi_minor!(),
            "\",\"needs\":\"", $crate::abi_major!(), ".", $crate::abi_needs!($($needs)?),
            "\",\"panic\":\"", $panic, "\"}\0"
        )
    };
}

/// What [`export_connector!`](crate::export_connector) says about a crate.
#[doc(hidden)]
pub trait Export {
    const NAME: &'static str;
    const VERSION: &'static str;
    const NEEDS: u32 = 0;
    const MARKER: &'static [u8];
    const SOURCE: Option<&'static RvSource>;
    const DESTINATION: Option<&'static RvDestination>;
    fn spec() -> Spec;
}

/// The marker's bytes, checked to begin as the host expects.
#[doc(hidden)]
#[must_use]
pub const fn marker<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() == N);
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        assert!(i >= MARKER_MAGIC.len() || bytes[i] == MARKER_MAGIC[i]);
        out[i] = bytes[i];
        i += 1;
    }
    out
}

#[doc(hidden)]
#[must_use]
pub const fn plugin<P: Export>() -> RvPlugin {
    const fn table<T>(table: Option<&'static T>) -> *const T {
        match table {
            Some(table) => table,
            None => ptr::null(),
        }
    }
    assert!(P::NEEDS <= ABI_MINOR, "a connector cannot need more than the version that it is built with");
    RvPlugin {
        struct_size: size_of::<RvPlugin>() as u32,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        needs_minor: P::NEEDS,
        name: RvStr::new(P::NAME),
        version: RvStr::new(P::VERSION),
        init,
        spec: spec::<P>,
        source: table(P::SOURCE),
        destination: table(P::DESTINATION),
        get_extension: None,
        rust_header: (&raw const RUST_HEADER).cast(),
        marker: P::MARKER.as_ptr(),
    }
}

static RUST_HEADER: RvRustHeader = RvRustHeader::CURRENT;

#[doc(hidden)]
#[must_use]
pub fn source_spec<S: Source>() -> SourceSpec {
    let Locations { schemes, paths } = S::LOCATIONS;
    SourceSpec {
        title: S::TITLE.to_owned(),
        options: options_schema::<S::Options>(),
        capabilities: S::CAPABILITIES,
        schemes: schemes.iter().map(|&scheme| scheme.to_owned()).collect(),
        paths,
    }
}

#[doc(hidden)]
#[must_use]
pub fn destination_spec<D: Destination>() -> DestinationSpec {
    let place = D::PLACE.iter().map(|key| (*key).to_owned()).collect();
    let title = D::TITLE.to_owned();
    DestinationSpec { title, place, options: options_schema::<D::Options>(), capabilities: D::CAPABILITIES }
}

#[doc(hidden)]
#[must_use]
pub const fn source_table<S: Source>() -> &'static RvSource {
    &SourceTable::<S>::TABLE
}

#[doc(hidden)]
#[must_use]
pub const fn destination_table<D: Destination>() -> &'static RvDestination {
    &DestinationTable::<D>::TABLE
}

extern "C" fn init(host: *const RvHost, err: *mut RvError) -> i32 {
    guard(err, || {
        // SAFETY: the host passes a struct that is as long as it says.
        let host: &'static RvHost = Box::leak(Box::new(unsafe { sized::copied(host) }));
        if host.linked == 0 {
            init_panic_hook();
            super::log::install(host);
        }
        Ok(RV_OK)
    })
}

extern "C" fn spec<P: Export>(out: *mut RvBuf, err: *mut RvError) -> i32 {
    guard(err, || answer(out, &P::spec()))
}
