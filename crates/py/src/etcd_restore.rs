//! `trimtab.etcd`, restores: a data directory for a new cluster, from a file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab::etcd_file::EtcdFile;
use trimtab::etcd_file::restore::{self, BumpRevision, InitialCluster, Progress, Restore, RestorePlan, RestoreSeen, Restored};

use crate::convert::{write, write_dict};
use crate::data_class::data_class;
use crate::error::OrRaise;
use crate::etcd_file::{Content, PyVerified, Release, how};
use crate::watch::{self, Watch};

/// How often the caller is told of items that were written.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Proves a file as `verify` does, and gathers what else matters for a restore: members, learners, alarms, leases.
///
/// `file` is the path of a snapshot, or its contents as `bytes`; `data_directory=True` takes the `member/snap/db` of a data directory, whose
/// etcd has to be stopped, and only for want of a snapshot: what stands in its write-ahead log alone is lost. Blocks like `verify`.
///
/// Raises what `verify` raises.
///
/// >>> from trimtab import etcd
/// >>> seen = etcd.restore_observe(etcd.example_snapshot())
/// >>> seen.verified.status.revision, seen.voters, seen.alarms
/// (4, 0, 0)
#[pyfunction]
#[pyo3(signature = (file, /, *, data_directory = false, etcd = None, progress = None))]
pub(crate) fn restore_observe(
    py: Python<'_>,
    file: Content,
    data_directory: bool,
    etcd: Option<Release>,
    progress: Option<Py<PyAny>>,
) -> PyResult<PyRestoreSeen> {
    let source = file.open()?;
    let how = how(data_directory, etcd);
    let seen = watch::run(py, progress, |watch| restore::observe(&EtcdFile::open(watch.over(source))?, &how))?;
    seen.or_raise().map(PyRestoreSeen)
}

/// Plans the data directory of one member of a new cluster; every member gets one, planned from the same file with the same cluster. Pure:
/// the same observation gives the same plan.
///
/// `member` is its `--name`. `initial_cluster` and `initial_cluster_token` are all members with their peer URLs and the cluster's token, as
/// the flags of etcd take them (`"m0=http://10.0.0.1:2380,m1=http://10.0.0.2:2380"`). `bump_revision` (1 or more) lets revisions go on so
/// far above those of the file and marks all before as compacted, so that every watch ends and clients list anew: 1,000,000,000 is what
/// etcd's documentation advises for Kubernetes. `etcd` is the release that will start on it, by default the one that wrote the file.
///
/// Raises `InvalidInput` for a cluster that cannot be, or a member that is not in it.
/// Source: `Restore` in `etcdutl/snapshot/v3_snapshot.go`, etcd 3.6.16.
///
/// >>> from trimtab import etcd
/// >>> seen = etcd.restore_observe(etcd.example_snapshot())
/// >>> plan = etcd.restore_plan(seen, member="m0", initial_cluster="m0=http://10.0.0.1:2380",
/// ...                          initial_cluster_token="etcd-cluster", bump_revision=1_000_000_000)
/// >>> plan.revisions["before"], plan.revisions["after"]
/// (4, 1000000004)
#[pyfunction]
#[pyo3(signature = (seen, /, *, member, initial_cluster, initial_cluster_token, bump_revision = None, etcd = None))]
pub(crate) fn restore_plan(
    seen: &Bound<'_, PyRestoreSeen>,
    member: &str,
    initial_cluster: &str,
    initial_cluster_token: &str,
    bump_revision: Option<i64>,
    etcd: Option<Release>,
) -> PyResult<PyRestorePlan> {
    let cluster = InitialCluster::parse(initial_cluster, initial_cluster_token).or_raise()?;
    let bump_revision = bump_revision.map(BumpRevision::by).transpose().or_raise()?;
    let restore = Restore { cluster, bump_revision, etcd: etcd.map(|etcd| etcd.0) };
    restore::plan(&seen.get().0, &restore, member).or_raise().map(PyRestorePlan)
}

data_class! {
    /// A proven file, and what stands in it besides keys: what `restore_observe` gives.
    PyRestoreSeen(RestoreSeen) as "RestoreSeen" {
        /// What its verification said.
        #[getter]
        fn verified(&self) -> PyVerified {
            PyVerified(self.0.verified.clone())
        }

        /// The length of the file in bytes.
        #[getter]
        const fn file_bytes(&self) -> u64 {
            self.0.file_bytes
        }

        /// bbolt's last transaction in it.
        #[getter]
        const fn transaction(&self) -> u64 {
            self.0.transaction
        }

        /// How many voters the old cluster had, as far as this member knew.
        #[getter]
        const fn voters(&self) -> u64 {
            self.0.voters
        }

        /// How many learners, which are not restored.
        #[getter]
        const fn learners(&self) -> u64 {
            self.0.learners
        }

        /// How many alarms are raised, which are kept.
        #[getter]
        const fn alarms(&self) -> u64 {
            self.0.alarms
        }

        /// How many leases there are.
        #[getter]
        const fn leases(&self) -> u64 {
            self.0.leases
        }

        /// Whether a downgrade of the cluster was enabled.
        #[getter]
        const fn is_downgrading(&self) -> bool {
            self.0.is_downgrading
        }

        fn __repr__(&self) -> String {
            format!("<RestoreSeen revision {}, {} bytes>", self.0.verified.status.revision, self.0.file_bytes)
        }
    }
}

data_class! {
    /// What will be written for one member. `str()` reads as a transcript.
    ///
    /// >>> import pathlib, tempfile
    /// >>> from trimtab import etcd
    /// >>> snapshot = etcd.example_snapshot()
    /// >>> plan = etcd.restore_plan(etcd.restore_observe(snapshot), member="m0", initial_cluster="m0=http://10.0.0.1:2380",
    /// ...                          initial_cluster_token="etcd-cluster", bump_revision=1000)
    /// >>> with tempfile.TemporaryDirectory() as folder:
    /// ...     restored = plan.apply(snapshot, pathlib.Path(folder, "etcd"))
    /// ...     etcd.verify(pathlib.Path(restored.data_dir, "member/snap/db"), data_directory=True).status.revision
    /// 1004
    PyRestorePlan(RestorePlan) as "RestorePlan" {
        /// The member whose data directory it is, by its name.
        #[getter]
        fn member(&self) -> &str {
            self.0.member.name()
        }

        /// The members of the new cluster: `id`, `name`, `peerURLs` each.
        #[getter]
        fn members<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, self.0.cluster.members())
        }

        /// The id of the new cluster, hexadecimal.
        #[getter]
        fn cluster_id(&self) -> String {
            self.0.cluster.id().to_string()
        }

        /// The release whose layout is written.
        #[getter]
        fn etcd(&self) -> String {
            self.0.etcd.to_string()
        }

        /// What the file is known by again; applying the plan to another one is refused.
        #[getter]
        fn source<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.source)
        }

        /// The store's revision and what is compacted: `before`, `after`, `compactedBefore`, `compactedAfter`.
        #[getter]
        fn revisions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.revisions)
        }

        /// What is written: `path` relative to the data directory, and `contents` in words.
        #[getter]
        fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.files)
        }

        /// What whoever applies the plan has to know, in words; `to_dict()` has their numbers.
        #[getter]
        fn notices(&self) -> Vec<String> {
            self.0.notices.iter().map(ToString::to_string).collect()
        }

        /// Writes the data directory from the file that the plan was made for, a path or `bytes`. Nothing is overwritten: `data_dir` is not
        /// there yet, or an empty folder. All of it is on the disk before it comes under its name; a call that fails or is ended leaves nothing.
        /// Folders get the mode 0700, files 0600, the owner is whoever runs it.
        ///
        /// Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called with an `Event` every second; what it raises
        /// ends the call.
        ///
        /// Raises `AlreadyExists` for a destination with something in it, `FileError` where it cannot be written, `InvalidInput` for another file
        /// than the plan's, and what `verify` raises.
        #[pyo3(signature = (file, data_dir, /, *, progress = None))]
        fn apply(&self, py: Python<'_>, file: Content, data_dir: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<PyRestored> {
            let source = file.open()?;
            let restored = watch::run(py, progress, |watch| {
                let file = EtcdFile::open(watch.over(source))?;
                self.0.apply(&file, &data_dir, &mut told(watch))
            })?;
            restored.or_raise().map(PyRestored)
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<RestorePlan of {}, revision {}>", self.0.member.name(), self.0.revisions.after)
        }
    }
}

/// Items come by the thousand: they are told every now and then.
fn told(watch: &Watch) -> impl FnMut(Progress) {
    let mut last: Option<Instant> = None;
    move |progress| match progress {
        Progress::Writing { items, of_items } => {
            if last.is_none_or(|last| last.elapsed() >= TOLD_EVERY) {
                watch.tell(format!("written {items} of {of_items} items"));
                last = Some(Instant::now());
            }
        }
        Progress::Proving => watch.tell("proving the file".to_owned()),
        Progress::Syncing => watch.tell("waiting for the disk".to_owned()),
    }
}

data_class! {
    /// A data directory that is there: what `RestorePlan.apply` gives.
    PyRestored(Restored) as "Restored" {
        /// What was planned, and done.
        #[getter]
        fn plan(&self) -> PyRestorePlan {
            PyRestorePlan(self.0.plan.clone())
        }

        /// Where, as it was given.
        #[getter]
        fn data_dir(&self) -> String {
            self.0.data_dir.display().to_string()
        }

        /// The length of the new database in bytes.
        #[getter]
        const fn database_bytes(&self) -> u64 {
            self.0.database_bytes
        }

        /// What earlier runs had left that were killed; it was removed.
        #[getter]
        fn removed(&self) -> Vec<String> {
            self.0.removed.iter().map(|path| path.display().to_string()).collect()
        }

        fn __repr__(&self) -> String {
            format!("<Restored {} in {}, {} bytes>", self.0.plan.member.name(), self.0.data_dir.display(), self.0.database_bytes)
        }
    }
}
