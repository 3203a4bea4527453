//! Randomness that is the same on every machine and can be replayed by its seed.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        ((self.next() as u128 * bound as u128) >> 64) as usize
    }

    /// True `count` times in `of`.
    pub const fn chance(&mut self, count: usize, of: usize) -> bool {
        self.below(of) < count
    }

    /// One of `items`, of which there is at least one.
    pub const fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A number in `from ..= to`.
    pub const fn within(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }
}

/// The number in an environment variable, or `otherwise`; a value that is no
/// number is an error, not silence.
pub fn env_number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => match text.replace('_', "").parse() {
            Ok(number) => number,
            Err(_) => panic!("{name}={text} is not a number"),
        },
        Err(_) => otherwise,
    }
}
