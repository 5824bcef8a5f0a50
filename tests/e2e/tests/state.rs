//! What `rivet state` and `rivet metrics` print, what they refuse, and what is remembered of an export's columns.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::PathBuf;

use rivet_e2e::{Kind, MODES, Outcome, SEEN, Sandbox, on_both};
use rusqlite::Connection;

const COMMANDS: [&[&str]; 6] = [
    &["state", "show"],
    &["state", "files"],
    &["state", "chunks", "-e", "lines"],
    &["state", "reset", "-e", "lines"],
    &["state", "reset-chunks", "-e", "lines"],
    &["metrics"],
];

fn state_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().join(".rivet_state.db")
}

fn look(sandbox: &Sandbox, command: &[&str]) -> Outcome {
    sandbox.rivet(&[command, &["-c", "rivet.yaml"]].concat())
}

/// An export from the embedded database; `keys` are lines of it.
fn config(keys: &str) -> String {
    format!(
        "source: {{ type: sqlite, path: shop.db, tuning: {{ profile: fast }} }}
exports:
  - name: lines
    query: select * from t
    format: csv
    destination: {{ type: local, path: out }}
{keys}"
    )
}

/// A sandbox whose database has run these statements.
fn with(sql: &str) -> (Sandbox, Connection) {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(sql).unwrap();
    (sandbox, db)
}

#[test]
fn looking_and_resetting_create_nothing() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("rivet.yaml"), "").unwrap();
    let texts = [
        "No export state recorded yet.\n",
        "No files recorded yet.\n",
        "database:   ./.rivet_state.db\nNo chunk checkpoint data for export 'lines'.\n",
        "State reset for export 'lines'\n",
        "Removed 0 chunk run record(s) for export 'lines'.\n",
        "No metrics recorded yet.\n",
    ];
    for (command, text) in COMMANDS.into_iter().zip(texts) {
        let outcome = look(&sandbox, command);
        assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (Some(0), text, ""));
    }
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 2, "only the file and the directory that the test made");
}

#[test]
fn the_tables_are_those_of_the_predecessor() {
    let (sandbox, _) = with("create table t (a)");
    sandbox.run(&config(""));
    let state = Connection::open(state_file(&sandbox)).unwrap();
    state
        .execute_batch(
            "delete from export_metrics; delete from file_manifest;
             insert into export_state (export_name, last_cursor_value, last_run_at) values
                 ('users', null, null), ('lines', '42', '2026-03-29T12:52:00.5+00:00');
             insert into file_manifest (run_id, export_name, file_name, row_count, bytes, format, created_at) values
                 ('lines_1', 'lines', 'lines_1.csv', 7, 1536, 'csv', '2026-03-29T12:51:09.123456789+00:00'),
                 ('users_1', 'users', 'users_1.csv', 8, 12, 'csv', '2026-03-29T12:52:00+00:00');
             insert into export_metrics (run_at, export_name, run_id, duration_ms, total_rows, peak_rss_mb, status,
                     error_message, files_produced, bytes_written, retries, validated, schema_changed) values
                 ('', 'lines', 'lines_1', 3230, 7, 142, 'success', null, 1, 1536, 0, 1, 0),
                 ('', 'users', 'users_1', 340, 0, null, 'failed', 'connection reset', 0, 0, 3, null, null)",
        )
        .unwrap();
    let shown = |command: &[&str]| {
        let outcome = look(&sandbox, command);
        assert_eq!(outcome.code, Some(0), "{outcome}");
        outcome.stdout
    };
    let cursors = format!(
        "{:<30} {:<40} LAST RUN\n{}\n{:<30} {:<40} 2026-03-29T12:52:00+00:00\n{:<30} {:<40} -\n",
        "EXPORT",
        "LAST CURSOR",
        "-".repeat(90),
        "lines",
        "42",
        "users",
        "-"
    );
    assert_eq!(shown(&["state", "show"]), cursors);
    let files =
        "RUN ID                              FILE                                         ROWS      BYTES CREATED\n";
    let head = format!("{files}{}\n", "-".repeat(110));
    let users = format!("{:<35} {:<40}        8       12 B 2026-03-29T12:52:00+00:00\n", "users_1", "users_1.csv");
    let lines = format!("{:<35} {:<40}        7     1.5 KB 2026-03-29T12:51:09+00:00\n", "lines_1", "lines_1.csv");
    assert_eq!(shown(&["state", "files"]), format!("{head}{users}{lines}"));
    assert_eq!(shown(&["state", "files", "-l", "1"]), format!("{head}{users}"));
    assert_eq!(shown(&["state", "files", "--last", "9", "--export", "lines"]), format!("{head}{lines}"));
    let head = format!(
        "EXPORT               STATUS           ROWS   DURATION      RSS  FILES      BYTES RUN ID\n{}\n",
        "-".repeat(110)
    );
    let users = "users                failed              0      340ms        -      0          - users_1\n  \
                 Error: connection reset\n  retries=3\n";
    let lines = "lines                success             7       3.2s    142MB      1     1.5 KB lines_1\n  \
                 validated=pass  schema=ok\n";
    assert_eq!(shown(&["metrics"]), format!("{head}{users}{lines}"));
    assert_eq!(shown(&["metrics", "-l", "1"]), format!("{head}{users}"));
    assert_eq!(shown(&["metrics", "-e", "lines"]), format!("{head}{lines}"));
    assert_eq!(shown(&["metrics", "-e", "unknown"]), "No metrics recorded yet.\n");
    let many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 60)";
    state
        .execute_batch(&format!(
            "{many} insert into file_manifest (run_id, export_name, file_name, row_count, bytes, format, created_at)
                 select 'many', 'many', i, 1, 1, 'csv', '2026-03-29T12:52:00+00:00' from n;
             {many} insert into export_metrics (run_at, export_name, duration_ms, total_rows, status)
                 select '', 'many', 1, 1, 'success' from n"
        ))
        .unwrap();
    assert_eq!(shown(&["state", "files"]).matches("\nmany ").count(), 50);
    assert_eq!(shown(&["metrics"]).matches("\nmany ").count(), 20);
}

#[test]
fn a_file_that_is_no_state_is_refused_with_the_way_out() {
    let (sandbox, _) = with("create table t (a)");
    sandbox.run(&config(""));
    let good = fs::read(state_file(&sandbox)).unwrap();
    let mut damaged = good.clone();
    damaged[3 * 4096..3 * 4096 + 2000].fill(0xa5);
    let newer = "insert into schema_version values (99)";
    let foreign = "drop table export_state; pragma application_id = 7";
    let sql = |statements: &str| {
        fs::write(state_file(&sandbox), &good).unwrap();
        Connection::open(state_file(&sandbox)).unwrap().execute_batch(statements).unwrap();
        fs::read(state_file(&sandbox)).unwrap()
    };
    for (bytes, texts) in [
        (b"not a database, but longer than the header of one: a text".to_vec(), ["no SQLite database", "move \""]),
        (good[..8192].to_vec(), ["is damaged", "put a backup in its place"]),
        (damaged, ["is damaged", "put a backup in its place"]),
        (sql(newer), ["has version 99", "run the version that wrote it"]),
        (sql(foreign), ["database of another program", "--state"]),
    ] {
        fs::write(state_file(&sandbox), &bytes).unwrap();
        let before = sandbox.out();
        for command in COMMANDS.into_iter().chain([&["run"][..]]) {
            look(&sandbox, command).expect(1, &["error: ", ".rivet_state.db\"", texts[0], "hint: ", texts[1]]);
            assert_eq!(fs::read(state_file(&sandbox)).unwrap(), bytes, "{command:?} changed the file");
        }
        assert_eq!(sandbox.out(), before);
    }
}

#[test]
fn changed_columns_are_told_once_in_every_mode() {
    for (name, lines) in MODES {
        let insert = format!("insert into t (id, seen) values (1, {SEEN}), (2, {SEEN})");
        let table = |columns: &str| format!("drop table if exists t; create table t ({columns}); {insert}");
        let (sandbox, db) = with(&table("id integer primary key, seen integer, note text, old text"));
        let first = sandbox.run(&config(lines));
        assert!(!first.stdout.contains("schema:"), "{name}: {first}");
        let silent = |outcome: &Outcome| {
            outcome.expect(0, &["schema:      unchanged"]);
            assert!(!outcome.stderr.contains("schema changed"), "{name}: {outcome}");
        };
        silent(&sandbox.run(&config(lines)));
        db.execute_batch(&table("id integer primary key, seen integer, note integer, new real")).unwrap();
        let refusing = format!("{lines}    on_schema_change: fail\n");
        let before = sandbox.out();
        for _ in 0..2 {
            sandbox.try_run(&config(&refusing)).expect(3, &["on_schema_change: warn", "schema:      CHANGED"]);
        }
        assert_eq!(sandbox.out(), before, "{name}");
        let outcome = sandbox.run(&config(lines));
        let told = [
            "export \"lines\": schema changed!",
            "export \"lines\": added columns: new (Float64)",
            "export \"lines\": removed columns: old",
            "export \"lines\": type changed: note (Utf8 -> Int64)",
        ];
        outcome.expect(0, &told);
        outcome.expect(0, &["schema:      CHANGED"]);
        silent(&sandbox.run(&config(lines)));
        db.execute_batch(&table("id integer primary key, new real, note integer, seen integer")).unwrap();
        sandbox.run(&config(lines)).expect(0, &["column order changed: id, seen, note, new -> id, new, note, seen"]);
        silent(&sandbox.run(&config(&refusing)));
        let metrics = look(&sandbox, &["metrics"]).stdout;
        assert_eq!(metrics.matches("schema=CHANGED").count(), 4, "{name}: {metrics}");
    }
}

on_both!(a_column_that_begins_to_take_null_is_told);

fn a_column_that_begins_to_take_null_is_told(kind: Kind) {
    kind.each("nullability", |db| {
        let query = format!("select id, {SEEN} as seen, note from {}.t", db.name());
        let loosen = db.either("alter table t alter note drop not null", "alter table t modify note varchar(9) null");
        let tighten =
            db.either("alter table t alter note set not null", "alter table t modify note varchar(9) not null");
        db.sql("create table t (id int primary key, note varchar(9) not null)");
        db.sql("insert into t values (1, 'a'), (9000, 'b')");
        assert_nullability_is_told(&db.sandbox(db.url()), &db.config(&query, ""), &[loosen, tighten], |sql| {
            db.sql(sql);
        });
    });
}

#[test]
fn a_column_of_sqlite_that_begins_to_take_null_is_told() {
    let table = |note: &str| {
        format!(
            "drop table if exists t; create table t (id integer primary key, seen integer, note {note});
             insert into t values (1, {SEEN}, 'a'), (9000, {SEEN}, 'b')"
        )
    };
    let (loose, tight) = (table("text"), table("text not null"));
    let (sandbox, db) = with(&tight);
    assert_nullability_is_told(&sandbox, &config(""), &[&loose, &tight], |sql| db.execute_batch(sql).unwrap());
}

/// Runs in every mode, with the column `note` loosened and tightened again in between.
fn assert_nullability_is_told(sandbox: &Sandbox, config: &str, [loosen, tighten]: &[&str; 2], sql: impl Fn(&str)) {
    let config = config.replace("format: csv", "format: parquet");
    let run = |keys: &str| {
        sandbox.write("rivet.yaml", &format!("{config}{keys}"));
        look(sandbox, &["run", "--validate"])
    };
    let silent = |outcome: &Outcome| {
        outcome.expect(0, &["schema:      unchanged"]);
        assert!(!outcome.stderr.contains("schema changed"), "{outcome}");
    };
    for (mode, keys) in MODES {
        look(sandbox, &["state", "reset", "-e", "lines"]).expect(0, &[]);
        let first = run(keys);
        first.expect(0, &["rows:        2", "validated:   pass"]);
        assert!(!first.stdout.contains("schema:      CHANGED"), "{mode}: {first}");
        silent(&run(keys));
        sql(loosen);
        let change = "nullability changed: note (not null -> null)";
        let before = sandbox.out();
        run(&format!("{keys}    on_schema_change: fail\n")).expect(3, &[change, "schema:      CHANGED"]);
        assert_eq!(sandbox.out(), before, "{mode}");
        run(keys).expect(0, &["export \"lines\": schema changed!", change, "schema:      CHANGED"]);
        silent(&run(keys));
        sql(tighten);
        run(keys).expect(0, &["nullability changed: note (null -> not null)"]);
    }
}

#[test]
fn changed_columns_are_told_once_however_often_a_run_is_tried() {
    let (sandbox, db) = with("create table t (id integer); insert into t values (1)");
    let failing = "source: { type: sqlite, path: shop.db, tuning: { retry_backoff_ms: 1 } }
exports:
  - name: lines
    query: select * from t
    format: csv
    destination: { type: fault, error_in: { call: write, category: timeout, message: late, once: failed } }
";
    fs::write(sandbox.path().join("failed"), "").unwrap();
    sandbox.run(failing);
    fs::remove_file(sandbox.path().join("failed")).unwrap();
    db.execute_batch("alter table t add column new text").unwrap();
    let outcome = sandbox.run(failing);
    outcome.expect(0, &["retries:     1", "schema:      CHANGED"]);
    assert_eq!(outcome.stderr.matches("schema changed!").count(), 1, "{outcome}");
}
