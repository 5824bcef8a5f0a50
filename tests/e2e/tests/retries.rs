//! Which failures are tried again, in which words, and that every mode ends with the same rows as if nothing had been.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::thread;

use rivet_e2e::{Fault, Kind, MODES, Outcome, Proxy, SEEN, Sandbox, on_both, skip};
use rusqlite::Connection;

const ROWS: u32 = 30_000;

on_both!(a_cut_connection_costs_no_mode_a_row);

fn a_cut_connection_costs_no_mode_a_row(kind: Kind) {
    kind.each("retries", |database| {
        database.fill("t", ROWS);
        let query = format!("select id, note, {SEEN} as seen from {}.t", database.name());
        for (name, lines) in MODES {
            let proxy = Proxy::new(database.url());
            proxy.fail(Fault::Cut, 500_000, 1);
            let sandbox = database.sandbox(&proxy.url);
            let tuning = "throttle_ms: 0, max_retries: 2, retry_backoff_ms: 1";
            let outcome = sandbox.run(&(database.config(&query, tuning) + lines));
            outcome.expect(0, &["retry 1/2 in 1ms reconnecting (", "retries:     ", "rows:        30000"]);
            assert_eq!(proxy.hit(), 1, "{name}");
            assert_eq!(ids(&sandbox), (1..=ROWS).collect::<Vec<_>>(), "{name}");
            sandbox.rivet(&["metrics", "-c", "rivet.yaml"]).expect(0, &["  retries="]);
        }
    });
}

/// The keys in all files, sorted.
fn ids(sandbox: &Sandbox) -> Vec<u32> {
    let text = |name: &String| std::fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
    let id = |line: &str| -> u32 { line.split(',').next().unwrap().parse().unwrap() };
    let mut ids = Vec::new();
    for text in sandbox.out().iter().map(text) {
        ids.extend(text.lines().skip(1).map(id));
    }
    ids.sort_unstable();
    ids
}

/// From the embedded database to the destination that fails as `fault` says.
fn to_fault(lines: &str, fault: &str) -> (Sandbox, Outcome) {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(&format!(
        "create table t (id integer primary key, seen integer);
         insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS})
             select i, {SEEN} from n"
    ))
    .unwrap();
    let outcome = sandbox.try_run(&format!(
        "source: {{ type: sqlite, path: shop.db, tuning: {{ profile: fast, max_retries: 2, retry_backoff_ms: 1 }} }}
exports:
  - name: lines
    query: select * from t
    format: csv
    destination: {{ type: fault, error_in: {{ {fault} }} }}
{lines}"
    ));
    (sandbox, outcome)
}

#[test]
fn a_destination_that_fails_once_is_tried_again_in_every_mode() {
    thread::scope(|scope| {
        for (_, lines) in MODES {
            for call in ["open", "begin", "write", "finish"] {
                scope.spawn(move || {
                    let fault = format!("call: {call}, category: capacity, message: slow down, once: failed");
                    let (sandbox, outcome) = to_fault(lines, &fault);
                    // The pause that the store asked for, not the one of a full server, and the backoff.
                    outcome.expect(0, &["retry 1/2 in 1", "ms reconnecting (", "slow down (F0001)", "retries:     1"]);
                    outcome.expect(0, &["rows:        30000", "status:      success"]);
                    sandbox.rivet(&["metrics", "-c", "rivet.yaml"]).expect(0, &["  retries=1"]);
                });
            }
        }
    });
}

#[test]
fn what_no_retry_can_cure_is_not_tried_again_in_any_mode() {
    thread::scope(|scope| {
        for (name, lines) in MODES {
            for category in ["auth", "not_found", "data", "config", "permanent", "internal"] {
                scope.spawn(move || {
                    // The code and the category come first, whatever the words are.
                    let fault = format!("call: write, category: {category}, message: connection reset");
                    let (sandbox, outcome) = to_fault(lines, &fault);
                    outcome.expect(1, &["status:      failed", "connection reset (F0001)", "rows:        0"]);
                    let text = outcome.to_string();
                    assert!(!text.contains("retry 1/") && !text.contains("retries:"), "{name}, {category}: {text}");
                    let metrics = sandbox.rivet(&["metrics", "-c", "rivet.yaml"]);
                    metrics.expect(0, &["failed", "  Error: "]);
                    assert!(!metrics.stdout.contains("retries="), "{metrics}");
                });
            }
        }
    });
}

#[test]
fn words_decide_where_a_connector_knows_no_more() {
    for (message, label) in [
        ("Connection RESET by peer", Some("ms reconnecting (")),
        ("the operation timed out", Some("ms (")),
        ("Deadlock found", Some("ms (")),
        ("Permission denied, connection reset", None),
        ("syntax error", None),
    ] {
        let fault = format!("call: write, category: permanent, message: '{message}', code: '', once: failed");
        let (_, outcome) = to_fault("", &fault);
        match label {
            Some(label) => outcome.expect(0, &["retry 1/2 in 1", label, "retries:     1"]),
            None => outcome.expect(1, &[message]),
        }
    }
}

#[test]
fn retries_end_with_the_budget_and_the_history_has_their_number() {
    for (name, lines) in MODES {
        let (sandbox, outcome) = to_fault(lines, "call: open, category: network, message: refused");
        outcome.expect(1, &["retry 2/2 in 1", "retries:     2", "status:      failed", "refused"]);
        assert!(!outcome.stderr.contains("retry 3/"), "{name}: {outcome}");
        sandbox.rivet(&["metrics", "-c", "rivet.yaml"]).expect(0, &["failed", "  retries=2"]);
    }
}

/// A pooler has one code for a wrong password and for a server that is away.
#[test]
fn what_a_pooler_refuses_is_not_tried_again() {
    let Ok(url) = std::env::var("RIVET_TEST_PGBOUNCER_URL") else {
        return skip("RIVET_TEST_PGBOUNCER_URL names no pooler: use scripts/test");
    };
    let (server, _) = url.rsplit_once('/').unwrap();
    for url in [url.replace("S3CR3T", "wrong-S3CR3T"), format!("{server}/nowhere_at_all")] {
        let mut sandbox = Sandbox::new();
        sandbox.env("DATABASE_URL", url);
        let outcome = sandbox.try_run(
            "source: { type: postgres, url_env: DATABASE_URL }
exports:
  - { name: n, query: select 1 as n, format: csv, destination: { type: local, path: out } }
",
        );
        outcome.expect(1, &["(08P01)", "that the pooler knows them"]);
        assert!(!outcome.stderr.contains("retry 1/") && !outcome.to_string().contains("S3CR3T"), "{outcome}");
    }
}
