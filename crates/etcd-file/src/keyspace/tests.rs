//! Random histories in files of our own writing, counted a second time in the plainest way.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::bolt_writer::BoltWriter;
use crate::protobuf_writer::Message;
use crate::revision::Revision;

/// One row as it was written.
#[derive(Debug, Clone)]
struct Row {
    revision: Revision,
    key: String,
    tombstone: bool,
    bytes: u64,
    value: Vec<u8>,
}

#[derive(Debug, Clone)]
struct History {
    rows: Vec<Row>,
    /// What is stored for each row.
    items: Vec<(Vec<u8>, Vec<u8>)>,
}

const KEYS: [&str; 9] = [
    "/registry/pods/a/one",
    "/registry/pods/a/two",
    "/registry/pods/b/one",
    "/registry/services/specs/a/one",
    "/registry/minions/node",
    "/registry/example.com/widgets/b/one",
    "/kubernetes.io/pods/a/one",
    "/calico/ipam/v2/one",
    "compact_rev_key",
];

/// Each step writes or deletes some keys in one transaction; a key that is not there is not deleted.
fn history(steps: &[(Vec<usize>, Option<usize>)]) -> History {
    let mut history = History { rows: Vec::new(), items: Vec::new() };
    let mut alive: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let mut main = 1;
    for (chosen, value_bytes) in steps {
        let keys: BTreeSet<&str> = chosen.iter().map(|index| KEYS[*index]).collect();
        let keys: Vec<&str> = keys.into_iter().filter(|key| value_bytes.is_some() || alive.contains_key(key)).collect();
        main += i64::from(!keys.is_empty());
        for (sub, key) in (0..).zip(keys) {
            let revision = Revision { main, sub };
            let value = value_bytes.map(|length| vec![b'{'; length]);
            let message = Message::new().bytes(1, key.as_bytes());
            let message = if let Some(value) = &value {
                let (created, version) = alive.get(key).copied().unwrap_or((main, 0));
                alive.insert(key, (created, version + 1));
                let number = |number: i64| u64::try_from(number).unwrap();
                let lease = u64::from(key.contains("pods")) * 7;
                message.varint(2, number(created)).varint(3, number(main)).varint(4, number(version + 1)).bytes(5, value).varint(6, lease)
            } else {
                alive.remove(key);
                message
            };
            let row_key = [&revision.bytes()[..], if value.is_none() { b"t" } else { b"" }].concat();
            let item = (row_key, message.finish());
            let bytes = (item.0.len() + item.1.len()) as u64;
            history.rows.push(Row { revision, key: key.to_owned(), tombstone: value.is_none(), bytes, value: value.unwrap_or_default() });
            history.items.push(item);
        }
    }
    history
}

fn file(history: &History, page_size: u32) -> Vec<u8> {
    let mut writer = BoltWriter::new(Cursor::new(Vec::new()), page_size).unwrap();
    writer.bucket(b"cluster").unwrap();
    writer.put(b"clusterVersion", b"3.6.0").unwrap();
    writer.bucket(b"key").unwrap();
    for (key, value) in &history.items {
        writer.put(key, value).unwrap();
    }
    writer.bucket(b"lease").unwrap();
    writer.put(&5_u64.to_be_bytes(), &Message::new().varint(1, 5).varint(2, 60).finish()).unwrap();
    writer.bucket(b"meta").unwrap();
    writer.finish().unwrap().0.into_inner()
}

fn report(history: &History, page_size: u32, query: &KeyspaceQuery) -> KeyspaceReport {
    EtcdFile::open(file(history, page_size)).unwrap().keyspace(query).unwrap()
}

/// The rows that stay, by `doCompact` and `scheduleCompaction`: all generations of a key one by one.
fn kept(rows: &[Row], at: i64, keeps_tombstones: bool) -> BTreeSet<Revision> {
    let mut kept: BTreeSet<Revision> = rows.iter().map(|row| row.revision).filter(|revision| revision.main > at).collect();
    for key in KEYS {
        let mut generations: Vec<Vec<&Row>> = vec![Vec::new()];
        for row in rows.iter().filter(|row| row.key == key) {
            generations.last_mut().unwrap().push(row);
            if row.tombstone {
                generations.push(Vec::new());
            }
        }
        let ends_before = |generation: &Vec<&Row>| {
            let tombstone = generation.last().filter(|row| row.tombstone);
            tombstone.is_some_and(|row| if keeps_tombstones { row.revision.main < at } else { row.revision.main <= at })
        };
        let generation = generations.into_iter().find(|generation| !ends_before(generation)).unwrap();
        kept.extend(generation.iter().rev().find(|row| row.revision.main <= at).map(|row| row.revision));
    }
    kept
}

fn newest(rows: &[Row]) -> BTreeMap<&str, &Row> {
    let mut newest = BTreeMap::new();
    for row in rows {
        newest.insert(row.key.as_str(), row);
    }
    newest.into_iter().filter(|(_, row)| !row.tombstone).collect()
}

fn sum(amounts: impl Iterator<Item = Amounts>) -> Amounts {
    amounts.fold(Amounts::default(), |sum, amounts| sum + amounts)
}

fn steps() -> impl Strategy<Value = Vec<(Vec<usize>, Option<usize>)>> {
    let keys = prop::collection::vec(0..KEYS.len(), 1..4);
    prop::collection::vec((keys, prop::option::weighted(0.8, prop_oneof![0_usize..300, 0_usize..9000])), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_parts_add_up_to_the_whole_and_every_byte_counts_once(steps in steps(), page_size in prop::sample::select(vec![1024_u32, 4096, 16384])) {
        let history = history(&steps);
        let report = report(&history, page_size, &KeyspaceQuery::new());
        let total = report.total;
        prop_assert_eq!(sum(report.resources.iter().map(|resource| resource.amounts)), total);
        prop_assert_eq!(sum(report.namespaces.iter().map(|namespace| namespace.amounts)), total);
        prop_assert_eq!(sum(report.prefixes.iter().map(|prefix| prefix.amounts)), total);
        for resource in &report.resources {
            prop_assert_eq!(sum(resource.namespaces.iter().map(|namespace| namespace.amounts)), resource.amounts);
            prop_assert_eq!(resource.encodings.iter().map(|encoding| encoding.live_keys).sum::<u64>(), resource.amounts.live_keys);
        }
        let keys = report.buckets.iter().find(|bucket| bucket.name == "key").unwrap();
        prop_assert_eq!(total.rows(), keys.items);
        prop_assert_eq!(total.bytes(), keys.item_bytes + keys.slack_bytes);

        prop_assert_eq!(report.pages.total_bytes(), file(&history, page_size).len() as u64);
        let paged = report.buckets.iter().filter(|bucket| bucket.page_bytes > 0);
        for bucket in paged.clone() {
            prop_assert_eq!(bucket.page_bytes, bucket.branch_bytes + bucket.header_bytes + bucket.item_bytes + bucket.slack_bytes);
        }
        let pages = report.pages;
        let by_bucket = pages.meta_bytes + pages.free_bytes + pages.root_bytes + paged.map(|bucket| bucket.page_bytes).sum::<u64>();
        prop_assert_eq!(by_bucket, pages.total_bytes());
    }

    #[test]
    fn amounts_are_those_of_a_plain_count(steps in steps()) {
        let history = history(&steps);
        let report = report(&history, 4096, &KeyspaceQuery::new());
        let live = newest(&history.rows);
        let tombstones = history.rows.iter().filter(|row| row.tombstone);
        let amounts = report.total;
        prop_assert_eq!(amounts.live_keys, live.len() as u64);
        prop_assert_eq!(amounts.live_bytes, live.values().map(|row| row.bytes).sum::<u64>());
        prop_assert_eq!(amounts.tombstones, tombstones.clone().count() as u64);
        prop_assert_eq!(amounts.tombstone_bytes, tombstones.map(|row| row.bytes).sum::<u64>());
        let under = |key: &str| key.strip_prefix("/registry/pods/").is_some();
        let pods = report.resources.iter().find(|resource| (resource.prefix.as_str(), resource.path.as_str()) == ("/registry", "pods"));
        let rows = history.rows.iter().filter(|row| under(&row.key));
        prop_assert_eq!(pods.map_or(0, |pods| pods.amounts.rows()), rows.count() as u64);
        prop_assert_eq!(pods.map_or(0, |pods| pods.amounts.live_keys), live.keys().filter(|key| under(key)).count() as u64);
        let leased = live.keys().filter(|key| key.contains("pods")).count() as u64;
        prop_assert_eq!((report.leases.orphaned_keys, report.leases.leases_without_keys), (leased, 1));
        let mut largest: Vec<_> = live.values().map(|row| row.value.len() as u64).collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        prop_assert_eq!(report.largest_values.iter().map(|key| key.value_bytes).collect::<Vec<_>>(), largest);
    }

    #[test]
    fn a_compaction_removes_what_etcds_index_says(steps in steps(), percent in 0_i64..=100, patch in prop::sample::select(vec!["3.5.15", "3.5.16"])) {
        let history = history(&steps);
        let current = history.rows.last().map_or(1, |row| row.revision.main);
        // Anywhere between the first revision and the last.
        let at = 1 + (current - 1) * percent / 100;
        let query = KeyspaceQuery::new().with_etcd(patch.parse().unwrap());
        let expected = kept(&history.rows, at, patch == "3.5.16");
        let (stays, goes): (Vec<&Row>, Vec<&Row>) = history.rows.iter().partition(|row| expected.contains(&row.revision));
        let forecast = report(&history, 4096, &query.clone().with_compaction_at(at)).forecast;
        prop_assert_eq!((forecast.compact_revision, forecast.removed_rows), (at, goes.len() as u64));
        prop_assert_eq!(forecast.removed_bytes, goes.iter().map(|row| row.bytes).sum::<u64>());

        // The file without these rows needs what was forecast.
        let items = history.rows.iter().zip(&history.items).filter(|(row, _)| expected.contains(&row.revision));
        let after = History { rows: stays.into_iter().cloned().collect(), items: items.map(|(_, item)| item.clone()).collect() };
        prop_assert_eq!(forecast.compacted_and_defragmented_bytes, report(&after, 4096, &query).forecast.defragmented_bytes);
    }

    #[test]
    fn the_same_file_gives_the_same_report_and_reads_back(steps in steps(), top in 0_usize..5) {
        let history = history(&steps);
        let query = KeyspaceQuery::new().with_top(top);
        let first = report(&history, 4096, &query);
        prop_assert_eq!(&report(&history, 4096, &query), &first);
        prop_assert!(first.largest_values.len() <= top && first.heaviest_keys.len() <= top && first.leases.orphans.len() <= top);
        let json = serde_json::to_string(&first).unwrap();
        prop_assert_eq!(serde_json::from_str::<KeyspaceReport>(&json).unwrap(), first);
    }

    #[test]
    fn no_bytes_make_it_panic(steps in steps(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = file(&history(&steps), 1024);
        for (place, byte) in flips {
            // The meta pages refuse any change.
            let place = 2048 + place.index(bytes.len() - 2048);
            bytes[place] = byte;
        }
        if let Ok(report) = EtcdFile::open(bytes).and_then(|file| file.keyspace(&KeyspaceQuery::new())) {
            prop_assert!(!report.to_string().is_empty());
        }
    }
}

#[test]
fn contents_never_show() {
    let mut history = history(&[(vec![0, 3], Some(40))]);
    for (_, value) in &mut history.items {
        let at = value.iter().position(|byte| *byte == b'{').unwrap();
        value[at..at + 17].copy_from_slice(b"k8s:enc:PASSWORD:");
    }
    let report = report(&history, 4096, &KeyspaceQuery::new());
    let shown = format!("{report}{report:?}{}", serde_json::to_string(&report).unwrap());
    assert!(shown.contains("/registry/pods/a/one") && !shown.contains("PASSWORD"));
}

#[test]
fn a_key_that_comes_back_counts_anew() {
    let history = history(&[(vec![0], Some(10)), (vec![0], Some(10)), (vec![0], None), (vec![0], Some(10))]);
    let report = report(&history, 4096, &KeyspaceQuery::new());
    let lives: Vec<_> = report.heaviest_keys.iter().map(|key| (key.live, key.revisions, key.version, key.first_revision, key.revision)).collect();
    assert_eq!(lives, [(false, 3, 2, 2, 4), (true, 1, 1, 5, 5)]);
    assert_eq!(report.most_rewritten_keys.len(), 1);
}

#[test]
fn a_compaction_that_a_server_would_refuse_is_refused() {
    let history = history(&[(vec![0], Some(10)), (vec![0], Some(10))]);
    let bytes = file(&history, 4096);
    let ask = |revision| EtcdFile::open(bytes.clone()).unwrap().keyspace(&KeyspaceQuery::new().with_compaction_at(revision));
    assert_eq!(ask(4), Err(Error::FutureRevision { revision: 4, current: 3 }));
    assert_eq!(ask(-1), Err(Error::Compacted { revision: -1, compacted: -1 }));
    assert_eq!(ask(3).unwrap().forecast.removed_rows, 1);
}
