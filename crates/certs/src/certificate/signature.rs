//! How a certificate was signed, and what is weak about it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use x509_parser::x509::AlgorithmIdentifier;

use super::{Certificate, PublicKeyKind};
use crate::oid::dotted;

/// A signature's algorithm. `Display` is Go's name (`SHA256-RSA`), the number where Go has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SignatureAlgorithm {
    /// Dotted.
    pub oid: Cow<'static, str>,
    /// Go's name, where it has one.
    pub name: Option<&'static str>,
}

/// What is too weak in a certificate to be trusted today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "weakness")]
#[non_exhaustive]
pub enum Weakness {
    /// Signed over a hash that is broken. Go has refused MD5 since 1.0 and SHA-1 since 1.18, which Kubernetes builds with since 1.24.
    #[error("signed with {algorithm}: Go refuses it since 1.18, and so does every component of Kubernetes 1.24 or newer; sign it again")]
    BrokenHash {
        /// Go's name of it.
        algorithm: String,
    },
    /// RSA below 2048 bits; Go refuses below 1024 since 1.24.
    #[error("an RSA key of {bits} bits: 2048 is the least that is safe; make a new key")]
    ShortRsa {
        /// The length of its modulus.
        bits: u32,
    },
    /// A curve below 256 bits.
    #[error("a key on P-224: P-256 is the least that is safe; make a new key")]
    ShortCurve,
    /// DSA, which Go does not verify since 1.16.
    #[error("a DSA key: Go does not verify it; make a new key")]
    Dsa,
}

/// Dotted, and as Go prints it.
///
/// Source: `signatureAlgorithmDetails`, `crypto/x509/x509.go@go1.26`.
const NAMES: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.11", "SHA256-RSA"),
    ("1.2.840.10045.4.3.2", "ECDSA-SHA256"),
    ("1.2.840.10045.4.3.3", "ECDSA-SHA384"),
    ("1.2.840.10045.4.3.4", "ECDSA-SHA512"),
    ("1.2.840.113549.1.1.12", "SHA384-RSA"),
    ("1.2.840.113549.1.1.13", "SHA512-RSA"),
    ("1.3.101.112", "Ed25519"),
    ("1.2.840.113549.1.1.5", "SHA1-RSA"),
    ("1.3.14.3.2.29", "SHA1-RSA"),
    ("1.2.840.113549.1.1.4", "MD5-RSA"),
    ("1.2.840.113549.1.1.2", "MD2-RSA"),
    ("1.2.840.10045.4.1", "ECDSA-SHA1"),
    ("1.2.840.10040.4.3", "DSA-SHA1"),
    ("2.16.840.1.101.3.4.3.2", "DSA-SHA256"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
];

impl SignatureAlgorithm {
    pub(crate) fn read(algorithm: &AlgorithmIdentifier<'_>) -> Self {
        let oid = dotted(&algorithm.algorithm);
        let name = NAMES.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name);
        Self { oid, name }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.unwrap_or(&self.oid))
    }
}

impl Certificate {
    /// What is too weak in it. The signature of a root says nothing to anybody, so its hash is not counted.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let broken = self.signature_algorithm.name.filter(|name| name.contains("SHA1") || name.contains("MD5") || name.contains("MD2"));
        let hash = broken.filter(|_| !self.is_self_issued()).map(|algorithm| Weakness::BrokenHash { algorithm: algorithm.to_owned() });
        let key = match self.public_key.kind {
            PublicKeyKind::Rsa { bits } | PublicKeyKind::RsaPss { bits } => (bits < 2048).then_some(Weakness::ShortRsa { bits }),
            PublicKeyKind::EcdsaP224 => Some(Weakness::ShortCurve),
            PublicKeyKind::Dsa => Some(Weakness::Dsa),
            PublicKeyKind::EcdsaP256
            | PublicKeyKind::EcdsaP384
            | PublicKeyKind::EcdsaP521
            | PublicKeyKind::Ecdsa { .. }
            | PublicKeyKind::Ed25519
            | PublicKeyKind::Ed448
            | PublicKeyKind::Other { .. } => None,
        };
        hash.into_iter().chain(key).collect()
    }
}
