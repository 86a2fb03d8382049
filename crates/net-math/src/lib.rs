//! What sizes a cluster's network services: DNS replicas of the cluster-proportional-autoscaler, exactly as upstream.
//!
//! ```
//! use trimtab_net_math::{ClusterSize, Mode};
//!
//! let mode = Mode::from_data([("linear", r#"{"coresPerReplica": 256, "nodesPerReplica": 16, "preventSinglePointFailure": true}"#)])?;
//! let size = ClusterSize { schedulable_cores: 400, schedulable_nodes: 100, total_cores: 400, total_nodes: 100 };
//! assert_eq!(mode.expected_replicas(&size), 7);
//! # Ok::<(), trimtab_net_math::Error>(())
//! ```
//!
//! Everything here is a pure function of its arguments: no clock, no input or output, no features to choose.

pub mod dns_replicas;
pub mod error;

pub use dns_replicas::{ClusterSize, ControlMode, Dimension, Ladder, LadderEntry, LadderFields, LadderParams, LinearFields, LinearParams, Mode};
pub use error::Error;
