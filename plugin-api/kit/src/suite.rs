//! Turns cases into named trials of libtest-mimic, each once linked and once over the ABI.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rivet_plugin_api::Spec;
use rivet_plugin_api::abi::{Plugin, RvPlugin};

use crate::library::Library;
use crate::target::Target;

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

/// The trials of one connector, ready to run.
pub struct Suite {
    trials: Vec<Trial>,
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
            Err(why) => return Self { trials: vec![Trial::test("linked::load", move || Err(why.into()))] },
        };
        let (linked, library) = (Library::ready(linked), Library::of_package(package));
        let mut trials = vec![library.trial(&linked)];
        trials.extend(of_linked.into_iter().map(|case| trial("linked", case, &linked, &target)));
        trials.extend(of_library.into_iter().map(|case| trial("library", case, &library, &target)));
        Self { trials }
    }

    /// Runs what the command line asks for, one trial at a time unless it says otherwise: some trials count the
    /// process's threads and open files.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(1);
        libtest_mimic::run(&arguments, self.trials).exit_code()
    }
}

fn trial<T: Target>(way: &str, case: Case<T>, library: &Library, target: &Arc<T>) -> Trial {
    let (library, target) = (library.clone(), Arc::clone(target));
    Trial::ignorable_test(format!("{way}::{}", case.name), move || {
        if let (Some(reason), false) = (target.skip(), case.offline) {
            // A machine that is there to test must not pass by leaving out.
            return match std::env::var_os("CI") {
                Some(_) => Err(format!("cannot run: {reason}").into()),
                None => Ok(Completion::ignored_with(reason)),
            };
        }
        if let Some(what) = case.lacks {
            return Ok(Completion::ignored_with(format!("the target names no {what}")));
        }
        (case.run)(&Subject { plugin: library.plugin()?, target }).map(|()| Completion::Completed)
    })
}
