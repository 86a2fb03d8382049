//! The nodes of a B+tree that grows only at its right end, and bbolt's rule of where one is cut into pages.

use std::io;

use crate::page::{BRANCH, ELEMENT, HEADER, LEAF};

/// bbolt's `MinKeysPerPage`: no cut leaves fewer elements than this on either side (`node.go` at v1.3.12 to v1.5.0).
///
/// A branch with a single child would be valid to read, but bbolt's `rebalance` panics on it ("parent must have at least 2 children") when
/// something below is deleted: a compaction would end the server.
const MIN_ELEMENTS: usize = 2;

/// The elements that are not written yet of one level of a tree; keys and values lie one after the other, as they will on the page.
#[derive(Debug)]
pub(crate) struct Node {
    kind: Kind,
    elements: Vec<Element>,
    data: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Branch,
}

#[derive(Debug, Clone, Copy)]
struct Element {
    key_bytes: u32,
    value_bytes: u32,
    /// A leaf's: whether it is a bucket.
    flags: u32,
    /// A branch's: the page below.
    child: u64,
}

impl Element {
    fn data_bytes(self) -> usize {
        self.key_bytes as usize + self.value_bytes as usize
    }
}

impl Node {
    pub(crate) fn leaf() -> Self {
        Self { kind: Kind::Leaf, elements: Vec::new(), data: Vec::new() }
    }

    pub(crate) fn branch() -> Self {
        Self { kind: Kind::Branch, ..Self::leaf() }
    }

    /// Adds an item behind the last one.
    pub(crate) fn push_item(&mut self, key: &[u8], value: &[u8], flags: u32) -> io::Result<()> {
        let (key_bytes, value_bytes) = (element_bytes(key)?, element_bytes(value)?);
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
        self.elements.push(Element { key_bytes, value_bytes, flags, child: 0 });
        Ok(())
    }

    /// Adds a page of the level below, under its first key.
    pub(crate) fn push_child(&mut self, first_key: &[u8], page: u64) -> io::Result<()> {
        let key_bytes = element_bytes(first_key)?;
        self.data.extend_from_slice(first_key);
        self.elements.push(Element { key_bytes, value_bytes: 0, flags: 0, child: page });
        Ok(())
    }

    /// How many elements the next page takes, where it is time to write one: `splitTwo` and `splitIndex` in bbolt's `node.go`.
    ///
    /// With the fill of 0.9 that etcd's own defragmentation sets (`defragdb` in `server/storage/backend/backend.go`).
    pub(crate) fn cut(&self, page_size: usize) -> Option<usize> {
        let count = self.elements.len();
        if count <= 2 * MIN_ELEMENTS || self.size() < page_size {
            return None;
        }
        let threshold = page_size * 9 / 10;
        let mut size = HEADER;
        let mut index = 0;
        for (at, element) in self.elements.iter().enumerate().take(count - MIN_ELEMENTS) {
            index = at;
            let more = ELEMENT + element.data_bytes();
            if at >= MIN_ELEMENTS && size + more > threshold {
                break;
            }
            size += more;
        }
        Some(index)
    }

    /// As many bytes as all elements need on one page.
    pub(crate) fn size(&self) -> usize {
        HEADER + self.elements.len() * ELEMENT + self.data.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(crate) fn first_key(&self) -> &[u8] {
        let end = self.elements.first().map_or(0, |element| element.key_bytes as usize);
        self.data.get(..end).unwrap_or_default()
    }

    /// The first `count` elements as a page: its header and elements, then keys and values.
    ///
    /// `page_size` of none stands for a page within a bucket's own element, which has the number 0 and no overflow.
    pub(crate) fn page(&self, count: usize, id: u64, page_size: Option<usize>) -> io::Result<(Vec<u8>, &[u8])> {
        let elements = self.elements.get(..count).unwrap_or(&self.elements);
        let mut at = HEADER + elements.len() * ELEMENT;
        let data_bytes = elements.iter().map(|element| element.data_bytes()).sum::<usize>();
        let overflow = page_size.map_or(0, |page_size| (at + data_bytes).div_ceil(page_size) - 1);
        let mut head = Vec::with_capacity(at);
        head.extend_from_slice(&id.to_le_bytes());
        head.extend_from_slice(&self.flags().to_le_bytes());
        head.extend_from_slice(&u16::try_from(elements.len()).map_err(too_long)?.to_le_bytes());
        head.extend_from_slice(&u32::try_from(overflow).map_err(too_long)?.to_le_bytes());
        for element in elements {
            // Where its key begins, counted from the element itself.
            let position = u32::try_from(at - head.len()).map_err(too_long)?;
            self.write_element(*element, position, &mut head);
            at += element.data_bytes();
        }
        Ok((head, self.data.get(..data_bytes).unwrap_or_default()))
    }

    fn write_element(&self, element: Element, position: u32, head: &mut Vec<u8>) {
        match self.kind {
            Kind::Leaf => {
                for field in [element.flags, position, element.key_bytes, element.value_bytes] {
                    head.extend_from_slice(&field.to_le_bytes());
                }
            }
            Kind::Branch => {
                head.extend_from_slice(&position.to_le_bytes());
                head.extend_from_slice(&element.key_bytes.to_le_bytes());
                head.extend_from_slice(&element.child.to_le_bytes());
            }
        }
    }

    fn flags(&self) -> u16 {
        match self.kind {
            Kind::Leaf => LEAF,
            Kind::Branch => BRANCH,
        }
    }

    /// Forgets the first `count` elements, which were written.
    pub(crate) fn drop_first(&mut self, count: usize) {
        let gone = self.elements.drain(..count.min(self.elements.len())).map(Element::data_bytes).sum::<usize>();
        // What moves to the front is a tenth of a page most of the time.
        self.data.drain(..gone);
    }
}

fn element_bytes(bytes: &[u8]) -> io::Result<u32> {
    // bbolt's `MaxValueSize`.
    u32::try_from(bytes.len()).ok().filter(|length| *length < i32::MAX as u32).ok_or_else(|| too_long(()))
}

fn too_long<T>(_: T) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "an item is longer than bbolt can store")
}
