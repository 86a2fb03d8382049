//! ControllerRevisions.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::kind::controller_revision::{self as rule, ControllerRevision, DaemonSet, StatefulSet};
use crate::object::{OwnerKind, OwnerRef};
use crate::policy::Part;
use crate::pruning::{Guard, Notice, Reason};
use crate::rows::OwnerMeta;
use crate::selector::Selector;

use super::draft::{Draft, Going};
use super::retention::{self, Entry, Limit};

pub(super) fn plan(draft: &mut Draft<'_>) {
    let seen = draft.seen;
    let stateful_sets = seen.stateful_sets.iter().map(|set| (&set.meta.owner, &set.selector));
    let owners: HashMap<(&str, &str), (&Arc<OwnerRef>, &Selector)> =
        stateful_sets.chain(seen.daemon_sets.iter().map(|set| (&set.meta.owner, &set.selector))).map(|found| (found.0.key(), found)).collect();
    let mut revisions: HashMap<&str, Vec<&ControllerRevision>> = HashMap::new();
    let policy = draft.policy;
    let all = draft.once(&seen.controller_revisions, |one| &one.meta);
    for one in all.into_iter().filter(|one| policy.wants(Part::ControllerRevisions, &one.meta.object.namespace)) {
        match &one.meta.controller {
            None => draft.keep(&one.meta.object, Reason::Orphan),
            Some(controller) if !OwnerKind::StatefulSet.is_of(controller) && !OwnerKind::DaemonSet.is_of(controller) => {
                draft.keep(&one.meta.object, Reason::Foreign { controller: controller.clone() });
            }
            Some(controller) => match owners.get(&(one.meta.object.namespace.as_str(), controller.uid.as_str())) {
                Some((owner, selector)) if selector.matches(&one.labels) => revisions.entry(owner.uid.as_str()).or_default().push(one),
                Some((owner, _)) => draft.keep(&one.meta.object, Reason::NotSelected { owner: Arc::clone(owner) }),
                None => draft.keep(&one.meta.object, Reason::OwnerNotSeen { controller: controller.clone() }),
            },
        }
    }
    let running = running(draft);
    let none = Running::default();
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

/// What the pods of one owner run.
#[derive(Default)]
struct Running<'a> {
    pods: usize,
    hashes: BTreeSet<&'a str>,
}

/// By the owner's uid. Pods that have ended count too, as for a DaemonSet: more stays of a StatefulSet.
fn running<'a>(draft: &Draft<'a>) -> HashMap<&'a str, Running<'a>> {
    let mut running: HashMap<&str, Running<'_>> = HashMap::new();
    for pod in &draft.seen.pods {
        if let Some(controller) = &pod.meta.controller {
            let of_owner = running.entry(controller.uid.as_str()).or_default();
            of_owner.pods += 1;
            of_owner.hashes.extend(pod.revision_hash.as_deref());
        }
    }
    running
}

fn of_stateful_set(draft: &mut Draft<'_>, set: &StatefulSet, revisions: &[&ControllerRevision], running: &Running<'_>) {
    if !may_be_pruned(draft, &set.meta, set.observed_generation, revisions) || !pods_seen(draft, set.pods, running, revisions) {
        return;
    }
    let (Some(current), Some(update)) = (&set.current_revision, &set.update_revision) else {
        draft.keep_all(revisions.iter().map(|one| &one.meta), &Reason::NotObserved { owner: Arc::clone(&set.meta.owner) });
        return;
    };
    let live: BTreeSet<&str> = running.hashes.iter().copied().chain([current.as_str(), update.as_str()]).collect();
    let retention = draft.policy.revisions;
    let limit = Limit::of(Some(set.revision_history_limit), &retention);
    let over = rule::truncate_history(limit.as_i32().unwrap_or(i32::MAX), revisions, &live);
    let (stays, free): (Vec<&ControllerRevision>, Vec<_>) = revisions.iter().partition(|one| live.contains(one.meta.object.name.as_str()));
    draft.keep_all(stays.iter().map(|one| &one.meta), &Reason::Live);
    judge(draft, &set.meta.owner, revisions, &free, &over, limit);
}

fn of_daemon_set(draft: &mut Draft<'_>, set: &DaemonSet, revisions: &[&ControllerRevision], running: &Running<'_>) {
    if !may_be_pruned(draft, &set.meta, set.observed_generation, revisions) || !pods_seen(draft, set.pods, running, revisions) {
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
    let over = rule::cleanup_history(limit.as_i32().unwrap_or(i32::MAX), &old, &running.hashes);
    let (stays, free): (Vec<&ControllerRevision>, Vec<_>) = old.iter().partition(|one| running.hashes.contains(one.pod_hash()));
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

/// Fewer than its status tells of, and nothing says what the others run.
fn pods_seen(draft: &mut Draft<'_>, pods: Option<i32>, running: &Running<'_>, revisions: &[&ControllerRevision]) -> bool {
    let wanted = pods.map_or(usize::from(draft.seen.pods.is_empty()), |pods| usize::try_from(pods).unwrap_or(0));
    let seen = running.pods >= wanted || (pods.is_none() && !draft.seen.pods.is_empty());
    if !seen {
        draft.keep_all(revisions.iter().map(|one| &one.meta), &Reason::PodsNotSeen);
    }
    seen
}

fn judge(
    draft: &mut Draft<'_>,
    owner: &Arc<OwnerRef>,
    all: &[&ControllerRevision],
    free: &[&ControllerRevision],
    over: &[&ControllerRevision],
    limit: Limit,
) {
    let over = retention::condemned(over.iter().map(|one| &one.meta));
    let (going_already, free): (Vec<&ControllerRevision>, Vec<_>) = free.iter().partition(|one| one.meta.deleting);
    draft.keep_all(going_already.iter().map(|one| &one.meta), &Reason::Waiting);
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
                let guards = [Guard::NotLive { names }, stay.clone()];
                draft.delete(Going { part: Part::ControllerRevisions, meta, owner: Some(owner), revision: Some(one.revision), why, guards: &guards });
            }
            Err(reason) => draft.keep(&meta.object, reason),
        }
    }
    if !lost.is_empty() {
        draft.announce(Notice::RollbackLost { owner: Arc::clone(owner), revisions: lost });
    }
}
