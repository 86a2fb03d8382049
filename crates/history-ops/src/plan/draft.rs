//! A plan while it is being made.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use trimtab_core::plan::{Held, Plan, Step};

use crate::kind::cron_job::Job;
use crate::object::{Kind, Meta, ObjectRef, OwnerRef};
use crate::policy::{Part, Policy};
use crate::pruning::{Delete, Guard, Notice, Propagation, PruningPlan, Reason, Why};
use crate::rows::HistorySeen;

use super::unused;

pub(super) struct Draft<'a> {
    pub(super) seen: &'a HistorySeen,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
    cluster: Option<Guard>,
    steps: Vec<Step<crate::pruning::Pruning>>,
    held: Vec<Held<crate::pruning::Pruning>>,
    notices: Vec<Notice>,
    totals: BTreeMap<Part, (u64, u64)>,
    /// How many of each kind go.
    planned: BTreeMap<Kind, u64>,
    /// How many of each kind were seen once more.
    repeated: BTreeMap<Kind, u64>,
}

/// One deletion, as a part asks for it.
pub(super) struct Going<'a> {
    pub(super) part: Part,
    pub(super) meta: &'a Meta,
    pub(super) owner: Option<&'a Arc<OwnerRef>>,
    pub(super) revision: Option<i64>,
    pub(super) why: Why,
    pub(super) guards: Vec<Guard>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(seen: &'a HistorySeen, policy: &'a Policy, now: Timestamp) -> Self {
        let cluster = seen.cluster.as_ref().map(|uid| Guard::Cluster { uid: Arc::clone(uid) });
        let (steps, held, notices) = (Vec::new(), Vec::new(), Vec::new());
        let (totals, planned, repeated) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { seen, policy, now, cluster, steps, held, notices, totals, planned, repeated }
    }

    /// Each object once: in a dump that was put together of several some stand twice, and would take two places in a history.
    pub(super) fn once<T>(&mut self, rows: &'a [T], meta: fn(&T) -> &Meta) -> Vec<&'a T> {
        // As the API lists them: who comes after all others is new. A set of all uids costs a large plan a third of its time.
        if rows.is_sorted_by(|one, other| comes_before(&meta(one).object, &meta(other).object)) {
            return rows.iter().collect();
        }
        let mut uids = HashSet::with_capacity(rows.len());
        let first: Vec<&T> = rows.iter().filter(|row| uids.insert(meta(row).object.uid.as_str())).collect();
        if let Some(row) = rows.first().filter(|_| first.len() < rows.len()) {
            // One kind in all rows, but for records of Helm; of those it does not matter.
            *self.repeated.entry(meta(row).object.kind).or_default() += count_of(rows.len() - first.len());
        }
        first
    }

    pub(super) fn delete(&mut self, going: Going<'_>) {
        let object = &going.meta.object;
        let total = self.totals.entry(going.part).or_default();
        *total = (total.0 + 1, total.1 + going.meta.json_bytes.unwrap_or(0));
        *self.planned.entry(object.kind).or_default() += 1;
        let mut guards = Vec::with_capacity(going.guards.len() + 3);
        guards.extend(self.cluster.clone());
        guards.extend(going.owner.map(|owner| Guard::Owner { owner: Arc::clone(owner) }));
        guards.push(Guard::Unchanged { object: Arc::clone(object) });
        // What is counted is counted where everything else holds, so that it comes last.
        guards.extend(going.guards);
        let propagation = match going.part {
            // As the controller of each has it.
            Part::JobTtl => Propagation::Foreground,
            Part::ReplicaSets | Part::ControllerRevisions | Part::CronJobs | Part::UnownedJobs | Part::Pods | Part::Helm | Part::Events => {
                Propagation::Background
            }
        };
        let action = Delete {
            object: Arc::clone(object),
            owner: going.owner.map(Arc::clone),
            revision: going.revision,
            why: going.why,
            propagation,
            json_bytes: going.meta.json_bytes,
        };
        self.steps.push(Step { target: target(object), action, guards });
    }

    pub(super) fn keep(&mut self, object: &ObjectRef, reason: Reason) {
        self.held.push(Held { target: target(object), reason });
    }

    pub(super) fn keep_all<'b>(&mut self, objects: impl Iterator<Item = &'b Meta>, reason: &Reason) {
        for meta in objects {
            self.keep(&meta.object, reason.clone());
        }
    }

    pub(super) fn announce(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    /// Whether it asks to stay.
    pub(super) fn opted_out(&mut self, meta: &Meta) -> bool {
        if meta.opted_out {
            self.keep(&meta.object, Reason::OptedOut);
        }
        meta.opted_out
    }

    pub(super) fn is_older(&self, since: Option<Timestamp>, age: Option<jiff::SignedDuration>) -> bool {
        match (since, age) {
            (Some(since), Some(age)) => self.now.duration_since(since) > age,
            (None, _) | (_, None) => false,
        }
    }

    pub(super) fn is_younger(&self, since: Option<Timestamp>, age: Option<jiff::SignedDuration>) -> bool {
        match (since, age) {
            (Some(since), Some(age)) => self.now.duration_since(since) < age,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    pub(super) fn finish(mut self) -> PruningPlan {
        for unread in &self.seen.unread {
            self.held.push(Held { target: unread.place.clone(), reason: Reason::Unread { problem: unread.problem.to_string() } });
        }
        for list in &self.seen.of_two_moments {
            self.announce(Notice::OfTwoMoments { list: list.clone() });
        }
        let repeated: u64 = self.repeated.values().sum();
        if repeated > 0 {
            self.announce(Notice::SeenTwice { objects: repeated });
        }
        unused::announce(&mut self.notices, &self.steps, self.seen);
        let totals =
            self.totals.iter().map(|(part, (objects, json_bytes))| Notice::Total { part: *part, objects: *objects, json_bytes: *json_bytes });
        let notices = totals.chain(self.notices.drain(..)).collect();
        if self.cluster.is_none() && !self.steps.is_empty() {
            self.refuse(Reason::UnknownCluster);
        }
        if let Some(reason) = self.too_much() {
            self.refuse(reason);
        }
        let subject = match &self.seen.cluster {
            Some(uid) => format!("pruning of history in cluster {uid}"),
            None => "pruning of history".to_owned(),
        };
        Plan { subject, notices, steps: self.steps, held: self.held }
    }

    fn refuse(&mut self, reason: Reason) {
        self.steps.clear();
        self.held.insert(0, Held { target: "the whole plan".to_owned(), reason });
    }

    fn too_much(&self) -> Option<Reason> {
        let radius = self.policy.blast_radius;
        let planned: u64 = self.planned.values().sum();
        let seen = |kind: Kind| count(self.seen, kind).saturating_sub(self.repeated.get(&kind).copied().unwrap_or(0));
        let all = Kind::ALL.into_iter().map(seen).sum();
        if let Some(most) = radius.most_objects.filter(|most| planned > *most) {
            return Some(Reason::BlastRadius { what: "objects".to_owned(), planned, seen: all, most });
        }
        let percent = u64::from(radius.most_percent?);
        self.planned.iter().find_map(|(kind, planned)| {
            let seen = seen(*kind);
            let most = seen.saturating_mul(percent) / 100;
            (*planned > most).then(|| Reason::BlastRadius { what: format!("{kind} objects"), planned: *planned, seen, most })
        })
    }
}

/// In the order of etcd's keys, by namespace and name.
fn comes_before(one: &ObjectRef, other: &ObjectRef) -> bool {
    let key = |object: &ObjectRef| format!("{}/{}", object.namespace, object.name);
    if one.namespace == other.namespace { one.name < other.name } else { key(one) < key(other) }
}

/// As it is displayed, with one allocation: a plan has as many as there are objects.
fn target(object: &ObjectRef) -> String {
    [object.kind.as_str(), " ", &object.namespace, "/", &object.name].concat()
}

fn count(seen: &HistorySeen, kind: Kind) -> u64 {
    let records = |kind: Kind| seen.helm.iter().filter(|record| record.meta.object.kind == kind).count();
    let count = match kind {
        Kind::ReplicaSet => seen.replica_sets.len(),
        Kind::ControllerRevision => seen.controller_revisions.len(),
        Kind::Job => seen.jobs.len(),
        Kind::Pod => seen.pods.len(),
        Kind::Secret | Kind::ConfigMap => records(kind),
        Kind::Event => seen.events.len(),
    };
    count_of(count)
}

fn count_of(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The moment from which a Job's age counts.
pub(super) fn ended(job: &Job) -> Option<Timestamp> {
    job.finished.and_then(|finished| finished.at).or(job.meta.created)
}
