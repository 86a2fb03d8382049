//! The plain data of `trimtab.etcd`: what was seen, what will be done, what came of it. Each class wraps one Rust value.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab::etcd::ClusterSeen;
use trimtab::etcd::cluster::{Alarms, Compacted, MemberSeen, MemberState, MemberStatus, Quota};
use trimtab::etcd::maintenance::Maintenance;

use crate::convert::{write, write_dict};
use crate::data_class::data_class;
use crate::etcd::PyEtcd;
use crate::plan_classes::{EventData, plan_classes};
use crate::wait::Afterwards;

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

plan_classes! {
    Maintenance; applied to PyEtcd as etcd, Afterwards::LetGo;
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
    plan PyPlan as "Plan";
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
    apply;
    /// What is done: its name under `action` (`await`, `compact`, `defragment`, `disarm`, `prove`), and its fields.
    action;
    step PyStep as "Step";
    held PyHeld as "Held";
    notice PyNotice as "Notice";
    report PyReport as "Report";
    reported PyReported as "Reported";
    event PyEvent as "Event";
}

impl PyEvent {
    /// Of work that is no plan's.
    pub(crate) const fn said(message: String) -> Self {
        Self(EventData::said(message))
    }
}
