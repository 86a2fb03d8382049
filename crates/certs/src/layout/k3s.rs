//! k3s, and RKE2, which is the same code with another name of the program.

use trimtab_core::{KubeVersion, Row, Since};

use super::{Base, Distribution, EntryKind, ExpectedName, Layout, LayoutEntry, LayoutRenewal, NodeKind, Presence};

const DEPS: &str = "k3s pkg/daemons/control/deps/deps.go@09ac65a";
const SERVICES: &str = "k3s pkg/util/services/services.go@29667f3";
const AGENT: &str = "k3s pkg/agent/config/config.go@001a6d9";

/// What ends within so many days is renewed when the service starts: a quarter and its upgrade fit into 120, not into 90.
///
/// Source: `CertificateRenewDays`, `pkg/daemons/config/types.go`, k3s PR 12232; the releases by docs.rke2.io/security/certificates.
static WITHIN_DAYS: Since<u32> = Since::new(&[
    Row::new(12, 90, "k3s pkg/daemons/config/types.go before PR 12232"),
    Row::patch(30, 13, 120, "k3s v1.30.13+k3s1, RKE2 v1.30.13+rke2r1"),
    Row::new(31, 90, "before PR 12232"),
    Row::patch(31, 9, 120, "k3s v1.31.9+k3s1, RKE2 v1.31.9+rke2r1"),
    Row::new(32, 90, "before PR 12232"),
    Row::patch(32, 5, 120, "k3s v1.32.5+k3s1, RKE2 v1.32.5+rke2r1"),
    Row::new(33, 90, "before PR 12232"),
    Row::patch(33, 1, 120, "k3s v1.33.1+k3s1, RKE2 v1.33.1+rke2r1"),
]);

/// One row before the program's name, for which `PROGRAM` stands, is put in.
struct Template {
    name: &'static str,
    path: &'static str,
    key: Option<&'static str>,
    authority: Option<&'static str>,
    names: Names,
    organizations: Option<&'static [&'static str]>,
    usages: &'static [&'static str],
    used_by: &'static str,
    node: NodeKind,
    sometimes: Option<&'static str>,
    source: &'static str,
}

#[derive(Clone, Copy)]
enum Names {
    Fixed(&'static [&'static str]),
    Dated(&'static str),
    OfNode(&'static str),
}

const NONE: Option<&[&str]> = Some(&[]);
const MASTERS: Option<&[&str]> = Some(&["system:masters"]);
const CLIENT: &[&str] = &["clientAuth"];
const SERVER: &[&str] = &["serverAuth"];
const BOTH: &[&str] = &["serverAuth", "clientAuth"];
const REMOVED: &str = "before newer releases, which remove it at start and have it in the agent's folder alone";
const ISSUED: &str =
    "since v1.30.13, v1.31.9, v1.32.5, v1.33.1 (k3s PR 12285); before only where Rancher passed --cert-dir, and then signed by itself";

/// A pair below `server/tls`.
const fn pair(name: &'static str, authority: &'static str, names: &'static [&'static str], used_by: &'static str) -> Template {
    Template {
        name,
        path: "server/tls",
        key: Some(".key"),
        authority: Some(authority),
        names: Names::Fixed(names),
        organizations: NONE,
        usages: CLIENT,
        used_by,
        node: NodeKind::Server,
        sometimes: None,
        source: DEPS,
    }
}

const fn authority(name: &'static str, dated: &'static str, used_by: &'static str) -> Template {
    Template {
        name,
        path: "server/tls",
        key: Some(".key"),
        authority: None,
        names: Names::Dated(dated),
        organizations: NONE,
        usages: &[],
        used_by,
        node: NodeKind::Server,
        sometimes: None,
        source: DEPS,
    }
}

/// A pair in the agent's folder, which the agent asks a server for at each start.
const fn agent(name: &'static str, authority: &'static str, names: Names, used_by: &'static str) -> Template {
    Template {
        name,
        path: "agent",
        key: Some(".key"),
        authority: Some(authority),
        names,
        organizations: NONE,
        usages: CLIENT,
        used_by,
        node: NodeKind::Agent,
        sometimes: None,
        source: AGENT,
    }
}

static PAIRS: &[Template] = &[
    authority("client-ca", "PROGRAM-client-ca@", "the API server and kubelets: whom they believe as clients"),
    authority("server-ca", "PROGRAM-server-ca@", "every client: whom it believes as a server"),
    authority("request-header-ca", "PROGRAM-request-header-ca@", "extension servers: whom they believe as the API server's front proxy"),
    authority("etcd/server-ca", "etcd-server-ca@", "etcd and its clients"),
    authority("etcd/peer-ca", "etcd-peer-ca@", "etcd members among themselves"),
    Template { organizations: MASTERS, ..pair("client-admin", "client-ca", &["system:admin"], "administrators: admin.kubeconfig and PROGRAM.yaml") },
    Template {
        organizations: MASTERS,
        sometimes: Some("in newer releases; since which was not found"),
        ..pair("client-supervisor", "client-ca", &["system:PROGRAM-supervisor"], "the supervisor itself, as a client of the API server")
    },
    pair("client-controller", "client-ca", &["system:kube-controller-manager"], "kube-controller-manager, as a client of the API server"),
    pair("client-scheduler", "client-ca", &["system:kube-scheduler"], "kube-scheduler, as a client of the API server"),
    Template {
        organizations: None,
        ..pair("client-kube-apiserver", "client-ca", &["system:apiserver", "kube-apiserver"], "kube-apiserver, as a client of kubelets")
    },
    pair(
        "client-PROGRAM-cloud-controller",
        "client-ca",
        &["PROGRAM-cloud-controller-manager"],
        "the cloud controller manager, as a client of the API server",
    ),
    Template { sometimes: Some(REMOVED), ..pair("client-kube-proxy", "client-ca", &["system:kube-proxy"], "handed to agents for kube-proxy") },
    Template {
        sometimes: Some(REMOVED),
        ..pair("client-PROGRAM-controller", "client-ca", &["system:PROGRAM-controller"], "handed to agents for their controllers")
    },
    Template {
        usages: SERVER,
        ..pair("serving-kube-apiserver", "server-ca", &["kube-apiserver"], "kube-apiserver, as a server behind the supervisor")
    },
    Template {
        path: "server/tls/kube-scheduler",
        usages: SERVER,
        sometimes: Some(ISSUED),
        source: "k3s PR 12285; names by pkg/server/handlers of k3s's master branch of 2026",
        ..pair("kube-scheduler", "server-ca", &["kube-scheduler"], "kube-scheduler, as a server on 127.0.0.1:10259")
    },
    Template {
        path: "server/tls/kube-controller-manager",
        usages: SERVER,
        sometimes: Some(ISSUED),
        source: "k3s PR 12285; names by pkg/server/handlers of k3s's master branch of 2026",
        ..pair("kube-controller-manager", "server-ca", &["kube-controller-manager"], "kube-controller-manager, as a server on 127.0.0.1:10257")
    },
    pair("client-auth-proxy", "request-header-ca", &["system:auth-proxy"], "kube-apiserver, as a client of extension servers"),
    pair("etcd/client", "etcd/server-ca", &["etcd-client"], "kube-apiserver, as a client of etcd"),
    Template {
        usages: BOTH,
        sometimes: Some("where this server runs etcd (not with --disable-etcd)"),
        ..pair("etcd/server-client", "etcd/server-ca", &["etcd-server"], "etcd, as a server for its clients")
    },
    Template { usages: BOTH, ..pair("etcd/peer-server-client", "etcd/peer-ca", &["etcd-peer"], "etcd members among themselves") },
    Template { usages: SERVER, ..agent("serving-kubelet", "server-ca", Names::OfNode(""), "the kubelet, as a server") },
    Template {
        organizations: Some(&["system:nodes"]),
        ..agent("client-kubelet", "client-ca", Names::OfNode("system:node:"), "the kubelet, as a client of the API server")
    },
    agent("agent/client-kube-proxy", "client-ca", Names::Fixed(&["system:kube-proxy"]), "kube-proxy, as a client of the API server"),
    agent(
        "agent/client-PROGRAM-controller",
        "client-ca",
        Names::Fixed(&["system:PROGRAM-controller"]),
        "the agent's own controllers, as clients of the API server",
    ),
];

/// Kubeconfigs: folder and name, whose pair they point to, on which nodes.
static BY_REFERENCE: &[(&str, &str, NodeKind)] = &[
    ("server/cred/admin.kubeconfig", "client-admin", NodeKind::Server),
    ("server/cred/controller.kubeconfig", "client-controller", NodeKind::Server),
    ("server/cred/scheduler.kubeconfig", "client-scheduler", NodeKind::Server),
    ("server/cred/api-server.kubeconfig", "client-kube-apiserver", NodeKind::Server),
    ("server/cred/cloud-controller.kubeconfig", "client-PROGRAM-cloud-controller", NodeKind::Server),
    ("agent/kubelet.kubeconfig", "client-kubelet", NodeKind::Agent),
    ("agent/kubeproxy.kubeconfig", "agent/client-kube-proxy", NodeKind::Agent),
    ("agent/PROGRAMcontroller.kubeconfig", "agent/client-PROGRAM-controller", NodeKind::Agent),
];

pub(super) fn layout(distribution: Distribution, program: &str, version: KubeVersion) -> Layout {
    let within_days = *WITHIN_DAYS.at(version);
    let mut entries: Vec<_> = PAIRS.iter().map(|row| entry(row, program, within_days)).collect();
    entries.extend(["client-ca", "server-ca"].map(|name| copy(name, program)));
    entries.extend(BY_REFERENCE.iter().map(|row| by_reference(row, program)));
    entries.push(admin_kubeconfig(program, within_days));
    entries.push(service_account(program));
    Layout {
        distribution,
        data_dir: format!("/var/lib/rancher/{program}"),
        data_dir_setting: format!("--data-dir, or data-dir in /etc/rancher/{program}/config.yaml"),
        entries,
    }
}

fn entry(row: &Template, program: &str, within_days: u32) -> LayoutEntry {
    let put = |text: &str| text.replace("PROGRAM", program);
    let file = row.name.strip_prefix("agent/").unwrap_or(row.name);
    let path = |ending: &str| put(&format!("{}/{file}{ending}", row.path));
    LayoutEntry {
        name: put(row.name),
        kind: EntryKind::Certificate,
        base: Base::DataDir,
        path: path(".crt"),
        key_path: row.key.map(path),
        copy_of: None,
        authority: row.authority.map(put),
        common_name: match row.names {
            Names::Fixed(names) => ExpectedName::OneOf { names: names.iter().map(|name| put(name)).collect() },
            Names::Dated(prefix) => ExpectedName::Dated { prefix: put(prefix) },
            Names::OfNode(prefix) => ExpectedName::OfNode { prefix: prefix.to_owned() },
        },
        organizations: row.organizations.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        ext_key_usage: row.authority.map(|_| row.usages.iter().map(|name| (*name).to_owned()).collect()),
        used_by: put(row.used_by),
        node: row.node,
        presence: row.sometimes.map_or(Presence::Always, |when| Presence::Sometimes { when: when.to_owned() }),
        renewal: renewal(row, program, within_days),
        source: row.source.to_owned(),
    }
}

fn renewal(row: &Template, program: &str, within_days: u32) -> LayoutRenewal {
    match (row.authority, row.node) {
        (None, _) => LayoutRenewal::ByHand { how: format!("{program} certificate rotate-ca") },
        (Some(_), NodeKind::Server) => at_start(program, within_days),
        (Some(_), NodeKind::Agent) => LayoutRenewal::AtStart {
            service: format!("{program}-agent, or {} on a server", server_service(program)),
            within_days: None,
            command: Some(format!("{program} certificate rotate")),
        },
    }
}

fn at_start(program: &str, within_days: u32) -> LayoutRenewal {
    let command = Some(format!("{program} certificate rotate"));
    LayoutRenewal::AtStart { service: server_service(program), within_days: Some(within_days), command }
}

/// k3s's service is called as the program, RKE2's `rke2-server`.
fn server_service(program: &str) -> String {
    if program == "rke2" { "rke2-server".to_owned() } else { program.to_owned() }
}

/// What an agent trusts; it fetches both at each start.
fn copy(name: &str, program: &str) -> LayoutEntry {
    LayoutEntry {
        name: format!("agent/{name}"),
        kind: EntryKind::Certificate,
        base: Base::DataDir,
        path: format!("agent/{name}.crt"),
        key_path: None,
        copy_of: Some(name.to_owned()),
        authority: None,
        common_name: ExpectedName::Dated { prefix: format!("{program}-{name}@") },
        organizations: Some(Vec::new()),
        ext_key_usage: None,
        used_by: "the agent and its kubelet: whom they believe".to_owned(),
        node: NodeKind::Agent,
        presence: Presence::Always,
        renewal: LayoutRenewal::With { entry: name.to_owned() },
        source: AGENT.to_owned(),
    }
}

fn by_reference((path, pair, node): &(&str, &str, NodeKind), program: &str) -> LayoutEntry {
    let put = |text: &str| text.replace("PROGRAM", program);
    let file = path.rsplit('/').next().unwrap_or(path);
    LayoutEntry {
        name: put(file),
        kind: EntryKind::KubeconfigByReference,
        base: Base::DataDir,
        path: put(path),
        key_path: None,
        copy_of: None,
        authority: None,
        common_name: ExpectedName::Any,
        organizations: None,
        ext_key_usage: None,
        used_by: format!("points to {}", put(pair)),
        node: *node,
        presence: Presence::Always,
        renewal: LayoutRenewal::With { entry: put(pair) },
        source: match node {
            NodeKind::Server => DEPS,
            NodeKind::Agent => AGENT,
        }
        .to_owned(),
    }
}

/// Written anew at each start; its copies elsewhere are not.
fn admin_kubeconfig(program: &str, within_days: u32) -> LayoutEntry {
    LayoutEntry {
        name: format!("{program}.yaml"),
        kind: EntryKind::Kubeconfig,
        base: Base::Root,
        path: format!("/etc/rancher/{program}/{program}.yaml"),
        key_path: None,
        copy_of: None,
        authority: Some("client-ca".to_owned()),
        common_name: ExpectedName::OneOf { names: vec!["system:admin".to_owned()] },
        organizations: Some(vec!["system:masters".to_owned()]),
        ext_key_usage: Some(vec!["clientAuth".to_owned()]),
        used_by: "administrators; copies of it on other machines have to be taken again".to_owned(),
        node: NodeKind::Server,
        presence: Presence::Sometimes { when: "unless --write-kubeconfig names another path".to_owned() },
        renewal: at_start(program, within_days),
        source: "k3s discussion 10024, docs.k3s.io/cluster-access".to_owned(),
    }
}

/// A list: the first key signs, the others are only verified with.
fn service_account(program: &str) -> LayoutEntry {
    LayoutEntry {
        name: "service".to_owned(),
        kind: EntryKind::KeyPair,
        base: Base::DataDir,
        path: "server/tls/service.key".to_owned(),
        key_path: None,
        copy_of: None,
        authority: None,
        common_name: ExpectedName::Any,
        organizations: None,
        ext_key_usage: None,
        used_by: "kube-apiserver and kube-controller-manager: tokens of service accounts".to_owned(),
        node: NodeKind::Server,
        presence: Presence::Always,
        renewal: LayoutRenewal::NoExpiry { how: format!("{program} certificate rotate-ca, with the new key before the old one in the file") },
        source: format!("{DEPS} genServiceAccount; {SERVICES}"),
    }
}
