//! Who has what, and who differs.

use std::collections::{BTreeMap, HashMap};

use super::problem::{ClusterProblem, Group, Shared};
use super::{Finding, Node, Problem};
use crate::finding::Severity;
use crate::inspect::Place;
use crate::kubeadm::Item;
use crate::kubeadm::list::KUBERNETES_DIR;
use crate::kubeadm::pki::KeyState;
use crate::renewal::{Fingerprint, NodeSeen};

/// What one node has of an item.
#[derive(Clone, Copy)]
struct Has<'a> {
    node: &'a str,
    sha256: &'a Fingerprint,
}

pub(super) fn findings(nodes: &BTreeMap<String, Node>) -> Vec<Finding> {
    let inspected: HashMap<&str, Fingerprint> = nodes.iter().filter_map(|(name, node)| Some((name.as_str(), inspected_ca(node)?))).collect();
    let mut found = Vec::new();
    for item in Item::AUTHORITIES {
        let mut certificates = having(nodes, |seen| seen.items.get(&item)?.certificate_sha256.as_ref());
        if item == Item::Ca {
            certificates.extend(inspected.iter().map(|(node, sha256)| Has { node, sha256 }));
        }
        let keys = having(nodes, |seen| key(seen, item));
        let groups = groups(&certificates);
        if groups.len() > 1 {
            found.extend(told(item, Shared::Certificate, groups, &keys, nodes));
        } else {
            found.extend(told(item, Shared::Key, self::groups(&keys), &[], nodes));
        }
        found.extend(key_on_some(item, nodes));
    }
    let public = groups(&having(nodes, |seen| seen.items.get(&Item::Sa)?.certificate_sha256.as_ref()));
    let private = groups(&having(nodes, |seen| key(seen, Item::Sa)));
    // Where the pairs are pairs, both say the same.
    let both = if public == private { Vec::new() } else { private };
    found.extend(told(Item::Sa, Shared::PublicKey, public, &[], nodes));
    found.extend(told(Item::Sa, Shared::Key, both, &[], nodes));
    found
}

fn having<'a>(nodes: &'a BTreeMap<String, Node>, of: impl Fn(&'a NodeSeen) -> Option<&'a Fingerprint>) -> Vec<Has<'a>> {
    nodes.iter().filter_map(|(node, all)| Some(Has { node, sha256: of(all.seen.as_ref()?)? })).collect()
}

fn key(seen: &NodeSeen, item: Item) -> Option<&Fingerprint> {
    seen.items.get(&item)?.public_key_sha256.as_ref()
}

/// A worker whose files were looked through has the authority where kubeadm puts it.
fn inspected_ca(node: &Node) -> Option<Fingerprint> {
    if node.seen.as_ref().is_some_and(|seen| seen.items.contains_key(&Item::Ca)) {
        return None;
    }
    let path = format!("{KUBERNETES_DIR}/pki/ca.crt");
    let mut certificates = node.inspection.certificates();
    certificates.find(|(item, _)| item.position == 0 && item.place.source == path).map(|(_, certificate)| Fingerprint::of(certificate.der()))
}

/// The most frequent first, and otherwise by their nodes.
fn groups(all: &[Has<'_>]) -> Vec<Group> {
    let mut by_fingerprint: HashMap<&Fingerprint, Vec<&str>> = HashMap::new();
    for has in all {
        by_fingerprint.entry(has.sha256).or_default().push(has.node);
    }
    let mut groups: Vec<Group> = by_fingerprint.into_iter().map(|(sha256, nodes)| group(sha256, nodes)).collect();
    groups.sort_by(|a, b| (b.nodes.len(), &a.nodes).cmp(&(a.nodes.len(), &b.nodes)));
    groups
}

fn group(sha256: &Fingerprint, mut nodes: Vec<&str>) -> Group {
    nodes.sort_unstable();
    Group { sha256: sha256.clone(), nodes: nodes.into_iter().map(str::to_owned).collect() }
}

fn told(item: Item, shared: Shared, groups: Vec<Group>, keys: &[Has<'_>], nodes: &BTreeMap<String, Node>) -> Option<Finding> {
    if groups.len() < 2 {
        return None;
    }
    let odd = odd(&groups);
    let node = odd.first().filter(|_| odd.len() == 1).cloned();
    let place = Place { node, source: path(item, shared, nodes), entry: None };
    let (severity, problem) = if is_one_key(&groups, keys) {
        (Severity::Warning, ClusterProblem::AuthorityRenewedOnSome { item, groups, odd })
    } else {
        (Severity::Error, ClusterProblem::NodesDiffer { item, shared, groups, odd })
    };
    Some(Finding { severity, place, position: 0, subject: String::new(), problem: Problem::Cluster(problem) })
}

/// Whether each certificate is somewhere beside its key, and all these keys are one.
fn is_one_key(groups: &[Group], keys: &[Has<'_>]) -> bool {
    let by_node: HashMap<&str, &Fingerprint> = keys.iter().map(|has| (has.node, has.sha256)).collect();
    let mut each = groups.iter().map(|group| group.nodes.iter().find_map(|node| by_node.get(node.as_str()).copied()));
    let Some(Some(first)) = each.next() else { return false };
    each.all(|key| key == Some(first)) && keys.iter().all(|has| has.sha256 == first)
}

/// Whoever is not with more than half of all.
fn odd(groups: &[Group]) -> Vec<String> {
    let all: usize = groups.iter().map(|group| group.nodes.len()).sum();
    match groups.split_first() {
        Some((most, others)) if most.nodes.len() * 2 > all => others.iter().flat_map(|group| group.nodes.clone()).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// Workers have no authority's key, and need none.
fn key_on_some(item: Item, nodes: &BTreeMap<String, Node>) -> Option<Finding> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (name, node) in nodes {
        let Some(seen) = node.seen.as_ref().filter(|seen| seen.is_control_plane() && seen.pki.has_certificate_file(item)) else { continue };
        let side = if *seen.pki.key(item) == KeyState::Absent { &mut without } else { &mut with };
        side.push(name.clone());
    }
    if with.is_empty() || without.is_empty() {
        return None;
    }
    let place = Place { node: None, source: path(item, Shared::Key, nodes), entry: None };
    let problem = Problem::Cluster(ClusterProblem::KeyOnSome { item, with, without });
    Some(Finding { severity: Severity::Notice, place, position: 0, subject: String::new(), problem })
}

/// The file, as kubeadm names it on the first node that has one.
fn path(item: Item, shared: Shared, nodes: &BTreeMap<String, Node>) -> String {
    let folder = nodes.values().find_map(|node| node.seen.as_ref()).map_or("/etc/kubernetes/pki", |seen| &seen.certificates_dir);
    let at = match shared {
        Shared::Certificate | Shared::PublicKey => 0,
        Shared::Key => 1,
    };
    item.files(folder).into_iter().nth(at).unwrap_or_default()
}
