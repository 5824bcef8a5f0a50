//! From the command line and a configuration to the catalogue of plug-ins.

use std::path::{Path, PathBuf};

use rivet_plugin_api::abi::RvPlugin;

use super::{Catalog, Policy, SearchPath, Trusted};
use crate::config::Config;
use crate::environment;
use crate::error::{Error, Result};

/// Where every command finds its plug-ins.
#[derive(Clone, Copy)]
pub struct Finder<'a> {
    /// Those linked into this binary.
    pub linked: &'a [&'static RvPlugin],
    /// `--plugin-dir`.
    pub dirs: &'a [PathBuf],
}

impl Finder<'_> {
    /// The catalogue for a configuration, or for the working directory without one. A lock file there is enforced.
    pub fn catalog(&self, config: Option<&Config>) -> Result<Catalog> {
        let policy = Policy::of(Self::directory(config), &environment).map_err(Error::Usage)?;
        Catalog::new(self.linked, self.search(config), policy).map_err(Error::Usage)
    }

    /// As [`Finder::catalog`], for a look at what is there whatever a lock file says.
    pub fn unlocked(&self, config: Option<&Config>) -> Result<Catalog> {
        let policy = Policy { lock: None, trusted: Trusted::read(&environment).map_err(Error::Usage)? };
        Catalog::new(self.linked, self.search(config), policy).map_err(Error::Usage)
    }

    /// Where the lock file of a configuration is: beside it, or in the working directory.
    pub fn directory(config: Option<&Config>) -> &Path {
        config.map_or(Path::new(""), |config| &config.dir)
    }

    fn search(&self, config: Option<&Config>) -> SearchPath {
        SearchPath::new(self.dirs, &environment, config.map_or(&[], |config| &config.plugins))
    }
}
