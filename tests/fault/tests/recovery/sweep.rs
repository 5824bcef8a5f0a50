//! Visits points of a case, one after the other, and has readers that know nothing of Rivet judge what came of them.

use std::fs;
use std::path::Path;

use rivet_e2e::read_with;
use tempfile::TempDir;

use crate::case::Case;
use crate::stage::Stage;
use crate::trace::{self, Call, Point};

/// How many points to visit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// A few, spread over the run.
    Sample,
    /// Every call that changes something with every fault, and many of the others.
    Whole,
}

/// Points of a sample.
const SAMPLE: usize = 8;

/// Points at calls that only look; most of them load libraries.
const LOOKS: usize = 120;

/// Visits points of `case`.
pub fn sweep(name: &str, case: Case, extent: Extent) {
    if !trace::is_possible() {
        return;
    }
    let Some(stage) = Stage::set(name, case) else { return };
    let points = match std::env::var("RIVET_RECOVERY") {
        Ok(point) => vec![point.parse().unwrap()],
        Err(_) => choose(&stage.calls(), extent),
    };
    let results = TempDir::with_prefix("rivet-recovery-").unwrap();
    let folders = ["after", "last"].map(|folder| results.path().join(folder));
    for folder in &folders {
        fs::create_dir(folder).unwrap();
    }
    let (mut failures, mut reached) = (Vec::new(), 0);
    for point in &points {
        match stage.visit(point, &folders[0], &folders[1]) {
            Ok(took_place) => reached += usize::from(took_place),
            Err(failure) => failures.push(failure),
        }
    }
    let (judged_as, least) = stage.judged_as();
    for ((folder, expected), least) in folders.iter().zip(stage.expected()).zip(least) {
        failures.extend(judge(folder, judged_as, &expected, least));
    }
    eprintln!("{name}: {reached} of {} points reached", points.len());
    assert!(failures.is_empty(), "{name}: {} failures\n\n{}", failures.len(), failures.join("\n\n"));
    // Where workers race, a call of the one run need not be there in the next.
    assert!(reached * 10 >= points.len() * 8, "{name}: strace reached only {reached} of {} points", points.len());
}

fn choose(calls: &[Call], extent: Extent) -> Vec<Point> {
    let point = |call: &Call, fault| Point { call: call.clone(), fault };
    let (changes, looks): (Vec<&Call>, Vec<&Call>) = calls.iter().partition(|call| call.changes());
    match extent {
        Extent::Sample => {
            let chosen = spread(&changes, SAMPLE).enumerate();
            chosen.map(|(index, call)| point(call, call.faults()[index % call.faults().len()])).collect()
        }
        Extent::Whole => {
            let chosen = changes.iter().copied().chain(spread(&looks, LOOKS));
            chosen.flat_map(|call| call.faults().iter().map(move |fault| point(call, *fault))).collect()
        }
    }
}

/// At most `most` of the calls, evenly spread.
fn spread<'a>(calls: &'a [&'a Call], most: usize) -> impl Iterator<Item = &'a Call> {
    let most = most.min(calls.len());
    (0..most).map(move |index| calls[(2 * index + 1) * calls.len() / (2 * most)])
}

/// What the readers find wrong with the folders in `folder`.
fn judge(folder: &Path, judged_as: &str, expected: &str, least: usize) -> Option<String> {
    let rows = folder.with_extension("csv");
    fs::write(&rows, expected).unwrap();
    let args = [judged_as, rows.to_str().unwrap(), &least.to_string(), folder.to_str().unwrap()];
    let found = read_with("exports.py", &args)?;
    (!found.is_empty()).then_some(found)
}
