//! A set of keys in a fixed amount of memory. Keys are scattered evenly already, so their own bits are the hash.

use super::key::Key;

/// What became of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Insertion {
    /// It was not there; now it is.
    New,
    /// It was there.
    Known,
    /// It is not there, and there is no room.
    NoRoom,
}

/// Open addressing in a power of two of slots, of which one in four at least stays free.
#[derive(Debug)]
pub struct Table<K> {
    slots: Vec<K>,
    used: usize,
    /// Whether the key is there that otherwise marks a free slot.
    has_zero: bool,
    /// The most slots, a power of two.
    most: usize,
}

impl<K: Key> Table<K> {
    /// A table that takes at most `bytes` bytes, or what four keys need.
    pub fn new(bytes: usize) -> Self {
        let most = 1 << (bytes / K::BYTES).max(4).ilog2();
        Self { slots: Vec::new(), used: 0, has_zero: false, most }
    }

    /// Prepares for so many keys. Small tables are faster.
    pub fn expect(&mut self, keys: usize) {
        let slots = (keys * 2).next_power_of_two().clamp(4, self.most);
        self.slots.clear();
        self.slots.resize(slots, K::ZERO);
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.slots.fill(K::ZERO);
        (self.used, self.has_zero) = (0, false);
    }

    /// Adds a key, when there is room.
    pub fn insert(&mut self, key: K) -> Insertion {
        if key == K::ZERO {
            let before = std::mem::replace(&mut self.has_zero, true);
            return if before { Insertion::Known } else { Insertion::New };
        }
        let last = self.slots.len() - 1;
        let mut at = key.slot() & last;
        while self.slots[at] != K::ZERO {
            if self.slots[at] == key {
                return Insertion::Known;
            }
            at = (at + 1) & last;
        }
        if self.used * 4 >= self.slots.len() * 3 {
            return Insertion::NoRoom;
        }
        self.slots[at] = key;
        self.used += 1;
        Insertion::New
    }
}
