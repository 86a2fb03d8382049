//! Plans of a renewal over several control-plane nodes as transcripts: what stands in `snapshots/` is what an operator reads.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use trimtab_certs::Error;
use trimtab_certs::kubeadm::Item;
use trimtab_certs::kubeadm::pki::{CertificateState, KeyState};
use trimtab_certs::renewal::cluster::{self, ClusterNotice, ClusterPlan, ClusterReason, Wait};
use trimtab_certs::renewal::{Fingerprint, NodeSeen, Notice, Process, RenewalPolicy, example};

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// Three nodes, whose leaves have so many days left. They share the authorities and the key for tokens, and nothing else.
fn three(version: &str, left: [i64; 3]) -> BTreeMap<String, NodeSeen> {
    let node = |(name, left): (&str, i64)| {
        let mut seen = example::node(version.parse().unwrap(), now() - days(365 - 100));
        for (item, state) in &mut seen.pki.items {
            if let (CertificateState::Readable(read), false) = (&mut state.certificate, item.is_authority()) {
                read.not_after = now() + days(left);
            }
        }
        for (item, held) in &mut seen.items {
            if !item.is_authority() && *item != Item::Sa {
                held.certificate_sha256 = Some(Fingerprint::of(format!("{item} of {name}").as_bytes()));
            }
        }
        (name.to_owned(), seen)
    };
    ["node-a", "node-b", "node-c"].into_iter().zip(left).map(node).collect()
}

fn few(version: &str) -> RenewalPolicy {
    let items = Some(BTreeSet::from([Item::Apiserver, Item::EtcdServer, Item::ControllerManagerConf]));
    RenewalPolicy { items, ..RenewalPolicy::new(version.parse().unwrap()) }
}

fn planned(nodes: &BTreeMap<String, NodeSeen>, policy: &RenewalPolicy) -> ClusterPlan {
    let plan = cluster::plan(nodes, policy, now()).unwrap();
    let again: ClusterPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
    plan
}

fn order(plan: &ClusterPlan) -> Vec<(&str, usize)> {
    plan.nodes.iter().map(|node| (node.node.as_str(), node.plan.steps.len())).collect()
}

#[test]
fn the_most_urgent_node_is_first_and_the_one_with_nothing_to_do_last() {
    let plan = planned(&three("1.31.0", [12, 200, 3]), &few("1.31.0"));
    assert_eq!(order(&plan), [("node-c", 3), ("node-a", 3), ("node-b", 0)]);
    assert!(!plan.is_empty() && !plan.is_blocked());
    assert_snapshot!(plan.to_string());
}

#[test]
fn an_api_server_that_has_to_be_restarted_is_waited_for_on_each_node() {
    let plan = planned(&three("1.16.0", [12, 12, 12]), &few("1.16.0"));
    assert_eq!(order(&plan), [("node-a", 3), ("node-b", 3), ("node-c", 3)]);
    for node in &plan.nodes {
        let restarted = |wanted: &Process| node.waits.iter().any(|wait| matches!(wait, Wait::Restarted { process, .. } if process == wanted));
        assert!(restarted(&Process::KubeApiserver) && restarted(&Process::KubeControllerManager), "{plan}");
        assert!(node.waits.contains(&Wait::EtcdHealthy { members: 3 }));
        assert!(!node.plan.notices.contains(&Notice::OneNode));
    }
}

#[test]
fn nothing_is_planned_where_authorities_or_token_keys_differ() {
    let mut nodes = three("1.31.0", [12, 12, 12]);
    let held = |nodes: &mut BTreeMap<String, NodeSeen>, node: &str, item: Item| nodes.get_mut(node).unwrap().items.get(&item).cloned().unwrap();
    let mut other = held(&mut nodes, "node-b", Item::EtcdCa);
    other.certificate_sha256 = Some(Fingerprint::of(b"another etcd-ca"));
    nodes.get_mut("node-b").unwrap().items.insert(Item::EtcdCa, other);
    let mut other = held(&mut nodes, "node-c", Item::Sa);
    other.public_key_sha256 = Some(Fingerprint::of(b"another sa"));
    nodes.get_mut("node-c").unwrap().items.insert(Item::Sa, other);
    nodes.get_mut("node-a").unwrap().items.remove(&Item::Sa);
    let plan = planned(&nodes, &few("1.31.0"));
    assert!(plan.is_empty() && plan.is_blocked() && plan.nodes.is_empty());
    assert!(matches!(
        &plan.held[..],
        [ClusterReason::AuthoritiesDiffer { authority: Item::EtcdCa, .. }, ClusterReason::ServiceAccountKeysDiffer { .. }]
    ));
    assert_snapshot!(plan.to_string());
}

/// Of two nodes no third one is needed to tell that they differ.
#[test]
fn two_nodes_with_different_token_keys_are_enough_to_hold_everything_back() {
    let mut nodes = three("1.31.0", [12, 12, 12]);
    nodes.remove("node-c");
    let sa = nodes.get_mut("node-b").unwrap().items.get_mut(&Item::Sa).unwrap();
    sa.public_key_sha256 = Some(Fingerprint::of(b"another key"));
    let plan = planned(&nodes, &few("1.31.0"));
    assert!(plan.is_empty() && plan.is_blocked());
    assert!(matches!(plan.held.as_slice(), [ClusterReason::ServiceAccountKeysDiffer { nodes }] if nodes.len() == 2), "{plan}");
}

#[test]
fn a_key_that_only_one_node_has_is_told_and_the_others_say_what_they_wait_for() {
    let mut nodes = three("1.31.0", [12, 12, 12]);
    for name in ["node-b", "node-c"] {
        nodes.get_mut(name).unwrap().pki.items.get_mut(&Item::Ca).unwrap().key = KeyState::Absent;
    }
    let plan = planned(&nodes, &few("1.31.0"));
    assert_eq!(order(&plan), [("node-a", 3), ("node-b", 1), ("node-c", 1)]);
    let (on, without) = (vec!["node-a".to_owned()], vec!["node-b".to_owned(), "node-c".to_owned()]);
    assert!(plan.notices.contains(&ClusterNotice::AuthorityKeyOnSome { authority: Item::Ca, on, without }));
    assert!(plan.is_blocked());
    assert_snapshot!(plan.to_string());
}

#[test]
fn an_etcd_that_is_elsewhere_is_not_waited_for() {
    let mut nodes = three("1.31.0", [12, 12, 12]);
    for seen in nodes.values_mut() {
        for item in Item::ALL.into_iter().filter(|item| item.is_of_local_etcd()) {
            seen.pki.items.remove(&item);
            seen.items.remove(&item);
        }
    }
    let plan = planned(&nodes, &few("1.31.0"));
    assert!(plan.nodes.iter().all(|node| !node.waits.iter().any(|wait| matches!(wait, Wait::EtcdHealthy { .. }))), "{plan}");
    assert_eq!(order(&plan), [("node-a", 2), ("node-b", 2), ("node-c", 2)]);
}

#[test]
fn no_node_is_no_plan() {
    let error = cluster::plan(&BTreeMap::new(), &few("1.31.0"), now()).unwrap_err();
    assert!(matches!(error, Error::InvalidRenewalPolicy { .. }));
}
