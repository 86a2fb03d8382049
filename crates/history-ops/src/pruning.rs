//! The nouns of pruning, and the decisions about single steps.

mod reasons;
mod text;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::plan::{Domain, Outcome, Plan};

use crate::kind::helm::Payload;
use crate::object::{ObjectRef, OwnerRef};
use crate::policy::Part;
use crate::uses::Use;

pub use reasons::{Failure, Reason, Refusal};

/// The domain of pruning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruning {}

/// A plan to prune, as [`plan`](crate::plan::plan) makes it.
pub type PruningPlan = Plan<Pruning>;

/// One deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delete {
    /// What goes.
    pub object: Arc<ObjectRef>,
    /// Whose history it is of, where a workload owns it.
    pub owner: Option<Arc<OwnerRef>>,
    /// Its number in that history, where it has one.
    pub revision: Option<i64>,
    /// Why.
    pub why: Why,
    /// What becomes of what it owns; always said, since the server's default for Jobs is to leave their pods behind.
    pub propagation: Propagation,
    /// Its size as compact JSON, in bytes; none where only metadata was read.
    pub json_bytes: Option<u64>,
}

/// Why something goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "why")]
pub enum Why {
    /// More than the limit are there, and it is one of the oldest.
    OverLimit {
        /// How many may stay.
        limit: u64,
        /// Whose limit.
        set_by: LimitBy,
    },
    /// It is older than the policy allows.
    TooOld {
        /// When it was made, finished or happened.
        since: Timestamp,
    },
    /// Its time to live is over.
    TimeToLiveOver {
        /// Since when.
        expired: Timestamp,
    },
    /// More pods that have ended are there than the threshold.
    OverThreshold {
        /// How many may stay.
        threshold: i32,
    },
}

/// Who set a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitBy {
    /// The workload itself: its controller would do the same.
    Workload,
    /// The policy, which is below the workload's.
    Policy,
    /// Helm's default.
    Helm,
}

/// `propagationPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// What it owns is deleted afterwards.
    Background,
    /// What it owns is deleted before it.
    Foreground,
}

/// What has to hold right before a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "guard")]
pub enum Guard {
    /// It is this cluster.
    Cluster {
        /// The uid of its namespace `kube-system`.
        uid: Arc<str>,
    },
    /// The owner is the same one, at the same generation.
    Owner {
        /// Which.
        owner: Arc<OwnerRef>,
    },
    /// The object is the same one, and nobody has written it since. Sent with the deletion too.
    Unchanged {
        /// Which.
        object: Arc<ObjectRef>,
    },
    /// No pod runs this revision, and the owner's status does not name it.
    NotLive {
        /// The name of the revision, and the hash by which pods name it.
        names: BTreeSet<String>,
    },
    /// The owner's rollout is complete, or it is paused: its controller would prune now. It does not ask again for what the policy prunes all the same.
    RolledOut,
    /// More than these are there of the history that the object is of, so that as many stay.
    Stay {
        /// How many the plan keeps: of one owner or release, and of one kind.
        least: u64,
    },
    /// The payload of the record can be read, and tells what its labels do. Plans are made of labels alone.
    RecordAgrees,
    /// The release still has the record that is deployed.
    Deployed {
        /// Which.
        object: Arc<ObjectRef>,
    },
}

/// What is seen right before a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The uid of the namespace `kube-system`.
    pub cluster: String,
    /// The object of that name, if there is any: uid and resourceVersion.
    pub object: Option<(String, String)>,
    /// Its owner, if there is any.
    pub owner: Option<OwnerSeen>,
    /// Which revisions are live.
    pub live: BTreeSet<String>,
    /// How many of its history are there, itself among them and none that is being deleted; none where nobody asked.
    pub there: Option<u64>,
    /// What the payload of a record says; none where it is no record.
    pub payload: Option<Payload>,
    /// The record that is to stay `deployed`, if there is any and it is: uid.
    pub deployed: Option<String>,
}

/// What is seen of an owner right before a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerSeen {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether it asks that its history stays.
    pub opted_out: bool,
    /// Whether its controller would prune now; true of every owner but a Deployment.
    pub rolled_out: bool,
}

/// What a plan announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "notice")]
#[non_exhaustive]
pub enum Notice {
    /// How much goes.
    Total {
        /// Of which part.
        part: Part,
        /// How many objects.
        objects: u64,
        /// Their size as compact JSON, of those whose size is known.
        json_bytes: u64,
    },
    /// To which revisions nobody can go back afterwards.
    RollbackLost {
        /// Of which workload.
        owner: Arc<OwnerRef>,
        /// `kubectl rollout undo --to-revision` would fail for these.
        revisions: Vec<i64>,
    },
    /// To which revisions of a release `helm rollback` cannot go back afterwards.
    HelmRollbackLost {
        /// `namespace/release`.
        release: String,
        /// Which.
        revisions: Vec<i64>,
    },
    /// A list that is of more than one moment, since it was long in the reading.
    OfTwoMoments {
        /// Which.
        list: String,
    },
    /// Objects that stand more than once in what was seen, in a dump that was put together of several. Each counts once.
    SeenTwice {
        /// How many times too often.
        objects: u64,
    },
    /// A ConfigMap or a Secret that nothing will use afterwards.
    NoLongerUsed {
        /// Its namespace.
        namespace: String,
        /// Which.
        what: Use,
        /// The ReplicaSet or the revision that used it last, and goes.
        last: Arc<ObjectRef>,
    },
}

impl Domain for Pruning {
    type Action = Delete;
    type Guard = Guard;
    type Refusal = Refusal;
    type Reason = Reason;
    type Notice = Notice;
    type Failure = Failure;
    type Seen = Seen;

    /// It is gone, or another one has its name.
    fn effect_holds(action: &Delete, seen: &Seen, _acted: &[Delete]) -> bool {
        seen.object.as_ref().is_none_or(|(uid, _)| *uid != action.object.uid)
    }

    fn check(guard: &Guard, seen: &Seen) -> Result<(), Refusal> {
        match guard {
            Guard::Cluster { uid } if **uid != *seen.cluster => Err(Refusal::AnotherCluster { uid: seen.cluster.clone() }),
            Guard::Cluster { .. } => Ok(()),
            Guard::Owner { owner } => same_owner(owner, seen),
            Guard::Unchanged { object } => unchanged(object, seen),
            Guard::NotLive { names } => match names.iter().find(|name| seen.live.contains(*name)) {
                Some(name) => Err(Refusal::Live { name: name.clone() }),
                None => Ok(()),
            },
            Guard::RolledOut if seen.owner.as_ref().is_some_and(|owner| owner.rolled_out) => Ok(()),
            Guard::RolledOut => Err(Refusal::Incomplete),
            Guard::Stay { least } if seen.there.is_some_and(|there| there > *least) => Ok(()),
            Guard::Stay { .. } => Err(Refusal::TooFew { there: seen.there.unwrap_or(0) }),
            Guard::RecordAgrees => agrees(seen.payload.as_ref()),
            Guard::Deployed { object } if seen.deployed.as_ref() == Some(&object.uid) => Ok(()),
            Guard::Deployed { .. } => Err(Refusal::NotDeployed),
        }
    }

    fn is_identity(guard: &Guard) -> bool {
        matches!(guard, Guard::Cluster { .. })
    }

    /// What is kept because it should be kept is none.
    fn is_obstacle(reason: &Reason) -> bool {
        match reason {
            Reason::Incomplete { .. }
            | Reason::RollingBack { .. }
            | Reason::NoNewReplicaSet { .. }
            | Reason::NotObserved { .. }
            | Reason::Untrusted { .. }
            | Reason::NoFinishTime
            | Reason::Unread { .. }
            | Reason::UnknownCluster
            | Reason::PodsNotSeen
            | Reason::OwnerNotSeen { .. }
            | Reason::Pending { .. }
            | Reason::BlastRadius { .. } => true,
            Reason::New
            | Reason::Live
            | Reason::InUse { .. }
            | Reason::WithinLimit { .. }
            | Reason::Young
            | Reason::LastKnownGood
            | Reason::OptedOut
            | Reason::Foreign { .. }
            | Reason::Owned
            | Reason::NotSelected { .. }
            | Reason::Orphan
            | Reason::OwnerDeleting { .. }
            | Reason::Deployed
            | Reason::NeverDeployed { .. }
            | Reason::Unfinished
            | Reason::TimeToLive { .. }
            | Reason::Waiting => false,
        }
    }

    /// Objects do not depend on each other: one that was changed is left alone, and the others go. In another cluster nothing goes.
    fn goes_on_after(outcome: &Outcome<Self>) -> bool {
        match outcome {
            Outcome::Refused { guard, .. } => !matches!(guard, Guard::Cluster { .. }),
            Outcome::Failed { failure } => !matches!(failure, Failure::Backup { .. } | Failure::Unconfirmed { .. } | Failure::Unguarded),
            Outcome::Done { .. } | Outcome::NotReached => true,
        }
    }

    /// What somebody else changed, and what this user may not do in one namespace, says nothing about the rest.
    fn counts(failure: &Failure) -> bool {
        !matches!(failure, Failure::Conflict | Failure::Forbidden { .. })
    }
}

fn same_owner(planned: &OwnerRef, seen: &Seen) -> Result<(), Refusal> {
    let Some(owner) = &seen.owner else { return Err(Refusal::OwnerGone) };
    if owner.uid != planned.uid {
        return Err(Refusal::AnotherOwner { uid: owner.uid.clone() });
    }
    if owner.generation != planned.generation {
        return Err(Refusal::OwnerChanged { generation: owner.generation });
    }
    match (owner.deleting, owner.opted_out) {
        (true, _) => Err(Refusal::OwnerDeleting),
        (false, true) => Err(Refusal::OwnerOptedOut),
        (false, false) => Ok(()),
    }
}

fn agrees(payload: Option<&Payload>) -> Result<(), Refusal> {
    match payload {
        Some(Payload::Agrees) => Ok(()),
        Some(Payload::Differs { says }) => Err(Refusal::Untrusted { problem: format!("its payload says {says}") }),
        Some(Payload::Unreadable { problem }) => Err(Refusal::Untrusted { problem: problem.to_string() }),
        None => Err(Refusal::Untrusted { problem: "it is no record of Helm any more".to_owned() }),
    }
}

fn unchanged(object: &ObjectRef, seen: &Seen) -> Result<(), Refusal> {
    match &seen.object {
        Some((_, resource_version)) if *resource_version != object.resource_version => {
            Err(Refusal::Changed { resource_version: resource_version.clone() })
        }
        // That it is gone is the effect, which was asked for before.
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::OwnerKind;

    fn owner() -> OwnerRef {
        OwnerRef { kind: OwnerKind::CronJob, namespace: "shop".to_owned(), name: "import".to_owned(), uid: "o".to_owned(), generation: 3 }
    }

    fn seen(change: impl FnOnce(&mut OwnerSeen)) -> Seen {
        let mut owner = OwnerSeen { uid: "o".to_owned(), generation: 3, deleting: false, opted_out: false, rolled_out: true };
        change(&mut owner);
        let cluster = "c1".to_owned();
        Seen { cluster, object: None, owner: Some(owner), live: BTreeSet::new(), there: None, payload: None, deployed: None }
    }

    #[test]
    fn an_owner_has_to_be_the_same_one_and_to_want_its_history_pruned() {
        let guard = Guard::Owner { owner: Arc::new(owner()) };
        let checked = |change: fn(&mut OwnerSeen)| Pruning::check(&guard, &seen(change));
        assert_eq!(checked(|_| ()), Ok(()));
        assert_eq!(checked(|owner| owner.uid = "p".to_owned()), Err(Refusal::AnotherOwner { uid: "p".to_owned() }));
        assert_eq!(checked(|owner| owner.generation = 4), Err(Refusal::OwnerChanged { generation: 4 }));
        assert_eq!(checked(|owner| owner.deleting = true), Err(Refusal::OwnerDeleting));
        assert_eq!(checked(|owner| owner.opted_out = true), Err(Refusal::OwnerOptedOut));
        assert_eq!(Pruning::check(&guard, &Seen { owner: None, ..seen(|_| ()) }), Err(Refusal::OwnerGone));
        let rollout = |rolled_out: bool| Pruning::check(&Guard::RolledOut, &seen(|owner| owner.rolled_out = rolled_out));
        assert_eq!((rollout(true), rollout(false)), (Ok(()), Err(Refusal::Incomplete)));
    }

    #[test]
    fn a_record_has_to_say_what_its_labels_do() {
        let checked = |payload: Option<Payload>| Pruning::check(&Guard::RecordAgrees, &Seen { payload, ..seen(|_| ()) });
        assert_eq!(checked(Some(Payload::Agrees)), Ok(()));
        let says = "release web revision 5, failed".to_owned();
        let untrusted = |problem: &str| Err(Refusal::Untrusted { problem: problem.to_owned() });
        assert_eq!(checked(Some(Payload::Differs { says })), untrusted("its payload says release web revision 5, failed"));
        let problem = crate::record::RecordProblem::NotBase64;
        assert_eq!(checked(Some(Payload::Unreadable { problem })), untrusted("its payload is no base64"));
        assert_eq!(checked(None), untrusted("it is no record of Helm any more"));
    }

    #[test]
    fn what_others_change_or_a_user_may_not_do_says_nothing_about_the_rest() {
        let forbidden = Failure::Forbidden { verb: "delete".to_owned(), kind: crate::object::Kind::Secret, namespace: None };
        assert!(!Pruning::counts(&Failure::Conflict) && !Pruning::counts(&forbidden));
        assert!(Pruning::counts(&Failure::Api { problem: "500".to_owned() }));
    }

    #[test]
    fn as_many_stay_as_the_plan_keeps_and_what_was_not_counted_counts_as_none() {
        let checked = |there: Option<u64>| Pruning::check(&Guard::Stay { least: 2 }, &Seen { there, ..seen(|_| ()) });
        assert_eq!(checked(Some(3)), Ok(()));
        assert_eq!(checked(Some(2)), Err(Refusal::TooFew { there: 2 }));
        assert_eq!(checked(None), Err(Refusal::TooFew { there: 0 }));
    }
}
