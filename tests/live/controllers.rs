//! The test bed's control plane does what clusters do: its controllers roll, finish and prune, and Helm keeps its records.

use std::time::Duration;

use serde_json::{Value, json};
use trimtab_kit::control_plane::{
    CRON_JOBS, ControlPlane, DAEMON_SETS, DEPLOYMENTS, ENDS, JOBS, Object, Options, PODS, REPLICA_SETS, SECRETS, STATEFUL_SETS,
};
use trimtab_kit::etcd::{self, Cluster};
use trimtab_kit::helm::{self, Helm};
use trimtab_kit::wait;
use trimtab_kit::workloads::{NODE, job, revisions, roll, template, until_complete, until_finished, until_names_are, workload};

const NAMESPACE: &str = "shop";

async fn plane(cluster: &Cluster, controllers: &[&str]) -> ControlPlane {
    let plane = ControlPlane::start_as(cluster, &Options::new().with_controllers(controllers).with_nodes(&[NODE])).await;
    plane.create_namespace(NAMESPACE).await;
    plane
}

fn etcd() -> Cluster {
    Cluster::start(&etcd::Options::new("3.6.16", 1))
}

/// The values that a Deployment's `ReplicaSets` stand for, in the order of their revisions.
async fn values(plane: &ControlPlane) -> Vec<String> {
    let mut found: Vec<(i64, String)> = plane.list_in(NAMESPACE, &REPLICA_SETS).await.iter().map(revision_and_value).collect();
    found.sort();
    found.into_iter().map(|(_, value)| value).collect()
}

fn revision_and_value(set: &Value) -> (i64, String) {
    let revision = set["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().expect("a revision");
    let value = set["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"].as_str().expect("a value");
    (revision.parse().expect("a number"), value.to_owned())
}

async fn until_values_are(plane: &ControlPlane, wanted: &[&str]) {
    let look = async || match values(plane).await {
        found if found == wanted => Ok(()),
        found => Err(format!("{found:?}")),
    };
    wait::until_async("the ReplicaSets to be pruned", wait::LONG, look).await.unwrap_or_else(|why| panic!("{why}"));
}

#[tokio::test]
async fn a_rolled_deployment_keeps_the_newest_revisions_whatever_their_age() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    let deployment = workload(&DEPLOYMENTS, NAMESPACE, "cart", 2);
    plane.create(&deployment).await;
    until_complete(&plane, &deployment).await;
    for value in ["2", "3", "4", "5", "6"] {
        roll(&plane, &deployment, value).await;
    }
    until_values_are(&plane, &["4", "5", "6"]).await;
    // The ReplicaSet that was made first is taken up again and so gets the newest revision; by its age it would be the next to go.
    roll(&plane, &deployment, "4").await;
    until_values_are(&plane, &["5", "6", "4"]).await;
    roll(&plane, &deployment, "7").await;
    until_values_are(&plane, &["6", "4", "7"]).await;
}

/// Until a pod with this value runs. A kwok that starts beside a pod that waits already passes it over now and then, on a busy machine; the next one looks
/// anew.
async fn start_kwok_again(plane: &mut ControlPlane, value: &str) {
    let mut seen = String::new();
    for _ in 0..4 {
        plane.start_kwok(&[]).await;
        let look = async || {
            let pods = plane.list_in(NAMESPACE, &PODS).await;
            let runs = |pod: &&Value| pod["spec"]["containers"][0]["env"][0]["value"] == *value && pod["status"]["phase"] == "Running";
            pods.iter().find(runs).map(drop).ok_or_else(|| format!("{pods:?}"))
        };
        match wait::until_async("a pod to run", Duration::from_secs(30), look).await {
            Ok(()) => return,
            Err(why) => seen = why,
        }
        plane.end_kwok();
    }
    panic!("{seen}");
}

#[tokio::test]
async fn a_deployment_that_is_not_complete_keeps_everything() {
    let cluster = etcd();
    let mut plane = plane(&cluster, &[]).await;
    let deployment = workload(&DEPLOYMENTS, NAMESPACE, "cart", 0);
    plane.create(&deployment).await;
    until_complete(&plane, &deployment).await;
    plane.end_kwok();
    for value in ["2", "3"] {
        let mut next = deployment.clone();
        next.fields["spec"]["template"] = template("cart", value);
        plane.update(&next).await;
        let look = async || match values(&plane).await {
            found if found.last().is_some_and(|last| last == value) => Ok(()),
            found => Err(format!("{found:?}")),
        };
        wait::until_async("a new ReplicaSet", wait::LONG, look).await.unwrap();
    }
    assert_eq!(values(&plane).await, ["1", "2", "3"]);
    start_kwok_again(&mut plane, "3").await;
    until_values_are(&plane, &["3"]).await;
    plane.end_controllers();
    plane.start_controllers(&[]).await;
    assert_eq!(values(&plane).await, ["3"]);
}

#[tokio::test]
async fn stateful_sets_and_daemon_sets_leave_controller_revisions_up_to_their_limits() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    for workload in [workload(&STATEFUL_SETS, NAMESPACE, "database", 2), workload(&DAEMON_SETS, NAMESPACE, "agent", 1)] {
        plane.create(&workload).await;
        until_complete(&plane, &workload).await;
        for value in ["2", "3", "4", "5"] {
            roll(&plane, &workload, value).await;
        }
        let wanted: &[i64] = if workload.name == "agent" { &[4, 5] } else { &[3, 4, 5] };
        let look = async || match revisions(&plane, &workload).await {
            found if found == wanted => Ok(()),
            found => Err(format!("{found:?}")),
        };
        wait::until_async("the ControllerRevisions to be pruned", wait::LONG, look).await.unwrap_or_else(|why| panic!("{}: {why}", workload.name));
    }
}

/// A `CronJob` that starts nothing by itself; its Jobs are made by the test.
async fn cron_job(plane: &ControlPlane) -> Value {
    let template = job(NAMESPACE, "unused", "Succeeded", &Value::Null).fields;
    let spec = json!({
        "schedule": "0 0 1 1 *", "suspend": true, "successfulJobsHistoryLimit": 2, "failedJobsHistoryLimit": 1, "jobTemplate": template,
    });
    plane.create(&Object::new(&CRON_JOBS, NAMESPACE, "report", json!({ "spec": spec }))).await
}

fn owned_by(owner: &Value, mut job: Object) -> Object {
    let owner = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": true,
    });
    job.fields["metadata"] = json!({ "ownerReferences": [owner] });
    job
}

#[tokio::test]
async fn finished_jobs_go_by_their_cron_jobs_limits_and_by_their_own_time_to_live() {
    let cluster = etcd();
    let plane = plane(&cluster, &[]).await;
    let owner = cron_job(&plane).await;
    let jobs = [("bad-1", "Failed"), ("bad-2", "Failed"), ("good-1", "Succeeded"), ("good-2", "Succeeded"), ("good-3", "Succeeded")];
    for (name, ends) in jobs {
        let job = owned_by(&owner, job(NAMESPACE, name, ends, &Value::Null));
        plane.create(&job).await;
        until_finished(&plane, &job).await;
    }
    until_names_are(&plane, NAMESPACE, &JOBS, &["bad-2", "good-2", "good-3"]).await;
    let (kept, gone) =
        (job(NAMESPACE, "kept", "Succeeded", &Value::Null), job(NAMESPACE, "gone", "Failed", &json!({ "ttlSecondsAfterFinished": 1 })));
    plane.create_all([kept.clone(), gone.clone()]).await;
    until_finished(&plane, &kept).await;
    until_finished(&plane, &gone).await;
    until_names_are(&plane, NAMESPACE, &JOBS, &["bad-2", "good-2", "good-3", "kept"]).await;
}

#[tokio::test]
async fn terminated_pods_over_the_threshold_are_collected_oldest_first() {
    let cluster = etcd();
    let plane = plane(&cluster, &["--terminated-pod-gc-threshold=3"]).await;
    for number in 1..=6 {
        let mut fields = template("batch", "1");
        fields["metadata"]["annotations"] = json!({ ENDS: if number % 2 == 0 { "Failed" } else { "Succeeded" } });
        plane.create(&Object::new(&PODS, NAMESPACE, &format!("ended-{number}"), fields)).await;
    }
    plane.create(&Object::new(&PODS, NAMESPACE, "runs", template("web", "1"))).await;
    until_names_are(&plane, NAMESPACE, &PODS, &["ended-4", "ended-5", "ended-6", "runs"]).await;
}

#[tokio::test]
async fn both_majors_of_helm_leave_a_secret_for_each_revision() {
    let cluster = etcd();
    let plane = ControlPlane::start(&cluster).await;
    for version in helm::VERSIONS {
        let helm = Helm::new(version, &plane.kubeconfig());
        let (chart, namespace) = (helm.chart("tiny"), format!("helm-{}", &version[..1]));
        let chart = chart.to_str().unwrap();
        helm.succeed(&["install", "shop", chart, "--namespace", &namespace, "--create-namespace", "--set", "value=1"]);
        for number in ["2", "3", "4"] {
            let set = format!("value={number}");
            helm.succeed(&["upgrade", "shop", chart, "--namespace", &namespace, "--history-max", "3", "--set", &set]);
        }
        let records = plane.list_in(&namespace, &SECRETS).await;
        let shown: Vec<String> = records.iter().map(shown).collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        let wanted = [
            "sh.helm.release.v1.shop.v2 helm.sh/release.v1 shop helm superseded 2",
            "sh.helm.release.v1.shop.v3 helm.sh/release.v1 shop helm superseded 3",
            "sh.helm.release.v1.shop.v4 helm.sh/release.v1 shop helm deployed 4",
        ];
        assert_eq!(shown, wanted, "{version}");
        assert!(records.iter().all(|record| record["data"]["release"].is_string()), "{version}");
    }
}

/// A record's name and type, and its labels.
fn shown(record: &Value) -> String {
    let labels = ["name", "owner", "status", "version"].map(|label| &record["metadata"]["labels"][label]);
    let parts = [&record["metadata"]["name"], &record["type"]].into_iter().chain(labels);
    parts.map(|part| part.as_str().unwrap_or("none")).collect::<Vec<_>>().join(" ")
}
