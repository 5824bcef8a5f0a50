//! The page that `rivet report` writes: what it shows, how it is written, and what a real browser makes of it.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use rivet_e2e::{CANARY, Outcome, Sandbox, built, read_with, skip, workspace};
use rusqlite::{Connection, params};
use serde_json::Value;

const CONFIG: &str = "source: { type: sqlite, path: shop.db }
exports:
  - name: lines
    query: select * from t
    mode: incremental
    cursor_column: id
    format: csv
    destination: { type: local, path: out }
";

/// A sandbox after one run.
fn after_a_run() -> Sandbox {
    let sandbox = Sandbox::new();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch("create table t (id integer primary key, note text); insert into t values (1, 'a'), (42, 'b')")
        .unwrap();
    sandbox.run(CONFIG);
    sandbox
}

fn state(sandbox: &Sandbox) -> Connection {
    Connection::open(sandbox.path().join(".rivet_state.db")).unwrap()
}

/// Records `runs` runs of an export, one an hour, of which every 20th failed with `error`.
fn record(sandbox: &Sandbox, export: &str, runs: u32, error: &str) {
    state(sandbox)
        .execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?2)
             insert into export_metrics (export_name, run_at, duration_ms, total_rows, status, error_message, format,
                 mode, files_produced, bytes_written, retries, schema_changed, run_id)
             select ?1, strftime('%Y-%m-%dT%H:%M:%S.000000000+00:00', 'now', (i - ?2) || ' hours'), 900 + i % 300,
                 iif(i % 20 = 0, 0, 1000 + i), iif(i % 20 = 0, 'failed', 'success'), iif(i % 20 = 0, ?3, null),
                 'parquet', 'full', i % 20 > 0, (1000 + i) * 40, i % 20 = 0, i % 50 = 0, ?1 || '_' || i from n",
            params![export, runs, error],
        )
        .unwrap();
}

fn report(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.rivet(&[&["report", "-c", "rivet.yaml"], args].concat())
}

fn page(sandbox: &Sandbox, args: &[&str]) -> String {
    let outcome = report(sandbox, &[args, &["-o", "-"]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{outcome}");
    outcome.stdout
}

#[test]
fn the_page_tells_of_runs_cursors_and_files() {
    let sandbox = after_a_run();
    record(&sandbox, "nightly", 45, "no route to host");
    let html = page(&sandbox, &[]);
    let csv = fs::canonicalize(sandbox.only("csv")).unwrap();
    for text in
        [csv.file_name().unwrap().to_str().unwrap(), "<code>42</code>", "of id", "no route to host", "incremental, csv"]
    {
        assert!(html.contains(text), "{text}");
    }
    assert!(html.contains("All 2 exports succeeded in their last run."));
    assert!(html.contains("The 2 failures"), "45 runs, of which the 20th and the 40th failed");
    // Of the 45 hours, one day has 25 at most; the failures are 5 and 25 hours old.
    let day = page(&sandbox, &["--days", "1"]);
    assert!(day.contains("The failure<") && day.contains("The last 24 hours"), "{day}");
}

#[test]
fn the_page_is_a_file_like_others_and_is_replaced_in_one_step() {
    let sandbox = after_a_run();
    fs::create_dir(sandbox.path().join("pages")).unwrap();
    let place = sandbox.path().join("pages/report.html");
    for (mask, mode) in [("077", 0o600), ("022", 0o644)] {
        let script =
            format!("umask {mask}; exec {} report -c rivet.yaml -o pages/report.html", built().join("rivet").display());
        let outcome = Outcome::of(sandbox.command("sh").args(["-c", &script]));
        outcome.expect(0, &["Wrote pages/report.html (1 exports, 1 runs)"]);
        assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, mode);
    }
    let first = fs::metadata(&place).unwrap().ino();
    let mut old = fs::File::open(&place).unwrap();
    symlink("pages/report.html", sandbox.path().join("link.html")).unwrap();
    report(&sandbox, &["--output", "link.html"]).expect(0, &["Wrote link.html"]);
    assert!(fs::symlink_metadata(sandbox.path().join("link.html")).unwrap().is_symlink());
    assert_ne!(fs::metadata(&place).unwrap().ino(), first, "a reader of the old page keeps it");
    let mut whole = String::new();
    std::io::Read::read_to_string(&mut old, &mut whole).unwrap();
    assert!(whole.ends_with("</html>"));
    let names: Vec<_> = fs::read_dir(sandbox.path().join("pages")).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["report.html"]);
}

#[test]
fn what_cannot_be_written_is_an_error_and_no_state_is_created() {
    let sandbox = after_a_run();
    report(&sandbox, &["-o", "out"]).expect(1, &["could not write \"out\"", "is no file", "hint: "]);
    report(&sandbox, &["-o", "nowhere/report.html"]).expect(1, &["could not write \"nowhere/report.html\"", "hint: "]);
    report(&sandbox, &["--days", "0"]).expect(2, &["--days"]);
    let elsewhere = sandbox.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let outcome = sandbox.rivet(&["report", "-c", "elsewhere/rivet.yaml", "-o", "-"]);
    outcome.expect(0, &["No run is recorded yet.", "there is no state file \"elsewhere/.rivet_state.db\""]);
    assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0);
    // A file that is no state is refused as by the other commands, and left as it is.
    sandbox.write("other.db", &"no database".repeat(100));
    report(&sandbox, &["--state", "other.db"]).expect(1, &["error: ", "other.db", "hint: "]);
    assert!(!sandbox.path().join("report.html").exists());
}

/// Opens a page in the browser; what it holds, or `None` without a browser.
fn browse(page: &Path) -> Option<(Vec<String>, Value)> {
    let Ok(browser) = std::env::var("RIVET_TEST_CHROMIUM") else {
        skip("RIVET_TEST_CHROMIUM names no browser: use scripts/test");
        return None;
    };
    let pictures = built().parent().unwrap().join("artifacts/report");
    let said = read_with("browser.py", &[&browser, page.to_str().unwrap(), pictures.to_str().unwrap()])?;
    let mut complaints: Vec<String> = said.lines().map(str::to_owned).collect();
    let seen = complaints.pop().unwrap();
    for view in ["desktop-light.png", "desktop-dark.png", "phone-light.png", "phone-dark.png"] {
        let picture = pictures.join(format!("{}-{view}", page.file_stem().unwrap().to_str().unwrap()));
        assert!(fs::metadata(picture).unwrap().len() > 1000);
    }
    Some((complaints, serde_json::from_str(seen.strip_prefix("seen ").unwrap()).unwrap()))
}

/// What a page without a fault holds.
fn faultless(sandbox: &Sandbox, name: &str) -> Option<Value> {
    report(sandbox, &["-o", name]).expect(0, &["Wrote "]);
    let (complaints, seen) = browse(&sandbox.path().join(name))?;
    assert!(complaints.is_empty(), "{name}: {complaints:#?}");
    assert_eq!((&seen["scripts"], &seen["images"], &seen["styled"]), (&0.into(), &0.into(), &true.into()), "{seen}");
    Some(seen)
}

#[test]
fn a_browser_shows_pages_of_every_size_without_a_complaint() {
    let empty = Sandbox::new();
    let Some(seen) = faultless(&empty, "none.html") else { return };
    assert_eq!(seen["lines"], 0);
    let sandbox = after_a_run();
    let seen = faultless(&sandbox, "one.html").unwrap();
    assert_eq!((&seen["lines"], &seen["bars"]), (&1.into(), &3.into()), "{seen}");
    for export in ["orders", "customers", "events", "page_views"] {
        record(&sandbox, export, 48, "canceling statement due to statement timeout (SQLSTATE 57014)");
    }
    let seen = faultless(&sandbox, "some.html").unwrap();
    assert_eq!((&seen["lines"], &seen["marks"]), (&5.into(), &(4 * 2 * 3).into()), "{seen}");
    for export in ["orders", "events"] {
        record(&sandbox, export, 25_000, "server closed the connection unexpectedly");
    }
    let seen = faultless(&sandbox, "many.html").unwrap();
    assert_eq!(seen["sections"], 5);
    assert!(fs::metadata(sandbox.path().join("many.html")).unwrap().len() < 400_000, "50 000 runs are days there");
}

#[test]
fn a_browser_takes_hostile_texts_for_texts() {
    let sandbox = after_a_run();
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'-alert(1)-'",
        "{{ 7 * 7 }}</title></style>",
        &"wide".repeat(40),
    ];
    let error = format!("<b onclick=alert(1)> &lt; ]]> http://u:{CANARY}@h/<iframe src=//x> {}", "w".repeat(500));
    for name in names {
        record(&sandbox, name, 60, &error);
        let file = "insert into file_manifest (run_id, export_name, file_name, row_count, bytes, format, created_at)
                    values (?1, ?1, ?1, 1, 1, ?1, ?1)";
        state(&sandbox).execute(file, [name]).unwrap();
        let columns = serde_json::json!([{ "name": name, "type": name }]).to_string();
        state(&sandbox).execute("insert into export_schema values (?1, ?2, ?1)", [name, &columns]).unwrap();
        let cursor = "insert into export_state (export_name, last_cursor_value, cursor_column) values (?1, ?1, ?1)";
        state(&sandbox).execute(cursor, [name]).unwrap();
    }
    assert!(!page(&sandbox, &[]).contains(CANARY));
    let Some(seen) = faultless(&sandbox, "hostile.html") else { return };
    let shown: Vec<&str> = seen["names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
    for name in names {
        assert!(shown.contains(&name), "{name}: {shown:?}");
    }
    assert_eq!(seen["errors"][0], error.replace(CANARY, "***"));
}

#[test]
fn the_browser_would_see_faults() {
    let sandbox = Sandbox::new();
    let faults = "<!DOCTYPE html><meta name=viewport content='width=device-width'>
        <meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><style>p { color: red }</style>
        <main><p>pale <a href='#nowhere' style='color: #aaa'>pale</a></p><pre>";
    let page = sandbox.write("faults.html", &format!("{faults}{}</pre><svg></svg><img src=x.png>", "wide".repeat(400)));
    let Some((complaints, _)) = browse(&page) else { return };
    let all = complaints.join("\n");
    for fault in ["Content Security Policy", "px wide in 375", "svg without a name", "leads nowhere", "other scheme"] {
        assert!(all.contains(fault), "{fault} is not among:\n{all}");
    }
    let page = sandbox.write(
        "loads.html",
        "<body style='margin: 0'><p style='color: #bbb'>x<img src=x.png><script>console.log(1)</script>",
    );
    let all = browse(&page).unwrap().0.join("\n");
    for fault in ["contrast 1.", "request: file:", "console: "] {
        assert!(all.contains(fault), "{fault} is not among:\n{all}");
    }
}

#[test]
fn the_guide_names_every_flag() {
    let guide = fs::read_to_string(workspace().join("docs/src/guides/report.md")).unwrap();
    let help = Command::new(built().join("rivet")).args(["report", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in ["--config", "--state", "--output", "--days"] {
        assert!(help.contains(flag) && guide.contains(flag), "{flag}");
    }
}
