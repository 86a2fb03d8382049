//! `trimtab.node`: what a kubelet computes. Converts, asks `trimtab_node_math`, converts back.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use trimtab::FeatureGates;
use trimtab::node::defaults::{self, PodForm};
use trimtab::node::oom::{self, ContainerOom, MemoryCapacity, OomRules};
use trimtab::node::qos;
use trimtab::view::Pod;

use crate::convert::{read, shown, write, write_dict};
use crate::error::OrRaise;
use crate::quantity::MemoryBytes;
use crate::version::{Version, gates};

/// The class that a kubelet goes by: `"Guaranteed"`, `"Burstable"`, `"BestEffort"`, or whatever text somebody wrote into the
/// status. Upstream's `GetPodQOS`, `pkg/apis/core/v1/helper/qos/qos.go`.
///
/// Since 1.29 it is what stands in `status.qosClass`; only where nothing stands there it is computed.
///
/// `pod` is a manifest (a dict). `form` says whether it is as the API server stores it (`"stored"`) or as its author wrote it
/// (`"written"`: then it is defaulted first, which makes requests out of limits).
///
/// Raises `InvalidInput` (its `path` names the field), `UnsupportedVersion`, `FeatureGateError`.
///
/// >>> from trimtab import node
/// >>> pod = {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]}}
/// >>> node.pod_qos(pod, version="1.34"), node.pod_qos(pod, version="1.34", form="written")
/// ('Burstable', 'Guaranteed')
/// >>> node.pod_qos({"status": {"qosClass": "Bogus"}}, version="1.29")
/// 'Bogus'
#[pyfunction]
#[pyo3(signature = (pod, *, version, feature_gates = None, form = Form::STORED), text_signature = "(pod, *, version, feature_gates=None, form='stored')")]
pub(crate) fn pod_qos(pod: &Bound<'_, PyAny>, version: Version, feature_gates: Option<&Bound<'_, PyAny>>, form: Form) -> PyResult<String> {
    let (pod, gates) = prepared(pod, &version, feature_gates, form)?;
    Ok(qos::pod_qos(&pod, &gates).as_str().to_owned())
}

/// The class out of requests and limits alone, whatever the status says. Upstream's `ComputePodQOS`,
/// `pkg/apis/core/v1/helper/qos/qos.go`.
///
/// Arguments and errors are those of `pod_qos`.
///
/// What surprises: up to 1.36 the sums over the containers decide, since 1.37 each container has a class of its own; from 1.34
/// to 1.36 an empty `spec.resources` makes any pod best effort.
///
/// >>> from trimtab import node
/// >>> def container(request, limit):
/// ...     return {"resources": {"requests": {"cpu": request, "memory": "1Gi"}, "limits": {"cpu": limit, "memory": "1Gi"}}}
/// >>> pod = {"spec": {"containers": [container(1, 2), container(2, 1)]}}
/// >>> node.compute_qos(pod, version="1.36"), node.compute_qos(pod, version="1.37")
/// ('Guaranteed', 'Burstable')
#[pyfunction]
#[pyo3(signature = (pod, *, version, feature_gates = None, form = Form::STORED), text_signature = "(pod, *, version, feature_gates=None, form='stored')")]
pub(crate) fn compute_qos(pod: &Bound<'_, PyAny>, version: Version, feature_gates: Option<&Bound<'_, PyAny>>, form: Form) -> PyResult<&'static str> {
    let (pod, gates) = prepared(pod, &version, feature_gates, form)?;
    Ok(qos::compute_qos(&pod, &gates).as_str())
}

/// What a `POST` of that manifest would store, with everything else that stands in it: requests out of limits, quantities
/// rounded and spelt as the API server does, pod-level resources filled in, fields that the release does not know dropped, and a
/// status of phase and class. The manifest that is given stays as it is.
///
/// What other objects of the cluster add is unknown here: limit ranges, runtime classes, priority classes of one's own, webhooks.
/// Sources: `pkg/apis/core/v1/defaults.go` and `pkg/registry/core/pod/strategy.go`.
///
/// Raises `InvalidInput` (its `path` names the field), `UnsupportedVersion`, `FeatureGateError`.
///
/// >>> from trimtab import node
/// >>> manifest = {"spec": {"containers": [{"name": "app", "image": "nginx", "resources": {"limits": {"cpu": "1000m"}}}]}}
/// >>> stored = node.default_manifest(manifest, version="1.34")
/// >>> stored["spec"]["containers"][0]["resources"]["requests"], stored["spec"]["containers"][0]["image"]
/// ({'cpu': '1'}, 'nginx')
/// >>> stored["status"]
/// {'phase': 'Pending', 'qosClass': 'Burstable'}
#[pyfunction]
#[pyo3(signature = (pod, *, version, feature_gates = None))]
pub(crate) fn default_manifest<'py>(
    pod: &Bound<'py, PyAny>,
    version: Version,
    feature_gates: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let gates = gates(&version, feature_gates)?;
    let manifest = read(pod, POD)?;
    write_dict(pod.py(), &defaults::default_manifest(&manifest, &gates).or_raise()?)
}

/// What that release's API server makes of a pod whenever it decodes one, before the create path: upstream's
/// `SetObjectDefaults_Pod`. Of the manifest only the fields that formulas read come back; `default_manifest` keeps the others.
///
/// Raises `InvalidInput` (its `path` names the field), `UnsupportedVersion`, `FeatureGateError`.
///
/// >>> from trimtab import node
/// >>> pod = {"spec": {"containers": [{"name": "a", "image": "nginx", "resources": {"limits": {"cpu": "1500u"}}}]}}
/// >>> node.set_defaults(pod, version="1.34")["spec"]["containers"]
/// [{'name': 'a', 'resources': {'limits': {'cpu': '2m'}, 'requests': {'cpu': '2m'}}}]
#[pyfunction]
#[pyo3(signature = (pod, *, version, feature_gates = None))]
pub(crate) fn set_defaults<'py>(
    pod: &Bound<'py, PyAny>,
    version: Version,
    feature_gates: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let gates = gates(&version, feature_gates)?;
    let mut read: Pod = read(pod, POD)?;
    defaults::set_defaults(&mut read, &gates);
    write_dict(pod.py(), &read)
}

/// The `oom_score_adj` of one container: how eagerly the kernel kills its processes when memory runs out, mostly from -997 to
/// 1000. Upstream's `GetContainerOOMScoreAdjust`, `pkg/kubelet/qos/policy.go`.
///
/// `memory_capacity` is the node's memory as its kubelet knows it (`MemTotal`, `status.capacity.memory`), in bytes or as a text.
/// `form` is that of `pod_qos`. The container is looked for among the regular, the init and the ephemeral ones, in that order.
///
/// Raises `InvalidInput` where the pod cannot be read, has no such container or no regular one, or the capacity is zero;
/// `UnsupportedVersion`, `FeatureGateError`.
///
/// What surprises: requests from 8Pi on wrap, and from 1.32 to 1.36 containers that ask for more than the pod-level request get
/// values above 1000, which the kernel refuses.
///
/// >>> from trimtab import node
/// >>> pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "resources": {"requests": {"memory": "4Gi"}}}]}}
/// >>> node.oom_score_adj(pod, "app", memory_capacity="16Gi", version="1.34")
/// 750
/// >>> node.oom_score_adj(pod, "ap", memory_capacity="16Gi", version="1.34")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: pod web has no container "ap"; it has app
#[pyfunction]
#[pyo3(signature = (pod, container, *, memory_capacity, version, feature_gates = None, form = Form::STORED), text_signature = "(pod, container, *, memory_capacity, version, feature_gates=None, form='stored')")]
pub(crate) fn oom_score_adj(
    pod: &Bound<'_, PyAny>,
    container: &str,
    memory_capacity: Capacity,
    version: Version,
    feature_gates: Option<&Bound<'_, PyAny>>,
    form: Form,
) -> PyResult<i64> {
    let (pod, gates) = prepared(pod, &version, feature_gates, form)?;
    oom::oom_score_adj(&pod, container, memory_capacity.0, &gates).or_raise()
}

/// The `oom_score_adj` of every container of a pod: regular ones, init containers and sidecars, ephemeral ones.
///
/// Arguments and errors are those of `oom_score_adj`.
///
/// >>> from trimtab import node
/// >>> pod = {"spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
/// ...                 "containers": [{"name": "app", "resources": {"requests": {"memory": "4Gi"}}}]}}
/// >>> for container in node.oom_score_adjs(pod, memory_capacity="16Gi", version="1.34"):
/// ...     print(container.name, container.kind, container.oom_score_adj, container.reason)
/// app Regular 750 Burstable
/// proxy Sidecar 750 Burstable
#[pyfunction]
#[pyo3(signature = (pod, *, memory_capacity, version, feature_gates = None, form = Form::STORED), text_signature = "(pod, *, memory_capacity, version, feature_gates=None, form='stored')")]
pub(crate) fn oom_score_adjs(
    pod: &Bound<'_, PyAny>,
    memory_capacity: Capacity,
    version: Version,
    feature_gates: Option<&Bound<'_, PyAny>>,
    form: Form,
) -> PyResult<Vec<PyContainerOom>> {
    let (pod, gates) = prepared(pod, &version, feature_gates, form)?;
    Ok(wrapped(oom::oom_score_adjs(&pod, memory_capacity.0, &gates).or_raise()?))
}

/// `oom_score_adjs` of many pods of one node, in one call; the lock of the interpreter is released while they are computed.
///
/// Raises what `oom_score_adjs` raises, for the first pod that is wrong; its place in the list is in the `path`.
///
/// >>> from trimtab import node
/// >>> pods = [{"spec": {"containers": [{"name": "a"}]}}, {"spec": {"containers": [{"name": "b"}]}}]
/// >>> [[container.oom_score_adj for container in pod] for pod in node.oom_score_adjs_many(pods, memory_capacity="8Gi", version="1.34")]
/// [[1000], [1000]]
#[pyfunction]
#[pyo3(signature = (pods, *, memory_capacity, version, feature_gates = None, form = Form::STORED), text_signature = "(pods, *, memory_capacity, version, feature_gates=None, form='stored')")]
pub(crate) fn oom_score_adjs_many(
    pods: &Bound<'_, PyAny>,
    memory_capacity: Capacity,
    version: Version,
    feature_gates: Option<&Bound<'_, PyAny>>,
    form: Form,
) -> PyResult<Vec<Vec<PyContainerOom>>> {
    let gates = gates(&version, feature_gates)?;
    let read: Vec<Pod> = read(pods, "the list of pods")?;
    let each = |pod: &Pod| oom::oom_score_adjs(&form.0.stored(pod, &gates), memory_capacity.0, &gates).map(wrapped);
    pods.py().detach(|| read.iter().map(each).collect::<Result<_, _>>()).or_raise()
}

/// The value of a burstable container from plain numbers: its memory request and the node's memory, in bytes or as texts.
///
/// Only the formula, `1000 - 1000 * request / capacity` with its bounds: pod-level resources and sidecars are left out.
/// Source: `GetContainerOOMScoreAdjust`, `pkg/kubelet/qos/policy.go`.
///
/// Raises `InvalidInput`, `UnsupportedVersion`.
///
/// >>> from trimtab import node
/// >>> [node.oom_burstable(request, memory_capacity="16Gi", version="1.34") for request in (0, "1Gi", "16Gi")]
/// [999, 938, 3]
#[pyfunction]
#[pyo3(signature = (memory_request, *, memory_capacity, version))]
pub(crate) fn oom_burstable(memory_request: MemoryBytes, memory_capacity: Capacity, version: Version) -> PyResult<i64> {
    oom::burstable(memory_request.0.get(), memory_capacity.0, &OomRules::at(version.0)).or_raise()
}

/// The fixed values of one release.
///
/// >>> from trimtab import node
/// >>> node.OomRules.at("1.34").guaranteed, node.OomRules.at("1.19").guaranteed, node.OomRules.BEST_EFFORT
/// (-997, -998, 1000)
#[pyclass(name = "OomRules", module = "trimtab.node", frozen, eq)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PyOomRules {
    rules: OomRules,
    version: trimtab::KubeVersion,
}

#[pymethods]
impl PyOomRules {
    /// The rules that hold in `version`.
    #[staticmethod]
    #[pyo3(signature = (version, /))]
    fn at(version: Version) -> Self {
        Self { rules: OomRules::at(version.0), version: version.0 }
    }

    /// The value of best-effort containers.
    #[classattr]
    #[pyo3(name = "BEST_EFFORT")]
    const fn best_effort() -> i64 {
        OomRules::BEST_EFFORT
    }

    /// The value of the kubelet itself, in every release.
    #[classattr]
    #[pyo3(name = "KUBELET")]
    const fn kubelet() -> i64 {
        OomRules::KUBELET
    }

    /// The value of kube-proxy, in every release.
    #[classattr]
    #[pyo3(name = "KUBE_PROXY")]
    const fn kube_proxy() -> i64 {
        OomRules::KUBE_PROXY
    }

    /// The value of guaranteed and of critical pods. Burstable ones get at least 1000 more than it.
    #[getter]
    const fn guaranteed(&self) -> i64 {
        self.rules.guaranteed
    }

    /// The value of the Docker daemon, where the kubelet sets it (up to 1.23), else `None`.
    #[getter]
    const fn docker(&self) -> Option<i64> {
        self.rules.docker
    }

    /// The value of the pod's sandbox, where the kubelet sets it (up to 1.23), else `None`.
    #[getter]
    const fn sandbox(&self) -> Option<i64> {
        self.rules.sandbox
    }

    fn __repr__(&self) -> String {
        format!("OomRules.at('{}')", self.version)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((py.get_type::<Self>().getattr("at")?, (self.version.to_string(),)))
    }
}

/// One container of a pod and its value.
#[pyclass(name = "ContainerOom", module = "trimtab.node", frozen, eq, hash)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PyContainerOom(ContainerOom);

impl Hash for PyContainerOom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.name, self.0.kind, self.0.oom_score_adj, self.0.reason).hash(state);
    }
}

#[pymethods]
impl PyContainerOom {
    /// The container.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Which of the pod's lists it stands in: `"Regular"`, `"Init"`, `"Sidecar"` or `"Ephemeral"`.
    #[getter]
    fn kind<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write(py, &self.0.kind)
    }

    /// What the kubelet hands to the runtime.
    #[getter]
    const fn oom_score_adj(&self) -> i64 {
        self.0.oom_score_adj
    }

    /// Which rule it comes from: `"Critical"`, `"Guaranteed"`, `"BestEffort"` or `"Burstable"`.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write(py, &self.0.reason)
    }

    /// As plain data: `name`, `kind`, `oomScoreAdj`, `reason`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    /// The other way round.
    #[classmethod]
    #[pyo3(signature = (data, /))]
    fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        read(data, "the ContainerOom").map(Self)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let fields = [
            ("name", self.0.name.clone().into_py_any(py)?),
            ("kind", self.kind(py)?.unbind()),
            ("oom_score_adj", self.0.oom_score_adj.into_py_any(py)?),
            ("reason", self.reason(py)?.unbind()),
        ];
        shown(py, "ContainerOom", &fields)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<Self>().getattr("from_dict")?, (self.to_dict(py)?,)))
    }
}

/// What an error calls the manifest.
const POD: &str = "the pod";

/// The argument `form`.
#[derive(Clone, Copy)]
pub(crate) struct Form(PodForm);

impl Form {
    const STORED: Self = Self(PodForm::Stored);
}

impl<'py> FromPyObject<'_, 'py> for Form {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        given.cast::<PyString>()?;
        read(&given, "form").map(Self)
    }
}

/// The argument `memory_capacity`.
pub(crate) struct Capacity(MemoryCapacity);

impl<'py> FromPyObject<'_, 'py> for Capacity {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let bytes: MemoryBytes = given.extract()?;
        Ok(Self(MemoryCapacity::from_bytes(bytes.0.get())))
    }
}

fn prepared(pod: &Bound<'_, PyAny>, version: &Version, feature_gates: Option<&Bound<'_, PyAny>>, form: Form) -> PyResult<(Pod, FeatureGates)> {
    let gates = gates(version, feature_gates)?;
    let mut pod: Pod = read(pod, POD)?;
    if let Cow::Owned(stored) = form.0.stored(&pod, &gates) {
        pod = stored;
    }
    Ok((pod, gates))
}

fn wrapped(lines: Vec<ContainerOom>) -> Vec<PyContainerOom> {
    lines.into_iter().map(PyContainerOom).collect()
}
