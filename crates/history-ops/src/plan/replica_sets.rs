//! ReplicaSets.

use std::collections::{HashMap, HashSet};

use crate::kind::deployment::{self, Deployment, DeploymentRules, Moment, ReplicaSet};
use crate::object::OwnerKind;
use crate::policy::{Incomplete, Part};
use crate::pruning::{Guard, Notice, Reason};

use super::draft::{Draft, Going};
use super::retention::{self, Entry, Limit, Verdict};

pub(super) fn plan(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    let index: HashMap<&str, usize> = seen.deployments.iter().enumerate().map(|(index, one)| (one.meta.owner.uid.as_str(), index)).collect();
    let mut owned: Vec<Vec<&ReplicaSet>> = vec![Vec::new(); seen.deployments.len()];
    let policy = draft.policy;
    let sets = draft.once(&seen.replica_sets, |set| &set.meta);
    for set in sets.into_iter().filter(|set| policy.wants(Part::ReplicaSets, &set.meta.object.namespace)) {
        match &set.meta.controller {
            None => draft.keep(&set.meta.object, Reason::Orphan),
            Some(controller) if !OwnerKind::Deployment.is_of(controller) => {
                draft.keep(&set.meta.object, Reason::Foreign { controller: controller.clone() });
            }
            Some(controller) => match index.get(controller.uid.as_str()).and_then(|index| owned.get_mut(*index)) {
                Some(sets) => sets.push(set),
                None => draft.keep(&set.meta.object, Reason::OwnerNotSeen { controller: controller.clone() }),
            },
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
    draft.keep(&new.meta.object, Reason::New);
    let mut old: Vec<&ReplicaSet> = sets.iter().copied().filter(|set| set.meta.object.uid != new.meta.object.uid).collect();
    deployment::sort(&mut old, rules.order);
    let retention = draft.policy.revisions;
    let limit = Limit::of(deployment.revision_history_limit.filter(|limit| Some(*limit) != rules.no_limit), &retention);
    let over = deployment::cleanup(limit.as_i32(), &old, rules);
    let over: HashSet<&str> = over.iter().map(|set| set.meta.object.uid.as_str()).collect();
    let target = old.iter().rev().find(|set| !set.is_in_use()).map(|set| set.meta.object.uid.as_str());
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
                let revision = set.revision.number();
                lost.extend(revision);
                draft.delete(Going { part: Part::ReplicaSets, meta, owner: Some(&deployment.meta.owner), revision, why, guards: guards.clone() });
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

/// The new one, or why nothing of this Deployment may go.
fn new_one<'a>(draft: &Draft<'_>, deployment: &Deployment, sets: &[&'a ReplicaSet]) -> Result<&'a ReplicaSet, Reason> {
    let owner = || deployment.meta.owner.clone();
    if deployment.meta.deleting {
        return Err(Reason::OwnerDeleting { owner: owner() });
    }
    if deployment.meta.opted_out {
        return Err(Reason::OptedOut);
    }
    match (deployment.moment(), draft.policy.incomplete) {
        (Moment::Complete | Moment::Paused, _) | (Moment::Incomplete, Incomplete::Pruned) => {}
        (Moment::Incomplete, Incomplete::Held) => return Err(Reason::Incomplete { owner: owner() }),
    }
    deployment::new_replica_set(deployment, sets).ok_or_else(|| Reason::NoNewReplicaSet { owner: owner() })
}
