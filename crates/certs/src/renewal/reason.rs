//! Why something is not renewed, and what whoever applies a plan has to know first.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use super::kubeadm::KubeadmCommand;
use super::process::{Pickup, Process};
use super::words::{left, listed};
use crate::kubeadm::Item;
use crate::name::escaped;
use crate::rotation::RotationWindow;

/// Why a certificate is not renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
pub enum Reason {
    /// It has more time left than the policy asks for.
    NotDue {
        /// Its last second.
        not_after: Timestamp,
        /// When the plan was made.
        now: Timestamp,
        /// What the policy asks for.
        due_within: SignedDuration,
    },
    /// It is an authority, and due. Rotating one is another procedure.
    AuthorityDue {
        /// Its last second.
        not_after: Timestamp,
        /// When the plan was made.
        now: Timestamp,
    },
    /// The authority's certificate is not here, so nothing can be signed or checked.
    AuthorityMissing {
        /// What waits for it.
        due: Vec<Item>,
    },
    /// The authority's certificate cannot be read.
    AuthorityUnreadable {
        /// Why, for people.
        problem: String,
        /// What waits for it.
        due: Vec<Item>,
    },
    /// The certificate in the authority's file may not sign.
    NotAnAuthority {
        /// What waits for it.
        due: Vec<Item>,
    },
    /// The authority's key is not on this node: it is external, or on another control-plane node.
    AuthorityKeyElsewhere {
        /// Where it would be.
        path: String,
        /// What waits for it.
        due: Vec<Item>,
        /// The command of this kubeadm that writes signing requests, where it has one.
        csr_command: Option<String>,
    },
    /// The authority's key cannot be read.
    AuthorityKeyUnreadable {
        /// Why, for people.
        problem: String,
        /// What waits for it.
        due: Vec<Item>,
    },
    /// The authority's key does not belong to its certificate.
    AuthorityKeyDiffers {
        /// What waits for it.
        due: Vec<Item>,
    },
    /// The authority has expired: whatever it signs is worth nothing. kubeadm signs all the same.
    AuthorityExpired {
        /// Its last second.
        not_after: Timestamp,
        /// When the plan was made.
        now: Timestamp,
        /// What waits for it.
        due: Vec<Item>,
    },
    /// The authority is not valid yet: a clock is wrong.
    AuthorityNotYetValid {
        /// Its first second.
        not_before: Timestamp,
        /// When the plan was made.
        now: Timestamp,
        /// What waits for it.
        due: Vec<Item>,
    },
    /// It is due, and its authority cannot sign for the reason that is told there.
    NeedsAuthority {
        /// Which.
        authority: Item,
        /// Its own last second.
        not_after: Timestamp,
        /// When the plan was made.
        now: Timestamp,
    },
    /// Nothing is there.
    Missing {
        /// Where it would be.
        path: String,
    },
    /// `super-admin.conf` is not here, which is usual: it is made where `kubeadm init` ran alone, and people move it away.
    SuperAdminMissing,
    /// It cannot be read.
    Unreadable {
        /// Why, for people.
        problem: String,
    },
    /// The kubeconfig names other files, or has no certificate but a token or a program.
    KeptElsewhere {
        /// What it names.
        place: String,
    },
    /// Its key is not here: whoever keeps it has to renew.
    KeyMissing {
        /// Where it would be.
        path: String,
    },
    /// Its key cannot be read.
    KeyUnreadable {
        /// Why, for people.
        problem: String,
    },
    /// Its key does not belong to it, so nobody can use it; and it is not due, or the policy wants the key kept.
    KeyDiffers,
    /// No key of its algorithm and size can be made.
    KeyNotMade {
        /// Which.
        algorithm: String,
    },
    /// Another authority than the one on this node signed it.
    NotSignedHere {
        /// The one on this node.
        authority: Item,
    },
    /// What should be a leaf says that it is an authority.
    IsAuthority,
    /// A new one would not end later: its authority ends first, or the validity that was asked for does.
    NothingGained {
        /// Its last second.
        not_after: Timestamp,
        /// The last second of a new one.
        new_not_after: Timestamp,
        /// The authority.
        authority: Item,
        /// The authority's last second.
        authority_not_after: Timestamp,
    },
    /// An earlier replacement was interrupted and has to be finished or taken back first.
    Interrupted {
        /// The journal's path.
        journal: String,
    },
    /// The kubelet renews it by itself.
    KubeletRotates {
        /// The file that counts, not the kubeconfig.
        path: String,
        /// Its last second.
        not_after: Timestamp,
        /// Between which two moments the kubelet renews.
        window: RotationWindow,
    },
    /// The kubelet should have renewed it by itself, or cannot.
    KubeletStuck {
        /// The file that counts, not the kubeconfig.
        path: String,
        /// What is wrong, for people.
        problem: String,
    },
}

/// What whoever applies a plan has to know first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
pub enum Notice {
    /// The plan is about one node; each control-plane node has certificates of its own.
    OneNode,
    /// A process has to be restarted afterwards.
    Restart {
        /// Which.
        process: Process,
        /// Its static pod's manifest.
        manifest: String,
        /// Because of these.
        items: Vec<Item>,
        /// Why.
        pickup: Pickup,
        /// What shows that it has the new one.
        proofs: Vec<String>,
    },
    /// A process comes to the new one by itself.
    NoRestart {
        /// Which.
        process: Process,
        /// The new ones.
        items: Vec<Item>,
        /// How.
        pickup: Pickup,
        /// What shows that it has the new one.
        proofs: Vec<String>,
    },
    /// Copies of a kubeconfig have to be handed out anew.
    HandOut {
        /// Which.
        item: Item,
        /// Its path.
        path: String,
        /// Until when the copies of the old one work.
        until: Timestamp,
    },
    /// The key that is there does not belong to the certificate; the new pair mends that.
    MendsPair {
        /// Which.
        item: Item,
    },
    /// kubeadm's own command is not safe here.
    KubeadmUnsafe {
        /// The release.
        version: KubeVersion,
        /// The command and what it would do.
        command: KubeadmCommand,
    },
    /// kubeadm's own commands would do as well.
    KubeadmSafe {
        /// The release.
        version: KubeVersion,
        /// The commands.
        commands: Vec<String>,
    },
}

const MANUAL_ROTATION: &str = "rotating an authority is out of scope, see kubernetes.io: Manual Rotation of CA Certificates";

impl Reason {
    /// Whether it keeps something that is due, or that should be there, from being renewed.
    #[must_use]
    pub fn is_obstacle(&self) -> bool {
        match self {
            Self::NotDue { .. } | Self::SuperAdminMissing | Self::KubeletRotates { .. } => false,
            Self::AuthorityDue { .. }
            | Self::AuthorityMissing { .. }
            | Self::AuthorityUnreadable { .. }
            | Self::NotAnAuthority { .. }
            | Self::AuthorityKeyElsewhere { .. }
            | Self::AuthorityKeyUnreadable { .. }
            | Self::AuthorityKeyDiffers { .. }
            | Self::AuthorityExpired { .. }
            | Self::AuthorityNotYetValid { .. }
            | Self::NeedsAuthority { .. }
            | Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::KeptElsewhere { .. }
            | Self::KeyMissing { .. }
            | Self::KeyUnreadable { .. }
            | Self::KeyDiffers
            | Self::KeyNotMade { .. }
            | Self::NotSignedHere { .. }
            | Self::IsAuthority
            | Self::NothingGained { .. }
            | Self::Interrupted { .. }
            | Self::KubeletStuck { .. } => true,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDue { not_after, now, due_within } => {
                write!(f, "not due: valid to {not_after}, {}, due with {} or less", left(*not_after, *now), days(*due_within))
            }
            Self::AuthorityDue { not_after, now } => write!(f, "ends at {not_after}, {}: {MANUAL_ROTATION}", left(*not_after, *now)),
            Self::AuthorityMissing { due } => write!(f, "its certificate is not here, so {} cannot be renewed: put it back", listed(due)),
            Self::AuthorityUnreadable { problem, due } => {
                write!(f, "its certificate cannot be read ({}), so {} cannot be renewed: put it back", escaped(problem), listed(due))
            }
            Self::NotAnAuthority { due } => {
                write!(f, "the certificate there is not that of an authority, so {} cannot be renewed: put the right one there", listed(due))
            }
            Self::AuthorityKeyElsewhere { path, due, csr_command } => {
                write!(
                    f,
                    "its key {path} is not here, so {} cannot be signed here: renew where the key is, or have signing requests signed",
                    listed(due)
                )?;
                csr_command.iter().try_for_each(|command| write!(f, " (trimtab's keep everything; `{command}` makes them of the configuration)"))
            }
            Self::AuthorityKeyUnreadable { problem, due } => {
                write!(f, "its key cannot be read ({}), so {} cannot be signed", escaped(problem), listed(due))
            }
            Self::AuthorityKeyDiffers { due } => write!(
                f,
                "its key does not belong to its certificate, so {} cannot be signed: find the key that does, perhaps on another control-plane node",
                listed(due)
            ),
            Self::AuthorityExpired { not_after, now, due } => {
                write!(f, "expired at {not_after}, {}, so {} would be worth nothing: {MANUAL_ROTATION}", left(*not_after, *now), listed(due))
            }
            Self::AuthorityNotYetValid { not_before, now, due } => {
                write!(f, "valid from {not_before}, and it is {now}, so {} would be worth nothing: set the clock, or wait", listed(due))
            }
            Self::NeedsAuthority { authority, not_after, now } => {
                write!(f, "due ({not_after}, {}), and {authority} cannot sign: see there", left(*not_after, *now))
            }
            Self::Missing { path } => write!(f, "nothing at {path}: put it back, or make it anew with `kubeadm init phase`"),
            Self::SuperAdminMissing => f.write_str("not on this node, which is usual: only where `kubeadm init` ran, and it may be moved away"),
            Self::Unreadable { problem } => write!(f, "cannot be read: {}", escaped(problem)),
            Self::KeptElsewhere { place } => write!(f, "its certificate and key are not in the file but at {}: renew them there", escaped(place)),
            Self::KeyMissing { path } => write!(f, "its key {path} is not here: whoever keeps it has to renew"),
            Self::KeyUnreadable { problem } => write!(f, "its key cannot be read ({}): whoever keeps it has to renew", escaped(problem)),
            Self::KeyDiffers => {
                f.write_str("its key does not belong to it: put the right one back, or let it be due (a longer due_within) and ask for a new key")
            }
            Self::KeyNotMade { algorithm } => write!(f, "no new key of {} can be made: ask for another algorithm", escaped(algorithm)),
            Self::NotSignedHere { authority } => {
                write!(f, "another authority than {authority} on this node signed it, and its readers may trust that one alone: renew it there")
            }
            Self::IsAuthority => f.write_str("it says that it is an authority, which it should not be: make it anew with `kubeadm init phase`"),
            Self::NothingGained { not_after, new_not_after, authority, authority_not_after } if new_not_after == authority_not_after => {
                write!(f, "valid to {not_after}, and {authority} ends at {authority_not_after}, so a new one gains nothing: {MANUAL_ROTATION}")
            }
            Self::NothingGained { not_after, new_not_after, .. } => {
                write!(f, "valid to {not_after}, and a new one would be to {new_not_after}: ask for a longer validity")
            }
            Self::Interrupted { journal } => write!(f, "a replacement was interrupted ({journal}): recover, observe and plan again"),
            Self::KubeletRotates { path, not_after, window } => write!(
                f,
                "the kubelet renews {path} (valid to {not_after}) by itself, at some moment between {} and {}",
                window.earliest, window.latest
            ),
            Self::KubeletStuck { path, problem } => write!(f, "the kubelet should renew {path} by itself: {problem}"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneNode => f.write_str("this is one node: every other control-plane node has certificates of its own, one after the other"),
            Self::Restart { process, manifest, items, pickup, proofs } => {
                write!(
                    f,
                    "restart {process} after {}, since it {pickup}: move {manifest} out of its folder for half a minute and back",
                    listed(items)
                )?;
                proven(f, proofs)
            }
            Self::NoRestart { process, items, pickup, proofs } => {
                write!(f, "no restart of {process} for {}: it {pickup}", listed(items))?;
                proven(f, proofs)
            }
            Self::HandOut { item, path, until } => {
                write!(f, "hand out {path} anew: copies of the old {item} (~/.kube/config, pipelines) end at {until}")
            }
            Self::MendsPair { item } => write!(f, "the key of {item} does not belong to its certificate now; the new pair mends that"),
            Self::KubeadmUnsafe { version, command } => write!(f, "not safe here with kubeadm {version}: {command}"),
            Self::KubeadmSafe { version, commands } => {
                write!(f, "kubeadm {version} would lose nothing here either, but keeps no copy: `{}`", commands.join("`, `"))
            }
        }
    }
}

fn proven(f: &mut fmt::Formatter<'_>, proofs: &[String]) -> fmt::Result {
    proofs.iter().try_for_each(|proof| write!(f, "; proof: {proof}"))
}

fn days(duration: SignedDuration) -> String {
    crate::human_duration::human_duration(duration.as_secs().saturating_mul(1_000_000_000))
}
