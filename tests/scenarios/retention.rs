//! Plans of a retention as transcripts: what stands in `snapshots/` is what an operator reads. `cargo insta review` shows what a change does
//! to them.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use trimtab_core::plan::Domain;
use trimtab_etcd_ops::backup::catalog::{Catalog, Found, Object, Verification};
use trimtab_etcd_ops::backup::example::{self, manifest_of};
use trimtab_etcd_ops::backup::retention::{Guard, Refusal, Retention, RetentionPolicy, StoreSeen, plan};
use trimtab_etcd_ops::backup::{Expectations, Manifest};
use trimtab_etcd_ops::{ClusterId, Error};

const CLUSTER: ClusterId = ClusterId(0xcdf8_1819_4e3a_8c32);
const NOW: &str = "2026-11-25T12:00:00Z";

/// A store, object by object.
#[derive(Default)]
struct Shelf {
    objects: Vec<Object>,
    sidecars: BTreeMap<String, Vec<u8>>,
}

impl Shelf {
    fn with(mut self, taken_at: &str) -> Self {
        self.add(&taken(taken_at));
        self
    }

    fn add(&mut self, manifest: &Manifest) {
        self.objects.extend(example::objects(manifest));
        self.sidecars.insert(manifest.name().manifest(), manifest.to_json().into_bytes());
    }

    fn bare(mut self, name: &str, last_modified: &str) -> Self {
        self.objects.push(example::object(name, 5, last_modified.parse().unwrap()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.objects.retain(|object| object.name != name);
        self
    }

    fn found_broken(mut self, taken_at: &str, at: &str) -> Self {
        let [object, _] = example::objects(&taken(taken_at));
        let name = taken(taken_at).name();
        let problem = Box::new(Error::NotUnpacked { name: name.to_string(), problem: "Unknown frame descriptor".to_owned() });
        let record = Verification { format: 1, at: at.parse().unwrap(), object, found: Found::Broken { problem } };
        self.sidecars.insert(name.verification(), record.to_json().into_bytes());
        self.bare(&name.verification(), at)
    }

    fn catalog(&self) -> Catalog {
        Catalog::assemble("s3://backups/etcd", self.objects.clone(), &self.sidecars)
    }

    fn transcript(&self, policy: &RetentionPolicy) -> String {
        plan(&self.catalog(), policy, NOW.parse().unwrap()).unwrap().to_string()
    }
}

/// Its revision grows with the time of day and the day of the month.
fn taken(taken_at: &str) -> Manifest {
    let digits: String = taken_at.chars().filter(char::is_ascii_digit).collect();
    manifest_of(CLUSTER, digits.parse().unwrap(), taken_at.parse().unwrap())
}

fn shelf(all: &[&str]) -> Shelf {
    all.iter().fold(Shelf::default(), |shelf, taken_at| shelf.with(taken_at))
}

fn policy() -> RetentionPolicy {
    RetentionPolicy { keep_last: 2, keep_daily: 2, ..RetentionPolicy::keep_nothing() }
}

const WEEK: [&str; 7] = [
    "2026-11-19T03:15:00Z",
    "2026-11-20T03:15:00Z",
    "2026-11-23T03:15:00Z",
    "2026-11-24T03:15:00Z",
    "2026-11-24T15:15:00Z",
    "2026-11-25T03:15:00Z",
    "2026-11-25T09:15:00Z",
];

#[test]
fn an_empty_store_has_nothing_to_do() {
    assert_snapshot!(Shelf::default().transcript(&policy()));
}

#[test]
fn a_week_is_thinned_out() {
    assert_snapshot!(shelf(&WEEK).transcript(&policy()));
}

#[test]
fn each_rule_says_what_it_keeps() {
    let one_of_each = RetentionPolicy { keep_hourly: 1, keep_daily: 2, keep_weekly: 2, keep_monthly: 2, ..RetentionPolicy::keep_nothing() };
    let old = ["2026-10-30T03:15:00Z", "2026-10-31T03:15:00Z", "2026-11-21T03:15:00Z", "2026-11-22T03:15:00Z"];
    assert_snapshot!(shelf(&[&old[..], &WEEK[3..]].concat()).transcript(&one_of_each));
}

#[test]
fn what_is_too_old_goes_down_to_the_least_that_stays() {
    let short = RetentionPolicy { keep_last: 9, max_age_seconds: Some(3600), min_keep: 2, ..RetentionPolicy::keep_nothing() };
    assert_snapshot!(shelf(&WEEK[3..]).transcript(&short));
}

#[test]
fn what_does_not_count_is_told_and_left_alone() {
    let missing = taken("2026-11-22T03:15:00Z").name();
    let half = format!("{}.put-5f3a.part", taken("2026-11-21T03:15:00Z").name());
    let shelf = shelf(&WEEK).with("2026-11-22T03:15:00Z").without(&missing.manifest()).bare(&half, "2026-11-21T03:16:00Z");
    let shelf = shelf.bare("snapshot.db", "2026-11-01T00:00:00Z").found_broken(WEEK[6], "2026-11-25T11:00:00Z");
    assert_snapshot!("left_alone", shelf.transcript(&policy()));
    let clean = RetentionPolicy { unverified_after_seconds: Some(86_400), ..policy() };
    assert_snapshot!("cleaned_up", shelf.transcript(&clean));
}

#[test]
fn without_a_backup_that_counts_nothing_goes() {
    let shelf = WEEK.iter().fold(shelf(&WEEK), |shelf, taken_at| shelf.without(&taken(taken_at).name().manifest()));
    assert_snapshot!(shelf.transcript(&RetentionPolicy { unverified_after_seconds: Some(3600), ..policy() }));
}

#[test]
fn a_manifest_without_its_backup_is_a_leftover_or_the_trace_of_a_loss() {
    let shelf = shelf(&WEEK).without(&taken(WEEK[0]).name().to_string()).without(&taken(WEEK[5]).name().to_string());
    assert_snapshot!(shelf.transcript(&RetentionPolicy { keep_last: 3, ..RetentionPolicy::keep_nothing() }));
}

#[test]
fn a_clock_that_is_wrong_takes_no_place() {
    assert_snapshot!(shelf(&["2026-11-24T03:15:00Z", "2026-11-25T03:15:00Z", "2031-01-01T00:00:00Z"]).transcript(&policy()));
}

#[test]
fn other_clusters_are_left_to_themselves() {
    let mut shelf = shelf(&WEEK[4..]);
    for hour in ["01", "02", "03", "04"] {
        shelf.add(&manifest_of(ClusterId(7), 5, format!("2026-11-25T{hour}:00:00Z").parse().unwrap()));
    }
    assert_snapshot!("every_cluster", shelf.transcript(&RetentionPolicy { keep_daily: 0, ..policy() }));
    assert_snapshot!("one_cluster", shelf.transcript(&RetentionPolicy { cluster: Some(ClusterId(7)), ..policy() }));
}

#[test]
fn a_policy_that_cannot_be_followed_says_what_would_be_right() {
    let said = |policy: RetentionPolicy| plan(&Shelf::default().catalog(), &policy, NOW.parse().unwrap()).unwrap_err().to_string();
    let all = [
        RetentionPolicy::keep_nothing(),
        RetentionPolicy { min_keep: 0, ..policy() },
        RetentionPolicy { min_age_seconds: 60, max_age_seconds: Some(60), ..policy() },
        RetentionPolicy { unverified_after_seconds: Some(60), ..policy() },
    ];
    assert_snapshot!(all.map(said).join("\n"));
}

#[test]
fn a_store_that_changed_is_told_by_what_changed() {
    let seen = |objects: Vec<Object>, location: &str| StoreSeen { location: location.to_owned(), objects };
    let [file, sidecar] = example::objects(&taken(WEEK[0]));
    let shorter = Object { size_bytes: 9, ..file.clone() };
    let found: Vec<(Guard, Refusal)> = [
        (Guard::Store { location: "s3://backups/etcd".to_owned() }, seen(Vec::new(), "s3://elsewhere")),
        (Guard::Stays { objects: vec![file.clone(), sidecar.clone()] }, seen(vec![file.clone()], "s3://backups/etcd")),
        (Guard::Unchanged { objects: vec![file.clone(), sidecar.clone()] }, seen(vec![shorter], "s3://backups/etcd")),
        (Guard::Absent { name: file.name.clone() }, seen(vec![file], "s3://backups/etcd")),
    ]
    .into_iter()
    .map(|(guard, seen)| (guard.clone(), Retention::check(&guard, &seen).unwrap_err()))
    .collect();
    assert_snapshot!(found.iter().map(|(guard, refusal)| format!("not true that {guard}: {refusal}")).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_wrong_with_a_store_reads_as_a_list() {
    let mut shelf = shelf(&WEEK[..3]);
    let set_back = Manifest { revision: 1, ..taken("2026-11-23T09:15:00Z") };
    let forked = Manifest { revision: 1, hash_kv: 7, ..taken("2026-11-23T10:15:00Z") };
    let alone = Manifest { compared: Vec::new(), ..taken("2026-11-23T11:15:00Z") };
    for manifest in [&set_back, &forked, &alone] {
        shelf.add(manifest);
    }
    let half = format!("{}.put-5f3a.part", taken("2026-11-21T03:15:00Z").name());
    let cut = taken("2026-11-22T03:15:00Z");
    shelf.add(&cut);
    shelf.objects.iter_mut().filter(|object| object.name == cut.name().to_string()).for_each(|object| object.size_bytes = 100);
    let shelf = shelf.bare(&half, "2026-11-21T03:16:00Z").without(&taken(WEEK[0]).name().to_string());
    let shelf = shelf.with("2031-01-01T00:00:00Z").found_broken(WEEK[1], "2026-11-25T11:00:00Z");
    let found = shelf.catalog().findings(NOW.parse().unwrap(), &Expectations::default());
    assert_snapshot!(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}
