use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::*;

fn made() -> Certificate {
    let mut params = CertificateParams::new(["kubernetes".to_owned(), "10.96.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, "a");
    params.distinguished_name.push(DnType::CommonName, "x, O=system:masters");
    params.subject_alt_names.push(SanType::URI("HTTP://Example.test/a,b".try_into().unwrap()));
    let pem = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Certificate::from_der(pem.der()).unwrap()
}

#[test]
fn texts_are_not_escaped_since_a_playbook_compares_them() {
    let info = made().info(Timestamp::UNIX_EPOCH, &BTreeMap::new());
    assert_eq!(info.subject["commonName"], "x, O=system:masters");
    assert_eq!(info.subject_alt_name.unwrap(), ["DNS:kubernetes", "IP:10.96.0.1", "URI:HTTP://Example.test/a,b"]);
    assert_eq!((info.public_key_type.as_str(), info.signature_algorithm.as_str()), ("ECC", "ecdsa-with-SHA256"));
}

#[test]
fn never_is_the_last_second_of_the_year_9999() {
    assert_eq!(asn1_time(253_402_300_799), "99991231235959Z");
    assert_eq!(asn1_time(0), "19700101000000Z");
    assert_eq!(asn1_time(-631_152_000), "19500101000000Z");
}

#[test]
fn moments_are_answered_by_their_names() {
    let certificate = made();
    let at = |time: Timestamp| certificate.info(time, &BTreeMap::from([("then".to_owned(), time)]));
    let last = at(certificate.not_after);
    assert_eq!((last.expired, last.valid_at["then"]), (false, true));
    let after = at(certificate.not_after + SignedDuration::from_secs(1));
    assert_eq!((after.expired, after.valid_at["then"]), (true, false));
}
