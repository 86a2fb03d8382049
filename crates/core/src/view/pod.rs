//! A pod: what was asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::null::{self, Object};
use super::read::{self, ViewError};
use super::resources::{ResourceList, ResourceRequirements};
use super::status::PodStatus;

/// A pod, as far as formulas read it; a manifest and a stored object alike.
///
/// Everything may be missing, `metadata.name` too. What is unknown is ignored: to change a manifest and keep the rest of it,
/// work on its [`Value`]. A `kind` other than `Pod` is an error, because a Deployment read as a pod would seem to be an empty one.
/// Source: `Pod`, k8s.io/api/core/v1/types.go v0.37.2.
///
/// DIFFERENCE: a field of a struct that is written twice is an error when text is read, where Go's decoder takes the last one; serde keeps no count.
///
/// ```
/// use trimtab_core::view::Pod;
///
/// let pod = Pod::from_value(&serde_json::json!({
///     "metadata": {"namespace": "shop"},
///     "spec": {"containers": [{"name": "app", "image": "nginx"}], "initContainers": null},
/// }))?;
/// assert_eq!(pod.to_string(), "shop/(unnamed)");
///
/// let error = Pod::from_value(&serde_json::json!({"kind": "Deployment"})).unwrap_err();
/// assert_eq!(error.path, "kind");
/// # Ok::<(), trimtab_core::view::ViewError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pod {
    /// Who it is.
    pub metadata: PodMetadata,
    /// What is asked for.
    pub spec: PodSpec,
    /// What is.
    pub status: PodStatus,
}

impl Pod {
    /// Reads JSON text.
    ///
    /// # Errors
    /// [`ViewError`] where the text is no JSON, or a field that formulas read has the wrong type.
    ///
    /// ```
    /// use trimtab_core::view::Pod;
    ///
    /// let error = Pod::from_json(r#"{"spec": {"containers": {}}}"#).unwrap_err();
    /// assert_eq!(error.to_string(), "spec.containers: invalid type: map, expected a sequence at line 1 column 24");
    /// ```
    pub fn from_json(text: &str) -> Result<Self, ViewError> {
        // The path costs time, so it is followed only where there is something to say about it.
        serde_json::from_str(text).map_err(|plain| read::located::<Self, _>(&mut serde_json::Deserializer::from_str(text), &plain))
    }

    /// Reads a JSON value, which stays with the caller.
    ///
    /// # Errors
    /// [`ViewError`] where a field that formulas read has the wrong type.
    pub fn from_value(value: &Value) -> Result<Self, ViewError> {
        Self::deserialize(value).map_err(|plain| read::located::<Self, _>(value, &plain))
    }

    /// Reads from any serde deserializer: YAML, a Python dictionary.
    ///
    /// # Errors
    /// [`ViewError`] where a field that formulas read has the wrong type.
    ///
    /// ```
    /// use trimtab_core::view::Pod;
    ///
    /// let value = serde_json::json!({"spec": {"priority": "high"}});
    /// let error = Pod::read(value).unwrap_err();
    /// assert_eq!(error.to_string(), "spec.priority: invalid type: string \"high\", expected i32");
    /// ```
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, ViewError> {
        read::traced(deserializer)
    }
}

/// `namespace/name`, with `(unnamed)` for a name that the API server would generate.
impl std::fmt::Display for Pod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.metadata.name.is_empty() { "(unnamed)" } else { &self.metadata.name };
        if self.metadata.namespace.is_empty() { f.write_str(name) } else { write!(f, "{}/{name}", self.metadata.namespace) }
    }
}

/// A pod as it is read: with the kind, which is there to be checked.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadPod {
    #[serde(rename = "kind", deserialize_with = "check_kind")]
    _kind: (),
    #[serde(deserialize_with = "null::object")]
    metadata: PodMetadata,
    #[serde(deserialize_with = "null::object")]
    spec: PodSpec,
    #[serde(deserialize_with = "null::object")]
    status: PodStatus,
}

impl<'de> Deserialize<'de> for Pod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(ReadPod { metadata, spec, status, .. }) = Object::deserialize(deserializer)?;
        Ok(Self { metadata, spec, status })
    }
}

fn check_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("" | "Pod") => Ok(()),
        Some(other) => Err(serde::de::Error::custom(format_args!(
            "found {other:?}, expected \"Pod\"; of a workload give the pod template: its metadata and spec, without the kind"
        ))),
    }
}

/// The part of a pod's metadata that formulas read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMetadata {
    /// Empty where it is not given.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Empty where it is not given.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What marks static, mirror and (long ago) critical pods.
    #[serde(deserialize_with = "null::texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The part of a pod's spec that formulas read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Containers that run one after the other before the others start, and sidecars that stay.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// The regular containers.
    #[serde(deserialize_with = "null::list")]
    pub containers: Vec<Container>,
    /// Containers that were added to a running pod.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub ephemeral_containers: Vec<Container>,
    /// The node that it is bound to; empty where it is bound to none.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub node_name: String,
    /// The class that its priority comes from.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub priority_class_name: String,
    /// Filled in by the API server on create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// What the runtime class costs beside the containers.
    #[serde(skip_serializing_if = "ResourceList::is_none_or_empty")]
    pub overhead: Option<ResourceList>,
    /// Requests and limits of the pod as a whole, since 1.32. An empty one is not an absent one.
    #[serde(deserialize_with = "null::optional_object", skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// The part of a container that formulas read; regular, init and ephemeral ones alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Unique in its pod where the API server let it in; a view does not insist.
    #[serde(deserialize_with = "null::absent")]
    pub name: String,
    /// Requests and limits.
    #[serde(deserialize_with = "null::object")]
    pub resources: ResourceRequirements,
    /// `Always` makes a sidecar of an init container, since 1.28.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
}

impl Container {
    /// Whether its restart policy is `Always`: for an init container, what makes it a sidecar.
    /// Source: `isRestartableInitContainer`, k8s.io/component-helpers/resource/helpers.go v0.37.2.
    #[must_use]
    pub fn is_restartable(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(value: &Value) -> ViewError {
        Pod::from_value(value).unwrap_err()
    }

    #[test]
    fn null_means_absent_at_every_level() {
        let absent = Pod::default();
        for value in [
            json!({}),
            json!({"kind": null, "metadata": null, "spec": null, "status": null}),
            json!({"metadata": {"name": null, "annotations": null}, "spec": {"containers": null, "priority": null, "resources": null}}),
            json!({"status": {"qosClass": null, "containerStatuses": null}}),
        ] {
            assert_eq!(Pod::from_value(&value), Ok(absent.clone()), "{value}");
        }
        let pod = Pod::from_value(&json!({"spec": {"containers": [null, {"name": null, "resources": null}]}})).unwrap();
        assert_eq!(pod.spec.containers, [Container::default(), Container::default()]);
    }

    #[test]
    fn unknown_fields_are_ignored_and_names_are_case_sensitive() {
        let pod = Pod::from_value(&json!({"spec": {"Containers": [{}], "hostNetwork": true, "priorityclassname": "x"}})).unwrap();
        assert_eq!(pod, Pod::default());
    }

    #[test]
    fn an_empty_pod_level_list_is_not_an_absent_one() {
        let pod = Pod::from_value(&json!({"spec": {"resources": {}}})).unwrap();
        assert_eq!(pod.spec.resources, Some(ResourceRequirements::default()));
    }

    #[test]
    fn an_error_names_the_path() {
        for (value, path) in [
            (json!({"spec": {"containers": [{}, {"resources": {"limits": {"memory": "lots"}}}]}}), "spec.containers[1].resources.limits.memory"),
            (json!({"spec": {"containers": [{"name": 7}]}}), "spec.containers[0].name"),
            (json!({"spec": {"priority": 2e10}}), "spec.priority"),
            (json!({"metadata": {"annotations": {"a/b.c": 1}}}), "metadata.annotations.a/b.c"),
            (json!({"status": {"containerStatuses": [{"allocatedResources": []}]}}), "status.containerStatuses[0].allocatedResources"),
            (json!({"kind": "PodList"}), "kind"),
            (json!([]), "."),
            (json!({"metadata": ["name"]}), "metadata"),
            (json!({"spec": {"containers": [["name"]]}}), "spec.containers[0]"),
            (json!({"spec": {"containers": [{"resources": []}]}}), "spec.containers[0].resources"),
            (json!({"spec": {"resources": []}}), "spec.resources"),
            (json!("pod"), "."),
        ] {
            assert_eq!(refused(&value).path, path, "{value}");
        }
    }

    #[test]
    fn every_way_to_read_gives_the_same_pod_and_the_same_path() {
        let good = json!({"kind": "Pod", "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}]}});
        let pod = Pod::from_value(&good).unwrap();
        assert_eq!(Pod::from_json(&good.to_string()), Ok(pod.clone()));
        assert_eq!(Pod::read(good), Ok(pod));

        let bad = json!({"spec": {"overhead": {"cpu": true}}});
        let path = "spec.overhead.cpu";
        assert_eq!(Pod::from_json(&bad.to_string()).unwrap_err().path, path);
        assert_eq!(Pod::read(bad.clone()).unwrap_err().path, path);
        assert_eq!(refused(&bad).path, path);
    }

    #[test]
    fn what_is_written_reads_back() {
        let value = json!({
            "metadata": {"name": "a", "annotations": {"k": "v"}},
            "spec": {
                "initContainers": [{"name": "i", "restartPolicy": "Always", "resources": {"claims": [{"name": "gpu"}]}}],
                "containers": [{"name": "a", "resources": {"limits": {"cpu": "1", "hugepages-2Mi": "4Mi"}}}],
                "priority": 5,
                "resources": {},
            },
            "status": {"qosClass": "Burstable"},
        });
        let pod = Pod::from_value(&value).unwrap();
        assert_eq!(serde_json::to_value(&pod).unwrap(), value);
    }
}
