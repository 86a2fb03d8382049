//! The algorithms of keys that are read, made and signed with.

use std::fmt;

use serde::{Deserialize, Serialize};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::Error;
use crate::certificate::{PublicKey, PublicKeyKind};

/// The algorithm and size of a key. `Display` is kubeadm's `encryptionAlgorithm` where it has one: `RSA-2048`, `ECDSA-P256`.
///
/// kubeadm reads no Ed25519 keys, and makes none on P-521; everything else of Kubernetes takes them.
///
/// Source: `EncryptionAlgorithmType`, `cmd/kubeadm/app/apis/kubeadm/v1beta4/types.go@v1.37.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyAlgorithm {
    /// RSA.
    Rsa {
        /// The length of the modulus; 2048 to 8192 are read, 2048, 3072 and 4096 made.
        bits: u32,
    },
    /// ECDSA on NIST's P-256.
    EcdsaP256,
    /// ECDSA on NIST's P-384.
    EcdsaP384,
    /// ECDSA on NIST's P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
}

impl KeyAlgorithm {
    /// The algorithm of a public key, from its `SubjectPublicKeyInfo` in DER. RSA of any size passes: whether a key of that size can be made
    /// is asked later.
    ///
    /// # Errors
    /// [`Error::KeyUnsupported`] for other algorithms and curves.
    pub fn of_public_key(spki_der: &[u8]) -> Result<Self, Error> {
        let unreadable = |_| Error::KeyUnsupported { algorithm: "an unreadable SubjectPublicKeyInfo".to_owned() };
        let (_, info) = SubjectPublicKeyInfo::from_der(spki_der).map_err(unreadable)?;
        match PublicKey::read(&info).kind {
            PublicKeyKind::Rsa { bits } => Ok(Self::Rsa { bits }),
            PublicKeyKind::EcdsaP256 => Ok(Self::EcdsaP256),
            PublicKeyKind::EcdsaP384 => Ok(Self::EcdsaP384),
            PublicKeyKind::EcdsaP521 => Ok(Self::EcdsaP521),
            PublicKeyKind::Ed25519 => Ok(Self::Ed25519),
            other @ (PublicKeyKind::RsaPss { .. }
            | PublicKeyKind::EcdsaP224
            | PublicKeyKind::Ecdsa { .. }
            | PublicKeyKind::Ed448
            | PublicKeyKind::Dsa
            | PublicKeyKind::Other { .. }) => Err(Error::KeyUnsupported { algorithm: other.to_string() }),
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::EcdsaP256 => f.write_str("ECDSA-P256"),
            Self::EcdsaP384 => f.write_str("ECDSA-P384"),
            Self::EcdsaP521 => f.write_str("ECDSA-P521"),
            Self::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// The form in which a private key is written down. A rewritten file keeps its form, since other readers than ours take it from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyFormat {
    /// `RSA PRIVATE KEY`: what kubeadm writes for RSA.
    Pkcs1,
    /// `EC PRIVATE KEY`: what kubeadm and the kubelet write for ECDSA.
    Sec1,
    /// `PRIVATE KEY`: any algorithm; what openssl writes.
    Pkcs8,
}

impl KeyFormat {
    /// The label of its PEM block.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pkcs1 => "RSA PRIVATE KEY",
            Self::Sec1 => "EC PRIVATE KEY",
            Self::Pkcs8 => "PRIVATE KEY",
        }
    }

    /// The form that kubeadm and client-go write a key of this algorithm in.
    ///
    /// Source: `MarshalPrivateKeyToPEM`, `k8s.io/client-go/util/keyutil/key.go@v0.37.2`.
    #[must_use]
    pub const fn of_kubeadm(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Rsa { .. } => Self::Pkcs1,
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => Self::Sec1,
            KeyAlgorithm::Ed25519 => Self::Pkcs8,
        }
    }
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs1 => "PKCS#1",
            Self::Sec1 => "SEC1",
            Self::Pkcs8 => "PKCS#8",
        })
    }
}
