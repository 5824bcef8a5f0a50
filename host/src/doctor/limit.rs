//! The time that a connector may take for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rivet_plugin_api::{Cancel, CancelGuard, Category, Error, Result};

/// Cancels what takes too long. From then on nothing is asked of that connector any more.
pub struct Limit {
    patience: Duration,
    cancel: Cancel,
    is_over: Arc<AtomicBool>,
    _follows: CancelGuard,
}

impl Limit {
    /// Each call may take as long as `patience`; all of them end with `parent`.
    pub fn new(patience: Duration, parent: &Cancel) -> Self {
        let cancel = Cancel::new();
        let own = cancel.clone();
        let follows = parent.on_cancel(move || own.cancel());
        Self { patience, cancel, is_over: Arc::default(), _follows: follows }
    }

    /// What the connector has to follow.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Makes a call.
    pub fn call<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        self.cancel.check().map_err(|e| self.explain(e))?;
        let (running, ended) = mpsc::channel::<()>();
        let (patience, cancel, is_over) = (self.patience, self.cancel.clone(), Arc::clone(&self.is_over));
        let watch = thread::Builder::new().name("limit".to_owned()).spawn(move || {
            if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                is_over.store(true, Ordering::SeqCst);
                cancel.cancel();
            }
        })?;
        let outcome = call();
        drop(running);
        // It has nothing left to do, and no panic to tell of.
        let _ = watch.join();
        outcome.map_err(|e| self.explain(e))
    }

    fn explain(&self, error: Error) -> Error {
        if error.category() == Category::Cancelled && self.is_over.load(Ordering::SeqCst) {
            return Error::timeout(format!("no answer within {} s", self.patience.as_secs()));
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_cancelled_and_a_time_out() {
        let limit = Limit::new(Duration::from_millis(10), &Cancel::new());
        assert_eq!(limit.call(|| Ok(1)).unwrap(), 1);
        let (wake, sleep) = mpsc::channel();
        let cancel = limit.cancel().clone();
        let _guard = cancel.on_cancel(move || wake.send(()).unwrap());
        let hanging = limit.call(|| {
            sleep.recv().unwrap();
            cancel.check()
        });
        assert_eq!(hanging.unwrap_err().category(), Category::Timeout);
        let later = limit.call(|| -> Result<()> { panic!("nothing is asked any more") });
        assert_eq!(later.unwrap_err().category(), Category::Timeout);
        // A failure of the connector's own is told as it is.
        let other = Limit::new(Duration::from_mins(1), &Cancel::new());
        assert_eq!(other.call(|| Err::<(), _>(Error::auth("no"))).unwrap_err().category(), Category::Auth);
    }
}
