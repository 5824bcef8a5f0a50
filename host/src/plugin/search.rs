//! Where plug-ins are looked for.

use std::fs;
use std::path::{Path, PathBuf};

use rivet_plugin_api::abi::{Marker, Plugin, Process, Refusal, Trust};

use super::admission::{Admitted, Policy};

/// The directories searched, in order, each with the reason it is searched.
#[derive(Clone, Debug)]
pub struct SearchPath(Vec<Place>);

#[derive(Clone, Debug)]
struct Place {
    dir: PathBuf,
    why: &'static str,
    /// Whether the connectors that were built with this host are there.
    is_installation: bool,
    /// Only files named like the libraries of this project: the directory holds other things too.
    only_ours: bool,
}

/// A file in a plug-in directory.
#[derive(Debug)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// What its inspection said.
    pub verdict: Verdict,
    trust: Trust,
}

/// What the inspection of a file said.
#[derive(Debug)]
pub enum Verdict {
    /// A plug-in; not loaded yet.
    Usable(Marker),
    /// Not to be used.
    Refused(Refusal),
}

impl SearchPath {
    /// The order of the documentation: `--plugin-dir`, `RIVET_PLUGIN_PATH`, `plugins:` of the configuration, the
    /// installation, beside the executable, and the user's data directory.
    pub fn new(flags: &[PathBuf], env: &dyn Fn(&str) -> Option<String>, config: &[PathBuf]) -> Self {
        let mut places = Vec::new();
        let mut add = |dir: PathBuf, why, is_installation, only_ours| {
            places.push(Place { dir, why, is_installation, only_ours });
        };
        for dir in flags {
            add(dir.clone(), "--plugin-dir", false, false);
        }
        for dir in env("RIVET_PLUGIN_PATH").iter().flat_map(std::env::split_paths).filter(|d| !d.as_os_str().is_empty())
        {
            add(dir, "RIVET_PLUGIN_PATH", false, false);
        }
        for dir in config {
            add(dir.clone(), "plugins: of the configuration", false, false);
        }
        if let Some(exe) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            add(exe.join("plugins"), "the installation", true, false);
            add(exe.join("../lib/rivet/plugins"), "the installation", true, false);
            add(exe.to_owned(), "beside the executable", true, true);
        }
        let data =
            env("XDG_DATA_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&env("HOME")?).join(".local/share")));
        if let Some(data) = data.filter(|d| d.is_absolute()) {
            add(data.join("rivet/plugins"), "the user's data directory", false, false);
        }
        Self(places)
    }

    /// The directories and why they are searched.
    pub fn directories(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        self.0.iter().map(|place| (place.dir.as_path(), place.why))
    }

    /// Every candidate, in order, inspected but not loaded.
    pub fn scan(&self, policy: &Policy) -> Vec<Found> {
        self.0.iter().flat_map(|place| place.scan(policy)).collect()
    }
}

impl Place {
    /// A place may also be one file. Directories that do not exist hold nothing.
    fn scan(&self, policy: &Policy) -> Vec<Found> {
        let mut files: Vec<PathBuf> = match fs::read_dir(&self.dir) {
            Ok(entries) => entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| self.is_candidate(p)).collect(),
            Err(_) if self.dir.is_file() => vec![self.dir.clone()],
            Err(_) => Vec::new(),
        };
        files.sort();
        files.into_iter().map(|path| Found::at(&path, self.trust(&path), policy)).collect()
    }

    /// A place says who put a file there, not who wrote it: third parties' plug-ins are installed there as well.
    fn trust(&self, path: &Path) -> Trust {
        let name = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_prefix("lib"));
        let is_bundled = name.is_some_and(|name| env!("RIVET_BUNDLED").split(',').any(|bundled| bundled == name));
        if self.is_installation && is_bundled { Trust::Bundled } else { Trust::Foreign }
    }

    fn is_candidate(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let is_library = path.extension().is_some_and(|e| e == std::env::consts::DLL_EXTENSION);
        is_library && (!self.only_ours || name.starts_with("librivet_plugin_"))
    }
}

impl Found {
    /// Inspects a file.
    pub fn at(path: &Path, trust: Trust, policy: &Policy) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let verdict = match policy.look(&path) {
            Ok(marker) => Verdict::Usable(marker),
            Err(refusal) => Verdict::Refused(refusal),
        };
        Self { path, verdict, trust }
    }

    /// How far its batches are trusted.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// The name it declares.
    pub fn name(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Usable(marker) => Some(&marker.name),
            Verdict::Refused(_) => None,
        }
    }

    /// Why it is not used.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.verdict {
            Verdict::Usable(_) => None,
            Verdict::Refused(refusal) => Some(refusal),
        }
    }

    /// Loads it with every check there is: what was judged is what gets loaded, so that nobody can swap it in between.
    /// `process` says whether this process is the plug-in's alone.
    pub fn load(&self, policy: &Policy, process: Process) -> Result<Plugin, Refusal> {
        let Admitted { file, marker } = policy.admit(&self.path, process)?;
        let plugin = Plugin::load(&self.path, &file, self.trust)?;
        let refuse = |reason: String| Refusal { path: self.path.clone(), reason };
        if plugin.spec().name != marker.name {
            return Err(refuse(format!("its marker says \"{}\", its spec \"{}\"", marker.name, plugin.spec().name)));
        }
        let (major, minor) = plugin.abi();
        if marker.abi != format!("{major}.{minor}") {
            let text = format!("its marker says plug-in ABI {}, its table {major}.{minor}: rebuild it", marker.abi);
            return Err(refuse(text));
        }
        Ok(plugin)
    }
}
