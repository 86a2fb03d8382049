//! `trimtab.history`: why history piles up, and which field ends it. Pure.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab::history;
use trimtab::history::advice::Advice;

use crate::convert::write_dict;
use crate::data_class::{data_class, hash_of};
use crate::history::{PyHistorySeen, read_policy};
use crate::version::Version;

/// Why history piles up in what was seen, the workloads in their order: rollouts that never complete, limits that are none, finished Jobs that nobody
/// removes, releases whose records were never limited, pods that have ended. Pure. `version` and `policy` are those of `pruning_plan`.
///
/// Raises `InvalidInput` for a policy that cannot be read; its `path` names the field.
///
/// >>> import json
/// >>> from trimtab import history
/// >>> def job(name):
/// ...     ended = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T10:00:00Z"}]}
/// ...     metadata = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "7"}
/// ...     return {"kind": "Job", "apiVersion": "batch/v1", "metadata": metadata, "spec": {}, "status": ended}
/// >>> seen = history.read_dump(json.dumps({"items": [job(f"import-{at}") for at in range(12)]}).encode())
/// >>> for advice in history.advice(seen, version="1.34"):
/// ...     print(advice)
/// the cluster: 12 finished Jobs that no CronJob owns and that have no TTL: set spec.ttlSecondsAfterFinished where they are made
#[pyfunction]
#[pyo3(signature = (seen, /, *, version, policy = None))]
pub(crate) fn advice(
    py: Python<'_>,
    seen: &Bound<'_, PyHistorySeen>,
    version: Version,
    policy: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<PyAdvice>> {
    let policy = read_policy(&version, policy)?;
    let seen = seen.get();
    Ok(py.detach(|| history::advice(&seen.0, &policy)).into_iter().map(PyAdvice).collect())
}

data_class! {
    in "trimtab.history";
    /// One cause of history that piles up. `str()` says what to do.
    PyAdvice(Advice) as "Advice" {
        /// Whose: `"Deployment shop/web"`, `"release shop/web"`, `"the cluster"`.
        #[getter]
        fn target(&self) -> &str {
            &self.0.target
        }

        /// What it is: `"neverComplete"`, `"noLimit"`, `"jobsOfNobody"`, `"manyRecords"`, `"tillerRecords"`, `"endedPods"`; its numbers are in `details`.
        #[getter]
        fn cause<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write_dict(py, &self.0.cause)?.as_any().get_item("cause")
        }

        /// What it is and what to do, without whose it is.
        #[getter]
        fn message(&self) -> String {
            self.0.cause.to_string()
        }

        /// Its numbers, with `cause` among them.
        #[getter]
        fn details<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.cause)
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<Advice {}>", self.0)
        }

        fn __hash__(&self) -> u64 {
            hash_of(&self.0)
        }
    }
}
