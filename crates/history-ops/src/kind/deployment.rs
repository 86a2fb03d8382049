//! Deployments and their ReplicaSets: `cleanupDeployment` of the Deployment controller.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::{KubeVersion, Row, Since};

use crate::object::Meta;
use crate::template::TemplateHash;
use crate::uses::Use;

/// What a Deployment says about its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Who it is. Its `object.kind` is not used.
    pub meta: crate::rows::OwnerMeta,
    /// `spec.replicas`; 1 where it is absent.
    pub replicas: i32,
    /// `spec.revisionHistoryLimit`; a stored `apps/v1` object always has one.
    pub revision_history_limit: Option<i32>,
    /// `spec.paused`.
    pub paused: bool,
    /// Whether the annotation `deprecated.deployment.rollback.to` asks for a rollback.
    pub rolling_back: bool,
    /// Its pod template.
    pub template: TemplateHash,
    /// `status`, as far as `DeploymentComplete` looks at it.
    pub status: DeploymentStatus,
    /// Which ConfigMaps and Secrets its template uses.
    pub uses: Arc<[Use]>,
}

/// What of a Deployment's status tells whether its rollout is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    /// Which generation the controller has seen.
    pub observed_generation: i64,
    /// Pods in all.
    pub replicas: i32,
    /// Pods of the new template.
    pub updated_replicas: i32,
    /// Pods that are available.
    pub available_replicas: i32,
}

/// One revision of a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaSet {
    /// Who it is.
    pub meta: Meta,
    /// The annotation `deployment.kubernetes.io/revision`.
    pub revision: Revision,
    /// `spec.replicas`; 1 where it is absent.
    pub replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// Its pod template.
    pub template: TemplateHash,
    /// Which ConfigMaps and Secrets its template uses.
    pub uses: Arc<[Use]>,
}

/// The number of a revision, as its annotation has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Revision {
    /// There is none: upstream takes 0.
    Missing,
    /// This one.
    Number(i64),
    /// It is no whole number.
    Unreadable(String),
}

/// How the Deployment controller of one release prunes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentRules {
    /// What "oldest" means.
    pub order: Order,
    /// A limit that is none: 2147483647, which `extensions/v1beta1` sets by itself.
    pub no_limit: Option<i32>,
}

/// What the oldest ReplicaSet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The one that was created first.
    Creation,
    /// The one with the smallest revision. The two differ after every rollback, which gives an old ReplicaSet a new number.
    Revision,
}

static ORDER: Since<Order> = Since::new(&[
    Row::new(12, Order::Creation, "pkg/controller/deployment/sync.go@v1.12.10 cleanupDeployment"),
    Row::new(21, Order::Revision, "pkg/controller/deployment/sync.go@v1.21.14 cleanupDeployment; v1.20.15 has the other"),
]);

static NO_LIMIT: Since<Option<i32>> = Since::new(&[
    Row::new(12, None, "pkg/controller/deployment/sync.go@v1.12.10 cleanupDeployment: only nil"),
    Row::new(13, Some(i32::MAX), "pkg/controller/deployment/util/deployment_util.go@v1.13.12 HasRevisionHistoryLimit"),
]);

impl DeploymentRules {
    /// The rules of a release.
    #[must_use]
    pub fn at(version: KubeVersion) -> Self {
        Self { order: *ORDER.at(version), no_limit: *NO_LIMIT.at(version) }
    }
}

/// Whether the controller prunes a Deployment now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Moment {
    /// Its rollout is complete: it does at every sync.
    Complete,
    /// It is paused, and no rollback is asked for: it does at every sync.
    Paused,
    /// It does not, or it is asked to roll back first. A Deployment whose rollout never completes keeps its whole history.
    Incomplete,
}

impl Deployment {
    /// Whether the controller prunes it now. Scaling alone does not make it.
    ///
    /// Source: `sync`, `rolloutRolling`, `rolloutRecreate`, `DeploymentComplete`, pkg/controller/deployment v1.37.2; the same since 1.12.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let status = &self.status;
        let all = [status.updated_replicas, status.replicas, status.available_replicas];
        if self.rolling_back {
            Moment::Incomplete
        } else if self.paused {
            Moment::Paused
        } else if all.iter().all(|count| *count == self.replicas) && status.observed_generation >= self.meta.owner.generation {
            Moment::Complete
        } else {
            Moment::Incomplete
        }
    }
}

impl Revision {
    /// Reads the annotation as `strconv.ParseInt` does: decimal digits, a sign, 64 bits.
    #[must_use]
    pub fn parse(annotation: Option<&str>) -> Self {
        match annotation {
            None => Self::Missing,
            Some(text) => text.parse().map_or_else(|_| Self::Unreadable(text.to_owned()), Self::Number),
        }
    }

    /// The number by which it is sorted; none where it cannot be read.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Missing => Some(0),
            Self::Number(number) => Some(*number),
            Self::Unreadable(_) => None,
        }
    }
}

impl ReplicaSet {
    /// Whether the controller would pass over it: it has or wants pods, its last change was not looked at yet, or it is being deleted.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.status_replicas != 0 || self.replicas != 0 || self.meta.generation > self.observed_generation || self.meta.deleting
    }
}

/// Of the ReplicaSets of a Deployment the new one: the oldest whose template is the Deployment's.
///
/// Source: `FindNewReplicaSet`, `pkg/controller/deployment/util/deployment_util.go` v1.37.2; the same since 1.12.
#[must_use]
pub fn new_replica_set<'a>(deployment: &Deployment, all: &[&'a ReplicaSet]) -> Option<&'a ReplicaSet> {
    all.iter().copied().filter(|set| set.template == deployment.template).min_by(|one, other| by_creation(one, other))
}

/// Which of the old ReplicaSets the controller deletes, in its order.
///
/// `limit` is `spec.revisionHistoryLimit`. One that is in use is passed over and yet takes a place, so that more than `limit` may stay.
/// Source: `cleanupDeployment`, `pkg/controller/deployment/sync.go` v1.37.2.
///
/// DIFFERENCE: where a revision cannot be read, upstream compares it by age with every other, which is no order: what it deletes depends on the sort.
/// Here such a ReplicaSet counts as the newest.
#[must_use]
pub fn cleanup<'a>(limit: Option<i32>, old: &[&'a ReplicaSet], rules: &DeploymentRules) -> Vec<&'a ReplicaSet> {
    let Some(limit) = limit.filter(|limit| Some(*limit) != rules.no_limit) else { return Vec::new() };
    let mut cleanable: Vec<&ReplicaSet> = old.iter().copied().filter(|set| !set.meta.deleting).collect();
    // With a negative limit, which the API refuses, upstream reaches beyond the end of its list.
    let over = usize::try_from(limit).map_or(0, |limit| cleanable.len().saturating_sub(limit));
    if over == 0 {
        return Vec::new();
    }
    sort(&mut cleanable, rules.order);
    cleanable.into_iter().take(over).filter(|set| !set.is_in_use()).collect()
}

/// Oldest first.
pub(crate) fn sort(sets: &mut [&ReplicaSet], order: Order) {
    match order {
        Order::Creation => sets.sort_by(|one, other| by_creation(one, other)),
        Order::Revision => sets.sort_by(|one, other| by_revision(one, other)),
    }
}

fn by_creation(one: &ReplicaSet, other: &ReplicaSet) -> Ordering {
    let key = |set: &ReplicaSet| set.meta.created;
    key(one).cmp(&key(other)).then_with(|| one.meta.object.name.cmp(&other.meta.object.name))
}

fn by_revision(one: &ReplicaSet, other: &ReplicaSet) -> Ordering {
    let key = |set: &ReplicaSet| set.revision.number().unwrap_or(i64::MAX);
    key(one).cmp(&key(other)).then_with(|| by_creation(one, other))
}
