use super::*;

#[test]
fn what_is_no_pkcs12_says_where() {
    let problem = |bytes: &[u8]| Inspection::of_pkcs12("a.p12", bytes, "").unread[0].problem.clone();
    let not = |part: &str| UnreadProblem::Pkcs12 { pkcs12: Pkcs12Error::NotPkcs12 { part: part.to_owned() } };
    assert_eq!(problem(b""), not("outside"));
    assert_eq!(problem(&der::sequence(&[])), not("version"));
    assert_eq!(problem(&der::sequence(&[&[2, 1, 1]])), UnreadProblem::Pkcs12 { pkcs12: Pkcs12Error::Version });
    assert_eq!(problem(&[0x30, 0x80, 2, 1, 3, 0, 0]), UnreadProblem::Pkcs12 { pkcs12: Pkcs12Error::Ber });
}

#[test]
fn a_count_of_iterations_is_one_or_more() {
    assert_eq!([kdf::iterations(&[1]), kdf::iterations(&[0x08, 0])], [Ok(1), Ok(2048)]);
    assert_eq!(kdf::iterations(&[0, 0x80, 0, 0, 0]), Ok(1 << 31));
    assert_eq!(kdf::iterations(&[0x7F; 20]), Ok(u64::MAX));
    assert!([&[][..], &[0], &[0xFF]].iter().all(|contents| kdf::iterations(contents) == Err(Pkcs12Error::NoIterations)));
}

/// Source: `TestThatPBKDFWorksCorrectlyForLongKeys`, `golang.org/x/crypto/pkcs12/pbkdf_test.go`.
#[test]
fn keys_are_those_of_the_known_vectors() {
    let salt = [0xFF; 8];
    let password = Password::of("sesame");
    let derived = |purpose| kdf::derive(Hash::sha1(), purpose, &password, &salt, 2048, 24, &mut Budget::new(1 << 20)).unwrap().to_vec();
    let expected = [
        0x7C, 0xD9, 0xFD, 0x3E, 0x2B, 0x3B, 0xE7, 0x69, 0x1A, 0x44, 0xE3, 0xBE, 0xF0, 0xF9, 0xEA, 0x0F, 0xB9, 0xB8, 0x97, 0xD4, 0xE3, 0x25, 0xD9,
        0xD1,
    ];
    assert_eq!(derived(Purpose::Key), expected);
    assert_ne!(derived(Purpose::Iv), expected);
}

#[test]
fn a_file_may_not_ask_for_hours_neither_at_once_nor_in_parts() {
    let mut budget = Budget::new(100);
    assert_eq!(budget.spend(60), Ok(()));
    assert_eq!(budget.spend(60), Err(Pkcs12Error::TooManyIterations { iterations: 60, limit: 40 }));
    assert_eq!(budget.spend(40), Ok(()));
}

/// Without a MAC, and with nothing hidden.
fn pfx(bags: &[Vec<u8>]) -> Vec<u8> {
    let data = der::element(der::OBJECT_IDENTIFIER, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 1]);
    let content = |bytes: &[u8]| der::sequence(&[&data, &explicit(&der::element(der::OCTET_STRING, bytes))]);
    let safe = der::sequence(&[&content(&der::element(der::SEQUENCE, &bags.concat()))]);
    der::sequence(&[&[2, 1, 3], &content(&safe)])
}

fn explicit(contents: &[u8]) -> Vec<u8> {
    der::element(der::context(0), contents)
}

fn bag(kind: u8, value: &[u8]) -> Vec<u8> {
    let kind = der::element(der::OBJECT_IDENTIFIER, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 12, 10, 1, kind]);
    der::sequence(&[&kind, &explicit(value)])
}

fn certificate_bag(of: &rcgen::KeyPair) -> Vec<u8> {
    let made = rcgen::CertificateParams::new(["a".to_owned()]).unwrap().self_signed(of).unwrap();
    let x509 = der::element(der::OBJECT_IDENTIFIER, &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 9, 22, 1]);
    bag(3, &der::sequence(&[&x509, &explicit(&der::element(der::OCTET_STRING, made.der()))]))
}

#[test]
fn a_thousand_keys_beside_a_thousand_certificates_are_looked_up() {
    let [own, other] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
    let (certificate, key) = (certificate_bag(&own), bag(1, &own.serialize_der()));
    let found = Inspection::of_pkcs12("a.p12", &pfx(&[certificate.clone(), key]), "");
    assert_eq!((&found.items[0].key, found.unread.len()), (&KeyBeside::Own, 0));

    let started = std::time::Instant::now();
    let found = Inspection::of_pkcs12("a.p12", &pfx(&[vec![certificate; 1000], vec![bag(1, &other.serialize_der()); 1000]].concat()), "");
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "each was compared with each: {:?}", started.elapsed());
    assert!(found.items.iter().all(|item| item.key == KeyBeside::None));
    assert_eq!((found.items.len(), found.unread.len()), (1000, 1000));
}

#[test]
fn a_file_may_not_hold_more_than_any_tool_writes_nested_or_not() {
    let too_many = UnreadProblem::Pkcs12 { pkcs12: Pkcs12Error::TooMany { limit: MAX_THINGS } };
    let empty = vec![der::sequence(&[]); MAX_THINGS];
    let nested = bag(6, &der::element(der::SEQUENCE, &empty.concat()));
    for bags in [empty, vec![nested; 3]] {
        let found = Inspection::of_pkcs12("a.p12", &pfx(&bags), "");
        assert_eq!(found.unread.iter().map(|unread| &unread.problem).collect::<Vec<_>>(), [&too_many]);
    }
}
