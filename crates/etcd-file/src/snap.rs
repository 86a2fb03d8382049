//! The snapshot file of a restored member: its members as the v2 store that etcd had before version 3.
//!
//! Servers up to 3.5 take their members from it, 3.6 from the database (but it loads the file), 3.7 no longer loads it; etcdutl writes it in all of
//! them. `saveWALAndSnap` in `etcdutl/snapshot/v3_snapshot.go`, `snapshotter.go` in `server/etcdserver/api/snap`, `store.go`, `node.go`,
//! `event_history.go`, `stats.go` in `server/etcdserver/api/v2store`. The order in which members were "created" is that of their ids, as in 3.4 and 3.5; 3.6
//! and 3.7 have it at random.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::layout::Layout;
use crate::membership::{InitialCluster, Member};
use crate::protobuf_writer::Message;
use crate::wal::{TERM, conf_state, last_index};

/// Term and index of the snapshot, as etcd names the file.
pub(crate) fn name(cluster: &InitialCluster) -> String {
    format!("{TERM:016x}-{:016x}.snap", last_index(cluster))
}

/// `snappb.Snapshot`: a CRC-32C, and the `raftpb.Snapshot` that it is of.
pub(crate) fn contents(cluster: &InitialCluster, layout: Layout) -> Vec<u8> {
    let metadata = Message::new().bytes(1, &conf_state(cluster, layout)).varint(2, last_index(cluster)).varint(3, TERM).finish();
    let store = serde_json::to_vec(&store(cluster, layout)).unwrap_or_default();
    let snapshot = Message::new().bytes(1, &store).bytes(2, &metadata).finish();
    Message::new().varint(1, u64::from(crc32c::crc32c(&snapshot))).bytes(2, &snapshot).finish()
}

fn store(cluster: &InitialCluster, layout: Layout) -> Store {
    let count = last_index(cluster);
    let numbered = || (1..).zip(cluster.members());
    let members = numbered().map(|(index, member)| (member.id().to_string(), member_node(index, member))).collect();
    let cluster_folder = Node::folder("/0", 0, [("members".to_owned(), Node::folder("/0/members", 1, members))].into());
    let root = [("0".to_owned(), cluster_folder), ("1".to_owned(), Node::folder("/1", 0, BTreeMap::new()))];
    let mut events: Vec<Option<Event>> = numbered().map(|(index, member)| Some(event(index, member))).collect();
    events.resize_with(events.len().max(EVENTS), || None);
    let queue = Queue { events, size: count, front: 0, back: count, capacity: EVENTS };
    Store {
        root: Node::folder("/", 0, root.into()),
        watcher_hub: WatcherHub { event_history: EventHistory { queue, start_index: 1, last_index: count } },
        current_index: count,
        stats: Stats { gets_fail: layout.store_gets_fail, create_success: count, ..Stats::default() },
        current_version: 2,
    }
}

fn member_node(index: u64, member: &Member) -> Node {
    let attributes = Node { value: raft_attributes(member), children: None, ..Node::folder(&attributes_path(member), index, BTreeMap::new()) };
    Node::folder(&member_path(member), index, [(RAFT_ATTRIBUTES.to_owned(), attributes)].into())
}

fn event(index: u64, member: &Member) -> Event {
    let node = EventNode { key: attributes_path(member), value: raft_attributes(member), modified_index: index, created_index: index };
    Event { action: "create", node }
}

fn member_path(member: &Member) -> String {
    format!("/0/members/{}", member.id())
}

fn attributes_path(member: &Member) -> String {
    format!("{}/{RAFT_ATTRIBUTES}", member_path(member))
}

fn raft_attributes(member: &Member) -> String {
    serde_json::json!({ "peerURLs": member.peer_urls() }).to_string()
}

const RAFT_ATTRIBUTES: &str = "raftAttributes";
/// How many events the store remembers; those that were not yet stand there as null.
const EVENTS: usize = 1000;
/// Go's zero time.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Store {
    root: Node,
    watcher_hub: WatcherHub,
    current_index: u64,
    stats: Stats,
    current_version: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    path: String,
    created_index: u64,
    modified_index: u64,
    expire_time: &'static str,
    value: String,
    children: Option<BTreeMap<String, Node>>,
}

impl Node {
    fn folder(path: &str, index: u64, children: BTreeMap<String, Node>) -> Self {
        let value = String::new();
        Self { path: path.to_owned(), created_index: index, modified_index: index, expire_time: NEVER, value, children: Some(children) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WatcherHub {
    event_history: EventHistory,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventHistory {
    queue: Queue,
    start_index: u64,
    last_index: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Queue {
    events: Vec<Option<Event>>,
    size: u64,
    front: u64,
    back: u64,
    capacity: usize,
}

#[derive(Serialize)]
struct Event {
    action: &'static str,
    node: EventNode,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventNode {
    key: String,
    value: String,
    modified_index: u64,
    created_index: u64,
}

/// What the store counted; all but two are 0 in a new one.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Stats {
    gets_success: u64,
    gets_fail: u64,
    sets_success: u64,
    sets_fail: u64,
    delete_success: u64,
    delete_fail: u64,
    update_success: u64,
    update_fail: u64,
    create_success: u64,
    create_fail: u64,
    compare_and_swap_success: u64,
    compare_and_swap_fail: u64,
    compare_and_delete_success: u64,
    compare_and_delete_fail: u64,
    expire_count: u64,
    watchers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::EtcdVersion;

    /// Length and CRC-32C of the files that etcdctl 3.4.23 and etcdutl 3.5.35 wrote for this cluster; 3.6.16 and 3.7.3 happened to take the members in the
    /// same order.
    #[test]
    fn files_are_byte_for_byte_those_of_the_tools() {
        let text = "m0=http://127.0.0.1:2380,m1=http://127.0.0.2:2380,m1=https://127.0.0.2:2381,m2=http://127.0.0.3:2380";
        let cluster = InitialCluster::parse(text, "tok").unwrap();
        assert_eq!(name(&cluster), "0000000000000001-0000000000000003.snap");
        for (minor, length, crc) in [(4, 7613, 0xcfd3_0ab6), (5, 7613, 0xcfd3_0ab6), (6, 7613, 0x883a_32df), (7, 7611, 0x5f60_f86e)] {
            let contents = contents(&cluster, Layout::at(EtcdVersion::newest_of(minor).unwrap()));
            assert_eq!((contents.len(), crc32c::crc32c(&contents)), (length, crc), "3.{minor}");
        }
    }
}
