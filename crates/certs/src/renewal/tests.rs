use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::kubeadm::facts::{Rdn, San};
use crate::kubeadm::pki::{CertificateState, ReadCertificate};

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

/// Made so that every leaf has so many days left.
fn node(days_left: i64) -> NodeSeen {
    example::node("1.31.0".parse().unwrap(), now() - SignedDuration::from_hours(24 * (365 - days_left)))
}

fn policy() -> RenewalPolicy {
    RenewalPolicy::new("1.31.0".parse().unwrap())
}

fn planned(seen: &NodeSeen) -> RenewalPlan {
    plan(seen, &policy(), now()).unwrap()
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

fn reason(plan: &RenewalPlan, item: Item) -> &Reason {
    &plan.held.iter().find(|held| held.target == item.name()).unwrap_or_else(|| panic!("{item} is not held back")).reason
}

fn targets(plan: &RenewalPlan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.target.as_str()).collect()
}

#[test]
fn only_what_is_due_is_renewed_and_in_the_order_of_names() {
    assert!(planned(&node(200)).is_empty() && !planned(&node(200)).is_blocked());
    let mut seen = node(200);
    for item in [Item::SchedulerConf, Item::Apiserver, Item::EtcdPeer] {
        leaf(&mut seen, item).not_after = now() + SignedDuration::from_hours(24 * 30);
    }
    let plan = planned(&seen);
    assert_eq!(targets(&plan), ["apiserver", "etcd-peer", "scheduler.conf"]);
    leaf(&mut seen, Item::Apiserver).not_after = now() + SignedDuration::from_secs(24 * 3600 * 30 + 1);
    assert_eq!(targets(&planned(&seen)), ["etcd-peer", "scheduler.conf"]);
}

#[test]
fn a_young_leaf_of_an_old_kubeadm_is_not_due_though_its_life_is_nearly_over() {
    // Before 1.31 a leaf begins with its authority: nine of ten years of this one are over.
    let mut seen = node(300);
    leaf(&mut seen, Item::Apiserver).not_before = now() - SignedDuration::from_hours(24 * 365 * 9);
    assert!(planned(&seen).is_empty());
}

#[test]
fn a_step_says_everything_that_it_does() {
    let plan = planned(&node(10));
    let action = &plan.steps[0].action;
    assert_eq!((action.item, action.authority, action.files.len()), (Item::AdminConf, Item::Ca, 1));
    assert_eq!(action.keeps.subject, ["O=kubeadm:cluster-admins", "CN=kubernetes-admin"]);
    assert_eq!(action.not_after, now() + SignedDuration::from_hours(8760));
    assert_eq!(action.not_before, now() - SignedDuration::from_mins(5));
    assert_eq!(action.new_key, Some(KeyAlgorithm::Rsa { bits: 2048 }));
    let command = action.kubeadm.as_ref().unwrap();
    assert_eq!(command.command, "kubeadm certs renew admin.conf");
    assert!(command.is_safe(), "{command:?}");
    assert_eq!(plan.steps[0].guards.len(), 3);
}

#[test]
fn a_leaf_ends_with_its_authority_and_the_plan_says_so() {
    let mut seen = node(10);
    let end = now() + SignedDuration::from_hours(24 * 90);
    leaf(&mut seen, Item::EtcdCa).not_after = end;
    let plan = planned(&seen);
    let step = plan.steps.iter().find(|step| step.action.item == Item::EtcdServer).unwrap();
    assert_eq!(step.action.not_after, end);
    assert!(step.action.to_string().contains("ends with its CA"), "{}", step.action);
    let kubeadm = step.action.kubeadm.as_ref().unwrap();
    assert!(!kubeadm.is_safe() && kubeadm.outlives_authority == Some(end));
}

#[test]
fn where_the_authority_ends_with_the_leaf_nothing_is_gained() {
    let mut seen = node(10);
    let end = leaf(&mut seen, Item::Apiserver).not_after;
    leaf(&mut seen, Item::Ca).not_after = end;
    let plan = planned(&seen);
    assert!(matches!(reason(&plan, Item::Apiserver), Reason::NothingGained { .. }));
    assert!(matches!(reason(&plan, Item::Ca), Reason::AuthorityDue { .. }));
    assert!(plan.is_blocked());
}

#[test]
fn authorities_that_cannot_sign_come_first_and_name_what_waits_for_them() {
    let mut seen = node(10);
    key(&mut seen, Item::EtcdCa, KeyState::Absent);
    key(&mut seen, Item::FrontProxyCa, KeyState::Mismatch);
    leaf(&mut seen, Item::Ca).not_after = now() - SignedDuration::from_hours(1);
    let plan = planned(&seen);
    assert!(plan.is_empty() && plan.is_blocked());
    let first: Vec<&str> = plan.held.iter().take(3).map(|held| held.target.as_str()).collect();
    assert_eq!(first, ["ca", "etcd-ca", "front-proxy-ca"]);
    assert!(matches!(reason(&plan, Item::Ca), Reason::AuthorityExpired { due, .. } if due.len() == 6));
    let Reason::AuthorityKeyElsewhere { due, path, csr_command } = reason(&plan, Item::EtcdCa) else { panic!() };
    assert_eq!((due.len(), path.as_str(), csr_command.as_deref()), (4, "/etc/kubernetes/pki/etcd/ca.key", Some("kubeadm certs generate-csr")));
    assert!(matches!(reason(&plan, Item::FrontProxyCa), Reason::AuthorityKeyDiffers { .. }));
    assert!(matches!(reason(&plan, Item::FrontProxyClient), Reason::NeedsAuthority { authority: Item::FrontProxyCa, .. }));
}

#[test]
fn every_way_in_which_a_leaf_cannot_be_renewed_has_its_reason() {
    let mut seen = node(10);
    key(&mut seen, Item::Apiserver, KeyState::Absent);
    key(&mut seen, Item::EtcdPeer, KeyState::Unreadable { reason: "encrypted".to_owned() });
    leaf(&mut seen, Item::EtcdServer).signed_by_local_ca = false;
    seen.pki.items.get_mut(&Item::FrontProxyClient).unwrap().certificate = CertificateState::Unreadable { reason: "no PEM".to_owned() };
    seen.pki.items.remove(&Item::ApiserverEtcdClient);
    seen.pki.items.remove(&Item::SuperAdminConf);
    leaf(&mut seen, Item::ApiserverKubeletClient).facts.as_mut().unwrap().public_key = crate::kubeadm::facts::KeyKind::Rsa(1024);
    seen.items.get_mut(&Item::SchedulerConf).unwrap().identity = Identity::Elsewhere { place: "/run/scheduler.pem".to_owned() };
    seen.unfinished.push(Unfinished { item: Item::AdminConf, journal: "/etc/kubernetes/.trimtab-renew-admin.conf.json".to_owned() });
    let plan = planned(&seen);
    assert!(matches!(reason(&plan, Item::Apiserver), Reason::KeyMissing { path } if path == "/etc/kubernetes/pki/apiserver.key"));
    assert!(matches!(reason(&plan, Item::EtcdPeer), Reason::KeyUnreadable { .. }));
    assert!(matches!(reason(&plan, Item::EtcdServer), Reason::NotSignedHere { authority: Item::EtcdCa }));
    assert!(matches!(reason(&plan, Item::FrontProxyClient), Reason::Unreadable { .. }));
    assert!(matches!(reason(&plan, Item::ApiserverEtcdClient), Reason::Missing { .. }));
    assert_eq!(reason(&plan, Item::SuperAdminConf), &Reason::SuperAdminMissing);
    assert!(matches!(reason(&plan, Item::ApiserverKubeletClient), Reason::KeyNotMade { .. }));
    assert!(matches!(reason(&plan, Item::SchedulerConf), Reason::KeptElsewhere { .. }));
    assert!(matches!(reason(&plan, Item::AdminConf), Reason::Interrupted { .. }));
    assert_eq!(targets(&plan), ["controller-manager.conf", "etcd-healthcheck-client"]);
}

#[test]
fn a_key_that_does_not_belong_is_replaced_unless_it_is_to_be_kept() {
    let mut seen = node(10);
    key(&mut seen, Item::Apiserver, KeyState::Mismatch);
    let plan_new = planned(&seen);
    assert!(targets(&plan_new).contains(&"apiserver"));
    assert!(plan_new.notices.contains(&Notice::MendsPair { item: Item::Apiserver }));
    let kept = RenewalPolicy { renew: Policy { key: KeyPolicy::Kept, ..Policy::default() }, ..policy() };
    let plan_kept = plan(&seen, &kept, now()).unwrap();
    assert_eq!(reason(&plan_kept, Item::Apiserver), &Reason::KeyDiffers);
    assert!(plan_kept.steps.iter().all(|step| step.action.new_key.is_none()));
}

#[test]
fn what_is_broken_is_told_though_it_has_time_left() {
    let mut seen = node(192);
    key(&mut seen, Item::Apiserver, KeyState::Mismatch);
    key(&mut seen, Item::ApiserverKubeletClient, KeyState::Absent);
    key(&mut seen, Item::EtcdPeer, KeyState::Unreadable { reason: "encrypted".to_owned() });
    key(&mut seen, Item::AdminConf, KeyState::Mismatch);
    leaf(&mut seen, Item::EtcdServer).signed_by_local_ca = false;
    leaf(&mut seen, Item::FrontProxyClient).is_ca = true;
    let plan = planned(&seen);
    assert!(plan.is_empty() && plan.is_blocked());
    assert_eq!(reason(&plan, Item::Apiserver), &Reason::KeyDiffers);
    assert_eq!(reason(&plan, Item::AdminConf), &Reason::KeyDiffers);
    assert!(matches!(reason(&plan, Item::ApiserverKubeletClient), Reason::KeyMissing { .. }));
    assert!(matches!(reason(&plan, Item::EtcdPeer), Reason::KeyUnreadable { .. }));
    assert_eq!(reason(&plan, Item::EtcdServer), &Reason::NotSignedHere { authority: Item::EtcdCa });
    assert_eq!(reason(&plan, Item::FrontProxyClient), &Reason::IsAuthority);
    assert!(matches!(reason(&plan, Item::SchedulerConf), Reason::NotDue { .. }));
}

#[test]
fn without_its_authority_here_a_leaf_with_time_left_is_not_called_foreign() {
    let mut seen = node(192);
    seen.pki.items.get_mut(&Item::EtcdCa).unwrap().certificate = CertificateState::Missing;
    leaf(&mut seen, Item::EtcdServer).signed_by_local_ca = false;
    assert!(matches!(reason(&planned(&seen), Item::EtcdServer), Reason::NotDue { .. }));
}

#[test]
fn the_kubelet_renews_its_own_within_a_window() {
    let window = |days_left| planned(&node(days_left));
    assert!(matches!(reason(&window(200), Item::KubeletConf), Reason::KubeletRotates { .. }));
    assert!(matches!(reason(&window(10), Item::KubeletConf), Reason::KubeletStuck { problem, .. } if problem.contains("it should have by")));
    let mut seen = node(200);
    seen.kubelet.state = KubeletState::RegularFile;
    let plan = planned(&seen);
    assert!(matches!(reason(&plan, Item::KubeletConf), Reason::KubeletStuck { .. }));
    assert!(plan.is_blocked() && plan.is_empty());
}

#[test]
fn kubeadm_is_called_unsafe_where_it_would_lose_something() {
    let mut seen = node(10);
    let facts = leaf(&mut seen, Item::Apiserver).facts.as_mut().unwrap();
    facts.subject.insert(0, Rdn::new("OU", "ops\u{1b}[31m"));
    facts.san.push(San::Uri("spiffe://a/b".to_owned()));
    let told = planned(&seen).to_string();
    let line = told.lines().find(|line| line.contains("not safe here")).unwrap();
    assert!(line.contains("kubeadm certs renew apiserver") && line.contains("the name URI:spiffe://a/b"), "{line}");
    assert!(!told.contains('\u{1b}'), "what comes from files is escaped");
}

#[test]
fn an_external_etcd_leaves_its_certificates_out() {
    let mut seen = node(10);
    for item in Item::ALL.into_iter().filter(|item| item.is_of_local_etcd()) {
        seen.pki.items.remove(&item);
    }
    let plan = planned(&seen);
    assert_eq!(plan.steps.len(), 7);
    assert!(plan.held.iter().all(|held| !held.target.contains("etcd")));
}

#[test]
fn an_external_etcd_is_one_too_where_its_authority_is_here_to_be_believed() {
    let mut seen = node(10);
    for item in [Item::EtcdServer, Item::EtcdPeer, Item::EtcdHealthcheckClient] {
        seen.pki.items.remove(&item);
    }
    assert!(!seen.has_external_etcd(), "an etcd that is here has lost its certificates");
    seen.pki.items.get_mut(&Item::EtcdCa).unwrap().key = KeyState::Absent;
    assert!(seen.has_external_etcd());
    let plan = planned(&seen);
    let of_etcd = plan.held.iter().map(|held| held.target.as_str()).filter(|target| target.contains("etcd"));
    assert_eq!(of_etcd.collect::<Vec<_>>(), ["etcd-ca", "apiserver-etcd-client"], "nothing of a server is missing");
}

#[test]
fn named_items_alone_are_looked_at() {
    let named = RenewalPolicy { items: Some(BTreeSet::from([Item::EtcdServer, Item::Ca])), ..policy() };
    let plan = plan(&node(10), &named, now()).unwrap();
    assert_eq!((targets(&plan), plan.held.len()), (vec!["etcd-server"], 1));
    assert!(matches!(reason(&plan, Item::Ca), Reason::NotDue { .. }));
}

#[test]
fn releases_differ_in_commands_and_in_who_is_restarted() {
    let at = |version: &str| {
        plan(
            &example::node(version.parse().unwrap(), now() - SignedDuration::from_hours(24 * 360)),
            &RenewalPolicy::new(version.parse().unwrap()),
            now(),
        )
        .unwrap()
    };
    let restarted = |plan: &RenewalPlan| plan.notices.iter().filter(|notice| matches!(notice, Notice::Restart { .. })).count();
    assert_eq!(["1.16", "1.17"].map(|version| restarted(&at(version))), [3, 2]);
    let command = |version: &str| {
        at(version).steps.iter().find(|step| step.target == "apiserver").unwrap().action.kubeadm.clone().map(|kubeadm| kubeadm.command)
    };
    assert_eq!(command("1.19").as_deref(), Some("kubeadm alpha certs renew apiserver"));
    let admin = |version: &str| at(version).steps[0].action.kubeadm.is_some();
    assert_eq!(["1.14", "1.15"].map(admin), [false, true]);
}

#[test]
fn what_changed_since_is_refused_and_what_is_renewed_is_left_alone() {
    let seen = node(10);
    let plan = planned(&seen);
    let step = plan.steps.iter().find(|step| step.action.item == Item::Apiserver).unwrap();
    assert!(step.guards.iter().all(|guard| Renewals::check(guard, &seen).is_ok()));
    assert!(!Renewals::effect_holds(&step.action, &seen, &[]));
    let mut other = seen.clone();
    other.items.get_mut(&Item::Apiserver).unwrap().certificate_sha256 = Some(Fingerprint::of(b"other"));
    assert_eq!(step.guards.iter().filter(|guard| Renewals::check(guard, &other).is_err()).count(), 1);
    leaf(&mut other, Item::Apiserver).not_after = step.action.not_after;
    assert!(Renewals::effect_holds(&step.action, &other, &[]));
    key(&mut other, Item::Apiserver, KeyState::Mismatch);
    assert!(!Renewals::effect_holds(&step.action, &other, &[]));
    let mut elsewhere = seen;
    elsewhere.items.get_mut(&Item::Ca).unwrap().public_key_sha256 = None;
    let refused: Vec<_> = step.guards.iter().filter(|guard| Renewals::check(guard, &elsewhere).is_err()).collect();
    assert!(matches!(refused[..], [guard] if Renewals::is_identity(guard)));
}

#[test]
fn plans_observations_and_policies_survive_a_round_trip() {
    let mut seen = node(10);
    key(&mut seen, Item::EtcdCa, KeyState::Absent);
    leaf(&mut seen, Item::Ca).not_after = now() + SignedDuration::from_hours(24 * 60);
    let plan = planned(&seen);
    let text = serde_json::to_string(&(&plan, &seen, policy())).unwrap();
    let back: (RenewalPlan, NodeSeen, RenewalPolicy) = serde_json::from_str(&text).unwrap();
    assert_eq!(back, (plan, seen, policy()));
    let least: RenewalPolicy = serde_json::from_str(r#"{"version": "1.31.0"}"#).unwrap();
    assert_eq!(least, policy());
}

#[test]
fn a_policy_that_cannot_be_followed_is_refused() {
    let refused = |policy: RenewalPolicy| plan(&node(10), &policy, now()).unwrap_err();
    assert!(matches!(refused(RenewalPolicy { due_within: SignedDuration::from_secs(-1), ..policy() }), Error::InvalidRenewalPolicy { .. }));
    assert!(matches!(refused(RenewalPolicy { items: Some(BTreeSet::from([Item::Sa])), ..policy() }), Error::InvalidRenewalPolicy { .. }));
    let with = |renew: Policy| refused(RenewalPolicy { renew, ..policy() });
    assert!(matches!(with(Policy { validity: SignedDuration::ZERO, ..Policy::default() }), Error::Validity { .. }));
    let new = |algorithm| Policy { key: KeyPolicy::New { algorithm }, ..Policy::default() };
    assert!(matches!(with(new(KeyAlgorithm::Rsa { bits: 1024 })), Error::KeyNotGenerated { .. }));
    assert!(matches!(with(new(KeyAlgorithm::Ed25519)), Error::InvalidRenewalPolicy { .. }));
}

#[test]
fn dates_are_those_that_signing_comes_to() {
    let ca = leaf(&mut node(10), Item::Ca).clone();
    let odd = "2026-11-25T12:00:00.9Z".parse().unwrap();
    let (begin, end, notes) = dates::dates(&ca, &Policy::default(), odd);
    assert_eq!((begin, end, notes.len()), (now() - SignedDuration::from_mins(5), now() + SignedDuration::from_hours(8760), 0));
}
