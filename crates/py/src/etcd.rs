//! `trimtab.etcd`: maintenance of a live etcd. Converts, detaches, asks `trimtab_etcd_ops`, converts back.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};
use trimtab::apply::Site;
use trimtab::etcd::live::{self, Access};
use trimtab::etcd::rescue::{self, CompactTo, RescuePolicy};
use trimtab::etcd::{Error, example};
use trimtab::plan::Domain;
use trimtab::{Plan, Report};

use crate::convert::read;
use crate::error::{OrRaise, Trouble};
use crate::etcd_data::{PyClusterSeen, PyEvent, PyPlan};
use crate::plan_classes::EventData;
use crate::wait::{self, Afterwards};

/// A cluster within reach: endpoints, credentials, deadlines. Nothing is dialled until `observe` or `Plan.apply`.
///
/// `endpoints` are client URLs of one or more members, a text or a list of texts; without a scheme `http` is meant, without a
/// port 2379; the other members are found by the member list. `ca`, `cert` and `key` are PEM as `bytes`, or the path of a PEM
/// file as an `os.PathLike` (`pathlib.Path`); `ca` signed the members' serving certificates, `cert` and `key` are our own.
/// `user` and `password` are an etcd user's, with the role root for anything but looking. `call_deadline` is how many seconds a
/// member may take to answer an ordinary call, `patience` how many an observation waits for a member that is defragmenting.
///
/// Raises `InvalidInput` for an endpoint, certificate or key that cannot be used, `TlsError` where our own certificate is not
/// valid now, `OSError` where a file cannot be read. `repr` shows no key and no password, and it cannot be pickled.
///
/// >>> from trimtab import etcd
/// >>> etcd.Etcd(["https://10.0.0.1:2379", "10.0.0.2"], user="root", password="secret")
/// <Etcd https://10.0.0.1:2379, 10.0.0.2, user "root">
/// >>> etcd.Etcd("ftp://10.0.0.1")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: "ftp://10.0.0.1" is no etcd endpoint: the scheme is ftp, it has to be http or https; write it like https://10.0.0.1:2379
#[pyclass(name = "Etcd", module = "trimtab.etcd", frozen)]
#[derive(Debug)]
pub(crate) struct PyEtcd {
    access: Access,
    shown: String,
}

#[pymethods]
impl PyEtcd {
    #[new]
    #[pyo3(signature = (
        endpoints, *, ca = None, cert = None, key = None, user = None, password = None, call_deadline = 3.0, patience = 60.0
    ))]
    #[expect(clippy::too_many_arguments, reason = "all but one are keywords with a default")]
    fn new(
        endpoints: &Bound<'_, PyAny>,
        ca: Option<Pem>,
        cert: Option<Pem>,
        key: Option<Pem>,
        user: Option<String>,
        password: Option<String>,
        call_deadline: f64,
        patience: f64,
    ) -> PyResult<Self> {
        let given = each_endpoint(endpoints)?;
        let mut access = Access::to(&given).or_raise()?;
        let shown = user.as_ref().map_or_else(String::new, |user| format!(", user {user:?}"));
        if let Some(ca) = ca {
            access = access.with_ca_pem(ca.0).or_raise()?;
        }
        if let Some((cert, key)) = both("cert", cert, "key", key)? {
            access = access.with_client_pem(cert.0, key.0).or_raise()?;
        }
        if let Some((user, password)) = both("user", user, "password", password)? {
            access = access.with_user(user, password);
        }
        access = access.with_call_deadline(seconds("call_deadline", call_deadline)?).with_patience(seconds("patience", patience)?);
        // What is wrong with the credentials is said here, and not only when they are used.
        live::Etcd::new(access.clone()).or_raise()?;
        Ok(Self { access, shown: format!("{}{shown}", given.join(", ")) })
    }

    /// Observes the cluster and changes nothing: members, versions, leader, sizes, quotas, revisions, alarms, and what could
    /// not be seen with its reason. Waits for a member that is defragmenting, up to `patience`.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called with an `Event` while it waits;
    /// what it raises ends the call.
    ///
    /// Raises where no endpoint answered: `Unreachable`, `DeadlineExceeded`, `TlsError`, `AccessDenied` (`Unreachable` where they
    /// failed differently, with all of them in `to_dict()`), `InvalidInput` where endpoints belong to different clusters.
    #[pyo3(signature = (*, progress = None))]
    fn observe(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<PyClusterSeen> {
        let access = self.access.clone();
        let seen = wait::run(py, progress, Afterwards::LetGo, |progress| async move {
            let mut etcd = live::Etcd::new(access)?;
            etcd.observe(&mut |message| progress.tell(PyEvent::said(message))).await
        })?;
        seen.or_raise().map(PyClusterSeen)
    }

    fn __repr__(&self) -> String {
        format!("<Etcd {}>", self.shown)
    }
}

impl PyEtcd {
    /// Carries out a plan; see `Plan.apply` and `SavePlan.apply`.
    pub(crate) fn apply<D, E>(
        &self,
        py: Python<'_>,
        plan: Plan<D>,
        callback: Option<Py<PyAny>>,
        afterwards: Afterwards,
        event: fn(EventData<D>) -> E,
    ) -> PyResult<Report<D>>
    where
        D: Domain,
        live::Etcd: Site<D>,
        E: for<'py> IntoPyObject<'py>,
    {
        let access = self.access.clone();
        let report = wait::run(py, callback, afterwards, |progress| async move {
            let mut etcd = live::Etcd::new(access)?;
            Ok::<_, Error>(plan.apply(&mut etcd, |told| progress.tell(event(EventData::of(&told, &plan)))).await)
        })?;
        report.or_raise()
    }
}

/// Plans the rescue of a cluster that refuses writes for lack of space (`mvcc: database space exceeded`): compact, defragment
/// every member, disarm the alarm, prove it with a write. Pure: the same observation and policy give the same plan.
///
/// A cluster that is not out of space gets an empty plan; so does one that cannot be rescued safely now. The reasons stand in
/// `held`, with their numbers.
///
/// `compact_to` says how much history may go: `"kubernetes"` what Kubernetes itself would have compacted, `"head"` all of it, a
/// number that revision. `max_percent` (1 to 99) is the share of its quota that every database has to stay under afterwards,
/// `max_lag_entries` how many raft entries a member may lag.
///
/// Raises `InvalidInput` for a policy that cannot be followed.
///
/// >>> from trimtab import etcd
/// >>> seen = etcd.example_out_of_space()  # on a real cluster: etcd.Etcd(...).observe()
/// >>> etcd.rescue_plan(seen).is_empty  # the in-use size does not show that defragmentation alone will do
/// True
/// >>> plan = etcd.rescue_plan(seen, compact_to="head")
/// >>> [step.action["action"] for step in plan.steps]
/// ['compact', 'defragment', 'defragment', 'defragment', 'disarm', 'disarm', 'disarm', 'prove']
#[pyfunction]
#[pyo3(signature = (seen, *, compact_to = Until::KUBERNETES, max_percent = 80, max_lag_entries = 1000), text_signature = "(seen, *, compact_to='kubernetes', max_percent=80, max_lag_entries=1000)")]
pub(crate) fn rescue_plan(seen: &Bound<'_, PyClusterSeen>, compact_to: Until, max_percent: i64, max_lag_entries: u64) -> PyResult<PyPlan> {
    let max_percent = u8::try_from(max_percent).map_err(|_| Trouble::out_of_range("max_percent", &max_percent, "from 1 to 99")).or_raise()?;
    let policy = RescuePolicy { compact_to: compact_to.0, max_percent, max_lag_entries };
    rescue::plan(&seen.get().0, &policy).or_raise().map(PyPlan)
}

/// An observation written by hand, for examples and tests: three members of etcd 3.6.16 with a quota of 16 MiB, a tenth full.
///
/// >>> from trimtab import etcd
/// >>> print(etcd.rescue_plan(etcd.example_healthy()))
/// plan: rescue of etcd cluster cdf818194e3a8c32
///   nothing to do
///   held back: cluster: not out of space: no NOSPACE alarm, the fullest database is at 9 % of its quota
/// <BLANKLINE>
#[pyfunction]
pub(crate) fn example_healthy() -> PyClusterSeen {
    PyClusterSeen(example::healthy())
}

/// The same cluster over its quota, with one NOSPACE alarm and an in-use size that is as large as the file.
///
/// >>> from trimtab import etcd
/// >>> etcd.example_out_of_space().alarms
/// [{'member': '2', 'kind': 'NOSPACE'}]
#[pyfunction]
pub(crate) fn example_out_of_space() -> PyClusterSeen {
    PyClusterSeen(example::out_of_space())
}

/// The argument `compact_to`.
pub(crate) struct Until(CompactTo);

impl Until {
    const KUBERNETES: Self = Self(CompactTo::Kubernetes);
}

impl<'py> FromPyObject<'_, 'py> for Until {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(revision) = given.cast::<PyInt>() {
            return Ok(Self(CompactTo::Revision(revision.extract()?)));
        }
        given.cast::<PyString>()?;
        read(&given, "compact_to").map(Self)
    }
}

/// PEM text, or what a file of it holds.
pub(crate) struct Pem(pub(crate) Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for Pem {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(pem) = given.cast::<PyBytes>() {
            return Ok(Self(pem.as_bytes().to_vec()));
        }
        // A text could be either, and a key that is taken for a path would stand in an error.
        if given.is_instance_of::<PyString>() || !given.hasattr("__fspath__")? {
            return Err(PyTypeError::new_err("give PEM as bytes, or the path of a PEM file as a pathlib.Path"));
        }
        let path = given.py().import("pathlib")?.getattr("Path")?.call1((given,))?;
        path.call_method0("read_bytes")?.extract().map(Self)
    }
}

fn each_endpoint(endpoints: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    match endpoints.cast::<PyString>() {
        Ok(one) => Ok(vec![one.to_string_lossy().into_owned()]),
        Err(_) => endpoints.extract(),
    }
}

/// Two arguments that only make sense together.
pub(crate) fn both<T, U>(first_name: &str, first: Option<T>, second_name: &str, second: Option<U>) -> PyResult<Option<(T, U)>> {
    match (first, second) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Trouble::missing(second_name, first_name).into()),
        (None, Some(_)) => Err(Trouble::missing(first_name, second_name).into()),
    }
}

pub(crate) fn seconds(argument: &str, given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given).map_err(|_| Trouble::out_of_range(argument, &given, "from 0 on, in seconds")).or_raise()
}
