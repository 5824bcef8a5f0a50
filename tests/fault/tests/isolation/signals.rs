//! Signals from outside end the process, whatever a plug-in in it does.

use std::thread;
use std::time::{Duration, Instant};

use rivet_e2e::{Running, Sandbox};

use super::in_process::in_process;
use super::stage::LOCAL;

/// Starts a run and waits until its source blocks in `call`.
fn blocked(sandbox: &mut Sandbox, call: &str, more: &str) -> Running {
    sandbox.env("RUST_LOG", "rivet_plugin_fault=info");
    let running = sandbox.start(&in_process(&format!("log: true, hang_in: {call}{more}"), LOCAL));
    let start = Instant::now();
    while !sandbox.log().contains(&format!("call=\"{call}\"")) {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", sandbox.log());
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(100));
    running
}

/// As a watchdog of a service manager ends what has stopped to answer.
#[test]
fn a_fatal_one_ends_the_process_at_once_and_blames_nobody() {
    for signal in ["ABRT", "SEGV"] {
        for call in ["open", "next_batch"] {
            let mut sandbox = Sandbox::new();
            let running = blocked(&mut sandbox, call, "");
            running.send(signal);
            assert_eq!(running.wait_for(Duration::from_secs(5)), None, "{signal} in {call}: {}", sandbox.log());
            assert!(!sandbox.log().contains("fatal signal"), "{signal} in {call}: {}", sandbox.log());
        }
    }
}

#[test]
fn the_second_ends_the_process_while_an_interrupt_hangs() {
    let mut sandbox = Sandbox::new();
    let running = blocked(&mut sandbox, "next_batch", ", hang_in_interrupt: true");
    running.send("TERM");
    thread::sleep(Duration::from_millis(500));
    running.send("INT");
    assert_eq!(running.wait_for(Duration::from_secs(5)), Some(130), "{}", sandbox.log());
}
