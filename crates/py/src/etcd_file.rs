//! `trimtab.etcd`, the files: converts, detaches, asks `trimtab_etcd_file`, converts back.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};
use serde::Serialize;
use trimtab::etcd_file::{Amounts, Error, EtcdFile, EtcdVersion, HashKv, KeyspaceQuery, KeyspaceReport, ReadAt, Status, Verified, Verify, example};

use crate::convert::{write, write_dict};
use crate::data_class::{data_class, hash_of};
use crate::error::{OrRaise, Trouble};
use crate::watch;

/// Proves an etcd database file of etcd 3.4 to 3.7, and tells what it holds: its SHA-256, its tree, the order of its keys, every value, its
/// revisions.
///
/// `file` is the path of a snapshot, or its contents as `bytes`. `data_directory=True` takes the `member/snap/db` of a data directory
/// instead, which has no SHA-256: then everything that etcd never writes is an error, and a changed byte within a value shows only in the
/// hashes. `etcd` is the release whose rules `hash_kv` follows (`"3.5.35"`), by default the newest patch of the minor that wrote the file.
///
/// Memory: the live keys, whatever the file's size. Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called
/// with an `Event` every second.
///
/// Raises `BrokenFile` for a file that is no sound etcd database, or of a release that is not known (the message names page and offset of
/// the first fault), `FileInUse` where it is written meanwhile, `FileError` where it cannot be read, `OSError` (`FileNotFoundError`) where it cannot be opened.
/// Source of the numbers: `etcdutl/snapshot/v3_snapshot.go`, etcd 3.6.16.
///
/// >>> from trimtab import etcd
/// >>> snapshot = etcd.example_snapshot()
/// >>> verified = etcd.verify(snapshot)
/// >>> verified.status.revision, verified.status.total_key, verified.etcd
/// (4, 2, '3.6')
/// >>> etcd.verify(snapshot[:-1])
/// Traceback (most recent call last):
/// trimtab.exceptions.BrokenFile: no SHA-256 at its end: expected 16416 bytes, 32 of them the checksum, found 16415; a snapshot that was cut, or the file of a data directory
#[pyfunction]
#[pyo3(signature = (file, /, *, data_directory = false, etcd = None, progress = None))]
pub(crate) fn verify(
    py: Python<'_>,
    file: Content,
    data_directory: bool,
    etcd: Option<Release>,
    progress: Option<Py<PyAny>>,
) -> PyResult<PyVerified> {
    let source = file.open()?;
    let how = how(data_directory, etcd);
    watch::run(py, progress, |watch| EtcdFile::open(watch.over(source))?.verify(&how))?.or_raise().map(PyVerified)
}

/// What a server of this release would answer to HashKV at `revision`; at the last one where it is none.
///
/// `file` is the path of a snapshot or of a data directory's `member/snap/db`, or the contents as `bytes`. Nothing is verified beyond what
/// is read: `verify` does that. `etcd` is the server's release (`"3.5.35"`), since patches differ at a tombstone; by default the newest patch
/// of the minor that wrote the file. Blocks like `verify`.
///
/// Raises `InvalidInput` for a revision that is compacted or not there yet, and what `verify` raises.
/// Source: `server/storage/mvcc/hash.go`, etcd 3.6.16.
///
/// >>> from trimtab import etcd
/// >>> at_three = etcd.hash_kv(etcd.example_snapshot(), revision=3, etcd="3.6.16")
/// >>> at_three.revision, at_three.compact_revision
/// (3, -1)
/// >>> etcd.hash_kv(etcd.example_snapshot(), revision=5)
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: revision 5 is not in the file: it ends with 4
#[pyfunction]
#[pyo3(signature = (file, /, *, revision = None, etcd = None, progress = None))]
pub(crate) fn hash_kv(
    py: Python<'_>,
    file: Content,
    revision: Option<i64>,
    etcd: Option<Release>,
    progress: Option<Py<PyAny>>,
) -> PyResult<PyHashKv> {
    let source = file.open()?;
    let hashed = watch::run(py, progress, |watch| {
        let file = EtcdFile::open(watch.over(source))?;
        let etcd = etcd.map_or_else(|| file.written_by(), |etcd| Ok(etcd.0))?;
        file.hash_kv(revision, etcd)
    })?;
    hashed.or_raise().map(PyHashKv)
}

/// Counts what fills an etcd, in one pass over a file: by resource, namespace and prefix, with the largest values, the most rewritten keys,
/// leases, and what a compaction and a defragmentation would give back. Names of objects stand in it, their contents never do.
///
/// `file` is the path of a snapshot or of a data directory's `member/snap/db`, or the contents as `bytes`. Nothing is verified beyond what
/// is read. `compaction_at` is the revision of the compaction that is forecast, by default the last one; `top` how many keys each list
/// has; `prefixes` where Kubernetes' layout is expected beside `/registry`, `/kubernetes.io` and `/openshift.io` (kube-apiserver's
/// `--etcd-prefix`); `etcd` the release whose rules the compaction follows. Memory: the live keys. Blocks like `verify`.
///
/// Raises `InvalidInput` for a compaction that a server would refuse, and what `verify` raises.
///
/// >>> from trimtab import etcd
/// >>> report = etcd.keyspace(etcd.example_snapshot())
/// >>> [(row["name"], row["liveKeys"], row["historyRows"]) for row in report.resources]  # pandas.DataFrame(report.resources)
/// [('pods', 2, 1)]
/// >>> report.most_rewritten_keys[0]["key"], report.forecast["removedRows"]
/// ('/registry/pods/default/a', 1)
#[pyfunction]
#[pyo3(signature = (file, /, *, compaction_at = None, top = 20, prefixes = Vec::new(), etcd = None, progress = None), text_signature = "(file, /, *, compaction_at=None, top=20, prefixes=(), etcd=None, progress=None)")]
pub(crate) fn keyspace(
    py: Python<'_>,
    file: Content,
    compaction_at: Option<i64>,
    top: usize,
    prefixes: Vec<String>,
    etcd: Option<Release>,
    progress: Option<Py<PyAny>>,
) -> PyResult<PyKeyspaceReport> {
    let mut query = prefixes.iter().fold(KeyspaceQuery::new().with_top(top), |query, prefix| query.with_prefix(prefix));
    if let Some(revision) = compaction_at {
        query = query.with_compaction_at(revision);
    }
    if let Some(etcd) = etcd {
        query = query.with_etcd(etcd.0);
    }
    let source = file.open()?;
    watch::run(py, progress, |watch| EtcdFile::open(watch.over(source))?.keyspace(&query))?.or_raise().map(PyKeyspaceReport)
}

/// A small snapshot for examples and tests, as etcd 3.6 sends it after three writes to two keys.
///
/// >>> from trimtab import etcd
/// >>> len(etcd.example_snapshot())
/// 16416
#[pyfunction]
pub(crate) fn example_snapshot(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &example::snapshot())
}

/// How a file is verified.
pub(crate) fn how(data_directory: bool, etcd: Option<Release>) -> Verify {
    let how = if data_directory { Verify::data_directory() } else { Verify::snapshot() };
    match etcd {
        Some(etcd) => how.with_etcd(etcd.0),
        None => how,
    }
}

data_class! {
    /// A file that was proven, and what it holds: what `verify` gives.
    ///
    /// >>> from trimtab import etcd
    /// >>> verified = etcd.verify(etcd.example_snapshot())
    /// >>> verified.page_size, verified.pages, verified.free_pages, verified.irregularity
    /// (4096, 4, 0, None)
    PyVerified(Verified) as "Verified" {
        /// The SHA-256 over the database, hexadecimal; `None` for the file of a data directory.
        #[getter]
        fn sha256(&self) -> Option<String> {
            self.0.sha256.map(|sha256| sha256.to_string())
        }

        /// What `snapshot status` says.
        #[getter]
        fn status(&self) -> PyStatus {
            PyStatus(self.0.status.clone())
        }

        /// HashKV at the last revision.
        #[getter]
        fn hash_kv(&self) -> PyHashKv {
            PyHashKv(self.0.hash_kv)
        }

        /// The etcd whose rules `hash_kv` follows.
        #[getter]
        fn etcd(&self) -> String {
            self.0.etcd.to_string()
        }

        /// The size of a page in bytes.
        #[getter]
        const fn page_size(&self) -> u64 {
            self.0.page_size
        }

        /// How many pages the file has.
        #[getter]
        const fn pages(&self) -> u64 {
            self.0.pages
        }

        /// How many of them a defragmentation would give back.
        #[getter]
        const fn free_pages(&self) -> u64 {
            self.0.free_pages
        }

        /// What bbolt or etcd would not have written, in a file whose SHA-256 is right all the same: the member had it so. `None` mostly.
        #[getter]
        fn irregularity<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
            self.0.irregularity.as_ref().map(|error| write_dict(py, error)).transpose()
        }

        fn __hash__(&self) -> u64 {
            hash_of(&self.0)
        }

        fn __repr__(&self) -> String {
            let Verified { status, etcd, .. } = &self.0;
            format!("<Verified etcd {etcd}, revision {}, {} keys, {} bytes>", status.revision, status.total_key, status.total_size_bytes)
        }
    }
}

data_class! {
    /// The numbers of `etcdutl snapshot status`.
    ///
    /// >>> from trimtab import etcd
    /// >>> status = etcd.verify(etcd.example_snapshot()).status
    /// >>> status.total_key, status.items, status.version
    /// (2, 6, None)
    PyStatus(Status) as "Status" {
        /// CRC-32C over all buckets. It differs between members and after a restore: compare it only with itself. `etcdctl` prints it in
        /// hexadecimal digits.
        #[getter]
        const fn hash(&self) -> u32 {
            self.0.hash
        }

        /// The revision of the last row; 0 where there is none.
        #[getter]
        const fn revision(&self) -> i64 {
            self.0.revision
        }

        /// The revision that a server has on this file: at least that of the last compaction, and 1 in an empty one.
        #[getter]
        const fn current_revision(&self) -> i64 {
            self.0.current_revision
        }

        /// The live keys: `totalKey` of etcd 3.6 and 3.7.
        #[getter]
        const fn total_key(&self) -> u64 {
            self.0.total_key
        }

        /// The items of all buckets, history and etcd's own included: `totalKey` of etcd 3.4 and 3.5.
        #[getter]
        const fn items(&self) -> u64 {
            self.0.items
        }

        /// Pages times page size in bytes, without the SHA-256: `totalSize`.
        #[getter]
        const fn total_size_bytes(&self) -> u64 {
            self.0.total_size_bytes
        }

        /// The storage version, from etcd 3.6 on (`"3.6.0"`).
        #[getter]
        fn version(&self) -> Option<&str> {
            self.0.version.as_deref()
        }

        fn __hash__(&self) -> u64 {
            hash_of(&self.0)
        }

        fn __repr__(&self) -> String {
            let Status { hash, revision, total_key, total_size_bytes, .. } = &self.0;
            format!("<Status {hash:x}, revision {revision}, {total_key} keys, {total_size_bytes} bytes>")
        }
    }
}

data_class! {
    /// A HashKV and what it was taken over. Two of them say something about each other only where both revisions are equal.
    PyHashKv(HashKv) as "HashKv" {
        /// CRC-32C.
        #[getter]
        const fn hash(&self) -> u32 {
            self.0.hash
        }

        /// The revision up to which rows were hashed: upstream's `hash_revision`.
        #[getter]
        const fn revision(&self) -> i64 {
            self.0.revision
        }

        /// The revision of the last compaction; -1 where there never was one.
        #[getter]
        const fn compact_revision(&self) -> i64 {
            self.0.compact_revision
        }

        fn __hash__(&self) -> u64 {
            hash_of(&self.0)
        }

        fn __repr__(&self) -> String {
            let HashKv { hash, revision, compact_revision } = self.0;
            format!("<HashKv {hash} at revision {revision}, compacted at {compact_revision}>")
        }
    }
}

data_class! {
    /// What fills an etcd, counted from one file: what `keyspace` gives. `str()` is a table for people.
    ///
    /// Tables are lists of dicts, the most bytes first, so `pandas.DataFrame(report.resources)` or `polars.DataFrame(report.resources)` takes
    /// them. Amounts are rows and bytes: `liveKeys` and `liveBytes`, `historyRows` and `historyBytes`, `tombstones` and `tombstoneBytes`,
    /// `slackBytes` (what stays empty in pages), `compactableRows` and `compactableBytes` (what the compaction would remove), and their sums
    /// `rows` and `bytes`.
    ///
    /// >>> from trimtab import etcd
    /// >>> report = etcd.keyspace(etcd.example_snapshot())
    /// >>> report.total["rows"], report.namespaces[0]["namespace"], report.prefixes[0]["prefix"]
    /// (3, 'default', '/registry')
    /// >>> print(str(report).splitlines()[0])
    /// etcd 3.6, revision 4, never compacted
    PyKeyspaceReport(KeyspaceReport) as "KeyspaceReport" {
        /// The etcd whose rules the forecast follows.
        #[getter]
        fn etcd(&self) -> String {
            self.0.etcd.to_string()
        }

        /// The revision that a server has on this file.
        #[getter]
        const fn revision(&self) -> i64 {
            self.0.revision
        }

        /// Of the last compaction; -1 where there never was one.
        #[getter]
        const fn compact_revision(&self) -> i64 {
            self.0.compact_revision
        }

        /// The amounts of all keys.
        #[getter]
        fn total<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            with_sums(write_dict(py, &self.0.total)?, &self.0.total)
        }

        /// Amounts by resource: `name` as kubectl writes it (`"widgets.example.com"`), `prefix`, `path`, `group`, `resource`, the `encodings`
        /// of its values, and its `namespaces`.
        #[getter]
        fn resources<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
            let named = |report: &trimtab::etcd_file::ResourceReport| {
                let row = PyDict::new(py);
                row.set_item("name", report.name())?;
                row.update(write_dict(py, report)?.as_mapping())?;
                with_sums(row, &report.amounts)
            };
            self.0.resources.iter().map(named).collect()
        }

        /// Amounts by `namespace` over all resources; `None` for objects of the cluster, and for keys that are not Kubernetes'.
        #[getter]
        fn namespaces<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
            table(py, &self.0.namespaces, |report| &report.amounts)
        }

        /// Amounts by `prefix`; empty for keys that are no paths.
        #[getter]
        fn prefixes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
            table(py, &self.0.prefixes, |report| &report.amounts)
        }

        /// The live keys with the largest values: `key`, `live`, `valueBytes`, `revision` of the last change, `version`, and the `revisions` and
        /// `bytes` of it that are in the file.
        #[getter]
        fn largest_values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.largest_values)
        }

        /// The keys with the most revisions in the file; none that was written only once.
        #[getter]
        fn most_rewritten_keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.most_rewritten_keys)
        }

        /// The keys whose revisions take the most bytes in the file together.
        #[getter]
        fn heaviest_keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.heaviest_keys)
        }

        /// The leases: how many, how many without keys, and live keys whose lease is gone.
        #[getter]
        fn leases<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.leases)
        }

        /// All buckets, `key` and etcd's own, in the order of their names.
        #[getter]
        fn buckets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.buckets)
        }

        /// The file by what its pages are used for, in bytes.
        #[getter]
        fn pages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            let pages = write_dict(py, &self.0.pages)?;
            pages.set_item("totalBytes", self.0.pages.total_bytes())?;
            Ok(pages)
        }

        /// What a compaction and a defragmentation would free: `removedRows` and `removedBytes`, the `sizeBytes` of the file now and after
        /// them, and the differences `freedByDefragmentationBytes` and `freedByBothBytes`.
        #[getter]
        fn forecast<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            let forecast = write_dict(py, &self.0.forecast)?;
            forecast.set_item("freedByDefragmentationBytes", self.0.forecast.freed_by_defragmentation_bytes())?;
            forecast.set_item("freedByBothBytes", self.0.forecast.freed_by_both_bytes())?;
            Ok(forecast)
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            let KeyspaceReport { revision, total, resources, .. } = &self.0;
            format!("<KeyspaceReport revision {revision}, {} keys of {} resources>", total.live_keys, resources.len())
        }
    }
}

fn table<'py, R: Serialize>(py: Python<'py>, reports: &[R], amounts: fn(&R) -> &Amounts) -> PyResult<Vec<Bound<'py, PyDict>>> {
    reports.iter().map(|report| with_sums(write_dict(py, report)?, amounts(report))).collect()
}

fn with_sums<'py>(row: Bound<'py, PyDict>, amounts: &Amounts) -> PyResult<Bound<'py, PyDict>> {
    row.set_item("rows", amounts.rows())?;
    row.set_item("bytes", amounts.bytes())?;
    Ok(row)
}

/// The argument `file`: a path, or the contents of a file.
pub(crate) enum Content {
    File(PathBuf),
    Bytes(PyBackedBytes),
}

impl<'py> FromPyObject<'_, 'py> for Content {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if given.is_instance_of::<PyBytes>() || given.is_instance_of::<PyByteArray>() {
            return Ok(Self::Bytes(given.extract()?));
        }
        given.extract().map(Self::File)
    }
}

impl Content {
    /// Opens it for reading. What the system says goes on as Python's own error.
    pub(crate) fn open(self) -> PyResult<Source> {
        let path = match self {
            Self::Bytes(bytes) => return Ok(Source::Bytes(bytes)),
            Self::File(path) => path,
        };
        // A pipe would wait in `open` for whoever writes to it.
        if !fs::metadata(&path).map_err(|error| unopened(&path, &error))?.is_file() {
            return Err(Error::Unopened { path: path.display().to_string(), problem: "it is no regular file".to_owned() }).or_raise();
        }
        File::open(&path).map(Source::File).map_err(|error| unopened(&path, &error))
    }
}

/// `FileNotFoundError` and its like, with the path.
fn unopened(path: &Path, error: &io::Error) -> PyErr {
    let said = error.to_string();
    let said = said.split(" (os error").next().unwrap_or_default().to_owned();
    PyOSError::new_err((error.raw_os_error(), said, path.display().to_string()))
}

/// Where a file's bytes come from.
pub(crate) enum Source {
    File(File),
    Bytes(PyBackedBytes),
}

impl ReadAt for Source {
    fn length(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => file.length(),
            Self::Bytes(bytes) => bytes.as_ref().length(),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(buffer, offset),
            // Beyond the end there is nothing, and to read nothing there is no error: as it is with files.
            Self::Bytes(_) if buffer.is_empty() => Ok(()),
            Self::Bytes(bytes) => bytes.as_ref().read_exact_at(buffer, offset),
        }
    }
}

/// The argument `etcd`: a release, as its text.
pub(crate) struct Release(pub(crate) EtcdVersion);

impl<'py> FromPyObject<'_, 'py> for Release {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = given.cast::<PyString>()?.to_string_lossy().into_owned();
        text.parse().map_err(Trouble::of_argument).or_raise().map(Self)
    }
}
