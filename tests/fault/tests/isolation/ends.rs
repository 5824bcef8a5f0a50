//! Each way to end, in each call: the message is exact, nothing is published, and no process is left.

use rivet_e2e::Sandbox;

use super::stage::{LOCAL, VERSION, all_gone, config, run};

/// What is said of a call.
type Said = Box<dyn Fn(&str) -> String>;

/// The ways, with what is said of them.
fn ends() -> [(&'static str, Said); 7] {
    let who = || format!("plug-in \"fault\" {VERSION}");
    [
        ("panic", Box::new(|call| format!("plug-in \"fault\" failed in \"{call}\": panicked at "))),
        ("abort", Box::new(move |call| format!("{} aborted in \"{call}\" (crashed)\n", who()))),
        (
            "segfault",
            Box::new(move |call| format!("{} was ended by signal 11 (SIGSEGV) in \"{call}\" (crashed)\n", who())),
        ),
        ("stack_overflow", Box::new(move |call| format!("{} aborted in \"{call}\": ", who()))),
        ("exit", Box::new(move |call| format!("{} exited with code 3 in \"{call}\" (crashed)\n", who()))),
        (
            "loop",
            Box::new(move |call| format!("{} did not answer \"{call}\" within 2 s and was killed (crashed)\n", who())),
        ),
        ("memory", Box::new(move |call| format!("{} needed more memory in \"{call}\" than memory_mb: 400: ", who()))),
    ]
}

fn fails(sandbox: &Sandbox, config: &str, call: &str, how: &str, expected: &str) {
    let outcome = run(sandbox, config, &[]);
    assert_eq!(outcome.code, Some(1), "{how} in {call}: {outcome}");
    assert!(outcome.stderr.contains(expected), "{how} in {call}: \"{expected}\" is missing in\n{outcome}");
    if how == "stack_overflow" {
        outcome.expect(1, &["has overflowed its stack"]);
    }
    let code = if how == "panic" { "internal" } else { "plugin.crashed" };
    outcome.expect(1, &[&format!("more: rivet explain-error {code}\n")]);
    assert_eq!(sandbox.out(), [""; 0], "{how} in {call}");
    all_gone(sandbox);
}

#[test]
fn of_a_source() {
    for (how, expected) in ends() {
        for call in ["open", "read", "next_batch"] {
            let sandbox = Sandbox::new();
            let options = format!("misbehave: {{ call: {call}, how: {how} }}");
            fails(&sandbox, &config(&options, LOCAL), call, how, &expected(call));
        }
    }
}

#[test]
fn of_a_destination() {
    for (how, expected) in ends() {
        for call in ["open", "begin", "write", "finish"] {
            let sandbox = Sandbox::new();
            let options = format!("type: fault, misbehave: {{ call: {call}, how: {how} }}");
            fails(&sandbox, &config("", &options), call, how, &expected(call));
        }
    }
}

#[test]
fn in_the_middle_of_a_read_leave_nothing() {
    let sandbox = Sandbox::new();
    let config = config("misbehave: { call: next_batch, how: segfault, time: 3 }", LOCAL);
    fails(&sandbox, &config, "next_batch", "segfault", "was ended by signal 11 (SIGSEGV) in \"next_batch\"");
    // What it left is redone.
    run(&sandbox, &config.replace(", misbehave: { call: next_batch, how: segfault, time: 3 }", ""), &[])
        .expect(0, &["rows:        50"]);
}

#[test]
fn when_everything_is_done_harm_nothing() {
    let sandbox = Sandbox::new();
    run(&sandbox, &config("misbehave: { call: close, how: segfault }", LOCAL), &[]).expect(0, &["rows:        50"]);
    let destination = "type: fault, misbehave: { call: close, how: abort }";
    run(&sandbox, &config("", destination), &[]).expect(0, &["rows:        50"]);
    all_gone(&sandbox);
}

#[test]
fn in_the_commands_that_only_look() {
    let sandbox = Sandbox::new();
    let config = config("misbehave: { call: describe, how: segfault }", LOCAL);
    sandbox.write("rivet.yaml", &config);
    let crashed = "was ended by signal 11 (SIGSEGV) in \"describe\"";
    sandbox.rivet(&["doctor", "--config", "rivet.yaml"]).expect(1, &[crashed]);
    sandbox.rivet(&["check", "--config", "rivet.yaml"]).expect(1, &[crashed]);
    all_gone(&sandbox);
}

#[test]
fn of_a_plugin_that_cannot_be_loaded_in_process() {
    let mut sandbox = Sandbox::new();
    let library = std::fs::read(rivet_e2e::built().join("librivet_plugin_fault.so")).unwrap();
    let (old, new) = (b"\"panic\":\"unwind\"", b"\"panic\":\"abort\" ");
    let places: Vec<usize> =
        (0..library.len() - old.len()).filter(|i| library[*i] == old[0] && library[*i..].starts_with(old)).collect();
    assert!(!places.is_empty());
    let mut aborting = library;
    for place in places {
        aborting[place..place + new.len()].copy_from_slice(new);
    }
    let plugins = sandbox.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(plugins.join("libaborting.so"), aborting).unwrap();
    sandbox.env("RIVET_PLUGIN_PATH", plugins.to_str().unwrap());
    let config = config("", LOCAL);
    run(&sandbox, &config, &[]).expect(0, &["rows:        50"]);
    let in_process = config.replace("mode: process, call_timeout_s: 2, memory_mb: 400", "mode: none");
    let refused = run(&sandbox, &in_process, &[]);
    refused.expect(2, &["was built with panic = \"abort\"", "run it with `isolation: process` or --isolate"]);
    run(&sandbox, &in_process, &["--isolate"]).expect(0, &["rows:        50"]);
}
