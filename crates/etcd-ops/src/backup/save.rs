//! Saving: which member a snapshot is taken from, and under which guards.
//!
//! ```
//! use trimtab_etcd_ops::backup::save::{self, SavePolicy};
//! # use trimtab_etcd_ops::example;
//!
//! let seen = example::healthy(); // live: `etcd.observe().await?`
//! let now = "2026-11-25T03:15:00Z".parse().unwrap(); // live: `jiff::Timestamp::now()`
//! let plan = save::plan(&seen, &SavePolicy::to("/var/backups/etcd"), now)?;
//! assert_eq!(plan.steps[0].target, "m2 (2)"); // a follower; m1 leads
//! println!("{plan}");
//! # Ok::<(), trimtab_etcd_ops::Error>(())
//! ```
//!
//! Applied to `live::Etcd`, the step leaves either a file that was proven, with its [`Manifest`] beside it, or nothing that counts.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::plan::{Domain, Held, Plan, Step};
use trimtab_etcd_file::EtcdVersion;

use super::manifest::Manifest;
use crate::cluster::{AlarmKind, Alarms, ClusterId, ClusterSeen, MemberId, MemberSeen, MemberState, MemberStatus};
use crate::error::Error;
use crate::maintenance::listed;

/// A plan for one backup, as [`plan`] makes it.
pub type SavePlan = Plan<Saving>;

/// How a save ended.
pub type SaveReport = trimtab_core::Report<Saving>;

/// Where to, from whom, and how long a member may be silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavePolicy {
    /// The directory that the backup is written into. It has to be there: one that is missing may be a disk that is not mounted.
    pub directory: PathBuf,
    /// Whom the snapshot is taken from.
    #[serde(default)]
    pub source: Source,
    /// Whose `HashKV` has to be the snapshot's.
    #[serde(default)]
    pub compare: Compare,
    /// How far the member may lag, in raft entries; 1,000 by default.
    #[serde(default = "default_lag")]
    pub max_lag_entries: u64,
    /// How long the first bytes may take, in seconds from 1; 300 by default. They wait for a defragmentation of the member.
    #[serde(default = "default_first")]
    pub first_byte_seconds: u64,
    /// How long the stream may stand still after that, in seconds from 1; 30 by default.
    #[serde(default = "default_idle")]
    pub idle_seconds: u64,
}

/// Whom a snapshot is taken from.
///
/// A follower's or a learner's leaves the leader its disk and network. Only [`Source::Follower`] falls back to somebody else; the others are
/// a choice, and where it cannot be met, the plan says so and does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The follower that is least behind; the leader where there is none that will do.
    #[default]
    Follower,
    /// The leader.
    Leader,
    /// The learner that is least behind. etcd 3.4 before 3.4.28 lets none be asked.
    Learner,
    /// This member, asked for by name: also from a cluster with a CORRUPT alarm, and from one that cannot tell its alarms.
    Member(MemberId),
}

/// Whose `HashKV` has to be the snapshot's, where it can be compared at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compare {
    /// Every voter's. One that differs fails the save, and nothing is kept.
    #[default]
    EveryVoter,
    /// Only that of the member it came from (a learner tells none): to keep the data of each member of a cluster that disagrees.
    Source,
}

/// The domain of saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saving {}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "action")]
pub enum Action {
    /// Streams a snapshot to the disk, proves it, and only then gives it its name.
    Save {
        /// The member it is taken from.
        member: MemberId,
        /// The directory it is written into.
        directory: PathBuf,
        /// A backup of this cluster that was taken at or after this moment will do: then nothing is left to do.
        not_before: Timestamp,
        /// Whose `HashKV` has to be the snapshot's.
        compare: Compare,
        /// How long the first bytes may take, in seconds.
        first_byte_seconds: u64,
        /// How long the stream may stand still after that, in seconds.
        idle_seconds: u64,
    },
}

/// What has to hold right before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "guard")]
pub enum Guard {
    /// It is still the same cluster.
    Cluster {
        /// Its id.
        id: ClusterId,
    },
    /// The member tells its status, so it is not defragmenting.
    Answers {
        /// The member.
        member: MemberId,
    },
    /// The member lags no further than this.
    Lag {
        /// The member.
        member: MemberId,
        /// In raft entries.
        max_entries: u64,
    },
    /// No CORRUPT alarm is listed.
    NoCorruptAlarm,
}

/// What a guard found instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "found")]
pub enum Refusal {
    /// Another cluster answers.
    AnotherCluster {
        /// Its id.
        id: ClusterId,
    },
    /// The member is not in the member list any more.
    Gone,
    /// The member does not tell its status.
    NoStatus {
        /// Why.
        reason: Reason,
    },
    /// The member lags.
    Lagging {
        /// By how many raft entries.
        entries: u64,
    },
    /// A CORRUPT alarm is listed.
    Corrupt {
        /// Under these members; 0 on etcd 3.4 and 3.5.
        members: Vec<MemberId>,
    },
    /// The alarm list could not be had.
    AlarmsUnknown {
        /// Why.
        trouble: Error,
    },
}

/// Why a member is passed over, or nothing saved at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
pub enum Reason {
    /// The member does not answer.
    Silent {
        /// Why.
        trouble: Error,
    },
    /// The member answers the member list and nothing else.
    Blocked {
        /// What its status ended with.
        trouble: Error,
    },
    /// The member is defragmenting: a snapshot would wait for the end.
    Defragmenting,
    /// The member is too far behind: its snapshot would be old.
    Lagging {
        /// By how many raft entries.
        entries: u64,
        /// How many are allowed.
        max_entries: u64,
    },
    /// A learner of this release serves no snapshot.
    ServesNoSnapshot {
        /// The member's etcd version.
        version: String,
    },
    /// What the member would send could not be verified: this version of trimtab does not know the release.
    UnknownVersion {
        /// The member's etcd version.
        version: String,
    },
    /// Members disagree about the data: one of them is not worth keeping, and nobody knows which.
    Corrupt {
        /// The members under which it is listed; 0 on etcd 3.4 and 3.5.
        members: Vec<MemberId>,
    },
    /// The alarm list could not be had: it needs a quorum.
    AlarmsUnknown {
        /// Why.
        trouble: Error,
    },
    /// There is nobody to save from.
    Nobody {
        /// Who was wanted.
        source: Source,
    },
}

/// What whoever applies a plan has to know first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
pub enum Notice {
    /// A member runs a release with a known defect that lets members differ.
    InconsistentRelease {
        /// The member, for people.
        member: String,
        /// Its etcd version.
        version: String,
    },
    /// A CORRUPT alarm is listed, and this member was asked for by name all the same.
    Corrupt {
        /// The members under which it is listed.
        members: Vec<MemberId>,
    },
    /// The alarm list could not be had, and this member was asked for by name all the same.
    AlarmsUnknown {
        /// Why.
        trouble: Error,
    },
}

/// What is seen right before the step.
#[derive(Debug, Clone, PartialEq)]
pub struct SaveSeen {
    /// The cluster.
    pub cluster: ClusterSeen,
    /// The manifests of the backups that lie whole in the directory, in no particular order.
    pub backups: Vec<Manifest>,
}

impl SavePolicy {
    /// The defaults: from a follower, every voter compared.
    #[must_use]
    pub fn to(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            source: Source::default(),
            compare: Compare::default(),
            max_lag_entries: default_lag(),
            first_byte_seconds: default_first(),
            idle_seconds: default_idle(),
        }
    }
}

const fn default_lag() -> u64 {
    1000
}

const fn default_first() -> u64 {
    300
}

const fn default_idle() -> u64 {
    30
}

/// Plans one backup of a cluster.
///
/// Pure: the same observation, policy and clock give the same plan. It has one step, or none with the reasons in `held`. NOSPACE is no
/// reason: reads and snapshots go on.
///
/// # Errors
/// [`Error::InvalidPolicy`] where the directory is empty or a limit is 0.
pub fn plan(seen: &ClusterSeen, policy: &SavePolicy, now: Timestamp) -> Result<SavePlan, Error> {
    check_policy(policy)?;
    let mut plan =
        Plan { subject: format!("backup of etcd cluster {}", seen.cluster_id), notices: notices(seen), steps: Vec::new(), held: Vec::new() };
    let trouble = distrust(seen);
    match (policy.source, trouble) {
        (_, None) => choose(&mut plan, seen, policy, now),
        (Source::Member(_), Some(trouble)) => {
            plan.notices.push(trouble.notice());
            let alone = SavePolicy { compare: Compare::Source, ..policy.clone() };
            choose(&mut plan, seen, &alone, now);
        }
        (Source::Follower | Source::Leader | Source::Learner, Some(trouble)) => {
            plan.held.push(Held { target: "cluster".to_owned(), reason: trouble.reason() });
        }
    }
    Ok(plan)
}

fn check_policy(policy: &SavePolicy) -> Result<(), Error> {
    let wrong = |problem: &str| Err(Error::InvalidPolicy { problem: problem.to_owned() });
    if policy.directory.as_os_str().is_empty() {
        return wrong("the directory to save into is empty; `.` is the current one");
    }
    if policy.first_byte_seconds == 0 || policy.idle_seconds == 0 {
        return wrong("a limit of 0 seconds lets no stream begin; take 1 or more");
    }
    Ok(())
}

/// Why the data of a cluster may not be trusted.
enum Distrust {
    Corrupt(Vec<MemberId>),
    AlarmsUnknown(Error),
}

impl Distrust {
    fn notice(self) -> Notice {
        match self {
            Self::Corrupt(members) => Notice::Corrupt { members },
            Self::AlarmsUnknown(trouble) => Notice::AlarmsUnknown { trouble },
        }
    }

    fn reason(self) -> Reason {
        match self {
            Self::Corrupt(members) => Reason::Corrupt { members },
            Self::AlarmsUnknown(trouble) => Reason::AlarmsUnknown { trouble },
        }
    }
}

fn distrust(seen: &ClusterSeen) -> Option<Distrust> {
    match &seen.alarms {
        Alarms::Unknown { trouble } => Some(Distrust::AlarmsUnknown(trouble.clone())),
        Alarms::Listed { .. } => {
            let members: Vec<MemberId> = seen.alarms_of(AlarmKind::Corrupt).map(|alarm| alarm.member).collect();
            (!members.is_empty()).then_some(Distrust::Corrupt(members))
        }
    }
}

fn notices(seen: &ClusterSeen) -> Vec<Notice> {
    let inconsistent =
        |version: &str| version.parse().is_ok_and(|version: EtcdVersion| version.minor() == 5 && version.patch().is_some_and(|patch| patch < 3));
    let affected = seen.answering().filter(|(_, status)| inconsistent(&status.version));
    affected.map(|(member, status)| Notice::InconsistentRelease { member: member.title(), version: status.version.clone() }).collect()
}

/// The first of the candidates that will do; those before it are held back, each for its reason.
fn choose(plan: &mut SavePlan, seen: &ClusterSeen, policy: &SavePolicy, now: Timestamp) {
    for member in candidates(seen, policy.source) {
        match will_do(member, seen, policy) {
            Ok(()) => {
                plan.steps.push(step(member, seen, policy, now));
                return;
            }
            Err(reason) => plan.held.push(Held { target: member.title(), reason }),
        }
    }
    plan.held.push(Held { target: "cluster".to_owned(), reason: Reason::Nobody { source: policy.source } });
}

/// Whom to ask, the best first.
fn candidates(seen: &ClusterSeen, source: Source) -> Vec<&MemberSeen> {
    let leader = seen.leader();
    let mut wanted: Vec<&MemberSeen> = match source {
        Source::Follower => seen.voters().collect(),
        Source::Leader => seen.voters().filter(|member| Some(member.id) == leader).collect(),
        Source::Learner => seen.members.iter().filter(|member| member.is_learner).collect(),
        Source::Member(id) => seen.member(id).into_iter().collect(),
    };
    // The sort is stable: of equals the first in the member list. The leader comes last, and before it those that tell no lag.
    wanted.sort_by_key(|member| (Some(member.id) == leader, member.status().map_or(u64::MAX, |status| seen.lag(status))));
    wanted
}

fn will_do(member: &MemberSeen, seen: &ClusterSeen, policy: &SavePolicy) -> Result<(), Reason> {
    let status = status_of(member)?;
    let version = || status.version.clone();
    let Ok(release) = status.version.parse::<EtcdVersion>() else { return Err(Reason::UnknownVersion { version: version() }) };
    if member.is_learner && !learner_serves_snapshots(release) {
        return Err(Reason::ServesNoSnapshot { version: version() });
    }
    let (entries, max_entries) = (seen.lag(status), policy.max_lag_entries);
    if entries > max_entries { Err(Reason::Lagging { entries, max_entries }) } else { Ok(()) }
}

/// What the member tells of itself, or why it does not.
fn status_of(member: &MemberSeen) -> Result<&MemberStatus, Reason> {
    match &member.state {
        MemberState::Answers(status) => Ok(status),
        MemberState::Defragmenting => Err(Reason::Defragmenting),
        MemberState::Blocked { trouble } => Err(Reason::Blocked { trouble: trouble.clone() }),
        MemberState::Silent { trouble } => Err(Reason::Silent { trouble: trouble.clone() }),
    }
}

/// `server/etcdserver/api/v3rpc/interceptor.go` lets a learner's Snapshot through since v3.5.0, back-ported to v3.4.28.
fn learner_serves_snapshots(release: EtcdVersion) -> bool {
    release.minor() > 4 || release.patch().is_none_or(|patch| patch >= 28)
}

fn step(member: &MemberSeen, seen: &ClusterSeen, policy: &SavePolicy, not_before: Timestamp) -> Step<Saving> {
    let id = member.id;
    let mut guards =
        vec![Guard::Cluster { id: seen.cluster_id }, Guard::Answers { member: id }, Guard::Lag { member: id, max_entries: policy.max_lag_entries }];
    if distrust(seen).is_none() {
        guards.push(Guard::NoCorruptAlarm);
    }
    let action = Action::Save {
        member: id,
        directory: policy.directory.clone(),
        not_before,
        compare: policy.compare,
        first_byte_seconds: policy.first_byte_seconds,
        idle_seconds: policy.idle_seconds,
    };
    Step { target: member.title(), action, guards }
}

impl Domain for Saving {
    type Action = Action;
    type Guard = Guard;
    type Refusal = Refusal;
    type Reason = Reason;
    type Notice = Notice;
    type Failure = Error;
    type Seen = SaveSeen;

    /// Another member's backup of the same moment is as good, unless it is this member's data that is wanted.
    fn effect_holds(action: &Action, seen: &SaveSeen, _acted: &[Action]) -> bool {
        let Action::Save { member, not_before, compare, .. } = action;
        let any_source = match compare {
            Compare::EveryVoter => true,
            Compare::Source => false,
        };
        seen.backups.iter().any(|backup| {
            backup.cluster_id == seen.cluster.cluster_id && backup.taken_at >= *not_before && (any_source || backup.member_id == *member)
        })
    }

    fn is_identity(guard: &Guard) -> bool {
        matches!(guard, Guard::Cluster { .. })
    }

    fn is_obstacle(reason: &Reason) -> bool {
        match reason {
            Reason::Corrupt { .. } | Reason::AlarmsUnknown { .. } | Reason::Nobody { .. } => true,
            Reason::Silent { .. }
            | Reason::Blocked { .. }
            | Reason::Defragmenting
            | Reason::Lagging { .. }
            | Reason::ServesNoSnapshot { .. }
            | Reason::UnknownVersion { .. } => false,
        }
    }

    fn check(guard: &Guard, seen: &SaveSeen) -> Result<(), Refusal> {
        let cluster = &seen.cluster;
        match guard {
            Guard::Cluster { id } if cluster.cluster_id == *id => Ok(()),
            Guard::Cluster { .. } => Err(Refusal::AnotherCluster { id: cluster.cluster_id }),
            Guard::Answers { member } => answering(*member, cluster).map(|_| ()),
            Guard::Lag { member, max_entries } => match cluster.lag(answering(*member, cluster)?) {
                entries if entries > *max_entries => Err(Refusal::Lagging { entries }),
                _ => Ok(()),
            },
            Guard::NoCorruptAlarm => match distrust(cluster) {
                Some(Distrust::Corrupt(members)) => Err(Refusal::Corrupt { members }),
                Some(Distrust::AlarmsUnknown(trouble)) => Err(Refusal::AlarmsUnknown { trouble }),
                None => Ok(()),
            },
        }
    }
}

fn answering(member: MemberId, cluster: &ClusterSeen) -> Result<&MemberStatus, Refusal> {
    let member = cluster.member(member).ok_or(Refusal::Gone)?;
    status_of(member).map_err(|reason| Refusal::NoStatus { reason })
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Save { directory, compare, .. } = self;
        write!(f, "save a snapshot into {} and prove it: SHA-256, every page and value, HashKV against ", directory.display())?;
        f.write_str(match compare {
            Compare::EveryVoter => "every voter",
            Compare::Source => "the member itself",
        })
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { id } => write!(f, "it is cluster {id}"),
            Self::Answers { member } => write!(f, "{member} answers and is not defragmenting"),
            Self::Lag { member, max_entries } => write!(f, "{member} is at most {max_entries} raft entries behind"),
            Self::NoCorruptAlarm => f.write_str("no CORRUPT alarm is listed"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnotherCluster { id } => write!(f, "it is cluster {id}"),
            Self::Gone => f.write_str("it has left the cluster: observe and plan again"),
            Self::NoStatus { reason } => write!(f, "{reason}: observe and plan again"),
            Self::Lagging { entries } => write!(f, "it is {entries} raft entries behind: observe and plan again"),
            Self::Corrupt { members } => write!(f, "CORRUPT is listed under {}", listed(members)),
            Self::AlarmsUnknown { trouble } => write!(f, "the alarm list is not to be had: {trouble}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent { trouble } => write!(f, "no answer: {trouble}"),
            Self::Blocked { trouble } => write!(f, "it answers nothing but the member list: {trouble}"),
            Self::Defragmenting => f.write_str("it is defragmenting, and a snapshot would wait for the end"),
            Self::Lagging { entries, max_entries } => write!(f, "{entries} raft entries behind, {max_entries} are allowed"),
            Self::ServesNoSnapshot { version } => write!(f, "a learner of etcd {version} serves no snapshot: take a follower"),
            Self::UnknownVersion { version } => write!(f, "it runs etcd {version:?}, whose files this trimtab cannot verify: use a newer one"),
            Self::Corrupt { members } => write!(
                f,
                "CORRUPT is listed under {}: one member's data is bad; compare their HashKV, and save from each by name before you replace it",
                listed(members)
            ),
            Self::AlarmsUnknown { trouble } => {
                write!(f, "the alarm list is not to be had, so a CORRUPT alarm may stand; save from a member by name all the same: {trouble}")
            }
            Self::Nobody { source: Source::Follower } => f.write_str("no voter will do"),
            Self::Nobody { source: Source::Leader } => f.write_str("the voters name no common leader, or it will not do"),
            Self::Nobody { source: Source::Learner } => f.write_str("there is no learner that will do"),
            Self::Nobody { source: Source::Member(id) } => write!(f, "member {id} is not in the member list, or will not do"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InconsistentRelease { member, version } => write!(
                f,
                "{member} runs etcd {version}: from 3.5.0 to 3.5.2 a crash can leave a member without data that the others have, and no alarm says so; upgrade"
            ),
            Self::Corrupt { members } => {
                write!(f, "CORRUPT is listed under {}: this is a backup of one member's data, compared with that member alone", listed(members))
            }
            Self::AlarmsUnknown { trouble } => {
                write!(
                    f,
                    "whether CORRUPT is listed is not known ({trouble}): this is a backup of one member's data, compared with that member alone"
                )
            }
        }
    }
}
