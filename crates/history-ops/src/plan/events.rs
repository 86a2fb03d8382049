//! Events.

use crate::policy::Part;
use crate::pruning::{Reason, Why};

use super::draft::{Draft, Going};

pub(super) fn plan(draft: &mut Draft<'_>) {
    let (seen, policy) = (draft.seen, draft.policy);
    let events = draft.once(&seen.events, |event| &event.meta);
    for event in events.into_iter().filter(|event| policy.wants(Part::Events, &event.meta.object.namespace)) {
        let last = event.last.or(event.meta.created);
        if draft.opted_out(&event.meta) {
            continue;
        }
        match last {
            Some(since) if draft.is_older(last, draft.policy.events_older_than) => {
                let why = Why::TooOld { since };
                draft.delete(Going { part: Part::Events, meta: &event.meta, owner: None, revision: None, why, guards: Vec::new() });
            }
            Some(_) | None => draft.keep(&event.meta.object, Reason::WithinLimit { limit: None }),
        }
    }
}
