//! ControllerRevisions: `truncateHistory` of the StatefulSet controller and `cleanupHistory` of the DaemonSet controller, which differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::object::Meta;
use crate::rows::OwnerMeta;
use crate::selector::Selector;
use crate::template::TemplateHash;
use crate::uses::Use;

/// One revision of a StatefulSet or a DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerRevision {
    /// Who it is.
    pub meta: Meta,
    /// `.revision`, at the top of the object.
    pub revision: i64,
    /// The label `controller-revision-hash`, by which a DaemonSet's pods name it. The controller gives it the object's name where there is none.
    pub hash: Option<String>,
    /// Whether its labels are those of its owner is asked of these.
    pub labels: BTreeMap<String, String>,
    /// The pod template in `.data`, without its `$patch`; none where `.data` holds something else.
    pub template: Option<TemplateHash>,
    /// Which ConfigMaps and Secrets that template uses.
    pub uses: Arc<[Use]>,
}

/// What a StatefulSet says about its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatefulSet {
    /// Who it is.
    pub meta: OwnerMeta,
    /// `spec.revisionHistoryLimit`.
    pub revision_history_limit: i32,
    /// `spec.selector`: a revision with other labels is none of its own.
    pub selector: Selector,
    /// How many pods it has by its status: `replicas`, or `currentNumberScheduled`; none where it does not say.
    pub pods: Option<i32>,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `status.currentRevision`.
    pub current_revision: Option<String>,
    /// `status.updateRevision`.
    pub update_revision: Option<String>,
    /// Which ConfigMaps and Secrets its template uses.
    pub uses: Arc<[Use]>,
}

/// What a DaemonSet says about its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DaemonSet {
    /// Who it is.
    pub meta: OwnerMeta,
    /// `spec.revisionHistoryLimit`.
    pub revision_history_limit: i32,
    /// `spec.selector`: a revision with other labels is none of its own.
    pub selector: Selector,
    /// How many pods it has by its status: `replicas`, or `currentNumberScheduled`; none where it does not say.
    pub pods: Option<i32>,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// Its pod template.
    pub template: TemplateHash,
    /// Which ConfigMaps and Secrets its template uses.
    pub uses: Arc<[Use]>,
}

impl ControllerRevision {
    /// By which a DaemonSet's pods name it.
    #[must_use]
    pub fn pod_hash(&self) -> &str {
        self.hash.as_deref().unwrap_or(&self.meta.object.name)
    }
}

/// Which revisions the StatefulSet controller deletes, in its order.
///
/// `live` are names of revisions: the status's current and update revision, and what the label `controller-revision-hash` of each pod says.
/// `limit` are kept beside those that are live; with a negative one nothing is deleted.
/// Source: `truncateHistory`, `pkg/controller/statefulset/stateful_set_control.go` v1.37.2.
///
/// DIFFERENCE: with a negative limit, which the API refuses, upstream panics before 1.29.
#[must_use]
pub fn truncate_history<'a>(limit: i32, revisions: &[&'a ControllerRevision], live: &BTreeSet<&str>) -> Vec<&'a ControllerRevision> {
    let Ok(limit) = usize::try_from(limit) else { return Vec::new() };
    let mut history: Vec<&ControllerRevision> = revisions.iter().copied().filter(|one| !live.contains(one.meta.object.name.as_str())).collect();
    let over = history.len().saturating_sub(limit);
    sort(&mut history);
    history.truncate(over);
    history
}

/// Which old revisions the DaemonSet controller deletes, in its order.
///
/// `old` are those whose template is not the DaemonSet's. `live` are the labels `controller-revision-hash` of its pods, of those that have ended too.
/// A live one counts, and where it is passed over the next one goes instead: a DaemonSet with a pod of an old revision keeps fewer others
/// than a StatefulSet would.
/// Source: `cleanupHistory`, `pkg/controller/daemon/update.go` v1.37.2; the same since 1.12.
#[must_use]
pub fn cleanup_history<'a>(limit: i32, old: &[&'a ControllerRevision], live: &BTreeSet<&str>) -> Vec<&'a ControllerRevision> {
    let over = i64::try_from(old.len()).unwrap_or(i64::MAX).saturating_sub(i64::from(limit));
    let mut old = old.to_vec();
    sort(&mut old);
    old.into_iter().filter(|one| !live.contains(one.pod_hash())).take(usize::try_from(over).unwrap_or(0)).collect()
}

/// Oldest first. Source: `byRevision`, `pkg/controller/history/controller_history.go` v1.37.2.
pub(crate) fn sort(revisions: &mut [&ControllerRevision]) {
    let key = |one: &ControllerRevision| (one.revision, one.meta.created);
    revisions.sort_by(|one, other| key(one).cmp(&key(other)).then_with(|| one.meta.object.name.cmp(&other.meta.object.name)));
}
