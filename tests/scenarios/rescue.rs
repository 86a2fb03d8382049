//! Plans as transcripts: what stands in `snapshots/` is what an operator reads. `cargo insta review` shows what a change does to them.

use insta::assert_snapshot;
use trimtab_etcd_ops::cluster::{Alarm, AlarmKind, Alarms, ClusterSeen, Compacted, MemberId, MemberState, MemberStatus, Quota};
use trimtab_etcd_ops::rescue::{CompactTo, RescuePolicy, plan};
use trimtab_etcd_ops::{Error, example};

fn transcript(seen: &ClusterSeen, compact_to: CompactTo) -> String {
    plan(seen, &RescuePolicy { compact_to, ..RescuePolicy::default() }).unwrap().to_string()
}

fn status(seen: &mut ClusterSeen, index: usize) -> &mut MemberStatus {
    match &mut seen.members[index].state {
        MemberState::Answers(status) => status,
        other => panic!("member {index} does not answer: {other:?}"),
    }
}

fn sizes(seen: &mut ClusterSeen, index: usize, db_size_bytes: i64, db_size_in_use_bytes: i64) {
    let status = status(seen, index);
    (status.db_size_bytes, status.db_size_in_use_bytes) = (db_size_bytes, db_size_in_use_bytes);
}

fn late(index: u32) -> Error {
    Error::Deadline { endpoint: format!("http://127.0.0.1:{}", 2379 + index), call: "Status".to_owned(), after_ms: 3000 }
}

fn alarms(list: &[(u64, AlarmKind)]) -> Alarms {
    Alarms::Listed { list: list.iter().map(|(member, kind)| Alarm { member: MemberId(*member), kind: *kind }).collect() }
}

#[test]
fn a_healthy_cluster_is_left_alone() {
    assert_snapshot!(transcript(&example::healthy(), CompactTo::Head));
}

#[test]
fn by_default_nothing_is_compacted_that_kubernetes_would_have_kept() {
    assert_snapshot!(transcript(&example::out_of_space(), CompactTo::Kubernetes));
}

#[test]
fn head_is_compacted_where_it_is_asked_for_by_name() {
    assert_snapshot!(transcript(&example::out_of_space(), CompactTo::Head));
}

#[test]
fn what_kubernetes_recorded_and_did_not_get_to_is_compacted_without_a_price() {
    let mut seen = example::out_of_space();
    seen.compact_rev_key = Some(900);
    seen.compacted = Compacted::Below { revision: 500 };
    (0..3).for_each(|index| sizes(&mut seen, index, 17_400_000, 2_000_000));
    assert_snapshot!(transcript(&seen, CompactTo::Kubernetes));
}

#[test]
fn one_member_means_an_announced_outage() {
    let mut seen = example::out_of_space();
    seen.members.truncate(1);
    seen.alarms = alarms(&[(1, AlarmKind::NoSpace)]);
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn two_voters_have_no_margin_either() {
    let mut seen = example::out_of_space();
    seen.members.truncate(2);
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn after_a_crash_only_what_is_left_is_done() {
    let mut seen = example::out_of_space();
    seen.compacted = Compacted::Below { revision: 1000 };
    sizes(&mut seen, 1, 1_000_000, 980_000);
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn where_only_an_alarm_is_left_it_is_disarmed_and_proven() {
    let mut seen = example::healthy();
    seen.compacted = Compacted::Below { revision: 1000 };
    seen.alarms = alarms(&[(3, AlarmKind::NoSpace), (0xdead, AlarmKind::NoSpace)]);
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn a_silent_member_holds_everything_back() {
    let mut seen = example::out_of_space();
    seen.members[2].state = MemberState::Silent { trouble: late(2) };
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn without_a_quorum_nothing_is_known_of_alarms() {
    let mut seen = example::out_of_space();
    seen.alarms = Alarms::Unknown { trouble: late(0) };
    seen.members[1].state = MemberState::Silent { trouble: late(1) };
    seen.members[2].state = MemberState::Silent { trouble: late(2) };
    status(&mut seen, 0).leader = None;
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn a_corrupt_cluster_is_not_touched() {
    let mut seen = example::out_of_space();
    seen.alarms = alarms(&[(2, AlarmKind::NoSpace), (0, AlarmKind::Corrupt)]);
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn voters_that_name_different_leaders_are_waited_out() {
    let mut seen = example::out_of_space();
    status(&mut seen, 2).leader = Some(MemberId(3));
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn a_lagging_member_catches_up_first() {
    let mut seen = example::out_of_space();
    status(&mut seen, 1).raft_applied_index = 10;
    status(&mut seen, 0).raft_index = 5000;
    status(&mut seen, 0).raft_applied_index = 5000;
    status(&mut seen, 2).raft_applied_index = 4990;
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn an_unknown_quota_is_no_guess() {
    let mut seen = example::out_of_space();
    status(&mut seen, 0).quota = Quota::Unknown { trouble: late(0) };
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn a_small_learner_is_passed_over_and_a_full_one_forbids_the_rescue() {
    let mut seen = example::out_of_space();
    seen.members[2].is_learner = true;
    sizes(&mut seen, 2, 1_000_000, 900_000);
    assert_snapshot!("a_small_learner", transcript(&seen, CompactTo::Head));
    sizes(&mut seen, 2, 17_000_000, 900_000);
    assert_snapshot!("a_full_learner", transcript(&seen, CompactTo::Head));
}

#[test]
fn a_defragmentation_that_is_running_is_waited_for() {
    let mut seen = example::out_of_space();
    seen.compacted = Compacted::Below { revision: 1000 };
    seen.members[1].state = MemberState::Defragmenting;
    assert_snapshot!("after_the_compaction", transcript(&seen, CompactTo::Head));
    seen.compacted = Compacted::Below { revision: 0 };
    assert_snapshot!("before_the_compaction", transcript(&seen, CompactTo::Head));
}

#[test]
fn a_busy_member_of_a_healthy_cluster_is_only_waited_for() {
    let mut seen = example::healthy();
    seen.members[1].state = MemberState::Defragmenting;
    assert_snapshot!(transcript(&seen, CompactTo::Head));
}

#[test]
fn a_policy_that_cannot_be_followed_says_what_would_be_right() {
    let seen = example::out_of_space();
    let with = |compact_to, max_percent| plan(&seen, &RescuePolicy { compact_to, max_percent, ..RescuePolicy::default() }).unwrap_err().to_string();
    assert_snapshot!([with(CompactTo::Revision(1001), 80), with(CompactTo::Revision(0), 80), with(CompactTo::Head, 100)].join("\n"));
}
