//! Nodes to score: how many feasible nodes the scheduler looks for before it stops filtering, and where the next pod's scan starts.
//!
//! Upstream's function is `numFeasibleNodesToFind`; `percentageOfNodesToScore` of the scheduler's configuration drives it.
//! What it does not see, and callers should know:
//! - From 1.24 on, where a `PreFilter` plugin narrows the nodes (`PreFilterResult`), the count that goes in is the number of nodes left,
//!   not the cluster's, so the percentage applies to the smaller set.
//! - From 1.30 on, a profile without score plugins and without extenders stops at one feasible node, whatever the percentage.
//! - A pod whose `nominatedNodeName` passes the filters (1.22 and later) is not scanned for at all.
//! - The scan runs on 16 workers by default, so slightly more nodes than the answer may be filtered.

mod rotation;
mod rules;

pub use rotation::{ScannedNodes, next_start_node_index};
pub use rules::{ProfileField, Rotation, SampleFormula, SampleRules, Validation};

use crate::error::Error;

/// Below this many nodes all of them are looked at, and no smaller answer is given (`minFeasibleNodesToFind`).
pub const MIN_FEASIBLE_NODES_TO_FIND: i32 = 100;

/// The adaptive mode never goes below this percentage (`minFeasibleNodesPercentageToFind`, 1.14 and later).
pub const MIN_FEASIBLE_NODES_PERCENTAGE_TO_FIND: i32 = 5;

/// How many feasible nodes the scheduler looks for among `num_all_nodes`, in that release's 32-bit arithmetic.
///
/// The answer lies in `100..=num_all_nodes` for clusters of 100 and more and percentages of 0 to 100; smaller clusters are scanned whole.
/// The division truncates. Any `i32` is a valid argument: a negative count cannot occur (it is a length upstream) and comes back unchanged,
/// as upstream returns it.
///
/// Source: `numFeasibleNodesToFind` in `pkg/scheduler/core/generic_scheduler.go` (1.12 to 1.20), `pkg/scheduler/generic_scheduler.go`
/// (1.21 to 1.23), `pkg/scheduler/schedule_one.go` (1.24 to 1.37).
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_sched_math::{PercentageOfNodesToScore, SampleRules, num_feasible_nodes_to_find};
///
/// let rules = SampleRules::at(KubeVersion::new(36)?);
/// assert_eq!(num_feasible_nodes_to_find(1_000, PercentageOfNodesToScore::global(0), &rules), 420);
/// assert_eq!(num_feasible_nodes_to_find(1_000, PercentageOfNodesToScore::global(30), &rules), 300);
/// // A profile's percentage wins, and a 0 there asks for the adaptive mode again.
/// let profile = PercentageOfNodesToScore { global: 30, profile: Some(0) };
/// assert_eq!(num_feasible_nodes_to_find(1_000, profile, &rules), 420);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
///
/// Surprising: the product wraps at 32 bits. From 1.26 on, 100 percent is no short-cut any more, so above 21,474,836 nodes it yields 100:
///
/// ```
/// # use trimtab_core::KubeVersion;
/// # use trimtab_sched_math::{PercentageOfNodesToScore, SampleRules, num_feasible_nodes_to_find};
/// let all = PercentageOfNodesToScore::global(100);
/// assert_eq!(num_feasible_nodes_to_find(30_000_000, all, &SampleRules::at(KubeVersion::new(25)?)), 30_000_000);
/// assert_eq!(num_feasible_nodes_to_find(30_000_000, all, &SampleRules::at(KubeVersion::new(26)?)), 100);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[must_use]
pub fn num_feasible_nodes_to_find(num_all_nodes: i32, percentage: PercentageOfNodesToScore, rules: &SampleRules) -> i32 {
    if num_all_nodes < MIN_FEASIBLE_NODES_TO_FIND {
        return num_all_nodes;
    }
    let configured = percentage.in_force(rules);
    let percent = match rules.formula {
        SampleFormula::NoAdaptiveMode if configured <= 0 || configured >= 100 => return num_all_nodes,
        SampleFormula::AdaptiveUpToZero if configured >= 100 => return num_all_nodes,
        SampleFormula::AdaptiveUpToZero if configured <= 0 => adaptive(num_all_nodes),
        SampleFormula::AdaptiveAtZero if configured == 0 => adaptive(num_all_nodes),
        SampleFormula::NoAdaptiveMode | SampleFormula::AdaptiveUpToZero | SampleFormula::AdaptiveAtZero => configured,
    };
    (num_all_nodes.wrapping_mul(percent) / 100).max(MIN_FEASIBLE_NODES_TO_FIND)
}

/// The percentage that the adaptive mode picks for a cluster of that size: 50 less one per 125 nodes, never below 5.
///
/// `None` in 1.12 and 1.13, which have no adaptive mode. The 5 is reached at 5,625 nodes. The scheduler asks for clusters of 100
/// nodes and more only.
///
/// Source: `numFeasibleNodesToFind`, as above.
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_sched_math::{SampleRules, adaptive_percentage};
///
/// let rules = SampleRules::at(KubeVersion::new(30)?);
/// assert_eq!(adaptive_percentage(5_000, &rules), Some(10));
/// assert_eq!(adaptive_percentage(6_000, &rules), Some(5));
/// assert_eq!(adaptive_percentage(6_000, &SampleRules::at(KubeVersion::new(13)?)), None);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[must_use]
pub fn adaptive_percentage(num_all_nodes: i32, rules: &SampleRules) -> Option<i32> {
    match rules.formula {
        SampleFormula::NoAdaptiveMode => None,
        SampleFormula::AdaptiveUpToZero | SampleFormula::AdaptiveAtZero => Some(adaptive(num_all_nodes)),
    }
}

/// `percentageOfNodesToScore` as the scheduler holds it once its configuration is read: percent, 0 to 100 where the release validates it.
///
/// What a configuration file says is not always what the scheduler holds: see [`SampleRules::global_from_config`].
/// What a number at or below 0 means depends on the release: see [`SampleFormula`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct PercentageOfNodesToScore {
    /// The scheduler-wide percentage.
    pub global: i32,
    /// The profile's own percentage, which wins when set, even to 0. Releases before 1.26 do not know the field and ignore it; so do
    /// configurations written in `kubescheduler.config.k8s.io/v1beta2` or `v1beta3`, whose conversion drops it.
    pub profile: Option<i32>,
}

impl PercentageOfNodesToScore {
    /// The scheduler-wide percentage alone.
    ///
    /// ```
    /// # use trimtab_sched_math::PercentageOfNodesToScore;
    /// assert_eq!(PercentageOfNodesToScore::global(40).profile, None);
    /// ```
    #[must_use]
    pub const fn global(percent: i32) -> Self {
        Self { global: percent, profile: None }
    }

    /// Checks the percentages as the release's configuration validation does, and gives them back.
    ///
    /// 1.12 to 1.14 accept any number. 1.15 to 1.25 check the global one, 1.26 and later the profile's as well. A program that builds a
    /// scheduler from the library passes this check by, so [`num_feasible_nodes_to_find`] takes any number.
    ///
    /// Source: `pkg/scheduler/apis/config/validation/validation.go`, v1.15.3 to v1.34.1.
    ///
    /// # Errors
    /// [`Error::PercentageOutOfRange`] outside of 0 to 100; the global one is named first, as upstream lists it first.
    ///
    /// ```
    /// use trimtab_core::KubeVersion;
    /// use trimtab_sched_math::{PercentageOfNodesToScore, SampleRules};
    ///
    /// let over = PercentageOfNodesToScore { global: 0, profile: Some(101) };
    /// assert!(over.validated(&SampleRules::at(KubeVersion::new(26)?)).is_err());
    /// assert!(over.validated(&SampleRules::at(KubeVersion::new(25)?)).is_ok());
    /// # Ok::<(), trimtab_core::version::VersionError>(())
    /// ```
    pub fn validated(self, rules: &SampleRules) -> Result<Self, Error> {
        match rules.validation {
            Validation::AnyNumber => {}
            Validation::Global => in_range("percentageOfNodesToScore", self.global)?,
            Validation::GlobalAndProfiles => {
                in_range("percentageOfNodesToScore", self.global)?;
                in_range("profiles[].percentageOfNodesToScore", self.profile.unwrap_or(0))?;
            }
        }
        Ok(self)
    }

    /// The one of the two that the release goes by.
    fn in_force(self, rules: &SampleRules) -> i32 {
        match rules.profile_field {
            ProfileField::Unknown => self.global,
            ProfileField::Overrides => self.profile.unwrap_or(self.global),
        }
    }
}

/// `basePercentageOfNodesToScore`, which `DefaultPercentageOfNodesToScore` doubled as through 1.16.
const BASE_PERCENTAGE_OF_NODES_TO_SCORE: i32 = 50;

/// The steps of the adaptive mode are this many nodes wide.
const NODES_PER_PERCENT: i32 = 125;

fn adaptive(num_all_nodes: i32) -> i32 {
    (BASE_PERCENTAGE_OF_NODES_TO_SCORE - num_all_nodes / NODES_PER_PERCENT).max(MIN_FEASIBLE_NODES_PERCENTAGE_TO_FIND)
}

fn in_range(field: &'static str, value: i32) -> Result<(), Error> {
    if (0..=100).contains(&value) { Ok(()) } else { Err(Error::PercentageOutOfRange { field, value }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trimtab_core::KubeVersion;

    fn rules(minor: u64) -> SampleRules {
        SampleRules::at(KubeVersion::new(minor).unwrap())
    }

    fn found(minor: u64, num_all_nodes: i32, global: i32) -> i32 {
        num_feasible_nodes_to_find(num_all_nodes, PercentageOfNodesToScore::global(global), &rules(minor))
    }

    #[test]
    fn zero_meant_all_nodes_before_the_adaptive_mode() {
        assert_eq!([found(13, 5_000, 0), found(14, 5_000, 0), found(37, 5_000, 0)], [5_000, 500, 500]);
    }

    #[test]
    fn a_negative_percentage_is_all_then_adaptive_then_the_minimum() {
        assert_eq!([found(13, 1_000, -1), found(25, 1_000, -1), found(26, 1_000, -1)], [1_000, 420, 100]);
    }

    #[test]
    fn more_than_all_is_all_until_the_short_cut_went() {
        assert_eq!([found(13, 500, 101), found(25, 500, 101), found(26, 500, 101)], [500, 500, 505]);
    }

    #[test]
    fn the_product_wraps_in_every_release() {
        assert_eq!([found(13, 42_949_673, 50), found(20, 42_949_673, 50), found(37, 42_949_673, 50)], [100, 100, 100]);
    }

    #[test]
    fn a_profile_is_ignored_by_releases_that_do_not_know_the_field() {
        let both = PercentageOfNodesToScore { global: 30, profile: Some(60) };
        assert_eq!(num_feasible_nodes_to_find(1_000, both, &rules(25)), 300);
        assert_eq!(num_feasible_nodes_to_find(1_000, both, &rules(26)), 600);
    }

    #[test]
    fn a_program_without_the_option_got_a_fixed_half_through_1_16() {
        let unset = |minor| found(minor, 5_000, rules(minor).default_percentage_of_nodes_to_score);
        assert_eq!([unset(13), unset(16), unset(17)], [2_500, 2_500, 500]);
    }

    #[test]
    fn validation_names_the_field_that_is_wrong() {
        let wrong = PercentageOfNodesToScore { global: 101, profile: Some(-1) };
        let field = |minor| match wrong.validated(&rules(minor)) {
            Err(Error::PercentageOutOfRange { field, value }) => Some((field, value)),
            _ => None,
        };
        assert_eq!(field(14), None);
        assert_eq!(field(15), Some(("percentageOfNodesToScore", 101)));
        assert_eq!(field(26), Some(("percentageOfNodesToScore", 101)));
        let profile = PercentageOfNodesToScore { global: 100, ..wrong }.validated(&rules(26)).unwrap_err();
        assert_eq!(profile, Error::PercentageOutOfRange { field: "profiles[].percentageOfNodesToScore", value: -1 });
    }

    #[test]
    fn the_adaptive_percentage_reaches_its_floor_where_the_division_says() {
        let at = |nodes| adaptive_percentage(nodes, &rules(30));
        assert_eq!([at(100), at(5_624), at(5_625), at(i32::MAX)], [Some(50), Some(6), Some(5), Some(5)]);
    }

    proptest! {
        #[test]
        fn any_numbers_give_an_answer(nodes: i32, global: i32, profile: Option<i32>, minor in 12_u64..=37) {
            let percentage = PercentageOfNodesToScore { global, profile };
            let answer = num_feasible_nodes_to_find(nodes, percentage, &rules(minor));
            prop_assert!(answer == nodes || answer >= 100);
            let _ = adaptive_percentage(nodes, &rules(minor));
        }

        #[test]
        fn valid_percentages_never_ask_for_more_nodes_than_there_are(nodes in 0..=21_474_836_i32, global in 0..=100_i32, minor in 12_u64..=37) {
            let answer = found(minor, nodes, global);
            prop_assert!((nodes.min(100)..=nodes).contains(&answer), "{answer}");
        }

        #[test]
        fn a_larger_percentage_never_finds_fewer(nodes in 0..=21_474_836_i32, smaller in 1..=100_i32, more in 0..=99_i32, minor in 12_u64..=37) {
            let larger = (smaller + more).min(100);
            prop_assert!(found(minor, nodes, smaller) <= found(minor, nodes, larger));
        }

        #[test]
        fn at_a_fixed_percentage_a_larger_cluster_never_finds_fewer(nodes in 0..=20_000_000_i32, more in 0..=1_474_836_i32, percent in 1..=100_i32, minor in 12_u64..=37) {
            prop_assert!(found(minor, nodes, percent) <= found(minor, nodes + more, percent));
        }
    }
}
