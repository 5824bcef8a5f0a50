//! Says which plug-in ended the process: what a signal such as SIGSEGV leaves otherwise is "Segmentation fault".

#![expect(unsafe_code, reason = "installs signal handlers, in which only async-signal-safe calls are made")]

use std::cell::Cell;
use std::ffi::c_int;
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
        let handler: extern "C" fn(c_int) = handle;
        let mut former_action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a zeroed action is a valid one, which is then filled; the handler makes only async-signal-safe calls.
        // It runs on the alternate stack of threads that have one, for a stack that has overflowed.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            if libc::sigaction(*signal, ptr::null(), former_action.as_mut_ptr()) == 0
                && former.set(former_action.assume_init()).is_ok()
            {
                libc::sigaction(*signal, &raw const action, ptr::null_mut());
            }
        }
    }
}

/// Writes the line and gives the signal back to who had it before. A fault happens again when this returns, and `abort`
/// raises its signal again, so that the former handler or the default action ends the process.
extern "C" fn handle(signal: c_int) {
    let Some(place) = FATAL.iter().position(|(number, _)| *number == signal) else { return };
    if let Ok(Some(call)) = CALL.try_with(Cell::get) {
        // SAFETY: the frame of `during` below this one keeps both texts.
        let (plugin, name) = unsafe { (&*call.plugin, &*call.name) };
        let (_, signal) = FATAL[place];
        let hint = "\"; with --isolate such a crash only fails the attempt\n";
        for text in ["fatal signal ", signal, " in plug-in \"", plugin, "\", call \"", name, hint] {
            // SAFETY: the bytes are readable. When standard error is gone there is nobody to tell.
            let _ = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        }
    }
    // SAFETY: the former action is set before this handler is.
    unsafe {
        if let Some(former) = FORMER[place].get() {
            libc::sigaction(signal, former, ptr::null_mut());
        } else {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
