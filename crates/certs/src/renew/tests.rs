use proptest::prelude::*;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::parts::{BASIC_CONSTRAINTS, KEY_USAGE, SUBJECT_KEY_IDENTIFIER};
use super::*;

/// What a test certificate is made of; the CA signs itself.
struct Made<'a> {
    subject: &'a [u8],
    issuer: &'a [u8],
    days: (&'a str, &'a str),
    extensions: Vec<Vec<u8>>,
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

const NOW: &str = "2026-06-01T12:00:00.75Z";

fn now() -> Timestamp {
    at(NOW)
}

fn oid(contents: &[u8]) -> Vec<u8> {
    der::element(der::OBJECT_IDENTIFIER, contents)
}

fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&oid(id), &der::element(der::OCTET_STRING, value)])
}

/// One relative name per (type, tag, text).
fn name(attributes: &[(u8, u8, &str)]) -> Vec<u8> {
    let rdns: Vec<_> = attributes
        .iter()
        .map(|(id, tag, text)| der::element(der::SET, &der::sequence(&[&oid(&[0x55, 4, *id]), &der::element(*tag, text.as_bytes())])))
        .collect();
    der::element(der::SEQUENCE, &rdns.concat())
}

fn made(what: &Made<'_>, spki: &[u8], key: &PrivateKey) -> Vec<u8> {
    let time = |text: &str| der::time(at(text)).unwrap();
    let tbs = der::sequence(&[
        &[0xA0, 3, 2, 1, 2],
        &der::unsigned_integer(&[7]),
        tbs::signature_algorithm(key.algorithm()),
        what.issuer,
        &der::sequence(&[&time(what.days.0), &time(what.days.1)]),
        what.subject,
        spki,
        &der::element(der::context(3), &der::element(der::SEQUENCE, &what.extensions.concat())),
    ]);
    sign::signed(&tbs, key).unwrap()
}

fn ca_extensions() -> Vec<Vec<u8>> {
    vec![
        extension(BASIC_CONSTRAINTS, &der::sequence(&[&[1, 1, 0xFF]])),
        extension(KEY_USAGE, &[3, 2, 2, 0x04]),
        extension(SUBJECT_KEY_IDENTIFIER, &der::element(der::OCTET_STRING, b"any bytes")),
    ]
}

fn ca_name() -> Vec<u8> {
    name(&[(10, 0x13, "b"), (10, 0x0C, "a"), (3, 0x13, "ca")])
}

fn leaf_name() -> Vec<u8> {
    name(&[(10, 0x0C, "system:masters"), (3, 0x13, "kubernetes-admin")])
}

fn san() -> Vec<u8> {
    der::sequence(&[&[0x82, 1, b'a'], &[0x87, 4, 10, 0, 0, 1], &[0x86, 3, b'u', b':', b'x']])
}

fn leaf_extensions() -> Vec<Vec<u8>> {
    vec![
        extension(parts::EXT_KEY_USAGE, &der::sequence(&[&oid(&[0x2B, 6, 1, 5, 5, 7, 3, 2]), &oid(&[0x2B, 6, 1, 99])])),
        extension(parts::AUTHORITY_KEY_IDENTIFIER, &der::sequence(&[&[0x80, 1, 9]])),
        extension(parts::SUBJECT_ALT_NAME, &san()),
        extension(&[0x2B, 6, 1, 77], b"unknown"),
    ]
}

/// A CA until 2030, and the old leaf that it signed.
struct Pki {
    ca_der: Vec<u8>,
    ca_key: PrivateKey,
    old_der: Vec<u8>,
    old_key: PrivateKey,
}

impl Pki {
    fn new() -> Self {
        Self::with(ca_extensions(), leaf_extensions())
    }

    fn with(ca: Vec<Vec<u8>>, leaf: Vec<Vec<u8>>) -> Self {
        let (ca_key, old_key) = (PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap(), PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
        let (ca_name, leaf_name) = (ca_name(), leaf_name());
        let of_ca = Made { subject: &ca_name, issuer: &ca_name, days: ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"), extensions: ca };
        let of_leaf = Made { subject: &leaf_name, issuer: &ca_name, days: ("2020-01-01T00:00:00Z", "2026-06-02T00:00:00Z"), extensions: leaf };
        let ca_der = made(&of_ca, ca_key.public_key(), &ca_key);
        let old_der = made(&of_leaf, old_key.public_key(), &ca_key);
        Self { ca_der, ca_key, old_der, old_key }
    }

    fn ca(&self) -> CertificateAuthority {
        CertificateAuthority::new(&self.ca_der, self.ca_key.clone(), now()).unwrap()
    }

    fn renewed(&self, policy: &Policy) -> Result<Renewed, Error> {
        let key = match policy.key.wanted(&self.old_der)? {
            Some(algorithm) => PrivateKey::generate(algorithm)?,
            None => self.old_key.clone(),
        };
        renewed(&self.old_der, &self.ca(), policy, &key, now(), serial())
    }
}

fn serial() -> NewSerial {
    NewSerial::from_bytes(&[0x80, 1]).unwrap()
}

fn raw<'a>(certificate: &'a Parts<'_>, id: &[u8]) -> Option<&'a [u8]> {
    certificate.extension(id).map(|extension| extension.raw)
}

#[test]
fn subject_and_extensions_stay_as_they_were_and_the_rest_is_fresh() {
    let pki = Pki::new();
    let renewed = pki.renewed(&Policy::default()).unwrap();
    let (old, new) = (Parts::read(&pki.old_der, Role::Leaf).unwrap(), Parts::read(&renewed.certificate_der, Role::Leaf).unwrap());
    assert_eq!((new.subject, new.issuer), (old.subject, &ca_name()[..]));
    let oids = |parts: &Parts<'_>| parts.extensions.iter().map(|extension| extension.oid.to_vec()).collect::<Vec<_>>();
    assert_eq!(oids(&new), oids(&old));
    let others = |parts: &Parts<'_>| tbs::requested(parts).iter().map(|extension| extension.raw.to_vec()).collect::<Vec<_>>();
    assert_eq!(others(&new), others(&old));
    assert_eq!(new.authority_key_identifier(), Some(&b"any bytes"[..]));
    assert!(renewed.key.matches(new.spki) && new.spki != old.spki);
    assert_eq!((new.not_before, new.not_after), (at("2026-06-01T11:55:00Z"), at("2027-06-01T12:00:00Z")));
    assert_eq!(renewed.notes, []);
    let (_, read) = X509Certificate::from_der(&renewed.certificate_der).unwrap();
    assert_eq!((read.raw_serial(), read.version().0), (&[0, 0x80, 1][..], 2));
}

#[test]
fn a_kept_key_keeps_every_byte_of_public_key_and_identifier() {
    let identifier = extension(SUBJECT_KEY_IDENTIFIER, &der::element(der::OCTET_STRING, b"by hand"));
    let pki = Pki::with(ca_extensions(), vec![identifier.clone()]);
    let renewed = pki.renewed(&Policy { key: KeyPolicy::Kept, ..Policy::default() }).unwrap();
    let (old, new) = (Parts::read(&pki.old_der, Role::Leaf).unwrap(), Parts::read(&renewed.certificate_der, Role::Leaf).unwrap());
    assert_eq!((new.spki, raw(&new, SUBJECT_KEY_IDENTIFIER)), (old.spki, Some(&identifier[..])));
    // It had no authorityKeyIdentifier, which comes last.
    assert_eq!(new.extensions.last().unwrap().oid, parts::AUTHORITY_KEY_IDENTIFIER);
}

#[test]
fn a_new_key_is_identified_as_the_old_one_was() {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    let bits = |spki: &[u8]| spki[spki.len() - 65..].to_vec();
    for by in [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256] {
        let mut pki = Pki::new();
        let identifier = digest(by, &bits(pki.old_key.public_key())).as_ref()[..20].to_vec();
        let (subject, issuer) = (leaf_name(), ca_name());
        let extensions = vec![extension(SUBJECT_KEY_IDENTIFIER, &der::element(der::OCTET_STRING, &identifier))];
        let leaf = Made { subject: &subject, issuer: &issuer, days: ("2020-01-01T00:00:00Z", "2026-06-02T00:00:00Z"), extensions };
        pki.old_der = made(&leaf, pki.old_key.public_key(), &pki.ca_key);
        let renewed = pki.renewed(&Policy::default()).unwrap();
        let new = Parts::read(&renewed.certificate_der, Role::Leaf).unwrap();
        assert_eq!(new.subject_key_identifier(), Some(&digest(by, &bits(new.spki)).as_ref()[..20]));
    }
}

#[test]
fn a_ca_without_identifier_leaves_none_in_the_leaf_and_says_so() {
    let pki = Pki::with(ca_extensions()[..2].to_vec(), leaf_extensions());
    let renewed = pki.renewed(&Policy::default()).unwrap();
    let new = Parts::read(&renewed.certificate_der, Role::Leaf).unwrap();
    assert_eq!((raw(&new, parts::AUTHORITY_KEY_IDENTIFIER), renewed.notes), (None, vec![Note::NoAuthorityKeyIdentifier]));
}

#[test]
fn a_leaf_never_leaves_the_validity_of_its_ca() {
    let policy =
        Policy { validity: SignedDuration::from_hours(24 * 365 * 10), backdate: SignedDuration::from_hours(24 * 365 * 9), key: KeyPolicy::Kept };
    let renewed = Pki::new().renewed(&policy).unwrap();
    let (begin, end) = (at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z"));
    assert_eq!((renewed.not_before, renewed.not_after), (begin, end));
    let wanted = (at("2017-06-03T12:00:00Z"), at("2036-05-29T12:00:00Z"));
    assert_eq!(renewed.notes, [Note::ClampedToCa { wanted: wanted.1, not_after: end }, Note::BeginsWithCa { wanted: wanted.0, not_before: begin }]);
    let forever = Policy { validity: SignedDuration::MAX, ..policy };
    assert_eq!(Pki::new().renewed(&forever).unwrap().not_after, end);
}

#[test]
fn a_ca_that_never_expires_signs_until_the_last_day_that_there_is() {
    let pki = Pki::new();
    let (ca_name, end) = (ca_name(), b"20990101000000Z");
    let what = Made { subject: &ca_name, issuer: &ca_name, days: ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"), extensions: ca_extensions() };
    let mut ca_der = made(&what, pki.ca_key.public_key(), &pki.ca_key);
    let place = ca_der.windows(end.len()).position(|bytes| bytes == end).unwrap();
    ca_der[place..place + end.len()].copy_from_slice(b"99991231235959Z");
    let pki = Pki { ca_der, ..pki };
    let renewed = pki.renewed(&Policy { validity: SignedDuration::MAX, ..Policy::default() }).unwrap();
    assert_eq!(renewed.not_after.to_string()[..10], *"9999-12-30");
    let new = Parts::read(&renewed.certificate_der, Role::Leaf).unwrap();
    assert_eq!((new.not_after.as_second(), renewed.notes), (renewed.not_after.as_second(), vec![]));
}

#[test]
fn a_certificate_of_another_ca_is_renewed_with_a_note() {
    let (pki, other) = (Pki::new(), Pki::new());
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let renewed = renewed(&pki.old_der, &other.ca(), &Policy::default(), &key, now(), serial()).unwrap();
    assert_eq!(renewed.notes, [Note::IssuerChanged]);
    assert_eq!(verify_chain(&renewed.certificate_der, &other.ca_der, now()), Ok(vec![]));
    assert_eq!(verify_chain(&renewed.certificate_der, &pki.ca_der, now()), Ok(vec![ChainProblem::SignatureBad]));
}

#[test]
fn the_issuer_is_the_subject_of_the_ca_that_signs_not_the_old_issuer() {
    let pki = Pki::new();
    let name = name(&[(3, 0x0C, "kubernetes")]);
    let what = Made { subject: &name, issuer: &name, days: ("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"), extensions: ca_extensions() };
    let pki = Pki { ca_der: made(&what, pki.ca_key.public_key(), &pki.ca_key), ..pki };
    let renewed = pki.renewed(&Policy::default()).unwrap();
    assert_eq!(Parts::read(&renewed.certificate_der, Role::Leaf).unwrap().issuer, name);
    assert_eq!(renewed.notes, [Note::IssuerChanged]);
}

#[test]
fn what_is_no_ca_or_not_its_key_or_not_valid_now_cannot_sign() {
    let pki = Pki::new();
    let ca = |der: &[u8], key: &PrivateKey, time: &str| CertificateAuthority::new(der, key.clone(), at(time)).map(|_| ());
    assert_eq!(ca(&pki.ca_der, &pki.ca_key, NOW), Ok(()));
    assert_eq!(ca(&pki.ca_der, &pki.old_key, NOW), Err(Error::CaKeyDiffers));
    assert_eq!(ca(&pki.old_der, &pki.old_key, NOW), Err(Error::NotACa));
    let (not_before, not_after) = (at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z"));
    let (early, late) = ("2019-12-31T23:59:59Z", "2030-01-01T00:00:01Z");
    assert_eq!(ca(&pki.ca_der, &pki.ca_key, early), Err(Error::CaNotYetValid { not_before, now: at(early) }));
    assert_eq!(ca(&pki.ca_der, &pki.ca_key, late), Err(Error::CaExpired { not_after, now: at(late) }));
    assert_eq!(ca(&pki.ca_der, &pki.ca_key, "2030-01-01T00:00:00Z"), Ok(()));
    let mut mute = ca_extensions();
    mute[1] = extension(KEY_USAGE, &[3, 2, 5, 0xA0]);
    let mute = Pki::with(mute, vec![]);
    assert_eq!(ca(&mute.ca_der, &mute.ca_key, NOW), Err(Error::CaMayNotSign));
}

#[test]
fn a_ca_is_never_renewed_as_if_it_were_a_leaf() {
    let pki = Pki::new();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    assert_eq!(renewed(&pki.ca_der, &pki.ca(), &Policy::default(), &key, now(), serial()), Err(Error::WouldRenewCa));
    assert_eq!(certificate_signing_request(&pki.ca_der, &key), Err(Error::WouldRenewCa));
}

#[test]
fn the_key_has_to_be_the_one_that_the_policy_asks_for() {
    let pki = Pki::new();
    let with = |policy: KeyPolicy, key: &PrivateKey| {
        renewed(&pki.old_der, &pki.ca(), &Policy { key: policy, ..Policy::default() }, key, now(), serial()).map(|_| ())
    };
    let (p256, p384) = (KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384);
    let other = PrivateKey::generate(p384).unwrap();
    assert_eq!(with(KeyPolicy::Kept, &other), Err(Error::KeptKeyDiffers));
    assert_eq!(with(KeyPolicy::NewSameAlgorithm, &pki.old_key), Err(Error::NewKeyIsOld));
    assert_eq!(with(KeyPolicy::NewSameAlgorithm, &other), Err(Error::NewKeyAlgorithm { wanted: p256, given: p384 }));
    assert_eq!(with(KeyPolicy::New { algorithm: p384 }, &other), Ok(()));
    assert_eq!(KeyPolicy::NewSameAlgorithm.wanted(&pki.old_der), Ok(Some(p256)));
}

#[test]
fn a_validity_of_nothing_is_refused() {
    let policy = Policy { validity: SignedDuration::from_millis(999), ..Policy::default() };
    assert_eq!(Pki::new().renewed(&policy).unwrap_err(), Error::Validity { validity_seconds: 0, backdate_seconds: 300 });
    let policy = Policy { backdate: SignedDuration::from_secs(-1), ..Policy::default() };
    assert_eq!(Pki::new().renewed(&policy).unwrap_err(), Error::Validity { validity_seconds: 31_536_000, backdate_seconds: -1 });
}

#[test]
fn an_extension_that_stands_there_twice_is_refused() {
    let twice = [leaf_extensions(), leaf_extensions()[3..].to_vec()].concat();
    let refused = Pki::with(ca_extensions(), twice).renewed(&Policy::default()).unwrap_err();
    assert_eq!(refused, Error::DuplicateExtension { role: Role::Leaf, oid: "1.3.6.1.77".to_owned() });
}

#[test]
fn the_part_that_is_signed_is_the_same_for_the_same_input() {
    let pki = Pki::new();
    let fresh = Fresh { serial: serial(), not_before: now(), not_after: now(), spki_der: pki.old_key.public_key() };
    let build = || ToBeSigned::new(&pki.old_der, &pki.ca_der, &fresh).unwrap();
    assert_eq!(build().as_der(), build().as_der());
    assert_eq!(sign(&build(), &PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap()), Err(Error::CaKeyDiffers));
}

#[test]
fn a_changed_certificate_is_told_by_its_signature() {
    let pki = Pki::new();
    assert_eq!(
        verify_chain(&pki.old_der, &pki.ca_der, now()),
        Ok(vec![ChainProblem::KeyIdentifierDiffers { authority: "09".to_owned(), subject: crate::octets::hex(b"any bytes") }])
    );
    let mut changed = pki.old_der.clone();
    let group = changed.windows(7).position(|bytes| bytes == b"masters").unwrap();
    changed[group] = b'M';
    assert!(verify_chain(&changed, &pki.ca_der, now()).unwrap().contains(&ChainProblem::SignatureBad));
}

/// The answer of a CA that changes some of what was asked for.
fn answer(pki: &Pki, key: &PrivateKey, subject: &[u8], extensions: Vec<Vec<u8>>) -> Vec<u8> {
    let issuer = ca_name();
    made(&Made { subject, issuer: &issuer, days: ("2026-05-01T00:00:00Z", "2031-05-01T00:00:00Z"), extensions }, key.public_key(), &pki.ca_key)
}

fn answerable() -> Vec<Vec<u8>> {
    let mut extensions = leaf_extensions();
    extensions.remove(1);
    extensions
}

#[test]
fn an_answer_is_accepted_only_when_it_is_what_was_asked_for() {
    let pki = Pki::new();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let request = certificate_signing_request(&pki.old_der, &key).unwrap();
    let check = |answer: &[u8], ca: &Pki, time: Timestamp| accept(request.as_der(), answer, &ca.ca_der, time);
    let good = answer(&pki, &key, &leaf_name(), answerable());
    let accepted = check(&good, &pki, now()).unwrap();
    assert_eq!((accepted.not_after, accepted.effective_not_after), (at("2031-05-01T00:00:00Z"), at("2030-01-01T00:00:00Z")));
    assert!(accepted.changed_extensions.is_empty());

    let other_key = answer(&pki, &pki.old_key, &leaf_name(), answerable());
    assert_eq!(check(&other_key, &pki, now()), Err(Error::AnswerKey));
    let other_name = answer(&pki, &key, &name(&[(3, 0x13, "kubernetes-admin")]), answerable());
    let (asked, answered) = ("CN=kubernetes-admin,O=system:masters".to_owned(), "CN=kubernetes-admin".to_owned());
    assert_eq!(check(&other_name, &pki, now()), Err(Error::AnswerSubject { asked, answered }));
    let no_names = answer(&pki, &key, &leaf_name(), answerable()[..1].to_vec());
    let missing = ["DNS:a", "IP:10.0.0.1", "URI:u:x"].map(str::to_owned).to_vec();
    assert_eq!(check(&no_names, &pki, now()), Err(Error::AnswerNames { missing }));
    let no_usages = answer(&pki, &key, &leaf_name(), answerable()[1..].to_vec());
    let missing = ["1.3.6.1.5.5.7.3.2", "1.3.6.1.99"].map(str::to_owned).to_vec();
    assert_eq!(check(&no_usages, &pki, now()), Err(Error::AnswerUsages { missing }));
    let a_ca = answer(&pki, &key, &leaf_name(), [answerable(), ca_extensions()].concat());
    assert_eq!(check(&a_ca, &pki, now()), Err(Error::AnswerIsCa));
    assert_eq!(check(&good, &Pki::new(), now()), Err(Error::AnswerChain { problems: vec![ChainProblem::SignatureBad] }));
    let late = at("2031-05-01T00:00:01Z");
    assert!(matches!(check(&good, &pki, late), Err(Error::AnswerChain { problems }) if problems.len() == 2));
    let less = answer(&pki, &key, &leaf_name(), answerable()[..2].to_vec());
    assert_eq!(check(&less, &pki, now()).unwrap().changed_extensions, ["1.3.6.1.77"]);
}

#[test]
fn an_answer_that_names_usages_is_less_than_a_request_that_names_none() {
    let pki = Pki::with(ca_extensions(), leaf_extensions()[1..].to_vec());
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let request = certificate_signing_request(&pki.old_der, &key).unwrap();
    let check = |extensions: Vec<Vec<u8>>| accept(request.as_der(), &answer(&pki, &key, &leaf_name(), extensions), &pki.ca_der, now());
    assert_eq!(check(answerable()), Err(Error::AnswerUsages { missing: vec!["2.5.29.37.0".to_owned()] }));
    assert!(check(answerable()[1..].to_vec()).is_ok());
}

#[test]
fn another_kind_of_string_is_the_same_subject_and_another_text_or_order_is_not() {
    let pki = Pki::new();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let request = certificate_signing_request(&pki.old_der, &key).unwrap();
    let check = |subject: &[u8]| accept(request.as_der(), &answer(&pki, &key, subject, answerable()), &pki.ca_der, now());
    assert!(check(&name(&[(10, 0x13, "system:masters"), (3, 0x0C, "kubernetes-admin")])).is_ok());
    for other in [
        name(&[(3, 0x13, "kubernetes-admin"), (10, 0x0C, "system:masters")]),
        name(&[(10, 0x0C, "system:master"), (3, 0x13, "kubernetes-admin")]),
        name(&[(11, 0x0C, "system:masters"), (3, 0x13, "kubernetes-admin")]),
    ] {
        assert!(matches!(check(&other), Err(Error::AnswerSubject { .. })));
    }
}

/// Bytes changed, cut out or put in at places that `seed` chooses.
fn mutated(der: &[u8], seed: &mut u64) -> Vec<u8> {
    let mut below = |limit: usize| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % limit.max(1)
    };
    let mut bytes = der.to_vec();
    for _ in 0..=below(3) {
        let at = below(bytes.len());
        match below(8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, u8::try_from(below(256)).unwrap()),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => {
                let value = u8::try_from(below(256)).unwrap();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
        }
    }
    bytes
}

#[test]
fn no_mutation_of_a_certificate_makes_renewal_panic() {
    let pki = Pki::new();
    let (ca, key) = (pki.ca(), PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
    let request = certificate_signing_request(&pki.old_der, &key).unwrap();
    let good = answer(&pki, &key, &leaf_name(), answerable());
    let (mut seed, mut renewals) = (5, 0);
    for _ in 0..2_000 {
        let old = mutated(&pki.old_der, &mut seed);
        if let Ok(renewed) = renewed(&old, &ca, &Policy::default(), &key, now(), serial()) {
            renewals += 1;
            assert_eq!(verify_chain(&renewed.certificate_der, &pki.ca_der, now()), Ok(vec![]));
            assert!(X509Certificate::from_der(&renewed.certificate_der).is_ok());
        }
        let _ = certificate_signing_request(&old, &key);
        let _ = CertificateAuthority::new(&mutated(&pki.ca_der, &mut seed), pki.ca_key.clone(), now());
        let _ = accept(&mutated(request.as_der(), &mut seed), &good, &pki.ca_der, now());
        let _ = accept(request.as_der(), &mutated(&good, &mut seed), &pki.ca_der, now());
    }
    assert!((200..1_800).contains(&renewals), "{renewals} of 2,000 could be renewed");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_renewed(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify_chain(&bytes, &bytes, now()).is_err());
        prop_assert!(PrivateKey::from_der(&bytes).is_err());
        let _ = KeyAlgorithm::of_public_key(&bytes);
    }
}
