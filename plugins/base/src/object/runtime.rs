//! The threads that requests run on, started by the first one, and waiting for them from threads that block.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rivet_plugin_api::{Cancel, Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

/// Enough to hash one piece while others are sent.
const WORKERS: usize = 2;

/// How often the wish to stop is looked at.
const POLL: Duration = Duration::from_millis(25);

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// The threads of this plug-in.
pub(super) fn handle() -> Result<Handle> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*runtime {
        return Ok(runtime.handle().clone());
    }
    let mut builder = Builder::new_multi_thread();
    let built = builder.worker_threads(WORKERS).max_blocking_threads(4).thread_name("rivet-store").enable_all().build();
    let built = built.map_err(|e| Error::permanent(format!("could not start the threads of the store: {e}")))?;
    Ok(runtime.insert(built).handle().clone())
}

/// Waits for `future`.
pub(super) fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    handle()?.block_on(future)
}

/// Waits for `future` until the host wants to stop; it is dropped then.
pub(super) fn wait_unless<T>(cancel: &Cancel, future: impl Future<Output = Result<T>>) -> Result<T> {
    cancel.check()?;
    wait(async {
        let mut future = pin!(future);
        loop {
            match timeout(POLL, future.as_mut()).await {
                Ok(outcome) => return outcome,
                Err(_) => cancel.check()?,
            }
        }
    })
}
