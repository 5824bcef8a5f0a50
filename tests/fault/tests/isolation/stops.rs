//! A plug-in does not outlive its host, and does not hold it up.

use std::thread;
use std::time::Duration;

use rivet_e2e::Sandbox;

use super::stage::{LOCAL, all_gone, config, processes, run};

/// Starts a run and waits until its plug-ins are at work.
fn started(sandbox: &Sandbox, config: &str) -> rivet_e2e::Running {
    let running = sandbox.start(config);
    let start = std::time::Instant::now();
    while processes(sandbox).iter().filter(|line| line.contains("plugin-serve")).count() < 2 {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", sandbox.log());
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(300));
    running
}

const DEAF: &str = "misbehave: { call: next_batch, how: loop, time: 3 }";

#[test]
fn no_process_outlives_a_host_that_is_killed() {
    for options in ["endless: true", DEAF, "hang_in: next_batch"] {
        let sandbox = Sandbox::new();
        let config = config(options, LOCAL).replace("call_timeout_s: 2", "call_timeout_s: 0");
        started(&sandbox, &config).kill();
        all_gone(&sandbox);
    }
}

#[test]
fn a_signal_stops_them_in_good_order() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let sandbox = Sandbox::new();
        let running = started(&sandbox, &config("endless: true", LOCAL));
        assert_eq!(running.terminate(signal), Some(code), "{}", sandbox.log());
        assert_eq!(sandbox.out(), [""; 0]);
        assert!(!sandbox.log().contains("was killed"), "{}", sandbox.log());
        all_gone(&sandbox);
    }
}

#[test]
fn one_that_does_not_stop_is_killed() {
    let sandbox = Sandbox::new();
    let config = config(DEAF, LOCAL).replace("call_timeout_s: 2", "call_timeout_s: 0");
    let running = started(&sandbox, &config);
    assert_eq!(running.terminate("TERM"), Some(143), "{}", sandbox.log());
    assert!(sandbox.log().contains("did not stop within 5 s in \"next_batch\" and was killed"), "{}", sandbox.log());
    all_gone(&sandbox);
}

/// What a plug-in is blocked in hears the wish, to the last call that a reader or writer gets.
#[test]
fn a_signal_reaches_every_call_of_readers_and_writers() {
    for call in ["read", "next_batch", "close_reader", "begin", "write", "finish"] {
        let mut sandbox = Sandbox::new();
        sandbox.env("RUST_LOG", "warn,rivet_plugin_fault=info");
        let hangs = format!("hang_in: {call}, log: true");
        let config = match call {
            "begin" | "write" | "finish" => config("", &format!("type: fault, {hangs}")),
            _ => config(&hangs, LOCAL),
        };
        let running = sandbox.start(&config.replace("call_timeout_s: 2", "call_timeout_s: 0"));
        let start = std::time::Instant::now();
        while !sandbox.log().contains(&format!("call=\"{call}\"")) {
            assert!(start.elapsed() < Duration::from_secs(30), "{call}: {}", sandbox.log());
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(running.terminate("TERM"), Some(143), "{call}: {}", sandbox.log());
        assert!(!sandbox.log().contains("was killed"), "{call}: {}", sandbox.log());
        assert_eq!(sandbox.out(), [""; 0], "{call}");
        all_gone(&sandbox);
    }
}

#[test]
fn time_in_which_the_host_rests_does_not_count() {
    let sandbox = Sandbox::new();
    // Two rests of three seconds each, where a call may take two.
    let config = config("", LOCAL).replace("batch_size: 10", "batch_size: 25, throttle_ms: 3000");
    run(&sandbox, &config, &[]).expect(0, &["rows:        50"]);
}
