//! Which ConfigMaps and Secrets a pod template uses.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A ConfigMap or a Secret in the namespace of whoever uses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "name")]
pub enum Use {
    /// A ConfigMap of this name.
    ConfigMap(String),
    /// A Secret of this name.
    Secret(String),
}

/// What a pod spec uses: volumes, projected volumes, `env`, `envFrom` and `imagePullSecrets`, sorted, each once.
///
/// ```
/// use serde_json::json;
/// use trimtab_history_ops::uses::{Use, of_pod_spec};
///
/// let spec = json!({"volumes": [{"configMap": {"name": "nginx"}}], "containers": [{"envFrom": [{"secretRef": {"name": "db"}}]}]});
/// assert_eq!(of_pod_spec(&spec), [Use::ConfigMap("nginx".to_owned()), Use::Secret("db".to_owned())]);
/// ```
#[must_use]
pub fn of_pod_spec(spec: &Value) -> Vec<Use> {
    let mut found = Vec::new();
    for volume in list(&spec["volumes"]) {
        of_volume(volume, &mut found);
    }
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        list(&spec[containers]).for_each(|container| of_container(container, &mut found));
    }
    list(&spec["imagePullSecrets"]).for_each(|reference| secret(&reference["name"], &mut found));
    found.sort();
    found.dedup();
    found
}

/// The in-tree volumes that name a Secret of the pod's own namespace, by the field where its name is.
const VOLUMES_WITH_SECRETS: [&str; 6] = ["cephfs", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"];

fn of_volume(volume: &Value, found: &mut Vec<Use>) {
    config_map(&volume["configMap"]["name"], found);
    secret(&volume["secret"]["secretName"], found);
    secret(&volume["azureFile"]["secretName"], found);
    secret(&volume["csi"]["nodePublishSecretRef"]["name"], found);
    for kind in VOLUMES_WITH_SECRETS {
        secret(&volume[kind]["secretRef"]["name"], found);
    }
    for source in list(&volume["projected"]["sources"]) {
        config_map(&source["configMap"]["name"], found);
        secret(&source["secret"]["name"], found);
    }
}

fn of_container(container: &Value, found: &mut Vec<Use>) {
    for from in list(&container["envFrom"]) {
        config_map(&from["configMapRef"]["name"], found);
        secret(&from["secretRef"]["name"], found);
    }
    for variable in list(&container["env"]) {
        config_map(&variable["valueFrom"]["configMapKeyRef"]["name"], found);
        secret(&variable["valueFrom"]["secretKeyRef"]["name"], found);
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn config_map(name: &Value, found: &mut Vec<Use>) {
    found.extend(object_name(name).map(Use::ConfigMap));
}

fn secret(name: &Value, found: &mut Vec<Use>) {
    found.extend(object_name(name).map(Use::Secret));
}

/// No object has a name that is empty or has control characters, which would be printed.
fn object_name(name: &Value) -> Option<String> {
    name.as_str().filter(|name| !name.is_empty() && !name.contains(char::is_control)).map(str::to_owned)
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigMap(name) => write!(f, "ConfigMap {name}"),
            Self::Secret(name) => write!(f, "Secret {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_name_one_is_found_once() {
        let spec = json!({
            "volumes": [
                {"configMap": {"name": "a"}}, {"secret": {"secretName": "b"}}, {"csi": {"nodePublishSecretRef": {"name": "c"}}},
                {"projected": {"sources": [{"configMap": {"name": "d"}}, {"secret": {"name": "e"}}]}}, {"emptyDir": {}}
            ],
            "initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "f", "key": "x"}}}, {"name": "PLAIN", "value": "1"}]}],
            "containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "g"}}}], "envFrom": [{"configMapRef": {"name": "a"}}]}],
            "imagePullSecrets": [{"name": "h"}]
        });
        let names: Vec<String> = of_pod_spec(&spec).iter().map(ToString::to_string).collect();
        let expected = ["ConfigMap a", "ConfigMap d", "ConfigMap g", "Secret b", "Secret c", "Secret e", "Secret f", "Secret h"];
        assert_eq!(names, expected);
    }
}
