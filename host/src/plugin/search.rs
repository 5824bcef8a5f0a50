//! Where plug-ins are looked for, and which files are trusted enough to be loaded.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rivet_plugin_api::abi::{Marker, Plugin, Refusal, Trust, inspect};

/// The directories searched, in order, each with the reason it is searched.
#[derive(Clone, Debug)]
pub struct SearchPath(Vec<Place>);

#[derive(Clone, Debug)]
struct Place {
    dir: PathBuf,
    why: &'static str,
    trust: Trust,
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
        let mut add = |dir: PathBuf, why, trust, only_ours| places.push(Place { dir, why, trust, only_ours });
        for dir in flags {
            add(dir.clone(), "--plugin-dir", Trust::Foreign, false);
        }
        for dir in env("RIVET_PLUGIN_PATH").iter().flat_map(std::env::split_paths).filter(|d| !d.as_os_str().is_empty())
        {
            add(dir, "RIVET_PLUGIN_PATH", Trust::Foreign, false);
        }
        for dir in config {
            add(dir.clone(), "plugins: of the configuration", Trust::Foreign, false);
        }
        if let Some(exe) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            add(exe.join("plugins"), "the installation", Trust::Bundled, false);
            add(exe.join("../lib/rivet/plugins"), "the installation", Trust::Bundled, false);
            add(exe.to_owned(), "beside the executable", Trust::Bundled, true);
        }
        let data =
            env("XDG_DATA_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&env("HOME")?).join(".local/share")));
        if let Some(data) = data.filter(|d| d.is_absolute()) {
            add(data.join("rivet/plugins"), "the user's data directory", Trust::Foreign, false);
        }
        Self(places)
    }

    /// The directories and why they are searched.
    pub fn directories(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        self.0.iter().map(|place| (place.dir.as_path(), place.why))
    }

    /// Every candidate, in order, inspected but not loaded.
    pub fn scan(&self) -> Vec<Found> {
        self.0.iter().flat_map(Place::scan).collect()
    }
}

impl Place {
    /// A place may also be one file. Directories that do not exist hold nothing.
    fn scan(&self) -> Vec<Found> {
        let mut files: Vec<PathBuf> = match fs::read_dir(&self.dir) {
            Ok(entries) => entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| self.is_candidate(p)).collect(),
            Err(_) if self.dir.is_file() => vec![self.dir.clone()],
            Err(_) => Vec::new(),
        };
        files.sort();
        files.into_iter().map(|path| self.found(path)).collect()
    }

    fn is_candidate(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let is_library = path.extension().is_some_and(|e| e == std::env::consts::DLL_EXTENSION);
        is_library && (!self.only_ours || name.starts_with("librivet_plugin_"))
    }

    fn found(&self, path: PathBuf) -> Found {
        let path = std::path::absolute(&path).unwrap_or(path);
        let verdict = match open(&path).and_then(|file| inspect(&path, &file)) {
            Ok(marker) => Verdict::Usable(marker),
            Err(refusal) => Verdict::Refused(refusal),
        };
        Found { path, verdict, trust: self.trust }
    }
}

impl Found {
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

    /// Loads it, after inspecting the very descriptor that is loaded, so that nobody can swap the file in between.
    pub fn load(&self) -> Result<Plugin, Refusal> {
        let file = open(&self.path)?;
        let marker = inspect(&self.path, &file)?;
        let plugin = Plugin::load(&self.path, &file, self.trust)?;
        if plugin.spec().name != marker.name {
            let reason = format!("its marker says \"{}\", its spec \"{}\"", marker.name, plugin.spec().name);
            return Err(Refusal { path: self.path.clone(), reason });
        }
        Ok(plugin)
    }
}

/// Opens a regular file that nobody else can have changed.
fn open(path: &Path) -> Result<File, Refusal> {
    let refuse = |reason: String| Refusal { path: path.to_owned(), reason };
    // Before it is opened: opening a pipe would wait for a writer.
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(refuse("not a file".into()));
    }
    let file = File::open(path).map_err(|e| refuse(format!("cannot be opened: {e}")))?;
    let metadata = file.metadata().map_err(|e| refuse(format!("cannot be read: {e}")))?;
    if !metadata.is_file() {
        return Err(refuse("not a file".into()));
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = fs::metadata(parent).map_err(|e| refuse(format!("its directory cannot be read: {e}")))?;
    for (what, metadata) in [("the file", &metadata), ("its directory", &directory)] {
        if is_writable_by_others(metadata) {
            return Err(refuse(format!("{what} can be changed by other users: run `chmod go-w` on it")));
        }
        if !is_trusted_owner(metadata.uid()) {
            let uid = metadata.uid();
            return Err(refuse(format!("{what} belongs to another user (uid {uid}): run `chown` on it")));
        }
    }
    Ok(file)
}

/// Root, this user, or whoever installed the host itself: the others could put their own code in.
fn is_trusted_owner(uid: u32) -> bool {
    let owner = |path: PathBuf| fs::metadata(path).map(|m| m.uid()).ok();
    let exe = std::env::current_exe().ok().and_then(owner);
    uid == 0 || Some(uid) == owner("/proc/self".into()) || Some(uid) == exe
}

/// Whether someone beside the owner can write. A group-writable file of this user's own group is what an umask of 002
/// makes on systems where every user has a group of their own.
fn is_writable_by_others(metadata: &fs::Metadata) -> bool {
    let me = fs::metadata("/proc/self").map(|m| (m.uid(), m.gid()));
    let own_group = me.is_ok_and(|(uid, gid)| metadata.uid() == uid && metadata.gid() == gid);
    metadata.mode() & 0o002 != 0 || (metadata.mode() & 0o020 != 0 && !own_group)
}
