//! Where nothing can be caught: one line names the plug-in and the call, and the process ends by the signal.

use rivet_e2e::Sandbox;

use super::stage::{LOCAL, config, run};

pub fn in_process(source: &str, destination: &str) -> String {
    config(source, destination).replace("isolation: { mode: process, call_timeout_s: 2, memory_mb: 400 }\n", "")
}

#[test]
fn a_crash_names_the_plugin_and_the_call() {
    for (how, signal) in [("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("stack_overflow", "SIGSEGV")] {
        let sandbox = Sandbox::new();
        for (call, config) in [
            ("next_batch", in_process(&format!("misbehave: {{ call: next_batch, how: {how} }}"), LOCAL)),
            ("write", in_process("", &format!("type: fault, misbehave: {{ call: write, how: {how} }}"))),
        ] {
            let outcome = run(&sandbox, &config, &[]);
            assert_eq!(outcome.code, None, "{how}: {outcome}");
            let line = format!(
                "fatal signal {signal} in plug-in \"fault\", call \"{call}\"; with --isolate such a crash only fails the \
                 attempt\n"
            );
            assert!(outcome.stderr.contains(&line), "{how}: {outcome}");
        }
    }
}

#[test]
fn batches_without_rows_for_ever_are_an_error_in_both_kinds_of_process() {
    let sandbox = Sandbox::new();
    let options = "misbehave: { call: next_batch, how: empty }";
    for config in [in_process(options, LOCAL), config(options, LOCAL)] {
        let expected = "plug-in \"fault\" broke its promise: 1000 batches without rows came in a row";
        run(&sandbox, &config, &[]).expect(1, &[expected, "more: rivet explain-error internal\n"]);
    }
}
