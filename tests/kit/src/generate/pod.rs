//! Pods whose containers, pod-level resources, annotations and status meet the rules' edges.

use serde_json::{Map, Value, json};

use super::Rng;
use super::resources::{self, Manner};

/// A pod to classify: as it is stored, as the API defaults it, as a create would store it.
pub(super) fn qos(rng: &mut Rng) -> Value {
    let op = rng.pick(&["qos", "qos", "qos", "compute_qos", "default_then_qos", "default_then_qos", "api_create", "api_create"]);
    json!({"op": op, "pod": pod(rng)})
}

/// A pod, one of its containers, and the memory of its node.
pub(super) fn oom_score_adj(rng: &mut Rng) -> Value {
    let pod = pod(rng);
    let names = container_names(&pod["spec"]);
    let container = &names[rng.index(names.len())];
    json!({"op": "oom_score_adj", "container": container, "memoryCapacity": memory_capacity(rng), "pod": pod})
}

/// Zero panics upstream; small and negative ones make the division overflow the clamps.
fn memory_capacity(rng: &mut Rng) -> i64 {
    const GI: i64 = 1 << 30;
    match rng.below(16) {
        0 => rng.pick(&[0, 0, 1, 2, 3, 999, 1000, 1001]),
        1 => rng.between(1, 100_000),
        2 => rng.pick(&[-1, -2, -1000, -17_179_869_184, i64::MIN, i64::MIN + 1]),
        3 => rng.pick(&[i64::MAX, i64::MAX - 1, 1 << 62, 1 << 53]),
        4 | 5 => rng.between(1, 4096) * (1 << 20) + rng.between(-1000, 1000),
        6 => rng.pick(&[4_000_000_000, 16_777_216_000, 33_554_431_999]),
        _ => rng.pick(&[1, 2, 4, 8, 16, 64, 256, 4096]) * GI,
    }
}

fn pod(rng: &mut Rng) -> Value {
    let mut spec = spec(rng);
    put_priority(rng, &mut spec);
    let mut pod = Map::new();
    if let Some(metadata) = metadata(rng) {
        pod.insert("metadata".to_owned(), metadata);
    }
    if let Some(status) = status(rng, &container_names(&Value::Object(spec.clone()))) {
        pod.insert("status".to_owned(), status);
    }
    pod.insert("spec".to_owned(), Value::Object(spec));
    Value::Object(pod)
}

fn spec(rng: &mut Rng) -> Map<String, Value> {
    let theme = rng.pick(&[Manner::Empty, Manner::Guaranteed, Manner::Guaranteed, Manner::Mixed, Manner::Mixed]);
    let mut spec = Map::new();
    spec.insert("containers".to_owned(), containers(rng, theme));
    if rng.percent(45) {
        let count = rng.between(1, 3);
        let init = (0..count).map(|position| init_container(rng, theme, position)).collect();
        spec.insert("initContainers".to_owned(), init);
    }
    if rng.percent(4) {
        let resources = resources::of_container(rng, Manner::Mixed);
        spec.insert("ephemeralContainers".to_owned(), json!([{"name": "e0", "resources": resources}]));
    }
    if rng.percent(55) {
        spec.insert("resources".to_owned(), resources::of_pod(rng));
    }
    if rng.percent(8) {
        spec.insert("overhead".to_owned(), resources::list(rng));
    }
    spec
}

fn containers(rng: &mut Rng, theme: Manner) -> Value {
    let count = rng.between(1, 4);
    let mut all: Vec<Value> = (0..count).map(|position| container(rng, theme, &format!("c{position}"))).collect();
    if let [one, other, ..] = all.as_mut_slice()
        && rng.percent(15)
    {
        resources::cross(&mut one["resources"], &mut other["resources"]);
    }
    Value::Array(all)
}

/// Mostly in the pod's manner: a pod of like containers is what a rule about all of them needs.
fn container(rng: &mut Rng, theme: Manner, name: &str) -> Value {
    let manner = if rng.percent(85) { theme } else { rng.pick(&[Manner::Empty, Manner::Guaranteed, Manner::Mixed]) };
    let resources = resources::of_container(rng, manner);
    if resources == json!({}) && rng.percent(30) {
        return json!({"name": name});
    }
    json!({"name": name, "resources": resources})
}

/// Half of them sidecars. A name that a regular container has too is refused by the API, but the kubelet looks sidecars up by name.
fn init_container(rng: &mut Rng, theme: Manner, position: i64) -> Value {
    let name = if rng.percent(1) { "c0".to_owned() } else { format!("i{position}") };
    let mut init = container(rng, theme, &name);
    if rng.percent(50) {
        init["restartPolicy"] = rng.pick(&["Always", "Always", "Always", "Always", "Never", ""]).into();
    }
    init
}

/// Around the 2000000000 from which a priority is critical, with and without the class that goes with it.
fn put_priority(rng: &mut Rng, spec: &mut Map<String, Value>) {
    if rng.percent(25) {
        let priority = rng.pick(&[0, -1, 1000, 1_999_999_999, 2_000_000_000, 2_000_000_001, 2_000_001_000, i32::MAX, i32::MIN]);
        spec.insert("priority".to_owned(), priority.into());
    }
    if rng.percent(20) {
        let class = rng.pick(&["system-node-critical", "system-node-critical", "system-cluster-critical", "high", ""]);
        spec.insert("priorityClassName".to_owned(), class.into());
    }
}

/// The annotations by which a kubelet knows static and mirror pods; an empty value counts as well for a mirror pod.
fn metadata(rng: &mut Rng) -> Option<Value> {
    let annotation = match rng.below(12) {
        0 => ("kubernetes.io/config.source", rng.pick(&["file", "http", "api", ""])),
        1 => ("kubernetes.io/config.mirror", rng.pick(&["", "a1b2c3"])),
        2 => ("scheduler.alpha.kubernetes.io/critical-pod", ""),
        3 => ("kubernetes.io/config.source", "file"),
        _ => return None,
    };
    let namespace = rng.pick(&["default", "kube-system"]);
    Some(json!({"name": "p", "namespace": namespace, "annotations": {annotation.0: annotation.1}}))
}

fn status(rng: &mut Rng, names: &[Value]) -> Option<Value> {
    let mut status = Map::new();
    if rng.percent(15) {
        let class = rng.pick(&["BestEffort", "Burstable", "Guaranteed", "Bogus", ""]);
        status.insert("qosClass".to_owned(), class.into());
    }
    if rng.percent(12) {
        let statuses = names.iter().map(|name| json!({"name": name, "allocatedResources": resources::list(rng)})).collect();
        status.insert("containerStatuses".to_owned(), statuses);
    }
    if rng.percent(4) {
        status.insert("allocatedResources".to_owned(), resources::list(rng));
        status.insert("resources".to_owned(), json!({"requests": resources::list(rng)}));
    }
    if rng.percent(20) {
        let claims = (0..rng.between(1, 2)).map(|_| claim(rng, names)).collect();
        status.insert("nodeAllocatableResourceClaimStatuses".to_owned(), claims);
    }
    (!status.is_empty()).then_some(Value::Object(status))
}

/// Memory that a claim brings along, shared by the containers that refer to it.
fn claim(rng: &mut Rng, names: &[Value]) -> Value {
    let sharing: Vec<&Value> = names.iter().filter(|_| rng.percent(60)).collect();
    let mut claim = json!({"resourceClaimName": "x", "containers": sharing});
    if rng.percent(70) {
        claim["mapping"] = json!([{"name": rng.pick(&["memory", "memory", "cpu"]), "quantity": resources::memory(rng)}]);
    }
    if rng.percent(50) {
        let mut overhead = json!({"name": "memory"});
        for part in ["perPod", "perContainer"] {
            if rng.percent(60) {
                overhead[part] = resources::memory(rng);
            }
        }
        claim["overhead"] = json!([overhead]);
    }
    claim
}

fn container_names(spec: &Value) -> Vec<Value> {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    lists.iter().filter_map(|list| spec[list].as_array()).flatten().map(|container| container["name"].clone()).collect()
}
