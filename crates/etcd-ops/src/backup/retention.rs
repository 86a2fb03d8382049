//! Which backups may go: a pure function over what a store holds.
//!
//! Only verified backups are counted, cluster by cluster, and the newest verified one always stays. A backup is kept as soon as one rule
//! keeps it; rules do not take places from each other. As in restic, a rule of a period keeps the *newest* backup of each of the last so
//! many hours, days, ISO weeks or months (all in UTC) *that have one*: where backups stop, nothing goes. A backup that lies there in two
//! forms, plain and packed, is one backup: it takes one place, and both files stay or go.
//!
//! ```
//! use trimtab_etcd_ops::backup::retention::{self, RetentionPolicy};
//! # use trimtab_etcd_ops::backup::example;
//! # use trimtab_etcd_ops::ClusterId;
//!
//! let hour = |hour: i64| example::manifest_of(ClusterId(7), 1000 + hour, jiff::Timestamp::from_second(hour * 3600).unwrap());
//! let catalog = example::catalog(&[hour(1), hour(2), hour(3)]); // live: `store.list().await?`
//! let policy = RetentionPolicy { keep_hourly: 2, ..RetentionPolicy::keep_nothing() };
//!
//! let plan = retention::plan(&catalog, &policy, jiff::Timestamp::from_second(4 * 3600).unwrap())?;
//! assert_eq!(plan.steps.len(), 1);
//! assert_eq!(plan.steps[0].target, "etcd-7-00000000000000001001-19700101T010000Z.db");
//! # Ok::<(), trimtab_etcd_ops::Error>(())
//! ```

mod domain;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_core::plan::{Held, Plan, Step};

pub use domain::{Action, Guard, Notice, Reason, Refusal, Retention, Stays, StoreSeen};
pub use rule::Rule;

use super::catalog::{Backup, Catalog, Entry, Object, Orphan, State, Temporary, Unverified};
use super::manifest::Unusable;
use super::name::{BackupName, ObjectName};
use super::span::age_seconds;
use crate::cluster::ClusterId;
use crate::error::Error;

/// A plan for a store, as [`plan`] makes it.
pub type RetentionPlan = Plan<Retention>;

/// How a retention ended, step by step.
pub type RetentionReport = trimtab_core::Report<Retention>;

/// Which backups stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RetentionPolicy {
    /// The only cluster whose backups may go; every cluster of the store, each by itself, where none is given.
    pub cluster: Option<ClusterId>,
    /// How many of the newest stay; 3 by default.
    pub keep_last: u32,
    /// For how many hours the newest of each stays; 24 by default.
    pub keep_hourly: u32,
    /// For how many days the newest of each stays; 7 by default.
    pub keep_daily: u32,
    /// For how many ISO weeks (from Monday) the newest of each stays; 4 by default.
    pub keep_weekly: u32,
    /// For how many months the newest of each stays; 6 by default.
    pub keep_monthly: u32,
    /// Everything younger than this stays; 3,600 seconds by default.
    pub min_age_seconds: u64,
    /// What is older than this goes although a rule above keeps it, down to [`Self::min_keep`]; none by default.
    pub max_age_seconds: Option<u64>,
    /// How many of the newest stay whatever their age, 1 or more; 3 by default.
    pub min_keep: u32,
    /// Files that do not count as backups go when they are older than this, 3,600 seconds or more, and a newer backup counts; half-written
    /// ones when they are older. By default they stay for ever.
    pub unverified_after_seconds: Option<u64>,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            cluster: None,
            keep_last: 3,
            keep_hourly: 24,
            keep_daily: 7,
            keep_weekly: 4,
            keep_monthly: 6,
            min_age_seconds: 3600,
            max_age_seconds: None,
            min_keep: 3,
            unverified_after_seconds: None,
        }
    }
}

impl RetentionPolicy {
    /// A policy without a rule, to be filled; [`plan`] refuses it as it is.
    #[must_use]
    pub fn keep_nothing() -> Self {
        Self { keep_last: 0, keep_hourly: 0, keep_daily: 0, keep_weekly: 0, keep_monthly: 0, min_age_seconds: 0, min_keep: 1, ..Self::default() }
    }
}

/// Plans which backups go; everything else is held back with the reason why it stays.
///
/// Pure: the same catalog, policy and time give the same plan, whatever the order of the entries. The oldest goes first, its manifest
/// after it. A backup from the future (by `now`) stays and counts for nothing, so that a wrong clock takes no other backup's place.
///
/// # Errors
/// [`Error::InvalidPolicy`] for a policy that keeps nothing or contradicts itself.
pub fn plan(catalog: &Catalog, policy: &RetentionPolicy, now: Timestamp) -> Result<RetentionPlan, Error> {
    check_policy(policy)?;
    let mut entries: Vec<&Entry> = catalog.entries.iter().collect();
    entries.sort_by_key(|entry| entry.name());
    let mut plan =
        Plan { subject: format!("retention of the backups in {}", catalog.store), notices: Vec::new(), steps: Vec::new(), held: Vec::new() };
    for cluster in scope(&entries, policy) {
        let view = View { store: &catalog.store, counted: counted(&entries, cluster, now), policy, now };
        let mut steps: Vec<(BackupName, Step<Retention>)> = Vec::new();
        for entry in entries.iter().filter(|entry| cluster_of(entry) == Some(cluster)) {
            match view.verdict(entry) {
                Verdict::Goes(name, guards) => steps.push((name, view.step(entry, guards))),
                Verdict::Stays(reason) => plan.held.push(Held { target: entry.name(), reason }),
            }
        }
        steps.sort_by_key(|(name, _)| age_order(name));
        plan.steps.extend(steps.into_iter().map(|(_, step)| step));
        plan.held.extend(no_backup(&entries, cluster, &view));
    }
    saving(&mut plan, catalog, policy, now);
    plan.held.extend(entries.iter().filter_map(|entry| out_of_scope(entry, policy)));
    plan.held.sort_by(|one, other| one.target.cmp(&other.target));
    announce(&mut plan);
    Ok(plan)
}

fn check_policy(policy: &RetentionPolicy) -> Result<(), Error> {
    let bad = |problem: String| Err(Error::InvalidPolicy { problem });
    let counts = [policy.keep_last, policy.keep_hourly, policy.keep_daily, policy.keep_weekly, policy.keep_monthly];
    if counts == [0; 5] && policy.min_age_seconds == 0 {
        return bad("it keeps nothing: give keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly or min_age_seconds".to_owned());
    }
    if policy.min_keep == 0 {
        return bad("min_keep is 0, and the newest verified backup always stays: write 1 or more".to_owned());
    }
    match (policy.max_age_seconds, policy.unverified_after_seconds) {
        (Some(max), _) if max <= policy.min_age_seconds => {
            bad(format!("max_age_seconds is {max}, it has to be above min_age_seconds, {}", policy.min_age_seconds))
        }
        (_, Some(after)) if after < UPLOADS_TAKE_SECONDS => {
            bad(format!("unverified_after_seconds is {after}, below {UPLOADS_TAKE_SECONDS} an upload may be going on"))
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// A file has no manifest while it is uploaded and verified.
const UPLOADS_TAKE_SECONDS: u64 = 3600;

/// The clusters whose backups are looked at.
fn scope(entries: &[&Entry], policy: &RetentionPolicy) -> BTreeSet<ClusterId> {
    match policy.cluster {
        Some(cluster) => BTreeSet::from([cluster]),
        None => entries.iter().filter_map(|entry| cluster_of(entry)).collect(),
    }
}

fn cluster_of(entry: &Entry) -> Option<ClusterId> {
    match entry {
        Entry::Backup(backup) => Some(backup.name.cluster_id()),
        Entry::Orphan(orphan) => Some(orphan.name.cluster_id()),
        Entry::Temporary(temporary) => temporary.of.map(|of| of.cluster_id()),
        Entry::Foreign(_) => None,
    }
}

fn out_of_scope(entry: &Entry, policy: &RetentionPolicy) -> Option<Held<Retention>> {
    let reason = match (cluster_of(entry), policy.cluster) {
        (None, _) if is_saving(entry) => return None,
        (None, _) => Reason::Foreign,
        (Some(cluster_id), Some(only)) if cluster_id != only => Reason::OtherCluster { cluster_id },
        (Some(_), Some(_) | None) => return None,
    };
    Some(Held { target: entry.name(), reason })
}

/// Whether a save of ours left it, or works on it.
fn is_saving(entry: &Entry) -> bool {
    matches!(entry, Entry::Temporary(Temporary { object, .. }) if ObjectName::of(&object.name) == ObjectName::Saving)
}

/// What saves have left that were killed before the names of their backups were known. It is of no cluster, so it goes only where every
/// cluster is asked for.
fn saving(plan: &mut RetentionPlan, catalog: &Catalog, policy: &RetentionPolicy, now: Timestamp) {
    let view = View { store: &catalog.store, counted: Vec::new(), policy, now };
    let mut left: Vec<(Timestamp, &Entry)> = Vec::new();
    for entry in catalog.entries.iter().filter(|entry| is_saving(entry)) {
        let written = entry.objects().first().map_or(now, |object| object.last_modified);
        match (policy.cluster, view.overdue(written)) {
            (None, Ok(())) => left.push((written, entry)),
            (Some(_), Ok(())) => plan.held.push(Held { target: entry.name(), reason: Reason::Unfinished { stays: Stays::OfNoCluster } }),
            (_, Err(stays)) => plan.held.push(Held { target: entry.name(), reason: Reason::Unfinished { stays } }),
        }
    }
    left.sort_by_key(|(written, entry)| (*written, entry.name()));
    plan.steps.extend(left.into_iter().map(|(_, entry)| view.step(entry, Vec::new())));
}

/// The backups that count, newest first.
fn counted<'a>(entries: &[&'a Entry], cluster: ClusterId, now: Timestamp) -> Vec<&'a Backup> {
    let counts = |backup: &&Backup| backup.name.cluster_id() == cluster && backup.verified().is_some() && backup.name.taken_at() <= now;
    let mut counted: Vec<&Backup> = entries.iter().filter_map(|entry| backup(entry)).filter(counts).collect();
    counted.sort_by_key(|backup| std::cmp::Reverse(age_order(&backup.name)));
    counted
}

fn backup(entry: &Entry) -> Option<&Backup> {
    match entry {
        Entry::Backup(backup) => Some(backup),
        Entry::Orphan(_) | Entry::Temporary(_) | Entry::Foreign(_) => None,
    }
}

/// What tells the older one: the time, and within a second the revision and then the packing.
fn age_order(name: &BackupName) -> impl Ord + use<> {
    (moment(name), name.compression())
}

/// What a backup has in common with its other form, and within its cluster with no other backup.
fn moment(name: &BackupName) -> (Timestamp, i64) {
    (name.taken_at(), name.revision())
}

/// One cluster's backups, and what is asked of them.
struct View<'a> {
    store: &'a str,
    /// Newest first.
    counted: Vec<&'a Backup>,
    policy: &'a RetentionPolicy,
    now: Timestamp,
}

enum Verdict {
    Goes(BackupName, Vec<Guard>),
    Stays(Reason),
}

impl View<'_> {
    fn verdict(&self, entry: &Entry) -> Verdict {
        match entry {
            Entry::Backup(backup) => match &backup.state {
                State::Verified { .. } => self.verified(backup),
                State::Unverified { why } => self.unverified(backup, why),
            },
            Entry::Orphan(orphan) => self.orphan(orphan),
            Entry::Temporary(temporary) => self.temporary(temporary),
            Entry::Foreign(_) => Verdict::Stays(Reason::Foreign),
        }
    }

    fn verified(&self, backup: &Backup) -> Verdict {
        if let Some(reason) = self.if_from_the_future(&backup.name) {
            return Verdict::Stays(reason);
        }
        let rules = self.rules(&backup.name);
        if rules.is_empty() { Verdict::Goes(backup.name, Vec::new()) } else { Verdict::Stays(Reason::Kept { rules }) }
    }

    fn unverified(&self, backup: &Backup, why: &Unverified) -> Verdict {
        let stays = |stays| Verdict::Stays(Reason::Unverified { why: why.clone(), stays });
        match why {
            Unverified::UnusableManifest { problem: Unusable::Newer { .. } }
            | Unverified::UnusableVerification { problem: Unusable::Newer { .. } } => return stays(Stays::NewerFormat),
            Unverified::UnusableVerification { problem: Unusable::Unparsable { .. } | Unusable::TooLong { .. } } => return stays(Stays::MayBeSound),
            Unverified::UnusableManifest { problem: Unusable::Unparsable { .. } | Unusable::TooLong { .. } }
            | Unverified::NoManifest
            | Unverified::ManifestOfAnother { .. }
            | Unverified::SizeDiffers { .. }
            | Unverified::FoundBroken { .. } => {}
        }
        let written = backup.object.last_modified.max(backup.name.taken_at());
        match self.overdue(written) {
            Err(reason) => stays(reason),
            Ok(()) if self.counted.first().is_none_or(|newest| moment(&newest.name) <= moment(&backup.name)) => stays(Stays::NoNewerVerified),
            Ok(()) => {
                let none = backup.manifest.is_none();
                Verdict::Goes(backup.name, none.then(|| Guard::Absent { name: backup.name.manifest() }).into_iter().collect())
            }
        }
    }

    /// A retention that was ended between a backup and its manifest leaves a manifest, and goes on here. One that the policy would
    /// have kept is the trace of a loss, and stays as long as the backup would have.
    fn orphan(&self, orphan: &Orphan) -> Verdict {
        if let Some(reason) = self.if_from_the_future(&orphan.name) {
            return Verdict::Stays(reason);
        }
        let rules = self.rules(&orphan.name);
        let absent = Guard::Absent { name: orphan.name.to_string() };
        if rules.is_empty() { Verdict::Goes(orphan.name, vec![absent]) } else { Verdict::Stays(Reason::FileMissing { rules }) }
    }

    fn temporary(&self, temporary: &Temporary) -> Verdict {
        match (temporary.of, self.overdue(temporary.object.last_modified)) {
            (Some(of), Ok(())) => Verdict::Goes(of, Vec::new()),
            (Some(_), Err(stays)) => Verdict::Stays(Reason::Unfinished { stays }),
            (None, _) => Verdict::Stays(Reason::Foreign),
        }
    }

    fn if_from_the_future(&self, name: &BackupName) -> Option<Reason> {
        let taken_at = name.taken_at();
        (taken_at > self.now).then_some(Reason::FromTheFuture { taken_at, now: self.now })
    }

    /// The rules that keep a backup of this name, were it there and verified. Of the newer ones each counts once, in however many forms it
    /// is there.
    fn rules(&self, name: &BackupName) -> Vec<Rule> {
        let newer: BTreeSet<(Timestamp, i64)> = self.counted.iter().map(|other| moment(&other.name)).filter(|other| *other > moment(name)).collect();
        let newer: Vec<Timestamp> = newer.into_iter().rev().map(|(taken_at, _)| taken_at).collect();
        rule::keeping(name.taken_at(), &newer, self.policy, self.now)
    }

    fn overdue(&self, written: Timestamp) -> Result<(), Stays> {
        let Some(after_seconds) = self.policy.unverified_after_seconds else { return Err(Stays::NotAsked) };
        let age_seconds = age_seconds(written, self.now);
        if age_seconds > after_seconds { Ok(()) } else { Err(Stays::Young { age_seconds, after_seconds }) }
    }

    fn step(&self, entry: &Entry, more: Vec<Guard>) -> Step<Retention> {
        let mut objects: Vec<Object> = entry.objects().into_iter().cloned().collect();
        if backup(entry).is_some_and(|backup| backup.verified().is_none()) {
            objects.reverse();
        }
        let action = Action::Delete {
            names: objects.iter().map(|object| object.name.clone()).collect(),
            size_bytes: objects.iter().map(|object| object.size_bytes).fold(0, u64::saturating_add),
        };
        let guards = [vec![Guard::Store { location: self.store.to_owned() }], self.newest_stays(), vec![Guard::Unchanged { objects }], more].concat();
        Step { target: entry.name(), action, guards }
    }

    /// The newest backup that counts is there still, with its manifest, and was not found broken meanwhile.
    fn newest_stays(&self) -> Vec<Guard> {
        let Some(newest) = self.counted.first() else { return Vec::new() };
        let objects: Vec<Object> = [&newest.object].into_iter().chain(&newest.manifest).chain(&newest.verification).cloned().collect();
        let unread = newest.verification.is_none().then(|| Guard::Absent { name: newest.name.verification() });
        [Guard::Stays { objects }].into_iter().chain(unread).collect()
    }
}

/// A cluster that has files and nothing that counts.
fn no_backup(entries: &[&Entry], cluster: ClusterId, view: &View<'_>) -> Option<Held<Retention>> {
    let files = entries.iter().filter_map(|entry| backup(entry)).filter(|backup| backup.name.cluster_id() == cluster).count();
    view.counted.is_empty().then(|| Held { target: format!("cluster {cluster}"), reason: Reason::NoVerified { files } })
}

fn announce(plan: &mut RetentionPlan) {
    if plan.steps.is_empty() {
        return;
    }
    let freed_bytes = plan.steps.iter().map(|step| step.action.size_bytes()).fold(0, u64::saturating_add);
    let kept = plan.held.iter().filter(|held| matches!(held.reason, Reason::Kept { .. })).filter_map(|held| held.target.parse::<BackupName>().ok());
    let kept = kept.map(|name| (name.cluster_id(), moment(&name))).collect::<BTreeSet<_>>().len();
    plan.notices.push(Notice::Frees { files: plan.steps.len(), freed_bytes, kept });
}
