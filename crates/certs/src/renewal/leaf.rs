//! Whether one certificate is renewed, and what the step is then.

use jiff::Timestamp;
use trimtab_core::plan::{Held, Step};

use super::action::{Guard, Kept, Renew};
use super::dates::dates;
use super::kubeadm::KubeadmCommand;
use super::process::users;
use super::reason::Reason;
use super::seen::{Identity, ItemSeen, KubeletState, NodeSeen};
use super::{RenewalPolicy, RenewalStep, Renewals, authority};
use crate::key::KeyAlgorithm;
use crate::kubeadm::Item;
use crate::kubeadm::facts::{CertificateFacts, KeyKind};
use crate::kubeadm::pki::{CertificateState, KeyState, ReadCertificate};
use crate::renew::KeyPolicy;
use crate::rotation::RotationWindow;

/// The step that renews it, or why there is none.
pub(super) fn judge(item: Item, seen: &NodeSeen, policy: &RenewalPolicy, now: Timestamp) -> Result<RenewalStep, Reason> {
    if let Some(unfinished) = seen.unfinished.iter().find(|unfinished| unfinished.item == item) {
        return Err(Reason::Interrupted { journal: unfinished.journal.clone() });
    }
    let old = readable(item, seen)?;
    let place = seen.items.get(&item).ok_or_else(|| missing(item, seen))?;
    let authority = item.authority().unwrap_or(item);
    if old.not_after > policy.due_until(now) {
        return Err(is_sound(item, old, seen).err().unwrap_or(Reason::NotDue { not_after: old.not_after, now, due_within: policy.due_within }));
    }
    key_allows(item, place, seen, policy)?;
    let waits = Reason::NeedsAuthority { authority, not_after: old.not_after, now };
    let ca = authority::able_to_sign(authority, seen, now).map_err(|_| waits)?;
    if old.is_ca {
        return Err(Reason::IsAuthority);
    }
    if !old.signed_by_local_ca {
        return Err(Reason::NotSignedHere { authority });
    }
    let guards = guards(item, authority, seen).ok_or_else(unread)?;
    let action = Leaf { item, authority, old, ca, place }.action(seen, policy, now)?;
    Ok(Step { target: item.to_string(), action, guards })
}

/// What is wrong with one that is not due: it keeps it from being used today, or from being renewed when it is due.
fn is_sound(item: Item, old: &ReadCertificate, seen: &NodeSeen) -> Result<(), Reason> {
    match seen.pki.key(item) {
        KeyState::Absent => return Err(key_missing(item, seen)),
        KeyState::Unreadable { reason } => return Err(Reason::KeyUnreadable { problem: reason.clone() }),
        KeyState::Mismatch => return Err(Reason::KeyDiffers),
        KeyState::Present => {}
    }
    if old.is_ca {
        return Err(Reason::IsAuthority);
    }
    match item.authority().filter(|authority| seen.pki.readable(*authority).is_some()) {
        Some(authority) if !old.signed_by_local_ca => Err(Reason::NotSignedHere { authority }),
        // Without the authority's certificate nobody can say who signed it.
        Some(_) | None => Ok(()),
    }
}

fn key_missing(item: Item, seen: &NodeSeen) -> Reason {
    Reason::KeyMissing { path: seen.paths(item).pop().unwrap_or_default() }
}

/// One that is due, and whose authority can sign.
struct Leaf<'a> {
    item: Item,
    authority: Item,
    old: &'a ReadCertificate,
    ca: &'a ReadCertificate,
    place: &'a ItemSeen,
}

impl Leaf<'_> {
    fn action(&self, seen: &NodeSeen, policy: &RenewalPolicy, now: Timestamp) -> Result<Renew, Reason> {
        let facts = self.old.facts.as_ref().ok_or_else(unread)?;
        let new_key = new_key(facts, policy.renew.key)?;
        let (not_before, not_after, notes) = dates(self.ca, &policy.renew, now);
        if not_after <= self.old.not_after {
            let (authority, authority_not_after) = (self.authority, self.ca.not_after);
            return Err(Reason::NothingGained { not_after: self.old.not_after, new_not_after: not_after, authority, authority_not_after });
        }
        let files = seen.paths(self.item);
        Ok(Renew {
            item: self.item,
            authority: self.authority,
            identity: self.place.identity.clone(),
            keeps: Kept::of(facts),
            old_not_after: self.old.not_after,
            not_before,
            not_after,
            notes,
            planned_at: now,
            policy: policy.renew.clone(),
            new_key,
            due_until: policy.due_until(now),
            users: users(self.item, policy.version, &files),
            kubeadm: KubeadmCommand::of(self.item, seen, policy.config.as_ref(), policy.version, now),
            files,
        })
    }
}

fn unread() -> Reason {
    Reason::Unreadable { problem: "too little of it was read".to_owned() }
}

fn missing(item: Item, seen: &NodeSeen) -> Reason {
    if item == Item::SuperAdminConf { Reason::SuperAdminMissing } else { Reason::Missing { path: first_path(item, seen) } }
}

fn first_path(item: Item, seen: &NodeSeen) -> String {
    seen.paths(item).into_iter().next().unwrap_or_default()
}

fn readable(item: Item, seen: &NodeSeen) -> Result<&ReadCertificate, Reason> {
    match (seen.pki.certificate(item), seen.items.get(&item).map(|seen| &seen.identity)) {
        (CertificateState::Missing, _) => Err(missing(item, seen)),
        (_, Some(Identity::Elsewhere { place })) => Err(Reason::KeptElsewhere { place: place.clone() }),
        (CertificateState::Unreadable { reason }, _) => Err(Reason::Unreadable { problem: reason.clone() }),
        (CertificateState::Readable(_), Some(Identity::Nowhere { problem })) => Err(Reason::KeyUnreadable { problem: problem.clone() }),
        (CertificateState::Readable(certificate), Some(Identity::Pair | Identity::Embedded { .. }) | None) => Ok(certificate),
    }
}

/// A key that is missing or cannot be read is somebody's who is not here; one that does not belong is replaced.
fn key_allows(item: Item, place: &ItemSeen, seen: &NodeSeen, policy: &RenewalPolicy) -> Result<(), Reason> {
    match seen.pki.key(item) {
        KeyState::Absent => Err(key_missing(item, seen)),
        KeyState::Unreadable { reason } => Err(Reason::KeyUnreadable { problem: reason.clone() }),
        KeyState::Mismatch if policy.renew.key == KeyPolicy::Kept => Err(Reason::KeyDiffers),
        KeyState::Present | KeyState::Mismatch if place.public_key_sha256.is_none() => {
            Err(Reason::KeyUnreadable { problem: "no private key in it, or of a kind that is not read".to_owned() })
        }
        KeyState::Present | KeyState::Mismatch => Ok(()),
    }
}

fn guards(item: Item, under: Item, seen: &NodeSeen) -> Option<Vec<Guard>> {
    let (own, ca) = (seen.items.get(&item)?, seen.items.get(&under)?);
    Some(vec![
        Guard::Authority { item: under, certificate_sha256: ca.certificate_sha256.clone()?, public_key_sha256: ca.public_key_sha256.clone()? },
        Guard::Certificate { item, sha256: own.certificate_sha256.clone()? },
        Guard::Key { item, public_key_sha256: own.public_key_sha256.clone()? },
    ])
}

fn new_key(facts: &CertificateFacts, policy: KeyPolicy) -> Result<Option<KeyAlgorithm>, Reason> {
    let algorithm = match policy {
        KeyPolicy::Kept => return Ok(None),
        KeyPolicy::New { algorithm } => return Ok(Some(algorithm)),
        KeyPolicy::NewSameAlgorithm => algorithm(&facts.public_key),
    };
    algorithm.filter(|algorithm| can_be_made(*algorithm)).map(Some).ok_or_else(|| Reason::KeyNotMade { algorithm: facts.public_key.to_string() })
}

fn algorithm(kind: &KeyKind) -> Option<KeyAlgorithm> {
    match kind {
        KeyKind::Rsa(bits) => Some(KeyAlgorithm::Rsa { bits: *bits }),
        KeyKind::EcdsaP256 => Some(KeyAlgorithm::EcdsaP256),
        KeyKind::EcdsaP384 => Some(KeyAlgorithm::EcdsaP384),
        KeyKind::EcdsaP521 => Some(KeyAlgorithm::EcdsaP521),
        KeyKind::Ed25519 => Some(KeyAlgorithm::Ed25519),
        KeyKind::Other(_) => None,
    }
}

/// Whether [`crate::key::PrivateKey::generate`] makes such keys.
pub(super) fn can_be_made(algorithm: KeyAlgorithm) -> bool {
    match algorithm {
        KeyAlgorithm::Rsa { bits } => matches!(bits, 2048 | 3072 | 4096),
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 | KeyAlgorithm::Ed25519 => true,
    }
}

/// Why the kubelet's kubeconfig is never renewed here, where there is one.
pub(super) fn kubelet(seen: &NodeSeen, policy: &RenewalPolicy, now: Timestamp) -> Option<Held<Renewals>> {
    if !policy.wants(Item::KubeletConf) || !seen.pki.has_certificate_file(Item::KubeletConf) {
        return None;
    }
    let path = seen.kubelet.path.clone();
    let stuck = |problem: String| Reason::KubeletStuck { path: seen.kubelet.path.clone(), problem };
    let reason = match &seen.kubelet.state {
        KubeletState::Link { not_before, not_after, .. } => {
            let window = RotationWindow::of(*not_before, *not_after);
            if now > *not_after {
                stuck(format!("it expired at {not_after}: give the node a new kubelet.conf and start the kubelet anew"))
            } else if now > window.latest {
                stuck(format!("it should have by {}, and it ends at {not_after}: look at its signing requests and log", window.latest))
            } else {
                Reason::KubeletRotates { path, not_after: *not_after, window }
            }
        }
        KubeletState::Missing => stuck("it is not there; kubelet.conf may have a certificate of its own, which nobody renews".to_owned()),
        KubeletState::NotLookedAt => stuck("nobody looked at it".to_owned()),
        KubeletState::Dangling { target } => stuck(format!("it points to {target}, where nothing is")),
        KubeletState::RegularFile => stuck("it is a file, and has to be a symbolic link to be rotated".to_owned()),
        KubeletState::Unreadable { problem } => stuck(format!("it cannot be read: {problem}")),
    };
    Some(Held { target: Item::KubeletConf.to_string(), reason })
}
