//! The numbers of a key as the module has them.

use std::fmt;

use num_bigint::BigUint;
use serde::{Serialize, Serializer};

use crate::certificate::serial::LONGEST_DECIMAL;
use crate::certificate::{PublicKey, PublicKeyKind};
use crate::octets::hex;
use crate::renew::der::{self, Malformed, Reader};

/// The numbers of a public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PublicKeyData {
    /// RSA.
    Rsa {
        /// The length of the modulus, in bits.
        size: u64,
        /// `n`.
        modulus: Number,
        /// `e`.
        exponent: Number,
    },
    /// DSA.
    Dsa {
        /// The length of `p`, in bits.
        size: u64,
        /// The prime.
        p: Number,
        /// The order.
        q: Number,
        /// The generator.
        g: Number,
        /// The key.
        y: Number,
    },
    /// A point on a curve.
    Ecc {
        /// The curve's name: `secp256r1`.
        curve: String,
        /// The first coordinate.
        x: Number,
        /// The second one; missing where the point is written in its short form.
        y: Option<Number>,
        /// The length of the order, in bits.
        exponent_size: u64,
    },
    /// The key is bytes without parts, or of a kind that is not read.
    None {},
}

/// A whole number of any length, not negative. `Display` and JSON are decimal, and hexadecimal after `0x` above 1024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number {
    bytes: Vec<u8>,
}

impl Number {
    fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.iter().copied().skip_while(|byte| *byte == 0).collect() }
    }

    /// Big-endian, no zeros in front.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn bits(&self) -> u64 {
        BigUint::from_bytes_be(&self.bytes).bits()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes.len() > LONGEST_DECIMAL {
            return write!(f, "0x{}", hex(&self.bytes));
        }
        write!(f, "{}", BigUint::from_bytes_be(&self.bytes))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Curves by number: cryptography's name, and the length of their order in bits.
const CURVES: &[(&str, &str, u64)] = &[
    ("1.2.840.10045.3.1.1", "secp192r1", 192),
    ("1.3.132.0.33", "secp224r1", 224),
    ("1.2.840.10045.3.1.7", "secp256r1", 256),
    ("1.3.132.0.34", "secp384r1", 384),
    ("1.3.132.0.35", "secp521r1", 521),
    ("1.3.132.0.10", "secp256k1", 256),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
    ("1.3.132.0.1", "sect163k1", 163),
    ("1.3.132.0.15", "sect163r2", 163),
    ("1.3.132.0.26", "sect233k1", 233),
    ("1.3.132.0.27", "sect233r1", 233),
    ("1.3.132.0.16", "sect283k1", 281),
    ("1.3.132.0.17", "sect283r1", 282),
    ("1.3.132.0.36", "sect409k1", 407),
    ("1.3.132.0.37", "sect409r1", 409),
    ("1.3.132.0.38", "sect571k1", 570),
    ("1.3.132.0.39", "sect571r1", 570),
];

/// The module's name of the kind, and the numbers.
pub(super) fn data(key: &PublicKey) -> (String, PublicKeyData) {
    let kind = match &key.kind {
        PublicKeyKind::Rsa { .. } | PublicKeyKind::RsaPss { .. } => "RSA",
        PublicKeyKind::Dsa => "DSA",
        PublicKeyKind::Ed25519 => "Ed25519",
        PublicKeyKind::Ed448 => "Ed448",
        PublicKeyKind::EcdsaP224 | PublicKeyKind::EcdsaP256 | PublicKeyKind::EcdsaP384 | PublicKeyKind::EcdsaP521 | PublicKeyKind::Ecdsa { .. } => {
            "ECC"
        }
        PublicKeyKind::Other { oid } if oid == "1.3.101.110" => "X25519",
        PublicKeyKind::Other { oid } if oid == "1.3.101.111" => "X448",
        PublicKeyKind::Other { oid } => return (format!("unknown ({oid})"), PublicKeyData::None {}),
    };
    let read = match kind {
        "RSA" => rsa(&key.spki),
        "DSA" => dsa(&key.spki),
        "ECC" => ecc(&key.spki),
        _ => Ok(PublicKeyData::None {}),
    };
    (kind.to_owned(), read.unwrap_or(PublicKeyData::None {}))
}

/// What follows the number of the algorithm, and the key's own bytes.
fn parts(spki: &[u8]) -> Result<(Reader<'_>, &[u8]), Malformed> {
    let mut inside = Reader::inside(spki, der::SEQUENCE)?;
    let mut algorithm = Reader::new(inside.expect(der::SEQUENCE)?.contents);
    algorithm.expect(der::OBJECT_IDENTIFIER)?;
    Ok((algorithm, inside.whole_bytes()?))
}

fn rsa(spki: &[u8]) -> Result<PublicKeyData, Malformed> {
    let mut numbers = Reader::inside(parts(spki)?.1, der::SEQUENCE)?;
    let modulus = number(&mut numbers)?;
    Ok(PublicKeyData::Rsa { size: modulus.bits(), modulus, exponent: number(&mut numbers)? })
}

fn dsa(spki: &[u8]) -> Result<PublicKeyData, Malformed> {
    let (mut algorithm, key) = parts(spki)?;
    let mut domain = Reader::new(algorithm.expect(der::SEQUENCE)?.contents);
    let p = number(&mut domain)?;
    let (q, g) = (number(&mut domain)?, number(&mut domain)?);
    Ok(PublicKeyData::Dsa { size: p.bits(), p, q, g, y: number(&mut Reader::new(key))? })
}

fn ecc(spki: &[u8]) -> Result<PublicKeyData, Malformed> {
    let (mut algorithm, point) = parts(spki)?;
    let oid = der::oid_text(algorithm.expect(der::OBJECT_IDENTIFIER)?.contents);
    let (_, curve, exponent_size) = CURVES.iter().find(|(known, ..)| *known == oid).ok_or(Malformed)?;
    let (form, coordinates) = point.split_first().ok_or(Malformed)?;
    let (x, y) = match form {
        4 if coordinates.len() % 2 == 0 => {
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            (x, Some(Number::new(y)))
        }
        2 | 3 => (coordinates, None),
        _ => return Err(Malformed),
    };
    Ok(PublicKeyData::Ecc { curve: (*curve).to_owned(), x: Number::new(x), y, exponent_size: *exponent_size })
}

fn number(reader: &mut Reader<'_>) -> Result<Number, Malformed> {
    Ok(Number::new(reader.expect(der::INTEGER)?.contents))
}
