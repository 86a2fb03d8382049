//! What the Kubernetes scheduler computes: how many nodes get scored, exactly as upstream, release by release.
//!
//! ```
//! use trimtab_core::KubeVersion;
//! use trimtab_sched_math::{PercentageOfNodesToScore, SampleRules, num_feasible_nodes_to_find};
//!
//! let rules = SampleRules::at(KubeVersion::new(34)?);
//! let unset = PercentageOfNodesToScore::global(rules.global_from_config(None));
//! assert_eq!(num_feasible_nodes_to_find(5_000, unset, &rules), 500);
//! # Ok::<(), trimtab_core::version::VersionError>(())
//! ```
//!
//! Everything here is a pure function of its arguments: no clock, no input or output, no features to choose.

pub mod error;
pub mod sample;

pub use error::Error;
pub use sample::{
    PercentageOfNodesToScore, Rotation, SampleFormula, SampleRules, ScannedNodes, adaptive_percentage, next_start_node_index,
    num_feasible_nodes_to_find,
};
