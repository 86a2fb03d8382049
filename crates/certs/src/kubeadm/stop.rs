//! Why a command of kubeadm stops, and the check of an external PKI that half of these come from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::command::UsageError;
use super::config::Refusal;
use super::list::Item;
use super::pki::{CertificateState, KeyState, Pki, ReadCertificate};
use super::rules::{KubeadmRules, Verification};
use super::san::SanError;

/// Why a command stops. What it wrote before stays written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "stop")]
pub enum Stop {
    /// The command line is wrong.
    #[error(transparent)]
    Usage {
        /// How.
        #[from]
        usage: UsageError,
    },
    /// The configuration is refused.
    #[error(transparent)]
    Refused {
        /// Why.
        #[from]
        refusal: Refusal,
    },
    /// An address in the configuration cannot be read.
    #[error(transparent)]
    Names {
        /// Which.
        #[from]
        names: SanError,
    },
    /// A certificate is not there that has to be.
    #[error("{item}: its certificate is missing; put it back, or take its key away as well so that both are made anew")]
    CertificateMissing {
        /// Whose.
        item: Item,
    },
    /// A certificate cannot be read.
    #[error("{item}: its certificate cannot be read ({reason}); put the right file there")]
    CertificateUnreadable {
        /// Whose.
        item: Item,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of `pki` holds more than one certificate, where kubeadm wants exactly one.
    #[error("{item}: its file holds {certificates} certificates, and this release wants exactly one; leave only the first")]
    MoreThanOne {
        /// Whose.
        item: Item,
        /// How many there are.
        certificates: usize,
    },
    /// An authority's certificate says that it is none.
    #[error("{item}: its certificate is not that of an authority; put the right one there")]
    NotACa {
        /// Which.
        item: Item,
    },
    /// A private key is not there that has to be.
    #[error("{item}: its private key is missing; put it back, or renew where the key is")]
    KeyMissing {
        /// Whose.
        item: Item,
    },
    /// A private key cannot be read.
    #[error("{item}: its private key cannot be read ({reason}); kubeadm takes unencrypted RSA and ECDSA keys in PEM")]
    KeyUnreadable {
        /// Whose.
        item: Item,
        /// What is wrong with it.
        reason: String,
    },
    /// An authority's private key is not the one of the first certificate in its file.
    #[error("{item}: its private key does not belong to the first certificate of its file; put the signing authority first")]
    KeyMismatch {
        /// Which.
        item: Item,
    },
    /// A certificate was signed by another authority than the one on disk.
    #[error("{item}: it was not signed by the first certificate of {authority}; renew it, or put the authority back that signed it")]
    NotSigned {
        /// Which.
        item: Item,
        /// The authority on disk.
        authority: Item,
    },
    /// A certificate or its authority has expired or is not valid yet, where kubeadm looks at that.
    #[error("{item}: it has expired or is not valid yet, and kubeadm does not go on with it; renew it")]
    NotValidNow {
        /// Which.
        item: Item,
    },
    /// A certificate has no common name, so it cannot be renewed.
    #[error("{item}: it has no common name, which a renewal takes; make a new one with `kubeadm init phase`")]
    NoCommonName {
        /// Which.
        item: Item,
    },
    /// A certificate has no extended key usage that Go knows, so it cannot be renewed.
    #[error("{item}: it has no extended key usage that Go knows, which a renewal takes; make a new one with `kubeadm init phase`")]
    NoExtKeyUsage {
        /// Which.
        item: Item,
    },
    /// A kubeconfig trusts another authority than the one on disk.
    #[error("{item}: it does not trust the first certificate of ca.crt; remove it so that it is made anew")]
    WrongCa {
        /// Which.
        item: Item,
    },
}

impl Stop {
    /// The exit code of a kubeadm with these rules.
    #[must_use]
    pub fn exit_code(&self, rules: &KubeadmRules) -> i32 {
        match self {
            Self::Refused { refusal } => refusal.exit_code(rules),
            Self::Usage { .. }
            | Self::Names { .. }
            | Self::CertificateMissing { .. }
            | Self::CertificateUnreadable { .. }
            | Self::MoreThanOne { .. }
            | Self::NotACa { .. }
            | Self::KeyMissing { .. }
            | Self::KeyUnreadable { .. }
            | Self::KeyMismatch { .. }
            | Self::NotSigned { .. }
            | Self::NotValidNow { .. }
            | Self::NoCommonName { .. }
            | Self::NoExtKeyUsage { .. }
            | Self::WrongCa { .. } => 1,
        }
    }
}

/// Who holds the private key of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// This node: its key file is there, whatever stands in it.
    Local,
    /// Someone else, and all that the authority signs is in order.
    External,
}

/// What makes the check of an authority fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// Its own certificate. `init phase` goes on then, everything else stops.
    Authority(Stop),
    /// Its key is elsewhere, and what it signs is not in order.
    Leaves(Stop),
}

impl Broken {
    pub(super) fn into_stop(self) -> Stop {
        match self {
            Self::Authority(stop) | Self::Leaves(stop) => stop,
        }
    }
}

/// Upstream's `UsingExternalCA`, `UsingExternalFrontProxyCA` and `UsingExternalEtcdCA`. Kubeconfigs are not part of it.
pub(super) fn keeper(authority: Item, pki: &Pki, rules: &KubeadmRules, now: Timestamp) -> Result<Keeper, Broken> {
    let ca = certificate(authority, pki).map_err(Broken::Authority)?;
    if !ca.is_ca {
        return Err(Broken::Authority(Stop::NotACa { item: authority }));
    }
    let may_be_elsewhere = authority != Item::EtcdCa || rules.external_etcd_ca;
    if *pki.key(authority) != KeyState::Absent || !may_be_elsewhere {
        return Ok(Keeper::Local);
    }
    for &item in signed_pairs(authority) {
        pair_is_in_order(item, ca, pki, rules, now).map_err(Broken::Leaves)?;
    }
    Ok(Keeper::External)
}

fn pair_is_in_order(item: Item, ca: &ReadCertificate, pki: &Pki, rules: &KubeadmRules, now: Timestamp) -> Result<(), Stop> {
    let leaf = certificate(item, pki)?;
    loadable_key(item, pki)?;
    verify(item, leaf, ca, rules, now)
}

fn signed_pairs(authority: Item) -> &'static [Item] {
    match authority {
        Item::Ca => &[Item::Apiserver, Item::ApiserverKubeletClient],
        Item::FrontProxyCa => &[Item::FrontProxyClient],
        Item::EtcdCa => &[Item::EtcdServer, Item::EtcdPeer, Item::EtcdHealthcheckClient, Item::ApiserverEtcdClient],
        Item::Apiserver
        | Item::ApiserverKubeletClient
        | Item::FrontProxyClient
        | Item::EtcdServer
        | Item::EtcdPeer
        | Item::EtcdHealthcheckClient
        | Item::ApiserverEtcdClient
        | Item::Sa
        | Item::AdminConf
        | Item::SuperAdminConf
        | Item::ControllerManagerConf
        | Item::SchedulerConf
        | Item::KubeletConf => &[],
    }
}

/// Whether `leaf` was signed by `ca`, and both are valid where the release looks at dates.
pub(super) fn verify(item: Item, leaf: &ReadCertificate, ca: &ReadCertificate, rules: &KubeadmRules, now: Timestamp) -> Result<(), Stop> {
    let authority = item.authority().unwrap_or(item);
    if !leaf.signed_by_local_ca || !ca.is_ca {
        return Err(Stop::NotSigned { item, authority });
    }
    match rules.verification {
        Verification::Chain if !leaf.is_valid_at(now) => Err(Stop::NotValidNow { item }),
        Verification::Chain if !ca.is_valid_at(now) => Err(Stop::NotValidNow { item: authority }),
        Verification::Chain | Verification::SignatureOfPair => Ok(()),
    }
}

pub(super) fn certificate(item: Item, pki: &Pki) -> Result<&ReadCertificate, Stop> {
    match pki.certificate(item) {
        CertificateState::Missing => Err(Stop::CertificateMissing { item }),
        CertificateState::Unreadable { reason } => Err(Stop::CertificateUnreadable { item, reason: reason.clone() }),
        CertificateState::Readable(certificate) => Ok(certificate),
    }
}

/// A certificate as `check-expiration` and `renew` read it, with what they want beside it.
///
/// Source: `Read` of both kinds, `phases/certs/renewal/readwriter.go`.
pub(super) fn read_to_renew<'a>(item: Item, pki: &'a Pki, rules: &KubeadmRules) -> Result<&'a ReadCertificate, Stop> {
    if item.is_kubeconfig() && rules.kubeconfig_wants_ca_key {
        certificate(Item::Ca, pki)?;
        loadable_key(Item::Ca, pki)?;
    }
    let found = certificate(item, pki)?;
    if rules.wants_one_certificate && !item.is_kubeconfig() && found.certificates > 1 {
        return Err(Stop::MoreThanOne { item, certificates: found.certificates });
    }
    Ok(found)
}

pub(super) fn loadable_key(item: Item, pki: &Pki) -> Result<(), Stop> {
    match pki.key(item) {
        KeyState::Present | KeyState::Mismatch => Ok(()),
        KeyState::Absent => Err(Stop::KeyMissing { item }),
        KeyState::Unreadable { reason } => Err(Stop::KeyUnreadable { item, reason: reason.clone() }),
    }
}

/// An authority with which a leaf can be signed. Its dates are not looked at: an expired one signs, with a warning.
pub(super) fn signing_authority(authority: Item, pki: &Pki) -> Result<&ReadCertificate, Stop> {
    let ca = certificate(authority, pki)?;
    loadable_key(authority, pki)?;
    match pki.key(authority) {
        KeyState::Mismatch => Err(Stop::KeyMismatch { item: authority }),
        KeyState::Present | KeyState::Absent | KeyState::Unreadable { .. } => Ok(ca),
    }
}
