//! What a look at a folder makes of odd files, and of journals that are none.

#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;
use trimtab_certs::Error;
use trimtab_certs::kubeadm::Item;
use trimtab_certs::kubeadm::pki::{CertificateState, KeyState};
use trimtab_certs::live::{self, Node};
use trimtab_certs::renewal::{Identity, KubeletState, NodeSeen};

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("pki/etcd")).unwrap();
    folder
}

fn seen(folder: &Path) -> NodeSeen {
    Node::new(folder).with_kubelet_dir(folder.join("kubelet")).observe().unwrap()
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_an_empty_one_is_not() {
    assert!(matches!(live::observe("/no/such/folder"), Err(Error::Unreadable { .. })));
    let folder = folder();
    let seen = seen(folder.path());
    assert!(seen.items.is_empty() && seen.unfinished.is_empty() && seen.has_external_etcd());
    assert_eq!(seen.kubelet.state, KubeletState::Missing);
}

#[test]
fn odd_files_are_told_and_end_nothing() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("pki/apiserver.crt")).unwrap();
    symlink("nowhere", at("pki/front-proxy-ca.crt")).unwrap();
    symlink("front-proxy-client.crt", at("pki/front-proxy-client.crt")).unwrap();
    fs::write(at("pki/ca.crt"), "no PEM").unwrap();
    fs::write(at("pki/ca.key"), "").unwrap();
    fs::write(at("admin.conf"), "users: [\n").unwrap();
    fs::write(
        at("scheduler.conf"),
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: {server: a}}]\n\
         users: [{name: u, user: {client-certificate: /run/u.crt, client-key: /run/u.key}}]\n",
    )
    .unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(at("pki/etcd/ca.crt")).status().unwrap();
    assert!(pipe.success());
    let big = fs::File::create(at("pki/etcd/peer.crt")).unwrap();
    big.set_len(101 * 1024 * 1024).unwrap();

    let seen = seen(folder.path());
    let unreadable = |item: Item| matches!(seen.pki.certificate(item), CertificateState::Unreadable { .. });
    assert!([Item::Ca, Item::AdminConf, Item::SchedulerConf, Item::EtcdCa, Item::EtcdPeer, Item::FrontProxyClient].into_iter().all(unreadable));
    assert!(!seen.pki.has_certificate_file(Item::Apiserver) && !seen.pki.has_certificate_file(Item::FrontProxyCa));
    assert!(matches!(seen.pki.key(Item::Ca), KeyState::Unreadable { .. }));
    assert_eq!(seen.items[&Item::SchedulerConf].identity, Identity::Elsewhere { place: "/run/u.crt".to_owned() });
    assert!(matches!(seen.items[&Item::AdminConf].identity, Identity::Nowhere { .. }));
}

#[test]
fn where_files_lie_is_told() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("elsewhere.crt"), "x").unwrap();
    fs::set_permissions(at("elsewhere.crt"), fs::Permissions::from_mode(0o604)).unwrap();
    symlink("../elsewhere.crt", at("pki/apiserver.crt")).unwrap();
    let place = seen(folder.path()).items[&Item::Apiserver].certificate.clone().unwrap();
    assert_eq!((place.path, place.mode), (at("pki/apiserver.crt").display().to_string(), 0o604));
    assert_eq!(place.target, Some(fs::canonicalize(at("elsewhere.crt")).unwrap().display().to_string()));

    fs::create_dir(at("certificates")).unwrap();
    fs::write(at("certificates/ca.crt"), "x").unwrap();
    let moved = Node::new(folder.path()).with_certificates_dir(at("certificates")).observe().unwrap();
    assert_eq!(moved.items.keys().collect::<Vec<_>>(), [&Item::Ca]);
    assert_eq!(moved.paths(Item::Ca)[0], at("certificates/ca.crt").display().to_string());
}

#[test]
fn what_a_kubelet_has_is_told_by_its_link() {
    let folder = folder();
    let kubelet = folder.path().join("kubelet");
    fs::create_dir(&kubelet).unwrap();
    let current = kubelet.join("kubelet-client-current.pem");
    symlink("kubelet-client-2026-01-01-00-00-00.pem", &current).unwrap();
    let target = "kubelet-client-2026-01-01-00-00-00.pem".to_owned();
    assert_eq!(seen(folder.path()).kubelet.state, KubeletState::Dangling { target });
    assert_eq!(seen(folder.path()).kubelet_server.unwrap().state, KubeletState::Missing);
    fs::write(kubelet.join("kubelet-client-2026-01-01-00-00-00.pem"), "no certificate").unwrap();
    assert!(matches!(seen(folder.path()).kubelet.state, KubeletState::Unreadable { problem } if problem.contains("no certificate")));
    fs::remove_file(&current).unwrap();
    fs::write(&current, "x").unwrap();
    assert_eq!(seen(folder.path()).kubelet.state, KubeletState::RegularFile);
}

#[test]
fn a_journal_that_is_none_moves_nothing() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("pki/apiserver.crt"), "precious").unwrap();
    fs::write(at("victim"), "precious").unwrap();
    let entry = |path: &str| {
        let name = at(path).file_name().unwrap().to_string_lossy().into_owned();
        let near = |file: String| at(path).with_file_name(file).display().to_string();
        let (new, backup) = (near(format!(".{name}.trimtab-20261125T100112Z.new")), near(format!("{name}.trimtab-20261125T100112Z.bak")));
        serde_json::json!({"path": at(path), "new": new, "backup": backup})
    };
    let journal = |item: &str, format: u8, files: serde_json::Value| {
        serde_json::json!({"format": format, "item": item, "stamp": "20261125T100112Z", "phase": "preparing", "files": files}).to_string()
    };
    let wrong = [
        String::new(),
        "{".to_owned(),
        journal("apiserver", 2, serde_json::json!([])),
        journal("etcd-peer", 1, serde_json::json!([entry("pki/apiserver.crt")])),
        journal("apiserver", 1, serde_json::json!([entry("victim")])),
        journal("apiserver", 1, serde_json::json!([{"path": at("pki/apiserver.crt"), "new": at("victim"), "backup": at("victim")}])),
    ];
    for text in wrong {
        fs::write(at("pki/.trimtab-renew-apiserver.json"), &text).unwrap();
        assert_eq!(seen(folder.path()).unfinished.len(), 1);
        let error = Node::new(folder.path()).recover().unwrap_err();
        assert!(matches!(error, Error::JournalNotRead { .. }), "{text}: {error}");
        assert!(["victim", "pki/apiserver.crt"].iter().all(|name| fs::read(at(name)).unwrap() == b"precious"));
    }
    fs::write(at("pki/.trimtab-renew-apiserver.json"), journal("apiserver", 1, serde_json::json!([entry("pki/apiserver.crt")]))).unwrap();
    assert_eq!(Node::new(folder.path()).recover().unwrap().len(), 1);
    assert_eq!(seen(folder.path()).unfinished, []);
}

#[test]
fn a_journal_with_a_stamp_that_is_none_removes_nothing_elsewhere() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("pki/apiserver.crt.trimtab-x")).unwrap();
    fs::write(at("pki/apiserver.crt"), "precious").unwrap();
    let crt = fs::canonicalize(at("pki/apiserver.crt")).unwrap().display().to_string();
    for stamp in
        ["x/../../precious", "", "x", "20261125T100112", "20261125T100112Z-1", "20261125T100112Z-02", "20261125T100112Z-", "2026112ZT10011TZ"]
    {
        let near = |begin: &str, end: &str| crt.replace("apiserver.crt", &format!("{begin}apiserver.crt.trimtab-{stamp}.{end}"));
        let files = serde_json::json!([{"path": crt, "new": near(".", "new"), "backup": near("", "bak")}]);
        let journal = serde_json::json!({"format": 1, "item": "apiserver", "stamp": stamp, "phase": "preparing", "files": files});
        fs::write(at("pki/.trimtab-renew-apiserver.json"), journal.to_string()).unwrap();
        fs::write(at("precious.bak"), "precious").unwrap();
        assert!(matches!(Node::new(folder.path()).recover(), Err(Error::JournalNotRead { .. })), "{stamp}");
        assert!(at("precious.bak").exists(), "{stamp}");
    }
}

#[test]
fn a_clock_can_be_given() {
    let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    assert_eq!(Node::new("/etc/kubernetes").at(now).now(), now);
}
