//! `trimtab.certs`, findings: of files, of a node, between nodes. Converts, asks `trimtab_certs::finding`, converts back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyType};
use serde_json::Value;
use trimtab::certs::certificate::Certificate;
use trimtab::certs::finding::cluster::{self, Node};
use trimtab::certs::finding::copies::{self, Original};
use trimtab::certs::finding::kubelet::{self, RequestPolicy};
use trimtab::certs::finding::node::NodePolicy;
use trimtab::certs::finding::served::{self, ServedFile};
use trimtab::certs::finding::{Finding, FindingPolicy, findings, textfile};
use trimtab::certs::inspect::Inspection;
use trimtab::certs::kubeadm::observe::{FileSeen, Files};
use trimtab::certs::renewal::NodeSeen;
use trimtab::certs::served::Served;

use crate::certs;
use crate::certs_kubeadm::Named;
use crate::certs_node::PyNodeSeen;
use crate::certs_renew::CertificateDer;
use crate::convert::{read, write, write_dict};
use crate::data_class::hash_of;
use crate::error::OrRaise;
use crate::etcd_backup::Moment;
use crate::etcd_file::{Content, Source};
use crate::version::Version;

/// One thing that is wrong with certificates, keys or what is around them. `str` tells all of it in one line, with what to do.
///
/// >>> from trimtab import certs
/// >>> found = certs.file_findings({"ca.crt": b"nothing"}, now="2026-11-25T00:00:00Z")[0]
/// >>> found.severity, found.finding, found.source
/// ('error', 'unreadable', 'ca.crt')
#[pyclass(name = "Finding", module = "trimtab.certs", frozen, eq)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PyFinding(pub(crate) Finding);

#[pymethods]
impl PyFinding {
    /// How bad it is: `"notice"`, `"warning"`, `"error"`: the last does not work now.
    #[getter]
    fn severity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write(py, &self.0.severity)
    }

    /// What kind it is: `"expired"`, `"namesMissing"`, `"nodesDiffer"`, …
    #[getter]
    fn finding<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write_dict(py, &self.0)?.as_any().get_item("finding")
    }

    /// On which node, where that is known or was said.
    #[getter]
    fn node(&self) -> Option<&str> {
        self.0.place.node.as_deref()
    }

    /// In which file or object.
    #[getter]
    fn source(&self) -> &str {
        &self.0.place.source
    }

    /// Where in it, if it holds more than one thing: `users[admin].client-certificate-data`.
    #[getter]
    fn entry(&self) -> Option<&str> {
        self.0.place.entry.as_deref()
    }

    /// The how manieth certificate there, from 0.
    #[getter]
    const fn position(&self) -> usize {
        self.0.position
    }

    /// Whose certificate, as RFC 4514 writes it; empty where there is none.
    #[getter]
    fn subject(&self) -> &str {
        &self.0.subject
    }

    /// What is wrong and what to do, without the place.
    #[getter]
    fn message(&self) -> String {
        self.0.problem.to_string()
    }

    /// Its numbers and names: what `to_dict` gives of the problem, `finding` with it.
    #[getter]
    fn details<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0.problem)
    }

    /// As plain data: `severity`, `place`, `position`, `subject`, `finding` and the numbers of that kind.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    /// The other way round. Raises `InvalidInput`; its `path` names the field.
    #[classmethod]
    #[pyo3(signature = (data, /))]
    fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        read(data, "the Finding").map(Self)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Finding({})", self.0)
    }

    fn __hash__(&self) -> u64 {
        hash_of(&self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
        Ok((py.get_type::<Self>().getattr("from_dict")?, (self.to_dict(py)?,)))
    }
}

/// What certificates of files say wrongly, or will soon, all of them together: a list of `Finding`, the worst first. Who signed whom is looked for among
/// all files, so give those of the authorities too.
///
/// `files` are paths, which are read, or paths with their contents as `bytes`; PEM, DER, kubeconfigs, a key beside its certificate in one file, as a
/// kubelet keeps them. A `.crt` is looked at with the `.key` beside it, and files of keys alone are passed over. `now` is a `datetime` with a time zone or
/// a text. What ends within `expiring_within_days`, an authority within `authority_expiring_within_days`, and a life longer than `longest_life_days` are
/// told. Releases the lock of the interpreter and answers Ctrl-C. A thousand nodes take less than a second.
///
/// Raises `FileNotFoundError` and its like for a path that cannot be read at all, and `InvalidInput` for a file above 100 MiB. What is in it and cannot be
/// read is a finding.
///
/// >>> from trimtab import certs
/// >>> leaf, key, ca, _ = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> [found.finding for found in certs.file_findings({"a.crt": leaf.der}, now="2026-12-15T00:00:00Z")]
/// ['expiring']
#[pyfunction]
#[pyo3(signature = (files, /, *, now, expiring_within_days = 30, authority_expiring_within_days = 365, longest_life_days = 3653))]
pub(crate) fn file_findings(
    py: Python<'_>,
    files: &Bound<'_, PyAny>,
    now: Moment,
    expiring_within_days: i64,
    authority_expiring_within_days: i64,
    longest_life_days: i64,
) -> PyResult<Vec<PyFinding>> {
    let policy = FindingPolicy { longest_life: days(longest_life_days), ..dates(expiring_within_days, authority_expiring_within_days) };
    let files = match files.cast::<PyMapping>() {
        Ok(_) => files.extract::<Given>()?.0,
        Err(_) => contents(py, &files.extract::<Vec<PathBuf>>()?)?,
    };
    Ok(py.detach(|| shown(findings(&Inspection::of_files(&files), &policy, now.0))))
}

/// After so many files Python may handle its signals: some milliseconds.
const FILES_AT_ONCE: usize = 256;

fn contents(py: Python<'_>, paths: &[PathBuf]) -> PyResult<Files> {
    let mut files = Files::new();
    for some in paths.chunks(FILES_AT_ONCE) {
        py.check_signals()?;
        let read =
            || some.iter().map(|path| Ok((path.to_string_lossy().into_owned(), FileSeen::Contents(content(path)?)))).collect::<PyResult<Vec<_>>>();
        files.extend(py.detach(read)?);
    }
    Ok(files)
}

fn content(path: &Path) -> PyResult<Vec<u8>> {
    match Content::File(path.to_owned()).open()? {
        Source::Bytes(bytes) => Ok(bytes.to_vec()),
        Source::File(file) => certs::contents(file),
    }
}

/// What is there of a node, as `node_findings`, `cluster_findings` and `renewal_plan` take it, without any key. `files` are paths, as
/// kubeadm names them, with their contents as `bytes`. The kubelet's `/var/lib/kubelet/pki/kubelet-client-current.pem` may be among them; that
/// it is a link nobody sees in its contents, and is believed.
///
/// >>> from trimtab import certs
/// >>> seen = certs.node_seen({"/etc/kubernetes/pki/ca.crt": b"no PEM"})
/// >>> list(seen.items), seen.kubelet["state"]
/// (['ca'], {'state': 'notLookedAt'})
#[pyfunction]
#[pyo3(signature = (files, /, *, certificates_dir = "/etc/kubernetes/pki"))]
pub(crate) fn node_seen(py: Python<'_>, files: Given, certificates_dir: &str) -> PyNodeSeen {
    PyNodeSeen(py.detach(|| NodeSeen::of_contents(certificates_dir, &files.0)))
}

/// What is wrong with a node of a control plane, or a worker: dates and chains; whether each certificate may be used for what it is there for
/// and stands for every name by which it is called; keys that are missing, elsewhere or another one's; the kubelet's link and what
/// `kubelet.conf` holds. A list of `Finding`, the worst first.
///
/// `node` are paths with their contents as `bytes`, or what `node_seen` gave. `config` is what `kubeadm_config` gives, or a part of it; without
/// the node's name and address in it both are taken from the node's files, and without `config` only names that hold in every cluster are
/// asked for, and those that the node's kubeconfigs call.
///
/// Raises `InvalidInput`; its `path` names the field. `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> leaf, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> made = certs.renew(leaf, ca=ca, ca_key=ca_key, now="2026-01-01T00:00:00Z")
/// >>> files = {"/etc/kubernetes/pki/apiserver.crt": made.certificate_pem}
/// >>> for found in certs.node_findings(files, version="1.31", now="2026-06-01T00:00:00Z", config={"advertiseAddress": "192.0.2.9"}):
/// ...     print(found.severity, found.finding)
/// error keyMissing
/// error namesMissing
#[pyfunction]
#[pyo3(signature = (node, /, *, version, now, config = None, certificates_dir = "/etc/kubernetes/pki", expiring_within_days = 30,
       authority_expiring_within_days = 365))]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn node_findings(
    py: Python<'_>,
    node: &Bound<'_, PyAny>,
    version: Version,
    now: Moment,
    config: Option<&Bound<'_, PyAny>>,
    certificates_dir: &str,
    expiring_within_days: i64,
    authority_expiring_within_days: i64,
) -> PyResult<Vec<PyFinding>> {
    let policy = policy(version, config, dates(expiring_within_days, authority_expiring_within_days))?;
    let given = OneNode::read(node)?;
    Ok(py.detach(|| shown(given.into_node(certificates_dir).findings(&policy, now.0))))
}

/// What is wrong with the nodes of a cluster, each by itself and beside the others: other authorities, other service account keys, an
/// authority's key on some nodes only. `nodes` are names with what `node_findings` takes, control planes and workers together; a certificate is
/// followed to any authority on any of them. A list of `Finding`, the worst first; time grows with the number of nodes alone.
///
/// Raises `InvalidInput`; its `path` names the field. `UnsupportedVersion`.
///
/// >>> import ssl
/// >>> from trimtab import certs
/// >>> _, _, ca, _ = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> _, _, other, _ = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> ca, other = ({"/etc/kubernetes/pki/ca.crt": ssl.DER_cert_to_PEM_cert(one.der).encode()} for one in (ca, other))
/// >>> nodes = {"a": ca, "b": other, "c": ca}
/// >>> [(found.node, found.finding, found.details["odd"]) for found in certs.cluster_findings(nodes, version="1.31", now="2026-06-01T00:00:00Z")]
/// [('b', 'nodesDiffer', ['b'])]
#[pyfunction]
#[pyo3(signature = (nodes, /, *, version, now, config = None, certificates_dir = "/etc/kubernetes/pki", expiring_within_days = 30,
       authority_expiring_within_days = 365))]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn cluster_findings(
    py: Python<'_>,
    nodes: &Bound<'_, PyAny>,
    version: Version,
    now: Moment,
    config: Option<&Bound<'_, PyAny>>,
    certificates_dir: &str,
    expiring_within_days: i64,
    authority_expiring_within_days: i64,
) -> PyResult<Vec<PyFinding>> {
    let policy = policy(version, config, dates(expiring_within_days, authority_expiring_within_days))?;
    let given = all_nodes(nodes)?;
    Ok(py.detach(|| {
        let nodes: BTreeMap<String, Node> = given.into_iter().map(|(name, node)| (name, node.into_node(certificates_dir))).collect();
        shown(cluster::findings(&nodes, &policy, now.0))
    }))
}

/// What a `KubeletConfiguration`, YAML or JSON as `bytes`, means for the kubelet's certificates: rotation off, a serving certificate that nobody
/// verifies. With `node` (what `node_findings` takes) what is there is told with it. The flags of the kubelet's command line win over the file.
///
/// Raises `InvalidInput`; its `path` names the field.
///
/// >>> from trimtab import certs
/// >>> [found.finding for found in certs.kubelet_findings(b"rotateCertificates: false")]
/// ['rotationOff', 'servingSelfSigned']
#[pyfunction]
#[pyo3(signature = (configuration, /, *, path = "/var/lib/kubelet/config.yaml", node = None))]
pub(crate) fn kubelet_findings(py: Python<'_>, configuration: &[u8], path: &str, node: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<PyFinding>> {
    let node = node.map(OneNode::read).transpose()?.and_then(|node| node.into_node("/etc/kubernetes/pki").seen);
    Ok(py.detach(|| shown(kubelet::of_configuration(path, configuration, node.as_ref()))))
}

/// The signing requests of kubelets that brought no certificate: pending, denied, failed, or approved and not signed, each with its age. `dump`
/// is what `kubectl get csr -o json` prints, as `bytes` or read by `json.load`. Nothing in Kubernetes approves the requests for serving
/// certificates.
///
/// Raises `InvalidInput`.
///
/// >>> from trimtab import certs
/// >>> asked = {"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:w1"}
/// >>> csr = {"metadata": {"name": "csr-7x", "creationTimestamp": "2026-11-25T09:00:00Z"}, "spec": asked}
/// >>> found = certs.signing_request_findings({"items": [csr]}, now="2026-11-25T12:00:00Z")[0]
/// >>> found.node, found.finding, found.details["ageSeconds"]
/// ('w1', 'requestPending', 10800)
#[pyfunction]
#[pyo3(signature = (dump, /, *, now, pending_for_seconds = 60, path = "csr.json"))]
pub(crate) fn signing_request_findings(
    py: Python<'_>,
    dump: &Bound<'_, PyAny>,
    now: Moment,
    pending_for_seconds: i64,
    path: &str,
) -> PyResult<Vec<PyFinding>> {
    let policy = RequestPolicy { pending_for: SignedDuration::from_secs(pending_for_seconds) };
    if let Ok(bytes) = dump.cast::<PyBytes>() {
        let bytes = bytes.as_bytes();
        return Ok(py.detach(|| shown(kubelet::of_requests(path, bytes, &policy, now.0))));
    }
    let dump: Value = read(dump, "the dump")?;
    Ok(py.detach(|| shown(kubelet::of_request_objects(&dump, &policy, now.0))))
}

/// Kubeconfigs that were copied from `original`, the `admin.conf` of a node, and stayed behind: older or expired certificates of the same user under
/// the same authority, and other authorities for the same server. `copies` are paths with their contents as `bytes`; what belongs to other
/// clusters is passed over.
///
/// Raises `InvalidInput` where the original is no kubeconfig or has no certificate in it. A copy that cannot be read is among the findings.
///
/// >>> from trimtab import certs
/// >>> certs.copy_findings(b"kind: Config", {}, now="2026-11-25T00:00:00Z")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: /etc/kubernetes/admin.conf has no certificate of its current context's user in it: give a kubeconfig like kubeadm's admin.conf
#[pyfunction]
#[pyo3(signature = (original, copies, /, *, now, path = "/etc/kubernetes/admin.conf"))]
pub(crate) fn copy_findings(py: Python<'_>, original: &[u8], copies: Given, now: Moment, path: &str) -> PyResult<Vec<PyFinding>> {
    py.detach(|| {
        let original = Original::read(path, original)?;
        let copies = copies.0.iter().filter_map(|(path, file)| match file {
            FileSeen::Contents(bytes) => Some((path.as_str(), bytes.as_slice())),
            FileSeen::Unreadable(_) => None,
        });
        Ok::<_, trimtab::certs::Error>(shown(copies::findings(&original, copies, now.0)))
    })
    .or_raise()
}

/// What is wrong with the certificates that a server showed (`chain`, its own first) beside the file whose certificate it should show; `None`
/// where it is the same. With `item` (`"apiserver"`, `"etcd-server"`, `"etcd-peer"`) it is known what to restart.
///
/// Raises `InvalidInput`, `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> new = certs.renew(old, ca=ca, ca_key=ca_key, now="2026-11-01T00:00:00Z").certificate
/// >>> where = {"path": "/etc/kubernetes/pki/apiserver.crt", "endpoint": "127.0.0.1:6443", "item": "apiserver"}
/// >>> found = certs.served_finding([old], file=new, **where, version="1.31", now="2026-11-02T00:00:00Z")
/// >>> found.finding, found.details["beside"], found.details["user"]["process"]
/// ('servedDiffers', 'older', 'kube-apiserver')
/// >>> certs.served_finding([new], file=new, **where, version="1.31", now="2026-11-02T00:00:00Z") is None
/// True
#[pyfunction]
#[pyo3(signature = (chain, /, *, file, path, endpoint, item = None, version, now))]
pub(crate) fn served_finding(
    chain: Vec<CertificateDer>,
    file: CertificateDer,
    path: &str,
    endpoint: &str,
    item: Option<Named>,
    version: Version,
    now: Moment,
) -> PyResult<Option<PyFinding>> {
    let chain = chain.iter().map(|given| Certificate::from_der(&given.0)).collect::<Result<Vec<_>, _>>().or_raise()?;
    let certificate = Certificate::from_der(&file.0).or_raise()?;
    let file = ServedFile { path, certificate: &certificate, item: item.map(|item| item.0) };
    Ok(served::finding(&Served { chain }, file, endpoint, version.0, now.0).map(PyFinding))
}

/// Findings as a file for the textfile collector of Prometheus' node exporter: how many of each severity, and with `files` (of this machine) or
/// `nodes` (names with files) the dates of every certificate in them.
///
/// >>> from trimtab import certs
/// >>> print(certs.findings_textfile([], now="2026-11-25T00:00:00Z").splitlines()[-1])
/// trimtab_certs_findings{severity="error"} 0
#[pyfunction]
#[pyo3(signature = (findings, /, *, now, files = None, nodes = None))]
pub(crate) fn findings_textfile(
    py: Python<'_>,
    findings: Vec<PyRef<'_, PyFinding>>,
    now: Moment,
    files: Option<Given>,
    nodes: Option<BTreeMap<String, Given>>,
) -> String {
    let findings: Vec<Finding> = findings.iter().map(|finding| finding.0.clone()).collect();
    py.detach(|| {
        let mut inspection = files.map(|files| Inspection::of_files(&files.0)).unwrap_or_default();
        for (name, files) in nodes.unwrap_or_default() {
            inspection.append(Inspection::of_files(&files.0).on_node(&name));
        }
        textfile(&inspection, &findings, now.0)
    })
}

fn shown(found: Vec<Finding>) -> Vec<PyFinding> {
    found.into_iter().map(PyFinding).collect()
}

fn dates(expiring_within_days: i64, authority_expiring_within_days: i64) -> FindingPolicy {
    let (expiring_within, authority_expiring_within) = (days(expiring_within_days), days(authority_expiring_within_days));
    FindingPolicy { expiring_within, authority_expiring_within, ..FindingPolicy::default() }
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_secs(days.saturating_mul(24 * 3600))
}

fn policy(version: Version, config: Option<&Bound<'_, PyAny>>, dates: FindingPolicy) -> PyResult<NodePolicy> {
    let config = config.map(|config| read(config, "the configuration")).transpose()?;
    Ok(NodePolicy { config, dates, ..NodePolicy::new(version.0) })
}

/// An argument: paths with their contents.
pub(crate) struct Given(Files);

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let files: Vec<(String, PyBackedBytes)> = given.cast::<PyMapping>()?.items()?.extract()?;
        Ok(Self(files.into_iter().map(|(path, contents)| (path, FileSeen::Contents(contents.to_vec()))).collect()))
    }
}

/// An argument: the files of a node, or what was observed of it.
enum OneNode {
    Files(Given),
    Seen(Box<NodeSeen>),
}

impl OneNode {
    /// What was observed has parts, and no contents.
    fn read(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(to_dict) = given.getattr_opt("to_dict")? {
            return Ok(Self::Seen(Box::new(read(&to_dict.call0()?, "the node")?)));
        }
        match given.extract::<Given>() {
            Ok(files) => Ok(Self::Files(files)),
            Err(_) => Ok(Self::Seen(Box::new(read(given, "the node")?))),
        }
    }

    fn into_node(self, certificates_dir: &str) -> Node {
        match self {
            Self::Files(files) => Node::of_files(certificates_dir, &files.0),
            Self::Seen(seen) => Node { seen: Some(*seen), ..Node::default() },
        }
    }
}

fn all_nodes(nodes: &Bound<'_, PyAny>) -> PyResult<Vec<(String, OneNode)>> {
    let items: Vec<(String, Bound<'_, PyAny>)> = nodes.cast::<PyMapping>()?.items()?.extract()?;
    items.into_iter().map(|(name, node)| Ok((name, OneNode::read(&node)?))).collect()
}
