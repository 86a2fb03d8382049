//! The nouns of pruning, and the decisions about single steps.

mod text;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::plan::{Domain, Outcome, Plan};

use crate::kind::helm::Payload;
use crate::object::{Controller, Kind, ObjectRef, OwnerRef};
use crate::policy::Part;
use crate::uses::Use;

use text::{in_namespace, within};

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

/// What a guard found instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "refusal")]
pub enum Refusal {
    /// It is another cluster.
    #[error("the namespace kube-system has the uid {uid}")]
    AnotherCluster {
        /// Its uid.
        uid: String,
    },
    /// The owner is gone.
    #[error("it is gone, and the garbage collector takes the rest")]
    OwnerGone,
    /// The owner is another one of its name.
    #[error("it was made anew: its uid is {uid}")]
    AnotherOwner {
        /// Its uid.
        uid: String,
    },
    /// The owner was changed.
    #[error("it was changed: its generation is {generation}; plan again")]
    OwnerChanged {
        /// Its generation.
        generation: i64,
    },
    /// The owner is being deleted.
    #[error("it is being deleted, and the garbage collector takes the rest")]
    OwnerDeleting,
    /// The owner asks that its history stays.
    #[error("it has the annotation trimtab.dev/keep")]
    OwnerOptedOut,
    /// The owner's rollout is not complete any more.
    #[error("its rollout is not complete any more, and the old revisions may be needed")]
    Incomplete,
    /// Others of this history are gone since.
    #[error("only {there} are there: others are gone since the plan; plan again")]
    TooFew {
        /// How many are there.
        there: u64,
    },
    /// The record cannot be read, or tells something else than its labels.
    #[error("{problem}")]
    Untrusted {
        /// Why.
        problem: String,
    },
    /// The object was written.
    #[error("it was written since: its resourceVersion is {resource_version}")]
    Changed {
        /// Its version.
        resource_version: String,
    },
    /// A pod runs it, or the status names it.
    #[error("{name} is in use again")]
    Live {
        /// By which name.
        name: String,
    },
    /// The record that was deployed is gone, or is deployed no more.
    #[error("it is not the deployed one any more; plan again")]
    NotDeployed,
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

/// Why something stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "reason")]
#[non_exhaustive]
pub enum Reason {
    /// It is the newest: what the workload runs.
    #[error("it is the new one")]
    New,
    /// A pod runs it, or the status names it.
    #[error("it is live")]
    Live,
    /// It has pods, wants some, is being deleted, or its last change was not looked at yet.
    #[error("it is in use: {replicas} replicas wanted, {status_replicas} there")]
    InUse {
        /// `spec.replicas`.
        replicas: i32,
        /// `status.replicas`.
        status_replicas: i32,
    },
    /// The limit allows it.
    #[error("{}", within(.limit.as_ref()))]
    WithinLimit {
        /// How many may stay; none where there is no limit.
        limit: Option<u64>,
    },
    /// It is too young to go.
    #[error("it is younger than the policy's min_age")]
    Young,
    /// It is the last one that is known to have worked.
    #[error("it is the last one that is known to have worked")]
    LastKnownGood,
    /// It, or its owner, asks to stay.
    #[error("it has the annotation trimtab.dev/keep")]
    OptedOut,
    /// Somebody else's controller owns it.
    #[error("it is controlled by {controller}, whose history is its own")]
    Foreign {
        /// Who.
        controller: Controller,
    },
    /// Nobody controls it.
    #[error("nobody controls it: it may be adopted again")]
    Orphan,
    /// Somebody owns it without controlling it.
    #[error("it has an owner that does not control it, and goes with that one")]
    Owned,
    /// Its labels are not those that its owner selects.
    #[error("its labels are not those that {owner} selects, so that its controller does not see it")]
    NotSelected {
        /// Who.
        owner: Arc<OwnerRef>,
    },
    /// Its owner was not seen.
    #[error("its owner {controller} was not seen: dump it too, or the garbage collector takes care of it")]
    OwnerNotSeen {
        /// Who.
        controller: Controller,
    },
    /// Its owner is being deleted.
    #[error("{owner} is being deleted, and the garbage collector takes the rest")]
    OwnerDeleting {
        /// Who.
        owner: Arc<OwnerRef>,
    },
    /// The rollout is not complete, so that the controller prunes nothing.
    #[error("the rollout of {owner} is not complete, so that its controller prunes nothing: mend the rollout, or let the policy prune all the same")]
    Incomplete {
        /// Whose.
        owner: Arc<OwnerRef>,
    },
    /// A rollback is asked for, and not done.
    #[error("{owner} is asked to roll back, by the annotation deprecated.deployment.rollback.to: its controller prunes nothing until it has")]
    RollingBack {
        /// Whose.
        owner: Arc<OwnerRef>,
    },
    /// No ReplicaSet has the Deployment's template.
    #[error("no ReplicaSet of {owner} has its template: its controller has not caught up; look again")]
    NoNewReplicaSet {
        /// Whose.
        owner: Arc<OwnerRef>,
    },
    /// The controller has not seen the last change of the owner.
    #[error("the controller has not seen the last change of {owner}; look again")]
    NotObserved {
        /// Whose.
        owner: Arc<OwnerRef>,
    },
    /// Fewer pods were seen than the owner has, so that nobody knows which revisions they run.
    #[error("not all of its owner's pods were seen, so that nothing tells which revisions run: dump the pods too, or grant `list`")]
    PodsNotSeen,
    /// It is the record that is deployed.
    #[error("it is the deployed release")]
    Deployed,
    /// An operation of Helm is under way.
    #[error("its status is {status}: an operation is under way, or was interrupted; `helm rollback` or `helm upgrade` ends it")]
    Pending {
        /// Which.
        status: String,
    },
    /// Helm 2 prunes no release that never succeeded.
    #[error("no record of {release} is deployed, and Helm 2 prunes no release that never succeeded")]
    NeverDeployed {
        /// Which.
        release: String,
    },
    /// Its payload cannot be read, or tells something else than its labels.
    #[error("its labels cannot be trusted: {problem}")]
    Untrusted {
        /// Why.
        problem: String,
    },
    /// It has not ended.
    #[error("it has not ended")]
    Unfinished,
    /// It ended, and does not say when.
    #[error("its condition does not say when it ended, and its controller gives up on it")]
    NoFinishTime,
    /// Its time to live is not over.
    #[error("its time to live ends at {expires}")]
    TimeToLive {
        /// When.
        expires: Timestamp,
    },
    /// It was deleted, and only waits for its finalizers.
    #[error("it was deleted already, and waits for its finalizers")]
    Waiting,
    /// It could not be read.
    #[error("it could not be read: {problem}")]
    Unread {
        /// Why.
        problem: String,
    },
    /// The cluster is not known.
    #[error("the namespace kube-system was not seen, so that nothing tells this cluster from another: dump it too")]
    UnknownCluster,
    /// The plan would delete too much.
    #[error("the plan would delete {planned} of {seen} {what}, and the policy allows {most}: look why, then allow more")]
    BlastRadius {
        /// Objects of all kinds, or of one.
        what: String,
        /// How many it would delete.
        planned: u64,
        /// Of how many.
        seen: u64,
        /// How many it may.
        most: u64,
    },
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

/// Why an object was not deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "failure")]
#[non_exhaustive]
pub enum Failure {
    /// The API server did not answer, or answered with an error.
    #[error("the API server: {problem}")]
    Api {
        /// What it said.
        problem: String,
    },
    /// The user may not.
    #[error("{verb} {kind} is not allowed to this user{}: grant it, or leave this part out", in_namespace(.namespace.as_ref()))]
    Forbidden {
        /// `get` or `delete`.
        verb: String,
        /// Of what.
        kind: Kind,
        /// Where; none for the whole cluster.
        namespace: Option<String>,
    },
    /// Admission said no.
    #[error("admission refused it: {problem}")]
    Denied {
        /// What it said.
        problem: String,
    },
    /// It was changed between the look and the deletion: its preconditions did not hold.
    #[error("changed since the look before it, and left alone")]
    Conflict,
    /// A plan that names no cluster: somebody took its guards out.
    #[error("the step has no guard that names its cluster: make the plan anew, and leave it as it is")]
    Unguarded,
    /// The object is none that a plan is made of: somebody wrote it into the plan.
    #[error("{problem}: no plan deletes such an object")]
    NotHistory {
        /// Why.
        problem: String,
    },
    /// An undo does not make it again.
    #[error("not made again: {problem}")]
    NotRestorable {
        /// Why.
        problem: String,
    },
    /// It is deleted and lies in the journal, and that it is gone could not be noted there.
    #[error("deleted, and kept in {path}, where it could not be noted that it is gone: {problem}")]
    Unconfirmed {
        /// Which file.
        path: String,
        /// Why.
        problem: String,
    },
    /// The backup or the journal could not be written, so that nothing was deleted.
    #[error("{path} cannot be written, so nothing was deleted: {problem}")]
    Backup {
        /// Which file.
        path: String,
        /// Why.
        problem: String,
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
    fn as_many_stay_as_the_plan_keeps_and_what_was_not_counted_counts_as_none() {
        let checked = |there: Option<u64>| Pruning::check(&Guard::Stay { least: 2 }, &Seen { there, ..seen(|_| ()) });
        assert_eq!(checked(Some(3)), Ok(()));
        assert_eq!(checked(Some(2)), Err(Refusal::TooFew { there: 2 }));
        assert_eq!(checked(None), Err(Refusal::TooFew { there: 0 }));
    }
}
