//! Stores and networks that fail: what passes is survived, what lasts fails the run, and either way every row is there once
//! or not at all, and nothing is left half done.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use rivet_e2e::Outcome;
use rivet_stores::{Bucket, HttpProxy, Make, Notes, Rule, Step, Trouble};

/// Three pieces of 8 MB.
const ROWS: u32 = 32_000;
const LARGE: &str = "format: csv";

const QUICK: &str = "throttle_ms: 0, max_retries: 3, retry_backoff_ms: 1";
const ONCE: &str = "throttle_ms: 0, max_retries: 0";

const SLOW_DOWN: Trouble =
    Trouble::Answer(503, &[("Retry-After", "0")], "<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>");
const INTERNAL: Trouble =
    Trouble::Answer(500, &[], "<Error><Code>InternalError</Code><Message>We failed.</Message></Error>");
const TOO_MANY: Trouble = Trouble::Answer(429, &[("Retry-After", "0")], "");
const DENIED: Trouble =
    Trouble::Answer(403, &[], "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
const GONE: Trouble = Trouble::Answer(404, &[], "<Error><Code>NoSuchUpload</Code><Message>Gone.</Message></Error>");
/// How S3 says it when the work of a completion fails after the answer has begun.
const FAILED_INSIDE: Trouble =
    Trouble::Answer(200, &[], "<Error><Code>InternalError</Code><Message>We failed.</Message></Error>");

const MIDDLE: usize = 4 << 20;

/// What passes: a name, and the rules.
fn passing() -> Vec<(&'static str, Vec<Rule>)> {
    use Step::{Complete, Initiate, UploadPart};
    let once = |step, trouble| vec![Rule::new(step, trouble).times(1)];
    vec![
        ("500 at the first piece", once(UploadPart, INTERNAL)),
        ("503 three times", vec![Rule::new(UploadPart, SLOW_DOWN).from(2).times(3)]),
        ("429 at the begin", once(Initiate, TOO_MANY)),
        ("a lost begin", once(Initiate, Trouble::Lost)),
        ("a reset in the middle of a piece", vec![Rule::new(UploadPart, Trouble::ResetBody(MIDDLE)).from(2).times(1)]),
        ("a lost piece", once(UploadPart, Trouble::Lost)),
        ("a truncated piece", once(UploadPart, Trouble::Truncate(1000))),
        ("a flipped bit", once(UploadPart, Trouble::Flip(MIDDLE))),
        ("500 at the end", once(Complete, INTERNAL)),
        ("a failure inside of a success", once(Complete, FAILED_INSIDE)),
        ("a lost end", once(Complete, Trouble::Lost)),
        ("a cut answer at the end", once(Complete, Trouble::ResetAnswer(10))),
        ("an upload that is gone", once(UploadPart, GONE)),
        ("an upload that is gone at the end", once(Complete, GONE)),
    ]
}

fn what_passes_is_survived(make: Make) {
    let Some(bucket) = Bucket::new(make) else { return };
    let mut notes = Notes::new(bucket, ROWS);
    let prefix = notes.bucket.prefix.clone();
    for (number, (name, rules)) in passing().into_iter().enumerate() {
        notes.bucket.prefix = format!("{prefix}{number}/");
        let proxy = HttpProxy::new(&notes.bucket.endpoint);
        let count = rules.len();
        for rule in rules {
            proxy.add(rule);
        }
        let run = notes.sandbox.try_run(&notes.config(&proxy.url, QUICK, LARGE));
        assert_eq!(run.code, Some(0), "{make:?}, {name}: {run}\n{:#?}", proxy.seen());
        assert!(proxy.hit() >= count, "{name}: nothing happened");
    }
    notes.bucket.prefix = prefix;
    assert_whole(&notes, passing().len());
}

/// There are so many files under the prefix, each of which has every row once, and nothing else.
fn assert_whole(notes: &Notes, files: usize) {
    let folder = notes.sandbox.path().join("out");
    let Some(found) = notes.bucket.fetch(&folder) else { return };
    assert!(found.uploads.is_empty(), "{found:?}");
    assert_eq!(found.objects.len(), files, "{found:?}");
    for name in found.names() {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        assert!(notes.is_all_of(&text), "\"{name}\" is not the table");
    }
}

#[test]
fn what_passes_is_survived_by_s3() {
    what_passes_is_survived(Make::S3);
}

#[test]
fn what_passes_is_survived_by_gcs() {
    what_passes_is_survived(Make::Gcs);
}

/// What lasts: a name, the rule, and what has to be printed.
fn lasting() -> Vec<(&'static str, Rule, &'static str)> {
    use Step::{Complete, Initiate, UploadPart};
    vec![
        ("403 in the middle", Rule::new(UploadPart, DENIED).from(2), "AccessDenied"),
        ("500", Rule::new(UploadPart, INTERNAL), "InternalError"),
        ("503", Rule::new(UploadPart, SLOW_DOWN).from(2), "SlowDown"),
        ("503 at the begin", Rule::new(Initiate, SLOW_DOWN), "SlowDown"),
        ("resets", Rule::new(UploadPart, Trouble::ResetBody(MIDDLE)), "connection"),
        ("flipped bits", Rule::new(UploadPart, Trouble::Flip(MIDDLE)), "BadDigest"),
        ("uploads that are gone", Rule::new(Complete, GONE), "NoSuchUpload"),
        ("403 at the end", Rule::new(Complete, DENIED), "AccessDenied"),
    ]
}

fn what_lasts_fails_the_run_and_leaves_nothing(make: Make) {
    let Some(bucket) = Bucket::new(make) else { return };
    let mut notes = Notes::new(bucket, ROWS);
    let prefix = notes.bucket.prefix.clone();
    let mode = "mode: incremental\n    cursor_column: id\n    format: csv";
    for (number, (name, rule, text)) in lasting().into_iter().enumerate() {
        notes.bucket.prefix = format!("{prefix}{number}/");
        let proxy = HttpProxy::new(&notes.bucket.endpoint);
        proxy.add(rule);
        let config = notes.config(&proxy.url, "throttle_ms: 0, max_retries: 1, retry_backoff_ms: 1", mode);
        let start = Instant::now();
        let run = notes.sandbox.try_run(&config);
        assert_eq!(run.code, Some(1), "{make:?}, {name}: {run}");
        assert!(start.elapsed() < Duration::from_secs(90), "{name}: it took {:?} to fail", start.elapsed());
        run.expect(1, &[text, "status:      failed"]);
        // Rights do not come back while one waits.
        assert_eq!(run.stderr.contains("retry 1/"), !text.contains("AccessDenied"), "{make:?}, {name}: {run}");
        assert!(proxy.hit() > 0, "{name}: nothing happened");
        notes.assert_empty();
        notes.sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &["No export state recorded yet."]);
    }
    // A healthy store gets what the failed runs owe.
    let config = notes.config(&notes.bucket.endpoint, ONCE, mode);
    notes.sandbox.run(&config);
    assert_whole(&notes, 1);
    notes.sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &[&format!(" {ROWS} ")]);
}

#[test]
fn what_lasts_fails_the_run_and_leaves_nothing_in_s3() {
    what_lasts_fails_the_run_and_leaves_nothing(Make::S3);
}

#[test]
fn what_lasts_fails_the_run_and_leaves_nothing_in_gcs() {
    what_lasts_fails_the_run_and_leaves_nothing(Make::Gcs);
}

#[test]
fn a_small_object_is_written_once_whatever_becomes_of_its_answer() {
    for make in [Make::S3, Make::Gcs] {
        let Some(bucket) = Bucket::new(make) else { continue };
        let notes = Notes::new(bucket, 100);
        let proxy = HttpProxy::new(&notes.bucket.endpoint);
        let troubles = [Trouble::Lost, SLOW_DOWN, Trouble::Flip(5000), Trouble::ResetBody(100), Trouble::Truncate(10)];
        for trouble in troubles {
            proxy.add(Rule::new(Step::Put, trouble).times(1));
        }
        notes.sandbox.run(&notes.config(&proxy.url, "throttle_ms: 0, max_retries: 6, retry_backoff_ms: 1", LARGE));
        assert_eq!(notes.assert_whole().unwrap_or(1), 1, "{make:?}");
    }
}

/// The store has taken the object in, and then says nothing more about it.
#[test]
fn an_object_that_may_be_there_is_removed_or_redone() {
    let mode = "mode: incremental\n    cursor_column: id\n    format: csv";
    for (make, removable) in [(Make::S3, true), (Make::S3, false), (Make::Gcs, true), (Make::Gcs, false)] {
        let Some(bucket) = Bucket::new(make) else { continue };
        let notes = Notes::new(bucket, 100);
        let proxy = HttpProxy::new(&notes.bucket.endpoint);
        proxy.add(Rule::new(Step::Put, Trouble::Lost).times(1));
        proxy.add(Rule::new(Step::Put, SLOW_DOWN));
        // The first ones look whether the name is free.
        let silent = Rule::new(Step::Stat, SLOW_DOWN).from(3);
        if removable {
            proxy.add(silent.times(2));
        } else {
            proxy.add(silent);
            proxy.add(Rule::new(Step::Delete, SLOW_DOWN));
        }
        let config = notes.config(&proxy.url, ONCE, mode);
        notes.sandbox.try_run(&config).expect(1, &["status:      failed"]);
        let seen = |step| proxy.seen().iter().any(|seen| seen.step == step);
        assert!(seen(Step::Put) && (seen(Step::Delete) || !removable), "{make:?}: {:#?}", proxy.seen());
        if removable {
            notes.assert_empty();
        }
        notes.sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &["No export state recorded yet."]);
        proxy.heal();
        notes.sandbox.run(&config);
        assert_eq!(notes.assert_whole().unwrap_or(1), 1, "{make:?}, removable: {removable}");
    }
}

#[test]
fn the_pause_that_a_store_asks_for_is_made() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let notes = Notes::new(bucket, 100);
    let proxy = HttpProxy::new(&notes.bucket.endpoint);
    proxy.add(Rule::new(Step::Put, Trouble::Answer(503, &[("Retry-After", "2")], "")).times(1));
    let start = Instant::now();
    notes.sandbox.run(&notes.config(&proxy.url, QUICK, LARGE));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(proxy.hit(), 1);
}

fn fails(run: &Outcome, texts: &[&str]) {
    run.expect(1, texts);
    assert!(!run.stdout.contains("S3CR3T") && !run.stderr.contains("S3CR3T"), "{run}");
}

#[test]
fn a_store_that_is_not_there_is_given_up_within_the_retries() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let notes = Notes::new(bucket, 100);
    // Nobody listens on a port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = notes.config(&format!("http://127.0.0.1:{port}"), QUICK, LARGE);
    let start = Instant::now();
    let run = notes.sandbox.try_run(&config);
    fails(&run, &["connection refused", "retry 3/3", "retries:     3"]);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
#[ignore = "slow"]
fn a_store_that_falls_silent_is_given_up() {
    // At the begin, which is not repeated within an attempt; with pieces, which are, but once for all of them.
    for (step, retries, tries, limit) in
        [(Step::Stat, 0, 1, 60), (Step::UploadPart, 0, 1, 60), (Step::UploadPart, 1, 2, 170)]
    {
        let Some(bucket) = Bucket::new(Make::S3) else { return };
        let notes = Notes::new(bucket, ROWS);
        let proxy = HttpProxy::new(&notes.bucket.endpoint);
        proxy.add(Rule::new(step, Trouble::Silence));
        let start = Instant::now();
        let tuning = format!("throttle_ms: 0, retry_backoff_ms: 1, max_retries: {retries}");
        let run = notes.sandbox.try_run(&notes.config(&proxy.url, &tuning, LARGE));
        fails(&run, &["does not answer"]);
        assert!(start.elapsed() < Duration::from_secs(limit), "{step:?}: {:?}", start.elapsed());
        // Every attempt begins another upload, whose first piece is sent as often as it is tried.
        let first =
            proxy.seen().iter().filter(|seen| seen.step == step && seen.target.contains("partNumber=1&")).count();
        assert!(step == Step::Stat || first == tries * (1 + retries), "{first}: {:#?}", proxy.seen());
        notes.assert_empty();
    }
}

#[test]
fn tokens_that_expire_in_the_middle_are_asked_for_again() {
    let Some(bucket) = Bucket::new(Make::Gcs) else { return };
    let notes = Notes::new(bucket, ROWS);
    let proxy = HttpProxy::new(&notes.bucket.endpoint);
    let unauthorized = Trouble::Answer(401, &[], "<Error><Code>AuthenticationRequired</Code></Error>");
    proxy.add(Rule::new(Step::UploadPart, unauthorized).from(2).times(1));
    notes.sandbox.run(&notes.config(&proxy.url, ONCE, LARGE));
    assert_whole(&notes, 1);
    let granted = notes.bucket.gcs.as_ref().unwrap().granted();
    assert_eq!(granted.len(), 2, "{granted:?}");
}
