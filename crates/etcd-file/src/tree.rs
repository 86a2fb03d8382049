//! Walks the B+tree of a file in key order, and checks on the way everything that a page promises.
//!
//! Two kinds of findings: a [`Fault`] that breaks a reader ends the walk. What bbolt never writes although its reader passes over it
//! (a gap, a wrong overflow, bytes behind the last element) is kept as the first *irregularity*: it tells changed bytes where no
//! SHA-256 does, since bbolt has no checksum on these pages.

use crate::error::{Error, Fault};
use crate::file::EtcdFile;
use crate::page::{BRANCH, BUCKET_ELEMENT, Body, Bucket, ELEMENT, HEADER, Header, LEAF, u32_at, u64_at};
use crate::source::ReadAt;

/// Deeper than any tree can be that fits on a disk: even with two children for each branch, 2^64 pages.
const DEEPEST: usize = 64;
/// No more than this many pages are read before it is known whether they belong to their page.
const MOST_GUESSED: u32 = 15;

/// What a walk does with what it meets.
pub(crate) trait Visit {
    /// A bucket begins.
    fn bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        let _ = name;
        Ok(())
    }

    /// The next leaf of the bucket, its keys after those of the leaf before.
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error>;

    /// A page with what belongs to it was read to its end: a branch after its children, a leaf after [`Self::leaf`]. Those of the list of
    /// buckets have no bucket's name and come last.
    fn page(&mut self, bucket: &[u8], page: PageSeen) {
        let _ = (bucket, page);
    }
}

/// A page of the tree, with its overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageSeen {
    pub(crate) is_branch: bool,
    /// How many pages belong to it beside itself.
    pub(crate) overflow: u32,
    pub(crate) elements: u16,
    /// The bytes behind its last element.
    pub(crate) slack_bytes: u64,
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    /// Enough of this bucket.
    Stop,
}

/// A leaf whose elements were all found to lie within it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    pub(crate) bucket: &'a [u8],
    pub(crate) page: u64,
    /// Where its bytes begin in the file.
    pub(crate) offset: u64,
    bytes: &'a [u8],
    count: u16,
    /// Keys and values follow each other without a gap, from here to there.
    packed: Option<(usize, usize)>,
    /// Where its last element ends.
    end: usize,
}

/// One element of a leaf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) index: u16,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Leaf<'a> {
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let bytes = self.bytes;
        (0..self.count).filter_map(move |index| {
            let element = leaf_element(bytes, index)?;
            Some(Item { index, key: bytes.get(element.key())?, value: bytes.get(element.value())? })
        })
    }

    /// All keys and values in their order, as one piece, where they lie so.
    pub(crate) fn packed(&self) -> Option<&'a [u8]> {
        self.packed.and_then(|(begin, end)| self.bytes.get(begin..end))
    }

    /// The bytes behind its last element; none within a bucket's element.
    pub(crate) fn slack_bytes(&self) -> u64 {
        self.bytes.len().saturating_sub(self.end) as u64
    }

    pub(crate) fn broken(&self, index: u16, fault: Fault) -> Error {
        Error::Broken { page: self.page, offset: self.offset + (HEADER + usize::from(index) * ELEMENT) as u64, fault }
    }
}

/// An element of either kind; offsets are within the page and lie inside of it.
#[derive(Debug, Clone, Copy)]
struct Element {
    at: usize,
    key_bytes: usize,
    value_bytes: usize,
    /// A leaf element's flags; 0 in a branch.
    flags: u32,
    /// A branch element's page; 0 in a leaf.
    child: u64,
}

impl Element {
    fn key(&self) -> std::ops::Range<usize> {
        self.at..self.at + self.key_bytes
    }

    fn value(&self) -> std::ops::Range<usize> {
        let begin = self.at + self.key_bytes;
        begin..begin + self.value_bytes
    }

    fn end(&self) -> usize {
        self.at + self.key_bytes + self.value_bytes
    }

    fn within(self, length: usize) -> Option<Self> {
        let end = self.at.checked_add(self.key_bytes)?.checked_add(self.value_bytes)?;
        (end <= length).then_some(self)
    }
}

fn leaf_element(bytes: &[u8], index: u16) -> Option<Element> {
    let here = HEADER + usize::from(index) * ELEMENT;
    let at = here.checked_add(usize::try_from(u32_at(bytes, here + 4)?).ok()?)?;
    let (key_bytes, value_bytes) = (u32_at(bytes, here + 8)?, u32_at(bytes, here + 12)?);
    let (key_bytes, value_bytes) = (usize::try_from(key_bytes).ok()?, usize::try_from(value_bytes).ok()?);
    Element { at, key_bytes, value_bytes, flags: u32_at(bytes, here)?, child: 0 }.within(bytes.len())
}

fn branch_element(bytes: &[u8], index: u16) -> Option<Element> {
    let here = HEADER + usize::from(index) * ELEMENT;
    let at = here.checked_add(usize::try_from(u32_at(bytes, here)?).ok()?)?;
    let key_bytes = usize::try_from(u32_at(bytes, here + 4)?).ok()?;
    Element { at, key_bytes, value_bytes: 0, flags: 0, child: u64_at(bytes, here + 8)? }.within(bytes.len())
}

/// A walk over a file, and what it has seen so far.
pub(crate) struct Walk<'f, S> {
    file: &'f EtcdFile<S>,
    reached: Reached,
    /// The first thing that bbolt does not write.
    pub(crate) irregularity: Option<Error>,
    /// Page buffers that were used before, so that a walk allocates a few times in all.
    spare: Vec<Vec<u8>>,
    /// How many pages the one before had behind it. Neighbours are mostly of a size, and one read costs less than two.
    overflow: u32,
}

/// One bit for each page: 16 KiB for a file of 512 MiB.
struct Reached {
    bits: Vec<u64>,
    pages: u64,
}

impl Reached {
    fn of(pages: u64) -> Self {
        let words = usize::try_from(pages.div_ceil(64)).unwrap_or(usize::MAX);
        Self { bits: vec![0; words], pages: 0 }
    }

    /// Marks a page; false where it was marked already.
    fn mark(&mut self, page: u64) -> bool {
        let word = usize::try_from(page / 64).ok().and_then(|word| self.bits.get_mut(word));
        let Some(word) = word else { return false };
        let fresh = *word & (1 << (page % 64)) == 0;
        *word |= 1 << (page % 64);
        self.pages += u64::from(fresh);
        fresh
    }
}

/// The keys that a page may hold: from the first, included, to the second, excluded.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds<'a> {
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
}

/// Where a page came from, for errors and for the bucket's name.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    page: u64,
    offset: u64,
    bucket: &'a [u8],
    depth: usize,
}

impl Place<'_> {
    fn broken(&self, at: usize, fault: Fault) -> Error {
        Error::Broken { page: self.page, offset: self.offset + at as u64, fault }
    }

    fn at_element(&self, index: u16, fault: Fault) -> Error {
        self.broken(HEADER + usize::from(index) * ELEMENT, fault)
    }
}

impl<'f, S: ReadAt> Walk<'f, S> {
    pub(crate) fn new(file: &'f EtcdFile<S>) -> Self {
        let mut reached = Reached::of(file.meta().pages);
        reached.mark(0);
        reached.mark(1);
        Self { file, reached, irregularity: None, spare: Vec::new(), overflow: 0 }
    }

    /// How many pages were reached, the two meta pages included.
    pub(crate) fn reached_pages(&self) -> u64 {
        self.reached.pages
    }

    /// Every bucket in the order of the names; its leaves in the order of the keys.
    pub(crate) fn all(&mut self, visit: &mut dyn Visit) -> Result<(), Error> {
        let mut roots = Roots::default();
        self.tree(self.file.meta().root, b"", &mut roots)?;
        for root in roots.buckets {
            visit.bucket(&root.name)?;
            self.bucket(&root, visit)?;
        }
        roots.pages.into_iter().for_each(|page| visit.page(b"", page));
        Ok(())
    }

    /// The names of the top-level buckets.
    pub(crate) fn names(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        let mut roots = Roots::default();
        self.tree(self.file.meta().root, b"", &mut roots)?;
        Ok(roots.buckets.into_iter().map(|root| root.name).collect())
    }

    /// One bucket alone; nothing happens where it is missing.
    pub(crate) fn only(&mut self, name: &[u8], visit: &mut dyn Visit) -> Result<(), Error> {
        let mut roots = Roots::default();
        self.tree(self.file.meta().root, b"", &mut roots)?;
        match roots.buckets.iter().find(|root| root.name == name) {
            Some(root) => self.bucket(root, visit),
            None => Ok(()),
        }
    }

    fn bucket(&mut self, root: &Root, visit: &mut dyn Visit) -> Result<(), Error> {
        let place = Place { page: root.page, offset: root.offset, bucket: &root.name, depth: 0 };
        let short = || place.broken(0, Fault::ShortBucket { index: root.index, bytes: root.value.len() as u64 });
        let bucket = Bucket::parse(&root.value).ok_or_else(short)?;
        if bucket.sequence != 0 {
            self.irregular(|| place.broken(8, wrong_field("sequence", bucket.sequence, 0)));
        }
        match bucket.body {
            Body::Root(page) => self.tree(page, &root.name, visit),
            Body::Inline(bytes) => self.inline(bytes, Place { offset: root.offset + 16, ..place }, visit),
        }
    }

    /// A bucket that is small enough to lie within its element: a leaf without page number.
    fn inline(&mut self, bytes: &[u8], place: Place<'_>, visit: &mut dyn Visit) -> Result<(), Error> {
        let header = Header::parse(bytes).ok_or_else(|| place.broken(0, Fault::ShortBucket { index: 0, bytes: bytes.len() as u64 }))?;
        if header.flags != LEAF {
            return Err(place.broken(8, Fault::WrongKind { flags: header.flags }));
        }
        if header.id != 0 || header.overflow != 0 {
            self.irregular(|| place.broken(0, wrong_field("id or overflow of a page within a bucket", header.id.max(header.overflow.into()), 0)));
        }
        let used = self.leaf(bytes, header, place, Bounds::default(), visit)?.1;
        if used != bytes.len() {
            self.irregular(|| place.broken(used, Fault::Residue));
        }
        Ok(())
    }

    fn tree(&mut self, root: u64, bucket: &[u8], visit: &mut dyn Visit) -> Result<(), Error> {
        let place = Place { page: root, offset: 0, bucket, depth: 0 };
        self.subtree(place, Bounds::default(), visit).map(|_| ())
    }

    fn subtree(&mut self, place: Place<'_>, bounds: Bounds<'_>, visit: &mut dyn Visit) -> Result<Flow, Error> {
        let place = Place { offset: place.page.saturating_mul(self.file.page_size()), ..place };
        if place.depth > DEEPEST {
            return Err(place.broken(0, Fault::TooDeep { levels: 64 }));
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        let header = self.read(place, &mut bytes)?;
        let (flow, used) = match header.flags {
            LEAF => self.leaf(&bytes, header, place, bounds, visit)?,
            BRANCH => self.branch(&bytes, header, place, bounds, visit)?,
            flags => return Err(place.broken(8, Fault::WrongKind { flags })),
        };
        self.check_rest(&bytes, used, header, place);
        let slack_bytes = bytes.len().saturating_sub(used) as u64;
        let seen = PageSeen { is_branch: header.flags == BRANCH, overflow: header.overflow, elements: header.count, slack_bytes };
        visit.page(place.bucket, seen);
        self.spare.push(bytes);
        Ok(flow)
    }

    /// Reads a page with what belongs to it, once all of it was found to lie in the file and to be reached for the first time.
    fn read(&mut self, place: Place<'_>, bytes: &mut Vec<u8>) -> Result<Header, Error> {
        let last = self.file.meta().pages - 1;
        if place.page < 2 || place.page > last {
            return Err(place.broken(0, Fault::OutOfFile { last }));
        }
        let page_size = usize::try_from(self.file.page_size()).unwrap_or(usize::MAX);
        let size_with = |overflow: u32| page_size.saturating_mul(overflow as usize + 1);
        let guess = if u64::from(self.overflow) <= last - place.page { self.overflow } else { 0 };
        bytes.resize(size_with(guess), 0);
        self.file.read(bytes, place.offset)?;
        let header = Header::parse(bytes).ok_or_else(|| place.broken(0, Fault::OutOfFile { last }))?;
        if header.id != place.page {
            return Err(place.broken(0, Fault::WrongId { says: header.id }));
        }
        let end = place.page + u64::from(header.overflow);
        if end > last {
            return Err(place.broken(12, Fault::OutOfFile { last }));
        }
        for page in place.page..=end {
            if !self.reached.mark(page) {
                return Err(place.broken(0, Fault::ReachedTwice));
            }
        }
        bytes.resize(size_with(header.overflow), 0);
        if header.overflow > guess {
            let (read, rest) = bytes.split_at_mut(size_with(guess));
            self.file.read(rest, place.offset + read.len() as u64)?;
        }
        self.overflow = header.overflow.min(MOST_GUESSED);
        Ok(header)
    }

    fn leaf(&mut self, bytes: &[u8], header: Header, place: Place<'_>, bounds: Bounds<'_>, visit: &mut dyn Visit) -> Result<(Flow, usize), Error> {
        let mut packing = Packing::behind(header);
        let mut before = None;
        for index in 0..header.count {
            let element = leaf_element(bytes, index).ok_or_else(|| out_of_page(place, header, index))?;
            if element.flags > BUCKET_ELEMENT {
                self.irregular(|| place.at_element(index, wrong_field("flags of an element", element.flags.into(), 0)));
            }
            if place.bucket.is_empty() != (element.flags & BUCKET_ELEMENT == BUCKET_ELEMENT) {
                return Err(place.at_element(index, wrong_element(index, place.bucket.is_empty())));
            }
            let key = bytes.get(element.key()).unwrap_or_default();
            self.check_key(key, before, index, place, bounds)?;
            before = Some(key);
            self.pack(&mut packing, element, index, place)?;
        }
        if header.count == 0 && place.depth > 0 {
            self.irregular(|| place.broken(10, wrong_field("count", 0, 1)));
        }
        let leaf = Leaf {
            bucket: place.bucket,
            page: place.page,
            offset: place.offset,
            bytes,
            count: header.count,
            packed: packing.gapless.then_some((packing.begin, packing.end)),
            end: packing.end,
        };
        Ok((visit.leaf(&leaf)?, packing.end))
    }

    fn branch(&mut self, bytes: &[u8], header: Header, place: Place<'_>, bounds: Bounds<'_>, visit: &mut dyn Visit) -> Result<(Flow, usize), Error> {
        if header.count == 0 {
            return Err(place.broken(10, Fault::EmptyBranch));
        }
        let mut packing = Packing::behind(header);
        let mut before = None;
        // All of it first: what a child's keys have to stay below stands in the next element.
        for index in 0..header.count {
            let element = branch_element(bytes, index).ok_or_else(|| out_of_page(place, header, index))?;
            let key = bytes.get(element.key()).unwrap_or_default();
            self.check_key(key, before, index, place, bounds)?;
            before = Some(key);
            self.pack(&mut packing, element, index, place)?;
        }
        let key_of = |index: u16| branch_element(bytes, index).and_then(|element| bytes.get(element.key()));
        for index in 0..header.count {
            let Some(element) = branch_element(bytes, index) else { continue };
            let high = if index + 1 < header.count { key_of(index + 1) } else { bounds.high };
            let child = Place { page: element.child, depth: place.depth + 1, ..place };
            if self.subtree(child, Bounds { low: key_of(index), high }, visit)? == Flow::Stop {
                return Ok((Flow::Stop, packing.end));
            }
        }
        Ok((Flow::On, packing.end))
    }

    /// bbolt's `tx.Check`: ascending within the page, and between the parent's keys. Beyond it: a parent names its child's first key.
    fn check_key(&mut self, key: &[u8], before: Option<&[u8]>, index: u16, place: Place<'_>, bounds: Bounds<'_>) -> Result<(), Error> {
        match before {
            Some(before) if before >= key => return Err(place.at_element(index, Fault::OutOfOrder { index })),
            Some(_) => {}
            None => {
                if key.is_empty() {
                    self.irregular(|| place.at_element(index, wrong_field("length of a key", 0, 1)));
                }
                match bounds.low {
                    Some(low) if low > key => return Err(place.at_element(index, Fault::OutOfRange)),
                    Some(low) if low < key => self.irregular(|| place.at_element(index, Fault::StaleKey)),
                    Some(_) | None => {}
                }
            }
        }
        if bounds.high.is_some_and(|high| key >= high) {
            return Err(place.at_element(index, Fault::OutOfRange));
        }
        Ok(())
    }

    /// A gap is merely what bbolt does not leave. An overlap would let few bytes stand for any number of them: a file of a megabyte with
    /// twenty thousand values that each fill it would ask for 24 GB.
    fn pack(&mut self, packing: &mut Packing, element: Element, index: u16, place: Place<'_>) -> Result<(), Error> {
        if element.at < packing.end {
            return Err(place.at_element(index, Fault::Overlap { index }));
        }
        if element.at > packing.end {
            packing.gapless = false;
            self.irregular(|| place.at_element(index, Fault::Misplaced { index }));
        }
        packing.end = element.end();
        Ok(())
    }

    /// bbolt writes as many pages as the elements need and leaves the rest of the last one at zero. Before 1.3.7 it took a page more
    /// where they fit exactly.
    fn check_rest(&mut self, bytes: &[u8], used: usize, header: Header, place: Place<'_>) {
        let page_size = usize::try_from(self.file.page_size()).unwrap_or(usize::MAX);
        let (found, expected) = (u64::from(header.overflow) + 1, used.div_ceil(page_size) as u64);
        let one_more = used % page_size == 0 && found == expected + 1;
        if found != expected && !one_more {
            self.irregular(|| place.broken(12, Fault::WrongOverflow { found, expected }));
        } else if !bytes.get(used..).is_none_or(is_zero) {
            self.irregular(|| place.broken(used, Fault::Residue));
        }
    }

    fn irregular(&mut self, error: impl FnOnce() -> Error) {
        if self.irregularity.is_none() {
            self.irregularity = Some(error());
        }
    }
}

/// How the keys and values of a page lie: bbolt puts them right behind the elements, one after the other.
struct Packing {
    begin: usize,
    end: usize,
    gapless: bool,
}

impl Packing {
    fn behind(header: Header) -> Self {
        let begin = HEADER + usize::from(header.count) * ELEMENT;
        Self { begin, end: begin, gapless: true }
    }
}

/// By 64 bytes at once, which compiles to vector instructions: byte by byte it was the dearest part of a walk.
fn is_zero(bytes: &[u8]) -> bool {
    let pieces = bytes.chunks_exact(64);
    let last = pieces.remainder().iter().all(|byte| *byte == 0);
    last && pieces.into_iter().all(|piece| piece.iter().fold(0, |any, byte| any | byte) == 0)
}

fn out_of_page(place: Place<'_>, header: Header, index: u16) -> Error {
    place.at_element(index, Fault::ElementOutOfPage { index, count: header.count })
}

fn wrong_field(field: &str, found: u64, expected: u64) -> Fault {
    Fault::WrongField { field: field.to_owned(), found, expected }
}

fn wrong_element(index: u16, at_the_top: bool) -> Fault {
    let (found, expected) = if at_the_top { ("a value", "a bucket") } else { ("a bucket", "a value") };
    Fault::WrongElement { index, found: found.to_owned(), expected: expected.to_owned() }
}

/// The top-level buckets: a handful in every etcd file.
#[derive(Default)]
struct Roots {
    buckets: Vec<Root>,
    pages: Vec<PageSeen>,
}

struct Root {
    name: Vec<u8>,
    value: Vec<u8>,
    page: u64,
    /// Where the value begins in the file.
    offset: u64,
    index: u16,
}

impl Visit for Roots {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        for item in leaf.items() {
            let element = leaf_element(leaf.bytes, item.index);
            let offset = leaf.offset + element.map_or(0, |element| element.value().start) as u64;
            self.buckets.push(Root { name: item.key.to_vec(), value: item.value.to_vec(), page: leaf.page, offset, index: item.index });
        }
        Ok(Flow::On)
    }

    fn page(&mut self, _: &[u8], page: PageSeen) {
        self.pages.push(page);
    }
}
