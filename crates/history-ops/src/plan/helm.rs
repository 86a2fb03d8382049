//! Records of Helm.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::kind::helm::{Generation, HelmRecord, Payload, WithoutDeployed, remove_least_recent};
use crate::object::Kind;
use crate::policy::Part;
use crate::pruning::{Guard, LimitBy, Notice, Reason};

use super::draft::{Draft, Going};
use super::retention::{self, Entry, Limit};

pub(super) fn plan(draft: &mut Draft<'_>) {
    let mut order = Vec::new();
    let mut releases: HashMap<(Generation, Kind, &str, &str), Vec<&HelmRecord>> = HashMap::new();
    let (seen, policy) = (draft.seen, draft.policy);
    let records = draft.once(&seen.helm, |record| &record.meta);
    for record in records.into_iter().filter(|record| policy.wants(Part::Helm, &record.meta.object.namespace)) {
        // Helm looks into Secrets or into ConfigMaps, by its driver, and never into both.
        let object = &record.meta.object;
        let key = (record.generation, object.kind, object.namespace.as_str(), record.release.as_str());
        let records = releases.entry(key).or_default();
        if records.is_empty() {
            order.push(key);
        }
        records.push(record);
    }
    for key in order {
        of_release(draft, key.0, &releases.remove(&key).unwrap_or_default());
    }
}

fn of_release(draft: &mut Draft<'_>, generation: Generation, all: &[&HelmRecord]) {
    let (mut records, untrusted): (Vec<&HelmRecord>, Vec<_>) = all.iter().partition(|record| distrust(record).is_none());
    for record in untrusted {
        draft.keep(&record.meta.object, Reason::Untrusted { problem: distrust(record).unwrap_or_default() });
    }
    records.sort_by_key(|record| record.version);
    let deployed = records.iter().rev().find(|record| record.status == "deployed").copied();
    if let Some(reason) = nothing_goes(generation, &records, deployed) {
        draft.keep_all(records.iter().map(|record| &record.meta), &reason);
        return;
    }
    let retention = draft.policy.helm;
    let limit = limit(draft, generation);
    let most = limit.most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let over = remove_least_recent(most, &records, &generation.rules());
    let over: HashSet<&str> = over.iter().map(|record| record.meta.object.uid.as_str()).collect();
    if let Some(deployed) = deployed {
        draft.keep(&deployed.meta.object, Reason::Deployed);
    }
    let free: Vec<&HelmRecord> = records.into_iter().filter(|record| deployed.is_none_or(|kept| kept.version != record.version)).collect();
    let good = free.iter().rev().find(|record| record.status == "superseded").map(|record| record.version);
    let entry = |record: &&'_ HelmRecord| good == Some(record.version);
    let entries: Vec<Entry<'_>> =
        free.iter().map(|record| Entry { meta: &record.meta, since: record.modified.or(record.meta.created), known_good: entry(record) }).collect();
    let verdicts = retention::judge(draft, &retention, limit, &entries, &over);
    let guards = guards(deployed, retention::stay(all.iter().map(|record| &record.meta), &verdicts));
    let mut lost = Vec::new();
    for (record, (meta, verdict)) in free.iter().zip(verdicts) {
        match verdict {
            Ok(why) => {
                lost.push(record.version);
                draft.delete(Going { part: Part::Helm, meta, owner: None, revision: Some(record.version), why, guards: guards.clone() });
            }
            Err(reason) => draft.keep(&meta.object, reason),
        }
    }
    if let (Some(record), false) = (free.first(), lost.is_empty()) {
        draft.announce(Notice::HelmRollbackLost { release: format!("{}/{}", record.meta.object.namespace, record.release), revisions: lost });
    }
}

fn guards(deployed: Option<&HelmRecord>, stay: Guard) -> Vec<Guard> {
    let deployed = deployed.map(|kept| Guard::Deployed { object: Arc::clone(&kept.meta.object) });
    [Some(Guard::RecordAgrees), deployed, Some(stay)].into_iter().flatten().collect()
}

fn distrust(record: &HelmRecord) -> Option<String> {
    match &record.payload {
        Some(Payload::Unreadable { problem }) => Some(problem.to_string()),
        Some(Payload::Differs { says }) => Some(format!("its payload says {says}")),
        Some(Payload::Agrees) | None => None,
    }
}

fn nothing_goes(generation: Generation, records: &[&HelmRecord], deployed: Option<&HelmRecord>) -> Option<Reason> {
    let newest = records.last()?;
    if newest.status.starts_with("pending") || newest.status == "uninstalling" {
        return Some(Reason::Pending { status: newest.status.clone() });
    }
    let fails = generation.rules().without_deployed == WithoutDeployed::Fails;
    (deployed.is_none() && fails).then(|| Reason::NeverDeployed { release: newest.release.clone() })
}

fn limit(draft: &Draft<'_>, generation: Generation) -> Limit {
    let asked = draft.policy.helm_history_max;
    let most = Some(asked.unwrap_or_else(|| generation.default_max_history())).filter(|most| *most > 0);
    let set_by = if asked.is_some() { LimitBy::Policy } else { LimitBy::Helm };
    let wanted = draft.policy.helm.max_kept.map(|most| most.max(draft.policy.helm.min_kept));
    match (most, wanted) {
        (Some(most), Some(wanted)) if wanted < most => Limit { most: Some(u64::from(wanted)), set_by: LimitBy::Policy },
        (None, Some(wanted)) => Limit { most: Some(u64::from(wanted)), set_by: LimitBy::Policy },
        (most, _) => Limit { most: most.map(u64::from), set_by },
    }
}
