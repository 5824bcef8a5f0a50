//! Slack: who is told of what, and that nothing about it changes a run or shows the webhook.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rivet_e2e::{Answer, CANARY, Outcome, Sandbox, Webhook};
use serde_json::json;

/// Exports of the same source with these options, whose runs notify on these occasions.
fn config(source: &str, exports: &[&str], on: &str) -> String {
    let export = |name: &&str| {
        format!("  - {{ name: {name}, query: all, format: csv, destination: {{ type: local, path: out }} }}\n")
    };
    format!(
        "source: {{ type: fault, rows: 10, tuning: {{ max_retries: 0 }}{source} }}
notifications: {{ slack: {{ webhook_url_env: HOOK, on: [{on}] }} }}
exports:\n{}",
        exports.iter().map(export).collect::<String>()
    )
}

/// A failure before the first row.
const NO_CONNECTION: &str = ", error_in: { call: open, category: network, message: 'no <way> to db & co' }";

fn sandbox(hook: &Webhook) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("HOOK", &hook.url);
    sandbox
}

/// Runs `config`, and makes it look as if the columns had been others.
fn run_with_other_columns(sandbox: &Sandbox, config: &str) {
    sandbox.run(config);
    let state = rusqlite::Connection::open(sandbox.path().join(".rivet_state.db")).unwrap();
    let other = r#"[{"name":"other","type":"Utf8"}]"#;
    assert_eq!(state.execute("UPDATE export_schema SET columns_json = ?1", [other]).unwrap(), 1);
}

/// Asserts that neither the run nor what it left knows the webhook.
fn assert_hidden(sandbox: &Sandbox, outcome: &Outcome) {
    assert!(!outcome.stdout.contains(CANARY) && !outcome.stderr.contains(CANARY), "{outcome}");
    let holds = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).contains(CANARY);
    for entry in fs::read_dir(sandbox.path()).unwrap().flatten().filter(|e| e.path().is_file()) {
        assert!(entry.file_name() == "rivet.yaml" || !holds(&entry.path()), "{} holds it", entry.path().display());
    }
}

fn value<'a>(outcome: &'a Outcome, label: &str) -> &'a str {
    let line = outcome.stdout.lines().find_map(|line| line.trim_start().strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label} in {outcome}")).trim()
}

#[test]
fn a_failure_before_the_first_row_is_told_whole() {
    let hook = Webhook::new(Answer::Status("200 OK"));
    let sandbox = sandbox(&hook);
    let outcome = sandbox.try_run(&config(NO_CONNECTION, &["orders"], "failure"));
    outcome.expect(1, &["status:      failed"]);
    let requests = hook.received();
    assert_eq!(requests.len(), 1, "{outcome}");
    let head = requests[0].head.to_lowercase();
    let path = hook.url.splitn(4, '/').nth(3).unwrap().to_lowercase();
    assert!(head.starts_with(&format!("post /{path} http/1.1\r\n")), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let error = value(&outcome, "error:").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    assert!(error.contains("no &lt;way&gt; to db &amp; co"), "{error}");
    let text = hook.texts().remove(0);
    let ms = text.split_once("duration: ").unwrap().1.split_once("ms\n").unwrap().0.parse::<u32>().unwrap();
    let expected = json!({ "attachments": [{
        "color": "#e74c3c",
        "title": format!("Rivet: {}", value(&outcome, "run_id:")),
        "text": format!("*orders* | status: `failed` | rows: 0 | duration: {ms}ms\nerror: {error}"),
        "footer": "rivet export notification",
    }] });
    assert_eq!(requests[0].body, expected);
    assert_hidden(&sandbox, &outcome);
}

#[test]
fn only_what_was_asked_for_is_told() {
    let told = |on: &str, is_failing: bool| {
        let hook = Webhook::new(Answer::Status("200 OK"));
        let sandbox = sandbox(&hook);
        run_with_other_columns(&sandbox, &config("", &["orders"], on));
        assert!(hook.received().is_empty(), "nothing has changed on the first run");
        let fault = if is_failing { ", error_in: { call: next_batch, category: data, message: bad }" } else { "" };
        let outcome = sandbox.try_run(&config(fault, &["orders"], on));
        assert_eq!(outcome.code, Some(i32::from(is_failing)), "{outcome}");
        assert_hidden(&sandbox, &outcome);
        hook.attachments()
    };
    let one = |on: &str, is_failing: bool| {
        let mut told = told(on, is_failing);
        assert_eq!(told.len(), 1, "{on}: {told:?}");
        let told = told.remove(0);
        (told["color"].as_str().unwrap().to_owned(), told["text"].as_str().unwrap().to_owned())
    };
    let (color, text) = one("schema_change", false);
    assert_eq!(color, "#f39c12");
    assert!(text.starts_with("*orders* | status: `success` | rows: 10 | duration: "), "{text}");
    assert!(text.ends_with("ms\nschema changed"), "{text}");
    for on in ["failure", "schema_change", "failure, schema_change, degraded"] {
        let (color, text) = one(on, true);
        assert_eq!(color, "#e74c3c");
        assert!(text.contains("status: `failed`") && text.contains("bad") && text.ends_with("\nschema changed"));
    }
    for (on, is_failing) in [("", true), ("", false), ("failure", false), ("degraded", true), ("degraded", false)] {
        assert!(told(on, is_failing).is_empty(), "{on}");
    }
}

#[test]
fn a_run_that_cannot_begin_is_told_once_for_all_its_exports() {
    let told = |args: &[&str], config: &str, code: i32| {
        let hook = Webhook::new(Answer::Status("200 OK"));
        let sandbox = sandbox(&hook);
        sandbox.write("rivet.yaml", config);
        let outcome = sandbox.rivet(&[&["run", "--config", "rivet.yaml"], args].concat());
        outcome.expect(code, &[]);
        assert_hidden(&sandbox, &outcome);
        let mut told = hook.attachments();
        assert_eq!(told.len(), 1, "{told:?} {outcome}");
        told.remove(0)
    };
    let good = config("", &["a", "b"], "failure");
    let told_of = told(&["--state", "missing/state.db"], &good, 1);
    assert_eq!(told_of["title"], "Rivet: a, b");
    assert!(told_of["text"].as_str().unwrap().starts_with("*a, b* | status: `failed` | rows: 0 |"), "{told_of}");
    let told_of = told(&["--export", "b"], &good.replace("type: fault", "type: nowhere"), 2);
    assert!(told_of["text"].as_str().unwrap().starts_with("*b* | "), "{told_of}");
    let told_of = told(&["--parallel-export-processes"], &good.replace("rows: 10", "rows: many"), 2);
    assert!(told_of["text"].as_str().unwrap().starts_with("*a, b* | "), "{told_of}");
}

#[test]
fn a_run_that_meets_another_is_not_told() {
    let hook = Webhook::new(Answer::Status("200 OK"));
    let sandbox = sandbox(&hook);
    let config = config(", sleep_ms_per_batch: 60000", &["orders"], "failure");
    let running = sandbox.start(&config);
    sandbox.wait_for_output();
    sandbox.try_run(&config).expect(4, &["status:      failed"]);
    assert!(hook.received().is_empty());
    running.kill();
}

#[test]
fn a_run_that_is_stopped_is_told_and_still_ends_soon() {
    for answer in [Answer::Status("200 OK"), Answer::Silence] {
        let hook = Webhook::new(answer);
        let sandbox = sandbox(&hook);
        let running = sandbox.start(&config(", sleep_ms_per_batch: 60000", &["a", "b"], "failure"));
        sandbox.wait_for_output();
        let start = Instant::now();
        assert_eq!(running.terminate("TERM"), Some(143), "{}", sandbox.log());
        assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
        assert_eq!(hook.texts().len(), 1, "{}", sandbox.log());
        assert!(hook.texts()[0].contains("stopped by signal 15"), "{:?}", hook.texts());
    }
}

#[test]
fn no_answer_changes_a_run() {
    const BIG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n";
    // What the webhook does, how often it is asked, and what is said of it.
    let cases = [
        (Answer::Status("200 OK"), 1, ""),
        (Answer::Bytes(BIG), 1, ""),
        (Answer::First("500 Internal Server Error"), 2, ""),
        (Answer::First("429 Too Many Requests"), 2, ""),
        (Answer::Status("503 Service Unavailable"), 2, "answered 503 Service Unavailable"),
        (Answer::Status("404 Not Found"), 1, "answered 404 Not Found"),
        (Answer::Bytes("SSH-2.0-OpenSSH_9.2\r\n"), 1, "did not answer as one does"),
        (Answer::Bytes(""), 2, "cannot be reached"),
        (Answer::Silence, 1, "did not answer in time"),
        (Answer::Drip, 1, "did not answer in time"),
    ];
    // Side by side, since most of the time is spent waiting.
    thread::scope(|scope| {
        for (answer, requests, said) in cases {
            scope.spawn(move || {
                let hook = Webhook::new(answer);
                let mut sandbox = sandbox(&hook);
                sandbox.env("RUST_LOG", "debug");
                run_with_other_columns(&sandbox, &config("", &["orders"], "schema_change"));
                let start = Instant::now();
                let outcome = sandbox.run(&config("", &["orders"], "schema_change"));
                assert!(start.elapsed() < Duration::from_secs(10), "{answer:?} took {:?}", start.elapsed());
                assert_eq!(hook.received().len(), requests, "{answer:?} {outcome}");
                let warned = outcome.stderr.contains("Slack was not told of export \"orders\"");
                assert_eq!(warned, !said.is_empty(), "{answer:?} {outcome}");
                assert!(outcome.stderr.contains(said), "{answer:?} {outcome}");
                assert_hidden(&sandbox, &outcome);
            });
        }
    });
}

#[test]
fn a_dead_webhook_delays_many_failures_once() {
    let hook = Webhook::new(Answer::Silence);
    let sandbox = sandbox(&hook);
    let start = Instant::now();
    sandbox.try_run(&config(NO_CONNECTION, &["a", "b", "c", "d"], "failure")).expect(1, &["in time"]);
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    assert_eq!(hook.received().len(), 4);
}

#[test]
fn another_host_is_never_asked() {
    // The address has to live as long as the server that sends there.
    let elsewhere = Webhook::new(Answer::Status("200 OK"));
    for status in ["302 Found", "307 Temporary Redirect"] {
        let redirect: &'static str = Box::leak(format!("{status}\r\nLocation: {}", elsewhere.url).into_boxed_str());
        let hook = Webhook::new(Answer::Status(redirect));
        let outcome = sandbox(&hook).try_run(&config(NO_CONNECTION, &["orders"], "failure"));
        outcome.expect(1, &[status]);
        assert_eq!(hook.received().len(), 1);
    }
    assert!(elsewhere.received().is_empty());
}

#[test]
fn a_webhook_that_cannot_be_used_is_only_warned_of() {
    let fail = |url: &str, texts: &[&str]| {
        let mut sandbox = Sandbox::new();
        sandbox.env("HOOK", url);
        let outcome = sandbox.try_run(&config(NO_CONNECTION, &["orders"], "failure"));
        outcome.expect(1, &["status:      failed"]);
        outcome.expect(1, texts);
        assert_hidden(&sandbox, &outcome);
    };
    // Nobody listens at the discard port.
    fail(&format!("http://127.0.0.1:9/{CANARY}"), &["the Slack webhook cannot be reached", "refused"]);
    fail(&format!("https://{CANARY}.invalid/{CANARY}"), &["Slack was not told"]);
    for bad in ["http://hooks.example/", "hooks.example/", "ftp://hooks.example/", "not a url"] {
        let texts = ["rivet.yaml:2: `webhook_url_env` does not give an https:// URL: Slack is not notified"];
        fail(&format!("{bad}{CANARY}"), &texts);
    }
}

#[test]
fn exports_side_by_side_each_tell_of_themselves() {
    for flag in ["--parallel-exports", "--parallel-export-processes"] {
        let hook = Webhook::new(Answer::Status("200 OK"));
        let sandbox = sandbox(&hook);
        sandbox.write("rivet.yaml", &config(NO_CONNECTION, &["a", "b"], "failure"));
        sandbox.rivet(&["run", "--config", "rivet.yaml", flag]).expect(1, &[]);
        let texts = hook.texts();
        assert_eq!(texts.len(), 2, "{flag} {texts:?}");
        assert!(texts[0].starts_with("*a* | ") && texts[1].starts_with("*b* | "), "{texts:?}");
    }
}

#[test]
fn a_process_that_dies_is_told_of_by_its_parent() {
    let hook = Webhook::new(Answer::Status("200 OK"));
    let sandbox = sandbox(&hook);
    let config = config(", sleep_ms_per_batch: 60000", &["a", "b"], "failure");
    let running = sandbox.start(&format!("{config}parallel_export_processes: true\n"));
    let children = [child(sandbox.path(), "a"), child(sandbox.path(), "b")];
    for child in children {
        assert!(Command::new("kill").args(["-KILL", &child]).status().unwrap().success());
    }
    assert_eq!(running.wait(), Some(1), "{}", sandbox.log());
    let texts = hook.texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    for (name, text) in ["a", "b"].iter().zip(texts) {
        assert!(text.starts_with(&format!("*{name}* | status: `failed` | rows: 0 |")), "{text}");
        assert!(text.contains(&format!("the process of export \"{name}\" did not finish")), "{text}");
    }
}

/// The process that runs an export of the configuration in `dir`, waited for.
fn child(dir: &Path, export: &str) -> String {
    let wanted = [format!("{}/rivet.yaml", dir.display()), "--export".to_owned(), export.to_owned()];
    let start = Instant::now();
    loop {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            let arguments: Vec<&str> = line.split('\0').collect();
            if wanted.iter().all(|w| arguments.contains(&w.as_str())) {
                return process.file_name().into_string().unwrap();
            }
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no process runs export \"{export}\"");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn https_asks_whom_the_system_trusts() {
    let mut sandbox = Sandbox::new();
    let hook = Webhook::with_tls(sandbox.path(), Answer::Status("200 OK"));
    sandbox.env("HOOK", format!("{}\n", hook.url));
    sandbox.env("NO_PROXY", "localhost");
    let config = config(NO_CONNECTION, &["orders"], "failure");
    let outcome = sandbox.try_run(&config);
    outcome.expect(1, &["the certificate of the Slack webhook is not trusted"]);
    assert_hidden(&sandbox, &outcome);
    let certificate = sandbox.path().join("hook.crt");
    sandbox.env("SSL_CERT_FILE", certificate.to_str().unwrap());
    let outcome = sandbox.try_run(&config);
    assert!(!outcome.stderr.contains("Slack"), "{outcome}");
    assert_eq!(hook.texts().len(), 1, "{outcome}");
    // A name that is not the certificate's.
    sandbox.env("HOOK", hook.url.replace("localhost", "127.0.0.1"));
    sandbox.env("NO_PROXY", "127.0.0.1");
    sandbox.try_run(&config).expect(1, &["the certificate of the Slack webhook is not trusted"]);
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let proxy = Webhook::new(Answer::Status("403 Forbidden"));
    let mut sandbox = Sandbox::new();
    let address = proxy.url.strip_prefix("http://").unwrap().split_once('/').unwrap().0;
    sandbox.env("HOOK", format!("https://hooks.example/{CANARY}"));
    sandbox.env("HTTPS_PROXY", format!("http://me:{CANARY}@{address}"));
    let outcome = sandbox.try_run(&config(NO_CONNECTION, &["orders"], "failure"));
    outcome.expect(1, &["the proxy does not lead to the Slack webhook"]);
    assert!(proxy.received()[0].head.starts_with("CONNECT hooks.example:443 "), "{:?}", proxy.received());
    assert_hidden(&sandbox, &outcome);
}
