//! The file, older, newer and foreign ones.

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

use super::*;

fn certificate(name: &str, to: i32) -> Certificate {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(to, 1, 1));
    Certificate::from_der(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
}

fn shown(chain: Vec<Certificate>, file: &Certificate, item: Option<Item>, version: &str) -> Option<Finding> {
    let file = ServedFile { path: "/etc/kubernetes/pki/apiserver.crt", certificate: file, item };
    finding(&Served { chain }, file, "127.0.0.1:6443", version.parse().unwrap(), "2026-06-01T00:00:00Z".parse().unwrap())
}

#[test]
fn the_very_certificate_is_no_finding() {
    let file = certificate("kube-apiserver", 2028);
    assert_eq!(shown(vec![file.clone()], &file, Some(Item::Apiserver), "1.31"), None);
}

#[test]
fn an_older_one_is_told_with_what_to_restart_where_that_is_known() {
    let file = certificate("kube-apiserver", 2028);
    let text = |item, version| shown(vec![certificate("kube-apiserver", 2027)], &file, item, version).unwrap().to_string();
    let begins = "warning: /etc/kubernetes/pki/apiserver.crt shown at 127.0.0.1:6443 (CN=kube-apiserver): the server shows an older certificate, which ends \
        at 2027-01-01T00:00:00Z; that of the file ends at 2028-01-01T00:00:00Z: ";
    for (item, version, ends) in [
        (None, "1.31", "restart the server"),
        (
            Some(Item::Apiserver),
            "1.16",
            "kube-apiserver has read it once, at its start; restart it, by moving /etc/kubernetes/manifests/kube-apiserver.yaml away for half a minute and back",
        ),
        (
            Some(Item::Apiserver),
            "1.31",
            "kube-apiserver looks at the files again within a minute; where it still shows the old one then, restart it, by moving /etc/kubernetes/manifests/kube-apiserver.yaml away for half a minute and back",
        ),
        (
            Some(Item::EtcdPeer),
            "1.31",
            "etcd reads the files for each new connection; where it still shows the old one then, restart it, by moving /etc/kubernetes/manifests/etcd.yaml away for half a minute and back",
        ),
    ] {
        assert_eq!(text(item, version), format!("{begins}{ends}"));
    }
}

#[test]
fn an_expired_one_a_foreign_one_and_none_are_errors_and_a_newer_one_is_a_warning() {
    let file = certificate("kube-apiserver", 2028);
    for (chain, severity, words) in [
        (vec![certificate("kube-apiserver", 2026)], Severity::Error, "which ends at 2026-01-01T00:00:00Z"),
        (vec![certificate("other", 2028)], Severity::Error, "a certificate of CN=other"),
        (vec![], Severity::Error, "showed no certificate"),
        (vec![certificate("kube-apiserver", 2029)], Severity::Warning, "kube-apiserver.yaml says which file kube-apiserver reads"),
    ] {
        let found = shown(chain, &file, Some(Item::Apiserver), "1.31").unwrap();
        assert!(found.severity == severity && found.to_string().contains(words), "{found}");
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!((&json["finding"], &json["user"]["process"]), (&"servedDiffers".into(), &"kube-apiserver".into()));
        assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), found);
    }
    assert!(matches!(
        shown(vec![], &file, Some(Item::AdminConf), "1.31").unwrap().problem,
        Problem::Served(ServedProblem::ServedDiffers { user: None, .. })
    ));
}
