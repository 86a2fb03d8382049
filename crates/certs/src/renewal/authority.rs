//! Whether an authority can sign, and why not.

use jiff::Timestamp;
use trimtab_core::plan::Held;
use trimtab_core::{KubeVersion, Row, Since};

use super::reason::Reason;
use super::seen::NodeSeen;
use super::{RenewalPolicy, Renewals};
use crate::kubeadm::Item;
use crate::kubeadm::pki::{CertificateState, KeyState, ReadCertificate};

/// What keeps an authority from signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CannotSign {
    Missing,
    Unreadable { problem: String },
    NotAnAuthority,
    KeyElsewhere,
    KeyUnreadable { problem: String },
    KeyDiffers,
    Expired { not_after: Timestamp },
    NotYetValid { not_before: Timestamp },
}

/// The authority's certificate, if it can sign at `now`.
pub(super) fn able_to_sign(authority: Item, seen: &NodeSeen, now: Timestamp) -> Result<&ReadCertificate, CannotSign> {
    let ca = match seen.pki.certificate(authority) {
        CertificateState::Missing => return Err(CannotSign::Missing),
        CertificateState::Unreadable { reason } => return Err(CannotSign::Unreadable { problem: reason.clone() }),
        CertificateState::Readable(ca) => ca,
    };
    if !ca.is_ca {
        return Err(CannotSign::NotAnAuthority);
    }
    match seen.pki.key(authority) {
        KeyState::Absent => Err(CannotSign::KeyElsewhere),
        KeyState::Unreadable { reason } => Err(CannotSign::KeyUnreadable { problem: reason.clone() }),
        KeyState::Mismatch => Err(CannotSign::KeyDiffers),
        KeyState::Present if now > ca.not_after => Err(CannotSign::Expired { not_after: ca.not_after }),
        KeyState::Present if now < ca.not_before => Err(CannotSign::NotYetValid { not_before: ca.not_before }),
        KeyState::Present => Ok(ca),
    }
}

/// What is to be said about an authority: why those that wait for it have to wait, or how long it lasts itself.
pub(super) fn held(item: Item, seen: &NodeSeen, policy: &RenewalPolicy, waiting: Option<Vec<Item>>, now: Timestamp) -> Option<Held<Renewals>> {
    let reason = match (waiting, able_to_sign(item, seen, now)) {
        (Some(due), Err(problem)) => told(problem, item, due, seen, policy.version, now),
        (Some(_) | None, _) => own_end(item, seen, policy, now)?,
    };
    Some(Held { target: item.to_string(), reason })
}

fn own_end(item: Item, seen: &NodeSeen, policy: &RenewalPolicy, now: Timestamp) -> Option<Reason> {
    let not_after = seen.pki.readable(item).filter(|_| policy.wants(item))?.not_after;
    let due = not_after <= policy.due_until(now);
    let due_within = policy.due_within;
    Some(if due { Reason::AuthorityDue { not_after, now } } else { Reason::NotDue { not_after, now, due_within } })
}

fn told(problem: CannotSign, item: Item, due: Vec<Item>, seen: &NodeSeen, version: KubeVersion, now: Timestamp) -> Reason {
    match problem {
        CannotSign::Missing => Reason::AuthorityMissing { due },
        CannotSign::Unreadable { problem } => Reason::AuthorityUnreadable { problem, due },
        CannotSign::NotAnAuthority => Reason::NotAnAuthority { due },
        CannotSign::KeyElsewhere => {
            let path = seen.paths(item).pop().unwrap_or_default();
            Reason::AuthorityKeyElsewhere { path, due, csr_command: CSR_COMMAND.at(version).map(str::to_owned) }
        }
        CannotSign::KeyUnreadable { problem } => Reason::AuthorityKeyUnreadable { problem, due },
        CannotSign::KeyDiffers => Reason::AuthorityKeyDiffers { due },
        CannotSign::Expired { not_after } => Reason::AuthorityExpired { not_after, now, due },
        CannotSign::NotYetValid { not_before } => Reason::AuthorityNotYetValid { not_before, now, due },
    }
}

pub(crate) static CSR_COMMAND: Since<Option<&str>> = Since::new(&[
    Row::new(12, None, "before 1.19: requests came with `renew --csr-only`"),
    Row::new(19, Some("kubeadm alpha certs generate-csr"), "cmd/kubeadm/app/cmd/alpha/certs.go@v1.19.16; not executed"),
    Row::new(20, Some("kubeadm certs generate-csr"), "cmd/kubeadm/app/cmd/certs.go@v1.20.15"),
]);
