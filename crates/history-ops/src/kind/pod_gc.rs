//! Pods that have ended: `gcTerminated` of the pod garbage collector.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::{KubeVersion, Row, Since};

use crate::object::Meta;
use crate::uses::Use;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Who it is.
    pub meta: Meta,
    /// `status.phase`.
    pub phase: String,
    /// Whether a kubelet evicted it: phase `Failed` with reason `Evicted`.
    pub evicted: bool,
    /// `metadata.deletionGracePeriodSeconds`.
    pub deletion_grace_period_seconds: Option<i64>,
    /// Whether `metadata.finalizers` holds any.
    pub has_finalizers: bool,
    /// The label `controller-revision-hash`.
    pub revision_hash: Option<String>,
    /// Which ConfigMaps and Secrets it uses.
    pub uses: Arc<[Use]>,
}

/// How the collector of one release goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodGcRules {
    /// Whether those that were evicted go first.
    pub evicted_first: bool,
    /// What becomes of a pod that only waits for its finalizers.
    pub waiting: Waiting,
}

/// What becomes of a pod that was deleted, has no grace period left, and only waits for its finalizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It is deleted once more, which changes nothing, so that it takes the place of one that would go.
    TakesItsPlace,
    /// It is counted and not deleted again; another one goes. Upstream's main branch after 1.37.
    Counted,
}

static EVICTED_FIRST: Since<bool> = Since::new(&[
    Row::new(12, false, "pkg/controller/podgc/gc_controller.go@v1.12.10 byCreationTimestamp"),
    Row::new(27, true, "pkg/controller/podgc/gc_controller.go@v1.27.16 byEvictionAndCreationTimestamp; v1.26.15 has the other"),
]);

impl PodGcRules {
    /// `--terminated-pod-gc-threshold` where nobody sets it, in every release.
    pub const THRESHOLD: i32 = 12_500;

    /// The rules of a release.
    #[must_use]
    pub fn at(version: KubeVersion) -> Self {
        Self { evicted_first: *EVICTED_FIRST.at(version), waiting: Waiting::TakesItsPlace }
    }

    /// Those of upstream's main branch after 1.37.
    #[must_use]
    pub fn after_1_37() -> Self {
        Self { evicted_first: true, waiting: Waiting::Counted }
    }
}

impl Pod {
    /// Whether it has ended: any phase but `Pending`, `Running` and `Unknown`.
    ///
    /// Source: `isPodTerminated`, `pkg/controller/podgc/gc_controller.go` v1.37.2; the same since 1.12. A pod without a phase counts as ended there too.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        !matches!(self.phase.as_str(), "Pending" | "Running" | "Unknown")
    }

    /// Whether it was deleted and only waits for its finalizers.
    #[must_use]
    pub fn waits_for_finalizers(&self) -> bool {
        self.meta.deleting && self.deletion_grace_period_seconds == Some(0) && self.has_finalizers
    }
}

/// Which pods the collector deletes, in its order: of all that have ended in the whole cluster, as many as there are over the threshold. With a threshold
/// of 0 or less it is off.
///
/// Source: `gcTerminated`, `pkg/controller/podgc/gc_controller.go` v1.37.2.
#[must_use]
pub fn gc_terminated<'a>(threshold: i32, pods: impl IntoIterator<Item = &'a Pod>, rules: PodGcRules) -> Vec<&'a Pod> {
    let Some(threshold) = usize::try_from(threshold).ok().filter(|threshold| *threshold > 0) else { return Vec::new() };
    let mut ended: Vec<&Pod> = pods.into_iter().filter(|pod| pod.is_terminated()).collect();
    let over = ended.len().saturating_sub(threshold);
    if over == 0 {
        return Vec::new();
    }
    sort(&mut ended, rules);
    let again = |pod: &&Pod| !pod.waits_for_finalizers();
    match rules.waiting {
        Waiting::TakesItsPlace => ended.into_iter().take(over).filter(again).collect(),
        Waiting::Counted => ended.into_iter().filter(again).take(over).collect(),
    }
}

/// Those that go first.
pub(crate) fn sort(pods: &mut [&Pod], rules: PodGcRules) {
    let key = |pod: &Pod| (rules.evicted_first && !pod.evicted, pod.meta.created);
    pods.sort_by(|one, other| key(one).cmp(&key(other)).then_with(|| one.meta.object.name.cmp(&other.meta.object.name)));
}
