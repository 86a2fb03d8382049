//! The renewal of a whole control plane: a plan for each node, one node after the other, and what has to be seen before the next one.
//!
//! Leaves differ from node to node, and each is renewed where it lies. Authorities and the pair that signs the tokens of service accounts are the same
//! everywhere: where they are not, nothing is planned, since what one node signs another one would not believe.
//!
//! ```
//! use std::collections::BTreeMap;
//! use trimtab_certs::renewal::{RenewalPolicy, cluster, example};
//!
//! let (version, made) = ("1.31.0".parse()?, "2026-01-05T00:00:00Z".parse()?);
//! // On real nodes: what `live::observe("/etc/kubernetes")` gave on each of them.
//! let nodes = BTreeMap::from(["a", "b", "c"].map(|name| (format!("node-{name}"), example::node(version, made))));
//! let plan = cluster::plan(&nodes, &RenewalPolicy::new(version), "2026-12-25T12:00:00Z".parse()?)?;
//! assert_eq!(plan.nodes.iter().map(|node| node.node.as_str()).collect::<Vec<_>>(), ["node-a", "node-b", "node-c"]);
//! println!("{plan}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::process::Process;
use super::words::{counted, listed};
use super::{Fingerprint, NodeSeen, Notice, RenewalPlan, RenewalPolicy};
use crate::Error;
use crate::kubeadm::Item;
use crate::kubeadm::pki::KeyState;

/// The renewal of a control plane, as [`plan`] makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    /// What whoever carries it out has to know first.
    pub notices: Vec<ClusterNotice>,
    /// The nodes in their order: first those with something to do, the most urgent one first. None where everything is held back.
    pub nodes: Vec<NodePlan>,
    /// Why nothing is planned on any node.
    pub held: Vec<ClusterReason>,
}

/// What is done on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePlan {
    /// Its name, as it was given.
    pub node: String,
    /// What is done there, to be applied there.
    pub plan: RenewalPlan,
    /// What has to be seen afterwards, before the next node is begun.
    pub waits: Vec<Wait>,
}

/// What has to be seen of a node before the next one is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "wait")]
pub enum Wait {
    /// A process was restarted. Its lease proves nothing here, since another node may hold it.
    Restarted {
        /// Which.
        process: Process,
        /// Its static pod's manifest.
        manifest: String,
        /// Its pod, in `kube-system`.
        pod: String,
    },
    /// A server shows the certificate of the file: what `live::Probe` gives, beside the file.
    Serves {
        /// Which.
        process: Process,
        /// On this port of the node.
        port: u16,
        /// The file.
        file: String,
    },
    /// Every member of etcd is healthy: while one is not, another one's restart may cost the quorum.
    EtcdHealthy {
        /// How many control-plane nodes have one.
        members: usize,
    },
    /// The node's API server is ready, its way to etcd included.
    Ready {
        /// Its port.
        port: u16,
    },
}

/// Why nothing is planned on any node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
pub enum ClusterReason {
    /// The nodes have different certificates of an authority. What is signed on one is not believed by whoever reads the other one's.
    AuthoritiesDiffer {
        /// Which authority.
        authority: Item,
        /// The nodes, by what they have.
        nodes: Vec<Alike>,
    },
    /// The nodes sign tokens of service accounts with different keys, or one has none: after its restart an API server refuses the tokens of the others,
    /// or does not come back.
    ServiceAccountKeysDiffer {
        /// The nodes, by what they have.
        nodes: Vec<Alike>,
    },
}

/// Nodes that have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alike {
    /// SHA-256 of the certificate, or of the key's public half; none where there is none that can be read.
    pub sha256: Option<Fingerprint>,
    /// Their names.
    pub nodes: Vec<String>,
}

/// What whoever carries out the plan has to know first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
pub enum ClusterNotice {
    /// One node at a time, with the waits in between, and the first one only while etcd and every API server are healthy.
    OneAfterTheOther {
        /// How many have something to do.
        nodes: usize,
    },
    /// An authority's key is on some nodes only. On the others its leaves are renewed with a signing request that is answered where the key is.
    AuthorityKeyOnSome {
        /// Which authority.
        authority: Item,
        /// The nodes that have its key.
        on: Vec<String>,
        /// Those that do not.
        without: Vec<String>,
    },
}

/// Plans the renewal of what is due on these control-plane nodes, by their names.
///
/// Pure, as [`super::plan`], which makes each node's part of it. The node whose certificate ends first is the first one; nodes with nothing to do are the
/// last, and say why. The notice that a plan is about one node alone is left out.
///
/// # Errors
/// As [`super::plan`]; [`Error::InvalidRenewalPolicy`] where there is no node.
pub fn plan(nodes: &BTreeMap<String, NodeSeen>, policy: &RenewalPolicy, now: Timestamp) -> Result<ClusterPlan, Error> {
    if nodes.is_empty() {
        return Err(Error::InvalidRenewalPolicy { problem: "there is no node to plan for".to_owned() });
    }
    let held = differences(nodes);
    if !held.is_empty() {
        return Ok(ClusterPlan { notices: Vec::new(), nodes: Vec::new(), held });
    }
    let members = nodes.values().filter(|seen| !seen.has_external_etcd()).count();
    let one = |(name, seen): (&String, &NodeSeen)| {
        let mut plan = super::plan(seen, policy, now)?;
        plan.notices.retain(|notice| *notice != Notice::OneNode);
        let waits = waits(name, seen, &plan, policy, members);
        Ok(NodePlan { node: name.clone(), plan, waits })
    };
    let mut planned = nodes.iter().map(one).collect::<Result<Vec<_>, Error>>()?;
    planned.sort_by_key(|node| node.first_end().unwrap_or(Timestamp::MAX));
    Ok(ClusterPlan { notices: notices(&planned, nodes), nodes: planned, held })
}

impl ClusterPlan {
    /// Whether there is no step on any node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| node.plan.is_empty())
    }

    /// Whether something that is due, or should be there, is held back: everywhere, or on a node.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.held.is_empty() || self.nodes.iter().any(|node| node.plan.is_blocked())
    }
}

impl NodePlan {
    /// The end of the first certificate that is renewed here.
    fn first_end(&self) -> Option<Timestamp> {
        self.plan.steps.iter().map(|step| step.action.old_not_after).min()
    }
}

/// What should be the same on all nodes, and is not. An authority that a node does not have is told by that node's own plan.
fn differences(nodes: &BTreeMap<String, NodeSeen>) -> Vec<ClusterReason> {
    let authorities = Item::AUTHORITIES.into_iter().filter_map(|authority| {
        let mut alike = alike(nodes, |seen| seen.items.get(&authority)?.certificate_sha256.clone());
        alike.retain(|group| group.sha256.is_some());
        (alike.len() > 1).then_some(ClusterReason::AuthoritiesDiffer { authority, nodes: alike })
    });
    let sa = alike(nodes, |seen| seen.items.get(&Item::Sa)?.public_key_sha256.clone());
    authorities.chain((sa.len() > 1).then_some(ClusterReason::ServiceAccountKeysDiffer { nodes: sa })).collect()
}

/// The nodes by what they have, in the order of their first names.
fn alike(nodes: &BTreeMap<String, NodeSeen>, what: impl Fn(&NodeSeen) -> Option<Fingerprint>) -> Vec<Alike> {
    let mut groups: Vec<Alike> = Vec::new();
    for (name, seen) in nodes {
        let sha256 = what(seen);
        match groups.iter_mut().find(|group| group.sha256 == sha256) {
            Some(group) => group.nodes.push(name.clone()),
            None => groups.push(Alike { sha256, nodes: vec![name.clone()] }),
        }
    }
    groups
}

fn notices(planned: &[NodePlan], nodes: &BTreeMap<String, NodeSeen>) -> Vec<ClusterNotice> {
    let busy = planned.iter().filter(|node| !node.plan.is_empty()).count();
    let several = (busy > 1).then_some(ClusterNotice::OneAfterTheOther { nodes: busy });
    let keys = Item::AUTHORITIES.into_iter().filter_map(|authority| {
        let there = nodes.iter().filter(|(_, seen)| seen.pki.has_certificate_file(authority));
        let (without, on): (Vec<_>, Vec<_>) = there.partition(|(_, seen)| *seen.pki.key(authority) == KeyState::Absent);
        let names = |some: Vec<(&String, &NodeSeen)>| some.into_iter().map(|(name, _)| name.clone()).collect();
        (!on.is_empty() && !without.is_empty()).then(|| ClusterNotice::AuthorityKeyOnSome { authority, on: names(on), without: names(without) })
    });
    several.into_iter().chain(keys).collect()
}

/// Restarts first, then what servers show, then the health of all.
fn waits(node: &str, seen: &NodeSeen, plan: &RenewalPlan, policy: &RenewalPolicy, members: usize) -> Vec<Wait> {
    if plan.is_empty() {
        return Vec::new();
    }
    let port = policy.config.as_ref().map_or(KUBE_APISERVER_PORT, |config| config.bind_port);
    let mut waits = restarts(node, plan);
    for step in &plan.steps {
        let file = step.action.files.first().cloned().unwrap_or_default();
        waits.extend(server(step.action.item, port).map(|(process, port)| Wait::Serves { process, port, file }));
    }
    waits.extend((!seen.has_external_etcd()).then_some(Wait::EtcdHealthy { members }));
    waits.push(Wait::Ready { port });
    waits
}

/// Each process once, by its manifest.
fn restarts(node: &str, plan: &RenewalPlan) -> Vec<Wait> {
    let restart = |notice: &Notice| match notice {
        Notice::Restart { process, manifest, .. } => Some((*process, manifest.clone())),
        Notice::OneNode
        | Notice::NoRestart { .. }
        | Notice::HandOut { .. }
        | Notice::MendsPair { .. }
        | Notice::KubeadmUnsafe { .. }
        | Notice::KubeadmSafe { .. } => None,
    };
    let processes: BTreeSet<_> = plan.notices.iter().filter_map(restart).collect();
    let pod = |manifest: &str| format!("{}-{node}", manifest.rsplit('/').next().unwrap_or_default().trim_end_matches(".yaml"));
    processes.into_iter().map(|(process, manifest)| Wait::Restarted { process, pod: pod(&manifest), manifest }).collect()
}

/// Who shows this certificate to whoever asks, and where; `port` is the API server's.
fn server(item: Item, port: u16) -> Option<(Process, u16)> {
    match item {
        Item::Apiserver => Some((Process::KubeApiserver, port)),
        Item::EtcdServer => Some((Process::Etcd, ETCD_CLIENT_PORT)),
        Item::EtcdPeer => Some((Process::Etcd, ETCD_PEER_PORT)),
        Item::Ca
        | Item::ApiserverKubeletClient
        | Item::FrontProxyCa
        | Item::FrontProxyClient
        | Item::EtcdCa
        | Item::EtcdHealthcheckClient
        | Item::ApiserverEtcdClient
        | Item::Sa
        | Item::AdminConf
        | Item::SuperAdminConf
        | Item::ControllerManagerConf
        | Item::SchedulerConf
        | Item::KubeletConf => None,
    }
}

/// kubeadm's ports. Source: `KubeAPIServerPort` (`bindPort`), `EtcdListenClientPort`, `EtcdListenPeerPort`, `cmd/kubeadm/app/constants/constants.go@v1.37.2`.
const KUBE_APISERVER_PORT: u16 = 6443;
const ETCD_CLIENT_PORT: u16 = 2379;
const ETCD_PEER_PORT: u16 = 2380;

impl fmt::Display for ClusterPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan: renewal of certificates of a control plane")?;
        self.notices.iter().try_for_each(|notice| writeln!(f, "  notice: {notice}"))?;
        self.held.iter().try_for_each(|held| writeln!(f, "  held back: everything: {held}"))?;
        for (index, node) in self.nodes.iter().enumerate() {
            writeln!(f, "{}. {}", index + 1, node.node)?;
            node.plan.to_string().lines().try_for_each(|line| writeln!(f, "  {line}"))?;
            // After the last one nothing has to wait, and it is looked at all the same.
            let is_last = self.nodes.iter().skip(index + 1).all(|later| later.plan.is_empty());
            let before = if is_last { "at the end" } else { "before the next node" };
            node.waits.iter().try_for_each(|wait| writeln!(f, "    {before}: {wait}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restarted { process, manifest, pod } => write!(
                f,
                "{process} was restarted ({manifest}): `kubectl get pod -n kube-system {pod} -o jsonpath={{.status.containerStatuses[0].state.running.startedAt}}` is later than the renewal"
            ),
            Self::Serves { process, port, file } => write!(f, "{process} shows the certificate of {file} on port {port}: probe it"),
            Self::EtcdHealthy { members } => {
                write!(f, "every one of {} of etcd is healthy: `etcdctl endpoint health --cluster`", counted(*members, "member"))
            }
            Self::Ready { port } => write!(f, "its API server is ready: https://127.0.0.1:{port}/readyz says ok"),
        }
    }
}

impl fmt::Display for ClusterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthoritiesDiffer { authority, nodes } => {
                write!(f, "the nodes have different certificates of {authority} ({}): put the right one on all of them first", listed(nodes))
            }
            Self::ServiceAccountKeysDiffer { nodes } => write!(
                f,
                "the nodes have different keys for the tokens of service accounts ({}): all of them need the same sa.key and sa.pub first",
                listed(nodes)
            ),
        }
    }
}

impl fmt::Display for Alike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sha256 {
            Some(sha256) => write!(f, "{sha256} on {}", self.nodes.join(" and ")),
            None => write!(f, "none on {}", self.nodes.join(" and ")),
        }
    }
}

impl fmt::Display for ClusterNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneAfterTheOther { nodes } => write!(
                f,
                "{} have something to do: one at a time, begun while all of them are healthy, each when all is seen that has to be before it",
                counted(*nodes, "node")
            ),
            Self::AuthorityKeyOnSome { authority, on, without } => write!(
                f,
                "the key of {authority} is on {} and not on {}: write signing requests there, and sign them where the key is",
                on.join(" and "),
                without.join(" and ")
            ),
        }
    }
}
