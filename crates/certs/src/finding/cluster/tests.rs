//! Nodes that agree, and nodes that do not.

use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

use super::*;
use crate::finding::{Severity, textfile};
use crate::kubeadm::Item;
use crate::kubeadm::pki::KeyState;
use crate::renewal::{Fingerprint, ItemSeen, example};

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn policy() -> NodePolicy {
    NodePolicy::new("1.31".parse().unwrap())
}

fn seen() -> NodeSeen {
    let mut seen = example::node("1.31".parse().unwrap(), "2026-01-05T00:00:00Z".parse().unwrap());
    // As if the kubelet was never looked at.
    seen.kubelet.state = crate::renewal::KubeletState::NotLookedAt;
    seen
}

fn nodes(of: &[(&str, NodeSeen)]) -> BTreeMap<String, Node> {
    of.iter().map(|(name, seen)| ((*name).to_owned(), Node { seen: Some(seen.clone()), ..Node::default() })).collect()
}

fn found(of: &[(&str, NodeSeen)]) -> Vec<Finding> {
    findings(&nodes(of), &policy(), now())
}

fn item(seen: &mut NodeSeen, item: Item) -> &mut ItemSeen {
    seen.items.get_mut(&item).unwrap()
}

fn another() -> Fingerprint {
    Fingerprint::of(b"another")
}

/// A second authority, made by accident: its key is another one too.
fn second(item: Item) -> NodeSeen {
    let mut seen = seen();
    let other = self::item(&mut seen, item);
    (other.certificate_sha256, other.public_key_sha256) = (Some(another()), Some(another()));
    seen
}

fn told(found: &[Finding]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn nodes_of_one_cluster_have_no_findings() {
    assert_eq!(found(&[("a", seen()), ("b", seen()), ("c", seen())]), []);
    assert_eq!(found(&[]), []);
}

#[test]
fn the_odd_one_out_is_named_where_a_majority_is() {
    for authority in Item::AUTHORITIES {
        let found = found(&[("a", seen()), ("b", second(authority)), ("c", seen())]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!((found[0].severity, found[0].place.node.as_deref()), (Severity::Error, Some("b")));
        let own = item(&mut seen(), authority).certificate_sha256.clone().unwrap();
        let groups =
            vec![Group { sha256: own, nodes: vec!["a".to_owned(), "c".to_owned()] }, Group { sha256: another(), nodes: vec!["b".to_owned()] }];
        let odd = vec!["b".to_owned()];
        assert_eq!(found[0].problem, Problem::Cluster(ClusterProblem::NodesDiffer { item: authority, shared: Shared::Certificate, groups, odd }));
        assert!(found[0].to_string().contains(" on a, c; ae448ac86c4e8e4d on b. The odd one out is b; a second authority"), "{}", found[0]);
    }
}

#[test]
fn where_no_majority_is_nobody_is_called_the_odd_one() {
    let found = found(&[("a", seen()), ("b", second(Item::Ca))]);
    assert!(
        found[0].to_string().starts_with("error: /etc/kubernetes/pki/ca.crt: the certificate of ca is not the same on all nodes"),
        "{}",
        found[0]
    );
    assert!(found[0].to_string().contains("No majority tells which one is right"), "{}", found[0]);
    assert_eq!(found[0].place.node, None);
}

#[test]
fn an_authority_renewed_with_its_key_on_one_node_is_a_warning() {
    let mut renewed = seen();
    item(&mut renewed, Item::Ca).certificate_sha256 = Some(another());
    let found = found(&[("a", seen()), ("b", renewed), ("c", seen())]);
    assert!(
        matches!(&found[0].problem, Problem::Cluster(ClusterProblem::AuthorityRenewedOnSome { item: Item::Ca, odd, .. }) if odd == &["b"]),
        "{found:#?}"
    );
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
}

#[test]
fn another_key_beside_the_same_certificate_is_told_as_a_key() {
    let mut other = seen();
    item(&mut other, Item::EtcdCa).public_key_sha256 = Some(another());
    let found = found(&[("a", seen()), ("b", other), ("c", seen())]);
    assert!(
        found[0].to_string().starts_with("error: b: /etc/kubernetes/pki/etcd/ca.key: the key of etcd-ca is not the same on all nodes"),
        "{}",
        found[0]
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn service_account_keys_that_differ_are_told_once() {
    let found = found(&[("a", seen()), ("b", second(Item::Sa)), ("c", seen())]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].to_string().contains("sa.pub: the public key of sa is not the same on all nodes"), "{}", found[0]);
    assert!(found[0].to_string().contains("tokens are refused by chance"), "{}", found[0]);
    let mut torn = seen();
    item(&mut torn, Item::Sa).public_key_sha256 = Some(another());
    let found = self::found(&[("a", seen()), ("b", torn), ("c", seen())]);
    assert!(found[0].to_string().contains("sa.key: the key of sa is not the same on all nodes"), "{}", found[0]);
}

#[test]
fn a_key_on_some_nodes_only_is_told_once_with_their_names() {
    let mut without = seen();
    without.pki.items.get_mut(&Item::Ca).unwrap().key = KeyState::Absent;
    item(&mut without, Item::Ca).public_key_sha256 = None;
    let found = found(&[("a", seen()), ("b", without.clone()), ("c", without.clone())]);
    let (with, other) = (vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]);
    assert_eq!(found[0].problem, Problem::Cluster(ClusterProblem::KeyOnSome { item: Item::Ca, with, without: other }));
    assert_eq!((found.len(), found[0].severity), (1, Severity::Notice), "{found:#?}");
    let nowhere = self::found(&[("b", without.clone()), ("c", without)]);
    assert_eq!(nowhere.len(), 2, "each node tells that the authority is external: {nowhere:#?}");
}

#[test]
fn every_place_names_its_node() {
    let mut broken = seen();
    broken.pki.items.get_mut(&Item::Apiserver).unwrap().key = KeyState::Mismatch;
    let found = found(&[("a", seen()), ("b", broken)]);
    assert_eq!(told(&found).len(), 1);
    assert!(told(&found)[0].starts_with("error: b: /etc/kubernetes/pki/apiserver.crt (CN=kube-apiserver): the key beside it"), "{found:#?}");
}

#[test]
fn a_node_is_made_of_its_files_and_told_of_once() {
    use crate::kubeadm::observe::FileSeen;

    let authority = Authority::new();
    let file = |path: &str, bytes: &[u8]| (path.to_owned(), FileSeen::Contents(bytes.to_vec()));
    let key = KeyPair::generate().unwrap().serialize_pem();
    let pair = authority.kubelet("a", 2026);
    let files = Files::from([
        file("/etc/kubernetes/pki/ca.crt", authority.0.pem().as_bytes()),
        file("/etc/kubernetes/pki/apiserver.crt", &pair),
        file("/etc/kubernetes/pki/apiserver.key", key.as_bytes()),
        file("/etc/kubernetes/pki/sa.pub", b"no certificate, and no matter"),
        file("/var/lib/kubelet/pki/kubelet-client-current.pem", &pair),
        file("/opt/addon/tls.crt", b"broken"),
    ]);
    let nodes = BTreeMap::from([("a".to_owned(), Node::of_files("/etc/kubernetes/pki", &files))]);
    let places = |found: Vec<Finding>| -> Vec<String> { found.iter().map(|finding| format!("{} {}", finding.severity, finding.place)).collect() };
    let told = places(findings(&nodes, &policy(), now()));
    let alone = places(nodes["a"].findings(&policy(), now()));
    assert_eq!(alone, told.iter().map(|text| text.replace(" a: ", " ")).collect::<Vec<_>>(), "no file names the node");
    let count = |place: &str| told.iter().filter(|text| text.ends_with(place)).count();
    // Expired, another one's key, no use, no names; the key that is missing beside sa.pub; the kubelet's expired; what is no certificate.
    assert_eq!(["apiserver.crt", "sa.pub", "kubelet-client-current.pem", "tls.crt", "ca.crt"].map(count), [4, 1, 1, 1, 1], "{told:#?}");
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = params("kubernetes", 2036);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn kubelet(&self, name: &str, to: i32) -> Vec<u8> {
        let mut params = params(&format!("system:node:{name}"), to);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem() + &key.serialize_pem()).into_bytes()
    }

    fn worker(&self, name: &str, to: i32) -> Node {
        let mut inspection = Inspection::of_file("/etc/kubernetes/pki/ca.crt", self.0.pem().as_bytes());
        inspection.append(Inspection::of_file("/var/lib/kubelet/pki/kubelet-client-current.pem", &self.kubelet(name, to)));
        Node { seen: None, inspection }
    }
}

fn params(name: &str, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(to, 1, 1));
    params
}

#[test]
fn a_workers_certificates_are_judged_under_the_clusters_authorities() {
    let (own, other) = (Authority::new(), Authority::new());
    let control_plane = Node { seen: None, inspection: Inspection::of_file("/etc/kubernetes/pki/ca.crt", own.0.pem().as_bytes()) };
    let stray = Inspection::of_file("/var/lib/kubelet/pki/kubelet-client-current.pem", &other.kubelet("w2", 2027));
    let nodes: BTreeMap<String, Node> =
        [("c", control_plane), ("w1", own.worker("w1", 2026)), ("w2", Node { seen: None, inspection: stray }), ("w3", other.worker("w3", 2027))]
            .map(|(name, node)| (name.to_owned(), node))
            .into();
    let found = findings(&nodes, &policy(), now());
    let told = told(&found);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("error: w3: /etc/kubernetes/pki/ca.crt: the certificate of ca is not the same"), "{told:#?}");
    assert!(told[1].starts_with("error: w1: /var/lib/kubelet/pki/kubelet-client-current.pem (CN=system:node:w1): expired"), "{told:#?}");
    let without: BTreeMap<String, Node> = nodes.into_iter().filter(|(name, _)| name != "w3").collect();
    let found = findings(&without, &policy(), now());
    assert!(
        found.iter().any(|finding| finding.place.node.as_deref() == Some("w2") && matches!(finding.problem, Problem::SignedByAnother { .. })),
        "{found:#?}"
    );
    let text = textfile(&inspection(&without), &found, now());
    assert!(text.contains("x509_cert_expired{node=\"w1\",source=\"/var/lib/kubelet/pki/kubelet-client-current.pem\""), "{text}");
}

#[test]
fn what_was_seen_and_found_in_the_same_file_is_told_once() {
    let mut dead = seen();
    let Some(state) = dead.pki.items.get_mut(&Item::AdminConf) else { panic!("it is there") };
    let crate::kubeadm::pki::CertificateState::Readable(read) = &mut state.certificate else { panic!("it is read") };
    read.not_after = "2026-01-01T00:00:00Z".parse().unwrap();
    let authority = Authority::new();
    let config =
        serde_json::json!({"users": [{"name": "kubernetes-admin", "user": {"client-certificate-data": base64(&authority.kubelet("a", 2026))}}]});
    let inspection = Inspection::of_file("/etc/kubernetes/admin.conf", config.to_string().as_bytes());
    let nodes = BTreeMap::from([("a".to_owned(), Node { seen: Some(dead), inspection })]);
    let found = findings(&nodes, &policy(), now());
    assert_eq!(found.iter().filter(|finding| matches!(finding.problem, Problem::Expired { .. })).count(), 1, "{found:#?}");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn five_hundred_nodes_are_one_call_and_its_time_grows_with_their_number() {
    let authority = Authority::new();
    let workers: Vec<Node> = (0..20).map(|at| authority.worker(&format!("w{at}"), 2027)).collect();
    let worker = |at: usize| Node { seen: Some(if at % 100 == 7 { second(Item::FrontProxyCa) } else { seen() }), ..workers[at % 20].clone() };
    let cluster = |count: usize| -> BTreeMap<String, Node> { (0..count).map(|at| (format!("node-{at:04}"), worker(at))).collect() };
    // The best of three: others are at work on this machine.
    let timed = |nodes: &BTreeMap<String, Node>| -> Duration {
        let once = |_| {
            let begun = Instant::now();
            assert!(!findings(nodes, &policy(), now()).is_empty());
            begun.elapsed()
        };
        (0..3).map(once).min().unwrap()
    };
    let found = findings(&cluster(500), &policy(), now());
    let Problem::Cluster(ClusterProblem::NodesDiffer { groups, odd, .. }) = &found[0].problem else { panic!("{}", found[0]) };
    assert_eq!((groups[0].nodes.len(), odd.len()), (495, 5));
    assert_eq!(odd[0], "node-0007");
    assert!(found[0].to_string().contains("node-0008 and 487 more"), "{}", found[0]);
    let (took, longer) = (timed(&cluster(500)), timed(&cluster(2000)));
    // Four times as many; a square would take sixteen times as long.
    assert!(longer < took * 10, "500 nodes took {took:?}, 2000 {longer:?}");
}
