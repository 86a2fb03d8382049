//! Small workloads for a control plane without a scheduler: every pod names its node, and one value in its template makes another revision.

use serde_json::{Value, json};

use crate::control_plane::{CONTROLLER_REVISIONS, ControlPlane, ENDS, JOBS, Object, Resource};
use crate::wait;

/// The node that all of them are on.
pub const NODE: &str = "node-1";

/// A template of pods with a label; `value` makes one revision differ from another.
pub fn template(app: &str, value: &str) -> Value {
    let container = json!({ "name": "main", "image": "example.test/main:1", "env": [{ "name": "VALUE", "value": value }] });
    let spec = json!({ "nodeName": NODE, "terminationGracePeriodSeconds": 0, "containers": [container] });
    json!({ "metadata": { "labels": { "app": app } }, "spec": spec })
}

/// A workload of one pod that keeps `limit` old revisions.
pub fn workload(resource: &Resource, namespace: &str, name: &str, limit: i64) -> Object {
    let spec = json!({
        "revisionHistoryLimit": limit, "selector": { "matchLabels": { "app": name } }, "template": template(name, "1"),
    });
    let mut object = Object::new(resource, namespace, name, json!({ "spec": spec }));
    if resource.kind != "DaemonSet" {
        object.fields["spec"]["replicas"] = json!(1);
    }
    object
}

/// Gives the template another value and waits until the whole workload has it.
pub async fn roll(plane: &ControlPlane, workload: &Object, value: &str) {
    let mut next = workload.clone();
    next.fields["spec"]["template"] = template(&workload.name, value);
    plane.update(&next).await;
    until_complete(plane, workload).await;
}

/// Until every pod of the workload is ready and of the newest revision, and no other is left.
pub async fn until_complete(plane: &ControlPlane, workload: &Object) {
    let look = async || {
        let seen = plane.read(workload).await;
        if is_complete(&seen) { Ok(()) } else { Err(seen["status"].to_string()) }
    };
    wait::until_async(&format!("{} to be complete", workload.name), wait::LONG, look).await.unwrap_or_else(|why| panic!("{why}"));
}

fn is_complete(seen: &Value) -> bool {
    let status = &seen["status"];
    let counts: &[&str] = match seen["kind"].as_str().expect("a kind") {
        "DaemonSet" => &["desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"],
        _ => &["replicas", "updatedReplicas", "availableReplicas"],
    };
    let settled = status["currentRevision"] == status["updateRevision"];
    status["observedGeneration"] == seen["metadata"]["generation"] && settled && counts.iter().all(|count| status[count] == 1)
}

/// A Job of one pod, which ends as soon as it runs. `fields` are added to its spec.
pub fn job(namespace: &str, name: &str, ends: &str, fields: &Value) -> Object {
    let mut template = template(name, "1");
    template["metadata"]["annotations"] = json!({ ENDS: ends });
    template["spec"]["restartPolicy"] = json!("Never");
    let mut spec = json!({ "backoffLimit": 0, "template": template });
    for (name, value) in fields.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    Object::new(&JOBS, namespace, name, json!({ "spec": spec }))
}

/// Until a Job is Complete or Failed, or gone already.
pub async fn until_finished(plane: &ControlPlane, job: &Object) {
    let look = async || {
        let jobs = plane.list_in(&job.namespace, &JOBS).await;
        let Some(seen) = jobs.iter().find(|seen| seen["metadata"]["name"] == *job.name) else { return Ok(()) };
        let conditions = seen["status"]["conditions"].as_array().into_iter().flatten();
        let mut held = conditions.filter(|condition| condition["status"] == "True").map(|condition| &condition["type"]);
        if held.any(|kind| kind == "Complete" || kind == "Failed") { Ok(()) } else { Err(seen["status"].to_string()) }
    };
    wait::until_async(&format!("{} to finish", job.name), wait::LONG, look).await.unwrap_or_else(|why| panic!("{why}"));
}

/// Until a namespace has exactly these objects of a kind.
pub async fn until_names_are(plane: &ControlPlane, namespace: &str, resource: &Resource, wanted: &[&str]) {
    let look = async || {
        let names = plane.names_in(namespace, resource).await;
        if names == wanted { Ok(()) } else { Err(format!("{names:?}")) }
    };
    let what = format!("{} to be {wanted:?}", resource.plural);
    wait::until_async(&what, wait::LONG, look).await.unwrap_or_else(|why| panic!("{why}"));
}

/// The revisions of a workload's `ControllerRevisions`, ascending.
pub async fn revisions(plane: &ControlPlane, workload: &Object) -> Vec<i64> {
    let all = plane.list_in(&workload.namespace, &CONTROLLER_REVISIONS).await;
    let ours = all.iter().filter(|found| found["metadata"]["ownerReferences"][0]["name"] == *workload.name);
    let mut revisions: Vec<i64> = ours.map(|found| found["revision"].as_i64().expect("a revision")).collect();
    revisions.sort_unstable();
    revisions
}
