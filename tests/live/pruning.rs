//! Twins: the controllers prune one namespace, trimtab another one with the same history, and the survivors are the same.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;

use jiff::SignedDuration;
use serde_json::{Value, json};
use trimtab_history_ops::live::{Cluster as Pruned, Journal, Pace};
use trimtab_history_ops::policy::{Part, Policy, Retention};
use trimtab_history_ops::{HistorySeen, PruningPlan, plan};
use trimtab_kit::control_plane::{
    CONTROLLER_REVISIONS, CRON_JOBS, ControlPlane, DAEMON_SETS, DEPLOYMENTS, Deletion, ENDS, JOBS, Object, Options, PODS, REPLICA_SETS, STATEFUL_SETS,
};
use trimtab_kit::etcd::{self, Cluster};
use trimtab_kit::workloads::{NODE, job, roll, template, until_complete, until_finished, until_names_are, workload};

/// Pruned by the controllers.
const THEIRS: &str = "theirs";
/// Who prunes as trimtab.
const PRUNER: &str = "pruner";
/// Pruned by trimtab.
const OURS: &str = "ours";

async fn plane(cluster: &Cluster) -> ControlPlane {
    let options = Options::new().with_audit_of_deletions().with_controllers(&[]).with_nodes(&[NODE]);
    let plane = ControlPlane::start_as(cluster, &options).await;
    plane.create_namespace(THEIRS).await;
    plane.create_namespace(OURS).await;
    plane
}

fn policy(parts: &[Part]) -> Policy {
    let namespaces = Some(BTreeSet::from([OURS.to_owned()]));
    Policy { parts: parts.iter().copied().collect(), namespaces, ..Policy::new("1.37.2".parse().unwrap()) }
}

fn keeping(most: u32) -> Retention {
    Retention { max_kept: Some(most), ..Retention::default() }
}

/// trimtab, as a user of its own with no more rights than it needs.
async fn pruned(plane: &ControlPlane) -> Pruned {
    let user = plane.user(PRUNER);
    let looks = json!(["get", "list"]);
    let rules = json!([
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "daemonsets"], "verbs": looks},
        {"apiGroups": ["apps"], "resources": ["replicasets", "controllerrevisions"], "verbs": ["get", "list", "delete"]},
        {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": looks},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "delete"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "delete"]},
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
    ]);
    plane.grant(&user, "", &rules).await;
    let mut config = user.config().await;
    config.default_retry = false;
    Pruned::of(kube::Client::try_from(config).unwrap())
}

fn fast() -> Pace {
    Pace { deletes_per_second: None, lanes: NonZeroUsize::new(4).unwrap(), ..Pace::default() }
}

/// Carries out a plan, whole, and once more, which changes nothing.
async fn carry_out(cluster: &Pruned, plan: &PruningPlan, dir: &Path) {
    assert!(!plan.is_empty(), "{plan}");
    let dry = cluster.dry_run(plan, &fast(), |_| ()).await;
    assert!(dry.steps.iter().all(|step| step.outcome.to_string() == "done"), "{dry}");
    let journal = Journal::open(&dir.join("journal")).unwrap();
    let report = cluster.apply(plan, &journal, &fast(), |_| ()).await;
    assert_eq!(report.acted(), plan.steps.len(), "{report}");
    assert_eq!(journal.deleted(), plan.steps.len());
    drop(journal);
    let fresh = Journal::open(&dir.join("another")).unwrap();
    let again = cluster.apply(plan, &fresh, &fast(), |_| ()).await;
    assert_eq!(
        (again.acted(), again.steps.iter().filter(|step| step.outcome.to_string() == "already so, nothing done").count()),
        (0, plan.steps.len()),
        "{again}"
    );
}

/// Every deletion in our namespace that was no dry run carries both preconditions and says what becomes of what the object owns.
fn every_deletion_is_guarded(plane: &ControlPlane, wanted: usize) {
    let by_us = |deletion: &Deletion| deletion.user == PRUNER && deletion.namespace == OURS && !deletion.dry_run;
    let ours: Vec<Deletion> = plane.deletions().into_iter().filter(by_us).collect();
    assert_eq!(ours.len(), wanted, "{ours:?}");
    for deletion in &ours {
        assert!(
            deletion.uid.is_some() && deletion.resource_version.is_some() && deletion.propagation_policy.is_some() && deletion.code == 200,
            "{deletion:?}"
        );
    }
}

async fn set(plane: &ControlPlane, object: &Object, field: &str, value: Value) {
    let mut seen = plane.read(object).await;
    let mut at = &mut seen["spec"];
    for name in field.split('.') {
        at = &mut at[name];
    }
    *at = value;
    let answer = plane.ask(reqwest::Method::PUT, &object.path(), &[], Some(seen)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn revisions_of_every_workload_survive_as_its_controller_would_have_it() {
    let cluster = Cluster::start(&etcd::Options::new("3.6.16", 1));
    let plane = plane(&cluster).await;
    let kinds = [(&DEPLOYMENTS, "cart"), (&STATEFUL_SETS, "database"), (&DAEMON_SETS, "agent")];
    let twins: Vec<Object> = [THEIRS, OURS].iter().flat_map(|namespace| kinds.map(|(kind, name)| workload(kind, namespace, name, 100))).collect();
    for twin in &twins {
        plane.create(twin).await;
    }
    // The second revision comes back as the seventh: its age and its number disagree afterwards.
    for value in ["1", "2", "3", "4", "5", "6", "2", "7"] {
        for twin in &twins {
            let mut next = twin.clone();
            next.fields["spec"]["template"] = template(&twin.name, value);
            plane.update(&next).await;
        }
        for twin in &twins {
            until_complete(&plane, twin).await;
        }
    }
    let before = plane.names_in(OURS, &REPLICA_SETS).await.len();
    assert_eq!(before, 7);
    let ours = pruned(&plane).await;
    let policy = Policy { revisions: keeping(2), ..policy(&[Part::ReplicaSets, Part::ControllerRevisions]) };
    let seen = ours.observe(&policy, |_| ()).await.unwrap();
    assert_eq!(seen.unread, []);
    let plan = plan(&seen, &policy, ours.now()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    carry_out(&ours, &plan, dir.path()).await;
    for twin in twins.iter().filter(|twin| twin.namespace == THEIRS) {
        set(&plane, twin, "revisionHistoryLimit", json!(2)).await;
    }
    for kind in [&REPLICA_SETS, &CONTROLLER_REVISIONS] {
        let survivors = plane.names_in(OURS, kind).await;
        assert_eq!(survivors.len(), if kind.kind == "ReplicaSet" { 3 } else { 6 }, "{survivors:?}");
        let survivors: Vec<&str> = survivors.iter().map(String::as_str).collect();
        until_names_are(&plane, THEIRS, kind, &survivors).await;
    }
    every_deletion_is_guarded(&plane, plan.steps.len());
}

#[tokio::test]
async fn the_plan_for_a_limit_of_the_workloads_own_is_what_its_controller_does() {
    let cluster = Cluster::start(&etcd::Options::new("3.6.16", 1));
    let plane = plane(&cluster).await;
    let deployment = workload(&DEPLOYMENTS, THEIRS, "cart", 100);
    plane.create(&deployment).await;
    until_complete(&plane, &deployment).await;
    for value in ["2", "3", "4", "5"] {
        roll(&plane, &deployment, value).await;
    }
    let mut items = plane.list_in(THEIRS, &REPLICA_SETS).await;
    items.push(plane.read(&deployment).await);
    items.last_mut().unwrap()["spec"]["revisionHistoryLimit"] = json!(1);
    items.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "cluster"}}));
    for item in &mut items {
        if item["kind"].is_null() {
            item["apiVersion"] = json!("apps/v1");
            item["kind"] = json!("ReplicaSet");
        }
    }
    let seen = HistorySeen::of_dump(json!({ "items": items }).to_string().as_bytes()).unwrap();
    let policy = Policy { namespaces: None, ..policy(&[Part::ReplicaSets]) };
    let plan = plan(&seen, &policy, jiff::Timestamp::now()).unwrap();
    let going: BTreeSet<String> = plan.steps.iter().map(|step| step.action.object.name.clone()).collect();
    assert_eq!(going.len(), 3, "{plan}");
    let all = plane.names_in(THEIRS, &REPLICA_SETS).await;
    let survivors: Vec<&str> = all.iter().map(String::as_str).filter(|name| !going.contains(*name)).collect();
    set(&plane, &deployment, "revisionHistoryLimit", json!(1)).await;
    until_names_are(&plane, THEIRS, &REPLICA_SETS, &survivors).await;
}

#[tokio::test]
async fn finished_jobs_survive_as_their_controllers_would_have_it() {
    let cluster = Cluster::start(&etcd::Options::new("3.6.16", 1));
    let plane = plane(&cluster).await;
    let mut jobs = Vec::new();
    for namespace in [THEIRS, OURS] {
        let template = job(namespace, "unused", "Succeeded", &Value::Null).fields;
        let spec = json!({"schedule": "0 0 1 1 *", "suspend": true, "successfulJobsHistoryLimit": 100, "failedJobsHistoryLimit": 100, "jobTemplate": template});
        let owner = plane.create(&Object::new(&CRON_JOBS, namespace, "report", json!({ "spec": spec }))).await;
        let by = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "uid": owner["metadata"]["uid"], "controller": true}]);
        for (name, ends) in [("bad-1", "Failed"), ("bad-2", "Failed"), ("good-1", "Succeeded"), ("good-2", "Succeeded"), ("good-3", "Succeeded")] {
            let mut job = job(namespace, name, ends, &Value::Null);
            job.fields["metadata"] = json!({ "ownerReferences": by });
            jobs.push(job);
        }
        jobs.push(job(namespace, "kept", "Succeeded", &Value::Null));
        jobs.push(job(namespace, "timed", "Failed", &json!({ "ttlSecondsAfterFinished": 3600 })));
    }
    // One after the other, so that none starts in another's second.
    for job in &jobs {
        plane.create(job).await;
        until_finished(&plane, job).await;
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let ours = pruned(&plane).await;
    let policy = Policy { jobs: keeping(1), ..policy(&[Part::CronJobs, Part::JobTtl]) };
    let seen = ours.observe(&policy, |_| ()).await.unwrap();
    let plan = plan(&seen, &policy, ours.now() + SignedDuration::from_hours(2)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    carry_out(&ours, &plan, dir.path()).await;
    let report = Object::new(&CRON_JOBS, THEIRS, "report", Value::Null);
    for limit in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        set(&plane, &report, limit, json!(1)).await;
    }
    let timed = jobs.iter().find(|job| job.namespace == THEIRS && job.name == "timed").unwrap();
    set(&plane, timed, "ttlSecondsAfterFinished", json!(1)).await;
    let survivors = ["bad-2", "good-3", "kept"];
    until_names_are(&plane, THEIRS, &JOBS, &survivors).await;
    // Their pods go before them (Foreground) or after (Background); none is left behind.
    until_names_are(&plane, OURS, &JOBS, &survivors).await;
    for namespace in [THEIRS, OURS] {
        let pods = async || {
            let pods = plane.list_in(namespace, &PODS).await;
            let of = |pod: &Value| pod["metadata"]["labels"]["job-name"].as_str().unwrap_or_default().to_owned();
            let mut owners: Vec<String> = pods.iter().map(of).collect();
            owners.sort();
            if owners == survivors { Ok(()) } else { Err(format!("{owners:?}")) }
        };
        trimtab_kit::wait::until_async("the pods of the Jobs to go with them", trimtab_kit::wait::LONG, pods).await.unwrap();
    }
    every_deletion_is_guarded(&plane, plan.steps.len());
}

#[tokio::test]
async fn pods_that_have_ended_survive_as_their_collector_would_have_it() {
    let cluster = Cluster::start(&etcd::Options::new("3.6.16", 1));
    let mut plane = plane(&cluster).await;
    let ended = |namespace: &str, name: &str, ends: &str| {
        let mut fields = template("batch", "1");
        fields["metadata"]["annotations"] = json!({ ENDS: ends });
        Object::new(&PODS, namespace, name, fields)
    };
    let make = async |plane: &ControlPlane, namespace: &str| {
        for number in 1..=5 {
            plane.create(&ended(namespace, &format!("ended-{number}"), if number % 2 == 0 { "Failed" } else { "Succeeded" })).await;
            tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        }
        plane.create(&Object::new(&PODS, namespace, "runs", template("web", "1"))).await;
        let look = async || {
            let pods = plane.list_in(namespace, &PODS).await;
            let over = pods.iter().filter(|pod| pod["status"]["phase"] == "Succeeded" || pod["status"]["phase"] == "Failed").count();
            if over == 5 { Ok(()) } else { Err(format!("{over} have ended")) }
        };
        trimtab_kit::wait::until_async("the pods to end", trimtab_kit::wait::LONG, look).await.unwrap();
    };
    make(&plane, OURS).await;
    let ours = pruned(&plane).await;
    let policy = Policy { terminated_pod_gc_threshold: 2, ..policy(&[Part::Pods]) };
    let seen = ours.observe(&policy, |_| ()).await.unwrap();
    let plan = plan(&seen, &policy, ours.now()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    carry_out(&ours, &plan, dir.path()).await;
    let survivors = ["ended-4", "ended-5", "runs"];
    until_names_are(&plane, OURS, &PODS, &survivors).await;
    every_deletion_is_guarded(&plane, 3);
    for name in survivors {
        plane.delete(&Object::new(&PODS, OURS, name, Value::Null)).await;
    }
    until_names_are(&plane, OURS, &PODS, &[]).await;
    plane.end_controllers();
    make(&plane, THEIRS).await;
    plane.start_controllers(&["--terminated-pod-gc-threshold=2"]).await;
    until_names_are(&plane, THEIRS, &PODS, &survivors).await;
}
