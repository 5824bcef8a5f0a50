//! What every call of a connector is given: the host's wish to stop.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Error, Result};

/// The host's side of a call. Logging needs nothing here: events of `tracing` reach the host by themselves.
#[derive(Clone, Debug, Default)]
pub struct Context {
    cancel: Cancel,
}

impl Context {
    /// A context that follows `cancel`.
    pub fn new(cancel: Cancel) -> Self {
        Self { cancel }
    }

    /// The token, for a reader or writer that outlives the call.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// An error once the host wants to stop. Call it between units of work.
    pub fn check(&self) -> Result<()> {
        self.cancel.check()
    }

    /// Runs `interrupt` from another thread when the host wants to stop, as long as the guard lives: the way to end a
    /// call that blocks, by cancelling the statement on the server or shutting down the socket.
    pub fn on_cancel(&self, interrupt: impl Fn() + Send + Sync + 'static) -> CancelGuard {
        self.cancel.on_cancel(interrupt)
    }
}

type Interrupt = Box<dyn Fn() + Send + Sync>;

/// One registration. Its lock is held while the interrupt runs, so that unregistering waits for it.
type Slot = Arc<Mutex<Option<Interrupt>>>;

/// A wish to stop, shared by the host and every connector it called. Clones are the same token.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    flag: AtomicU32,
    slots: Mutex<Vec<Slot>>,
}

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cancel({})", self.is_cancelled())
    }
}

impl Cancel {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everything that holds this token to stop, and returns when the registered interrupts have run, each on a
    /// thread of its own: one that hangs does not keep the others from being told.
    pub fn cancel(&self) {
        self.0.flag.store(1, Ordering::SeqCst);
        let slots = lock(&self.0.slots).clone();
        thread::scope(|scope| {
            for slot in &slots {
                // Without a thread it has to be this one.
                if thread::Builder::new().spawn_scoped(scope, || interrupt(slot)).is_err() {
                    interrupt(slot);
                }
            }
        });
    }

    /// Whether the host wants to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::SeqCst) != 0
    }

    /// See [`Context::check`].
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// See [`Context::on_cancel`].
    pub fn on_cancel(&self, what: impl Fn() + Send + Sync + 'static) -> CancelGuard {
        let slot: Slot = Arc::new(Mutex::new(Some(Box::new(what))));
        lock(&self.0.slots).push(Arc::clone(&slot));
        // A cancel that came before the registration would otherwise be missed.
        if self.is_cancelled() {
            interrupt(&slot);
        }
        CancelGuard { cancel: self.clone(), slot }
    }

    /// The flag itself, whose address the ABI hands out.
    #[cfg(feature = "host")]
    pub(crate) fn flag(&self) -> &AtomicU32 {
        &self.0.flag
    }
}

/// Keeps an interrupt registered; dropping it unregisters and waits until the interrupt is not running.
#[must_use = "the interrupt is unregistered when the guard is dropped"]
pub struct CancelGuard {
    cancel: Cancel,
    slot: Slot,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        lock(&self.cancel.0.slots).retain(|slot| !Arc::ptr_eq(slot, &self.slot));
        *lock(&self.slot) = None;
    }
}

/// Runs what is still registered.
fn interrupt(slot: &Slot) {
    if let Some(interrupt) = &*lock(slot) {
        interrupt();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_run_once_registered_and_not_after_the_guard_is_gone() {
        let cancel = Cancel::new();
        let hits = Arc::new(AtomicU32::new(0));
        let hit = || {
            let hits = Arc::clone(&hits);
            move || {
                hits.fetch_add(1, Ordering::SeqCst);
            }
        };
        let kept = cancel.on_cancel(hit());
        drop(cancel.on_cancel(hit()));
        cancel.cancel();
        assert_eq!(hits.load(Ordering::SeqCst), 1);
        let _late = cancel.on_cancel(hit());
        assert_eq!(hits.load(Ordering::SeqCst), 2);
        assert!(cancel.check().is_err());
        drop(kept);
    }

    #[test]
    fn an_interrupt_that_waits_does_not_hold_up_the_others() {
        let cancel = Cancel::new();
        let (tell, told) = std::sync::mpsc::channel();
        let told = Mutex::new(told);
        let _waits = cancel.on_cancel(move || lock(&told).recv().unwrap());
        let _tells = cancel.on_cancel(move || tell.send(()).unwrap());
        cancel.cancel();
    }
}
