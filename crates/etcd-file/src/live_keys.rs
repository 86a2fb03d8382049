//! The keys that are alive at a revision, each with its newest revision or what else is kept of it.
//!
//! This is all that reading a file keeps in memory: the bytes of each live key and about 40 to 80 bytes beside them, whatever the
//! file's size and history.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::revision::Revision;

pub(crate) struct LiveKeys<T = Revision> {
    table: HashTable<Entry<T>>,
    hasher: DefaultHashBuilder,
    /// All keys one behind the other; one allocation instead of one for each key.
    names: Vec<u8>,
    /// Bytes in `names` of keys that are gone.
    dead_bytes: usize,
}

#[derive(Clone, Copy)]
struct Entry<T> {
    at: usize,
    length: u32,
    kept: T,
}

impl<T> Entry<T> {
    fn name<'a>(&self, names: &'a [u8]) -> &'a [u8] {
        names.get(self.at..self.at + self.length as usize).unwrap_or_default()
    }
}

impl<T> Default for LiveKeys<T> {
    fn default() -> Self {
        Self { table: HashTable::new(), hasher: DefaultHashBuilder::default(), names: Vec::new(), dead_bytes: 0 }
    }
}

impl LiveKeys {
    /// The newest revision of a live key.
    pub(crate) fn newest(&self, key: &[u8]) -> Option<Revision> {
        let hash = self.hasher.hash_one(key);
        self.table.find(hash, |entry| entry.name(&self.names) == key).map(|entry| entry.kept)
    }

    pub(crate) fn put(&mut self, key: &[u8], revision: Revision) {
        match self.find_mut(key) {
            Some(newest) => *newest = revision,
            None => self.insert(key, revision),
        }
    }
}

impl<T> LiveKeys<T> {
    pub(crate) fn len(&self) -> u64 {
        self.table.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All keys in no order at all.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &T)> {
        self.table.iter().map(|entry| (entry.name(&self.names), &entry.kept))
    }

    pub(crate) fn find_mut(&mut self, key: &[u8]) -> Option<&mut T> {
        let hash = self.hasher.hash_one(key);
        self.table.find_mut(hash, |entry| entry.name(&self.names) == key).map(|entry| &mut entry.kept)
    }

    /// Adds a key that was not found.
    pub(crate) fn insert(&mut self, key: &[u8], kept: T) {
        let hash = self.hasher.hash_one(key);
        let entry = Entry { at: self.names.len(), length: u32::try_from(key.len()).unwrap_or(u32::MAX), kept };
        self.names.extend_from_slice(key);
        let (hasher, names) = (&self.hasher, &self.names);
        self.table.insert_unique(hash, entry, |entry| hasher.hash_one(entry.name(names)));
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        let found = self.table.find_entry(hash, |entry| entry.name(&self.names) == key).ok()?;
        let (entry, _) = found.remove();
        self.dead_bytes += entry.length as usize;
        if self.dead_bytes > 64 * 1024 && self.dead_bytes > self.names.len() / 2 {
            self.sweep();
        }
        Some(entry.kept)
    }

    /// Throws the dead names away, so that keys that come and go (events, leases) cost nothing that lasts.
    fn sweep(&mut self) {
        let old = std::mem::take(&mut self.names);
        self.names.reserve_exact(old.len() - self.dead_bytes);
        for entry in &mut self.table {
            let name = entry.name(&old);
            entry.at = self.names.len();
            self.names.extend_from_slice(name);
        }
        self.dead_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map_from_key_to_newest_revision(steps in prop::collection::vec((0_u16..200, any::<bool>()), 0..2000)) {
            let (mut ours, mut plain) = (LiveKeys::<Revision>::default(), HashMap::new());
            for (main, (number, alive)) in (1..).zip(steps) {
                // Long names, so that the sweep has its turn.
                let key = format!("/registry/{}/{number}", "events".repeat(200)).into_bytes();
                if alive {
                    ours.put(&key, Revision { main, sub: 0 });
                    plain.insert(key, main);
                } else {
                    ours.remove(&key);
                    plain.remove(&key);
                }
            }
            prop_assert_eq!(ours.len(), plain.len() as u64);
            for (key, main) in &plain {
                prop_assert_eq!(ours.newest(key), Some(Revision { main: *main, sub: 0 }));
            }
            prop_assert_eq!(ours.newest(b"never there"), None);
        }
    }
}
