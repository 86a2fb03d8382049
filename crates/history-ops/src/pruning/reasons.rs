//! Why not: what a guard found instead, why something stays, why a deletion failed.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::{Controller, Kind, OwnerRef};

use super::text::{in_namespace, within};

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
