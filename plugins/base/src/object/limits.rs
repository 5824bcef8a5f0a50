//! How large pieces are, and how many are under way.

/// The least that stores take for a piece that is not the last.
const LEAST: usize = 5 << 20;

/// Large enough that the latency of a request does not count.
const USUAL: usize = 8 << 20;

/// A writer that may hold less than this sends smaller pieces.
const ROOMY: u64 = 32 << 20;

/// With more under way than this, a writer gains nothing that is worth their memory: one is hashed while two are sent.
const MOST_UNDER_WAY: usize = 3;

/// Pieces that have one size; the next as many have twice that. Stores take 10 000 of them and objects of 5 TiB.
const PIECES_OF_A_SIZE: u32 = 1000;

/// What an attempt may hold in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limits {
    /// Bytes of the first pieces, and of an object that is written in one request.
    pub(crate) piece: usize,
    /// Bytes of all pieces that are on their way.
    pub(crate) under_way: usize,
}

impl Limits {
    /// For a writer that may hold about `memory_bytes`; the piece that is being filled comes on top of those on their way.
    pub(crate) fn of(memory_bytes: Option<u64>) -> Self {
        let memory = memory_bytes.unwrap_or(u64::MAX);
        let piece = if memory < ROOMY { LEAST } else { USUAL };
        let pieces = usize::try_from(memory / piece as u64).unwrap_or(usize::MAX);
        Self { piece, under_way: piece * (pieces.saturating_sub(1)).clamp(1, MOST_UNDER_WAY) }
    }

    /// Bytes of piece `number`, counted from 1.
    pub(crate) fn piece_bytes(self, number: u32) -> usize {
        self.piece << (number.saturating_sub(1) / PIECES_OF_A_SIZE).min(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_decides_how_much_is_under_way() {
        let mib = |piece: usize, under_way: usize| Limits { piece: piece << 20, under_way: under_way << 20 };
        assert_eq!(Limits::of(Some(48 << 20)), mib(8, 24));
        assert_eq!(Limits::of(Some(16 << 20)), mib(5, 10));
        assert_eq!(Limits::of(Some(1)), mib(5, 5));
        assert_eq!(Limits::of(None), mib(8, 24));
    }

    #[test]
    fn ten_thousand_pieces_make_the_largest_object_and_the_first_ones_are_small() {
        for limits in [Limits::of(None), Limits::of(Some(1))] {
            let whole: u64 = (1..=10_000).map(|number| limits.piece_bytes(number) as u64).sum();
            assert!(whole > 4_900_000_000_000, "{whole}");
            assert_eq!(limits.piece_bytes(1000), limits.piece);
            assert_eq!(limits.piece_bytes(1001), 2 * limits.piece);
        }
    }
}
