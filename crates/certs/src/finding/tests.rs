//! What is wrong with certificates of every age.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, date_time_ymd};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str, from: i32, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    params
}

fn authority(name: &str, from: i32, to: i32) -> Authority {
    let mut params = params(name, from, to);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Without key identifiers, as old tools made them.
fn leaf(name: &str, from: i32, to: i32, issuer: &Issuer<'_, KeyPair>, identified: bool) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = params(name, from, to);
    params.use_authority_key_identifier_extension = identified;
    params.key_identifier_method = KeyIdMethod::Sha256;
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn of(files: &[(&str, &str)]) -> Vec<Finding> {
    let mut all = Inspection::default();
    for (path, text) in files {
        all.append(Inspection::of_file(path, text.as_bytes()));
    }
    findings(&all, &FindingPolicy::default(), now())
}

fn told(found: &[Finding]) -> Vec<String> {
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_pki_has_no_findings() {
    let ca = authority("kubernetes", 2020, 2035);
    let (good, key) = leaf("a", 2026, 2027, &ca, true);
    assert_eq!(told(&of(&[("ca.crt", &ca.pem()), ("a.pem", &(good + &key))])), Vec::<String>::new());
}

#[test]
fn the_ends_of_lives_are_told_with_their_days() {
    let ca = authority("kubernetes", 2020, 2027);
    let dead = leaf("dead", 2024, 2026, &ca, true).0;
    let unborn = leaf("unborn", 2027, 2027, &ca, true).0;
    let found = of(&[("ca.crt", &ca.pem()), ("dead.crt", &dead), ("unborn.crt", &unborn)]);
    let told = told(&found);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("error: dead.crt (CN=dead): expired at 2026-01-01T00:00:00Z"), "{told:#?}");
    assert!(told[1].starts_with("error: unborn.crt (CN=unborn): not valid before 2027-01-01T00:00:00Z"), "{told:#?}");
    assert!(told[2].contains("an authority that expires at 2027-01-01T00:00:00Z, in 214 days") && told[2].contains("Manual Rotation"), "{told:#?}");
    let soon = FindingPolicy { expiring_within: SignedDuration::from_hours(24 * 215), ..FindingPolicy::default() };
    let within = findings(&Inspection::of_file("a.crt", leaf("a", 2026, 2027, &ca, true).0.as_bytes()), &soon, now());
    assert_eq!(within[0].problem, Problem::Expiring { not_after: "2027-01-01T00:00:00Z".parse().unwrap(), remaining_days: 214 });
}

#[test]
fn a_leaf_dies_with_the_first_authority_above_it() {
    let root = authority("root", 2020, 2028);
    let mut params = params("middle", 2020, 2030);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let middle = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    for identified in [true, false] {
        let leaf = leaf("leaf", 2026, 2029, &middle, identified).0;
        let found = of(&[("root.crt", &root.pem()), ("middle.crt", &middle.pem()), ("leaf.crt", &leaf)]);
        let [middle, leaf] = &found[..] else { panic!("{found:#?}") };
        for (finding, end) in [(middle, "2030"), (leaf, "2029")] {
            let not_after = format!("{end}-01-01T00:00:00Z").parse().unwrap();
            let effective_not_after = "2028-01-01T00:00:00Z".parse().unwrap();
            assert_eq!(finding.problem, Problem::ChainDiesFirst { not_after, effective_not_after, authority: "CN=root".to_owned() });
        }
    }
}

#[test]
fn an_authority_of_the_same_name_that_did_not_sign_is_no_authority() {
    let (old, new) = (authority("kubernetes", 2020, 2035), authority("kubernetes", 2026, 2036));
    for identified in [true, false] {
        let leaf = leaf("a", 2026, 2027, &old, identified).0;
        let found = of(&[("ca.crt", &new.pem()), ("a.crt", &leaf)]);
        assert_eq!(
            found.iter().map(|finding| &finding.problem).collect::<Vec<_>>(),
            [&Problem::SignedByAnother { issuer: "CN=kubernetes".to_owned() }]
        );
        assert_eq!(of(&[("ca.crt", &(new.pem() + &old.pem())), ("a.crt", &leaf)]), [], "a bundle of both");
    }
    assert_eq!(of(&[("a.crt", &leaf("a", 2026, 2027, &old, true).0)]), [], "nobody of the name was looked at");
}

#[test]
fn an_authority_that_was_renewed_with_its_key_does_not_kill_by_its_old_certificate() {
    let key = KeyPair::generate().unwrap();
    let of = |to: i32, identified: bool| {
        let mut params = params("kubernetes", 2020, to);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another identifier of the same key, as Go 1.25 makes one.
        params.key_identifier_method = if identified { KeyIdMethod::Sha256 } else { KeyIdMethod::Sha384 };
        CertifiedIssuer::self_signed(params, &key).unwrap()
    };
    let (old, new, other) = (of(2026, true), of(2036, true), of(2036, false));
    let mut params = params("a", 2026, 2027);
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &old).unwrap().pem();
    for bundle in [old.pem() + &new.pem(), new.pem() + &old.pem()] {
        let found = self::of(&[("ca.crt", &bundle), ("a.crt", &leaf)]);
        assert!(found.iter().all(|finding| finding.place.source == "ca.crt"), "{found:#?}");
    }
    assert_eq!(self::of(&[("ca.crt", &other.pem()), ("a.crt", &leaf)]), [], "by its signature");
}

#[test]
fn many_authorities_of_one_name_are_no_reason_to_wait() {
    let authorities: String = (0..60).map(|_| authority("kubernetes", 2020, 2035).pem()).collect();
    let leaf = leaf("a", 2026, 2027, &authority("kubernetes", 2020, 2035), false).0;
    assert_eq!(of(&[("ca.crt", &authorities), ("a.crt", &leaf)]), [], "nobody knows who signed it");
}

#[test]
fn a_key_of_another_one_a_long_life_and_what_go_does_not_see_are_told() {
    let ca = authority("kubernetes", 2020, 2045);
    let (long, _) = leaf("a", 2026, 2040, &ca, true);
    let (_, other) = leaf("b", 2026, 2027, &ca, true);
    let told = told(&of(&[("a.pem", &format!("\u{FEFF}{long}{other}"))]));
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(
        told[0].contains("the key beside it is another one's") && told[1].contains("byte order mark") && told[2].contains("lives 14 years"),
        "{told:#?}"
    );
}

#[test]
fn findings_are_plain_data_and_a_textfile() {
    let ca = authority("a \"quoted\" CA", 2020, 2026);
    let inspection = Inspection::of_file("ca.crt", ca.pem().as_bytes());
    let found = findings(&inspection, &FindingPolicy::default(), now());
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(
        (&json["finding"], &json["severity"], &json["notAfter"]),
        (&"authorityExpired".into(), &"error".into(), &"2026-01-01T00:00:00Z".into())
    );
    assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), found[0]);
    let text = textfile(&inspection, &found, now());
    assert!(text.contains("x509_cert_expired{source=\"ca.crt\",entry=\"\",position=\"0\",subject=\"CN=a \\\\\\\"quoted\\\\\\\" CA\""), "{text}");
    assert!(text.contains("trimtab_certs_findings{severity=\"error\"} 1\n"), "{text}");
}
