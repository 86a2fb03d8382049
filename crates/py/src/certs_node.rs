//! `trimtab.certs`, a node: what is there, and its renewal with everything around it. Converts, detaches, asks `trimtab_certs`, converts back.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tokio::runtime::Handle;
use trimtab::apply::Site;
use trimtab::certs::Error;
use trimtab::certs::kubeadm::Item;
use trimtab::certs::live::{Backup, Node, Recovered, Requested};
use trimtab::certs::pem;
use trimtab::certs::renew::Accepted;
use trimtab::certs::renewal::{NodeSeen, Renew, RenewalPlan, Renewals, example};
use trimtab::plan::Domain;
use trimtab::{Report, Step};

use crate::certs_plan::{KeyChoice, PyRenewalEvent};
use crate::certs_renew::CertificateDer;
use crate::convert::{read, write, write_dict};
use crate::data_class::data_class;
use crate::error::OrRaise;
use crate::etcd_backup::Moment;
use crate::plan_classes::EventData;
use crate::version::Version;
use crate::wait::{self, Afterwards, on_a_thread};

/// A control-plane node's folder of certificates and kubeconfigs, on this machine. Nothing is looked at until a method is called.
///
/// `folder` is, or stands for, `/etc/kubernetes`; `certificates_dir` is kubeadm's `certificatesDir` where that is not `pki` in it;
/// `kubelet_dir` is where the kubelet keeps its own certificates, `/var/lib/kubelet/pki` by default.
///
/// Its methods block, release the lock of the interpreter and answer Ctrl-C. Those that change files lock the folder against other
/// trimtabs (`FileInUse`), replace certificate and key as one, and keep the old ones as `NAME.trimtab-TIME.bak`: killed at any moment, the
/// next `recover` or `RenewalPlan.apply` finds a matching pair or makes one. No private key leaves the disk through them.
///
/// >>> from trimtab import certs
/// >>> certs.Node("/etc/kubernetes")
/// <Node /etc/kubernetes>
#[pyclass(name = "Node", module = "trimtab.certs", frozen)]
#[derive(Debug)]
pub(crate) struct PyNode {
    node: Node,
    folder: PathBuf,
}

#[pymethods]
impl PyNode {
    #[new]
    #[pyo3(signature = (folder = PathBuf::from("/etc/kubernetes"), *, certificates_dir = None, kubelet_dir = None), text_signature = "(folder='/etc/kubernetes', *, certificates_dir=None, kubelet_dir=None)")]
    fn new(folder: PathBuf, certificates_dir: Option<PathBuf>, kubelet_dir: Option<PathBuf>) -> Self {
        let node = Node::new(&folder);
        let node = certificates_dir.into_iter().fold(node, Node::with_certificates_dir);
        let node = kubelet_dir.into_iter().fold(node, Node::with_kubelet_dir);
        Self { node, folder }
    }

    /// Looks at everything and changes nothing: certificates, fingerprints, places and modes, what the kubelet has, replacements that were
    /// interrupted. Follows symbolic links, and keeps no private key. A file that cannot be read is part of the answer.
    ///
    /// Raises `FileError` where there is no such folder, or it may not be entered.
    fn observe(&self, py: Python<'_>) -> PyResult<PyNodeSeen> {
        self.work(py, None, Afterwards::LetGo, |node, _| node.observe()).map(PyNodeSeen)
    }

    /// Finishes every replacement that was interrupted, or takes it back, so that key and certificate belong together again; an empty list
    /// where there was none. Applying a plan does so by itself.
    ///
    /// Raises `FileInUse`; `Interrupted` where somebody else changed the files since, and they do not match; `FileError`, `StorageFull`.
    fn recover(&self, py: Python<'_>) -> PyResult<Vec<PyRecovered>> {
        let recovered = self.work(py, None, Afterwards::Finish, |node, _| node.recover())?;
        Ok(recovered.into_iter().map(PyRecovered).collect())
    }

    /// The old pairs that are kept, by item, the oldest first. They hold private keys and are never removed here: remove them once the new
    /// pair has proven itself. Raises `FileError`.
    fn backups(&self, py: Python<'_>) -> PyResult<Vec<PyBackup>> {
        let backups = self.work(py, None, Afterwards::LetGo, |node, _| node.backups())?;
        Ok(backups.into_iter().map(PyBackup).collect())
    }

    /// Puts an old pair back as carefully as it was replaced. What is there now is kept as another copy, which is given back: rolling back
    /// to that one undoes it. The old certificate may have expired; nothing but that it fits its key is asked of it.
    ///
    /// `progress` is called with a `RenewalEvent`; what it raises is raised here once the pair is in place.
    ///
    /// Raises `InvalidInput` for a copy that is gone, not the item's, or no matching pair; `FileInUse`, `Interrupted`, `FileError`,
    /// `StorageFull`.
    #[pyo3(signature = (backup, /, *, progress = None))]
    fn rollback(&self, py: Python<'_>, backup: &Bound<'_, PyBackup>, progress: Option<Py<PyAny>>) -> PyResult<PyBackup> {
        let backup = backup.get().0.clone();
        self.work(py, progress, Afterwards::Finish, move |node, told| node.rollback(&backup, &mut *told)).map(PyBackup)
    }

    /// Writes a signing request for the successor of `item` (`"apiserver"`, `"admin.conf"`) into `folder`, as `ITEM.csr`, and its new key
    /// beside it as `ITEM.key`, mode 0600, where it stays until the answer comes. For an authority whose key is elsewhere. What is in use is
    /// not touched.
    ///
    /// `key` is `"new"` for a new one of the old one's algorithm, the name of another algorithm, or `"kept"`.
    ///
    /// Raises `FileError`, also where one of the two files is there already; `InvalidInput`, also for an authority; `StorageFull`.
    #[pyo3(signature = (item, /, *, folder, key = KeyChoice::NEW), text_signature = "($self, item, /, *, folder, key='new')")]
    fn request(&self, py: Python<'_>, item: &Bound<'_, PyString>, folder: PathBuf, key: KeyChoice) -> PyResult<PyRequested> {
        let item: Item = read(item, "item")?;
        self.work(py, None, Afterwards::Finish, move |node, _| node.request(item, key.0, &folder)).map(PyRequested)
    }

    /// Takes the authority's answer to the request in `folder`: checks that it is what was asked for and stands under the authority's
    /// certificate here, and puts it in place with its key as carefully as any renewal. Request and key are removed from `folder` then. A
    /// dict as `accept` gives it.
    ///
    /// `answer` is a `Certificate`, or `bytes`, PEM or DER. `progress` is called with a `RenewalEvent`; what it raises is raised here once
    /// the pair is in place.
    ///
    /// Raises `InvalidInput`, which says what to ask the authority for; `FileInUse`, `Interrupted`, `FileError`, `StorageFull`.
    #[pyo3(signature = (item, answer, /, *, folder, progress = None))]
    fn answer<'py>(
        &self,
        py: Python<'py>,
        item: &Bound<'py, PyString>,
        answer: CertificateDer,
        folder: PathBuf,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let item: Item = read(item, "item")?;
        let pem = pem::encode("CERTIFICATE", &answer.0);
        let accepted: Accepted =
            self.work(py, progress, Afterwards::Finish, move |node, told| node.answer(item, &folder, pem.as_bytes(), &mut *told))?;
        write_dict(py, &accepted)
    }

    fn __repr__(&self) -> String {
        format!("<Node {}>", self.folder.display())
    }
}

impl PyNode {
    /// Something that blocks.
    fn work<T, W>(&self, py: Python<'_>, callback: Option<Py<PyAny>>, afterwards: Afterwards, work: W) -> PyResult<T>
    where
        T: Send + 'static,
        W: FnOnce(&Node, &mut (dyn FnMut(String) + Send)) -> Result<T, Error> + Send + 'static,
    {
        let node = self.node.clone();
        let done = wait::run(py, callback, afterwards, |progress| async move {
            on_a_thread(move |told| work(&node, told), &mut |message| progress.tell(PyRenewalEvent::said(message))).await
        })?;
        done.or_raise()
    }

    /// Carries out a plan; see `RenewalPlan.apply`.
    pub(crate) fn apply<E>(
        &self,
        py: Python<'_>,
        plan: RenewalPlan,
        callback: Option<Py<PyAny>>,
        afterwards: Afterwards,
        event: fn(EventData<Renewals>) -> E,
    ) -> PyResult<Report<Renewals>>
    where
        E: for<'py> IntoPyObject<'py>,
    {
        let mut node = OnAThread(self.node.clone());
        wait::run(py, callback, afterwards, |progress| async move {
            plan.apply(&mut node, |told| progress.tell(event(EventData::of(&told, &plan)))).await
        })
    }
}

/// A node whose looks and deeds leave the caller's thread free to answer Ctrl-C. A pair that was begun is finished, and nothing else is begun.
struct OnAThread(Node);

impl Site<Renewals> for OnAThread {
    async fn look(&mut self, step: &Step<Renewals>, progress: &mut (dyn FnMut(String) + Send)) -> Result<NodeSeen, Error> {
        let (mut node, step) = (self.0.clone(), step.clone());
        let (node, seen) = on_a_thread(
            move |told| {
                let seen = Handle::current().block_on(node.look(&step, told));
                (node, seen)
            },
            progress,
        )
        .await;
        self.0 = node;
        seen
    }

    async fn act(&mut self, action: &Renew, progress: &mut (dyn FnMut(String) + Send)) -> Result<(), <Renewals as Domain>::Failure> {
        let (mut node, action) = (self.0.clone(), action.clone());
        on_a_thread(move |told| Handle::current().block_on(node.act(&action, told)), progress).await
    }
}

/// A node to try plans on, without a disk: `node-a` at 192.0.2.10, as kubeadm of this release would have set it up at `made`. For examples and
/// tests.
///
/// >>> from trimtab import certs
/// >>> seen = certs.example_node(version="1.31", made="2026-01-05T00:00:00Z")
/// >>> certs.renewal_plan(seen, version="1.31", now="2026-11-25T12:00:00Z").is_empty  # 41 days are left, and thirty are asked for
/// True
#[pyfunction]
#[pyo3(signature = (*, version, made))]
pub(crate) fn example_node(version: Version, made: Moment) -> PyNodeSeen {
    PyNodeSeen(example::node(version.0, made.0))
}

data_class! {
    in "trimtab.certs";
    /// What was seen of one control-plane node: what `Node.observe` gives. Facts, places and fingerprints, and no private key.
    ///
    /// >>> from trimtab import certs
    /// >>> seen = certs.example_node(version="1.31", made="2026-01-05T00:00:00Z")
    /// >>> seen.folder, seen.has_external_etcd, seen.unfinished, len(seen.items)
    /// ('/etc/kubernetes', False, [], 16)
    /// >>> certs.NodeSeen.from_json(seen.to_json()) == seen
    /// True
    PyNodeSeen(NodeSeen) as "NodeSeen" {
        /// The folder that stands for `/etc/kubernetes`.
        #[getter]
        fn folder(&self) -> &str {
            &self.0.folder
        }

        /// kubeadm's `certificatesDir`, as kubeadm names it.
        #[getter]
        fn certificates_dir(&self) -> &str {
            &self.0.certificates_dir
        }

        /// What certificates, keys and kubeconfigs say: what `kubeadm_pki` gives, and the forecasts take.
        #[getter]
        fn pki<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.pki)
        }

        /// Where each item is, and which one it is, by name: its files with their modes and owners, and fingerprints.
        #[getter]
        fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.items)
        }

        /// What the kubelet has as client, under `state`: `link` (with its dates), `missing`, `regularFile`, `unreadable`.
        #[getter]
        fn kubelet<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.kubelet)
        }

        /// Replacements that were interrupted and not finished yet, each with `item` and `journal`: recover first.
        #[getter]
        fn unfinished<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.unfinished)
        }

        /// Whether etcd is somewhere else: no certificate of a local one is there, and no key of its authority.
        #[getter]
        fn has_external_etcd(&self) -> bool {
            self.0.has_external_etcd()
        }

        fn __repr__(&self) -> String {
            format!("<NodeSeen {}, {} items>", self.0.folder, self.0.items.len())
        }
    }
}

data_class! {
    in "trimtab.certs";
    /// An old pair that is kept beside its successor. It holds a private key.
    PyBackup(Backup) as "Backup" {
        /// Of what: `apiserver`, `admin.conf`.
        #[getter]
        fn item(&self) -> &'static str {
            self.0.item.name()
        }

        /// When it was replaced, UTC, as in the names of the files: `20261125T100112Z`.
        #[getter]
        fn stamp(&self) -> &str {
            &self.0.stamp
        }

        /// Each file's `path` and its copy, `backup`. A key that was kept has no copy.
        #[getter]
        fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.files)
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<Backup {} of {}>", self.0.item, self.0.stamp)
        }
    }
}

data_class! {
    in "trimtab.certs";
    /// A replacement that was interrupted, and what became of it.
    PyRecovered(Recovered) as "Recovered" {
        /// Of what.
        #[getter]
        fn item(&self) -> &'static str {
            self.0.item.name()
        }

        /// `"takenBack"` (the old pair is in place), `"finished"` (the new one is), or `"overtaken"` (somebody else's is).
        #[getter]
        fn outcome<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.outcome)
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<Recovered {}>", self.0)
        }
    }
}

data_class! {
    in "trimtab.certs";
    /// A signing request that was written.
    PyRequested(Requested) as "Requested" {
        /// For what.
        #[getter]
        fn item(&self) -> &'static str {
            self.0.item.name()
        }

        /// The path of the request: what the authority is given.
        #[getter]
        fn request(&self) -> &str {
            &self.0.request
        }

        /// The path of the new key, which stays here; `None` where the old one is kept.
        #[getter]
        fn key(&self) -> Option<&str> {
            self.0.key.as_deref()
        }

        fn __repr__(&self) -> String {
            format!("<Requested {}: {}>", self.0.item, self.0.request)
        }
    }
}
