//! What was written is read back by a reader of its own, which wants everything as bbolt would have it.

use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::prelude::*;

use super::*;

type Items = BTreeMap<Vec<u8>, Vec<u8>>;
type Buckets = BTreeMap<Vec<u8>, Items>;

fn write(buckets: &Buckets, page_size: u32) -> Vec<u8> {
    let mut writer = BoltWriter::new(Cursor::new(Vec::new()), page_size).unwrap();
    for (name, items) in buckets {
        writer.bucket(name).unwrap();
        for (key, value) in items {
            writer.put(key, value).unwrap();
        }
    }
    let (out, written) = writer.finish().unwrap();
    let bytes = out.into_inner();
    assert_eq!((bytes.len() as u64, written.pages * u64::from(page_size)), (written.bytes, written.bytes));
    bytes
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// A strict reader: panics at whatever bbolt does not write.
struct Reader<'a> {
    file: &'a [u8],
    page_size: usize,
    reached: Vec<bool>,
    /// Bytes used on each leaf that is not the last of its bucket.
    fills: Vec<usize>,
}

fn read(file: &[u8], page_size: u32) -> (Buckets, Reader<'_>) {
    let page_size = page_size as usize;
    let pages = file.len() / page_size;
    let mut reader = Reader { file, page_size, reached: vec![false; pages], fills: Vec::new() };
    let mut roots = Vec::new();
    for page in 0..2 {
        let bytes = &file[page * page_size..(page + 1) * page_size];
        assert_eq!((number(bytes, 0, 8), number(bytes, 8, 8)), (page as u64, 4), "page id and flags");
        assert_eq!((number(bytes, 16, 4), number(bytes, 20, 4), number(bytes, 24, 8)), (0xED0C_DAED, 2, page_size as u64));
        assert_eq!((number(bytes, 48, 8), number(bytes, 56, 8)), (u64::MAX, pages as u64), "free list and number of pages");
        assert_eq!((number(bytes, 40, 8), number(bytes, 64, 8) % 2), (0, page as u64), "sequence and transaction");
        let checksum =
            bytes[16..72].iter().fold(14_695_981_039_346_656_037_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211));
        assert_eq!(number(bytes, 72, 8), checksum);
        assert!(bytes[80..].iter().all(|byte| *byte == 0));
        roots.push(number(bytes, 32, 8));
        reader.reached[page] = true;
    }
    assert_eq!(roots[0], roots[1]);
    let mut buckets = Buckets::new();
    for (name, value, flags) in reader.tree(roots[0], None) {
        assert_eq!(flags, 1);
        buckets.insert(name, reader.bucket(&value));
    }
    assert!(reader.reached.iter().all(|reached| *reached), "no page is free");
    (buckets, reader)
}

impl Reader<'_> {
    fn bucket(&mut self, value: &[u8]) -> Items {
        assert_eq!(number(value, 8, 8), 0, "sequence");
        let root = number(value, 0, 8);
        let items = if root == 0 {
            assert_eq!(number(value, 16, 8), 0, "the number of an inline page");
            assert!(value.len() - 16 <= self.page_size / 4);
            let (items, used) = elements(&value[16..]);
            assert_eq!(used, value.len() - 16);
            items
        } else {
            let items = self.tree(root, None);
            let size = 16 + items.iter().map(|(key, value, _)| 16 + key.len() + value.len()).sum::<usize>();
            assert!(size > self.page_size / 4, "a bucket of {size} bytes lies within its element");
            items
        };
        assert!(items.iter().all(|(_, _, flags)| *flags == 0), "a bucket has no buckets");
        items.into_iter().map(|(key, value, _)| (key, value)).collect()
    }

    fn tree(&mut self, page: u64, first_key: Option<&[u8]>) -> Vec<(Vec<u8>, Vec<u8>, u64)> {
        let begin = index(page) * self.page_size;
        let header = &self.file[begin..];
        assert_eq!(number(header, 0, 8), page);
        let pages = index(number(header, 12, 4)) + 1;
        for page in index(page)..index(page) + pages {
            assert!(!std::mem::replace(&mut self.reached[page], true), "page {page} is reached twice");
        }
        let bytes = &self.file[begin..begin + pages * self.page_size];
        let (elements, used) = elements(bytes);
        assert_eq!(used.div_ceil(self.page_size), pages, "overflow");
        assert!(bytes[used..].iter().all(|byte| *byte == 0), "the rest is zero");
        if let Some(first_key) = first_key {
            assert_eq!(elements[0].0, first_key, "a branch names the first key");
        }
        if number(bytes, 8, 2) == 2 {
            self.fills.push(100 * used / (pages * self.page_size));
            return elements;
        }
        assert!(elements.len() >= 2, "a branch has two children or more");
        elements.iter().flat_map(|(key, _, child)| self.tree(*child, Some(key))).collect()
    }
}

/// Key, value, and flags or child.
type Element = (Vec<u8>, Vec<u8>, u64);

fn elements(page: &[u8]) -> (Vec<Element>, usize) {
    let (flags, count) = (number(page, 8, 2), index(number(page, 10, 2)));
    assert!(flags == 1 || flags == 2);
    let mut at = 16 + 16 * count;
    let mut all = Vec::new();
    for element in (16..).step_by(16).take(count) {
        let (position, key_bytes, value_bytes, tail) = match flags {
            1 => (number(page, element, 4), number(page, element + 4, 4), 0, number(page, element + 8, 8)),
            _ => (number(page, element + 4, 4), number(page, element + 8, 4), number(page, element + 12, 4), number(page, element, 4)),
        };
        assert_eq!(element + index(position), at, "keys and values follow each other");
        let middle = at + index(key_bytes);
        let end = middle + index(value_bytes);
        all.push((page[at..middle].to_vec(), page[middle..end].to_vec(), tail));
        at = end;
    }
    (all, at)
}

fn rows(count: u32, value_bytes: usize) -> Items {
    (0..count).map(|row| (row.to_be_bytes().to_vec(), vec![row.to_le_bytes()[0]; value_bytes])).collect()
}

fn one_bucket(items: Items) -> Buckets {
    Buckets::from([(b"key".to_vec(), items)])
}

#[test]
fn a_file_without_buckets_is_an_empty_leaf() {
    let bytes = write(&Buckets::new(), 4096);
    assert_eq!(bytes.len(), 3 * 4096);
    assert!(read(&bytes, 4096).0.is_empty());
}

#[test]
fn every_page_size_and_every_size_of_a_value_reads_back() {
    for page_size in (9..=16).map(|shift| 1 << shift) {
        for (count, value_bytes) in [(0, 0), (1, 0), (3, 10), (7, 100), (60, 700), (500, 40), (9, 5000), (5, 70_000)] {
            let buckets = one_bucket(rows(count, value_bytes));
            assert_eq!(read(&write(&buckets, page_size), page_size).0, buckets, "{count} of {value_bytes} bytes, page size {page_size}");
        }
    }
}

/// Counts at which a level ends right behind a cut, where a last branch with one child would come out.
#[test]
fn every_number_of_rows_reads_back() {
    for count in 0..400 {
        let buckets = one_bucket(rows(count, 60));
        assert_eq!(read(&write(&buckets, 512), 512).0, buckets, "{count} rows");
    }
}

#[test]
fn a_bucket_lies_within_its_element_up_to_a_quarter_of_a_page() {
    // 16 bytes for the page, 16 for the element, 4 for the key.
    for (value_bytes, pages) in [(1024 - 36, 3), (1024 - 35, 4)] {
        assert_eq!(write(&one_bucket(rows(1, value_bytes)), 4096).len(), pages * 4096);
    }
}

#[test]
fn the_largest_values_that_etcd_takes_read_back_among_small_ones() {
    let mut items = rows(200, 20);
    for row in [0, 50, 51, 52, 53, 54, 55, 199_u32] {
        items.insert(row.to_be_bytes().to_vec(), vec![7; 1_572_864]);
    }
    let buckets = one_bucket(items);
    assert_eq!(read(&write(&buckets, 4096), 4096).0, buckets);
}

#[test]
fn a_hundred_thousand_rows_fill_their_pages_as_a_defragmentation_does() {
    let buckets = one_bucket(rows(100_000, 60));
    let bytes = write(&buckets, 4096);
    let (found, reader) = read(&bytes, 4096);
    assert!(found == buckets);
    let mean = reader.fills.iter().sum::<usize>() / reader.fills.len();
    assert!((87..=90).contains(&mean), "leaves are filled to {mean} %");
}

#[test]
fn items_out_of_order_are_refused() {
    let mut writer = BoltWriter::new(Cursor::new(Vec::new()), 4096).unwrap();
    assert!(writer.put(b"a", b"").is_err(), "no bucket yet");
    writer.bucket(b"b").unwrap();
    writer.put(b"b", b"").unwrap();
    for key in [b"b".as_slice(), b"a", b""] {
        assert_eq!(writer.put(key, b"").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    writer.bucket(b"a").unwrap();
    assert!(writer.bucket(b"c").is_err(), "bucket a comes before bucket b");
}

#[test]
fn a_page_size_that_bbolt_cannot_have_is_refused() {
    for page_size in [0, 256, 4095, 1 << 21] {
        assert!(BoltWriter::new(Cursor::new(Vec::new()), page_size).is_err());
    }
}

fn any_buckets() -> impl Strategy<Value = Buckets> {
    // A byte and how often: what a value is made of does not matter, how long it is does.
    let bytes = prop_oneof![8 => 0_usize..40, 2 => 200..2000_usize, 1 => 4000..20_000_usize];
    let value = (any::<u8>(), bytes).prop_map(|(byte, bytes)| vec![byte; bytes]);
    let items = prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..30), value, 0..120);
    prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..300), items, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_written_reads_back(buckets in any_buckets(), shift in 9_u32..=16) {
        let bytes = write(&buckets, 1 << shift);
        prop_assert_eq!(read(&bytes, 1 << shift).0, buckets);
    }
}
