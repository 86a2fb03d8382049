//! Facts of real certificates, and of broken ones.

use proptest::prelude::*;

use super::*;

/// Made by kubeadm 1.31.0 with a subject of many attributes (pyca's own key).
const LEAF: &str = "-----BEGIN CERTIFICATE-----
MIICIjCCAcigAwIBAgIHUutYqZYaCzAKBggqhkjOPQQDAjAVMRMwEQYDVQQDDApr
dWJlcm5ldGVzMB4XDTI2MTAyNDA2MTc1OVoXDTI3MTAyNDA2MTc1OVowgZwxCzAJ
BgNVBAYTAk5MMQswCQYDVQQIDAJaSDEOMAwGA1UEBwwFRGVsZnQxDTALBgNVBAoM
BHpldGExDjAMBgNVBAoMBWFscGhhMQwwCgYDVQQLDANvcHMxFzAVBgNVBAMMDmt1
YmUtYXBpc2VydmVyMQswCQYDVQQFEwI0MjEdMBsGCSqGSIb3DQEJARYOYUBleGFt
cGxlLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQG8espTtdVMVe9f6Bb
HURpNqVxSdNqt0eaSwKeKDzDNdkkFq+upS5FSNK0uWkp1EshFMxvmayJPk+VzGVv
Now/o3sweTAOBgNVHQ8BAf8EBAMCBaAwEwYDVR0lBAwwCgYIKwYBBQUHAwEwDAYD
VR0TAQH/BAIwADAfBgNVHSMEGDAWgBSgPavKdD6rI2iGhVn1PaxYnPJtSzAjBgNV
HREEHDAaggprdWJlcm5ldGVzggZub2RlLWGHBApgAAEwCgYIKoZIzj0EAwIDSAAw
RQIgEavAv7W3Cuyr2T8Hu/mplgSIOJzNq2cronjVlrGOTWoCIQCwIoRKZHWIPmJK
sNOmBhIf0HgCvUXosB8KN0aJOJiLZw==
-----END CERTIFICATE-----
";

fn leaf() -> Certificate {
    certificates(LEAF.as_bytes()).remove(0).certificate.unwrap()
}

#[test]
fn a_certificate_says_whom_and_for_how_long() {
    let leaf = leaf();
    assert_eq!(leaf.subject.to_string(), "1.2.840.113549.1.9.1=a@example.test,2.5.4.5=42,CN=kube-apiserver,OU=ops,O=alpha,O=zeta,L=Delft,ST=ZH,C=NL");
    assert_eq!(leaf.subject.rdn_strings().last().unwrap(), "emailAddress=a@example.test");
    assert_eq!((leaf.issuer.to_string(), leaf.version), ("CN=kubernetes".to_owned(), 3));
    assert_eq!((leaf.subject.common_name(), leaf.subject.organizations().collect::<Vec<_>>()), (Some("kube-apiserver"), vec!["zeta", "alpha"]));
    assert_eq!((leaf.not_before.to_string(), leaf.not_after.to_string()), ("2026-10-24T06:17:59Z".to_owned(), "2027-10-24T06:17:59Z".to_owned()));
    let ends = |offset: i64| leaf.is_valid_at(Timestamp::from_second(leaf.not_after.as_second() + offset).unwrap());
    assert_eq!([ends(0), ends(1), ends(-31_536_000), ends(-31_536_001)], [true, false, true, false]);
}

#[test]
fn a_certificate_says_for_what() {
    let leaf = leaf();
    assert_eq!((leaf.public_key.kind.to_string(), leaf.signature_algorithm.to_string()), ("ECDSA-P256".to_owned(), "ECDSA-SHA256".to_owned()));
    assert_eq!(leaf.server_names().collect::<Vec<_>>(), ["kubernetes", "node-a", "10.96.0.1"]);
    assert!(leaf.has_ip("10.96.0.1".parse().unwrap()) && !leaf.has_ip("10.96.0.2".parse().unwrap()));
    assert_eq!(leaf.extensions.key_usage.as_ref().unwrap().names, ["digitalSignature", "keyEncipherment"]);
    assert!(leaf.extensions.allows("serverAuth") && !leaf.extensions.allows("clientAuth") && !leaf.is_ca());
    assert_eq!(leaf.extensions.authority_key_id.as_ref().unwrap().key_id.as_deref(), Some("a03dabca743eab2368868559f53dac589cf26d4b"));
    assert_eq!(
        leaf.extensions.all.iter().map(|extension| &*extension.oid).collect::<Vec<_>>(),
        ["2.5.29.15", "2.5.29.37", "2.5.29.19", "2.5.29.35", "2.5.29.17"]
    );
    assert_eq!((leaf.weaknesses(), &leaf.problems[..]), (vec![], &[][..]));
}

#[test]
fn every_certificate_of_a_file_comes_out_and_a_broken_one_hides_none() {
    let broken = LEAF.replace("MIICIj", "MIICIk");
    let file = format!("-----BEGIN PRIVATE KEY-----\nAQ==\n-----END PRIVATE KEY-----\n{LEAF}{broken}{LEAF}");
    let read: Vec<_> = certificates(file.as_bytes()).into_iter().map(|found| found.certificate.is_ok()).collect();
    assert_eq!(read, [true, false, true]);
    let der = leaf().der().to_vec();
    assert_eq!(certificates(&der)[0].certificate.as_ref(), Ok(&leaf()));
    let two = [&der[..], &der[..]].concat();
    assert_eq!(certificates(&two)[0].certificate, Err(CertificateError::TrailingBytes { bytes: der.len() }));
    assert_eq!(
        certificates(b"-----BEGIN CSR-----\nAQ==\n-----END CSR-----\n")[0].certificate,
        Err(CertificateError::NoCertificate { bytes: 43, blocks: 1 })
    );
    let large = vec![0x30, 0x84, 1, 0, 0, 0].into_iter().chain(std::iter::repeat_n(0, MAX_DER_BYTES)).collect::<Vec<_>>();
    assert!(matches!(certificates(&large)[0].certificate, Err(CertificateError::TooLarge { .. })));
}

#[test]
fn neither_debug_nor_json_shows_the_bytes() {
    assert!(format!("{:?}", leaf()).len() < 400);
    let json = serde_json::to_value(leaf()).unwrap();
    assert_eq!(json["publicKey"], serde_json::json!({"kind": "ECDSA-P256"}));
    assert_eq!(json["subjectAltName"][2], serde_json::json!({"type": "ip", "address": "10.96.0.1"}));
}

proptest! {
    #[test]
    fn any_change_gives_a_certificate_or_a_reason(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let mut der = leaf().der().to_vec();
        for (at, value) in changes {
            let at = at.index(der.len());
            der[at] = value;
        }
        if let Ok(read) = Certificate::from_der(&der) {
            prop_assert!(!serde_json::to_string(&read).unwrap().is_empty());
            prop_assert!(read.weaknesses().len() <= 2);
        }
        prop_assert!(Certificate::from_der(&der[..cut.index(der.len())]).is_err());
    }
}
