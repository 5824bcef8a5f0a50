//! Runs that are killed or stopped while they upload: nothing is visible that is not whole, and the next run leaves nothing
//! pending.

use std::thread;
use std::time::{Duration, Instant};

use rivet_stores::{Bucket, HttpProxy, Make, Notes, Rule, Step, Trouble};

/// Five pieces of 8 MB.
const ROWS: u32 = 64_000;

/// A run in the middle of an upload: two pieces are with the store, and the next ones take their time.
fn in_the_middle(notes: &Notes) -> (HttpProxy, rivet_e2e::Running) {
    let proxy = HttpProxy::new(&notes.bucket.endpoint);
    proxy.add(Rule::new(Step::UploadPart, Trouble::Delay(Duration::from_secs(20))).from(3));
    let running = notes.sandbox.start(&notes.config(&proxy.url, "throttle_ms: 0", "format: csv"));
    let start = Instant::now();
    while proxy.seen().iter().filter(|seen| seen.step == Step::UploadPart && seen.status == 200).count() < 2 {
        assert!(start.elapsed() < Duration::from_mins(1), "no pieces: {:?}\n{}", proxy.seen(), notes.sandbox.log());
        thread::sleep(Duration::from_millis(20));
    }
    (proxy, running)
}

#[test]
fn what_a_killed_run_has_pending_the_next_one_gives_up() {
    for make in [Make::S3, Make::Gcs] {
        let Some(bucket) = Bucket::new(make) else { continue };
        let notes = Notes::new(bucket, ROWS);
        let (proxy, running) = in_the_middle(&notes);
        running.kill();
        proxy.heal();
        let Some(found) = notes.bucket.list() else { continue };
        assert_eq!((found.objects.len(), found.uploads.len()), (0, 1), "{make:?}: {found:?}");
        notes.sandbox.run(&notes.config(&proxy.url, "throttle_ms: 0", "format: csv"));
        let found = notes.bucket.list().unwrap();
        assert_eq!((found.objects.len(), found.uploads.len()), (1, 0), "{make:?}: {found:?}");
        assert_eq!(notes.assert_whole().unwrap(), 1);
    }
}

#[test]
fn a_run_that_is_told_to_stop_gives_its_uploads_up() {
    for (make, signal, code) in [(Make::S3, "TERM", 143), (Make::Gcs, "INT", 130)] {
        let Some(bucket) = Bucket::new(make) else { continue };
        let notes = Notes::new(bucket, ROWS);
        let (_proxy, running) = in_the_middle(&notes);
        let start = Instant::now();
        assert_eq!(running.terminate(signal), Some(code), "{}", notes.sandbox.log());
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?} to stop", start.elapsed());
        notes.assert_empty();
    }
}

#[test]
fn uploads_of_others_stay() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let notes = Notes::new(bucket, 100);
    // Of another program, of another export, and of a run of this export that may be going on elsewhere.
    let others = ["other.parquet", "notes2_20260101_000000.csv", "notes_29990101_000000.csv"];
    let Some(()) = notes.bucket.leave(&others) else { return };
    notes.sandbox.run(&notes.plain("format: csv"));
    let mut left = notes.bucket.list().unwrap().uploads;
    left.sort();
    let mut expected = others.map(str::to_owned);
    expected.sort();
    assert_eq!(left, expected);
}
