//! A node: what it is called, whether it takes pods, and what it offers them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::null::{self, Object};
use super::read::{self, ViewError};
use super::resources::{ResourceList, ResourceName};
use crate::quantity::Quantity;

/// A node, as far as formulas read it.
///
/// Everything may be missing, and what is unknown is ignored. A `kind` other than `Node` is an error: of `kubectl get nodes -o json`
/// give the `items`, one by one.
/// Source: `Node`, k8s.io/api/core/v1/types.go v0.37.2.
///
/// DIFFERENCE: a field of a struct that is written twice is an error when text is read, where Go's decoder takes the last one; serde keeps no count.
///
/// ```
/// use trimtab_core::view::Node;
///
/// let node = Node::from_value(&serde_json::json!({
///     "metadata": {"name": "a"},
///     "spec": {"unschedulable": true},
///     "status": {"allocatable": {"cpu": "1930m"}, "conditions": [{"type": "Ready", "status": "True"}]},
/// }))?;
/// assert!(node.is_ready() && node.spec.unschedulable);
/// assert_eq!(node.allocatable_cpu().map(|cpu| cpu.milli_value()), Some(1930));
///
/// let error = Node::from_value(&serde_json::json!({"kind": "List", "items": []})).unwrap_err();
/// assert_eq!(error.path, "kind");
/// # Ok::<(), trimtab_core::view::ViewError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Node {
    /// Who it is.
    pub metadata: NodeMetadata,
    /// What its operators want of it.
    pub spec: NodeSpec,
    /// What its kubelet reports.
    pub status: NodeStatus,
}

impl Node {
    /// Reads JSON text.
    ///
    /// # Errors
    /// [`ViewError`] where the text is no JSON, or a field that formulas read has the wrong type.
    ///
    /// ```
    /// use trimtab_core::view::Node;
    ///
    /// let error = Node::from_json(r#"{"status": {"allocatable": {"cpu": "four"}}}"#).unwrap_err();
    /// assert_eq!(error.path, "status.allocatable.cpu");
    /// ```
    pub fn from_json(text: &str) -> Result<Self, ViewError> {
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
    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, ViewError> {
        read::traced(deserializer)
    }

    /// Whether a condition of type `Ready` says `True`. A node without the condition is not ready; `Unknown` is not ready either.
    ///
    /// ```
    /// # use trimtab_core::view::Node;
    /// let lost = Node::from_json(r#"{"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}"#)?;
    /// assert!(!lost.is_ready() && !Node::default().is_ready());
    /// # Ok::<(), trimtab_core::view::ViewError>(())
    /// ```
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// The cpu that pods can be given, in cores, if the node reports it.
    #[must_use]
    pub fn allocatable_cpu(&self) -> Option<&Quantity> {
        self.status.allocatable.as_ref().and_then(|list| list.quantity(&ResourceName::Cpu))
    }
}

/// The name, with `(unnamed)` where it is not given.
impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.metadata.name.is_empty() { "(unnamed)" } else { &self.metadata.name })
    }
}

/// A node as it is read: with the kind, which is there to be checked.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadNode {
    #[serde(rename = "kind", deserialize_with = "check_kind")]
    _kind: (),
    #[serde(deserialize_with = "null::object")]
    metadata: NodeMetadata,
    #[serde(deserialize_with = "null::object")]
    spec: NodeSpec,
    #[serde(deserialize_with = "null::object")]
    status: NodeStatus,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(ReadNode { metadata, spec, status, .. }) = Object::deserialize(deserializer)?;
        Ok(Self { metadata, spec, status })
    }
}

fn check_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("" | "Node") => Ok(()),
        Some(other) => Err(serde::de::Error::custom(format_args!("found {other:?}, expected \"Node\"; of a list give its items, one by one"))),
    }
}

/// The part of a node's metadata that formulas read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeMetadata {
    /// Empty where it is not given.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What selectors choose nodes by.
    #[serde(deserialize_with = "null::texts", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// The part of a node's spec that formulas read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSpec {
    /// Cordoned: the scheduler places no new pods here.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "std::ops::Not::not")]
    pub unschedulable: bool,
}

/// The part of a node's status that formulas read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// What pods can be given, after the node's own reservations.
    #[serde(skip_serializing_if = "ResourceList::is_none_or_empty")]
    pub allocatable: Option<ResourceList>,
    /// What the kubelet and the node controller say of it.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<NodeCondition>,
}

/// One condition of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCondition {
    /// `Ready`, `MemoryPressure`, and others.
    #[serde(rename = "type", deserialize_with = "null::absent")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(deserialize_with = "null::absent")]
    pub status: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_is_absent_everywhere() {
        let nulls = json!({"kind": null, "metadata": {"name": null, "labels": null}, "spec": {"unschedulable": null}, "status": {"allocatable": null, "conditions": [null]}});
        let read = Node::from_value(&nulls).unwrap();
        assert_eq!((read.status.conditions.len(), read.is_ready(), read.allocatable_cpu()), (1, false, None));
        assert_eq!(Node::from_value(&json!({"metadata": null, "spec": null, "status": null})).unwrap(), Node::default());
    }

    #[test]
    fn a_wrong_type_names_its_path() {
        let error = Node::from_value(&json!({"spec": {"unschedulable": "yes"}})).unwrap_err();
        assert_eq!(error.path, "spec.unschedulable");
    }

    #[test]
    fn a_list_is_no_node_and_no_part_of_one() {
        for wrong in [json!([{}, {}, {}]), json!({"spec": [true]}), json!({"status": {"conditions": [["Ready", "True"]]}})] {
            assert!(Node::from_value(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let node = json!({
            "metadata": {"name": "a", "labels": {"zone": "1"}},
            "spec": {"unschedulable": true},
            "status": {"allocatable": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}]},
        });
        assert_eq!(serde_json::to_value(Node::from_value(&node).unwrap()).unwrap(), node);
    }
}
