//! What was seen of a cluster's history: plain rows, read from a dump or from a live cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kind::controller_revision::{ControllerRevision, DaemonSet, StatefulSet};
use crate::kind::cron_job::{CronJob, Job};
use crate::kind::deployment::{Deployment, ReplicaSet};
use crate::kind::helm::HelmRecord;
use crate::kind::pod_gc::Pod;
use crate::object::{Meta, OwnerRef};

/// What a workload is, beside its own fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerMeta {
    /// Who it is, at which generation.
    pub owner: Arc<OwnerRef>,
    /// Whether it is being deleted: the garbage collector has the rest.
    pub deleting: bool,
    /// Whether it asks that its history stays.
    pub opted_out: bool,
}

/// The history of a cluster, as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HistorySeen {
    /// The uid of the namespace `kube-system`, which tells clusters apart. A plan without it cannot be applied.
    pub cluster: Option<Arc<str>>,
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// ReplicaSets, whoever controls them.
    pub replica_sets: Vec<ReplicaSet>,
    /// StatefulSets.
    pub stateful_sets: Vec<StatefulSet>,
    /// DaemonSets.
    pub daemon_sets: Vec<DaemonSet>,
    /// ControllerRevisions, whoever controls them.
    pub controller_revisions: Vec<ControllerRevision>,
    /// CronJobs.
    pub cron_jobs: Vec<CronJob>,
    /// Jobs, whoever controls them.
    pub jobs: Vec<Job>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Records of Helm.
    pub helm: Vec<HelmRecord>,
    /// Events.
    pub events: Vec<Event>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// The lists that were so long in the reading that the server had forgotten their moment: what stands late in them is of a later one.
    pub of_two_moments: Vec<String>,
}

/// An Event. Nothing controls it; the API server drops it after `--event-ttl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Who it is.
    pub meta: Meta,
    /// When it happened last: the newest of `lastTimestamp`, `series.lastObservedTime`, `eventTime` and the creation.
    pub last: Option<Timestamp>,
}

/// An object that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// Which: its kind and name where it has them, and its place in the list.
    pub place: String,
    /// Why.
    pub problem: UnreadProblem,
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "unread")]
#[non_exhaustive]
pub enum UnreadProblem {
    /// Nothing here knows this kind.
    #[error("kind {kind} ({api_version}) holds no history that is known here; leave it out of the dump")]
    UnknownKind {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
    },
    /// A field is missing without which nothing can be decided or guarded.
    #[error("{field} is missing: dump the whole object, with `kubectl get … -o json`")]
    Missing {
        /// Its path.
        field: String,
    },
    /// The user may not list these.
    #[error("this user may not list them: grant `list`, or leave this part out")]
    Forbidden,
    /// A field has the wrong type.
    #[error("{problem}")]
    Invalid {
        /// Where and what.
        problem: String,
    },
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl HistorySeen {
    /// How many objects of each kind were seen, by the names of the fields.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("deployments", self.deployments.len()),
            ("replicaSets", self.replica_sets.len()),
            ("statefulSets", self.stateful_sets.len()),
            ("daemonSets", self.daemon_sets.len()),
            ("controllerRevisions", self.controller_revisions.len()),
            ("cronJobs", self.cron_jobs.len()),
            ("jobs", self.jobs.len()),
            ("pods", self.pods.len()),
            ("helm", self.helm.len()),
            ("events", self.events.len()),
        ])
    }

    /// Adds what another look has seen, a page for example.
    pub fn append(&mut self, other: Self) {
        self.cluster = self.cluster.take().or(other.cluster);
        take_over(&mut self.deployments, other.deployments);
        take_over(&mut self.replica_sets, other.replica_sets);
        take_over(&mut self.stateful_sets, other.stateful_sets);
        take_over(&mut self.daemon_sets, other.daemon_sets);
        take_over(&mut self.controller_revisions, other.controller_revisions);
        take_over(&mut self.cron_jobs, other.cron_jobs);
        take_over(&mut self.jobs, other.jobs);
        take_over(&mut self.pods, other.pods);
        take_over(&mut self.helm, other.helm);
        take_over(&mut self.events, other.events);
        take_over(&mut self.unread, other.unread);
        take_over(&mut self.of_two_moments, other.of_two_moments);
    }
}

/// Moves nothing where there is nothing yet: a list of many pages is not held twice.
fn take_over<T>(ours: &mut Vec<T>, mut theirs: Vec<T>) {
    if ours.is_empty() {
        *ours = theirs;
    } else {
        ours.append(&mut theirs);
    }
}
