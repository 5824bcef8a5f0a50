//! The content checksum of a part, in the one form that receipts and the state file use.

use xxhash_rust::xxh3::Xxh3;

/// XXH3-128 over a stream of bytes: what [`Part::checksum`](crate::Part::checksum) and
/// [`PartStat::checksum`](crate::PartStat::checksum) hold, as text.
#[derive(Clone, Default)]
pub struct Checksum(Box<Xxh3>);

impl Checksum {
    /// A checksum of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// `xxh3-128:` and 32 lower case hexadecimal digits.
impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "xxh3-128:{:032x}", self.0.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_that_of_xxhsum() {
        assert_eq!(Checksum::new().to_string(), "xxh3-128:99aa06d3014798d86001c324468d497f");
        let mut split = Checksum::new();
        split.update(b"ab");
        split.update(b"c");
        assert_eq!(split.to_string(), "xxh3-128:06b05ab6733a618578af5f94892f3950");
    }
}
