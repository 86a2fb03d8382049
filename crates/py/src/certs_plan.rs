//! `trimtab.certs`, plans of a renewal: of one node, and of a control plane. Pure, all of it but `apply`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use trimtab::certs::kubeadm::{Config, Item};
use trimtab::certs::renew::{KeyPolicy, Policy};
use trimtab::certs::renewal::cluster::{self, ClusterPlan, NodePlan};
use trimtab::certs::renewal::{self, NodeSeen, RenewalPolicy, Renewals};

use crate::certs_node::{PyNode, PyNodeSeen};
use crate::certs_renew::{Algorithm, told};
use crate::convert::{read, write_dict};
use crate::data_class::data_class;
use crate::error::OrRaise;
use crate::etcd_backup::Moment;
use crate::plan_classes::{EventData, plan_classes};
use crate::version::Version;
use crate::wait::Afterwards;

/// Plans the renewal of what is due on one control-plane node. Pure: the same observation, policy and `now` give the same plan. What is not
/// renewed stands in `held` with its reason; where nothing is due the plan is empty.
///
/// `seen` is what `Node.observe` gave; `version` the release of Kubernetes and kubeadm there; `now` a `datetime` with a time zone, or a text.
/// Due is what has `due_within_hours` left or less, and of that only `items`, by their names (`"apiserver"`, `"admin.conf"`), where they are
/// given. New ones are valid for `validity_hours` and begin `backdate_seconds` before. `key` is `"new"` for a new one of the old one's
/// algorithm, the name of another algorithm, or `"kept"`. `config` is kubeadm's configuration as `kubeadm_config` gives it, for the forecast
/// of kubeadm's own command.
///
/// Raises `InvalidInput` for a policy that cannot be followed.
///
/// >>> from trimtab import certs
/// >>> seen = certs.example_node(version="1.31", made="2026-01-05T00:00:00Z")  # on a real node: certs.Node().observe()
/// >>> plan = certs.renewal_plan(seen, version="1.31", now="2026-12-25T12:00:00Z", items=["apiserver", "scheduler.conf"])
/// >>> [step.target for step in plan.steps]
/// ['apiserver', 'scheduler.conf']
#[pyfunction]
#[pyo3(signature = (
    seen, /, *, version, now, due_within_hours = 720, items = None, validity_hours = 8760, backdate_seconds = 300, key = KeyChoice::NEW, config = None
), text_signature = "(seen, /, *, version, now, due_within_hours=720, items=None, validity_hours=8760, backdate_seconds=300, key='new', config=None)")]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn renewal_plan(
    seen: &Bound<'_, PyNodeSeen>,
    version: Version,
    now: Moment,
    due_within_hours: u32,
    items: Option<&Bound<'_, PyAny>>,
    validity_hours: u32,
    backdate_seconds: u32,
    key: KeyChoice,
    config: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyRenewalPlan> {
    let policy = policy(&version, due_within_hours, items, (validity_hours, backdate_seconds, key), config)?;
    renewal::plan(&seen.get().0, &policy, now.0).or_raise().map(PyRenewalPlan)
}

/// Plans the renewal of a whole control plane: `nodes` are observations by the nodes' names, of one node each. Pure. The node whose certificate
/// ends first comes first; each part is applied on its own node, and the next one is begun only when its `waits` are seen.
///
/// Where the nodes have different certificates of an authority, or sign tokens with different keys, nothing is planned, and `held` says who has
/// what. The other arguments are those of `renewal_plan`.
///
/// Raises `InvalidInput` for a policy that cannot be followed, and for no node.
///
/// >>> from trimtab import certs
/// >>> seen = certs.example_node(version="1.31", made="2026-01-05T00:00:00Z")
/// >>> plan = certs.cluster_plan({"node-a": seen, "node-b": seen}, version="1.31", now="2026-12-25T12:00:00Z", items=["apiserver"])
/// >>> [(node.node, len(node.plan.steps), [wait["wait"] for wait in node.waits]) for node in plan.nodes]
/// [('node-a', 1, ['serves', 'etcdHealthy', 'ready']), ('node-b', 1, ['serves', 'etcdHealthy', 'ready'])]
#[pyfunction]
#[pyo3(signature = (
    nodes, /, *, version, now, due_within_hours = 720, items = None, validity_hours = 8760, backdate_seconds = 300, key = KeyChoice::NEW, config = None
), text_signature = "(nodes, /, *, version, now, due_within_hours=720, items=None, validity_hours=8760, backdate_seconds=300, key='new', config=None)")]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn cluster_plan(
    nodes: BTreeMap<String, Py<PyNodeSeen>>,
    version: Version,
    now: Moment,
    due_within_hours: u32,
    items: Option<&Bound<'_, PyAny>>,
    validity_hours: u32,
    backdate_seconds: u32,
    key: KeyChoice,
    config: Option<&Bound<'_, PyAny>>,
) -> PyResult<PyClusterPlan> {
    let policy = policy(&version, due_within_hours, items, (validity_hours, backdate_seconds, key), config)?;
    let nodes: BTreeMap<String, NodeSeen> = nodes.into_iter().map(|(name, seen)| (name, seen.get().0.clone())).collect();
    cluster::plan(&nodes, &policy, now.0).or_raise().map(PyClusterPlan)
}

fn policy(
    version: &Version,
    due_within_hours: u32,
    items: Option<&Bound<'_, PyAny>>,
    (validity_hours, backdate_seconds, key): (u32, u32, KeyChoice),
    config: Option<&Bound<'_, PyAny>>,
) -> PyResult<RenewalPolicy> {
    let items: Option<BTreeSet<Item>> = items.map(|items| read(items, "items")).transpose()?;
    let config: Option<Config> = config.map(|config| read(config, "config")).transpose()?;
    let renew = Policy {
        validity: SignedDuration::from_hours(validity_hours.into()),
        backdate: SignedDuration::from_secs(backdate_seconds.into()),
        key: key.0,
    };
    let due_within = SignedDuration::from_hours(due_within_hours.into());
    Ok(RenewalPolicy { due_within, items, renew, version: version.0, config })
}

/// The argument `key`: `"new"`, `"kept"`, or the name of an algorithm.
pub(crate) struct KeyChoice(pub(crate) KeyPolicy);

impl KeyChoice {
    pub(crate) const NEW: Self = Self(KeyPolicy::NewSameAlgorithm);
}

impl<'py> FromPyObject<'_, 'py> for KeyChoice {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(match &*given.cast::<PyString>()?.to_string_lossy() {
            "new" => KeyPolicy::NewSameAlgorithm,
            "kept" => KeyPolicy::Kept,
            _ => KeyPolicy::New { algorithm: given.extract::<Algorithm>()?.0 },
        }))
    }
}

plan_classes! {
    in "trimtab.certs"; Renewals; applied to PyNode as node, Afterwards::Finish;
    /// What will be renewed on one node, what has to be restarted, and what is not renewed and why. `str()` reads as a transcript; true where
    /// there is something to do. Saved with `to_json`, it can be applied later: a plan that has become stale is refused.
    ///
    /// >>> from trimtab import certs
    /// >>> seen = certs.example_node(version="1.31", made="2026-01-05T00:00:00Z")
    /// >>> plan = certs.renewal_plan(seen, version="1.31", now="2026-12-25T12:00:00Z", items=["apiserver"])
    /// >>> print(plan.steps[0])
    /// apiserver: renew to 2027-12-25T12:00:00Z (now to 2027-01-05T00:00:00Z, 10d left), new RSA-2048 key, keeps CN=kube-apiserver, 7 names, serverAuth
    /// >>> certs.RenewalPlan.from_json(plan.to_json()) == plan, bool(plan)
    /// (True, True)
    plan PyRenewalPlan as "RenewalPlan";
    /// Carries out the plan on the node, step by step, and reports one outcome for each; it never fails as a whole. Each old pair stays beside
    /// the new one.
    ///
    /// Right before a step the node is looked at again: what an earlier run left half done is finished or taken back, what is renewed already
    /// is done, and what somebody else changed since the plan is refused and left alone, while the others go on. A failure ends the plan.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called with a `RenewalEvent` for each file that is
    /// written; what it raises ends the call. Either way a pair that was begun is finished and nothing else is begun; applying the plan again
    /// goes on where it ended.
    apply;
    /// What is done: `item`, `authority`, `files`, `keeps`, `oldNotAfter`, `notBefore`, `notAfter`, who uses it (`users`) and how each comes
    /// to the new one, and what kubeadm's own command would do (`kubeadm`).
    action;
    step PyRenewalStep as "RenewalStep";
    held PyRenewalHeld as "RenewalHeld";
    notice PyRenewalNotice as "RenewalNotice";
    report PyRenewalReport as "RenewalReport";
    reported PyRenewalReported as "RenewalReported";
    event PyRenewalEvent as "RenewalEvent";
}

impl PyRenewalEvent {
    /// Of work that is no plan's.
    pub(crate) const fn said(message: String) -> Self {
        Self(EventData::said(message))
    }
}

data_class! {
    in "trimtab.certs";
    /// The renewal of a control plane, node after node: what `cluster_plan` gives. `str()` reads as a transcript; true where there is something
    /// to do.
    PyClusterPlan(ClusterPlan) as "ClusterPlan" {
        /// What whoever carries it out has to know first: dicts with `notice`, its fields, and a `message`.
        #[getter]
        fn notices<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
            self.0.notices.iter().map(|notice| told(py, notice)).collect()
        }

        /// The nodes in their order; those with nothing to do are the last.
        #[getter]
        fn nodes(&self) -> Vec<PyNodePlan> {
            self.0.nodes.iter().cloned().map(PyNodePlan).collect()
        }

        /// Why nothing is planned on any node: dicts with `reason`, its fields, and a `message`.
        #[getter]
        fn held<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
            self.0.held.iter().map(|reason| told(py, reason)).collect()
        }

        /// Whether there is no step on any node.
        #[getter]
        fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        /// Whether something that is due is held back: everywhere, or on a node.
        #[getter]
        fn is_blocked(&self) -> bool {
            self.0.is_blocked()
        }

        fn __bool__(&self) -> bool {
            !self.0.is_empty()
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<ClusterPlan: {} nodes, {} reasons to hold everything back>", self.0.nodes.len(), self.0.held.len())
        }
    }
}

data_class! {
    in "trimtab.certs";
    /// What is done on one node of a control plane, and what has to be seen afterwards.
    PyNodePlan(NodePlan) as "NodePlan" {
        /// The node's name, as it was given.
        #[getter]
        fn node(&self) -> &str {
            &self.0.node
        }

        /// What is done there, to be applied there.
        #[getter]
        fn plan(&self) -> PyRenewalPlan {
            PyRenewalPlan(self.0.plan.clone())
        }

        /// What has to be seen before the next node is begun: dicts with `wait` (`restarted`, `serves`, `etcdHealthy`, `ready`), its fields,
        /// and a `message`.
        #[getter]
        fn waits<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
            self.0.waits.iter().map(|wait| told(py, wait)).collect()
        }

        fn __repr__(&self) -> String {
            format!("<NodePlan {}: {} steps, {} waits>", self.0.node, self.0.plan.steps.len(), self.0.waits.len())
        }
    }
}
