//! The memory of this process, as the kernel accounts it, and slowing down when it is more than wanted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rivet_plugin_api::Cancel;

use crate::clock;
use crate::event::{Event, Feed};

/// A pause in which what is queued gets written.
const PAUSE: Duration = Duration::from_millis(100);

/// The greatest resident set so far in MiB, 0 where the kernel does not say.
pub fn peak_rss_mb() -> u64 {
    status_mb("VmHWM:")
}

fn status_mb(label: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(label))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib.div_ceil(1024))
}

/// `memory_threshold_mb`: above it every batch is followed by a pause. It never stops a run: memory that does not go
/// down would let it wait for ever.
#[derive(Debug)]
pub struct Threshold {
    mb: u64,
    said: AtomicBool,
}

impl Threshold {
    /// Above `mb` MiB reading slows down; 0 is no threshold.
    pub fn new(mb: u64) -> Self {
        Self { mb, said: AtomicBool::new(false) }
    }

    /// Pauses when the process has more memory than wanted, and tells of it the first time.
    pub fn check(&self, feed: &Feed, cancel: &Cancel) {
        if self.mb == 0 {
            return;
        }
        let mb = status_mb("VmRSS:");
        if mb <= self.mb {
            return;
        }
        if !self.said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the process has {mb} MiB, more than `memory_threshold_mb: {}`: reading slows down",
                self.mb
            );
            feed.tell(&Event::MemoryWait { rss_mb: mb, limit_mb: self.mb });
        }
        clock::sleep(PAUSE, cancel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stopwatch;
    use crate::event::Listeners;

    #[test]
    fn only_what_is_above_the_threshold_slows() {
        let watch = Stopwatch::start();
        let feed = Feed::new(&Listeners::default(), "orders");
        Threshold::new(0).check(&feed, &Cancel::new());
        Threshold::new(1 << 30).check(&feed, &Cancel::new());
        assert!(watch.elapsed() < PAUSE);
        Threshold::new(1).check(&feed, &Cancel::new());
        assert!(watch.elapsed() >= PAUSE);
    }
}
