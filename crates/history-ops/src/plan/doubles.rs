//! An object that stands twice in what was seen, as in two dumps put together, would count twice and push another one over the limit.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::object::{Meta, ObjectRef};
use crate::rows::{HistorySeen, OwnerMeta, Unread, UnreadProblem};

/// Each object once, the first of each uid; the others stand in `unread`.
pub(super) fn once(seen: &HistorySeen) -> Cow<'_, HistorySeen> {
    let doubled = has_doubles(&seen.deployments, |row| of_owner(&row.meta))
        || has_doubles(&seen.replica_sets, |row| of_object(&row.meta))
        || has_doubles(&seen.stateful_sets, |row| of_owner(&row.meta))
        || has_doubles(&seen.daemon_sets, |row| of_owner(&row.meta))
        || has_doubles(&seen.controller_revisions, |row| of_object(&row.meta))
        || has_doubles(&seen.cron_jobs, |row| of_owner(&row.meta))
        || has_doubles(&seen.jobs, |row| of_object(&row.meta))
        || has_doubles(&seen.pods, |row| of_object(&row.meta))
        || has_doubles(&seen.helm, |row| of_object(&row.meta))
        || has_doubles(&seen.events, |row| of_object(&row.meta));
    if doubled { Cow::Owned(without(seen.clone())) } else { Cow::Borrowed(seen) }
}

fn without(mut seen: HistorySeen) -> HistorySeen {
    let mut unread = Vec::new();
    keep_first(&mut seen.deployments, |row| (of_owner(&row.meta), row.meta.owner.to_string()), &mut unread);
    keep_first(&mut seen.replica_sets, |row| (of_object(&row.meta), place(&row.meta)), &mut unread);
    keep_first(&mut seen.stateful_sets, |row| (of_owner(&row.meta), row.meta.owner.to_string()), &mut unread);
    keep_first(&mut seen.daemon_sets, |row| (of_owner(&row.meta), row.meta.owner.to_string()), &mut unread);
    keep_first(&mut seen.controller_revisions, |row| (of_object(&row.meta), place(&row.meta)), &mut unread);
    keep_first(&mut seen.cron_jobs, |row| (of_owner(&row.meta), row.meta.owner.to_string()), &mut unread);
    keep_first(&mut seen.jobs, |row| (of_object(&row.meta), place(&row.meta)), &mut unread);
    keep_first(&mut seen.pods, |row| (of_object(&row.meta), place(&row.meta)), &mut unread);
    keep_first(&mut seen.helm, |row| (of_object(&row.meta), place(&row.meta)), &mut unread);
    keep_first(&mut seen.events, |row| (of_object(&row.meta), place(&row.meta)), &mut unread);
    seen.unread.append(&mut unread);
    seen
}

fn has_doubles<'a, T>(rows: &'a [T], uid: impl Fn(&'a T) -> &'a str) -> bool {
    let mut known = HashSet::with_capacity(rows.len());
    !rows.iter().all(|row| known.insert(uid(row)))
}

fn keep_first<T>(rows: &mut Vec<T>, named: impl Fn(&T) -> (&str, String), unread: &mut Vec<Unread>) {
    let mut known = HashSet::with_capacity(rows.len());
    rows.retain(|row| {
        let (uid, place) = named(row);
        let first = known.insert(uid.to_owned());
        if !first {
            unread.push(Unread { place, problem: UnreadProblem::Twice });
        }
        first
    });
}

fn of_object(meta: &Meta) -> &str {
    &meta.object.uid
}

fn of_owner(meta: &OwnerMeta) -> &str {
    &meta.owner.uid
}

fn place(meta: &Meta) -> String {
    let object: &ObjectRef = &meta.object;
    object.to_string()
}
