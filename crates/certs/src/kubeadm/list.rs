//! The files of a control plane that kubeadm knows, and what each release makes of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::facts::{ExtKeyUsage, KeyUsage};
use super::rules::KubeadmRules;
use crate::Error;

/// Where kubeadm keeps kubeconfigs.
pub const KUBERNETES_DIR: &str = "/etc/kubernetes";

/// The common name that every authority has which a kubeadm before 1.12 made: they cannot be told apart by name, so match issuers by key
/// identifier and signature.
pub const OLD_AUTHORITY_NAME: &str = "kubernetes";

/// One certificate, key pair or kubeconfig of a control plane, by kubeadm's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// The cluster's authority.
    Ca,
    /// What the API server shows.
    Apiserver,
    /// The API server as a client of kubelets.
    ApiserverKubeletClient,
    /// The authority of the front proxy.
    FrontProxyCa,
    /// The API server as a client of extension servers.
    FrontProxyClient,
    /// The authority of etcd.
    EtcdCa,
    /// What etcd shows its clients.
    EtcdServer,
    /// What etcd members show each other.
    EtcdPeer,
    /// The client of etcd's liveness probe.
    EtcdHealthcheckClient,
    /// The API server as a client of etcd.
    ApiserverEtcdClient,
    /// The key pair of service account tokens: no certificate, no expiry, never rotated by kubeadm.
    Sa,
    /// The administrator's kubeconfig.
    AdminConf,
    /// The administrator's kubeconfig that bypasses RBAC; only where `init` ran, and users may move it away.
    SuperAdminConf,
    /// The controller manager's kubeconfig.
    ControllerManagerConf,
    /// The scheduler's kubeconfig.
    SchedulerConf,
    /// The kubelet's kubeconfig; kubeadm never renews it, the kubelet does.
    KubeletConf,
}

impl Item {
    /// All of them, in the order in which `kubeadm init` makes them.
    pub const ALL: [Self; 16] = [
        Self::Ca,
        Self::Apiserver,
        Self::ApiserverKubeletClient,
        Self::FrontProxyCa,
        Self::FrontProxyClient,
        Self::EtcdCa,
        Self::EtcdServer,
        Self::EtcdPeer,
        Self::EtcdHealthcheckClient,
        Self::ApiserverEtcdClient,
        Self::Sa,
        Self::AdminConf,
        Self::SuperAdminConf,
        Self::KubeletConf,
        Self::ControllerManagerConf,
        Self::SchedulerConf,
    ];

    /// The three authorities, by name.
    pub const AUTHORITIES: [Self; 3] = [Self::Ca, Self::EtcdCa, Self::FrontProxyCa];

    /// kubeadm's name, as in `kubeadm certs renew NAME`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Apiserver => "apiserver",
            Self::ApiserverKubeletClient => "apiserver-kubelet-client",
            Self::FrontProxyCa => "front-proxy-ca",
            Self::FrontProxyClient => "front-proxy-client",
            Self::EtcdCa => "etcd-ca",
            Self::EtcdServer => "etcd-server",
            Self::EtcdPeer => "etcd-peer",
            Self::EtcdHealthcheckClient => "etcd-healthcheck-client",
            Self::ApiserverEtcdClient => "apiserver-etcd-client",
            Self::Sa => "sa",
            Self::AdminConf => "admin.conf",
            Self::SuperAdminConf => "super-admin.conf",
            Self::ControllerManagerConf => "controller-manager.conf",
            Self::SchedulerConf => "scheduler.conf",
            Self::KubeletConf => "kubelet.conf",
        }
    }

    /// The path of the pair below the certificates directory without its ending: `etcd/server`; that of a kubeconfig is its name.
    #[must_use]
    pub const fn base_name(self) -> &'static str {
        match self {
            Self::EtcdCa => "etcd/ca",
            Self::EtcdServer => "etcd/server",
            Self::EtcdPeer => "etcd/peer",
            Self::EtcdHealthcheckClient => "etcd/healthcheck-client",
            Self::Ca
            | Self::Apiserver
            | Self::ApiserverKubeletClient
            | Self::FrontProxyCa
            | Self::FrontProxyClient
            | Self::ApiserverEtcdClient
            | Self::Sa
            | Self::AdminConf
            | Self::SuperAdminConf
            | Self::ControllerManagerConf
            | Self::SchedulerConf
            | Self::KubeletConf => self.name(),
        }
    }

    /// The authority that signs it; `None` for an authority and for the service account keys.
    #[must_use]
    pub const fn authority(self) -> Option<Self> {
        match self {
            Self::Ca | Self::FrontProxyCa | Self::EtcdCa | Self::Sa => None,
            Self::FrontProxyClient => Some(Self::FrontProxyCa),
            Self::EtcdServer | Self::EtcdPeer | Self::EtcdHealthcheckClient | Self::ApiserverEtcdClient => Some(Self::EtcdCa),
            Self::Apiserver
            | Self::ApiserverKubeletClient
            | Self::AdminConf
            | Self::SuperAdminConf
            | Self::ControllerManagerConf
            | Self::SchedulerConf
            | Self::KubeletConf => Some(Self::Ca),
        }
    }

    /// Whether it is one of the three authorities.
    #[must_use]
    pub const fn is_authority(self) -> bool {
        matches!(self, Self::Ca | Self::FrontProxyCa | Self::EtcdCa)
    }

    /// Whether its certificate is embedded in a kubeconfig.
    #[must_use]
    pub const fn is_kubeconfig(self) -> bool {
        matches!(self, Self::AdminConf | Self::SuperAdminConf | Self::ControllerManagerConf | Self::SchedulerConf | Self::KubeletConf)
    }

    /// Whether it belongs to an etcd that kubeadm runs; with an external etcd kubeadm makes, shows and renews none of these.
    #[must_use]
    pub const fn is_of_local_etcd(self) -> bool {
        matches!(self, Self::EtcdCa | Self::EtcdServer | Self::EtcdPeer | Self::EtcdHealthcheckClient | Self::ApiserverEtcdClient)
    }

    /// What messages call it: `{long name} renewed`. Empty for what kubeadm does not renew.
    #[must_use]
    pub const fn long_name(self) -> &'static str {
        match self {
            Self::Ca => "self-signed Kubernetes CA to provision identities for other Kubernetes components",
            Self::Apiserver => "certificate for serving the Kubernetes API",
            Self::ApiserverKubeletClient => "certificate for the API server to connect to kubelet",
            Self::FrontProxyCa => "self-signed CA to provision identities for front proxy",
            Self::FrontProxyClient => "certificate for the front proxy client",
            Self::EtcdCa => "self-signed CA to provision identities for etcd",
            Self::EtcdServer => "certificate for serving etcd",
            Self::EtcdPeer => "certificate for etcd nodes to communicate with each other",
            Self::EtcdHealthcheckClient => "certificate for liveness probes to healthcheck etcd",
            Self::ApiserverEtcdClient => "certificate the apiserver uses to access etcd",
            Self::AdminConf => "certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself",
            Self::SuperAdminConf => "certificate embedded in the kubeconfig file for the super-admin",
            Self::ControllerManagerConf => "certificate embedded in the kubeconfig file for the controller manager to use",
            Self::SchedulerConf => "certificate embedded in the kubeconfig file for the scheduler manager to use",
            Self::Sa | Self::KubeletConf => "",
        }
    }

    /// The files it is made of, certificate first.
    ///
    /// ```
    /// use trimtab_certs::kubeadm::Item;
    ///
    /// assert_eq!(Item::EtcdServer.files("/etc/kubernetes/pki"), ["/etc/kubernetes/pki/etcd/server.crt", "/etc/kubernetes/pki/etcd/server.key"]);
    /// assert_eq!(Item::AdminConf.files("/etc/kubernetes/pki"), ["/etc/kubernetes/admin.conf"]);
    /// ```
    #[must_use]
    pub fn files(self, certificates_dir: &str) -> Vec<String> {
        if self.is_kubeconfig() {
            return vec![format!("{KUBERNETES_DIR}/{}", self.name())];
        }
        let certificate = if self == Self::Sa { "pub" } else { "crt" };
        [certificate, "key"].iter().map(|ending| format!("{certificates_dir}/{}.{ending}", self.base_name())).collect()
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Item {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|item| item.name() == text).ok_or_else(|| Error::UnknownItem { name: text.to_owned() })
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a release's kubeadm makes of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Which one.
    pub item: Item,
    /// The common name, or how it is made of the node's name.
    pub common_name: CommonName,
    /// The organization: a group of Kubernetes.
    pub organization: Option<&'static str>,
    /// Extended key usages, in order.
    pub ext_key_usage: Vec<ExtKeyUsage>,
    /// Key usages.
    pub key_usage: Vec<KeyUsage>,
    /// Which names and addresses it carries.
    pub san: SanRule,
    /// How long it is valid where the configuration says nothing, in seconds.
    pub validity_seconds: i64,
}

/// A common name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CommonName {
    /// Always this.
    Fixed(&'static str),
    /// This, then the node's name.
    OfNode(&'static str),
}

impl CommonName {
    /// The name on the node of this name.
    #[must_use]
    pub fn on(self, node_name: &str) -> String {
        match self {
            Self::Fixed(name) => name.to_owned(),
            Self::OfNode(prefix) => format!("{prefix}{node_name}"),
        }
    }
}

/// Which names and addresses a certificate carries; [`super::san::AltNames`] computes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SanRule {
    /// None.
    None,
    /// Its own common name, as a DNS name.
    CommonName,
    /// Those of the API server.
    Apiserver,
    /// Those of etcd, with `etcd.local.serverCertSANs`.
    EtcdServer,
    /// Those of etcd, with `etcd.local.peerCertSANs`.
    EtcdPeer,
}

impl Spec {
    /// What is made of `item`; `None` for the service account keys, and where the release does not know it.
    #[must_use]
    pub fn of(item: Item, rules: &KubeadmRules) -> Option<Self> {
        if item == Item::Sa || (item == Item::SuperAdminConf && !rules.super_admin) {
            return None;
        }
        let mut key_usage = vec![KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment];
        if item.is_authority() {
            key_usage.push(KeyUsage::KeyCertSign);
        }
        let validity_seconds = if item.is_authority() { KubeadmRules::CA_VALIDITY_SECONDS } else { KubeadmRules::VALIDITY_SECONDS };
        let (common_name, organization) = subject(item, rules);
        Some(Self { item, common_name, organization, ext_key_usage: usages(item), key_usage, san: san_rule(item, rules), validity_seconds })
    }
}

fn subject(item: Item, rules: &KubeadmRules) -> (CommonName, Option<&'static str>) {
    let fixed = CommonName::Fixed;
    match item {
        Item::Ca => (fixed("kubernetes"), None),
        Item::FrontProxyCa => (fixed("front-proxy-ca"), None),
        Item::EtcdCa => (fixed("etcd-ca"), None),
        Item::Apiserver => (fixed("kube-apiserver"), None),
        Item::ApiserverKubeletClient => (fixed("kube-apiserver-kubelet-client"), rules.kubelet_client_organization),
        Item::FrontProxyClient => (fixed("front-proxy-client"), None),
        Item::EtcdServer | Item::EtcdPeer => (CommonName::OfNode(""), None),
        Item::EtcdHealthcheckClient => (fixed("kube-etcd-healthcheck-client"), rules.etcd_client_organization),
        Item::ApiserverEtcdClient => (fixed("kube-apiserver-etcd-client"), rules.etcd_client_organization),
        Item::AdminConf => (fixed("kubernetes-admin"), Some(rules.admin_organization)),
        Item::SuperAdminConf => (fixed("kubernetes-super-admin"), Some("system:masters")),
        Item::ControllerManagerConf => (fixed("system:kube-controller-manager"), None),
        Item::SchedulerConf => (fixed("system:kube-scheduler"), None),
        Item::KubeletConf => (CommonName::OfNode("system:node:"), Some("system:nodes")),
        Item::Sa => (fixed(""), None),
    }
}

/// etcd's server is a client as well: etcd 3.2 wants that of the certificate it calls itself with (etcd issue 9785).
fn usages(item: Item) -> Vec<ExtKeyUsage> {
    match item {
        Item::Ca | Item::FrontProxyCa | Item::EtcdCa | Item::Sa => Vec::new(),
        Item::Apiserver => vec![ExtKeyUsage::ServerAuth],
        Item::EtcdServer | Item::EtcdPeer => vec![ExtKeyUsage::ServerAuth, ExtKeyUsage::ClientAuth],
        Item::ApiserverKubeletClient
        | Item::FrontProxyClient
        | Item::EtcdHealthcheckClient
        | Item::ApiserverEtcdClient
        | Item::AdminConf
        | Item::SuperAdminConf
        | Item::ControllerManagerConf
        | Item::SchedulerConf
        | Item::KubeletConf => vec![ExtKeyUsage::ClientAuth],
    }
}

fn san_rule(item: Item, rules: &KubeadmRules) -> SanRule {
    match item {
        Item::Ca | Item::FrontProxyCa | Item::EtcdCa if rules.ca_has_san => SanRule::CommonName,
        Item::Apiserver => SanRule::Apiserver,
        Item::EtcdServer => SanRule::EtcdServer,
        Item::EtcdPeer => SanRule::EtcdPeer,
        Item::Ca
        | Item::FrontProxyCa
        | Item::EtcdCa
        | Item::ApiserverKubeletClient
        | Item::FrontProxyClient
        | Item::EtcdHealthcheckClient
        | Item::ApiserverEtcdClient
        | Item::Sa
        | Item::AdminConf
        | Item::SuperAdminConf
        | Item::ControllerManagerConf
        | Item::SchedulerConf
        | Item::KubeletConf => SanRule::None,
    }
}

/// What `check-expiration` shows and `renew all` renews, in the order of both: by name.
#[must_use]
pub fn renewable(rules: &KubeadmRules, external_etcd: bool) -> Vec<Item> {
    let known = |item: &Item| {
        let left_out = item.is_authority()
            || matches!(item, Item::Sa | Item::KubeletConf)
            || (external_etcd && item.is_of_local_etcd())
            || (item.is_kubeconfig() && !rules.renews_kubeconfigs);
        !left_out && Spec::of(*item, rules).is_some()
    };
    let mut items: Vec<_> = Item::ALL.into_iter().filter(known).collect();
    items.sort_by_key(|item| item.name());
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(minor: u64) -> KubeadmRules {
        KubeadmRules::at(trimtab_core::KubeVersion::new(minor).unwrap())
    }

    #[test]
    fn every_name_reads_back() {
        for item in Item::ALL {
            assert_eq!(item.name().parse(), Ok(item));
        }
        assert!("apiserver.crt".parse::<Item>().is_err());
    }

    #[test]
    fn the_super_admin_comes_with_1_29() {
        assert_eq!([28, 29].map(|minor| Spec::of(Item::SuperAdminConf, &rules(minor)).is_some()), [false, true]);
        assert_eq!(renewable(&rules(28), false).len(), 10);
        assert_eq!(renewable(&rules(29), false).last(), Some(&Item::SuperAdminConf));
    }

    #[test]
    fn an_external_etcd_leaves_six_or_seven() {
        assert_eq!([28, 37].map(|minor| renewable(&rules(minor), true).len()), [6, 7]);
    }

    #[test]
    fn before_1_15_kubeconfigs_are_not_renewed() {
        assert!(renewable(&rules(14), false).iter().all(|item| !item.is_kubeconfig()));
    }
}
