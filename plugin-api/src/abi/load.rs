//! Loads an inspected plug-in file, checks its tables, and answers for its lifetime: a plug-in is never unloaded.

#![expect(unsafe_code, reason = "loads a library and reads the table it returns")]

use std::ffi::c_void;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use abi_stable::abi_stability::abi_checking::check_layout_compatibility;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};

use super::handle::{self, DestinationHandle, SourceHandle};
use super::inspect::Refusal;
use super::{ABI_MAJOR, ABI_MINOR, ENTRY_SYMBOL, RvHost, RvPlugin, RvRustHeader, RvTables, host_log};
use crate::{Cancel, Error, Result, Spec};

/// How far a plug-in's batches are checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// Shipped with the host: structure only.
    Bundled,
    /// Anyone's: structure, offsets and UTF-8.
    Foreign,
}

/// A loaded or linked plug-in.
#[derive(Clone, Debug)]
pub struct Plugin {
    table: &'static RvPlugin,
    spec: Spec,
    path: Option<PathBuf>,
    trust: Trust,
}

impl std::fmt::Debug for RvPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RvPlugin(abi {}.{})", self.abi_major, self.abi_minor)
    }
}

impl Plugin {
    /// Loads the library that `file` was opened from at `path`, after [`inspect`](super::inspect) has accepted it: what
    /// is loaded is what was inspected, even if the path leads elsewhere by now.
    pub fn load(path: &Path, file: &File, trust: Trust) -> std::result::Result<Self, Refusal> {
        const RTLD_NODELETE: i32 = 0x1000;
        let refuse = |reason: String| Refusal::new(path, reason);
        // The loader knows libraries by name and would take the next one opened under the same number for this one.
        // So the file gets a descriptor of its own, which stays open for as long as the library is loaded: for ever.
        let pinned = file.try_clone().map_err(|e| refuse(format!("cannot be read: {e}")))?;
        let name = format!("/proc/self/fd/{}", pinned.as_raw_fd());
        // SAFETY: initialisers of the library run here; that is what trusting a plug-in means.
        let library = unsafe { Library::open(Some(&name), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }
            .map_err(|e| refuse(format!("cannot be loaded: {}", loader_text(&e, &name))))?;
        std::mem::forget(pinned);
        // SAFETY: the marker says that the symbol is an entry of this contract.
        let entry: Symbol<extern "C" fn() -> *const RvPlugin> = unsafe { library.get(ENTRY_SYMBOL.as_bytes()) }
            .map_err(|_| refuse(format!("has no symbol \"{ENTRY_SYMBOL}\"")))?;
        // SAFETY: the entry returns NULL or a table that lives as long as the process, since nothing is unloaded.
        let table = unsafe { entry().as_ref() };
        std::mem::forget(library);
        let table = table.ok_or_else(|| refuse("its entry returned nothing".into()))?;
        Self::checked(table, Some(path.to_owned()), trust).map_err(|e| refuse(e.to_string()))
    }

    /// Takes in a plug-in that is linked into this binary.
    pub fn linked(table: &'static RvPlugin) -> Result<Self> {
        super::init_panic_hook();
        Self::checked(table, None, Trust::Bundled)
    }

    fn checked(table: &'static RvPlugin, path: Option<PathBuf>, trust: Trust) -> Result<Self> {
        if (table.struct_size as usize) < size_of::<RvPlugin>() || table.abi_major != ABI_MAJOR {
            return Err(Error::internal(format!(
                "was built for plug-in ABI {}.{}; this host speaks {ABI_MAJOR}.0 to {ABI_MAJOR}.{ABI_MINOR}",
                table.abi_major, table.abi_minor
            )));
        }
        if table.needs_minor > ABI_MINOR {
            return Err(Error::internal(format!(
                "needs plug-in ABI {ABI_MAJOR}.{}; this host speaks up to {ABI_MAJOR}.{ABI_MINOR}: upgrade rivet",
                table.needs_minor
            )));
        }
        // A newer minor version has appended fields, which abi_stable would take for another layout.
        if table.abi_minor == ABI_MINOR {
            check_layout(table)?;
        }
        // SAFETY: the name is a constant of the table.
        let name = unsafe { table.name.to_text() };
        handle::call(&name, "init", |err| (table.init)(host_for(&name, path.is_none()), err))?;
        let spec: Spec = handle::answer(&name, "spec", |out, err| (table.spec)(out, err))?;
        let plugin = Self { table, spec, path, trust };
        plugin.check_tables()?;
        Ok(plugin)
    }

    /// What the spec announces must exist, and be as long as this host's view of it.
    fn check_tables(&self) -> Result<()> {
        let (source, destination) = self.tables();
        let short = source.is_some_and(|t| (t.struct_size as usize) < size_of::<super::RvSource>())
            || destination.is_some_and(|t| (t.struct_size as usize) < size_of::<super::RvDestination>());
        if short {
            return Err(Error::internal("its tables are shorter than plug-in ABI 1.0"));
        }
        if source.is_some() != self.spec.source.is_some() || destination.is_some() != self.spec.destination.is_some() {
            return Err(Error::internal("its tables and its spec disagree about being a source or a destination"));
        }
        Ok(())
    }

    fn tables(&self) -> (Option<&'static super::RvSource>, Option<&'static super::RvDestination>) {
        // SAFETY: the pointers are NULL or lead to statics of the plug-in.
        unsafe { (self.table.source.as_ref(), self.table.destination.as_ref()) }
    }

    /// What the plug-in says about itself.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The file it came from; `None` when linked in.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The ABI it was built for.
    pub fn abi(&self) -> (u32, u32) {
        (self.table.abi_major, self.table.abi_minor)
    }

    /// Opens its source half.
    pub fn open_source(&self, options: &serde_json::Value, cancel: &Cancel) -> Result<SourceHandle> {
        let table = self.tables().0.ok_or_else(|| self.lacks("source"))?;
        SourceHandle::open(&self.spec.name, table, options, cancel, self.trust == Trust::Foreign)
    }

    /// Opens its destination half.
    pub fn open_destination(&self, options: &serde_json::Value, cancel: &Cancel) -> Result<DestinationHandle> {
        let table = self.tables().1.ok_or_else(|| self.lacks("destination"))?;
        DestinationHandle::open(&self.spec.name, table, options, cancel)
    }

    fn lacks(&self, kind: &str) -> Error {
        Error::config(format!("connector \"{}\" is not a {kind}", self.spec.name))
    }
}

/// abi_stable compares the layout the plug-in was compiled with; other languages send no header.
fn check_layout(table: &RvPlugin) -> Result<()> {
    // SAFETY: NULL, or a header that lives as long as the process.
    let Some(header) = (unsafe { table.rust_header.cast::<RvRustHeader>().as_ref() }) else { return Ok(()) };
    if !header.abi_stable.is_valid() {
        return Err(Error::internal("its Rust layout description is of another format: rebuild it"));
    }
    let expected = <RvTables as abi_stable::StableAbi>::LAYOUT;
    check_layout_compatibility(expected, (header.tables)()).map_err(|e| {
        let text = format!("{e:#?}");
        tracing::debug!("{text}");
        Error::internal("its tables have another layout than plug-in ABI 1.0: rebuild it with this version of the SDK")
    })
}

/// The host's table for one plug-in; leaked, as the plug-in may log for as long as the process lives.
fn host_for(name: &str, linked: bool) -> &'static RvHost {
    let ctx: *mut c_void = Box::into_raw(Box::new(host_log::PluginLog::new(name))).cast();
    Box::leak(Box::new(RvHost {
        struct_size: size_of::<RvHost>() as u32,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        max_level: host_log::max_level(),
        linked: u32::from(linked),
        reserved: 0,
        ctx,
        log_enabled: Some(host_log::log_enabled),
        log: Some(host_log::log),
    }))
}

/// What the dynamic loader said, without the path it was given, which is not the one the user knows.
fn loader_text(e: &libloading::Error, opened: &str) -> String {
    let text = match e {
        libloading::Error::DlOpen { source } => source.to_string(),
        other => other.to_string(),
    };
    text.replace(&format!("{opened}: "), "")
}
