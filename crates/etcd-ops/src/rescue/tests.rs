//! What holds of every plan; single plans are read as transcripts in `tests/scenarios/`.

use proptest::prelude::*;

use super::*;
use crate::cluster::{Alarm, ClusterId};
use crate::example;

fn trouble() -> Error {
    Error::Deadline { endpoint: "http://127.0.0.1:2379".to_owned(), call: "Status".to_owned(), after_ms: 3000 }
}

fn state() -> impl Strategy<Value = MemberState> {
    let status = (0_i64..40_000_000, 0_i64..100, 0_u64..3000, prop::option::weighted(0.9, 1_u64..4), 0_u8..10).prop_map(
        |(size, share, behind, leader, quota)| {
            MemberState::Answers(MemberStatus {
                version: "3.6.16".to_owned(),
                db_size_bytes: size,
                db_size_in_use_bytes: size * share / 100,
                quota: match quota {
                    0 => Quota::Disabled,
                    1 => Quota::Unknown { trouble: trouble() },
                    _ => Quota::Bytes { bytes: 16 * 1024 * 1024 },
                },
                revision: 1000,
                leader: leader.map(MemberId),
                raft_term: 2,
                raft_index: 5000,
                raft_applied_index: 5000 - behind / 2,
                errors: Vec::new(),
                open_snapshots: Some(0),
            })
        },
    );
    prop_oneof![
        20 => status,
        1 => Just(MemberState::Defragmenting),
        1 => Just(MemberState::Blocked { trouble: trouble() }),
        1 => Just(MemberState::Silent { trouble: trouble() }),
    ]
}

fn cluster() -> impl Strategy<Value = ClusterSeen> {
    let member = (state(), prop::bool::weighted(0.1));
    let alarm = (1_u64..6, prop_oneof![9 => Just(AlarmKind::NoSpace), 1 => Just(AlarmKind::Corrupt)]);
    let alarms = prop_oneof![9 => prop::collection::vec(alarm, 0..3).prop_map(Some), 1 => Just(None)];
    (prop::collection::vec(member, 1..6), alarms, 0_i64..1001, prop::option::of(1_i64..1001)).prop_map(|(members, alarms, compacted, recorded)| {
        ClusterSeen {
            cluster_id: ClusterId(7),
            members: (1_u64..)
                .zip(members)
                .map(|(id, (state, is_learner))| MemberSeen { id: MemberId(id), name: format!("m{id}"), is_learner, client_urls: Vec::new(), state })
                .collect(),
            alarms: match alarms {
                Some(list) => Alarms::Listed { list: list.into_iter().map(|(member, kind)| Alarm { member: MemberId(member), kind }).collect() },
                None => Alarms::Unknown { trouble: trouble() },
            },
            compacted: Compacted::Below { revision: compacted },
            compact_rev_key: recorded,
            endpoints: Vec::new(),
        }
    })
}

fn policy() -> impl Strategy<Value = RescuePolicy> {
    let compact_to = prop_oneof![Just(CompactTo::Kubernetes), Just(CompactTo::Head), (1_i64..=1000).prop_map(CompactTo::Revision)];
    (compact_to, 1_u8..=99).prop_map(|(compact_to, max_percent)| RescuePolicy { compact_to, max_percent, max_lag_entries: 1000 })
}

/// A plan for a policy that this cluster allows.
fn planned(seen: &ClusterSeen, policy: &RescuePolicy) -> Option<RescuePlan> {
    plan(seen, policy).ok()
}

proptest! {
    #[test]
    fn the_same_observation_gives_the_same_plan_and_it_survives_a_round_trip(seen in cluster(), policy in policy()) {
        let first = planned(&seen, &policy);
        prop_assert_eq!(&first, &planned(&seen.clone(), &policy));
        let text = serde_json::to_string(&(&seen, &first)).unwrap();
        let back: (ClusterSeen, Option<RescuePlan>) = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back, (seen, first));
    }

    #[test]
    fn an_obstacle_leaves_nothing_but_waiting(seen in cluster(), policy in policy()) {
        let Some(plan) = planned(&seen, &policy) else { return Ok(()) };
        let silent = seen.members.iter().any(|member| matches!(member.state, MemberState::Silent { .. }));
        let corrupt = seen.alarms_of(AlarmKind::Corrupt).next().is_some();
        let unknown = matches!(seen.alarms, Alarms::Unknown { .. });
        if plan.is_blocked() || silent || corrupt || unknown {
            prop_assert!(plan.steps.iter().all(|step| matches!(step.action, Action::Await { .. })), "{}", plan);
        }
        prop_assert!(plan.is_blocked() || !(silent || corrupt || unknown), "{}", plan);
    }

    #[test]
    fn the_order_is_compact_then_followers_then_leader_then_disarm_then_prove(seen in cluster(), policy in policy()) {
        let Some(plan) = planned(&seen, &policy) else { return Ok(()) };
        let rank = |action: &Action| match action {
            Action::Await { .. } => 0_u32,
            Action::Compact { .. } => 1,
            Action::Defragment { member, .. } if Some(*member) != seen.leader() => 2,
            Action::Defragment { .. } => 3,
            Action::Disarm { .. } => 4,
            Action::Prove { .. } => 5,
        };
        let ranks: Vec<u32> = plan.steps.iter().map(|step| rank(&step.action)).collect();
        prop_assert!(ranks.is_sorted(), "{}", plan);
        let proofs = ranks.iter().filter(|rank| **rank == 5).count();
        prop_assert_eq!(proofs, usize::from(ranks.iter().any(|rank| *rank > 0)), "{}", plan);
    }

    #[test]
    fn no_member_is_defragmented_twice_and_no_learner_ever(seen in cluster(), policy in policy()) {
        let Some(plan) = planned(&seen, &policy) else { return Ok(()) };
        let mut asked: Vec<MemberId> = plan.steps.iter().filter_map(|step| match step.action {
            Action::Defragment { member, .. } => Some(member),
            Action::Await { .. } | Action::Compact { .. } | Action::Disarm { .. } | Action::Prove { .. } => None,
        }).collect();
        prop_assert!(asked.iter().all(|id| seen.member(*id).is_some_and(|member| !member.is_learner)));
        let count = asked.len();
        asked.sort_unstable();
        asked.dedup();
        prop_assert_eq!(asked.len(), count);
    }

    #[test]
    fn history_is_compacted_no_further_than_the_policy_says(seen in cluster(), policy in policy()) {
        let Some(plan) = planned(&seen, &policy) else { return Ok(()) };
        let furthest = match policy.compact_to {
            CompactTo::Kubernetes => seen.compact_rev_key.unwrap_or(0),
            CompactTo::Revision(revision) => revision,
            CompactTo::Head => 1000,
        };
        for step in &plan.steps {
            if let Action::Compact { revision } = step.action {
                prop_assert!(revision <= furthest);
            }
        }
    }
}

#[test]
fn nothing_counts_as_proven_while_writes_are_refused() {
    use crate::maintenance::Maintenance;
    use trimtab_core::plan::Domain;

    let prove = Action::Prove { members: vec![MemberId(1)] };
    let holds = |seen: &ClusterSeen| Maintenance::effect_holds(&prove, seen, &[]);
    assert!(holds(&example::healthy()), "no write where nothing was done");
    assert!(!holds(&example::out_of_space()));
    let unknown = ClusterSeen { alarms: Alarms::Unknown { trouble: trouble() }, ..example::healthy() };
    assert!(!holds(&unknown));
    let disarmed = ClusterSeen { alarms: Alarms::Listed { list: Vec::new() }, ..example::out_of_space() };
    assert!(!holds(&disarmed), "every file is over its quota still");
}

#[test]
fn a_member_that_hangs_is_not_asked_whatever_the_others_do() {
    use crate::maintenance::{Maintenance, Refusal};
    use trimtab_core::plan::Domain;

    let mut seen = example::out_of_space();
    seen.members[1].state = MemberState::Silent { trouble: trouble() };
    let guard = Guard::QuorumWithout { member: MemberId(2) };
    assert_eq!(Maintenance::check(&guard, &seen), Err(Refusal::Silent { members: vec![MemberId(2)] }));
    let other = Guard::QuorumWithout { member: MemberId(3) };
    assert_eq!(Maintenance::check(&other, &seen), Err(Refusal::QuorumLost { others: 1, quorum: 2, silent: vec![MemberId(2)] }));
}

#[test]
fn every_step_that_acts_is_bound_to_the_cluster_and_its_leader() {
    let policy = RescuePolicy { compact_to: CompactTo::Head, ..RescuePolicy::default() };
    let plan = plan(&example::out_of_space(), &policy).unwrap();
    for step in &plan.steps {
        assert!(step.guards.iter().any(|guard| matches!(guard, Guard::Cluster { .. })), "{plan}");
        assert!(step.guards.iter().any(|guard| matches!(guard, Guard::Leader { .. })), "{plan}");
    }
}
