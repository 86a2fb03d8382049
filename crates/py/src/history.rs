//! `trimtab.history`: old objects, which of them may go, and their removal. Converts, detaches, asks `trimtab_history_ops`, converts back.

use std::future::Future;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};
use serde_json::{Value, json};
use trimtab::Plan;
use trimtab::apply::Event;
use trimtab::history::live::{Cluster, Journal, Pace};
use trimtab::history::{Error, HistorySeen, Policy, Pruning, plan};
use trimtab::plan::{Domain, Report};

use crate::convert::{read, write, write_dict};
use crate::data_class::data_class;
use crate::error::{OrRaise, Trouble};
use crate::etcd_backup::Moment;
use crate::etcd_file::{Content, Source};
use crate::plan_classes::{EventData, plan_classes};
use crate::version::Version;
use crate::wait::{self, Afterwards};

/// Reads what `kubectl get deployments,replicasets,… -A -o json` printed: a path, or the text as `bytes`. What cannot be read, or is of another kind, stands
/// in `unread` with its reason, and the rest is read.
///
/// Needed: the namespaces (for the cluster's identity), and of each part what it is made of and who owns it: deployments and replicasets; statefulsets,
/// daemonsets, controllerrevisions and pods; cronjobs and jobs; Secrets and ConfigMaps of Helm; events.
///
/// Raises `FileNotFoundError` and its like, `FileError` for a pipe or a directory, and `InvalidInput` for what is no JSON of objects.
///
/// >>> from trimtab import history
/// >>> seen = history.read_dump(b'{"items": [{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"}}]}')
/// >>> seen.counts["jobs"], seen.unread[0]["place"]
/// (0, 'items[0] Service web')
#[pyfunction]
#[pyo3(signature = (dump, /))]
pub(crate) fn read_dump(py: Python<'_>, dump: Content) -> PyResult<PyHistorySeen> {
    let seen = match dump.open()? {
        Source::Bytes(bytes) => py.detach(|| HistorySeen::of_dump(&bytes)),
        Source::File(mut file) => {
            let mut bytes = Vec::new();
            py.detach(|| file.read_to_end(&mut bytes))?;
            py.detach(|| HistorySeen::of_dump(&bytes))
        }
    };
    seen.or_raise().map(PyHistorySeen)
}

data_class! {
    in "trimtab.history";
    /// The history of a cluster, as `read_dump` read it or `Cluster.observe` saw it: plain data, without anything that a Secret holds.
    PyHistorySeen(HistorySeen) as "HistorySeen" {
        /// The uid of the namespace `kube-system`, which tells clusters apart; `None` where it was not seen.
        #[getter]
        fn cluster(&self) -> Option<&str> {
            self.0.cluster.as_deref()
        }

        /// How many objects of each kind were seen.
        #[getter]
        fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.counts())
        }

        /// What could not be read: `place`, `problem` with its kind under `unread`.
        #[getter]
        fn unread<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.unread)
        }

        fn __repr__(&self) -> String {
            let counts = self.0.counts();
            let counts = counts.iter().filter(|(_, count)| **count > 0).map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>();
            format!("<HistorySeen {}>", if counts.is_empty() { "of nothing".to_owned() } else { counts.join(", ") })
        }
    }
}

/// Plans what may go: by the rules of that release's controllers and of Helm, and by limits below them. Pure: the same rows, policy and `now` give the same
/// plan. What stays stands in `held`, each with its reason.
///
/// `policy` is a dict of what differs from the defaults: `parts` (of `"replicaSets"`, `"controllerRevisions"`, `"cronJobs"`, `"jobTtl"`, `"pods"`, `"helm"`,
/// which are the default, `"unownedJobs"`, `"events"`), `namespaces`, `revisions`, `jobs` and `helm` (each with `maxKept`, `maxAge`, `minKept`, `minAge`,
/// `lastKnownGood`: `"kept"`), `incomplete` (`"held"` or `"pruned"`), `unownedJobsOlderThan`, `eventsOlderThan`, `terminatedPodGcThreshold`,
/// `helmHistoryMax`, `blastRadius` (`mostObjects`, `mostPercent`). Ages are durations in hours and
/// less, `"PT720H"` or `"720h"`: not all days are equally long.
///
/// Raises `InvalidInput`; its `path` names the field.
///
/// >>> from trimtab import history
/// >>> seen = history.read_dump(b'''{"items": [
/// ...   {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "c1"}},
/// ...   {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"namespace": "shop", "name": "import", "uid": "j1", "resourceVersion": "7"},
/// ...    "spec": {"ttlSecondsAfterFinished": 60},
/// ...    "status": {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T10:00:00Z"}]}}]}''')
/// >>> plan = history.pruning_plan(seen, version="1.34", now="2026-11-25T11:00:00Z")
/// >>> print(plan.steps[0])
/// Job shop/import: delete: its time to live was over at 2026-11-25T10:01:00Z
#[pyfunction]
#[pyo3(signature = (seen, /, *, version, now, policy = None))]
pub(crate) fn pruning_plan(
    py: Python<'_>,
    seen: &Bound<'_, PyHistorySeen>,
    version: Version,
    now: Moment,
    policy: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyPruningPlan> {
    let policy = read_policy(&version, policy)?;
    let seen = seen.get();
    py.detach(|| plan(&seen.0, &policy, now.0)).or_raise().map(PyPruningPlan)
}

pub(crate) fn read_policy(version: &Version, policy: Option<&Bound<'_, PyAny>>) -> PyResult<Policy> {
    let mut given: Value = match policy {
        Some(policy) => {
            policy.cast::<PyMapping>()?;
            read(policy, "policy")?
        }
        None => json!({}),
    };
    if given.get("version").is_some() {
        return Err(Trouble::unreadable("policy", "version", "it is an argument of its own").into());
    }
    given["version"] = json!(version.0);
    serde_path_to_error::deserialize(given)
        .map_err(|error| Trouble::unreadable("policy", &error.path().to_string(), &error.inner().to_string()).into())
}

/// A cluster within reach, as kubectl would find it. Nothing is asked until `observe`, `dry_run` or `PruningPlan.apply`.
///
/// `kubeconfig` is a path; without one `$KUBECONFIG`, `~/.kube/config` or the pod's own account is taken. `journal` is the file that gets every object before
/// its deletion, mode 0600, since it may hold Secrets; it is needed to apply a plan, and with the same one a plan that was interrupted goes on.
/// `deletes_per_second` is for all `lanes` (1 to 64) together, and `None` is as fast as it goes; after `most_failures` nothing further is begun. Raises
/// `InvalidInput` for numbers that are out of range.
///
/// >>> from trimtab import history
/// >>> history.Cluster("/nowhere/admin.conf")
/// <Cluster /nowhere/admin.conf>
#[pyclass(name = "Cluster", module = "trimtab.history", frozen)]
#[derive(Debug)]
pub(crate) struct PyCluster {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    journal: Option<PathBuf>,
    pace: Pace,
}

#[pymethods]
impl PyCluster {
    #[new]
    #[pyo3(signature = (kubeconfig = None, *, context = None, journal = None, deletes_per_second = Some(10.0), lanes = 4, most_failures = 10),
           text_signature = "(kubeconfig=None, *, context=None, journal=None, deletes_per_second=10.0, lanes=4, most_failures=10)")]
    fn new(
        kubeconfig: Option<PathBuf>,
        context: Option<String>,
        journal: Option<PathBuf>,
        deletes_per_second: Option<f64>,
        lanes: i64,
        most_failures: i64,
    ) -> PyResult<Self> {
        if let Some(rate) = deletes_per_second.filter(|rate| !rate.is_finite() || *rate <= 0.0) {
            return Err(Trouble::out_of_range("deletes_per_second", &rate, "outside of what is above 0 and finite").into());
        }
        let most_lanes = i64::try_from(Pace::MOST_LANES).unwrap_or(i64::MAX);
        let pace =
            Pace { deletes_per_second, lanes: count("lanes", lanes, most_lanes)?, most_failures: count("most_failures", most_failures, i64::MAX)? };
        Ok(Self { kubeconfig, context, journal, pace })
    }

    /// Looks at what the policy's parts are made of, in pages, and changes nothing; of Helm's records only their metadata. What this user may
    /// not list stands in `unread`. `version` and `policy` are those of `pruning_plan`; `progress` is called with a `PruningEvent` for every page.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. Raises `Unreachable` where the API server does not answer, `ClusterError`
    /// where it fails, `InvalidInput` for a kubeconfig or a policy that cannot be used.
    #[pyo3(signature = (*, version, policy = None, progress = None))]
    fn observe(&self, py: Python<'_>, version: Version, policy: Option<&Bound<'_, PyAny>>, progress: Option<Py<PyAny>>) -> PyResult<PyHistorySeen> {
        let policy = read_policy(&version, policy)?;
        let (kubeconfig, context) = (self.kubeconfig.clone(), self.context.clone());
        let seen = wait::run(py, progress, Afterwards::LetGo, |progress| async move {
            let cluster = Cluster::connect(kubeconfig.as_deref(), context.as_deref()).await?;
            cluster.observe(&policy, |page| progress.tell(PyPruningEvent::said(page))).await
        })?;
        seen.or_raise().map(PyHistorySeen)
    }

    /// Asks the API server whether it would carry out a plan, preconditions, admission and rights among it, and deletes nothing. It needs no journal.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. A server that does not answer is a failure in the report.
    #[pyo3(signature = (plan, /, *, progress = None))]
    fn dry_run(&self, py: Python<'_>, plan: &Bound<'_, PyPruningPlan>, progress: Option<Py<PyAny>>) -> PyResult<PyPruningReport> {
        let (plan, pace) = (plan.get().0.clone(), self.pace);
        let (kubeconfig, context) = (self.kubeconfig.clone(), self.context.clone());
        let report = wait::run(py, progress, Afterwards::LetGo, |progress| async move {
            let cluster = Cluster::connect(kubeconfig.as_deref(), context.as_deref()).await?;
            Ok::<_, Error>(cluster.dry_run(&plan, &pace, |told| progress.tell(PyPruningEvent(EventData::of(&told, &plan)))).await)
        })?;
        report.or_raise().map(PyPruningReport)
    }

    fn __repr__(&self) -> String {
        format!("<Cluster {}>", self.kubeconfig.as_ref().map_or_else(|| "by default".to_owned(), |path| path.display().to_string()))
    }
}

/// From 1 to `most`.
fn count(name: &str, count: i64, most: i64) -> Result<NonZeroUsize, Trouble> {
    if count > most {
        return Err(Trouble::out_of_range(name, &count, &format!("above {most}")));
    }
    usize::try_from(count).ok().and_then(NonZeroUsize::new).ok_or_else(|| Trouble::out_of_range(name, &count, "below 1"))
}

impl PyCluster {
    /// Carries out a plan; see `PruningPlan.apply` and `UndoPlan.apply`.
    pub(crate) fn apply<D, E>(
        &self,
        py: Python<'_>,
        plan: Plan<D>,
        callback: Option<Py<PyAny>>,
        afterwards: Afterwards,
        event: fn(EventData<D>) -> E,
    ) -> PyResult<Report<D>>
    where
        D: ByJournal,
        E: for<'py> IntoPyObject<'py>,
    {
        let journal = self.journal.clone().ok_or_else(|| Trouble::missing("journal", "a plan"))?;
        let (kubeconfig, context, pace) = (self.kubeconfig.clone(), self.context.clone(), self.pace);
        let report = wait::run(py, callback, afterwards, |progress| async move {
            let cluster = Cluster::connect(kubeconfig.as_deref(), context.as_deref()).await?;
            D::carry_out(&cluster, &plan, &journal, &pace, |told| progress.tell(event(EventData::of(&told, &plan)))).await
        })?;
        report.or_raise()
    }
}

/// What is carried out on a cluster with a journal.
pub(crate) trait ByJournal: Domain {
    /// Carries out a plan of this domain.
    fn carry_out(
        cluster: &Cluster,
        plan: &Plan<Self>,
        journal: &Path,
        pace: &Pace,
        observer: impl FnMut(Event<'_, Self>) + Send,
    ) -> impl Future<Output = Result<Report<Self>, Error>>;
}

impl ByJournal for Pruning {
    async fn carry_out(
        cluster: &Cluster,
        plan: &Plan<Self>,
        journal: &Path,
        pace: &Pace,
        observer: impl FnMut(Event<'_, Self>) + Send,
    ) -> Result<Report<Self>, Error> {
        let journal = Journal::open(journal)?;
        Ok(cluster.apply(plan, &journal, pace, observer).await)
    }
}

plan_classes! {
    in "trimtab.history"; Pruning; applied to PyCluster as cluster, Afterwards::Finish;
    /// What will be deleted, and why the rest stays. `str()` reads as a transcript; true where there is something to do. Saved with `to_json`, it can be
    /// applied later: what has changed since is left alone.
    plan PyPruningPlan as "PruningPlan";
    /// Carries out the plan and reports one outcome for each step; it never fails as a whole. Each object is read again, its guards are checked, it is
    /// written to the cluster's `journal`, and deleted with its uid and resourceVersion as preconditions.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called with a `PruningEvent`; what it raises ends the call. Either
    /// way nothing is lost: applying the plan again goes on where it ended.
    apply;
    /// What is done: `object` (`kind`, `namespace`, `name`, `uid`, `resourceVersion`), `owner`, `revision`, `why`, `propagation`, `jsonBytes`.
    action;
    step PyPruningStep as "PruningStep";
    held PyPruningHeld as "PruningHeld";
    notice PyPruningNotice as "PruningNotice";
    report PyPruningReport as "PruningReport";
    reported PyPruningReported as "PruningReported";
    event PyPruningEvent as "PruningEvent";
}

impl PyPruningEvent {
    /// Of work that is no plan's.
    const fn said(message: String) -> Self {
        Self(EventData::said(message))
    }
}
