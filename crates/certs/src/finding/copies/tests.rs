//! Copies, renewed originals, and files of other clusters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

const SERVER: &str = "https://192.0.2.10:6443";

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn params(name: &str, organization: Option<&str>, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(organization) = organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(to, 1, 1));
    params
}

fn authority() -> Authority {
    let mut params = params("kubernetes", None, 2036);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn admin(by: &Authority, organization: &str, to: i32) -> String {
    params("kubernetes-admin", Some(organization), to).signed_by(&KeyPair::generate().unwrap(), by).unwrap().pem()
}

fn cluster(name: &str, server: &str, authority: &str) -> Value {
    json!({"name": name, "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(authority)}})
}

fn user(name: &str, certificate: &str) -> Value {
    json!({"name": name, "user": {"client-certificate-data": STANDARD.encode(certificate), "client-key-data": STANDARD.encode("k")}})
}

fn config(clusters: &[Value], users: &[Value], contexts: &[(&str, &str)]) -> String {
    let contexts: Vec<Value> =
        contexts.iter().map(|(cluster, user)| json!({"name": format!("{user}@{cluster}"), "context": {"cluster": cluster, "user": user}})).collect();
    let current = contexts.first().map(|context| context["name"].clone());
    json!({"kind": "Config", "clusters": clusters, "users": users, "contexts": contexts, "current-context": current}).to_string()
}

fn plain(server: &str, authority: &Authority, certificate: &str) -> String {
    config(&[cluster("k", server, &authority.pem())], &[user("a", certificate)], &[("k", "a")])
}

fn found(original: &str, copy: &str) -> Vec<Finding> {
    let original = Original::read("/etc/kubernetes/admin.conf", original.as_bytes()).unwrap();
    findings(&original, [("/root/.kube/config", copy.as_bytes())], now())
}

#[test]
fn a_copy_that_is_the_original_or_newer_is_no_finding() {
    let ca = authority();
    let (own, newer) = (admin(&ca, "kubeadm:cluster-admins", 2027), admin(&ca, "kubeadm:cluster-admins", 2028));
    for copy in [&own, &newer] {
        assert_eq!(found(&plain(SERVER, &ca, &own), &plain(SERVER, &ca, copy)), []);
    }
}

#[test]
fn an_older_copy_is_told_with_both_dates_and_an_expired_one_is_an_error() {
    let ca = authority();
    let original = plain(SERVER, &ca, &admin(&ca, "kubeadm:cluster-admins", 2028));
    // Before 1.29 the organization was another one.
    for (to, organization, begins) in [
        (
            2027,
            "kubeadm:cluster-admins",
            "warning: /root/.kube/config users[a].client-certificate-data (O=kubeadm:cluster-admins,CN=kubernetes-admin)",
        ),
        (2027, "system:masters", "warning: /root/.kube/config"),
        (2026, "system:masters", "error: /root/.kube/config"),
    ] {
        let found = found(&original, &plain("https://10.0.0.1:6443", &ca, &admin(&ca, organization, to)));
        assert_eq!(found.len(), 1, "{found:#?}");
        let text = found[0].to_string();
        assert!(text.starts_with(begins), "{text}");
        assert!(
            text.contains(&format!("{to}-01-01T00:00:00Z")) && text.contains("2028-01-01T00:00:00Z") && text.contains("/etc/kubernetes/admin.conf"),
            "{text}"
        );
    }
}

#[test]
fn an_administrator_of_another_cluster_has_the_same_name_and_is_passed_over() {
    let (ca, other) = (authority(), authority());
    let original = plain(SERVER, &ca, &admin(&ca, "system:masters", 2028));
    assert_eq!(found(&original, &plain("https://203.0.113.9:6443", &other, &admin(&other, "system:masters", 2026))), []);
    let somebody = params("somebody", None, 2026).signed_by(&KeyPair::generate().unwrap(), &ca).unwrap().pem();
    assert_eq!(found(&original, &plain(SERVER, &ca, &somebody)), [], "another user of the same cluster");
}

#[test]
fn a_copy_that_trusts_another_authority_than_the_same_servers_is_told() {
    let (ca, other) = (authority(), authority());
    let own = admin(&ca, "system:masters", 2028);
    let found_in = |authority: &str| found(&plain(SERVER, &ca, &own), &config(&[cluster("k", SERVER, authority)], &[user("a", &own)], &[("k", "a")]));
    let told = found_in(&other.pem());
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].place.entry.as_deref(), Some("clusters[k].certificate-authority-data"));
    assert!(told[0].to_string().contains("it calls https://192.0.2.10:6443 as /etc/kubernetes/admin.conf does"), "{}", told[0]);
    assert_eq!(found_in(&(other.pem() + &ca.pem())), [], "a bundle of both");
}

#[test]
fn every_context_is_looked_at_and_shared_users_are_told_once() {
    let ca = authority();
    let (own, old) = (admin(&ca, "system:masters", 2028), admin(&ca, "system:masters", 2027));
    let clusters = [cluster("k", SERVER, &ca.pem()), cluster("l", "https://10.0.0.1:6443", &ca.pem())];
    let contexts = [("k", "new"), ("k", "old"), ("l", "old"), ("gone", "old"), ("k", "gone")];
    let found = found(&plain(SERVER, &ca, &own), &config(&clusters, &[user("new", &own), user("old", &old)], &contexts));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].place.entry.as_deref(), Some("users[old].client-certificate-data"));
}

#[test]
fn a_file_that_is_no_kubeconfig_is_told_and_hides_no_other() {
    let ca = authority();
    let original = Original::read("admin.conf", plain(SERVER, &ca, &admin(&ca, "x", 2028)).as_bytes()).unwrap();
    let old = plain(SERVER, &ca, &admin(&ca, "x", 2027));
    let found = findings(&original, [("broken", &b"users: ["[..]), ("old", old.as_bytes())], now());
    assert!(found.len() == 2 && found[0].to_string().starts_with("error: broken: no kubeconfig"), "{found:#?}");
    assert!(matches!(Original::read("admin.conf", b"users: ["), Err(Error::NoKubeconfig { .. })));
    assert!(matches!(Original::read("admin.conf", b""), Err(Error::NoOriginal { .. })));
    let json = serde_json::to_value(&found[1]).unwrap();
    assert_eq!((&json["finding"], &json["originalNotAfter"]), (&"olderCopy".into(), &"2028-01-01T00:00:00Z".into()));
    assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), found[1]);
}
