//! What was proven of a backup when it was made: the sidecar beside it.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use trimtab_etcd_file::Sha256;

use super::name::BackupName;
use crate::cluster::{ClusterId, MemberId};
use crate::error::Error;

/// The sidecar `NAME.json` of a backup `NAME`: JSON, written last, after the verification.
///
/// ```
/// use trimtab_etcd_ops::backup::Manifest;
/// use trimtab_etcd_ops::backup::example;
///
/// let manifest = example::manifest();
/// let text = manifest.to_json();
/// assert_eq!(Manifest::from_json(text.as_bytes())?, manifest);
/// assert_eq!(manifest.name().to_string(), "etcd-cdf818194e3a8c32-00000000000000001000-20261125T031500Z.db");
/// # Ok::<(), trimtab_etcd_ops::backup::manifest::Unusable>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The version of this form: [`Manifest::FORMAT`].
    pub format: u32,
    /// The cluster that the backup is of.
    pub cluster_id: ClusterId,
    /// The member that it was taken from.
    pub member_id: MemberId,
    /// That member's etcd version, as it says it: `3.6.16`.
    pub etcd_version: String,
    /// When the member was asked for it: all that it had applied by then is in it.
    pub taken_at: Timestamp,
    /// When its verification ended.
    pub verified_at: Timestamp,
    /// The newest revision in it, which is the one that `hash_kv` is of.
    pub revision: i64,
    /// The revision that its history was compacted to; -1 where it never was.
    pub compact_revision: i64,
    /// `HashKV` at `revision`: equal on all members that are compacted to the same revision.
    pub hash_kv: u32,
    /// The numbers of `etcdutl snapshot status`.
    pub status: SnapshotStatus,
    /// The size of the database in bytes, without the 32 bytes of SHA-256 behind it.
    pub db_size_bytes: u64,
    /// The SHA-256 of the database, which etcd puts behind it.
    pub sha256: Sha256,
    /// What lies in the store, byte by byte.
    pub stored: Stored,
    /// Every member that was asked for its `HashKV`, and what came of it.
    pub compared: Vec<MemberHash>,
}

/// The numbers of `etcdutl snapshot status`, as etcd 3.6 and newer count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// CRC-32C over every bucket. It differs between members: compare it only with itself.
    pub hash: u32,
    /// How many live keys there are.
    pub total_key: u64,
    /// Pages times page size, in bytes.
    pub total_size_bytes: u64,
}

/// The object as it lies in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// How the snapshot is packed.
    pub compression: Compression,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The SHA-256 of all its bytes. Not [`Manifest::sha256`], even without compression: here the 32 bytes at the end count too.
    pub sha256: Sha256,
}

/// How a snapshot is packed in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// As etcd sent it; `etcdutl` reads it without a further step.
    #[default]
    None,
    /// One frame of zstd: `zstd -d` unpacks it.
    Zstd,
}

/// A member and whether its data equals the backup's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberHash {
    /// The member.
    pub member_id: MemberId,
    /// What came of it.
    #[serde(flatten)]
    pub compared: Compared,
}

/// What came of comparing the backup with a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "compared")]
pub enum Compared {
    /// Its `HashKV` at the backup's revision and compaction is the backup's.
    Agrees,
    /// It could not be compared.
    NotCompared {
        /// Why.
        why: NotCompared,
    },
}

/// Why a member could not be compared with a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "why")]
pub enum NotCompared {
    /// A learner does not answer `HashKV`.
    Learner,
    /// It did not answer.
    Silent {
        /// Why.
        trouble: Error,
    },
    /// It is defragmenting, and answers nothing meanwhile.
    Defragmenting,
    /// It has compacted to another revision meanwhile, so that its hash covers other history.
    OtherCompaction {
        /// The revision that it is compacted to.
        compact_revision: i64,
    },
    /// It has compacted beyond the backup's revision.
    CompactedAway,
    /// The backup's revision is that of its last compaction, and nothing was written since: there members answer differently from each other,
    /// some with the hash that they kept from before the compaction.
    AtCompaction,
    /// It runs a release whose way to hash is not known.
    UnknownVersion {
        /// Its etcd version.
        version: String,
    },
    /// It has not got as far as the backup's revision.
    Behind {
        /// Its newest revision.
        revision: i64,
    },
}

/// Why the bytes of a sidecar, a manifest or the record of a verification, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "unusable")]
pub enum Unusable {
    /// It does not parse.
    #[error("it does not parse: {problem}")]
    Unparsable {
        /// What is wrong.
        problem: String,
    },
    /// A newer trimtab wrote it.
    #[error("its format is {format}, this trimtab knows {} and older: use the newer one", Manifest::FORMAT)]
    Newer {
        /// Its format.
        format: u32,
    },
    /// No sidecar is that long.
    #[error("it has {bytes} bytes, {} are read at most", Manifest::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: u64,
    },
}

impl Manifest {
    /// The form that this version writes, and the newest that it reads.
    pub const FORMAT: u32 = 1;
    /// The longest sidecar that is read.
    pub const MAX_BYTES: u64 = 256 * 1024;

    /// Reads a sidecar. Fields that it does not know are passed over.
    ///
    /// # Errors
    /// [`Unusable`] says what is wrong with it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Unusable> {
        read_sidecar(bytes)
    }

    /// The text of the sidecar, with a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Fails for maps whose keys are no text, and there is no map in it.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The name of the backup that it belongs to.
    #[must_use]
    pub fn name(&self) -> BackupName {
        BackupName::new(self.cluster_id, self.revision, self.taken_at, self.stored.compression)
    }

    /// How many members have the backup's data, by their own word.
    #[must_use]
    pub fn agreeing(&self) -> usize {
        self.compared.iter().filter(|member| member.compared == Compared::Agrees).count()
    }
}

/// Reads a sidecar of either kind. Its format is looked at first: what a newer trimtab wrote need not parse here.
pub(super) fn read_sidecar<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unusable> {
    #[derive(Deserialize)]
    struct Form {
        format: u32,
    }
    let unparsable = |error: serde_json::Error| Unusable::Unparsable { problem: error.to_string() };
    if bytes.len() as u64 > Manifest::MAX_BYTES {
        return Err(Unusable::TooLong { bytes: bytes.len() as u64 });
    }
    match serde_json::from_slice::<Form>(bytes).map_err(unparsable)?.format {
        1..=Manifest::FORMAT => serde_json::from_slice(bytes).map_err(unparsable),
        format => Err(Unusable::Newer { format }),
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Zstd => "zstd",
        })
    }
}

impl fmt::Display for NotCompared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Learner => f.write_str("a learner does not answer HashKV"),
            Self::Silent { trouble } => write!(f, "no answer: {trouble}"),
            Self::Defragmenting => f.write_str("it is defragmenting"),
            Self::OtherCompaction { compact_revision } => write!(f, "it has compacted to revision {compact_revision} meanwhile"),
            Self::CompactedAway => f.write_str("it has compacted beyond the backup's revision"),
            Self::AtCompaction => f.write_str("the backup ends at its compaction, where members do not answer alike"),
            Self::UnknownVersion { version } => write!(f, "it runs etcd {version:?}, whose HashKV is not known"),
            Self::Behind { revision } => write!(f, "it has got to revision {revision} only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::example;

    #[test]
    fn a_manifest_reads_as_what_it_was_written_as() {
        let mut manifest = example::manifest();
        manifest.compared = vec![
            MemberHash { member_id: MemberId(1), compared: Compared::Agrees },
            MemberHash { member_id: MemberId(2), compared: Compared::NotCompared { why: NotCompared::OtherCompaction { compact_revision: 9 } } },
            MemberHash { member_id: MemberId(3), compared: Compared::NotCompared { why: NotCompared::Learner } },
        ];
        assert_eq!(Manifest::from_json(manifest.to_json().as_bytes()), Ok(manifest.clone()));
        assert_eq!(manifest.agreeing(), 1);
    }

    #[test]
    fn a_newer_format_is_told_from_rubbish() {
        let newer = example::manifest().to_json().replace("\"format\": 1", "\"format\": 2");
        assert_eq!(Manifest::from_json(newer.as_bytes()), Err(Unusable::Newer { format: 2 }));
        for rubbish in ["", "{}", "[]", "{\"format\": 1}", "\u{0}"] {
            assert!(matches!(Manifest::from_json(rubbish.as_bytes()), Err(Unusable::Unparsable { .. })), "{rubbish}");
        }
        let long = vec![b' '; 256 * 1024 + 1];
        assert_eq!(Manifest::from_json(&long), Err(Unusable::TooLong { bytes: 256 * 1024 + 1 }));
    }

    #[test]
    fn a_field_of_a_later_writer_does_no_harm() {
        let more = example::manifest().to_json().replacen('{', "{\"colour\": \"blue\",", 1);
        assert_eq!(Manifest::from_json(more.as_bytes()), Ok(example::manifest()));
    }
}
