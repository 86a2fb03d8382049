//! Saving from real clusters: what is saved equals what the members and upstream's tools say, whoever it comes from and whatever goes on.

mod saved;
mod scene;

use std::time::Duration;

use saved::{apply_and_in_the_middle, only_backup, plan, save, write_history, write_megabytes};
use scene::{etcd, observe, writer};
use trimtab_core::plan::Outcome;
use trimtab_etcd_ops::Error;
use trimtab_etcd_ops::backup::save::{Reason, SavePolicy, Source};
use trimtab_etcd_ops::backup::{Compared, NotCompared};
use trimtab_etcd_ops::live::{Access, Etcd};
use trimtab_kit::etcd::{BACKUP_VERSIONS, Cluster, Options};
use trimtab_kit::pki::Pki;
use trimtab_kit::{fill, wait};

async fn a_backup_is_proven(version: &'static str, members: usize) {
    let cluster = Cluster::start(&Options::new(version, members));
    write_history(&mut writer(&cluster).await).await;
    let mut etcd = etcd(&cluster);
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(&mut etcd, &SavePolicy::to(directory.path())).await;
    let report = plan.apply(&mut etcd, |_| {}).await;
    assert!(report.is_done() && report.acted() == 1, "{version} with {members}: {plan}{report}");

    let (path, manifest) = only_backup(directory.path());
    assert_eq!(manifest.agreeing(), members, "{version}: {manifest:?}");
    assert_eq!(manifest.compared.len(), members, "{version}: {manifest:?}");
    assert_eq!((manifest.etcd_version.as_str(), manifest.cluster_id), (version, observe(&mut etcd).await.cluster_id));
    saved::assert_equals_the_tool(version, &path, &manifest);
    saved::assert_equals_the_members(&cluster, &manifest);
    saved::assert_restorable(version, &path);
    let leader = observe(&mut etcd).await.leader();
    assert_eq!(Some(manifest.member_id) == leader, members == 1, "a follower is taken where there is one");

    let again = plan.apply(&mut etcd, |_| {}).await;
    assert!(again.is_done() && again.acted() == 0, "a backup of that moment is there: {again}");
    only_backup(directory.path());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let next = save(&mut etcd, &SavePolicy::to(directory.path())).await;
    assert!(next.is_done() && next.acted() == 1, "a new plan wants a new backup: {next}");
    assert_eq!(saved::backups(directory.path()).len(), 2);
}

macro_rules! on_every_version {
    ($($name:ident: $index:literal, $members:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            a_backup_is_proven(BACKUP_VERSIONS[$index], $members).await;
        }
    )*};
}

on_every_version! {
    one_member_of_3_4_is_saved: 0, 1;
    three_members_of_3_4_are_saved: 0, 3;
    one_member_of_early_3_5_is_saved: 1, 1;
    three_members_of_early_3_5_are_saved: 1, 3;
    one_member_of_3_5_is_saved: 2, 1;
    three_members_of_3_5_are_saved: 2, 3;
    one_member_of_3_6_is_saved: 3, 1;
    three_members_of_3_6_are_saved: 3, 3;
    one_member_of_3_7_is_saved: 4, 1;
    three_members_of_3_7_are_saved: 4, 3;
}

#[tokio::test]
async fn an_empty_cluster_is_saved_too() {
    for version in BACKUP_VERSIONS {
        let cluster = Cluster::start(&Options::new(version, 1));
        let directory = tempfile::tempdir().unwrap();
        let report = save(&mut etcd(&cluster), &SavePolicy::to(directory.path())).await;
        assert!(report.is_done(), "{version}: {report}");
        let (path, manifest) = only_backup(directory.path());
        assert_eq!((manifest.revision, manifest.agreeing()), (1, 1), "{version}: {manifest:?}");
        saved::assert_restorable(version, &path);
    }
}

#[tokio::test]
async fn the_leader_is_taken_by_choice() {
    let cluster = Cluster::start(&Options::new("3.6.16", 3));
    write_history(&mut writer(&cluster).await).await;
    let mut etcd = etcd(&cluster);
    let directory = tempfile::tempdir().unwrap();
    let report = save(&mut etcd, &SavePolicy { source: Source::Leader, ..SavePolicy::to(directory.path()) }).await;
    assert!(report.is_done(), "{report}");
    let (_, manifest) = only_backup(directory.path());
    assert_eq!((Some(manifest.member_id), manifest.agreeing()), (observe(&mut etcd).await.leader(), 3));
}

#[tokio::test]
async fn a_learner_is_taken_by_choice_and_compared_with_the_voters() {
    for version in BACKUP_VERSIONS {
        let mut cluster = Cluster::start(&Options::new(version, 1));
        write_history(&mut writer(&cluster).await).await;
        cluster.add_learner();
        let mut etcd = etcd(&cluster);
        let directory = tempfile::tempdir().unwrap();
        let policy = SavePolicy { source: Source::Learner, ..SavePolicy::to(directory.path()) };
        let plan = plan(&mut etcd, &policy).await;
        if version == "3.4.23" {
            assert!(plan.is_empty() && plan.is_blocked(), "{plan}");
            assert!(plan.held.iter().any(|held| matches!(held.reason, Reason::ServesNoSnapshot { .. })), "{plan}");
            continue;
        }
        let report = plan.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
        let (path, manifest) = only_backup(directory.path());
        let learner = observe(&mut etcd).await.members.into_iter().find(|member| member.is_learner).unwrap();
        assert_eq!(manifest.member_id, learner.id);
        assert_eq!(manifest.agreeing(), 1, "{version}: the voter agrees: {manifest:?}");
        let own = manifest.compared.iter().find(|compared| compared.member_id == learner.id).unwrap();
        assert_eq!(own.compared, Compared::NotCompared { why: NotCompared::Learner });
        saved::assert_restorable(version, &path);
    }
}

#[tokio::test]
async fn writes_that_go_on_do_not_spoil_the_comparison() {
    for version in ["3.4.23", "3.7.3"] {
        let cluster = Cluster::start(&Options::new(version, 3));
        write_megabytes(&mut writer(&cluster).await, 60).await;
        let mut client = writer(&cluster).await;
        let busy = tokio::spawn(async move {
            for count in 0_u64.. {
                client.put(format!("/registry/leases/{}", count % 50), vec![b'y'; 500], None).await.unwrap();
            }
        });
        let mut etcd = etcd(&cluster);
        let directory = tempfile::tempdir().unwrap();
        let report = save(&mut etcd, &SavePolicy::to(directory.path())).await;
        let head = observe(&mut etcd).await.head().unwrap();
        busy.abort();
        assert!(report.is_done(), "{version}: {report}");
        let (_, manifest) = only_backup(directory.path());
        assert_eq!(manifest.agreeing(), 3, "{version}: {manifest:?}");
        assert!(head > manifest.revision + 10, "{version}: writes went on: {head} after {}", manifest.revision);
    }
}

#[tokio::test]
async fn a_compaction_in_the_middle_is_told_from_a_difference() {
    for version in BACKUP_VERSIONS {
        let cluster = Cluster::start(&Options::new(version, 3));
        let mut client = writer(&cluster).await;
        write_history(&mut client).await;
        write_megabytes(&mut client, 40).await;
        write_megabytes(&mut client, 20).await;
        let mut etcd = etcd(&cluster);
        let directory = tempfile::tempdir().unwrap();
        let plan = plan(&mut etcd, &SavePolicy::to(directory.path())).await;
        let at = observe(&mut etcd).await.head().unwrap() - 1;
        let report = apply_and_in_the_middle(&plan, &mut etcd, || {
            let done = cluster.etcdctl_at(&cluster.endpoints()[0], &["compact", &at.to_string()]);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        })
        .await;
        assert!(report.is_done(), "{version}: {report}");
        let (path, manifest) = only_backup(directory.path());
        assert!(manifest.compact_revision < at, "{version}: the snapshot is older than the compaction");
        for member in &manifest.compared {
            let why = NotCompared::OtherCompaction { compact_revision: at };
            assert_eq!(member.compared, Compared::NotCompared { why }, "{version}: {manifest:?}");
        }
        saved::assert_restorable(version, &path);
    }
}

#[tokio::test]
async fn a_snapshot_that_ends_at_its_compaction_is_not_compared() {
    for version in BACKUP_VERSIONS {
        let cluster = Cluster::start(&Options::new(version, 1));
        let mut client = writer(&cluster).await;
        write_history(&mut client).await;
        let head = client.delete("/registry/configmaps/default/39", None).await.unwrap().header().unwrap().revision();
        client.compact(head, Some(etcd_client::CompactionOptions::new().with_physical())).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let report = save(&mut etcd(&cluster), &SavePolicy::to(directory.path())).await;
        assert!(report.is_done(), "{version}: {report}");
        let (_, manifest) = only_backup(directory.path());
        assert_eq!((manifest.revision, manifest.compact_revision), (head, head), "{version}");
        assert_eq!(manifest.compared[0].compared, Compared::NotCompared { why: NotCompared::AtCompaction }, "{version}");
    }
}

#[tokio::test]
async fn a_cluster_out_of_space_is_saved() {
    for version in BACKUP_VERSIONS {
        let (cluster, mut etcd) = scene::out_of_space(version, 3).await;
        let directory = tempfile::tempdir().unwrap();
        let report = save(&mut etcd, &SavePolicy::to(directory.path())).await;
        assert!(report.is_done(), "{version}: {report}");
        let (_, manifest) = only_backup(directory.path());
        assert_eq!(manifest.agreeing(), 3, "{version}: {manifest:?}");
        saved::assert_equals_the_members(&cluster, &manifest);
    }
}

#[tokio::test]
async fn a_defragmentation_that_is_running_is_waited_for() {
    for version in ["3.4.23", "3.6.16"] {
        let cluster = Cluster::start(&Options::new(version, 1));
        write_megabytes(&mut writer(&cluster).await, 300).await;
        let endpoint = cluster.endpoints().remove(0);
        let mut etcd = etcd(&cluster);
        let directory = tempfile::tempdir().unwrap();
        let plan = plan(&mut etcd, &SavePolicy::to(directory.path())).await;
        let mut client = writer(&cluster).await;
        let defragmentation = tokio::spawn(async move { client.defragment().await });
        let inflight = async || if scene::metric(&endpoint, "etcd_disk_defrag_inflight") == "1" { Ok(()) } else { Err("none".to_owned()) };
        wait::until_async("the defragmentation", wait::LONG, inflight).await.unwrap();
        let report = plan.apply(&mut etcd, |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
        defragmentation.await.unwrap().unwrap();
        only_backup(directory.path());
    }
}

/// Turns authentication on, with a root and a user without rights.
fn enable_auth(cluster: &Cluster) {
    for arguments in [
        ["role", "add", "root"].as_slice(),
        &["user", "add", "root:s3cret-planted"],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "guest:guest-planted"],
        &["auth", "enable"],
    ] {
        let done = cluster.etcdctl_at(&cluster.endpoints()[0], arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[tokio::test]
async fn with_tls_and_users_root_saves_and_nobody_else() {
    for version in BACKUP_VERSIONS {
        let pki = Pki::make();
        let cluster = Cluster::start(&Options::new(version, 3).with_pki(pki.clone()));
        enable_auth(&cluster);
        let mut client = fill::client(&cluster, &cluster.endpoints()[0], Some(("root", "s3cret-planted"))).await;
        write_history(&mut client).await;
        let access = || {
            let trusting = Access::to(cluster.endpoints()).unwrap().with_ca_pem(pki.ca.clone()).unwrap();
            trusting.with_client_pem(pki.client.certificate.clone(), pki.client.key.clone()).unwrap()
        };
        let directory = tempfile::tempdir().unwrap();
        let mut guest = Etcd::new(access().with_user("guest", "guest-planted")).unwrap();
        let mut root = Etcd::new(access().with_user("root", "s3cret-planted")).unwrap();
        let plan = plan(&mut root, &SavePolicy::to(directory.path())).await;
        let report = plan.apply(&mut guest, |_| {}).await;
        let refused = matches!(&report.steps[0].outcome, Outcome::Failed { failure: Error::AccessDenied { call, .. } } if call == "Snapshot");
        assert!(refused, "{version}: {report}");
        saved::assert_nothing_left(directory.path());

        let report = plan.apply(&mut root, |_| {}).await;
        assert!(report.is_done(), "{version}: {report}");
        let (path, manifest) = only_backup(directory.path());
        assert_eq!(manifest.agreeing(), 3, "{version}: {manifest:?}");
        saved::assert_restorable(version, &path);
        let told = format!("{}{}", serde_json::to_string(&(plan, report)).unwrap(), manifest.to_json());
        assert!(!told.contains("planted"), "a password is shown: {told}");
    }
}
