//! What isolated connectors write is what they write in the host's own process, byte for byte, in every mode; and every
//! command works with them.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::{Database, Kind, MODES, SEEN, Sandbox, on_both};
use rusqlite::Connection;

fn sqlite() -> Sandbox {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("t.db")).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, seen INTEGER, price REAL, note TEXT, raw BLOB, day DATE, at TIMESTAMP);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO t SELECT i, {SEEN} + i, i / 7.0, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'note ' || i END,
             zeroblob(i % 9), date('2024-01-01', i || ' days'), datetime('2024-01-01', i || ' seconds') FROM n"
    ))
    .unwrap();
    sandbox
}

fn config(mode: &str, format: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: t.db }}
exports:
  - name: t
    query: SELECT * FROM t
{mode}    format: {format}
    meta_columns: {{ row_hash: true }}
    destination: {{ type: local, path: out }}
"
    )
}

/// The files of a run in order, without what tells one run from another.
fn files(sandbox: &Sandbox, config: &str, args: &[&str]) -> Vec<Vec<u8>> {
    sandbox.write("rivet.yaml", config);
    let outcome = sandbox.rivet(&[&["run", "--config", "rivet.yaml", "--validate", "--reconcile"], args].concat());
    outcome.expect(0, &["rows:        10000"]);
    let run_id = outcome.stdout.lines().find_map(|line| line.trim().strip_prefix("run_id:")).unwrap().trim().as_bytes();
    let masked = |name: &String| {
        let mut bytes = fs::read(sandbox.path().join("out").join(name)).unwrap();
        let places: Vec<usize> = (0..bytes.len().saturating_sub(run_id.len()))
            .filter(|i| bytes[*i] == run_id[0] && bytes[*i..].starts_with(run_id))
            .collect();
        for place in places {
            bytes[place..place + run_id.len()].fill(b'-');
        }
        bytes
    };
    sandbox.out().iter().map(masked).collect()
}

#[test]
fn writes_the_same_bytes_in_every_mode() {
    for (name, mode) in MODES {
        // Parquet once whole and once in chunks, for the others differ in what they ask for alone.
        for format in ["csv", "parquet"].into_iter().take(if matches!(name, "full" | "chunked by two") { 2 } else { 1 })
        {
            let (here, apart) = (sqlite(), sqlite());
            let config = config(mode, format);
            let expected = files(&here, &config, &[]);
            assert!(expected.len() > usize::from(mode.contains("chunk")), "{name}");
            assert!(expected == files(&apart, &config, &["--isolate"]), "{name}, {format}");
        }
    }
}

#[test]
fn serves_every_command() {
    let sandbox = sqlite();
    sandbox.write("rivet.yaml", &config(MODES[1].1, "csv"));
    for args in [
        &["doctor", "--config", "rivet.yaml"][..],
        &["check", "--config", "rivet.yaml"],
        &["init", "t.db", "--output", "-"],
    ] {
        let here = sandbox.rivet(args);
        let apart = sandbox.rivet(&[args, &["--isolate"]].concat());
        assert_eq!((here.code, &here.stdout), (Some(0), &apart.stdout), "{args:?}: {apart}");
    }
}

#[test]
fn is_refused_where_it_makes_no_sense() {
    let sandbox = sqlite();
    let with = |isolation: &str| sandbox.try_run(&format!("isolation: {isolation}\n{}", config("", "csv")));
    with("{ mode: process, call_timeout_s: 60 }").expect(0, &["rows:        10000"]);
    with("proces").expect(2, &["did you mean `process`?"]);
    with("true").expect(2, &["`isolation` in the configuration must be `process` or `none`"]);
    with("{ memory_mb: 16 }").expect(2, &["between 256 and "]);
    with("{ mode: none, memory_mb: 512 }").expect(2, &["`memory_mb` has no meaning with `mode: none`"]);
    with("{ timeout_s: 5 }").expect(2, &["unknown key `timeout_s`"]);
}

on_both!(moves_what_a_server_sends);

/// Several readers in one snapshot, each in its own process.
fn moves_what_a_server_sends(kind: Kind) {
    kind.each("isolation", |database: &Database| {
        database.fill(&format!("{}.t", database.name()), 5000);
        let sandbox = database.sandbox(database.url());
        let query = format!("select * from {}.t", database.name());
        let config = database.config(&query, "batch_size: 1000") + "    parallel: 2\n";
        sandbox.write("rivet.yaml", &config);
        let outcome = sandbox.rivet(&["run", "--config", "rivet.yaml", "--isolate", "--validate", "--reconcile"]);
        outcome.expect(0, &["rows:        5000"]);
        let mut lines: Vec<String> = Vec::new();
        for name in sandbox.out() {
            let text = fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
            lines.extend(text.lines().skip(1).map(str::to_owned));
        }
        lines.sort();
        let mut expected: Vec<String> = (1..=5000).map(rivet_e2e::line).collect();
        expected.sort();
        assert!(lines == expected, "{outcome}");
        let errors = sandbox.try_run(
            &config
                .replace("url_env: DATABASE_URL", "url_env: DATABASE_URL, isolation: process")
                .replace(&query, "select * from no_such_table"),
        );
        errors.expect(1, &["no_such_table", "more: rivet explain-error "]);
    });
}
