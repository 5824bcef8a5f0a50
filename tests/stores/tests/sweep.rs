//! The recovery sweep on a store: a run is killed at system calls by which it sends, connects or remembers, and plain runs
//! have to make whole what is left: every row once, and no upload pending.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests fail by panicking")]

use std::collections::{HashMap, HashSet};
use std::fs;

use rivet_e2e::{Outcome, Sandbox, built, read_with, skip};
use rivet_stores::{Bucket, Make};
use rusqlite::Connection;
use tempfile::TempDir;

/// What reaches the store and what reaches the disk; `sendto` and `writev` may also only wake a thread.
const CALLS: &str = "connect,sendto,writev,write,pwrite64,fdatasync";

/// Points of a sample.
const SAMPLE: usize = 8;

const ROWS: [u32; 3] = [60, 100, 120];

#[test]
fn sampled() {
    sweep(Some(SAMPLE));
}

#[test]
#[ignore = "slow"]
fn whole() {
    sweep(None);
}

/// Windows of several files each; the pieces are as small as stores let them be, so these are whole objects.
fn config(destination: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: shop.db, tuning: {{ throttle_ms: 0, max_retries: 0, batch_size: 20 }} }}
exports:
  - name: orders
    query: select * from orders
    mode: incremental
    cursor_column: id
    format: parquet
    max_file_size: 1KB
    destination: {destination}
"
    )
}

fn fill(sandbox: &Sandbox, rows: u32) {
    let database = Connection::open(sandbox.path().join("shop.db")).unwrap();
    database
        .execute_batch(&format!(
            "create table if not exists orders (id integer primary key, note text);
             insert into orders with recursive n(i) as
                 (select coalesce(max(id), 0) + 1 from orders union all select i + 1 from n where i < {rows})
                 select i, 'note ' || i || replace(hex(zeroblob(45)), '0', '.') from n where i <= {rows}"
        ))
        .unwrap();
}

/// A run under strace; with a call, killed there.
fn traced(sandbox: &Sandbox, inject: Option<(&str, usize)>) -> (Outcome, String) {
    let mut command = sandbox.command("timeout");
    command.env_remove("LD_LIBRARY_PATH").args(["-k", "5", "120", "strace", "-f", "-o", "strace.log"]);
    match inject {
        Some((name, number)) => {
            let inject = format!("inject={name}:signal=KILL:when={number}");
            command.args(["-e", &format!("trace={name}"), "-e", &inject])
        }
        None => command.args(["-e", &format!("trace={CALLS}")]),
    };
    let outcome = Outcome::of(command.arg(built().join("rivet")).args(["run", "--config", "rivet.yaml"]));
    (outcome, fs::read_to_string(sandbox.path().join("strace.log")).unwrap())
}

/// The calls of a run, in the order in which they are reached; strace counts each thread by itself.
fn calls(log: &str) -> Vec<(String, usize)> {
    let (mut counts, mut seen, mut calls) = (HashMap::new(), HashSet::new(), Vec::new());
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((name, _)) = rest.trim_start().split_once('(') else { continue };
        if CALLS.split(',').any(|known| known == name) {
            let count = counts.entry((thread.to_owned(), name.to_owned())).or_insert(0_usize);
            *count += 1;
            if seen.insert((name.to_owned(), *count)) {
                calls.push((name.to_owned(), *count));
            }
        }
    }
    calls
}

fn sweep(sample: Option<usize>) {
    if Outcome::of(Sandbox::new().command("strace").args(["-o", "/dev/null", "true"])).code != Some(0) {
        return skip("strace cannot trace here");
    }
    let Some(mut bucket) = Bucket::new(Make::S3) else { return };
    let prefix = bucket.prefix.clone();
    let mut template = Sandbox::new();
    bucket.admit(&mut template);
    fill(&template, ROWS[0]);
    // What the swept run does is known from one that is not killed.
    bucket.prefix = format!("{prefix}template/");
    template.run(&config(&bucket.destination()));
    fill(&template, ROWS[1]);
    let (outcome, log) = traced(&template.copy(), None);
    outcome.expect(0, &[]);
    let calls = calls(&log);
    let step = sample.map_or(1, |sample| calls.len().div_ceil(sample));
    let results = TempDir::with_prefix("rivet-stores-").unwrap();
    let mut killed = 0;
    for (name, number) in calls.iter().step_by(step) {
        let point = format!("{name}-{number}");
        bucket.prefix = format!("{prefix}{point}/out/");
        killed += usize::from(visit(&template, &bucket, (name, *number), &results.path().join(&point)));
    }
    eprintln!("{killed} runs of {} were killed", calls.len().div_ceil(step));
    assert!(killed > 0, "no run was killed");
    bucket.prefix = prefix;
    judge(&template, &bucket, &results);
}

/// Runs a first window, then one that is killed, then repairs it and takes a third. Answers whether it was killed.
fn visit(template: &Sandbox, bucket: &Bucket, call: (&str, usize), folder: &std::path::Path) -> bool {
    let sandbox = template.copy();
    // From the beginning, in a place of its own.
    for name in [".rivet_state.db", "shop.db"] {
        fs::remove_file(sandbox.path().join(name)).unwrap();
    }
    fill(&sandbox, ROWS[0]);
    let config = config(&bucket.destination());
    sandbox.run(&config);
    fill(&sandbox, ROWS[1]);
    let (outcome, log) = traced(&sandbox, Some(call));
    let killed = log.contains("killed by SIGKILL");
    assert!(killed || outcome.code == Some(0), "{call:?}: {outcome}");
    fill(&sandbox, ROWS[2]);
    for _ in 0..2 {
        sandbox.run(&config);
    }
    let listed = sandbox.rivet(&["state", "files", "--config", "rivet.yaml", "--last", "1000"]);
    listed.expect(0, &[]);
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("files.txt"), &listed.stdout).unwrap();
    killed
}

/// Every row is there once, in files that are listed, and nothing is pending.
fn judge(template: &Sandbox, bucket: &Bucket, results: &TempDir) {
    let Some(found) = bucket.fetch(results.path()) else { return };
    assert!(found.uploads.is_empty(), "{found:?}");
    fs::remove_dir_all(results.path().join("template")).unwrap();
    let whole = template.copy();
    fill(&whole, ROWS[2]);
    let database = Connection::open(whole.path().join("shop.db")).unwrap();
    let query = "select group_concat(id || ',' || note, char(10)) from orders";
    let rows: String = database.query_row(query, [], |row| row.get(0)).unwrap();
    let expected = whole.write("expected.csv", &format!("id,note\n{rows}"));
    let args = ["windows", expected.to_str().unwrap(), "3", results.path().to_str().unwrap()];
    let Some(wrong) = read_with("exports.py", &args) else { return };
    assert_eq!(wrong, "");
}
