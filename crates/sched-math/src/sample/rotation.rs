//! Where the scan for the next pod starts, so that all nodes get their turn.

use super::rules::{Rotation, SampleRules};
use crate::error::Error;

/// The nodes that one pod's scan went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScannedNodes {
    /// Nodes in the scheduler's snapshot.
    pub all: u32,
    /// Nodes that the `PreFilter` plugins left, in `0..=all`.
    pub left_after_pre_filter: u32,
}

impl ScannedNodes {
    /// No `PreFilter` plugin narrowed the nodes.
    ///
    /// ```
    /// # use trimtab_sched_math::ScannedNodes;
    /// assert_eq!(ScannedNodes::all(500).left_after_pre_filter, 500);
    /// ```
    #[must_use]
    pub const fn all(nodes: u32) -> Self {
        Self { all: nodes, left_after_pre_filter: nodes }
    }
}

/// The index of the node at which the next pod's scan starts.
///
/// `processed` is the number of feasible nodes plus the nodes that failed a filter with a status; nodes whose filter ended in an error
/// are not counted. Node `i` of a scan is `(start_node_index + i)` modulo the nodes left. With parallel workers `processed` may exceed
/// [`num_feasible_nodes_to_find`](super::num_feasible_nodes_to_find) a little, so upstream's index is exact only for one worker.
///
/// Source: `pkg/scheduler/core/generic_scheduler.go@v1.18.2` to `pkg/scheduler/schedule_one.go@v1.34.1`.
///
/// # Errors
/// - [`Error::NoStartNodeIndex`] in releases before 1.17.
/// - DIFFERENCE: [`Error::NoNodes`] where the divisor is 0; upstream divides by zero there, and its callers stop before.
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_sched_math::{SampleRules, ScannedNodes, next_start_node_index};
///
/// let rules = SampleRules::at(KubeVersion::new(36)?);
/// assert_eq!(next_start_node_index(450, 150, ScannedNodes::all(500), &rules), Ok(100));
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
///
/// Surprising: through 1.30 a pod that `PreFilter` pins to few nodes throws the index back to the first of them:
///
/// ```
/// # use trimtab_core::KubeVersion;
/// # use trimtab_sched_math::{SampleRules, ScannedNodes, next_start_node_index};
/// let pinned = ScannedNodes { all: 500, left_after_pre_filter: 1 };
/// assert_eq!(next_start_node_index(450, 1, pinned, &SampleRules::at(KubeVersion::new(30)?)), Ok(0));
/// assert_eq!(next_start_node_index(450, 1, pinned, &SampleRules::at(KubeVersion::new(31)?)), Ok(451));
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
pub fn next_start_node_index(start_node_index: u32, processed: u32, nodes: ScannedNodes, rules: &SampleRules) -> Result<u32, Error> {
    let divisor = match rules.rotation {
        Rotation::NodeTree => return Err(Error::NoStartNodeIndex),
        Rotation::ModuloNodesLeft => nodes.left_after_pre_filter,
        Rotation::ModuloAllNodes => nodes.all,
    };
    let no_nodes = Error::NoNodes { all: nodes.all, left: nodes.left_after_pre_filter };
    (u64::from(start_node_index) + u64::from(processed)).checked_rem(u64::from(divisor)).and_then(|index| u32::try_from(index).ok()).ok_or(no_nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::KubeVersion;

    fn rules(minor: u64) -> SampleRules {
        SampleRules::at(KubeVersion::new(minor).unwrap())
    }

    #[test]
    fn a_node_tree_has_no_index() {
        assert_eq!(next_start_node_index(0, 1, ScannedNodes::all(5), &rules(16)), Err(Error::NoStartNodeIndex));
        assert_eq!(next_start_node_index(0, 1, ScannedNodes::all(5), &rules(17)), Ok(1));
    }

    #[test]
    fn an_empty_cluster_is_an_error_and_no_division_by_zero() {
        assert_eq!(next_start_node_index(3, 0, ScannedNodes::all(0), &rules(37)), Err(Error::NoNodes { all: 0, left: 0 }));
        let nothing_left = ScannedNodes { all: 5, left_after_pre_filter: 0 };
        assert_eq!(next_start_node_index(3, 0, nothing_left, &rules(30)), Err(Error::NoNodes { all: 5, left: 0 }));
        assert_eq!(next_start_node_index(3, 0, nothing_left, &rules(31)), Ok(3));
    }

    proptest! {
        #[test]
        fn the_index_lies_within_the_nodes(start: u32, processed: u32, all in 1_u32.., minor in 17_u64..=37) {
            prop_assert!(next_start_node_index(start, processed, ScannedNodes::all(all), &rules(minor)).unwrap() < all);
        }
    }
}
