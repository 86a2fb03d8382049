//! Rounds of the same work, timed one by one.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// How long `rounds` rounds took, after one that warms up.
pub(crate) struct Took {
    rounds: NonZeroU32,
    total: Duration,
    best: Duration,
}

impl Took {
    pub(crate) fn over(rounds: NonZeroU32, mut round: impl FnMut()) -> Self {
        round();
        let mut took = Self { rounds, total: Duration::ZERO, best: Duration::MAX };
        for _ in 0..rounds.get() {
            let start = Instant::now();
            round();
            let one = start.elapsed();
            took.total += one;
            took.best = took.best.min(one);
        }
        took
    }

    /// Nanoseconds for each of a round's `count` pieces of work.
    pub(crate) fn mean_nanoseconds(&self, count: u32) -> f64 {
        self.total.as_secs_f64() * 1e9 / (f64::from(self.rounds.get()) * f64::from(count))
    }

    /// The same in the round that nothing disturbed.
    pub(crate) fn best_nanoseconds(&self, count: u32) -> f64 {
        self.best.as_secs_f64() * 1e9 / f64::from(count)
    }
}
