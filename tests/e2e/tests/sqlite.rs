//! The embedded default: SQLite to Parquet and CSV, read back by readers that know nothing of Rivet.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use rivet_e2e::{Sandbox, read_with};
use rusqlite::Connection;

const QUERY: &str = "SELECT * FROM things ORDER BY id";

fn things(sandbox: &Sandbox, rows: u32) {
    let db = Connection::open(sandbox.path().join("things.db")).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, weight REAL, raw BLOB, sold BOOLEAN, born DATE, seen TIMESTAMP);
         INSERT INTO things WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             SELECT i, 'name ' || i, i / 7.0, randomblob(i % 20), i % 2, date(i * 86400, 'unixepoch'),
                    strftime('%Y-%m-%d %H:%M:%S', i * 1000003, 'unixepoch') || '.000123' FROM n;
         UPDATE things SET name = NULL, weight = NULL, raw = NULL, sold = NULL, born = NULL, seen = NULL WHERE id = 2;
         UPDATE things SET name = '', raw = x'' WHERE id = 3;
         UPDATE things SET name = 'a,b' WHERE id = 4;
         UPDATE things SET name = 'say \"hi\"' WHERE id = 5;
         UPDATE things SET name = 'two' || char(10) || 'lines' || char(13) || char(10) WHERE id = 6;
         UPDATE things SET name = 'Grüße 🦀 ' || char(0x202e) WHERE id = 7;
         UPDATE things SET weight = 1e300 WHERE id = 8;
         UPDATE things SET weight = -0.1 WHERE id = 9;
         INSERT INTO things (id) VALUES (9223372036854775807), (-9223372036854775807 - 1);"
    ))
    .unwrap();
}

fn config(format: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: things.db }}
exports:
  - name: things
    query: {QUERY}
    {format}
    destination: {{ type: local, path: out }}
"
    )
}

fn arrives_whole(format: &str, extension: &str) {
    let sandbox = Sandbox::new();
    things(&sandbox, 30_000);
    sandbox.run(&config(format)).expect(0, &["── things ──", "status:      success", "rows:        30002"]);
    let file = sandbox.only(extension);
    let db = sandbox.path().join("things.db");
    if let Some(rows) = read_with("same_as_sqlite.py", &[db.to_str().unwrap(), QUERY, &file]) {
        assert_eq!(rows.trim(), "30002");
    }
    assert_eq!(sandbox.out().len(), 1, "nothing but the file: {:?}", sandbox.out());
}

#[test]
fn parquet_zstd() {
    arrives_whole("format: parquet", "parquet");
}

#[test]
fn parquet_in_every_other_codec() {
    for codec in ["snappy", "gzip", "lz4", "none"] {
        arrives_whole(&format!("format: parquet\n    compression: {codec}"), "parquet");
    }
}

#[test]
fn csv() {
    arrives_whole("format: csv", "csv");
}

#[test]
fn parts_are_whole_and_numbered_from_zero() {
    let sandbox = Sandbox::new();
    things(&sandbox, 30_000);
    let config = config("format: csv\n    max_file_size: 200KB");
    sandbox.write("rivet.yaml", &config.replace("things.db }", "things.db, tuning: { batch_size: 1000 } }"));
    let outcome = sandbox.rivet(&["run", "--config", "rivet.yaml", "--validate"]);
    outcome.expect(0, &["rows:        30002", "validated:   pass"]);
    let names = sandbox.out();
    assert!(names.len() > 3, "{names:?}");
    let mut rows = 0;
    for part in 0..names.len() {
        let suffix = format!("_part{part}.csv");
        let name = names.iter().find(|n| n.ends_with(&suffix)).unwrap_or_else(|| panic!("no {suffix} in {names:?}"));
        let text = std::fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
        assert!(text.starts_with("id,name,weight,raw,sold,born,seen\n"), "every part has the header");
        rows += text.lines().filter(|line| line.contains(",name ")).count();
    }
    // Eight rows hold other names than "name N".
    assert_eq!(rows, 30_002 - 8);
}

#[test]
fn parameters_and_variables_are_replaced_once() {
    let mut sandbox = Sandbox::new();
    things(&sandbox, 100);
    sandbox.env("FORMAT", "csv");
    sandbox.env("LEAST", "99");
    sandbox.write(
        "rivet.yaml",
        &config("format: ${FORMAT}").replace("ORDER BY id", "WHERE id >= ${LEAST} AND id < ${MOST:-1000}"),
    );
    sandbox.rivet(&["run", "--config", "rivet.yaml"]).expect(0, &["rows:        2"]);
    sandbox.rivet(&["run", "--config", "rivet.yaml", "--param", "LEAST=91"]).expect(0, &["rows:        10"]);
    sandbox.rivet(&["run", "--config", "rivet.yaml", "--param", "LEAST"]).expect(2, &["LEAST"]);
}

#[test]
fn zero_rows_succeed_without_a_file() {
    let sandbox = Sandbox::new();
    things(&sandbox, 10);
    let config = config("format: parquet").replace("ORDER BY id", "WHERE id = 123456");
    sandbox.run(&config).expect(0, &["rows:        0", "files:       0"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}

#[test]
fn a_value_that_does_not_fit_its_column_fails_the_export() {
    let sandbox = Sandbox::new();
    things(&sandbox, 10);
    let db = Connection::open(sandbox.path().join("things.db")).unwrap();
    db.execute("UPDATE things SET born = 'soon' WHERE id = 7", []).unwrap();
    let outcome = sandbox.try_run(&config("format: parquet"));
    outcome.expect(1, &["born", "status:      failed"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}

#[test]
fn state_and_metrics_tell_what_happened() {
    let sandbox = Sandbox::new();
    things(&sandbox, 10);
    sandbox.rivet(&["state", "files", "--config", "rivet.yaml"]).expect(0, &["No files recorded yet."]);
    assert!(!sandbox.path().join(".rivet_state.db").exists(), "asking must not create a state file");
    sandbox.run(&config("format: csv"));
    let file = sandbox.out().pop().unwrap();
    sandbox.rivet(&["state", "files", "--config", "rivet.yaml"]).expect(0, &["RUN ID", &file]);
    sandbox.rivet(&["metrics", "--config", "rivet.yaml"]).expect(0, &["things", "success"]);
    sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &[]);
    sandbox
        .rivet(&["state", "reset", "--config", "rivet.yaml", "--export", "things"])
        .expect(0, &["State reset for export 'things'"]);
}

/// Such values sort somewhere among the dates, and a window would pass them without a word.
#[test]
fn what_is_no_date_is_refused_wherever_it_sorts() {
    for foreign in ["'12/31/2026'", "20454", "'2025/12/31'", "'2026-1-5'", "x'00'"] {
        let sandbox = Sandbox::new();
        let db = Connection::open(sandbox.path().join("things.db")).unwrap();
        db.execute_batch("CREATE TABLE things (id INTEGER, day DATE); CREATE INDEX by_day ON things (day)").unwrap();
        db.execute_batch("INSERT INTO things VALUES (1, '2025-06-30'), (2, '2026-01-02')").unwrap();
        let config = config("format: csv\n    mode: incremental\n    cursor_column: day");
        sandbox.run(&config).expect(0, &["rows:        2"]);
        db.execute_batch(&format!("INSERT INTO things VALUES (3, {foreign})")).unwrap();
        let words =
            ["column \"day\"", "date or timestamp column that selects or orders rows holds a value that is none"];
        sandbox.try_run(&config).expect(1, &words);
        let recent = config
            .replace("incremental", "time_window")
            .replace("cursor_column: day", "time_column: day\n    days_window: 36500");
        sandbox.try_run(&recent).expect(1, &words[1..]);
        db.execute_batch("UPDATE things SET day = '2026-01-03' WHERE id = 3").unwrap();
        sandbox.run(&config).expect(0, &["rows:        1"]);
        sandbox.run(&recent).expect(0, &["rows:        3"]);
    }
}
