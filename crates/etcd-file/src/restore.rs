//! A data directory for a new cluster, from a snapshot: observed, planned, and written.
//!
//! [`observe`] proves the file and gathers what matters for a restore; [`plan`] decides, and writes nothing; the [`RestorePlan`] is plain data that says what
//! will be written and why; [`RestorePlan::write_database`], [`RestorePlan::log`] and [`RestorePlan::snapshot_file`] give the bytes. With the feature `live`,
//! `RestorePlan::apply` puts them on the disk, and `restore_member` does all of it.
//!
//! What comes out is what `etcdutl snapshot restore` writes (`etcdutl/snapshot/v3_snapshot.go` at v3.5.35, v3.6.16, v3.7.3; 3.4.23 has it in etcdctl), with a
//! database that is defragmented on the way. What is different, and why:
//!
//! - DIFFERENCE: 3.4 leaves the old members in the database, where a later upgrade to 3.5 would find them. Here they go in every release.
//! - DIFFERENCE: etcdutl leaves the old cluster's voters in `meta/confState`. No server reads them; here they are the new ones.
//! - DIFFERENCE: a bump counts from the revision that the server had. Upstream counts from the last row, which is lower where a compaction dropped a
//!   tombstone (up to 3.5.15 and 3.4.33).
//! - DIFFERENCE: the log's file is 64,000,000 bytes long but not allocated; the server allocates it when it opens the log.
//! - DIFFERENCE: the snapshot file is not readable for others (mode 0600, upstream 0644).
//!
//! As in upstream, leases, users and roles, the cluster's version and alarms are kept, and learners are not restored.

#[cfg(all(feature = "live", unix))]
mod data_dir;
mod observe;
mod plan;
mod rewrite;
#[cfg(all(feature = "live", unix))]
mod staging;

pub use crate::membership::{ClusterId, InitialCluster, Member, MemberId};
#[cfg(all(feature = "live", unix))]
pub use data_dir::{Progress, Restored, Source, restore_member};
pub use observe::{RestoreSeen, observe};
pub use plan::{Notice, PlannedFile, RestorePlan, Revisions, SourceSeen, plan};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::version::EtcdVersion;

/// What a cluster is to be restored as.
///
/// ```
/// use trimtab_etcd_file::restore::{self, BumpRevision, InitialCluster, Restore};
/// use trimtab_etcd_file::{EtcdFile, Verify, example};
///
/// let file = EtcdFile::open(example::snapshot())?;
/// let seen = restore::observe(&file, &Verify::snapshot())?;
///
/// let cluster = InitialCluster::parse("m0=http://10.0.0.1:2380", "etcd-cluster")?;
/// let restore = Restore::new(cluster).with_bump_revision(BumpRevision::for_kubernetes());
/// let plan = restore::plan(&seen, &restore, "m0")?;
/// assert_eq!((plan.revisions.before, plan.revisions.after), (4, 1_000_000_004));
///
/// let mut database = std::io::Cursor::new(Vec::new());
/// plan.write_database(&file, &mut database, &mut |_| ())?;
/// let restored = EtcdFile::open(database.into_inner())?.verify(&Verify::data_directory())?;
/// assert_eq!(restored.status.revision, 1_000_000_004);
/// # Ok::<(), trimtab_etcd_file::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// All members of the new cluster, the same for each of them.
    pub cluster: InitialCluster,
    /// Whether revisions go on far above those that clients have seen.
    pub bump_revision: Option<BumpRevision>,
    /// The etcd that will start on it; none for the one that wrote the file. Every release from 3.4 on reads what is written for another one.
    pub etcd: Option<EtcdVersion>,
}

impl Restore {
    /// As the file has it: its revision, its release.
    #[must_use]
    pub fn new(cluster: InitialCluster) -> Self {
        Self { cluster, bump_revision: None, etcd: None }
    }

    /// Adds `--bump-revision N --mark-compacted`.
    #[must_use]
    pub fn with_bump_revision(self, bump: BumpRevision) -> Self {
        Self { bump_revision: Some(bump), ..self }
    }

    /// Writes it as this release does.
    #[must_use]
    pub fn with_etcd(self, version: EtcdVersion) -> Self {
        Self { etcd: Some(version), ..self }
    }
}

/// By how much the revision grows. Everything up to the new one counts as compacted, so that every watch of before ends and clients list anew.
///
/// etcdutl's `--bump-revision` together with `--mark-compacted`: it takes neither alone (`etcdutl/etcdutl/snapshot_command.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct BumpRevision(i64);

impl BumpRevision {
    /// By this many revisions: more than the cluster can have written since the snapshot was taken.
    ///
    /// # Errors
    /// [`Error::InvalidCluster`] below 1.
    ///
    /// ```
    /// use trimtab_etcd_file::restore::BumpRevision;
    ///
    /// assert_eq!(BumpRevision::by(5)?.revisions(), 5);
    /// assert!(BumpRevision::by(0).is_err());
    /// # Ok::<(), trimtab_etcd_file::Error>(())
    /// ```
    pub fn by(revisions: i64) -> Result<Self, Error> {
        if revisions < 1 {
            return Err(Error::InvalidCluster { problem: format!("a revision grows by 1 or more, not by {revisions}") });
        }
        Ok(Self(revisions))
    }

    /// By a billion: what etcd's documentation on disaster recovery advises for Kubernetes, whose informers cache by revision. A cluster that writes
    /// 10,000 revisions each second needs more than a day for them.
    #[must_use]
    pub fn for_kubernetes() -> Self {
        Self(1_000_000_000)
    }

    /// How many revisions.
    #[must_use]
    pub fn revisions(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for BumpRevision {
    type Error = Error;

    fn try_from(revisions: i64) -> Result<Self, Error> {
        Self::by(revisions)
    }
}

impl From<BumpRevision> for i64 {
    fn from(bump: BumpRevision) -> Self {
        bump.0
    }
}
