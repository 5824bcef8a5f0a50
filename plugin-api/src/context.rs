//! What every call of a connector is given: the host's wish to stop, and its deadline.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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

type Interrupt = Arc<dyn Fn() + Send + Sync>;

/// A wish to stop, shared by the host and every connector it called. Clones are the same token.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    flag: AtomicU32,
    deadline: Mutex<Option<Instant>>,
    interrupts: Mutex<(u64, Vec<(u64, Interrupt)>)>,
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

    /// Asks everything that holds this token to stop, and runs the registered interrupts.
    pub fn cancel(&self) {
        self.0.flag.store(1, Ordering::SeqCst);
        let interrupts = self.0.interrupts.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        for (_, interrupt) in interrupts {
            interrupt();
        }
    }

    /// Lets the token count as cancelled after `limit`. Interrupts do not run by themselves then.
    pub fn set_deadline(&self, limit: Duration) {
        *self.0.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(limit);
    }

    /// Whether the host wants to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::Relaxed) != 0
            || self.0.deadline.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|d| Instant::now() >= d)
    }

    /// See [`Context::check`].
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// See [`Context::on_cancel`].
    pub fn on_cancel(&self, interrupt: impl Fn() + Send + Sync + 'static) -> CancelGuard {
        let interrupt: Interrupt = Arc::new(interrupt);
        let id = {
            let mut list = self.0.interrupts.lock().unwrap_or_else(PoisonError::into_inner);
            list.0 += 1;
            let id = list.0;
            list.1.push((id, Arc::clone(&interrupt)));
            id
        };
        // A cancel that came before the registration would otherwise be missed.
        if self.0.flag.load(Ordering::SeqCst) != 0 {
            interrupt();
        }
        CancelGuard { cancel: self.clone(), id }
    }

    /// The flag's address, for the ABI.
    pub(crate) fn flag(&self) -> &AtomicU32 {
        &self.0.flag
    }
}

/// Keeps an interrupt registered; dropping it unregisters.
#[must_use = "the interrupt is unregistered when the guard is dropped"]
pub struct CancelGuard {
    cancel: Cancel,
    id: u64,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.cancel.0.interrupts.lock().unwrap_or_else(PoisonError::into_inner).1.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_run_once_registered_and_not_after_the_guard_is_gone() {
        let cancel = Cancel::new();
        let hits = Arc::new(AtomicU32::new(0));
        let hit = |hits: &Arc<AtomicU32>| {
            let hits = Arc::clone(hits);
            move || {
                hits.fetch_add(1, Ordering::SeqCst);
            }
        };
        let kept = cancel.on_cancel(hit(&hits));
        drop(cancel.on_cancel(hit(&hits)));
        cancel.cancel();
        assert_eq!(hits.load(Ordering::SeqCst), 1);
        let _late = cancel.on_cancel(hit(&hits));
        assert_eq!(hits.load(Ordering::SeqCst), 2);
        assert!(cancel.check().is_err());
        drop(kept);
    }
}
