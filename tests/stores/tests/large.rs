//! One object that is larger than memory and than any directory for temporary files.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests fail by panicking")]

use rivet_e2e::Sandbox;
use rivet_stores::Sink;
use rusqlite::Connection;

/// Of one row.
const ROW: u64 = 1_000_000;

/// What a run may take at its peak, in MB: the program, some batches of 8 MB, and what waits for the store. It is the same
/// for any size.
const MOST_MB: u64 = 200;

fn a_large_object_lands(megabytes: u64) {
    let sink = Sink::new();
    let mut sandbox = Sandbox::new();
    // Whoever wants a temporary file fails.
    sandbox.env("TMPDIR", "/nowhere");
    Connection::open(sandbox.path().join("void.db")).unwrap().execute_batch("create table void (x integer)").unwrap();
    let rows = megabytes * 1_000_000 / ROW;
    let run = sandbox.run(&format!(
        "source: {{ type: sqlite, path: void.db, tuning: {{ throttle_ms: 0, batch_size: 8, statement_timeout_s: 0 }} }}
exports:
  - name: large
    query: >-
      with recursive n(id) as (select 1 union all select id + 1 from n where id < {rows})
      select id, cast(zeroblob({ROW}) as blob) as body from n
    format: arrow
    compression: none
    destination: {{ type: s3, bucket: b, endpoint: \"{}\", allow_anonymous: true }}
",
        sink.url
    ));
    run.expect(0, &[&format!("rows:        {rows}\n"), "files:       1\n"]);
    let (bytes, pieces) = sink.object().unwrap();
    assert!(bytes > rows * ROW, "{bytes} bytes are not {rows} rows");
    let peak = run.stdout.split("peak RSS:").nth(1).and_then(|rest| rest.split("MB").next());
    let peak: u64 = peak.unwrap().trim().parse().unwrap();
    eprintln!("{bytes} bytes in {pieces} pieces, at its peak {peak} MB in memory");
    assert!(peak < MOST_MB, "{peak} MB: {run}");
}

#[test]
fn a_large_object_needs_no_room() {
    a_large_object_lands(300);
}

#[test]
#[ignore = "slow"]
fn an_object_of_twenty_gigabytes_needs_no_room() {
    a_large_object_lands(20_000);
}
