//! Maintenance of a live etcd: observe, plan, apply.
//!
//! The nouns: a [`ClusterSeen`] is what was observed, a [`RescuePlan`] what will be done, a report what came of it.
//!
//! ```
//! use trimtab_etcd_ops::{example, rescue};
//!
//! let seen = example::healthy();
//! let plan = rescue::plan(&seen, &rescue::RescuePolicy::default())?;
//! assert_eq!(plan.to_string().lines().nth(1), Some("  nothing to do"));
//! # Ok::<(), trimtab_etcd_ops::Error>(())
//! ```
//!
//! Planning is pure and costs no dependency. The feature `live` adds the network (`live::Etcd`): tokio, tonic and rustls on
//! aws-lc-rs; building it needs `protoc` with the well-known protos.

pub mod backup;
pub mod cluster;
pub mod error;
pub mod example;
pub mod maintenance;
pub mod rescue;

#[cfg(feature = "live")]
pub mod live;

pub use cluster::{ClusterId, ClusterSeen, MemberId};
pub use error::Error;
pub use rescue::{CompactTo, RescuePlan, RescuePolicy};

/// How a rescue ended, step by step.
pub type RescueReport = trimtab_core::Report<maintenance::Maintenance>;
