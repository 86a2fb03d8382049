//! What is wrong with the backups in a store.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::catalog::{Backup, Catalog, Entry, State, Temporary, Unverified};
use super::manifest::Manifest;
use super::name::BackupName;
use super::span;
use crate::cluster::ClusterId;

/// What is expected of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Expectations {
    /// A cluster that has to have a backup; without it, every cluster that has a file here.
    pub cluster: Option<ClusterId>,
    /// How old the newest verified backup of a cluster may be; a day by default.
    pub max_age_seconds: u64,
    /// From which age on a half-written file, or one without a manifest, is nobody's work any more; an hour by default.
    pub unfinished_after_seconds: u64,
}

impl Default for Expectations {
    fn default() -> Self {
        Self { cluster: None, max_age_seconds: 86_400, unfinished_after_seconds: 3600 }
    }
}

/// One thing that is wrong, with its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "finding")]
#[non_exhaustive]
pub enum BackupFinding {
    /// A cluster has no verified backup at all.
    NoBackup {
        /// The cluster.
        cluster_id: ClusterId,
    },
    /// A cluster's newest verified backup is too old.
    TooOld {
        /// That backup.
        name: BackupName,
        /// Its age.
        age_seconds: u64,
        /// What is allowed.
        max_age_seconds: u64,
    },
    /// A backup's revision is not above that of the backup before it: the cluster was set back, or stood still.
    RevisionNotAbove {
        /// The backup.
        name: BackupName,
        /// The backup before it.
        previous: BackupName,
    },
    /// Two backups of one cluster at the same revision and compaction differ: its history forked, or members differ.
    OtherHashAtSameRevision {
        /// The later one.
        name: BackupName,
        /// The earlier one.
        previous: BackupName,
        /// The later one's `HashKV`.
        hash_kv: u32,
        /// The earlier one's.
        previous_hash_kv: u32,
    },
    /// Two backups of one cluster have the same `HashKV` at different revisions, which cover different keys: one of the manifests is wrong.
    SameHashAtOtherRevision {
        /// The later one.
        name: BackupName,
        /// The earlier one.
        previous: BackupName,
        /// Their common `HashKV`.
        hash_kv: u32,
    },
    /// No member's data was found equal to the backup's when it was made.
    NoMemberAgreed {
        /// The backup.
        name: BackupName,
        /// How many members could not be compared.
        not_compared: usize,
    },
    /// A file does not count as a backup.
    Unverified {
        /// The file.
        name: BackupName,
        /// Why.
        why: Unverified,
    },
    /// The manifest of a backup that is not there.
    FileMissing {
        /// The backup.
        name: BackupName,
    },
    /// Something half written that nobody works on any more.
    Leftover {
        /// The object.
        name: String,
        /// In bytes.
        size_bytes: u64,
        /// How long ago it was written to.
        age_seconds: u64,
    },
    /// A backup that was taken after now: one of the clocks is wrong.
    FromTheFuture {
        /// The backup.
        name: BackupName,
        /// By how many seconds.
        ahead_seconds: u64,
    },
}

impl Catalog {
    /// What is wrong with the backups here, cluster by cluster and then file by file. Pure; foreign names are passed over.
    ///
    /// ```
    /// use trimtab_etcd_ops::backup::{BackupFinding, Expectations, example};
    ///
    /// let manifest = example::manifest(); // 2026-11-25T03:15:00Z
    /// let catalog = example::catalog(&[manifest.clone()]);
    /// let two_days_later = manifest.taken_at + jiff::SignedDuration::from_hours(48);
    /// let found = catalog.findings(two_days_later, &Expectations::default());
    /// assert_eq!(found, [BackupFinding::TooOld { name: manifest.name(), age_seconds: 172_800, max_age_seconds: 86_400 }]);
    /// ```
    #[must_use]
    pub fn findings(&self, now: Timestamp, expected: &Expectations) -> Vec<BackupFinding> {
        let clusters = match expected.cluster {
            Some(cluster) => [cluster].into(),
            None => self.clusters(),
        };
        let of_clusters = clusters.into_iter().flat_map(|cluster| of_cluster(self, cluster, now, expected));
        let mut entries: Vec<&Entry> = self.entries.iter().filter(|entry| is_expected(entry, expected)).collect();
        entries.sort_by_key(|entry| entry.name());
        of_clusters.chain(entries.into_iter().filter_map(|entry| of_entry(entry, now, expected))).collect()
    }
}

/// Half-written files that do not tell their cluster are everybody's.
fn is_expected(entry: &Entry, expected: &Expectations) -> bool {
    if matches!(entry, Entry::Temporary(Temporary { of: None, .. })) {
        return true;
    }
    let of = match entry {
        Entry::Backup(backup) => Some(backup.name),
        Entry::Orphan(orphan) => Some(orphan.name),
        Entry::Temporary(temporary) => temporary.of,
        Entry::Foreign(_) => None,
    };
    of.is_some_and(|of| expected.cluster.is_none_or(|cluster| cluster == of.cluster_id()))
}

fn of_cluster(catalog: &Catalog, cluster_id: ClusterId, now: Timestamp, expected: &Expectations) -> Vec<BackupFinding> {
    let mut verified: Vec<(&Backup, &Manifest)> = catalog.verified().filter(|(backup, _)| backup.name.cluster_id() == cluster_id).collect();
    verified.sort_by_key(|(backup, manifest)| (manifest.taken_at, backup.name));
    let newest = verified.iter().rev().find(|(backup, _)| backup.name.taken_at() <= now);
    let mut found = Vec::new();
    match newest {
        None => found.push(BackupFinding::NoBackup { cluster_id }),
        Some((backup, manifest)) => {
            let age_seconds = span::age_seconds(manifest.taken_at, now);
            let max_age_seconds = expected.max_age_seconds;
            found.extend((age_seconds > max_age_seconds).then_some(BackupFinding::TooOld { name: backup.name, age_seconds, max_age_seconds }));
        }
    }
    for pair in verified.windows(2) {
        if let [(earlier, before), (later, after)] = pair {
            found.extend(of_pair(earlier.name, before, later.name, after));
        }
    }
    found
}

/// The same snapshot once packed and once not is one backup in two forms, and nothing is wrong with that.
fn of_pair(previous: BackupName, before: &Manifest, name: BackupName, after: &Manifest) -> Vec<BackupFinding> {
    if before.sha256 == after.sha256 && before.taken_at == after.taken_at {
        return Vec::new();
    }
    let same_hash = before.hash_kv == after.hash_kv;
    let same_revision = (before.revision, before.compact_revision) == (after.revision, after.compact_revision);
    let (hash_kv, previous_hash_kv) = (after.hash_kv, before.hash_kv);
    let mut found = Vec::new();
    found.extend((after.revision <= before.revision).then_some(BackupFinding::RevisionNotAbove { name, previous }));
    found.extend((same_revision && !same_hash).then_some(BackupFinding::OtherHashAtSameRevision { name, previous, hash_kv, previous_hash_kv }));
    found.extend((same_hash && before.revision != after.revision).then_some(BackupFinding::SameHashAtOtherRevision { name, previous, hash_kv }));
    found
}

fn of_entry(entry: &Entry, now: Timestamp, expected: &Expectations) -> Option<BackupFinding> {
    match entry {
        Entry::Backup(backup) => of_backup(backup, now, expected),
        Entry::Orphan(orphan) => Some(BackupFinding::FileMissing { name: orphan.name }),
        Entry::Temporary(temporary) => {
            let age_seconds = span::age_seconds(temporary.object.last_modified, now);
            let (name, size_bytes) = (temporary.object.name.clone(), temporary.object.size_bytes);
            (age_seconds > expected.unfinished_after_seconds).then_some(BackupFinding::Leftover { name, size_bytes, age_seconds })
        }
        Entry::Foreign(_) => None,
    }
}

fn of_backup(backup: &Backup, now: Timestamp, expected: &Expectations) -> Option<BackupFinding> {
    let name = backup.name;
    match &backup.state {
        State::Unverified { why: Unverified::NoManifest } if is_worked_on(backup, now, expected) => None,
        State::Unverified { why } => Some(BackupFinding::Unverified { name, why: why.clone() }),
        // To the second, as a retention tells it: `now` may come from a clock of whole seconds.
        State::Verified { .. } if name.taken_at() > now => {
            Some(BackupFinding::FromTheFuture { name, ahead_seconds: span::age_seconds(now, name.taken_at()) })
        }
        State::Verified { manifest, .. } => {
            (manifest.agreeing() == 0).then_some(BackupFinding::NoMemberAgreed { name, not_compared: manifest.compared.len() })
        }
    }
}

/// The manifest comes last, so a young file may get one yet.
fn is_worked_on(backup: &Backup, now: Timestamp, expected: &Expectations) -> bool {
    span::age_seconds(backup.object.last_modified, now) <= expected.unfinished_after_seconds
}

impl fmt::Display for BackupFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use span::Span;
        match self {
            Self::NoBackup { cluster_id } => write!(f, "cluster {cluster_id} has no verified backup: take one"),
            Self::TooOld { name, age_seconds, max_age_seconds } => {
                write!(f, "the newest verified backup, {name}, is {} old, {} are allowed", Span(*age_seconds), Span(*max_age_seconds))
            }
            Self::RevisionNotAbove { name, previous } => write!(
                f,
                "{name} ends with revision {}, {previous} before it with {}: was the cluster set back, or its member behind?",
                name.revision(),
                previous.revision()
            ),
            Self::OtherHashAtSameRevision { name, previous, hash_kv, previous_hash_kv } => write!(
                f,
                "{name} has HashKV {hash_kv} at revision {}, {previous} has {previous_hash_kv}: compare the members, and check both backups",
                name.revision()
            ),
            Self::SameHashAtOtherRevision { name, previous, hash_kv } => {
                write!(f, "{name} has HashKV {hash_kv}, and so has {previous} at another revision: one of the manifests is wrong")
            }
            Self::NoMemberAgreed { name, not_compared } => {
                write!(f, "{name} was compared with no member ({not_compared} asked): nothing proves that the cluster has this data")
            }
            Self::Unverified { name, why } => write!(f, "{name} does not count as a backup: {why}"),
            Self::FileMissing { name } => write!(f, "{name} is gone, only its manifest is there"),
            Self::Leftover { name, size_bytes, age_seconds } => {
                write!(f, "{name} was left half written ({size_bytes} bytes) {} ago: remove it", Span(*age_seconds))
            }
            Self::FromTheFuture { name, ahead_seconds } => {
                write!(f, "{name} was taken {} from now: one of the clocks is wrong", Span(*ahead_seconds))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::example;
    use crate::backup::manifest::{Compared, Compression, NotCompared};

    fn taken(revision: i64, hour: i64) -> Manifest {
        example::manifest_of(ClusterId(7), revision, Timestamp::from_second(hour * 3600).unwrap())
    }

    fn findings(manifests: &[Manifest], hour: i64) -> Vec<BackupFinding> {
        example::catalog(manifests).findings(Timestamp::from_second(hour * 3600).unwrap(), &Expectations::default())
    }

    #[test]
    fn a_revision_that_does_not_ascend_is_found() {
        let list = [taken(10, 1), taken(12, 2), taken(12, 3), taken(11, 4), taken(13, 5)];
        let names = list.each_ref().map(Manifest::name);
        let expected = [(2, 1), (3, 2)].map(|(at, before)| BackupFinding::RevisionNotAbove { name: names[at], previous: names[before] });
        assert_eq!(findings(&list, 6), expected);
    }

    #[test]
    fn a_fork_is_found_by_its_hash() {
        let (earlier, mut later) = (taken(10, 1), taken(10, 2));
        later.hash_kv = 5;
        let found = findings(&[earlier.clone(), later.clone()], 3);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(matches!(found[1], BackupFinding::OtherHashAtSameRevision { hash_kv: 5, .. }), "{found:?}");
        later.compact_revision = 9;
        assert_eq!(findings(&[earlier, later], 3).len(), 1, "other history is hashed, which compares with nothing");
    }

    #[test]
    fn one_hash_at_two_revisions_is_found() {
        let (earlier, mut later) = (taken(10, 1), taken(11, 2));
        later.hash_kv = earlier.hash_kv;
        assert!(matches!(findings(&[earlier, later], 3)[..], [BackupFinding::SameHashAtOtherRevision { .. }]));
    }

    #[test]
    fn one_snapshot_in_two_forms_is_in_order() {
        let (plain, mut packed) = (taken(10, 1), taken(10, 1));
        packed.stored.compression = Compression::Zstd;
        assert_eq!(findings(&[plain, packed], 2), []);
    }

    #[test]
    fn clusters_are_not_compared_with_each_other() {
        let other = Manifest { cluster_id: ClusterId(8), ..taken(5, 2) };
        assert_eq!(findings(&[taken(10, 1), other], 3), []);
    }

    #[test]
    fn a_cluster_without_a_backup_is_found_by_name() {
        let expected = Expectations { cluster: Some(ClusterId(9)), ..Expectations::default() };
        let found = example::catalog(&[taken(10, 1)]).findings(Timestamp::from_second(7200).unwrap(), &expected);
        assert_eq!(found, [BackupFinding::NoBackup { cluster_id: ClusterId(9) }]);
    }

    #[test]
    fn files_that_do_not_count_are_found_once_nobody_works_on_them() {
        let manifest = taken(10, 1);
        let [file, sidecar] = example::objects(&manifest);
        let half = example::object(&format!("{}.5f3a.part", manifest.name()), 5, manifest.taken_at);
        let foreign = example::object("README", 5, manifest.taken_at);
        let catalog = |objects: Vec<_>| Catalog::assemble("s3://b", objects, &[(sidecar.name.clone(), manifest.to_json().into_bytes())].into());
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        let name = manifest.name();

        let alone = catalog(vec![file.clone(), half.clone(), foreign]);
        assert_eq!(alone.findings(at(2), &Expectations::default()), [BackupFinding::NoBackup { cluster_id: ClusterId(7) }]);
        let found = alone.findings(at(3), &Expectations::default());
        let unverified = BackupFinding::Unverified { name, why: Unverified::NoManifest };
        let leftover = BackupFinding::Leftover { name: half.name, size_bytes: 5, age_seconds: 7200 };
        assert_eq!(found[1..], [unverified, leftover]);

        let lost = catalog(vec![sidecar.clone()]).findings(at(2), &Expectations { cluster: Some(ClusterId(7)), ..Expectations::default() });
        assert_eq!(lost[1], BackupFinding::FileMissing { name });
        let cut = catalog(vec![crate::backup::Object { size_bytes: 9, ..file }, sidecar.clone()]).findings(at(2), &Expectations::default());
        let why = Unverified::SizeDiffers { expected_bytes: manifest.stored.size_bytes, found_bytes: 9 };
        assert_eq!(cut[1], BackupFinding::Unverified { name, why });
    }

    #[test]
    fn a_backup_that_nobody_confirms_and_one_from_the_future_are_found() {
        let mut lonely = taken(10, 1);
        lonely.compared.iter_mut().for_each(|member| member.compared = Compared::NotCompared { why: NotCompared::CompactedAway });
        let ahead = taken(11, 5);
        let found = findings(&[lonely.clone(), ahead.clone()], 3);
        let expected = [
            BackupFinding::NoMemberAgreed { name: lonely.name(), not_compared: 3 },
            BackupFinding::FromTheFuture { name: ahead.name(), ahead_seconds: 7200 },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_backup_of_this_very_second_is_not_from_the_future() {
        let manifest = Manifest { taken_at: Timestamp::from_millisecond(3_600_900).unwrap(), ..taken(10, 1) };
        let findings = |now| example::catalog(std::slice::from_ref(&manifest)).findings(now, &Expectations::default());
        assert_eq!(findings(Timestamp::from_second(3600).unwrap()), []);
        let ahead = BackupFinding::FromTheFuture { name: manifest.name(), ahead_seconds: 1 };
        assert_eq!(findings(Timestamp::from_second(3599).unwrap()), [BackupFinding::NoBackup { cluster_id: ClusterId(7) }, ahead]);
    }
}
