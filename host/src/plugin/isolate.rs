//! Connectors in processes of their own: a crash, an exit or a hang of a plug-in is an error of one attempt, and the run
//! goes on. The process is this very binary under a hidden command; each opened source or destination has its own.

mod batches;
mod child;
mod end;
mod frame;
mod output;
mod remote;
mod serve;
mod spawn;

use std::sync::Arc;

use rivet_plugin_api::abi::remote::{Remote, RemoteDestination, RemoteSource};
use rivet_plugin_api::abi::{Plugin, PluginLog, Trust};
use rivet_plugin_api::{Cancel, Error, Result};
use serde_json::Value;

use self::child::Child;
use self::frame::{HANDLE, Load, Loaded, Request, Which};
use self::remote::Handle;
use super::search::Found;
use super::{Half, Policy, Verdict};

pub use serve::serve;

/// What the process of a plug-in may use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Limits {
    /// Seconds within which it has to answer a call; 0 is no limit. Time in which the host does not ask is not counted.
    pub call_timeout_s: u64,
    /// MiB of address space.
    pub memory_mb: Option<u64>,
}

impl Limits {
    /// Those of a connector that names none.
    pub const DEFAULT: Self = Self { call_timeout_s: 900, memory_mb: None };

    /// How long a batch of it may be: it has no memory for a longer one.
    fn batch_bytes(self) -> u64 {
        self.memory_mb.map_or(frame::ARROW_BYTES, |mb| mb.saturating_mul(1 << 20))
    }
}

/// Where a connector runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Isolation {
    /// In the host.
    #[default]
    None,
    /// In a process of its own.
    Process(Limits),
}

impl Isolation {
    /// As it is, or with the limits that hold by default.
    #[must_use]
    pub fn enforced(self) -> Self {
        match self {
            Self::None => Self::Process(Limits::DEFAULT),
            process @ Self::Process(_) => process,
        }
    }
}

/// A plug-in that gets a process for each handle.
#[derive(Debug)]
struct Isolated {
    which: Which,
    name: String,
    version: String,
    limits: Limits,
    log: Log,
}

/// What its processes log.
#[derive(Clone)]
struct Log(Arc<PluginLog>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

/// The plug-in in a file. A process tells what it is, so that nothing of it runs in this one.
pub fn from_file(found: &Found, policy: &Policy, limits: Limits) -> Result<Plugin> {
    let Verdict::Usable(marker) = &found.verdict else {
        return Err(Error::internal("a refused file was to be loaded"));
    };
    let isolated = Isolated {
        which: Which::File {
            path: found.path.clone(),
            bundled: found.trust() == Trust::Bundled,
            policy: Box::new(policy.clone()),
        },
        name: marker.name.clone(),
        version: marker.version.clone(),
        limits,
        log: Log(Arc::new(PluginLog::new(&marker.name))),
    };
    let (_, Loaded { spec, abi }) = isolated.load(None, &Cancel::new())?;
    Ok(Plugin::remote(spec, abi, Some(found.path.clone()), Arc::new(isolated)))
}

/// A plug-in that is linked into this binary.
pub fn from_linked(plugin: &Plugin, limits: Limits) -> Plugin {
    let spec = plugin.spec();
    let isolated = Isolated {
        which: Which::Linked(spec.name.clone()),
        name: spec.name.clone(),
        version: spec.version.clone(),
        limits,
        log: Log(Arc::new(PluginLog::new(&spec.name))),
    };
    Plugin::remote(spec.clone(), plugin.abi(), None, Arc::new(isolated))
}

impl Isolated {
    /// A process that has loaded the plug-in.
    fn load(&self, half: Option<Half>, cancel: &Cancel) -> Result<(Arc<Child>, Loaded)> {
        let child = Child::start(&self.name, &self.version, self.limits, half, Arc::clone(&self.log.0))?;
        let load = Load { plugin: self.which.clone(), memory_mb: self.limits.memory_mb };
        let loaded = child.ask("load", HANDLE, cancel, &Request::Load(load))?;
        let loaded = serde_json::from_value(loaded).map_err(|e| {
            Error::internal(format!("plug-in \"{}\" has a specification that cannot be read: {e}", self.name))
        })?;
        Ok((child, loaded))
    }

    fn open(&self, half: Half, options: &Value, cancel: &Cancel) -> Result<Handle> {
        let (child, _) = self.load(Some(half), cancel)?;
        Handle::open(child, &Request::Open { half, options: options.clone() }, cancel)
    }
}

impl Remote for Isolated {
    fn open_source(&self, options: &Value, cancel: &Cancel) -> Result<Box<dyn RemoteSource>> {
        Ok(Box::new(self.open(Half::Source, options, cancel)?))
    }

    fn open_destination(&self, options: &Value, cancel: &Cancel) -> Result<Box<dyn RemoteDestination>> {
        Ok(Box::new(self.open(Half::Destination, options, cancel)?))
    }
}
