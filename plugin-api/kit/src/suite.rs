//! Turns cases into named trials, of a crate once linked and once over the ABI, of a given library over the ABI.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed};
use rivet_plugin_api::Spec;
use rivet_plugin_api::abi::{Plugin, RvPlugin};

use crate::library::Library;
use crate::load;
use crate::target::{DestinationTarget, SourceTarget, Target, Targets};
use crate::{destination, source};

pub(crate) type Outcome = Result<(), Failed>;

/// What one trial works on. Cheap to clone, for work on another thread.
pub(crate) struct Subject<T> {
    pub(crate) plugin: Plugin,
    pub(crate) target: Arc<T>,
}

impl<T> Clone for Subject<T> {
    fn clone(&self) -> Self {
        Self { plugin: self.plugin.clone(), target: Arc::clone(&self.target) }
    }
}

/// Chooses the cases of a connector by what it announces and what its target has.
type Cases<T> = fn(&Spec, &T) -> Result<Vec<Case<T>>, String>;

/// One thing to judge.
pub(crate) struct Case<T> {
    name: &'static str,
    run: fn(&Subject<T>) -> Outcome,
    /// Whether it runs without opening the connector, and so without its server.
    offline: bool,
    /// Why it cannot run with this target.
    lacks: Option<&'static str>,
}

impl<T> Case<T> {
    pub(crate) fn new(name: &'static str, run: fn(&Subject<T>) -> Outcome) -> Self {
        Self { name, run, offline: false, lacks: None }
    }

    pub(crate) fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// Ignores the case, saying why, unless the target has what it needs.
    pub(crate) fn needs(mut self, has: bool, what: &'static str) -> Self {
        self.lacks = if has { self.lacks } else { Some(what) };
        self
    }
}

/// What came of a trial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is as it should be; maybe with a remark.
    Passed(Option<String>),
    /// It could not be judged, for this reason.
    Skipped(String),
    /// It is not as it should be, for this reason.
    Failed(String),
}

/// One thing to judge, under its name.
pub(crate) struct Trial {
    pub(crate) name: String,
    pub(crate) run: Run,
}

pub(crate) type Run = Box<dyn FnOnce() -> Result<Verdict, Failed> + Send>;

impl Trial {
    pub(crate) fn new(name: impl Into<String>, run: impl FnOnce() -> Result<Verdict, Failed> + Send + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// The trials of one connector, ready to run.
pub struct Suite {
    pub(crate) trials: Vec<Trial>,
}

impl Suite {
    pub(crate) fn new<T: Target>(table: &'static RvPlugin, package: &str, target: T, cases: Cases<T>) -> Self {
        let target = Arc::new(target);
        let linked = Plugin::linked(table).map_err(|e| e.to_string());
        let listed = linked.as_ref().map_err(Clone::clone).and_then(|plugin| {
            let spec = plugin.spec();
            Ok((cases(spec, &target)?, cases(spec, &target)?))
        });
        let (of_linked, of_library) = match listed {
            Ok(cases) => cases,
            Err(why) => return Self { trials: vec![Trial::new("linked::load", move || Err(why.into()))] },
        };
        let (linked, library) = (Library::ready(linked), Library::of_package(package));
        let mut trials = vec![library.trial(&linked)];
        // A machine that is there to test must not pass by leaving out.
        let strict = std::env::var_os("CI").is_some();
        trials.extend(of_linked.into_iter().map(|case| trial("linked", case, &linked, &target, strict)));
        trials.extend(of_library.into_iter().map(|case| trial("library", case, &library, &target, strict)));
        Self { trials }
    }

    /// The trials of the library `file` at `path`: first of its loading, then of each of its halves.
    pub(crate) fn of_file<E>(
        path: &Path,
        file: &File,
        targets: impl FnOnce(&Spec) -> Result<Targets, E>,
    ) -> Result<Self, E> {
        let load::Loaded { plugin, mut trials } = load::load(path, file);
        let Ok(plugin) = plugin else { return Ok(Self { trials }) };
        let targets = targets(plugin.spec())?;
        let absent = || Some("it was not said how to open it".to_owned());
        if plugin.spec().source.is_some() {
            let target = targets.source.unwrap_or_else(|| SourceTarget { skip: absent(), ..SourceTarget::default() });
            trials.extend(half("source", &plugin, target, source::cases));
        }
        if plugin.spec().destination.is_some() {
            let target = targets.destination;
            let target = target.unwrap_or_else(|| DestinationTarget { skip: absent(), ..DestinationTarget::default() });
            trials.extend(half("destination", &plugin, target, destination::cases));
        }
        Ok(Self { trials })
    }

    /// Runs what the command line asks for, one trial at a time unless it says otherwise: some trials count the
    /// process's threads and open files.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(1);
        let trials = self.trials.into_iter().map(|trial| {
            libtest_mimic::Trial::ignorable_test(trial.name, move || {
                Ok(match (trial.run)()? {
                    Verdict::Passed(_) => Completion::Completed,
                    Verdict::Skipped(why) => Completion::ignored_with(why),
                    Verdict::Failed(why) => return Err(why.into()),
                })
            })
        });
        libtest_mimic::run(&arguments, trials.collect()).exit_code()
    }
}

/// The trials of one half of a loaded library.
fn half<T: Target>(name: &str, plugin: &Plugin, target: T, cases: Cases<T>) -> Vec<Trial> {
    let cases = match cases(plugin.spec(), &target) {
        Ok(cases) => cases,
        Err(why) => return vec![Trial::new(format!("{name}::load"), move || Err(why.into()))],
    };
    let (library, target) = (Library::ready(Ok(plugin.clone())), Arc::new(target));
    cases.into_iter().map(|case| trial(name, case, &library, &target, false)).collect()
}

fn trial<T: Target>(way: &str, case: Case<T>, library: &Library, target: &Arc<T>, strict: bool) -> Trial {
    let (library, target) = (library.clone(), Arc::clone(target));
    Trial::new(format!("{way}::{}", case.name), move || {
        if let (Some(reason), false) = (target.skip(), case.offline) {
            return if strict {
                Err(format!("cannot run: {reason}").into())
            } else {
                Ok(Verdict::Skipped(reason.into()))
            };
        }
        if let Some(what) = case.lacks {
            return Ok(Verdict::Skipped(format!("the target names no {what}")));
        }
        (case.run)(&Subject { plugin: library.plugin()?, target }).map(|()| Verdict::Passed(None))
    })
}
