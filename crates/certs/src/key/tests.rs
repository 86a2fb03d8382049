use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::renew::{CertificateAuthority, Policy};

const P256: KeyAlgorithm = KeyAlgorithm::EcdsaP256;
const EVERY: [KeyAlgorithm; 5] =
    [KeyAlgorithm::Rsa { bits: 2048 }, KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::EcdsaP521, KeyAlgorithm::Ed25519];
const FORMATS: [KeyFormat; 3] = [KeyFormat::Pkcs1, KeyFormat::Sec1, KeyFormat::Pkcs8];

fn pem_of(key: &PrivateKey, format: KeyFormat) -> String {
    key.to_pem(format).unwrap().as_str().to_owned()
}

fn with_label(pem: &str, from: &str, to: &str) -> String {
    pem.replace(&format!(" {from}-----"), &format!(" {to}-----"))
}

#[test]
fn every_form_is_read_back_as_the_same_key_in_the_same_form() {
    for algorithm in EVERY {
        let key = PrivateKey::generate(algorithm).unwrap();
        assert_eq!((key.algorithm(), key.format()), (algorithm, KeyFormat::of_kubeadm(algorithm)));
        let mut forms = 0;
        for format in FORMATS {
            let Ok(pem) = key.to_pem(format) else { continue };
            let again = PrivateKey::from_pem(pem.as_bytes()).unwrap();
            assert_eq!((again.algorithm(), again.format(), &again), (algorithm, format, &key));
            assert_eq!(again.to_pem(format).unwrap(), pem);
            forms += 1;
        }
        assert_eq!(forms, if algorithm == KeyAlgorithm::Ed25519 { 1 } else { 2 });
        assert_eq!(KeyAlgorithm::of_public_key(key.public_key()), Ok(algorithm));
    }
}

#[test]
fn a_form_that_an_algorithm_does_not_have_is_refused() {
    let key = PrivateKey::generate(P256).unwrap();
    assert_eq!(key.to_pem(KeyFormat::Pkcs1), Err(Error::KeyFormat { algorithm: P256, format: KeyFormat::Pkcs1 }));
}

#[test]
fn parameters_certificates_and_text_before_a_key_are_passed_over() {
    let key = PrivateKey::generate(P256).unwrap();
    let before = "read me\n-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert_eq!(PrivateKey::from_pem(format!("{before}{}", pem_of(&key, KeyFormat::Sec1)).as_bytes()), Ok(key));
    assert_eq!(PrivateKey::from_pem(before.as_bytes()), Err(Error::NoPrivateKey));
}

#[test]
fn a_key_that_cannot_be_read_does_not_hide_the_next_one() {
    let key = PrivateKey::generate(P256).unwrap();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(PrivateKey::from_pem(format!("{encrypted}{}", pem_of(&key, KeyFormat::Sec1)).as_bytes()), Ok(key));
    assert_eq!(PrivateKey::from_pem(encrypted.as_bytes()), Err(Error::KeyEncrypted));
}

#[test]
fn a_label_that_is_not_that_of_the_contents_is_refused() {
    let key = PrivateKey::generate(P256).unwrap();
    let text = with_label(&pem_of(&key, KeyFormat::Pkcs8), "PRIVATE KEY", "EC PRIVATE KEY");
    assert_eq!(PrivateKey::from_pem(text.as_bytes()), Err(Error::KeyLabel { label: "EC PRIVATE KEY".to_owned(), format: KeyFormat::Pkcs8 }));
}

#[test]
fn what_cannot_be_signed_with_says_which_it_is() {
    let pkcs8 =
        |algorithm: &[u8]| der::sequence(&[&der::unsigned_integer(&[0]), &der::sequence(&[algorithm]), &der::element(der::OCTET_STRING, &[4, 0])]);
    let ed448 = PrivateKey::from_der(&pkcs8(&[6, 3, 0x2B, 0x65, 0x71]));
    assert_eq!(ed448, Err(Error::KeyUnsupported { algorithm: "1.3.101.113".to_owned() }));
    let secp256k1 = PrivateKey::from_der(&pkcs8(&[6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1, 6, 5, 0x2B, 0x81, 4, 0, 10]));
    assert_eq!(secp256k1, Err(Error::KeyUnsupported { algorithm: "ECDSA on 1.3.132.0.10".to_owned() }));
    let short = der::sequence(&[&der::unsigned_integer(&[0]), &der::unsigned_integer(&[0xFF; 128]), &der::unsigned_integer(&[3])]);
    assert_eq!(PrivateKey::from_der(&short), Err(Error::RsaSize { bits: 1024 }));
    let password = der::sequence(&[&der::sequence(&[]), &der::element(der::OCTET_STRING, &[])]);
    assert_eq!(PrivateKey::from_der(&password), Err(Error::KeyEncrypted));
    assert_eq!(PrivateKey::generate(KeyAlgorithm::Rsa { bits: 1024 }), Err(Error::KeyNotGenerated { algorithm: KeyAlgorithm::Rsa { bits: 1024 } }));
}

#[test]
fn a_compressed_point_is_the_same_key() {
    let key = PrivateKey::generate(P256).unwrap();
    let spki = key.public_key();
    let point = &spki[spki.len() - 65..];
    let compressed: Vec<u8> = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    let mut parts = Reader::inside(spki, der::SEQUENCE).unwrap();
    let written = der::sequence(&[parts.element().unwrap().raw, &der::bit_string(&compressed)]);
    assert!(key.matches(&written));
    assert!(!PrivateKey::generate(P256).unwrap().matches(&written));
}

/// Every piece of `length` characters of a key's DER, as base64 at each of its three offsets, as hex, and as Rust prints a list of bytes.
fn traces(der: &[u8]) -> Vec<String> {
    let hex = crate::octets::hex(der);
    let list = format!("{der:?}");
    let mut whole: Vec<String> = (0..3).map(|offset| STANDARD.encode(&der[offset..])).collect();
    whole.extend([hex.to_uppercase(), hex, list]);
    // The beginning says only what kind of key it is, and the public half may be shown; twelve characters of the rest are no accident.
    whole.iter().flat_map(|text| (40..text.len().saturating_sub(12)).step_by(3).map(|at| text[at..at + 12].to_owned()).collect::<Vec<_>>()).collect()
}

fn shown<T: fmt::Debug>(texts: &mut String, value: &T) {
    write!(texts, "{value:?} {value:#?} ").unwrap();
}

fn shown_error(texts: &mut String, error: &Error) {
    shown(texts, error);
    write!(texts, "{error} {} ", serde_json::to_string(error).unwrap()).unwrap();
}

/// Everything that ever saw this key, printed in every way.
fn everything_about(key: &PrivateKey, format: KeyFormat) -> String {
    let (mut texts, pem) = (String::new(), key.to_pem(format).unwrap());
    shown(&mut texts, key);
    shown(&mut texts, &pem);
    shown(&mut texts, &PrivateKey::from_pem(pem.as_bytes()));
    shown(&mut texts, &Policy::default());
    let now = "2026-11-25T12:00:00Z".parse().unwrap();
    let damaged = [
        pem.as_str()[..pem.as_str().len() / 2].to_owned(),
        pem.as_str().replacen('\n', "\n!", 2),
        pem.as_str().replacen("\nM", "\nN", 1),
        with_label(pem.as_str(), format.label(), "ENCRYPTED PRIVATE KEY"),
        with_label(pem.as_str(), format.label(), "DSA PRIVATE KEY"),
        with_label(pem.as_str(), format.label(), "CERTIFICATE"),
        with_label(pem.as_str(), format.label(), if format == KeyFormat::Pkcs8 { "EC PRIVATE KEY" } else { "PRIVATE KEY" }),
        pem.as_str().replacen("-----END", "-----EMD", 1),
        // A file whose lines were joined: the key stands where a label should.
        pem.as_str().replacen("-----\n", "", 1),
    ];
    for text in damaged {
        shown_error(&mut texts, &PrivateKey::from_pem(text.as_bytes()).unwrap_err());
        shown_error(&mut texts, &PrivateKey::from_der(text.as_bytes()).unwrap_err());
    }
    let der = pem::blocks(pem.as_bytes()).next().unwrap().unwrap().contents;
    for at in 0..der.len() {
        let mut flipped = der.clone();
        flipped[at] ^= 0x40;
        if let Err(error) = PrivateKey::from_der(&flipped) {
            shown_error(&mut texts, &error);
        }
    }
    // A key where a certificate should stand.
    shown_error(&mut texts, &CertificateAuthority::new(&der, key.clone(), now).unwrap_err());
    shown_error(&mut texts, &crate::renew::verify_chain(&der, &der, now).unwrap_err());
    texts
}

#[test]
fn nothing_that_saw_a_key_shows_a_part_of_it() {
    for algorithm in EVERY {
        let key = PrivateKey::generate(algorithm).unwrap();
        for format in FORMATS {
            let Ok(pem) = key.to_pem(format) else { continue };
            let der = pem::blocks(pem.as_bytes()).next().unwrap().unwrap().contents;
            let texts = everything_about(&key, format);
            let traces = traces(&der);
            assert!(traces.len() > 20, "{algorithm}: {} traces", traces.len());
            for trace in traces {
                assert!(!texts.contains(&trace), "a part of a key of {algorithm} in {format} is shown");
            }
        }
    }
}
