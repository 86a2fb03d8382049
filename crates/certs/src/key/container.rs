//! What a private key is wrapped in, told from its bytes, so that each refusal has its own reason.

use super::{KeyAlgorithm, KeyFormat};
use crate::Error;
use crate::renew::der::{self, Malformed, Reader};

/// What stands in a private key's DER before a library is asked to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) format: KeyFormat,
    pub(super) algorithm: KeyAlgorithm,
}

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";

impl Container {
    /// Tells the three forms apart by their first elements:
    /// PKCS#8 `{0|1, {algorithm, …}, key}` (RFC 5958), PKCS#1 `{0, n, …}` (RFC 8017), SEC1 `{1, key, [0] curve, …}` (RFC 5915).
    pub(super) fn of(der: &[u8]) -> Result<Self, Error> {
        let mut inside = Reader::inside(der, der::SEQUENCE).map_err(|Malformed| Error::KeyNotRead)?;
        let first = inside.element().map_err(|Malformed| Error::KeyNotRead)?;
        let second = inside.element().map_err(|Malformed| Error::KeyNotRead)?;
        match (first.tag, second.tag) {
            (der::INTEGER, der::SEQUENCE) => Ok(Self { format: KeyFormat::Pkcs8, algorithm: of_pkcs8(second.contents, inside)? }),
            (der::INTEGER, der::INTEGER) => Ok(Self { format: KeyFormat::Pkcs1, algorithm: rsa(second.contents)? }),
            (der::INTEGER, der::OCTET_STRING) => Ok(Self { format: KeyFormat::Sec1, algorithm: of_sec1(inside)? }),
            // EncryptedPrivateKeyInfo: {{algorithm}, bytes}.
            (der::SEQUENCE, der::OCTET_STRING) => Err(Error::KeyEncrypted),
            _ => Err(Error::KeyNotRead),
        }
    }
}

fn of_pkcs8(algorithm: &[u8], mut after: Reader<'_>) -> Result<KeyAlgorithm, Error> {
    let mut parts = Reader::new(algorithm);
    let oid = der::oid_text(parts.expect(der::OBJECT_IDENTIFIER).map_err(|Malformed| Error::KeyNotRead)?.contents);
    match oid.as_str() {
        RSA => {
            let key = after.expect(der::OCTET_STRING).map_err(|Malformed| Error::KeyNotRead)?.contents;
            rsa(modulus(key).map_err(|Malformed| Error::KeyNotRead)?)
        }
        EC => curve(parts),
        ED25519 => Ok(KeyAlgorithm::Ed25519),
        _ => Err(Error::KeyUnsupported { algorithm: oid }),
    }
}

fn of_sec1(mut after: Reader<'_>) -> Result<KeyAlgorithm, Error> {
    match after.optional(der::context(0)).map_err(|Malformed| Error::KeyNotRead)? {
        Some(parameters) => curve(Reader::new(parameters.contents)),
        None => Err(Error::KeyUnsupported { algorithm: "ECDSA without the name of its curve".to_owned() }),
    }
}

fn curve(mut parameters: Reader<'_>) -> Result<KeyAlgorithm, Error> {
    let Ok(curve) = parameters.expect(der::OBJECT_IDENTIFIER) else {
        return Err(Error::KeyUnsupported { algorithm: "ECDSA on a curve that is written out instead of named".to_owned() });
    };
    match der::oid_text(curve.contents).as_str() {
        "1.2.840.10045.3.1.7" => Ok(KeyAlgorithm::EcdsaP256),
        "1.3.132.0.34" => Ok(KeyAlgorithm::EcdsaP384),
        "1.3.132.0.35" => Ok(KeyAlgorithm::EcdsaP521),
        other => Err(Error::KeyUnsupported { algorithm: format!("ECDSA on {other}") }),
    }
}

fn modulus(pkcs1: &[u8]) -> Result<&[u8], Malformed> {
    let mut inside = Reader::inside(pkcs1, der::SEQUENCE)?;
    inside.expect(der::INTEGER)?;
    Ok(inside.expect(der::INTEGER)?.contents)
}

fn rsa(modulus: &[u8]) -> Result<KeyAlgorithm, Error> {
    let significant = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
    let spare = significant.first().map_or(0, |first| first.leading_zeros());
    let bits = u32::try_from(significant.len().saturating_mul(8)).unwrap_or(u32::MAX).saturating_sub(spare);
    match bits {
        2048..=8192 => Ok(KeyAlgorithm::Rsa { bits }),
        _ => Err(Error::RsaSize { bits }),
    }
}
