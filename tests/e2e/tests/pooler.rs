//! PostgreSQL behind pgbouncer in transaction mode, where the next user of a connection inherits what a session leaves.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rivet_e2e::{Database, Kind, Sandbox, line, skip};

const ROWS: u32 = 20_000;

/// The pooler's URL and a place for tables in the server behind it.
fn pooled(name: &str) -> Option<(String, Database)> {
    let (Ok(pooler), Ok(server)) =
        (std::env::var("RIVET_TEST_PGBOUNCER_URL"), std::env::var("RIVET_TEST_POSTGRES_URL"))
    else {
        skip("RIVET_TEST_PGBOUNCER_URL names no server: use scripts/test");
        return None;
    };
    Some((pooler, Kind::Postgres.on(&server, name)))
}

/// What several server connections of the pool are set to, held at the same time so that they are different ones.
fn settings(pooler: &str) -> Vec<String> {
    let sql = "begin; select pg_sleep(0.3);
        select string_agg(name || '=' || setting, ',' order by name) from pg_settings where name <> 'application_name';
        select count(*) from pg_prepared_statements; select count(*) from pg_cursors; rollback";
    let psql = std::env::var("RIVET_TEST_PSQL").unwrap_or_else(|_| "psql".into());
    let sessions: Vec<_> = (0..4)
        .map(|_| Command::new(&psql).args(["-qAtX", "-d", pooler, "-c", sql]).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs = sessions.into_iter().map(|session| session.wait_with_output().unwrap());
    outputs.map(|output| String::from_utf8(output.stdout).unwrap()).collect()
}

fn assert_clean(pooler: &str, before: &[String]) {
    assert!(before[0].contains("statement_timeout="), "{before:?}");
    let differences = |settings: &[String]| {
        let parts: BTreeSet<_> = settings.iter().flat_map(|text| text.split([',', '\n']).map(str::to_owned)).collect();
        parts
    };
    let (before, after) = (differences(before), differences(&settings(pooler)));
    let left: Vec<_> = before.symmetric_difference(&after).collect();
    assert!(left.is_empty(), "the pool's sessions differ: {left:?}");
}

fn lines(sandbox: &Sandbox) -> BTreeSet<String> {
    let texts =
        sandbox.out().into_iter().map(|name| fs::read_to_string(sandbox.path().join("out").join(name)).unwrap());
    texts.flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn every_mode_works_and_leaves_no_setting_behind() {
    let Some((pooler, database)) = pooled("pooler") else { return };
    database.fill("t", ROWS);
    let before = settings(&pooler);
    let expected: BTreeSet<_> = (1..=ROWS).map(line).collect();
    let query = format!("select id, note from {}.t", database.name());
    let tuning = "statement_timeout_s: 40, lock_timeout_s: 7, throttle_ms: 0, max_retries: 0";
    let modes = ["", "    parallel: 2\n", "    mode: incremental\n    cursor_column: id\n"];
    for tuning in [tuning, "profile: fast, max_retries: 0"] {
        for mode in modes {
            let sandbox = database.sandbox(&pooler);
            let config = database.config(&query, tuning) + mode;
            sandbox.run(&config).expect(0, &["rows:        20000"]);
            assert!(lines(&sandbox) == expected, "{mode}: {} different rows", lines(&sandbox).len());
            if mode.contains("incremental") {
                sandbox.run(&config).expect(0, &["rows:        0"]);
            }
        }
    }
    assert_clean(&pooler, &before);
}

#[test]
fn a_failed_and_a_stopped_read_leave_no_setting_behind() {
    let Some((pooler, database)) = pooled("pooler_stop") else { return };
    let before = settings(&pooler);
    let sandbox = database.sandbox(&pooler);
    let tuning = "statement_timeout_s: 600, lock_timeout_s: 7, max_retries: 0";
    sandbox.try_run(&database.config("select 1 / 0 as n", tuning)).expect(1, &["division by zero", "22012"]);
    let query =
        "select 'pooled_stop' as mark, count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b";
    let running = sandbox.start(&database.config(query, tuning));
    database.wait_until_runs("pooled_stop", true, Duration::from_secs(20));
    let start = Instant::now();
    assert_eq!(running.terminate("TERM"), Some(143), "{}", sandbox.log());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    database.wait_until_runs("pooled_stop", false, Duration::from_secs(1));
    assert_clean(&pooler, &before);
}
