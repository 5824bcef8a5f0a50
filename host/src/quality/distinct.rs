//! Counts how often the keys of one column repeat, exactly, in memory that does not grow with their number.
//!
//! Keys are collected in a buffer. A full buffer is written to a temporary file, bucket by bucket. In the end every
//! bucket is read from all runs into one table, so that equal keys always meet. A bucket with more distinct keys than
//! the table has room for is read again, half of its range at a time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use rivet_plugin_api::Result;

use super::key::{BUCKETS, Key};
use super::spill::{Run, Spill};
use super::table::{Insertion, Table};

/// The least room that a growing buffer asks for.
const FIRST_KEYS: usize = 1024;

/// The keys of one column.
#[derive(Debug)]
pub struct Keys<K> {
    held: Vec<K>,
    /// The most keys to hold.
    limit: usize,
    runs: Vec<Run<K>>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { held: Vec::new(), limit: 0, runs: Vec::new() }
    }
}

impl<K: Key> Keys<K> {
    /// Uses at most `bytes` bytes from now on, or what one key needs.
    pub fn set_limit(&mut self, bytes: usize, spill: &Arc<Spill>) -> Result<()> {
        // While keys are written they are there twice.
        self.limit = (bytes / K::BYTES / 2).max(1);
        if self.held.len() >= self.limit {
            self.flush(spill)?;
        }
        if self.held.capacity() > self.limit {
            self.held.shrink_to(self.limit);
        }
        Ok(())
    }

    /// Takes one more key.
    #[inline]
    pub fn push(&mut self, key: K, spill: &Arc<Spill>) -> Result<()> {
        if self.held.len() == self.held.capacity() {
            self.make_room(1, spill)?;
        }
        self.held.push(key);
        Ok(())
    }

    /// Makes sure that [`adopt`](Self::adopt) of `other` cannot fail.
    pub fn prepare(&mut self, other: &Self, spill: &Arc<Spill>) -> Result<()> {
        self.make_room(other.held.len(), spill)
    }

    /// Takes over what `other` has collected.
    pub fn adopt(&mut self, other: Self) {
        self.held.extend(other.held);
        self.runs.extend(other.runs);
    }

    /// Makes room for `more` keys, by writing those that are held when there is no memory left for both.
    #[cold]
    fn make_room(&mut self, more: usize, spill: &Arc<Spill>) -> Result<()> {
        if self.held.len() + more > self.limit {
            self.flush(spill)?;
        }
        if self.held.capacity() < self.held.len() + more {
            let doubled = self.held.len().max(FIRST_KEYS).min(self.limit.saturating_sub(self.held.len()));
            self.held.reserve_exact(doubled.max(more));
        }
        Ok(())
    }

    fn flush(&mut self, spill: &Arc<Spill>) -> Result<()> {
        if !self.held.is_empty() {
            self.runs.push(spill.write(&self.held)?);
            self.held.clear();
        }
        Ok(())
    }

    /// How many keys had come before: all of them, less the distinct ones. Takes at most `bytes` bytes more.
    pub fn repeated(&mut self, bytes: usize, spill: &Arc<Spill>) -> Result<u64> {
        if self.runs.is_empty() {
            self.held.sort_unstable();
            return Ok(self.held.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64);
        }
        self.flush(spill)?;
        self.held = Vec::new();
        let mut table = Table::new(bytes);
        let in_bucket = |bucket| {
            let counts = self.runs.iter().map(|run| run.count(bucket));
            table.expect(counts.sum::<Result<usize>>()?);
            self.in_range(bucket, &K::all(bucket), &mut table)
        };
        (0..BUCKETS).map(in_bucket).sum()
    }

    /// How many keys in a range of a bucket had come before.
    fn in_range(&self, bucket: usize, range: &RangeInclusive<K>, table: &mut Table<K>) -> Result<u64> {
        table.clear();
        let (mut repeated, mut full, mut block) = (0, false, Vec::new());
        for run in &self.runs {
            run.each(bucket, &mut block, |key| {
                if range.contains(&key) {
                    match table.insert(key) {
                        Insertion::New => {}
                        Insertion::Known => repeated += 1,
                        Insertion::NoRoom => full = true,
                    }
                }
            })?;
            if full {
                // A range of one key fits in any table, so this ends.
                let [lower, upper] = K::halves(range);
                return Ok(self.in_range(bucket, &lower, table)? + self.in_range(bucket, &upper, table)?);
            }
        }
        Ok(repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_is_larger_than_the_table_is_halved() {
        let spill = Spill::new(std::env::temp_dir());
        let mut keys = Keys::default();
        keys.set_limit(64_000, &spill).unwrap();
        let scattered = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // Every third key comes twice, and one of them, which is also the mark of a free slot, a thousand times more.
        let twice = (0..20_000).step_by(3);
        for n in (0..20_000).chain(twice.clone()).chain([0; 1_000]) {
            keys.push(scattered(n), &spill).unwrap();
        }
        for bytes in [0, 64, 500, 1 << 20] {
            assert_eq!(keys.repeated(bytes, &spill).unwrap(), twice.clone().count() as u64 + 1_000, "{bytes}");
        }
        assert!(keys.runs.len() > 5);
    }

    #[test]
    fn memory_stays_within_the_limit() {
        let spill = Spill::new(std::env::temp_dir());
        let mut keys = Keys::<u128>::default();
        for limit in [32_000, 320_000, 3_200] {
            keys.set_limit(limit, &spill).unwrap();
            for n in 0..50_000 {
                keys.push(n, &spill).unwrap();
                assert!(keys.held.capacity() * 16 <= limit / 2);
            }
        }
    }
}
