//! kubeadm, by the table that its forecasts use.

use trimtab_core::KubeVersion;

use super::{Base, Distribution, EntryKind, ExpectedName, Layout, LayoutEntry, LayoutRenewal, NodeKind, Presence};
use crate::kubeadm::list::{CommonName, KUBERNETES_DIR};
use crate::kubeadm::rules::KubeadmRules;
use crate::kubeadm::{Item, Spec};

const CERTIFICATES_DIR: &str = "/etc/kubernetes/pki";
const ROTATION: &str = "kubernetes.io: Manual Rotation of CA Certificates";

pub(super) fn layout(version: KubeVersion) -> Layout {
    let rules = KubeadmRules::at(version);
    let made = |item: &Item| *item == Item::Sa || Spec::of(*item, &rules).is_some();
    let in_order = Item::AUTHORITIES.into_iter().chain(Item::ALL.into_iter().filter(|item| !item.is_authority()));
    let mut entries: Vec<_> = in_order.filter(made).map(|item| entry(item, &rules)).collect();
    entries.push(kubelet());
    Layout {
        distribution: Distribution::Kubeadm,
        data_dir: CERTIFICATES_DIR.to_owned(),
        data_dir_setting: "certificatesDir of ClusterConfiguration; kubeconfigs stay in /etc/kubernetes".to_owned(),
        entries,
    }
}

fn entry(item: Item, rules: &KubeadmRules) -> LayoutEntry {
    let spec = Spec::of(item, rules);
    let ending = if item == Item::Sa { "pub" } else { "crt" };
    let (base, path) = if item.is_kubeconfig() {
        (Base::Root, format!("{KUBERNETES_DIR}/{}", item.name()))
    } else {
        (Base::DataDir, format!("{}.{ending}", item.base_name()))
    };
    LayoutEntry {
        name: item.name().to_owned(),
        kind: kind(item),
        base,
        path,
        key_path: (base == Base::DataDir).then(|| format!("{}.key", item.base_name())),
        copy_of: None,
        authority: item.authority().map(|authority| authority.name().to_owned()),
        common_name: spec.as_ref().map_or(ExpectedName::Any, |spec| expected(spec.common_name)),
        organizations: spec.as_ref().map(|spec| spec.organization.iter().map(|name| (*name).to_owned()).collect()),
        ext_key_usage: spec.filter(|_| !item.is_authority()).map(|spec| spec.ext_key_usage.iter().map(ToString::to_string).collect()),
        used_by: used_by(item).to_owned(),
        node: if item == Item::KubeletConf { NodeKind::Agent } else { NodeKind::Server },
        presence: presence(item),
        renewal: renewal(item),
        source: "kubeadm, executed 1.20 to 1.37".to_owned(),
    }
}

fn kind(item: Item) -> EntryKind {
    if item == Item::Sa {
        EntryKind::KeyPair
    } else if item == Item::KubeletConf {
        // Since 1.17 it points to the kubelet's file.
        EntryKind::KubeconfigByReference
    } else if item.is_kubeconfig() {
        EntryKind::Kubeconfig
    } else {
        EntryKind::Certificate
    }
}

fn expected(name: CommonName) -> ExpectedName {
    match name {
        CommonName::Fixed(name) => ExpectedName::OneOf { names: vec![name.to_owned()] },
        CommonName::OfNode(prefix) => ExpectedName::OfNode { prefix: prefix.to_owned() },
    }
}

fn used_by(item: Item) -> &'static str {
    match item {
        Item::Ca => "everything: whom the cluster believes",
        Item::Sa => "kube-apiserver and kube-controller-manager: tokens of service accounts",
        Item::FrontProxyCa => "extension servers: whom they believe as the API server's front proxy",
        Item::EtcdCa => "etcd, its members and its clients",
        Item::KubeletConf => "the kubelet, as a client of the API server",
        Item::Apiserver => "kube-apiserver, as a server",
        Item::ApiserverKubeletClient => "kube-apiserver, as a client of kubelets",
        Item::FrontProxyClient => "kube-apiserver, as a client of extension servers",
        Item::EtcdServer => "etcd, as a server for its clients",
        Item::EtcdPeer => "etcd members among themselves",
        Item::EtcdHealthcheckClient => "etcd's liveness probe",
        Item::ApiserverEtcdClient => "kube-apiserver, as a client of etcd",
        Item::AdminConf | Item::SuperAdminConf => "administrators; copies of it on other machines have to be taken again",
        Item::ControllerManagerConf => "kube-controller-manager, as a client of the API server",
        Item::SchedulerConf => "kube-scheduler, as a client of the API server",
    }
}

fn presence(item: Item) -> Presence {
    let sometimes = |when: &str| Presence::Sometimes { when: when.to_owned() };
    if item == Item::SuperAdminConf {
        sometimes("where kubeadm init ran, until somebody moves it away")
    } else if item.is_of_local_etcd() {
        sometimes("where kubeadm runs etcd itself")
    } else {
        Presence::Always
    }
}

fn renewal(item: Item) -> LayoutRenewal {
    if item == Item::Sa {
        LayoutRenewal::NoExpiry { how: ROTATION.to_owned() }
    } else if item == Item::KubeletConf {
        LayoutRenewal::With { entry: "kubelet-client-current".to_owned() }
    } else if item.is_authority() {
        LayoutRenewal::ByHand { how: ROTATION.to_owned() }
    } else {
        LayoutRenewal::Command { command: format!("kubeadm certs renew {item}") }
    }
}

fn kubelet() -> LayoutEntry {
    LayoutEntry {
        name: "kubelet-client-current".to_owned(),
        kind: EntryKind::Certificate,
        base: Base::Root,
        path: "/var/lib/kubelet/pki/kubelet-client-current.pem".to_owned(),
        key_path: None,
        copy_of: None,
        authority: Some(Item::Ca.name().to_owned()),
        common_name: ExpectedName::OfNode { prefix: "system:node:".to_owned() },
        organizations: Some(vec!["system:nodes".to_owned()]),
        ext_key_usage: Some(vec!["clientAuth".to_owned()]),
        used_by: "the kubelet, as a client of the API server".to_owned(),
        node: NodeKind::Agent,
        presence: Presence::Always,
        renewal: LayoutRenewal::Kubelet,
        source: "kubelet --cert-dir, rotateCertificates".to_owned(),
    }
}
