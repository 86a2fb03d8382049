//! PKCS#12 files by openssl, the old way and the new one, and what is wrong with some.

#![cfg(feature = "pkcs12")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "all of it is a test")]

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use trimtab_certs::Inspection;
use trimtab_certs::inspect::{KeyBeside, UnreadProblem};
use trimtab_certs::pkcs12::Pkcs12Error;

const PASSWORD: &str = "g\u{e9}heim \u{1F511}-planted";

/// A folder in which openssl works.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// `ca.crt`, and `leaf.crt` with its `leaf.key`.
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        bench.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=ca -days 9 -out ca.crt");
        bench.openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -subj /CN=leaf -out leaf.csr");
        bench.openssl("x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 9 -out leaf.crt");
        bench
    }

    fn openssl(&self, arguments: &str) {
        let arguments = arguments.split(' ').map(|argument| if argument == "PASSWORD" { format!("pass:{PASSWORD}") } else { argument.to_owned() });
        let output = Command::new("openssl").args(arguments).current_dir(self.folder.path()).output();
        let output = output.unwrap_or_else(|error| panic!("this test needs the command openssl, version 3: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn export(&self, options: &str) -> Vec<u8> {
        self.openssl(&format!("pkcs12 -export -in leaf.crt -inkey leaf.key -certfile ca.crt -name web -out store.p12 -passout PASSWORD{options}"));
        fs::read(self.folder.path().join("store.p12")).unwrap()
    }
}

/// Entry, common name, key of every item; then why the rest could not be read.
fn shown(found: &Inspection) -> (Vec<(String, String, KeyBeside)>, Vec<Pkcs12Error>) {
    let items = found
        .certificates()
        .map(|(item, certificate)| (item.place.entry.clone().unwrap(), certificate.subject.common_name().unwrap().to_owned(), item.key.clone()));
    let unread = found.unread.iter().map(|unread| {
        let UnreadProblem::Pkcs12 { pkcs12 } = &unread.problem else { panic!("{unread:?}") };
        pkcs12.clone()
    });
    (items.collect(), unread.collect())
}

fn problems(bytes: &[u8], password: &str) -> Vec<Pkcs12Error> {
    shown(&Inspection::of_pkcs12("store.p12", bytes, password)).1
}

fn both() -> Vec<(String, String, KeyBeside)> {
    let item = |entry: &str, name: &str, key| (entry.to_owned(), name.to_owned(), key);
    vec![item("web", "leaf", KeyBeside::Own), item("certificate[1]", "ca", KeyBeside::None)]
}

#[test]
fn files_of_every_age_are_read_with_the_key_at_its_certificate() {
    let bench = Bench::new();
    for options in [
        "",
        " -legacy",
        " -nomac",
        " -noiter",
        " -macalg sha1",
        " -macalg sha384",
        " -macalg sha512 -iter 10000",
        " -keypbe AES-128-CBC -certpbe AES-192-CBC",
        " -keypbe NONE -certpbe NONE",
        " -legacy -keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-RC2-128",
        " -legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-3DES",
        " -keypbe DES-EDE3-CBC -certpbe DES-EDE3-CBC",
    ] {
        let found = Inspection::of_pkcs12("store.p12", &bench.export(options), PASSWORD);
        assert_eq!(shown(&found), (both(), vec![]), "{options}");
    }
}

#[test]
fn an_empty_password_is_one() {
    let bench = Bench::new();
    bench.openssl("pkcs12 -export -in leaf.crt -inkey leaf.key -out empty.p12 -passout pass:");
    let bytes = fs::read(bench.folder.path().join("empty.p12")).unwrap();
    assert_eq!(problems(&bytes, ""), []);
    assert_eq!(problems(&bytes, "x"), [Pkcs12Error::WrongPassword]);
}

#[test]
fn a_wrong_password_a_changed_file_and_one_without_a_mac_are_told_apart() {
    let bench = Bench::new();
    let with_mac = bench.export("");
    assert_eq!(problems(&with_mac, "another"), [Pkcs12Error::WrongPassword]);
    let mut changed = with_mac.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert_eq!(problems(&changed, PASSWORD), [Pkcs12Error::WrongPassword]);
    assert!(matches!(problems(&with_mac[..with_mac.len() - 9], PASSWORD)[..], [Pkcs12Error::NotPkcs12 { .. }]));
    let without = bench.export(" -nomac");
    assert!(problems(&without, "another").iter().all(|problem| matches!(problem, Pkcs12Error::NotOpened | Pkcs12Error::NotPkcs12 { .. })));
    assert!(!problems(&without, "another").is_empty());
}

#[test]
fn a_store_of_authorities_has_no_keys_and_a_key_without_its_certificate_is_told() {
    let bench = Bench::new();
    bench.openssl("pkcs12 -export -nokeys -in ca.crt -certfile leaf.crt -caname corporate -out trust.p12 -passout PASSWORD");
    let (items, unread) = shown(&Inspection::of_pkcs12("t", &fs::read(bench.folder.path().join("trust.p12")).unwrap(), PASSWORD));
    assert_eq!((items.len(), items.iter().filter(|item| item.2 == KeyBeside::None).count(), unread), (2, 2, vec![]));
    bench.openssl("pkcs12 -export -nocerts -inkey leaf.key -out key.p12 -passout PASSWORD");
    let found = Inspection::of_pkcs12("k", &fs::read(bench.folder.path().join("key.p12")).unwrap(), PASSWORD);
    assert_eq!(shown(&found), (vec![], vec![Pkcs12Error::KeyAlone]));
}

#[test]
fn a_file_that_asks_for_two_thousand_million_rounds_is_refused_at_once() {
    let bench = Bench::new();
    let begun = Instant::now();
    // The count of the MAC is the last number of a file: 2,048 in two bytes, here 2^31 - 1 and more in as many as it takes.
    for (count, iterations) in [(vec![0x7F, 0xFF, 0xFF, 0xFF], 0x7FFF_FFFF), (vec![0, 0x80, 0, 0, 0], 1 << 31), (vec![0x7F; 30], u64::MAX)] {
        let hostile = with_mac_count(&bench.export(""), &count);
        assert_eq!(problems(&hostile, PASSWORD), [Pkcs12Error::TooManyIterations { iterations, limit: 10_000_000 }]);
    }
    // Each by itself would be allowed; together they are not.
    let key = bench.export(" -iter 4000000");
    assert!(problems(&key, PASSWORD).iter().any(|problem| matches!(problem, Pkcs12Error::TooManyIterations { .. })));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(problems(&with_mac_count(&bench.export(""), &[0]), PASSWORD), [Pkcs12Error::NoIterations]);
}

/// The file with another count of iterations at its end, and the lengths around it mended.
fn with_mac_count(file: &[u8], count: &[u8]) -> Vec<u8> {
    let body = file.strip_suffix(&[2, 2, 8, 0]).unwrap_or_else(|| panic!("openssl writes 2048 at the end"));
    let number = [&[2, u8::try_from(count.len()).unwrap()], count].concat();
    let grown = i16::try_from(number.len()).unwrap() - 4;
    // PFX is SEQUENCE 30 82 hi lo; MacData is SEQUENCE 30 len, 65 bytes with SHA-256 and a salt of 8 bytes.
    let mac = body.len() - (0x41 - 4) - 2;
    assert_eq!((body[0], body[1], body[mac], body[mac + 1]), (0x30, 0x82, 0x30, 0x41));
    let mut changed = [body, &number].concat();
    let length = u16::from_be_bytes([changed[2], changed[3]]).checked_add_signed(grown).unwrap();
    changed[2..4].copy_from_slice(&length.to_be_bytes());
    changed[mac + 1] = u8::try_from(0x41 + grown).unwrap();
    changed
}

#[test]
fn neither_the_password_nor_the_key_is_shown_anywhere() {
    let bench = Bench::new();
    let bytes = bench.export("");
    for (bytes, password) in [(&bytes[..], PASSWORD), (&bytes[..], "other-planted"), (&bytes[..50], PASSWORD)] {
        let found = Inspection::of_pkcs12("store.p12", bytes, password);
        let findings = trimtab_certs::findings(&found, &trimtab_certs::FindingPolicy::default(), jiff::Timestamp::UNIX_EPOCH);
        let told = format!("{found:?} {} {findings:?}", serde_json::to_string(&found).unwrap());
        assert!(!told.contains("planted"), "{told}");
    }
}

#[test]
fn every_single_changed_byte_is_told_or_harmless() {
    let bench = Bench::new();
    let bytes = bench.export(" -noiter -nomac");
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let _ = Inspection::of_pkcs12("store.p12", &changed, PASSWORD);
        }
        let _ = Inspection::of_pkcs12("store.p12", &bytes[..at], PASSWORD);
    }
}
