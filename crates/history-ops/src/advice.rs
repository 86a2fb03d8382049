//! Why history piles up, and which field ends it.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kind::deployment::{Deployment, DeploymentRules, Moment};
use crate::kind::helm::Generation;
use crate::object::OwnerKind;
use crate::policy::Policy;
use crate::rows::HistorySeen;

/// One cause, with its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// Whose: `Deployment shop/web`, `release shop/web`, `the cluster`.
    pub target: String,
    /// What it is, and what to do.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Why history piles up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "cause")]
#[non_exhaustive]
pub enum Cause {
    /// The rollout is never complete, so that its controller never prunes.
    #[error(
        "{replica_sets} ReplicaSets although its limit is {limit}: its rollout is not complete ({available} of {wanted} available), and until it is its \
         controller deletes none; mend the rollout, or roll it back"
    )]
    NeverComplete {
        /// How many it has beside the new one.
        replica_sets: usize,
        /// `spec.revisionHistoryLimit`.
        limit: i32,
        /// `status.availableReplicas`.
        available: i32,
        /// `spec.replicas`.
        wanted: i32,
    },
    /// There is no limit.
    #[error("{objects} revisions and no limit: set spec.revisionHistoryLimit (10 is the default of apps/v1)")]
    NoLimit {
        /// How many revisions it has.
        objects: usize,
    },
    /// Finished Jobs that nobody removes.
    #[error("{jobs} finished Jobs that no CronJob owns and that have no TTL: set spec.ttlSecondsAfterFinished where they are made")]
    JobsOfNobody {
        /// How many.
        jobs: usize,
    },
    /// A release keeps more records than Helm's default.
    #[error("{records} records: it was upgraded with --history-max 0 or HELM_MAX_HISTORY=0, or not since; set HELM_MAX_HISTORY=10")]
    ManyRecords {
        /// How many.
        records: usize,
    },
    /// Tiller keeps every record where nobody says otherwise.
    #[error(
        "{records} records of Helm 2: `helm init --history-max` was never set, and Helm 2 is not maintained; move the release to Helm 3 (helm-2to3)"
    )]
    TillerRecords {
        /// How many.
        records: usize,
    },
    /// Many pods that have ended, below the collector's threshold.
    #[error(
        "{pods} pods that have ended, and the collector begins above {threshold}: lower --terminated-pod-gc-threshold of kube-controller-manager, or give \
         their Jobs a TTL"
    )]
    EndedPods {
        /// How many.
        pods: usize,
        /// `--terminated-pod-gc-threshold`.
        threshold: i32,
    },
}

/// As many pods that have ended are worth a word.
const MANY_PODS: usize = 1000;
/// More revisions than a workload keeps by default are.
const MANY_REVISIONS: usize = 10;
/// As many finished Jobs are.
const MANY_JOBS: usize = 10;

/// Why history piles up in what was seen, the workloads in their order.
///
/// ```
/// use trimtab_history_ops::{HistorySeen, Policy, advice::advice};
///
/// assert!(advice(&HistorySeen::default(), &Policy::new("1.34".parse()?)).is_empty());
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[must_use]
pub fn advice(seen: &HistorySeen, policy: &Policy) -> Vec<Advice> {
    let mut found = Vec::new();
    deployments(seen, policy, &mut found);
    sets(seen, &mut found);
    let finished = |job: &&crate::kind::cron_job::Job| job.finished.is_some() && job.ttl_seconds_after_finished.is_none();
    let jobs = seen.jobs.iter().filter(finished).filter(|job| job.meta.controller.is_none()).count();
    if jobs >= MANY_JOBS {
        found.push(Advice { target: "the cluster".to_owned(), cause: Cause::JobsOfNobody { jobs } });
    }
    releases(seen, &mut found);
    let (pods, threshold) = (seen.pods.iter().filter(|pod| pod.is_terminated()).count(), policy.terminated_pod_gc_threshold);
    let below = usize::try_from(threshold).map_or(true, |threshold| threshold == 0 || pods <= threshold);
    if pods >= MANY_PODS && below {
        found.push(Advice { target: "the cluster".to_owned(), cause: Cause::EndedPods { pods, threshold } });
    }
    found
}

fn deployments(seen: &HistorySeen, policy: &Policy, found: &mut Vec<Advice>) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for set in &seen.replica_sets {
        if let Some(controller) = set.meta.controller.as_ref().filter(|controller| OwnerKind::Deployment.is_of(controller)) {
            *counts.entry(&controller.uid).or_default() += 1;
        }
    }
    let rules = DeploymentRules::at(policy.version);
    for deployment in &seen.deployments {
        let sets = counts.get(deployment.meta.owner.uid.as_str()).copied().unwrap_or(0);
        if let Some(cause) = of_deployment(deployment, sets, &rules) {
            found.push(Advice { target: deployment.meta.owner.to_string(), cause });
        }
    }
}

/// StatefulSets and DaemonSets, whose controllers know no value that means "no limit".
fn sets(seen: &HistorySeen, found: &mut Vec<Advice>) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for controller in seen.controller_revisions.iter().filter_map(|one| one.meta.controller.as_ref()) {
        *counts.entry(&controller.uid).or_default() += 1;
    }
    let stateful_sets = seen.stateful_sets.iter().map(|set| (&set.meta.owner, set.revision_history_limit));
    for (owner, limit) in stateful_sets.chain(seen.daemon_sets.iter().map(|set| (&set.meta.owner, set.revision_history_limit))) {
        let objects = counts.get(owner.uid.as_str()).copied().unwrap_or(0);
        if limit == i32::MAX && objects > MANY_REVISIONS {
            found.push(Advice { target: owner.to_string(), cause: Cause::NoLimit { objects } });
        }
    }
}

fn of_deployment(deployment: &Deployment, sets: usize, rules: &DeploymentRules) -> Option<Cause> {
    let old = sets.saturating_sub(1);
    match deployment.revision_history_limit.filter(|limit| Some(*limit) != rules.no_limit) {
        None => (old > MANY_REVISIONS).then_some(Cause::NoLimit { objects: sets }),
        Some(limit) => {
            let over = usize::try_from(limit).is_ok_and(|limit| old > limit);
            let (available, wanted) = (deployment.status.available_replicas, deployment.replicas);
            (over && deployment.moment() == Moment::Incomplete).then_some(Cause::NeverComplete { replica_sets: old, limit, available, wanted })
        }
    }
}

fn releases(seen: &HistorySeen, found: &mut Vec<Advice>) {
    let mut order = Vec::new();
    let mut counts: HashMap<(Generation, &str, &str), usize> = HashMap::new();
    for record in &seen.helm {
        let key = (record.generation, record.meta.object.namespace.as_str(), record.release.as_str());
        let count = counts.entry(key).or_insert_with(|| {
            order.push(key);
            0
        });
        *count += 1;
    }
    for key in order {
        let records = counts.get(&key).copied().unwrap_or(0);
        let cause = match key.0 {
            Generation::Helm3 => Cause::ManyRecords { records },
            Generation::Tiller => Cause::TillerRecords { records },
        };
        if records > 10 {
            found.push(Advice { target: format!("release {}/{}", key.1, key.2), cause });
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.cause)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(items: &[Value]) -> Vec<String> {
        let seen = HistorySeen::of_dump(json!({ "items": items }).to_string().as_bytes()).unwrap();
        assert_eq!(seen.unread, []);
        advice(&seen, &Policy::new("1.34".parse().unwrap())).iter().map(ToString::to_string).collect()
    }

    fn metadata(name: &str, controller: Option<&str>) -> Value {
        let by = controller.map(|uid| json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid, "controller": true}]));
        json!({"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1", "ownerReferences": by})
    }

    fn rolled(limit: i32, available: i32) -> Vec<Value> {
        let set = |at: usize| json!({"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": metadata(&format!("web-{at}"), Some("web")), "spec": {"template": {}}});
        let mut items: Vec<Value> = (0..12).map(set).collect();
        items.push(json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata("web", None),
            "spec": {"replicas": 3, "revisionHistoryLimit": limit, "template": {}}, "status": {"replicas": 3, "updatedReplicas": 3, "availableReplicas": available}}));
        items
    }

    #[test]
    fn a_rollout_that_never_completes_and_a_limit_that_is_none_are_told() {
        assert_eq!(told(&rolled(5, 3)), [""; 0]);
        assert!(told(&rolled(5, 2))[0].starts_with("Deployment shop/web: 11 ReplicaSets although its limit is 5"));
        assert!(told(&rolled(i32::MAX, 3))[0].starts_with("Deployment shop/web: 12 revisions and no limit"));
    }

    #[test]
    fn a_stateful_set_without_a_limit_is_told_too() {
        let revision = |at: i64| {
            let mut metadata = metadata(&format!("db-{at}"), Some("db"));
            metadata["ownerReferences"][0]["kind"] = json!("StatefulSet");
            json!({"kind": "ControllerRevision", "apiVersion": "apps/v1", "metadata": metadata, "revision": at})
        };
        let with = |limit: i32| {
            let spec = json!({"revisionHistoryLimit": limit, "template": {}});
            let mut items: Vec<Value> = (1..=11).map(revision).collect();
            items.push(json!({"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": metadata("db", None), "spec": spec}));
            told(&items)
        };
        assert_eq!(with(10), [""; 0]);
        assert!(with(i32::MAX)[0].starts_with("StatefulSet shop/db: 11 revisions and no limit"));
    }

    #[test]
    fn jobs_of_nobody_and_releases_with_many_records_are_told() {
        let job = |at: usize| {
            let conditions = json!([{"type": "Complete", "status": "True"}]);
            json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": metadata(&format!("j{at}"), None), "spec": {}, "status": {"conditions": conditions}})
        };
        assert_eq!(told(&(0..9).map(job).collect::<Vec<_>>()), [""; 0]);
        assert!(told(&(0..10).map(job).collect::<Vec<_>>())[0].starts_with("the cluster: 10 finished Jobs"));
        let record = |at: usize| {
            let mut metadata = metadata(&format!("v{at}"), None);
            metadata["labels"] = json!({"owner": "helm", "name": "web", "status": "superseded", "version": at.to_string()});
            json!({"kind": "Secret", "apiVersion": "v1", "metadata": metadata})
        };
        assert!(told(&(0..11).map(record).collect::<Vec<_>>())[0].starts_with("release shop/web: 11 records"));
    }
}
