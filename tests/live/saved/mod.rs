//! What the tests of saving share: data worth saving, a save, and what has to be true of what it leaves.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use etcd_client::{Client, CompactionOptions};
use jiff::Timestamp;
use serde_json::Value;
use trimtab_core::apply::Event;
use trimtab_etcd_file::{EtcdFile, Sha256, Verify};
use trimtab_etcd_ops::backup::save::{self, SavePlan, SavePolicy, SaveReport};
use trimtab_etcd_ops::backup::{Manifest, ObjectName};
use trimtab_etcd_ops::live::Etcd;
use trimtab_kit::etcd::{self, Cluster};

/// Keys that are rewritten, deleted, and leased, with a compaction in their middle and history on both sides of it.
pub async fn write_history(client: &mut Client) {
    let lease = client.lease_grant(3600, None).await.unwrap().id();
    for round in 0..4 {
        for index in 0..40 {
            let key = format!("/registry/configmaps/default/{index}");
            client.put(key, vec![b'a' + round; 2000 + 50 * index], None).await.unwrap();
        }
        let options = etcd_client::PutOptions::new().with_lease(lease);
        client.put(format!("/registry/events/default/{round}"), "event", Some(options)).await.unwrap();
        let deleted = client.delete(format!("/registry/configmaps/default/{}", round * 3), None).await.unwrap();
        if round == 1 {
            let at = deleted.header().unwrap().revision();
            client.compact(at, Some(CompactionOptions::new().with_physical())).await.unwrap();
        }
    }
}

/// Live keys of a megabyte each.
pub async fn write_megabytes(client: &mut Client, count: usize) {
    for index in 0..count {
        client.put(format!("/registry/secrets/default/{index:05}"), vec![b'x'; 1_000_000], None).await.unwrap();
    }
}

pub async fn plan(etcd: &mut Etcd, policy: &SavePolicy) -> SavePlan {
    let seen = etcd.observe(&mut |_| {}).await.unwrap();
    save::plan(&seen, policy, Timestamp::now()).unwrap()
}

pub async fn save(etcd: &mut Etcd, policy: &SavePolicy) -> SaveReport {
    plan(etcd, policy).await.apply(etcd, |_| {}).await
}

/// Applies a plan and calls `hook` once, as soon as some bytes have come in.
pub async fn apply_and_in_the_middle(plan: &SavePlan, etcd: &mut Etcd, hook: impl FnOnce() + Send) -> SaveReport {
    let mut hook = Some(hook);
    let report = plan
        .apply(etcd, |event| match event {
            Event::Progress { message, .. } if message.starts_with("received ") && !message.starts_with("received all") => {
                if let Some(hook) = hook.take() {
                    hook();
                }
            }
            Event::Progress { .. } | Event::Begun { .. } | Event::Ended { .. } => {}
        })
        .await;
    assert!(hook.is_none(), "the stream had no middle: {report}");
    report
}

/// All names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn assert_nothing_left(directory: &Path) {
    assert!(names(directory).is_empty(), "something is left: {:?}", names(directory));
}

/// The backups in a directory: nothing else may be in it, each is whole, private and what its manifest says.
pub fn backups(directory: &Path) -> Vec<(PathBuf, Manifest)> {
    let mut backups = Vec::new();
    for name in names(directory) {
        let path = directory.join(&name);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        match ObjectName::of(&name) {
            ObjectName::Backup(backup) => {
                let manifest = Manifest::from_json(&fs::read(directory.join(backup.manifest())).unwrap()).unwrap();
                assert_eq!(manifest.name(), backup);
                assert_sound(&path, &manifest);
                backups.push((path, manifest));
            }
            ObjectName::Manifest(backup) => assert!(directory.join(backup.to_string()).is_file(), "{name} stands alone"),
            ObjectName::Verification(_) | ObjectName::Temporary(_) | ObjectName::Saving | ObjectName::Foreign => panic!("{name} is left"),
        }
    }
    backups
}

pub fn only_backup(directory: &Path) -> (PathBuf, Manifest) {
    let mut backups = backups(directory);
    assert_eq!(backups.len(), 1, "{:?}", names(directory));
    backups.remove(0)
}

/// The file anew, and every number of its manifest.
fn assert_sound(path: &Path, manifest: &Manifest) {
    let bytes = fs::read(path).unwrap();
    assert_eq!((bytes.len() as u64, Sha256::of(&bytes)), (manifest.stored.size_bytes, manifest.stored.sha256));
    let release = manifest.etcd_version.parse().unwrap();
    let verified = EtcdFile::open(bytes).unwrap().verify(&Verify::snapshot().with_etcd(release)).unwrap();
    assert_eq!(verified.sha256, Some(manifest.sha256));
    assert_eq!((verified.hash_kv.hash, verified.hash_kv.revision), (manifest.hash_kv, manifest.revision));
    assert_eq!(verified.hash_kv.compact_revision, manifest.compact_revision);
    assert_eq!((verified.status.hash, verified.status.total_key), (manifest.status.hash, manifest.status.total_key));
}

/// What upstream's own tool says of the file.
pub fn assert_equals_the_tool(version: &str, path: &Path, manifest: &Manifest) {
    let said = tool(version, &["snapshot", "status", "--write-out=json", path.to_str().unwrap()]);
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let items = || EtcdFile::open(fs::read(path).unwrap()).unwrap().verify(&Verify::snapshot()).unwrap().status.items;
    // 3.4 and 3.5 count the items of all buckets.
    let old = version.starts_with("3.4.") || version.starts_with("3.5.");
    let total_key = if old { items() } else { manifest.status.total_key };
    assert_eq!(said["hash"], manifest.status.hash, "{version}");
    assert_eq!(said["totalKey"], total_key, "{version}");
    assert_eq!(said["totalSize"], manifest.db_size_bytes, "{version}");
    assert_eq!(said["revision"], manifest.revision, "{version}");
}

/// Upstream's own restore takes the file.
pub fn assert_restorable(version: &str, path: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("restored");
    tool(version, &["snapshot", "restore", path.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    assert!(data.join("member/snap/db").is_file());
}

/// etcdutl is there from 3.5 on; 3.4 does the same with etcdctl.
fn tool(version: &str, arguments: &[&str]) -> Output {
    let name = if version.starts_with("3.4.") { "etcdctl" } else { "etcdutl" };
    let output = Command::new(etcd::program(version, name)).env("ETCDCTL_API", "3").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What every member says of that revision.
pub fn assert_equals_the_members(cluster: &Cluster, manifest: &Manifest) {
    for endpoint in cluster.endpoints() {
        let said = cluster.etcdctl_at(&endpoint, &["endpoint", "hashkv", "--write-out=json", &format!("--rev={}", manifest.revision)]);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said.stderr)));
        assert_eq!(said[0]["HashKV"]["hash"], manifest.hash_kv, "{endpoint}");
        assert_eq!(said[0]["HashKV"]["compact_revision"], manifest.compact_revision, "{endpoint}");
    }
}
