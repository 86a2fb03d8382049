//! Pods that have ended.

use std::collections::HashSet;

use crate::kind::pod_gc::{self, PodGcRules};
use crate::policy::Part;
use crate::pruning::{Reason, Why};

use super::draft::{Draft, Going};

pub(super) fn plan(draft: &mut Draft<'_>) {
    if !draft.policy.parts.contains(&Part::Pods) {
        return;
    }
    let (seen, threshold) = (draft.seen, draft.policy.terminated_pod_gc_threshold);
    let pods = draft.once(&seen.pods, |pod| &pod.meta);
    // The threshold counts the whole cluster, whatever namespaces are asked for.
    let over = pod_gc::gc_terminated(threshold, pods.iter().copied(), PodGcRules::at(draft.policy.version));
    let uids: HashSet<&str> = over.iter().map(|pod| pod.meta.object.uid.as_str()).collect();
    for pod in over.into_iter().filter(|pod| draft.policy.wants(Part::Pods, &pod.meta.object.namespace)) {
        if draft.opted_out(&pod.meta) {
            continue;
        }
        let why = Why::OverThreshold { threshold };
        draft.delete(Going { part: Part::Pods, meta: &pod.meta, owner: None, revision: None, why, guards: Vec::new() });
    }
    let limit = u64::try_from(threshold).ok().filter(|limit| *limit > 0);
    for pod in pods.into_iter().filter(|pod| pod.is_terminated() && draft.policy.wants(Part::Pods, &pod.meta.object.namespace)) {
        if pod.waits_for_finalizers() {
            draft.keep(&pod.meta.object, Reason::Waiting);
        } else if !uids.contains(pod.meta.object.uid.as_str()) {
            draft.keep(&pod.meta.object, Reason::WithinLimit { limit });
        }
    }
}
