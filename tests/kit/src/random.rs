//! Random numbers that a seed gives again.

/// `SplitMix64` (Steele, Lea and Flood, 2014): twenty lines that give the same numbers on every machine and with every version of every
/// crate, so a seed in a report can be run again.
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// A seed is mixed before it becomes the state: streams of neighbouring states are the same one, a step apart.
    pub const fn new(seed: u64) -> Self {
        Self(Self(seed).next())
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, `end`. The slight bias of a remainder does not matter here.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From `low` up to and including `high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(high.abs_diff(low) + 1)).expect("the spans asked for are small")
    }

    pub const fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).expect("below a usize")
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }
}
