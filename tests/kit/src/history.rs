//! Objects of every kind that holds history, as the API server gives them, and records as Helm writes them.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// What stands in every release's values here. It may stand in a journal, and nowhere else.
pub const MARKER: &str = "hunter2-is-no-password";

/// `data.release` of a record of Helm 3 or 4 in a `ConfigMap`; a Secret holds the base64 of it: base64 of gzip of JSON.
pub fn release(name: &str, version: u64, status: &str, config: &Value) -> String {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  value: {{ .Values.value | quote }}\n";
    let time = "2026-11-25T10:00:00.123456789Z";
    let text = json!({
        "name": name,
        "info": {"first_deployed": time, "last_deployed": time, "deleted": "", "description": "Upgrade complete", "status": status},
        "chart": {
            "metadata": {"name": name, "version": "0.1.0", "apiVersion": "v2"}, "lock": null, "values": {"value": "none"}, "schema": null, "files": null,
            "templates": [{"name": "templates/settings.yaml", "data": STANDARD.encode(template)}],
        },
        "config": config,
        "manifest": format!("---\n# Source: {name}/templates/settings.yaml\napiVersion: v1\nkind: ConfigMap\ndata:\n  value: {config}\n"),
        "version": version,
        "namespace": "shop",
    });
    packed(text.to_string().as_bytes())
}

/// Base64 of gzip, as strong as Helm packs.
pub fn packed(bytes: &[u8]) -> String {
    STANDARD.encode(gzip(bytes))
}

/// Base64, as the API server writes what a Secret holds.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory can be written to")
}

/// The labels of a record of Helm 3 or 4.
pub fn labels(release: &str, version: u64, status: &str) -> Value {
    json!({"name": release, "owner": "helm", "status": status, "version": version.to_string(), "createdAt": "1764000000", "modifiedAt": "1764000060"})
}

/// A record of Helm 3 or 4 as the API server gives it.
pub fn helm_secret(name: &str, version: u64, status: &str) -> Value {
    let mut secret = object("v1", "Secret", &format!("sh.helm.release.v1.{name}.v{version}"));
    secret["metadata"]["labels"] = labels(name, version, status);
    secret["type"] = json!("helm.sh/release.v1");
    secret["data"] = json!({"release": base64(release(name, version, status, &json!({"password": MARKER})).as_bytes())});
    secret
}

/// A record of Helm 2, as Tiller writes it: `payload` is protobuf, which nothing here reads.
pub fn tiller_map(name: &str, version: u64, status: &str) -> Value {
    let mut map = object("v1", "ConfigMap", &format!("{name}.v{version}"));
    let version = version.to_string();
    map["metadata"]["labels"] = json!({"NAME": name, "OWNER": "TILLER", "STATUS": status, "VERSION": version, "CREATED_AT": "1764000000"});
    map["data"] = json!({"release": packed(&[&[0x0a, 3][..], b"old", &[0x32, 4], name.as_bytes()].concat())});
    map
}

/// What `kubectl get … -A -o json` prints.
pub fn dump(items: &[Value]) -> Vec<u8> {
    json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}}).to_string().into_bytes()
}

/// A cluster with a workload of each kind over its limit: every part of a policy that keeps little has something to delete.
pub fn objects() -> Vec<Value> {
    let mut all = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "cluster-1"}})];
    all.extend(rolled());
    all.extend(revised("StatefulSet", "db"));
    all.extend(revised("DaemonSet", "agent"));
    all.extend(scheduled());
    all.push(pod("batch-1", "Failed", None));
    all.push(pod("batch-2", "Succeeded", None));
    all.extend((1..=4).map(|version| helm_secret("web", version, if version == 3 { "deployed" } else { "failed" })));
    all.extend((1..=3).map(|version| tiller_map("old", version, if version == 3 { "DEPLOYED" } else { "SUPERSEDED" })));
    let mut event = object("v1", "Event", "web.17a");
    event["lastTimestamp"] = json!("2026-11-24T10:00:00Z");
    event["series"] = json!({"count": 2, "lastObservedTime": "2026-11-24T10:00:00.123456Z"});
    all.push(event);
    all
}

fn object(api_version: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {
        "namespace": "shop", "name": name, "uid": format!("{kind}-{name}"), "resourceVersion": "712", "generation": 3,
        "creationTimestamp": "2026-11-01T10:00:00Z", "annotations": {"trimtab.dev/keep": "false"},
    }})
}

fn owned(mut object: Value, api_version: &str, kind: &str, owner: &str) -> Value {
    let uid = format!("{kind}-{owner}");
    object["metadata"]["ownerReferences"] = json!([{"apiVersion": api_version, "kind": kind, "name": owner, "uid": uid, "controller": true}]);
    object
}

fn template(image: &str) -> Value {
    let environment = json!([{"configMapRef": {"name": image}}, {"secretRef": {"name": format!("{image}-password")}}]);
    let volumes = json!([{"name": "v", "projected": {"sources": [{"secret": {"name": "tls"}}]}}]);
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image, "envFrom": environment}], "volumes": volumes}})
}

fn rolled() -> Vec<Value> {
    let mut deployment = object("apps/v1", "Deployment", "web");
    deployment["spec"] = json!({"replicas": 0, "revisionHistoryLimit": 1, "template": template("v4"), "paused": false});
    deployment["status"] = json!({"observedGeneration": 3, "replicas": 0, "updatedReplicas": 0, "availableReplicas": 0});
    let sets = (1..=4).map(|revision| {
        let mut set = owned(object("apps/v1", "ReplicaSet", &format!("web-{revision}")), "apps/v1", "Deployment", "web");
        set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": revision.to_string()});
        set["spec"] = json!({"replicas": 0, "template": template(&format!("v{revision}"))});
        set["status"] = json!({"replicas": 0, "observedGeneration": 3});
        set
    });
    [deployment].into_iter().chain(sets).collect()
}

fn revised(kind: &str, name: &str) -> Vec<Value> {
    let mut owner = object("apps/v1", kind, name);
    owner["spec"] = json!({"revisionHistoryLimit": 1, "template": template("v4")});
    owner["status"] = json!({"observedGeneration": 3, "currentRevision": format!("{name}-4"), "updateRevision": format!("{name}-4")});
    let revisions = (1..=4).map(|revision| {
        let mut one = owned(object("apps/v1", "ControllerRevision", &format!("{name}-{revision}")), "apps/v1", kind, name);
        one["metadata"]["labels"] = json!({"controller-revision-hash": format!("{name}-{revision}")});
        one["revision"] = json!(revision);
        let mut template = template(&format!("v{revision}"));
        template["$patch"] = json!("replace");
        one["data"] = json!({"spec": {"template": template}});
        one
    });
    let running = owned(pod(&format!("{name}-0"), "Running", Some(&format!("{name}-4"))), "apps/v1", kind, name);
    [owner].into_iter().chain(revisions).chain([running]).collect()
}

fn scheduled() -> Vec<Value> {
    let mut owner = object("batch/v1", "CronJob", "report");
    let template = json!({"spec": {"template": template("v1")}});
    owner["spec"] = json!({"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1, "jobTemplate": template});
    owner["status"] = json!({"active": [{"kind": "Job", "name": "report-9", "uid": "Job-report-9"}]});
    let jobs = (1..=4).map(|number| {
        let condition = if number % 2 == 0 { "Complete" } else { "Failed" };
        owned(job(&format!("report-{number}"), condition, number), "batch/v1", "CronJob", "report")
    });
    let mut timed = job("timed", "Complete", 5);
    timed["spec"]["ttlSecondsAfterFinished"] = json!(60);
    [owner].into_iter().chain(jobs).chain([timed, job("nobodys", "Failed", 6)]).collect()
}

fn job(name: &str, condition: &str, hour: u64) -> Value {
    let mut job = object("batch/v1", "Job", name);
    let at = format!("2026-11-20T{hour:02}:00:00Z");
    job["spec"] = json!({"template": template("v1")});
    job["status"] = json!({"startTime": at, "conditions": [{"type": condition, "status": "True", "lastTransitionTime": at}]});
    job
}

fn pod(name: &str, phase: &str, hash: Option<&str>) -> Value {
    let mut pod = object("v1", "Pod", name);
    pod["spec"] = template("v4")["spec"].clone();
    pod["status"] = json!({"phase": phase, "reason": "Evicted"});
    if let Some(hash) = hash {
        pod["metadata"]["labels"] = json!({"controller-revision-hash": hash});
    }
    pod
}

/// The JSON in a `data.release` that a Secret holds.
pub fn unpacked(data: &str) -> String {
    let text = STANDARD.decode(data).expect("base64 of the API server");
    let packed = STANDARD.decode(text).expect("base64 of Helm");
    let mut json = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut json).expect("gzip of Helm");
    json
}
