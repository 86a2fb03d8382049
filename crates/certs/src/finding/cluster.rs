//! What is wrong between nodes: authorities and keys that have to be the same everywhere, and are not.
//!
//! One call takes all nodes of a cluster, control planes and workers; its time grows with their number alone.

mod compare;
mod problem;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::node::{self, NodePolicy, NodeProblem};
use super::{Finding, Problem, worst_first};
use crate::inspect::Inspection;
use crate::kubeadm::Config;
use crate::kubeadm::observe::Files;
use crate::renewal::NodeSeen;

pub use problem::{ClusterProblem, Group, Shared};

/// What was found of one node: of a control plane what was observed, of any node what its files hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// What was observed of kubeadm's files, with their roles and keys. A worker has `kubelet.conf` and `ca.crt`.
    pub seen: Option<NodeSeen>,
    /// Certificates of any files: the kubelet's, those of add-ons. A file that `seen` knows may be among them, and is then told of once.
    pub inspection: Inspection,
}

impl Node {
    /// What these files of a node hold, by their paths on it: what kubeadm knows as what it is there for, and all else as certificates.
    #[must_use]
    pub fn of_files(certificates_dir: &str, files: &Files) -> Self {
        let seen = NodeSeen::of_contents(certificates_dir, files);
        let inspection = Inspection::of_files(files);
        Self { seen: Some(seen).filter(|seen| !seen.items.is_empty()), inspection }
    }

    /// What is wrong with this node alone, the worst first; with its name at every place where its files or the configuration tell it.
    #[must_use]
    pub fn findings(&self, policy: &NodePolicy, now: Timestamp) -> Vec<Finding> {
        let name = self.seen.as_ref().and_then(|seen| node::name(seen, policy.config.as_ref()));
        let inspection = name.iter().fold(self.inspection.clone(), |inspection, name| inspection.on_node(name));
        let mut found: Vec<Finding> = self.seen.iter().flat_map(|seen| node::findings(seen, policy, now)).collect();
        found.extend(super::findings(&inspection, &policy.dates, now));
        once(&mut found);
        worst_first(&mut found);
        found
    }
}

/// What is wrong with a cluster's nodes, each by itself and beside the others, the worst first; every place names its node, but for what is between
/// nodes.
///
/// Of `policy.config` the node's own name and address do not count: each node's are taken from its files. Certificates are followed up to any authority
/// that was found on any node.
///
/// ```
/// use trimtab_certs::finding::cluster::{self, Node};
/// use trimtab_certs::finding::node::NodePolicy;
/// use trimtab_certs::kubeadm::Item;
/// use trimtab_certs::renewal::{Fingerprint, example};
///
/// let seen = example::node("1.31".parse()?, "2026-01-05T00:00:00Z".parse()?);
/// let mut other = seen.clone();
/// let ca = other.items.get_mut(&Item::Ca).unwrap();
/// ca.certificate_sha256 = Some(Fingerprint::of(b"a second authority"));
/// ca.public_key_sha256 = Some(Fingerprint::of(b"its key"));
/// let nodes = [("a", seen.clone()), ("b", seen), ("c", other)];
/// let nodes = nodes.map(|(name, seen)| (name.to_owned(), Node { seen: Some(seen), ..Node::default() })).into();
/// let found = cluster::findings(&nodes, &NodePolicy::new("1.31".parse()?), "2026-06-01T00:00:00Z".parse()?);
/// assert!(found[0].to_string().starts_with("error: c: /etc/kubernetes/pki/ca.crt: the certificate of ca is not the same on all nodes"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn findings(nodes: &BTreeMap<String, Node>, policy: &NodePolicy, now: Timestamp) -> Vec<Finding> {
    let policy = &of_any_node(policy);
    let between = compare::findings(nodes);
    let mut found = Vec::new();
    for (name, node) in nodes {
        let of_node = node.seen.iter().flat_map(|seen| node::findings_of(seen, Some(name), policy, now));
        found.extend(of_node.filter(|finding| !is_told_between(finding, &between)));
    }
    found.extend(super::findings(&inspection(nodes), &policy.dates, now));
    once(&mut found);
    found.splice(0..0, between);
    worst_first(&mut found);
    found
}

fn of_any_node(policy: &NodePolicy) -> NodePolicy {
    let any = |config: &Config| Config { node_name: String::new(), advertise_address: String::new(), ..config.clone() };
    NodePolicy { config: policy.config.as_ref().map(any), ..policy.clone() }
}

/// Everything that the files of all nodes hold, each place with its node: for [`super::textfile`].
#[must_use]
pub fn inspection(nodes: &BTreeMap<String, Node>) -> Inspection {
    let mut all = Inspection::default();
    for (name, node) in nodes {
        all.append(node.inspection.clone().on_node(name));
    }
    all
}

/// An authority whose key is on other nodes is told of once, with their names.
fn is_told_between(finding: &Finding, between: &[Finding]) -> bool {
    let Problem::Node(NodeProblem::AuthorityKeyElsewhere { item: here, .. }) = &finding.problem else { return false };
    between.iter().any(|other| matches!(&other.problem, Problem::Cluster(ClusterProblem::KeyOnSome { item, .. }) if item == here))
}

/// What was seen of a node and found in its files alike stays once.
fn once(found: &mut Vec<Finding>) {
    found.sort_by(|a, b| (&a.place, a.position).cmp(&(&b.place, b.position)));
    let mut kept: Vec<Finding> = Vec::with_capacity(found.len());
    for finding in found.drain(..) {
        let of_the_same = kept.iter().rev().take_while(|other| other.place == finding.place && other.position == finding.position);
        if of_the_same.into_iter().all(|other| other.problem != finding.problem) {
            kept.push(finding);
        }
    }
    *found = kept;
}

#[cfg(test)]
mod tests;
