//! What the live tests share: a cluster that is out of space, and what has to be true of a rescued one.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::time::Duration;

use etcd_client::Client;
use trimtab_etcd_ops::cluster::{AlarmKind, Alarms, ClusterSeen};
use trimtab_etcd_ops::live::{Access, Etcd};
use trimtab_etcd_ops::rescue::{self, CompactTo, RescuePlan, RescuePolicy};
use trimtab_kit::etcd::{Cluster, Options};
use trimtab_kit::{fill, wait};

pub const QUOTA_BYTES: i64 = 8 * 1024 * 1024;

/// A cluster whose last write was refused.
pub async fn out_of_space(version: &'static str, members: usize) -> (Cluster, Etcd) {
    let cluster = Cluster::start(&Options::new(version, members).with_quota_bytes(QUOTA_BYTES));
    let refusal = fill::until_refused(&mut writer(&cluster).await).await;
    assert!(refusal.contains(fill::OUT_OF_SPACE), "refused for another reason: {refusal}");
    let etcd = etcd(&cluster);
    (cluster, etcd)
}

pub fn etcd(cluster: &Cluster) -> Etcd {
    Etcd::new(Access::to(cluster.endpoints()).unwrap()).unwrap()
}

pub async fn writer(cluster: &Cluster) -> Client {
    fill::client(cluster, &cluster.endpoints()[0], None).await
}

pub async fn observe(etcd: &mut Etcd) -> ClusterSeen {
    etcd.observe(&mut |_| {}).await.unwrap()
}

/// The cluster once every member has applied the last write and written it down: on a busy machine a follower is megabytes behind.
pub async fn at_rest(etcd: &mut Etcd) -> ClusterSeen {
    const QUIET_LOOKS: usize = 4;
    /// Each look is some entries of its own: etcd sends even the question for the alarms through its log.
    const OWN_ENTRIES: u64 = 4;
    let (mut last, mut quiet) = (Vec::new(), 0);
    let look = async || {
        let seen = observe(etcd).await;
        let sizes: Vec<_> = seen.answering().map(|(_, status)| (status.db_size_bytes, status.db_size_in_use_bytes)).collect();
        let applied: Vec<u64> = seen.answering().map(|(_, status)| status.raft_applied_index).collect();
        let apart = applied.iter().max().unwrap() - applied.iter().min().unwrap();
        quiet = if sizes == last && apart <= OWN_ENTRIES { quiet + 1 } else { 0 };
        last.clone_from(&sizes);
        tokio::time::sleep(Duration::from_millis(100)).await;
        if quiet >= QUIET_LOOKS { Ok(seen) } else { Err(format!("size and in use: {sizes:?}, applied: {applied:?}")) }
    };
    wait::until_async("a cluster at rest", wait::LONG, look).await.unwrap()
}

pub fn to_head() -> RescuePolicy {
    RescuePolicy { compact_to: CompactTo::Head, ..RescuePolicy::default() }
}

pub async fn plan_to_head(etcd: &mut Etcd) -> RescuePlan {
    rescue::plan(&observe(etcd).await, &to_head()).unwrap()
}

/// No alarm, every database small and compact, a write accepted through every member, and no trace of our proof.
pub async fn assert_rescued(cluster: &Cluster, etcd: &mut Etcd) {
    let seen = observe(etcd).await;
    assert!(matches!(&seen.alarms, Alarms::Listed { list } if list.is_empty()), "alarms are left: {:?}", seen.alarms);
    assert_eq!(seen.alarms_of(AlarmKind::NoSpace).count(), 0);
    for (member, status) in seen.answering() {
        assert!(status.db_size_bytes < QUOTA_BYTES / 2, "{} still has {} bytes", member.title(), status.db_size_bytes);
    }
    assert_eq!(seen.answering().count(), cluster.options.members);
    for endpoint in cluster.endpoints() {
        let mut client = fill::client(cluster, &endpoint, None).await;
        client.put("/registry/after", "rescue", None).await.unwrap();
        let left = client.get("trimtab/", Some(etcd_client::GetOptions::new().with_prefix())).await.unwrap();
        assert_eq!(left.count(), 0, "our proof was not removed");
        let kept = client.get("/registry/configmaps/", Some(etcd_client::GetOptions::new().with_prefix().with_keys_only())).await.unwrap();
        assert_eq!(kept.count(), 10, "a live key was lost");
    }
}

/// How often a member has defragmented since it started, by its own metrics.
pub fn defragmentations(endpoint: &str) -> u64 {
    metric(endpoint, "etcd_disk_backend_defrag_duration_seconds_count").parse().unwrap()
}

/// A member's metric of that name, as it is written.
pub fn metric(endpoint: &str, name: &str) -> String {
    use std::io::{Read, Write};
    let address = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = std::net::TcpStream::connect_timeout(&address, wait::LONG).unwrap();
    stream.set_read_timeout(Some(wait::LONG)).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{endpoint} has no {name}")).trim().to_owned()
}
