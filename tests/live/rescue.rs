//! The rescue on real clusters: refused writes, a plan, and accepted writes; and every way in which it has to hold back.

mod scene;

use std::time::{Duration, Instant};

use scene::{QUOTA_BYTES, assert_rescued, at_rest, etcd, observe, out_of_space, plan_to_head, to_head, writer};
use trimtab_core::apply::Event;
use trimtab_core::plan::Outcome;
use trimtab_etcd_ops::cluster::{AlarmKind, Compacted, MemberState};
use trimtab_etcd_ops::live::{Access, Etcd};
use trimtab_etcd_ops::maintenance::{Action, Guard, Notice, Refusal};
use trimtab_etcd_ops::rescue::{self, Reason, RescuePolicy};
use trimtab_kit::etcd::{Cluster, Options, VERSIONS};
use trimtab_kit::{fill, wait};

async fn a_full_cluster_is_rescued(version: &'static str, members: usize) {
    let (cluster, mut etcd) = out_of_space(version, members).await;
    let before = at_rest(&mut etcd).await;
    let held_back = rescue::plan(&before, &RescuePolicy::default()).unwrap();
    assert!(held_back.is_empty() && held_back.is_blocked(), "{held_back}");
    assert!(held_back.held.iter().any(|held| matches!(held.reason, Reason::InUseTooBig { .. })), "{held_back}");

    let plan = rescue::plan(&before, &to_head()).unwrap();
    let outage = plan.notices.iter().any(|notice| matches!(notice, Notice::Outage { .. }));
    assert_eq!(outage, members == 1, "{plan}");
    let report = plan.apply(&mut etcd, |_| {}).await;
    assert!(report.is_done(), "{version} with {members}:\n{plan}{report}");
    assert_rescued(&cluster, &mut etcd).await;
    let after = observe(&mut etcd).await;
    for (member, status) in after.answering() {
        let full = before.member(member.id).and_then(|member| member.status()).unwrap().db_size_bytes;
        assert!(status.db_size_bytes < full, "{} did not shrink", member.title());
    }
    assert_eq!(after.compacted, Compacted::Below { revision: before.head().unwrap() });

    let again = plan.apply(&mut etcd, |_| {}).await;
    assert!(again.is_done(), "{again}");
    assert_eq!(again.acted(), 0, "a finished plan changes nothing: {again}");
    assert_eq!(observe(&mut etcd).await.head(), after.head(), "not even a write");
    let new = rescue::plan(&observe(&mut etcd).await, &to_head()).unwrap();
    assert!(new.is_empty() && !new.is_blocked(), "{new}");
}

macro_rules! on_every_version {
    ($($name:ident: $index:literal, $members:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            a_full_cluster_is_rescued(VERSIONS[$index], $members).await;
        }
    )*};
}

on_every_version! {
    one_member_of_3_4_is_rescued: 0, 1;
    three_members_of_3_4_are_rescued: 0, 3;
    one_member_of_3_5_is_rescued: 1, 1;
    three_members_of_3_5_are_rescued: 1, 3;
    one_member_of_3_6_is_rescued: 2, 1;
    three_members_of_3_6_are_rescued: 2, 3;
    one_member_of_3_7_is_rescued: 3, 1;
    three_members_of_3_7_are_rescued: 3, 3;
}

/// Moves the leadership to a follower with etcdctl, which finds the leader by itself: so a move that came late may be asked for again.
fn move_leader(cluster: &Cluster, seen: &trimtab_etcd_ops::ClusterSeen) {
    let leader = seen.leader().unwrap();
    let follower = seen.voters().find(|voter| voter.id != leader).unwrap().id.to_string();
    // etcd gives it one election timeout, a second, which a busy machine misses.
    let move_once = || {
        let moved = cluster.etcdctl_at(&cluster.endpoints().join(","), &["move-leader", &follower]);
        moved.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&moved.stderr).into_owned())
    };
    wait::until("another leader", wait::LONG, move_once).unwrap();
}

#[tokio::test]
async fn another_leader_between_plan_and_apply_refuses_and_a_new_plan_finishes() {
    for version in VERSIONS {
        let (cluster, mut etcd) = out_of_space(version, 3).await;
        let seen = observe(&mut etcd).await;
        let plan = rescue::plan(&seen, &to_head()).unwrap();
        move_leader(&cluster, &seen);
        let report = plan.apply(&mut etcd, |_| {}).await;
        let Some(stopped) = report.stopped_at() else { panic!("{version}: the stale plan was applied: {report}") };
        assert!(matches!(stopped.outcome, Outcome::Refused { guard: Guard::Leader { .. }, found: Refusal::OtherLeader { .. } }), "{report}");
        assert_eq!(report.acted(), 0, "{report}");
        let report = plan_to_head(&mut etcd).await.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
        assert_rescued(&cluster, &mut etcd).await;
    }
}

#[tokio::test]
async fn another_leader_in_the_middle_refuses_the_remaining_steps_and_a_new_plan_finishes() {
    let (cluster, mut etcd) = out_of_space(VERSIONS[2], 3).await;
    let seen = observe(&mut etcd).await;
    let plan = rescue::plan(&seen, &to_head()).unwrap();
    let report = plan
        .apply(&mut etcd, |event| {
            if let Event::Ended { index: 1, .. } = event {
                move_leader(&cluster, &seen);
            }
        })
        .await;
    assert_eq!(report.acted(), 2, "{report}");
    assert!(matches!(report.steps[2].outcome, Outcome::Refused { found: Refusal::OtherLeader { .. }, .. }), "{report}");
    assert!(report.steps[3..].iter().all(|step| step.outcome == Outcome::NotReached), "{report}");
    let plan = plan_to_head(&mut etcd).await;
    assert!(plan.held.iter().any(|held| matches!(held.reason, Reason::AlreadyCompact { .. })), "the defragmented member is left alone: {plan}");
    let report = plan.apply(&mut etcd, |_| {}).await;
    assert!(report.is_done(), "{report}");
    assert_rescued(&cluster, &mut etcd).await;
}

/// Asks each member for a write that is too big for its own quota, which is when it raises an alarm of its own.
///
/// A member whose database is smaller, with the quota still above the request, says no for the alarm of another one and raises none. The
/// databases differ by up to a megabyte, so the request is nearly as large as etcd takes (1.5 MiB).
async fn alarms_of_all(cluster: &Cluster, etcd: &mut Etcd) -> Result<(), String> {
    for endpoint in cluster.endpoints() {
        let mut client = fill::client(cluster, &endpoint, None).await;
        assert!(client.put("/registry/refused", vec![b'x'; 1_500_000], None).await.is_err(), "{endpoint} accepts a write");
    }
    let seen = observe(etcd).await;
    let sizes: Vec<i64> = seen.answering().map(|(_, status)| status.db_size_bytes).collect();
    let all = seen.alarms_of(AlarmKind::NoSpace).count() == seen.members.len();
    all.then_some(()).ok_or_else(|| format!("{:?}, databases of {sizes:?} bytes", seen.alarms))
}

#[tokio::test]
async fn alarms_that_come_under_other_ids_after_the_plan_are_disarmed_too() {
    for version in VERSIONS {
        let (cluster, mut etcd) = out_of_space(version, 3).await;
        let plan = plan_to_head(&mut etcd).await;
        let what = format!("an alarm of each member of {version}");
        wait::until_async(&what, wait::LONG, async || alarms_of_all(&cluster, &mut etcd).await).await.unwrap();
        let report = plan.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
        assert_rescued(&cluster, &mut etcd).await;
    }
}

#[tokio::test]
async fn a_hung_member_is_a_reason_to_plan_nothing() {
    for version in VERSIONS {
        let (cluster, mut etcd) = out_of_space(version, 3).await;
        cluster.hang(2);
        let plan = plan_to_head(&mut etcd).await;
        assert!(plan.is_empty(), "{version}: {plan}");
        let silent = plan.held.iter().find(|held| held.target.starts_with("m2")).unwrap_or_else(|| panic!("{version}: {plan}"));
        assert!(matches!(silent.reason, Reason::Silent { answering: 2, voters: 3, quorum: 2, .. }), "{version}: {plan}");
        cluster.resume(2);
    }
}

#[tokio::test]
async fn a_member_that_hangs_before_its_turn_is_not_touched_and_a_new_plan_finishes() {
    for version in VERSIONS {
        let (cluster, mut etcd) = out_of_space(version, 3).await;
        let seen = observe(&mut etcd).await;
        let plan = rescue::plan(&seen, &to_head()).unwrap();
        let second = plan.steps.iter().filter(|step| matches!(step.action, Action::Defragment { .. })).nth(1).unwrap();
        let victim: usize = second.target.chars().nth(1).unwrap().to_digit(10).unwrap() as usize;
        let report = plan
            .apply(&mut etcd, |event| {
                if let Event::Ended { index: 1, .. } = event {
                    cluster.hang(victim);
                }
            })
            .await;
        let stopped = report.stopped_at().unwrap_or_else(|| panic!("{version}: {report}"));
        assert!(matches!(stopped.outcome, Outcome::Refused { found: Refusal::Silent { .. }, .. }), "{version}: {report}");
        assert_eq!(report.acted(), 2, "{version}: nothing after the hang: {report}");
        cluster.resume(victim);
        cluster.wait_until_ready().unwrap();
        let report = plan_to_head(&mut etcd).await.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
        assert_rescued(&cluster, &mut etcd).await;
    }
}

#[tokio::test]
async fn another_member_that_hangs_refuses_for_the_quorum_with_its_numbers() {
    let (cluster, mut etcd) = out_of_space(VERSIONS[3], 3).await;
    let seen = observe(&mut etcd).await;
    let plan = rescue::plan(&seen, &to_head()).unwrap();
    let leader = seen.leader().unwrap();
    let last = seen.members.iter().position(|member| member.id == leader).unwrap();
    // A follower that had its turn already.
    let first = plan.steps.iter().find(|step| matches!(step.action, Action::Defragment { .. })).unwrap();
    let victim: usize = first.target.chars().nth(1).unwrap().to_digit(10).unwrap() as usize;
    assert_ne!(victim, last, "the leader comes last: {plan}");
    let report = plan
        .apply(&mut etcd, |event| {
            if let Event::Ended { index: 1, .. } = event {
                cluster.hang(victim);
            }
        })
        .await;
    let stopped = report.stopped_at().unwrap();
    assert!(
        matches!(&stopped.outcome, Outcome::Refused { guard: Guard::QuorumWithout { .. }, found: Refusal::QuorumLost { others: 1, quorum: 2, .. } }),
        "{report}"
    );
    cluster.resume(victim);
}

#[tokio::test]
async fn without_a_quorum_nothing_is_planned_and_the_reason_is_said() {
    let (mut cluster, mut etcd) = out_of_space(VERSIONS[2], 3).await;
    cluster.kill(1);
    cluster.kill(2);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let plan = plan_to_head(&mut etcd).await;
    assert!(plan.is_empty(), "{plan}");
    assert!(plan.held.iter().any(|held| matches!(held.reason, Reason::AlarmsUnknown { .. })), "{plan}");
    assert!(plan.held.iter().filter(|held| matches!(held.reason, Reason::Silent { .. })).count() == 2, "{plan}");
}

#[tokio::test]
async fn by_default_only_what_kubernetes_compacted_is_gone_and_defragmentation_alone_will_do() {
    for version in [VERSIONS[0], VERSIONS[3]] {
        let mut cluster = Cluster::start(&Options::new(version, 3));
        let mut client = writer(&cluster).await;
        for count in 0..100 {
            client.put(format!("/registry/configmaps/default/filler-{}", count % 10), vec![b'x'; 100 * 1024], None).await.unwrap();
        }
        let head = client.put("compact_rev_key", "90", None).await.unwrap().header().unwrap().revision();
        client.compact(90, Some(etcd_client::CompactionOptions::new().with_physical())).await.unwrap();
        // Until every member is through with it, and a write has made the in-use sizes true.
        let mut before = etcd(&cluster);
        let compacted = async || {
            client.put("/registry/configmaps/default/filler-0", "x", None).await.unwrap();
            let seen = observe(&mut before).await;
            let in_use: Vec<i64> = seen.answering().map(|(_, status)| status.db_size_in_use_bytes).collect();
            let done = in_use.len() == 3 && in_use.iter().all(|bytes| *bytes <= QUOTA_BYTES / 2);
            done.then_some(()).ok_or_else(|| format!("{in_use:?} bytes in use"))
        };
        wait::until_async("every member's compaction", wait::LONG, compacted).await.unwrap();
        // The quota was lowered meanwhile, and the next write raises the alarm; the restart has made the in-use size true.
        cluster.options.quota_bytes = Some(QUOTA_BYTES);
        for index in 0..3 {
            cluster.kill(index);
        }
        for index in 0..3 {
            cluster.start_member(index);
        }
        cluster.wait_until_ready().unwrap();
        let refusal = fill::until_refused(&mut writer(&cluster).await).await;
        assert!(refusal.contains(fill::OUT_OF_SPACE), "{refusal}");

        let mut etcd = etcd(&cluster);
        let plan = rescue::plan(&observe(&mut etcd).await, &RescuePolicy::default()).unwrap();
        assert!(!plan.steps.iter().any(|step| matches!(step.action, Action::Compact { .. })), "nothing more is compacted: {plan}");
        assert!(plan.notices.is_empty(), "{plan}");
        let report = plan.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "{version}: {plan}{report}");
        assert_rescued(&cluster, &mut etcd).await;
        let seen = observe(&mut etcd).await;
        assert_eq!(
            (seen.compacted.clone(), seen.compact_rev_key),
            (Compacted::Below { revision: 90 }, Some(90)),
            "history from 90 to {head} is still there"
        );
    }
}

#[tokio::test]
async fn a_dropped_run_leaves_a_defragmentation_that_is_waited_for_and_not_asked_twice() {
    for (version, members) in [(VERSIONS[1], 1), (VERSIONS[2], 3)] {
        let quota = 256 * 1024 * 1024;
        let cluster = Cluster::start(&Options::new(version, members).with_quota_bytes(quota));
        let mut client = writer(&cluster).await;
        // Live data, so that the defragmentation takes its time.
        let mut writes = 0..1_000;
        while client.put(format!("/registry/configmaps/default/{}", writes.next().unwrap()), vec![b'x'; 1_000_000], None).await.is_ok() {}
        client.delete("/registry/configmaps/default/1", Some(etcd_client::DeleteOptions::new().with_prefix())).await.unwrap();
        let mut first = etcd(&cluster);
        let plan = plan_to_head(&mut first).await;
        // A dozen calls after one another: more than one call takes, on a slow machine too.
        let asked = Instant::now();
        observe(&mut first).await;
        let quick = asked.elapsed().max(Duration::from_millis(100));
        let mut begun = None;
        let endpoints = cluster.endpoints();
        {
            let noticed = std::sync::Arc::new(tokio::sync::Notify::new());
            let notify = noticed.clone();
            let apply = plan.apply(&mut first, |event| match event {
                Event::Begun { step, .. } => {
                    if let Action::Defragment { member, .. } = step.action {
                        begun = Some(member);
                        notify.notify_one();
                    }
                }
                Event::Progress { .. } | Event::Ended { .. } => {}
            });
            tokio::pin!(apply);
            tokio::select! {
                report = &mut apply => panic!("{version}: it was not to end: {report}"),
                () = noticed.notified() => {}
            }
            // As soon as the member defragments, the caller goes away.
            let inflight = move || {
                let all: Vec<String> = endpoints.iter().map(|endpoint| scene::metric(endpoint, "etcd_disk_defrag_inflight")).collect();
                all.iter().any(|inflight| inflight == "1").then_some(()).ok_or_else(|| format!("{all:?}"))
            };
            let metrics = tokio::task::spawn_blocking(|| wait::until("a defragmentation", wait::LONG, inflight));
            tokio::select! {
                report = &mut apply => panic!("{version}: it was not to end: {report}"),
                seen = metrics => seen.unwrap().unwrap(),
            }
        }
        let begun = begun.unwrap();
        // Less than the defragmentation takes, or its Status would simply come late.
        let access = Access::to(cluster.endpoints()).unwrap().with_call_deadline(quick);
        let mut second = Etcd::new(access).unwrap();
        let mut said = Vec::new();
        // On a busy machine a call may take longer than that, so a look may fail; what counts is what is said until one does not.
        let answers = async || {
            let seen = second.observe(&mut |message| said.push(message)).await.map_err(|error| error.to_string())?;
            let state = &seen.member(begun).unwrap().state;
            if matches!(state, MemberState::Answers(_)) { Ok(seen) } else { Err(format!("{state:?}")) }
        };
        let seen = wait::until_async("the end of the defragmentation", wait::LONG, answers).await.unwrap();
        // The saved plan goes on where the first run was left.
        let report = plan.apply(&mut etcd(&cluster), |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
        let endpoint = &seen.member(begun).unwrap().client_urls[0];
        assert_eq!(scene::defragmentations(endpoint), 1, "{version}: asked once in all: {report}");
        assert!(said.iter().any(|message| message.contains("is defragmenting already")), "{version}: it was waited for: {said:?}");
    }
}
