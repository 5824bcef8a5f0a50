//! Joins an encoder, which wants an `io::Write`, to a part: counts and sums the bytes, and keeps the store's own error.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rivet_plugin_api::{Error, Result};

use crate::{Checksum, PartSink};

/// A handle on a part; clones write to the same part. Encoders drop their writer with bytes still buffered when an
/// attempt is given up, so the part can be taken away from under them.
pub(crate) struct Output<P>(Arc<Mutex<State<P>>>);

struct State<P> {
    sink: Option<P>,
    checksum: Checksum,
    bytes: u64,
    failure: Option<Error>,
}

/// A part together with what passed into it.
pub(crate) struct Written<P> {
    pub(crate) sink: P,
    pub(crate) checksum: String,
    pub(crate) bytes: u64,
}

impl<P> Clone for Output<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: PartSink> Output<P> {
    pub(crate) fn new(sink: P) -> Self {
        Self(Arc::new(Mutex::new(State { sink: Some(sink), checksum: Checksum::new(), bytes: 0, failure: None })))
    }

    /// Takes the part out; later writes fail.
    pub(crate) fn take(&self) -> Result<Written<P>> {
        let mut state = self.state();
        match state.sink.take() {
            Some(sink) => Ok(Written { sink, checksum: state.checksum.to_string(), bytes: state.bytes }),
            None => Err(Error::internal("the part was closed before")),
        }
    }

    /// The store's error if there was one, which says more than what an encoder makes of it; else `error`.
    pub(crate) fn cause_of(&self, error: Error) -> Error {
        self.state().failure.take().unwrap_or(error)
    }

    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: PartSink> io::Write for Output<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.state();
        let Some(sink) = state.sink.as_mut() else {
            return Err(io::Error::other("the part is closed"));
        };
        if let Err(error) = sink.append(bytes) {
            let text = error.to_string();
            state.failure.get_or_insert(error);
            return Err(io::Error::other(text));
        }
        state.checksum.update(bytes);
        state.bytes += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
