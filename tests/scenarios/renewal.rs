//! Plans of a renewal as transcripts: what stands in `snapshots/` is what an operator reads. `cargo insta review` shows what a change does
//! to them.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use trimtab_certs::kubeadm::Item;
use trimtab_certs::kubeadm::facts::{KeyKind, Rdn, San};
use trimtab_certs::kubeadm::pki::{CertificateState, KeyState, ReadCertificate};
use trimtab_certs::renew::{KeyPolicy, Policy};
use trimtab_certs::renewal::{Fingerprint, Guard, Identity, KubeletState, NodeSeen, Refusal, RenewalPolicy, Renewals, Unfinished, example, plan};
use trimtab_core::plan::Domain;

const NOW: &str = "2026-11-25T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// Made so that every leaf has so many days left; the kubelet has renewed its own since.
fn node(version: &str, left: i64) -> NodeSeen {
    let mut seen = example::node(version.parse().unwrap(), now() - days(365 - left));
    let target = "/var/lib/kubelet/pki/kubelet-client-2026-10-01-00-00-00.pem".to_owned();
    seen.kubelet.state = KubeletState::Link { target, not_before: now() - days(55), not_after: now() + days(310), certificate_sha256: None };
    seen
}

fn policy(version: &str) -> RenewalPolicy {
    RenewalPolicy::new(version.parse().unwrap())
}

fn leaf(seen: &mut NodeSeen, item: Item) -> &mut ReadCertificate {
    match &mut seen.pki.items.get_mut(&item).unwrap().certificate {
        CertificateState::Readable(read) => read,
        CertificateState::Missing | CertificateState::Unreadable { .. } => panic!("{item} is not there"),
    }
}

fn key(seen: &mut NodeSeen, item: Item, state: KeyState) {
    seen.pki.items.get_mut(&item).unwrap().key = state;
}

fn transcript(seen: &NodeSeen, policy: &RenewalPolicy) -> String {
    plan(seen, policy, now()).unwrap().to_string()
}

#[test]
fn a_node_with_time_left_is_left_alone() {
    assert_snapshot!(transcript(&node("1.31.0", 200), &policy("1.31.0")));
}

#[test]
fn a_whole_node_that_is_due() {
    assert_snapshot!("due_1_28", transcript(&node("1.28.15", 12), &policy("1.28.15")));
    assert_snapshot!("due_1_37", transcript(&node("1.37.2", 12), &policy("1.37.2")));
}

#[test]
fn a_control_plane_that_is_over() {
    assert_snapshot!(transcript(&node("1.16.0", -3), &policy("1.16.0")));
}

#[test]
fn what_kubeadm_would_lose_is_told_beside_the_step() {
    let mut seen = node("1.31.0", 200);
    leaf(&mut seen, Item::Apiserver).not_after = now() + days(5);
    let facts = leaf(&mut seen, Item::Apiserver).facts.as_mut().unwrap();
    facts.subject.insert(0, Rdn::new("OU", "platform, south"));
    facts.san.push(San::Uri("spiffe://example.com/apiserver".to_owned()));
    facts.public_key = KeyKind::EcdsaP256;
    leaf(&mut seen, Item::AdminConf).not_after = now() + days(5);
    let file = leaf(&mut seen, Item::AdminConf).kubeconfig.as_mut().unwrap();
    (file.has_comments, file.ca_certificates) = (true, 2);
    leaf(&mut seen, Item::EtcdServer).not_after = now() + days(5);
    assert_snapshot!(transcript(&seen, &policy("1.31.0")));
}

#[test]
fn an_authority_that_ends_soon_ends_what_it_signs() {
    let mut seen = node("1.31.0", 12);
    leaf(&mut seen, Item::FrontProxyCa).not_after = now() + days(90);
    leaf(&mut seen, Item::EtcdCa).not_after = now() + days(12);
    let items = Some(BTreeSet::from([Item::FrontProxyCa, Item::FrontProxyClient, Item::EtcdCa, Item::EtcdPeer]));
    assert_snapshot!(transcript(&seen, &RenewalPolicy { items, ..policy("1.31.0") }));
}

#[test]
fn authorities_that_cannot_sign_are_told_first() {
    let mut seen = node("1.31.0", 12);
    key(&mut seen, Item::Ca, KeyState::Absent);
    key(&mut seen, Item::EtcdCa, KeyState::Mismatch);
    leaf(&mut seen, Item::FrontProxyCa).not_after = now() - days(1);
    assert_snapshot!(transcript(&seen, &policy("1.31.0")));
    leaf(&mut seen, Item::FrontProxyCa).not_after = now() + days(900);
    leaf(&mut seen, Item::FrontProxyCa).not_before = now() + days(1);
    key(&mut seen, Item::Ca, KeyState::Unreadable { reason: "behind a password".to_owned() });
    seen.pki.items.remove(&Item::EtcdCa);
    assert_snapshot!("other_authorities", transcript(&seen, &policy("1.31.0")));
}

#[test]
fn each_leaf_that_cannot_be_renewed_says_why() {
    let mut seen = node("1.31.0", 12);
    key(&mut seen, Item::Apiserver, KeyState::Absent);
    key(&mut seen, Item::ApiserverEtcdClient, KeyState::Unreadable { reason: "behind a password".to_owned() });
    leaf(&mut seen, Item::EtcdServer).signed_by_local_ca = false;
    seen.pki.items.get_mut(&Item::FrontProxyClient).unwrap().certificate =
        CertificateState::Unreadable { reason: "no certificate in PEM".to_owned() };
    seen.pki.items.remove(&Item::EtcdPeer);
    seen.pki.items.remove(&Item::SuperAdminConf);
    leaf(&mut seen, Item::ApiserverKubeletClient).facts.as_mut().unwrap().public_key = KeyKind::Rsa(1024);
    seen.items.get_mut(&Item::SchedulerConf).unwrap().identity = Identity::Elsewhere { place: "/run/scheduler/tls.crt".to_owned() };
    seen.items.get_mut(&Item::ControllerManagerConf).unwrap().identity = Identity::Elsewhere { place: "tokenFile".to_owned() };
    let journal = "/etc/kubernetes/.trimtab-renew-admin.conf.json".to_owned();
    seen.unfinished.push(Unfinished { item: Item::AdminConf, journal });
    seen.kubelet.state = KubeletState::RegularFile;
    leaf(&mut seen, Item::EtcdHealthcheckClient).is_ca = true;
    assert_snapshot!(transcript(&seen, &policy("1.31.0")));
}

#[test]
fn a_kept_key_and_an_external_etcd() {
    let mut seen = node("1.31.0", 12);
    for item in Item::ALL.into_iter().filter(|item| item.is_of_local_etcd()) {
        seen.pki.items.remove(&item);
    }
    key(&mut seen, Item::FrontProxyClient, KeyState::Mismatch);
    let renew = Policy { key: KeyPolicy::Kept, validity: days(90), ..Policy::default() };
    assert_snapshot!(transcript(&seen, &RenewalPolicy { renew, ..policy("1.31.0") }));
}

#[test]
fn what_changed_since_the_plan_is_told_by_what_is_there() {
    let seen = node("1.31.0", 12);
    let mut other = seen.clone();
    other.items.get_mut(&Item::Ca).unwrap().certificate_sha256 = Some(Fingerprint::of(b"another one"));
    other.items.get_mut(&Item::Apiserver).unwrap().certificate_sha256 = None;
    other.items.get_mut(&Item::Apiserver).unwrap().public_key_sha256 = Some(Fingerprint::of(b"another one"));
    let plan = plan(&seen, &policy("1.31.0"), now()).unwrap();
    let guards = plan.steps.iter().filter(|step| step.action.item == Item::Apiserver).flat_map(|step| &step.guards);
    let refused: Vec<(&Guard, Refusal)> = guards.filter_map(|guard| Some((guard, Renewals::check(guard, &other).err()?))).collect();
    assert_snapshot!(refused.iter().map(|(guard, found)| format!("not true that {guard}: {found}")).collect::<Vec<_>>().join("\n"));
}
