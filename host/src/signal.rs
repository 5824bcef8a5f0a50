//! The first signal asks everything to stop in good order; the second ends the process.

use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use rivet_plugin_api::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// Cancels `cancel` on SIGINT, SIGTERM or SIGHUP. Without it signals end the process at once, which loses nothing
/// either: the next run redoes the window.
pub fn install(cancel: &Cancel) {
    let ignored = ignored();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = match Signals::new(wanted) {
        Ok(signals) => signals,
        Err(e) => {
            tracing::warn!("signals end the run without cleaning up: {e}");
            return;
        }
    };
    let cancel = cancel.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            if RECEIVED.swap(signal, Ordering::SeqCst) != 0 {
                std::process::exit(128 + signal);
            }
            cancel.cancel();
            tracing::warn!("stopping: finishing what is under way; a second signal ends the process at once");
        }
    });
}

/// The signals that this process was started to ignore, as `nohup` does, one bit each.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// The signal that asked to stop, if any.
pub fn received() -> Option<i32> {
    Some(RECEIVED.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// Sends a signal to a child of this process that has not been waited for.
pub fn send(child: u32, signal: i32) {
    let pid = i32::try_from(child).ok().and_then(rustix::process::Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, rustix::process::Signal::from_named_raw(signal))
        && let Err(e) = rustix::process::kill_process(pid, signal)
    {
        tracing::debug!("process {child} did not get the signal: {e}");
    }
}
