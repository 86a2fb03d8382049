//! What can be wrong with a value that is given to this crate.

/// Any error of this crate; each says who erred and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A percentage that the release's configuration validation refuses.
    #[error("{field}: invalid value {value}: not in valid range [0-100]; write 0 to let the scheduler choose by cluster size, or 1 to 100")]
    PercentageOutOfRange {
        /// The field as the configuration spells it.
        field: &'static str,
        /// What was given.
        value: i32,
    },
    /// The release walks a node tree and has no `nextStartNodeIndex`.
    #[error("kube-scheduler through 1.16 has no nextStartNodeIndex, it walks its node tree zone by zone: ask with the rules of 1.17 or later")]
    NoStartNodeIndex,
    /// There is nothing to rotate over; upstream divides by zero here.
    #[error("no node to rotate over ({all} in the cluster, {left} left after PreFilter): a scan needs at least one")]
    NoNodes {
        /// Nodes in the scheduler's snapshot.
        all: u32,
        /// Nodes that the `PreFilter` plugins left.
        left: u32,
    },
}
