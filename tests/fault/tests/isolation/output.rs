//! What comes out of an isolated connector is what would come out of the same in the host's process.

use rivet_e2e::{CANARY, Sandbox};

use super::stage::{LOCAL, config, run};

#[test]
fn what_it_printed_last_is_in_the_error_without_secrets_and_control_characters() {
    let sandbox = Sandbox::new();
    let text = format!("\\e[31mlast words\\a: {CANARY}-1");
    let options = format!("password: {CANARY}-1, misbehave: {{ call: read, how: print, text: \"{text}\" }}");
    let outcome = run(&sandbox, &config(&options, LOCAL), &[]);
    outcome.expect(1, &["aborted in \"read\": [31mlast words: *** (crashed)\n"]);
    assert!(!outcome.stderr.contains(CANARY) && !outcome.stderr.contains('\u{1b}'), "{outcome}");
}

#[test]
fn its_log_is_the_hosts() {
    let mut sandbox = Sandbox::new();
    sandbox.env("RUST_LOG", "rivet_plugin_fault=info");
    let isolated = run(&sandbox, &config("log: true", LOCAL), &[]);
    let lines = |text: &str| {
        let lines = text.lines().filter(|line| line.contains("fault was called"));
        let cut = lines.map(|line| line.split_once("INFO").unwrap().1.to_owned());
        let mut lines: Vec<_> = cut.collect();
        // A batch that is asked for ahead is logged earlier.
        lines.sort();
        lines
    };
    let in_process = run(
        &sandbox,
        &config("log: true", LOCAL).replace("mode: process, call_timeout_s: 2, memory_mb: 400", "mode: none"),
        &[],
    );
    assert!(!lines(&isolated.stderr).is_empty(), "{isolated}");
    assert_eq!(lines(&isolated.stderr), lines(&in_process.stderr));
}

#[test]
fn standard_output_is_still_the_destinations() {
    let sandbox = Sandbox::new();
    let outcome = run(&sandbox, &config("", "type: stdout"), &[]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), super::stage::rows().as_str()), "{outcome}");
}
