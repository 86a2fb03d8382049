//! `trimtab.sched`: what the scheduler computes. Converts, asks `trimtab_sched_math`, converts back.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use trimtab::KubeVersion;
use trimtab::sched::{self, PercentageOfNodesToScore, SampleRules, ScannedNodes};

use crate::convert::{read, write_dict};
use crate::error::OrRaise;
use crate::version::Version;

/// How many feasible nodes the scheduler looks for among `num_all_nodes` before it stops filtering and starts to score.
/// Upstream's `numFeasibleNodesToFind`, `pkg/scheduler/schedule_one.go`.
///
/// `percentage` is `percentageOfNodesToScore` as the scheduler holds it: a number for the scheduler-wide one, a
/// `PercentageOfNodesToScore` where a profile has its own, `None` where the configuration is silent. For what a configuration
/// file says see `SampleRules.global_from_config`. Any number is taken, as upstream does; `validated()` holds it against 0 to 100.
///
/// Raises `UnsupportedVersion`, and `OverflowError` beyond 32 bits.
///
/// What surprises: the product wraps at 32 bits, and from 1.26 on 100 percent is no short-cut any more, so that above 21,474,836
/// nodes it yields 100.
///
/// >>> from trimtab import sched
/// >>> sched.num_feasible_nodes_to_find(5_000, version="1.34"), sched.num_feasible_nodes_to_find(1_000, version="1.34", percentage=30)
/// (500, 300)
/// >>> profile = sched.PercentageOfNodesToScore(global_percentage=30, profile_percentage=0)
/// >>> sched.num_feasible_nodes_to_find(1_000, version="1.34", percentage=profile)
/// 420
#[pyfunction]
#[pyo3(signature = (num_all_nodes, *, version, percentage = None))]
pub(crate) fn num_feasible_nodes_to_find(num_all_nodes: i32, version: Version, percentage: Option<Percentage>) -> i32 {
    let rules = SampleRules::at(version.0);
    let percentage = percentage.map_or_else(|| PercentageOfNodesToScore::global(rules.global_from_config(None)), |given| given.0);
    sched::num_feasible_nodes_to_find(num_all_nodes, percentage, &rules)
}

/// The percentage that the adaptive mode picks for a cluster of that size: 50 less one per 125 nodes, never below 5; `None` in
/// 1.12 and 1.13, which have no adaptive mode. Source: `numFeasibleNodesToFind`, `pkg/scheduler/schedule_one.go`.
///
/// Raises `UnsupportedVersion`, and `OverflowError` beyond 32 bits.
///
/// >>> from trimtab import sched
/// >>> [sched.adaptive_percentage(nodes, version="1.30") for nodes in (100, 5_000, 6_000)], sched.adaptive_percentage(100, version="1.13")
/// ([50, 10, 5], None)
#[pyfunction]
#[pyo3(signature = (num_all_nodes, *, version))]
pub(crate) fn adaptive_percentage(num_all_nodes: i32, version: Version) -> Option<i32> {
    sched::adaptive_percentage(num_all_nodes, &SampleRules::at(version.0))
}

/// The index of the node at which the next pod's scan starts, so that all nodes get their turn.
///
/// `processed` is the number of feasible nodes plus the nodes that failed a filter with a status; `left_after_pre_filter` are
/// the nodes that `PreFilter` plugins left, all of them where it is `None`.
/// Source: `pkg/scheduler/schedule_one.go`.
///
/// Raises `InvalidInput` before 1.17, which has no such index, and where there is no node; `UnsupportedVersion`;
/// `OverflowError` for numbers below zero or beyond 32 bits.
///
/// What surprises: through 1.30 a pod that `PreFilter` pins to few nodes throws the index back to the first of them.
///
/// >>> from trimtab import sched
/// >>> sched.next_start_node_index(450, processed=150, num_all_nodes=500, version="1.36")
/// 100
/// >>> [sched.next_start_node_index(450, processed=1, num_all_nodes=500, left_after_pre_filter=1, version=v) for v in ("1.30", "1.31")]
/// [0, 451]
#[pyfunction]
#[pyo3(signature = (start_node_index, *, processed, num_all_nodes, version, left_after_pre_filter = None))]
pub(crate) fn next_start_node_index(
    start_node_index: u32,
    processed: u32,
    num_all_nodes: u32,
    version: Version,
    left_after_pre_filter: Option<u32>,
) -> PyResult<u32> {
    let mut nodes = ScannedNodes::all(num_all_nodes);
    nodes.left_after_pre_filter = left_after_pre_filter.unwrap_or(nodes.left_after_pre_filter);
    sched::next_start_node_index(start_node_index, processed, nodes, &SampleRules::at(version.0)).or_raise()
}

/// `percentageOfNodesToScore` as the scheduler holds it once its configuration is read: percent.
///
/// The profile's own percentage wins where it is set, even to 0; releases before 1.26 do not know it and ignore it.
///
/// >>> from trimtab import sched
/// >>> over = sched.PercentageOfNodesToScore(global_percentage=0, profile_percentage=101)
/// >>> over.validated(version="1.25") == over
/// True
/// >>> over.validated(version="1.26")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: profiles[].percentageOfNodesToScore: invalid value 101: not in valid range [0-100]; write 0 to let the scheduler choose by cluster size, or 1 to 100
#[pyclass(name = "PercentageOfNodesToScore", module = "trimtab.sched", frozen, eq, hash)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyPercentage(PercentageOfNodesToScore);

#[pymethods]
impl PyPercentage {
    #[new]
    #[pyo3(signature = (*, global_percentage, profile_percentage = None))]
    const fn new(global_percentage: i32, profile_percentage: Option<i32>) -> Self {
        Self(PercentageOfNodesToScore { global: global_percentage, profile: profile_percentage })
    }

    /// The scheduler-wide percentage.
    #[getter]
    const fn global_percentage(&self) -> i32 {
        self.0.global
    }

    /// The profile's own percentage, or `None`.
    #[getter]
    const fn profile_percentage(&self) -> Option<i32> {
        self.0.profile
    }

    /// Checks the percentages as the release's configuration validation does, and gives them back: 1.12 to 1.14 accept any
    /// number, 1.15 to 1.25 check the scheduler-wide one, 1.26 and later the profile's as well.
    ///
    /// Raises `InvalidInput` outside of 0 to 100 (its `field` and `value` say which), `UnsupportedVersion`.
    #[pyo3(signature = (*, version))]
    fn validated(&self, version: Version) -> PyResult<Self> {
        self.0.validated(&SampleRules::at(version.0)).or_raise().map(Self)
    }

    /// As plain data: `global`, `profile`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    /// The other way round.
    #[classmethod]
    #[pyo3(signature = (data, /))]
    fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        read(data, "the PercentageOfNodesToScore").map(Self)
    }

    fn __repr__(&self) -> String {
        let profile = self.0.profile.map(|percent| format!(", profile_percentage={percent}")).unwrap_or_default();
        format!("PercentageOfNodesToScore(global_percentage={}{profile})", self.0.global)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<Self>().getattr("from_dict")?, (self.to_dict(py)?,)))
    }
}

/// What one release does with `percentageOfNodesToScore`.
///
/// >>> from trimtab import sched
/// >>> old, new = sched.SampleRules.at("1.13"), sched.SampleRules.at("1.34")
/// >>> old.formula, new.formula
/// ('NoAdaptiveMode', 'AdaptiveAtZero')
/// >>> [old.global_from_config(written) for written in (None, 0, 30)], [new.global_from_config(written) for written in (None, 0, 30)]
/// ([50, 50, 30], [0, 0, 30])
#[pyclass(name = "SampleRules", module = "trimtab.sched", frozen, eq)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PySampleRules {
    rules: SampleRules,
    version: KubeVersion,
}

#[pymethods]
impl PySampleRules {
    /// The rules of that release.
    #[staticmethod]
    #[pyo3(signature = (version, /))]
    fn at(version: Version) -> Self {
        Self { rules: SampleRules::at(version.0), version: version.0 }
    }

    /// Which of upstream's formulas holds: `"NoAdaptiveMode"` (1.12, 1.13), `"AdaptiveUpToZero"` (1.14 to 1.25) or
    /// `"AdaptiveAtZero"` (1.26 and later).
    #[getter]
    fn formula(&self) -> String {
        format!("{:?}", self.rules.formula)
    }

    /// What a profile's own percentage does: `"Unknown"` (it is ignored) or `"Overrides"`.
    #[getter]
    fn profile_field(&self) -> String {
        format!("{:?}", self.rules.profile_field)
    }

    /// Which percentages are validated: `"AnyNumber"`, `"Global"` or `"GlobalAndProfiles"`.
    #[getter]
    fn validation(&self) -> String {
        format!("{:?}", self.rules.validation)
    }

    /// How the next scan finds its first node: `"NodeTree"`, `"ModuloNodesLeft"` or `"ModuloAllNodes"`.
    #[getter]
    fn rotation(&self) -> String {
        format!("{:?}", self.rules.rotation)
    }

    /// What a configuration file's 0, or its silence, becomes before the scheduler sees it. Percent.
    #[getter]
    const fn config_zero_becomes(&self) -> i32 {
        self.rules.config_zero_becomes
    }

    /// The constant `DefaultPercentageOfNodesToScore`. Percent.
    #[getter]
    const fn default_percentage_of_nodes_to_score(&self) -> i32 {
        self.rules.default_percentage_of_nodes_to_score
    }

    /// What the scheduler holds as its global percentage when its configuration file says `written`; `None` where it is silent.
    #[pyo3(signature = (written, /))]
    fn global_from_config(&self, written: Option<i32>) -> i32 {
        self.rules.global_from_config(written)
    }

    fn __repr__(&self) -> String {
        format!("SampleRules.at('{}')", self.version)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((py.get_type::<Self>().getattr("at")?, (self.version.to_string(),)))
    }
}

/// The argument `percentage`.
pub(crate) struct Percentage(PercentageOfNodesToScore);

impl<'py> FromPyObject<'_, 'py> for Percentage {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyPercentage>() {
            Ok(percentage) => Ok(Self(percentage.get().0)),
            Err(_) => given.extract().map(PercentageOfNodesToScore::global).map(Self),
        }
    }
}
