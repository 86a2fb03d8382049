//! What a step does, what has to hold right before, and what is found instead.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kubeadm::KubeadmCommand;
use super::process::Use;
use super::seen::{Fingerprint, Identity};
use super::words::{counted, left, listed};
use crate::key::KeyAlgorithm;
use crate::kubeadm::Item;
use crate::kubeadm::facts::{CertificateFacts, ExtKeyUsage, San};
use crate::name::escaped;
use crate::renew::{Note, Policy};

/// Renews one certificate: everything that applying it does, and what comes after.
///
/// The old pair stays beside the new one, as `NAME.trimtab-TIME.bak`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Renew {
    /// Which one.
    pub item: Item,
    /// The authority that signs it.
    pub authority: Item,
    /// The files that are replaced, certificate first. A symbolic link stays, and where it points is replaced.
    pub files: Vec<String>,
    /// Where certificate and key are kept.
    pub identity: Identity,
    /// What it keeps.
    pub keeps: Kept,
    /// The last second of the certificate that is there.
    pub old_not_after: Timestamp,
    /// The first second of the new one.
    pub not_before: Timestamp,
    /// The last second of the new one.
    pub not_after: Timestamp,
    /// How its dates come out otherwise than was asked for.
    pub notes: Vec<Note>,
    /// When the plan was made: the dates are counted from here, however much later it is applied.
    pub planned_at: Timestamp,
    /// How it is renewed.
    pub policy: Policy,
    /// The algorithm of its new key; none where it keeps the old one.
    pub new_key: Option<KeyAlgorithm>,
    /// A certificate that ends later than this is not due any more: then nothing is done.
    pub due_until: Timestamp,
    /// Who uses it, and how each comes to the new one.
    pub users: Vec<Use>,
    /// kubeadm's own command, and what it would do here; none where that release does not renew it.
    pub kubeadm: Option<KubeadmCommand>,
}

/// What a renewed certificate keeps, byte for byte; as text here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// The subject, each relative name in the order of the certificate: `O=system:masters`, `CN=kube-apiserver`.
    pub subject: Vec<String>,
    /// The names and addresses.
    pub san: Vec<San>,
    /// The extended key usages.
    pub ext_key_usage: Vec<ExtKeyUsage>,
}

/// What has to hold right before a step; all of it is read anew from the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "guard")]
pub enum Guard {
    /// The authority is still this one, with this key: it is the same cluster.
    Authority {
        /// Which.
        item: Item,
        /// Of its certificate.
        certificate_sha256: Fingerprint,
        /// Of its key's public half.
        public_key_sha256: Fingerprint,
    },
    /// The certificate is still the one that the plan is about.
    Certificate {
        /// Which.
        item: Item,
        /// Of its certificate.
        sha256: Fingerprint,
    },
    /// Its key is still the one that the plan is about.
    Key {
        /// Which.
        item: Item,
        /// Of its key's public half.
        public_key_sha256: Fingerprint,
    },
}

/// What a guard found instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "found")]
pub enum Refusal {
    /// Another certificate, or none that can be read.
    OtherCertificate {
        /// Whose.
        item: Item,
        /// Of what is there now.
        sha256: Option<Fingerprint>,
    },
    /// Another key, or none that can be read.
    OtherKey {
        /// Whose.
        item: Item,
        /// Of what is there now.
        public_key_sha256: Option<Fingerprint>,
    },
}

impl Kept {
    pub(super) fn of(facts: &CertificateFacts) -> Self {
        let attribute = |attribute: &crate::kubeadm::facts::Attribute| format!("{}={}", attribute.kind, escaped(&attribute.value));
        let subject = facts.subject.iter().map(|rdn| rdn.attributes.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
        Self { subject, san: facts.san.clone(), ext_key_usage: facts.ext_key_usage.clone() }
    }
}

impl Renew {
    /// Whether a certificate with this end needs nothing any more.
    #[must_use]
    pub fn is_done_by(&self, not_after: Timestamp) -> bool {
        not_after > self.due_until || not_after >= self.not_after
    }
}

impl fmt::Display for Renew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "renew to {} (now to {}, {})", self.not_after, self.old_not_after, left(self.old_not_after, self.planned_at))?;
        match self.new_key {
            Some(algorithm) => write!(f, ", new {algorithm} key")?,
            None => f.write_str(", the same key")?,
        }
        write!(f, ", keeps {}", self.keeps)?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject.join(","))?;
        if !self.san.is_empty() {
            write!(f, ", {}", counted(self.san.len(), "name"))?;
        }
        if self.ext_key_usage.is_empty() { Ok(()) } else { write!(f, ", {}", listed(&self.ext_key_usage)) }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority { item, certificate_sha256, public_key_sha256 } => {
                write!(f, "{item} is certificate {certificate_sha256} with key {public_key_sha256}")
            }
            Self::Certificate { item, sha256 } => write!(f, "{item} is certificate {sha256}"),
            Self::Key { item, public_key_sha256 } => write!(f, "the key of {item} is {public_key_sha256}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCertificate { item, sha256: Some(sha256) } => write!(f, "{item} is certificate {sha256}: observe and plan again"),
            Self::OtherCertificate { item, sha256: None } => write!(f, "{item} has no certificate that can be read: observe and plan again"),
            Self::OtherKey { item, public_key_sha256: Some(sha256) } => write!(f, "the key of {item} is {sha256}: observe and plan again"),
            Self::OtherKey { item, public_key_sha256: None } => write!(f, "{item} has no key that can be read: observe and plan again"),
        }
    }
}
