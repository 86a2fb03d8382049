//! A node as kubeadm would have made it, damaged in each way.

use jiff::SignedDuration;

use super::*;
use crate::kubeadm::facts::{ExtKeyUsage, San};
use crate::kubeadm::pki::{CertificateState, KeyState, ReadCertificate};
use crate::renewal::{Fingerprint, KubeletSeen, KubeletState, Unfinished, example};

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn made(version: &str) -> NodeSeen {
    example::node(version.parse().unwrap(), "2026-01-05T00:00:00Z".parse().unwrap())
}

/// `kubelet.conf` names the link, as after `init phase kubelet-finalize`.
fn node() -> NodeSeen {
    let mut seen = made("1.31");
    finalize(&mut seen);
    seen
}

fn finalize(seen: &mut NodeSeen) {
    let conf = seen.items.get_mut(&Item::KubeletConf).unwrap();
    conf.identity = Identity::Elsewhere { place: "/var/lib/kubelet/pki/kubelet-client-current.pem".to_owned() };
    conf.certificate_sha256 = None;
    seen.pki.items.get_mut(&Item::KubeletConf).unwrap().certificate =
        CertificateState::Unreadable { reason: "no embedded client certificate".to_owned() };
}

fn read(seen: &mut NodeSeen, item: Item) -> &mut ReadCertificate {
    match &mut seen.pki.items.get_mut(&item).unwrap().certificate {
        CertificateState::Readable(read) => read,
        CertificateState::Missing | CertificateState::Unreadable { .. } => panic!("{item} is not there"),
    }
}

fn facts(seen: &mut NodeSeen, item: Item) -> &mut CertificateFacts {
    read(seen, item).facts.as_mut().unwrap()
}

fn key(seen: &mut NodeSeen, item: Item, state: KeyState) {
    seen.pki.items.get_mut(&item).unwrap().key = state;
}

fn config() -> Config {
    Config { advertise_address: "192.0.2.10".to_owned(), node_name: "node-a".to_owned(), ..Config::default() }
}

fn with(config: Config) -> NodePolicy {
    NodePolicy { config: Some(config), ..NodePolicy::new("1.31".parse().unwrap()) }
}

fn found(seen: &NodeSeen) -> Vec<Finding> {
    findings(seen, &with(config()), now())
}

fn one(seen: &NodeSeen) -> Finding {
    let mut found = found(seen);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn told(found: &[Finding]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn what_kubeadm_made_has_no_findings_with_and_without_its_configuration() {
    for version in ["1.20", "1.28", "1.31", "1.37"] {
        let mut seen = made(version);
        finalize(&mut seen);
        for policy in [NodePolicy::new(version.parse().unwrap()), with(config()), with(Config::default())] {
            assert_eq!(told(&findings(&seen, &policy, now())), Vec::<String>::new(), "{version}");
        }
    }
}

#[test]
fn a_use_that_is_missing_is_told_with_the_command_that_makes_it_anew() {
    let mut seen = node();
    facts(&mut seen, Item::Apiserver).ext_key_usage = vec![ExtKeyUsage::ClientAuth];
    let finding = one(&seen);
    assert_eq!(
        finding.to_string(),
        "error: node-a: /etc/kubernetes/pki/apiserver.crt (CN=kube-apiserver): apiserver may be used for clientAuth, and lacks serverAuth: whoever it is \
         shown to refuses it, and a renewal keeps that; move it and its key away, then `kubeadm init phase certs apiserver --config FILE`"
    );
    facts(&mut seen, Item::Apiserver).ext_key_usage = vec![ExtKeyUsage::Any];
    assert_eq!(found(&seen), [], "any use is every use");
}

#[test]
fn etcd_has_to_be_server_and_client_and_clients_clients() {
    for (item, has, severity) in [
        (Item::EtcdServer, ExtKeyUsage::ServerAuth, Severity::Warning),
        (Item::EtcdServer, ExtKeyUsage::ClientAuth, Severity::Error),
        (Item::EtcdPeer, ExtKeyUsage::ServerAuth, Severity::Error),
        (Item::ApiserverEtcdClient, ExtKeyUsage::ServerAuth, Severity::Error),
        (Item::SchedulerConf, ExtKeyUsage::ServerAuth, Severity::Error),
    ] {
        let mut seen = node();
        facts(&mut seen, item).ext_key_usage = vec![has];
        let finding = one(&seen);
        assert_eq!(finding.severity, severity, "{finding}");
        assert!(matches!(finding.problem, Problem::Node(NodeProblem::UsagesMissing { .. })), "{finding}");
    }
}

#[test]
fn no_use_at_all_serves_and_stops_kubeadm() {
    let mut seen = node();
    facts(&mut seen, Item::Apiserver).ext_key_usage.clear();
    let finding = one(&seen);
    assert_eq!(
        (finding.severity, &finding.problem),
        (Severity::Notice, &NodeProblem::NoUsages { item: Item::Apiserver, wanted: vec![ExtKeyUsage::ServerAuth] }.into())
    );
}

impl From<NodeProblem> for Problem {
    fn from(problem: NodeProblem) -> Self {
        Self::Node(problem)
    }
}

fn missing(finding: &Finding) -> Vec<String> {
    let Problem::Node(NodeProblem::NamesMissing { missing, .. }) = &finding.problem else { panic!("{finding}") };
    missing.iter().map(ToString::to_string).collect()
}

#[test]
fn every_name_that_kubeadm_would_write_is_missed_with_who_asks_for_it() {
    let mut seen = node();
    facts(&mut seen, Item::Apiserver).san = vec![San::Dns("kubernetes".to_owned())];
    let policy =
        with(Config { control_plane_endpoint: "lb.example.test:6443".to_owned(), cert_sans: vec!["API.example.test".to_owned()], ..config() });
    let finding = &findings(&seen, &policy, now())[0];
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(
        missing(finding),
        [
            "DNS:api.example.test (listed in the configuration)",
            "DNS:kubernetes.default (as pods call the API server)",
            "DNS:kubernetes.default.svc (as pods call the API server)",
            "DNS:kubernetes.default.svc.cluster.local (as pods call the API server)",
            "DNS:lb.example.test (controlPlaneEndpoint)",
            "DNS:node-a (the node's name)",
            "IP:10.96.0.1 (the first service address)",
            "IP:192.0.2.10 (the advertise address)",
        ]
    );
}

#[test]
fn etcds_names_are_the_machine_the_address_and_what_is_configured() {
    let mut seen = node();
    for item in [Item::EtcdServer, Item::EtcdPeer] {
        facts(&mut seen, item).san.clear();
    }
    let policy = with(Config { etcd_peer_cert_sans: vec!["10.0.0.9".to_owned()], ..config() });
    let found = findings(&seen, &policy, now());
    let usual = ["DNS:localhost (the machine itself)", "DNS:node-a (the node's name)", "IP:192.0.2.10 (the advertise address)"];
    assert_eq!(missing(&found[0]), [&usual[..], &["IP:127.0.0.1 (the machine itself)", "IP:::1 (the machine itself)"]].concat());
    assert_eq!(missing(&found[1])[5], "IP:10.0.0.9 (listed in the configuration)");
    assert!(found[1].place.source.ends_with("etcd/peer.crt"), "{}", found[1]);
}

#[test]
fn without_a_configuration_the_kubeconfigs_tell_how_the_api_server_is_called() {
    let mut seen = node();
    let policy = NodePolicy::new("1.31".parse().unwrap());
    seen.items.get_mut(&Item::AdminConf).unwrap().server_name = Some("LB.example.test".to_owned());
    let found = findings(&seen, &policy, now());
    assert_eq!(missing(&found[0]), ["DNS:lb.example.test (the server of admin.conf)"]);
    facts(&mut seen, Item::Apiserver).san.push(San::Dns("*.example.test".to_owned()));
    assert_eq!(findings(&seen, &policy, now()), [], "a wildcard stands for one label");
    for dotted in ["lb.example.test.", "node-a."] {
        seen.items.get_mut(&Item::AdminConf).unwrap().server_name = Some(dotted.to_owned());
        assert_eq!(findings(&seen, &policy, now()), [], "{dotted}");
    }
    seen.items.get_mut(&Item::AdminConf).unwrap().server_name = Some("a.lb.example.test".to_owned());
    assert_eq!(findings(&seen, &policy, now()).len(), 1, "and not for two");
}

#[test]
fn a_configuration_of_the_whole_cluster_takes_name_and_address_from_the_node() {
    let mut seen = node();
    facts(&mut seen, Item::Apiserver).san.retain(|name| *name != San::Ip("10.96.0.1".parse().unwrap()) && *name != San::Dns("node-a".to_owned()));
    let found = findings(&seen, &with(Config::default()), now());
    assert_eq!(missing(&found[0]), ["DNS:node-a (the node's name)", "IP:10.96.0.1 (the first service address)"]);
    let wrong = with(Config { service_subnet: "10.96.0.0".to_owned(), ..Config::default() });
    assert!(told(&findings(&seen, &wrong, now()))[0].contains("which names apiserver should stand for is not known: networking.serviceSubnet"));
}

#[test]
fn an_authority_without_its_key_is_external_and_the_requests_command_is_that_of_the_release() {
    let mut seen = node();
    key(&mut seen, Item::EtcdCa, KeyState::Absent);
    let finding = one(&seen);
    assert_eq!(finding.severity, Severity::Notice);
    assert!(finding.to_string().contains("(/etc/kubernetes/pki/etcd/ca.key): an external authority"), "{finding}");
    assert!(finding.to_string().ends_with("have requests signed instead (`kubeadm certs generate-csr`, or trimtab's)"), "{finding}");
    let old = NodePolicy { version: "1.18".parse().unwrap(), ..with(config()) };
    assert!(told(&findings(&seen, &old, now())).iter().any(|text| text.ends_with("have requests signed instead")));
    for item in Item::ALL.into_iter().filter(|item| !matches!(item, Item::Ca | Item::KubeletConf)) {
        seen.pki.items.remove(&item);
        seen.items.remove(&item);
    }
    key(&mut seen, Item::Ca, KeyState::Absent);
    assert_eq!(found(&seen), [], "a worker needs none");
}

#[test]
fn keys_and_certificates_that_are_missing_foreign_or_broken_are_told() {
    for (state, words) in [
        (KeyState::Absent, "apiserver has no key (/etc/kubernetes/pki/apiserver.key is missing)"),
        (KeyState::Mismatch, "the key beside it is another one's"),
        (KeyState::Unreadable { reason: "an Ed25519 key".to_owned() }, "the key of apiserver cannot be used: an Ed25519 key"),
    ] {
        let mut seen = node();
        key(&mut seen, Item::Apiserver, state);
        assert!(one(&seen).to_string().contains(words), "{}", one(&seen));
    }
    let mut seen = node();
    seen.pki.items.get_mut(&Item::FrontProxyClient).unwrap().certificate = CertificateState::Missing;
    assert!(one(&seen).to_string().contains("front-proxy-client has a key and no certificate"));
    let mut seen = node();
    read(&mut seen, Item::Ca).is_ca = false;
    assert!(one(&seen).to_string().contains("CA:FALSE"));
}

#[test]
fn the_service_account_keys_have_to_be_a_pair() {
    let mut seen = node();
    key(&mut seen, Item::Sa, KeyState::Mismatch);
    assert_eq!(one(&seen).problem, Problem::Node(NodeProblem::SaPairDiffers));
    key(&mut seen, Item::Sa, KeyState::Absent);
    assert!(one(&seen).to_string().contains("sa has no key (/etc/kubernetes/pki/sa.key is missing)"));
    key(&mut seen, Item::Sa, KeyState::Present);
    seen.pki.items.get_mut(&Item::Sa).unwrap().certificate = CertificateState::Missing;
    assert!(one(&seen).to_string().contains("sa.pub is missing"));
}

#[test]
fn who_signed_a_leaf_and_when_it_dies_are_told_from_what_was_seen() {
    let mut seen = node();
    read(&mut seen, Item::SchedulerConf).signed_by_local_ca = false;
    assert_eq!(one(&seen).problem, Problem::SignedByAnother { issuer: "CN=kubernetes".to_owned() });
    assert_eq!(one(&seen).place.entry.as_deref(), Some("users[system:kube-scheduler].client-certificate-data"));
    read(&mut seen, Item::Ca).certificates = 2;
    assert_eq!(found(&seen), [], "the second of the bundle may have");
    let mut seen = node();
    let end: Timestamp = "2026-09-01T00:00:00Z".parse().unwrap();
    read(&mut seen, Item::FrontProxyCa).not_after = end;
    let found = found(&seen);
    assert_eq!(
        found.iter().map(|finding| finding.place.source.rsplit('/').next().unwrap()).collect::<Vec<_>>(),
        ["front-proxy-ca.crt", "front-proxy-client.crt"]
    );
    let not_after = read(&mut seen, Item::FrontProxyClient).not_after;
    assert_eq!(found[1].problem, Problem::ChainDiesFirst { not_after, effective_not_after: end, authority: "CN=front-proxy-ca".to_owned() });
}

#[test]
fn a_kubeconfig_that_trusts_another_authority_refuses_the_api_server() {
    let mut seen = node();
    read(&mut seen, Item::AdminConf).kubeconfig.as_mut().unwrap().trusts_ca = false;
    assert_eq!((one(&seen).severity, one(&seen).problem), (Severity::Error, NodeProblem::TrustsAnother { item: Item::AdminConf }.into()));
    read(&mut seen, Item::Ca).certificates = 2;
    assert_eq!(one(&seen).severity, Severity::Warning, "while one authority replaces another, the old one still works");
}

#[test]
fn a_certificate_in_kubelet_conf_falls_behind_the_kubelets_own() {
    let mut seen = made("1.31");
    let same = one(&seen);
    assert!(same.severity == Severity::Warning && same.to_string().contains("is the same one only until the kubelet renews that"), "{same}");
    let renewed = "2026-05-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let not_after = renewed + SignedDuration::from_hours(8760);
    let link = KubeletState::Link { target: String::new(), not_before: renewed, not_after, certificate_sha256: Some(Fingerprint::of(b"new")) };
    seen.kubelet.state = link;
    let other = one(&seen);
    assert!(other.to_string().contains("until 2027-01-05T00:00:00Z, which nobody renews, while the kubelet has renewed its own in"), "{other}");
    assert_eq!(other.place.entry.as_deref(), Some("users[system:node:node-a].client-certificate-data"));
    let late = "2027-01-06T00:00:00Z".parse().unwrap();
    let of_kubelet = |finding: &Finding| matches!(finding.problem, Problem::Node(NodeProblem::KubeletConfEmbedded { .. }));
    assert_eq!(findings(&seen, &with(config()), late).iter().find(|finding| of_kubelet(finding)).unwrap().severity, Severity::Error);
}

#[test]
fn a_kubelet_that_has_not_started_yet_is_left_alone_until_its_certificate_is_near_its_end() {
    for state in [KubeletState::Missing, KubeletState::NotLookedAt] {
        let mut seen = made("1.31");
        seen.kubelet.state = state;
        assert_eq!(found(&seen), []);
        let soon = findings(&seen, &with(config()), "2026-12-31T00:00:00Z".parse().unwrap());
        assert!(told(&soon).iter().any(|text| text.contains("is not there to take its place")), "{soon:#?}");
    }
}

#[test]
fn the_kubelets_link_is_told_where_it_is_none() {
    let expired = KubeletState::Link {
        target: String::new(),
        not_before: Timestamp::UNIX_EPOCH,
        not_after: now() - SignedDuration::from_secs(1),
        certificate_sha256: None,
    };
    let late_end = now() + SignedDuration::from_hours(24);
    let late = KubeletState::Link {
        target: String::new(),
        not_before: now() - SignedDuration::from_hours(2400),
        not_after: late_end,
        certificate_sha256: None,
    };
    for (state, severity, words) in [
        (KubeletState::Missing, Severity::Error, "kubelet.conf names it, and it is not there"),
        (KubeletState::Dangling { target: "gone.pem".to_owned() }, Severity::Error, "it points to gone.pem, where nothing is"),
        (KubeletState::RegularFile, Severity::Error, "it is a file and has to be a symbolic link"),
        (KubeletState::Unreadable { problem: "permission denied".to_owned() }, Severity::Error, "permission denied"),
        (expired, Severity::Error, "expired at"),
        (late, Severity::Warning, "the kubelet should have renewed it by"),
    ] {
        let mut seen = node();
        seen.kubelet.state = state.clone();
        let client = one(&seen);
        assert!(client.severity == severity && client.to_string().contains(words), "{client}");
        assert_eq!(client.place.source, "/var/lib/kubelet/pki/kubelet-client-current.pem");
        let mut seen = node();
        seen.kubelet_server = Some(KubeletSeen { path: "/var/lib/kubelet/pki/kubelet-server-current.pem".to_owned(), state: state.clone() });
        assert_eq!(found(&seen).len(), usize::from(state != KubeletState::Missing), "no serving certificate is usual");
    }
}

#[test]
fn a_replacement_that_was_interrupted_is_told_with_its_journal() {
    let mut seen = node();
    seen.unfinished.push(Unfinished { item: Item::EtcdPeer, journal: "/etc/kubernetes/pki/etcd/.peer.journal".to_owned() });
    let finding = one(&seen);
    assert!(
        finding.place.source.ends_with("etcd/peer.crt") && finding.to_string().contains(".peer.journal: a replacement of etcd-peer"),
        "{finding}"
    );
}

#[test]
fn findings_are_flat_json_and_read_back() {
    let mut seen = node();
    facts(&mut seen, Item::Apiserver).san.clear();
    key(&mut seen, Item::Sa, KeyState::Mismatch);
    seen.kubelet.state = KubeletState::Dangling { target: "gone.pem".to_owned() };
    let found = found(&seen);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!((&json[0]["finding"], &json[0]["place"]["node"], &json[0]["severity"]), (&"namesMissing".into(), &"node-a".into(), &"error".into()));
    assert_eq!(json[0]["missing"][0], serde_json::json!({"name": "DNS:kubernetes", "because": "serviceName"}));
    assert_eq!(serde_json::from_value::<Vec<Finding>>(json).unwrap(), found);
    let text = crate::finding::textfile(&crate::Inspection::default(), &found, now());
    assert!(text.contains("trimtab_certs_findings{severity=\"error\"} 3\n"), "{text}");
}

#[test]
fn what_a_certificate_says_cannot_deceive_the_reader() {
    let mut seen = node();
    seen.items.get_mut(&Item::AdminConf).unwrap().server_name = Some("a\u{1b}[2J\u{202e}b".to_owned());
    let policy = with(Config { node_name: "n\u{1b}[2J".to_owned(), ..config() });
    for text in told(&findings(&seen, &policy, now())) {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
}
