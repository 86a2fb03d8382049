//! What was seen of a control plane's certificates: plain data, filled from real files or by hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::CertificateFacts;
use super::kubeconfig::KubeconfigFacts;
use super::list::Item;

/// What is there of each item. An item that is not named is missing, with its key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pki {
    /// By name.
    pub items: BTreeMap<Item, ItemState>,
}

/// What is there of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemState {
    /// Its certificate. Of [`Item::Sa`] the public key, which is missing or, being no certificate, unreadable.
    pub certificate: CertificateState,
    /// Its private key. Of a kubeconfig nobody looks at it.
    pub key: KeyState,
}

/// What is there of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CertificateState {
    /// No file; kubeadm takes a directory and a symlink to nowhere for the same.
    Missing,
    /// A file that kubeadm cannot use: no PEM certificate in it (empty and DER files too), or a kubeconfig without embedded client
    /// certificate, with a wrong context, or no YAML at all.
    Unreadable {
        /// What is wrong with it, for people.
        reason: String,
    },
    /// A certificate. Of several in a file the first one counts.
    Readable(Box<ReadCertificate>),
}

/// What matters of a certificate that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadCertificate {
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// How many certificates the file holds, at least one.
    pub certificates: usize,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Whether the first certificate of its authority's file signed it. An authority signs itself.
    pub signed_by_local_ca: bool,
    /// Everything else, where it was read. A forecast of what a renewal loses takes it.
    pub facts: Option<CertificateFacts>,
    /// The file around it, where it is a kubeconfig and was read.
    pub kubeconfig: Option<KubeconfigFacts>,
}

impl ReadCertificate {
    /// Whether it is valid at `now`, both ends included.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// What is there of a private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyState {
    /// A key that belongs to the certificate.
    Present,
    /// No file.
    Absent,
    /// A file that kubeadm cannot use: encrypted, Ed25519, or no PEM key in it.
    Unreadable {
        /// What is wrong with it, for people.
        reason: String,
    },
    /// A key that does not belong to the certificate.
    Mismatch,
}

impl KeyState {
    /// Whether kubeadm can load it, be it the right one or not.
    #[must_use]
    pub fn is_loadable(&self) -> bool {
        matches!(self, Self::Present | Self::Mismatch)
    }
}

impl Pki {
    /// The certificate of an item.
    #[must_use]
    pub fn certificate(&self, item: Item) -> &CertificateState {
        self.items.get(&item).map_or(&CertificateState::Missing, |state| &state.certificate)
    }

    /// The certificate of an item, where it can be read.
    #[must_use]
    pub fn readable(&self, item: Item) -> Option<&ReadCertificate> {
        match self.certificate(item) {
            CertificateState::Readable(certificate) => Some(certificate),
            CertificateState::Missing | CertificateState::Unreadable { .. } => None,
        }
    }

    /// Whether there is a file for the certificate of an item.
    #[must_use]
    pub fn has_certificate_file(&self, item: Item) -> bool {
        *self.certificate(item) != CertificateState::Missing
    }

    /// The private key of an item.
    #[must_use]
    pub fn key(&self, item: Item) -> &KeyState {
        self.items.get(&item).map_or(&KeyState::Absent, |state| &state.key)
    }
}
