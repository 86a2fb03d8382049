//! What an operator reads of what fills an etcd: the report on a database that a real Kubernetes wrote.

use insta::assert_snapshot;
use trimtab_etcd_file::{EtcdFile, KeyspaceQuery, KeyspaceReport};
use trimtab_kit::vectors;

fn report(topic: &str, query: &KeyspaceQuery) -> KeyspaceReport {
    let found = vectors::databases(&vectors::directory()).unwrap();
    let (_, bytes) = found.into_iter().find(|(name, _)| name == topic).unwrap();
    EtcdFile::open(bytes).unwrap().keyspace(query).unwrap()
}

#[test]
fn what_fills_a_small_kubernetes() {
    assert_snapshot!(report("etcd/3.6-kubernetes", &KeyspaceQuery::new().with_top(5)).to_string());
}
