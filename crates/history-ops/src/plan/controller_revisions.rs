//! ControllerRevisions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::kind::controller_revision::{self as rule, ControllerRevision, DaemonSet, StatefulSet};
use crate::object::{OwnerKind, OwnerRef};
use crate::policy::Part;
use crate::pruning::{Guard, Notice, Reason};
use crate::rows::OwnerMeta;

use super::draft::{Draft, Going};
use super::retention::{self, Entry, Limit};

pub(super) fn plan(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    let mut revisions: HashMap<&str, Vec<&ControllerRevision>> = HashMap::new();
    for set in &seen.stateful_sets {
        revisions.entry(&set.meta.owner.uid).or_default();
    }
    for set in &seen.daemon_sets {
        revisions.entry(&set.meta.owner.uid).or_default();
    }
    let policy = draft.policy;
    let all = draft.once(&seen.controller_revisions, |one| &one.meta);
    for one in all.into_iter().filter(|one| policy.wants(Part::ControllerRevisions, &one.meta.object.namespace)) {
        match &one.meta.controller {
            None => draft.keep(&one.meta.object, Reason::Orphan),
            Some(controller) if !OwnerKind::StatefulSet.is_of(controller) && !OwnerKind::DaemonSet.is_of(controller) => {
                draft.keep(&one.meta.object, Reason::Foreign { controller: controller.clone() });
            }
            Some(controller) => match revisions.get_mut(controller.uid.as_str()) {
                Some(of_owner) => of_owner.push(one),
                None => draft.keep(&one.meta.object, Reason::OwnerNotSeen { controller: controller.clone() }),
            },
        }
    }
    if seen.pods.is_empty() {
        let unseen = revisions.into_values().flatten().map(|one| &one.meta);
        draft.keep_all(unseen, &Reason::PodsNotSeen);
        return;
    }
    let running = running(draft);
    let none = BTreeSet::new();
    let live = |owner: &OwnerRef| running.get(owner.uid.as_str()).unwrap_or(&none);
    for set in &seen.stateful_sets {
        let mut of_set = revisions.remove(set.meta.owner.uid.as_str()).unwrap_or_default();
        rule::sort(&mut of_set);
        of_stateful_set(draft, set, &of_set, live(&set.meta.owner));
    }
    for set in &seen.daemon_sets {
        let mut of_set = revisions.remove(set.meta.owner.uid.as_str()).unwrap_or_default();
        rule::sort(&mut of_set);
        of_daemon_set(draft, set, &of_set, live(&set.meta.owner));
    }
}

/// What the pods of each owner run, by the owner's uid. Pods that have ended count too, as for a DaemonSet since 1.26: more stays.
fn running<'a>(draft: &Draft<'a>) -> HashMap<&'a str, BTreeSet<&'a str>> {
    let mut running: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for pod in &draft.seen.pods {
        if let (Some(controller), Some(hash)) = (&pod.meta.controller, &pod.revision_hash) {
            running.entry(controller.uid.as_str()).or_default().insert(hash.as_str());
        }
    }
    running
}

fn of_stateful_set(draft: &mut Draft<'_>, set: &StatefulSet, revisions: &[&ControllerRevision], running: &BTreeSet<&str>) {
    if !may_be_pruned(draft, &set.meta, set.observed_generation, revisions) {
        return;
    }
    let named = [&set.current_revision, &set.update_revision].into_iter().flatten().map(String::as_str);
    let live: BTreeSet<&str> = running.iter().copied().chain(named).collect();
    let retention = draft.policy.revisions;
    let limit = Limit::of(Some(set.revision_history_limit), &retention);
    let over = rule::truncate_history(limit.as_i32().unwrap_or(i32::MAX), revisions, &live);
    let (stays, free): (Vec<&ControllerRevision>, Vec<_>) = revisions.iter().partition(|one| live.contains(one.meta.object.name.as_str()));
    draft.keep_all(stays.iter().map(|one| &one.meta), &Reason::Live);
    judge(draft, &set.meta.owner, revisions, &free, &over, limit);
}

fn of_daemon_set(draft: &mut Draft<'_>, set: &DaemonSet, revisions: &[&ControllerRevision], running: &BTreeSet<&str>) {
    if !may_be_pruned(draft, &set.meta, set.observed_generation, revisions) {
        return;
    }
    let (new, old): (Vec<&ControllerRevision>, Vec<_>) = revisions.iter().partition(|one| one.template == Some(set.template));
    if new.is_empty() && !revisions.is_empty() {
        draft.keep_all(revisions.iter().map(|one| &one.meta), &Reason::NotObserved { owner: Arc::clone(&set.meta.owner) });
        return;
    }
    draft.keep_all(new.iter().map(|one| &one.meta), &Reason::New);
    let retention = draft.policy.revisions;
    let limit = Limit::of(Some(set.revision_history_limit), &retention);
    let over = rule::cleanup_history(limit.as_i32().unwrap_or(i32::MAX), &old, running);
    let (stays, free): (Vec<&ControllerRevision>, Vec<_>) = old.iter().partition(|one| running.contains(one.pod_hash()));
    draft.keep_all(stays.iter().map(|one| &one.meta), &Reason::Live);
    judge(draft, &set.meta.owner, revisions, &free, &over, limit);
}

fn may_be_pruned(draft: &mut Draft<'_>, meta: &OwnerMeta, observed: i64, revisions: &[&ControllerRevision]) -> bool {
    let reason = if meta.deleting {
        Reason::OwnerDeleting { owner: Arc::clone(&meta.owner) }
    } else if meta.opted_out {
        Reason::OptedOut
    } else if observed < meta.owner.generation {
        Reason::NotObserved { owner: Arc::clone(&meta.owner) }
    } else {
        return true;
    };
    draft.keep_all(revisions.iter().map(|one| &one.meta), &reason);
    false
}

fn judge(
    draft: &mut Draft<'_>,
    owner: &Arc<OwnerRef>,
    all: &[&ControllerRevision],
    free: &[&ControllerRevision],
    over: &[&ControllerRevision],
    limit: Limit,
) {
    let over: HashSet<&str> = over.iter().map(|one| one.meta.object.uid.as_str()).collect();
    let newest = free.last().map(|one| one.meta.object.uid.as_str());
    let entry = |one: &&'_ ControllerRevision| newest == Some(one.meta.object.uid.as_str());
    let entries: Vec<Entry<'_>> = free.iter().map(|one| Entry { meta: &one.meta, since: one.meta.created, known_good: entry(one) }).collect();
    let retention = draft.policy.revisions;
    let verdicts = retention::judge(draft, &retention, limit, &entries, &over);
    let stay = retention::stay(all.iter().map(|one| &one.meta), &verdicts);
    let mut lost = Vec::new();
    for (one, (meta, verdict)) in free.iter().zip(verdicts) {
        match verdict {
            Ok(why) => {
                lost.push(one.revision);
                let names = BTreeSet::from([one.meta.object.name.clone(), one.pod_hash().to_owned()]);
                let guards = vec![Guard::NotLive { names }, stay.clone()];
                draft.delete(Going { part: Part::ControllerRevisions, meta, owner: Some(owner), revision: Some(one.revision), why, guards });
            }
            Err(reason) => draft.keep(&meta.object, reason),
        }
    }
    if !lost.is_empty() {
        draft.announce(Notice::RollbackLost { owner: Arc::clone(owner), revisions: lost });
    }
}
