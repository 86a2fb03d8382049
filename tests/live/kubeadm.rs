//! What real kubeadm makes, shows and renews, beside what is read and forecast of it.

mod renewed;

use jiff::{SignedDuration, Timestamp};
use renewed::shown::{kube, same_as_shown, seen, stdout};
use trimtab_certs::certificate::certificates;
use trimtab_certs::key::PrivateKey;
use trimtab_certs::kubeadm::observe::FileSeen;
use trimtab_certs::kubeadm::pki::{CertificateState, KeyState};
use trimtab_certs::kubeadm::{Item, Pki, check_expiration};
use trimtab_certs::pem;
use trimtab_certs::renew::{CertificateAuthority, NewSerial, Policy, renewed, system_random};
use trimtab_kit::kubeadm::{CERTIFICATES_DIR, Kubernetes, VERSIONS};

#[test]
fn what_kubeadm_made_is_read_whole_and_shown_as_kubeadm_shows_it() {
    for version in VERSIONS {
        let node = Kubernetes::init(version, "");
        let pki = seen(&node);
        for (item, state) in &pki.items {
            assert_eq!(state.key, KeyState::Present, "{version} {item}");
            if let CertificateState::Readable(read) = &state.certificate {
                assert!(read.signed_by_local_ca && read.certificates == 1, "{version} {item}");
                assert_eq!(read.is_ca, item.is_authority(), "{version} {item}");
            } else {
                assert_eq!(*item, Item::Sa, "{version}: {state:?}");
            }
        }
        assert_eq!(pki.items.len(), if kube(version).minor() >= 29 { 16 } else { 15 }, "{version}");
        same_as_shown(&node, version);
    }
}

#[test]
fn what_is_missing_broken_or_signed_elsewhere_is_shown_as_kubeadm_shows_it() {
    for version in VERSIONS {
        let node = Kubernetes::init(version, "");
        let at = |name: &str| node.folder().join(name);
        std::fs::remove_file(at("scheduler.conf")).unwrap();
        std::fs::remove_file(at("pki/apiserver-kubelet-client.key")).unwrap();
        std::fs::remove_file(at("pki/front-proxy-ca.key")).unwrap();
        let both = [std::fs::read(at("pki/apiserver.crt")).unwrap(), std::fs::read(at("pki/ca.crt")).unwrap()].concat();
        std::fs::write(at("pki/apiserver.crt"), both).unwrap();
        same_as_shown(&node, version);
        std::fs::write(at("pki/etcd/peer.crt"), "no certificate").unwrap();
        let output = node.kubeadm(&["certs", "check-expiration"]);
        let forecast = check_expiration(&seen(&node), kube(version), Timestamp::now());
        assert_eq!((output.status.code(), Some(forecast.exit_code)), (Some(1), Some(1)), "{version}");
    }
}

/// Renews one pair as a plan would: the same subject, names and uses, a new key of the same algorithm in the format of the old one.
fn renew(node: &Kubernetes, item: Item, authority: Item) {
    let path = |item: Item, ending: &str| node.folder().join(format!("pki/{}.{ending}", item.base_name()));
    let read = |item: Item, ending: &str| std::fs::read(path(item, ending)).unwrap();
    let der = |item: Item| certificates(&read(item, "crt")).remove(0).certificate.unwrap().der().to_vec();
    let (old, now) = (der(item), Timestamp::now());
    let ca = CertificateAuthority::new(&der(authority), PrivateKey::from_pem(&read(authority, "key")).unwrap(), now).unwrap();
    let policy = Policy { validity: SignedDuration::from_hours(24 * 90), ..Policy::default() };
    let format = PrivateKey::from_pem(&read(item, "key")).unwrap().format();
    let key = PrivateKey::generate(policy.key.wanted(&old).unwrap().unwrap()).unwrap();
    let renewed = renewed(&old, &ca, &policy, &key, now, NewSerial::draw(&mut system_random).unwrap()).unwrap();
    std::fs::write(path(item, "crt"), pem::encode("CERTIFICATE", &renewed.certificate_der)).unwrap();
    std::fs::write(path(item, "key"), key.to_pem(format).unwrap().as_bytes()).unwrap();
}

#[test]
fn kubeadm_takes_what_was_renewed_here_and_renews_it_again() {
    for (version, algorithm) in VERSIONS.into_iter().zip(["", "encryptionAlgorithm: ECDSA-P256\n", "encryptionAlgorithm: ECDSA-P384\n"]) {
        let node = Kubernetes::init(version, algorithm);
        let leaves = [(Item::Apiserver, Item::Ca), (Item::EtcdServer, Item::EtcdCa), (Item::FrontProxyClient, Item::FrontProxyCa)];
        let before = node.files();
        for (item, authority) in leaves {
            renew(&node, item, authority);
        }
        let pki = seen(&node);
        for (item, _) in leaves {
            let CertificateState::Readable(read) = &pki.items[&item].certificate else { panic!("{version} {item}") };
            assert!(read.signed_by_local_ca && pki.items[&item].key == KeyState::Present, "{version} {item}");
        }
        same_as_shown(&node, version);
        let old = Pki::of_files(&before, CERTIFICATES_DIR);
        assert_eq!(kept(&old), kept(&pki), "{version}");
        stdout(&node, &["certs", "renew", "all"]);
        assert_eq!(kept(&old), kept(&seen(&node)), "{version}: kubeadm finds all that it looks for in what was renewed here");
        same_as_shown(&node, version);
    }
}

/// What a renewal has to keep of each.
fn kept(pki: &Pki) -> Vec<(Item, String)> {
    let of = |(item, state): (&Item, &trimtab_certs::kubeadm::pki::ItemState)| match &state.certificate {
        CertificateState::Readable(read) => {
            let facts = read.facts.as_ref().unwrap();
            let names: Vec<String> = facts.san.iter().map(ToString::to_string).collect();
            Some((*item, format!("{:?} {names:?} {:?} {:?} {:?}", facts.subject, facts.ext_key_usage, facts.key_usage, facts.basic_constraints)))
        }
        CertificateState::Missing | CertificateState::Unreadable { .. } => None,
    };
    pki.items.iter().filter_map(of).collect()
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_kubeadm_stops_too() {
    let node = Kubernetes::init("1.37.2", "encryptionAlgorithm: ECDSA-P256\n");
    let mut files = node.files();
    files.insert(format!("{CERTIFICATES_DIR}/apiserver.crt"), FileSeen::Unreadable("permission denied".to_owned()));
    let forecast = check_expiration(&Pki::of_files(&files, CERTIFICATES_DIR), kube("1.37.2"), Timestamp::now());
    assert_eq!(forecast.exit_code, 1);
}
