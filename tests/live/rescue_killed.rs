//! The rescue in a process that is killed after each of its steps, and started again: with the saved plan, and with a new one.

mod scene;

use std::path::Path;
use std::process::{Command, Output};

use scene::{assert_rescued, out_of_space};
use trimtab_etcd_ops::rescue::RescuePlan;
use trimtab_kit::etcd::{Cluster, VERSIONS};

#[derive(Clone, Copy, Debug)]
enum GoOn {
    WithTheSavedPlan,
    WithANewPlan,
}

fn rescue(plan: &Path, die_after: Option<usize>, cluster: &Cluster) -> Output {
    let die_after = die_after.map_or_else(|| "-".to_owned(), |index| index.to_string());
    Command::new(env!("CARGO_BIN_EXE_rescue")).arg(plan).arg(die_after).args(cluster.endpoints()).output().unwrap()
}

/// Kills the run after step `die_after`; false where the plan has no such step.
async fn killed_and_started_again(version: &'static str, members: usize, die_after: usize, go_on: GoOn) -> bool {
    let (cluster, mut etcd) = out_of_space(version, members).await;
    let dir = tempfile::tempdir().unwrap();
    let saved = dir.path().join("plan.json");
    let first = rescue(&saved, Some(die_after), &cluster);
    let plan: RescuePlan = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    if die_after >= plan.steps.len() {
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        return false;
    }
    assert_eq!(first.status.code(), None, "it was killed: {}", String::from_utf8_lossy(&first.stderr));
    let second = match go_on {
        GoOn::WithTheSavedPlan => rescue(&saved, None, &cluster),
        GoOn::WithANewPlan => rescue(&dir.path().join("new.json"), None, &cluster),
    };
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    assert_rescued(&cluster, &mut etcd).await;
    true
}

async fn after_each_step(version: &'static str, members: usize) {
    for go_on in [GoOn::WithTheSavedPlan, GoOn::WithANewPlan] {
        let mut die_after = 0;
        while killed_and_started_again(version, members, die_after, go_on).await {
            die_after += 1;
        }
        assert!(die_after >= 3 + members - 1, "{version} with {members}: only {die_after} steps were tried");
    }
}

macro_rules! on_every_version {
    ($($name:ident: $index:literal, $members:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            after_each_step(VERSIONS[$index], $members).await;
        }
    )*};
}

on_every_version! {
    one_member_of_3_4_is_rescued_in_two_runs: 0, 1;
    three_members_of_3_4_are_rescued_in_two_runs: 0, 3;
    one_member_of_3_5_is_rescued_in_two_runs: 1, 1;
    three_members_of_3_5_are_rescued_in_two_runs: 1, 3;
    one_member_of_3_6_is_rescued_in_two_runs: 2, 1;
    three_members_of_3_6_are_rescued_in_two_runs: 2, 3;
    one_member_of_3_7_is_rescued_in_two_runs: 3, 1;
    three_members_of_3_7_are_rescued_in_two_runs: 3, 3;
}
