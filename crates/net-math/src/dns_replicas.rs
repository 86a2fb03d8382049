//! DNS replicas: what the cluster-proportional-autoscaler (CPA) wants for a cluster of that size.
//!
//! The rules are those of CPA 1.10, read from its source at 5a5dd5a15c16; the linear formula has not changed since 1.8.0.
//! Older autoscalers differ in four things:
//! - before 1.10.1 a node that is not Ready still counts as schedulable;
//! - before 1.9.0 the ladder ignores `includeUnschedulableNodes`;
//! - before 1.8.5 an absent or empty ladder list gives 1, not 0;
//! - before 1.8.0 the ladder refuses numbers below 1, and capacity is counted in place of allocatable.
//!
//! An autoscaler reads its `ConfigMap` again when the resource version changes. A bad one fails the poll and leaves the replicas alone.

mod cluster_size;
mod config_map;
mod go_json;
mod ladder;
mod linear;

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

pub use cluster_size::ClusterSize;
pub use config_map::Mode;
pub use ladder::{Ladder, LadderEntry, LadderFields, LadderParams};
pub use linear::{LinearFields, LinearParams};

/// A control mode, which is also the one key of the autoscaler's `ConfigMap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlMode {
    /// Replicas in proportion to cores and nodes.
    Linear,
    /// Replicas by steps.
    Ladder,
}

impl FromStr for ControlMode {
    type Err = Error;

    /// Reads the key of a `ConfigMap`, which upstream compares with case.
    fn from_str(mode: &str) -> Result<Self, Error> {
        match mode {
            "linear" => Ok(Self::Linear),
            "ladder" => Ok(Self::Ladder),
            _ => Err(Error::UnsupportedMode { mode: mode.to_owned() }),
        }
    }
}

impl fmt::Display for ControlMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linear => "linear",
            Self::Ladder => "ladder",
        })
    }
}

/// What replicas are in proportion to; each mode asks for both and takes the larger answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// CPU cores.
    Cores,
    /// Nodes.
    Nodes,
}

impl Dimension {
    /// The field of the linear parameters, as upstream spells it.
    pub(crate) const fn ratio_field(self) -> &'static str {
        match self {
            Self::Cores => "coresPerReplica",
            Self::Nodes => "nodesPerReplica",
        }
    }

    /// What upstream's errors call a ladder's list.
    pub(crate) const fn ladder_map(self) -> &'static str {
        match self {
            Self::Cores => "cores_to_replicas_map",
            Self::Nodes => "nodes_to_replicas_map",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cores => "cores",
            Self::Nodes => "nodes",
        })
    }
}

/// Go's conversion of a 64-bit count to `int32`: the low 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "upstream's int32(…) keeps the low 32 bits")]
const fn wrapped_to_i32(replicas: i64) -> i32 {
    replicas as i32
}
