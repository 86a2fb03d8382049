//! What a kubelet computes, exactly as upstream and release by release: the class of a pod, the `oom_score_adj` of its
//! containers, and in which order the kernel kills them.
//!
//! - [`qos`]: `Guaranteed`, `Burstable` or `BestEffort`, out of requests and limits or out of the status.
//! - [`oom`]: the `oom_score_adj` of a container, from a pod and the memory of its node, or from plain numbers.
//! - [`oom_kill`]: what the kernel makes of it: badness, `/proc/PID/oom_score`, and who goes first.
//! - [`defaults`]: what the API server makes of a manifest first, so that both can be asked of what an author wrote.
//!
//! ```
//! use trimtab_core::{FeatureGates, KubeVersion, view::Pod};
//! use trimtab_node_math::defaults::PodForm;
//! use trimtab_node_math::oom::{MemoryCapacity, oom_score_adj};
//! use trimtab_node_math::qos::pod_qos;
//!
//! let manifest = r#"{"metadata": {"name": "web"}, "spec": {"containers": [
//!     {"name": "app", "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "4Gi"}}}
//! ]}}"#;
//! let gates = FeatureGates::at("v1.34.2-gke.1".parse::<KubeVersion>()?);
//! let written = Pod::from_json(manifest)?;
//! let pod = PodForm::Written.stored(&written, &gates);
//!
//! assert_eq!(pod_qos(&pod, &gates).as_str(), "Burstable");
//! assert_eq!(oom_score_adj(&pod, "app", MemoryCapacity::from_bytes(16 << 30), &gates)?, 750);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything is a pure function of its arguments. Where a release or a feature gate changes a value, the rules of that release
//! say so: [`qos::QosRules`], [`oom::OomRules`], [`defaults::DefaultRules`], [`oom_kill::KernelRules`].

pub mod defaults;
pub mod error;
pub mod oom;
pub mod oom_kill;
mod pod_level;
pub mod qos;

pub use error::Error;
