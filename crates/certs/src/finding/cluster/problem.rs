//! What can be wrong between nodes.

use serde::{Deserialize, Serialize};

use crate::kubeadm::Item;
use crate::renewal::Fingerprint;

/// How many nodes of a group are named to people; all of them are in the data.
const NAMED: usize = 8;

/// What is wrong between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "finding")]
#[non_exhaustive]
pub enum ClusterProblem {
    /// What has to be the same on every node is not.
    #[error("the {shared} of {item} is not the same on all nodes: {}{}; {}", groups_listed(groups), odd_listed(odd), remedy(*item, *shared))]
    NodesDiffer {
        /// Which.
        item: Item,
        /// What of it.
        shared: Shared,
        /// Who has which, the most frequent first.
        groups: Vec<Group>,
        /// The nodes that differ from more than half of all; none where no such majority is, since then nobody knows which one is right.
        odd: Vec<String>,
    },
    /// An authority was renewed with its own key on some nodes only. Both certificates vouch for the same.
    #[error(
        "the certificate of {item} is not the same on all nodes, and its key is: {}{}; one was renewed with its key, which works until the older one ends; copy the newer file to the others",
        groups_listed(groups),
        odd_listed(odd)
    )]
    AuthorityRenewedOnSome {
        /// Which.
        item: Item,
        /// Who has which, the most frequent first.
        groups: Vec<Group>,
        /// The nodes that differ from more than half of all.
        odd: Vec<String>,
    },
    /// The key of an authority is on some nodes, and not on others.
    #[error(
        "the key of {item} is on {} and not on {}: renew there, or with signing requests; kubeadm on the others says that the authority is external",
        names(with),
        names(without)
    )]
    KeyOnSome {
        /// Which.
        item: Item,
        /// Where it is.
        with: Vec<String>,
        /// Where it is not, and the certificate is.
        without: Vec<String>,
    },
}

/// What has to be the same on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shared {
    /// The certificate of an authority.
    Certificate,
    /// The key of an authority, or `sa.key`.
    Key,
    /// `sa.pub`.
    PublicKey,
}

/// The nodes that have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// SHA-256 of the certificate, or of the public half of the key.
    pub sha256: Fingerprint,
    /// By name.
    pub nodes: Vec<String>,
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::PublicKey => "public key",
        })
    }
}

fn groups_listed(groups: &[Group]) -> String {
    groups.iter().map(|group| format!("{} on {}", group.sha256, names(&group.nodes))).collect::<Vec<_>>().join("; ")
}

fn odd_listed(odd: &[String]) -> String {
    match odd {
        [] => ". No majority tells which one is right".to_owned(),
        [one] => format!(". The odd one out is {}", crate::name::escaped(one)),
        several => format!(". The odd ones out are {}", names(several)),
    }
}

fn names(nodes: &[String]) -> String {
    let named = nodes.iter().take(NAMED).map(|node| crate::name::escaped(node).into_owned()).collect::<Vec<_>>().join(", ");
    match nodes.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn remedy(item: Item, shared: Shared) -> &'static str {
    if item == Item::Sa {
        return "tokens are refused by chance, depending on who is asked; let every API server read both public keys (--service-account-key-file twice), then sign with one key on all";
    }
    match shared {
        Shared::Certificate => {
            "a second authority was made by accident: what it signed is refused elsewhere; put the pair of the others there, and renew what it signed"
        }
        Shared::Key | Shared::PublicKey => "the key that does not belong to the certificate is of no use; put the right one there",
    }
}
