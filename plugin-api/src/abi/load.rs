//! Loads an inspected plug-in file, checks its tables, and answers for its lifetime: a plug-in is never unloaded.

#![expect(unsafe_code, reason = "loads a library and reads the table it returns")]

use std::ffi::c_void;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};

use super::handle::{self, DestinationHandle, SourceHandle};
use super::inspect::Refusal;
use super::remote::Remote;
use super::take::take;
use super::{ABI_MAJOR, ABI_MINOR, ENTRY_SYMBOL, RvCall, RvDestination, RvHost, RvPlugin, RvSource, compare, host_log};
use crate::{Cancel, Error, Result, Spec};

/// How far a plug-in's batches are checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// Built with the host: structure only.
    Bundled,
    /// Anyone's: structure, offsets and UTF-8.
    Foreign,
}

/// A loaded or linked plug-in, or one that runs elsewhere.
#[derive(Clone)]
pub struct Plugin {
    abi: (u32, u32),
    source: Option<&'static RvSource>,
    destination: Option<&'static RvDestination>,
    /// Who opens its halves when it runs elsewhere; there are no tables then.
    remote: Option<Arc<dyn Remote>>,
    spec: Spec,
    path: Option<PathBuf>,
    trust: Trust,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("abi", &self.abi)
            .field("spec", &self.spec)
            .field("path", &self.path)
            .finish_non_exhaustive()
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
        let table = entry();
        std::mem::forget(library);
        // SAFETY: the entry returns NULL or a table that lives as long as the process, since nothing is unloaded.
        unsafe { Self::checked(table, Some(path.to_owned()), trust) }.map_err(|e| refuse(e.to_string()))
    }

    /// Takes in a plug-in that is linked into this binary.
    pub fn linked(table: &'static RvPlugin) -> Result<Self> {
        super::init_panic_hook();
        // SAFETY: a reference to a table that lives as long as the process.
        unsafe { Self::checked(table, None, Trust::Bundled) }
    }

    /// A plug-in that runs elsewhere, as it was found there.
    pub fn remote(spec: Spec, abi: (u32, u32), path: Option<PathBuf>, remote: Arc<dyn Remote>) -> Self {
        Self { abi, source: None, destination: None, remote: Some(remote), spec, path, trust: Trust::Foreign }
    }

    /// # Safety
    /// `table` must be NULL, or lead to a table that is as long as it says and lives as long as the process, and so must
    /// the pointers in it.
    unsafe fn checked(table: *const RvPlugin, path: Option<PathBuf>, trust: Trust) -> Result<Self> {
        // SAFETY: promised by the caller.
        let table = unsafe { take(table)? }.ok_or_else(|| Error::internal("its entry returned nothing"))?;
        if table.abi_major != ABI_MAJOR {
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
        compare::check(table)?;
        // SAFETY: promised by the caller.
        let (source, destination) = unsafe { (take(table.source)?, take(table.destination)?) };
        // SAFETY: the name is a constant of the table.
        let name = unsafe { table.name.to_text() };
        handle::call(&name, "init", |err| (table.init)(host_for(&name, path.is_none()), err))?;
        let spec: Spec = handle::answer(&name, "spec", |out, err| (table.spec)(out, err))?;
        if source.is_some() != spec.source.is_some() || destination.is_some() != spec.destination.is_some() {
            return Err(Error::internal("its tables and its spec disagree about being a source or a destination"));
        }
        let abi = (table.abi_major, table.abi_minor);
        let mut plugin = Self { abi, source, destination, remote: None, spec, path, trust };
        plugin.keep_to_the_tables();
        Ok(plugin)
    }

    /// A capability whose call is absent is not one: the table of an older plug-in ends before the call.
    fn keep_to_the_tables(&mut self) {
        let only = |announced: &mut bool, call: RvCall, name: &str| {
            if *announced && call.0.is_none() {
                tracing::debug!("plug-in \"{}\" announces \"{name}\" and has no such call", self.spec.name);
                *announced = false;
            }
        };
        if let (Some(half), Some(table)) = (&mut self.spec.source, self.source) {
            let can = &mut half.capabilities;
            only(&mut can.explain, table.explain, "explain");
            only(&mut can.bounds, table.bounds, "bounds");
            only(&mut can.count, table.count, "count");
            only(&mut can.snapshot, table.snapshot, "snapshot");
            only(&mut can.split, table.split, "split");
            only(&mut can.tables, table.tables, "tables");
        }
        if let (Some(half), Some(table)) = (&mut self.spec.destination, self.destination) {
            let can = &mut half.capabilities;
            only(&mut can.stat, table.stat, "stat");
            only(&mut can.remove, table.remove, "remove");
            only(&mut can.put, table.put, "put");
        }
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
        self.abi
    }

    /// Opens its source half.
    pub fn open_source(&self, options: &serde_json::Value, cancel: &Cancel) -> Result<SourceHandle> {
        if let (Some(remote), Some(_)) = (&self.remote, &self.spec.source) {
            return Ok(SourceHandle::remote(&self.spec.name, remote.open_source(options, cancel)?));
        }
        let table = self.source.ok_or_else(|| self.lacks("source"))?;
        SourceHandle::open(&self.spec.name, table, options, cancel, self.trust == Trust::Foreign)
    }

    /// Opens its destination half.
    pub fn open_destination(&self, options: &serde_json::Value, cancel: &Cancel) -> Result<DestinationHandle> {
        if let (Some(remote), Some(_)) = (&self.remote, &self.spec.destination) {
            return Ok(DestinationHandle::remote(&self.spec.name, remote.open_destination(options, cancel)?));
        }
        let table = self.destination.ok_or_else(|| self.lacks("destination"))?;
        DestinationHandle::open(&self.spec.name, table, options, cancel)
    }

    fn lacks(&self, kind: &str) -> Error {
        Error::config(format!("connector \"{}\" is not a {kind}", self.spec.name))
    }
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
    let text = text.replace(&format!("{opened}: "), "");
    if text.contains("static TLS") {
        // Allocators such as jemalloc claim thread-local storage that only a program has from its start.
        return text + " (build it without the initial-exec TLS model, or with another allocator)";
    }
    text
}
