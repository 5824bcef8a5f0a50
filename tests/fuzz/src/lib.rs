//! What the fuzzer calls: one function a target, which takes any bytes and panics when the product breaks a promise.
//!
//! `fuzz/` hands them to libFuzzer, `tests/replay.rs` replays the corpus on every run of the tests. `scripts/fuzz` runs
//! the targets.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a target fails by panicking")]

use std::sync::{Mutex, Once, PoisonError};
use std::{panic, process};

mod arrow;
#[cfg(feature = "product")]
mod config;
#[cfg(feature = "product")]
mod json;
mod library;
#[cfg(feature = "product")]
mod lock;
mod scratch;

/// Takes one input.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("arrow", arrow::run),
    #[cfg(feature = "product")]
    ("config", config::run),
    #[cfg(feature = "product")]
    ("json", json::run),
    ("library", library::run),
    #[cfg(feature = "product")]
    ("lock", lock::run),
];

/// Runs the target called `name` on one input.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target of this name");
    target(input);
}

/// As [`run`], below a hook for panics that keeps quiet: libFuzzer's takes every panic for a finding, but those that the
/// product catches are none.
#[expect(clippy::print_stderr, reason = "the fuzzer's log is there")]
pub fn fuzz(name: &str, input: &[u8]) {
    static HOOK: Once = Once::new();
    static LAST: Mutex<String> = Mutex::new(String::new());
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    HOOK.call_once(|| panic::set_hook(Box::new(move |info| *last() = info.to_string())));
    if panic::catch_unwind(|| run(name, input)).is_err() {
        eprintln!("{}", last());
        process::abort();
    }
}
