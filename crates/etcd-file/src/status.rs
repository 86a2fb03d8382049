//! What `etcdctl snapshot status` (3.4, 3.5) and `etcdutl snapshot status` (3.5 to 3.7) say of a file.

use serde::{Deserialize, Serialize};

use crate::hash_kv::FirstPass;
use crate::tree::Leaf;

/// The numbers of `snapshot status`, as `Status` in etcdutl's `snapshot/v3_snapshot.go` computes them.
///
/// ```
/// use trimtab_etcd_file::{EtcdFile, Verify, example};
///
/// let status = EtcdFile::open(example::snapshot())?.verify(&Verify::snapshot())?.status;
/// assert_eq!((status.total_key, status.items), (2, 6));
/// # Ok::<(), trimtab_etcd_file::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// CRC-32C over the name of each bucket and all its keys and values. Covers the members' own buckets too, so it differs between members and
    /// after a restore: compare it only with itself. Upstream's table prints it in hexadecimal digits without leading zeros.
    pub hash: u32,
    /// The revision of the last row; 0 where there is none. Upstream's `revision`.
    ///
    /// Not always the store's: etcd up to 3.5.15 and 3.4.33 drops a tombstone at the revision of a compaction. See [`Self::current_revision`].
    pub revision: i64,
    /// The revision that a server has on this file: at least that of the last compaction, and 1 in an empty one.
    pub current_revision: i64,
    /// The live keys: `totalKey` of 3.6 and 3.7.
    pub total_key: u64,
    /// The items of all buckets, history and etcd's own included: `totalKey` of 3.4 and 3.5.
    pub items: u64,
    /// Pages times page size, without the SHA-256: upstream's `totalSize`, in bytes.
    pub total_size_bytes: u64,
    /// The storage version, from 3.6 on: `3.6.0`. Upstream's `version`.
    pub version: Option<String>,
}

/// Gathers what [`Status`] needs.
#[derive(Default)]
pub(crate) struct StatusPass {
    hash: u32,
    items: u64,
}

impl StatusPass {
    pub(crate) fn bucket(&mut self, name: &[u8]) {
        self.hash = crc32c::crc32c_append(self.hash, name);
    }

    pub(crate) fn leaf(&mut self, leaf: &Leaf<'_>) {
        self.items += u64::from(leaf.count());
        match leaf.packed() {
            Some(packed) => self.hash = crc32c::crc32c_append(self.hash, packed),
            None => leaf.items().for_each(|item| {
                self.hash = crc32c::crc32c_append(crc32c::crc32c_append(self.hash, item.key), item.value);
            }),
        }
    }

    pub(crate) fn status(&self, rows: &FirstPass, total_size_bytes: u64, version: Option<String>) -> Status {
        Status {
            hash: self.hash,
            revision: rows.last,
            current_revision: rows.current_revision(),
            total_key: rows.live.len(),
            items: self.items,
            total_size_bytes,
            version,
        }
    }
}
