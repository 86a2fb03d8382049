//! The renewal of a control-plane node's certificates: only what is due, nothing lost, every step said beforehand.
//!
//! [`NodeSeen`] is what was observed, [`plan`] decides, and the feature `live` carries it out. kubeadm renews everything at once, forgets what it does
//! not know, and leaves a new key beside an old certificate where it is killed between the two.
//!
//! ```
//! use jiff::SignedDuration;
//! use trimtab_certs::renewal::{self, RenewalPolicy};
//!
//! let seen = renewal::example::node("1.31.0".parse()?, "2026-01-05T00:00:00Z".parse()?); // live: `live::observe("/etc/kubernetes")?`
//! let policy = RenewalPolicy::new("1.31.0".parse()?);
//! let plan = renewal::plan(&seen, &policy, "2026-11-25T12:00:00Z".parse()?)?;
//! assert!(plan.is_empty()); // 41 days left, and thirty are asked for
//!
//! let sooner = RenewalPolicy { due_within: SignedDuration::from_hours(24 * 60), ..policy };
//! let plan = renewal::plan(&seen, &sooner, "2026-11-25T12:00:00Z".parse()?)?;
//! assert_eq!(plan.steps.len(), 11);
//! println!("{plan}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod action;
pub(crate) mod authority;
pub mod cluster;
mod dates;
pub mod example;
mod kubeadm;
mod leaf;
mod notices;
mod process;
mod reason;
pub(crate) mod seen;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;
use trimtab_core::plan::{Domain, Held, Outcome, Plan, Step};

use crate::Error;
use crate::key::KeyAlgorithm;
use crate::kubeadm::pki::KeyState;
use crate::kubeadm::{Config, Item, KubeadmRules};
use crate::renew::{KeyPolicy, Policy};

pub use action::{Guard, Kept, Refusal, Renew};
pub use kubeadm::KubeadmCommand;
pub use process::{Pickup, Process, Use, users};
pub use reason::{Notice, Reason};
pub use seen::{FilePlace, Fingerprint, Identity, ItemSeen, KubeletSeen, KubeletState, NodeSeen, Unfinished};

/// The domain of renewals on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewals {}

/// A plan for one node, as [`plan`] makes it.
pub type RenewalPlan = Plan<Renewals>;

/// Which certificates are renewed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewalPolicy {
    /// What has this much time left or less is renewed; thirty days by default. Never a part of the lifetime: kubeadm before 1.31 lets a leaf begin with
    /// its authority, so that a new one may look old.
    #[serde(default = "thirty_days")]
    pub due_within: SignedDuration,
    /// Which; every one that is there by default.
    #[serde(default)]
    pub items: Option<BTreeSet<Item>>,
    /// How long the new ones are valid, and whose keys they get; kubeadm's year and new keys by default.
    #[serde(default)]
    pub renew: Policy,
    /// The release of kubeadm and of Kubernetes on the node.
    pub version: KubeVersion,
    /// kubeadm's configuration, for the forecast of its own command. By default its defaults, with the etcd and the key algorithm that are there.
    #[serde(default)]
    pub config: Option<Config>,
}

fn thirty_days() -> SignedDuration {
    SignedDuration::from_hours(24 * 30)
}

impl RenewalPolicy {
    /// The defaults with this release.
    #[must_use]
    pub fn new(version: KubeVersion) -> Self {
        Self { due_within: thirty_days(), items: None, renew: Policy::default(), version, config: None }
    }

    fn check(&self) -> Result<(), Error> {
        let bad = |problem: &str| Err(Error::InvalidRenewalPolicy { problem: problem.to_owned() });
        if self.renew.validity.as_secs() < 1 || self.renew.backdate.is_negative() {
            return Err(Error::Validity { validity_seconds: self.renew.validity.as_secs(), backdate_seconds: self.renew.backdate.as_secs() });
        }
        if self.due_within.is_negative() {
            return bad("due_within lies below zero");
        }
        if self.items.iter().flatten().any(|item| *item == Item::Sa) {
            return bad("sa is a pair of keys without a certificate, and nothing of it expires");
        }
        match self.renew.key {
            KeyPolicy::New { algorithm: KeyAlgorithm::Ed25519 } => bad("kubeadm loads no Ed25519 key: ask for RSA or ECDSA"),
            KeyPolicy::New { algorithm } if !leaf::can_be_made(algorithm) => Err(Error::KeyNotGenerated { algorithm }),
            KeyPolicy::New { .. } | KeyPolicy::NewSameAlgorithm | KeyPolicy::Kept => Ok(()),
        }
    }

    fn wants(&self, item: Item) -> bool {
        self.items.as_ref().is_none_or(|items| items.contains(&item))
    }

    /// The end up to which a certificate is due.
    fn due_until(&self, now: Timestamp) -> Timestamp {
        now.checked_add(self.due_within).unwrap_or(Timestamp::MAX)
    }
}

/// Plans the renewal of what is due on one node.
///
/// Pure: the same observation, policy and clock give the same plan. Steps come in the order of names, as kubeadm's; what is held back begins with the
/// authorities. Where nothing is due the plan is empty; where something cannot be renewed, `held` says why and what to do.
///
/// # Errors
/// [`Error::InvalidRenewalPolicy`], [`Error::Validity`], [`Error::KeyNotGenerated`]: the policy cannot be followed.
pub fn plan(seen: &NodeSeen, policy: &RenewalPolicy, now: Timestamp) -> Result<RenewalPlan, Error> {
    policy.check()?;
    let mut steps = Vec::new();
    let mut held = Vec::new();
    // Which due leaves wait for an authority that cannot sign.
    let mut waiting: BTreeMap<Item, Vec<Item>> = BTreeMap::new();
    for item in leaves(seen, policy) {
        match leaf::judge(item, seen, policy, now) {
            Ok(step) => steps.push(step),
            Err(reason) => {
                if let Reason::NeedsAuthority { authority, .. } = reason {
                    waiting.entry(authority).or_default().push(item);
                }
                held.push(Held { target: item.to_string(), reason });
            }
        }
    }
    let authorities = Item::AUTHORITIES.into_iter().filter_map(|item| authority::held(item, seen, policy, waiting.remove(&item), now));
    let held = authorities.chain(held).chain(leaf::kubelet(seen, policy, now)).collect();
    let notices = notices::of(&steps, seen, policy.version);
    Ok(Plan { subject: format!("renewal of certificates in {}", seen.folder), notices, steps, held })
}

/// The leaves that there are or should be, by name. Those of an etcd that is elsewhere should not.
fn leaves(seen: &NodeSeen, policy: &RenewalPolicy) -> Vec<Item> {
    let rules = KubeadmRules::at(policy.version);
    let expected = |item: Item| match item {
        Item::SuperAdminConf => rules.super_admin,
        Item::EtcdServer | Item::EtcdPeer | Item::EtcdHealthcheckClient | Item::ApiserverEtcdClient => !seen.has_external_etcd(),
        Item::Ca | Item::EtcdCa | Item::FrontProxyCa | Item::Sa | Item::KubeletConf => false,
        Item::Apiserver
        | Item::ApiserverKubeletClient
        | Item::FrontProxyClient
        | Item::AdminConf
        | Item::ControllerManagerConf
        | Item::SchedulerConf => true,
    };
    let leaf = |item: &Item| !item.is_authority() && !matches!(item, Item::Sa | Item::KubeletConf);
    let there = |item: &Item| seen.pki.has_certificate_file(*item) || expected(*item);
    let mut leaves: Vec<Item> = Item::ALL.into_iter().filter(|item| leaf(item) && policy.wants(*item) && there(item)).collect();
    leaves.sort_by_key(|item| item.name());
    leaves
}

impl Domain for Renewals {
    type Action = Renew;
    type Guard = Guard;
    type Refusal = Refusal;
    type Reason = Reason;
    type Notice = Notice;
    type Failure = Error;
    type Seen = NodeSeen;

    /// Whoever renewed it: it ends late enough, its authority signed it, and its key belongs to it.
    fn effect_holds(action: &Renew, seen: &NodeSeen, _acted: &[Renew]) -> bool {
        let fits = *seen.pki.key(action.item) == KeyState::Present;
        let signed = seen.pki.readable(action.item).filter(|certificate| certificate.signed_by_local_ca);
        fits && signed.is_some_and(|certificate| action.is_done_by(certificate.not_after))
    }

    fn check(guard: &Guard, seen: &NodeSeen) -> Result<(), Refusal> {
        match guard {
            Guard::Authority { item, certificate_sha256, public_key_sha256 } => {
                same_certificate(*item, certificate_sha256, seen)?;
                same_key(*item, public_key_sha256, seen)
            }
            Guard::Certificate { item, sha256 } => same_certificate(*item, sha256, seen),
            Guard::Key { item, public_key_sha256 } => same_key(*item, public_key_sha256, seen),
        }
    }

    /// Under another authority no certificate is renewed already.
    fn is_identity(guard: &Guard) -> bool {
        matches!(guard, Guard::Authority { .. })
    }

    fn is_obstacle(reason: &Reason) -> bool {
        reason.is_obstacle()
    }

    /// Certificates do not depend on each other: one that was changed meanwhile is left alone, and the others are renewed. What failed may fail again, and
    /// nobody should replace files in a folder that does not take them.
    fn goes_on_after(outcome: &Outcome<Self>) -> bool {
        matches!(outcome, Outcome::Refused { .. })
    }
}

fn same_certificate(item: Item, planned: &Fingerprint, seen: &NodeSeen) -> Result<(), Refusal> {
    let now = seen.items.get(&item).and_then(|seen| seen.certificate_sha256.clone());
    if now.as_ref() == Some(planned) { Ok(()) } else { Err(Refusal::OtherCertificate { item, sha256: now }) }
}

fn same_key(item: Item, planned: &Fingerprint, seen: &NodeSeen) -> Result<(), Refusal> {
    let now = seen.items.get(&item).and_then(|seen| seen.public_key_sha256.clone());
    if now.as_ref() == Some(planned) { Ok(()) } else { Err(Refusal::OtherKey { item, public_key_sha256: now }) }
}

/// A step for an item.
pub(crate) type RenewalStep = Step<Renewals>;

#[cfg(test)]
mod tests;
