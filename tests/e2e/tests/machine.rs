//! What programs read of a run: JSON lines, and metrics for a collector.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rivet_e2e::{CANARY, Outcome, Sandbox, read_with};
use rusqlite::Connection;
use serde_json::Value;

/// Exports `orders`, in chunks, and `users`, from an embedded database.
const CONFIG: &str = "source: { type: sqlite, path: shop.db, tuning: { profile: fast, max_retries: 0 } }
exports:
  - name: orders
    query: select * from orders
    mode: chunked
    chunk_column: id
    chunk_size: 40
    format: csv
    destination: { type: local, path: out }
  - name: users
    query: select * from users
    format: csv
    destination: { type: local, path: out }
";

fn shop(config: &str) -> (Sandbox, Connection) {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(
        "create table orders (id integer primary key, note text);
         insert into orders with recursive n(i) as (select 1 union all select i + 1 from n where i < 100) select i, 'x' from n;
         create table users (name text); insert into users values ('Ada'), ('Brook')",
    )
    .unwrap();
    sandbox.write("rivet.yaml", config);
    (sandbox, db)
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.rivet(&[&["run", "-c", "rivet.yaml"], args].concat())
}

/// Every line is an object with a type and a time, and the last one is the result, which knows the exit code.
fn events(outcome: &Outcome, text: &str) -> Vec<Value> {
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        assert!(event["type"].is_string() && event["time"].as_str().unwrap().ends_with('Z'), "{event}");
    }
    let result = events.last().unwrap();
    assert_eq!(result["type"], "result");
    assert_eq!(result["exit_code"].as_i64(), outcome.code.map(i64::from), "{outcome}");
    events
}

/// The types of the events of one export, in order.
fn of<'a>(events: &'a [Value], export: &str) -> Vec<&'a str> {
    let ours = events.iter().filter(|event| event["export"] == export);
    ours.map(|event| event["type"].as_str().unwrap()).filter(|kind| *kind != "progress").collect()
}

/// Three ranges, and one chunk for rows without a key, of which there are none.
const IN_CHUNKS: [&str; 10] = [
    "export_started",
    "planned",
    "part_written",
    "chunk_finished",
    "part_written",
    "chunk_finished",
    "part_written",
    "chunk_finished",
    "chunk_finished",
    "export_finished",
];
const WHOLE: [&str; 5] = ["export_started", "planned", "part_written", "chunk_finished", "export_finished"];

#[test]
fn a_run_is_told_event_by_event_in_every_way_to_run_it() {
    for way in [&["--json"] as &[&str], &["--json", "--parallel-exports"], &["--json", "--parallel-export-processes"]] {
        let (sandbox, _db) = shop(CONFIG);
        let outcome = run(&sandbox, way);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome}");
        let events = events(&outcome, &outcome.stdout);
        assert_eq!(events[0]["type"], "run_started");
        assert_eq!(events[0]["exports"], serde_json::json!(["orders", "users"]));
        assert_eq!(events.iter().filter(|event| event["type"] == "run_started").count(), 1, "{way:?}");
        assert_eq!((of(&events, "orders"), of(&events, "users")), (IN_CHUNKS.to_vec(), WHOLE.to_vec()), "{way:?}");
        let planned = events.iter().find(|e| e["type"] == "planned" && e["export"] == "orders").unwrap();
        assert_eq!((&planned["chunks"], &planned["pending"]), (&4.into(), &4.into()), "{planned}");
        let parts: Vec<_> = events.iter().filter(|event| event["type"] == "part_written").collect();
        for part in &parts {
            let bytes = fs::metadata(sandbox.path().join(part["location"].as_str().unwrap())).unwrap().len();
            assert_eq!(part["bytes"].as_u64(), Some(bytes), "{part}");
        }
        let result = events.last().unwrap();
        let exports = result["exports"].as_array().unwrap();
        let facts: Vec<_> =
            exports.iter().map(|e| (e["export"].as_str().unwrap(), e["rows"].as_u64().unwrap())).collect();
        assert_eq!(facts, [("orders", 100), ("users", 2)], "{result}");
        let files = sandbox.rivet(&["state", "files", "-c", "rivet.yaml", "--json"]);
        let files: Vec<Value> = serde_json::from_str(&files.stdout).unwrap();
        assert_eq!(files.len(), parts.len());
        assert!(files.iter().all(|file| parts.iter().any(|part| part["file"] == file["file"])), "{files:?}");
    }
}

#[test]
fn records_are_the_same_as_the_tables() {
    let config = CONFIG.replace("mode: chunked", "chunk_checkpoint: true\n    mode: chunked");
    let (sandbox, _db) = shop(&config);
    let json = |args: &[&str]| -> Value {
        let outcome = sandbox.rivet(&[args, &["-c", "rivet.yaml", "--json"]].concat());
        assert_eq!((outcome.code, outcome.stdout.lines().count()), (Some(0), 1), "{outcome}");
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    for command in [&["state", "show"] as &[&str], &["state", "files"], &["metrics"]] {
        assert_eq!(json(command), serde_json::json!([]));
    }
    assert_eq!(json(&["state", "chunks", "-e", "orders"]), Value::Null);
    let told = run(&sandbox, &["--json"]);
    let told = events(&told, &told.stdout).pop().unwrap();
    let chunks = json(&["state", "chunks", "-e", "orders"]);
    assert_eq!((&chunks["status"], chunks["chunks"].as_array().unwrap().len()), (&"completed".into(), 4), "{chunks}");
    assert_eq!((&chunks["chunks"][1]["start"], &chunks["chunks"][1]["rows"]), (&"41".into(), &40.into()), "{chunks}");
    let runs = json(&["metrics", "-e", "orders"]);
    assert_eq!(
        (&runs[0]["status"], &runs[0]["rows"], &runs[0]["mode"]),
        (&"success".into(), &100.into(), &"chunked".into())
    );
    for fact in ["duration_ms", "peak_rss_mb", "rows", "bytes", "files", "retries", "run_id"] {
        assert_eq!(told["exports"][0][fact], runs[0][fact], "{fact} of {told} and {runs}");
    }
    assert_eq!(json(&["metrics", "-l", "1"]).as_array().unwrap().len(), 1);
}

/// Files that a failed run has taken back are no progress, nor are chunks that nobody came to.
#[test]
fn chunks_of_a_run_that_was_given_up_have_no_files() {
    for dense in [false, true] {
        let (sandbox, db) =
            shop(&CONFIG.replace("chunk_size: 40", &format!("chunk_size: 40\n    chunk_dense: {dense}")));
        db.execute_batch("update orders set note = x'ff' where id = 90").unwrap();
        run(&sandbox, &[]).expect(1, &[]);
        let chunks = sandbox.rivet(&["state", "chunks", "-c", "rivet.yaml", "-e", "orders", "--json"]);
        let chunks: Value = serde_json::from_str(&chunks.stdout).unwrap();
        assert_eq!(chunks["status"], "abandoned");
        let chunks = chunks["chunks"].as_array().unwrap();
        assert!((1..=4).contains(&chunks.len()), "{chunks:?}");
        for chunk in chunks {
            assert!(chunk["file"].is_null() && chunk["files"] == 0 && chunk["rows"].is_null(), "{chunk}");
            assert_ne!(chunk["status"], "completed");
        }
        // One batch holds all rows, so that the ordered read had published nothing yet.
        assert!(dense || chunks.iter().any(|chunk| chunk["status"] == "removed"), "{chunks:?}");
    }
}

#[test]
fn the_log_shows_statements_and_batches_when_it_is_asked_to() {
    let (mut sandbox, _db) = shop(CONFIG);
    sandbox.env("RUST_LOG", "debug");
    run(&sandbox, &[]).expect(
        0,
        &["sql: select * from users", "sql: WITH _rivet", "batch of 2 rows read in", "batch of 2 rows written in"],
    );
}

#[test]
fn rows_on_standard_output_stay_alone_there() {
    let config = CONFIG.replace("{ type: local, path: out }", "{ type: stdout }");
    let (sandbox, _db) = shop(&config);
    let outcome = run(&sandbox, &["--json", "-e", "users"]);
    assert_eq!(outcome.stdout, "name\nAda\nBrook\n", "{outcome}");
    assert_eq!(of(&events(&outcome, &outcome.stderr), "users").last(), Some(&"export_finished"));
}

#[test]
fn failures_are_told_whenever_they_come() {
    let (sandbox, db) = shop(&CONFIG.replace("from users", "from nowhere"));
    for way in [&["--json"] as &[&str], &["--json", "--parallel-export-processes"]] {
        let outcome = run(&sandbox, way);
        let told = events(&outcome, &outcome.stdout);
        assert_eq!(outcome.code, Some(1), "{outcome}");
        let result = told.last().unwrap();
        assert_eq!((&result["status"], &result["error"]), (&"failed".into(), &Value::Null), "{result}");
        let failed = &result["exports"][1];
        assert_eq!((&failed["status"], &failed["exit_code"]), (&"failed".into(), &1.into()), "{result}");
        assert!(failed["error"].as_str().unwrap().contains("nowhere"), "{result}");
        assert_eq!(result["exports"][0]["status"], "success");
    }
    // Columns that change are an event and a warning.
    db.execute_batch("alter table orders add column more text").unwrap();
    let outcome = run(&sandbox, &["--json", "-e", "orders"]);
    let told = events(&outcome, &outcome.stdout);
    let kinds: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"schema_changed") && kinds.contains(&"warning"), "{outcome}");
    // Before the first export.
    let outcome = run(&sandbox, &["--json", "-e", "order"]);
    let told = events(&outcome, &outcome.stdout);
    let result = told.last().unwrap();
    assert!(outcome.code == Some(2) && result["error"]["message"].as_str().unwrap().contains("order"), "{outcome}");
    sandbox.write("rivet.yaml", "source: { type: sqlite, path: shop.db }\nexprots: []\n");
    let outcome = run(&sandbox, &["--json"]);
    let told = events(&outcome, &outcome.stdout);
    assert!(told[0]["error"]["message"].as_str().unwrap().contains("rivet.yaml:2"), "{outcome}");
}

#[test]
fn what_a_connector_does_wrong_is_told_without_its_secrets() {
    let sandbox = Sandbox::new();
    let config = format!(
        "source:
  {{ type: fault, rows: 10, error_in: {{ call: next_batch, category: network, message: no route, once: f }},
    tuning: {{ retry_backoff_ms: 1, memory_threshold_mb: 1 }} }}
exports:
  - {{ name: numbers, query: all, format: csv, destination: {{ type: local, path: out }} }}
notifications: {{ slack: {{ webhook_url: 'https://127.0.0.1:1/{CANARY}', on: [failure] }} }}
"
    );
    sandbox.write("rivet.yaml", &config);
    let outcome = run(&sandbox, &["--json"]);
    let told = events(&outcome, &outcome.stdout);
    let find =
        |kind: &str| told.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("{kind}: {outcome}"));
    let retry = find("retry");
    assert_eq!((&retry["retry"], &retry["category"]), (&1.into(), &"network".into()), "{retry}");
    assert_eq!(find("memory_wait")["limit_mb"], 1);
    assert_eq!(find("result")["exports"][0]["retries"], 1, "{outcome}");
    assert!(!outcome.stdout.contains(CANARY) && !outcome.stderr.contains(CANARY), "{outcome}");
}

#[test]
fn a_stop_is_told_and_a_reader_that_leaves_stops_nothing() {
    let sandbox = Sandbox::new();
    let config = "source: { type: fault, rows: 10, sleep_ms_per_batch: 60000 }
exports:
  - { name: numbers, query: all, format: csv, destination: { type: local, path: out } }
";
    sandbox.write("rivet.yaml", config);
    let rivet = rivet_e2e::built().join("rivet").display().to_string();
    let mut shell = sandbox.command("sh");
    let script = format!(
        "{rivet} run -c rivet.yaml --json > events & \
         until grep -q planned events; do sleep 0.1; done; kill -TERM $!; wait $!"
    );
    let code = shell.args(["-c", &script]).status().unwrap().code();
    let text = fs::read_to_string(sandbox.path().join("events")).unwrap();
    let outcome = Outcome { code, stdout: text.clone(), stderr: String::new() };
    let told = events(&outcome, &text);
    assert_eq!(code, Some(143), "{text}");
    let cancelled = told.iter().find(|event| event["type"] == "cancelled").unwrap();
    assert_eq!(cancelled["signal"], 15);
    let (sandbox, _db) = shop(CONFIG);
    let mut shell = sandbox.command("sh");
    let script = format!("{{ {rivet} run -c rivet.yaml --json; echo $? > code; }} | true");
    assert!(shell.args(["-c", &script]).status().unwrap().success());
    assert_eq!(fs::read_to_string(sandbox.path().join("code")).unwrap(), "0\n");
    assert_eq!(sandbox.out().len(), 4, "{:?}", sandbox.out());
    let full = sandbox.command("sh").args(["-c", &format!("{rivet} run -c rivet.yaml --json > /dev/full")]).status();
    assert_eq!(full.unwrap().code(), Some(1), "lines that were lost are a failure");
}

/// The samples of a metrics file, as a foreign parser reads them.
fn samples(sandbox: &Sandbox) -> Option<BTreeMap<String, f64>> {
    let file = sandbox.path().join("rivet.prom");
    let read = read_with("openmetrics.py", &[file.to_str().unwrap()])?;
    let sample = |line: &str| {
        let (name, value) = line.strip_prefix("sample ")?.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().unwrap()))
    };
    Some(read.lines().filter_map(sample).collect())
}

#[test]
fn metrics_tell_of_the_last_run_whatever_came_of_it() {
    let (sandbox, _db) = shop(CONFIG);
    run(&sandbox, &["--metrics-file", "rivet.prom"]).expect(0, &["── orders ──"]);
    let Some(first) = samples(&sandbox) else { return };
    let value =
        |samples: &BTreeMap<String, f64>, key: &str| *samples.get(key).unwrap_or_else(|| panic!("{key}: {samples:?}"));
    let whole = |samples: &BTreeMap<String, f64>, key: &str| value(samples, key) as u64;
    assert_eq!(whole(&first, "rivet_export_rows export=orders"), 100);
    assert_eq!(whole(&first, "rivet_export_files export=orders"), 3);
    assert_eq!(whole(&first, "rivet_export_status export=users,status=success"), 1);
    assert!(value(&first, "rivet_export_peak_rss_bytes export=users") > 1e6);
    let succeeded = value(&first, "rivet_export_last_success_timestamp_seconds export=users");
    assert!((succeeded - value(&first, "rivet_export_last_run_timestamp_seconds export=users")).abs() < 0.001);
    // One fails: when it last went well stays, to the clock of the history.
    sandbox.write("rivet.yaml", &CONFIG.replace("from users", "from nowhere"));
    for way in [&[] as &[&str], &["--parallel-export-processes"]] {
        run(&sandbox, &[way, &["--metrics-file", "rivet.prom", "-q"]].concat()).expect(1, &[]);
        let second = samples(&sandbox).unwrap();
        assert_eq!(whole(&second, "rivet_export_status export=users,status=failed"), 1);
        assert_eq!(whole(&second, "rivet_export_rows export=users"), 0);
        let still = value(&second, "rivet_export_last_success_timestamp_seconds export=users");
        assert!((still - succeeded).abs() < 1.0, "{still} {succeeded}");
        assert!(value(&second, "rivet_export_last_run_timestamp_seconds export=users") > succeeded);
        assert_eq!(whole(&second, "rivet_export_status export=orders,status=success"), 1);
    }
    // Nothing begins.
    sandbox.write("rivet.yaml", &CONFIG.replace("type: local", "type: nowhere"));
    run(&sandbox, &["--metrics-file", "rivet.prom"]).expect(2, &["nowhere"]);
    let third = samples(&sandbox).unwrap();
    assert_eq!(whole(&third, "rivet_export_status export=orders,status=failed"), 1);
    assert_eq!(third.keys().filter(|key| key.contains("rivet_export_rows")).count(), 2);
}

#[test]
fn a_metrics_file_is_replaced_whole_and_a_place_that_is_none_is_a_failure() {
    let (sandbox, _db) = shop(CONFIG);
    sandbox.write("rivet.prom", "former");
    let rivet = rivet_e2e::built().join("rivet").display().to_string();
    let mut shell = sandbox.command("sh");
    let script = format!("umask 027; {rivet} run -c rivet.yaml -q --metrics-file rivet.prom");
    assert!(shell.args(["-c", &script]).status().unwrap().success());
    let file = sandbox.path().join("rivet.prom");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with("# EOF\n"));
    let litter =
        fs::read_dir(sandbox.path()).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().contains("metrics"));
    assert_eq!(litter.count(), 0);
    let outcome = run(&sandbox, &["--metrics-file", "missing/rivet.prom"]);
    outcome.expect(1, &["status:      success", "could not write the metrics file missing/rivet.prom"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn manual_pages_are_what_the_help_says() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.rivet(&["man", "--output", "man"]);
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (Some(0), "", ""));
    for name in ["rivet.1", "rivet-run.1", "rivet-state.1", "rivet-state-files.1", "rivet-metrics.1"] {
        let page = fs::read_to_string(sandbox.path().join("man").join(name)).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{name}:\n{page}");
    }
    let page = fs::read_to_string(sandbox.path().join("man/rivet-run.1")).unwrap();
    assert!(page.contains("\\-\\-metrics\\-file") && !page.contains("as\\-child"), "{page}");
    sandbox.write("file", "");
    sandbox.rivet(&["man", "--output", "file"]).expect(1, &["could not write manual pages to file"]);
}
