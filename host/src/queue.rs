//! The bounded channel between reader and writer: bytes bound it, so that wide rows cannot fill the memory.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue for one producer and one consumer.
pub struct Queue<T> {
    limit: usize,
    inner: Mutex<Inner<T>>,
    changed: Condvar,
}

struct Inner<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

impl<T> Queue<T> {
    /// Holds at most `limit` bytes, or one item of any size.
    pub fn new(limit: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), bytes: 0, closed: false };
        Self { limit, inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// Waits for room and puts `item` in. Answers `false`, dropping it, once the queue is closed.
    pub fn push(&self, item: T, bytes: usize) -> bool {
        let mut inner = self.lock();
        while !inner.closed && !inner.items.is_empty() && inner.bytes + bytes > self.limit {
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        if inner.closed {
            return false;
        }
        inner.bytes += bytes;
        inner.items.push_back((item, bytes));
        self.changed.notify_all();
        true
    }

    /// Waits for the next item; `None` once the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        let mut inner = self.lock();
        loop {
            if let Some((item, bytes)) = inner.items.pop_front() {
                inner.bytes -= bytes;
                self.changed.notify_all();
                return Some(item);
            }
            if inner.closed {
                return None;
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the producer stop and the consumer end after what is already in.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn everything_arrives_in_order_and_within_the_limit() {
        let queue = Queue::new(100);
        let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..1000 {
                    let bytes = if i == 500 { 1000 } else { 30 };
                    assert!(queue.push((i, bytes), bytes));
                    if bytes < 100 {
                        most.fetch_max(held.fetch_add(bytes, Ordering::SeqCst), Ordering::SeqCst);
                    }
                }
                queue.close();
            });
            for expected in 0..1000 {
                let (i, bytes) = queue.pop().unwrap();
                assert_eq!(i, expected);
                if bytes < 100 {
                    held.fetch_sub(bytes, Ordering::SeqCst);
                }
            }
            assert!(queue.pop().is_none());
        });
    }

    #[test]
    fn a_closed_queue_lets_the_producer_go() {
        let queue = Queue::new(1);
        assert!(queue.push(1, 1));
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| queue.push(2, 1));
            queue.close();
            assert!(!blocked.join().unwrap());
        });
        assert_eq!((queue.pop(), queue.pop()), (Some(1), None));
    }
}
