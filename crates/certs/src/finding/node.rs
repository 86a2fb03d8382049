//! What is wrong with one control-plane node as a whole: roles, names, keys, the kubelet's link, what was left unfinished.
//!
//! [`crate::findings`] judges a certificate by what it says itself; here it is known what each one is for.

mod dates;
mod keys;
mod kubelet;
mod names;
mod problem;
mod usages;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use super::{Finding, FindingPolicy, Problem, Problems, Severity, worst_first};
use crate::inspect::Place;
use crate::kubeadm::{CertificateFacts, Config, Item, KubeadmRules};
use crate::name::escaped;
use crate::renewal::{Identity, NodeSeen};

pub use problem::{Because, EmbeddedBeside, MissingName, NodeProblem};

/// What a node is held against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodePolicy {
    /// The release of kubeadm and of Kubernetes on the node.
    pub version: KubeVersion,
    /// kubeadm's configuration, for the names that it asks for. One for all nodes names neither the node nor its address: both are then taken from the
    /// node's own files. Without any, only names that hold in every cluster are asked for, and those by which the node's kubeconfigs call the API
    /// server.
    #[serde(default)]
    pub config: Option<Config>,
    /// What is near its end, and what lives too long.
    #[serde(default)]
    pub dates: FindingPolicy,
}

impl NodePolicy {
    /// The defaults with this release, and no configuration.
    #[must_use]
    pub fn new(version: KubeVersion) -> Self {
        Self { version, config: None, dates: FindingPolicy::default() }
    }
}

/// What is wrong with a node, the worst first.
///
/// Dates and chains are among it, by what was seen of the node's own files. What only the bytes of a certificate tell (weak signatures, flawed
/// extensions) is told by [`crate::findings`] over the same files. The places name the node where the configuration or a certificate names it.
///
/// Surprising: a `kubelet.conf` with a certificate of its own is nothing while no `kubelet-client-current.pem` is there, as on a node whose kubelet
/// has not started yet, unless that certificate is near its end.
///
/// ```
/// use trimtab_certs::finding::node::{self, NodePolicy};
/// use trimtab_certs::kubeadm::pki::KeyState;
/// use trimtab_certs::kubeadm::Item;
/// use trimtab_certs::renewal::example;
///
/// let mut seen = example::node("1.31".parse()?, "2026-01-05T00:00:00Z".parse()?); // live: `live::observe("/etc/kubernetes")?`
/// seen.pki.items.get_mut(&Item::Sa).unwrap().key = KeyState::Mismatch;
/// let found = node::findings(&seen, &NodePolicy::new("1.31".parse()?), "2026-06-01T00:00:00Z".parse()?);
/// assert!(found[0].to_string().starts_with("error: node-a: /etc/kubernetes/pki/sa.pub: sa.key and sa.pub are not a pair"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn findings(seen: &NodeSeen, policy: &NodePolicy, now: Timestamp) -> Vec<Finding> {
    findings_of(seen, None, policy, now)
}

/// The same, with what the caller calls the node at every place: that need not be the node's name.
pub(super) fn findings_of(seen: &NodeSeen, label: Option<&str>, policy: &NodePolicy, now: Timestamp) -> Vec<Finding> {
    let name = name(seen, policy.config.as_ref());
    let label = label.or(name.as_deref()).map(|label| escaped(label).into_owned());
    let look = Look { seen, policy, rules: KubeadmRules::at(policy.version), name: name.as_deref(), label, now };
    let mut found: Vec<Finding> = Item::ALL.into_iter().flat_map(|item| look.item(item)).collect();
    found.extend(look.kubelets());
    worst_first(&mut found);
    found
}

/// The name of a node: of the configuration, of the kubelet's or of etcd's certificate.
pub(super) fn name(seen: &NodeSeen, config: Option<&Config>) -> Option<String> {
    let common_name = |item| seen.pki.readable(item)?.facts.as_ref()?.common_name();
    let configured = config.map(|config| config.node_name.as_str()).filter(|name| !name.is_empty());
    let of_kubelet = || common_name(Item::KubeletConf)?.strip_prefix("system:node:");
    configured.or_else(of_kubelet).or_else(|| common_name(Item::EtcdServer)).map(str::to_owned)
}

/// One node under one policy.
struct Look<'a> {
    seen: &'a NodeSeen,
    policy: &'a NodePolicy,
    rules: KubeadmRules,
    /// The node's.
    name: Option<&'a str>,
    /// What places call the node.
    label: Option<String>,
    now: Timestamp,
}

impl Look<'_> {
    fn item(&self, item: Item) -> Vec<Finding> {
        let mut problems = Problems::new();
        self.dates(item, &mut problems);
        self.keys(item, &mut problems);
        self.usages(item, &mut problems);
        self.names(item, &mut problems);
        self.unfinished(item, &mut problems);
        let subject = self.seen.pki.readable(item).and_then(|read| read.facts.as_ref()).map(CertificateFacts::subject_text);
        let (place, subject) = (self.place_of(item), subject.unwrap_or_default());
        let finding = |(severity, problem)| Finding { severity, place: place.clone(), position: 0, subject: subject.clone(), problem };
        problems.into_iter().map(finding).collect()
    }

    fn unfinished(&self, item: Item, problems: &mut Problems) {
        for unfinished in self.seen.unfinished.iter().filter(|unfinished| unfinished.item == item) {
            say(problems, Severity::Warning, NodeProblem::Unfinished { item, journal: unfinished.journal.clone() });
        }
    }

    fn place(&self, path: &str) -> Place {
        Place { node: self.label.clone(), source: path.to_owned(), entry: None }
    }

    /// The file of its certificate, and where in it that is.
    fn place_of(&self, item: Item) -> Place {
        let paths = self.seen.paths(item);
        let path = paths.first().map_or("", String::as_str);
        match self.seen.items.get(&item).map(|seen| &seen.identity) {
            Some(Identity::Embedded { user }) => Place { node: self.label.clone(), ..Place::of(path, "users", user, "client-certificate-data") },
            Some(Identity::Pair | Identity::Elsewhere { .. } | Identity::Nowhere { .. }) | None => self.place(path),
        }
    }
}

fn say(problems: &mut Problems, severity: Severity, problem: NodeProblem) {
    problems.push((severity, Problem::Node(problem)));
}

#[cfg(test)]
mod tests;
