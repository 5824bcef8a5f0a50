//! The first signal asks everything to stop in good order; the second ends the process.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rivet_plugin_api::Cancel;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// The processes that are told of every signal. None of them has been waited for, so that their numbers are theirs.
static CHILDREN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Says what is stopped. The thread that waits for signals must not wait for a terminal as well.
static TELLER: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// Cancels `cancel` on SIGINT, SIGTERM or SIGHUP, and lets `tell` say so. Without it signals end the process at once,
/// which loses nothing either: the next run redoes the window.
pub fn install(cancel: &Cancel, tell: impl Fn(i32) + Send + Sync + 'static) {
    let ignored = ignored();
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = match Signals::new(wanted) {
        Ok(signals) => signals,
        Err(e) => {
            tracing::warn!("signals end the run without cleaning up: {e}");
            return;
        }
    };
    let (cancel, tell) = (cancel.clone(), Arc::new(tell));
    thread::spawn(move || {
        for signal in signals.forever() {
            let second = RECEIVED.swap(signal, Ordering::SeqCst) != 0;
            children().iter().for_each(|child| send(*child, signal));
            if second {
                std::process::exit(128 + signal);
            }
            let tell = Arc::clone(&tell);
            *teller() = thread::Builder::new().spawn(move || tell(signal)).ok();
            // Nor must it wait for a connector, which may hang in what it does to stop.
            let stopping = cancel.clone();
            if thread::Builder::new().spawn(move || stopping.cancel()).is_err() {
                cancel.cancel();
            }
        }
    });
}

fn teller() -> MutexGuard<'static, Option<JoinHandle<()>>> {
    TELLER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until everybody has been told of a signal that came.
pub fn wait_until_told() {
    let told = teller().take();
    if let Some(told) = told {
        // A teller that panicked has nothing more to say.
        let _ = told.join();
    }
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

/// Starts a process that gets every signal of this one, and each once: it is in a group of its own, so that Ctrl-C does
/// not reach it by the terminal as well. `None` after a signal.
pub fn spawn(command: &mut Command) -> io::Result<Option<Child>> {
    let mut children = children();
    if received().is_some() {
        return Ok(None);
    }
    let child = command.process_group(0).spawn()?;
    children.push(child.id());
    Ok(Some(child))
}

/// How a child ended, `None` while it runs.
pub fn try_wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let mut children = children();
    let status = child.try_wait()?;
    if status.is_some() {
        children.retain(|id| *id != child.id());
    }
    Ok(status)
}

fn children() -> MutexGuard<'static, Vec<u32>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn send(child: u32, signal: i32) {
    let pid = i32::try_from(child).ok().and_then(rustix::process::Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, rustix::process::Signal::from_named_raw(signal))
        && let Err(e) = rustix::process::kill_process(pid, signal)
    {
        tracing::debug!("process {child} did not get the signal: {e}");
    }
}
