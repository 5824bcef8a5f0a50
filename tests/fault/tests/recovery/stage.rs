//! One case on its stage: what is there before the run that is swept, and how the run and its repair are judged.

use std::fs;
use std::path::Path;

use rivet_e2e::{Outcome, Sandbox};

use crate::case::{Before, Case, Source};
use crate::trace::{self, Call, Fault, Point};

/// What may lie in a sandbox when nobody runs; the names in `out` are judged by themselves.
const EXPECTED: &[&str] = &[".rivet_state.db", "out", "rivet.yaml", "shop.db", "strace.log"];

/// A case, ready for its run.
pub struct Stage {
    case: Case,
    source: Source,
    /// How many rows there are before, during and after the run that is swept.
    rows: [u32; 3],
    /// Every run begins in a copy of it.
    template: Sandbox,
}

impl Stage {
    /// Prepares the source and what earlier runs leave; `None` when there is no server.
    pub fn set(name: &str, case: Case) -> Option<Self> {
        let source = Source::of(case.make, name)?;
        let rows = case.rows();
        let template = source.sandbox();
        template.write("rivet.yaml", &case.config(&source.table()));
        if case.before != Before::Nothing {
            source.fill(&template, rows[0]);
            trace::plain(&template, &[]).expect(0, &[]);
        }
        source.fill(&template, rows[1]);
        if let Before::KilledAt(name, number) = case.before {
            let point = Point { call: Call { name: name.to_owned(), number }, fault: Fault::Kill };
            let (outcome, reached) = trace::faulted(&template, &point, &[]);
            assert!(reached, "the run before was not killed: {outcome}");
        }
        Some(Self { case, source, rows, template })
    }

    /// How the run that is swept is called.
    fn args(&self) -> &'static [&'static str] {
        if self.case.resumes && matches!(self.case.before, Before::KilledAt(..)) { &["--resume"] } else { &[] }
    }

    /// The calls at which faults are possible.
    pub fn calls(&self) -> Vec<Call> {
        trace::calls(&self.template.copy(), self.args())
    }

    /// The rows that the files must have after the swept run, and at last.
    pub fn expected(&self) -> [String; 2] {
        [self.rows[1], self.rows[2]].map(|rows| {
            let sandbox = self.template.copy();
            self.source.fill(&sandbox, rows);
            self.source.rows(&sandbox)
        })
    }

    /// How the readers are to take the files, and how many exports there are at least, after the swept run and at last.
    pub fn judged_as(&self) -> (&'static str, [usize; 2]) {
        let before = usize::from(self.case.before != Before::Nothing);
        (if self.case.windows { "windows" } else { "exports" }, [before + 1, before + 2])
    }

    /// Runs with the fault, repairs, and runs once more. What is to be read goes to a folder called like the point in
    /// `after` when the faulted run claims success, and in `last`. Answers whether the fault took place.
    pub fn visit(&self, point: &Point, after: &Path, last: &Path) -> Result<bool, String> {
        let sandbox = self.template.copy();
        self.source.fill(&sandbox, self.rows[1]);
        let (faulted, reached) = trace::faulted(&sandbox, point, self.args());
        let because = |what: String| format!("{point}: {what}\n--- the faulted run: {faulted}");
        if !speaks(&faulted, point.fault) {
            return Err(because("it does not say what happened".to_owned()));
        }
        if faulted.code == Some(0) {
            keep(&sandbox, &after.join(point.to_string())).map_err(because)?;
        }
        self.source.fill(&sandbox, self.rows[2]);
        self.repair(&sandbox).map_err(|e| because(format!("the next run does not repair it: {e}")))?;
        settle(&sandbox, &[]).map_err(|e| because(format!("the run after its repair: {e}")))?;
        keep(&sandbox, &last.join(point.to_string())).map_err(because)?;
        Ok(reached)
    }

    /// Runs as the documentation says after an interruption.
    fn repair(&self, sandbox: &Sandbox) -> Result<(), String> {
        settle(sandbox, &[]).or_else(|refusal| {
            let asked = self.case.resumes && refusal.contains("hint: go on with it by `");
            if asked { settle(sandbox, &["--resume"]) } else { Err(refusal) }
        })
    }
}

/// Whether a faulted run ended as one that knows what happened to it.
fn speaks(run: &Outcome, fault: Fault) -> bool {
    match run.code {
        None | Some(137) => fault == Fault::Kill,
        // The system's loader, before there is a program.
        Some(127) => run.stderr.contains("error while loading shared libraries"),
        Some(code) => code <= 4 && !run.stderr.contains("panicked"),
    }
}

/// Runs to success, which has to leave no litter.
fn settle(sandbox: &Sandbox, args: &[&str]) -> Result<(), String> {
    let run = trace::plain(sandbox, args);
    if run.code != Some(0) {
        return Err(run.to_string());
    }
    let entries = fs::read_dir(sandbox.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let beside = entries.filter(|name| !EXPECTED.contains(&name.as_str()));
    let hidden = sandbox.out().into_iter().filter(|name| name.starts_with('.')).map(|name| format!("out/{name}"));
    let litter: Vec<String> = beside.chain(hidden).collect();
    if litter.is_empty() { Ok(()) } else { Err(format!("it leaves {}: {run}", litter.join(", "))) }
}

/// Keeps for the readers what a sandbox holds and what it says about it.
fn keep(sandbox: &Sandbox, folder: &Path) -> Result<(), String> {
    let listed = sandbox.rivet(&["state", "files", "--config", "rivet.yaml", "--last", "1000"]);
    if listed.code != Some(0) {
        return Err(format!("its files are not listed: {listed}"));
    }
    fs::create_dir(folder).unwrap();
    fs::write(folder.join("files.txt"), &listed.stdout).unwrap();
    fs::create_dir(folder.join("out")).unwrap();
    for name in sandbox.out().iter().filter(|name| !name.starts_with('.')) {
        fs::copy(sandbox.path().join("out").join(name), folder.join("out").join(name)).unwrap();
    }
    Ok(())
}
