//! Private keys: read in every form that Kubernetes writes, made, signed with, written; never shown.

mod algorithm;
mod container;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use zeroize::Zeroizing;

use crate::Error;
use crate::pem::{self, Block, PemError};
use crate::renew::der::{self, Malformed, Reader};
use container::Container;

pub use algorithm::{KeyAlgorithm, KeyFormat};

/// A private key that can sign.
///
/// `Debug` shows its algorithm and form alone; there is no `Display` and no `Serialize`. Two are equal when their public keys are.
/// Clones share one copy, which is overwritten when the last of them goes.
#[derive(Clone)]
pub struct PrivateKey {
    algorithm: KeyAlgorithm,
    format: KeyFormat,
    public_key: Vec<u8>,
    signer: Arc<Signer>,
}

enum Signer {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// The text of a private key's PEM file: overwritten when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPem(Zeroizing<String>);

impl PrivateKey {
    /// The first private key of a PEM text that can be read: PKCS#1, SEC1 or PKCS#8, each under its own label. Certificates, `EC PARAMETERS` and
    /// text around it are passed over, so that the kubelet's `kubelet-client-current.pem` can be given as it is.
    ///
    /// A key that cannot be read gives its reason only when no other follows, as upstream goes on to the next one too.
    ///
    /// Source: `ParsePrivateKeyPEM`, `k8s.io/client-go/util/keyutil/key.go@v0.37.2`.
    ///
    /// # Errors
    /// [`Error::NoPrivateKey`], [`Error::KeyPem`], [`Error::KeyEncrypted`], [`Error::KeyLabel`], [`Error::KeyUnsupported`], [`Error::RsaSize`],
    /// [`Error::KeyNotRead`].
    ///
    /// ```
    /// use trimtab_certs::Error;
    /// use trimtab_certs::key::{KeyAlgorithm, KeyFormat, PrivateKey};
    ///
    /// let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256)?;
    /// let again = PrivateKey::from_pem(key.to_pem(KeyFormat::Sec1)?.as_bytes())?;
    /// assert_eq!((again.algorithm(), again.format()), (KeyAlgorithm::EcdsaP256, KeyFormat::Sec1));
    /// assert!(again.matches(key.public_key()));
    /// assert_eq!(PrivateKey::from_pem(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), Err(Error::NoPrivateKey));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        let mut reason = None;
        for block in pem::blocks(text) {
            match of_block(block) {
                Some(Ok(key)) => return Ok(key),
                Some(Err(error)) => reason = reason.or(Some(error)),
                None => {}
            }
        }
        Err(reason.unwrap_or(Error::NoPrivateKey))
    }

    /// A private key from DER, its form told from its bytes.
    ///
    /// # Errors
    /// [`Error::KeyEncrypted`], [`Error::KeyUnsupported`], [`Error::RsaSize`], [`Error::KeyNotRead`].
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let Container { format, algorithm } = Container::of(der)?;
        let signer = match signing(algorithm) {
            Signing::Rsa if format == KeyFormat::Pkcs1 => RsaKeyPair::from_der(der).map(Signer::Rsa),
            Signing::Rsa => RsaKeyPair::from_pkcs8(der).map(Signer::Rsa),
            Signing::Ecdsa(curve) => EcdsaKeyPair::from_private_key_der(curve, der).map(Signer::Ecdsa),
            Signing::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(Signer::Ed25519),
        };
        Self::of(algorithm, format, signer.map_err(|_| Error::KeyNotRead)?).ok_or(Error::KeyNotRead)
    }

    /// A new key from the system's randomness; its form is the one that kubeadm writes. RSA of 2048 bits takes a tenth of a second or more.
    ///
    /// The one function here that gives another result each time: what is pure takes its result as an argument.
    ///
    /// # Errors
    /// [`Error::KeyNotGenerated`] for RSA of another size than 2048, 3072 or 4096; [`Error::Randomness`].
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, Error> {
        let signer = match signing(algorithm) {
            Signing::Rsa => RsaKeyPair::generate(rsa_size(algorithm)?).map(Signer::Rsa),
            Signing::Ecdsa(curve) => EcdsaKeyPair::generate(curve).map(Signer::Ecdsa),
            Signing::Ed25519 => Ed25519KeyPair::generate().map(Signer::Ed25519),
        };
        Self::of(algorithm, KeyFormat::of_kubeadm(algorithm), signer.map_err(|_| Error::Randomness)?).ok_or(Error::Randomness)
    }

    /// Its algorithm and size.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The form that it was read from.
    #[must_use]
    pub fn format(&self) -> KeyFormat {
        self.format
    }

    /// Its public half: a `SubjectPublicKeyInfo` in DER, as Go and openssl write it.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Whether a public key, a `SubjectPublicKeyInfo` in DER, belongs to it. Another way to write the same key (a compressed point) counts.
    #[must_use]
    pub fn matches(&self, spki_der: &[u8]) -> bool {
        self.public_key == spki_der || crate::renew::verify::canonical_public_key(spki_der).is_some_and(|canonical| canonical == self.public_key)
    }

    /// The text of its file in this form.
    ///
    /// # Errors
    /// [`Error::KeyFormat`] where there is no such form for its algorithm; Ed25519 has PKCS#8 alone.
    pub fn to_pem(&self, format: KeyFormat) -> Result<KeyPem, Error> {
        let der = self.to_der(format)?;
        Ok(KeyPem(Zeroizing::new(pem::encode(format.label(), &der))))
    }

    /// Signs a message with the hash that belongs to its algorithm: SHA-256 for RSA (PKCS#1 v1.5) and P-256, SHA-384 for P-384, SHA-512 for P-521.
    ///
    /// ECDSA takes randomness from the system, so its signatures differ from call to call.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        match &*self.signer {
            Signer::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
            Signer::Ecdsa(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Signer::Ed25519(key) => key.try_sign(message).map(|signature| signature.as_ref().to_vec()),
        }
        .map_err(|_| Error::NotSigned)
    }

    fn of(algorithm: KeyAlgorithm, format: KeyFormat, signer: Signer) -> Option<Self> {
        let public_key: PublicKeyX509Der<'_> = match &signer {
            Signer::Rsa(key) => key.public_key().as_der(),
            Signer::Ecdsa(key) => key.public_key().as_der(),
            Signer::Ed25519(key) => key.public_key().as_der(),
        }
        .ok()?;
        Some(Self { algorithm, format, public_key: public_key.as_ref().to_vec(), signer: Arc::new(signer) })
    }

    fn to_der(&self, format: KeyFormat) -> Result<Zeroizing<Vec<u8>>, Error> {
        let impossible = Error::KeyFormat { algorithm: self.algorithm, format };
        match (&*self.signer, format) {
            (Signer::Ecdsa(key), KeyFormat::Sec1) => {
                let der: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().map_err(|_| Error::KeyNotRead)?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
            (Signer::Rsa(_) | Signer::Ecdsa(_) | Signer::Ed25519(_), KeyFormat::Pkcs8) => self.to_pkcs8(),
            (Signer::Rsa(_), KeyFormat::Pkcs1) => {
                let pkcs8 = self.to_pkcs8()?;
                inside_of_pkcs8(&pkcs8).map(|der| Zeroizing::new(der.to_vec())).map_err(|Malformed| Error::KeyNotRead)
            }
            (Signer::Rsa(_), KeyFormat::Sec1) | (Signer::Ecdsa(_), KeyFormat::Pkcs1) | (Signer::Ed25519(_), KeyFormat::Pkcs1 | KeyFormat::Sec1) => {
                Err(impossible)
            }
        }
    }

    fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let bytes = match &*self.signer {
            Signer::Rsa(key) => key.as_der().map(|der: Pkcs8V1Der<'_>| der.as_ref().to_vec()),
            Signer::Ecdsa(key) => key.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Signer::Ed25519(key) => key.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
        };
        bytes.map(Zeroizing::new).map_err(|_| Error::KeyNotRead)
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.public_key == other.public_key
    }
}

impl Eq for PrivateKey {}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, {})", self.algorithm, self.format)
    }
}

impl KeyPem {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(hidden)")
    }
}

enum Signing {
    Rsa,
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
}

fn signing(algorithm: KeyAlgorithm) -> Signing {
    match algorithm {
        KeyAlgorithm::Rsa { .. } => Signing::Rsa,
        KeyAlgorithm::EcdsaP256 => Signing::Ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyAlgorithm::EcdsaP384 => Signing::Ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyAlgorithm::EcdsaP521 => Signing::Ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyAlgorithm::Ed25519 => Signing::Ed25519,
    }
}

fn rsa_size(algorithm: KeyAlgorithm) -> Result<KeySize, Error> {
    match algorithm {
        KeyAlgorithm::Rsa { bits: 2048 } => Ok(KeySize::Rsa2048),
        KeyAlgorithm::Rsa { bits: 3072 } => Ok(KeySize::Rsa3072),
        KeyAlgorithm::Rsa { bits: 4096 } => Ok(KeySize::Rsa4096),
        KeyAlgorithm::Rsa { .. } | KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Ed25519 => {
            Err(Error::KeyNotGenerated { algorithm })
        }
    }
}

/// The key that a block is, or why it is none; nothing where it is something else.
fn of_block(block: Result<Block, PemError>) -> Option<Result<PrivateKey, Error>> {
    let block = match block {
        Ok(block) => block,
        Err(pem) => return Some(Err(Error::KeyPem { pem })),
    };
    let (label, contents) = (block.label, Zeroizing::new(block.contents));
    match label.as_str() {
        "ENCRYPTED PRIVATE KEY" => Some(Err(Error::KeyEncrypted)),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "PRIVATE KEY" if block.encrypted => Some(Err(Error::KeyEncrypted)),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "PRIVATE KEY" => Some(of_labelled(label, &contents)),
        other if other.ends_with("PRIVATE KEY") => Some(Err(Error::KeyUnsupported { algorithm: label })),
        _ => None,
    }
}

fn of_labelled(label: String, contents: &[u8]) -> Result<PrivateKey, Error> {
    let key = PrivateKey::from_der(contents)?;
    if key.format.label() == label { Ok(key) } else { Err(Error::KeyLabel { label, format: key.format }) }
}

/// What PKCS#8 wraps; for RSA that is PKCS#1.
fn inside_of_pkcs8(pkcs8: &[u8]) -> Result<&[u8], Malformed> {
    let mut inside = Reader::inside(pkcs8, der::SEQUENCE)?;
    inside.expect(der::INTEGER)?;
    inside.expect(der::SEQUENCE)?;
    Ok(inside.expect(der::OCTET_STRING)?.contents)
}

#[cfg(test)]
mod tests;
