//! `mvcc: database space exceeded`: from refused writes back to accepted ones.
//!
//! An etcd whose database file has reached its quota raises NOSPACE and refuses every write in the whole cluster. kube-apiserver cannot
//! get out by itself, since the first step of its own compaction is a write. The way out has a strict order: compact, defragment *every*
//! member, disarm, and then look whether a write is accepted.
//!
//! ```
//! use trimtab_etcd_ops::rescue::{self, CompactTo, RescuePolicy};
//! # use trimtab_etcd_ops::example;
//!
//! let seen = example::out_of_space(); // live: `etcd.observe().await?`
//! let plan = rescue::plan(&seen, &RescuePolicy::default())?;
//! assert!(plan.is_empty()); // the in-use size does not show that defragmentation alone will do
//! println!("{plan}");
//!
//! let by_name = RescuePolicy { compact_to: CompactTo::Head, ..RescuePolicy::default() };
//! let plan = rescue::plan(&seen, &by_name)?;
//! assert_eq!(plan.steps.len(), 8); // compact, defragment and disarm three members, prove
//! # Ok::<(), trimtab_etcd_ops::Error>(())
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::plan::{Held, Plan, Step};

use crate::cluster::{AlarmKind, Alarms, ClusterSeen, Compacted, MemberId, MemberSeen, MemberState, MemberStatus, Quota};
use crate::error::Error;
use crate::maintenance::{Action, Guard, Maintenance, Mib, Notice, is_compact, limit_bytes, listed, member_ids};

/// A plan for etcd, as [`plan`] makes it.
pub type RescuePlan = Plan<Maintenance>;

/// What the rescue may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RescuePolicy {
    /// How much history may go.
    pub compact_to: CompactTo,
    /// The share of the quota that every database has to stay under afterwards, in percent from 1 to 99; 80 by default.
    pub max_percent: u8,
    /// How far a member may lag, in raft entries; 1,000 by default.
    pub max_lag_entries: u64,
}

/// The revision to compact to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CompactTo {
    /// What Kubernetes itself would have compacted: the value of `compact_rev_key`. Nothing where there is none.
    #[default]
    Kubernetes,
    /// This one, asked for by name.
    Revision(i64),
    /// The newest there is, asked for by name: no history stays, list continue tokens and slow watchers get 410 Gone.
    Head,
}

impl Default for RescuePolicy {
    fn default() -> Self {
        Self { compact_to: CompactTo::Kubernetes, max_percent: 80, max_lag_entries: 1000 }
    }
}

/// Plans the rescue of a cluster that refuses writes for lack of space.
///
/// Pure: the same observation and policy give the same plan. A cluster that is not out of space gets an empty plan; so does one that
/// cannot be rescued safely now, with the reasons in `held`.
///
/// # Errors
/// [`Error::InvalidPolicy`] where `max_percent` lies outside of 1 to 99 or a revision outside of 1 to the head.
pub fn plan(seen: &ClusterSeen, policy: &RescuePolicy) -> Result<RescuePlan, Error> {
    check_policy(policy, seen)?;
    let mut plan = Plan { subject: format!("rescue of etcd cluster {}", seen.cluster_id), notices: Vec::new(), steps: Vec::new(), held: Vec::new() };
    plan.steps.extend(busy(seen).map(|member| await_step(member, seen)));
    let reasons = obstacles(seen, policy);
    if reasons.is_empty() {
        fill(&mut plan, seen, policy);
    } else {
        plan.held.extend(reasons);
    }
    Ok(plan)
}

/// Why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
pub enum Reason {
    /// No NOSPACE alarm is listed and every database is under its quota: nothing to rescue.
    NotOutOfSpace {
        /// The fullest database, in percent of its quota, cut off; none where quotas are disabled.
        fullest_percent: Option<i64>,
    },
    /// Nothing says that the cluster is out of space, but a member is busy and cannot tell its size: only the wait is planned.
    WaitFirst,
    /// The alarm list could not be had.
    AlarmsUnknown {
        /// Why.
        trouble: Error,
    },
    /// Members disagree about the data: defragmenting and compacting would only spread it.
    Corrupt {
        /// The members under which it is listed; 0 on etcd 3.4 and 3.5.
        members: Vec<MemberId>,
    },
    /// The voters name no common leader.
    NoLeader,
    /// A member does not answer, so taking another one away may cost the quorum, and its own size stays unknown.
    Silent {
        /// Why there is no answer.
        trouble: Error,
        /// How many voters answer.
        answering: usize,
        /// How many there are.
        voters: usize,
        /// How many make a quorum.
        quorum: usize,
    },
    /// A member is too far behind.
    Lagging {
        /// By how many raft entries.
        entries: u64,
        /// How many are allowed.
        max_entries: u64,
    },
    /// The quota of a member is unknown.
    QuotaUnknown {
        /// Why.
        trouble: Error,
    },
    /// A learner cannot be defragmented, and its full database would raise the alarm again.
    LearnerTooBig {
        /// Its size.
        db_size_bytes: i64,
        /// What it would have to stay under.
        limit_bytes: i64,
    },
    /// The in-use size, which errs on the high side, does not show that defragmentation alone will do.
    InUseTooBig {
        /// What the member says is in use.
        db_size_in_use_bytes: i64,
        /// What it would have to stay under.
        limit_bytes: i64,
        /// The oldest revision that can be read; unknown or 0 where nothing was ever compacted.
        compacted: i64,
        /// The newest revision, up to which a compaction can be asked for by name.
        head: i64,
    },
    /// How far history is compacted could not be found out.
    CompactedUnknown {
        /// Why.
        trouble: Error,
    },
    /// This member's file is small and without free pages already.
    AlreadyCompact {
        /// Its size.
        db_size_bytes: i64,
        /// How much of it is free.
        free_bytes: i64,
    },
    /// This member is defragmenting: it is waited for, and not asked twice.
    Defragmenting,
    /// A learner refuses to be defragmented; it is small enough.
    Learner,
}

fn check_policy(policy: &RescuePolicy, seen: &ClusterSeen) -> Result<(), Error> {
    let bad = |problem| Err(Error::InvalidPolicy { problem });
    if !(1..=99).contains(&policy.max_percent) {
        return bad(format!("max_percent is {}, it lies from 1 to 99", policy.max_percent));
    }
    match (policy.compact_to, seen.head()) {
        (CompactTo::Revision(revision), _) if revision < 1 => bad(format!("revision {revision} is below 1")),
        (CompactTo::Revision(revision), Some(head)) if revision > head => bad(format!("revision {revision} is above the newest one, {head}")),
        (CompactTo::Revision(_) | CompactTo::Kubernetes | CompactTo::Head, _) => Ok(()),
    }
}

/// The members that are alive and answer nothing but the member list: they are waited for.
fn busy(seen: &ClusterSeen) -> impl Iterator<Item = &MemberSeen> {
    seen.members.iter().filter(|member| match member.state {
        MemberState::Defragmenting | MemberState::Blocked { .. } => true,
        MemberState::Answers(_) | MemberState::Silent { .. } => false,
    })
}

fn await_step(member: &MemberSeen, seen: &ClusterSeen) -> Step<Maintenance> {
    Step { target: member.title(), action: Action::Await { member: member.id }, guards: vec![Guard::Cluster { id: seen.cluster_id }] }
}

/// Everything that forbids the rescue as a whole.
fn obstacles(seen: &ClusterSeen, policy: &RescuePolicy) -> Vec<Held<Maintenance>> {
    let cluster = |reason| Held { target: "cluster".to_owned(), reason };
    let mut held = Vec::new();
    if let Alarms::Unknown { trouble } = &seen.alarms {
        held.push(cluster(Reason::AlarmsUnknown { trouble: trouble.clone() }));
    }
    let corrupt: Vec<MemberId> = seen.alarms_of(AlarmKind::Corrupt).map(|alarm| alarm.member).collect();
    if !corrupt.is_empty() {
        held.push(cluster(Reason::Corrupt { members: corrupt }));
    }
    held.extend(seen.members.iter().filter_map(|member| held_for_silence(member, seen)));
    if held.is_empty() && !is_out_of_space(seen) {
        let reason = if busy(seen).next().is_none() { Reason::NotOutOfSpace { fullest_percent: fullest_percent(seen) } } else { Reason::WaitFirst };
        return vec![cluster(reason)];
    }
    if seen.leader().is_none() {
        held.push(cluster(Reason::NoLeader));
    }
    held.extend(seen.answering().filter_map(|(member, status)| held_for_status(member, status, seen, policy)));
    held
}

fn held_for_silence(member: &MemberSeen, seen: &ClusterSeen) -> Option<Held<Maintenance>> {
    let trouble = match &member.state {
        MemberState::Silent { trouble } => trouble.clone(),
        MemberState::Answers(_) | MemberState::Defragmenting | MemberState::Blocked { .. } => return None,
    };
    let answering = seen.voters().filter(|voter| voter.status().is_some()).count();
    let reason = Reason::Silent { trouble, answering, voters: seen.voters().count(), quorum: seen.quorum() };
    Some(Held { target: member.title(), reason })
}

fn held_for_status(member: &MemberSeen, status: &MemberStatus, seen: &ClusterSeen, policy: &RescuePolicy) -> Option<Held<Maintenance>> {
    let held = |reason| Some(Held { target: member.title(), reason });
    let entries = seen.lag(status);
    if entries > policy.max_lag_entries {
        return held(Reason::Lagging { entries, max_entries: policy.max_lag_entries });
    }
    if let Quota::Unknown { trouble } = &status.quota {
        return held(Reason::QuotaUnknown { trouble: trouble.clone() });
    }
    let limit_bytes = limit_bytes(&status.quota, policy.max_percent)?;
    if member.is_learner {
        let db_size_bytes = status.db_size_bytes;
        return if db_size_bytes < limit_bytes { None } else { held(Reason::LearnerTooBig { db_size_bytes, limit_bytes }) };
    }
    let proven = status.db_size_in_use_bytes < limit_bytes || policy.compact_to != CompactTo::Kubernetes;
    if proven {
        return None;
    }
    let compacted = match seen.compacted {
        Compacted::Below { revision } => revision,
        Compacted::Unknown { .. } => 0,
    };
    let db_size_in_use_bytes = status.db_size_in_use_bytes;
    held(Reason::InUseTooBig { db_size_in_use_bytes, limit_bytes, compacted, head: seen.head().unwrap_or(0) })
}

/// Whether writes are refused, or the next one will be.
fn is_out_of_space(seen: &ClusterSeen) -> bool {
    seen.alarms_of(AlarmKind::NoSpace).next().is_some() || seen.answering().any(|(_, status)| status.is_over_quota())
}

fn fullest_percent(seen: &ClusterSeen) -> Option<i64> {
    let percent = |status: &MemberStatus| match status.quota {
        Quota::Bytes { bytes } if bytes > 0 => i64::try_from(i128::from(status.db_size_bytes) * 100 / i128::from(bytes)).ok(),
        Quota::Bytes { .. } | Quota::Disabled | Quota::Unknown { .. } => None,
    };
    seen.answering().filter_map(|(_, status)| percent(status)).max()
}

/// The revision to compact to, where something is left to compact.
fn target_revision(seen: &ClusterSeen, policy: &RescuePolicy) -> Result<Option<(i64, i64)>, Error> {
    let wanted = match policy.compact_to {
        CompactTo::Kubernetes => seen.compact_rev_key,
        CompactTo::Revision(revision) => Some(revision),
        CompactTo::Head => seen.head(),
    };
    let Some(to) = wanted else { return Ok(None) };
    match &seen.compacted {
        Compacted::Unknown { trouble } => Err(trouble.clone()),
        Compacted::Below { revision: from } => Ok((to > *from && Some(to) <= seen.head()).then_some((*from, to))),
    }
}

fn fill(plan: &mut RescuePlan, seen: &ClusterSeen, policy: &RescuePolicy) {
    let compaction = match target_revision(seen, policy) {
        Ok(compaction) => compaction,
        Err(trouble) => {
            plan.held.push(Held { target: "cluster".to_owned(), reason: Reason::CompactedUnknown { trouble } });
            return;
        }
    };
    let guards = common_guards(seen);
    if let Some((from, to)) = compaction {
        announce_compaction(plan, policy, from, to);
        let guards = [guards.clone(), space_guard(seen), vec![Guard::EveryVoterAnswers]].concat();
        plan.steps.push(Step { target: "cluster".to_owned(), action: Action::Compact { revision: to }, guards });
    }
    defragment_steps(plan, seen, policy, compaction.is_some(), &guards);
    let settled = [guards.clone(), vec![Guard::EveryVoterAnswers, Guard::UnderQuota { max_percent: policy.max_percent }]].concat();
    for member in possibly_armed(seen) {
        let target = seen.member(member).map_or_else(|| format!("member {member} (not in the member list)"), MemberSeen::title);
        plan.steps.push(Step { target, action: Action::Disarm { member }, guards: settled.clone() });
    }
    let members = seen.voters().map(|voter| voter.id).collect();
    let guards = [guards, vec![Guard::EveryVoterAnswers, Guard::NoNoSpaceAlarm]].concat();
    plan.steps.push(Step { target: "cluster".to_owned(), action: Action::Prove { members }, guards });
}

/// Every member, since a write that is refused meanwhile raises the alarm under another id, and whatever else is listed.
fn possibly_armed(seen: &ClusterSeen) -> Vec<MemberId> {
    let mut members: Vec<MemberId> = seen.members.iter().map(|member| member.id).collect();
    for alarm in seen.alarms_of(AlarmKind::NoSpace) {
        if !members.contains(&alarm.member) {
            members.push(alarm.member);
        }
    }
    members
}

/// What every step is guarded by.
fn common_guards(seen: &ClusterSeen) -> Vec<Guard> {
    let leader = seen.leader().map(|member| Guard::Leader { member });
    let first = [Guard::Cluster { id: seen.cluster_id }, Guard::Members { ids: member_ids(seen) }];
    first.into_iter().chain(leader).chain([Guard::NoCorruptAlarm]).collect()
}

/// Where the plan is about a listed alarm, that alarm has to be there still.
fn space_guard(seen: &ClusterSeen) -> Vec<Guard> {
    seen.alarms_of(AlarmKind::NoSpace).next().map(|_| Guard::NoSpaceAlarm).into_iter().collect()
}

fn announce_compaction(plan: &mut RescuePlan, policy: &RescuePolicy, from: i64, to: i64) {
    match policy.compact_to {
        CompactTo::Kubernetes => {}
        CompactTo::Revision(_) | CompactTo::Head => {
            plan.notices.push(Notice::CompactionCost { from, to });
            plan.notices.push(Notice::SizeUnknown { max_percent: policy.max_percent });
        }
    }
}

/// Followers first, the leader last, each in the order of the member list.
fn defragment_steps(plan: &mut RescuePlan, seen: &ClusterSeen, policy: &RescuePolicy, compacts: bool, guards: &[Guard]) {
    let leader = seen.leader();
    let (last, first): (Vec<&MemberSeen>, Vec<&MemberSeen>) = seen.members.iter().partition(|member| Some(member.id) == leader);
    let mut largest_in_use_bytes = 0;
    for member in first.into_iter().chain(last) {
        match defragment_step(member, seen, policy, compacts, guards) {
            Ok(step) => {
                largest_in_use_bytes = largest_in_use_bytes.max(member.status().map_or(0, |status| status.db_size_in_use_bytes));
                plan.steps.push(step);
            }
            Err(reason) => plan.held.push(Held { target: member.title(), reason }),
        }
    }
    let voters = seen.voters().count();
    if voters <= 2 && plan.steps.iter().any(|step| matches!(step.action, Action::Defragment { .. })) {
        plan.notices.insert(0, Notice::Outage { voters, largest_in_use_bytes });
    }
}

fn defragment_step(
    member: &MemberSeen,
    seen: &ClusterSeen,
    policy: &RescuePolicy,
    compacts: bool,
    guards: &[Guard],
) -> Result<Step<Maintenance>, Reason> {
    if member.is_learner {
        return Err(Reason::Learner);
    }
    let limit = |status: &MemberStatus| limit_bytes(&status.quota, policy.max_percent);
    let (planned_size_bytes, limit_bytes) = match member.status() {
        Some(status) if compacts || !is_compact(status) || limit(status).is_some_and(|limit| status.db_size_bytes >= limit) => {
            (Some(status.db_size_bytes), limit(status))
        }
        Some(status) => return Err(Reason::AlreadyCompact { db_size_bytes: status.db_size_bytes, free_bytes: status.free_bytes() }),
        None if compacts => (None, None),
        None => return Err(Reason::Defragmenting),
    };
    // Of one or two voters none can be spared: the outage is announced, and nobody may be missing already.
    let margin = if seen.voters().count() <= 2 { Guard::EveryVoterAnswers } else { Guard::QuorumWithout { member: member.id } };
    let own = [margin, Guard::Lag { max_entries: policy.max_lag_entries }, Guard::NoOpenSnapshot { member: member.id }];
    let guards = guards.iter().cloned().chain(space_guard(seen)).chain(own).collect();
    let action = Action::Defragment { member: member.id, planned_size_bytes, limit_bytes };
    Ok(Step { target: member.title(), action, guards })
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOutOfSpace { fullest_percent: Some(percent) } => {
                write!(f, "not out of space: no NOSPACE alarm, the fullest database is at {percent} % of its quota")
            }
            Self::NotOutOfSpace { fullest_percent: None } => f.write_str("not out of space: no NOSPACE alarm, and no quota is in force"),
            Self::WaitFirst => f.write_str("no sign of a lack of space as long as a member is busy: observe and plan again when it answers"),
            Self::AlarmsUnknown { trouble } => write!(f, "the alarm list is not to be had, so nothing is safe: {trouble}"),
            Self::Corrupt { members } => {
                write!(f, "CORRUPT is listed under {}: find the member whose HashKV differs and replace it first", listed(members))
            }
            Self::NoLeader => f.write_str("the voters name no common leader: wait for one"),
            Self::Silent { trouble, answering, voters, quorum } => write!(
                f,
                "no answer ({trouble}); {answering} of {voters} voters answer, a quorum is {quorum}: bring it back or remove it from the cluster first"
            ),
            Self::Lagging { entries, max_entries } => write!(f, "{entries} raft entries behind, {max_entries} are allowed: let it catch up"),
            Self::QuotaUnknown { trouble } => write!(f, "its quota is unknown: {trouble}"),
            Self::LearnerTooBig { db_size_bytes, limit_bytes } => write!(
                f,
                "a learner of {} cannot be defragmented and would raise the alarm again above {}: promote or remove it first",
                Mib(*db_size_bytes),
                Mib(*limit_bytes)
            ),
            Self::InUseTooBig { db_size_in_use_bytes, limit_bytes, compacted, head } => write!(
                f,
                "{} are said to be in use and {} is the limit, so defragmentation alone is not known to do. Compacting by name to head, \
                 revision {head}, drops the history of {} revisions: list continue tokens and slow watchers older than that get 410 Gone and list again",
                Mib(*db_size_in_use_bytes),
                Mib(*limit_bytes),
                head.saturating_sub(*compacted)
            ),
            Self::CompactedUnknown { trouble } => write!(f, "how far history is compacted could not be found out: {trouble}"),
            Self::AlreadyCompact { db_size_bytes, free_bytes } => {
                write!(f, "already compact: {}, {} of them free", Mib(*db_size_bytes), Mib(*free_bytes))
            }
            Self::Defragmenting => f.write_str("is being defragmented already: waited for, not asked twice"),
            Self::Learner => f.write_str("a learner refuses to be defragmented; it is under the limit"),
        }
    }
}

#[cfg(test)]
mod tests;
