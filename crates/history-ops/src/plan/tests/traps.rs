//! What is easily deleted by mistake, or left by one.

use super::*;

fn retention(revisions: Retention) -> Policy {
    Policy { revisions, ..policy() }
}

fn parts(parts: &[Part]) -> Policy {
    Policy { parts: parts.iter().copied().collect(), ..policy() }
}

fn event(api_version: &str, fields: &Value) -> Value {
    let mut metadata = metadata("web.1");
    metadata["creationTimestamp"] = json!("2026-11-20T00:00:00Z");
    let mut object = json!({"kind": "Event", "apiVersion": api_version, "metadata": metadata});
    for (field, value) in fields.as_object().unwrap() {
        object[field] = value.clone();
    }
    object
}

#[test]
fn an_event_that_happened_again_lately_is_young_in_both_of_its_apis() {
    let with = Policy { events_older_than: Some(SignedDuration::from_hours(24)), ..parts(&[Part::Events]) };
    let lately = "2026-11-25T11:59:00Z";
    for (api_version, fields) in [
        ("v1", json!({"lastTimestamp": lately})),
        ("v1", json!({"eventTime": "2026-11-20T00:00:00.000000Z", "series": {"count": 3, "lastObservedTime": lately}})),
        ("events.k8s.io/v1", json!({"deprecatedLastTimestamp": lately})),
    ] {
        assert!(of(vec![event(api_version, &fields)], &with).is_empty(), "{fields}");
    }
    assert_eq!(names(&of(vec![event("v1", &json!({}))], &with)), ["web.1"]);
}

#[test]
fn a_deployment_is_asked_again_for_its_rollout_where_an_incomplete_one_would_be_held() {
    let guards = |policy: &Policy| of(rolled(2), policy).steps[0].guards.iter().map(ToString::to_string).collect::<Vec<_>>();
    let asked = |policy: &Policy| guards(policy).contains(&"its owner's rollout is complete, or it is paused".to_owned());
    assert!(asked(&policy()) && !asked(&Policy { incomplete: Incomplete::Pruned, ..policy() }));
    assert!(guards(&policy()).contains(&"more than 3 of this history are there".to_owned()), "{:?}", guards(&policy()));
}

#[test]
fn a_rollback_that_is_asked_for_keeps_its_target() {
    let mut items = rolled(2);
    items[0]["metadata"]["annotations"] = json!({"deprecated.deployment.rollback.to": "1"});
    let pruned = Policy { incomplete: Incomplete::Pruned, ..policy() };
    for policy in [policy(), pruned] {
        let plan = of(items.clone(), &policy);
        assert!(plan.is_empty() && plan.is_blocked());
        assert!(held(&plan, "web-1")[0].contains("is asked to roll back"), "{plan}");
    }
}

#[test]
fn a_paused_deployment_whose_template_was_edited_is_pruned_as_by_its_controller() {
    let mut items = rolled(2);
    items[0]["spec"]["paused"] = json!(true);
    items[0]["spec"]["template"] = template("v6");
    assert_eq!(names(&of(items.clone(), &policy())), ["web-1", "web-2", "web-3"], "the one that runs is an old one too");
    items[0]["metadata"]["generation"] = json!(2);
    assert!(held(&of(items, &policy()), "web-1")[0].starts_with("the controller has not seen the last change"));
}

#[test]
fn as_many_of_the_newest_stay_whatever_their_age() {
    let mut items = rolled(10);
    // Revision 4 is one of long ago, to which somebody rolled back.
    for (index, created) in [(1, "2026-11-20"), (2, "2026-11-21"), (3, "2026-11-22"), (4, "2024-01-01")] {
        items[index]["metadata"]["creationTimestamp"] = json!(format!("{created}T00:00:00Z"));
    }
    let old = Retention { max_age: Some(SignedDuration::from_hours(720)), ..Retention::default() };
    assert_eq!(names(&of(items.clone(), &retention(old))), ["web-4"]);
    assert!(of(items, &retention(Retention { min_kept: 2, ..old })).is_empty());
    let records: Vec<Value> = (1..=15).map(|version| record(version, if version == 15 { "deployed" } else { "superseded" })).collect();
    assert_eq!(of(records.clone(), &policy()).steps.len(), 5, "Helm's default");
    let more = Policy { helm: Retention { min_kept: 20, ..Retention::default() }, ..policy() };
    assert!(of(records, &more).is_empty());
}

#[test]
fn the_last_known_good_is_where_undo_would_go() {
    let good = Retention { max_kept: Some(0), last_known_good: LastKnownGood::Kept, ..Retention::default() };
    let mut items = rolled(10);
    items[1]["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "x"});
    assert_eq!(held(&of(items, &retention(good)), "web-4"), ["it is the last one that is known to have worked"]);
    // By creation the order is another one before 1.21, and kubectl goes by the number all the same.
    let mut items = rolled(10);
    items[3]["metadata"]["creationTimestamp"] = json!("2026-11-01T00:00:00Z");
    let old = Policy { revisions: good, ..Policy::new("1.20".parse().unwrap()) };
    assert_eq!(held(&of(items, &old), "web-4"), ["it is the last one that is known to have worked"]);
    let cron_job = json!({"kind": "CronJob", "apiVersion": "batch/v1", "metadata": metadata("import"), "spec": {"successfulJobsHistoryLimit": 0}});
    let mut going = job("b", Some("import"), "Complete", 2);
    going["metadata"]["deletionTimestamp"] = json!("2026-11-25T10:00:00Z");
    let plan = of(vec![cron_job, job("a", Some("import"), "Complete", 1), going], &Policy { jobs: good, ..policy() });
    assert!(plan.is_empty(), "the newest is on its way out: {plan}");
}

#[test]
fn a_copy_in_another_namespace_or_under_another_name_is_none_of_that_history() {
    let mut items = rolled(2);
    for index in [1, 2] {
        items[index]["metadata"]["namespace"] = json!("other");
    }
    let plan = of(items, &policy());
    assert!(plan.is_empty());
    assert!(held(&plan, "other/web-1")[0].contains("was not seen"), "{plan}");
    let mut copy = record(3, "deployed");
    copy["metadata"]["name"] = json!("backup");
    copy["metadata"]["uid"] = json!("uid-of-the-copy");
    let limit = Policy { helm_history_max: Some(1), ..policy() };
    let plan = of(vec![record(1, "superseded"), record(2, "superseded"), record(3, "deployed"), copy], &limit);
    assert_eq!(names(&plan), ["sh.helm.release.v1.web.v1", "sh.helm.release.v1.web.v2"]);
    assert_eq!(held(&plan, ".v3"), ["it is the deployed release"]);
    assert!(held(&plan, "backup")[0].contains("by them its name would be sh.helm.release.v1.web.v3"), "{plan}");
}

#[test]
fn what_an_owner_that_asks_to_stay_controls_stays_by_every_rule() {
    let keep = json!({"trimtab.dev/keep": "true"});
    let mut cron_job = json!({"kind": "CronJob", "apiVersion": "batch/v1", "metadata": metadata("import"), "spec": {}});
    cron_job["metadata"]["annotations"] = keep.clone();
    let mut expired = job("a", Some("import"), "Complete", 1);
    expired["spec"]["ttlSecondsAfterFinished"] = json!(60);
    assert!(of(vec![cron_job, expired], &policy()).is_empty());
    let mut kept = job("a", None, "Complete", 1);
    kept["metadata"]["annotations"] = keep;
    let pod = |name: &str| {
        let mut metadata = owned(name, "Job", "a");
        metadata["ownerReferences"][0]["apiVersion"] = json!("batch/v1");
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "status": {"phase": "Succeeded"}})
    };
    let plan = of(vec![kept, pod("a-1"), pod("a-2")], &Policy { terminated_pod_gc_threshold: 1, ..policy() });
    assert!(plan.is_empty());
    assert_eq!(held(&plan, "a-1"), ["it has the annotation trimtab.dev/keep"]);
}

#[test]
fn a_job_that_somebody_owns_without_controlling_it_or_whose_cron_job_is_not_seen_is_no_one_s() {
    let old = Policy { unowned_jobs_older_than: Some(SignedDuration::from_secs(1)), ..parts(&[Part::UnownedJobs]) };
    let mut owned = job("a", Some("import"), "Complete", 1);
    owned["metadata"]["ownerReferences"][0]["controller"] = json!(false);
    let plan = of(vec![owned], &old);
    assert_eq!(held(&plan, "/a"), ["it has an owner that does not control it, and goes with that one"]);
    assert_eq!(names(&of(vec![job("a", None, "Complete", 1)], &old)), ["a"]);
    let plan = of(vec![job("a", Some("import"), "Complete", 1)], &parts(&[Part::CronJobs]));
    assert!(plan.is_blocked() && held(&plan, "/a")[0].contains("was not seen"), "{plan}");
}

#[test]
fn revisions_whose_pods_or_labels_are_not_seen_stay() {
    let mut items = stateful(0);
    items[0]["status"]["replicas"] = json!(2);
    let mut pod = owned("db-0", "StatefulSet", "db");
    pod["labels"] = json!({"controller-revision-hash": "db-5"});
    let pod = |name: &str| {
        let mut pod = pod.clone();
        pod["name"] = json!(name);
        pod["uid"] = json!(name);
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": pod, "status": {"phase": "Running"}})
    };
    items.push(pod("db-0"));
    assert!(held(&of(items.clone(), &policy()), "db-1")[0].starts_with("not all of its owner's pods were seen"));
    items.push(pod("db-1"));
    assert_eq!(names(&of(items.clone(), &policy())), ["db-1", "db-2", "db-3"]);
    let mut unnamed = items.clone();
    unnamed[0]["status"].as_object_mut().unwrap().remove("updateRevision");
    assert!(of(unnamed, &policy()).is_empty());
    items[0]["spec"]["selector"] = json!({"matchLabels": {"app": "db"}});
    for item in &mut items[2..6] {
        item["metadata"]["labels"] = json!({"app": "db"});
    }
    let plan = of(items, &policy());
    assert_eq!(names(&plan), ["db-2", "db-3"]);
    assert!(held(&plan, "ControllerRevision shop/db-1")[0].contains("its labels are not those that StatefulSet shop/db selects"), "{plan}");
}

#[test]
fn a_share_counts_each_object_once_and_its_own_kind() {
    let map = {
        let mut map = record(1, "deployed");
        map["kind"] = json!("ConfigMap");
        map["metadata"]["uid"] = json!("uid-of-the-map");
        map
    };
    let secrets: Vec<Value> = (1..=10).map(|version| record(version, if version == 10 { "deployed" } else { "superseded" })).collect();
    let mut items = vec![map];
    items.extend((0..10).flat_map(|_| secrets.clone()));
    let with = Policy { helm_history_max: Some(5), blast_radius: BlastRadius { most_percent: Some(10), ..BlastRadius::default() }, ..policy() };
    let plan = of(items, &with);
    assert!(plan.is_empty() && plan.notices.is_empty());
    assert!(plan.held[0].to_string().contains("would delete 5 of 10 Secret objects"), "{plan}");
}

#[test]
fn a_revision_without_a_number_is_not_told_as_revision_0() {
    let mut items = rolled(3);
    items[1]["metadata"]["annotations"] = json!({});
    let plan = of(items, &policy());
    assert_eq!((names(&plan), plan.steps[0].action.revision), (vec!["web-1"], None));
    assert!(!plan.to_string().contains("no rollback any more"), "{plan}");
}
