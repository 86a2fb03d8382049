//! Backups written by hand, for examples and for tests of what is built on them.

use jiff::Timestamp;
use trimtab_etcd_file::Sha256;

use super::catalog::{Catalog, Object};
use super::manifest::{Compared, Compression, Manifest, MemberHash, SnapshotStatus, Stored};
use crate::cluster::{ClusterId, MemberId};

/// A backup of etcd 3.6.16 with three members, taken on 25 November 2026 at 03:15 UTC.
#[must_use]
pub fn manifest() -> Manifest {
    // 2026-11-25T03:15:00Z
    manifest_of(ClusterId(0xcdf8_1819_4e3a_8c32), 1000, Timestamp::from_second(1_795_576_500).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A backup of that cluster, at that revision and time; everything else is made up out of these.
#[must_use]
pub fn manifest_of(cluster_id: ClusterId, revision: i64, taken_at: Timestamp) -> Manifest {
    let db_size_bytes = 4_194_304;
    let hash_kv = u32::try_from(revision.rem_euclid(1 << 31)).unwrap_or(0) ^ 0x5bd1_e995;
    Manifest {
        format: Manifest::FORMAT,
        cluster_id,
        member_id: MemberId(2),
        etcd_version: "3.6.16".to_owned(),
        taken_at,
        verified_at: taken_at,
        revision,
        compact_revision: -1,
        hash_kv,
        status: SnapshotStatus { hash: hash_kv ^ 1, total_key: 26, total_size_bytes: db_size_bytes },
        db_size_bytes,
        sha256: Sha256::of(&revision.to_be_bytes()),
        stored: Stored { compression: Compression::None, size_bytes: db_size_bytes + 32, sha256: Sha256::of(&revision.to_le_bytes()) },
        compared: (1..=3).map(|id| MemberHash { member_id: MemberId(id), compared: Compared::Agrees }).collect(),
    }
}

/// The objects that such a backup consists of: the file and its sidecar.
#[must_use]
pub fn objects(manifest: &Manifest) -> [Object; 2] {
    let name = manifest.name();
    [object(&name.to_string(), manifest.stored.size_bytes, manifest.taken_at), object(&name.manifest(), 1200, manifest.taken_at)]
}

/// An object, written at that time; the time stands in its tag too.
#[must_use]
pub fn object(name: &str, size_bytes: u64, last_modified: Timestamp) -> Object {
    let etag = Some(format!("{:x}", last_modified.as_second()));
    Object { name: name.to_owned(), size_bytes, last_modified, etag, version: None }
}

/// A store with these backups, all of them verified.
#[must_use]
pub fn catalog(manifests: &[Manifest]) -> Catalog {
    let sidecars = manifests.iter().map(|manifest| (manifest.name().manifest(), manifest.to_json().into_bytes())).collect();
    Catalog::assemble("s3://backups/etcd", manifests.iter().flat_map(objects).collect(), &sidecars)
}
