//! Whose certificate it is: the kind and the size of a key.

use std::fmt;

use serde::{Serialize, Serializer};
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::oid::dotted;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PublicKey {
    /// Its kind and size.
    pub kind: PublicKeyKind,
    /// The `SubjectPublicKeyInfo`, DER.
    #[serde(skip)]
    pub spki: Vec<u8>,
}

/// The kind of a key. `Display` and JSON are `RSA-2048`, `ECDSA-P256`, `Ed25519`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// RSA, with the length of its modulus.
    Rsa {
        /// The length of the modulus, in bits.
        bits: u32,
    },
    /// RSA that signs by PSS alone.
    RsaPss {
        /// The length of the modulus, in bits; 0 where it cannot be read.
        bits: u32,
    },
    /// On NIST's curve P-224.
    EcdsaP224,
    /// On NIST's curve P-256.
    EcdsaP256,
    /// On NIST's curve P-384.
    EcdsaP384,
    /// On NIST's curve P-521.
    EcdsaP521,
    /// On another curve.
    Ecdsa {
        /// The curve, dotted.
        curve: String,
    },
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// DSA, which nothing of today takes.
    Dsa,
    /// Another algorithm.
    Other {
        /// Which, dotted.
        oid: String,
    },
}

const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const EC: &str = "1.2.840.10045.2.1";
const DSA: &str = "1.2.840.10040.4.1";
const ED25519: &str = "1.3.101.112";
const ED448: &str = "1.3.101.113";

impl PublicKey {
    pub(crate) fn read(info: &SubjectPublicKeyInfo<'_>) -> Self {
        Self { kind: PublicKeyKind::read(info), spki: info.raw.to_vec() }
    }
}

impl PublicKeyKind {
    fn read(info: &SubjectPublicKeyInfo<'_>) -> Self {
        let oid = dotted(&info.algorithm.algorithm);
        match &*oid {
            RSA => Self::Rsa { bits: modulus_bits(info) },
            RSA_PSS => Self::RsaPss { bits: modulus_bits(info) },
            EC => curve(info),
            DSA => Self::Dsa,
            ED25519 => Self::Ed25519,
            ED448 => Self::Ed448,
            _ => Self::Other { oid: oid.into_owned() },
        }
    }
}

fn curve(info: &SubjectPublicKeyInfo<'_>) -> PublicKeyKind {
    let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok()).map(|oid| dotted(&oid));
    match curve.as_deref() {
        Some("1.3.132.0.33") => PublicKeyKind::EcdsaP224,
        Some("1.2.840.10045.3.1.7") => PublicKeyKind::EcdsaP256,
        Some("1.3.132.0.34") => PublicKeyKind::EcdsaP384,
        Some("1.3.132.0.35") => PublicKeyKind::EcdsaP521,
        Some(other) => PublicKeyKind::Ecdsa { curve: other.to_owned() },
        // Written out instead of named, which RFC 5480 forbids.
        None => PublicKeyKind::Ecdsa { curve: "explicit parameters".to_owned() },
    }
}

/// x509-parser gives the size in whole bytes.
fn modulus_bits(info: &SubjectPublicKeyInfo<'_>) -> u32 {
    // The parser knows the key of RSA by one number alone.
    let Ok(Parsed::RSA(key)) = info.parsed() else { return 0 };
    let significant = key.modulus.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &key.modulus[first..]);
    let leading = significant.first().map_or(0, |first| first.leading_zeros());
    u32::try_from(significant.len().saturating_mul(8)).unwrap_or(u32::MAX).saturating_sub(leading)
}

impl fmt::Display for PublicKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::RsaPss { bits } => write!(f, "RSA-PSS-{bits}"),
            Self::EcdsaP224 => f.write_str("ECDSA-P224"),
            Self::EcdsaP256 => f.write_str("ECDSA-P256"),
            Self::EcdsaP384 => f.write_str("ECDSA-P384"),
            Self::EcdsaP521 => f.write_str("ECDSA-P521"),
            Self::Ecdsa { curve } => write!(f, "ECDSA on {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Ed448 => f.write_str("Ed448"),
            Self::Dsa => f.write_str("DSA"),
            Self::Other { oid } => write!(f, "key of {oid}"),
        }
    }
}

impl Serialize for PublicKeyKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
