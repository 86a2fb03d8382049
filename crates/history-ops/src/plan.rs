//! The planner: what goes, by the controllers' rules and the policy, and why the rest stays.

mod controller_revisions;
mod draft;
mod events;
mod helm;
mod jobs;
mod pods;
mod replica_sets;
mod retention;
mod unused;

use jiff::Timestamp;

use crate::error::Error;
use crate::policy::Policy;
use crate::pruning::PruningPlan;
use crate::rows::HistorySeen;

use draft::Draft;

/// Plans the pruning of what was seen.
///
/// Pure: the same rows, policy and clock give the same plan. Steps come part by part, workload by workload, each in its controller's order. Every object
/// of the parts that the policy names is either a step or held back with its reason.
///
/// # Errors
/// [`Error::NegativeAge`], [`Error::Percent`]: the policy is none.
///
/// ```
/// use trimtab_history_ops::plan::plan;
/// use trimtab_history_ops::policy::Policy;
/// use trimtab_history_ops::rows::HistorySeen;
///
/// let dump = br#"{"items": [
///     {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "c1"}},
///     {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"namespace": "shop", "name": "import", "uid": "j1", "resourceVersion": "7"},
///      "spec": {"ttlSecondsAfterFinished": 60},
///      "status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T10:00:00Z"}]}}
/// ]}"#;
/// let seen = HistorySeen::of_dump(dump)?;
/// let plan = plan(&seen, &Policy::new("1.34".parse()?), "2026-11-25T11:00:00Z".parse()?)?;
/// assert_eq!(plan.steps[0].target, "Job shop/import");
/// assert_eq!(plan.steps[0].action.to_string(), "delete: its time to live was over at 2026-11-25T10:01:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(seen: &HistorySeen, policy: &Policy, now: Timestamp) -> Result<PruningPlan, Error> {
    policy.check()?;
    let mut draft = Draft::new(seen, policy, now);
    replica_sets::plan(&mut draft);
    controller_revisions::plan(&mut draft);
    jobs::plan(&mut draft);
    pods::plan(&mut draft);
    helm::plan(&mut draft);
    events::plan(&mut draft);
    Ok(draft.finish())
}

#[cfg(test)]
mod tests;
