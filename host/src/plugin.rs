//! The connectors of this run: found by the name they declare, loaded once, never unloaded.

mod admission;
mod finder;
mod isolate;
mod lock;
mod seal;
mod search;
mod trust;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rivet_plugin_api::Error;
use rivet_plugin_api::abi::{Plugin, Process, RvPlugin};
use rivet_plugin_api::suggest::did_you_mean;
use serde::{Deserialize, Serialize};

pub use admission::{Policy, glance};
pub use finder::Finder;
pub use isolate::{Isolation, Limits, from_file as isolated, serve};
pub use lock::{Entry, FILE_NAME as LOCK_FILE, Lock, platform};
pub use seal::sha256;
pub use search::{Found, SearchPath, Verdict};
pub use trust::Trusted;

/// Which half of a plug-in is wanted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// Something to read from.
    Source,
    /// Something to write to.
    Destination,
}

impl Half {
    /// For messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// All plug-ins that can be had, by name.
pub struct Catalog {
    search: SearchPath,
    policy: Policy,
    /// Each file is inspected once a run.
    found: OnceLock<Vec<Found>>,
    linked: Vec<Arc<Plugin>>,
    loaded: Mutex<Loaded>,
}

/// What has been loaded, by file and by the process it runs in.
type Loaded = HashMap<(PathBuf, Option<Limits>), Arc<Plugin>>;

impl Catalog {
    /// The plug-ins linked into this binary, and those in the directories of `search`, of which `policy` decides.
    pub fn new(linked: &[&'static RvPlugin], search: SearchPath, policy: Policy) -> Result<Self, Error> {
        let linked = linked.iter().map(|table| Plugin::linked(table).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { search, policy, found: OnceLock::new(), linked, loaded: Mutex::default() })
    }

    /// The first plug-in that declares `name` and has the wanted half, loaded where `isolation` says.
    pub fn find(&self, name: &str, half: Half, isolation: Isolation) -> Result<Arc<Plugin>, Error> {
        if let Some(plugin) = self.linked.iter().find(|p| p.spec().name == name) {
            self.check_linked(plugin)?;
            return has(plugin, half).map(|()| apart(plugin, isolation));
        }
        let found = self.found();
        let Some(candidate) = found.iter().find(|f| f.name() == Some(name)) else {
            return Err(self.not_found(name, half, found));
        };
        if let Some(other) = found.iter().find(|f| f.name() == Some(name) && f.path != candidate.path) {
            let (used, other) = (candidate.path.display(), other.path.display());
            tracing::warn!("two plug-ins are named \"{name}\": using {used}, not {other}");
        }
        let plugin = self.load(candidate, isolation)?;
        has(&plugin, half).map(|()| plugin)
    }

    /// The first plug-in of each name, loaded where `isolation` says. One that cannot be loaded is a warning.
    pub fn all(&self, isolation: Isolation) -> Vec<Arc<Plugin>> {
        let mut all = Vec::new();
        for plugin in &self.linked {
            match self.check_linked(plugin) {
                Ok(()) => all.push(apart(plugin, isolation)),
                Err(e) => tracing::warn!("connector \"{}\" is left out: {e}", plugin.spec().name),
            }
        }
        for found in self.found() {
            let known = |name: &&str| all.iter().chain(&self.linked).any(|p| p.spec().name == **name);
            let Some(name) = found.name().filter(|name| !known(name)) else { continue };
            match self.load(found, isolation) {
                Ok(plugin) => all.push(plugin),
                Err(e) => tracing::warn!("connector \"{name}\" is left out: {e}"),
            }
        }
        all
    }

    /// Everything there is, usable or not, in the order of the search: what `rivet plugin list` shows.
    pub fn list(&self) -> (&[Arc<Plugin>], &[Found]) {
        (&self.linked, self.found())
    }

    fn found(&self) -> &[Found] {
        self.found.get_or_init(|| self.search.scan(&self.policy))
    }

    /// The directories searched, with the reason for each.
    pub fn search(&self) -> &SearchPath {
        &self.search
    }

    /// What decides about files.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn check_linked(&self, plugin: &Plugin) -> Result<(), Error> {
        let (spec, Some(lock)) = (plugin.spec(), &self.policy.lock) else { return Ok(()) };
        lock.check(&spec.name, &spec.version, None).map_err(Error::conflict)
    }

    fn load(&self, found: &Found, isolation: Isolation) -> Result<Arc<Plugin>, Error> {
        let limits = match isolation {
            Isolation::None => None,
            Isolation::Process(limits) => Some(limits),
        };
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = loaded.get(&(found.path.clone(), limits)) {
            return Ok(Arc::clone(plugin));
        }
        let plugin = match limits {
            None => found.load(&self.policy, Process::Own).map_err(|refusal| self.policy.refused(&refusal))?,
            Some(limits) => isolate::from_file(found, &self.policy, limits)?,
        };
        tracing::debug!(
            "loaded plug-in {} {} from {}",
            plugin.spec().name,
            plugin.spec().version,
            found.path.display()
        );
        let plugin = Arc::new(plugin);
        loaded.insert((found.path.clone(), limits), Arc::clone(&plugin));
        Ok(plugin)
    }

    fn not_found(&self, name: &str, half: Half, found: &[Found]) -> Error {
        let mut text = format!("no {} connector named \"{name}\"", half.as_str());
        for refused in found.iter().filter_map(|f| f.refusal()) {
            let _ = write!(text, "\n  refused {refused}");
        }
        text.push_str("\n  searched:");
        for (dir, why) in self.search.directories() {
            let _ = write!(text, "\n    {} ({why})", dir.display());
        }
        let mut names: Vec<&str> = self.linked.iter().map(|p| p.spec().name.as_str()).collect();
        names.extend(found.iter().filter_map(Found::name));
        names.sort_unstable();
        names.dedup();
        let error = Error::config(text);
        if names.is_empty() {
            error.hint(
                "no connector is installed at all: put `plugins` of the release beside this program, or name that directory by \
                 --plugin-dir or RIVET_PLUGIN_PATH; the release in one file has them inside",
            )
        } else {
            error.hint(did_you_mean(name, names, "the connectors found are"))
        }
    }
}

/// A plug-in that is linked in, where it is to run.
fn apart(plugin: &Arc<Plugin>, isolation: Isolation) -> Arc<Plugin> {
    match isolation {
        Isolation::None => Arc::clone(plugin),
        Isolation::Process(limits) => Arc::new(isolate::from_linked(plugin, limits)),
    }
}

fn has(plugin: &Plugin, half: Half) -> Result<(), Error> {
    let spec = plugin.spec();
    let there = match half {
        Half::Source => spec.source.is_some(),
        Half::Destination => spec.destination.is_some(),
    };
    if there {
        return Ok(());
    }
    let error = Error::config(format!("connector \"{}\" is not a {}", spec.name, half.as_str()));
    Err(error.hint("`rivet plugin list` shows what each connector is"))
}
