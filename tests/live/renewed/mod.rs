//! What the tests of renewals share: plans under which everything is due, a renewal in a process of its own, and what has to be true afterwards.

#![allow(dead_code, reason = "each test binary uses its part of it")]

pub mod shown;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use jiff::SignedDuration;
use trimtab_certs::certificate::certificates;
use trimtab_certs::key::PrivateKey;
use trimtab_certs::kubeadm::pki::{CertificateState, KeyState};
use trimtab_certs::kubeadm::{Item, Pki};
use trimtab_certs::live::{self, Node};
use trimtab_certs::renew::Policy;
use trimtab_certs::renewal::{RenewalPlan, RenewalPolicy, Renewals, plan};
use trimtab_core::plan::{Outcome, Report};
use trimtab_kit::kubeadm::CERTIFICATES_DIR;

pub const LEAVES: [Item; 7] = [
    Item::Apiserver,
    Item::ApiserverKubeletClient,
    Item::FrontProxyClient,
    Item::EtcdServer,
    Item::EtcdPeer,
    Item::EtcdHealthcheckClient,
    Item::ApiserverEtcdClient,
];

pub const CONFS: [Item; 4] = [Item::AdminConf, Item::SuperAdminConf, Item::ControllerManagerConf, Item::SchedulerConf];

/// Everything is due, and gains time.
pub fn policy(version: &str) -> RenewalPolicy {
    let due_within = SignedDuration::from_hours(24 * 3650);
    RenewalPolicy { due_within, renew: days(400), ..RenewalPolicy::new(version.parse().unwrap()) }
}

pub fn days(days: i64) -> Policy {
    Policy { validity: SignedDuration::from_hours(24 * days), ..Policy::default() }
}

pub fn planned(node: &Node, policy: &RenewalPolicy) -> RenewalPlan {
    plan(&node.observe().unwrap(), policy, node.now()).unwrap()
}

pub fn applied(plan: &RenewalPlan, node: &mut Node) -> Report<Renewals> {
    live::apply(plan, node, |_| ())
}

pub fn renew_all(node: &mut Node, policy: &RenewalPolicy) -> Report<Renewals> {
    let plan = planned(node, policy);
    let report = applied(&plan, node);
    assert!(report.steps.iter().all(|step| step.outcome == Outcome::Done { acted: true }), "{report}");
    report
}

pub fn pki_of(folder: &Path) -> Pki {
    Node::new(folder).observe().unwrap().pki
}

pub fn assert_every_pair_matches(folder: &Path) {
    let seen = Node::new(folder).observe().unwrap();
    for (item, state) in &seen.pki.items {
        assert_eq!(state.key, KeyState::Present, "{item}");
        if let CertificateState::Readable(read) = &state.certificate {
            assert!(read.signed_by_local_ca, "{item}");
        }
    }
    for item in CONFS.into_iter().filter(|item| *item != Item::SuperAdminConf || folder.join(item.name()).exists()) {
        assert!(kubeconfig_matches(&folder.join(item.name())), "{item}");
    }
}

fn kubeconfig_matches(path: &Path) -> bool {
    let (certificate, key) = embedded(path);
    let certificate = certificates(&certificate).remove(0).certificate.unwrap();
    PrivateKey::from_pem(&key).unwrap().matches(&certificate.public_key.spki)
}

/// Certificate and key of the current context's user, as PEM.
fn embedded(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let config = trimtab_certs::Kubeconfig::read(&fs::read(path).unwrap()).unwrap();
    let (_, _, user) = config.current().unwrap();
    match (&user.client_certificate, &user.client_key) {
        (
            Some(trimtab_certs::kubeconfig::Material::Embedded { contents: certificate }),
            Some(trimtab_certs::kubeconfig::Secret::Embedded { contents: key }),
        ) => (certificate.clone(), key.clone()),
        other => panic!("{other:?}"),
    }
}

/// Names of what is in a folder and below it.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !entry.path().is_symlink() {
            names.extend(tree(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

/// What renewals have left there, without the lock, which stays.
pub fn ours(folder: &Path) -> Vec<String> {
    tree(folder).into_iter().filter(|name| name.contains("trimtab") && name != ".trimtab-renew.lock").collect()
}

/// Copies end in `bak`: what stays after everything went well.
pub fn ends_in(name: &str, wanted: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == wanted)
}

/// Every leaf under its authority, and every certificate within a kubeconfig.
pub fn openssl_verifies(folder: &Path) {
    let away = tempfile::tempdir().unwrap();
    for item in LEAVES.into_iter().chain(CONFS).filter(|item| !item.is_kubeconfig() || folder.join(item.name()).exists()) {
        let authority = folder.join("pki").join(format!("{}.crt", item.authority().unwrap().base_name()));
        let mut leaf = folder.join("pki").join(format!("{}.crt", item.base_name()));
        if item.is_kubeconfig() {
            leaf = away.path().join(item.name());
            fs::write(&leaf, embedded(&folder.join(item.name())).0).unwrap();
        }
        let output = Command::new("openssl").args(["verify", "-x509_strict", "-CAfile"]).arg(&authority).arg(&leaf).output().unwrap();
        assert!(output.status.success(), "{item}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

pub fn program(folder: &Path, item: &str, die_at: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_renew"));
    command.arg(folder).args(["1.31.0", item, die_at]);
    command
}

pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The files of an item as bytes, to tell the old pair from a new one.
pub fn files_of(folder: &Path, item: Item) -> Vec<Vec<u8>> {
    item.files(CERTIFICATES_DIR).iter().map(|file| fs::read(folder.join(file.strip_prefix("/etc/kubernetes/").unwrap())).unwrap()).collect()
}
