//! Files that real servers wrote, read beside the tools and the servers themselves: every version, at every revision.

use std::path::Path;
use std::process::Command;

use etcd_client::{Client, CompactionOptions, DeleteOptions, LeaseGrantOptions, PutOptions, Txn, TxnOp};
use tempfile::TempDir;
use trimtab_etcd_file::{Error, EtcdFile, EtcdVersion, Status, Verified, Verify, live};
use trimtab_kit::etcd::{BACKUP_VERSIONS, Cluster, Options, program};
use trimtab_kit::fill;

fn etcd(version: &str) -> EtcdVersion {
    version.parse().unwrap()
}

/// What the tool of that version says of a snapshot: etcdctl in 3.4, etcdutl since.
fn tool_status(version: &str, file: &Path) -> serde_json::Value {
    let tool = if version.starts_with("3.4") { "etcdctl" } else { "etcdutl" };
    let mut command = Command::new(program(version, tool));
    let output = command.env("ETCDCTL_API", "3").args(["snapshot", "status", "--write-out=json"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{tool} {version}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Our status in the shape of that version's tool.
fn as_the_tool_says(version: &str, status: &Status) -> serde_json::Value {
    let total_key = if etcd(version).minor() < 6 { status.items } else { status.total_key };
    let mut said = serde_json::json!({
        "hash": status.hash, "revision": status.revision, "totalKey": total_key, "totalSize": status.total_size_bytes,
    });
    if etcd(version).minor() >= 6 {
        said["version"] = status.version.clone().unwrap_or_default().into();
    }
    said
}

fn snapshot(cluster: &Cluster, file: &Path) {
    let saved = cluster.etcdctl_at(&cluster.endpoints()[0], &["snapshot", "save", &file.to_string_lossy()]);
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
}

fn verified(version: &str, file: &Path) -> Verified {
    let verified = live::open(file).unwrap().verify(&Verify::snapshot().with_etcd(etcd(version))).unwrap();
    assert_eq!(verified.irregularity, None, "{version}");
    verified
}

/// Compares HashKV at every revision from before the compaction to beyond the end, and the refusals with it. Returns how many hashes agreed.
///
/// At the revision of each compaction so far, etcd 3.5.5 and later answer out of a cache, with the compaction before it: left out.
async fn compare_hash_kv(version: &'static str, client: &mut Client, file: &Path, compactions: &[i64]) -> usize {
    let ours = live::open(file).unwrap();
    let now = ours.hash_kv(None, etcd(version)).unwrap();
    let mut agreed = 0;
    for revision in 1..=now.revision + 1 {
        let theirs = client.maintenance_client().hash_kv(revision).await;
        match (ours.hash_kv(Some(revision), etcd(version)), theirs) {
            (_, Ok(_)) if compactions.contains(&revision) => {}
            (Ok(ours), Ok(theirs)) => {
                assert_eq!((ours.hash, ours.compact_revision), (theirs.hash(), theirs.compact_version()), "{version} at {revision}");
                agreed += 1;
            }
            (Err(Error::Compacted { .. }), Err(theirs)) => assert!(theirs.to_string().contains("compacted"), "{version} at {revision}: {theirs}"),
            (Err(Error::FutureRevision { .. }), Err(theirs)) => assert!(theirs.to_string().contains("future"), "{version} at {revision}: {theirs}"),
            (ours, theirs) => panic!("{version} at {revision}: we say {ours:?}, the server says {theirs:?}"),
        }
    }
    agreed
}

struct Scene {
    version: &'static str,
    cluster: Cluster,
    client: Client,
    folder: TempDir,
    /// The revisions that were compacted to.
    compactions: Vec<i64>,
}

impl Scene {
    async fn start(version: &'static str) -> Self {
        let cluster = Cluster::start(&Options::new(version, 1));
        let client = fill::client(&cluster, &cluster.endpoints()[0], None).await;
        Self { version, cluster, client, folder: tempfile::tempdir().unwrap(), compactions: Vec::new() }
    }

    async fn compact(&mut self, revision: i64) {
        self.client.compact(revision, Some(CompactionOptions::new().with_physical())).await.unwrap();
        self.compactions.push(revision);
    }

    /// Takes a snapshot and compares everything that is known of it.
    async fn compare(&mut self, stage: &str) -> Verified {
        let version = self.version;
        let file = self.folder.path().join(format!("{stage}.db"));
        snapshot(&self.cluster, &file);
        let verified = verified(version, &file);
        assert_eq!(as_the_tool_says(version, &verified.status), tool_status(version, &file), "{version} {stage}");
        let server = self.client.maintenance_client().hash_kv(0).await.unwrap();
        assert_eq!((verified.hash_kv.hash, verified.hash_kv.compact_revision), (server.hash(), server.compact_version()), "{version} {stage}");
        assert_eq!(verified.status.current_revision, server.header().unwrap().revision(), "{version} {stage}");
        let agreed = compare_hash_kv(version, &mut self.client, &file, &self.compactions).await;
        let beyond = verified.hash_kv.revision - verified.hash_kv.compact_revision.max(0);
        assert_eq!(agreed, usize::try_from(beyond).unwrap(), "{version} {stage}: every revision after the compaction");
        verified
    }
}

/// Overwritten keys, several changes in one transaction, deletions, keys that come back, leases, a value of many pages.
async fn write_history(client: &mut Client) {
    for round in 0..3 {
        for number in 0..12 {
            client.put(format!("/registry/pods/default/{number}"), format!("{round} {number}").repeat(20), None).await.unwrap();
        }
    }
    let lease = client.lease_grant(3600, Some(LeaseGrantOptions::new())).await.unwrap().id();
    client.put("/registry/leases/kube-system/a", "held", Some(PutOptions::new().with_lease(lease))).await.unwrap();
    client.put("/registry/configmaps/default/big", vec![7; 200_000], None).await.unwrap();
    let together = ["x", "y", "z"].map(|name| TxnOp::put(format!("/registry/secrets/default/{name}"), name, None));
    client.txn(Txn::new().and_then(together)).await.unwrap();
    client.delete("/registry/pods/default/1", Some(DeleteOptions::new().with_prefix())).await.unwrap();
    client.put("/registry/pods/default/1", "back again", None).await.unwrap();
}

#[tokio::test]
async fn every_version_reads_as_its_tools_and_its_server_say() {
    for version in BACKUP_VERSIONS {
        let mut scene = Scene::start(version).await;
        scene.compare("empty").await;

        write_history(&mut scene.client).await;
        let history = scene.compare("history").await;
        assert_eq!(history.hash_kv.compact_revision, -1);

        let middle = history.status.current_revision - 8;
        scene.compact(middle).await;
        let compacted = scene.compare("compacted").await;
        assert_eq!(compacted.hash_kv.compact_revision, middle);

        // A tombstone at the compaction's revision, where the releases differ; first as the last revision of all.
        let deleted = scene.client.delete("/registry/secrets/default/x", None).await.unwrap().header().unwrap().revision();
        scene.compact(deleted).await;
        let at_tombstone = scene.compare("tombstone").await;
        assert_eq!((at_tombstone.status.current_revision, at_tombstone.hash_kv.compact_revision), (deleted, deleted), "{version}");
        scene.client.put("/registry/secrets/default/y", "after", None).await.unwrap();
        scene.client.put("/registry/secrets/default/x", "reborn", None).await.unwrap();
        let after = scene.compare("after").await;

        // Nothing lives any more, and all of it is compacted away.
        let gone = scene.client.delete("", Some(DeleteOptions::new().with_all_keys())).await.unwrap().header().unwrap().revision();
        scene.compact(gone).await;
        scene.compare("gone").await;
        scene.client.put("/registry/one", "more", None).await.unwrap();
        let last = scene.compare("last").await;
        assert!(last.status.current_revision > after.status.current_revision);

        a_data_directory_reads_the_same(version, &mut scene.cluster, &last);
    }
}

/// The member is killed, so its file is as a crash leaves it: what was committed is in it, and more only in its log.
fn a_data_directory_reads_the_same(version: &str, cluster: &mut Cluster, last: &Verified) {
    // Commits come every 100 ms.
    std::thread::sleep(std::time::Duration::from_millis(500));
    cluster.kill(0);
    let path = cluster.data_dir(0).join("member/snap/db");
    let file = live::open(&path).unwrap();
    assert!(matches!(file.verify(&Verify::snapshot()), Err(Error::NoSha256 { .. })), "{version}: it has no SHA-256");
    let found = file.verify(&Verify::data_directory().with_etcd(etcd(version))).unwrap();
    assert_eq!((found.hash_kv, found.sha256), (last.hash_kv, None), "{version}");
}

/// A defragmentation writes the database anew with one transaction, so that one of its meta pages is still the one that it was made with.
#[tokio::test]
async fn a_member_that_dies_right_after_a_defragmentation_is_sound() {
    for version in BACKUP_VERSIONS {
        let mut cluster = Cluster::start(&Options::new(version, 1));
        let mut client = fill::client(&cluster, &cluster.endpoints()[0], None).await;
        write_history(&mut client).await;
        let before = client.maintenance_client().hash_kv(0).await.unwrap();
        client.maintenance_client().defragment().await.unwrap();
        cluster.kill(0);
        let file = live::open(&cluster.data_dir(0).join("member/snap/db")).unwrap();
        let found = file.verify(&Verify::data_directory().with_etcd(etcd(version))).unwrap();
        assert_eq!((found.hash_kv.hash, found.irregularity), (before.hash(), None), "{version}");
    }
}

#[tokio::test]
async fn a_file_that_a_server_writes_meanwhile_is_told_from_a_broken_one() {
    let cluster = Cluster::start(&Options::new("3.6.16", 1));
    let path = cluster.data_dir(0).join("member/snap/db");
    let endpoint = cluster.endpoints()[0].clone();
    let mut writer = fill::client(&cluster, &endpoint, None).await;
    let writing = tokio::spawn(async move {
        for count in 0..3000_u32 {
            writer.put(format!("/registry/pods/default/{}", count % 50), vec![b'x'; 4000], None).await.unwrap();
        }
    });
    let mut outcomes = std::collections::BTreeMap::new();
    while !writing.is_finished() {
        let path = path.clone();
        let outcome = tokio::task::spawn_blocking(move || live::open(&path).and_then(|file| file.verify(&Verify::data_directory())));
        let word = match outcome.await.unwrap() {
            Ok(_) => "whole",
            Err(Error::Changed { .. } | Error::Written { .. }) => "written meanwhile",
            // A page that was read between two writes, and no meta page yet that would tell.
            Err(Error::Broken { .. } | Error::Truncated { .. } | Error::Unreadable { .. }) => "caught half-way",
            Err(error) => panic!("{error}"),
        };
        *outcomes.entry(word).or_insert(0) += 1;
    }
    writing.await.unwrap();
    assert!(outcomes.contains_key("written meanwhile") || outcomes.contains_key("whole"), "{outcomes:?}");
    let settled = trimtab_kit::wait::until("the file to come to rest", trimtab_kit::wait::LONG, || {
        live::open(&path).and_then(|file| file.verify(&Verify::data_directory())).map_err(|error| error.to_string())
    });
    assert_eq!(settled.unwrap().status.total_key, 50);
}

#[test]
fn what_is_no_etcd_file_is_told_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        live::open(&path).map(|_: EtcdFile<_>| ()).unwrap_err()
    };
    assert!(matches!(write("empty", b""), Error::NotBolt { .. }));
    assert!(matches!(write("text", &vec![b'a'; 100_000]), Error::NotBolt { found } if found == "magic 0x61616161"));
    assert!(matches!(live::open(folder.path()), Err(Error::Unopened { .. })), "a folder");
    assert!(matches!(live::open(&folder.path().join("nothing")), Err(Error::Unopened { .. })));
}
