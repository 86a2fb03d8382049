//! Who uses a certificate, whether it has to be restarted after a renewal, and what proves that the new one is in use.

use std::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::{KubeVersion, Row, Since};

use crate::kubeadm::Item;

/// Who uses a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Process {
    /// kube-apiserver.
    #[serde(rename = "kube-apiserver")]
    KubeApiserver,
    /// kube-controller-manager.
    #[serde(rename = "kube-controller-manager")]
    KubeControllerManager,
    /// kube-scheduler.
    #[serde(rename = "kube-scheduler")]
    KubeScheduler,
    /// etcd.
    #[serde(rename = "etcd")]
    Etcd,
    /// The liveness probe of etcd.
    #[serde(rename = "liveness probe of etcd")]
    EtcdProbe,
    /// People, pipelines and kubeadm itself.
    #[serde(rename = "people")]
    People,
}

/// How a process comes to a renewed certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pickup {
    /// It has read it once, when it started: it has to be restarted.
    AtStart,
    /// It looks at the files again by itself, within a minute.
    ByItself,
    /// It reads the files for each new connection; open ones go on as they are.
    PerConnection,
    /// It is started anew each time.
    PerCall,
    /// It has a copy.
    Copied,
}

/// One use of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Use {
    /// Who.
    pub process: Process,
    /// How it comes to the new one.
    pub pickup: Pickup,
    /// A command that shows that the new one is in use or works.
    pub proof: String,
}

impl Process {
    /// The name of its static pod's manifest; none where it has none.
    #[must_use]
    pub const fn manifest(self) -> Option<&'static str> {
        match self {
            Self::KubeApiserver => Some("kube-apiserver.yaml"),
            Self::KubeControllerManager => Some("kube-controller-manager.yaml"),
            Self::KubeScheduler => Some("kube-scheduler.yaml"),
            Self::Etcd => Some("etcd.yaml"),
            Self::EtcdProbe | Self::People => None,
        }
    }
}

impl Pickup {
    /// Whether the process has to be restarted.
    #[must_use]
    pub const fn needs_restart(self) -> bool {
        matches!(self, Self::AtStart)
    }
}

/// Who uses `item` with Kubernetes of this release; nobody for authorities, `sa` and what the kubelet renews. `files` are the item's, certificate first.
///
/// Surprising: kubeadm asks for a restart of everything after each renewal, though since 1.17 the API server looks at its files again, and etcd reads
/// them for each connection. Only what is embedded in a kubeconfig is read once.
///
/// Source: kubeadm issue 2409, kubernetes PR 131298 (API server since 1.17); etcd PR 7576 (etcd, 2017);
/// `tools/clientcmd/client_config.go@v0.37.2` (embedded data).
#[must_use]
pub fn users(item: Item, version: KubeVersion, files: &[String]) -> Vec<Use> {
    let file = |at: usize| files.get(at).map_or("", String::as_str);
    let by_itself = *READS_AGAIN.at(version);
    let one = |process, pickup, proof: String| vec![Use { process, pickup, proof }];
    match item {
        Item::Apiserver => one(Process::KubeApiserver, by_itself, served(6443, file(0))),
        Item::ApiserverKubeletClient => one(
            Process::KubeApiserver,
            by_itself,
            "kubectl logs --tail=1 -n kube-system kube-apiserver-NODE, which the API server fetches from a kubelet".to_owned(),
        ),
        Item::FrontProxyClient => one(Process::KubeApiserver, by_itself, "kubectl get apiservices, where every one is Available".to_owned()),
        Item::ApiserverEtcdClient => one(Process::KubeApiserver, Pickup::PerConnection, "kubectl get --raw /readyz/etcd".to_owned()),
        Item::EtcdServer => one(Process::Etcd, Pickup::PerConnection, served(2379, file(0))),
        Item::EtcdPeer => one(Process::Etcd, Pickup::PerConnection, served(2380, file(0))),
        Item::EtcdHealthcheckClient => {
            let proof = format!("etcdctl endpoint health --cacert ETCD_CA --cert {} --key {}", file(0), file(1));
            one(Process::EtcdProbe, Pickup::PerCall, proof)
        }
        Item::ControllerManagerConf => one(Process::KubeControllerManager, Pickup::AtStart, lease("kube-controller-manager")),
        Item::SchedulerConf => one(Process::KubeScheduler, Pickup::AtStart, lease("kube-scheduler")),
        Item::AdminConf | Item::SuperAdminConf => one(Process::People, Pickup::Copied, format!("kubectl --kubeconfig {} get --raw /readyz", file(0))),
        Item::Ca | Item::FrontProxyCa | Item::EtcdCa | Item::Sa | Item::KubeletConf => Vec::new(),
    }
}

fn served(port: u16, certificate: &str) -> String {
    format!("the serial of `openssl s_client -connect 127.0.0.1:{port} </dev/null | openssl x509 -noout -serial` is that of {certificate}")
}

fn lease(name: &str) -> String {
    format!("kubectl get lease -n kube-system {name} -o jsonpath={{.spec.renewTime}}, which moves on")
}

static READS_AGAIN: Since<Pickup> = Since::new(&[
    Row::new(12, Pickup::AtStart, "before 1.17: kubeadm issue 2409"),
    Row::new(17, Pickup::ByItself, "kubeadm issue 2409, kubernetes PR 131298"),
]);

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Etcd => "etcd",
            Self::EtcdProbe => "the liveness probe of etcd",
            Self::People => "whoever has a copy",
        })
    }
}

impl fmt::Display for Pickup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtStart => "has read it once, at its start",
            Self::ByItself => "looks at the files again within a minute",
            Self::PerConnection => "reads the files for each new connection",
            Self::PerCall => "reads the files each time it runs",
            Self::Copied => "has a copy of the old one",
        })
    }
}
