//! Findings over what real kubeadm made: none while it is whole, and exactly the one of each damage.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use trimtab_certs::certificate::certificates;
use trimtab_certs::finding::cluster::{self, Node as ClusterNode};
use trimtab_certs::finding::copies::{self, Original};
use trimtab_certs::finding::kubelet;
use trimtab_certs::finding::node::{self, NodePolicy};
use trimtab_certs::key::PrivateKey;
use trimtab_certs::kubeadm::Config;
use trimtab_certs::kubeconfig::{Kubeconfig, Material, Secret};
use trimtab_certs::live::Node;
use trimtab_certs::renew::{CertificateAuthority, NewSerial, Policy, renewed, system_random};
use trimtab_certs::renewal::{KubeletState, NodeSeen};
use trimtab_certs::{Finding, FindingPolicy, Inspection, findings, pem};
use trimtab_kit::kubeadm::{Kubernetes, VERSIONS, kubelet_configuration};

const NEW: &str = "1.37.2";
const ECDSA: &str = "encryptionAlgorithm: ECDSA-P256\n";

fn config() -> Config {
    Config { advertise_address: "203.0.113.10".to_owned(), node_name: "node-a".to_owned(), ..Config::default() }
}

fn policy(version: &str, config: Option<Config>) -> NodePolicy {
    NodePolicy { config, ..NodePolicy::new(version.parse().unwrap()) }
}

/// A node of the newest kubeadm whose kubelet has its link, as after `init phase kubelet-finalize`.
struct Finalized {
    kubernetes: Kubernetes,
    kubelet: tempfile::TempDir,
}

impl Finalized {
    fn make(cluster: &str) -> Self {
        Self::of(Kubernetes::init(NEW, &format!("{ECDSA}{cluster}")))
    }

    fn of(kubernetes: Kubernetes) -> Self {
        let made = Self { kubernetes, kubelet: tempfile::tempdir().unwrap() };
        let (certificate, key) = embedded(&made.at("kubelet.conf"));
        fs::write(made.dated("2026-01-05"), [certificate, key].concat()).unwrap();
        symlink(made.dated("2026-01-05"), made.current()).unwrap();
        let text = fs::read_to_string(made.at("kubelet.conf")).unwrap();
        let link = made.current().display().to_string();
        let named = |line: &str| match line.trim_start().split_once(':') {
            Some((field @ ("client-certificate-data" | "client-key-data"), _)) => format!("    {}: {link}", field.trim_end_matches("-data")),
            Some(_) | None => line.to_owned(),
        };
        fs::write(made.at("kubelet.conf"), text.lines().map(named).collect::<Vec<_>>().join("\n")).unwrap();
        made
    }

    fn at(&self, name: &str) -> PathBuf {
        self.kubernetes.folder().join(name)
    }

    fn current(&self) -> PathBuf {
        self.kubelet.path().join("kubelet-client-current.pem")
    }

    fn dated(&self, date: &str) -> PathBuf {
        self.kubelet.path().join(format!("kubelet-client-{date}-00-00-00.pem"))
    }

    fn seen(&self) -> NodeSeen {
        Node::new(self.kubernetes.folder()).with_kubelet_dir(self.kubelet.path()).observe().unwrap()
    }

    fn found(&self) -> Vec<Finding> {
        node::findings(&self.seen(), &policy(NEW, Some(config())), Timestamp::now())
    }

    /// What is found, as `finding file`, sorted.
    fn kinds(&self) -> Vec<String> {
        kinds(&self.found())
    }
}

fn kinds(found: &[Finding]) -> Vec<String> {
    let kind = |finding: &Finding| {
        let name = serde_json::to_value(finding).unwrap()["finding"].as_str().unwrap().to_owned();
        format!("{name} {}", Path::new(&finding.place.source).file_name().unwrap().to_string_lossy())
    };
    let mut kinds: Vec<String> = found.iter().map(kind).collect();
    kinds.sort();
    kinds
}

/// Certificate and key of the current context's user.
fn embedded(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let config = Kubeconfig::read(&fs::read(path).unwrap()).unwrap();
    let (_, _, user) = config.current().unwrap();
    let (Some(Material::Embedded { contents: certificate }), Some(Secret::Embedded { contents: key })) = (&user.client_certificate, &user.client_key)
    else {
        panic!("{} has no certificate in it", path.display())
    };
    (certificate.clone(), key.clone())
}

#[test]
fn what_each_kubeadm_made_has_no_findings() {
    for version in VERSIONS {
        let kubernetes = Kubernetes::init(version, "");
        let nowhere = tempfile::tempdir().unwrap();
        let seen = Node::new(kubernetes.folder()).with_kubelet_dir(nowhere.path()).observe().unwrap();
        for config in [None, Some(config()), Some(Config::default())] {
            assert_eq!(node::findings(&seen, &policy(version, config), Timestamp::now()), [], "{version}");
        }
        let finalized = Finalized::of(kubernetes);
        assert_eq!(finalized.kinds(), Vec::<String>::new(), "{version}");
        let file = kubelet_configuration(version);
        let found = kubelet::of_configuration("config.yaml", file.as_bytes(), Some(&finalized.seen()));
        assert_eq!(kinds(&found), ["servingSelfSigned config.yaml"], "{version}: kubeadm lets the kubelet sign that itself");
    }
}

#[test]
fn names_of_every_kind_of_configuration_are_as_kubeadm_writes_them() {
    let cluster = "controlPlaneEndpoint: api.example.test:8443\napiServer: {certSANs: [UPPER.example.test, 10.1.2.3]}\n\
                   networking: {serviceSubnet: \"10.20.0.0/16,fd00:20::/112\", dnsDomain: k.example.test}\n\
                   etcd: {local: {serverCertSANs: [etcd.example.test], peerCertSANs: [10.9.9.9]}}\n";
    for version in VERSIONS {
        let kubernetes = Kubernetes::init(version, cluster);
        let wanted = Config {
            control_plane_endpoint: "api.example.test:8443".to_owned(),
            cert_sans: vec!["UPPER.example.test".to_owned(), "10.1.2.3".to_owned()],
            service_subnet: "10.20.0.0/16,fd00:20::/112".to_owned(),
            dns_domain: "k.example.test".to_owned(),
            etcd_server_cert_sans: vec!["etcd.example.test".to_owned()],
            etcd_peer_cert_sans: vec!["10.9.9.9".to_owned()],
            ..config()
        };
        let nowhere = tempfile::tempdir().unwrap();
        let seen = Node::new(kubernetes.folder()).with_kubelet_dir(nowhere.path()).observe().unwrap();
        assert_eq!(node::findings(&seen, &policy(version, Some(wanted.clone())), Timestamp::now()), [], "{version}");
        // What was added to the configuration afterwards is missed, each by the one who asks for it, and `renew` does not bring it.
        let added = Config { cert_sans: [&wanted.cert_sans[..], &["new.example.test".to_owned()]].concat(), ..wanted };
        assert!(kubernetes.kubeadm(&["certs", "renew", "apiserver"]).status.success());
        let seen = Node::new(kubernetes.folder()).with_kubelet_dir(nowhere.path()).observe().unwrap();
        let found = node::findings(&seen, &policy(version, Some(added)), Timestamp::now());
        assert_eq!(kinds(&found), ["namesMissing apiserver.crt"], "{version}");
        assert!(
            found[0].to_string().contains("apiserver does not stand for DNS:new.example.test (listed in the configuration): a renewal"),
            "{}",
            found[0]
        );
    }
}

#[test]
fn the_command_that_is_told_for_a_missing_name_brings_it() {
    let made = Finalized::make("apiServer: {certSANs: [new.example.test]}\n");
    let other = Kubernetes::init(NEW, ECDSA);
    for name in ["ca.crt", "ca.key", "apiserver.crt", "apiserver.key"] {
        fs::copy(other.folder().join("pki").join(name), made.at("pki").join(name)).unwrap();
    }
    let wish = policy(NEW, Some(Config { cert_sans: vec!["new.example.test".to_owned()], ..config() }));
    let of_apiserver =
        |made: &Finalized| kinds(&node::findings(&made.seen(), &wish, Timestamp::now())).contains(&"namesMissing apiserver.crt".to_owned());
    assert!(of_apiserver(&made));
    fs::remove_file(made.at("pki/apiserver.crt")).unwrap();
    fs::remove_file(made.at("pki/apiserver.key")).unwrap();
    assert!(made.kubernetes.kubeadm(&["init", "phase", "certs", "apiserver"]).status.success());
    assert!(!of_apiserver(&made));
}

#[test]
fn a_certificate_of_another_role_lacks_uses_and_names() {
    let made = Finalized::make("");
    for (from, to) in
        [("apiserver-kubelet-client", "apiserver"), ("etcd/healthcheck-client", "etcd/server"), ("apiserver", "apiserver-kubelet-client")]
    {
        let other = Finalized::make("");
        for ending in ["crt", "key"] {
            fs::copy(other.at(&format!("pki/{from}.{ending}")), other.at(&format!("pki/{to}.{ending}"))).unwrap();
        }
        let file = to.rsplit('/').next().unwrap();
        let names = if to == "apiserver-kubelet-client" { None } else { Some(format!("namesMissing {file}.crt")) };
        assert_eq!(other.kinds(), names.into_iter().chain([format!("usagesMissing {file}.crt")]).collect::<Vec<_>>(), "{from} as {to}");
    }
    assert_eq!(made.kinds(), Vec::<String>::new());
}

#[test]
fn an_authority_without_its_key_is_what_kubeadm_calls_external() {
    for (file, item) in [("ca", "ca.crt"), ("front-proxy-ca", "front-proxy-ca.crt"), ("etcd/ca", "ca.crt")] {
        let made = Finalized::make("");
        fs::remove_file(made.at(&format!("pki/{file}.key"))).unwrap();
        assert_eq!(made.kinds(), [format!("authorityKeyElsewhere {item}")]);
        assert!(made.found()[0].to_string().contains("`kubeadm certs generate-csr`"), "{}", made.found()[0]);
        let said = made.kubernetes.kubeadm(&["certs", "renew", "all"]);
        let said = [said.stdout, said.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains("external"), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn keys_of_others_and_torn_pairs_are_told_exactly() {
    let other = Kubernetes::init(NEW, ECDSA);
    for (from, to, wanted) in [
        ("pki/sa.pub", "pki/sa.pub", "saPairDiffers sa.pub"),
        ("pki/sa.key", "pki/sa.key", "saPairDiffers sa.pub"),
        ("pki/apiserver.key", "pki/apiserver.key", "keyDiffers apiserver.crt"),
        ("pki/etcd/ca.key", "pki/etcd/ca.key", "keyDiffers ca.crt"),
    ] {
        let made = Finalized::make("");
        fs::copy(other.folder().join(from), made.at(to)).unwrap();
        assert_eq!(made.kinds(), [wanted], "{to}");
    }
    for (gone, wanted) in [
        ("pki/sa.pub", "saPublicMissing sa.pub"),
        ("pki/sa.key", "keyMissing sa.pub"),
        ("pki/apiserver.key", "keyMissing apiserver.crt"),
        ("pki/apiserver.crt", "certificateMissing apiserver.crt"),
    ] {
        let made = Finalized::make("");
        fs::remove_file(made.at(gone)).unwrap();
        assert_eq!(made.kinds(), [wanted], "{gone}");
    }
}

#[test]
fn a_second_authority_made_by_accident_strands_all_that_the_first_one_signed() {
    let (made, other) = (Finalized::make(""), Kubernetes::init(NEW, ECDSA));
    let own = fs::read(made.at("pki/ca.crt")).unwrap();
    for name in ["ca.crt", "ca.key"] {
        fs::copy(other.folder().join("pki").join(name), made.at("pki").join(name)).unwrap();
    }
    let found = made.kinds();
    let confs = ["admin.conf", "controller-manager.conf", "scheduler.conf", "super-admin.conf"];
    let stranded = ["apiserver-kubelet-client.crt", "apiserver.crt"].into_iter().chain(confs).map(|file| format!("signedByAnother {file}"));
    let trusting = confs.map(|file| format!("trustsAnother {file}"));
    let mut wanted: Vec<String> = stranded.chain(trusting).collect();
    wanted.sort();
    assert_eq!(found, wanted);
    // Both in one file, as while one replaces the other: the new one first.
    let both = [fs::read(made.at("pki/ca.crt")).unwrap(), own].concat();
    fs::write(made.at("pki/ca.crt"), both).unwrap();
    assert_eq!(made.kinds(), confs.map(|file| format!("trustsAnother {file}")));
    assert!(made.found().iter().all(|finding| finding.severity == trimtab_certs::finding::Severity::Warning));
}

#[test]
fn the_kubelets_link_and_what_kubelet_conf_holds_are_told_exactly() {
    let made = Finalized::make("");
    fs::remove_file(made.current()).unwrap();
    assert_eq!(made.kinds(), ["currentMissing kubelet-client-current.pem"]);
    symlink("gone.pem", made.current()).unwrap();
    assert_eq!(made.kinds(), ["currentDangles kubelet-client-current.pem"]);
    fs::remove_file(made.current()).unwrap();
    fs::copy(made.dated("2026-01-05"), made.current()).unwrap();
    assert_eq!(made.kinds(), ["currentIsFile kubelet-client-current.pem"]);
    fs::remove_file(made.current()).unwrap();
    symlink(made.at("pki/sa.pub"), made.current()).unwrap();
    assert_eq!(made.kinds(), ["currentUnreadable kubelet-client-current.pem"]);
}

#[test]
fn a_kubelet_conf_of_the_first_year_falls_behind_what_the_kubelet_renewed() {
    let made = Finalized::make("");
    let fresh = made.kubernetes.join();
    fs::copy(fresh.folder().join("kubelet.conf"), made.at("kubelet.conf")).unwrap();
    let (certificate, key) = embedded(&made.at("kubelet.conf"));
    fs::write(made.dated("2026-01-05"), [certificate.clone(), key].concat()).unwrap();
    let found = made.found();
    assert_eq!(kinds(&found), ["kubeletConfEmbedded kubelet.conf"]);
    assert!(found[0].to_string().contains("is the same one only until the kubelet renews that"), "{}", found[0]);

    let now = Timestamp::now();
    let der = |file: &[u8]| certificates(file).remove(0).certificate.unwrap().der().to_vec();
    let read = |name: &str| fs::read(made.at(name)).unwrap();
    let ca = CertificateAuthority::new(&der(&read("pki/ca.crt")), PrivateKey::from_pem(&read("pki/ca.key")).unwrap(), now).unwrap();
    let policy = Policy { validity: SignedDuration::from_hours(24 * 400), ..Policy::default() };
    let old = der(&certificate);
    let own = PrivateKey::generate(policy.key.wanted(&old).unwrap().unwrap()).unwrap();
    let rotated = renewed(&old, &ca, &policy, &own, now, NewSerial::draw(&mut system_random).unwrap()).unwrap();
    let text = pem::encode("CERTIFICATE", &rotated.certificate_der) + own.to_pem(own.format()).unwrap().as_str();
    fs::write(made.dated("2026-11-05"), text).unwrap();
    fs::remove_file(made.current()).unwrap();
    symlink(made.dated("2026-11-05"), made.current()).unwrap();
    let KubeletState::Link { not_after, .. } = made.seen().kubelet.state else { panic!("it is a link") };
    let found = made.found();
    assert_eq!(kinds(&found), ["kubeletConfEmbedded kubelet.conf"]);
    assert!(found[0].to_string().contains(&format!("has renewed its own in {} until {not_after}", made.current().display())), "{}", found[0]);
}

#[test]
fn nodes_of_one_cluster_agree_and_one_that_was_set_up_anew_does_not() {
    let first = Kubernetes::init(NEW, ECDSA);
    let (second, third) = (first.join(), first.join());
    let stranger = Kubernetes::init(NEW, ECDSA);
    let nodes = |of: &[(&str, &Kubernetes)]| -> BTreeMap<String, ClusterNode> {
        let node = |(name, kubernetes): &(&str, &Kubernetes)| {
            let mut inspection = Inspection::default();
            for name in ["ca.crt", "apiserver.crt", "etcd/server.crt"] {
                let path = kubernetes.folder().join("pki").join(name);
                inspection.append(Inspection::of_file(&path.display().to_string(), &fs::read(path).unwrap()));
            }
            let nowhere = tempfile::tempdir().unwrap();
            let seen = Node::new(kubernetes.folder()).with_kubelet_dir(nowhere.path()).observe().unwrap();
            ((*name).to_owned(), ClusterNode { seen: Some(seen), inspection })
        };
        of.iter().map(node).collect()
    };
    // The configuration of the first node: its own name and address are not asked of the others.
    let policy = policy(NEW, Some(config()));
    let found = cluster::findings(&nodes(&[("a", &first), ("b", &second), ("c", &third)]), &policy, Timestamp::now());
    assert_eq!(found, []);
    let found = cluster::findings(&nodes(&[("a", &first), ("b", &second), ("c", &stranger)]), &policy, Timestamp::now());
    assert_eq!(kinds(&found), ["nodesDiffer ca.crt", "nodesDiffer ca.crt", "nodesDiffer front-proxy-ca.crt", "nodesDiffer sa.pub"]);
    assert!(
        found.iter().all(|finding| finding.place.node.as_deref() == Some("c") && finding.to_string().contains("The odd one out is c")),
        "{found:#?}"
    );
    fs::remove_file(second.folder().join("pki/ca.key")).unwrap();
    let found = cluster::findings(&nodes(&[("a", &first), ("b", &second), ("c", &third)]), &policy, Timestamp::now());
    assert_eq!(kinds(&found), ["keyOnSome ca.key"]);
    assert!(found[0].to_string().contains("the key of ca is on a, c and not on b"), "{}", found[0]);
}

#[test]
fn a_copy_of_admin_conf_stays_behind_when_kubeadm_renews_the_original() {
    for version in VERSIONS {
        let kubernetes = Kubernetes::init(version, "");
        let admin = kubernetes.folder().join("admin.conf");
        let copy = fs::read(&admin).unwrap();
        let found = |now| {
            let original = Original::read("/etc/kubernetes/admin.conf", &fs::read(&admin).unwrap()).unwrap();
            copies::findings(&original, [("/root/.kube/config", &copy[..])], now)
        };
        assert_eq!(found(Timestamp::now()), [], "{version}");
        // Certificates have whole seconds.
        sleep(Duration::from_millis(1100));
        assert!(kubernetes.kubeadm(&["certs", "renew", "admin.conf"]).status.success(), "{version}");
        assert_eq!(kinds(&found(Timestamp::now())), ["olderCopy config"], "{version}");
        assert_eq!(kinds(&found(Timestamp::now() + SignedDuration::from_hours(24 * 366))), ["expiredCopy config"], "{version}");
        let stranger = fs::read(Kubernetes::init(version, "").folder().join("admin.conf")).unwrap();
        let original = Original::read("admin.conf", &stranger).unwrap();
        let found = copies::findings(&original, [("config", &copy[..])], Timestamp::now());
        assert_eq!(kinds(&found), ["copyTrustsAnother config"], "{version}: the address is the same, the cluster is another one");
    }
}

#[test]
fn no_key_stands_in_any_finding() {
    let made = Finalized::make("");
    let (_, key) = embedded(&made.at("admin.conf"));
    fs::write(made.at("pki/apiserver.key"), [b"-----BEGIN EC PRIVATE KEY-----\ns3cret\n", &key[..]].concat()).unwrap();
    fs::write(made.at("scheduler.conf"), [b"users: [s3cret", &key[..]].concat()).unwrap();
    let inspection = Inspection::of_file("scheduler.conf", &fs::read(made.at("scheduler.conf")).unwrap());
    let found = [made.found(), findings(&inspection, &FindingPolicy::default(), Timestamp::now())].concat();
    assert!(found.len() >= 3, "{found:#?}");
    let told = format!("{found:?} {} {}", serde_json::to_string(&found).unwrap(), found.iter().map(ToString::to_string).collect::<String>());
    let lines = String::from_utf8(key).unwrap();
    assert!(!lines.lines().filter(|line| !line.starts_with("-----")).any(|line| told.contains(line)) && !told.contains("s3cret"), "{told}");
}
