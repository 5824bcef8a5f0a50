//! Numbers that look random and depend on their place alone.

/// The numbers of one row, drawn one after the other.
pub struct Random(u64);

impl Random {
    /// The numbers of row `id` of a table.
    pub fn new(table: &str, id: u64) -> Self {
        let start = table
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Self(start ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number: SplitMix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of several.
    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Words with blanks between them, about `bytes` long.
    pub fn text(&mut self, words: &[&str], bytes: usize, out: &mut String) {
        let end = out.len() + bytes;
        while out.len() < end {
            out.push_str(self.pick(words));
            out.push(' ');
        }
        out.pop();
    }
}
