//! Bars on a terminal: there while something runs, gone afterwards, and never where nobody looks. And what Ctrl-C does.

use rivet_e2e::{Answer, Sandbox, Shown, Terminal, Webhook};

const RUN: [&str; 3] = ["run", "-c", "rivet.yaml"];

/// A sandbox with exports that take 1.5 s each, in ten batches.
fn slow(exports: &[&str], keys: &str) -> Sandbox {
    slower(150, exports, keys)
}

fn slower(ms_per_batch: u32, exports: &[&str], keys: &str) -> Sandbox {
    let export = |name: &&str| {
        format!("  - {{ name: {name}, query: all, format: csv, destination: {{ type: local, path: out }} }}\n")
    };
    let exports: String = exports.iter().map(export).collect();
    let tuning = "tuning: { batch_size: 1000, throttle_ms: 0 }";
    let sandbox = Sandbox::new();
    let config = format!(
        "source: {{ type: fault, rows: 10000, sleep_ms_per_batch: {ms_per_batch}, {tuning} }}\n{keys}exports:\n"
    );
    sandbox.write("rivet.yaml", &(config + &exports));
    sandbox
}

fn run(sandbox: &Sandbox, args: &[&str], variables: &[(&str, &str)]) -> Shown {
    let shown = Terminal::start(sandbox, &[&RUN, args].concat(), variables).end();
    assert_eq!(shown.code, Some(0), "{shown}");
    shown
}

/// The screen without what differs from run to run.
fn labels(shown: &Shown) -> Vec<&str> {
    let lines = shown.screen.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split_once(':').map_or(line, |(label, _)| label.trim())).collect()
}

const SUMMARY: [&str; 7] = ["run_id", "status", "tuning", "rows", "files", "bytes", "duration"];

#[test]
fn a_bar_shows_how_far_the_export_is_and_leaves_the_summary_alone() {
    let shown = run(&slow(&["orders"], ""), &[], &[]);
    for text in ["orders ", "━", "%", " rows/s", "ETA 00:00:0", "\u{1b}[36m"] {
        assert!(shown.raw.contains(text), "{text} was never shown: {shown}");
    }
    let expected = [&["── orders ──"], SUMMARY.as_slice(), &["peak RSS"]].concat();
    assert_eq!(labels(&shown), expected, "{shown}");
}

#[test]
fn several_exports_have_bars_side_by_side_also_from_processes() {
    for flag in ["--parallel-exports", "--parallel-export-processes"] {
        // Long enough for the second process to begin before the first ends, also on a busy machine.
        let sandbox = slower(600, &["orders", "users"], "");
        let terminal = Terminal::start(&sandbox, &[&RUN, [flag].as_slice()].concat(), &[]);
        for name in ["orders", "users"] {
            terminal.wait_for(&format!("{name} \u{1b}[36m━"));
        }
        assert!(!terminal.raw().contains("run_id"), "{flag}: one was over before the other began");
        let shown = terminal.end();
        assert_eq!(shown.code, Some(0), "{shown}");
        let mut summaries: Vec<_> = labels(&shown).into_iter().filter(|line| line.starts_with("──")).collect();
        summaries.sort_unstable();
        assert_eq!(summaries, ["── orders ──", "── users ──"], "{shown}");
        assert!(!shown.screen.contains('━'), "{flag}: a bar is left: {shown}");
    }
}

#[test]
fn log_lines_and_bars_do_not_tear_each_other() {
    let sandbox = slow(&["orders"], "");
    let terminal = Terminal::start(&sandbox, &RUN, &[("RUST_LOG", "info"), ("NO_COLOR", "1")]);
    let shown = terminal.end();
    assert!(shown.raw.contains('━'), "{shown}");
    let log: Vec<_> =
        shown.screen.lines().take_while(|line| !line.starts_with("──")).filter(|l| !l.is_empty()).collect();
    assert!(log.len() >= 2, "{shown}");
    for line in log {
        assert!(line.starts_with("20") && line.contains("INFO"), "\"{line}\" is no log line: {shown}");
    }
}

#[test]
fn there_are_no_bars_where_nobody_looks_or_wants_them() {
    let sandbox = slow(&["orders"], "");
    let plain = |args: &[&str], variables: &[(&str, &str)]| {
        let shown = run(&sandbox, args, variables);
        assert!(!shown.raw.contains('\u{1b}') && !shown.raw.contains('━'), "{args:?} {variables:?}: {shown}");
        shown
    };
    assert_eq!(plain(&["--quiet"], &[]).raw, "");
    plain(&[], &[("TERM", "dumb")]);
    plain(&[], &[("CI", "true")]);
    assert!(plain(&["--json"], &[]).raw.starts_with('{'));
    let piped = sandbox.rivet(&RUN);
    assert_eq!((piped.code, piped.stderr.as_str()), (Some(0), ""), "{piped}");
    // Without colours there is a bar all the same.
    let shown = run(&sandbox, &[], &[("NO_COLOR", "1")]);
    assert!(shown.raw.contains('━') && !shown.raw.contains("\u{1b}[36m"), "{shown}");
}

#[test]
fn quiet_hides_success_and_nothing_else() {
    let sandbox = slow(&["orders"], "");
    let quiet = sandbox.rivet(&[&RUN, ["--quiet"].as_slice()].concat());
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
    let failing = slow(&["orders"], "").rivet(&["run", "-c", "rivet.yaml", "-q", "-e", "order"]);
    failing.expect(2, &["error:"]);
    let sandbox = slow(&["orders", "users"], "");
    std::fs::write(sandbox.path().join("out/users"), "a file where a directory should be").unwrap_or_default();
    let config = std::fs::read_to_string(sandbox.path().join("rivet.yaml")).unwrap_or_default();
    let failing = config.replacen("path: out", "path: out/users", 1);
    sandbox.write("rivet.yaml", &failing);
    let quiet = sandbox.rivet(&[&RUN, ["-q"].as_slice()].concat());
    quiet.expect(1, &["── orders ──", "status:      failed", "error: "]);
    assert!(!quiet.stdout.contains("users ──"), "{quiet}");
}

#[test]
fn ctrl_c_says_what_it_ends_and_the_second_one_ends_at_once() {
    const CTRL_C: u8 = 3;
    let sandbox = slow(&["orders"], "");
    let mut terminal = Terminal::start(&sandbox, &RUN, &[]);
    terminal.wait_for(" rows/s");
    terminal.press(CTRL_C);
    let shown = terminal.end();
    assert_eq!(shown.code, Some(130), "{shown}");
    for text in
        ["stopping: undoing export \"orders\" (", " rows read); press Ctrl-C again to exit at once", "stopped by"]
    {
        assert!(shown.screen.replace('\n', "").contains(text), "{text} is missing: {shown}");
    }
    assert!(!shown.screen.contains('━'), "a bar is left: {shown}");
    // A channel that does not answer holds up the end of a run.
    let hook = Webhook::new(Answer::Silence);
    let mut sandbox = slow(&["orders"], "notifications: { slack: { webhook_url_env: HOOK, on: [failure] } }\n");
    sandbox.env("HOOK", &hook.url);
    let mut terminal = Terminal::start(&sandbox, &RUN, &[]);
    terminal.wait_for(" rows/s");
    terminal.press(CTRL_C);
    terminal.wait_for("stopped by");
    terminal.press(CTRL_C);
    let shown = terminal.end();
    assert_eq!(shown.code, Some(130), "{shown}");
    assert!(!shown.raw.contains("Slack was not told"), "the run ended by itself: {shown}");
}
