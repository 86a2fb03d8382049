//! Renewal that loses nothing: the old certificate's own bytes, a fresh serial, validity and key, signed by the CA and verified before it is handed out.
//!
//! Pure but for the key: [`PrivateKey::generate`] and the randomness of an ECDSA signature come from the system; the clock and the serial are arguments.
//! Nothing here reads or writes a file.

mod constraints;
pub(crate) mod der;
mod parts;
mod request;
mod serial;
mod sign;
mod tbs;
pub(crate) mod verify;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::certificate::Certificate;
use crate::error::Role;
use crate::key::{KeyAlgorithm, PrivateKey};
use parts::Parts;

pub use request::{Accepted, SigningRequest, accept, certificate_signing_request};
pub use serial::{NewSerial, system_random};
pub use sign::sign;
pub use tbs::{Fresh, ToBeSigned};
pub use verify::{CannotCheck, ChainProblem, SignatureCheck, check_signature, verify_chain};

/// A CA that can sign: its certificate, and the key that belongs to it.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateAuthority {
    certificate_der: Vec<u8>,
    key: PrivateKey,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// How to renew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// How long from now it is to be valid; a second or more, parts of one do not count.
    pub validity: SignedDuration,
    /// How long before now it begins, for clocks that are behind; not below zero.
    pub backdate: SignedDuration,
    /// Whose key it gets.
    pub key: KeyPolicy,
}

/// Which key a renewed certificate gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "key")]
pub enum KeyPolicy {
    /// A new one, of the algorithm and size of the old one.
    NewSameAlgorithm,
    /// A new one of this algorithm.
    New {
        /// Which.
        algorithm: KeyAlgorithm,
    },
    /// The old one.
    Kept,
}

/// A renewed certificate, verified against its CA.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewed {
    /// DER.
    pub certificate_der: Vec<u8>,
    /// The key that belongs to it.
    pub key: PrivateKey,
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
    /// What came out otherwise than one would expect.
    pub notes: Vec<Note>,
}

/// What is to be said about a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "note")]
#[non_exhaustive]
pub enum Note {
    /// It ends with its CA, earlier than asked, since nobody would believe it longer. kubeadm gives the longer date and says nothing.
    #[error("ends with its CA at {not_after} instead of {wanted}: renewing will not help after that, plan the rotation of the CA")]
    ClampedToCa {
        /// The end that was asked for.
        wanted: Timestamp,
        /// The end that it has: the CA's.
        not_after: Timestamp,
    },
    /// It begins with its CA, later than asked: the CA is younger than the backdating.
    #[error("begins with its CA at {not_before} instead of {wanted}")]
    BeginsWithCa {
        /// The beginning that was asked for.
        wanted: Timestamp,
        /// The beginning that it has: the CA's.
        not_before: Timestamp,
    },
    /// The old certificate was not signed by this CA: whoever trusts only the old one will not believe the new certificate.
    #[error("the old certificate was signed by another CA or key: check that everybody who reads it trusts this CA")]
    IssuerChanged,
    /// The CA has no subjectKeyIdentifier, so the authorityKeyIdentifier of the old certificate is left out.
    #[error("without authorityKeyIdentifier, since the CA has no subjectKeyIdentifier")]
    NoAuthorityKeyIdentifier,
}

impl CertificateAuthority {
    /// A CA that may and can sign at `now`.
    ///
    /// DIFFERENCE: kubeadm signs with an expired CA, with a warning in its log.
    ///
    /// # Errors
    /// [`Error::CertificateNotRead`], [`Error::DuplicateExtension`]; [`Error::NotACa`], [`Error::CaMayNotSign`]; [`Error::CaKeyDiffers`];
    /// [`Error::CaExpired`], [`Error::CaNotYetValid`].
    pub fn new(certificate_der: &[u8], key: PrivateKey, now: Timestamp) -> Result<Self, Error> {
        let ca = Parts::read(certificate_der, Role::Ca)?;
        if !ca.is_ca() {
            return Err(Error::NotACa);
        }
        if !ca.may_sign() {
            return Err(Error::CaMayNotSign);
        }
        if !key.matches(ca.spki) {
            return Err(Error::CaKeyDiffers);
        }
        let (not_before, not_after) = (ca.not_before, ca.not_after);
        if now > not_after {
            return Err(Error::CaExpired { not_after, now });
        }
        if now < not_before {
            return Err(Error::CaNotYetValid { not_before, now });
        }
        Ok(Self { certificate_der: certificate_der.to_vec(), key, not_before, not_after })
    }

    /// Its certificate in DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Its last second, which no leaf outlives.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CertificateAuthority({:?}, {} to {})", self.key, self.not_before, self.not_after)
    }
}

impl std::fmt::Debug for Renewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Renewed({} bytes, {:?}, {} to {}, {:?})", self.certificate_der.len(), self.key, self.not_before, self.not_after, self.notes)
    }
}

impl Default for Policy {
    /// kubeadm's: 8760 hours (a year of 365 days), from five minutes ago, a new key of the old one's algorithm.
    ///
    /// Source: `CertificateValidityPeriod`, `CertificateBackdate`, `cmd/kubeadm/app/constants/constants.go@v1.37.2`.
    fn default() -> Self {
        Self { validity: SignedDuration::from_hours(8760), backdate: SignedDuration::from_mins(5), key: KeyPolicy::NewSameAlgorithm }
    }
}

impl KeyPolicy {
    /// The algorithm of the key that has to be generated for the successor of `old_der`; none where the old key is kept.
    ///
    /// # Errors
    /// [`Error::CertificateNotRead`], [`Error::DuplicateExtension`]; [`Error::KeyUnsupported`] if the old key is of an algorithm that is not made.
    pub fn wanted(self, old_der: &[u8]) -> Result<Option<KeyAlgorithm>, Error> {
        match self {
            Self::NewSameAlgorithm => KeyAlgorithm::of_public_key(Parts::read(old_der, Role::Leaf)?.spki).map(Some),
            Self::New { algorithm } => Ok(Some(algorithm)),
            Self::Kept => Ok(None),
        }
    }
}

/// Renews a certificate: [`ToBeSigned::new`] tells what is kept, here is decided how long it lives, it is signed, and what came out is verified
/// under its CA before it is given back. Within its CA's validity at both ends: a leaf that would outlive its CA ends with it.
///
/// `key` is the new key, or the old one where the policy keeps it.
///
/// # Errors
/// [`Error::CertificateNotRead`], [`Error::DuplicateExtension`], [`Error::WouldRenewCa`]; [`Error::Validity`], [`Error::TimeOutOfRange`];
/// [`Error::KeptKeyDiffers`], [`Error::NewKeyIsOld`], [`Error::NewKeyAlgorithm`], [`Error::KeyUnsupported`]; [`Error::CaExpired`] and
/// [`Error::CaNotYetValid`] again for this `now`; [`Error::NotSigned`], [`Error::NotVerified`].
///
/// ```no_run
/// use trimtab_certs::key::PrivateKey;
/// use trimtab_certs::renew::{CertificateAuthority, NewSerial, Policy, renewed, system_random};
///
/// # fn main() -> Result<(), trimtab_certs::Error> {
/// # let (old_der, old_key_pem, ca_der, ca_key_pem): (&[u8], &[u8], &[u8], &[u8]) = (&[], &[], &[], &[]);
/// let now = "2026-11-25T12:00:00Z".parse().unwrap();
/// let ca = CertificateAuthority::new(ca_der, PrivateKey::from_pem(ca_key_pem)?, now)?;
/// let policy = Policy::default();
/// let key = match policy.key.wanted(old_der)? {
///     Some(algorithm) => PrivateKey::generate(algorithm)?,
///     None => PrivateKey::from_pem(old_key_pem)?,
/// };
/// let renewed = renewed(old_der, &ca, &policy, &key, now, NewSerial::draw(&mut system_random)?)?;
/// for note in &renewed.notes {
///     println!("{note}");
/// }
/// # Ok(())
/// # }
/// ```
pub fn renewed(
    old_der: &[u8],
    ca: &CertificateAuthority,
    policy: &Policy,
    key: &PrivateKey,
    now: Timestamp,
    serial: NewSerial,
) -> Result<Renewed, Error> {
    let old = Parts::read(old_der, Role::Leaf)?;
    if old.is_ca() || ca.key.matches(old.spki) {
        return Err(Error::WouldRenewCa);
    }
    fitting(key, &old, policy.key)?;
    let (not_before, not_after, mut notes) = dates(ca, policy, now)?;
    let spki_der = if key.matches(old.spki) { old.spki } else { key.public_key() };
    let unsigned = ToBeSigned::new(old_der, &ca.certificate_der, &Fresh { serial, not_before, not_after, spki_der })?;
    let certificate_der = sign(&unsigned, &ca.key)?;
    verified(&certificate_der, &old, ca, now)?;
    notes.extend(of_issuer(old_der, &old, ca)?);
    Ok(Renewed { certificate_der, key: key.clone(), not_before, not_after, notes })
}

fn fitting(key: &PrivateKey, old: &Parts<'_>, policy: KeyPolicy) -> Result<(), Error> {
    let same = key.matches(old.spki);
    let wanted = match policy {
        KeyPolicy::Kept => return if same { Ok(()) } else { Err(Error::KeptKeyDiffers) },
        KeyPolicy::New { algorithm } => algorithm,
        KeyPolicy::NewSameAlgorithm => KeyAlgorithm::of_public_key(old.spki)?,
    };
    let given = key.algorithm();
    if same {
        Err(Error::NewKeyIsOld)
    } else if given == wanted {
        Ok(())
    } else {
        Err(Error::NewKeyAlgorithm { wanted, given })
    }
}

/// The whole seconds between which it is valid, and how they differ from those that were asked for.
fn dates(ca: &CertificateAuthority, policy: &Policy, now: Timestamp) -> Result<(Timestamp, Timestamp, Vec<Note>), Error> {
    if policy.validity.as_secs() < 1 || policy.backdate.is_negative() {
        return Err(Error::Validity { validity_seconds: policy.validity.as_secs(), backdate_seconds: policy.backdate.as_secs() });
    }
    if now > ca.not_after {
        return Err(Error::CaExpired { not_after: ca.not_after, now });
    }
    if now < ca.not_before {
        return Err(Error::CaNotYetValid { not_before: ca.not_before, now });
    }
    // Beyond the end of time is beyond the CA's end, and before its beginning before the CA's.
    let begin = whole_second(now.checked_sub(policy.backdate).unwrap_or(Timestamp::MIN));
    let end = whole_second(now.checked_add(policy.validity).unwrap_or(Timestamp::MAX));
    let (not_before, not_after) = (begin.max(ca.not_before), end.min(ca.not_after));
    let notes = [
        (not_after < end).then_some(Note::ClampedToCa { wanted: end, not_after }),
        (not_before > begin).then_some(Note::BeginsWithCa { wanted: begin, not_before }),
    ];
    Ok((not_before, not_after, notes.into_iter().flatten().collect()))
}

/// The second in which a time lies.
fn whole_second(time: Timestamp) -> Timestamp {
    let seconds = time.as_second() - i64::from(time.subsec_nanosecond() < 0);
    Timestamp::from_second(seconds).unwrap_or(time)
}

/// What is handed out can be read, stands under its CA now and still says whom it is about.
fn verified(certificate_der: &[u8], old: &Parts<'_>, ca: &CertificateAuthority, now: Timestamp) -> Result<(), Error> {
    // What was kept was not looked into until here.
    let unread = |_| Error::CertificateNotRead { role: Role::Leaf, part: "subject or extensions".to_owned() };
    Certificate::from_der(certificate_der).map_err(unread)?;
    let problems = verify_chain(certificate_der, &ca.certificate_der, now)?;
    let kept = Parts::read(certificate_der, Role::Leaf)?.subject == old.subject;
    if problems.is_empty() && kept { Ok(()) } else { Err(Error::NotVerified { problems }) }
}

fn of_issuer(old_der: &[u8], old: &Parts<'_>, ca: &CertificateAuthority) -> Result<Vec<Note>, Error> {
    let authority = Parts::read(&ca.certificate_der, Role::Ca)?;
    let signed = check_signature(old_der, authority.spki)?;
    let lost = old.extension(parts::AUTHORITY_KEY_IDENTIFIER).is_some() && authority.subject_key_identifier().is_none();
    let notes = [
        (old.issuer != authority.subject || signed == SignatureCheck::Bad).then_some(Note::IssuerChanged),
        lost.then_some(Note::NoAuthorityKeyIdentifier),
    ];
    Ok(notes.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests;
