//! `trimtab.net`: what sizes network services. Converts, asks `trimtab_net_math`, converts back.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use trimtab::net::{ClusterSize, ControlMode, Dimension, Ladder, LadderEntry, LadderFields, LadderParams, LinearFields, LinearParams, Mode};
use trimtab::view::Node;

use crate::convert::{read, shown, write_dict};
use crate::error::{OrRaise, Trouble};

/// How large a cluster is, as the cluster-proportional-autoscaler counts it.
///
/// >>> from trimtab import net
/// >>> node = {"status": {"allocatable": {"cpu": "1930m"}, "conditions": [{"type": "Ready", "status": "True"}]}}
/// >>> net.ClusterSize.from_nodes([node, node, {**node, "spec": {"unschedulable": True}}])
/// ClusterSize(schedulable_cores=4, schedulable_nodes=2, total_cores=6, total_nodes=3)
#[pyclass(name = "ClusterSize", module = "trimtab.net", frozen, eq, hash)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyClusterSize(ClusterSize);

#[pymethods]
impl PyClusterSize {
    #[new]
    #[pyo3(signature = (*, schedulable_cores, schedulable_nodes, total_cores, total_nodes))]
    const fn new(schedulable_cores: i32, schedulable_nodes: i32, total_cores: i32, total_nodes: i32) -> Self {
        Self(ClusterSize { schedulable_cores, schedulable_nodes, total_cores, total_nodes })
    }

    /// Counts nodes (manifests, as in the `items` of `kubectl get nodes -o json`) as the autoscaler does. A node is schedulable
    /// where it is not cordoned and its `Ready` condition is `True`; the cpu is rounded up once, over the sum.
    ///
    /// Source: `GetClusterStatus` in `pkg/autoscaler/k8sclient/k8sclient.go`, CPA 1.10.1.
    ///
    /// Raises `InvalidInput`; its `path` names the node and the field.
    #[classmethod]
    #[pyo3(signature = (nodes, /))]
    fn from_nodes(_class: &Bound<'_, PyType>, nodes: &Bound<'_, PyAny>) -> PyResult<Self> {
        let nodes: Vec<Node> = read(nodes, "the list of nodes")?;
        Ok(Self(ClusterSize::from_nodes(&nodes)))
    }

    /// Cores of the schedulable nodes.
    #[getter]
    const fn schedulable_cores(&self) -> i32 {
        self.0.schedulable_cores
    }

    /// Schedulable nodes.
    #[getter]
    const fn schedulable_nodes(&self) -> i32 {
        self.0.schedulable_nodes
    }

    /// Cores of all nodes.
    #[getter]
    const fn total_cores(&self) -> i32 {
        self.0.total_cores
    }

    /// All nodes.
    #[getter]
    const fn total_nodes(&self) -> i32 {
        self.0.total_nodes
    }

    /// As plain data, under the names of the attributes.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    /// The other way round.
    #[classmethod]
    #[pyo3(signature = (data, /))]
    fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        read(data, "the ClusterSize").map(Self)
    }

    fn __repr__(&self) -> String {
        let ClusterSize { schedulable_cores, schedulable_nodes, total_cores, total_nodes } = self.0;
        format!(
            "ClusterSize(schedulable_cores={schedulable_cores}, schedulable_nodes={schedulable_nodes}, total_cores={total_cores}, total_nodes={total_nodes})"
        )
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<Self>().getattr("from_dict")?, (self.to_dict(py)?,)))
    }
}

/// The parameters of the linear mode, checked: replicas in proportion to cores and nodes.
///
/// A ratio of 0 leaves its dimension out (it then asks for 1 replica), `min` 0 becomes 1, `max` 0 is no limit.
/// Source: `pkg/autoscaler/controller/linearcontroller/linear_controller.go`, CPA 1.8.0 to 1.10.
///
/// Raises `InvalidInput` as upstream refuses them: a negative number, `max` below `min`, no ratio at all.
///
/// >>> from trimtab import net
/// >>> params = net.LinearParams(cores_per_replica=2, nodes_per_replica=2.5, max=100)
/// >>> params.replicas(cores=30, nodes=49), params.min
/// (20, 1)
/// >>> params == net.LinearParams.parse('{"coresPerReplica": 2, "nodesPerReplica": 2.5, "max": 100}')
/// True
#[pyclass(name = "LinearParams", module = "trimtab.net", frozen, eq)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PyLinearParams(LinearParams);

#[pymethods]
impl PyLinearParams {
    #[new]
    #[pyo3(signature = (
        *, cores_per_replica = 0.0, nodes_per_replica = 0.0, min = 0, max = 0, prevent_single_point_failure = false,
        include_unschedulable_nodes = false
    ))]
    fn new(
        cores_per_replica: f64,
        nodes_per_replica: f64,
        min: i64,
        max: i64,
        prevent_single_point_failure: bool,
        include_unschedulable_nodes: bool,
    ) -> PyResult<Self> {
        let fields = LinearFields { cores_per_replica, nodes_per_replica, min, max, prevent_single_point_failure, include_unschedulable_nodes };
        LinearParams::new(fields).or_raise().map(Self)
    }

    /// Reads the JSON of the `ConfigMap`'s `linear` key, as Go's `encoding/json` does, then checks it.
    ///
    /// What surprises: keys match in any case, unknown ones (and misspelt ones) are skipped, the last of duplicates wins, and
    /// `"min": 2.0` is an error.
    ///
    /// Raises `InvalidInput`.
    #[classmethod]
    #[pyo3(signature = (json, /))]
    fn parse(_class: &Bound<'_, PyType>, json: &str) -> PyResult<Self> {
        LinearParams::parse(json).or_raise().map(Self)
    }

    /// Cores per replica; 0 leaves cores out.
    #[getter]
    const fn cores_per_replica(&self) -> f64 {
        self.0.fields().cores_per_replica
    }

    /// Nodes per replica; 0 leaves nodes out.
    #[getter]
    const fn nodes_per_replica(&self) -> f64 {
        self.0.fields().nodes_per_replica
    }

    /// The least number of replicas that a dimension asks for; 1 or more.
    #[getter]
    const fn min(&self) -> i64 {
        self.0.fields().min
    }

    /// The largest number of replicas that a dimension asks for; 0 is no limit.
    #[getter]
    const fn max(&self) -> i64 {
        self.0.fields().max
    }

    /// From two nodes on, ask for at least two replicas, whatever `max` says.
    #[getter]
    const fn prevent_single_point_failure(&self) -> bool {
        self.0.fields().prevent_single_point_failure
    }

    /// Count all nodes, not only schedulable ones.
    #[getter]
    const fn include_unschedulable_nodes(&self) -> bool {
        self.0.fields().include_unschedulable_nodes
    }

    /// The replicas for that cluster, as upstream writes them into the target's scale. Upstream's `GetExpectedReplicas`.
    ///
    /// What surprises: the count is cut to 32 bits without a check.
    ///
    /// >>> from trimtab import net
    /// >>> size = net.ClusterSize(schedulable_cores=8, schedulable_nodes=2, total_cores=12, total_nodes=3)
    /// >>> net.LinearParams(nodes_per_replica=1, include_unschedulable_nodes=True).expected_replicas(size)
    /// 3
    #[pyo3(signature = (size, /))]
    fn expected_replicas(&self, size: &Bound<'_, PyClusterSize>) -> i32 {
        self.0.expected_replicas(&size.get().0)
    }

    /// The larger of what cores and nodes ask for, before it is cut to 32 bits. Upstream's `getExpectedReplicasFromParams`.
    #[pyo3(signature = (*, cores, nodes))]
    fn replicas(&self, cores: i64, nodes: i64) -> i64 {
        self.0.replicas(cores, nodes)
    }

    /// What one dimension (`"cores"` or `"nodes"`) asks for. Upstream's `getExpectedReplicasFromParam`.
    ///
    /// What surprises: the division is done in binary floating point, so a ratio like 0.7 can round up once too often.
    ///
    /// >>> from trimtab import net
    /// >>> net.LinearParams(cores_per_replica=0.7).replicas_for("cores", 21)
    /// 31
    #[pyo3(signature = (dimension, resources, /))]
    fn replicas_for(&self, dimension: Axis, resources: i64) -> i64 {
        self.0.replicas_for(dimension.0, resources)
    }

    /// As the JSON of the `ConfigMap` has it: `coresPerReplica`, `nodesPerReplica`, `min`, …
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        repr_of(py, "LinearParams", &self.named(py)?)
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((), Bound<'py, PyDict>)> {
        Ok(((), self.named(py)?))
    }
}

impl PyLinearParams {
    /// The arguments that make it again.
    fn named<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        let fields = self.0.fields();
        named.set_item("cores_per_replica", fields.cores_per_replica)?;
        named.set_item("nodes_per_replica", fields.nodes_per_replica)?;
        named.set_item("min", fields.min)?;
        named.set_item("max", fields.max)?;
        named.set_item("prevent_single_point_failure", fields.prevent_single_point_failure)?;
        named.set_item("include_unschedulable_nodes", fields.include_unschedulable_nodes)?;
        Ok(named)
    }
}

/// The parameters of the ladder mode as they were written: checked, their order kept. `sorted()` makes them ready.
///
/// Each step is (threshold, replicas): from so many cores or nodes on, so many replicas; an empty list asks for 0 replicas.
/// Source: `pkg/autoscaler/controller/laddercontroller/ladder_controller.go`, CPA 1.10.
///
/// Raises `InvalidInput` for the first step with a number below 0.
///
/// >>> from trimtab import net
/// >>> params = net.LadderParams.parse('{"coresToReplicas": [[64, 3], [1, 1], [512, 5]], "nodesToReplicas": [[1, 1], [2, 2]]}')
/// >>> params.cores_to_replicas, params.sorted().replicas(cores=800, nodes=1)
/// ([(64, 3), (1, 1), (512, 5)], 5)
#[pyclass(name = "LadderParams", module = "trimtab.net", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PyLadderParams(LadderParams);

#[pymethods]
impl PyLadderParams {
    #[new]
    #[pyo3(signature = (*, cores_to_replicas = Vec::new(), nodes_to_replicas = Vec::new(), include_unschedulable_nodes = false))]
    fn new(cores_to_replicas: Vec<(i64, i64)>, nodes_to_replicas: Vec<(i64, i64)>, include_unschedulable_nodes: bool) -> PyResult<Self> {
        let entries = |pairs: Vec<(i64, i64)>| pairs.into_iter().map(|(threshold, replicas)| LadderEntry { threshold, replicas }).collect();
        let fields = LadderFields {
            cores_to_replicas: entries(cores_to_replicas),
            nodes_to_replicas: entries(nodes_to_replicas),
            include_unschedulable_nodes,
        };
        LadderParams::new(fields).or_raise().map(Self)
    }

    /// Reads the JSON of the `ConfigMap`'s `ladder` key, as Go's `encoding/json` does, then checks it.
    ///
    /// What surprises: a step of one number is padded with 0, numbers after the second are dropped, and parameters without any
    /// list are fine.
    ///
    /// Raises `InvalidInput`.
    #[classmethod]
    #[pyo3(signature = (json, /))]
    fn parse(_class: &Bound<'_, PyType>, json: &str) -> PyResult<Self> {
        LadderParams::parse(json).or_raise().map(Self)
    }

    /// Steps by cores, in the order in which they were written.
    #[getter]
    fn cores_to_replicas(&self) -> Vec<(i64, i64)> {
        pairs(&self.0.fields().cores_to_replicas)
    }

    /// Steps by nodes, in the order in which they were written.
    #[getter]
    fn nodes_to_replicas(&self) -> Vec<(i64, i64)> {
        pairs(&self.0.fields().nodes_to_replicas)
    }

    /// Count all nodes, not only schedulable ones.
    #[getter]
    const fn include_unschedulable_nodes(&self) -> bool {
        self.0.fields().include_unschedulable_nodes
    }

    /// The ladder with both lists sorted by threshold, ready to be asked; of equal thresholds the last one written holds.
    fn sorted(&self) -> PyLadder {
        PyLadder(self.0.clone().sorted())
    }

    /// As the JSON of the `ConfigMap` has it: `coresToReplicas`, `nodesToReplicas`, `includeUnschedulableNodes`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        repr_of(py, "LadderParams", &self.named(py)?)
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((), Bound<'py, PyDict>)> {
        Ok(((), self.named(py)?))
    }
}

impl PyLadderParams {
    /// The arguments that make it again.
    fn named<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let named = PyDict::new(py);
        named.set_item("cores_to_replicas", self.cores_to_replicas())?;
        named.set_item("nodes_to_replicas", self.nodes_to_replicas())?;
        named.set_item("include_unschedulable_nodes", self.include_unschedulable_nodes())?;
        Ok(named)
    }
}

/// A ladder that can be asked: both lists sorted by threshold. Made by `LadderParams.sorted()`.
///
/// >>> from trimtab import net
/// >>> ladder = net.LadderParams(nodes_to_replicas=[(3, 3), (1, 1), (1, 2)]).sorted()
/// >>> ladder.nodes_to_replicas, ladder.replicas(cores=0, nodes=1)
/// ([(1, 1), (1, 2), (3, 3)], 2)
#[pyclass(name = "Ladder", module = "trimtab.net", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PyLadder(Ladder);

#[pymethods]
impl PyLadder {
    /// Steps by cores, ascending.
    #[getter]
    fn cores_to_replicas(&self) -> Vec<(i64, i64)> {
        pairs(&self.0.fields().cores_to_replicas)
    }

    /// Steps by nodes, ascending.
    #[getter]
    fn nodes_to_replicas(&self) -> Vec<(i64, i64)> {
        pairs(&self.0.fields().nodes_to_replicas)
    }

    /// Count all nodes, not only schedulable ones.
    #[getter]
    const fn include_unschedulable_nodes(&self) -> bool {
        self.0.fields().include_unschedulable_nodes
    }

    /// The replicas for that cluster, as upstream writes them into the target's scale. Upstream's `GetExpectedReplicas`.
    #[pyo3(signature = (size, /))]
    fn expected_replicas(&self, size: &Bound<'_, PyClusterSize>) -> i32 {
        self.0.expected_replicas(&size.get().0)
    }

    /// The larger of what cores and nodes ask for, before it is cut to 32 bits. With both lists empty it is 0.
    #[pyo3(signature = (*, cores, nodes))]
    fn replicas(&self, cores: i64, nodes: i64) -> i64 {
        self.0.replicas(cores, nodes)
    }

    /// What one list (`"cores"` or `"nodes"`) asks for at so many.
    #[pyo3(signature = (dimension, resources, /))]
    fn replicas_for(&self, dimension: Axis, resources: i64) -> i64 {
        self.0.replicas_for(dimension.0, resources)
    }

    /// As the JSON of the `ConfigMap` has it: `coresToReplicas`, `nodesToReplicas`, `includeUnschedulableNodes`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("{}.sorted()", self.params()?.__repr__(py)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (PyLadderParams,))> {
        Ok((py.get_type::<PyLadderParams>().getattr("sorted")?, (self.params()?,)))
    }
}

impl PyLadder {
    /// Sorted again they give the same ladder.
    fn params(&self) -> PyResult<PyLadderParams> {
        LadderParams::new(self.0.fields().clone()).or_raise().map(PyLadderParams)
    }
}

/// A control mode with its parameters: what the autoscaler's `ConfigMap` holds.
///
/// >>> from trimtab import net
/// >>> config_map = {"kind": "ConfigMap", "data": {"linear": '{"coresPerReplica": 256, "nodesPerReplica": 16}'}}
/// >>> mode = net.Mode.from_config_map(config_map)
/// >>> mode.control_mode, mode.replicas(cores=400, nodes=100)
/// ('linear', 7)
#[pyclass(name = "Mode", module = "trimtab.net", frozen, eq)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PyMode(Mode);

#[pymethods]
impl PyMode {
    /// Reads a `ConfigMap` (a dict, as `kubectl get configmap … -o json` prints it); only `data` counts.
    /// Source: `EnsureController` in `pkg/autoscaler/controller/plugin/plugin.go`, CPA 1.10.
    ///
    /// Raises `InvalidInput` where it is no `ConfigMap`, has not exactly one key, another key than `linear` or `ladder`, or
    /// parameters that upstream refuses.
    #[classmethod]
    #[pyo3(signature = (config_map, /))]
    fn from_config_map(_class: &Bound<'_, PyType>, config_map: &Bound<'_, PyAny>) -> PyResult<Self> {
        Mode::from_config_map(&read(config_map, "the ConfigMap")?).or_raise().map(Self)
    }

    /// Reads the parameters of a mode, `"linear"` or `"ladder"`; a ladder is sorted.
    ///
    /// Raises `InvalidInput`.
    ///
    /// >>> from trimtab import net
    /// >>> net.Mode.parse("ladder", '{"nodesToReplicas": [[2, 2], [1, 1]]}').replicas(cores=0, nodes=1)
    /// 1
    #[classmethod]
    #[pyo3(signature = (control_mode, json, /))]
    fn parse(_class: &Bound<'_, PyType>, control_mode: &str, json: &str) -> PyResult<Self> {
        let control_mode: ControlMode = control_mode.parse().or_raise()?;
        Mode::parse(control_mode, json).or_raise().map(Self)
    }

    /// `"linear"` or `"ladder"`.
    #[getter]
    fn control_mode(&self) -> String {
        self.0.control_mode().to_string()
    }

    /// The parameters: `LinearParams` or `Ladder`.
    #[getter]
    fn params(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.0 {
            Mode::Linear(params) => PyLinearParams(*params).into_py_any(py),
            Mode::Ladder(ladder) => PyLadder(ladder.clone()).into_py_any(py),
        }
    }

    /// The replicas for that cluster, as upstream writes them into the target's scale.
    #[pyo3(signature = (size, /))]
    fn expected_replicas(&self, size: &Bound<'_, PyClusterSize>) -> i32 {
        self.0.expected_replicas(&size.get().0)
    }

    /// The replicas for so many cores and nodes, before they are cut to 32 bits.
    #[pyo3(signature = (*, cores, nodes))]
    fn replicas(&self, cores: i64, nodes: i64) -> i64 {
        self.0.replicas(cores, nodes)
    }

    /// `{"linear": {…}}` or `{"ladder": {…}}`, with the parameters as their JSON has them.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Mode.parse('{}', {})", self.0.control_mode(), PyString::new(py, &self.json()?).repr()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String, String))> {
        Ok((py.get_type::<Self>().getattr("parse")?, (self.control_mode(), self.json()?)))
    }
}

impl PyMode {
    fn json(&self) -> PyResult<String> {
        let text = match &self.0 {
            Mode::Linear(params) => serde_json::to_string(params),
            Mode::Ladder(ladder) => serde_json::to_string(ladder),
        };
        text.map_err(|error| Trouble::unwritable(&error.to_string())).or_raise()
    }
}

/// The argument `dimension`.
pub(crate) struct Axis(Dimension);

impl<'py> FromPyObject<'_, 'py> for Axis {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyString>()?.to_string_lossy().as_ref() {
            "cores" => Ok(Self(Dimension::Cores)),
            "nodes" => Ok(Self(Dimension::Nodes)),
            other => Err(Trouble::out_of_range("dimension", &other, "among cores and nodes").into()),
        }
    }
}

fn pairs(entries: &[LadderEntry]) -> Vec<(i64, i64)> {
    entries.iter().map(|entry| (entry.threshold, entry.replicas)).collect()
}

/// `Name(argument=value, …)`.
fn repr_of(py: Python<'_>, name: &str, named: &Bound<'_, PyDict>) -> PyResult<String> {
    let fields = named.iter().map(|(argument, value)| Ok((argument.extract::<String>()?, value.unbind()))).collect::<PyResult<Vec<_>>>()?;
    let fields: Vec<_> = fields.iter().map(|(argument, value)| (argument.as_str(), value.clone_ref(py))).collect();
    shown(py, name, &fields)
}
