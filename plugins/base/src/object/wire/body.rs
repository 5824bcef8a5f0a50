//! A body that says how much of it the connection has taken, which tells a slow link from a dead one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Small enough that a slow link shows progress, and large enough to cost nothing.
const FRAME_BYTES: usize = 64 << 10;

/// How much was taken.
#[derive(Clone)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn sent(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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
        self.progress.0.fetch_add(length as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
