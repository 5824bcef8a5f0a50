//! A body that says how much of it the connection has taken, which tells a slow link from a dead one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// Small enough that a slow link shows progress, and large enough to cost nothing.
const FRAME_BYTES: usize = 64 << 10;

/// Without any sign of life. A store that has taken a piece may take its time to answer.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// A link as slow as this is still waited for.
const SLOWEST_BYTES_PER_S: u64 = 64 << 10;

/// How much was taken, and when.
#[derive(Clone)]
pub(super) struct Progress(Arc<Taken>);

struct Taken {
    began: Instant,
    bytes: AtomicU64,
    /// Milliseconds after `began`, of the first and of the last byte.
    first_ms: AtomicU64,
    last_ms: AtomicU64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let (bytes, first_ms, last_ms) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Taken { began: Instant::now(), bytes, first_ms, last_ms }))
    }

    fn take(&self, bytes: u64) {
        let now = self.0.began.elapsed().as_millis() as u64;
        if self.0.bytes.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.0.first_ms.store(now, Ordering::Relaxed);
        }
        self.0.last_ms.store(now, Ordering::Relaxed);
    }

    /// When a request whose body has `length` bytes is given up, unless there is progress until then.
    ///
    /// The last bytes that were taken may still be on their way: the system keeps up to 4 MiB for a connection, which is
    /// four fifths of the smallest piece. They take at most four times as long as those before them took.
    pub(super) fn patience(&self, length: u64) -> Instant {
        let [bytes, first, last] =
            [&self.0.bytes, &self.0.first_ms, &self.0.last_ms].map(|n| n.load(Ordering::Relaxed));
        let on_their_way = if bytes == length { 4 * last.saturating_sub(first) } else { 0 };
        let most = 1000 * bytes / SLOWEST_BYTES_PER_S;
        self.0.began + Duration::from_millis(last + on_their_way.min(most)) + IDLE
    }
}

/// The bytes of one request, shared with those who may have to send them again.
pub(super) struct Metered {
    left: Bytes,
    progress: Progress,
}

impl Metered {
    pub(super) fn new(bytes: Bytes, progress: Progress) -> Self {
        Self { left: bytes, progress }
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.left.len().min(FRAME_BYTES);
        let frame = self.left.split_to(length);
        self.progress.take(length as u64);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// The seconds, beyond those of a silent connection, that a body of `length` bytes has of which `bytes` were taken
    /// from `first` to `last`, in seconds after the beginning.
    fn patience(bytes: u64, first: u64, last: u64, length: u64) -> u64 {
        let (first_ms, last_ms) = (AtomicU64::new(1000 * first), AtomicU64::new(1000 * last));
        let taken = Taken { began: Instant::now(), bytes: AtomicU64::new(bytes), first_ms, last_ms };
        let began = taken.began;
        Progress(Arc::new(taken)).patience(length).duration_since(began + IDLE).as_secs()
    }

    #[test]
    fn a_silent_store_is_given_up_soon_and_a_slow_link_is_not() {
        // Nothing was taken, and all at once.
        assert_eq!(patience(0, 0, 0, 0), 0);
        assert_eq!(patience(8 * MIB, 1, 1, 8 * MIB), 1);
        // In the middle of a body there is room for more bytes every few seconds, however slow the link is.
        assert_eq!(patience(5 * MIB, 1, 40, 8 * MIB), 40);
        // At the end, half a minute was for the first half.
        assert_eq!(patience(8 * MIB, 1, 31, 8 * MIB), 31 + 120);
        // A link that is slower than any that is waited for.
        assert_eq!(patience(8 * MIB, 0, 600, 8 * MIB), 600 + 128);
    }
}
