//! kubeadm's own command as the alternative to a step, and what it would do here.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use super::NodeSeen;
use crate::kubeadm::command::{ConfigSource, Selection};
use crate::kubeadm::facts::KeyKind;
use crate::kubeadm::list::renewable;
use crate::kubeadm::renew::{Outcome, Renewal, forecast};
use crate::kubeadm::write::Umask;
use crate::kubeadm::{Config, Item, KubeadmRules, Loss, Stop};
use crate::name::escaped;

/// The exact command of one release's kubeadm for one item, and what it would do here.
///
/// Even where it loses nothing it writes the files in place, one after the other, and keeps no copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeadmCommand {
    /// `kubeadm certs renew apiserver`.
    pub command: String,
    /// Why it would stop, where it would.
    pub stop: Option<Stop>,
    /// What the new certificate or the file around it would lack.
    pub losses: Vec<Loss>,
    /// The last second of the certificate that it would make.
    pub not_after: Option<Timestamp>,
    /// The authority's last second, where its certificate would outlive it: kubeadm shows the later date, and nobody believes it.
    pub outlives_authority: Option<Timestamp>,
}

impl KubeadmCommand {
    /// Of this release on this node; none where that release does not renew the item.
    pub(super) fn of(item: Item, seen: &NodeSeen, config: Option<&Config>, version: KubeVersion, now: Timestamp) -> Option<Self> {
        let rules = KubeadmRules::at(version);
        let known = renewable(&rules, seen.has_external_etcd()).contains(&item);
        let words = rules.commands.renew.filter(|_| known)?;
        let config = config.cloned().unwrap_or_else(|| guessed(seen));
        let renewal = Renewal { which: Selection::One(item), config: ConfigSource::Cluster(config), umask: Umask::default(), csr_dir: None };
        let forecast = forecast(&renewal, &seen.pki, version, now);
        let authority_ends = item.authority().and_then(|authority| seen.pki.readable(authority)).map(|authority| authority.not_after);
        let renewed = forecast.outcomes.into_iter().find_map(|outcome| match outcome {
            Outcome::Renewed(renewed) => Some(renewed),
            Outcome::Missing(_) | Outcome::External(_) | Outcome::Requested(_) => None,
        });
        let not_after = renewed.as_ref().map(|renewed| renewed.not_after);
        Some(Self {
            command: format!("{words} {item}"),
            stop: forecast.stop,
            losses: renewed.map(|renewed| renewed.losses).unwrap_or_default(),
            not_after,
            outlives_authority: authority_ends.filter(|end| not_after.is_some_and(|not_after| not_after > *end)),
        })
    }

    /// Whether it would renew without stopping, losing anything or outliving its authority.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.stop.is_none() && self.losses.is_empty() && self.outlives_authority.is_none() && self.not_after.is_some()
    }
}

/// The configuration of a cluster that nobody told: the defaults, with the etcd and the key algorithm that its authorities show.
fn guessed(seen: &NodeSeen) -> Config {
    let algorithm = seen.pki.readable(Item::Ca).and_then(|ca| ca.facts.as_ref()).map(|facts| facts.public_key.clone());
    let encryption_algorithm = algorithm.filter(|kind| *kind != KeyKind::Rsa(2048)).map(|kind| kind.to_string());
    let certificates_dir = seen.certificates_dir.clone();
    Config { external_etcd: seen.has_external_etcd(), encryption_algorithm, certificates_dir, ..Config::default() }
}

impl fmt::Display for KubeadmCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.command)?;
        if let Some(stop) = &self.stop {
            return write!(f, " would stop: {stop}");
        }
        let losses: Vec<String> = self.losses.iter().map(lost).collect();
        match (losses.is_empty(), self.outlives_authority) {
            (true, None) => f.write_str(" would lose nothing"),
            (false, None) => write!(f, " would lose {}", losses.join("; ")),
            (true, Some(end)) => write!(f, " would show a date after the authority's end at {end}"),
            (false, Some(end)) => write!(f, " would show a date after the authority's end at {end}, and lose {}", losses.join("; ")),
        }
    }
}

/// A loss in words, what comes from the files escaped.
fn lost(loss: &Loss) -> String {
    match loss {
        Loss::SubjectAttribute { attribute } => format!("{} of the subject", escaped(attribute)),
        Loss::Organization { name } => format!("the group {}", escaped(name)),
        Loss::SubjectOrder { .. } => "the order of the subject".to_owned(),
        Loss::StringType { attribute, .. } => format!("the encoding of {}", escaped(attribute)),
        Loss::San { name } => format!("the name {}", escaped(&name.to_string())),
        Loss::ExtKeyUsage { usage } => format!("the extended usage {}", escaped(&usage.to_string())),
        Loss::KeyUsage { usage } => format!("the usage {}", escaped(&format!("{usage:?}"))),
        Loss::CertificateAuthority => "the right to sign".to_owned(),
        Loss::Extension { extension } => format!("the extension {}", escaped(&extension.to_string())),
        Loss::KeyKind { from, to } => format!("the key's algorithm ({from}, then {to})"),
        Loss::ExtraCertificates { count } => format!("{count} more certificate(s) of the file"),
        Loss::TrustedAuthorities { before } => format!("all but the first of {before} trusted authorities"),
        Loss::Comments => "the comments of the file".to_owned(),
        Loss::KubeconfigKey { key } => format!("{} of the file", escaped(key)),
        Loss::EarlierEnd { seconds } => format!("{seconds} s of validity"),
    }
}
