//! A pod: what the cluster made of it.

use serde::{Deserialize, Serialize};

use super::null;
use super::resources::{ResourceList, ResourceName, ResourceRequirements};
use crate::quantity::Quantity;

/// The part of a pod's status that formulas read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`; empty where it is not given.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// The class that the API server wrote on create, as it stands there; empty where it is not given. A view does not judge it.
    #[serde(deserialize_with = "null::absent", skip_serializing_if = "String::is_empty")]
    pub qos_class: String,
    /// One entry for each regular container.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub container_statuses: Vec<ContainerStatus>,
    /// What resource claims take from the node's cpu and memory, since 1.36.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub node_allocatable_resource_claim_statuses: Vec<NodeAllocatableResourceClaimStatus>,
}

/// The part of a container's status that formulas read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// The container.
    #[serde(deserialize_with = "null::absent")]
    pub name: String,
    /// What the node has set aside for it, since 1.27.
    #[serde(skip_serializing_if = "ResourceList::is_none_or_empty")]
    pub allocated_resources: Option<ResourceList>,
    /// What it runs with, since 1.27.
    #[serde(deserialize_with = "null::optional_object", skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// What one resource claim takes from the node's own resources, as 1.37 writes it.
///
/// 1.36 wrote a field `resources` instead, which no formula reads.
/// Source: `NodeAllocatableResourceClaimStatus`, k8s.io/api/core/v1/types.go v0.37.2.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeAllocatableResourceClaimStatus {
    /// The claim.
    #[serde(deserialize_with = "null::absent")]
    pub resource_claim_name: String,
    /// The containers that refer to it.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// What its devices stand for, shared by those containers.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub mapping: Vec<MappedResources>,
    /// What its devices cost beside.
    #[serde(deserialize_with = "null::list", skip_serializing_if = "Vec::is_empty")]
    pub overhead: Vec<OverheadResources>,
}

/// One resource that the devices of a claim stand for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MappedResources {
    /// The resource.
    #[serde(deserialize_with = "null::absent")]
    pub name: ResourceName,
    /// How much, for all containers of the claim together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
}

/// One resource that the devices of a claim cost beside what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OverheadResources {
    /// The resource.
    #[serde(deserialize_with = "null::absent")]
    pub name: ResourceName,
    /// Once for the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_pod: Option<Quantity>,
    /// For each container that refers to the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_container: Option<Quantity>,
}
