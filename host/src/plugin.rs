//! The connectors of this run: found by the name they declare, loaded once, never unloaded.

mod search;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rivet_plugin_api::Error;
use rivet_plugin_api::abi::{Plugin, RvPlugin};
use rivet_plugin_api::suggest::did_you_mean;

pub use search::{Found, SearchPath, Verdict};

/// Which half of a plug-in is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
    linked: Vec<Arc<Plugin>>,
    loaded: Mutex<HashMap<PathBuf, Arc<Plugin>>>,
}

impl Catalog {
    /// The plug-ins linked into this binary, and those in the directories of `search`.
    pub fn new(linked: &[&'static RvPlugin], search: SearchPath) -> Result<Self, Error> {
        let linked = linked.iter().map(|table| Plugin::linked(table).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { search, linked, loaded: Mutex::default() })
    }

    /// The first plug-in that declares `name` and has the wanted half, loaded.
    pub fn find(&self, name: &str, half: Half) -> Result<Arc<Plugin>, Error> {
        if let Some(plugin) = self.linked.iter().find(|p| p.spec().name == name) {
            return has(plugin, half).map(|()| Arc::clone(plugin));
        }
        let found = self.search.scan();
        let Some(candidate) = found.iter().find(|f| f.name() == Some(name)) else {
            return Err(self.not_found(name, half, &found));
        };
        if let Some(other) = found.iter().find(|f| f.name() == Some(name) && f.path != candidate.path) {
            let (used, other) = (candidate.path.display(), other.path.display());
            tracing::warn!("two plug-ins are named \"{name}\": using {used}, not {other}");
        }
        let plugin = self.load(candidate)?;
        has(&plugin, half).map(|()| plugin)
    }

    /// The first plug-in of each name, loaded. One that cannot be loaded is a warning.
    pub fn all(&self) -> Vec<Arc<Plugin>> {
        let mut all = self.linked.clone();
        for found in self.search.scan() {
            let Some(name) = found.name().filter(|name| !all.iter().any(|p| p.spec().name == *name)) else { continue };
            match self.load(&found) {
                Ok(plugin) => all.push(plugin),
                Err(e) => tracing::warn!("connector \"{name}\" is left out: {e}"),
            }
        }
        all
    }

    /// Everything there is, usable or not, in the order of the search: what `rivet plugin list` shows.
    pub fn list(&self) -> (Vec<Arc<Plugin>>, Vec<Found>) {
        (self.linked.clone(), self.search.scan())
    }

    /// The directories searched, with the reason for each.
    pub fn search(&self) -> &SearchPath {
        &self.search
    }

    fn load(&self, found: &Found) -> Result<Arc<Plugin>, Error> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = loaded.get(&found.path) {
            return Ok(Arc::clone(plugin));
        }
        let plugin = found.load().map_err(|refusal| {
            Error::config(format!("plug-in {refusal}"))
                .hint("`rivet plugin list` shows every plug-in that was looked at")
        })?;
        tracing::debug!(
            "loaded plug-in {} {} from {}",
            plugin.spec().name,
            plugin.spec().version,
            found.path.display()
        );
        let plugin = Arc::new(plugin);
        loaded.insert(found.path.clone(), Arc::clone(&plugin));
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
            error.hint("install the plug-in into one of these directories")
        } else {
            error.hint(did_you_mean(name, names, "the connectors found are"))
        }
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
