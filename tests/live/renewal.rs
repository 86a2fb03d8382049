//! Renewals of what real kubeadm made: kubeadm and openssl take it, and nothing is lost.

mod renewed;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use renewed::shown::{same_as_shown, stdout};
use renewed::{
    LEAVES, applied, assert_every_pair_matches, days, ends_in, files_of, openssl_verifies, ours, pki_of, planned, policy, program, renew_all, tree,
};
use trimtab_certs::Error;
use trimtab_certs::certificate::certificates;
use trimtab_certs::key::{KeyAlgorithm, PrivateKey};
use trimtab_certs::kubeadm::pki::{CertificateState, KeyState};
use trimtab_certs::kubeadm::{Item, Pki};
use trimtab_certs::live::{self, Node};
use trimtab_certs::renew::{KeyPolicy, Policy};
use trimtab_certs::renewal::{Reason, RenewalPolicy};
use trimtab_core::plan::Outcome;
use trimtab_kit::kubeadm::{CERTIFICATES_DIR, Kubernetes, VERSIONS};

/// Everything that a renewal keeps, in bytes where that can be said.
fn kept(pki: &Pki) -> Vec<(Item, String)> {
    let of = |(item, state): (&Item, &trimtab_certs::kubeadm::pki::ItemState)| match &state.certificate {
        CertificateState::Readable(read) => {
            let facts = read.facts.as_ref().unwrap();
            let kept = (&facts.subject, &facts.san, &facts.ext_key_usage, &facts.key_usage, &facts.basic_constraints, &facts.public_key);
            Some((*item, format!("{kept:?} {:?} {:?}", facts.extensions, read.kubeconfig)))
        }
        CertificateState::Missing | CertificateState::Unreadable { .. } => None,
    };
    pki.items.iter().filter_map(of).collect()
}

#[test]
fn a_whole_node_is_renewed_and_kubeadm_and_openssl_take_it() {
    for (version, algorithm) in VERSIONS.into_iter().zip(["", "encryptionAlgorithm: ECDSA-P256\n", "encryptionAlgorithm: ECDSA-P384\n"]) {
        let kubernetes = Kubernetes::init(version, algorithm);
        let folder = kubernetes.folder();
        let mut node = Node::new(&folder);
        let before = pki_of(&folder);
        let report = renew_all(&mut node, &policy(version));
        assert_eq!(report.steps.len(), if version.starts_with("1.28") { 10 } else { 11 }, "{version}: {report}");
        let after = pki_of(&folder);
        assert_eq!(kept(&before), kept(&after), "{version}");
        assert_every_pair_matches(&folder);
        openssl_verifies(&folder);
        assert_eq!(ours(&folder).len(), 7 * 2 + if version.starts_with("1.28") { 3 } else { 4 }, "{:?}", ours(&folder));

        same_as_shown(&kubernetes, version);
        let year = (Timestamp::now() + SignedDuration::from_hours(24 * 400)).strftime("%b %d, %Y").to_string();
        let shown = stdout(&kubernetes, &["certs", "check-expiration"]);
        assert_eq!(shown.matches(&year).count(), report.steps.len(), "{version}\n{shown}");

        assert!(planned(&node, &RenewalPolicy::new(version.parse().unwrap())).is_empty(), "{version}: nothing is due any more");
        stdout(&kubernetes, &["certs", "renew", "all"]);
        assert_every_pair_matches(&folder);
        openssl_verifies(&folder);
        same_as_shown(&kubernetes, version);
        assert_eq!(Pki::of_files(&kubernetes.files(), CERTIFICATES_DIR).items.len(), before.items.len());
    }
}

#[test]
fn a_second_run_of_the_same_plan_does_nothing() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let mut node = Node::new(kubernetes.folder());
    let plan = planned(&node, &policy("1.31.0"));
    assert_eq!(applied(&plan, &mut node).acted(), 11);
    let before = kubernetes.files();
    let again = applied(&plan, &mut node);
    assert!(again.steps.iter().all(|step| step.outcome == Outcome::Done { acted: false }), "{again}");
    assert!(before == kubernetes.files());
}

#[test]
fn what_somebody_else_changed_is_left_alone_and_the_rest_is_renewed() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let mut node = Node::new(&folder);
    let plan = planned(&node, &policy("1.31.0"));
    assert!(kubernetes.kubeadm(&["certs", "renew", "etcd-peer"]).status.success());
    let theirs = fs::read(folder.join("pki/etcd/peer.crt")).unwrap();
    let report = applied(&plan, &mut node);
    let peer = report.steps.iter().find(|step| step.action.item == Item::EtcdPeer).unwrap();
    assert!(matches!(peer.outcome, Outcome::Refused { .. }), "{report}");
    assert_eq!(report.acted(), 10);
    assert_eq!(fs::read(folder.join("pki/etcd/peer.crt")).unwrap(), theirs);
}

#[test]
fn another_authority_refuses_everything_under_it() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let other = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let mut node = Node::new(kubernetes.folder());
    let plan = planned(&node, &policy("1.31.0"));
    let report = applied(&plan, &mut Node::new(other.folder()));
    assert!(report.steps.iter().all(|step| matches!(step.outcome, Outcome::Refused { .. })), "{report}");
    assert_eq!(ours(&other.folder()), Vec::<String>::new());
    assert_eq!(applied(&plan, &mut node).acted(), 11);
}

#[test]
fn modes_owners_links_bundles_comments_and_key_forms_stay() {
    let kubernetes = Kubernetes::init("1.31.0", "");
    let folder = kubernetes.folder();
    let at = |name: &str| folder.join(name);
    fs::set_permissions(at("pki/apiserver.key"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(at("scheduler.conf"), fs::Permissions::from_mode(0o440)).unwrap();
    fs::create_dir(at("store")).unwrap();
    for name in ["front-proxy-client.crt", "front-proxy-client.key"] {
        fs::rename(at("pki").join(name), at("store").join(name)).unwrap();
        symlink(Path::new("../store").join(name), at("pki").join(name)).unwrap();
    }
    let bundle = [fs::read(at("pki/apiserver.crt")).unwrap(), fs::read(at("pki/ca.crt")).unwrap()].concat();
    fs::write(at("pki/apiserver.crt"), bundle).unwrap();
    let commented = ["# ours: keep\n".to_owned(), fs::read_to_string(at("admin.conf")).unwrap()].concat();
    fs::write(at("admin.conf"), commented).unwrap();
    let pkcs8 = PrivateKey::from_pem(&fs::read(at("pki/etcd/peer.key")).unwrap()).unwrap().to_pem(trimtab_certs::key::KeyFormat::Pkcs8).unwrap();
    fs::write(at("pki/etcd/peer.key"), pkcs8.as_bytes()).unwrap();
    let lines =
        |name: &str| fs::read_to_string(at(name)).unwrap().lines().filter(|line| !line.contains("client-")).map(str::to_owned).collect::<Vec<_>>();
    let (admin, inode) = (lines("admin.conf"), at("pki/front-proxy-client.crt").symlink_metadata().unwrap().ino());

    renew_all(&mut Node::new(&folder), &policy("1.31.0"));

    let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(["pki/apiserver.key", "pki/apiserver.crt", "scheduler.conf"].map(mode), [0o640, 0o644, 0o440]);
    assert_eq!(at("pki/front-proxy-client.crt").symlink_metadata().unwrap().ino(), inode, "the link stays");
    assert_eq!(ours(&at("store")).len(), 2);
    assert_eq!(certificates(&fs::read(at("pki/apiserver.crt")).unwrap()).len(), 2);
    assert_eq!(lines("admin.conf"), admin);
    assert!(fs::read_to_string(at("pki/etcd/peer.key")).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(fs::read_to_string(at("pki/etcd/server.key")).unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    assert_every_pair_matches(&folder);
}

#[test]
fn a_kept_key_is_not_written_and_another_algorithm_is_taken() {
    let kubernetes = Kubernetes::init("1.31.0", "");
    let folder = kubernetes.folder();
    let key = || fs::read(folder.join("pki/apiserver.key")).unwrap();
    let before = key();
    let with = |key: KeyPolicy, renew: Policy| RenewalPolicy { renew: Policy { key, ..renew }, ..policy("1.31.0") };
    renew_all(&mut Node::new(&folder), &with(KeyPolicy::Kept, days(400)));
    assert!(before == key());
    assert_every_pair_matches(&folder);
    renew_all(&mut Node::new(&folder), &with(KeyPolicy::New { algorithm: KeyAlgorithm::EcdsaP384 }, days(500)));
    assert!(String::from_utf8(key()).unwrap().starts_with("-----BEGIN EC PRIVATE KEY-----"));
    assert_every_pair_matches(&folder);
    openssl_verifies(&folder);
}

#[test]
fn a_key_that_does_not_belong_is_mended_and_the_pair_that_did_not_match_is_not_put_back() {
    let kubernetes = Kubernetes::init("1.37.2", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    fs::copy(folder.join("pki/etcd/server.key"), folder.join("pki/etcd/peer.key")).unwrap();
    let mut node = Node::new(&folder);
    let only = |key: KeyPolicy| RenewalPolicy { items: Some([Item::EtcdPeer].into()), renew: Policy { key, ..days(400) }, ..policy("1.37.2") };
    assert!(planned(&node, &only(KeyPolicy::Kept)).is_blocked());
    let report = renew_all(&mut node, &only(KeyPolicy::NewSameAlgorithm));
    assert!(report.is_done(), "{report}");
    assert_every_pair_matches(&folder);
    let [backup] = &node.backups().unwrap()[..] else { panic!() };
    assert!(matches!(node.rollback(backup, &mut |_| ()), Err(Error::BackupNotUsable { item: Item::EtcdPeer, .. })));
    assert_every_pair_matches(&folder);
}

#[test]
fn a_key_in_a_kubeconfig_that_does_not_belong_is_told_though_it_is_not_due() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let key_of = |text: &str| text.lines().find(|line| line.contains("client-key-data")).unwrap().to_owned();
    let [admin, scheduler] = ["admin.conf", "scheduler.conf"].map(|name| fs::read_to_string(folder.join(name)).unwrap());
    fs::write(folder.join("admin.conf"), admin.replace(&key_of(&admin), &key_of(&scheduler))).unwrap();
    let node = Node::new(&folder);
    let plan = planned(&node, &RenewalPolicy::new("1.31.0".parse().unwrap()));
    assert!(plan.is_empty() && plan.is_blocked(), "{plan}");
    let held = plan.held.iter().find(|held| held.target == "admin.conf").unwrap();
    assert_eq!(held.reason, Reason::KeyDiffers);
    assert!(node.observe().unwrap().pki.items.iter().all(|(item, state)| (state.key == KeyState::Mismatch) == (*item == Item::AdminConf)));
    let only = RenewalPolicy { items: Some([Item::AdminConf].into()), ..policy("1.31.0") };
    assert!(renew_all(&mut Node::new(&folder), &only).is_done());
    assert_every_pair_matches(&folder);
}

#[test]
fn an_old_pair_is_put_back_and_that_is_taken_back_too() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let mut node = Node::new(&folder);
    let contents = || LEAVES.map(|item| fs::read(folder.join("pki").join(format!("{}.crt", item.base_name()))).unwrap());
    let old = contents();
    renew_all(&mut node, &policy("1.31.0"));
    let new = contents();
    let backups = node.backups().unwrap();
    assert_eq!(backups.len(), 11);
    let undone: Vec<_> = backups.iter().map(|backup| node.rollback(backup, &mut |_| ()).unwrap()).collect();
    assert!(contents() == old);
    assert_every_pair_matches(&folder);
    for backup in &undone {
        node.rollback(backup, &mut |_| ()).unwrap();
    }
    assert!(contents() == new);
    assert_every_pair_matches(&folder);
    let torn = &backups[0].clone();
    fs::write(&torn.files.last().unwrap().backup, "nothing").unwrap();
    assert!(matches!(node.rollback(torn, &mut |_| ()), Err(Error::BackupNotUsable { .. } | Error::NoPrivateKey)));
    assert!(contents() == new);
}

#[test]
fn an_external_authority_signs_requests_and_its_answers_are_put_in_place() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let away = tempfile::tempdir().unwrap();
    let ca_key = away.path().join("ca.key");
    fs::rename(folder.join("pki/ca.key"), &ca_key).unwrap();
    let node = Node::new(&folder);
    let before = pki_of(&folder);
    let held = planned(&node, &policy("1.31.0"));
    assert!(held.steps.iter().all(|step| step.action.authority != Item::Ca) && held.is_blocked());
    for (item, key) in [(Item::Apiserver, KeyPolicy::NewSameAlgorithm), (Item::AdminConf, KeyPolicy::Kept)] {
        let old = files_of(&folder, item);
        let requested = node.request(item, key, away.path()).unwrap();
        assert_eq!(requested.key.is_some(), item == Item::Apiserver);
        assert!(matches!(node.request(item, key, away.path()), Err(Error::Unwritable { .. })), "nothing is overwritten");
        let answer = away.path().join("answer.crt");
        let sign = |extra: &[&str]| {
            let mut command = Command::new("openssl");
            command
                .args(["x509", "-req", "-days", "300", "-in", &requested.request, "-CA"])
                .arg(folder.join("pki/ca.crt"))
                .arg("-CAkey")
                .arg(&ca_key);
            let output =
                command.args(["-CAcreateserial", "-CAserial"]).arg(away.path().join("serial")).args(extra).arg("-out").arg(&answer).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            fs::read(&answer).unwrap()
        };
        let without_extensions = sign(&[]);
        assert!(matches!(
            node.answer(item, away.path(), &without_extensions, &mut |_| ()),
            Err(Error::AnswerNames { .. } | Error::AnswerUsages { .. })
        ));
        assert!(files_of(&folder, item) == old, "{item}: what does not do is not put in place");
        let accepted = node.answer(item, away.path(), &sign(&["-copy_extensions", "copyall"]), &mut |_| ()).unwrap();
        assert!(accepted.not_after > Timestamp::now() + SignedDuration::from_hours(24 * 299));
        assert!(files_of(&folder, item) != old && !Path::new(&requested.request).exists());
    }
    fs::rename(&ca_key, folder.join("pki/ca.key")).unwrap();
    assert_every_pair_matches(&folder);
    openssl_verifies(&folder);
    let subjects = |pki: &Pki| {
        LEAVES.map(|item| pki.readable(item).unwrap().facts.clone().unwrap()).map(|facts| (facts.subject, facts.san, facts.ext_key_usage))
    };
    assert_eq!(subjects(&before), subjects(&pki_of(&folder)));
    assert!(kubernetes.kubeadm(&["certs", "check-expiration"]).status.success());
}

#[test]
fn no_secret_is_in_anything_that_is_said_or_kept() {
    let kubernetes = Kubernetes::init("1.31.0", "encryptionAlgorithm: ECDSA-P256\n");
    let folder = kubernetes.folder();
    let mut node = Node::new(&folder);
    let mut secrets = secrets_in(&folder);
    let seen = node.observe().unwrap();
    let plan = planned(&node, &policy("1.31.0"));
    let mut said = vec![format!("{seen:?}{}{plan}{plan:?}{}", serde_json::to_string(&seen).unwrap(), serde_json::to_string(&plan).unwrap())];
    let report = live::apply(&plan, &mut node, |event| said.push(format!("{event:?}")));
    said.push(format!("{report}{report:?}{}{node:?}{:?}", serde_json::to_string(&report).unwrap(), node.backups().unwrap()));
    secrets.extend(secrets_in(&folder));
    fs::write(folder.join("pki/apiserver.key"), "-----BEGIN EC PRIVATE KEY-----\nplantedsecretplantedsecret\n-----END EC PRIVATE KEY-----\n")
        .unwrap();
    fs::write(folder.join("scheduler.conf"), "users: [{name: a, user: {token: plantedsecret, client-key-data: plantedsecret}}\n").unwrap();
    let broken = node.observe().unwrap();
    let plan = planned(&node, &RenewalPolicy { renew: days(500), ..policy("1.31.0") });
    said.push(format!("{broken:?}{plan}{plan:?}{:?}", live::apply(&plan, &mut node, |_| ())));
    die_in_between(&folder);
    said.push(fs::read_to_string(folder.join("pki/etcd/.trimtab-renew-etcd-peer.json")).unwrap());
    said.push(format!("{:?}", node.recover()));
    secrets.push("plantedsecret".to_owned());
    assert!(secrets.len() > 20);
    for secret in &secrets {
        assert!(!said.iter().any(|said| said.contains(secret.as_str())), "a secret is told");
    }
}

fn die_in_between(folder: &Path) {
    assert_eq!(program(folder, "etcd-peer", "6").output().unwrap().status.code(), None);
}

/// A line of each private key, as it stands in its file.
fn secrets_in(folder: &Path) -> Vec<String> {
    let keys = tree(folder).into_iter().filter(|name| ends_in(name, "key")).map(|name| folder.join(name));
    let line = |path: PathBuf| fs::read_to_string(path).unwrap().lines().nth(1).map(str::to_owned);
    let embedded = |name: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let line = text.lines().find(|line| line.contains("client-key-data")).unwrap().trim().to_owned();
        line.get(60..120).map(str::to_owned)
    };
    keys.filter_map(line).chain(["admin.conf", "scheduler.conf"].iter().filter_map(|name| embedded(name))).collect()
}
