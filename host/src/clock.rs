//! The one place that looks at the clock, and that sleeps.

#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rivet_plugin_api::Cancel;

/// The wall clock: for names and display, never for decisions.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Measures how long something took.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Sleeps for `pause`, or until `cancel` is cancelled.
pub fn sleep(pause: Duration, cancel: &Cancel) {
    let sleeper = thread::current();
    let _wake = cancel.on_cancel(move || sleeper.unpark());
    let start = Instant::now();
    while !cancel.is_cancelled() {
        let Some(left) = pause.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else { return };
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancel_ends_a_sleep() {
        let cancel = Cancel::new();
        let other = cancel.clone();
        let waker = thread::spawn(move || other.cancel());
        let watch = Stopwatch::start();
        sleep(Duration::from_mins(10), &cancel);
        waker.join().unwrap();
        assert!(watch.elapsed() < Duration::from_mins(1));
    }
}
