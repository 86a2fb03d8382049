//! Renewal against openssl: it makes the CAs, the leaves and their odd names, and judges what came out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use trimtab_certs::Error;
use trimtab_certs::certificate::Weakness;
use trimtab_certs::key::{KeyAlgorithm, KeyFormat, PrivateKey};
use trimtab_certs::pem::{blocks, encode};
use trimtab_certs::renew::{
    CannotCheck, CertificateAuthority, ChainProblem, KeyPolicy, NewSerial, Note, Policy, Renewed, SignatureCheck, accept,
    certificate_signing_request, check_signature, renewed, system_random, verify_chain,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// A folder in which openssl works.
struct Bench {
    folder: tempfile::TempDir,
}

/// Keys that a CA can have: how openssl makes them, and how they are read.
const CA_KEYS: [(&str, KeyAlgorithm, KeyFormat); 7] = [
    ("genrsa -traditional -out ca.key 2048", KeyAlgorithm::Rsa { bits: 2048 }, KeyFormat::Pkcs1),
    ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key", KeyAlgorithm::Rsa { bits: 2048 }, KeyFormat::Pkcs8),
    ("ecparam -name prime256v1 -genkey -out ca.key", KeyAlgorithm::EcdsaP256, KeyFormat::Sec1),
    ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key", KeyAlgorithm::EcdsaP256, KeyFormat::Pkcs8),
    ("ecparam -name secp384r1 -genkey -noout -out ca.key", KeyAlgorithm::EcdsaP384, KeyFormat::Sec1),
    ("ecparam -name secp521r1 -genkey -noout -out ca.key", KeyAlgorithm::EcdsaP521, KeyFormat::Sec1),
    ("genpkey -algorithm ED25519 -out ca.key", KeyAlgorithm::Ed25519, KeyFormat::Pkcs8),
];

/// Subjects of CA and leaf, and the kinds of string they are written in.
const NAMES: [(&str, &str); 5] = [
    ("default", "/C=NL/O=Z\u{fc}rich+O=second/CN=two organizations in one"),
    ("utf8only", "/CN=first/O=then the group/emailAddress=a@example.test"),
    ("MASK:0x4", "/O=T61 all through/CN=name"),
    ("default", "/O=a/O=b/O=a/OU=\u{20ac}/CN=x, O\\=system:masters"),
    ("default", "/"),
];

const EXTENSIONS: &str = "
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyEncipherment, keyCertSign
subjectKeyIdentifier = hash
[ca_without_identifier]
basicConstraints = critical, CA:TRUE
[plain]
basicConstraints = critical, CA:FALSE
[leaf]
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth, 1.3.6.1.4.1.99999.7
basicConstraints = critical, CA:FALSE
authorityKeyIdentifier = keyid, issuer:always
subjectAltName = critical, @names
certificatePolicies = 1.2.3.4, @policy
subjectKeyIdentifier = hash
crlDistributionPoints = URI:http://crl.example.test/x
nsComment = a comment
1.3.6.1.4.1.99999.1 = ASN1:UTF8String:nobody knows this one
[names]
DNS.1 = kubernetes
DNS.2 = *.example.test
IP.1 = 10.96.0.1
IP.2 = fd00::1
URI.1 = spiffe://cluster.test/ns/a/sa/b
email.1 = a@example.test
otherName.1 = 1.3.6.1.4.1.311.20.2.3;UTF8:principal
RID.1 = 1.2.3.4
dirName.1 = directory
[directory]
O = an organization
CN = a directory name
[policy]
policyIdentifier = 1.3.5.8
CPS.1 = http://cps.example.test/
";

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(bench.path("extensions.cnf"), EXTENSIONS).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let output = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output();
        output.unwrap_or_else(|error| panic!("this test needs the command openssl, version 3 (Debian: apt-get install openssl): {error}"))
    }

    /// Runs openssl; its output, and its complaints when it fails.
    fn openssl(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn words(&self, arguments: &str) -> String {
        self.openssl(&arguments.split(' ').collect::<Vec<_>>())
    }

    /// A self-signed CA in ca.crt for the key in ca.key.
    fn ca(&self, mask: &str, subject: &str, section: &str, more: &str) {
        let subject = if subject == "/" { "/CN=kubernetes" } else { subject };
        self.config(mask);
        let fixed =
            ["req", "-new", "-x509", "-key", "ca.key", "-out", "ca.crt", "-config", "all.cnf", "-utf8", "-extensions", section, "-subj", subject];
        self.openssl(&[&fixed[..], &more.split(' ').collect::<Vec<_>>()].concat());
    }

    fn config(&self, mask: &str) {
        fs::write(self.path("all.cnf"), format!("[req]\nprompt = no\nstring_mask = {mask}\ndistinguished_name = none\n[none]\n{EXTENSIONS}"))
            .unwrap();
    }

    /// A leaf in leaf.crt for leaf.key, which is made too.
    fn leaf(&self, key: &str, mask: &str, subject: &str) {
        self.words(key);
        self.config(mask);
        self.openssl(&["req", "-new", "-key", "leaf.key", "-out", "leaf.csr", "-config", "all.cnf", "-utf8", "-subj", subject]);
        self.words("x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile extensions.cnf -extensions leaf -out leaf.crt");
    }

    fn text(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn der(&self, name: &str) -> Vec<u8> {
        blocks(&self.text(name)).next().unwrap().unwrap().contents
    }

    fn key(&self, name: &str) -> PrivateKey {
        PrivateKey::from_pem(&self.text(name)).unwrap()
    }

    fn authority(&self) -> CertificateAuthority {
        CertificateAuthority::new(&self.der("ca.crt"), self.key("ca.key"), now()).unwrap()
    }

    fn renewed(&self, policy: &Policy) -> Renewed {
        let old = self.der("leaf.crt");
        let key = match policy.key.wanted(&old).unwrap() {
            Some(algorithm) => PrivateKey::generate(algorithm).unwrap(),
            None => self.key("leaf.key"),
        };
        renewed(&old, &self.authority(), policy, &key, now(), NewSerial::draw(&mut system_random).unwrap()).unwrap()
    }

    fn write_pem(&self, name: &str, der: &[u8]) {
        fs::write(self.path(name), encode("CERTIFICATE", der)).unwrap();
    }

    /// What openssl says of a renewed certificate and its key, in each form of the key.
    fn judge(&self, renewed: &Renewed) {
        self.write_pem("new.crt", &renewed.certificate_der);
        assert_eq!(self.words("verify -x509_strict -check_ss_sig -CAfile ca.crt new.crt"), "new.crt: OK\n");
        assert!(self.words("x509 -in new.crt -noout -text").contains("Version: 3 (0x2)"));
        let public = self.words("x509 -in new.crt -noout -pubkey");
        for format in [KeyFormat::Pkcs1, KeyFormat::Sec1, KeyFormat::Pkcs8] {
            if let Ok(pem) = renewed.key.to_pem(format) {
                fs::write(self.path("new.key"), pem.as_str()).unwrap();
                assert_eq!(self.words("pkey -in new.key -pubout"), public);
                self.words("pkey -in new.key -check -noout");
            }
        }
    }
}

fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap()
}

/// Each extension: its number, whether it is critical, its bytes.
fn extensions(der: &[u8]) -> Vec<(String, bool, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    certificate.extensions().iter().map(|extension| (extension.oid.to_id_string(), extension.critical, extension.value.to_vec())).collect()
}

const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";

/// That nothing was lost: subject, order and bytes of every extension; of the key identifiers only their place.
fn assert_kept(old: &[u8], new: &[u8]) {
    let subject = |der: &[u8]| X509Certificate::from_der(der).unwrap().1.subject().as_raw().to_vec();
    assert_eq!(subject(new), subject(old));
    let without_identifiers = |der: &[u8]| {
        let blank = |(oid, critical, value): (String, bool, Vec<u8>)| match oid.as_str() {
            SUBJECT_KEY_IDENTIFIER | AUTHORITY_KEY_IDENTIFIER => (oid, critical, Vec::new()),
            _ => (oid, critical, value),
        };
        extensions(der).into_iter().map(blank).collect::<Vec<_>>()
    };
    assert_eq!(without_identifiers(new), without_identifiers(old));
}

fn value(der: &[u8], oid: &str) -> Option<Vec<u8>> {
    extensions(der).into_iter().find(|extension| extension.0 == oid).map(|extension| extension.2)
}

const P256_LEAF: &str = "ecparam -name prime256v1 -genkey -out leaf.key";

#[test]
fn openssl_accepts_a_leaf_renewed_under_every_kind_of_ca_and_name() {
    for (at, (make, algorithm, format)) in CA_KEYS.iter().enumerate() {
        let bench = Bench::new();
        bench.words(make);
        let key = bench.key("ca.key");
        assert_eq!((key.algorithm(), key.format()), (*algorithm, *format), "{make}");
        // Every name under the first kind of CA, one under each of the others.
        let names = if at == 0 { &NAMES[..] } else { &NAMES[at % NAMES.len()..][..1] };
        for (mask, subject) in names {
            bench.ca(mask, subject, "ca", "-days 3650");
            bench.leaf(P256_LEAF, mask, subject);
            assert_eq!(bench.words("verify -CAfile ca.crt leaf.crt"), "leaf.crt: OK\n");
            let old = bench.der("leaf.crt");
            let renewed = bench.renewed(&Policy::default());
            bench.judge(&renewed);
            assert_kept(&old, &renewed.certificate_der);
            // The CA is seconds old.
            assert!(matches!(renewed.notes[..], [Note::BeginsWithCa { .. }]), "{:?}", renewed.notes);
            assert_eq!(extensions(&old).len(), 10);
            // keyid alone: openssl's issuer and serial are of the CA's certificate, which may be replaced under the same key.
            let identifier = value(&bench.der("ca.crt"), SUBJECT_KEY_IDENTIFIER).unwrap();
            assert_eq!(value(&renewed.certificate_der, AUTHORITY_KEY_IDENTIFIER).unwrap()[4..], identifier[2..]);
        }
    }
}

#[test]
fn the_names_of_this_test_are_of_every_kind_of_string() {
    let bench = Bench::new();
    bench.words(CA_KEYS[2].0);
    let mut tags = Vec::new();
    for (mask, subject) in NAMES {
        bench.ca(mask, "/CN=ca", "ca", "-days 2");
        bench.leaf(P256_LEAF, mask, subject);
        let der = bench.der("leaf.crt");
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let widest = certificate.subject().iter_rdn().map(|rdn| rdn.iter().count()).max();
        tags.extend(certificate.subject().iter_attributes().map(|attribute| attribute.attr_value().tag().0));
        assert_eq!(widest, if subject == "/" { None } else { Some(1 + usize::from(subject.contains('+'))) });
    }
    // UTF8String, PrintableString, TeletexString, IA5String, BMPString.
    for tag in [12, 19, 20, 22, 30] {
        assert!(tags.contains(&tag), "no string of kind {tag}");
    }
}

#[test]
fn a_new_key_has_the_algorithm_of_the_old_one_and_openssl_reads_every_form_of_it() {
    for (make, algorithm) in [
        ("genrsa -traditional -out leaf.key 2048", KeyAlgorithm::Rsa { bits: 2048 }),
        ("genrsa -out leaf.key 3072", KeyAlgorithm::Rsa { bits: 3072 }),
        ("ecparam -name secp384r1 -genkey -out leaf.key", KeyAlgorithm::EcdsaP384),
        ("ecparam -name secp521r1 -genkey -out leaf.key", KeyAlgorithm::EcdsaP521),
        ("genpkey -algorithm ED25519 -out leaf.key", KeyAlgorithm::Ed25519),
    ] {
        let bench = Bench::new();
        bench.words(CA_KEYS[2].0);
        bench.ca("default", "/CN=ca", "ca", "-days 3650");
        bench.leaf(make, "default", "/O=system:masters/CN=a");
        let renewed = bench.renewed(&Policy::default());
        assert_eq!(renewed.key.algorithm(), algorithm);
        assert!(!renewed.key.matches(bench.key("leaf.key").public_key()));
        bench.judge(&renewed);
        // openssl's `hash` is SHA-1 of the key; so is ours, then.
        bench.words("req -new -x509 -key new.key -config all.cnf -extensions ca -subj /CN=a -days 1 -out self.crt");
        assert_eq!(value(&renewed.certificate_der, SUBJECT_KEY_IDENTIFIER), value(&bench.der("self.crt"), SUBJECT_KEY_IDENTIFIER));
        let kept = bench.renewed(&Policy { key: KeyPolicy::Kept, ..Policy::default() });
        assert_eq!(value(&kept.certificate_der, SUBJECT_KEY_IDENTIFIER), value(&bench.der("leaf.crt"), SUBJECT_KEY_IDENTIFIER));
        bench.judge(&kept);
    }
}

#[test]
fn a_leaf_ends_with_a_ca_that_has_ten_days_left() {
    let bench = Bench::new();
    bench.words(CA_KEYS[2].0);
    bench.ca("default", "/CN=ca", "ca", "-days 10");
    bench.leaf(P256_LEAF, "default", "/CN=a");
    let renewed = bench.renewed(&Policy::default());
    let end = X509Certificate::from_der(&bench.der("ca.crt")).unwrap().1.validity().not_after.timestamp();
    let asked = |note: &Note| matches!(note, Note::ClampedToCa { wanted, not_after } if not_after.as_second() == end && *wanted > renewed.not_after);
    assert!(renewed.notes.iter().any(asked) && renewed.not_after.as_second() == end);
    bench.judge(&renewed);
    let later = now().checked_add(SignedDuration::from_hours(24 * 11)).unwrap();
    let refused = CertificateAuthority::new(&bench.der("ca.crt"), bench.key("ca.key"), later).map(|_| ());
    assert!(matches!(refused, Err(Error::CaExpired { not_after, now }) if not_after.as_second() == end && now == later));
}

#[test]
fn openssl_accepts_what_a_ca_without_key_identifier_signs() {
    let bench = Bench::new();
    bench.words(CA_KEYS[2].0);
    bench.ca("default", "/CN=kubernetes", "ca_without_identifier", "-days 100");
    bench.words(P256_LEAF);
    bench.openssl(&["req", "-new", "-key", "leaf.key", "-out", "leaf.csr", "-config", "all.cnf", "-subj", "/CN=a"]);
    bench.words("x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile extensions.cnf -extensions plain -out leaf.crt");
    let renewed = bench.renewed(&Policy::default());
    bench.write_pem("new.crt", &renewed.certificate_der);
    assert_eq!(bench.words("verify -CAfile ca.crt new.crt"), "new.crt: OK\n");
}

#[test]
fn what_openssl_keeps_behind_a_password_or_on_another_curve_is_refused_by_name() {
    let bench = Bench::new();
    for (make, error) in [
        ("genrsa -aes128 -passout pass:x -traditional -out a.key 2048", Error::KeyEncrypted),
        ("genrsa -aes128 -passout pass:x -out a.key 2048", Error::KeyEncrypted),
        ("genrsa -out a.key 1024", Error::RsaSize { bits: 1024 }),
        ("ecparam -name secp224r1 -genkey -out a.key", Error::KeyUnsupported { algorithm: "ECDSA on 1.3.132.0.33".to_owned() }),
        ("ecparam -name secp256k1 -genkey -out a.key", Error::KeyUnsupported { algorithm: "ECDSA on 1.3.132.0.10".to_owned() }),
        ("genpkey -algorithm ED448 -out a.key", Error::KeyUnsupported { algorithm: "1.3.101.113".to_owned() }),
        ("genpkey -algorithm RSA-PSS -out a.key", Error::KeyUnsupported { algorithm: "1.2.840.113549.1.1.10".to_owned() }),
        (
            "ecparam -name prime256v1 -param_enc explicit -genkey -out a.key",
            Error::KeyUnsupported { algorithm: "ECDSA on a curve that is written out instead of named".to_owned() },
        ),
    ] {
        bench.words(make);
        assert_eq!(PrivateKey::from_pem(&bench.text("a.key")), Err(error), "{make}");
    }
}

/// A self-signed certificate whose signature is looked at, and the same one with one bit of its signature changed.
fn checked(bench: &Bench, key: &str, sign: &str) -> (SignatureCheck, SignatureCheck) {
    bench.words(key);
    bench.ca("default", "/CN=a", "ca", sign);
    let mut der = bench.der("ca.crt");
    let spki = X509Certificate::from_der(&der).unwrap().1.public_key().raw.to_vec();
    let good = check_signature(&der, &spki).unwrap();
    let last = der.len() - 3;
    der[last] ^= 1;
    (good, check_signature(&der, &spki).unwrap())
}

#[test]
fn a_signature_is_good_bad_or_cannot_be_checked_but_never_wrongly_bad() {
    let bench = Bench::new();
    let rsa = "genrsa -out ca.key 2048";
    let curve = |name: &str| format!("ecparam -name {name} -genkey -noout -out ca.key");
    let (p256, p384, p521) = (curve("prime256v1"), curve("secp384r1"), curve("secp521r1"));
    let good = SignatureCheck::Good { weaknesses: vec![] };
    let sha1 = |algorithm: &str| Weakness::BrokenHash { algorithm: algorithm.to_owned() };
    let weak = |weaknesses: &[Weakness]| SignatureCheck::Good { weaknesses: weaknesses.to_vec() };
    let short = Weakness::ShortRsa { bits: 1024 };
    let usual = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 -sha256";
    for (key, sign, expected) in [
        (rsa, "-sha256", good.clone()),
        (rsa, "-sha384", good.clone()),
        (rsa, "-sha512", good.clone()),
        (rsa, "-sha1", weak(&[sha1("SHA1-RSA")])),
        (rsa, usual, good.clone()),
        (rsa, "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 -sha512", good.clone()),
        ("genrsa -out ca.key 1024", "-sha256", weak(std::slice::from_ref(&short))),
        ("genrsa -out ca.key 1024", "-sha1", weak(&[short.clone(), sha1("SHA1-RSA")])),
        ("genrsa -out ca.key 1536", "-sha512", weak(&[Weakness::ShortRsa { bits: 1536 }])),
        (&p256, "-sha256", good.clone()),
        (&p256, "-sha512", good.clone()),
        (&p256, "-sha1", weak(&[sha1("ECDSA-SHA1")])),
        (&p384, "-sha384", good.clone()),
        (&p384, "-sha256", good.clone()),
        (&p521, "-sha512", good.clone()),
        (&p521, "-sha256", good.clone()),
        ("genpkey -algorithm ED25519 -out ca.key", "-days 1", good.clone()),
    ] {
        assert_eq!(checked(&bench, key, sign), (expected, SignatureCheck::Bad), "{key} {sign}");
    }
    let other = |algorithm: &str, key: &str| CannotCheck::Algorithm { algorithm: algorithm.to_owned(), key: key.to_owned() };
    for (key, sign, reason) in [
        (rsa, "-md5", other("1.2.840.113549.1.1.4", "RSA-2048")),
        (rsa, "-sha224", other("1.2.840.113549.1.1.14", "RSA-2048")),
        (rsa, "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20 -sha256", CannotCheck::PssParameters),
        ("genrsa -out ca.key 1024", "-sha384", other("1.2.840.113549.1.1.12", "RSA-1024")),
        ("genrsa -out ca.key 1024", usual, other("1.2.840.113549.1.1.10", "RSA-1024")),
        ("genrsa -out ca.key 768", "-sha256", CannotCheck::Key { key: "RSA-768".to_owned() }),
        (&curve("secp224r1"), "-sha256", other("1.2.840.10045.4.3.2", "ECDSA-P224")),
        (&p384, "-sha1", other("1.2.840.10045.4.1", "ECDSA-P384")),
        ("genpkey -algorithm ED448 -out ca.key", "-days 1", other("1.3.101.113", "Ed448")),
    ] {
        let cannot = SignatureCheck::CannotCheck { reason };
        assert_eq!(checked(&bench, key, sign), (cannot.clone(), cannot), "{key} {sign}");
    }
}

/// A request for the successor of leaf.crt, in request.csr, and its key.
fn request(bench: &Bench) -> (Vec<u8>, PrivateKey) {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let request = certificate_signing_request(&bench.der("leaf.crt"), &key).unwrap();
    fs::write(bench.path("request.csr"), request.to_pem()).unwrap();
    (request.as_der().to_vec(), key)
}

#[test]
fn openssl_verifies_a_request_and_what_it_makes_of_it_is_accepted() {
    for (mask, subject) in NAMES {
        let bench = Bench::new();
        bench.words(CA_KEYS[0].0);
        bench.ca(mask, subject, "ca", "-days 3650");
        bench.leaf(P256_LEAF, mask, subject);
        let (request, _) = request(&bench);
        bench.words("req -in request.csr -verify -noout");
        bench.words("x509 -req -in request.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -copy_extensions copyall -out answer.crt");
        let accepted = accept(&request, &bench.der("answer.crt"), &bench.der("ca.crt"), now()).unwrap();
        assert_eq!((accepted.changed_extensions, accepted.effective_not_after), (vec![], accepted.not_after));
        let kept = |der: &[u8]| {
            extensions(der)
                .into_iter()
                .filter(|extension| ![SUBJECT_KEY_IDENTIFIER, AUTHORITY_KEY_IDENTIFIER].contains(&extension.0.as_str()))
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(&bench.der("answer.crt")), kept(&bench.der("leaf.crt")));
    }
}

#[test]
fn a_request_without_any_extension_is_one_too() {
    let bench = Bench::new();
    bench.words(CA_KEYS[2].0);
    bench.ca("default", "/CN=ca", "ca", "-days 3650");
    bench.words(P256_LEAF);
    bench.openssl(&["req", "-new", "-key", "leaf.key", "-out", "leaf.csr", "-config", "all.cnf", "-subj", "/CN=a"]);
    bench.words("x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -out leaf.crt");
    let (request, _) = request(&bench);
    bench.words("req -in request.csr -verify -noout");
    bench.words("x509 -req -in request.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out answer.crt");
    assert!(accept(&request, &bench.der("answer.crt"), &bench.der("ca.crt"), now()).is_ok());
    // The old one is of version 1, the new one of version 3.
    bench.judge(&bench.renewed(&Policy::default()));
}

#[test]
fn answers_that_lost_something_are_refused_with_what_they_lost() {
    let bench = Bench::new();
    bench.words(CA_KEYS[2].0);
    bench.ca("default", "/CN=ca", "ca", "-days 3650");
    bench.leaf(P256_LEAF, "default", "/O=system:masters/CN=a");
    let (request, _) = request(&bench);
    let ca = bench.der("ca.crt");
    let accepted = |name: &str| accept(&request, &bench.der(name), &ca, now()).map(|_| ());
    bench.words("x509 -req -in request.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out bare.crt");
    let Err(Error::AnswerNames { missing }) = accepted("bare.crt") else { panic!("no names lost") };
    assert_eq!(
        missing[..6],
        ["DNS:kubernetes", "DNS:*.example.test", "IP:10.96.0.1", "IP:fd00::1", "URI:spiffe://cluster.test/ns/a/sa/b", "email:a@example.test"]
    );
    assert_eq!(missing.len(), 9);
    bench.words("req -x509 -in request.csr -CA ca.crt -CAkey ca.key -days 9 -config all.cnf -copy_extensions copyall -subj /CN=a -out renamed.crt");
    let (asked, answered) = ("CN=a,O=system:masters".to_owned(), "CN=a".to_owned());
    assert_eq!(accepted("renamed.crt"), Err(Error::AnswerSubject { asked, answered }));
    assert_eq!(accepted("leaf.crt"), Err(Error::AnswerKey));
    bench.words("ecparam -name prime256v1 -genkey -out ca.key");
    bench.ca("default", "/CN=ca", "ca", "-days 3650");
    bench.words("x509 -req -in request.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -copy_extensions copyall -out foreign.crt");
    let Err(Error::AnswerChain { problems }) = accepted("foreign.crt") else { panic!("a foreign CA was believed") };
    assert!(problems.contains(&ChainProblem::SignatureBad));
}

#[test]
fn a_key_and_a_certificate_of_two_cas_do_not_sign() {
    let bench = Bench::new();
    bench.words(CA_KEYS[1].0);
    bench.ca("default", "/CN=ca", "ca", "-days 10");
    let ca = bench.der("ca.crt");
    bench.words(CA_KEYS[0].0);
    assert_eq!(CertificateAuthority::new(&ca, bench.key("ca.key"), now()).map(|_| ()), Err(Error::CaKeyDiffers));
    bench.leaf_of_nobody();
    assert_eq!(CertificateAuthority::new(&bench.der("leaf.crt"), bench.key("leaf.key"), now()).map(|_| ()), Err(Error::NotACa));
    let problems = verify_chain(&bench.der("leaf.crt"), &ca, now()).unwrap();
    assert_eq!(problems, [ChainProblem::IssuerDiffers, ChainProblem::SignatureBad]);
}

impl Bench {
    /// A self-signed certificate that is no CA, in leaf.crt.
    fn leaf_of_nobody(&self) {
        self.words(P256_LEAF);
        self.words("req -new -x509 -key leaf.key -config all.cnf -extensions plain -subj /CN=alone -days 2 -out leaf.crt");
        assert!(Path::exists(&self.path("leaf.crt")));
    }
}
