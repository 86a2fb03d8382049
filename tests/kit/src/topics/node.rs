//! Classes of pods, the API server's defaulting, `oom_score_adj`.

use serde_json::{Map, Value, json};
use trimtab_core::view::{Container, Pod};
use trimtab_node_math::{Error, defaults, oom, qos};

use super::{equal, gates, integer};

pub fn qos(input: &Value, expected: &Value) -> Result<(), String> {
    let gates = gates(input)?;
    let mut pod = Pod::from_value(&input["pod"]).map_err(|error| error.to_string())?;
    let got = match input["op"].as_str() {
        Some("compute_qos") => json!(qos::compute_qos(&pod, &gates).as_str()),
        Some("qos") => json!(qos::pod_qos(&pod, &gates).as_str()),
        Some("default_then_qos") => {
            defaults::set_defaults(&mut pod, &gates);
            defaulted(&pod, qos::pod_qos(&pod, &gates).as_str(), |container| json!(container.resources))
        }
        Some("api_create") => {
            defaults::create(&mut pod, &gates);
            defaulted(&pod, &pod.status.qos_class, |container| json!({"name": container.name, "resources": container.resources}))
        }
        other => return Err(format!("no runner knows the op {other:?}")),
    };
    equal(&got, expected)
}

pub fn oom_score_adj(input: &Value, expected: &Value) -> Result<(), String> {
    let gates = gates(input)?;
    let pod = Pod::from_value(&input["pod"]).map_err(|error| error.to_string())?;
    let container = input["container"].as_str().ok_or("the input names no container")?;
    let capacity = oom::MemoryCapacity::from_bytes(integer(input, "memoryCapacity")?);
    let got = oom::oom_score_adj(&pod, container, capacity, &gates);
    match (got, expected.get("panic")) {
        // Upstream divides by zero; trimtab says so (DIFFERENCE).
        (Err(Error::ZeroMemoryCapacity), Some(_)) => Ok(()),
        (Ok(got), None) => equal(&json!(got), expected),
        (got, _) => Err(format!("expected {expected}, got {got:?}")),
    }
}

/// The form in which the vectors tell a defaulted pod.
fn defaulted(pod: &Pod, class: &str, shape: impl Fn(&Container) -> Value) -> Value {
    let mut told = Map::new();
    told.insert("containers".to_owned(), pod.spec.containers.iter().map(&shape).collect());
    if !pod.spec.init_containers.is_empty() {
        told.insert("initContainers".to_owned(), pod.spec.init_containers.iter().map(&shape).collect());
    }
    if let Some(resources) = &pod.spec.resources {
        told.insert("podResources".to_owned(), json!(resources));
    }
    told.insert("qosClass".to_owned(), json!(class));
    Value::Object(told)
}
