mod traps;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::plan;
use crate::policy::{BlastRadius, Incomplete, LastKnownGood, Part, Policy, Retention};
use crate::pruning::PruningPlan;
use crate::rows::HistorySeen;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn policy() -> Policy {
    Policy::new("1.34".parse().unwrap())
}

fn cluster() -> Value {
    json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "cluster-1"}})
}

fn of(mut items: Vec<Value>, policy: &Policy) -> PruningPlan {
    items.push(cluster());
    let seen = HistorySeen::of_dump(json!({"kind": "List", "items": items}).to_string().as_bytes()).unwrap();
    assert_eq!(seen.unread, []);
    plan(&seen, policy, now()).unwrap()
}

fn metadata(name: &str) -> Value {
    json!({"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "resourceVersion": "7", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"})
}

fn owned(name: &str, kind: &str, owner: &str) -> Value {
    let mut metadata = metadata(name);
    let api_version = if kind == "CronJob" { "batch/v1" } else { "apps/v1" };
    metadata["ownerReferences"] =
        json!([{"apiVersion": api_version, "kind": kind, "name": owner, "uid": format!("uid-{owner}"), "controller": true}]);
    metadata
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image, "envFrom": [{"configMapRef": {"name": image}}]}]}})
}

fn deployment(limit: i32) -> Value {
    json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata("web"),
        "spec": {"replicas": 3, "revisionHistoryLimit": limit, "template": template("v5")},
        "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}})
}

fn replica_set(revision: i64, replicas: i32) -> Value {
    let mut metadata = owned(&format!("web-{revision}"), "Deployment", "web");
    metadata["annotations"] = json!({"deployment.kubernetes.io/revision": revision.to_string()});
    let mut template = template(&format!("v{revision}"));
    template["metadata"]["labels"]["pod-template-hash"] = json!(format!("hash{revision}"));
    json!({"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": metadata, "spec": {"replicas": replicas, "template": template},
        "status": {"replicas": replicas, "observedGeneration": 1}})
}

/// Revisions 1 to 5, of which the last is the new one.
fn rolled(limit: i32) -> Vec<Value> {
    let mut items = vec![deployment(limit)];
    items.extend((1..5).map(|revision| replica_set(revision, 0)));
    items.push(replica_set(5, 3));
    items
}

fn names(plan: &PruningPlan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.action.object.name.as_str()).collect()
}

fn held(plan: &PruningPlan, target: &str) -> Vec<String> {
    plan.held.iter().filter(|held| held.target.ends_with(target)).map(|held| held.reason.to_string()).collect()
}

#[test]
fn a_rolled_deployment_loses_what_is_over_its_limit_and_every_object_has_its_line() {
    let plan = of(rolled(2), &policy());
    assert_eq!(names(&plan), ["web-1", "web-2"]);
    assert_eq!(plan.held.len(), 3);
    assert!(!plan.is_blocked());
    let text = plan.to_string();
    for line in [
        "plan: pruning of history in cluster cluster-1",
        "  notice: Deployment shop/web: no rollback any more to revision 1, 2",
        "  notice: ConfigMap v1 in namespace shop was used last, as far as was seen, by web-1, which goes",
        "  before each step: only if the cluster's kube-system has the uid cluster-1; Deployment shop/web is at generation 1",
        "  1. ReplicaSet shop/web-1: delete revision 1: over the limit of 2 (the workload's own)",
        "       only if it is at resourceVersion 7",
        "  held back: ReplicaSet shop/web-5: it is the new one",
        "  held back: ReplicaSet shop/web-4: the limit is 2",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line:?} in\n{text}");
    }
}

#[test]
fn a_plan_survives_json() {
    let plan = of(rolled(2), &policy());
    let back: PruningPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(back, plan);
}

#[test]
fn one_that_has_pods_stays_and_takes_a_place() {
    let mut items = rolled(2);
    items[1] = replica_set(1, 1);
    let plan = of(items, &policy());
    assert_eq!(names(&plan), ["web-2"]);
    assert_eq!(held(&plan, "web-1"), ["it is in use: 1 replicas wanted, 1 there"]);
}

#[test]
fn one_whose_last_change_was_not_looked_at_stays() {
    let mut items = rolled(2);
    items[1]["metadata"]["generation"] = json!(2);
    assert_eq!(names(&of(items, &policy())), ["web-2"]);
}

#[test]
fn a_rollout_that_is_not_complete_keeps_its_whole_history_unless_the_policy_says_otherwise() {
    let mut items = rolled(2);
    items[0]["status"]["availableReplicas"] = json!(2);
    let plan = of(items.clone(), &policy());
    assert!(plan.is_empty() && plan.is_blocked());
    assert!(held(&plan, "web-1")[0].starts_with("the rollout of Deployment shop/web is not complete"));
    let all_the_same = Policy { incomplete: Incomplete::Pruned, ..policy() };
    assert_eq!(names(&of(items.clone(), &all_the_same)), ["web-1", "web-2"]);
    items[0]["spec"]["paused"] = json!(true);
    assert_eq!(names(&of(items.clone(), &policy())), ["web-1", "web-2"], "a paused one is pruned");
    items[0]["metadata"]["annotations"] = json!({"deprecated.deployment.rollback.to": "3"});
    assert!(of(items, &policy()).is_empty(), "but not while it is being rolled back");
}

#[test]
fn where_no_replica_set_has_the_template_nothing_goes() {
    let mut items = rolled(0);
    items[0]["spec"]["template"] = template("v6");
    let plan = of(items, &policy());
    assert!(plan.is_empty() && plan.is_blocked());
}

#[test]
fn a_deployment_without_replicas_keeps_its_new_replica_set() {
    let mut items = rolled(0);
    items[0]["spec"]["replicas"] = json!(0);
    items[0]["status"] = json!({"observedGeneration": 1});
    items[5] = replica_set(5, 0);
    assert_eq!(names(&of(items, &policy())), ["web-1", "web-2", "web-3", "web-4"]);
}

#[test]
fn a_limit_that_is_none_is_none_since_1_13_only() {
    let items = rolled(i32::MAX);
    assert!(of(items.clone(), &policy()).is_empty());
    let with = |max_kept: u32| Policy { revisions: Retention { max_kept: Some(max_kept), ..Retention::default() }, ..policy() };
    assert_eq!(names(&of(items, &with(1))), ["web-1", "web-2", "web-3"]);
}

#[test]
fn the_order_is_by_creation_before_1_21_and_by_revision_since() {
    let mut items = rolled(3);
    items[4]["metadata"]["creationTimestamp"] = json!("2025-01-01T00:00:00Z");
    assert_eq!(names(&of(items.clone(), &policy())), ["web-1"]);
    assert_eq!(names(&of(items.clone(), &Policy::new("1.21".parse().unwrap()))), ["web-1"]);
    let old = Policy::new("1.20".parse().unwrap());
    assert_eq!(names(&of(items, &old)), ["web-4"]);
}

#[test]
fn retention_goes_below_the_limit_by_number_and_age_and_keeps_what_is_young_or_good() {
    let mut items = rolled(10);
    for (index, created) in [(1, "2026-01-01"), (2, "2026-06-01"), (3, "2026-11-01"), (4, "2026-11-25")] {
        items[index]["metadata"]["creationTimestamp"] = json!(format!("{created}T00:00:00Z"));
    }
    let days = |days: i64| Some(SignedDuration::from_hours(24 * days));
    let with = |retention: Retention| Policy { revisions: retention, ..policy() };
    let base = Retention::default();
    assert!(of(items.clone(), &policy()).is_empty());
    let by_age = Retention { max_age: days(30), ..base };
    assert_eq!(names(&of(items.clone(), &with(by_age))), ["web-1", "web-2"]);
    assert_eq!(names(&of(items.clone(), &with(Retention { min_kept: 3, ..by_age }))), ["web-1"]);
    let none = Retention { max_kept: Some(0), ..base };
    assert_eq!(names(&of(items.clone(), &with(none))), ["web-1", "web-2", "web-3", "web-4"]);
    assert_eq!(names(&of(items.clone(), &with(Retention { min_age: days(1), ..none }))), ["web-1", "web-2", "web-3"]);
    let good = Retention { last_known_good: LastKnownGood::Kept, ..none };
    let plan = of(items, &with(good));
    assert_eq!(names(&plan), ["web-1", "web-2", "web-3"]);
    assert_eq!(held(&plan, "web-4"), ["it is the last one that is known to have worked"]);
}

#[test]
fn what_stands_twice_in_a_dump_takes_one_place() {
    let mut items = rolled(2);
    items.extend(items.clone());
    let plan = of(items, &policy());
    assert_eq!(names(&plan), names(&of(rolled(2), &policy())));
    assert!(plan.to_string().contains("5 objects stand in it a second time; each counts once"), "{plan}");
}

#[test]
fn who_asks_to_stay_stays_as_an_object_and_as_an_owner() {
    let keep = json!({"trimtab.dev/keep": "true", "deployment.kubernetes.io/revision": "1"});
    let mut items = rolled(2);
    items[1]["metadata"]["annotations"] = keep.clone();
    assert_eq!(names(&of(items, &policy())), ["web-2"]);
    let mut items = rolled(2);
    items[0]["metadata"]["annotations"] = keep;
    assert!(of(items, &policy()).is_empty());
}

#[test]
fn what_others_control_or_nobody_stays() {
    let mut items = rolled(2);
    items[1]["metadata"]["ownerReferences"][0]["apiVersion"] = json!("argoproj.io/v1alpha1");
    items[1]["metadata"]["ownerReferences"][0]["kind"] = json!("Rollout");
    items[2]["metadata"]["ownerReferences"] = json!([]);
    items[3]["metadata"]["ownerReferences"][0]["uid"] = json!("another");
    let plan = of(items, &policy());
    assert!(plan.is_empty());
    assert_eq!(held(&plan, "web-1"), ["it is controlled by Rollout web (argoproj.io/v1alpha1), whose history is its own"]);
    assert_eq!(held(&plan, "web-2"), ["nobody controls it: it may be adopted again"]);
    assert!(held(&plan, "web-3")[0].starts_with("its owner Deployment web (apps/v1) was not seen"));
}

#[test]
fn without_a_cluster_or_beyond_the_blast_radius_there_is_no_step() {
    let dump = json!({"kind": "List", "items": rolled(2)}).to_string();
    let seen = HistorySeen::of_dump(dump.as_bytes()).unwrap();
    let blind = plan(&seen, &policy(), now()).unwrap();
    assert!(blind.is_empty() && blind.is_blocked());
    let radius = |most_objects, most_percent| Policy { blast_radius: BlastRadius { most_objects, most_percent }, ..policy() };
    let refused = of(rolled(2), &radius(Some(1), None));
    assert_eq!(refused.held[0].reason.to_string(), "the plan would delete 2 of 5 objects, and the policy allows 1: look why, then allow more");
    assert!(refused.is_empty() && refused.is_blocked());
    assert_eq!(of(rolled(2), &radius(Some(2), Some(40))).steps.len(), 2);
    assert!(of(rolled(2), &radius(None, Some(39))).is_empty());
}

fn stateful(limit: i32) -> Vec<Value> {
    let set = json!({"kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": metadata("db"),
        "spec": {"revisionHistoryLimit": limit, "template": template("v5")},
        "status": {"observedGeneration": 1, "currentRevision": "db-4", "updateRevision": "db-5"}});
    let mut items = vec![set];
    items.extend((1..=5).map(|revision| {
        json!({"kind": "ControllerRevision", "apiVersion": "apps/v1", "metadata": owned(&format!("db-{revision}"), "StatefulSet", "db"), "revision": revision,
            "data": {"spec": {"template": template(&format!("v{revision}"))}}})
    }));
    items
}

#[test]
fn a_stateful_set_keeps_what_its_status_and_its_pods_name() {
    let mut items = stateful(1);
    let mut pod = owned("db-0", "StatefulSet", "db");
    pod["labels"] = json!({"controller-revision-hash": "db-1"});
    items.push(json!({"kind": "Pod", "apiVersion": "v1", "metadata": pod, "status": {"phase": "Running"}}));
    let plan = of(items, &policy());
    assert_eq!(names(&plan), ["db-2"]);
    assert!(plan.steps[0].guards.iter().any(|guard| guard.to_string() == "nothing runs db-2"));
    assert_eq!(held(&plan, "db-1"), ["it is live"]);
    let mut unseen = stateful(0);
    unseen[0]["metadata"]["generation"] = json!(2);
    assert!(of(unseen, &policy()).is_blocked());
}

#[test]
fn without_any_pod_nobody_knows_which_revisions_run() {
    let plan = of(stateful(0), &policy());
    assert!(plan.is_empty() && plan.is_blocked());
    assert!(held(&plan, "db-1")[0].starts_with("not all of its owner's pods were seen"));
}

#[test]
fn a_daemon_set_counts_its_live_revisions_and_deletes_others_instead() {
    let mut items = stateful(2);
    items[0]["kind"] = json!("DaemonSet");
    for (revision, item) in items.iter_mut().enumerate().skip(1) {
        item["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet");
        item["metadata"]["labels"] = json!({"controller-revision-hash": format!("h{revision}")});
        item["data"]["spec"]["template"]["$patch"] = json!("replace");
    }
    let mut pod = owned("db-x", "DaemonSet", "db");
    pod["labels"] = json!({"controller-revision-hash": "h1"});
    items.push(json!({"kind": "Pod", "apiVersion": "v1", "metadata": pod, "status": {"phase": "Running"}}));
    // Four old ones, two may stay, and the first of the two that would go is live.
    let plan = of(items, &policy());
    assert_eq!(names(&plan), ["db-2", "db-3"]);
    assert_eq!(held(&plan, "db-5"), ["it is the new one"]);
}

fn job(name: &str, owner: Option<&str>, condition: &str, hour: u32) -> Value {
    let metadata = owner.map_or_else(|| metadata(name), |owner| owned(name, "CronJob", owner));
    let at = format!("2026-11-25T{hour:02}:00:00Z");
    json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": metadata, "spec": {},
        "status": {"startTime": at, "conditions": [{"type": condition, "status": "True", "lastTransitionTime": at}]}})
}

#[test]
fn a_cron_job_keeps_the_newest_of_both_classes() {
    let mut items = vec![
        json!({"kind": "CronJob", "apiVersion": "batch/v1", "metadata": metadata("nightly"), "spec": {"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1}}),
    ];
    items.extend(
        [(1, "Complete"), (2, "Complete"), (3, "Failed"), (4, "Failed"), (5, "Suspended")]
            .map(|(hour, condition)| job(&format!("n-{hour}"), Some("nightly"), condition, hour)),
    );
    let plan = of(items, &policy());
    assert_eq!(names(&plan), ["n-1", "n-3"]);
    assert_eq!(held(&plan, "n-5"), ["it has not ended"]);
    assert!(plan.steps.iter().all(|step| step.action.propagation == crate::pruning::Propagation::Background));
}

#[test]
fn a_job_goes_by_its_time_to_live_or_when_nobody_prunes_it_and_the_policy_says_so() {
    let mut over = job("over", None, "Complete", 10);
    over["spec"]["ttlSecondsAfterFinished"] = json!(3600);
    let mut not_yet = job("not-yet", None, "Failed", 11);
    not_yet["spec"]["ttlSecondsAfterFinished"] = json!(7200);
    let items = vec![over, not_yet, job("forgotten", None, "Complete", 1)];
    let plan = of(items.clone(), &policy());
    assert_eq!(names(&plan), ["over"]);
    assert_eq!(plan.steps[0].action.propagation, crate::pruning::Propagation::Foreground);
    assert_eq!(held(&plan, "not-yet"), ["its time to live ends at 2026-11-25T13:00:00Z"]);
    assert_eq!(held(&plan, "forgotten"), ["there is no limit"]);
    let sweeping = Policy { unowned_jobs_older_than: Some(SignedDuration::from_hours(6)), parts: [Part::UnownedJobs].into(), ..policy() };
    assert_eq!(names(&of(items, &sweeping)), ["forgotten"]);
}

fn record(version: i64, status: &str) -> Value {
    let mut metadata = metadata(&format!("sh.helm.release.v1.web.v{version}"));
    metadata["labels"] = json!({"owner": "helm", "name": "web", "status": status, "version": version.to_string(), "createdAt": "1735689600"});
    json!({"kind": "Secret", "apiVersion": "v1", "type": "helm.sh/release.v1", "metadata": metadata})
}

#[test]
fn helm_keeps_the_deployed_record_whatever_its_place() {
    let items: Vec<Value> = (1..=5).map(|version| record(version, if version == 1 { "deployed" } else { "failed" })).collect();
    let with = |most: u32| Policy { helm_history_max: Some(most), ..policy() };
    let plan = of(items.clone(), &with(2));
    let versions: Vec<Option<i64>> = plan.steps.iter().map(|step| step.action.revision).collect();
    assert_eq!(versions, [Some(2), Some(3), Some(4)]);
    assert_eq!(held(&plan, ".v1"), ["it is the deployed release"]);
    assert!(plan.steps[0].guards.iter().any(|guard| guard.to_string() == "Secret shop/sh.helm.release.v1.web.v1 is deployed"));
    assert!(of(items.clone(), &policy()).is_empty(), "ten by default");
    assert!(of(items, &with(0)).is_empty(), "0 is no limit");
}

#[test]
fn a_release_in_the_middle_of_an_operation_and_records_that_lie_stay() {
    let with = Policy { helm_history_max: Some(1), ..policy() };
    let mut items: Vec<Value> = (1..=3).map(|version| record(version, "superseded")).collect();
    items.push(record(4, "pending-upgrade"));
    let plan = of(items, &with);
    assert!(plan.is_empty() && plan.is_blocked());
    let mut items: Vec<Value> = (1..=3).map(|version| record(version, "superseded")).collect();
    items[0]["data"] = json!({"release": "!"});
    let plan = of(items, &with);
    assert_eq!(plan.steps.len(), 1, "what Helm cannot read it does not count");
    assert_eq!(held(&plan, ".v1"), ["its labels cannot be trusted: its payload is no base64"]);
}

#[test]
fn tiller_prunes_no_release_that_never_succeeded() {
    let tiller = |version: i64, status: &str| {
        let mut metadata = metadata(&format!("web.v{version}"));
        metadata["labels"] = json!({"OWNER": "TILLER", "NAME": "web", "STATUS": status, "VERSION": version.to_string()});
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata})
    };
    let with = Policy { helm_history_max: Some(1), ..policy() };
    let failed = of(vec![tiller(1, "FAILED"), tiller(2, "FAILED")], &with);
    assert_eq!(held(&failed, "web.v1"), ["no record of web is deployed, and Helm 2 prunes no release that never succeeded"]);
    assert_eq!(names(&of(vec![tiller(1, "SUPERSEDED"), tiller(2, "DEPLOYED")], &with)), ["web.v1"]);
}

#[test]
fn pods_go_over_the_threshold_with_those_that_were_evicted_first() {
    let pod = |name: &str, hour: u32, reason: &str| {
        let mut metadata = metadata(name);
        metadata["creationTimestamp"] = json!(format!("2026-11-25T{hour:02}:00:00Z"));
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "status": {"phase": "Failed", "reason": reason}})
    };
    let items = vec![pod("a", 1, "Error"), pod("b", 2, "Evicted"), pod("c", 3, "Error")];
    let with = |version: &str| Policy { terminated_pod_gc_threshold: 1, ..Policy::new(version.parse().unwrap()) };
    assert_eq!(names(&of(items.clone(), &with("1.27"))), ["b", "a"]);
    assert_eq!(names(&of(items.clone(), &with("1.26"))), ["a", "b"]);
    assert!(of(items, &policy()).is_empty());
}

#[test]
fn what_cannot_be_read_is_held_back_and_the_rest_is_planned() {
    let mut items = rolled(2);
    items[1]["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    items.push(json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}}));
    items.push(json!({"kind": "Job", "apiVersion": "batch/v1", "metadata": metadata("bad"), "spec": {"ttlSecondsAfterFinished": "soon"}}));
    items.push(cluster());
    let seen = HistorySeen::of_dump(json!({"items": items}).to_string().as_bytes()).unwrap();
    let plan = plan(&seen, &policy(), now()).unwrap();
    assert_eq!(names(&plan), ["web-2"]);
    let unread: Vec<String> = seen.unread.iter().map(ToString::to_string).collect();
    assert!(unread[0].contains("ReplicaSet shop/web-1: metadata.resourceVersion is missing"), "{unread:?}");
    assert!(unread[1].contains("Service web: kind Service (v1) holds no history"), "{unread:?}");
    assert!(unread[2].contains("Job shop/bad: expected i32: line 1, column "), "{unread:?}");
    assert!(plan.is_blocked());
}
