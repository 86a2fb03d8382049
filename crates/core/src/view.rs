//! Tolerant views of Kubernetes objects: the fields that a formula reads, out of anything that serde can read.
//!
//! A view knows few fields and ignores the rest, so a manifest, an object out of `kubectl get -o json` and a dictionary from
//! Python all do. What it knows it reads as the API server's decoder would: field names are case-sensitive, `null` means
//! absent, and a field of the wrong type is an error that names its path.
//!
//! ```
//! use trimtab_core::view::{Pod, ResourceName};
//!
//! let pod = Pod::from_json(r#"{"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "resources": {"requests": {"memory": "1Gi"}}}]}}"#)?;
//! let memory = pod.spec.containers[0].resources.request(&ResourceName::Memory);
//! assert_eq!(memory.map(|quantity| quantity.value()), Some(1 << 30));
//!
//! let error = Pod::from_json(r#"{"spec": {"containers": [{"resources": {"requests": {"cpu": "1 core"}}}]}}"#).unwrap_err();
//! assert_eq!(error.path, "spec.containers[0].resources.requests.cpu");
//! # Ok::<(), trimtab_core::view::ViewError>(())
//! ```

mod node;
mod null;
mod pod;
mod read;
mod resources;
mod status;

pub use node::{Node, NodeCondition, NodeMetadata, NodeSpec, NodeStatus};
pub use pod::{Container, Pod, PodMetadata, PodSpec};
pub use read::ViewError;
pub use resources::{ResourceClaim, ResourceList, ResourceName, ResourceRequirements};
pub use status::{ContainerStatus, MappedResources, NodeAllocatableResourceClaimStatus, OverheadResources, PodStatus};
