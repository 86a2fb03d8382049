//! `trimtab.etcd`, backups: how the next one is taken, what a store holds, which may go. Pure, all of it.

use std::path::PathBuf;

use jiff::Timestamp;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use trimtab::etcd::ClusterId;
use trimtab::etcd::backup::catalog::{Catalog, Found, Verification};
use trimtab::etcd::backup::retention::{self, Retention, RetentionPolicy};
use trimtab::etcd::backup::save::{self, Compare, SavePolicy, Saving, Source};
use trimtab::etcd::backup::{BackupFinding, BackupName, Expectations, Manifest, example};

use crate::convert::{read, write, write_dict};
use crate::data_class::data_class;
use crate::error::{OrRaise, Trouble};
use crate::etcd::PyEtcd;
use crate::etcd_data::PyClusterSeen;
use crate::etcd_store::PyStore;
use crate::plan_classes::plan_classes;
use crate::wait::Afterwards;

/// Plans one backup of a cluster. Pure: the same observation, policy and `now` give the same plan. It has one step, or none, with the
/// reasons in `held`. A cluster that is out of space can be saved.
///
/// `directory` is where the backup is written; it has to be there. `now` is a `datetime` with a time zone, or a text like
/// `"2026-11-25T03:15:00Z"`; a backup that was taken since then satisfies the plan. `source` is whom the snapshot is taken from:
/// `"follower"` (the leader where there is none that will do), `"leader"`, `"learner"`, or `{"member": id}`, also from a cluster with a CORRUPT
/// alarm. `compare` is whose HashKV has to be the snapshot's: `"everyVoter"` or `"source"`. `max_lag_entries` is how many raft entries the
/// member may lag, `first_byte_seconds` how long the first bytes may take (they wait for a defragmentation), `idle_seconds` how long the
/// stream may stand still; both from 1.
///
/// Raises `InvalidInput` for a policy that cannot be followed.
///
/// >>> from trimtab import etcd
/// >>> plan = etcd.save_plan(etcd.example_healthy(), directory="/var/backups/etcd", now="2026-11-25T03:15:00Z")
/// >>> [(step.target, step.action["action"]) for step in plan.steps]  # a follower; m1 leads
/// [('m2 (2)', 'save')]
#[pyfunction]
#[pyo3(signature = (
    seen, /, *, directory, now, source = None, compare = None, max_lag_entries = 1000, first_byte_seconds = 300, idle_seconds = 30
), text_signature = "(seen, /, *, directory, now, source='follower', compare='everyVoter', max_lag_entries=1000, first_byte_seconds=300, idle_seconds=30)")]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn save_plan(
    seen: &Bound<'_, PyClusterSeen>,
    directory: PathBuf,
    now: Moment,
    source: Option<&Bound<'_, PyAny>>,
    compare: Option<&Bound<'_, PyAny>>,
    max_lag_entries: u64,
    first_byte_seconds: u64,
    idle_seconds: u64,
) -> PyResult<PySavePlan> {
    let source: Source = source.map(|source| read(source, "source")).transpose()?.unwrap_or_default();
    let compare: Compare = compare.map(|compare| read(compare, "compare")).transpose()?.unwrap_or_default();
    let policy = SavePolicy { directory, source, compare, max_lag_entries, first_byte_seconds, idle_seconds };
    save::plan(&seen.get().0, &policy, now.0).or_raise().map(PySavePlan)
}

/// Plans which backups of a store may go; everything else is held back with the reason why it stays. Pure: the same catalog, policy and
/// `now` give the same plan.
///
/// `catalog` is what `Store.list` gave, or the same as plain data. `now` is a `datetime` with a time zone, or a text like
/// `"2026-11-25T03:15:00Z"`. Only verified backups are counted, each cluster by itself (`cluster`, hexadecimal, for one alone), and the newest
/// one always stays. Kept are the newest `keep_last`, and the newest of each of the last so many hours, days, ISO weeks and months (UTC) that
/// have a backup; everything younger than `min_age_seconds`; and of what is older than `max_age_seconds` only the newest `min_keep`. Files
/// that do not count as backups stay for ever, or go once they are older than `unverified_after_seconds` (3,600 or more).
///
/// Raises `InvalidInput` for a policy that keeps nothing or contradicts itself.
///
/// >>> from trimtab import etcd
/// >>> hours = [etcd.example_manifest(revision=1000 + hour, taken_at=f"2026-11-25T{hour:02}:00:00Z") for hour in range(5)]
/// >>> catalog = etcd.example_catalog(hours)  # on a real store: etcd.Store.s3("backups").list()
/// >>> plan = etcd.retention_plan(catalog, now="2026-11-25T12:00:00Z", keep_last=3, keep_hourly=0, keep_daily=1)
/// >>> [step.target for step in plan.steps]
/// ['etcd-cdf818194e3a8c32-00000000000000001000-20261125T000000Z.db', 'etcd-cdf818194e3a8c32-00000000000000001001-20261125T010000Z.db']
#[pyfunction]
#[pyo3(signature = (
    catalog, /, *, now, cluster = None, keep_last = 3, keep_hourly = 24, keep_daily = 7, keep_weekly = 4, keep_monthly = 6,
    min_age_seconds = 3600, max_age_seconds = None, min_keep = 3, unverified_after_seconds = None
))]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn retention_plan(
    catalog: Listed,
    now: Moment,
    cluster: Option<&Bound<'_, PyString>>,
    keep_last: u32,
    keep_hourly: u32,
    keep_daily: u32,
    keep_weekly: u32,
    keep_monthly: u32,
    min_age_seconds: u64,
    max_age_seconds: Option<u64>,
    min_keep: u32,
    unverified_after_seconds: Option<u64>,
) -> PyResult<PyRetentionPlan> {
    let policy = RetentionPolicy {
        cluster: cluster_id(cluster)?,
        keep_last,
        keep_hourly,
        keep_daily,
        keep_weekly,
        keep_monthly,
        min_age_seconds,
        max_age_seconds,
        min_keep,
        unverified_after_seconds,
    };
    retention::plan(&catalog.0, &policy, now.0).or_raise().map(PyRetentionPlan)
}

/// A manifest written by hand, for examples and tests: of etcd 3.6.16 with three members that agree, at that revision and time.
///
/// >>> from trimtab import etcd
/// >>> etcd.example_manifest(revision=1000, taken_at="2026-11-25T03:15:00Z").name
/// 'etcd-cdf818194e3a8c32-00000000000000001000-20261125T031500Z.db'
#[pyfunction]
#[pyo3(signature = (*, revision, taken_at))]
pub(crate) fn example_manifest(revision: i64, taken_at: Moment) -> PyManifest {
    PyManifest(example::manifest_of(example::manifest().cluster_id, revision, taken_at.0))
}

/// What a store would hold with the backups of these manifests, for examples and tests.
///
/// >>> from trimtab import etcd
/// >>> manifest = etcd.example_manifest(revision=1000, taken_at="2026-11-25T03:15:00Z")
/// >>> [held.name for held in etcd.example_catalog([manifest]).verified]
/// ['etcd-cdf818194e3a8c32-00000000000000001000-20261125T031500Z.db']
#[pyfunction]
#[pyo3(signature = (manifests, /))]
pub(crate) fn example_catalog(manifests: Vec<PyRef<'_, PyManifest>>) -> PyCatalog {
    let manifests: Vec<Manifest> = manifests.iter().map(|manifest| manifest.0.clone()).collect();
    PyCatalog(example::catalog(&manifests))
}

data_class! {
    /// What was proven of a backup when it was made; it lies beside it as `NAME.json`.
    ///
    /// >>> from trimtab import etcd
    /// >>> manifest = etcd.example_manifest(revision=1000, taken_at="2026-11-25T03:15:00Z")
    /// >>> manifest.taken_at, manifest.etcd_version, manifest.agreeing
    /// ('2026-11-25T03:15:00Z', '3.6.16', 3)
    PyManifest(Manifest) as "Manifest" {
        /// The name of the backup.
        #[getter]
        fn name(&self) -> String {
            self.0.name().to_string()
        }

        /// The cluster that it is of, hexadecimal.
        #[getter]
        fn cluster_id(&self) -> String {
            self.0.cluster_id.to_string()
        }

        /// The member that it was taken from, hexadecimal.
        #[getter]
        fn member_id(&self) -> String {
            self.0.member_id.to_string()
        }

        /// That member's etcd version.
        #[getter]
        fn etcd_version(&self) -> &str {
            &self.0.etcd_version
        }

        /// When the member began to send it (`datetime.fromisoformat` reads it).
        #[getter]
        fn taken_at(&self) -> String {
            self.0.taken_at.to_string()
        }

        /// When its verification ended.
        #[getter]
        fn verified_at(&self) -> String {
            self.0.verified_at.to_string()
        }

        /// The newest revision in it.
        #[getter]
        const fn revision(&self) -> i64 {
            self.0.revision
        }

        /// The revision that its history was compacted to; -1 where it never was.
        #[getter]
        const fn compact_revision(&self) -> i64 {
            self.0.compact_revision
        }

        /// HashKV at `revision`: equal on all members that are compacted to the same revision.
        #[getter]
        const fn hash_kv(&self) -> u32 {
            self.0.hash_kv
        }

        /// The numbers of `etcdutl snapshot status`.
        #[getter]
        fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.status)
        }

        /// The size of the database in bytes, without its SHA-256.
        #[getter]
        const fn db_size_bytes(&self) -> u64 {
            self.0.db_size_bytes
        }

        /// The SHA-256 of the database, hexadecimal; etcd puts it behind it.
        #[getter]
        fn sha256(&self) -> String {
            self.0.sha256.to_string()
        }

        /// What lies in the store: `compression`, `sizeBytes`, and the `sha256` of all its bytes.
        #[getter]
        fn stored<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.stored)
        }

        /// Every member that was asked for its HashKV, and what came of it.
        #[getter]
        fn compared<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.compared)
        }

        /// How many members have the backup's data, by their own word.
        #[getter]
        fn agreeing(&self) -> usize {
            self.0.agreeing()
        }

        fn __repr__(&self) -> String {
            format!("<Manifest {}>", self.0.name())
        }
    }
}

data_class! {
    /// Everything that a store held at one moment: what `Store.list` gives.
    PyCatalog(Catalog) as "Catalog" {
        /// Where.
        #[getter]
        fn store(&self) -> &str {
            &self.0.store
        }

        /// Its objects, a backup with its sidecars as one, by name: what it is under `entry` (`backup`, `orphan`, `temporary`, `foreign`), and
        /// of a backup the `state`, `verified` or `unverified` and why.
        #[getter]
        fn entries<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            write(py, &self.0.entries)
        }

        /// The manifests of the backups that count, by name.
        #[getter]
        fn verified(&self) -> Vec<PyManifest> {
            self.0.verified().map(|(_, manifest)| PyManifest(manifest.clone())).collect()
        }

        /// The clusters that have a backup here, counted or not, hexadecimal.
        #[getter]
        fn clusters(&self) -> Vec<String> {
            self.0.clusters().iter().map(ToString::to_string).collect()
        }

        /// What is wrong with the backups here, cluster by cluster and then file by file. Pure; what is not ours is passed over.
        ///
        /// `now` is a `datetime` with a time zone, or a text. `cluster` is one that has to have a backup; without it, every cluster that has a
        /// file here. The newest verified backup may be `max_age_seconds` old; from `unfinished_after_seconds` on a half-written file, or one
        /// without a manifest, is nobody's work any more.
        ///
        /// >>> from trimtab import etcd
        /// >>> catalog = etcd.example_catalog([etcd.example_manifest(revision=1000, taken_at="2026-11-25T03:15:00Z")])
        /// >>> print(*catalog.findings(now="2026-11-27T03:15:00Z"))
        /// the newest verified backup, etcd-cdf818194e3a8c32-00000000000000001000-20261125T031500Z.db, is 2 d old, 1 d are allowed
        #[pyo3(signature = (*, now, cluster = None, max_age_seconds = 86_400, unfinished_after_seconds = 3600))]
        fn findings(
            &self,
            now: Moment,
            cluster: Option<&Bound<'_, PyString>>,
            max_age_seconds: u64,
            unfinished_after_seconds: u64,
        ) -> PyResult<Vec<PyBackupFinding>> {
            let expected = Expectations { cluster: cluster_id(cluster)?, max_age_seconds, unfinished_after_seconds };
            Ok(self.0.findings(now.0, &expected).into_iter().map(PyBackupFinding).collect())
        }

        fn __repr__(&self) -> String {
            format!("<Catalog {}: {} backups>", self.0.store, self.0.backups().count())
        }
    }
}

data_class! {
    /// One thing that is wrong with the backups in a store. `str()` says what to do.
    PyBackupFinding(BackupFinding) as "BackupFinding" {
        /// What: `"tooOld"`, `"revisionNotAbove"`, `"unverified"`; the numbers are in `to_dict()`.
        #[getter]
        fn finding<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
            write_dict(py, &self.0)?.get_item("finding")
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<BackupFinding {}>", self.0)
        }
    }
}

data_class! {
    /// What a verification of a backup in its store found: what `Store.verify` gives.
    PyVerification(Verification) as "Verification" {
        /// When it was read.
        #[getter]
        fn at(&self) -> String {
            self.0.at.to_string()
        }

        /// The object that was read.
        #[getter]
        fn object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
            write_dict(py, &self.0.object)
        }

        /// Whether every byte is what the manifest says, and a sound snapshot.
        #[getter]
        fn is_sound(&self) -> bool {
            self.0.found == Found::Sound
        }

        /// What is wrong with it, where something is.
        #[getter]
        fn problem<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
            match &self.0.found {
                Found::Sound => Ok(None),
                Found::Broken { problem } => write_dict(py, problem).map(Some),
            }
        }

        fn __str__(&self) -> String {
            format!("{}: {}", self.0.object.name, self.0.found)
        }

        fn __repr__(&self) -> String {
            format!("<Verification {}: {}>", self.0.object.name, self.0.found)
        }
    }
}

plan_classes! {
    Saving; applied to PyEtcd as etcd, Afterwards::Finish;
    /// How the next backup is taken. `str()` reads as a transcript; true where there is something to do.
    plan PySavePlan as "SavePlan";
    /// Takes the backup: streams it to the directory, proves it, compares its HashKV with the members', and only then gives it its name
    /// (mode 0600), with its `Manifest` beside it. What fails or is ended leaves nothing. It never fails as a whole: the report has the
    /// outcome.
    ///
    /// Right before it the cluster and the directory are looked at again: where a backup was taken since the plan's `now` nothing is done,
    /// where a guard does not hold the step is refused.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called with a `SaveEvent`; what it raises ends the call.
    ///
    /// Raises only for credentials that cannot be used any more: `TlsError`, `InvalidInput`.
    apply;
    /// What is done: `save` under `action`, with the `member`, the `directory`, and the limits in seconds.
    action;
    step PySaveStep as "SaveStep";
    held PySaveHeld as "SaveHeld";
    notice PySaveNotice as "SaveNotice";
    report PySaveReport as "SaveReport";
    reported PySaveReported as "SaveReported";
    event PySaveEvent as "SaveEvent";
}

plan_classes! {
    Retention; applied to PyStore as store, Afterwards::Finish;
    /// Which backups go, and why each of the others stays. `str()` reads as a transcript; true where there is something to do.
    plan PyRetentionPlan as "RetentionPlan";
    /// Deletes what the plan says from the store that was listed, the oldest first, and reports one outcome for each step; it never fails as
    /// a whole.
    ///
    /// Right before a step its objects are looked at again: what is gone already is done, what was written since the listing is left alone,
    /// and nothing goes once the newest verified backup is not as it was listed.
    ///
    /// Blocks; releases the lock of the interpreter and answers Ctrl-C. `progress` is called with a `RetentionEvent`; what it raises ends the
    /// call. Applying the plan once more goes on where it ended.
    ///
    /// Raises only for settings of the store that cannot be used: `InvalidInput`.
    apply;
    /// What is done: `delete` under `action`, with the `names` of the objects and their `sizeBytes`.
    action;
    step PyRetentionStep as "RetentionStep";
    held PyRetentionHeld as "RetentionHeld";
    notice PyRetentionNotice as "RetentionNotice";
    report PyRetentionReport as "RetentionReport";
    reported PyRetentionReported as "RetentionReported";
    event PyRetentionEvent as "RetentionEvent";
}

fn cluster_id(given: Option<&Bound<'_, PyString>>) -> PyResult<Option<ClusterId>> {
    given.map(|given| read(given, "cluster")).transpose()
}

/// The argument `catalog`: what a store gave, or the same as plain data.
pub(crate) struct Listed(Catalog);

impl<'py> FromPyObject<'_, 'py> for Listed {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyCatalog>() {
            Ok(catalog) => Ok(Self(catalog.get().0.clone())),
            Err(_) => read(&given, "the Catalog").map(Self),
        }
    }
}

/// The argument `now`: a `datetime` with a time zone, or a text.
pub(crate) struct Moment(pub(crate) Timestamp);

impl<'py> FromPyObject<'_, 'py> for Moment {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let text = match given.cast::<PyString>() {
            Ok(text) => text.to_owned(),
            Err(_) => given.call_method0("isoformat")?.cast_into::<PyString>()?,
        };
        let text = text.to_string_lossy();
        text.parse().map(Self).map_err(|_| Trouble::no_moment(&text)).or_raise()
    }
}

/// The argument `name` of a backup.
pub(crate) struct Name(pub(crate) BackupName);

impl<'py> FromPyObject<'_, 'py> for Name {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        given.cast::<PyString>()?.to_string_lossy().parse().or_raise().map(Self)
    }
}
