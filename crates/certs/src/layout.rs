//! Where distributions keep certificates, who signs them, and who renews them: k3s, RKE2, k0s, and kubeadm beside them, as data.
//!
//! [`Layout`] names the files to read; [`Layout::mismatches`] holds what was read against it.
//!
//! The tables come from the distributions' sources, by commit. k3s, RKE2 and k0s themselves were not run: what their sources do not say for every
//! release is marked by [`Presence::Sometimes`], or not compared.

mod k0s;
mod k3s;
mod kubeadm;
mod mismatch;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use crate::Error;

pub use mismatch::{LayoutNode, Mismatch, MismatchProblem};

/// Whose layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Distribution {
    /// kubeadm, which other tools (kubespray, Cluster API) use too.
    Kubeadm,
    /// k3s.
    K3s,
    /// RKE2, which is k3s's code under another name.
    Rke2,
    /// k0s.
    K0s,
}

/// Every certificate, kubeconfig and key pair of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Whose.
    pub distribution: Distribution,
    /// The folder that paths begin at, where nobody moved it.
    pub data_dir: String,
    /// By which setting it is moved.
    pub data_dir_setting: String,
    /// What is there, authorities before what they sign.
    pub entries: Vec<LayoutEntry>,
}

/// One certificate, kubeconfig or key pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayoutEntry {
    /// The name of its file without folder and ending; the folder stands before it where another one has the same name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// What its path begins at.
    pub base: Base,
    /// The certificate, the kubeconfig, or the public half of a key pair.
    pub path: String,
    /// The private key, where it is a file of its own; begins at the same folder.
    pub key_path: Option<String>,
    /// The entry of which this one is a copy: the authorities that an agent trusts.
    pub copy_of: Option<String>,
    /// The entry that signs it; `None` for an authority, a copy, and what signs itself.
    pub authority: Option<String>,
    /// Its common name.
    pub common_name: ExpectedName,
    /// Its organizations, in any order: groups of Kubernetes. `None` where releases differ, so that they are not compared.
    pub organizations: Option<Vec<String>>,
    /// Its extended key usages, in any order: `serverAuth`, `clientAuth`. `None` where they are not compared.
    pub ext_key_usage: Option<Vec<String>>,
    /// Which program uses it, and for what.
    pub used_by: String,
    /// On which nodes it is.
    pub node: NodeKind,
    /// Whether it has to be there.
    pub presence: Presence,
    /// Who renews it, and how.
    pub renewal: LayoutRenewal,
    /// Where upstream says so.
    pub source: String,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// A certificate, which may be followed by those that it was signed by, or by its key.
    Certificate,
    /// A kubeconfig with certificate and key in it.
    Kubeconfig,
    /// A kubeconfig that points to another entry's files.
    KubeconfigByReference,
    /// A key pair without a certificate: no expiry.
    KeyPair,
}

/// What a path begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Base {
    /// The data directory.
    DataDir,
    /// The root: it does not move with the data directory.
    Root,
}

/// A common name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "expected")]
pub enum ExpectedName {
    /// Not fixed.
    Any,
    /// One of these, which differ between releases.
    OneOf {
        /// The newest first.
        names: Vec<String>,
    },
    /// This, and then the second at which it was made: `k3s-client-ca@1749726675`.
    Dated {
        /// With the `@`.
        prefix: String,
    },
    /// This, and then the node's name.
    OfNode {
        /// Empty where it is the node's name alone.
        prefix: String,
    },
}

/// The part of a distribution that a file belongs to. One node may be both: a k3s server runs a kubelet too, unless it is told not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeKind {
    /// The control plane: k3s and RKE2 call it server, k0s controller.
    Server,
    /// Where a kubelet runs: k3s and RKE2 call it agent, k0s worker.
    Agent,
}

/// Whether a file has to be there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "presence")]
pub enum Presence {
    /// Always.
    Always,
    /// Not in every release or every cluster.
    Sometimes {
        /// When.
        when: String,
    },
}

/// Who renews an entry, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "renewal")]
pub enum LayoutRenewal {
    /// The distribution's own service does when it starts; nothing does while it runs.
    AtStart {
        /// The service to restart.
        service: String,
        /// Only what ends within so many days; `None` at every start.
        within_days: Option<u32>,
        /// The command that has it renewed with a new key at the next start, whatever its end.
        command: Option<String>,
    },
    /// A kubelet does by itself, between 0.7 and 0.9 of its life.
    Kubelet,
    /// Whoever runs this command.
    Command {
        /// The whole of it.
        command: String,
    },
    /// Nobody: it is replaced by hand. For an authority that is a work of its own.
    ByHand {
        /// The command or the page that says how.
        how: String,
    },
    /// It comes with another entry and is renewed with it.
    With {
        /// Which.
        entry: String,
    },
    /// Nothing ends: a key pair, which is replaced when it leaked.
    NoExpiry {
        /// How it would be replaced.
        how: String,
    },
}

impl Layout {
    /// The layout of a distribution that runs Kubernetes of this release.
    ///
    /// ```
    /// use trimtab_certs::layout::{Distribution, Layout};
    ///
    /// let layout = Layout::of(Distribution::K3s, "1.33.1".parse()?);
    /// assert!(layout.files("/data").contains(&"/data/server/tls/client-admin.crt".to_owned()));
    /// # Ok::<(), trimtab_core::version::VersionError>(())
    /// ```
    #[must_use]
    pub fn of(distribution: Distribution, version: KubeVersion) -> Self {
        match distribution {
            Distribution::Kubeadm => Self::kubeadm(version),
            Distribution::K3s => Self::k3s(version),
            Distribution::Rke2 => Self::rke2(version),
            Distribution::K0s => Self::k0s(),
        }
    }

    /// kubeadm's: what [`crate::kubeadm::Spec`] says of a release, and the kubelet's own.
    ///
    /// A certificate keeps the organization that it was made with: in a cluster that came from 1.28, `admin.conf` may still say
    /// `system:masters`, which is then a mismatch.
    #[must_use]
    pub fn kubeadm(version: KubeVersion) -> Self {
        kubeadm::layout(version)
    }

    /// k3s's. The certificate that its supervisor and the API server show on 6443 is kept as a Secret (`kube-system/k3s-serving`, and
    /// `server/tls/dynamic-cert.json`), not as PEM: read it by [`crate::Inspection::of_dump`].
    #[must_use]
    pub fn k3s(version: KubeVersion) -> Self {
        k3s::layout(Distribution::K3s, "k3s", version)
    }

    /// RKE2's: k3s's code and names, with `rke2` for `k3s`.
    #[must_use]
    pub fn rke2(version: KubeVersion) -> Self {
        k3s::layout(Distribution::Rke2, "rke2", version)
    }

    /// k0s's.
    #[must_use]
    pub fn k0s() -> Self {
        k0s::layout()
    }

    /// Every file to read, with the keys: certificate first, in the order of the entries. Not all of them are on every node.
    #[must_use]
    pub fn files(&self, data_dir: &str) -> Vec<String> {
        self.entries.iter().flat_map(|entry| entry.files(data_dir)).collect()
    }

    /// The entry of this name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&LayoutEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl LayoutEntry {
    /// Its files: certificate, kubeconfig or public half first, then the private key.
    #[must_use]
    pub fn files(&self, data_dir: &str) -> Vec<String> {
        std::iter::once(&self.path).chain(&self.key_path).map(|path| self.base.join(data_dir, path)).collect()
    }

    /// Where its certificate, kubeconfig or public half is.
    #[must_use]
    pub fn file(&self, data_dir: &str) -> String {
        self.base.join(data_dir, &self.path)
    }

    /// Whether it is an authority or a copy of one.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.kind == EntryKind::Certificate && self.authority.is_none()
    }
}

impl Base {
    fn join(self, data_dir: &str, path: &str) -> String {
        match self {
            Self::DataDir => format!("{}/{path}", data_dir.trim_end_matches('/')),
            Self::Root => path.to_owned(),
        }
    }
}

impl ExpectedName {
    /// Whether a common name is as expected; the node's name counts where it is known.
    #[must_use]
    pub fn allows(&self, found: Option<&str>, node_name: Option<&str>) -> bool {
        let dated = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        match (self, found) {
            (Self::Any, _) => true,
            (Self::OneOf { names }, Some(found)) => names.iter().any(|name| name == found),
            (Self::Dated { prefix }, Some(found)) => found.strip_prefix(prefix.as_str()).is_some_and(dated),
            (Self::OfNode { prefix }, Some(found)) => {
                found.strip_prefix(prefix.as_str()).is_some_and(|rest| node_name.map_or(!rest.is_empty(), |name| rest == name))
            }
            (Self::OneOf { .. } | Self::Dated { .. } | Self::OfNode { .. }, None) => false,
        }
    }
}

impl fmt::Display for ExpectedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any name"),
            Self::OneOf { names } => f.write_str(&names.join(" or ")),
            Self::Dated { prefix } => write!(f, "{prefix}SECOND"),
            Self::OfNode { prefix } => write!(f, "{prefix}NODE"),
        }
    }
}

impl Distribution {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kubeadm, Self::K3s, Self::Rke2, Self::K0s];

    /// Its command.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubeadm => "kubeadm",
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
            Self::K0s => "k0s",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Distribution {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|known| known.name() == text).ok_or_else(|| Error::UnknownDistribution { name: text.to_owned() })
    }
}

#[cfg(test)]
mod tests;
