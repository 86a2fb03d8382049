//! What each release does with `percentageOfNodesToScore`, as rows.

use trimtab_core::{KubeVersion, Row, Since};

/// The rules of one release: which formula holds, which fields it knows, what it validates, how it rotates.
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_sched_math::{SampleFormula, SampleRules};
///
/// assert_eq!(SampleRules::at(KubeVersion::new(25)?).formula, SampleFormula::AdaptiveUpToZero);
/// assert_eq!(SampleRules::at(KubeVersion::new(26)?).formula, SampleFormula::AdaptiveAtZero);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampleRules {
    /// Which of upstream's three formulas holds.
    pub formula: SampleFormula,
    /// Whether a profile's own percentage counts.
    pub profile_field: ProfileField,
    /// What a configuration file's 0, or its silence, becomes before the scheduler sees it. Percent.
    pub config_zero_becomes: i32,
    /// The constant `DefaultPercentageOfNodesToScore`: what a program that calls `scheduler.New` without the option gets. Percent.
    /// Through 1.16 that is a fixed 50, although a configuration file's 0 is adaptive from 1.14 on.
    pub default_percentage_of_nodes_to_score: i32,
    /// Which percentages the configuration validation looks at.
    pub validation: Validation,
    /// How the next pod's scan finds its first node.
    pub rotation: Rotation,
}

/// Upstream's three formulas, named after what a number at or below 0 means; they differ outside of 1 to 100 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFormula {
    /// 1.12 and 1.13: at or below 0, and at or above 100, all nodes.
    NoAdaptiveMode,
    /// 1.14 to 1.25: at or below 0 adaptive, at or above 100 all nodes.
    AdaptiveUpToZero,
    /// 1.26 and later: only 0 is adaptive. A negative percentage gives the minimum of 100, one above 100 more than there are nodes.
    AdaptiveAtZero,
}

/// Whether a release knows a profile's own `percentageOfNodesToScore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileField {
    /// The field does not exist and is ignored.
    Unknown,
    /// Where it is set it wins over the global one.
    Overrides,
}

/// Which percentages a release's configuration validation holds against 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// None.
    AnyNumber,
    /// The scheduler-wide one.
    Global,
    /// The scheduler-wide one and each profile's.
    GlobalAndProfiles,
}

/// How a release picks the first node of the next pod's scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// `NodeTree.Next`: round-robin over zones, with a state of its own; there is no index.
    NodeTree,
    /// `nextStartNodeIndex`, modulo the nodes left after `PreFilter`.
    ModuloNodesLeft,
    /// `nextStartNodeIndex`, modulo all nodes of the snapshot.
    ModuloAllNodes,
}

impl SampleRules {
    /// The rules of that release.
    #[must_use]
    pub fn at(version: KubeVersion) -> Self {
        let (formula, profile_field) = *FORMULA.at(version);
        Self {
            formula,
            profile_field,
            config_zero_becomes: *CONFIG_ZERO.at(version),
            default_percentage_of_nodes_to_score: *DEFAULT_PERCENTAGE.at(version),
            validation: *VALIDATION.at(version),
            rotation: *ROTATION.at(version),
        }
    }

    /// What the scheduler holds as its global percentage when its configuration file says `written`; `None` where the file is silent.
    ///
    /// Surprising: 1.12 and 1.13 turn a written 0 into 50 while they default the file, so a user of these releases cannot ask for "all
    /// nodes" with 0 (100 does it).
    ///
    /// Source: `pkg/scheduler/apis/config/v1alpha1/defaults.go@v1.12`; later releases pass 0 through.
    ///
    /// ```
    /// use trimtab_core::KubeVersion;
    /// use trimtab_sched_math::SampleRules;
    ///
    /// let (old, new) = (SampleRules::at(KubeVersion::new(13)?), SampleRules::at(KubeVersion::new(14)?));
    /// assert_eq!([old.global_from_config(None), old.global_from_config(Some(0)), old.global_from_config(Some(30))], [50, 50, 30]);
    /// assert_eq!([new.global_from_config(None), new.global_from_config(Some(0)), new.global_from_config(Some(30))], [0, 0, 30]);
    /// # Ok::<(), trimtab_core::version::VersionError>(())
    /// ```
    #[must_use]
    pub fn global_from_config(&self, written: Option<i32>) -> i32 {
        match written {
            None | Some(0) => self.config_zero_becomes,
            Some(percent) => percent,
        }
    }
}

static FORMULA: Since<(SampleFormula, ProfileField)> = Since::new(&[
    Row::new(12, (SampleFormula::NoAdaptiveMode, ProfileField::Unknown), "pkg/scheduler/core/generic_scheduler.go@v1.12"),
    Row::new(14, (SampleFormula::AdaptiveUpToZero, ProfileField::Unknown), "pkg/scheduler/core/generic_scheduler.go@v1.14; executed 1.20 to 1.25"),
    Row::new(26, (SampleFormula::AdaptiveAtZero, ProfileField::Overrides), "pkg/scheduler/schedule_one.go@v1.26.4; executed 1.26 to 1.37"),
]);

static CONFIG_ZERO: Since<i32> = Since::new(&[
    Row::new(12, 50, "pkg/scheduler/apis/config/v1alpha1/defaults.go@v1.12"),
    Row::new(14, 0, "pkg/scheduler/apis/config/v1alpha1/types.go@v1.14: 0 is adaptive"),
]);

static DEFAULT_PERCENTAGE: Since<i32> =
    Since::new(&[Row::new(12, 50, "pkg/scheduler/api/types.go@v1.12"), Row::new(17, 0, "pkg/scheduler/apis/config/types.go@v1.17")]);

static VALIDATION: Since<Validation> = Since::new(&[
    Row::new(12, Validation::AnyNumber, "pkg/scheduler/apis/config/validation@v1.12"),
    Row::new(15, Validation::Global, "pkg/scheduler/apis/config/validation/validation.go@v1.15.3"),
    Row::new(26, Validation::GlobalAndProfiles, "pkg/scheduler/apis/config/validation/validation.go@v1.26.4"),
]);

static ROTATION: Since<Rotation> = Since::new(&[
    Row::new(12, Rotation::NodeTree, "pkg/scheduler/core/generic_scheduler.go@v1.12"),
    Row::new(17, Rotation::ModuloNodesLeft, "pkg/scheduler/core/generic_scheduler.go@v1.18.2"),
    Row::new(31, Rotation::ModuloAllNodes, "pkg/scheduler/schedule_one.go@v1.31.1"),
]);
