//! How large bbolt makes a file into which items are put in order: what a defragmentation leaves.
//!
//! Only sizes are kept, of about a page of items for each level of the tree. The cuts are those of `splitTwo` and `splitIndex` in bbolt's
//! `node.go` (v1.3.12 to v1.5.0), with the fill of 0.9 that `defragdb` in etcd's `backend.go` sets.

use std::collections::VecDeque;

use crate::page::{BUCKET, ELEMENT, HEADER};

/// bbolt's `MinKeysPerPage`: no cut leaves fewer on either side.
const MIN_ELEMENTS: usize = 2;

/// The two meta pages, and the two pages that bbolt begins a file with and leaves behind with the first transaction.
const FIRST_PAGES: u64 = 4;

/// `defragLimit` in `backend.go`: so many items to a transaction. Each but the first writes the last leaf and the branch above it anew,
/// and the next one takes the pages that became free: two are left over in the end.
const TRANSACTION_ITEMS: u64 = 10_000;
const LEFT_OVER_PAGES: u64 = 2;

/// Sizes of the items that were put so far.
#[derive(Debug)]
pub(crate) struct NewFile {
    page_size: u64,
    items: u64,
    /// Of the buckets that are finished.
    pages: u64,
    buckets: Tree,
    bucket: Option<(u64, Tree)>,
}

impl NewFile {
    pub(crate) fn new(page_size: u64) -> Self {
        Self { page_size, items: 0, pages: 0, buckets: Tree::default(), bucket: None }
    }

    /// Ends the bucket before, and begins the next one.
    pub(crate) fn bucket(&mut self, name_bytes: u64) {
        self.end_bucket();
        self.bucket = Some((name_bytes, Tree::default()));
    }

    pub(crate) fn put(&mut self, key_bytes: u64, value_bytes: u64) {
        self.items += 1;
        if let Some((_, tree)) = &mut self.bucket {
            tree.put(0, Element::of(key_bytes, value_bytes), self.page_size);
        }
    }

    /// The size of the file in bytes.
    pub(crate) fn bytes(mut self) -> u64 {
        self.end_bucket();
        let left_over = if self.items > TRANSACTION_ITEMS { LEFT_OVER_PAGES } else { 0 };
        let pages = FIRST_PAGES + self.pages + self.buckets.finish(self.page_size) + left_over;
        pages.saturating_mul(self.page_size)
    }

    fn end_bucket(&mut self) {
        let Some((name_bytes, tree)) = self.bucket.take() else { return };
        let inline_bytes = tree.inline(self.page_size);
        if inline_bytes.is_none() {
            self.pages += tree.finish(self.page_size);
        }
        let value_bytes = BUCKET as u64 + inline_bytes.unwrap_or(0);
        self.buckets.put(0, Element::of(name_bytes, value_bytes), self.page_size);
    }
}

#[derive(Debug, Clone, Copy)]
struct Element {
    bytes: u64,
    /// A branch above takes over the key of its page's first element.
    key_bytes: u64,
}

impl Element {
    fn of(key_bytes: u64, value_bytes: u64) -> Self {
        Self { bytes: (ELEMENT as u64).saturating_add(key_bytes).saturating_add(value_bytes), key_bytes }
    }
}

/// A tree that grows at its right end: the elements of each level that are on no page yet.
#[derive(Debug, Default)]
struct Tree {
    pages: u64,
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    elements: VecDeque<Element>,
    /// Of these elements, without a header.
    bytes: u64,
}

impl Tree {
    fn put(&mut self, level: usize, element: Element, page_size: u64) {
        if level == self.levels.len() {
            self.levels.push(Level::default());
        }
        let Some(here) = self.levels.get_mut(level) else { return };
        here.elements.push_back(element);
        here.bytes = here.bytes.saturating_add(element.bytes);
        while let Some(count) = self.levels.get(level).and_then(|here| here.cut(page_size)) {
            self.write(level, count, page_size);
        }
    }

    /// Puts the first elements of a level onto a page, and that page into the level above.
    fn write(&mut self, level: usize, count: usize, page_size: u64) {
        let parent = self.take(level, count, page_size);
        self.put(level + 1, parent, page_size);
    }

    fn take(&mut self, level: usize, count: usize, page_size: u64) -> Element {
        let Some(here) = self.levels.get_mut(level) else { return Element::of(0, 0) };
        let key_bytes = here.elements.front().map_or(0, |first| first.key_bytes);
        let bytes = here.elements.drain(..count.min(here.elements.len())).map(|element| element.bytes).sum::<u64>();
        here.bytes = here.bytes.saturating_sub(bytes);
        self.pages += (HEADER as u64 + bytes).div_ceil(page_size);
        Element::of(key_bytes, 0)
    }

    /// Writes what is left, from below; returns the pages of all levels.
    fn finish(mut self, page_size: u64) -> u64 {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let mut level = 0;
        while level < self.levels.len() {
            while let Some(count) = self.levels.get(level).and_then(|here| here.last_cut(page_size)) {
                self.write(level, count, page_size);
            }
            let count = self.levels.get(level).map_or(0, |here| here.elements.len());
            let parent = self.take(level, count, page_size);
            level += 1;
            if level < self.levels.len() {
                self.put(level, parent, page_size);
            }
        }
        self.pages
    }

    /// The size of the page within the bucket's own element, where it is small enough: `inlineable` in bbolt's `bucket.go`.
    fn inline(&self, page_size: u64) -> Option<u64> {
        let bytes = HEADER as u64 + self.levels.first().map_or(0, |leaf| leaf.bytes);
        (self.levels.len() <= 1 && bytes <= page_size / 4).then_some(bytes)
    }
}

impl Level {
    /// Where the first page ends, once no later element can change that.
    fn cut(&self, page_size: u64) -> Option<usize> {
        self.full_at(page_size).filter(|index| index + MIN_ELEMENTS < self.elements.len())
    }

    /// Where it ends when no element comes any more.
    fn last_cut(&self, page_size: u64) -> Option<usize> {
        let last = self.elements.len().checked_sub(MIN_ELEMENTS + 1)?;
        let is_full = self.is_full(page_size);
        is_full.then(|| self.full_at(page_size).unwrap_or(last).min(last))
    }

    fn is_full(&self, page_size: u64) -> bool {
        self.elements.len() > 2 * MIN_ELEMENTS && HEADER as u64 + self.bytes >= page_size
    }

    /// The first element beyond nine tenths of a page.
    fn full_at(&self, page_size: u64) -> Option<usize> {
        if !self.is_full(page_size) {
            return None;
        }
        let threshold = page_size * 9 / 10;
        let mut size = HEADER as u64;
        for (index, element) in self.elements.iter().enumerate() {
            if index >= MIN_ELEMENTS && size.saturating_add(element.bytes) > threshold {
                return Some(index);
            }
            size = size.saturating_add(element.bytes);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `splitTwo` again and again over all elements at once, as bbolt does in a single transaction.
    fn split(elements: &[Element], page_size: u64) -> Vec<&[Element]> {
        let size = |elements: &[Element]| HEADER as u64 + elements.iter().map(|element| element.bytes).sum::<u64>();
        if elements.len() <= 4 || size(elements) < page_size {
            return vec![elements];
        }
        let (mut sum, mut index) = (HEADER as u64, 0);
        for (at, element) in elements.iter().enumerate().take(elements.len() - 2) {
            index = at;
            if at >= 2 && sum + element.bytes > page_size * 9 / 10 {
                break;
            }
            sum += element.bytes;
        }
        let (first, rest) = elements.split_at(index);
        [vec![first], split(rest, page_size)].concat()
    }

    fn pages(elements: &[Element], page_size: u64) -> u64 {
        let nodes = split(elements, page_size);
        let page = |node: &&[Element]| (HEADER as u64 + node.iter().map(|element| element.bytes).sum::<u64>()).div_ceil(page_size);
        let here: u64 = nodes.iter().map(page).sum();
        let parents: Vec<Element> = nodes.iter().map(|node| Element::of(node.first().map_or(0, |first| first.key_bytes), 0)).collect();
        if nodes.len() == 1 { here } else { here + pages(&parents, page_size) }
    }

    proptest! {
        #[test]
        fn item_by_item_the_cuts_are_the_same(
            sizes in prop::collection::vec((1_u64..30, prop_oneof![4 => 0_u64..400, 1 => 0_u64..20_000]), 0..300),
            page_size in prop::sample::select(vec![1024_u64, 4096]),
        ) {
            let mut tree = Tree::default();
            for (key_bytes, value_bytes) in &sizes {
                tree.put(0, Element::of(*key_bytes, *value_bytes), page_size);
            }
            let pending: usize = tree.levels.iter().map(|level| level.elements.len()).sum();
            let elements: Vec<Element> = sizes.iter().map(|(key_bytes, value_bytes)| Element::of(*key_bytes, *value_bytes)).collect();
            prop_assert_eq!(tree.finish(page_size), pages(&elements, page_size));
            prop_assert!(pending <= sizes.len().min(300), "{}", pending);
        }
    }

    #[test]
    fn two_rows_of_5000_bytes_lie_on_three_pages() {
        let mut file = NewFile::new(4096);
        file.bucket(3);
        (0..100).for_each(|_| file.put(17, 5000));
        // 48 leaves of two rows, the last one of four, one branch, the list of buckets.
        assert_eq!(file.bytes(), (48 * 3 + 5 + 1 + 1 + FIRST_PAGES) * 4096);
    }
}
