//! Loads one library file as the host does, and judges the loading itself.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use rivet_plugin_api::abi::{Marker, Plugin, Trust, inspect};

use crate::check::{Held, ensure};
use crate::elf::{Facts, Remark};
use crate::suite::{Trial, Verdict};

/// A library that was loaded, or not, with what is to be said about that.
pub(crate) struct Loaded {
    pub(crate) plugin: Result<Plugin, String>,
    pub(crate) trials: Vec<Trial>,
}

impl Loaded {
    /// The plug-in, when nothing is wrong with it or its loading.
    pub(crate) fn whole(self) -> Result<Plugin, String> {
        for trial in self.trials {
            (trial.run)().map_err(|e| format!("{}: {}", trial.name, e.message().unwrap_or_default()))?;
        }
        self.plugin
    }
}

/// Inspects and loads the library that `file` was opened from at `path`. The trials only tell: the work is done here,
/// since a library is loaded once.
pub(crate) fn load(path: &Path, file: &File) -> Loaded {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let marker = match inspect(&path, file) {
        Ok(marker) => marker,
        Err(refusal) => {
            let why = refusal.to_string();
            return Loaded { plugin: Err(why.clone()), trials: vec![told("is_a_plugin", Err(why.into()))] };
        }
    };
    let about = format!("{} {}, plug-in ABI {}", marker.name, marker.version, marker.abi);
    let mut trials = vec![told("is_a_plugin", Ok(Some(about)))];
    let facts = Facts::of(file);
    let facts = |judge: fn(&Facts) -> Remark| facts.as_ref().map_err(Clone::clone).and_then(judge);
    trials.extend([
        told("exports_its_entry", facts(Facts::exports_its_entry)),
        told("loads_into_a_running_process", facts(Facts::loads_into_a_running_process)),
        told("needs_what_systems_have", facts(Facts::needs_what_systems_have)),
    ]);
    let before = Process::now();
    let plugin = Plugin::load(&path, file, Trust::Foreign).map_err(|e| e.to_string());
    trials.push(told("loading_changes_nothing_else", before.and_then(Process::unchanged).map(|()| None)));
    let agrees = plugin.as_ref().map_err(|e| e.clone().into()).and_then(|plugin| agrees(&marker, plugin));
    trials.push(told("marker_and_spec_agree", agrees.map(|()| None)));
    Loaded { plugin, trials }
}

fn told(name: &str, outcome: Remark) -> Trial {
    Trial::new(format!("load::{name}"), move || outcome.map(Verdict::Passed))
}

/// Whether a host that reads the marker expects what it then gets.
pub(crate) fn agrees(marker: &Marker, plugin: &Plugin) -> Result<(), Failed> {
    let spec = plugin.spec();
    ensure!(
        (&marker.name, &marker.version) == (&spec.name, &spec.version),
        "the marker names {} {}, the spec {} {}",
        marker.name,
        marker.version,
        spec.name,
        spec.version
    );
    let halves = [("source", spec.source.is_some()), ("destination", spec.destination.is_some())];
    for (half, is_there) in halves {
        let is_marked = marker.kinds.split(',').any(|kind| kind.trim() == half);
        ensure!(is_marked == is_there, "the marker says that its kinds are \"{}\", the spec differs", marker.kinds);
    }
    Ok(())
}

/// What belongs to the whole process, which a plug-in must leave as it is.
struct Process {
    held: Held,
    directory: PathBuf,
    variables: Vec<(OsString, OsString)>,
    signals: Vec<String>,
}

impl Process {
    fn now() -> Result<Self, Failed> {
        let status = fs::read_to_string("/proc/self/status")?;
        let kept = ["SigBlk:", "SigIgn:", "SigCgt:", "Umask:"];
        let is_kept = |line: &&str| kept.iter().any(|key| line.starts_with(key));
        Ok(Self {
            held: Held::now()?,
            directory: std::env::current_dir()?,
            variables: std::env::vars_os().collect(),
            signals: status.lines().filter(is_kept).map(str::to_owned).collect(),
        })
    }

    fn unchanged(self) -> Result<(), Failed> {
        let now = Self::now()?;
        ensure!(self.directory == now.directory, "it changed the working directory to \"{}\"", now.directory.display());
        ensure!(self.variables == now.variables, "it changed environment variables");
        for (before, now) in self.signals.iter().zip(&now.signals) {
            ensure!(before == now, "it changed what signals or new files get: {before} before, {now} after");
        }
        // The library itself stays open: see `Plugin::load`.
        self.held.with_files(1).returns()
    }
}
