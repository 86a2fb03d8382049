//! Restored clusters of each etcd release start, hold what the snapshot holds, and go on from there.

mod snapshots;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcd_client::{CompactionOptions, WatchOptions};
use snapshots::{client_of, cluster_with_history, hash_kv, live_keys, revision, save, succeeded, tool};
use trimtab_etcd_file::restore::{self, BumpRevision, InitialCluster, Restore, RestorePlan, Source, restore_member};
use trimtab_etcd_file::{EtcdVersion, Verify, live};
use trimtab_kit::etcd::{BACKUP_VERSIONS, Cluster, Options, Reserved};

/// Restores every member of a reserved cluster and starts it on them.
fn started_on(reserved: Reserved, source: &Source, restore: impl Fn(InitialCluster) -> Restore) -> (Cluster, Vec<RestorePlan>) {
    let cluster = InitialCluster::parse(&reserved.initial_cluster(), reserved.token()).unwrap();
    let restore = restore(cluster);
    let data_dirs = reserved.data_dirs();
    let members = reserved.member_names().into_iter().zip(&data_dirs);
    let plans = members.map(|(name, data_dir)| restore_member(source, &restore, &name, data_dir, &mut |_| ()).unwrap().plan).collect();
    (reserved.start_on(data_dirs).unwrap(), plans)
}

/// Upstream's own check of a database: every page reachable or free, keys in order. Returns pages times page size.
fn checked_by_upstream(version: &str, data_dir: &Path) -> u64 {
    let database = data_dir.join("member/snap/db");
    let said = succeeded(&tool(version).args(["snapshot", "status", "--write-out=json"]).arg(&database).output().unwrap());
    let status: serde_json::Value = serde_json::from_str(&said).unwrap();
    status["totalSize"].as_u64().unwrap()
}

async fn assert_members_are_those_of(plans: &[RestorePlan], cluster: &Cluster) {
    let answer = client_of(cluster, 0).await.member_list().await.unwrap();
    assert_eq!(answer.header().unwrap().cluster_id(), plans[0].cluster.id().0);
    let found: BTreeMap<u64, (String, Vec<String>)> =
        answer.members().iter().map(|member| (member.id(), (member.name().to_owned(), member.peer_urls().to_vec()))).collect();
    let planned = plans[0].cluster.members().iter();
    let planned: BTreeMap<_, _> = planned.map(|member| (member.id().0, (member.name().to_owned(), member.peer_urls().to_vec()))).collect();
    assert_eq!(found, planned);
}

/// A write through each member is seen by all, and all have the same hash after it.
async fn assert_goes_on(cluster: &Cluster) {
    for member in 0..cluster.options.members {
        client_of(cluster, member).await.put(format!("/after/{member}"), "written", None).await.unwrap();
    }
    let now = revision(cluster, 0).await;
    let mut hashes = Vec::new();
    for member in 0..cluster.options.members {
        assert_eq!(revision(cluster, member).await, now);
        hashes.push(hash_kv(cluster, member, now).await);
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "members differ: {hashes:?}");
}

async fn restart(cluster: &mut Cluster) {
    let before = live_keys(cluster, 0).await;
    (0..cluster.options.members).for_each(|member| cluster.kill(member));
    (0..cluster.options.members).for_each(|member| cluster.start_member(member));
    cluster.wait_until_ready().unwrap();
    assert_eq!(live_keys(cluster, 0).await, before);
}

async fn is_restored_as_it_was(version: &'static str, members: usize) {
    let original = cluster_with_history(version).await;
    let folder = tempfile::tempdir().unwrap();
    let snapshot = save(&original, folder.path());
    let (keys, at) = (live_keys(&original, 0).await, revision(&original, 0).await);
    let hash = hash_kv(&original, 0, at).await;

    let reserved = Cluster::reserve(&Options::new(version, members).with_token("restored"));
    reserved.data_dirs().iter().for_each(|data_dir| assert!(!data_dir.exists()));
    let (mut restored, plans) = started_on(reserved, &Source::Snapshot(snapshot), Restore::new);
    assert_eq!((plans[0].revisions.before, plans[0].revisions.after), (at, at));
    for member in 0..members {
        assert_eq!(live_keys(&restored, member).await, keys);
        assert_eq!(hash_kv(&restored, member, at).await, hash, "{version}, member {member}");
    }
    assert_members_are_those_of(&plans, &restored).await;
    let mut client = client_of(&restored, 0).await;
    assert_eq!(client.user_list().await.unwrap().users(), ["anna"]);
    assert_eq!(client.role_list().await.unwrap().roles(), ["reader"]);
    let lease = keys.iter().find(|(key, _, _)| key == b"/registry/leases/node").unwrap().2[3];
    assert!(client.lease_time_to_live(lease, None).await.unwrap().ttl() > 3000);
    assert_goes_on(&restored).await;
    restart(&mut restored).await;
    assert_goes_on(&restored).await;
    assert_can_be_emptied(&mut restored).await;
}

/// Deleting, compacting and defragmenting rebalances and rewrites the tree that we built.
async fn assert_can_be_emptied(cluster: &mut Cluster) {
    let mut client = client_of(cluster, 0).await;
    let prefix = etcd_client::DeleteOptions::new().with_prefix();
    client.delete("/registry/configmaps", Some(prefix)).await.unwrap();
    client.compact(revision(cluster, 0).await, Some(CompactionOptions::new().with_physical())).await.unwrap();
    client.put("/after/compaction", "written", None).await.unwrap();
    let keys = live_keys(cluster, 0).await;
    assert!(!keys.is_empty());
    client.defragment().await.unwrap();
    assert_eq!(live_keys(cluster, 0).await, keys);
    // Upstream's tool waits for as long as a server has the file.
    cluster.kill(0);
    checked_by_upstream(cluster.options.version, &cluster.data_dir(0));
}

async fn is_restored_above_all_that_was_seen(version: &'static str, members: usize) {
    let original = cluster_with_history(version).await;
    let folder = tempfile::tempdir().unwrap();
    let snapshot = save(&original, folder.path());
    let (keys, at) = (live_keys(&original, 0).await, revision(&original, 0).await);

    let reserved = Cluster::reserve(&Options::new(version, members));
    let bump = |cluster| Restore::new(cluster).with_bump_revision(BumpRevision::for_kubernetes());
    let (mut restored, plans) = started_on(reserved, &Source::Snapshot(snapshot), bump);
    let after = plans[0].revisions.after;
    assert_eq!(after, at + 1_000_000_000);
    for member in 0..members {
        assert_eq!(revision(&restored, member).await, after);
        assert_eq!(live_keys(&restored, member).await, keys, "{version}, member {member}");
    }
    let mut client = client_of(&restored, 0).await;
    let old = client.get("/registry/pods/a", Some(etcd_client::GetOptions::new().with_revision(at))).await.unwrap_err();
    assert!(old.to_string().contains("compacted"), "{old}");
    let mut stream = client.watch("/registry", Some(WatchOptions::new().with_prefix().with_start_revision(at))).await.unwrap();
    let ended = loop {
        let message = tokio::time::timeout(trimtab_kit::wait::LONG, stream.message()).await.expect("the watch is answered").unwrap().unwrap();
        if message.canceled() {
            break message.compact_revision();
        }
    };
    assert_eq!(ended, after, "the watch is told where history begins");
    let put = client.put("/after", "bump", None).await.unwrap();
    assert_eq!(put.header().unwrap().revision(), after + 1);
    assert_goes_on(&restored).await;
    restart(&mut restored).await;
}

macro_rules! on_every_version {
    ($($name:ident: $case:ident($index:literal, $members:literal);)*) => {$(
        #[tokio::test]
        async fn $name() {
            $case(BACKUP_VERSIONS[$index], $members).await;
        }
    )*};
}

on_every_version! {
    one_member_of_3_4_23_is_as_it_was: is_restored_as_it_was(0, 1);
    one_member_of_3_5_1_is_as_it_was: is_restored_as_it_was(1, 1);
    one_member_of_3_5_35_is_as_it_was: is_restored_as_it_was(2, 1);
    one_member_of_3_6_16_is_as_it_was: is_restored_as_it_was(3, 1);
    one_member_of_3_7_3_is_as_it_was: is_restored_as_it_was(4, 1);
    three_members_of_3_4_23_are_as_it_was: is_restored_as_it_was(0, 3);
    three_members_of_3_5_1_are_as_it_was: is_restored_as_it_was(1, 3);
    three_members_of_3_5_35_are_as_it_was: is_restored_as_it_was(2, 3);
    three_members_of_3_6_16_are_as_it_was: is_restored_as_it_was(3, 3);
    three_members_of_3_7_3_are_as_it_was: is_restored_as_it_was(4, 3);
    one_member_of_3_4_23_goes_on_above: is_restored_above_all_that_was_seen(0, 1);
    one_member_of_3_5_1_goes_on_above: is_restored_above_all_that_was_seen(1, 1);
    one_member_of_3_5_35_goes_on_above: is_restored_above_all_that_was_seen(2, 1);
    one_member_of_3_6_16_goes_on_above: is_restored_above_all_that_was_seen(3, 1);
    one_member_of_3_7_3_goes_on_above: is_restored_above_all_that_was_seen(4, 1);
    three_members_of_3_4_23_go_on_above: is_restored_above_all_that_was_seen(0, 3);
    three_members_of_3_5_1_go_on_above: is_restored_above_all_that_was_seen(1, 3);
    three_members_of_3_5_35_go_on_above: is_restored_above_all_that_was_seen(2, 3);
    three_members_of_3_6_16_go_on_above: is_restored_above_all_that_was_seen(3, 3);
    three_members_of_3_7_3_go_on_above: is_restored_above_all_that_was_seen(4, 3);
}

/// Up to 3.5.15 and 3.4.33 a compaction at a deletion drops the row of that deletion, the last one of the file.
#[tokio::test]
async fn a_revision_that_only_the_compaction_remembers_is_not_given_again() {
    for version in ["3.4.23", "3.5.1"] {
        let original = Cluster::start(&Options::new(version, 1));
        let mut client = client_of(&original, 0).await;
        client.put("/registry/pods/a", "1", None).await.unwrap();
        client.put("/registry/pods/b", "1", None).await.unwrap();
        let deleted = client.delete("/registry/pods/a", None).await.unwrap().header().unwrap().revision();
        client.compact(deleted, Some(CompactionOptions::new().with_physical())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let snapshot = save(&original, folder.path());
        let source = Source::Snapshot(snapshot.clone());
        let last_row = items(&snapshot).into_keys().filter(|(bucket, _)| bucket == b"key").map(|(_, key)| key).next_back().unwrap();
        assert!(last_row[..8] < deleted.to_be_bytes()[..], "{version}: the deletion is still there, so nothing is tested");

        let (as_it_was, plans) = started_on(Cluster::reserve(&Options::new(version, 1)), &source, Restore::new);
        assert_eq!((plans[0].revisions.after, revision(&as_it_was, 0).await), (deleted, deleted), "{version}");
        let bump = |cluster| Restore::new(cluster).with_bump_revision(BumpRevision::by(1).unwrap());
        let (bumped, _) = started_on(Cluster::reserve(&Options::new(version, 1)), &source, bump);
        assert_eq!(revision(&bumped, 0).await, deleted + 1, "{version}");
    }
}

/// All items of a database, under bucket and key.
fn items(database: &Path) -> BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>> {
    let mut items = BTreeMap::new();
    let mut visit = |bucket: &[u8], key: &[u8], value: &[u8]| {
        items.insert((bucket.to_vec(), key.to_vec()), value.to_vec());
        Ok(())
    };
    live::open(database).unwrap().for_each(&mut visit).unwrap();
    items
}

fn restored_by_upstream(version: &str, snapshot: &Path, cluster: &InitialCluster, data_dir: &Path) {
    let member = &cluster.members()[0];
    let mut command = tool(version);
    command.args(["snapshot", "restore"]).arg(snapshot).arg("--data-dir").arg(data_dir).args(["--name", member.name()]);
    command.args(["--initial-cluster", &cluster.to_string(), "--initial-cluster-token", cluster.token()]);
    succeeded(&command.args(["--initial-advertise-peer-urls", &member.peer_urls().join(",")]).output().unwrap());
}

fn file_names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().strip_prefix(folder).unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The log and the snapshot file byte for byte, the database item by item, for one member and for three.
#[tokio::test]
async fn a_data_directory_is_the_one_that_upstream_writes() {
    let folder = tempfile::tempdir().unwrap();
    for version in BACKUP_VERSIONS {
        let snapshot = save(&cluster_with_history(version).await, folder.path());
        for members in
            ["m0=http://127.0.0.1:2380", "m0=http://127.0.0.1:2380,m1=https://10.0.0.2:2380,m1=http://[::1]:2380,m<2>=http://etcd-2.etcd:2380"]
        {
            let cluster = InitialCluster::parse(members, "tok").unwrap();
            let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
            let restore = Restore::new(cluster.clone()).with_etcd(version.parse().unwrap());
            restore_member(&Source::Snapshot(snapshot.clone()), &restore, cluster.members()[0].name(), &ours, &mut |_| ()).unwrap();
            restored_by_upstream(version, &snapshot, &cluster, &theirs);
            assert_same_data_directory(version, &ours, &theirs, &cluster);
            for data_dir in [ours, theirs] {
                std::fs::remove_dir_all(data_dir).unwrap();
            }
        }
    }
}

fn assert_same_data_directory(version: &str, ours: &Path, theirs: &Path, cluster: &InitialCluster) {
    for folder in ["", "member", "member/snap", "member/wal"] {
        assert_eq!(file_names(&ours.join(folder)), file_names(&theirs.join(folder)));
    }
    let both = |path: &Path| (std::fs::read(ours.join(path)).unwrap(), std::fs::read(theirs.join(path)).unwrap());
    let (our_log, their_log) = both(Path::new("member/wal/0000000000000000-0000000000000000.wal"));
    assert!(our_log == their_log, "{version}: the logs differ");
    let snap = file_names(&ours.join("member/snap")).into_iter().find(|name| name.extension().is_some()).unwrap();
    let (our_snap, their_snap) = both(&Path::new("member/snap").join(snap));
    // From 3.6 on upstream writes more than one member in any order.
    if cluster.members().len() == 1 || version < "3.6" {
        assert!(our_snap == their_snap, "{version}: the snapshot files differ");
    }
    let (mut our_items, mut their_items) = (items(&ours.join("member/snap/db")), items(&theirs.join("member/snap/db")));
    let documented = |items: &mut BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>| {
        items.remove(&(b"meta".to_vec(), b"confState".to_vec()));
        if version.starts_with("3.4.") {
            items.retain(|(bucket, _), _| bucket != b"members");
        }
    };
    documented(&mut our_items);
    documented(&mut their_items);
    assert!(our_items == their_items, "{version}: the databases differ");
    let length = std::fs::metadata(ours.join("member/snap/db")).unwrap().len();
    assert_eq!(checked_by_upstream(version, ours), length, "the file ends with its last page");
}

#[tokio::test]
async fn every_release_starts_on_what_is_written_for_another() {
    for version in BACKUP_VERSIONS {
        let original = cluster_with_history(version).await;
        let folder = tempfile::tempdir().unwrap();
        let snapshot = save(&original, folder.path());
        let keys = live_keys(&original, 0).await;
        for minor in 4..=7 {
            let written_for = EtcdVersion::newest_of(minor).unwrap();
            let reserved = Cluster::reserve(&Options::new(version, 3));
            let (restored, _) = started_on(reserved, &Source::Snapshot(snapshot.clone()), |cluster| Restore::new(cluster).with_etcd(written_for));
            assert_eq!(live_keys(&restored, 2).await, keys, "{version} on a directory for {written_for}");
            assert_goes_on(&restored).await;
        }
    }
}

#[tokio::test]
async fn the_database_of_a_member_that_was_killed_is_restored_when_it_is_asked_for_by_name() {
    for version in BACKUP_VERSIONS {
        let mut original = cluster_with_history(version).await;
        // What is written stands in the log alone for up to a tenth of a second.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let keys = live_keys(&original, 0).await;
        original.kill(0);
        let source = Source::DataDirectory(original.data_dir(0));
        let (restored, _) = started_on(Cluster::reserve(&Options::new(version, 1)), &source, Restore::new);
        assert_eq!(live_keys(&restored, 0).await, keys, "{version}");
        assert_goes_on(&restored).await;
    }
}

#[tokio::test]
async fn pages_of_another_size_than_the_machines_are_kept_and_served() {
    for (version, page_size) in [("3.4.23", 16_384), ("3.6.16", 65_536), ("3.7.3", 1024)] {
        let original = cluster_with_history(version).await;
        let folder = tempfile::tempdir().unwrap();
        let file = live::open(&save(&original, folder.path())).unwrap();
        let keys = live_keys(&original, 0).await;
        let reserved = Cluster::reserve(&Options::new(version, 1));
        let cluster = InitialCluster::parse(&reserved.initial_cluster(), reserved.token()).unwrap();
        let mut plan = restore::plan(&restore::observe(&file, &Verify::snapshot()).unwrap(), &Restore::new(cluster), "m0").unwrap();
        // As if the snapshot came from such a machine.
        plan.source.page_size = page_size;
        let data_dirs = reserved.data_dirs();
        plan.apply(&file, &data_dirs[0], &mut |_| ()).unwrap();
        let large = reserved.start_on(data_dirs).unwrap();
        assert_eq!(live_keys(&large, 0).await, keys, "{version}, pages of {page_size} bytes");
        assert_goes_on(&large).await;
        let keys = live_keys(&large, 0).await;
        let snapshot = save(&large, folder.path());
        let (mut restored, plans) = started_on(Cluster::reserve(&Options::new(version, 1)), &Source::Snapshot(snapshot), Restore::new);
        assert_eq!(plans[0].source.page_size, page_size);
        assert_eq!(live_keys(&restored, 0).await, keys);
        assert_can_be_emptied(&mut restored).await;
    }
}
