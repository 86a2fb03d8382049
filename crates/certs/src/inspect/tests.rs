//! What files, pairs, kubeconfigs and dumps hold.

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::*;

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(["a".to_owned()]).unwrap().self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn shown(found: &Inspection) -> Vec<(String, bool, &KeyBeside)> {
    found.items.iter().map(|item| (item.place.to_string(), item.certificate().is_ok(), &item.key)).collect()
}

fn packed(text: &str) -> String {
    STANDARD.encode(text)
}

#[test]
fn a_kubelets_file_has_both_and_a_bundle_has_the_key_of_its_first() {
    let (certificate, key) = pair();
    let (other, _) = pair();
    let found = Inspection::of_file("kubelet-client-current.pem", format!("{certificate}{other}{key}").as_bytes());
    let place = || "kubelet-client-current.pem".to_owned();
    assert_eq!(shown(&found), [(place(), true, &KeyBeside::Own), (place(), true, &KeyBeside::None)]);
    let swapped = Inspection::of_pair("a.crt", other.as_bytes(), key.as_bytes());
    assert_eq!(swapped.items[0].key, KeyBeside::Differs);
    assert!(matches!(Inspection::of_pair("a.crt", other.as_bytes(), b"nothing").items[0].key, KeyBeside::Unreadable { .. }));
}

#[test]
fn every_cluster_and_every_user_of_a_kubeconfig_is_looked_at() {
    let (certificate, key) = pair();
    let config = json!({
        "clusters": [{"name": "c", "cluster": {"certificate-authority-data": packed(&certificate)}}, {"name": "d", "cluster": {"certificate-authority": "ca.crt"}}],
        "users": [
            {"name": "u", "user": {"client-certificate-data": packed(&certificate), "client-key-data": packed(&key)}},
            {"name": "v", "user": {"client-certificate-data": packed(&certificate), "client-key": "v.key"}},
            {"name": "w", "user": {"client-certificate-data": "***"}},
        ],
    });
    let found = Inspection::of_file("admin.conf", config.to_string().as_bytes());
    let user = |name: &str| format!("admin.conf users[{name}].client-certificate-data");
    let ca = "admin.conf clusters[c].certificate-authority-data".to_owned();
    let in_file = KeyBeside::InFile { path: "v.key".to_owned() };
    assert_eq!(shown(&found), [(ca, true, &KeyBeside::None), (user("u"), true, &KeyBeside::Own), (user("v"), true, &in_file)]);
    assert_eq!((found.references[0].path.as_str(), found.unread[0].place.to_string()), ("ca.crt", user("w")));
}

#[test]
fn a_dump_gives_secrets_config_maps_and_every_ca_bundle() {
    let (certificate, key) = pair();
    let bundle = packed(&certificate);
    let dump = json!({"items": [
        {"kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": "web", "name": "tls"}, "data": {"tls.crt": bundle, "tls.key": packed(&key)}},
        {"kind": "Secret", "type": "Opaque", "metadata": {"namespace": "web", "name": "more"}, "data": {"etcd.pem": bundle, "password": packed("planted")}},
        {"kind": "ConfigMap", "metadata": {"namespace": "web", "name": "kube-root-ca.crt"}, "data": {"ca.crt": certificate, "note": "none"}},
        {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "m"}, "webhooks": [{"name": "a.example", "clientConfig": {"caBundle": bundle}}, {"name": "b"}]},
        {"kind": "APIService", "metadata": {"name": "v1.metrics"}, "spec": {"caBundle": bundle}},
        {"kind": "CustomResourceDefinition", "metadata": {"name": "x"}, "spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": "="}}}}},
        {"kind": "Pod", "metadata": {"name": "p"}},
    ]});
    let found = Inspection::of_dump("dump.json", dump.to_string().as_bytes());
    let places: Vec<String> = found.items.iter().map(|item| item.place.to_string()).collect();
    assert_eq!(
        places,
        [
            "Secret web/tls data[tls.crt]",
            "Secret web/more data[etcd.pem]",
            "ConfigMap web/kube-root-ca.crt data[ca.crt]",
            "MutatingWebhookConfiguration m webhooks[a.example].clientConfig.caBundle",
            "APIService v1.metrics spec.caBundle"
        ]
    );
    assert_eq!(found.items[0].key, KeyBeside::Own);
    assert_eq!(found.unread[0].place.to_string(), "CustomResourceDefinition x spec.conversion.webhook.clientConfig.caBundle");
    let told = format!("{found:?} {}", serde_json::to_string(&found).unwrap());
    assert!(!told.contains("planted") && !told.contains(&packed("planted")));
    assert!(matches!(Inspection::of_dump("d", b"{\"items\": [").unread[0].problem, UnreadProblem::NotADump { line: 1, .. }));
}
