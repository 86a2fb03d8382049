//! What the tests of restores share: clusters with a history, and snapshots of them by upstream's own tool.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use etcd_client::{Client, CompactionOptions, GetOptions, PutOptions, Txn, TxnOp};
use trimtab_kit::etcd::{Cluster, Options, program};
use trimtab_kit::fill;

/// A cluster of one member with everything that a file can have: history, deletions, a compaction in its middle, a transaction of several rows, a
/// lease with a key, a role and a user, values from nothing to a megabyte.
pub async fn cluster_with_history(version: &'static str) -> Cluster {
    let cluster = Cluster::start(&Options::new(version, 1));
    let mut client = client_of(&cluster, 0).await;
    for round in 0..12_u32 {
        for key in 0..40_u32 {
            let value = vec![b'v'; (round * key * 7) as usize];
            client.put(format!("/registry/configmaps/default/{key:02}"), value, None).await.unwrap();
        }
        if round == 7 {
            delete_and_compact(&mut client).await;
        }
    }
    client.put("/registry/secrets/default/big", vec![b'b'; 1_000_000], None).await.unwrap();
    let lease = client.lease_grant(3600, None).await.unwrap().id();
    client.put("/registry/leases/node", "held", Some(PutOptions::new().with_lease(lease))).await.unwrap();
    let both = Txn::new().and_then([TxnOp::put("/registry/pods/a", "1", None), TxnOp::put("/registry/pods/b", "2", None)]);
    client.txn(both).await.unwrap();
    client.delete("/registry/configmaps/default/07", None).await.unwrap();
    client.role_add("reader").await.unwrap();
    client.user_add("anna", "secret", None).await.unwrap();
    cluster
}

async fn delete_and_compact(client: &mut Client) {
    for key in [3, 5, 39] {
        client.delete(format!("/registry/configmaps/default/{key:02}"), None).await.unwrap();
    }
    let revision = client.get("none", None).await.unwrap().header().unwrap().revision();
    client.compact(revision - 1, Some(CompactionOptions::new().with_physical())).await.unwrap();
}

pub async fn client_of(cluster: &Cluster, member: usize) -> Client {
    fill::client(cluster, &cluster.endpoints()[member], None).await
}

/// Takes a snapshot with `etcdctl` of the cluster's version.
pub fn save(cluster: &Cluster, folder: &Path) -> PathBuf {
    let snapshot = folder.join("snapshot.db");
    succeeded(&cluster.etcdctl_at(&cluster.endpoints()[0], &["snapshot", "save", snapshot.to_str().unwrap()]));
    snapshot
}

/// Upstream's restore and status: etcdutl is there from 3.5 on, 3.4 has them in etcdctl.
pub fn tool(version: &str) -> Command {
    let name = if version.starts_with("3.4.") { "etcdctl" } else { "etcdutl" };
    let mut command = Command::new(program(version, name));
    command.env("ETCDCTL_API", "3");
    command
}

pub fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Everything that a client can read of one member: each live key with its value, its revisions, its version and its lease.
pub async fn live_keys(cluster: &Cluster, member: usize) -> Vec<(Vec<u8>, Vec<u8>, [i64; 4])> {
    let mut client = client_of(cluster, member).await;
    let all = client.get("", Some(GetOptions::new().with_all_keys())).await.unwrap();
    let numbers = |kv: &etcd_client::KeyValue| [kv.create_revision(), kv.mod_revision(), kv.version(), kv.lease()];
    all.kvs().iter().map(|kv| (kv.key().to_vec(), kv.value().to_vec(), numbers(kv))).collect()
}

pub async fn revision(cluster: &Cluster, member: usize) -> i64 {
    client_of(cluster, member).await.get("none", None).await.unwrap().header().unwrap().revision()
}

/// HashKV of one member at a revision, and the compaction that it is over.
pub async fn hash_kv(cluster: &Cluster, member: usize, revision: i64) -> (u32, i64) {
    let answer = client_of(cluster, member).await.hash_kv(revision).await.unwrap();
    (answer.hash(), answer.compact_version())
}
