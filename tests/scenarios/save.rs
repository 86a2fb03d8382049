//! Plans of a save as transcripts: what stands in `snapshots/` is what an operator reads. `cargo insta review` shows what a change does to them.

use insta::assert_snapshot;
use trimtab_etcd_ops::backup::save::{Guard, Refusal, SavePolicy, SaveSeen, Saving, Source, plan};
use trimtab_etcd_ops::cluster::{Alarm, AlarmKind, Alarms, ClusterSeen, MemberId, MemberState, MemberStatus};
use trimtab_etcd_ops::{Error, backup, example};

const NOW: &str = "2026-11-25T03:15:00Z";

fn transcript(seen: &ClusterSeen, source: Source) -> String {
    let policy = SavePolicy { source, ..SavePolicy::to("/var/backups/etcd") };
    plan(seen, &policy, NOW.parse().unwrap()).unwrap().to_string()
}

fn status(seen: &mut ClusterSeen, index: usize) -> &mut MemberStatus {
    match &mut seen.members[index].state {
        MemberState::Answers(status) => status,
        other => panic!("member {index} does not answer: {other:?}"),
    }
}

fn late(index: u32) -> Error {
    Error::Deadline { endpoint: format!("http://127.0.0.1:{}", 2379 + index), call: "Status".to_owned(), after_ms: 3000 }
}

fn corrupt() -> ClusterSeen {
    let alarm = Alarm { member: MemberId(3), kind: AlarmKind::Corrupt };
    ClusterSeen { alarms: Alarms::Listed { list: vec![alarm] }, ..example::healthy() }
}

fn without_quorum() -> ClusterSeen {
    let mut seen = example::healthy();
    for index in [0, 2] {
        seen.members[index].state = MemberState::Silent { trouble: late(u32::try_from(index).unwrap()) };
    }
    status(&mut seen, 1).leader = None;
    seen.alarms = Alarms::Unknown { trouble: Error::NoEndpoint { troubles: vec![late(1)] } };
    seen
}

#[test]
fn a_follower_is_taken_and_the_leader_spared() {
    assert_snapshot!(transcript(&example::healthy(), Source::Follower));
}

#[test]
fn of_two_followers_the_one_that_lags_less() {
    let mut seen = example::healthy();
    status(&mut seen, 1).raft_applied_index -= 5;
    assert_snapshot!(transcript(&seen, Source::Follower));
}

#[test]
fn one_member_is_its_own_leader() {
    let mut seen = example::healthy();
    seen.members.truncate(1);
    assert_snapshot!(transcript(&seen, Source::Follower));
}

#[test]
fn lack_of_space_does_not_prevent_a_backup() {
    assert_snapshot!(transcript(&example::out_of_space(), Source::Follower));
}

#[test]
fn followers_that_will_not_do_are_named_and_the_leader_is_taken() {
    let mut seen = example::healthy();
    seen.members[1].state = MemberState::Defragmenting;
    status(&mut seen, 2).raft_applied_index = 100;
    assert_snapshot!(transcript(&seen, Source::Follower));
}

#[test]
fn a_hung_and_a_blocked_member_are_passed_over() {
    let mut seen = example::healthy();
    seen.members[1].state = MemberState::Silent { trouble: late(1) };
    seen.members[2].state = MemberState::Blocked { trouble: late(2) };
    assert_snapshot!(transcript(&seen, Source::Follower));
}

#[test]
fn the_leader_by_choice() {
    assert_snapshot!(transcript(&example::healthy(), Source::Leader));
}

#[test]
fn a_learner_by_choice() {
    let mut seen = example::healthy();
    seen.members[2].is_learner = true;
    assert_snapshot!(transcript(&seen, Source::Learner));
}

#[test]
fn without_a_learner_nobody_else_is_taken_for_one() {
    assert_snapshot!(transcript(&example::healthy(), Source::Learner));
}

#[test]
fn a_learner_of_an_early_3_4_serves_none() {
    let mut seen = example::healthy();
    seen.members[2].is_learner = true;
    status(&mut seen, 2).version = "3.4.27".to_owned();
    assert_snapshot!("early", transcript(&seen, Source::Learner));
    status(&mut seen, 2).version = "3.4.28".to_owned();
    assert!(transcript(&seen, Source::Learner).contains("1. m3"));
}

#[test]
fn releases_whose_members_may_differ_are_announced() {
    let mut seen = example::healthy();
    status(&mut seen, 1).version = "3.5.2".to_owned();
    status(&mut seen, 2).version = "3.5.3".to_owned();
    assert_snapshot!(transcript(&seen, Source::Follower));
}

#[test]
fn a_release_of_tomorrow_cannot_be_proven_today() {
    let mut seen = example::healthy();
    (0..3).for_each(|index| status(&mut seen, index).version = "3.9.0".to_owned());
    assert_snapshot!(transcript(&seen, Source::Follower));
}

#[test]
fn a_corrupt_cluster_is_saved_only_by_name() {
    assert_snapshot!("corrupt", transcript(&corrupt(), Source::Follower));
    assert_snapshot!("corrupt_by_name", transcript(&corrupt(), Source::Member(MemberId(3))));
}

#[test]
fn without_a_quorum_the_survivor_is_saved_only_by_name() {
    assert_snapshot!("no_quorum", transcript(&without_quorum(), Source::Follower));
    assert_snapshot!("no_quorum_by_name", transcript(&without_quorum(), Source::Member(MemberId(2))));
}

#[test]
fn a_policy_that_cannot_be_followed_says_what_would_be_right() {
    let refused = |policy: &SavePolicy| plan(&example::healthy(), policy, NOW.parse().unwrap()).unwrap_err().to_string();
    assert_snapshot!("empty_directory", refused(&SavePolicy::to("")));
    assert_snapshot!("no_patience", refused(&SavePolicy { idle_seconds: 0, ..SavePolicy::to("/b") }));
}

#[test]
fn a_backup_of_the_same_moment_will_do_and_an_older_one_or_another_clusters_will_not() {
    use trimtab_core::plan::Domain;
    let seen = example::healthy();
    let plan = plan(&seen, &SavePolicy::to("/b"), NOW.parse().unwrap()).unwrap();
    let holds = |backups: Vec<backup::Manifest>| Saving::effect_holds(&plan.steps[0].action, &SaveSeen { cluster: seen.clone(), backups }, &[]);
    let of = |cluster_id, taken_at: &str| backup::example::manifest_of(cluster_id, 1000, taken_at.parse().unwrap());
    let other = trimtab_etcd_ops::ClusterId(1);
    assert!(!holds(vec![]));
    assert!(!holds(vec![of(seen.cluster_id, "2026-11-25T03:14:59.999Z"), of(other, "2026-11-25T04:00:00Z")]));
    assert!(holds(vec![of(seen.cluster_id, NOW)]));
    assert!(holds(vec![of(seen.cluster_id, "2026-11-25T04:00:00Z")]));
}

#[test]
fn what_a_guard_finds_is_said() {
    use trimtab_core::plan::Domain;
    let plan = plan(&example::healthy(), &SavePolicy::to("/b"), NOW.parse().unwrap()).unwrap();
    let found = |cluster: ClusterSeen| {
        let seen = SaveSeen { cluster, backups: Vec::new() };
        let told = plan.steps[0]
            .guards
            .iter()
            .filter_map(|guard| Saving::check(guard, &seen).err().map(|refusal| format!("not true that {guard}: {refusal}")));
        told.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(found(example::healthy()), "");
    let mut gone = example::healthy();
    gone.members.remove(1);
    let mut lagging = example::healthy();
    status(&mut lagging, 1).raft_applied_index = 100;
    let mut busy = example::healthy();
    busy.members[1].state = MemberState::Defragmenting;
    let other = ClusterSeen { cluster_id: trimtab_etcd_ops::ClusterId(1), ..example::healthy() };
    let all = [gone, lagging, busy, other, corrupt()].map(found);
    assert_snapshot!(all.join("\n--\n"));
    assert!(matches!(
        Saving::check(&Guard::NoCorruptAlarm, &SaveSeen { cluster: without_quorum(), backups: vec![] }),
        Err(Refusal::AlarmsUnknown { .. })
    ));
}
