//! The plain data of `trimtab.etcd`: what was seen, what will be done, what came of it. Each class wraps one Rust value.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use serde::{Deserialize, Serialize};
use trimtab::apply::Event;
use trimtab::etcd::cluster::{Alarms, Compacted, MemberSeen, MemberState, MemberStatus, Quota};
use trimtab::etcd::maintenance::{Maintenance, Notice};
use trimtab::etcd::{ClusterSeen, RescuePlan, RescueReport};
use trimtab::plan::Reported;
use trimtab::{Held, Outcome, Step};

use crate::convert::{read, write, write_dict};
use crate::error::{OrRaise, Trouble};
use crate::etcd::PyEtcd;

/// A frozen class around one value that serde knows: `==`, pickle, `to_dict`, `from_dict`, `to_json`, `from_json`.
macro_rules! data_class {
    ($(#[$doc:meta])* $class:ident($inner:ty) as $name:tt { $($methods:tt)* }) => {
        $(#[$doc])*
        #[pyclass(name = $name, module = "trimtab.etcd", frozen, eq)]
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $class(pub(crate) $inner);

        #[pymethods]
        impl $class {
            $($methods)*

            /// As plain data: dicts, lists, texts, numbers.
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                write_dict(py, &self.0)
            }

            /// The other way round. Raises `InvalidInput`; its `path` names the field.
            #[classmethod]
            #[pyo3(signature = (data, /))]
            fn from_dict(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
                read(data, concat!("the ", $name)).map(Self)
            }

            /// As one line of JSON, to be saved.
            fn to_json(&self) -> PyResult<String> {
                serde_json::to_string(&self.0).map_err(|error| Trouble::unwritable(&error.to_string())).or_raise()
            }

            /// The other way round. Raises `InvalidInput`.
            #[classmethod]
            #[pyo3(signature = (text, /))]
            fn from_json(_class: &Bound<'_, PyType>, text: &str) -> PyResult<Self> {
                serde_json::from_str(text).map_err(|error| Trouble::unreadable(concat!("the ", $name), ".", &error.to_string())).or_raise().map(Self)
            }

            fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyDict>,))> {
                Ok((py.get_type::<Self>().getattr("from_dict")?, (self.to_dict(py)?,)))
            }
        }
    };
}

data_class! {
    /// A whole cluster, as seen at one moment: what `Etcd.observe` gives.
    ///
    /// >>> from trimtab import etcd
    /// >>> seen = etcd.example_out_of_space()
    /// >>> seen.cluster_id, seen.leader, seen.head, seen.quorum
    /// ('cdf818194e3a8c32', '1', 1000, 2)
    /// >>> [(member.name, member.status.db_size_bytes, member.status.quota_bytes) for member in seen.members]
    /// [('m1', 17400000, 16777216), ('m2', 17400000, 16777216), ('m3', 17400000, 16777216)]
    /// >>> etcd.ClusterSeen.from_json(seen.to_json()) == seen
    /// True
    PyClusterSeen(ClusterSeen) as "ClusterSeen" {
        /// The cluster's id, hexadecimal as `etcdctl` shows it.
        #[getter]
        fn cluster_id(&self) -> String {
            self.0.cluster_id.to_string()
        }

        /// Every member of the member list, learners included, by name and then by id.
        #[getter]
        fn members(&self) -> Vec<PyMemberSeen> {
            self.0.members.iter().cloned().map(PyMemberSeen).collect()
        }

        /// The alarms that the cluster lists, each with `member` and `kind` (`"NOSPACE"`, `"CORRUPT"`); `None` where the list was
        /// not to be had, which takes a quorum.
        #[getter]
        fn alarms<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
            match &self.0.alarms {
                Alarms::Listed { list } => write(py, list).map(Some),
                Alarms::Unknown { .. } => Ok(None),
            }
        }

        /// The oldest revision that can be read; 0 where nothing was ever compacted, `None` where that could not be found out.
        #[getter]
        fn compacted(&self) -> Option<i64> {
            match &self.0.compacted {
                Compacted::Below { revision } => Some(*revision),
                Compacted::Unknown { .. } => None,
            }
        }

        /// The revision that kube-apiserver compacted to last; `None` on a young cluster and on one that it does not use.
        #[getter]
        fn compact_rev_key(&self) -> Option<i64> {
            self.0.compact_rev_key
        }

        /// What became of each endpoint that was given: `endpoint`, `member` where one answered, `trouble` where none did.
        #[getter]
        fn endpoints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.endpoints)
        }

        /// The id of the leader that every answering voter names; `None` where they name none or differ.
        #[getter]
        fn leader(&self) -> Option<String> {
            self.0.leader().map(|leader| leader.to_string())
        }

        /// The newest revision that any member has.
        #[getter]
        fn head(&self) -> Option<i64> {
            self.0.head()
        }

        /// How many voters make a quorum.
        #[getter]
        fn quorum(&self) -> usize {
            self.0.quorum()
        }

        fn __repr__(&self) -> String {
            format!("<ClusterSeen {}, {} members>", self.0.cluster_id, self.0.members.len())
        }
    }
}

data_class! {
    /// One member of a cluster.
    PyMemberSeen(MemberSeen) as "MemberSeen" {
        /// Its id, hexadecimal.
        #[getter]
        fn id(&self) -> String {
            self.0.id.to_string()
        }

        /// Its name; empty for a member that was added and never started.
        #[getter]
        fn name(&self) -> &str {
            &self.0.name
        }

        /// Whether it is a learner, which takes no part in quorums and refuses to be defragmented.
        #[getter]
        fn is_learner(&self) -> bool {
            self.0.is_learner
        }

        /// Where clients reach it, as it advertises.
        #[getter]
        fn client_urls(&self) -> Vec<String> {
            self.0.client_urls.clone()
        }

        /// How it answered: `"answers"`, `"defragmenting"`, `"blocked"` or `"silent"`.
        #[getter]
        fn state<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
            write_dict(py, &self.0.state)?.get_item("state")
        }

        /// What it says of itself, where it answers.
        #[getter]
        fn status(&self) -> Option<PyMemberStatus> {
            self.0.status().cloned().map(PyMemberStatus)
        }

        /// Why it does not answer, where it does not: the `error` and its fields.
        #[getter]
        fn trouble<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
            match &self.0.state {
                MemberState::Answers(_) | MemberState::Defragmenting => Ok(None),
                MemberState::Blocked { trouble } | MemberState::Silent { trouble } => write_dict(py, trouble).map(Some),
            }
        }

        /// Name and id, for people.
        fn __str__(&self) -> String {
            self.0.title()
        }

        fn __repr__(&self) -> String {
            format!("<MemberSeen {}>", self.0.title())
        }
    }
}

data_class! {
    /// What a member says of itself; sizes in bytes.
    PyMemberStatus(MemberStatus) as "MemberStatus" {
        /// Its etcd version.
        #[getter]
        fn version(&self) -> &str {
            &self.0.version
        }

        /// The size of its database file; the quota is compared with this one.
        #[getter]
        fn db_size_bytes(&self) -> i64 {
            self.0.db_size_bytes
        }

        /// The part of it that holds data. Errs on the high side, as long as writes are refused.
        #[getter]
        fn db_size_in_use_bytes(&self) -> i64 {
            self.0.db_size_in_use_bytes
        }

        /// Its quota; `None` where it is disabled or unknown, `to_dict()["quota"]` tells which.
        #[getter]
        fn quota_bytes(&self) -> Option<i64> {
            match self.0.quota {
                Quota::Bytes { bytes } => Some(bytes),
                Quota::Disabled | Quota::Unknown { .. } => None,
            }
        }

        /// The newest revision it has.
        #[getter]
        fn revision(&self) -> i64 {
            self.0.revision
        }

        /// The id of the member that it takes for the leader, where it knows one.
        #[getter]
        fn leader(&self) -> Option<String> {
            self.0.leader.map(|leader| leader.to_string())
        }

        /// The raft term.
        #[getter]
        fn raft_term(&self) -> u64 {
            self.0.raft_term
        }

        /// The highest raft index it knows to be committed.
        #[getter]
        fn raft_index(&self) -> u64 {
            self.0.raft_index
        }

        /// The highest raft index it has applied.
        #[getter]
        fn raft_applied_index(&self) -> u64 {
            self.0.raft_applied_index
        }

        /// What it complains about, in its own words.
        #[getter]
        fn errors(&self) -> Vec<String> {
            self.0.errors.clone()
        }

        /// The bytes that no data lives in, as far as the member knows.
        #[getter]
        fn free_bytes(&self) -> i64 {
            self.0.free_bytes()
        }

        /// Whether its database is at or over its quota, so that its next write is refused.
        #[getter]
        fn is_over_quota(&self) -> bool {
            self.0.is_over_quota()
        }

        fn __repr__(&self) -> String {
            format!("<MemberStatus etcd {}, {} bytes>", self.0.version, self.0.db_size_bytes)
        }
    }
}

data_class! {
    /// What will be done, step by step, and what will not be done and why. `str()` reads as a transcript; true where there is
    /// something to do.
    ///
    /// >>> from trimtab import etcd
    /// >>> plan = etcd.rescue_plan(etcd.example_out_of_space(), compact_to="head")
    /// >>> print(plan.notices[0])
    /// compacting from revision 0 to 1000 by name ends list continue tokens and watches that are older than 1000 (410 Gone, they list again)
    /// >>> print(plan.steps[1])
    /// m2 (2): defragment (16.5 MiB now)
    /// >>> etcd.Plan.from_json(plan.to_json()) == plan, bool(plan)
    /// (True, True)
    PyPlan(RescuePlan) as "Plan" {
        /// What the plan is about, for people.
        #[getter]
        fn subject(&self) -> &str {
            &self.0.subject
        }

        /// What whoever applies the plan has to know first.
        #[getter]
        fn notices(&self) -> Vec<PyNotice> {
            self.0.notices.iter().cloned().map(PyNotice).collect()
        }

        /// What is done, in this order.
        #[getter]
        fn steps(&self) -> Vec<PyStep> {
            self.0.steps.iter().cloned().map(PyStep).collect()
        }

        /// What is not done, each with its reason.
        #[getter]
        fn held(&self) -> Vec<PyHeld> {
            self.0.held.iter().cloned().map(PyHeld).collect()
        }

        /// Whether there is no step: nothing to do, or nothing that may be done; `is_blocked` tells which.
        #[getter]
        fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        /// Whether something that the goal needs is held back.
        #[getter]
        fn is_blocked(&self) -> bool {
            self.0.is_blocked()
        }

        /// Carries out the plan on a cluster, step by step, and reports one outcome for each; it never fails as a whole.
        ///
        /// Right before a step the cluster is looked at again: where the effect already holds nothing is done, where a guard
        /// does not hold the step is refused. Refusals and failures end the plan, and a new observation makes the new one.
        ///
        /// Blocks, for as long as defragmentations take; releases the lock of the interpreter and answers Ctrl-C. `progress` is
        /// called with an `Event` when a step begins, has something to say, and ends; what it raises ends the call before
        /// anything else is done. Either way what was begun on a member goes on there, and the next run waits for it.
        ///
        /// Raises only for credentials that cannot be used any more: `TlsError`, `InvalidInput`.
        #[pyo3(signature = (etcd, /, *, progress = None))]
        fn apply(&self, py: Python<'_>, etcd: &Bound<'_, PyEtcd>, progress: Option<Py<PyAny>>) -> PyResult<PyReport> {
            etcd.get().apply(py, self.0.clone(), progress)
        }

        fn __bool__(&self) -> bool {
            !self.0.is_empty()
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<Plan {:?}: {} steps, {} held back>", self.0.subject, self.0.steps.len(), self.0.held.len())
        }
    }
}

data_class! {
    /// One action of a plan and the guards that are checked again right before it.
    PyStep(Step<Maintenance>) as "Step" {
        /// What is acted on, for people.
        #[getter]
        fn target(&self) -> &str {
            &self.0.target
        }

        /// What is done: its name under `action` (`await`, `compact`, `defragment`, `disarm`, `prove`), and its fields.
        #[getter]
        fn action<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.action)
        }

        /// What has to hold right before, in words.
        #[getter]
        fn guards(&self) -> Vec<String> {
            self.0.guards.iter().map(ToString::to_string).collect()
        }

        fn __str__(&self) -> String {
            format!("{}: {}", self.0.target, self.0.action)
        }

        fn __repr__(&self) -> String {
            format!("<Step {}: {}>", self.0.target, self.0.action)
        }
    }
}

data_class! {
    /// Something that is not done, and why.
    PyHeld(Held<Maintenance>) as "Held" {
        /// What is left alone, for people.
        #[getter]
        fn target(&self) -> &str {
            &self.0.target
        }

        /// Why: its name under `reason`, and its numbers.
        #[getter]
        fn reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.reason)
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<Held {}: {}>", self.0.target, self.0.reason)
        }
    }
}

data_class! {
    /// What whoever applies a plan has to know first: an outage, a price.
    PyNotice(Notice) as "Notice" {
        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<Notice {}>", self.0)
        }
    }
}

data_class! {
    /// One outcome per step, in the order of the plan. `str()` reads as a transcript.
    PyReport(RescueReport) as "Report" {
        /// What the plan was about.
        #[getter]
        fn subject(&self) -> &str {
            &self.0.subject
        }

        /// The steps with their outcomes.
        #[getter]
        fn steps(&self) -> Vec<PyReported> {
            self.0.steps.iter().cloned().map(PyReported).collect()
        }

        /// What the plan held back.
        #[getter]
        fn held(&self) -> Vec<PyHeld> {
            self.0.held.iter().cloned().map(PyHeld).collect()
        }

        /// Whether the goal is reached: the effect of every step holds, and nothing that the goal needs was held back.
        #[getter]
        fn is_done(&self) -> bool {
            self.0.is_done()
        }

        /// How many steps acted in this run.
        #[getter]
        fn acted(&self) -> usize {
            self.0.acted()
        }

        /// The first step that was refused or failed, else `None`.
        #[getter]
        fn stopped_at(&self) -> Option<PyReported> {
            self.0.stopped_at().cloned().map(PyReported)
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<Report {:?}: {} steps, {} acted>", self.0.subject, self.0.steps.len(), self.0.acted())
        }
    }
}

data_class! {
    /// A step of a plan and how it ended.
    PyReported(Reported<Maintenance>) as "Reported" {
        /// What was acted on, for people.
        #[getter]
        fn target(&self) -> &str {
            &self.0.target
        }

        /// What was to be done.
        #[getter]
        fn action<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.action)
        }

        /// How it ended: `done` (with `acted`), `refused` (with `guard` and what it `found`), `failed` (with the `failure`) or
        /// `notReached` under `outcome`.
        #[getter]
        fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.outcome)
        }

        fn __str__(&self) -> String {
            format!("{}: {}: {}", self.0.target, self.0.action, self.0.outcome)
        }

        fn __repr__(&self) -> String {
            format!("<Reported {}: {}: {}>", self.0.target, self.0.action, self.0.outcome)
        }
    }
}

data_class! {
    /// What a `progress` callback is told. `str()` is a line for people.
    PyEvent(EventData) as "Event" {
        /// `"begun"`, `"progress"` or `"ended"`.
        #[getter]
        fn event<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.event)
        }

        /// The place of the step in the plan, from 0; `None` while a cluster is observed.
        #[getter]
        fn index(&self) -> Option<usize> {
            self.0.index
        }

        /// The step; `None` while a cluster is observed.
        #[getter]
        fn step(&self) -> Option<PyStep> {
            self.0.step.clone().map(PyStep)
        }

        /// What a long step has to say; `None` unless it is `"progress"`.
        #[getter]
        fn message(&self) -> Option<&str> {
            self.0.message.as_deref()
        }

        /// How the step ended, as in `Reported.outcome`; `None` unless it is `"ended"`.
        #[getter]
        fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
            self.0.outcome.as_ref().map(|outcome| write_dict(py, outcome)).transpose()
        }

        fn __str__(&self) -> String {
            self.0.line()
        }

        fn __repr__(&self) -> String {
            format!("<Event {}>", self.0.line())
        }
    }
}

/// An event that owns what it tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventData {
    event: Kind,
    index: Option<usize>,
    step: Option<Step<Maintenance>>,
    message: Option<String>,
    outcome: Option<Outcome<Maintenance>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Begun,
    Progress,
    Ended,
}

impl EventData {
    /// While a cluster is observed.
    pub(crate) const fn waiting(message: String) -> Self {
        Self { event: Kind::Progress, index: None, step: None, message: Some(message), outcome: None }
    }

    pub(crate) fn of(event: &Event<'_, Maintenance>, plan: &RescuePlan) -> Self {
        let at = |event, index: usize| Self { event, index: Some(index), step: plan.steps.get(index).cloned(), message: None, outcome: None };
        match event {
            Event::Begun { index, .. } => at(Kind::Begun, *index),
            Event::Progress { index, message } => Self { message: Some(message.clone()), ..at(Kind::Progress, *index) },
            Event::Ended { index, outcome } => Self { outcome: Some((*outcome).clone()), ..at(Kind::Ended, *index) },
        }
    }

    fn line(&self) -> String {
        let place = self.index.map(|index| format!("{}. ", index + 1)).unwrap_or_default();
        let target = self.step.as_ref().map(|step| format!("{}: ", step.target)).unwrap_or_default();
        let said = self.step.as_ref().map(|step| step.action.to_string()).unwrap_or_default();
        let said = self.outcome.as_ref().map(ToString::to_string).or_else(|| self.message.clone()).unwrap_or(said);
        format!("{place}{target}{said}")
    }
}
