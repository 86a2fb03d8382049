//! HashKV: what a server answers when it is asked for the hash of its keys at a revision.
//!
//! `server/storage/mvcc/hash.go` (3.5: `server/mvcc/hash.go`, 3.4: `mvcc/kvstore.go`): CRC-32C over the word `key`, then key and value of each row of
//! the bucket `key` up to the revision; of the rows up to the last compaction only those that it keeps.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::file::EtcdFile;
use crate::live_keys::LiveKeys;
use crate::revision::{Revision, RowKey};
use crate::source::ReadAt;
use crate::tree::{Flow, Leaf, Visit, Walk};
use crate::value::KeyValue;
use crate::version::{EtcdVersion, Rules};

/// A HashKV, and what it was taken over.
///
/// Two of them say something about each other only where both revisions are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashKv {
    /// CRC-32C.
    pub hash: u32,
    /// The revision up to which rows were hashed: upstream's `hash_revision`.
    pub revision: i64,
    /// The revision of the last compaction; -1 where there never was one.
    pub compact_revision: i64,
}

/// What the bucket `meta` says about compactions: what was asked for, and what was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Compactions {
    pub(crate) scheduled: Option<i64>,
    pub(crate) finished: Option<i64>,
}

impl Compactions {
    /// What a server answers from: it goes on with a compaction that was only scheduled (`restore` in `kvstore.go`).
    pub(crate) fn compact_revision(self) -> i64 {
        self.scheduled.max(self.finished).unwrap_or(-1)
    }

    pub(crate) fn note(&mut self, key: &[u8], value: &[u8]) {
        let revision = Revision::parse(value).map(|revision| revision.main);
        match key {
            b"scheduledCompactRev" => self.scheduled = revision,
            b"finishedCompactRev" => self.finished = revision,
            _ => {}
        }
    }
}

impl<S: ReadAt> EtcdFile<S> {
    /// What a server of this version would answer to HashKV at `revision`; at the last one where it is none.
    ///
    /// Reads the bucket `key` once, and once more up to the last compaction. Never writes, unlike `etcdutl hashkv`, which also panics in 3.6
    /// on a file with leases.
    ///
    /// # Errors
    /// [`Error::Compacted`] and [`Error::FutureRevision`] as the server; otherwise the first fault of the file. Nothing is verified beyond
    /// what is read.
    pub fn hash_kv(&self, revision: Option<i64>, etcd: EtcdVersion) -> Result<HashKv, Error> {
        self.unchanged(self.hash_kv_now(revision, Rules::at(etcd)))
    }

    fn hash_kv_now(&self, revision: Option<i64>, rules: Rules) -> Result<HashKv, Error> {
        let compactions = self.meta_bucket()?.compactions;
        let asked = revision.filter(|revision| *revision > 0);
        let mut first = FirstPass::new(asked.unwrap_or(i64::MAX), compactions.compact_revision(), rules);
        Walk::new(self).only(b"key", &mut first)?;
        let current = first.current_revision();
        let revision = check_revision(asked, compactions.compact_revision(), current, rules)?;
        self.finish_hash_kv(&first, revision)
    }

    pub(crate) fn meta_bucket(&self) -> Result<MetaBucket, Error> {
        let mut meta = MetaBucket::default();
        Walk::new(self).only(b"meta", &mut meta)?;
        Walk::new(self).only(b"cluster", &mut meta)?;
        Ok(meta)
    }

    /// The newest patch of the minor that wrote the file, whose rules [`Self::hash_kv`] and [`Self::keyspace`] want.
    ///
    /// A file that does not say, or says 3.0.0 since its cluster was not complete yet, is taken for one of the newest minor; one that says
    /// 3.1 to 3.3, while it is upgraded, for one of 3.4.
    ///
    /// # Errors
    /// [`Error::InvalidVersion`] for a release that is not known here; the first fault on the way there.
    ///
    /// ```
    /// use trimtab_etcd_file::{EtcdFile, example};
    ///
    /// assert_eq!(EtcdFile::open(example::snapshot())?.written_by()?.to_string(), "3.6");
    /// # Ok::<(), trimtab_etcd_file::Error>(())
    /// ```
    pub fn written_by(&self) -> Result<EtcdVersion, Error> {
        self.unchanged(self.meta_bucket().and_then(|meta| meta.etcd()))
    }

    /// Adds the rows up to the compaction, of which the first pass has found out which are kept.
    pub(crate) fn finish_hash_kv(&self, first: &FirstPass, revision: i64) -> Result<HashKv, Error> {
        let mut second = SecondPass { first, hash: crc32c::crc32c(b"key") };
        if first.compact_revision > 0 {
            Walk::new(self).only(b"key", &mut second)?;
        }
        let hash = crc32c::crc32c_combine(second.hash, first.later, first.later_bytes);
        Ok(HashKv { hash, revision, compact_revision: first.compact_revision })
    }
}

/// `hashByRev` in `kvstore.go`.
fn check_revision(asked: Option<i64>, compacted: i64, current: i64, rules: Rules) -> Result<i64, Error> {
    let Some(revision) = asked else { return Ok(current) };
    let itself = revision == compacted && rules.hash_kv_refuses_compaction_itself;
    if revision < compacted || itself {
        return Err(Error::Compacted { revision, compacted });
    }
    if revision > current { Err(Error::FutureRevision { revision, current }) } else { Ok(revision) }
}

/// What the small buckets say about the file as a whole.
#[derive(Default)]
pub(crate) struct MetaBucket {
    pub(crate) compactions: Compactions,
    /// From 3.6 on: `3.6.0`.
    pub(crate) storage_version: Option<String>,
    pub(crate) cluster_version: Option<String>,
}

impl MetaBucket {
    /// The newest patch of the minor that wrote the file. A file that says nothing is a brand-new one, on which all of them agree; so is one
    /// that says 3.0.0, which stands there until every member was up at once. 3.1 to 3.3 stand there while a cluster is upgraded to 3.4.
    pub(crate) fn etcd(&self) -> Result<EtcdVersion, Error> {
        let says = self.storage_version.as_ref().or(self.cluster_version.as_ref());
        let Some(says) = says else { return Ok(EtcdVersion::MAX) };
        match says.split('.').take(2).collect::<Vec<_>>()[..] {
            ["3", "0"] => Ok(EtcdVersion::MAX),
            ["3", "1" | "2" | "3"] => EtcdVersion::newest_of(EtcdVersion::MIN.minor()),
            _ => EtcdVersion::newest_of(says.parse::<EtcdVersion>()?.minor()),
        }
    }
}

impl Visit for MetaBucket {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        for item in leaf.items() {
            let text = || Some(String::from_utf8_lossy(item.value).into_owned());
            match (leaf.bucket, item.key) {
                (b"meta", b"storageVersion") => self.storage_version = text(),
                (b"cluster", b"clusterVersion") => self.cluster_version = text(),
                (b"meta", key) => self.compactions.note(key, item.value),
                (_, _) => {}
            }
        }
        Ok(Flow::On)
    }
}

/// Hashes the rows after the compaction, and finds out which key is alive with which revision.
pub(crate) struct FirstPass {
    up_to: i64,
    pub(crate) compact_revision: i64,
    rules: Rules,
    pub(crate) live: LiveKeys,
    pub(crate) last: i64,
    later: u32,
    later_bytes: usize,
}

impl FirstPass {
    pub(crate) fn new(up_to: i64, compact_revision: i64, rules: Rules) -> Self {
        Self { up_to, compact_revision, rules, live: LiveKeys::default(), last: 0, later: 0, later_bytes: 0 }
    }

    /// The revision that a server starts with on this file. That of the last row is not it where that row was a tombstone and etcd up
    /// to 3.5.15 compacted it away.
    pub(crate) fn current_revision(&self) -> i64 {
        self.last.max(self.compact_revision).max(1)
    }

    /// Takes note of a row; its bytes come by [`Self::hash`], alone or with their whole leaf.
    pub(crate) fn row(&mut self, row: RowKey, value: &KeyValue<'_>) {
        self.last = row.revision.main;
        if row.revision.main > self.up_to {
            return;
        }
        if row.tombstone {
            self.live.remove(value.key);
        } else {
            // Also the row without a key that `--bump-revision` leaves: a server takes it for the key "".
            self.live.put(value.key, row.revision);
        }
    }

    /// The bytes of rows that are all after the compaction and up to the revision.
    pub(crate) fn hash(&mut self, bytes: &[u8]) {
        self.later = crc32c::crc32c_append(self.later, bytes);
        self.later_bytes += bytes.len();
    }

    pub(crate) fn hashes(&self, row: RowKey) -> bool {
        row.revision.main > self.compact_revision && row.revision.main <= self.up_to
    }
}

impl Visit for FirstPass {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        for item in leaf.items() {
            let row = row_key(leaf, item.index, item.key)?;
            self.row(row, &key_value(leaf, item.index, item.value)?);
            if self.hashes(row) {
                self.hash(item.key);
                self.hash(item.value);
            }
        }
        Ok(Flow::On)
    }
}

pub(crate) fn row_key(leaf: &Leaf<'_>, index: u16, key: &[u8]) -> Result<RowKey, Error> {
    RowKey::parse(key).map_err(|problem| leaf.broken(index, crate::Fault::NotARevision { index, problem }))
}

pub(crate) fn key_value<'a>(leaf: &Leaf<'_>, index: u16, value: &'a [u8]) -> Result<KeyValue<'a>, Error> {
    let unparsable = |problem: &str| crate::Fault::Unparsable { bucket: "key".to_owned(), index, problem: problem.to_owned() };
    KeyValue::parse(value).map_err(|problem| leaf.broken(index, unparsable(problem)))
}

/// Hashes the rows up to the compaction that it keeps.
struct SecondPass<'a> {
    first: &'a FirstPass,
    hash: u32,
}

impl SecondPass<'_> {
    /// `WriteKeyValue` in `hash.go`. Where nothing at all is kept, nothing is passed over either: upstream's own quirk.
    fn keeps(&self, row: RowKey, value: &KeyValue<'_>) -> bool {
        let kept = self.first.live.is_empty() || (!row.tombstone && self.first.live.newest(value.key) == Some(row.revision));
        let at_compaction = row.tombstone && row.revision.main == self.first.compact_revision;
        kept && !(at_compaction && self.first.rules.hash_kv_skips_tombstone_at_compaction)
    }
}

impl Visit for SecondPass<'_> {
    fn leaf(&mut self, leaf: &Leaf<'_>) -> Result<Flow, Error> {
        for item in leaf.items() {
            let row = row_key(leaf, item.index, item.key)?;
            if row.revision.main > self.first.compact_revision {
                return Ok(Flow::Stop);
            }
            if row.revision.main <= self.first.up_to && self.keeps(row, &key_value(leaf, item.index, item.value)?) {
                self.hash = crc32c::crc32c_append(crc32c::crc32c_append(self.hash, item.key), item.value);
            }
        }
        Ok(Flow::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_whose_version_is_not_decided_yet_or_older_has_rules_all_the_same() {
        let of = |says: &str| MetaBucket { cluster_version: Some(says.to_owned()), ..MetaBucket::default() }.etcd().map(|etcd| etcd.to_string());
        assert_eq!([of("3.0.0"), of("3.3.0"), of("3.5.0")], [Ok("3.7".to_owned()), Ok("3.4".to_owned()), Ok("3.5".to_owned())]);
        assert!(of("3.8.0").is_err() && of("4.0.0").is_err() && of("").is_err());
    }
}
