//! `trimtab.history`: what was deleted, made again out of its journal.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab::Plan;
use trimtab::apply::Event;
use trimtab::history::Error;
use trimtab::history::live::{Backups, Cluster, Pace};
use trimtab::history::undo::Undoing;
use trimtab::plan::Report;

use crate::convert::write_dict;
use crate::data_class::data_class;
use crate::error::OrRaise;
use crate::history::{ByJournal, PyCluster};
use crate::plan_classes::plan_classes;
use crate::wait::Afterwards;

/// Plans to make again what was deleted with this journal: ReplicaSets, ControllerRevisions and records of Helm, each once. Jobs and Pods would run again,
/// and are held back. Reads the journal, asks no cluster, and has nothing of the objects' content in the plan.
///
/// Raises `FileError` where the journal cannot be read, is none, or nothing was deleted with it.
///
/// >>> import tempfile
/// >>> from trimtab import history
/// >>> metadata = '{"namespace": "shop", "name": "web-1", "uid": "r1", "resourceVersion": "7"}'
/// >>> with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as journal:  # of a run on a real cluster: what Cluster had as journal
/// ...     print('{"cluster": "c1"}', file=journal)
/// ...     print('{"backup": {"uid": "r1", "object": {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": %s}}}' % metadata, file=journal)
/// ...     print('{"deleted": "r1"}', file=journal, flush=True)
/// ...     plan = history.undo_plan(journal.name)
/// >>> print(*plan.steps)
/// ReplicaSet shop/web-1: make it again
#[pyfunction]
#[pyo3(signature = (journal, /))]
pub(crate) fn undo_plan(py: Python<'_>, journal: PathBuf) -> PyResult<PyUndoPlan> {
    py.detach(|| Backups::read(&journal).map(|backups| backups.plan())).or_raise().map(PyUndoPlan)
}

impl ByJournal for Undoing {
    async fn carry_out(
        cluster: &Cluster,
        plan: &Plan<Self>,
        journal: &Path,
        pace: &Pace,
        observer: impl FnMut(Event<'_, Self>) + Send,
    ) -> Result<Report<Self>, Error> {
        let backups = Backups::read(journal)?;
        Ok(cluster.undo(plan, &backups, pace, observer).await)
    }
}

plan_classes! {
    in "trimtab.history"; Undoing; applied to PyCluster as cluster, Afterwards::Finish;
    /// What will be made again, and what is not and why. `str()` reads as a transcript; true where there is something to do.
    plan PyUndoPlan as "UndoPlan";
    /// Makes the objects again, out of the `journal` that the cluster has, and reports one outcome for each; it never fails as a whole. Only in the same
    /// cluster, only where nothing has the name, and only under the controller that it had. What is there again is done already.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called with an `UndoEvent`; what it raises ends the call. Either
    /// way nothing is lost: applying the plan again goes on where it ended.
    apply;
    /// What is done: `object` (`kind`, `namespace`, `name`, and the `uid` that it had), `controller`.
    action;
    step PyUndoStep as "UndoStep";
    held PyUndoHeld as "UndoHeld";
    notice PyUndoNotice as "UndoNotice";
    report PyUndoReport as "UndoReport";
    reported PyUndoReported as "UndoReported";
    event PyUndoEvent as "UndoEvent";
}
