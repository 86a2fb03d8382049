//! ConfigMaps and Secrets that nothing uses once the plan is done.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use trimtab_core::plan::Step;

use crate::object::{Kind, ObjectRef};
use crate::pruning::{Notice, Pruning};
use crate::rows::HistorySeen;
use crate::uses::Use;

type Key<'a> = (&'a str, &'a Use);

/// Said only of what was seen: a pod or a workload that is not in the dump may use it still.
pub(super) fn announce(notices: &mut Vec<Notice>, steps: &[Step<Pruning>], seen: &HistorySeen) {
    let revision = |kind: Kind| matches!(kind, Kind::ReplicaSet | Kind::ControllerRevision);
    let going: HashSet<&str> =
        steps.iter().map(|step| &step.action.object).filter(|object| revision(object.kind)).map(|object| object.uid.as_str()).collect();
    if going.is_empty() {
        return;
    }
    let mut last = BTreeMap::new();
    let mut used = HashSet::new();
    for (object, uses) in revisions(seen) {
        let goes = going.contains(object.uid.as_str());
        for what in uses {
            let key: Key<'_> = (object.namespace.as_str(), what);
            if goes {
                last.insert(key, object);
            } else {
                used.insert(key);
            }
        }
    }
    if last.is_empty() {
        return;
    }
    used.extend(others(seen));
    let unused = last.into_iter().filter(|(key, _)| !used.contains(key));
    notices.extend(unused.map(|((namespace, what), object)| Notice::NoLongerUsed {
        namespace: namespace.to_owned(),
        what: what.clone(),
        last: Arc::clone(object),
    }));
}

fn revisions(seen: &HistorySeen) -> impl Iterator<Item = (&Arc<ObjectRef>, &[Use])> {
    let sets = seen.replica_sets.iter().map(|set| (&set.meta.object, &*set.uses));
    sets.chain(seen.controller_revisions.iter().map(|one| (&one.meta.object, &*one.uses)))
}

fn others(seen: &HistorySeen) -> impl Iterator<Item = Key<'_>> {
    fn each<'a>(namespace: &'a str, uses: &'a [Use]) -> impl Iterator<Item = Key<'a>> {
        uses.iter().map(move |what| (namespace, what))
    }
    let deployments = seen.deployments.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let stateful_sets = seen.stateful_sets.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let daemon_sets = seen.daemon_sets.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let cron_jobs = seen.cron_jobs.iter().flat_map(|one| each(&one.meta.owner.namespace, &one.uses));
    let jobs = seen.jobs.iter().flat_map(|one| each(&one.meta.object.namespace, &one.uses));
    let pods = seen.pods.iter().flat_map(|one| each(&one.meta.object.namespace, &one.uses));
    deployments.chain(stateful_sets).chain(daemon_sets).chain(cron_jobs).chain(jobs).chain(pods)
}
