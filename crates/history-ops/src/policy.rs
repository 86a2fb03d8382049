//! What may go: the controllers' own rules, and limits below them.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use trimtab_core::KubeVersion;

use crate::error::Error;
use crate::kind::pod_gc::PodGcRules;

/// Which history is pruned, and how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// The release of the cluster, whose controllers' rules hold.
    pub version: KubeVersion,
    /// Which parts; those that controllers prune by themselves by default.
    #[serde(default = "controllers")]
    pub parts: BTreeSet<Part>,
    /// In these namespaces; in all by default.
    #[serde(default)]
    pub namespaces: Option<BTreeSet<String>>,
    /// How much of the revisions of Deployments, StatefulSets and DaemonSets is kept; as much as their controllers keep by default.
    #[serde(default)]
    pub revisions: Retention,
    /// Whether a Deployment whose rollout is not complete is pruned. Its controller does not.
    #[serde(default)]
    pub incomplete: Incomplete,
    /// How much of a CronJob's finished Jobs is kept, of each of both classes; as much as its controller keeps by default.
    #[serde(default)]
    pub jobs: Retention,
    /// Finished Jobs that no CronJob owns and that have no TTL go when they finished longer ago than this; never by default.
    #[serde(default)]
    pub unowned_jobs_older_than: Option<SignedDuration>,
    /// `--terminated-pod-gc-threshold`: as many pods that have ended stay in the whole cluster.
    #[serde(default = "threshold")]
    pub terminated_pod_gc_threshold: i32,
    /// `--history-max`: as many records of a release stay; each Helm's default where nothing is said, and 0 is no limit.
    #[serde(default)]
    pub helm_history_max: Option<u32>,
    /// What is kept beyond that.
    #[serde(default)]
    pub helm: Retention,
    /// Events go when they happened longer ago than this; never by default.
    #[serde(default)]
    pub events_older_than: Option<SignedDuration>,
    /// A plan that would delete more has no step.
    #[serde(default)]
    pub blast_radius: BlastRadius,
}

/// A part of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// ReplicaSets of Deployments.
    ReplicaSets,
    /// ControllerRevisions of StatefulSets and DaemonSets.
    ControllerRevisions,
    /// Finished Jobs of CronJobs.
    CronJobs,
    /// Jobs whose time to live is over.
    JobTtl,
    /// Finished Jobs that nobody prunes: no CronJob, no TTL.
    UnownedJobs,
    /// Pods that have ended.
    Pods,
    /// Records of Helm.
    Helm,
    /// Events.
    Events,
}

/// How much of one owner's history stays. Everything here keeps more or less than the controller would; what is protected stays in any case.
///
/// Of what the controller would keep, those go that are beyond `max_kept`, and those that are older than `max_age` while more than `min_kept` stay.
/// Whatever is younger than `min_age` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retention {
    /// No more than this many, where the controller's own limit is not smaller.
    pub max_kept: Option<u32>,
    /// Those older than this go.
    pub max_age: Option<SignedDuration>,
    /// As many of the newest stay whatever their age, whatever `max_kept` says, and whatever Helm's default is. A workload's own limit holds all the same,
    /// since its controller would delete them.
    pub min_kept: u32,
    /// Those younger than this stay, even where the controller would delete them.
    pub min_age: Option<SignedDuration>,
    /// Whether the last one that is known to have worked stays.
    pub last_known_good: LastKnownGood,
}

/// Whether the last one that is known to have worked stays.
///
/// For Helm the newest record that is `superseded`, which was deployed once. A Deployment, a StatefulSet and a DaemonSet do not write down what worked;
/// there it is the newest old revision, to which `kubectl rollout undo` would go. Of a CronJob's Jobs, the newest that is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LastKnownGood {
    /// It goes as every other.
    #[default]
    AsOthers,
    /// It stays.
    Kept,
}

/// Whether a Deployment whose rollout is not complete is pruned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Incomplete {
    /// As its controller: not at all.
    #[default]
    Held,
    /// By the same rule as if it was complete: what has no pods and wants none, over the limit.
    Pruned,
}

/// How much a plan may delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BlastRadius {
    /// No more objects than this, of all kinds together.
    pub most_objects: Option<u64>,
    /// No more than this share of the objects of any kind that were seen, in percent.
    pub most_percent: Option<u8>,
}

fn controllers() -> BTreeSet<Part> {
    BTreeSet::from([Part::ReplicaSets, Part::ControllerRevisions, Part::CronJobs, Part::JobTtl, Part::Pods, Part::Helm])
}

fn threshold() -> i32 {
    PodGcRules::THRESHOLD
}

impl Policy {
    /// The controllers' own rules at this release, and Helm's default.
    #[must_use]
    pub fn new(version: KubeVersion) -> Self {
        Self {
            version,
            parts: controllers(),
            namespaces: None,
            revisions: Retention::default(),
            incomplete: Incomplete::default(),
            jobs: Retention::default(),
            unowned_jobs_older_than: None,
            terminated_pod_gc_threshold: threshold(),
            helm_history_max: None,
            helm: Retention::default(),
            events_older_than: None,
            blast_radius: BlastRadius::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some((path, _)) = self.ages().into_iter().find(|(_, age)| age.is_some_and(|age| age.is_negative())) {
            return Err(Error::NegativeAge { path: path.to_owned() });
        }
        match self.blast_radius.most_percent {
            Some(percent) if percent > 100 => Err(Error::Percent { path: "blastRadius.mostPercent".to_owned(), percent }),
            Some(_) | None => Ok(()),
        }
    }

    /// Every age, by its path.
    fn ages(&self) -> [(&'static str, Option<SignedDuration>); 8] {
        [
            ("revisions.maxAge", self.revisions.max_age),
            ("revisions.minAge", self.revisions.min_age),
            ("jobs.maxAge", self.jobs.max_age),
            ("jobs.minAge", self.jobs.min_age),
            ("helm.maxAge", self.helm.max_age),
            ("helm.minAge", self.helm.min_age),
            ("unownedJobsOlderThan", self.unowned_jobs_older_than),
            ("eventsOlderThan", self.events_older_than),
        ]
    }

    pub(crate) fn wants(&self, part: Part, namespace: &str) -> bool {
        self.parts.contains(&part) && self.namespaces.as_ref().is_none_or(|namespaces| namespaces.contains(namespace))
    }
}
