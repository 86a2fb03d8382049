//! What the policy makes of a controller's own verdict on one owner's history.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::object::{Meta, ObjectRef};
use crate::policy::{LastKnownGood, Retention};
use crate::pruning::{Guard, LimitBy, Reason, Why};

use super::draft::Draft;

/// The limit that holds, and whose it is.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) most: Option<u64>,
    pub(super) set_by: LimitBy,
}

impl Limit {
    /// The smaller of the two; the policy cannot allow more than the workload. A negative one, which the API refuses, is none.
    pub(super) fn of(own: Option<i32>, retention: &Retention) -> Self {
        let own = own.and_then(|limit| u64::try_from(limit).ok());
        let wanted = retention.max_kept.map(|most| u64::from(most.max(retention.min_kept)));
        match (own, wanted) {
            (Some(own), Some(wanted)) if wanted < own => Self { most: Some(wanted), set_by: LimitBy::Policy },
            (None, Some(wanted)) => Self { most: Some(wanted), set_by: LimitBy::Policy },
            (own, _) => Self { most: own, set_by: LimitBy::Workload },
        }
    }

    /// As the controllers' functions take it.
    pub(super) fn as_i32(&self) -> Option<i32> {
        self.most.map(|most| i32::try_from(most).unwrap_or(i32::MAX))
    }
}

/// One entry of an owner's history that may go, oldest first.
pub(super) struct Entry<'a> {
    pub(super) meta: &'a Meta,
    /// From when its age counts.
    pub(super) since: Option<Timestamp>,
    /// Whether it is the last one that is known to have worked.
    pub(super) known_good: bool,
}

/// An object, and why it goes or stays.
pub(super) type Verdict<'a> = (&'a Meta, Result<Why, Reason>);

/// The guard that what is left of one owner's history stays: `all` of it but what is on its way out, and what is condemned, which is never both.
pub(super) fn stay<'a>(all: impl Iterator<Item = &'a Meta>, verdicts: &[Verdict<'_>]) -> Guard {
    let there = all.filter(|meta| !meta.deleting).count();
    let going = verdicts.iter().filter(|(_, verdict)| verdict.is_ok()).count();
    Guard::Stay { least: u64::try_from(there.saturating_sub(going)).unwrap_or(u64::MAX) }
}

/// Objects by where they are in memory: a plan looks at each row once.
pub(super) type Condemned = HashSet<*const ObjectRef>;

pub(super) fn condemned<'a>(over: impl Iterator<Item = &'a Meta>) -> Condemned {
    over.map(|meta| Arc::as_ptr(&meta.object)).collect()
}

/// Which go and why, and why the others stay. `over` are those that the limit condemns; `entries` are all that nothing protects, oldest first.
pub(super) fn judge<'a>(draft: &Draft<'_>, retention: &Retention, limit: Limit, entries: &[Entry<'a>], over: &Condemned) -> Vec<Verdict<'a>> {
    // As many of the newest have no age.
    let aging = entries.len().saturating_sub(usize::try_from(retention.min_kept).unwrap_or(usize::MAX));
    let too_old = |place: usize, entry: &Entry<'_>| place < aging && draft.is_older(entry.since, retention.max_age);
    let verdict = |(place, entry): (usize, &Entry<'a>)| {
        let over = over.contains(&Arc::as_ptr(&entry.meta.object));
        (entry.meta, one(draft, retention, limit, entry, over, too_old(place, entry)))
    };
    entries.iter().enumerate().map(verdict).collect()
}

fn one(draft: &Draft<'_>, retention: &Retention, limit: Limit, entry: &Entry<'_>, over: bool, too_old: bool) -> Result<Why, Reason> {
    if !over && !too_old {
        return Err(Reason::WithinLimit { limit: limit.most });
    }
    if entry.meta.opted_out {
        return Err(Reason::OptedOut);
    }
    if draft.is_younger(entry.since, retention.min_age) {
        return Err(Reason::Young);
    }
    if entry.known_good && retention.last_known_good == LastKnownGood::Kept {
        return Err(Reason::LastKnownGood);
    }
    match (over, entry.since) {
        (true, _) | (_, None) => Ok(Why::OverLimit { limit: limit.most.unwrap_or(0), set_by: limit.set_by }),
        (false, Some(since)) => Ok(Why::TooOld { since }),
    }
}
