//! What an old certificate had and its renewed one does not.

use serde::{Deserialize, Serialize};

use super::facts::{CertificateFacts, ExtKeyUsage, Extension, KeyKind, KeyUsage, Rdn, San, StringType};
use super::kubeconfig::KubeconfigChange;
use super::pki::ReadCertificate;

/// One thing that a renewal loses or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "loss")]
pub enum Loss {
    /// An attribute of the subject: everything but the common name and organizations.
    SubjectAttribute {
        /// `OU=ops`.
        attribute: String,
    },
    /// An organization, and with it membership of a group.
    Organization {
        /// Which.
        name: String,
    },
    /// The order or the grouping of what is left of the subject.
    SubjectOrder {
        /// Before.
        from: Vec<String>,
        /// After.
        to: Vec<String>,
    },
    /// The encoding of a text of the subject. Readers that compare bytes see another name.
    StringType {
        /// The attribute.
        attribute: String,
        /// Before.
        from: StringType,
        /// After.
        to: StringType,
    },
    /// A name or address.
    San {
        /// Which.
        name: San,
    },
    /// An extended key usage that Go does not know.
    ExtKeyUsage {
        /// Which.
        usage: ExtKeyUsage,
    },
    /// A key usage.
    KeyUsage {
        /// Which.
        usage: KeyUsage,
    },
    /// The right to sign other certificates.
    CertificateAuthority,
    /// An extension.
    Extension {
        /// Which.
        extension: Extension,
    },
    /// The algorithm or size of the key: the configuration's counts, not the old key's.
    KeyKind {
        /// Before.
        from: KeyKind,
        /// After.
        to: KeyKind,
    },
    /// The certificates after the first one in the same file, intermediates as well.
    ExtraCertificates {
        /// How many.
        count: usize,
    },
    /// The authorities after the first one in a kubeconfig: whoever reads it no longer trusts the others.
    TrustedAuthorities {
        /// How many were there.
        before: usize,
    },
    /// Comments of a kubeconfig.
    Comments,
    /// A key of a kubeconfig that client-go does not know.
    KubeconfigKey {
        /// Its path.
        key: String,
    },
    /// The end of validity comes earlier than before.
    EarlierEnd {
        /// How many seconds.
        seconds: i64,
    },
}

/// What a renewal loses of `old`: of the file, of the certificate where both are known, and of the kubeconfig around it.
#[must_use]
pub fn losses(old: &ReadCertificate, after: Option<&CertificateFacts>, kubeconfig: Option<&KubeconfigChange>) -> Vec<Loss> {
    let mut losses = Vec::new();
    let count = super::renew::extra_certificates(old);
    if count > 0 {
        losses.push(Loss::ExtraCertificates { count });
    }
    if let (Some(before), Some(after)) = (&old.facts, after) {
        losses.extend(of_subject(before, after));
        losses.extend(of_extensions(before, after));
        losses.extend(of_key_and_dates(before, after));
    }
    losses.extend(kubeconfig.into_iter().flat_map(of_kubeconfig));
    losses
}

fn of_subject(before: &CertificateFacts, after: &CertificateFacts) -> Vec<Loss> {
    let attributes = |facts: &CertificateFacts| facts.subject.iter().flat_map(|rdn| rdn.attributes.clone()).collect::<Vec<_>>();
    let (old, new) = (attributes(before), attributes(after));
    let mut losses = Vec::new();
    for attribute in &old {
        let kept = new.iter().find(|kept| kept.kind == attribute.kind && kept.value == attribute.value);
        let text = format!("{}={}", attribute.kind, attribute.value);
        match kept {
            None if attribute.kind == "O" => losses.push(Loss::Organization { name: attribute.value.clone() }),
            None => losses.push(Loss::SubjectAttribute { attribute: text }),
            Some(kept) if kept.string_type != attribute.string_type => {
                losses.push(Loss::StringType { attribute: text, from: attribute.string_type, to: kept.string_type });
            }
            Some(_) => {}
        }
    }
    let written = |subject: &[Rdn]| subject.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (from, to) = (written(&before.subject), written(&after.subject));
    let only_moved = losses.iter().all(|loss| matches!(loss, Loss::StringType { .. })) && old.len() == new.len();
    if only_moved && from != to {
        losses.push(Loss::SubjectOrder { from, to });
    }
    losses
}

fn of_extensions(before: &CertificateFacts, after: &CertificateFacts) -> Vec<Loss> {
    let mut losses: Vec<_> = gone(&before.san, &after.san).map(|name| Loss::San { name }).collect();
    losses.extend(gone(&before.ext_key_usage, &after.ext_key_usage).map(|usage| Loss::ExtKeyUsage { usage }));
    losses.extend(gone(&before.key_usage, &after.key_usage).map(|usage| Loss::KeyUsage { usage }));
    losses.extend(before.is_ca().then_some(Loss::CertificateAuthority));
    losses.extend(gone(&before.extensions, &after.extensions).map(|extension| Loss::Extension { extension }));
    losses
}

fn gone<T: Clone + PartialEq>(before: &[T], after: &[T]) -> impl Iterator<Item = T> {
    before.iter().filter(|value| !after.contains(value)).cloned()
}

fn of_key_and_dates(before: &CertificateFacts, after: &CertificateFacts) -> Vec<Loss> {
    let mut losses = Vec::new();
    if before.public_key != after.public_key {
        losses.push(Loss::KeyKind { from: before.public_key.clone(), to: after.public_key.clone() });
    }
    let seconds = before.not_after.duration_since(after.not_after).as_secs();
    if seconds > 0 {
        losses.push(Loss::EarlierEnd { seconds });
    }
    losses
}

fn of_kubeconfig(change: &KubeconfigChange) -> Vec<Loss> {
    let mut losses = Vec::new();
    if change.ca_certificates_before > change.ca_certificates {
        losses.push(Loss::TrustedAuthorities { before: change.ca_certificates_before });
    }
    losses.extend(change.comments_lost.then_some(Loss::Comments));
    losses.extend(change.lost_keys.iter().cloned().map(|key| Loss::KubeconfigKey { key }));
    losses
}
