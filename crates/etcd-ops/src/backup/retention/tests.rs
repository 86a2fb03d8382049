//! What holds of every plan; single plans are read as transcripts in `tests/scenarios/`.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::backup::catalog::{Found, Verification};
use crate::backup::example;
use crate::backup::manifest::{Compression, Manifest};

/// A store by its objects and the contents of its sidecars.
#[derive(Debug, Clone, Default)]
struct World {
    objects: BTreeMap<String, Object>,
    sidecars: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Verified,
    /// Plain and packed.
    BothForms,
    Packed,
    NoManifest,
    Cut,
    FoundBroken,
    NewerFormat,
    CutRecord,
    Orphan,
    Half,
    Saving,
    Foreign,
}

const HOURS: i64 = 3000;

fn at(minute: i64) -> Timestamp {
    // 2026-10-01T00:00:00Z
    Timestamp::from_second(1_790_812_800 + minute * 60).unwrap()
}

impl World {
    fn add(&mut self, kind: Kind, cluster: u64, minute: i64) {
        let mut manifest = example::manifest_of(ClusterId(cluster), 10_000 + minute, at(minute));
        if matches!(kind, Kind::Packed) {
            manifest.stored.compression = Compression::Zstd;
        }
        let [file, sidecar] = example::objects(&manifest);
        let text = manifest.to_json();
        match kind {
            Kind::Verified | Kind::Packed => self.put(file, sidecar, text),
            Kind::BothForms => {
                self.put(file, sidecar, text);
                self.add(Kind::Packed, cluster, minute);
            }
            Kind::NoManifest => drop(self.objects.insert(file.name.clone(), file)),
            Kind::Cut => self.put(Object { size_bytes: 7, ..file }, sidecar, text),
            Kind::FoundBroken => {
                let record = example::object(&manifest.name().verification(), 300, at(minute));
                let problem = Box::new(Error::NotUnpacked { name: file.name.clone(), problem: "no frame".to_owned() });
                let found = Verification { format: 1, at: at(minute), object: file.clone(), found: Found::Broken { problem } };
                self.sidecars.insert(record.name.clone(), found.to_json().into_bytes());
                self.objects.insert(record.name.clone(), record);
                self.put(file, sidecar, text);
            }
            Kind::NewerFormat => self.put(file, sidecar, text.replace("\"format\": 1", "\"format\": 9")),
            Kind::CutRecord => {
                let record = example::object(&manifest.name().verification(), 1, at(minute));
                self.sidecars.insert(record.name.clone(), b"{".to_vec());
                self.objects.insert(record.name.clone(), record);
                self.put(file, sidecar, text);
            }
            Kind::Orphan => {
                if !self.objects.contains_key(&file.name) {
                    self.sidecars.insert(sidecar.name.clone(), text.into_bytes());
                    self.objects.insert(sidecar.name.clone(), sidecar);
                }
            }
            Kind::Half => self.bare(&format!("{}.part", file.name), minute),
            Kind::Saving => self.bare(&ObjectName::saving(u64::try_from(minute).unwrap()), minute),
            Kind::Foreign => self.bare(&format!("lost+found-{minute}"), minute),
        }
    }

    fn put(&mut self, file: Object, sidecar: Object, text: String) {
        self.sidecars.insert(sidecar.name.clone(), text.into_bytes());
        self.objects.insert(sidecar.name.clone(), sidecar);
        self.objects.insert(file.name.clone(), file);
    }

    fn bare(&mut self, name: &str, minute: i64) {
        self.objects.insert(name.to_owned(), example::object(name, 5, at(minute)));
    }

    fn catalog(&self) -> Catalog {
        Catalog::assemble("s3://backups/etcd", self.objects.values().cloned().collect(), &self.sidecars)
    }

    /// The store after the first `steps` steps, of the last of which only the first so many objects are gone where it was ended in the middle.
    fn after(&self, plan: &RetentionPlan, steps: usize, halfway: Halfway) -> Self {
        let mut left = self.clone();
        for (index, step) in plan.steps.iter().take(steps).enumerate() {
            let Action::Delete { names, .. } = &step.action;
            let all = match halfway {
                Halfway::InTheMiddle(objects) if index + 1 == steps => objects.min(names.len()),
                Halfway::InTheMiddle(_) | Halfway::BetweenSteps => names.len(),
            };
            names.iter().take(all).for_each(|name| drop(left.objects.remove(name)));
        }
        left
    }
}

#[derive(Debug, Clone, Copy)]
enum Halfway {
    BetweenSteps,
    InTheMiddle(usize),
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        10 => Just(Kind::Verified),
        3 => Just(Kind::BothForms),
        1 => Just(Kind::Packed),
        1 => Just(Kind::NoManifest),
        1 => Just(Kind::Cut),
        1 => Just(Kind::FoundBroken),
        1 => Just(Kind::NewerFormat),
        1 => Just(Kind::CutRecord),
        1 => Just(Kind::Orphan),
        1 => Just(Kind::Half),
        1 => Just(Kind::Saving),
        1 => Just(Kind::Foreign),
    ]
}

fn world() -> impl Strategy<Value = World> {
    // Dense and sparse ones: minutes apart, and weeks.
    let minute = prop_oneof![0..600_i64, 0..HOURS * 60];
    prop::collection::vec((kind(), 1..=2_u64, minute), 0..40).prop_map(|list| {
        let mut world = World::default();
        for (kind, cluster, minute) in list {
            world.add(kind, cluster, minute);
        }
        world
    })
}

fn policy() -> impl Strategy<Value = RetentionPolicy> {
    let counts = (0..5_u32, 0..6_u32, 0..5_u32, 0..4_u32, 0..4_u32);
    let ages = (0..100_000_u64, prop::option::of(100_000..5_000_000_u64), prop::option::of(3600..1_000_000_u64));
    (counts, ages, 1..4_u32, prop::option::weighted(0.2, 1..=2_u64)).prop_map(|(counts, ages, min_keep, cluster)| RetentionPolicy {
        cluster: cluster.map(ClusterId),
        keep_last: counts.0,
        keep_hourly: counts.1,
        keep_daily: counts.2,
        keep_weekly: counts.3,
        keep_monthly: counts.4,
        min_age_seconds: ages.0 + 1,
        max_age_seconds: ages.1.map(|max| max + 2),
        min_keep,
        unverified_after_seconds: ages.2,
    })
}

fn now() -> impl Strategy<Value = Timestamp> {
    (0..HOURS * 60 + 200_000).prop_map(at)
}

fn deleted(plan: &RetentionPlan) -> BTreeSet<String> {
    plan.steps.iter().flat_map(|step| step.action.names().iter().cloned()).collect()
}

fn newest_verified(catalog: &Catalog, cluster: ClusterId, now: Timestamp) -> Option<BackupName> {
    let of_cluster = catalog.verified().map(|(backup, _)| backup.name).filter(|name| name.cluster_id() == cluster && name.taken_at() <= now);
    of_cluster.max_by_key(age_order)
}

proptest! {
    // A world is up to forty manifests, written and parsed.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_newest_verified_backup_of_a_cluster_never_goes(world in world(), policy in policy(), now in now()) {
        let catalog = world.catalog();
        let gone = deleted(&plan(&catalog, &policy, now).unwrap());
        for cluster in [ClusterId(1), ClusterId(2)] {
            if let Some(newest) = newest_verified(&catalog, cluster, now) {
                prop_assert!(!gone.contains(&newest.to_string()) && !gone.contains(&newest.manifest()));
            }
        }
    }

    #[test]
    fn at_least_so_many_verified_ones_stay_as_the_policy_says(world in world(), policy in policy(), now in now()) {
        let plan = plan(&world.catalog(), &policy, now).unwrap();
        // Distinct ones: the packed form of a backup is no second one.
        let count = |world: &World, cluster| -> usize {
            let catalog = world.catalog();
            let of_cluster = catalog.verified().filter(|(backup, _)| backup.name.cluster_id() == cluster);
            of_cluster.map(|(_, manifest)| (manifest.revision, manifest.taken_at)).collect::<BTreeSet<_>>().len()
        };
        let after = world.after(&plan, usize::MAX, Halfway::BetweenSteps);
        for cluster in [ClusterId(1), ClusterId(2)] {
            let least = count(&world, cluster).min(policy.min_keep.max(policy.keep_last.min(if policy.max_age_seconds.is_some() { 0 } else { u32::MAX })) as usize);
            prop_assert!(count(&after, cluster) >= least, "{}", plan);
        }
    }

    #[test]
    fn what_does_not_count_takes_no_place(world in world(), policy in policy(), now in now()) {
        let verified = |names: BTreeSet<String>| -> BTreeSet<String> {
            let counts = world.catalog().verified().map(|(backup, _)| backup.name.to_string()).collect::<BTreeSet<_>>();
            names.intersection(&counts).cloned().collect()
        };
        let mut pure = world.clone();
        for backup in world.catalog().backups().filter(|backup| backup.verified().is_none()) {
            let of_it = [backup.name.to_string(), backup.name.manifest(), backup.name.verification()];
            pure.objects.retain(|name, _| !of_it.contains(name));
        }
        let without = plan(&pure.catalog(), &policy, now).unwrap();
        prop_assert_eq!(verified(deleted(&plan(&world.catalog(), &policy, now).unwrap())), verified(deleted(&without)));
    }

    #[test]
    fn after_it_is_carried_out_nothing_is_left_to_do(world in world(), policy in policy(), now in now()) {
        let first = plan(&world.catalog(), &policy, now).unwrap();
        let after = world.after(&first, usize::MAX, Halfway::BetweenSteps);
        let second = plan(&after.catalog(), &policy, now).unwrap();
        prop_assert!(second.is_empty(), "{}then\n{}", first, second);
    }

    #[test]
    fn a_run_that_was_ended_anywhere_is_finished_by_a_new_plan(world in world(), policy in policy(), now in now(), steps in 0..20_usize, objects in 0..3_usize) {
        let first = plan(&world.catalog(), &policy, now).unwrap();
        let broken = world.after(&first, steps, Halfway::InTheMiddle(objects));
        let second = plan(&broken.catalog(), &policy, now).unwrap();
        let names = |world: World| world.objects.into_keys().collect::<BTreeSet<_>>();
        let both_ways = (names(broken.after(&second, usize::MAX, Halfway::BetweenSteps)), names(world.after(&first, usize::MAX, Halfway::BetweenSteps)));
        prop_assert_eq!(&both_ways.0, &both_ways.1, "{}then\n{}", first, second);
    }

    #[test]
    fn a_policy_that_keeps_more_never_deletes_more(
        world in world(), policy in policy(), now in now(), more in (0..3_u32, 0..3_u32, 0..3_u32, 0..3_u32, 0..3_u32), ages in (0..500_u64, 500..1_000_000_u64), min_keep in 0..3_u32,
    ) {
        let wider = RetentionPolicy {
            keep_last: policy.keep_last + more.0,
            keep_hourly: policy.keep_hourly + more.1,
            keep_daily: policy.keep_daily + more.2,
            keep_weekly: policy.keep_weekly + more.3,
            keep_monthly: policy.keep_monthly + more.4,
            min_age_seconds: policy.min_age_seconds + ages.0,
            max_age_seconds: policy.max_age_seconds.map(|max| max + ages.1),
            min_keep: policy.min_keep + min_keep,
            unverified_after_seconds: policy.unverified_after_seconds.map(|after| after + ages.1),
            cluster: policy.cluster,
        };
        let of = |policy| deleted(&plan(&world.catalog(), policy, now).unwrap());
        prop_assert!(of(&wider).is_subset(&of(&policy)));
        let endless = RetentionPolicy { max_age_seconds: None, unverified_after_seconds: None, ..wider };
        prop_assert!(of(&endless).is_subset(&of(&policy)));
    }

    #[test]
    fn the_order_of_a_listing_does_not_matter(world in world(), policy in policy(), now in now(), seed in any::<u64>()) {
        let mut shuffled = world.catalog();
        let order = |entry: &Entry| entry.name().bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        shuffled.entries.sort_by_key(order);
        prop_assert_eq!(plan(&shuffled, &policy, now).unwrap(), plan(&world.catalog(), &policy, now).unwrap());
    }

    #[test]
    fn every_object_either_goes_or_is_held_back_once(world in world(), policy in policy(), now in now()) {
        let catalog = world.catalog();
        let plan = plan(&catalog, &policy, now).unwrap();
        let mut told: Vec<String> = plan.steps.iter().map(|step| step.target.clone()).collect();
        told.extend(plan.held.iter().map(|held| held.target.clone()).filter(|target| !target.starts_with("cluster ")));
        told.sort();
        let mut entries: Vec<String> = catalog.entries.iter().map(Entry::name).collect();
        entries.sort();
        prop_assert_eq!(told, entries);
        let objects: usize = plan.steps.iter().map(|step| step.action.names().len()).sum();
        prop_assert_eq!(deleted(&plan).len(), objects, "an object is deleted once");
    }

    #[test]
    fn a_backup_from_the_future_takes_no_place(world in world(), policy in policy(), now in now(), ahead in prop::collection::vec(1..1_000_000_i64, 1..5)) {
        let before = plan(&world.catalog(), &policy, now).unwrap();
        let mut skewed = world.clone();
        for minutes in ahead {
            skewed.add(Kind::Verified, 1, (now.as_second() - at(0).as_second()) / 60 + minutes);
        }
        let after = plan(&skewed.catalog(), &policy, now).unwrap();
        prop_assert_eq!(deleted(&after), deleted(&before));
    }

    #[test]
    fn the_two_forms_of_a_backup_stay_or_go_together(world in world(), policy in policy(), now in now()) {
        let catalog = world.catalog();
        let gone = deleted(&plan(&catalog, &policy, now).unwrap());
        for (one, _) in catalog.verified() {
            for (other, _) in catalog.verified().filter(|(other, _)| moment(&other.name) == moment(&one.name)) {
                if one.name.cluster_id() == other.name.cluster_id() {
                    prop_assert_eq!(gone.contains(&one.object.name), gone.contains(&other.object.name), "{:?}", one.name);
                }
            }
        }
    }

    #[test]
    fn clusters_do_not_know_of_each_other(world in world(), policy in policy(), now in now()) {
        let both = plan(&world.catalog(), &RetentionPolicy { cluster: None, ..policy.clone() }, now).unwrap();
        let one = |id| deleted(&plan(&world.catalog(), &RetentionPolicy { cluster: Some(ClusterId(id)), ..policy.clone() }, now).unwrap());
        let of_some_cluster = deleted(&both).into_iter().filter(|name| ObjectName::of(name) != ObjectName::Saving);
        prop_assert_eq!(of_some_cluster.collect::<BTreeSet<_>>(), one(1).union(&one(2)).cloned().collect::<BTreeSet<_>>());
    }

    #[test]
    fn the_same_input_gives_the_same_plan_and_it_survives_a_round_trip(world in world(), policy in policy(), now in now()) {
        let first = plan(&world.catalog(), &policy, now).unwrap();
        let text = serde_json::to_string(&(world.catalog(), &policy, &first)).unwrap();
        let back: (Catalog, RetentionPolicy, RetentionPlan) = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(plan(&back.0, &back.1, now).unwrap(), back.2);
    }
}

#[test]
fn a_policy_that_keeps_nothing_or_contradicts_itself_is_refused() {
    let catalog = World::default().catalog();
    let problem = |policy: RetentionPolicy| match plan(&catalog, &policy, at(0)) {
        Err(Error::InvalidPolicy { problem }) => problem,
        other => panic!("{other:?}"),
    };
    assert!(problem(RetentionPolicy::keep_nothing()).starts_with("it keeps nothing"));
    assert!(problem(RetentionPolicy { max_age_seconds: Some(86_400), ..RetentionPolicy::keep_nothing() }).starts_with("it keeps nothing"));
    assert!(problem(RetentionPolicy { min_keep: 0, ..RetentionPolicy::default() }).starts_with("min_keep is 0"));
    assert!(problem(RetentionPolicy { max_age_seconds: Some(3600), ..RetentionPolicy::default() }).starts_with("max_age_seconds is 3600"));
    assert!(
        problem(RetentionPolicy { unverified_after_seconds: Some(60), ..RetentionPolicy::default() }).starts_with("unverified_after_seconds is 60")
    );
    assert!(plan(&catalog, &RetentionPolicy::default(), at(0)).unwrap().is_empty());
}

#[test]
fn a_file_that_does_not_count_goes_whole_wherever_its_deletion_is_ended() {
    let mut world = World::default();
    world.add(Kind::FoundBroken, 1, 0);
    world.add(Kind::Verified, 1, 600);
    let policy = RetentionPolicy { unverified_after_seconds: Some(3600), min_keep: 3, ..RetentionPolicy::default() };
    let now = at(700);
    let first = plan(&world.catalog(), &policy, now).unwrap();
    assert_eq!(first.steps[0].action.names().len(), 3, "{first}");
    for objects in 0..=3 {
        let broken = world.after(&first, 1, Halfway::InTheMiddle(objects));
        let second = plan(&broken.catalog(), &policy, now).unwrap();
        assert_eq!(broken.after(&second, usize::MAX, Halfway::BetweenSteps).objects.len(), 2, "{objects}: {second}");
    }
}

#[test]
fn a_backup_in_two_forms_takes_one_place() {
    let mut world = World::default();
    for minute in 0..3 {
        world.add(Kind::BothForms, 1, minute);
    }
    let policy = RetentionPolicy { keep_last: 2, min_keep: 2, ..RetentionPolicy::keep_nothing() };
    let plan = plan(&world.catalog(), &policy, at(700)).unwrap();
    assert_eq!(plan.steps.len(), 2, "{plan}");
    assert_eq!(plan.held.len(), 4, "{plan}");
    assert!(matches!(plan.notices[..], [Notice::Frees { files: 2, kept: 2, .. }]), "{plan}");
}

#[test]
fn a_file_whose_last_verification_cannot_be_read_stays_whatever_the_policy_says() {
    let mut world = World::default();
    world.add(Kind::CutRecord, 1, 0);
    world.add(Kind::Verified, 1, 600);
    let policy = RetentionPolicy { unverified_after_seconds: Some(3600), keep_last: 1, ..RetentionPolicy::keep_nothing() };
    let plan = plan(&world.catalog(), &policy, at(100_000)).unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert!(plan.to_string().contains("cannot be read") && plan.to_string().contains("it may be sound"), "{plan}");
}

#[test]
fn what_a_killed_save_has_left_goes_once_it_is_old_enough() {
    let mut world = World::default();
    world.add(Kind::Verified, 1, 0);
    world.add(Kind::Saving, 1, 0);
    let left = ObjectName::saving(0);
    let with = |policy: RetentionPolicy, minute| plan(&world.catalog(), &policy, at(minute)).unwrap();
    let clean = RetentionPolicy { unverified_after_seconds: Some(3600), ..RetentionPolicy::default() };
    let held = |plan: &RetentionPlan| plan.held.iter().find(|held| held.target == left).map(|held| held.reason.clone());

    assert_eq!(deleted(&with(clean.clone(), 61)), BTreeSet::from([left.clone()]));
    let young = Reason::Unfinished { stays: Stays::Young { age_seconds: 3600, after_seconds: 3600 } };
    assert_eq!(held(&with(clean.clone(), 60)), Some(young));
    assert_eq!(held(&with(RetentionPolicy::default(), 61)), Some(Reason::Unfinished { stays: Stays::NotAsked }));
    let of_one = RetentionPolicy { cluster: Some(ClusterId(1)), ..clean };
    assert_eq!(held(&with(of_one, 61)), Some(Reason::Unfinished { stays: Stays::OfNoCluster }));
}

#[test]
fn one_of_each_period_stays_and_weeks_begin_on_mondays() {
    let kept = |policy: RetentionPolicy, taken: &[&str]| {
        let manifests: Vec<Manifest> = taken.iter().map(|text| example::manifest_of(ClusterId(1), 5, text.parse().unwrap())).collect();
        let plan = plan(&example::catalog(&manifests), &policy, "2030-01-01T00:00:00Z".parse().unwrap()).unwrap();
        (plan.held.len(), plan.steps.len())
    };
    let none = RetentionPolicy::keep_nothing;
    let weekly = RetentionPolicy { keep_weekly: 9, ..none() };
    assert_eq!(kept(weekly.clone(), &["2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"]), (2, 0));
    assert_eq!(kept(weekly, &["2026-11-23T00:00:00Z", "2026-11-29T23:59:59Z"]), (1, 1));
    let hourly = RetentionPolicy { keep_hourly: 9, ..none() };
    assert_eq!(kept(hourly, &["2026-11-22T22:59:59Z", "2026-11-22T23:00:00Z", "2026-11-22T23:59:59Z"]), (2, 1));
    let daily = RetentionPolicy { keep_daily: 9, ..none() };
    assert_eq!(kept(daily, &["2026-11-22T00:00:00Z", "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"]), (2, 1));
    let monthly = RetentionPolicy { keep_monthly: 9, ..none() };
    assert_eq!(kept(monthly, &["2025-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2026-12-31T00:00:00Z"]), (2, 1));
}

#[test]
fn the_weeks_around_new_year_are_iso_weeks() {
    let taken = |text: &str| {
        let manifest: Manifest = example::manifest_of(ClusterId(1), 5, text.parse().unwrap());
        let weekly = RetentionPolicy { keep_weekly: 1, ..RetentionPolicy::keep_nothing() };
        let plan = plan(&example::catalog(&[manifest]), &weekly, "2030-01-01T00:00:00Z".parse().unwrap()).unwrap();
        plan.held[0].reason.to_string().rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(["2027-01-03T23:59:59Z", "2027-01-04T00:00:00Z", "2025-12-29T00:00:00Z"].map(taken), ["2026-W53", "2027-W01", "2026-W01"]);
}

#[test]
fn a_guard_tells_a_changed_store_from_a_finished_step() {
    use trimtab_core::plan::Domain;

    let manifest = example::manifest();
    let [file, sidecar] = example::objects(&manifest);
    let seen = |objects: Vec<Object>| StoreSeen { location: "s3://backups/etcd".to_owned(), objects };
    let delete = Action::Delete { names: vec![file.name.clone(), sidecar.name.clone()], size_bytes: 1 };
    assert!(Retention::effect_holds(&delete, &seen(Vec::new()), &[]));
    assert!(!Retention::effect_holds(&delete, &seen(vec![sidecar.clone()]), &[]), "its manifest is left");

    let unchanged = Guard::Unchanged { objects: vec![file.clone(), sidecar.clone()] };
    assert_eq!(Retention::check(&unchanged, &seen(vec![sidecar.clone()])), Ok(()), "a run that was ended half-way goes on");
    let other = Object { size_bytes: 1, ..sidecar.clone() };
    let changed = Refusal::Changed { listed: Box::new(sidecar.clone()), now: Box::new(other.clone()) };
    assert_eq!(Retention::check(&unchanged, &seen(vec![other])), Err(changed));

    let stays = Guard::Stays { objects: vec![file.clone(), sidecar.clone()] };
    assert_eq!(Retention::check(&stays, &seen(vec![file.clone()])), Err(Refusal::Gone { name: sidecar.name.clone() }));
    let absent = Guard::Absent { name: file.name.clone() };
    assert_eq!(Retention::check(&absent, &seen(vec![file.clone()])), Err(Refusal::Appeared { object: file }));
    let elsewhere = Guard::Store { location: "s3://other".to_owned() };
    assert!(Retention::is_identity(&elsewhere));
    assert_eq!(Retention::check(&elsewhere, &seen(Vec::new())), Err(Refusal::AnotherStore { location: "s3://backups/etcd".to_owned() }));
}
