//! Writing what was defaulted back into the manifest that it came from.

use serde_json::{Map, Value};
use trimtab_core::view::{Container, Pod, PodSpec, ResourceList, ResourceRequirements};

/// The manifest with the fields of `pod` in place of its own. `pod` was read from it, so that what is no object is null.
pub(super) fn written(manifest: &Value, pod: &Pod) -> Value {
    let mut stored = manifest.clone();
    edit(&mut stored, |root| {
        edit(root.entry("spec").or_insert(Value::Null), |spec| write_spec(spec, &pod.spec));
        let status = [("phase", &pod.status.phase), ("qosClass", &pod.status.qos_class)];
        let status = status.into_iter().map(|(name, text)| (name.to_owned(), Value::from(text.as_str())));
        root.insert("status".to_owned(), Value::Object(status.collect()));
    });
    stored
}

fn write_spec(spec: &mut Map<String, Value>, from: &PodSpec) {
    write_containers(spec, "containers", &from.containers);
    write_containers(spec, "initContainers", &from.init_containers);
    write_containers(spec, "ephemeralContainers", &from.ephemeral_containers);
    put(spec, "priority", from.priority.map(Value::from));
    put(spec, "overhead", from.overhead.as_ref().and_then(list));
    match &from.resources {
        Some(resources) => write_requirements(spec, resources),
        None => put(spec, "resources", None),
    }
}

fn write_containers(spec: &mut Map<String, Value>, field: &str, from: &[Container]) {
    let Some(values) = spec.get_mut(field).and_then(Value::as_array_mut) else { return };
    for (value, container) in values.iter_mut().zip(from) {
        edit(value, |value| {
            write_requirements(value, &container.resources);
            put(value, "restartPolicy", container.restart_policy.as_deref().map(Value::from));
        });
    }
    if from.is_empty() && !values.is_empty() {
        spec.remove(field);
    }
}

/// Leaves the claims, unless they were dropped, and whatever else stands beside requests and limits.
fn write_requirements(owner: &mut Map<String, Value>, from: &ResourceRequirements) {
    edit(owner.entry("resources").or_insert(Value::Null), |value| {
        put(value, "limits", from.limits.as_ref().and_then(list));
        put(value, "requests", from.requests.as_ref().and_then(list));
        if from.claims.is_empty() {
            value.remove("claims");
        }
    });
}

fn list(list: &ResourceList) -> Option<Value> {
    let entries = list.iter().map(|(name, quantity)| (name.to_string(), Value::from(quantity.to_string())));
    (!list.is_empty()).then(|| Value::Object(entries.collect()))
}

fn put(owner: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => owner.insert(field.to_owned(), value),
        None => owner.remove(field),
    };
}

/// Changes the object that stands there, or a new one in its place.
fn edit(value: &mut Value, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut object = match value.take() {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    change(&mut object);
    *value = Value::Object(object);
}
