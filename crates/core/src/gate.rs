//! Feature gates: what a release knows, and what a cluster has set.
//!
//! [`Gate`] is a handle to one gate, [`Gate::stage`] says what a release makes of it, and [`FeatureGates`] answers the
//! question that formulas ask: is it on, in this release, with these settings?
//!
//! ```
//! use trimtab_core::gate::Stage;
//! use trimtab_core::{FeatureGates, Gate, KubeVersion};
//!
//! let version = KubeVersion::new(33)?;
//! assert_eq!(Gate::POD_LEVEL_RESOURCES.stage(version), Stage::Alpha { default: false });
//!
//! let gates = FeatureGates::at(version).with("PodLevelResources", true)?;
//! assert!(gates.is_on(Gate::POD_LEVEL_RESOURCES));
//! # Ok::<(), trimtab_core::Error>(())
//! ```

use std::fmt;

use serde::{Serialize, Serializer};

use crate::version::KubeVersion;

mod error;
mod row;
mod set;
mod spelling;
mod table;

pub use error::GateError;
pub use set::FeatureGates;

use table::TABLE;

/// What a release says of a feature gate.
///
/// ```
/// use trimtab_core::gate::Stage;
/// use trimtab_core::{Gate, KubeVersion};
///
/// let stage = |minor| Gate::SIDECAR_CONTAINERS.stage(KubeVersion::new(minor).unwrap());
/// assert_eq!(stage(27), Stage::Absent);
/// assert_eq!(stage(29), Stage::Beta { default: true });
/// assert_eq!(stage(33), Stage::Locked { value: true });
/// assert_eq!(stage(37), Stage::Removed { value: true });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The release does not know the gate yet; setting it is an error, and it counts as off.
    Absent,
    /// Alpha: may be set, and follows `AllAlpha` where it is not.
    Alpha {
        /// The value where nothing is set.
        default: bool,
    },
    /// Beta: may be set, and follows `AllBeta` where it is not.
    Beta {
        /// The value where nothing is set.
        default: bool,
    },
    /// Generally available and still settable.
    Ga {
        /// The value where it is not set.
        default: bool,
    },
    /// Deprecated and still settable.
    Deprecated {
        /// The value where it is not set.
        default: bool,
    },
    /// Locked: setting it to anything else is an error.
    Locked {
        /// The only value there is.
        value: bool,
    },
    /// An earlier release knew the gate; setting it is an error now.
    Removed {
        /// What the last release with the gate had where nothing was set: the behaviour stays as it was then.
        value: bool,
    },
}

impl Stage {
    /// The value where nothing is set, neither the gate nor `AllAlpha` or `AllBeta`.
    ///
    /// ```
    /// use trimtab_core::gate::Stage;
    ///
    /// assert!(!Stage::Absent.default());
    /// assert!(Stage::Removed { value: true }.default());
    /// ```
    #[must_use]
    pub const fn default(self) -> bool {
        match self {
            Self::Absent => false,
            Self::Alpha { default } | Self::Beta { default } | Self::Ga { default } | Self::Deprecated { default } => default,
            Self::Locked { value } | Self::Removed { value } => value,
        }
    }

    /// Whether the release has the gate, so that setting it (for a locked one: to its value) is no error.
    ///
    /// ```
    /// use trimtab_core::gate::Stage;
    ///
    /// assert!(Stage::Locked { value: true }.is_known());
    /// assert!(!Stage::Removed { value: true }.is_known());
    /// ```
    #[must_use]
    pub const fn is_known(self) -> bool {
        match self {
            Self::Absent | Self::Removed { .. } => false,
            Self::Alpha { .. } | Self::Beta { .. } | Self::Ga { .. } | Self::Deprecated { .. } | Self::Locked { .. } => true,
        }
    }
}

/// A feature gate that some release from 1.12 to 1.37 knows: a handle of two bytes.
///
/// The gates that formulas read are constants; any other is found by its name with [`Gate::named`], or in a constant
/// with [`Gate::known`]. Equal handles are the same gate, and the order is that of the names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gate(u16);

/// Declares the constants; a name that the table lacks does not compile.
macro_rules! constants {
    ($($constant:ident = $name:literal),+ $(,)?) => {
        /// The gates that formulas read.
        impl Gate {
            $(
                #[doc = concat!("The gate `", $name, "`.")]
                pub const $constant: Self = Self::known($name);
            )+
        }
    };
}

constants! {
    ALL_ALPHA = "AllAlpha",
    ALL_BETA = "AllBeta",
    DRA_NODE_ALLOCATABLE_RESOURCES = "DRANodeAllocatableResources",
    EXPERIMENTAL_CRITICAL_POD_ANNOTATION = "ExperimentalCriticalPodAnnotation",
    HUGEPAGE_AWARE_EVICTION = "HugepageAwareEviction",
    IN_PLACE_POD_LEVEL_RESOURCES_VERTICAL_SCALING = "InPlacePodLevelResourcesVerticalScaling",
    IN_PLACE_POD_VERTICAL_SCALING = "InPlacePodVerticalScaling",
    LOCAL_STORAGE_CAPACITY_ISOLATION = "LocalStorageCapacityIsolation",
    POD_LEVEL_RESOURCES = "PodLevelResources",
    POD_LEVEL_RESOURCES_FIX_DEFAULTING = "PodLevelResourcesFixDefaulting",
    POD_LEVEL_RESOURCES_FIX_KUBELET_QOS_CLASS = "PodLevelResourcesFixKubeletQOSClass",
    POD_OVERHEAD = "PodOverhead",
    POD_PRIORITY = "PodPriority",
    SIDECAR_CONTAINERS = "SidecarContainers",
    TAINT_TOLERATION_COMPARISON_OPERATORS = "TaintTolerationComparisonOperators",
}

impl Gate {
    /// The gate of this name, as upstream spells it; `None` where no release from 1.12 to 1.37 knows it.
    ///
    /// ```
    /// use trimtab_core::Gate;
    ///
    /// assert_eq!(Gate::named("PodLevelResources"), Some(Gate::POD_LEVEL_RESOURCES));
    /// assert_eq!(Gate::named("podlevelresources"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let at = TABLE.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
        u16::try_from(at).ok().map(Self)
    }

    /// The gate of this name, for constants: a name that the table lacks does not compile.
    ///
    /// ```
    /// use trimtab_core::{FeatureGates, Gate, KubeVersion};
    ///
    /// const SIDECARS: Gate = Gate::known("SidecarContainers");
    /// assert!(FeatureGates::at(KubeVersion::MAX).is_on(SIDECARS));
    /// ```
    ///
    /// ```compile_fail
    /// const MISSPELT: trimtab_core::Gate = trimtab_core::Gate::known("SideCarContainers");
    /// ```
    ///
    /// # Panics
    /// Where the table lacks the name. Outside of constants use [`Gate::named`].
    #[must_use]
    pub const fn known(name: &str) -> Self {
        let at = row::position(TABLE, name);
        assert!(at < TABLE.len(), "no release from 1.12 to 1.37 has a feature gate of this name");
        #[expect(clippy::cast_possible_truncation, reason = "the table is checked to be shorter than 65,536 entries")]
        Self(at as u16)
    }

    /// Every gate, ordered by name.
    ///
    /// ```
    /// use trimtab_core::Gate;
    ///
    /// assert!(Gate::all().any(|gate| gate.name() == "PodLevelResources"));
    /// ```
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        #[expect(clippy::cast_possible_truncation, reason = "the table is checked to be shorter than 65,536 entries")]
        (0..TABLE.len() as u16).map(Self)
    }

    /// The name, as upstream spells it.
    ///
    /// ```
    /// assert_eq!(trimtab_core::Gate::POD_PRIORITY.name(), "PodPriority");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What `version` says of this gate. The patch does not matter: the table has one row per minor.
    ///
    /// ```
    /// use trimtab_core::gate::Stage;
    /// use trimtab_core::{Gate, KubeVersion};
    ///
    /// let stage = Gate::IN_PLACE_POD_VERTICAL_SCALING.stage(KubeVersion::new(35)?);
    /// assert_eq!(stage, Stage::Locked { value: true });
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    #[must_use]
    pub fn stage(self, version: KubeVersion) -> Stage {
        let minor = version.minor();
        self.entry().rows.iter().rev().find(|row| row.minor <= minor).map_or(Stage::Absent, |row| row.stage)
    }

    /// The first release that knows this gate.
    fn first(self) -> KubeVersion {
        KubeVersion::row(self.entry().rows[0].minor, u16::MAX)
    }

    /// The last release that knows this gate: the one before its removal, or the newest there is.
    fn last(self) -> KubeVersion {
        match self.entry().rows {
            [.., row::GateRow { minor, stage: Stage::Removed { .. } }] => KubeVersion::row(minor - 1, u16::MAX),
            _ => KubeVersion::MAX,
        }
    }

    fn entry(self) -> &'static row::Entry {
        &TABLE[usize::from(self.0)]
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.name())
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Gate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stage(name: &str, minor: u64) -> Stage {
        Gate::named(name).unwrap().stage(KubeVersion::new(minor).unwrap())
    }

    /// Checks one stage per range of minors.
    fn history(name: &str, ranges: &[(std::ops::RangeInclusive<u64>, Stage)]) {
        for (minors, expected) in ranges {
            for minor in minors.clone() {
                assert_eq!(stage(name, minor), *expected, "{name} in 1.{minor}");
            }
        }
    }

    const ALPHA: Stage = Stage::Alpha { default: false };
    const BETA_ON: Stage = Stage::Beta { default: true };
    const BETA_OFF: Stage = Stage::Beta { default: false };
    const LOCKED_ON: Stage = Stage::Locked { value: true };
    const GONE_ON: Stage = Stage::Removed { value: true };
    const GONE_OFF: Stage = Stage::Removed { value: false };

    /// What the kubelets of these releases printed or did when they were run.
    #[test]
    fn the_gates_that_the_kubelet_reads_have_their_stages() {
        history("PodLevelResources", &[(12..=31, Stage::Absent), (32..=33, ALPHA), (34..=37, BETA_ON)]);
        history("InPlacePodVerticalScaling", &[(12..=26, Stage::Absent), (27..=32, ALPHA), (33..=34, BETA_ON), (35..=37, LOCKED_ON)]);
        history("InPlacePodLevelResourcesVerticalScaling", &[(12..=34, Stage::Absent), (35..=35, ALPHA), (36..=37, BETA_ON)]);
        history("SidecarContainers", &[(12..=27, Stage::Absent), (28..=28, ALPHA), (29..=32, BETA_ON), (33..=36, LOCKED_ON), (37..=37, GONE_ON)]);
        history("DRANodeAllocatableResources", &[(12..=35, Stage::Absent), (36..=37, ALPHA)]);
        for name in ["PodLevelResourcesFixKubeletQOSClass", "PodLevelResourcesFixDefaulting", "HugepageAwareEviction"] {
            history(name, &[(12..=36, Stage::Absent), (37..=37, BETA_ON)]);
        }
        history("PodLevelResourceManagers", &[(37..=37, BETA_OFF)]);
        history("PodOverhead", &[(12..=15, Stage::Absent), (16..=17, ALPHA), (18..=23, BETA_ON), (24..=25, LOCKED_ON), (26..=37, GONE_ON)]);
        history("ExperimentalCriticalPodAnnotation", &[(12..=15, ALPHA), (16..=37, GONE_OFF)]);
        history("ProbeTerminationGracePeriod", &[(21..=21, ALPHA), (22..=24, BETA_OFF), (25..=27, BETA_ON), (28..=28, LOCKED_ON)]);
    }

    /// What the schedulers of these releases did when they were run.
    #[test]
    fn the_gates_that_the_scheduler_reads_have_their_stages() {
        history("TaintTolerationComparisonOperators", &[(12..=34, Stage::Absent), (35..=37, ALPHA)]);
        for name in ["SchedulerQueueingHints", "GangScheduling", "WorkloadAwarePreemption"] {
            assert!(matches!(stage(name, 37), Stage::Removed { .. }), "{name}");
            assert!(stage(name, 36).is_known(), "{name}");
        }
        for name in ["PodGroupPreemptionPolicy", "InPlacePodVerticalScalingSchedulerPreemption", "CompositePodGroup"] {
            history(name, &[(36..=36, Stage::Absent), (37..=37, ALPHA)]);
        }
        history("GenericWorkload", &[(37..=37, BETA_OFF)]);
        history("StorageCapacityScoring", &[(37..=37, BETA_ON)]);
    }

    #[test]
    fn the_defaults_that_1_37_switched_on_were_off_before() {
        for name in ["MemoryQoS", "HPAScaleToZero", "MaxUnavailableStatefulSet", "PodsAPI", "VolumeLimitScaling", "SELinuxMount"] {
            assert!(stage(name, 37).default(), "{name}");
            assert!(!stage(name, 36).default(), "{name}");
        }
    }

    /// The counts that upstream's `featuregate.GetAll` gave when it was run, 1.15 to 1.37.
    #[test]
    fn a_release_knows_as_many_gates_as_upstream_counts() {
        let counts = [90, 95, 100, 101, 107, 119, 126, 129, 140, 140, 143, 148, 149, 154, 162, 169, 167, 179, 191, 208, 218, 242, 254];
        for (minor, gates) in (15..=37).zip(counts) {
            let version = KubeVersion::new(minor).unwrap();
            assert_eq!(Gate::all().filter(|gate| gate.stage(version).is_known()).count(), gates, "1.{minor}");
        }
    }

    #[test]
    fn the_patch_does_not_matter() {
        let stage = |text: &str| Gate::POD_LEVEL_RESOURCES.stage(text.parse().unwrap());
        assert_eq!([stage("1.34.0"), stage("1.34.99"), stage("1.34")], [BETA_ON; 3]);
    }

    #[test]
    fn every_gate_is_found_by_its_name() {
        for gate in Gate::all() {
            assert_eq!(Gate::named(gate.name()), Some(gate));
            assert_eq!(Gate::known(gate.name()), gate);
        }
        assert_eq!(Gate::named("KubeletOOMScoreAdjTieBreak"), None);
    }

    #[test]
    fn a_gate_shows_and_serializes_as_its_name() {
        assert_eq!(format!("{0} {0:?}", Gate::POD_PRIORITY), "PodPriority Gate(PodPriority)");
        assert_eq!(serde_json::to_string(&Gate::POD_PRIORITY).unwrap(), "\"PodPriority\"");
    }

    #[test]
    fn each_row_changes_something() {
        for entry in TABLE {
            assert!(entry.rows.windows(2).all(|pair| pair[0].stage != pair[1].stage), "{}", entry.name);
        }
    }

    #[test]
    fn no_gate_ever_falls_back_to_a_lower_stage() {
        let rank = |row: &row::GateRow| match row.stage {
            Stage::Absent => 0,
            Stage::Alpha { .. } => 1,
            Stage::Beta { .. } => 2,
            Stage::Ga { .. } => 3,
            Stage::Deprecated { .. } => 4,
            Stage::Locked { .. } => 5,
            Stage::Removed { .. } => 6,
        };
        for entry in TABLE {
            assert!(entry.rows.is_sorted_by_key(rank), "{}", entry.name);
        }
    }

    proptest! {
        #[test]
        fn a_stage_is_that_of_the_last_row_that_is_not_later(position in 0..TABLE.len(), minor in 12_u64..=37) {
            let known: Vec<_> = TABLE[position].rows.iter().filter(|row| u64::from(row.minor) <= minor).collect();
            let expected = known.last().map_or(Stage::Absent, |row| row.stage);
            prop_assert_eq!(stage(TABLE[position].name, minor), expected);
        }
    }
}
