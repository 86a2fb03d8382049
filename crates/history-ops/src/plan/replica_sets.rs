//! ReplicaSets.

use std::collections::HashMap;

use crate::kind::deployment::{self, Deployment, DeploymentRules, Moment, ReplicaSet, Revision};
use crate::object::OwnerKind;
use crate::policy::{Incomplete, Part};
use crate::pruning::{Guard, Notice, Reason};

use super::draft::{Draft, Going};
use super::retention::{self, Entry, Limit, Verdict};

pub(super) fn plan(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    let index: HashMap<(&str, &str), usize> = seen.deployments.iter().enumerate().map(|(index, one)| (one.meta.owner.key(), index)).collect();
    let mut owned: Vec<Vec<&ReplicaSet>> = vec![Vec::new(); seen.deployments.len()];
    let policy = draft.policy;
    let sets = draft.once(&seen.replica_sets, |set| &set.meta);
    for set in sets.into_iter().filter(|set| policy.wants(Part::ReplicaSets, &set.meta.object.namespace)) {
        match &set.meta.controller {
            None => draft.keep(&set.meta.object, Reason::Orphan),
            Some(controller) if !OwnerKind::Deployment.is_of(controller) => {
                draft.keep(&set.meta.object, Reason::Foreign { controller: controller.clone() });
            }
            Some(controller) => {
                match index.get(&(set.meta.object.namespace.as_str(), controller.uid.as_str())).and_then(|index| owned.get_mut(*index)) {
                    Some(sets) => sets.push(set),
                    None => draft.keep(&set.meta.object, Reason::OwnerNotSeen { controller: controller.clone() }),
                }
            }
        }
    }
    let rules = DeploymentRules::at(draft.policy.version);
    for (deployment, sets) in seen.deployments.iter().zip(&owned).filter(|(_, sets)| !sets.is_empty()) {
        of_deployment(draft, deployment, sets, &rules);
    }
}

fn of_deployment(draft: &mut Draft<'_>, deployment: &Deployment, sets: &[&ReplicaSet], rules: &DeploymentRules) {
    let new = match new_one(draft, deployment, sets) {
        Ok(new) => new,
        Err(reason) => {
            draft.keep_all(sets.iter().map(|set| &set.meta), &reason);
            return;
        }
    };
    draft.keep_all(new.iter().map(|new| &new.meta), &Reason::New);
    let mut old: Vec<&ReplicaSet> = sets.iter().copied().filter(|set| new.is_none_or(|new| set.meta.object.uid != new.meta.object.uid)).collect();
    deployment::sort(&mut old, rules.order);
    let retention = draft.policy.revisions;
    let limit = Limit::of(deployment.revision_history_limit.filter(|limit| Some(*limit) != rules.no_limit), &retention);
    let over = deployment::cleanup(limit.as_i32(), &old, rules);
    let over = retention::condemned(over.iter().map(|set| &set.meta));
    // `kubectl rollout undo` goes by the number, in every release.
    let target = old.iter().filter(|set| !set.is_in_use()).max_by_key(|set| set.revision.number()).map(|set| set.meta.object.uid.as_str());
    let entry = |set: &&'_ ReplicaSet| !set.is_in_use();
    for set in old.iter().filter(|set| !entry(set)) {
        draft.keep(&set.meta.object, Reason::InUse { replicas: set.replicas, status_replicas: set.status_replicas });
    }
    let free: Vec<&ReplicaSet> = old.into_iter().filter(|set| entry(set)).collect();
    let entries: Vec<Entry<'_>> =
        free.iter().map(|set| Entry { meta: &set.meta, since: set.meta.created, known_good: target == Some(set.meta.object.uid.as_str()) }).collect();
    let verdicts = retention::judge(draft, &retention, limit, &entries, &over);
    let guards = guards(draft, sets, &verdicts);
    let mut lost = Vec::new();
    for (set, (meta, verdict)) in free.iter().zip(verdicts) {
        match verdict {
            Ok(why) => {
                let revision = set.revision.number().filter(|_| set.revision != Revision::Missing);
                lost.extend(revision);
                draft.delete(Going { part: Part::ReplicaSets, meta, owner: Some(&deployment.meta.owner), revision, why, guards: &guards });
            }
            Err(reason) => draft.keep(&meta.object, reason),
        }
    }
    if !lost.is_empty() {
        draft.announce(Notice::RollbackLost { owner: deployment.meta.owner.clone(), revisions: lost });
    }
}

fn guards(draft: &Draft<'_>, sets: &[&ReplicaSet], verdicts: &[Verdict<'_>]) -> Vec<Guard> {
    let stay = retention::stay(sets.iter().map(|set| &set.meta), verdicts);
    match draft.policy.incomplete {
        Incomplete::Held => vec![Guard::RolledOut, stay],
        Incomplete::Pruned => vec![stay],
    }
}

/// The new one, or why nothing of this Deployment may go. A paused one whose template was edited has none, and its controller prunes all the same.
fn new_one<'a>(draft: &Draft<'_>, deployment: &Deployment, sets: &[&'a ReplicaSet]) -> Result<Option<&'a ReplicaSet>, Reason> {
    let owner = || deployment.meta.owner.clone();
    if deployment.meta.deleting {
        return Err(Reason::OwnerDeleting { owner: owner() });
    }
    if deployment.meta.opted_out {
        return Err(Reason::OptedOut);
    }
    if deployment.rolling_back {
        return Err(Reason::RollingBack { owner: owner() });
    }
    if deployment.status.observed_generation < deployment.meta.owner.generation {
        return Err(Reason::NotObserved { owner: owner() });
    }
    let new = deployment::new_replica_set(deployment, sets);
    match (deployment.moment(), draft.policy.incomplete) {
        (Moment::Paused, _) => Ok(new),
        (Moment::Complete, _) | (Moment::Incomplete, Incomplete::Pruned) => new.map(Some).ok_or_else(|| Reason::NoNewReplicaSet { owner: owner() }),
        (Moment::Incomplete, Incomplete::Held) => Err(Reason::Incomplete { owner: owner() }),
    }
}
