//! Whether a signature holds: yes, no, or not to be told from here; and whether a leaf is what its CA vouches for.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::constraints;
use super::der::{self, Malformed, Reader};
use super::parts::{Parts, Signed};
use crate::Error;
use crate::certificate::Weakness;
use crate::error::Role;
use crate::key::KeyAlgorithm;
use crate::octets::hex;

/// What a look at a signature gave.
///
/// Three-valued, since "cannot tell" is not "forged": a parser that knows no RSA of 1024 bits says the same of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "check")]
pub enum SignatureCheck {
    /// This key made it.
    Good {
        /// What makes it worth less all the same; Go refuses some.
        weaknesses: Vec<Weakness>,
    },
    /// This key did not make it over these bytes.
    Bad,
    /// It could not be checked.
    CannotCheck {
        /// Why.
        reason: CannotCheck,
    },
}

/// Why a signature cannot be checked here. It may be good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
pub enum CannotCheck {
    /// No such algorithm here, or not with such a key.
    #[error("no way here to check a signature of {algorithm} by a key of {key}; ask openssl verify")]
    Algorithm {
        /// The signature's, dotted.
        algorithm: String,
        /// The key's kind.
        key: String,
    },
    /// RSA-PSS with other parameters than the usual ones.
    #[error("an RSA-PSS signature with unusual parameters; ask openssl verify")]
    PssParameters,
    /// The issuer's key is too short, too long or unreadable.
    #[error("the issuer's key ({key}) is not one that can be checked with; ask openssl verify")]
    Key {
        /// Its kind.
        key: String,
    },
}

/// Why a leaf does not stand under a CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
#[non_exhaustive]
pub enum ChainProblem {
    /// The leaf names another issuer than the CA's subject, byte for byte, as Go compares them.
    #[error("its issuer is not the CA's subject: another CA signed it")]
    IssuerDiffers,
    /// The leaf names another key of the issuer. openssl refuses that; Go does not look.
    #[error("its authorityKeyIdentifier {authority} is not the CA's subjectKeyIdentifier {subject}: a CA of that name, with another key, signed it")]
    KeyIdentifierDiffers {
        /// Hexadecimal, in the leaf.
        authority: String,
        /// Hexadecimal, in the CA.
        subject: String,
    },
    /// The issuer does not say `CA:TRUE`.
    #[error("the issuer is no CA")]
    NotACa,
    /// The issuer's keyUsage lacks keyCertSign.
    #[error("the issuer may not sign certificates: its keyUsage lacks keyCertSign")]
    MayNotSign,
    /// The CA's key did not make its signature.
    #[error("its signature is not by the CA's key: it was changed, or a CA of that name, with another key, signed it")]
    SignatureBad,
    /// Its signature cannot be checked.
    #[error("its signature cannot be checked: {reason}")]
    SignatureNotChecked {
        /// Why.
        reason: CannotCheck,
    },
    /// Its signature is good, and Go does not accept such ones.
    #[error("its signature is not accepted by Kubernetes: {weakness}")]
    SignatureRefused {
        /// Why.
        weakness: Weakness,
    },
    /// It has a critical extension that Go does not know, and so no component of Kubernetes takes it.
    #[error(
        "the {of} has the critical extension {oid}, which Kubernetes does not know, and so refuses it: let it be issued without, or not critical"
    )]
    UnknownCriticalExtension {
        /// Whose.
        of: Role,
        /// Dotted.
        oid: String,
    },
    /// It has an extension critical that may not be; Go does not even read such a certificate.
    #[error("the {of} has the extension {oid} marked critical, which it may not be: no component of Kubernetes reads it; let it be issued anew")]
    WronglyCritical {
        /// Whose.
        of: Role,
        /// Dotted.
        oid: String,
    },
    /// The CA restricts names, and that cannot be read.
    #[error("the CA's nameConstraints cannot be read: no component of Kubernetes reads it; let the CA be issued anew")]
    NameConstraintsNotRead,
    /// A name outside of what the CA may vouch for.
    #[error("the CA may not vouch for {name}: its nameConstraints permit other names only")]
    NameNotPermitted {
        /// With its kind: `DNS:a.test`.
        name: String,
    },
    /// A name that the CA must not vouch for.
    #[error("the CA may not vouch for {name}: its nameConstraints exclude {by}")]
    NameExcluded {
        /// With its kind: `DNS:a.test`.
        name: String,
        /// The constraint, with its kind.
        by: String,
    },
    /// A name that cannot be held against the CA's constraints: a URI without a host or with an address, a mail address without a domain.
    #[error("{name} cannot be held against the CA's nameConstraints, for which Kubernetes refuses it: leave it out")]
    NameNotComparable {
        /// With its kind: `URI:urn:x`.
        name: String,
    },
    /// It begins later.
    #[error("it is valid from {not_before}, not at {at}")]
    NotYetValid {
        /// Its first second.
        not_before: Timestamp,
        /// The time that was asked about.
        at: Timestamp,
    },
    /// It is over.
    #[error("it expired at {not_after}, before {at}")]
    Expired {
        /// Its last second.
        not_after: Timestamp,
        /// The time that was asked about.
        at: Timestamp,
    },
    /// The CA begins later.
    #[error("its CA is valid from {not_before}, not at {at}")]
    CaNotYetValid {
        /// The CA's first second.
        not_before: Timestamp,
        /// The time that was asked about.
        at: Timestamp,
    },
    /// The CA is over, and with it everything that it signed.
    #[error("its CA expired at {not_after}, before {at}")]
    CaExpired {
        /// The CA's last second.
        not_after: Timestamp,
        /// The time that was asked about.
        at: Timestamp,
    },
}

/// Whether the signature of a certificate, or of a signing request, was made by the key of `issuer_spki`, a `SubjectPublicKeyInfo` in DER.
///
/// It says nothing of dates, names or of what the issuer may do: [`verify_chain`] does.
///
/// # Errors
/// [`Error::CertificateNotRead`] if `signed_der` is neither.
pub fn check_signature(signed_der: &[u8], issuer_spki: &[u8]) -> Result<SignatureCheck, Error> {
    let unread = |Malformed| Error::CertificateNotRead { role: Role::Leaf, part: "outside".to_owned() };
    let signed = Signed::read(signed_der).map_err(unread)?;
    Ok(check(&signed, issuer_spki))
}

/// Everything that stands against `leaf_der` being a certificate of `ca_der`'s at a time: none is good. One CA is looked at, not a chain of them, so
/// that no path length can be exceeded: it counts the CAs between the two. Usages are not looked at, as with `ExtKeyUsageAny`.
///
/// DIFFERENCE: Go does not compare the key identifiers and does not look at keyUsage, openssl does; both must believe what is renewed. Of names,
/// openssl compares the subject with constraints too, and a common name where no other name is; Go, and so this, does not.
///
/// Source: `CheckSignatureFrom`, `isValid`, `checkChainConstraints`, `crypto/x509/{x509,verify,constraints}.go@go1.26`.
///
/// # Errors
/// [`Error::CertificateNotRead`], [`Error::DuplicateExtension`] for either.
pub fn verify_chain(leaf_der: &[u8], ca_der: &[u8], at: Timestamp) -> Result<Vec<ChainProblem>, Error> {
    let (leaf, ca) = (Parts::read(leaf_der, Role::Leaf)?, Parts::read(ca_der, Role::Ca)?);
    let mut problems = Vec::new();
    if leaf.issuer != ca.subject {
        problems.push(ChainProblem::IssuerDiffers);
    }
    problems.extend(of_identifiers(&leaf, &ca));
    if !ca.is_ca() {
        problems.push(ChainProblem::NotACa);
    }
    if !ca.may_sign() {
        problems.push(ChainProblem::MayNotSign);
    }
    problems.extend(of_signature(check_signature(leaf_der, ca.spki)?));
    problems.extend(of_dates(&leaf, &ca, at));
    problems.extend(constraints::of_critical_extensions(&leaf, Role::Leaf));
    problems.extend(constraints::of_critical_extensions(&ca, Role::Ca));
    problems.extend(constraints::of_names(&leaf, &ca));
    Ok(problems)
}

/// The same public key as this crate writes it; nothing for what cannot be read.
pub(crate) fn canonical_public_key(spki: &[u8]) -> Option<Vec<u8>> {
    let by: &'static dyn VerificationAlgorithm = match KeyAlgorithm::of_public_key(spki).ok()? {
        KeyAlgorithm::Rsa { .. } => &signature::RSA_PKCS1_2048_8192_SHA256,
        KeyAlgorithm::EcdsaP256 => &signature::ECDSA_P256_SHA256_ASN1,
        KeyAlgorithm::EcdsaP384 => &signature::ECDSA_P384_SHA384_ASN1,
        KeyAlgorithm::EcdsaP521 => &signature::ECDSA_P521_SHA512_ASN1,
        KeyAlgorithm::Ed25519 => &signature::ED25519,
    };
    let canonical: PublicKeyX509Der<'_> = ParsedPublicKey::new(by, spki).ok()?.as_der().ok()?;
    Some(canonical.as_ref().to_vec())
}

fn check(signed: &Signed<'_>, issuer_spki: &[u8]) -> SignatureCheck {
    if by_another_kind_of_key(signed.algorithm, issuer_spki) {
        return SignatureCheck::Bad;
    }
    let (by, weaknesses) = match way(signed.algorithm, issuer_spki) {
        Ok(way) => way,
        Err(reason) => return SignatureCheck::CannotCheck { reason },
    };
    // Both say how it was signed; Go reads no certificate in which they differ.
    if stated_inside(signed.message).is_some_and(|stated| stated != signed.algorithm) {
        return SignatureCheck::Bad;
    }
    let Ok(key) = ParsedPublicKey::new(by, issuer_spki) else {
        return SignatureCheck::CannotCheck { reason: CannotCheck::Key { key: kind(issuer_spki) } };
    };
    match key.verify_sig(signed.message, signed.bytes) {
        Ok(()) => SignatureCheck::Good { weaknesses },
        Err(_) => SignatureCheck::Bad,
    }
}

/// The algorithm that stands within a certificate; nothing for a request, in which none stands.
fn stated_inside(to_be_signed: &[u8]) -> Option<&[u8]> {
    let mut inside = Reader::inside(to_be_signed, der::SEQUENCE).ok()?;
    inside.optional(der::context(0)).ok()??;
    inside.expect(der::INTEGER).ok()?;
    Some(inside.expect(der::SEQUENCE).ok()?.raw)
}

/// Whether no key of this kind can have signed so: an ECDSA signature and an RSA key.
fn by_another_kind_of_key(algorithm: &[u8], issuer_spki: &[u8]) -> bool {
    const RSA: &str = "1.2.840.113549.1.1.";
    const ECDSA: &str = "1.2.840.10045.4.";
    const ED25519: &str = "1.3.101.112";
    let Ok(oid) = algorithm_oid(algorithm) else { return false };
    let known = [RSA, ECDSA, ED25519].iter().any(|kind| oid.starts_with(kind));
    let fits = match KeyAlgorithm::of_public_key(issuer_spki) {
        Ok(KeyAlgorithm::Rsa { .. }) => oid.starts_with(RSA),
        Ok(KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521) => oid.starts_with(ECDSA),
        Ok(KeyAlgorithm::Ed25519) => oid == ED25519,
        Err(_) => return false,
    };
    known && !fits
}

fn algorithm_oid(algorithm: &[u8]) -> Result<String, Malformed> {
    Reader::inside(algorithm, der::SEQUENCE)?.expect(der::OBJECT_IDENTIFIER).map(|oid| der::oid_text(oid.contents))
}

type Way = (&'static dyn VerificationAlgorithm, Vec<Weakness>);

fn way(algorithm: &[u8], issuer_spki: &[u8]) -> Result<Way, CannotCheck> {
    let unknown = |algorithm: &str| CannotCheck::Algorithm { algorithm: algorithm.to_owned(), key: kind(issuer_spki) };
    let mut inside = Reader::inside(algorithm, der::SEQUENCE).map_err(|Malformed| unknown("?"))?;
    let oid = inside.expect(der::OBJECT_IDENTIFIER).map_err(|Malformed| unknown("?"))?.contents;
    let oid = der::oid_text(oid);
    let key = KeyAlgorithm::of_public_key(issuer_spki).map_err(|_| unknown(&oid))?;
    match key {
        // Outside of its limits the library says no to everything, which would pass for a forgery.
        KeyAlgorithm::Rsa { bits } if !(1024..=8192).contains(&bits) => Err(CannotCheck::Key { key: kind(issuer_spki) }),
        KeyAlgorithm::Rsa { bits: 2048.. } if oid == RSA_PSS => Ok((pss(inside)?, Vec::new())),
        KeyAlgorithm::Rsa { bits } => rsa(&oid, bits).ok_or_else(|| unknown(&oid)),
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => ecdsa(&oid, key).ok_or_else(|| unknown(&oid)),
        KeyAlgorithm::Ed25519 if oid == "1.3.101.112" => Ok((&signature::ED25519, Vec::new())),
        KeyAlgorithm::Ed25519 => Err(unknown(&oid)),
    }
}

const RSA_PSS: &str = "1.2.840.113549.1.1.10";

fn rsa(oid: &str, bits: u32) -> Option<Way> {
    let long = bits >= 2048;
    let by: &'static dyn VerificationAlgorithm = match oid {
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => {
            return Some((&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, with_sha1("SHA1-RSA", short(bits))));
        }
        "1.2.840.113549.1.1.11" => &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.12" if long => &signature::RSA_PKCS1_2048_8192_SHA384,
        "1.2.840.113549.1.1.13" => &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        _ => return None,
    };
    Some((by, short(bits)))
}

fn ecdsa(oid: &str, key: KeyAlgorithm) -> Option<Way> {
    let by: &'static dyn VerificationAlgorithm = match (key, oid.strip_prefix("1.2.840.10045.4.")?) {
        (KeyAlgorithm::EcdsaP256, "1") => return Some((&signature::ECDSA_P256_SHA1_ASN1, with_sha1("ECDSA-SHA1", Vec::new()))),
        (KeyAlgorithm::EcdsaP521, "1") => return Some((&signature::ECDSA_P521_SHA1_ASN1, with_sha1("ECDSA-SHA1", Vec::new()))),
        (KeyAlgorithm::EcdsaP256, "3.2") => &signature::ECDSA_P256_SHA256_ASN1,
        (KeyAlgorithm::EcdsaP256, "3.3") => &signature::ECDSA_P256_SHA384_ASN1,
        (KeyAlgorithm::EcdsaP256, "3.4") => &signature::ECDSA_P256_SHA512_ASN1,
        (KeyAlgorithm::EcdsaP384, "3.2") => &signature::ECDSA_P384_SHA256_ASN1,
        (KeyAlgorithm::EcdsaP384, "3.3") => &signature::ECDSA_P384_SHA384_ASN1,
        (KeyAlgorithm::EcdsaP384, "3.4") => &signature::ECDSA_P384_SHA512_ASN1,
        (KeyAlgorithm::EcdsaP521, "3.1") => &signature::ECDSA_P521_SHA224_ASN1,
        (KeyAlgorithm::EcdsaP521, "3.2") => &signature::ECDSA_P521_SHA256_ASN1,
        (KeyAlgorithm::EcdsaP521, "3.3") => &signature::ECDSA_P521_SHA384_ASN1,
        (KeyAlgorithm::EcdsaP521, "3.4") => &signature::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    };
    Some((by, Vec::new()))
}

/// The three ways in which PSS is used: hash, MGF1 over the same hash, a salt of the hash's length (RFC 4055 §3.1; Go takes no others).
fn pss(mut parameters: Reader<'_>) -> Result<&'static dyn VerificationAlgorithm, CannotCheck> {
    let raw = parameters.expect(der::SEQUENCE).map_err(|Malformed| CannotCheck::PssParameters)?.raw;
    let usual: [(u8, u8, &'static dyn VerificationAlgorithm); 3] =
        [(1, 32, &signature::RSA_PSS_2048_8192_SHA256), (2, 48, &signature::RSA_PSS_2048_8192_SHA384), (3, 64, &signature::RSA_PSS_2048_8192_SHA512)];
    usual
        .into_iter()
        .find(|(hash, salt, _)| pss_parameters(*hash, *salt).iter().any(|usual| usual == raw))
        .map(|(_, _, by)| by)
        .ok_or(CannotCheck::PssParameters)
}

/// `hash` is the last number of the SHA-2 hash's identifier; with NULL behind it, as openssl writes it, and without.
fn pss_parameters(hash: u8, salt: u8) -> [Vec<u8>; 2] {
    const SHA2: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    const MGF1: [u8; 11] = [der::OBJECT_IDENTIFIER, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x08];
    [&[der::NULL, 0][..], &[]].map(|null| {
        let hash = der::sequence(&[&der::element(der::OBJECT_IDENTIFIER, &[&SHA2[..], &[hash]].concat()), null]);
        let mask = der::sequence(&[&MGF1, &hash]);
        let salt = der::unsigned_integer(&[salt]);
        der::sequence(&[&der::element(der::context(0), &hash), &der::element(der::context(1), &mask), &der::element(der::context(2), &salt)])
    })
}

fn short(bits: u32) -> Vec<Weakness> {
    if bits < 2048 { vec![Weakness::ShortRsa { bits }] } else { Vec::new() }
}

fn with_sha1(algorithm: &str, mut weaknesses: Vec<Weakness>) -> Vec<Weakness> {
    weaknesses.push(Weakness::BrokenHash { algorithm: algorithm.to_owned() });
    weaknesses
}

fn kind(spki: &[u8]) -> String {
    match KeyAlgorithm::of_public_key(spki) {
        Ok(algorithm) => algorithm.to_string(),
        Err(Error::KeyUnsupported { algorithm }) => algorithm,
        Err(_) => "unknown kind".to_owned(),
    }
}

/// Nothing where one of them names no key.
fn of_identifiers(leaf: &Parts<'_>, ca: &Parts<'_>) -> Option<ChainProblem> {
    let (authority, subject) = (leaf.authority_key_identifier()?, ca.subject_key_identifier()?);
    (authority != subject).then(|| ChainProblem::KeyIdentifierDiffers { authority: hex(authority), subject: hex(subject) })
}

fn of_signature(check: SignatureCheck) -> Option<ChainProblem> {
    match check {
        SignatureCheck::Good { weaknesses } => weaknesses
            .into_iter()
            .find(|weakness| matches!(weakness, Weakness::BrokenHash { .. }))
            .map(|weakness| ChainProblem::SignatureRefused { weakness }),
        SignatureCheck::Bad => Some(ChainProblem::SignatureBad),
        SignatureCheck::CannotCheck { reason } => Some(ChainProblem::SignatureNotChecked { reason }),
    }
}

fn of_dates(leaf: &Parts<'_>, ca: &Parts<'_>, at: Timestamp) -> impl Iterator<Item = ChainProblem> + use<> {
    [
        (at < leaf.not_before).then_some(ChainProblem::NotYetValid { not_before: leaf.not_before, at }),
        (at > leaf.not_after).then_some(ChainProblem::Expired { not_after: leaf.not_after, at }),
        (at < ca.not_before).then_some(ChainProblem::CaNotYetValid { not_before: ca.not_before, at }),
        (at > ca.not_after).then_some(ChainProblem::CaExpired { not_after: ca.not_after, at }),
    ]
    .into_iter()
    .flatten()
}
