//! Standard output as it is, without the standard library's buffer, which would look for line breaks in binary data.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rivet_plugin_api::Result;

use crate::error::{closed, failed};

/// Held while a whole part is written, so that two never mix.
static TURN: Mutex<()> = Mutex::new(());

/// Encoders write small pieces.
const BUFFER_BYTES: usize = 128 << 10;

/// Standard output.
pub(crate) struct Pipe(BufWriter<File>);

impl Pipe {
    /// What it is called in messages.
    pub(crate) const NAME: &str = "standard output";

    pub(crate) fn open() -> Result<Self> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned().map_err(|e| failed(&e))?;
        if is_closed(&descriptor) {
            return Err(closed());
        }
        Ok(Self(BufWriter::with_capacity(BUFFER_BYTES, File::from(descriptor))))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.0.get_ref().is_terminal()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|e| failed(&e))
    }

    /// Hands over what is buffered.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(|e| failed(&e))
    }

    /// Drops what is buffered.
    pub(crate) fn discard(self) {
        let (_descriptor, _unwritten) = self.0.into_parts();
    }

    /// Copies a file that is complete. Others wait.
    pub(crate) fn copy(&mut self, mut from: &File) -> Result<()> {
        let _turn: MutexGuard<'_, ()> = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        io::copy(&mut from, self.0.get_mut()).map(drop).map_err(|e| failed(&e))
    }

    /// Makes what was written durable where standard output is a file. A pipe or a terminal has nothing to be made so.
    pub(crate) fn sync(&self) -> Result<()> {
        let descriptor = self.0.get_ref();
        if descriptor.metadata().is_ok_and(|m| m.is_file()) {
            descriptor.sync_all().map_err(|e| failed(&e))?;
        }
        Ok(())
    }
}

/// Whether this process was started without a standard output. Rust's runtime then puts the null device there, open for
/// reading and writing, which would take everything and keep nothing. Who wants that writes `>/dev/null`, which is open
/// for writing alone.
fn is_closed(descriptor: &OwnedFd) -> bool {
    let device = |status: rustix::io::Result<rustix::fs::Stat>| status.map(|status| status.st_rdev);
    let reads_too = rustix::fs::fcntl_getfl(descriptor)
        .is_ok_and(|flags| flags & rustix::fs::OFlags::RWMODE == rustix::fs::OFlags::RDWR);
    reads_too
        && matches!((device(rustix::fs::fstat(descriptor)), device(rustix::fs::stat("/dev/null"))),
            (Ok(ours), Ok(null)) if ours == null)
}
