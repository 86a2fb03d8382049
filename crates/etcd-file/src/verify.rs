//! Proves a file: its SHA-256, its tree, the order of its keys, every value, its revisions; and reports what it holds.

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::digest::Sha256;
use crate::error::{Error, Fault};
use crate::file::EtcdFile;
use crate::hash_kv::{FirstPass, HashKv, key_value, row_key};
use crate::revision::RowKey;
use crate::source::ReadAt;
use crate::status::{Status, StatusPass};
use crate::tree::{Flow, Item, Leaf, Visit, Walk};
use crate::value::{self, KeyValue};
use crate::version::{EtcdVersion, Rules};

/// How a file is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    sha256: Checksum,
    etcd: Option<EtcdVersion>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Checksum {
    Required,
    Checked(Sha256),
    Absent,
}

impl Verify {
    /// A snapshot, which ends with its SHA-256.
    #[must_use]
    pub fn snapshot() -> Self {
        Self { sha256: Checksum::Required, etcd: None }
    }

    /// The file of a data directory, which has no SHA-256: everything that bbolt never writes is then an error.
    ///
    /// bbolt has no checksum on its pages: a changed byte in a value shows only in [`Status::hash`] and [`HashKv`].
    #[must_use]
    pub fn data_directory() -> Self {
        Self { sha256: Checksum::Absent, etcd: None }
    }

    /// The rules of this etcd for [`HashKv`], instead of the newest patch of the minor that wrote the file.
    #[must_use]
    pub fn with_etcd(self, version: EtcdVersion) -> Self {
        Self { etcd: Some(version), ..self }
    }

    /// The snapshot's bytes gave this SHA-256 while they came in (see [`SnapshotStream`](crate::SnapshotStream)), so they are not hashed
    /// again. It still has to be the one at the end of the file.
    #[must_use]
    pub fn with_checked_sha256(self, sha256: Sha256) -> Self {
        Self { sha256: Checksum::Checked(sha256), ..self }
    }
}

/// A file that was proven, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The SHA-256 over the database; none for the file of a data directory.
    pub sha256: Option<Sha256>,
    /// What `snapshot status` says.
    pub status: Status,
    /// HashKV at the last revision.
    pub hash_kv: HashKv,
    /// The etcd whose rules [`Self::hash_kv`] follows.
    pub etcd: EtcdVersion,
    /// In bytes.
    pub page_size: u64,
    /// How many pages the file has.
    pub pages: u64,
    /// How many of them a defragmentation would give back.
    pub free_pages: u64,
    /// What bbolt or etcd would not have written, in a file whose SHA-256 is right all the same: the member had it so.
    pub irregularity: Option<Error>,
}

impl<S: ReadAt> EtcdFile<S> {
    /// Proves the file and reports what it holds, in one pass over its pages beside the SHA-256, which has a thread of its own.
    ///
    /// Memory: the live keys (their bytes and 40 to 80 more for each), a page for each level of the tree, the largest value, and one bit for
    /// each page; whatever the file's size.
    ///
    /// # Errors
    /// The first of: a file that changed meanwhile; no or another SHA-256; the first fault in the order of the tree, with page and offset.
    ///
    /// ```
    /// use trimtab_etcd_file::{Error, EtcdFile, Verify, example};
    ///
    /// let mut bytes = example::snapshot();
    /// let verified = EtcdFile::open(bytes.clone())?.verify(&Verify::snapshot())?;
    /// assert_eq!((verified.status.revision, verified.status.total_key), (4, 2));
    ///
    /// let value = bytes.windows(5).position(|bytes| bytes == b"three").unwrap_or_default();
    /// bytes[value] ^= 1;
    /// let error = EtcdFile::open(bytes)?.verify(&Verify::snapshot()).unwrap_err();
    /// assert!(matches!(error, Error::Sha256Mismatch { .. }));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn verify(&self, how: &Verify) -> Result<Verified, Error> {
        self.unchanged(self.verify_now(how))
    }

    fn verify_now(&self, how: &Verify) -> Result<Verified, Error> {
        match &how.sha256 {
            Checksum::Absent => self.walk(how.etcd, None),
            Checksum::Checked(sha256) => {
                let expected = self.required_trailer()?;
                let walked = self.walk(how.etcd, Some(expected));
                if expected == *sha256 { walked } else { Err(mismatch(expected, *sha256, walked)) }
            }
            Checksum::Required => {
                let expected = self.required_trailer()?;
                let (hashed, walked) = beside(|| self.sha256(), || self.walk(how.etcd, Some(expected)));
                let found = hashed?;
                if found == expected { walked } else { Err(mismatch(expected, found, walked)) }
            }
        }
    }

    fn required_trailer(&self) -> Result<Sha256, Error> {
        let expected_bytes = self.total_size_bytes() + Sha256::BYTES as u64;
        self.trailer().ok_or(Error::NoSha256 { expected_bytes, found_bytes: self.length() })
    }

    /// The SHA-256 of everything before the trailer.
    fn sha256(&self) -> Result<Sha256, Error> {
        let end = self.length() - Sha256::BYTES as u64;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        let mut offset = 0;
        while offset < end {
            let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
            let (piece, _) = buffer.split_at_mut(wanted);
            self.read(piece, offset)?;
            hasher.update(piece);
            offset += wanted as u64;
        }
        Ok(Sha256::from_bytes(hasher.finalize().into()))
    }

    fn walk(&self, etcd: Option<EtcdVersion>, sha256: Option<Sha256>) -> Result<Verified, Error> {
        let irregular_meta = self.meta_irregularity()?;
        let meta = self.meta_bucket()?;
        let etcd = etcd.map_or_else(|| meta.etcd(), Ok)?;
        let mut pass = Pass {
            status: StatusPass::default(),
            rows: FirstPass::new(i64::MAX, meta.compactions.compact_revision(), Rules::at(etcd)),
            inconsistency: None,
        };
        let mut walk = Walk::new(self);
        walk.all(&mut pass)?;
        let irregularity = irregular_meta.or(walk.irregularity.take()).or(pass.inconsistency);
        if let (Some(error), None) = (&irregularity, sha256) {
            return Err(error.clone());
        }
        let hash_kv = self.finish_hash_kv(&pass.rows, pass.rows.current_revision())?;
        let pages = self.meta().pages;
        Ok(Verified {
            sha256,
            status: pass.status.status(&pass.rows, self.total_size_bytes(), meta.storage_version),
            hash_kv,
            etcd,
            page_size: self.page_size(),
            pages,
            free_pages: pages - walk.reached_pages(),
            irregularity,
        })
    }
}

fn mismatch(expected: Sha256, found: Sha256, walked: Result<Verified, Error>) -> Error {
    let first = match walked {
        Ok(verified) => verified.irregularity,
        Err(error) => Some(error),
    };
    Error::Sha256Mismatch { expected, found, first: first.map(Box::new) }
}

/// Runs both, the first on a thread of its own where there may be one.
fn beside<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let first = &first;
        match std::thread::Builder::new().spawn_scoped(scope, first) {
            Ok(thread) => {
                let second = second();
                match thread.join() {
                    Ok(first) => (first, second),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Err(_) => (first(), second()),
        }
    })
}

struct Pass {
    status: StatusPass,
    rows: FirstPass,
    /// The first row that contradicts itself.
    inconsistency: Option<Error>,
}

impl Visit for Pass {
    fn bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        self.status.bucket(name);
        Ok(())
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        self.status.leaf(leaf);
        if leaf.bucket == b"key" {
            self.rows(leaf)?;
        } else {
            leaf.items().try_for_each(|item| check_item(leaf, item))?;
        }
        Ok(Flow::On)
    }
}

impl Pass {
    fn rows(&mut self, leaf: &Leaf<'_>) -> Result<(), Error> {
        let mut hashed = 0;
        let mut count = 0;
        for item in leaf.items() {
            let row = row_key(leaf, item.index, item.key)?;
            let value = key_value(leaf, item.index, item.value)?;
            self.check_row(leaf, item.index, row, &value);
            self.rows.row(row, &value);
            hashed += usize::from(self.rows.hashes(row));
            count += 1;
        }
        match leaf.packed() {
            Some(packed) if hashed == count => self.rows.hash(packed),
            Some(_) | None if hashed > 0 => self.hash_rows(leaf)?,
            Some(_) | None => {}
        }
        Ok(())
    }

    /// A leaf that the compaction's revision cuts in two.
    fn hash_rows(&mut self, leaf: &Leaf<'_>) -> Result<(), Error> {
        for item in leaf.items() {
            if self.rows.hashes(row_key(leaf, item.index, item.key)?) {
                self.rows.hash(item.key);
                self.rows.hash(item.value);
            }
        }
        Ok(())
    }

    fn check_row(&mut self, leaf: &Leaf<'_>, index: u16, row: RowKey, value: &KeyValue<'_>) {
        if self.inconsistency.is_some() {
            return;
        }
        let bumped = *value == KeyValue::default();
        let problem = if row.tombstone {
            value.key.is_empty().then(|| format!("the tombstone {} names no key", row.revision))
        } else {
            let consistent = value.mod_revision == row.revision.main
                && (1..=value.mod_revision).contains(&value.create_revision)
                && value.version >= 1
                && !value.key.is_empty();
            let says = || {
                let KeyValue { create_revision, mod_revision, version, .. } = value;
                format!("row {} says created {create_revision}, modified {mod_revision}, version {version}", row.revision)
            };
            (!consistent && !bumped).then(says)
        };
        self.inconsistency = problem.map(|problem| leaf.broken(index, Fault::Inconsistent { problem }));
    }
}

fn check_item(leaf: &Leaf<'_>, item: Item<'_>) -> Result<(), Error> {
    let bucket = || String::from_utf8_lossy(leaf.bucket).into_owned();
    value::check(leaf.bucket, item.key, item.value)
        .map_err(|problem| leaf.broken(item.index, Fault::Unparsable { bucket: bucket(), index: item.index, problem }))
}
