//! k0s.

use super::{Base, Distribution, EntryKind, ExpectedName, Layout, LayoutEntry, LayoutRenewal, NodeKind, Presence};

const CERTIFICATES: &str = "k0s cmd/controller/certificates.go@002d074, pkg/certificate/manager.go@a9f46b4";
const ETCD: &str = "k0s pkg/component/controller/etcd.go@00077a4";
const KUBELET: &str = "k0s pkg/component/worker/kubelet.go@014c1ad";
const AUTHORITIES: &str =
    "docs.k0sproject.io/stable/troubleshooting/certificate-authorities: every node is stopped, and taken up again with new ones";
const WITH_ETCD: &str = "where k0s runs etcd itself: not with kine, not with an external etcd";

/// Authorities: name and common name.
static CAS: &[(&str, &str, &str)] = &[
    ("ca", "kubernetes-ca", "everything: whom the cluster believes"),
    ("front-proxy-ca", "kubernetes-front-proxy-ca", "extension servers: whom they believe as the API server's front proxy"),
    ("etcd/ca", "etcd-ca", "etcd, its members and its clients"),
];

/// Pairs: name, authority, common name (`None` where it is an address), organization, user.
static PAIRS: &[(&str, &str, Option<&str>, &str, &str)] = &[
    ("server", "ca", Some("kubernetes"), "kubernetes", "kube-apiserver, as a server"),
    ("k0s-api", "ca", Some("k0s-api"), "kubernetes", "k0s's own API, at which controllers join"),
    ("admin", "ca", Some("kubernetes-admin"), "system:masters", "administrators: admin.conf"),
    ("ccm", "ca", Some("system:kube-controller-manager"), "system:kube-controller-manager", "kube-controller-manager, as a client: ccm.conf"),
    ("scheduler", "ca", Some("system:kube-scheduler"), "system:kube-scheduler", "kube-scheduler, as a client: scheduler.conf"),
    ("konnectivity", "ca", Some("kubernetes-konnectivity"), "system:masters", "konnectivity-server, as a client: konnectivity.conf"),
    ("apiserver-kubelet-client", "ca", Some("apiserver-kubelet-client"), "system:masters", "kube-apiserver, as a client of kubelets"),
    ("front-proxy-client", "front-proxy-ca", Some("front-proxy-client"), "front-proxy-client", "kube-apiserver, as a client of extension servers"),
    ("apiserver-etcd-client", "etcd/ca", Some("apiserver-etcd-client"), "apiserver-etcd-client", "kube-apiserver, as a client of etcd"),
    ("etcd/server", "etcd/ca", Some("etcd-server"), "etcd-server", "etcd, as a server for its clients"),
    ("etcd/peer", "etcd/ca", None, "etcd-peer", "etcd members among themselves; its name is the peer address"),
];

/// Kubeconfigs: name, and the pair that is embedded in it.
static KUBECONFIGS: &[(&str, &str)] =
    &[("admin.conf", "admin"), ("ccm.conf", "ccm"), ("scheduler.conf", "scheduler"), ("konnectivity.conf", "konnectivity")];

pub(super) fn layout() -> Layout {
    let mut entries: Vec<_> = CAS.iter().map(|(name, common_name, used_by)| authority(name, common_name, used_by)).collect();
    entries.extend(PAIRS.iter().map(pair));
    entries.extend(KUBECONFIGS.iter().map(kubeconfig));
    entries.push(key_pair("sa", "kube-apiserver and kube-controller-manager: tokens of service accounts", Presence::Always, CERTIFICATES));
    let newer = "in newer releases that run etcd themselves; since which was not found";
    entries.push(key_pair("etcd/jwt", "etcd: its own tokens", Presence::Sometimes { when: newer.to_owned() }, ETCD));
    entries.extend(
        [("kubelet-client-current", "clientAuth", "a client of the API server"), ("kubelet-server-current", "serverAuth", "a server")].map(kubelet),
    );
    Layout {
        distribution: Distribution::K0s,
        data_dir: "/var/lib/k0s".to_owned(),
        data_dir_setting: "--data-dir; the kubelet's folder in it by --kubelet-root-dir".to_owned(),
        entries,
    }
}

fn of_etcd(name: &str) -> Presence {
    if name.contains("etcd") { Presence::Sometimes { when: WITH_ETCD.to_owned() } } else { Presence::Always }
}

fn source(name: &str) -> String {
    if name.contains("etcd") { ETCD.to_owned() } else { CERTIFICATES.to_owned() }
}

fn fixed(name: &str) -> ExpectedName {
    ExpectedName::OneOf { names: vec![name.to_owned()] }
}

fn authority(name: &str, common_name: &str, used_by: &str) -> LayoutEntry {
    LayoutEntry {
        name: name.to_owned(),
        kind: EntryKind::Certificate,
        base: Base::DataDir,
        path: format!("pki/{name}.crt"),
        key_path: Some(format!("pki/{name}.key")),
        copy_of: None,
        authority: None,
        common_name: fixed(common_name),
        organizations: Some(Vec::new()),
        ext_key_usage: None,
        used_by: used_by.to_owned(),
        node: NodeKind::Server,
        presence: of_etcd(name),
        renewal: LayoutRenewal::ByHand { how: AUTHORITIES.to_owned() },
        source: source(name),
    }
}

/// Every one has both usages: cfssl's default profile, which k0s signs with (cfssl config/config.go@018e89a `DefaultConfig`).
fn pair((name, authority, common_name, organization, used_by): &(&str, &str, Option<&str>, &str, &str)) -> LayoutEntry {
    LayoutEntry {
        name: (*name).to_owned(),
        kind: EntryKind::Certificate,
        base: Base::DataDir,
        path: format!("pki/{name}.crt"),
        key_path: Some(format!("pki/{name}.key")),
        copy_of: None,
        authority: Some((*authority).to_owned()),
        common_name: common_name.map_or(ExpectedName::Any, fixed),
        organizations: Some(vec![(*organization).to_owned()]),
        ext_key_usage: Some(vec!["serverAuth".to_owned(), "clientAuth".to_owned()]),
        used_by: (*used_by).to_owned(),
        node: NodeKind::Server,
        presence: of_etcd(name),
        renewal: at_every_start(),
        source: source(name),
    }
}

/// What an authority of k0s signed is made anew, whatever its end. What another one signed stays, unless that one's key lies beside it.
fn at_every_start() -> LayoutRenewal {
    LayoutRenewal::AtStart { service: "k0scontroller".to_owned(), within_days: None, command: None }
}

fn kubeconfig((name, embedded): &(&str, &str)) -> LayoutEntry {
    let of = PAIRS.iter().find(|(pair, ..)| pair == embedded);
    LayoutEntry {
        name: (*name).to_owned(),
        kind: EntryKind::Kubeconfig,
        base: Base::DataDir,
        path: format!("pki/{name}"),
        key_path: None,
        copy_of: None,
        authority: of.map(|(_, authority, ..)| (*authority).to_owned()),
        common_name: of.and_then(|(_, _, common_name, ..)| *common_name).map_or(ExpectedName::Any, fixed),
        organizations: of.map(|(_, _, _, organization, _)| vec![(*organization).to_owned()]),
        ext_key_usage: Some(vec!["serverAuth".to_owned(), "clientAuth".to_owned()]),
        used_by: format!("the pair {embedded}, embedded"),
        node: NodeKind::Server,
        presence: Presence::Always,
        renewal: at_every_start(),
        source: CERTIFICATES.to_owned(),
    }
}

fn key_pair(name: &str, used_by: &str, presence: Presence, source: &str) -> LayoutEntry {
    LayoutEntry {
        name: name.to_owned(),
        kind: EntryKind::KeyPair,
        base: Base::DataDir,
        path: format!("pki/{name}.pub"),
        key_path: Some(format!("pki/{name}.key")),
        copy_of: None,
        authority: None,
        common_name: ExpectedName::Any,
        organizations: None,
        ext_key_usage: None,
        used_by: used_by.to_owned(),
        node: NodeKind::Server,
        presence,
        renewal: LayoutRenewal::NoExpiry { how: AUTHORITIES.to_owned() },
        source: source.to_owned(),
    }
}

/// The kubelet asks for both by `CertificateSigningRequest`; certificate and key are in one file.
fn kubelet((name, usage, role): (&str, &str, &str)) -> LayoutEntry {
    LayoutEntry {
        name: name.to_owned(),
        kind: EntryKind::Certificate,
        base: Base::DataDir,
        path: format!("kubelet/pki/{name}.pem"),
        key_path: None,
        copy_of: None,
        authority: Some("ca".to_owned()),
        common_name: ExpectedName::OfNode { prefix: "system:node:".to_owned() },
        organizations: Some(vec!["system:nodes".to_owned()]),
        ext_key_usage: Some(vec![usage.to_owned()]),
        used_by: format!("the kubelet, as {role}"),
        node: NodeKind::Agent,
        presence: Presence::Always,
        renewal: LayoutRenewal::Kubelet,
        source: KUBELET.to_owned(),
    }
}
