//! What is kept of each live key, and the keys that stand out.

use crate::revision::Revision;

use super::report::KeyReport;

/// A key from its creation on: 64 bytes beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) main: i64,
    /// Of its first row in the file.
    pub(crate) first: i64,
    pub(crate) lease: i64,
    /// Of all its rows in the file.
    pub(crate) bytes: u64,
    pub(crate) pair: u32,
    pub(crate) sub: u32,
    /// Key and value of its newest row, as they lie in the bucket.
    pub(crate) row_bytes: u32,
    pub(crate) value_bytes: u32,
    pub(crate) revisions: u32,
    pub(crate) version: u32,
    pub(crate) encoding: u16,
}

impl Life {
    /// Another row of the same key.
    pub(crate) fn goes_on(&mut self, newest: Self) {
        *self = Self { first: self.first, pair: self.pair, bytes: self.bytes + newest.bytes, revisions: self.revisions.saturating_add(1), ..newest };
    }

    /// Its deletion is a row too.
    pub(crate) fn ended(self, at: Revision, row_bytes: u64) -> Self {
        Self { main: at.main, bytes: self.bytes + row_bytes, revisions: self.revisions.saturating_add(1), value_bytes: 0, ..self }
    }
}

/// Whether a key that stands out is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Deleted,
}

/// The keys that stand out in one respect, the most first.
#[derive(Debug)]
pub(crate) struct Top {
    limit: usize,
    keys: Vec<Ranked>,
}

#[derive(Debug)]
struct Ranked {
    rank: (u64, u64),
    name: Vec<u8>,
    life: Life,
    state: State,
}

impl Top {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, keys: Vec::new() }
    }

    /// Equal ranks stand in the order of their names, so that the order of asking does not matter.
    pub(crate) fn offer(&mut self, rank: (u64, u64), name: &[u8], life: &Life, state: State) {
        let goes_before = |other: &Ranked| (other.rank, name, other.life.main) < (rank, other.name.as_slice(), life.main);
        let place = self.keys.partition_point(|other| !goes_before(other));
        if place >= self.limit {
            return;
        }
        self.keys.truncate(self.limit - 1);
        self.keys.insert(place, Ranked { rank, name: name.to_vec(), life: *life, state });
    }

    pub(crate) fn reports(&self) -> Vec<KeyReport> {
        self.keys.iter().map(Ranked::report).collect()
    }
}

impl Ranked {
    fn report(&self) -> KeyReport {
        KeyReport {
            key: String::from_utf8_lossy(&self.name).into_owned(),
            live: self.state == State::Live,
            value_bytes: self.life.value_bytes.into(),
            revision: self.life.main,
            version: self.life.version.into(),
            revisions: self.life.revisions.into(),
            bytes: self.life.bytes,
            first_revision: self.life.first,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFE: Life =
        Life { main: 1, first: 1, lease: 0, bytes: 0, pair: 0, sub: 0, row_bytes: 0, value_bytes: 0, revisions: 1, version: 1, encoding: 0 };

    proptest! {
        #[test]
        fn the_top_is_the_beginning_of_the_sorted_whole(ranks in prop::collection::vec((0_u64..5, 0_u64..5), 0..60), limit in 0_usize..10) {
            let mut top = Top::new(limit);
            let mut all: Vec<_> = ranks.iter().enumerate().map(|(index, rank)| (std::cmp::Reverse(*rank), format!("{index:03}"))).collect();
            for (rank, name) in &all {
                top.offer(rank.0, name.as_bytes(), &LIFE, State::Live);
            }
            all.sort();
            let names: Vec<String> = all.into_iter().map(|(_, name)| name).take(limit).collect();
            prop_assert_eq!(top.reports().into_iter().map(|report| report.key).collect::<Vec<_>>(), names);
        }
    }

    #[test]
    fn a_life_takes_the_place_that_its_doc_says() {
        assert_eq!(std::mem::size_of::<Life>(), 64);
    }
}
