//! Says which plug-in ended the process: what a signal such as SIGSEGV leaves otherwise is "Segmentation fault".

#![expect(unsafe_code, reason = "installs signal handlers, in which only async-signal-safe calls are made")]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

/// The signals that a defect raises, with their names.
const FATAL: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGILL, "SIGILL"),
];

/// What was done with each of [`FATAL`] before.
static FORMER: [OnceLock<libc::sigaction>; FATAL.len()] = [const { OnceLock::new() }; FATAL.len()];

/// The plug-in and the call that a thread is in. Both texts live for as long as they stand here.
#[derive(Clone, Copy)]
struct Call {
    plugin: *const str,
    name: *const str,
}

thread_local! {
    /// Neither lazy nor with a destructor, so that a signal handler may read it.
    static CALL: Cell<Option<Call>> = const { Cell::new(None) };
}

/// Runs `run`, in which this thread is in that call.
pub(super) fn during<T>(plugin: &str, name: &str, run: impl FnOnce() -> T) -> T {
    /// Also when `run` panics.
    struct Restore(Option<Call>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CALL.set(self.0);
        }
    }
    let _restore = Restore(CALL.replace(Some(Call { plugin, name })));
    run()
}

/// From now on a signal that ends the process from within a plug-in's call writes one line to standard error first, with
/// the plug-in and the call. The process ends by that signal nevertheless.
pub fn name_plugins_in_crashes() {
    for ((signal, _), former) in FATAL.iter().zip(&FORMER) {
        let handler: extern "C" fn(c_int, *const libc::siginfo_t, *const c_void) = handle;
        let mut former_action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a zeroed action is a valid one, which is then filled; the handler makes only async-signal-safe calls.
        // It runs on the alternate stack of threads that have one, for a stack that has overflowed.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_SIGINFO;
            libc::sigemptyset(&raw mut action.sa_mask);
            if libc::sigaction(*signal, ptr::null(), former_action.as_mut_ptr()) == 0
                && former.set(former_action.assume_init()).is_ok()
            {
                libc::sigaction(*signal, &raw const action, ptr::null_mut());
            }
        }
    }
}

/// Where a signal comes from.
#[derive(Clone, Copy, Eq, PartialEq)]
enum From {
    /// An instruction of this thread, which does the same again when the handler returns.
    Fault,
    /// This process, as `abort` does.
    Itself,
    /// Somebody who ends this process, such as a watchdog: no fault of what it happens to be doing.
    Elsewhere,
}

impl From {
    /// # Safety
    /// `info` must be what the kernel gives a handler.
    unsafe fn of(info: *const libc::siginfo_t) -> Self {
        // SAFETY: promised by the caller; what was sent has a sender.
        unsafe {
            if (*info).si_code > 0 {
                Self::Fault
            } else if (*info).si_pid() == libc::getpid() {
                Self::Itself
            } else {
                Self::Elsewhere
            }
        }
    }
}

/// Writes the line if it is a plug-in's fault, and gives the signal back to who had it before.
extern "C" fn handle(signal: c_int, info: *const libc::siginfo_t, _: *const c_void) {
    let Some(place) = FATAL.iter().position(|(number, _)| *number == signal) else { return };
    // SAFETY: the kernel calls this with what it knows of the signal.
    let from = unsafe { From::of(info) };
    if (from == From::Fault || from == From::Itself && signal == libc::SIGABRT)
        && let Ok(Some(call)) = CALL.try_with(Cell::get)
    {
        name(FATAL[place].1, call);
    }
    give_back(signal, place, from);
}

fn name(signal: &str, call: Call) {
    // SAFETY: the frame of `during` below the handler keeps both texts.
    let (plugin, name) = unsafe { (&*call.plugin, &*call.name) };
    let hint = "\"; with --isolate such a crash only fails the attempt\n";
    for text in ["fatal signal ", signal, " in plug-in \"", plugin, "\", call \"", name, hint] {
        // SAFETY: the bytes are readable. When standard error is gone there is nobody to tell.
        let _ = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    }
}

/// A fault happens again when the handler returns, and then finds the former action. What was sent comes only once: it is
/// sent again, and waits for the return, as a signal is blocked in its own handler. The runtime's own handler takes it for
/// a fault and would wait for the next one, so that it is passed over.
fn give_back(signal: c_int, place: usize, from: From) {
    let former = FORMER[place].get();
    let is_kept = former.is_some_and(|former| from == From::Fault || former.sa_sigaction == libc::SIG_IGN);
    // SAFETY: all of these calls are async-signal-safe, and the former action was the kernel's own answer.
    unsafe {
        match former {
            Some(former) if is_kept => libc::sigaction(signal, former, ptr::null_mut()),
            _ => i32::from(libc::signal(signal, libc::SIG_DFL) == libc::SIG_ERR),
        };
        if from != From::Fault {
            libc::raise(signal);
        }
    }
}
