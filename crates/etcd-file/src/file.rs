//! An opened file: its meta pages, its size, and the SHA-256 at its end where there is one.

use crate::digest::Sha256;
use crate::error::{Error, Fault};
use crate::page::{HEADER, Header, META, META_FLAG, Meta, NO_FREELIST, PAGE_SIZES};
use crate::source::ReadAt;
use crate::tree::{Flow, Leaf, Visit, Walk};

/// A snapshot, or the `member/snap/db` of a data directory, of etcd 3.4 to 3.7.
///
/// Nothing is kept of it but its meta page: each question reads the file anew, page by page.
///
/// ```
/// use trimtab_etcd_file::{Error, EtcdFile};
///
/// let error = EtcdFile::open(b"PK\x03\x04 a zip file".to_vec()).unwrap_err();
/// assert!(matches!(error, Error::NotBolt { .. }));
/// ```
#[derive(Debug)]
pub struct EtcdFile<S> {
    source: S,
    length: u64,
    meta: Meta,
    trailer: Option<Sha256>,
}

/// What [`EtcdFile::for_each`] calls: with bucket, key and value.
pub type VisitItem<'a> = dyn FnMut(&[u8], &[u8], &[u8]) -> Result<(), Error> + 'a;

impl<S: ReadAt> EtcdFile<S> {
    /// Reads the meta pages and the names of the buckets.
    ///
    /// The page size is the file's own, from 512 bytes to 1 MiB, wherever it was written. Of the two meta pages the valid one with the
    /// higher transaction counts, as in bbolt's `db.go`.
    ///
    /// # Errors
    /// [`Error::NotBolt`], [`Error::NotEtcd`], [`Error::Truncated`], [`Error::Unreadable`], or [`Error::Broken`] in the pages of the bucket
    /// list; [`Error::Changed`] and [`Error::Written`] for a file that somebody writes meanwhile.
    pub fn open(source: S) -> Result<Self, Error> {
        let length = source.length().map_err(|error| unreadable(0, 0, &error))?;
        let meta = find_meta(&source, length)?;
        let mut file = Self { source, length, meta, trailer: None };
        file.trailer = file.unchanged(file.check_whole())?;
        Ok(file)
    }

    /// The size of a page in bytes.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        u64::from(self.meta.page_size)
    }

    /// The length of the file in bytes, the SHA-256 included.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The length of the database in bytes: pages times page size. Upstream's `totalSize`.
    #[must_use]
    pub fn total_size_bytes(&self) -> u64 {
        self.meta.bytes()
    }

    /// The SHA-256 that stands at the end of a snapshot; none in the file of a data directory. Not compared with the bytes yet.
    #[must_use]
    pub fn trailer(&self) -> Option<Sha256> {
        self.trailer
    }

    /// Calls `visit` with bucket, key and value of every item: buckets in the order of their names, items in the order of their keys.
    ///
    /// # Errors
    /// The first fault of the file, or what `visit` returns.
    pub fn for_each(&self, visit: &mut VisitItem<'_>) -> Result<(), Error> {
        Walk::new(self).all(&mut Each { visit })
    }

    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        self.source.read_exact_at(buffer, offset).map_err(|error| unreadable(offset, buffer.len() as u64, &error))
    }

    /// Tells a file that is written while it is read from one that is broken.
    pub(crate) fn unchanged<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        let after_bytes = self.source.length().map_err(|error| unreadable(0, 0, &error))?;
        if after_bytes != self.length {
            return Err(Error::Changed { before_bytes: self.length, after_bytes });
        }
        match find_meta(&self.source, self.length) {
            Ok(meta) if meta.txid != self.meta.txid => Err(Error::Written { before: self.meta.txid, after: meta.txid }),
            Ok(_) | Err(_) => outcome,
        }
    }

    /// The first thing about the two meta pages that bbolt does not write.
    pub(crate) fn meta_irregularity(&self) -> Result<Option<Error>, Error> {
        let mut txids = Vec::new();
        for page in 0..2 {
            let mut bytes = vec![0; usize::try_from(self.page_size()).unwrap_or(usize::MAX)];
            let offset = page * self.page_size();
            self.read(&mut bytes, offset)?;
            match check_meta_page(&bytes, page) {
                Ok(meta) => txids.push(meta.txid),
                Err((at, fault)) => return Ok(Some(Error::Broken { page, offset: offset + at as u64, fault })),
            }
        }
        let apart = txids.first().zip(txids.get(1)).map_or(0, |(first, second)| first.abs_diff(*second));
        let fault = || Fault::Meta { problem: format!("its transaction is {apart} away from the other one's, expected 1") };
        Ok((apart != 1).then(|| Error::Broken { page: 1, offset: self.page_size(), fault: fault() }))
    }

    fn check_whole(&self) -> Result<Option<Sha256>, Error> {
        if self.meta.bytes() > self.length {
            return Err(Error::Truncated { expected_bytes: self.meta.bytes(), found_bytes: self.length });
        }
        let trailer = read_trailer(&self.source, self.length, self.meta)?;
        self.check_buckets()?;
        Ok(trailer)
    }

    fn check_buckets(&self) -> Result<(), Error> {
        let names = Walk::new(self).names()?;
        let has = |wanted: &[u8]| names.iter().any(|name| name == wanted);
        if has(b"key") && has(b"meta") {
            return Ok(());
        }
        let readable = |name: &Vec<u8>| String::from_utf8_lossy(name).chars().take(40).collect();
        Err(Error::NotEtcd { buckets: names.iter().take(8).map(readable).collect() })
    }
}

fn check_meta_page(bytes: &[u8], page: u64) -> Result<Meta, (usize, Fault)> {
    let meta = Meta::parse(bytes).map_err(|problem| (HEADER, Fault::Meta { problem }))?;
    let wrong = |field: &str, at: usize, found: u64, expected: u64| (at, Fault::WrongField { field: field.to_owned(), found, expected });
    let header = Header::parse(bytes).unwrap_or(Header { id: 0, flags: 0, count: 0, overflow: 0 });
    if header.id != page {
        return Err((0, Fault::WrongId { says: header.id }));
    }
    if header.flags != META_FLAG {
        return Err(wrong("flags", 8, header.flags.into(), META_FLAG.into()));
    }
    if header.count != 0 {
        return Err(wrong("count", 10, header.count.into(), 0));
    }
    if header.overflow != 0 {
        return Err(wrong("overflow", 12, header.overflow.into(), 0));
    }
    // bbolt makes a database with a list in page 2 and replaces one meta page with each transaction: until the second one the other stays.
    let first = meta.txid <= 1 && meta.freelist == 2;
    if meta.freelist != NO_FREELIST && !first {
        return Err(wrong("free list", HEADER + 32, meta.freelist, NO_FREELIST));
    }
    match bytes.get(META..).and_then(|rest| rest.iter().position(|byte| *byte != 0)) {
        Some(at) => Err((META + at, Fault::Residue)),
        None => Ok(meta),
    }
}

/// The valid meta page with the higher transaction. The second one lies a page further on, and the page size stands in them: where the
/// first one is broken, every size is tried, as bbolt does.
fn find_meta<S: ReadAt>(source: &S, length: u64) -> Result<Meta, Error> {
    let first = meta_at(source, length, 0)?;
    let sizes = match &first {
        Ok(meta) => vec![meta.page_size],
        Err(_) => (0..32).map(|shift| 1_u32 << shift).filter(|size| PAGE_SIZES.contains(size)).collect(),
    };
    let mut found = first.as_ref().ok().copied();
    for size in sizes {
        if let Ok(meta) = meta_at(source, length, u64::from(size))? {
            if meta.page_size == size && found.is_none_or(|found| found.txid < meta.txid) {
                found = Some(meta);
            }
        }
    }
    found.ok_or_else(|| Error::NotBolt { found: first.err().unwrap_or_default() })
}

fn meta_at<S: ReadAt>(source: &S, length: u64, offset: u64) -> Result<Result<Meta, String>, Error> {
    let there = usize::try_from(length.saturating_sub(offset)).unwrap_or(META).min(META);
    if there == 0 {
        return Ok(Err("0 bytes".to_owned()));
    }
    let mut bytes = vec![0; there];
    source.read_exact_at(&mut bytes, offset).map_err(|error| unreadable(offset, there as u64, &error))?;
    Ok(Meta::parse(&bytes))
}

/// Upstream's rule, in every tool: a length of 32 more than a multiple of 512 (`hasChecksum` in etcdutl's `v3_snapshot.go`).
fn read_trailer<S: ReadAt>(source: &S, length: u64, meta: Meta) -> Result<Option<Sha256>, Error> {
    if length % 512 != Sha256::BYTES as u64 || length < meta.bytes() + Sha256::BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; Sha256::BYTES];
    let offset = length - Sha256::BYTES as u64;
    source.read_exact_at(&mut bytes, offset).map_err(|error| unreadable(offset, Sha256::BYTES as u64, &error))?;
    Ok(Some(Sha256::from_bytes(bytes)))
}

fn unreadable(offset: u64, bytes: u64, error: &std::io::Error) -> Error {
    Error::Unreadable { offset, bytes, problem: error.to_string() }
}

struct Each<'a, 'b> {
    visit: &'a mut VisitItem<'b>,
}

impl Visit for Each<'_, '_> {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        leaf.items().try_for_each(|item| (self.visit)(leaf.bucket, item.key, item.value))?;
        Ok(Flow::On)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::bolt_writer::BoltWriter;
    use crate::{Verify, example};

    fn bolt(page_size: u32, buckets: &[&str]) -> Vec<u8> {
        let mut writer = BoltWriter::new(Cursor::new(Vec::new()), page_size).unwrap();
        for bucket in buckets {
            writer.bucket(bucket.as_bytes()).unwrap();
            writer.put(b"name", b"value").unwrap();
        }
        writer.finish().unwrap().0.into_inner()
    }

    #[test]
    fn the_file_of_another_program_is_told_by_its_buckets() {
        let error = EtcdFile::open(bolt(4096, &["raft", "v1"])).unwrap_err();
        assert_eq!(error, Error::NotEtcd { buckets: vec!["raft".to_owned(), "v1".to_owned()] });
        assert!(error.to_string().contains("expected the buckets key and meta of etcd, found only raft, v1"));
        assert!(matches!(EtcdFile::open(bolt(4096, &[])).unwrap_err(), Error::NotEtcd { buckets } if buckets.is_empty()));
    }

    #[test]
    fn a_file_keeps_its_page_size_wherever_it_is_read_even_where_its_first_meta_page_is_broken() {
        for page_size in [512_u32, 4096, 16 * 1024, 64 * 1024, 1 << 20] {
            let mut bytes = bolt(page_size, &["cluster", "meta"]);
            let missing_key = EtcdFile::open(bytes.clone()).unwrap_err();
            assert!(matches!(missing_key, Error::NotEtcd { .. }), "{page_size}");
            bytes[HEADER] ^= 1;
            assert_eq!(EtcdFile::open(bytes).unwrap_err(), missing_key, "{page_size}: found by its second meta page");
        }
    }

    /// A source that changes between two looks, as a file does that somebody writes.
    #[derive(Debug)]
    struct Changing {
        bytes: Vec<u8>,
        looks: AtomicU64,
        /// How many looks see the first length.
        steady: u64,
        by: fn(u64) -> u64,
    }

    impl ReadAt for Changing {
        fn length(&self) -> io::Result<u64> {
            let length = self.bytes.len() as u64;
            Ok(if self.looks.fetch_add(1, Ordering::Relaxed) < self.steady { length } else { (self.by)(length) })
        }

        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            self.bytes.read_exact_at(buffer, offset)
        }
    }

    #[test]
    fn a_file_that_grows_or_shrinks_while_it_is_read_is_said_to_change() {
        for by in [|length| length + 4096, |length| length - 1] {
            let before_bytes = example::snapshot().len() as u64;
            let changed = Error::Changed { before_bytes, after_bytes: by(before_bytes) };
            let source = |steady| Changing { bytes: example::snapshot(), looks: AtomicU64::new(0), steady, by };
            assert_eq!(EtcdFile::open(source(1)).unwrap_err(), changed);
            assert_eq!(EtcdFile::open(source(2)).unwrap().verify(&Verify::snapshot()).unwrap_err(), changed);
        }
    }

    #[test]
    fn a_file_that_is_still_being_copied_is_not_called_cut() {
        let whole = example::snapshot();
        let source = Changing { bytes: whole[..8192].to_vec(), looks: AtomicU64::new(0), steady: 1, by: |_| 12288 };
        assert_eq!(EtcdFile::open(source).unwrap_err(), Error::Changed { before_bytes: 8192, after_bytes: 12288 });
    }

    #[test]
    fn the_free_list_that_a_database_was_made_with_may_stay_until_its_second_transaction() {
        let with = |freelist: u64, txid: u64| {
            let mut bytes = bolt(4096, &["cluster", "key", "meta"]);
            for (page, freelist, txid) in [(0, NO_FREELIST, txid + 1), (1, freelist, txid)] {
                let meta = &mut bytes[page * 4096 + HEADER..page * 4096 + META];
                meta[32..40].copy_from_slice(&freelist.to_le_bytes());
                meta[48..56].copy_from_slice(&txid.to_le_bytes());
                let checksum = crate::page::fnv1a(&meta[..56]);
                meta[56..64].copy_from_slice(&checksum.to_le_bytes());
            }
            EtcdFile::open(bytes).unwrap().meta_irregularity().unwrap()
        };
        assert_eq!(with(2, 1), None);
        assert!(with(2, 3).is_some() && with(3, 1).is_some());
    }

    /// Few bytes that stand for many would fill the memory before anything else is looked at.
    #[test]
    fn values_that_overlap_are_refused() {
        let mut bytes = bolt(4096, &["cluster", "key", "meta"]);
        let root = EtcdFile::open(bytes.clone()).unwrap().meta().root;
        let size_of_the_first_value = usize::try_from(root).unwrap() * 4096 + HEADER + 12;
        let size = &mut bytes[size_of_the_first_value..size_of_the_first_value + 4];
        assert!(size[0] < 200 && size[1..] == [0; 3]);
        size[0] += 1;
        let error = EtcdFile::open(bytes).unwrap_err();
        assert!(matches!(error, Error::Broken { page, fault: Fault::Overlap { index: 1 }, .. } if page == root), "{error:?}");
    }

    #[test]
    fn a_file_of_any_length_is_no_etcd_file_or_a_cut_one() {
        let bytes = example::snapshot();
        for length in 0..bytes.len() - 32 {
            match EtcdFile::open(&bytes[..length]).map(|_| ()) {
                Err(Error::NotBolt { .. }) => assert!(length < META, "{length}"),
                Err(Error::Truncated { expected_bytes: 16384, found_bytes }) => assert_eq!(found_bytes, length as u64),
                other => panic!("{length}: {other:?}"),
            }
        }
    }
}
