//! A value in a form that is cheap to compare: 8 or 16 bytes that look random, of which the first bits name a bucket.

use std::ops::RangeInclusive;

/// Parts into which keys are sorted when they are written.
pub const BUCKETS: usize = 256;

/// A value, scattered evenly over all keys of its width.
pub trait Key: Copy + Ord {
    /// Bytes in a file.
    const BYTES: usize;
    /// One that marks an empty place.
    const ZERO: Self;

    /// Its bucket, below [`BUCKETS`].
    fn bucket(self) -> usize;

    /// All keys of a bucket.
    fn all(bucket: usize) -> RangeInclusive<Self>;

    /// The lower and the upper half of a range.
    fn halves(range: &RangeInclusive<Self>) -> [RangeInclusive<Self>; 2];

    /// A number of which every bit differs between the keys of a bucket.
    fn slot(self) -> usize;

    /// Writes it into a slice of [`Self::BYTES`] bytes.
    fn put(self, to: &mut [u8]);

    /// Reads it from a slice of [`Self::BYTES`] bytes.
    fn get(from: &[u8]) -> Self;
}

macro_rules! key {
    ($int:ty) => {
        impl Key for $int {
            const BYTES: usize = size_of::<$int>();
            const ZERO: Self = 0;

            fn bucket(self) -> usize {
                (self >> (<$int>::BITS - BUCKETS.ilog2())) as usize
            }

            fn all(bucket: usize) -> RangeInclusive<Self> {
                let low = <$int>::BITS - BUCKETS.ilog2();
                let first = (bucket as $int) << low;
                first..=first | (<$int>::MAX >> BUCKETS.ilog2())
            }

            fn halves(range: &RangeInclusive<Self>) -> [RangeInclusive<Self>; 2] {
                let middle = range.start().midpoint(*range.end());
                [*range.start()..=middle, middle + 1..=*range.end()]
            }

            fn slot(self) -> usize {
                self as usize
            }

            fn put(self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_le_bytes());
            }

            fn get(from: &[u8]) -> Self {
                let mut bytes = [0; size_of::<$int>()];
                bytes.copy_from_slice(from);
                Self::from_le_bytes(bytes)
            }
        }
    };
}

key!(u64);
key!(u128);
