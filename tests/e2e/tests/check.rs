//! `rivet check`: the request that would really run, its layout, and what it tells of failures.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::sizes::{SQLITE, export, make, make_sqlite, reports, source};
use rivet_e2e::{Answer, Kind, Outcome, Webhook, on_both};
use serde_json::Value;

on_both!(
    a_stored_cursor_narrows_the_request,
    parameters_and_query_files_are_part_of_it,
    a_query_that_fails_is_shown_as_run_shows_it,
    the_layout_is_that_of_the_predecessor,
);

fn a_stored_cursor_narrows_the_request(kind: Kind) {
    kind.each("check_cursor", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        let query = format!("select id, k from {}.t4", database.name());
        let fast = source(kind).replace("url_env: DATABASE_URL", "url_env: DATABASE_URL, tuning: { profile: fast }");
        let config = fast + &export("inc", &query, "mode: incremental, cursor_column: id");
        let first = reports(&sandbox, &config, 0, &[])("inc");
        assert_eq!((&first["first_run"], &first["cursor"]), (&true.into(), &Value::Null), "{first:#}");
        sandbox.run(&config);
        let nothing = reports(&sandbox, &config, 0, &[])("inc");
        let verdict = if database.merges_subqueries() { "EFFICIENT" } else { "DEGRADED" };
        assert_eq!((&nothing["row_estimate"], &nothing["verdict"]), (&0.into(), &verdict.into()), "{nothing:#}");
        let is_told = nothing["notes"].to_string().contains("temporary table");
        assert_eq!(is_told, !database.merges_subqueries(), "{nothing:#}");
        database.sql("insert into t4 select id + 10000, k, placed, seen, pad from t4 where id <= 50");
        database.sql(database.either("analyze t4", "analyze table t4"));
        let state = sandbox.path().join(".rivet_state.db");
        let before = fs::read(&state).unwrap();
        let second = reports(&sandbox, &config, 0, &[])("inc");
        assert_eq!((&second["first_run"], &second["cursor"]), (&false.into(), &"10000".into()), "{second:#}");
        assert_eq!((&second["key_max"], &second["verdict"]), (&"10050".into(), &verdict.into()), "{second:#}");
        let most = if database.merges_subqueries() { 1000 } else { u64::MAX };
        assert!(second["row_estimate"].as_u64().unwrap() < most, "{second:#}");
        assert_eq!(fs::read(&state).unwrap(), before, "check changes no state");
        // The cursor of another column is what stops a run as well.
        let other = config.replace("cursor_column: id", "cursor_column: k");
        let error = reports(&sandbox, &other, 1, &[])("inc")["error"]["message"].as_str().unwrap().to_owned();
        let run = sandbox.try_run(&other);
        assert!(run.stderr.contains(&error), "{error}\n{run}");
    });
}

fn parameters_and_query_files_are_part_of_it(kind: Kind) {
    kind.each("check_params", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        sandbox.write("part.sql", &format!("-- a part\nselect * from {}.t4 where id <= :most;", database.name()));
        let config = source(kind)
            + "  - { name: part, query_file: part.sql, params: { most: \"${MOST}\" }, format: csv, destination: { type: local, path: out } }\n";
        for most in [10, 5000] {
            let report = reports(&sandbox, &config, 0, &["--param", &format!("MOST={most}")])("part");
            let rows = report["row_estimate"].as_u64().unwrap();
            assert!((most / 2..=most * 2).contains(&rows), "{report:#}");
        }
    });
}

fn a_query_that_fails_is_shown_as_run_shows_it(kind: Kind) {
    kind.each("check_errors", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        let query = |what: &str| format!("select {what} from {}.t4", database.name());
        let config = source(kind)
            + &export("bad", &query("id,\\n  nope"), "mode: full")
            + &export("inc", &query("id"), "mode: incremental, cursor_column: other")
            + &export("good", &query("*"), "mode: full");
        sandbox.write("rivet.yaml", &config);
        let outcome = sandbox.rivet(&["check", "-c", "rivet.yaml"]);
        outcome.expect(1, &["nope", "could not check export \"bad\"", "column \"other\"", "Verdict:      DEGRADED"]);
        let run = sandbox.rivet(&["run", "-c", "rivet.yaml", "-e", "bad"]);
        let error = |outcome: &Outcome| {
            let line = outcome.stderr.lines().find(|line| line.starts_with("error:") && line.contains("nope")).unwrap();
            line.split_once("\"bad\": ").unwrap().1.to_owned()
        };
        assert_eq!(error(&outcome), error(&run), "{outcome}\n{run}");
        sandbox.rivet(&["check", "-c", "rivet.yaml", "-e", "good"]).expect(0, &["Export: good"]);
        sandbox.rivet(&["check", "-c", "rivet.yaml", "-e", "good", "--strict"]).expect(3, &["DEGRADED"]);
        sandbox.rivet(&["check", "-c", "rivet.yaml", "-e", "gone"]).expect(2, &["export \"gone\" not found"]);
    });
}

/// Text without what differs from server to server and run to run.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            c => shape.push(c),
        }
    }
    shape
}

fn the_layout_is_that_of_the_predecessor(kind: Kind) {
    kind.each("check_layout", |database| {
        make(database, 4);
        let sandbox = database.sandbox(database.url());
        let table = format!("select id, placed from {}.t4", database.name());
        let config = source(kind)
            + &export("orders_chunked", &table, "mode: chunked, chunk_column: id, chunk_size: 1000, parallel: 4")
            + &export("orders_full", &table, "mode: full");
        sandbox.write("rivet.yaml", &config);
        let outcome = sandbox.rivet(&["check", "-c", "rivet.yaml"]);
        let (scan, by_key) = match kind {
            Kind::Postgres => ("Seq Scan on t4", "Index Scan using t4_pkey"),
            Kind::Mysql => ("full index scan using t4_placed", "index range scan using PRIMARY"),
        };
        let (by_key, verdict) = if database.merges_subqueries() {
            (by_key, "EFFICIENT\n  Recommended:  tuning.profile: fast")
        } else {
            (scan, "DEGRADED\n  Recommended:  tuning.profile: balanced")
        };
        let chunked = format!(
            "\nExport: orders_chunked\n  Strategy:     chunked-parallel(id, size=1000, p=4)\n  \
             Mode:         chunked (column: id, size: 1000)\n  Row estimate: ~10K\n  Cursor range: 1 .. 10000\n  \
             Scan type:    {by_key}\n  Verdict:      {verdict}\n  \
             Parallelism:  1 (a small dataset: more connections would cost more than they save)\n"
        );
        let full = format!(
            "\nExport: orders_full\n  Strategy:     full-scan\n  Mode:         full\n  Row estimate: ~10K\n  \
             Scan type:    {scan}\n"
        );
        let printed = shape(&outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" "));
        for expected in [chunked, full] {
            let expected = shape(&expected.split_whitespace().collect::<Vec<_>>().join(" "));
            assert!(printed.contains(&expected), "{expected}\n{outcome}");
        }
        let labels: Vec<&str> = outcome.stdout.lines().filter_map(|line| line.get(2..16)).collect();
        for label in ["Strategy:     ", "Row estimate: ", "Columns:      ", "Output:       ", "Duration:     "] {
            assert!(labels.contains(&label), "{label}\n{outcome}");
        }
        assert!(outcome.stdout.lines().all(|line| line.chars().count() < 120), "{outcome}");
    });
}

#[test]
fn a_degraded_source_is_told_when_that_is_wanted() {
    let check = |on: &str, more: &[&str]| {
        let hook = Webhook::new(Answer::Status("200 OK"));
        let mut sandbox = make_sqlite(4);
        sandbox.env("HOOK", &hook.url);
        let config = format!(
            "source: {{ type: sqlite, path: t.db }}\nnotifications: {{ slack: {{ webhook_url_env: HOOK, on: [{on}] }} }}\nexports:\n"
        ) + &export("slow", "select * from t4", "mode: full")
            + &export("quick", "select * from t4", "mode: incremental, cursor_column: id");
        sandbox.write("rivet.yaml", &config);
        let outcome = sandbox.rivet(&[&["check", "-c", "rivet.yaml"], more].concat());
        assert!(!outcome.stdout.contains(&hook.url) && !outcome.stderr.contains(&hook.url), "{outcome}");
        (outcome.code, hook.attachments())
    };
    let (code, told) = check("degraded", &["--strict"]);
    assert_eq!((code, told.len()), (Some(3), 1), "{told:?}");
    assert_eq!((&told[0]["color"], &told[0]["title"]), (&"#f39c12".into(), &"Rivet: check of slow".into()));
    let text = told[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("*slow* | status: `degraded` | verdict: DEGRADED | rows: ~10000\nscan: SCAN t4"),
        "{text}"
    );
    assert!(text.contains("\nsuggestion: No index detected"), "{text}");
    assert_eq!(check("failure, schema_change", &[]), (Some(0), Vec::new()));
}

#[test]
fn what_a_type_becomes_is_shown_or_why_it_cannot() {
    let sandbox = make_sqlite(4);
    let config = SQLITE.to_owned()
        + &export("counted", "select count(*) as n, sum(k) as s from t4", "mode: full")
        + &export("typed", "select id, placed from t4", "mode: full, columns: { id: text }");
    let report = reports(&sandbox, &config, 0, &[]);
    let typed = report("typed");
    assert_eq!(typed["columns"][0]["arrow_type"], "Utf8", "{typed:#}");
    assert_eq!(typed["columns"][0]["note"], "override of the column", "{typed:#}");
    assert_eq!(typed["columns"][1]["arrow_type"], "Date32", "{typed:#}");
    assert_eq!(report("counted")["columns"][0]["arrow_type"], "Int64");
    let bad = config.replace("id: text", "id: decimal");
    let error = reports(&sandbox, &bad, 1, &["--export", "typed"])("typed")["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("\"decimal\"") && error["hint"].is_string(), "{error:#}");
}
