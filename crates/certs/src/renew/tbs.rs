//! The part of a certificate that is signed, built from the old one's bytes and a few fresh ones. Nothing random, no clock.

use aws_lc_rs::digest::{self, Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use jiff::Timestamp;

use super::NewSerial;
use super::der::{self, Reader};
use super::parts::{AUTHORITY_KEY_IDENTIFIER, Extension, Parts, SUBJECT_KEY_IDENTIFIER};
use crate::Error;
use crate::error::Role;
use crate::key::KeyAlgorithm;

/// What is new in a renewed certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh<'a> {
    /// Its number.
    pub serial: NewSerial,
    /// Its first second; parts of one are cut off.
    pub not_before: Timestamp,
    /// Its last second; parts of one are cut off.
    pub not_after: Timestamp,
    /// Its public key: a `SubjectPublicKeyInfo` in DER. The old one may be given again.
    pub spki_der: &'a [u8],
}

/// A certificate that waits for its signature.
#[derive(Clone, PartialEq, Eq)]
pub struct ToBeSigned {
    der: Vec<u8>,
    signer: KeyAlgorithm,
}

impl ToBeSigned {
    /// The old certificate with what is fresh in it, under that CA.
    ///
    /// Kept byte for byte and in order: the subject with its string types, every extension, known or not, the subjectUniqueID. Other than before:
    /// version 3, serial, validity, public key; the issuer, which is the CA's subject byte for byte; the authorityKeyIdentifier, which becomes the
    /// CA's subjectKeyIdentifier (it is read from the CA, never computed, since Go 1.25 computes another one than before), or goes where the CA has
    /// none, and is added at the end where the old one had none; the subjectKeyIdentifier, which is computed for a new key the way the old one was:
    /// SHA-1, or the first 20 bytes of SHA-256 as Go writes since 1.25, or SHA-1 where it was neither.
    ///
    /// Source: RFC 5280 §4.1, §4.2.1.1, §4.2.1.2.
    ///
    /// DIFFERENCE: kubeadm keeps the common name, organizations, DNS names, addresses and known usages, and loses the rest.
    ///
    /// # Errors
    /// [`Error::CertificateNotRead`], [`Error::DuplicateExtension`]; [`Error::KeyUnsupported`] for a CA's key that cannot sign here;
    /// [`Error::TimeOutOfRange`].
    pub fn new(old_der: &[u8], ca_der: &[u8], fresh: &Fresh<'_>) -> Result<Self, Error> {
        let (old, ca) = (Parts::read(old_der, Role::Leaf)?, Parts::read(ca_der, Role::Ca)?);
        let signer = KeyAlgorithm::of_public_key(ca.spki)?;
        let validity = der::sequence(&[&time(fresh.not_before)?, &time(fresh.not_after)?]);
        let unique_id = |number, id: Option<&[u8]>| id.map(|id| der::element(der::context_primitive(number), id)).unwrap_or_default();
        let der = der::sequence(&[
            VERSION_3,
            &fresh.serial.to_der(),
            signature_algorithm(signer),
            ca.subject,
            &validity,
            old.subject,
            fresh.spki_der,
            &unique_id(1, ca.subject_unique_id.filter(|_| old.subject_unique_id.is_some())),
            &unique_id(2, old.subject_unique_id),
            &extensions(&old, &ca, fresh.spki_der)?,
        ]);
        Ok(Self { der, signer })
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The algorithm of the key that has to sign it: the CA's.
    #[must_use]
    pub fn signer(&self) -> KeyAlgorithm {
        self.signer
    }
}

impl std::fmt::Debug for ToBeSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ToBeSigned({} bytes, for {})", self.der.len(), self.signer)
    }
}

/// `[0]` around the number 2.
const VERSION_3: &[u8] = &[0xA0, 3, der::INTEGER, 1, 2];

/// How a key of this algorithm signs here: an `AlgorithmIdentifier`. RSA has a NULL in it, the others nothing.
///
/// Source: RFC 8017 §A.2.4, RFC 5758 §3.2, RFC 8410 §3; the hashes are those that Go picks (`signingParamsForKey`, `crypto/x509/x509.go@go1.26`).
pub(crate) fn signature_algorithm(signer: KeyAlgorithm) -> &'static [u8] {
    match signer {
        KeyAlgorithm::Rsa { .. } => &[0x30, 13, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 11, 5, 0],
        KeyAlgorithm::EcdsaP256 => &[0x30, 10, 6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2],
        KeyAlgorithm::EcdsaP384 => &[0x30, 10, 6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 3],
        KeyAlgorithm::EcdsaP521 => &[0x30, 10, 6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 4],
        KeyAlgorithm::Ed25519 => &[0x30, 5, 6, 3, 0x2B, 0x65, 0x70],
    }
}

fn time(time: Timestamp) -> Result<Vec<u8>, Error> {
    der::time(time).ok_or_else(|| Error::TimeOutOfRange { time: time.to_string() })
}

/// `[3]` around all of them; nothing where there are none.
fn extensions(old: &Parts<'_>, ca: &Parts<'_>, spki: &[u8]) -> Result<Vec<u8>, Error> {
    let authority = ca.subject_key_identifier().map(authority_key_identifier);
    let mut list = Vec::new();
    for extension in &old.extensions {
        match extension.oid {
            AUTHORITY_KEY_IDENTIFIER => list.extend_from_slice(authority.as_deref().unwrap_or_default()),
            SUBJECT_KEY_IDENTIFIER if spki != old.spki => list.extend(subject_key_identifier(old, spki)?),
            _ => list.extend_from_slice(extension.raw),
        }
    }
    if old.extension(AUTHORITY_KEY_IDENTIFIER).is_none() {
        list.extend_from_slice(authority.as_deref().unwrap_or_default());
    }
    if list.is_empty() { Ok(list) } else { Ok(der::element(der::context(3), &der::element(der::SEQUENCE, &list))) }
}

fn authority_key_identifier(identifier: &[u8]) -> Vec<u8> {
    let value = der::sequence(&[&der::element(der::context_primitive(0), identifier)]);
    extension(AUTHORITY_KEY_IDENTIFIER, &value)
}

fn subject_key_identifier(old: &Parts<'_>, spki: &[u8]) -> Result<Vec<u8>, Error> {
    let unread = || Error::CertificateNotRead { role: Role::Leaf, part: "public key".to_owned() };
    let was_sha256 = old.subject_key_identifier().is_some_and(|identifier| key_identifier(&SHA256, old.spki).as_deref() == Some(identifier));
    let by = if was_sha256 { &SHA256 } else { &SHA1_FOR_LEGACY_USE_ONLY };
    let identifier = key_identifier(by, spki).ok_or_else(unread)?;
    Ok(extension(SUBJECT_KEY_IDENTIFIER, &der::element(der::OCTET_STRING, &identifier)))
}

/// The first 20 bytes of a hash over the bits of the key, without its algorithm.
fn key_identifier(by: &'static Algorithm, spki: &[u8]) -> Option<Vec<u8>> {
    let mut inside = Reader::inside(spki, der::SEQUENCE).ok()?;
    inside.expect(der::SEQUENCE).ok()?;
    let key = inside.whole_bytes().ok()?;
    digest::digest(by, key).as_ref().get(..20).map(<[u8]>::to_vec)
}

/// Not critical, as RFC 5280 wants both key identifiers.
fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::element(der::OBJECT_IDENTIFIER, oid), &der::element(der::OCTET_STRING, value)])
}

/// The extensions that a request repeats: all but the two key identifiers, which are the issuer's to say.
pub(crate) fn requested<'a>(old: &Parts<'a>) -> Vec<Extension<'a>> {
    old.extensions.iter().filter(|extension| extension.oid != AUTHORITY_KEY_IDENTIFIER && extension.oid != SUBJECT_KEY_IDENTIFIER).copied().collect()
}
