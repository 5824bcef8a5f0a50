//! Paces reading: the source gets `throttle_ms` of rest for every `batch_size` rows, whatever the size of a batch.

use std::time::Duration;

use rivet_plugin_api::Cancel;

use crate::clock;

/// How fast rows may be read.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    pause: Duration,
    rows: usize,
}

impl Throttle {
    /// Rests `pause_ms` for every `rows` rows; 0 never rests.
    pub fn new(pause_ms: u64, rows: usize) -> Self {
        Self { pause: Duration::from_millis(pause_ms), rows: rows.max(1) }
    }

    /// Rests after `rows` rows were read.
    pub fn after(&self, rows: usize, cancel: &Cancel) {
        let pause = self.pause_after(rows);
        if !pause.is_zero() {
            clock::sleep(pause, cancel);
        }
    }

    fn pause_after(&self, rows: usize) -> Duration {
        let nanos = self.pause.as_nanos().saturating_mul(rows as u128) / self.rows as u128;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_follows_rows_and_not_batches() {
        let throttle = Throttle::new(50, 10_000);
        assert_eq!(throttle.pause_after(10_000), Duration::from_millis(50));
        assert_eq!(throttle.pause_after(1000) * 10, throttle.pause_after(10_000));
        assert_eq!(Throttle::new(0, 10).pause_after(usize::MAX), Duration::ZERO);
    }
}
