//! The nouns of etcd maintenance, and the pure decisions about them: what a step does, what has to hold right before, what was found instead.

use std::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::plan::Domain;

use crate::cluster::{AlarmKind, Alarms, ClusterId, ClusterSeen, Compacted, MemberId, MemberState, MemberStatus, Quota};
use crate::error::Error;
use crate::rescue::Reason;

/// The domain of actions on a live etcd cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "action")]
pub enum Action {
    /// Waits until a member that is defragmenting already answers again.
    Await {
        /// The member.
        member: MemberId,
    },
    /// Drops the history below a revision, in the whole cluster, and waits until it is gone from the members' files.
    Compact {
        /// The oldest revision that can still be read afterwards.
        revision: i64,
    },
    /// Rewrites a member's database file without its free pages. The member answers nothing meanwhile.
    Defragment {
        /// The member.
        member: MemberId,
        /// The size of its file when the plan was made; unknown while it was defragmenting.
        planned_size_bytes: Option<i64>,
        /// What its file has to stay under afterwards; none where its quota is disabled.
        limit_bytes: Option<i64>,
    },
    /// Takes the NOSPACE alarm of a member off the list.
    Disarm {
        /// The member it stands under.
        member: MemberId,
    },
    /// Writes a key of trimtab's own through each of these members, reads it back and removes it. The key hangs on a lease of a
    /// minute, so that it goes away by itself where we do.
    Prove {
        /// The voting members.
        members: Vec<MemberId>,
    },
}

/// What has to hold right before a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "guard")]
pub enum Guard {
    /// It is still the same cluster.
    Cluster {
        /// Its id.
        id: ClusterId,
    },
    /// The member list is still this one.
    Members {
        /// All of them, ascending.
        ids: Vec<MemberId>,
    },
    /// Every voter that answers takes this member for the leader.
    Leader {
        /// The member.
        member: MemberId,
    },
    /// No CORRUPT alarm is listed.
    NoCorruptAlarm,
    /// The NOSPACE alarm that the plan is about is still listed.
    NoSpaceAlarm,
    /// No NOSPACE alarm is listed any more.
    NoNoSpaceAlarm,
    /// Without this member, the voters that answer are still a quorum.
    QuorumWithout {
        /// The member that is about to stop answering.
        member: MemberId,
    },
    /// Every voter answers.
    EveryVoterAnswers,
    /// No voter lags further behind than this.
    Lag {
        /// In raft entries.
        max_entries: u64,
    },
    /// The member is sending no snapshot: a defragmentation meanwhile would hang it until that has ended.
    NoOpenSnapshot {
        /// The member.
        member: MemberId,
    },
    /// Every member's file is under this share of its quota.
    UnderQuota {
        /// In percent of the quota.
        max_percent: u8,
    },
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
    /// Members came or went.
    OtherMembers {
        /// All of them now, ascending.
        ids: Vec<MemberId>,
    },
    /// Another leader, or none that the voters agree on.
    OtherLeader {
        /// The leader now.
        leader: Option<MemberId>,
    },
    /// The alarm list could not be had.
    AlarmsUnknown {
        /// Why.
        trouble: Error,
    },
    /// A CORRUPT alarm is listed.
    Corrupt {
        /// Under these members; 0 on etcd 3.4 and 3.5.
        members: Vec<MemberId>,
    },
    /// No NOSPACE alarm is listed: somebody else was here.
    NoSpaceAlarmGone,
    /// A NOSPACE alarm is (again) listed.
    NoSpaceAlarmListed {
        /// Under these members.
        members: Vec<MemberId>,
    },
    /// The quorum would be lost.
    QuorumLost {
        /// How many other voters answer.
        others: usize,
        /// How many make a quorum.
        quorum: usize,
        /// Those that do not answer.
        silent: Vec<MemberId>,
    },
    /// Voters do not answer.
    Silent {
        /// Which.
        members: Vec<MemberId>,
    },
    /// A voter lags.
    Lagging {
        /// Which.
        member: MemberId,
        /// By how many raft entries.
        entries: u64,
    },
    /// A member is sending snapshots: somebody takes a backup.
    SendsSnapshots {
        /// Which.
        member: MemberId,
        /// How many.
        streams: u64,
    },
    /// A member's file is too big for its quota, or one of the two is unknown.
    TooBig {
        /// Which.
        member: MemberId,
        /// Its size, where it answers.
        db_size_bytes: Option<i64>,
        /// What it has to stay under, where its quota is known.
        limit_bytes: Option<i64>,
        /// How much of it is free: what another defragmentation would give back.
        free_bytes: i64,
    },
}

/// What whoever applies a plan has to know first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
pub enum Notice {
    /// There are too few voters to spare one: while a member defragments, the whole cluster answers nothing.
    Outage {
        /// How many voters there are.
        voters: usize,
        /// The bytes to be rewritten on the largest one, at most.
        largest_in_use_bytes: i64,
    },
    /// The compaction that was asked for by name has a price.
    CompactionCost {
        /// The oldest revision that can be read now; 0 where nothing was ever compacted.
        from: i64,
        /// The oldest one afterwards.
        to: i64,
    },
    /// What compaction frees cannot be known beforehand.
    SizeUnknown {
        /// What every file has to stay under for the rescue to go on.
        max_percent: u8,
    },
}

impl Domain for Maintenance {
    type Action = Action;
    type Guard = Guard;
    type Refusal = Refusal;
    type Reason = Reason;
    type Notice = Notice;
    type Failure = Error;
    type Seen = ClusterSeen;

    fn effect_holds(action: &Action, seen: &ClusterSeen, acted: &[Action]) -> bool {
        match action {
            Action::Await { member } => is_back(seen, *member),
            Action::Compact { revision } => matches!(seen.compacted, Compacted::Below { revision: oldest } if oldest >= *revision),
            Action::Defragment { member, planned_size_bytes, limit_bytes } => {
                let compacted_now = acted.iter().any(|before| matches!(before, Action::Compact { .. }));
                let status = seen.member(*member).and_then(|member| member.status());
                !compacted_now && status.is_some_and(|status| was_defragmented(status, *planned_size_bytes, *limit_bytes))
            }
            Action::Disarm { member } => match &seen.alarms {
                Alarms::Listed { .. } => !seen.alarms_of(AlarmKind::NoSpace).any(|alarm| alarm.member == *member),
                Alarms::Unknown { .. } => false,
            },
            // Where nothing was done there is nothing to prove, and no write; unless writes are refused all the same.
            Action::Prove { .. } => acted.is_empty() && is_in_space(seen),
        }
    }

    fn is_identity(guard: &Guard) -> bool {
        matches!(guard, Guard::Cluster { .. })
    }

    fn is_obstacle(reason: &Reason) -> bool {
        match reason {
            Reason::NotOutOfSpace { .. } | Reason::AlreadyCompact { .. } | Reason::Defragmenting | Reason::Learner => false,
            Reason::WaitFirst
            | Reason::AlarmsUnknown { .. }
            | Reason::Corrupt { .. }
            | Reason::NoLeader
            | Reason::Silent { .. }
            | Reason::Lagging { .. }
            | Reason::QuotaUnknown { .. }
            | Reason::LearnerTooBig { .. }
            | Reason::InUseTooBig { .. }
            | Reason::CompactedUnknown { .. } => true,
        }
    }

    fn check(guard: &Guard, seen: &ClusterSeen) -> Result<(), Refusal> {
        match guard {
            Guard::Cluster { id } if seen.cluster_id == *id => Ok(()),
            Guard::Cluster { .. } => Err(Refusal::AnotherCluster { id: seen.cluster_id }),
            Guard::Members { ids } => check_members(ids, seen),
            Guard::Leader { member } if seen.leader() == Some(*member) => Ok(()),
            Guard::Leader { .. } => Err(Refusal::OtherLeader { leader: seen.leader() }),
            Guard::NoCorruptAlarm => {
                none_listed(seen, AlarmKind::Corrupt).map_err(|members| Refusal::Corrupt { members }).and_then(|()| alarms_known(seen))
            }
            Guard::NoSpaceAlarm => alarms_known(seen).and_then(|()| match none_listed(seen, AlarmKind::NoSpace) {
                Ok(()) => Err(Refusal::NoSpaceAlarmGone),
                Err(_) => Ok(()),
            }),
            Guard::NoNoSpaceAlarm => {
                none_listed(seen, AlarmKind::NoSpace).map_err(|members| Refusal::NoSpaceAlarmListed { members }).and_then(|()| alarms_known(seen))
            }
            Guard::QuorumWithout { member } => check_quorum_without(*member, seen),
            Guard::EveryVoterAnswers => match silent_voters(seen, None) {
                silent if silent.is_empty() => Ok(()),
                members => Err(Refusal::Silent { members }),
            },
            Guard::Lag { max_entries } => check_lag(*max_entries, seen),
            Guard::NoOpenSnapshot { member } => match open_snapshots(*member, seen) {
                0 => Ok(()),
                streams => Err(Refusal::SendsSnapshots { member: *member, streams }),
            },
            Guard::UnderQuota { max_percent } => {
                seen.members.iter().try_for_each(|member| check_under_quota(*max_percent, member.id, member.status()))
            }
        }
    }
}

/// The bytes that a file has to stay under, where there is a quota and it is known.
pub(crate) fn limit_bytes(quota: &Quota, max_percent: u8) -> Option<i64> {
    match quota {
        // Rounds down, to the safe side; 128 bits since a quota of exabytes is legal.
        Quota::Bytes { bytes } => Some(i64::try_from(i128::from(*bytes) * i128::from(max_percent) / 100).unwrap_or(i64::MAX)),
        Quota::Disabled | Quota::Unknown { .. } => None,
    }
}

/// Free pages that no defragmentation takes away: a new file of 20 KiB has 8 KiB of them.
const FEW_BYTES: i64 = 64 * 1024;

/// Whether the file looks as it does after a defragmentation: at most a tenth of it is free.
pub(crate) fn is_compact(status: &MemberStatus) -> bool {
    status.free_bytes() <= (status.db_size_bytes / 10).max(FEW_BYTES)
}

/// A file never shrinks but by a defragmentation (or a snapshot from the leader, which is as good), so one that is smaller than
/// planned was defragmented since; unless it is still too big and full of free pages: then somebody did it too early.
fn was_defragmented(status: &MemberStatus, planned_size_bytes: Option<i64>, limit_bytes: Option<i64>) -> bool {
    let shrunk = planned_size_bytes.is_none_or(|planned| status.db_size_bytes < planned);
    let small = limit_bytes.is_none_or(|limit| status.db_size_bytes < limit);
    let known_small = planned_size_bytes.is_some() && small;
    shrunk && (known_small || is_compact(status))
}

fn is_back(seen: &ClusterSeen, member: MemberId) -> bool {
    seen.member(member).is_none_or(|member| match member.state {
        MemberState::Answers(_) | MemberState::Silent { .. } => true,
        MemberState::Defragmenting | MemberState::Blocked { .. } => false,
    })
}

/// Whether writes are accepted, as far as can be seen.
fn is_in_space(seen: &ClusterSeen) -> bool {
    let small = !seen.answering().any(|(_, status)| status.is_over_quota());
    small && alarms_known(seen).is_ok() && none_listed(seen, AlarmKind::NoSpace).is_ok()
}

fn alarms_known(seen: &ClusterSeen) -> Result<(), Refusal> {
    match &seen.alarms {
        Alarms::Listed { .. } => Ok(()),
        Alarms::Unknown { trouble } => Err(Refusal::AlarmsUnknown { trouble: trouble.clone() }),
    }
}

fn none_listed(seen: &ClusterSeen, kind: AlarmKind) -> Result<(), Vec<MemberId>> {
    let members: Vec<MemberId> = seen.alarms_of(kind).map(|alarm| alarm.member).collect();
    if members.is_empty() { Ok(()) } else { Err(members) }
}

fn check_members(ids: &[MemberId], seen: &ClusterSeen) -> Result<(), Refusal> {
    let now = member_ids(seen);
    if now == ids { Ok(()) } else { Err(Refusal::OtherMembers { ids: now }) }
}

/// The ids of all members, ascending.
pub(crate) fn member_ids(seen: &ClusterSeen) -> Vec<MemberId> {
    let mut ids: Vec<MemberId> = seen.members.iter().map(|member| member.id).collect();
    ids.sort_unstable();
    ids
}

/// The voters other than `except` that do not tell their status.
pub(crate) fn silent_voters(seen: &ClusterSeen, except: Option<MemberId>) -> Vec<MemberId> {
    seen.voters().filter(|voter| Some(voter.id) != except && voter.status().is_none()).map(|voter| voter.id).collect()
}

/// The member itself has to answer too: what hangs may be defragmenting already, and nothing is known of its lag.
fn check_quorum_without(member: MemberId, seen: &ClusterSeen) -> Result<(), Refusal> {
    if seen.member(member).and_then(|member| member.status()).is_none() {
        return Err(Refusal::Silent { members: vec![member] });
    }
    let silent = silent_voters(seen, Some(member));
    let others = seen.voters().filter(|voter| voter.id != member && voter.status().is_some()).count();
    if others >= seen.quorum() { Ok(()) } else { Err(Refusal::QuorumLost { others, quorum: seen.quorum(), silent }) }
}

fn check_lag(max_entries: u64, seen: &ClusterSeen) -> Result<(), Refusal> {
    let behind = seen.answering().map(|(member, status)| (member.id, seen.lag(status)));
    match behind.max_by_key(|(_, entries)| *entries) {
        Some((member, entries)) if entries > max_entries => Err(Refusal::Lagging { member, entries }),
        Some(_) | None => Ok(()),
    }
}

/// How many snapshots a member is sending; 0 where it does not tell.
pub(crate) fn open_snapshots(member: MemberId, seen: &ClusterSeen) -> u64 {
    seen.member(member).and_then(|member| member.status()).and_then(|status| status.open_snapshots).unwrap_or(0)
}

fn check_under_quota(max_percent: u8, member: MemberId, status: Option<&MemberStatus>) -> Result<(), Refusal> {
    let db_size_bytes = status.map(|status| status.db_size_bytes);
    let Some(status) = status else {
        return Err(Refusal::TooBig { member, db_size_bytes, limit_bytes: None, free_bytes: 0 });
    };
    let limit_bytes = limit_bytes(&status.quota, max_percent);
    let fits = match status.quota {
        Quota::Disabled => true,
        Quota::Bytes { .. } | Quota::Unknown { .. } => limit_bytes.is_some_and(|limit| status.db_size_bytes < limit),
    };
    if fits { Ok(()) } else { Err(Refusal::TooBig { member, db_size_bytes, limit_bytes, free_bytes: status.free_bytes() }) }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Await { .. } => f.write_str("wait for the defragmentation that is running"),
            Self::Compact { revision } => write!(f, "compact to revision {revision}"),
            Self::Defragment { planned_size_bytes: Some(size), .. } => write!(f, "defragment ({} now)", Mib(*size)),
            Self::Defragment { planned_size_bytes: None, .. } => f.write_str("defragment"),
            Self::Disarm { .. } => f.write_str("disarm NOSPACE where it is listed"),
            Self::Prove { members } => write!(f, "prove it: write, read back and remove a key through {}", counted(members.len(), "member")),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { id } => write!(f, "it is cluster {id}"),
            Self::Members { ids } => write!(f, "its members are {}", listed(ids)),
            Self::Leader { member } => write!(f, "{member} is the leader"),
            Self::NoCorruptAlarm => f.write_str("no CORRUPT alarm is listed"),
            Self::NoSpaceAlarm => f.write_str("a NOSPACE alarm is listed"),
            Self::NoNoSpaceAlarm => f.write_str("no NOSPACE alarm is listed"),
            Self::QuorumWithout { member } => write!(f, "the voters without {member} are a quorum"),
            Self::EveryVoterAnswers => f.write_str("every voter answers"),
            Self::Lag { max_entries } => write!(f, "no member is more than {max_entries} raft entries behind"),
            Self::NoOpenSnapshot { member } => write!(f, "{member} is sending no snapshot"),
            Self::UnderQuota { max_percent } => write!(f, "every database is under {max_percent} % of its quota"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnotherCluster { id } => write!(f, "it is cluster {id}"),
            Self::OtherMembers { ids } => write!(f, "the members are {}", listed(ids)),
            Self::OtherLeader { leader: Some(leader) } => write!(f, "the leader is {leader}: observe and plan again"),
            Self::OtherLeader { leader: None } => f.write_str("the voters name no common leader: observe and plan again"),
            Self::AlarmsUnknown { trouble } => write!(f, "the alarm list is not to be had: {trouble}"),
            Self::Corrupt { members } => write!(f, "CORRUPT is listed under {}", listed(members)),
            Self::NoSpaceAlarmGone => f.write_str("none is listed any more: observe and plan again"),
            Self::NoSpaceAlarmListed { members } => write!(f, "NOSPACE is listed under {}: observe and plan again", listed(members)),
            Self::QuorumLost { others, quorum, silent } => {
                write!(f, "of the others only {} answer and a quorum is {quorum}; no answer from {}", counted(*others, "voter"), listed(silent))
            }
            Self::Silent { members } => write!(f, "no answer from {}", listed(members)),
            Self::Lagging { member, entries } => write!(f, "{member} is {entries} raft entries behind"),
            Self::SendsSnapshots { member, streams } => {
                write!(
                    f,
                    "{member} is sending {}: plan again when the backup has ended",
                    counted(usize::try_from(*streams).unwrap_or(usize::MAX), "snapshot")
                )
            }
            Self::TooBig { member, db_size_bytes: None, .. } => write!(f, "the size of {member} is unknown"),
            Self::TooBig { member, db_size_bytes: Some(size), limit_bytes: Some(limit), free_bytes } if *free_bytes > size / 10 => {
                write!(f, "{member} has {}, the limit is {}, and {} are free: observe and plan again", Mib(*size), Mib(*limit), Mib(*free_bytes))
            }
            Self::TooBig { member, db_size_bytes: Some(size), limit_bytes: Some(limit), .. } => {
                write!(f, "{member} has {}, the limit is {}: compact further by name, or raise the quota", Mib(*size), Mib(*limit))
            }
            Self::TooBig { member, db_size_bytes: Some(size), limit_bytes: None, .. } => {
                write!(f, "{member} has {} and its quota is unknown", Mib(*size))
            }
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outage { voters, largest_in_use_bytes } => write!(
                f,
                "outage: with {} none can be spared, so reads and writes wait while up to {} are rewritten",
                counted(*voters, "voter"),
                Mib(*largest_in_use_bytes)
            ),
            Self::CompactionCost { from, to } => write!(
                f,
                "compacting from revision {from} to {to} by name ends list continue tokens and watches that are older than {to} (410 Gone, they list again)"
            ),
            Self::SizeUnknown { max_percent } => write!(
                f,
                "what compaction frees is known only afterwards: where a database stays above {max_percent} % of its quota, the alarm is left in place"
            ),
        }
    }
}

/// Bytes, shown for people as `12.3 MiB`.
pub(crate) struct Mib(pub(crate) i64);

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tenths of a MiB, cut off; exact in integers.
        let tenths = i128::from(self.0) * 10 / (1024 * 1024);
        write!(f, "{}.{} MiB", tenths / 10, (tenths % 10).abs())
    }
}

/// `1 voter`, `3 voters`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Ids in a row.
pub(crate) fn listed(ids: &[MemberId]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") }
}
