//! What a restore will write, decided before anything is written.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layout::Layout;
use crate::membership::{InitialCluster, Member};
use crate::restore::{Restore, RestoreSeen};
use crate::version::EtcdVersion;
use crate::{snap, wal};

/// What will be written for one member, and what whoever applies it has to know. Plain data: the same file and wish give the same plan.
///
/// Printed, it reads as a transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePlan {
    /// The member whose data directory it is.
    pub member: Member,
    /// The cluster it belongs to.
    pub cluster: InitialCluster,
    /// The release whose layout is written.
    pub etcd: EtcdVersion,
    /// The file that was proven; applying the plan to another one is refused.
    pub source: SourceSeen,
    /// Before and after.
    pub revisions: Revisions,
    /// What is written, relative to the data directory.
    pub files: Vec<PlannedFile>,
    /// What whoever applies the plan has to know.
    pub notices: Vec<Notice>,
}

/// What the file is known by again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceSeen {
    /// Its length in bytes.
    pub file_bytes: u64,
    /// bbolt's last transaction in it.
    pub transaction: u64,
    /// Over all its items: [`Status::hash`](crate::Status::hash).
    pub status_hash: u32,
    /// How many items it has.
    pub items: u64,
    /// The page size in bytes, which the new database keeps.
    pub page_size: u64,
}

/// The store's revision and what is compacted, before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revisions {
    /// What a server has on the file as it is.
    pub before: i64,
    /// What the restored cluster begins with.
    pub after: i64,
    /// Up to where history is compacted in the file; -1 where it never was.
    pub compacted_before: i64,
    /// Up to where it will be.
    pub compacted_after: i64,
}

/// A file that will be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedFile {
    /// Relative to the data directory.
    pub path: String,
    /// What stands in it.
    pub contents: String,
}

/// What is worth knowing before a restore is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
pub enum Notice {
    /// The file has no SHA-256: a changed byte in a value cannot be seen.
    NoSha256,
    /// The member had written something that bbolt or etcd does not write. The SHA-256 says that it is as the member had it.
    Irregular {
        /// What.
        irregularity: Error,
    },
    /// Revisions start again below what clients may have seen.
    RevisionNotBumped {
        /// Where they start.
        revision: i64,
    },
    /// Alarms are kept, as in upstream: they bind the new cluster until they are disarmed.
    AlarmsKept {
        /// How many.
        alarms: u64,
    },
    /// Learners are not restored.
    LearnersDropped {
        /// How many.
        learners: u64,
    },
    /// A downgrade was enabled and stays so.
    Downgrading,
    /// It will start on an older release than the one that wrote the file.
    OlderEtcd {
        /// The release that wrote it.
        written_by: EtcdVersion,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSha256 => write!(f, "the file has no SHA-256: bytes that changed within values cannot be told from right ones"),
            Self::Irregular { irregularity } => write!(f, "the file is as the member had it, but not as etcd writes it: {irregularity}"),
            Self::RevisionNotBumped { revision } => write!(
                f,
                "revisions go on from {revision}: a client that has seen later ones takes them for known; for Kubernetes, bump the revision or restart \
                 everything that watches"
            ),
            Self::AlarmsKept { alarms } => write!(f, "{alarms} raised alarm(s) are kept: disarm them once the cluster runs, or it refuses writes"),
            Self::LearnersDropped { learners } => write!(f, "{learners} learner(s) of the old cluster are not restored: add them again"),
            Self::Downgrading => write!(f, "a downgrade was enabled and stays so: cancel it once the cluster runs if it is not meant"),
            Self::OlderEtcd { written_by } => write!(f, "etcd {written_by} wrote the file; an older one may not start on it"),
        }
    }
}

/// Decides what is written for the member of that name.
///
/// # Errors
/// [`Error::InvalidCluster`] where there is no such member, or the bumped revision is beyond the largest one.
pub fn plan(seen: &RestoreSeen, restore: &Restore, member: &str) -> Result<RestorePlan, Error> {
    let cluster = restore.cluster.clone();
    let etcd = restore.etcd.unwrap_or(seen.verified.etcd);
    let revisions = revisions(seen, restore)?;
    Ok(RestorePlan {
        member: cluster.member(member)?.clone(),
        etcd,
        source: SourceSeen {
            file_bytes: seen.file_bytes,
            transaction: seen.transaction,
            status_hash: seen.verified.status.hash,
            items: seen.verified.status.items,
            page_size: seen.verified.page_size,
        },
        revisions,
        files: files(&cluster, revisions),
        notices: notices(seen, restore),
        cluster,
    })
}

fn revisions(seen: &RestoreSeen, restore: &Restore) -> Result<Revisions, Error> {
    let (before, compacted_before) = (seen.verified.status.current_revision, seen.verified.hash_kv.compact_revision);
    let Some(bump) = restore.bump_revision else {
        return Ok(Revisions { before, after: before, compacted_before, compacted_after: compacted_before });
    };
    // One below the largest: etcd adds one for the next write.
    let after = before.checked_add(bump.revisions()).filter(|after| *after < i64::MAX - 1);
    let problem = || format!("revision {before} cannot grow by {}: {} is the largest", bump.revisions(), i64::MAX);
    let after = after.ok_or_else(|| Error::InvalidCluster { problem: problem() })?;
    Ok(Revisions { before, after, compacted_before, compacted_after: after })
}

fn files(cluster: &InitialCluster, revisions: Revisions) -> Vec<PlannedFile> {
    let members = match cluster.members().len() {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    let marked = if revisions.after == revisions.before {
        String::new()
    } else {
        format!("; an empty row at revision {}, with everything up to it marked as compacted", revisions.after)
    };
    let (index, term) = (wal::last_index(cluster), wal::TERM);
    let database =
        format!("every item of the file, defragmented, with {members} instead of the old ones; consistent index {index}, term {term}{marked}");
    let log = format!("how {members} joined, committed in term {term}");
    let file = |path: String, contents: String| PlannedFile { path, contents };
    vec![
        file(DATABASE.to_owned(), database),
        file(format!("{LOG_DIRECTORY}/{}", wal::NAME), log),
        file(format!("{SNAP_DIRECTORY}/{}", snap::name(cluster)), format!("{members}, for releases that look for them there")),
    ]
}

fn notices(seen: &RestoreSeen, restore: &Restore) -> Vec<Notice> {
    let written_by = seen.verified.etcd;
    let bumped = restore.bump_revision.is_some();
    let is_older = restore.etcd.is_some_and(|etcd| etcd.minor() < written_by.minor());
    let irregular = seen.verified.irregularity.clone().map(|irregularity| Notice::Irregular { irregularity });
    [
        seen.verified.sha256.is_none().then_some(Notice::NoSha256),
        irregular,
        (!bumped).then_some(Notice::RevisionNotBumped { revision: seen.verified.status.current_revision }),
        (seen.alarms > 0).then_some(Notice::AlarmsKept { alarms: seen.alarms }),
        (seen.learners > 0).then_some(Notice::LearnersDropped { learners: seen.learners }),
        seen.is_downgrading.then_some(Notice::Downgrading),
        is_older.then_some(Notice::OlderEtcd { written_by }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Where things lie in a data directory: `server/storage/datadir/datadir.go`.
pub(crate) const SNAP_DIRECTORY: &str = "member/snap";
pub(crate) const LOG_DIRECTORY: &str = "member/wal";
pub(crate) const DATABASE: &str = "member/snap/db";

impl RestorePlan {
    /// The name of the first segment of the write-ahead log, and the bytes it begins with. It is 64,000,000 bytes long, and zero after them.
    #[must_use]
    pub fn log(&self) -> (&'static str, Vec<u8>) {
        (wal::NAME, wal::records(&self.cluster, &self.member, Layout::at(self.etcd)))
    }

    /// The name and the bytes of the snapshot file.
    #[must_use]
    pub fn snapshot_file(&self) -> (String, Vec<u8>) {
        (snap::name(&self.cluster), snap::contents(&self.cluster, Layout::at(self.etcd)))
    }
}

impl fmt::Display for RestorePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { member, cluster, etcd, source, revisions, files, notices } = self;
        writeln!(
            f,
            "restore of member {} ({}) of etcd cluster {}, token {}, for etcd {etcd}",
            member.name(),
            member.id(),
            cluster.id(),
            cluster.token()
        )?;
        for notice in notices {
            writeln!(f, "  note: {notice}")?;
        }
        writeln!(
            f,
            "  from {} items in {} bytes, transaction {}, hash {:08x}",
            source.items, source.file_bytes, source.transaction, source.status_hash
        )?;
        if revisions.before == revisions.after {
            writeln!(f, "  revision {}, as in the file", revisions.after)?;
        } else {
            writeln!(f, "  revision {}, up from {}; compacted up to it, so that every watch ends", revisions.after, revisions.before)?;
        }
        for member in cluster.members() {
            writeln!(f, "  member {} {} {}", member.id(), member.name(), member.peer_urls().join(","))?;
        }
        files.iter().try_for_each(|file| writeln!(f, "  write {}: {}", file.path, file.contents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::BumpRevision;
    use crate::verify::Verify;
    use crate::{EtcdFile, example, restore};

    fn seen() -> RestoreSeen {
        restore::observe(&EtcdFile::open(example::snapshot()).unwrap(), &Verify::snapshot()).unwrap()
    }

    fn restore() -> Restore {
        Restore::new(InitialCluster::parse("m0=http://10.0.0.1:2380,m1=http://10.0.0.2:2380", "etcd-cluster").unwrap())
    }

    #[test]
    fn a_plan_reads_as_a_transcript_and_survives_serde() {
        let plan = plan(&seen(), &restore().with_bump_revision(BumpRevision::by(1000).unwrap()), "m1").unwrap();
        assert_eq!(plan.revisions, Revisions { before: 4, after: 1004, compacted_before: -1, compacted_after: 1004 });
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<RestorePlan>(&json).unwrap(), plan);
        let mut text = plan.to_string();
        for (found, shown) in [(plan.source.file_bytes.to_string(), "BYTES"), (format!("{:08x}", plan.source.status_hash), "HASH")] {
            text = text.replace(&found, shown);
        }
        let expected = "\
restore of member m1 (ee274cacce804b21) of etcd cluster 8ba396abbfd67d09, token etcd-cluster, for etcd 3.6
  from 6 items in BYTES bytes, transaction 9, hash HASH
  revision 1004, up from 4; compacted up to it, so that every watch ends
  member 3ebc01aec68d6d70 m0 http://10.0.0.1:2380
  member ee274cacce804b21 m1 http://10.0.0.2:2380
  write member/snap/db: every item of the file, defragmented, with 2 members instead of the old ones; consistent index 2, term 1; an empty \
                        row at revision 1004, with everything up to it marked as compacted
  write member/wal/0000000000000000-0000000000000000.wal: how 2 members joined, committed in term 1
  write member/snap/0000000000000001-0000000000000002.snap: 2 members, for releases that look for them there
";
        assert_eq!(text, expected);
    }

    #[test]
    fn every_notice_has_its_cause() {
        let quiet = restore().with_bump_revision(BumpRevision::by(1).unwrap());
        assert_eq!(plan(&seen(), &quiet, "m0").unwrap().notices, []);
        let mut seen = seen();
        seen.verified.sha256 = None;
        seen.verified.irregularity = Some(Error::NotBolt { found: String::new() });
        (seen.alarms, seen.learners, seen.is_downgrading) = (2, 1, true);
        let loud = restore().with_etcd("3.5.35".parse().unwrap());
        let notices = plan(&seen, &loud, "m0").unwrap().notices;
        let expected = [
            Notice::NoSha256,
            Notice::Irregular { irregularity: Error::NotBolt { found: String::new() } },
            Notice::RevisionNotBumped { revision: 4 },
            Notice::AlarmsKept { alarms: 2 },
            Notice::LearnersDropped { learners: 1 },
            Notice::Downgrading,
            Notice::OlderEtcd { written_by: seen.verified.etcd },
        ];
        assert_eq!(notices, expected);
    }

    #[test]
    fn a_bump_beyond_the_largest_revision_is_refused() {
        let bump = |by| plan(&seen(), &restore().with_bump_revision(BumpRevision::by(by).unwrap()), "m0");
        assert!(matches!(bump(i64::MAX), Err(Error::InvalidCluster { .. })));
        assert!(matches!(bump(i64::MAX - 5), Err(Error::InvalidCluster { .. })));
        assert_eq!(bump(i64::MAX - 6).unwrap().revisions.after, i64::MAX - 2);
    }

    #[test]
    fn a_member_that_is_not_there_is_refused() {
        assert!(matches!(plan(&seen(), &restore(), "m2"), Err(Error::InvalidCluster { .. })));
    }
}
