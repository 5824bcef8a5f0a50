//! Runs that are killed at a system call.

use std::collections::{HashMap, HashSet};
use std::fs;

use rivet_e2e::{Outcome, Sandbox, skip};
use rivet_stores::{Make, Step};

use crate::case::Case;
use crate::stage::{Place, Stage, spread};
use crate::{Extent, sweeps};

/// What reaches the store and what reaches the disk. A name that a machine does not know is no error with the question
/// mark; `sendto` and `write` may also only wake a thread.
const CALLS: &str = "connect sendto sendmsg write writev pwrite64 fsync fdatasync ftruncate rename renameat renameat2 link \
    linkat unlink unlinkat mkdir mkdirat flock openat";

const LOG: &str = "strace.log";

/// Points of a sample.
const SAMPLE: usize = 3;

sweeps! {
    sweep;
    full: Case::full(Make::S3),
    incremental: Case::incremental(Make::S3),
    chunked_1: Case::chunked(Make::S3, 1, false),
    chunked_2: Case::chunked(Make::S3, 2, false),
    checkpoint_1: Case::chunked(Make::S3, 1, true),
    checkpoint_2: Case::chunked(Make::S3, 2, true),
    time_window: Case::time_window(Make::S3),
    split: Case::split(Make::S3),
    // One of three objects is there.
    full_redo: Case::full(Make::S3).after(Step::Put, 2),
    checkpoint_redo: Case::chunked(Make::S3, 2, true).after(Step::Put, 4),
    // One of two pieces is there.
    pieces_redo: Case::pieces(Make::S3).after(Step::UploadPart, 2),
    gcs_split: Case::split(Make::Gcs),;
    slow
    pieces: Case::pieces(Make::S3),
    incremental_redo: Case::incremental(Make::S3).after(Step::Put, 2),
    gcs_incremental: Case::incremental(Make::Gcs),
    gcs_checkpoint_2: Case::chunked(Make::Gcs, 2, true),
}

fn sweep(name: &str, case: Case, extent: Extent) {
    if Outcome::of(Sandbox::new().command("strace").args(["-f", "-o", "/dev/null", "true"])).code != Some(0) {
        return skip("strace cannot trace here");
    }
    let Some(mut stage) = Stage::set(name, case) else { return };
    let calls = match std::env::var("RIVET_RECOVERY") {
        Ok(point) => {
            let (name, number) = point.split_once(':').unwrap();
            vec![(name.to_owned(), number.parse().unwrap())]
        }
        Err(_) => stage.look(calls),
    };
    let most = if extent == Extent::Sample { SAMPLE } else { calls.len() };
    for (name, number) in spread(calls.len(), most).map(|index| &calls[index]) {
        stage.visit(&format!("{name}:{number}"), |place| killed(place, name, *number));
    }
    stage.end();
}

/// A run that is killed at a call, unless it does not get there.
fn killed(place: &Place<'_>, name: &str, number: usize) -> Result<bool, String> {
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:signal=KILL:when={number}"));
    let strace = ["strace", "-f", "-o", LOG, "-e", &trace, "-e", &inject];
    let run = place.run(0, &strace, place.case.args());
    let killed = fs::read_to_string(place.sandbox.path().join(LOG)).unwrap().contains("killed by SIGKILL");
    if killed || run.code == Some(0) { Ok(killed) } else { Err(format!("the run fails without a fault: {run}")) }
}

/// The calls of a run that succeeds, in the order in which they are reached; strace counts each thread by itself.
fn calls(place: &Place<'_>) -> Vec<(String, usize)> {
    let trace = format!("trace=?{}", CALLS.split_whitespace().collect::<Vec<_>>().join(",?"));
    place.run(0, &["strace", "-f", "-o", LOG, "-e", &trace], place.case.args()).expect(0, &[]);
    let log = fs::read_to_string(place.sandbox.path().join(LOG)).unwrap();
    let (mut counts, mut seen, mut calls) = (HashMap::new(), HashSet::new(), Vec::new());
    for line in log.lines() {
        // `PID NAME(ARGUMENTS...`; the rest of an interrupted call is `PID <... NAME resumed>`.
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((name, arguments)) = rest.trim_start().split_once('(') else { continue };
        if CALLS.split_whitespace().any(|known| known == name) {
            let count = counts.entry((thread.to_owned(), name.to_owned())).or_insert(0_usize);
            *count += 1;
            // Of the opens only those that may create a file change something.
            if seen.insert((name.to_owned(), *count)) && (name != "openat" || arguments.contains("O_CREAT")) {
                calls.push((name.to_owned(), *count));
            }
        }
    }
    calls
}
