//! Writes a bbolt file in one pass: buckets in the order of their names, items in the order of their keys.
//!
//! No transactions, no free list, no page is touched twice but the two meta pages, which come last. What stands in memory is, for each level of
//! the tree, what is not on a page yet: a page's worth, and up to four of the largest values. The layout is bbolt's own after a
//! defragmentation: `node.go`, `bucket.go`, `page.go`, `db.go` at v1.3.12, v1.4.3, v1.5.0.

use std::io::{self, Seek, SeekFrom, Write};

use crate::bolt_node::Node;
use crate::page::{BUCKET, BUCKET_ELEMENT, HEADER, MAGIC, META_FLAG, NO_FREELIST, PAGE_SIZES, VERSION, fnv1a};

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct BoltWriter<W> {
    pages: Pages<W>,
    buckets: Tree,
    bucket: Option<(Vec<u8>, Tree)>,
}

/// How long the file became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) pages: u64,
    pub(crate) bytes: u64,
}

impl<W: Write + Seek> BoltWriter<W> {
    /// Begins a file; `out` stands at its start, and is empty.
    pub(crate) fn new(out: W, page_size: u32) -> io::Result<Self> {
        if !PAGE_SIZES.contains(&page_size) || !page_size.is_power_of_two() {
            return Err(invalid(format!("page size {page_size}: expected a power of two from {} to {}", PAGE_SIZES.start(), PAGE_SIZES.end())));
        }
        let mut pages = Pages { out, page_size: page_size as usize, next: 0 };
        // Room for the meta pages.
        pages.append(&[], &[0])?;
        pages.append(&[], &[0])?;
        Ok(Self { pages, buckets: Tree::new(), bucket: None })
    }

    /// Begins the next bucket, and ends the one before.
    pub(crate) fn bucket(&mut self, name: &[u8]) -> io::Result<()> {
        self.end_bucket()?;
        self.bucket = Some((name.to_vec(), Tree::new()));
        Ok(())
    }

    /// Adds an item to the bucket.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let (_, tree) = self.bucket.as_mut().ok_or_else(|| invalid("an item before the first bucket".to_owned()))?;
        tree.put(key, value, 0, &mut self.pages)
    }

    /// Ends the last bucket and writes the meta pages; gives `out` back, flushed.
    pub(crate) fn finish(mut self) -> io::Result<(W, Written)> {
        self.end_bucket()?;
        let root = self.buckets.finish(&mut self.pages)?;
        let pages = self.pages.next;
        // Each transaction writes the meta page of its own parity, so the second of two stands in page 0.
        let metas = [(0, 2), (1, 1)].map(|(page, txid)| meta(page, txid, root, pages, self.pages.page_size));
        self.pages.next = 0;
        self.pages.out.seek(SeekFrom::Start(0))?;
        for meta in metas {
            self.pages.append(&meta, &[])?;
        }
        self.pages.out.flush()?;
        let bytes = pages.saturating_mul(self.pages.page_size as u64);
        Ok((self.pages.out, Written { pages, bytes }))
    }

    fn end_bucket(&mut self) -> io::Result<()> {
        let Some((name, tree)) = self.bucket.take() else { return Ok(()) };
        let value = match tree.inline(self.pages.page_size)? {
            Some(value) => value,
            None => bucket_header(tree.finish(&mut self.pages)?),
        };
        self.buckets.put(&name, &value, BUCKET_ELEMENT, &mut self.pages)
    }
}

/// A tree whose items come in order: its last leaf, and the last branch of each level above.
#[derive(Debug)]
struct Tree {
    leaf: Node,
    branches: Vec<Node>,
    last_key: Option<Vec<u8>>,
}

impl Tree {
    fn new() -> Self {
        Self { leaf: Node::leaf(), branches: Vec::new(), last_key: None }
    }

    fn put<W: Write>(&mut self, key: &[u8], value: &[u8], flags: u32, pages: &mut Pages<W>) -> io::Result<()> {
        self.check_order(key)?;
        self.leaf.push_item(key, value, flags)?;
        while let Some(count) = self.leaf.cut(pages.page_size) {
            let (first_key, page) = pages.take(&mut self.leaf, count)?;
            self.climb(0, &first_key, page, pages)?;
        }
        Ok(())
    }

    fn check_order(&mut self, key: &[u8]) -> io::Result<()> {
        let last = self.last_key.get_or_insert_default();
        // An empty key comes after none.
        if key <= last.as_slice() {
            return Err(invalid(format!("a key of {} bytes does not come after the one before it", key.len())));
        }
        last.clear();
        last.extend_from_slice(key);
        Ok(())
    }

    /// Enters a page into the level above it.
    fn climb<W: Write>(&mut self, level: usize, first_key: &[u8], page: u64, pages: &mut Pages<W>) -> io::Result<()> {
        if level == self.branches.len() {
            self.branches.push(Node::branch());
        }
        let Some(branch) = self.branches.get_mut(level) else { return Ok(()) };
        branch.push_child(first_key, page)?;
        while let Some((count, branch)) = self.branches.get_mut(level).and_then(|branch| Some((branch.cut(pages.page_size)?, branch))) {
            let (first_key, page) = pages.take(branch, count)?;
            self.climb(level + 1, &first_key, page, pages)?;
        }
        Ok(())
    }

    /// Writes what is left of each level, from below; returns the root's page.
    fn finish<W: Write>(mut self, pages: &mut Pages<W>) -> io::Result<u64> {
        let count = self.leaf.len();
        let (mut first_key, mut page) = pages.take(&mut self.leaf, count)?;
        let mut level = 0;
        while level < self.branches.len() {
            self.climb(level, &first_key, page, pages)?;
            if let Some(branch) = self.branches.get_mut(level) {
                let count = branch.len();
                (first_key, page) = pages.take(branch, count)?;
            }
            level += 1;
        }
        Ok(page)
    }

    /// The whole bucket as the value of its own element, where it is small enough: bbolt's `inlineable`, a quarter of a page.
    fn inline(&self, page_size: usize) -> io::Result<Option<Vec<u8>>> {
        if !self.branches.is_empty() || self.leaf.size() > page_size / 4 {
            return Ok(None);
        }
        let mut value = bucket_header(0);
        let (head, data) = self.leaf.page(self.leaf.len(), 0, None)?;
        value.extend_from_slice(&head);
        value.extend_from_slice(data);
        Ok(Some(value))
    }
}

/// The file's pages, in the order of their numbers.
#[derive(Debug)]
struct Pages<W> {
    out: W,
    page_size: usize,
    next: u64,
}

impl<W: Write> Pages<W> {
    /// Writes a node's first elements as the next page; returns the first key and the page's number.
    fn take(&mut self, node: &mut Node, count: usize) -> io::Result<(Vec<u8>, u64)> {
        let id = self.next;
        let (head, data) = node.page(count, id, Some(self.page_size))?;
        self.append(&head, data)?;
        let first_key = node.first_key().to_vec();
        node.drop_first(count);
        Ok((first_key, id))
    }

    /// Writes as many pages as these bytes need, the rest of the last one zero.
    fn append(&mut self, head: &[u8], data: &[u8]) -> io::Result<()> {
        let used = head.len() + data.len();
        let pages = used.div_ceil(self.page_size);
        self.out.write_all(head)?;
        self.out.write_all(data)?;
        let mut rest = pages * self.page_size - used;
        while let Some(zeros) = ZEROS.get(..rest.min(ZEROS.len())).filter(|zeros| !zeros.is_empty()) {
            self.out.write_all(zeros)?;
            rest -= zeros.len();
        }
        self.next += pages as u64;
        Ok(())
    }
}

const ZEROS: [u8; 4096] = [0; 4096];

/// A bucket's value: its root page and a sequence that etcd never uses.
fn bucket_header(root: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(BUCKET);
    value.extend_from_slice(&root.to_le_bytes());
    value.extend_from_slice(&0_u64.to_le_bytes());
    value
}

fn meta(page: u64, txid: u64, root: u64, pages: u64, page_size: usize) -> Vec<u8> {
    let page_size = u32::try_from(page_size).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&page.to_le_bytes());
    bytes.extend_from_slice(&u32::from(META_FLAG).to_le_bytes());
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    for field in [MAGIC, VERSION, page_size, 0] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    for field in [root, 0, NO_FREELIST, pages, txid] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    let checksum = fnv1a(bytes.get(HEADER..).unwrap_or_default());
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

#[cfg(test)]
mod tests;
