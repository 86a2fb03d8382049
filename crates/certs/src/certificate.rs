//! What a certificate says, as plain data; what it says wrongly, as problems.

mod extensions;
mod fingerprint;
pub mod info;
mod object_names;
mod public_key;
mod serial;
mod signature;

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::{FromDer as _, X509Version};

use crate::name::Name;
use crate::pem::{Block, PemError, SkippedByGo, blocks};

pub use extensions::{AuthorityKeyId, BasicConstraints, Extension, ExtensionProblem, Extensions, GeneralName, KeyUsage};
pub use fingerprint::fingerprints;
pub use info::CertificateInfo;
pub use public_key::{PublicKey, PublicKeyKind};
pub use serial::Serial;
pub use signature::{SignatureAlgorithm, Weakness};

/// The largest certificate that is read, in bytes of DER. Real ones have one to three thousand, and those with 10,000 names 150,000.
pub const MAX_DER_BYTES: usize = 4 * 1024 * 1024;

/// The largest file that is looked for certificates in, in bytes: 100 MiB. A bundle of ten thousand certificates has 20 MB.
pub const MAX_FILE_BYTES: u64 = 100 * 1024 * 1024;

/// What a certificate says.
///
/// `Serialize` gives every fact; the DER itself is in [`Self::der`] and not among them.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Certificate {
    /// 1 or 3.
    pub version: u8,
    /// Its number among those of its issuer.
    pub serial: Serial,
    /// Whom it is about.
    pub subject: Name,
    /// Who says so.
    pub issuer: Name,
    /// The first second at which it is valid.
    pub not_before: Timestamp,
    /// The last second at which it is valid.
    pub not_after: Timestamp,
    /// Whose it is.
    pub public_key: PublicKey,
    /// How it was signed.
    pub signature_algorithm: SignatureAlgorithm,
    /// The rest that it says.
    #[serde(flatten)]
    pub extensions: Extensions,
    /// What is wrong in it, though it can be read.
    pub problems: Vec<ExtensionProblem>,
    #[serde(skip)]
    der: Vec<u8>,
}

/// Why something is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "problem")]
#[non_exhaustive]
pub enum CertificateError {
    /// The PEM block around it cannot be read.
    #[error(transparent)]
    Pem {
        /// Why.
        pem: PemError,
    },
    /// The text holds no PEM block that is a certificate, and is no DER either.
    #[error(
        "no certificate in it: {bytes} bytes, of which {blocks} PEM blocks are something else; give a file with -----BEGIN CERTIFICATE----- or DER"
    )]
    NoCertificate {
        /// The length of what was given.
        bytes: usize,
        /// How many blocks it has.
        blocks: usize,
    },
    /// It is not DER, or not that of a certificate.
    #[error("no X.509 certificate: {detail}; it was cut or changed, copy it again from where it came from")]
    NotX509 {
        /// What the parser met.
        detail: String,
    },
    /// Bytes follow the certificate.
    #[error("{bytes} bytes follow the certificate: two files were put together without PEM; split them")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// It is larger than any certificate.
    #[error("a certificate of {bytes} bytes, more than {limit}: this is another file")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It is of a version that does not exist.
    #[error("an X.509 certificate of version {version}: there are 1, 2 and 3; make it again")]
    UnknownVersion {
        /// The version as people count: one more than what stands in the certificate.
        version: u32,
    },
}

impl Certificate {
    /// Reads one certificate from DER.
    ///
    /// # Errors
    /// [`CertificateError`]: not DER, another version, bytes after it, too large. What is wrong in an extension is no error:
    /// [`Certificate::problems`].
    ///
    /// ```
    /// use trimtab_certs::certificate::{Certificate, CertificateError};
    ///
    /// assert!(matches!(Certificate::from_der(&[0x30, 0x00]), Err(CertificateError::NotX509 { .. })));
    /// ```
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let (certificate, rest) = Self::read(der)?;
        if rest == 0 { Ok(certificate) } else { Err(CertificateError::TrailingBytes { bytes: rest }) }
    }

    /// As [`Self::from_der`], and keeps the bytes.
    fn from_block(der: Vec<u8>) -> Result<Self, CertificateError> {
        let (mut certificate, rest) = Self::parse(&der)?;
        certificate.der = der;
        if rest == 0 { Ok(certificate) } else { Err(CertificateError::TrailingBytes { bytes: rest }) }
    }

    /// The certificate, and how many bytes follow it.
    fn read(der: &[u8]) -> Result<(Self, usize), CertificateError> {
        let (mut certificate, rest) = Self::parse(der)?;
        certificate.der = der[..der.len() - rest].to_vec();
        Ok((certificate, rest))
    }

    /// As [`Self::read`], but the bytes are not in it yet.
    fn parse(der: &[u8]) -> Result<(Self, usize), CertificateError> {
        if der.len() > MAX_DER_BYTES {
            return Err(CertificateError::TooLarge { bytes: der.len(), limit: MAX_DER_BYTES });
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| CertificateError::NotX509 { detail: error.to_string() })?;
        let version = version(parsed.version)?;
        let mut problems = Vec::new();
        let extensions = Extensions::read(&parsed, &mut problems);
        let certificate = Self {
            version,
            serial: Serial::from_bytes(parsed.raw_serial()),
            subject: Name::read(&parsed.subject),
            issuer: Name::read(&parsed.issuer),
            not_before: second(parsed.validity.not_before.timestamp()),
            not_after: second(parsed.validity.not_after.timestamp()),
            public_key: PublicKey::read(&parsed.subject_pki),
            signature_algorithm: SignatureAlgorithm::read(&parsed.signature_algorithm),
            extensions,
            problems,
            der: Vec::new(),
        };
        Ok((certificate, rest.len()))
    }

    /// The bytes that it was read from.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it is valid at a time; both ends are.
    ///
    /// DIFFERENCE: `openssl x509 -checkend` looks at the end alone, so that one that is not valid yet passes.
    #[must_use]
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&time)
    }

    /// Whether its issuer is its subject, which says nothing of who signed it.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether it may sign others: one of version 3 that says so, or a root of version 1, which cannot say it.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        let says = self.extensions.basic_constraints.as_ref().is_some_and(|constraints| constraints.ca);
        says || self.version == 1 && self.is_self_issued()
    }

    /// Every name that a server answers to, as Go compares them: DNS names and addresses.
    pub fn server_names(&self) -> impl Iterator<Item = String> {
        self.extensions.subject_alt_name.iter().flatten().filter_map(|name| match name {
            GeneralName::Dns { name } => Some(name.clone()),
            GeneralName::Ip { address } => Some(address.to_string()),
            GeneralName::Email { .. }
            | GeneralName::Uri { .. }
            | GeneralName::Directory { .. }
            | GeneralName::Registered { .. }
            | GeneralName::Other { .. }
            | GeneralName::Unread { .. } => None,
        })
    }

    /// Whether it stands for this address.
    #[must_use]
    pub fn has_ip(&self, wanted: IpAddr) -> bool {
        self.extensions.subject_alt_name.iter().flatten().any(|name| matches!(name, GeneralName::Ip { address } if *address == wanted))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} of {}, {} to {})", self.subject, self.issuer, self.not_before, self.not_after)
    }
}

/// One item of a file: a certificate, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Where its block begins, in bytes; 0 for DER.
    pub offset: usize,
    /// Why no component of Kubernetes would see it, where that is so.
    pub skipped_by_go: Option<SkippedByGo>,
    /// What was read.
    pub certificate: Result<Certificate, CertificateError>,
}

/// Reads every certificate of a file: PEM blocks among others in any order, or DER. What cannot be read comes with its reason, in its place, and
/// hides nothing else. Keys and other blocks are passed over; a file without any certificate gives one item that says so.
///
/// ```
/// use trimtab_certs::certificate::{CertificateError, certificates};
///
/// let found = certificates(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
/// assert!(matches!(found[0].certificate, Err(CertificateError::NotX509 { .. })));
/// assert!(matches!(certificates(b"")[0].certificate, Err(CertificateError::NoCertificate { bytes: 0, blocks: 0 })));
/// ```
#[must_use]
pub fn certificates(file: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    each_certificate(file, |one| found.push(one));
    found
}

/// As [`certificates`], handed over one by one: where a file has only one, a list for it would cost as much as reading it.
pub(crate) fn each_certificate(file: &[u8], mut take: impl FnMut(Found)) {
    // DER begins with a SEQUENCE, which no text does.
    if file.first() == Some(&0x30) && file.get(1).is_some_and(|length| *length >= 0x80 || usize::from(*length) + 2 == file.len()) {
        return take(Found { offset: 0, skipped_by_go: None, certificate: Certificate::from_der(file) });
    }
    let (mut count, mut any) = (0, false);
    for block in blocks(file) {
        count += 1;
        if let Some(found) = of_block(block) {
            any = true;
            take(found);
        }
    }
    if !any {
        let nothing = CertificateError::NoCertificate { bytes: file.len(), blocks: count };
        take(Found { offset: 0, skipped_by_go: None, certificate: Err(nothing) });
    }
}

fn of_block(block: Result<Block, PemError>) -> Option<Found> {
    let block = match block {
        Ok(block) => block,
        Err(pem) => {
            let offset = match pem {
                PemError::BeginNotClosed { offset }
                | PemError::NoEnd { offset, .. }
                | PemError::EndMismatch { offset, .. }
                | PemError::NotBase64 { offset, .. } => offset,
            };
            return Some(Found { offset, skipped_by_go: None, certificate: Err(CertificateError::Pem { pem }) });
        }
    };
    let certificate = match block.label.as_str() {
        "CERTIFICATE" | "X509 CERTIFICATE" => Certificate::from_block(block.contents),
        // What openssl trusts it for follows.
        "TRUSTED CERTIFICATE" => Certificate::read(&block.contents).map(|(certificate, _)| certificate),
        _ => return None,
    };
    Some(Found { offset: block.offset, skipped_by_go: block.skipped_by_go, certificate })
}

fn version(version: X509Version) -> Result<u8, CertificateError> {
    match version.0 {
        0 => Ok(1),
        1 => Ok(2),
        2 => Ok(3),
        unknown => Err(CertificateError::UnknownVersion { version: unknown.saturating_add(1) }),
    }
}

/// RFC 5280 writes "never" as the last second of the year 9999, some hours after the last one that jiff knows.
fn second(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests;
