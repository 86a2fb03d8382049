//! `trimtab.etcd.Store`: where backups are kept. Converts, detaches, asks `trimtab_etcd_ops::live`, converts back.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyString;
use trimtab::apply::Site;
use trimtab::etcd::Error;
use trimtab::etcd::backup::Compression;
use trimtab::etcd::live::{Put, S3, Store, UploadCheck};
use trimtab::plan::Domain;
use trimtab::{Plan, Report};

use crate::convert::read;
use crate::error::{OrRaise, Trouble};
use crate::etcd::{Pem, both, seconds};
use crate::etcd_backup::{Name, PyCatalog, PyManifest, PyVerification};
use crate::etcd_data::PyEvent;
use crate::plan_classes::EventData;
use crate::wait::{self, Afterwards};

/// A directory or a bucket with backups: `Store.directory(path)`, `Store.s3(bucket)`. Nothing is dialled until it is used.
///
/// Every method blocks, releases the lock of the interpreter and answers Ctrl-C; `progress` is called with an `Event`, and what it raises ends
/// the call. They raise `NotFound` where the store or an object is not there, `AccessDenied` where the store refuses, `Unreachable`,
/// `DeadlineExceeded`, `StorageFull`, and `ClusterError` for anything else that it says.
///
/// `repr` shows where it is and no key, and it cannot be pickled.
///
/// >>> import tempfile
/// >>> from trimtab import etcd
/// >>> with tempfile.TemporaryDirectory() as folder:
/// ...     catalog = etcd.Store.directory(folder).list()
/// >>> catalog.entries
/// []
#[pyclass(name = "Store", module = "trimtab.etcd", frozen)]
pub(crate) struct PyStore {
    place: Place,
    location: String,
}

#[derive(Clone)]
enum Place {
    Directory(PathBuf),
    Bucket(Box<S3>),
}

impl Place {
    fn open(self) -> Result<Store, Error> {
        match self {
            Self::Directory(path) => Store::directory(path),
            Self::Bucket(settings) => Store::s3(*settings),
        }
    }
}

#[pymethods]
impl PyStore {
    /// A directory. It has to be there when it is used: one that is missing may be a disk that is not mounted.
    ///
    /// Raises `InvalidInput` where the path cannot be made absolute.
    #[staticmethod]
    #[pyo3(signature = (path, /))]
    fn directory(path: PathBuf) -> PyResult<Self> {
        Self::new(Place::Directory(path))
    }

    /// A bucket of Amazon S3, or of any store that speaks S3 at an `endpoint` (`"https://minio.example:9000"`).
    ///
    /// `prefix` is the part of every key before the backup's name. `region` is `us-east-1` by default. Without `access_key_id` and
    /// `secret_access_key` (and `session_token`) the credentials are those of the environment or the machine's role. `ca` is the CA of the
    /// endpoint's certificate, PEM as `bytes` or the path of a file as `os.PathLike`. `plain_http=True` allows an endpoint without TLS: every
    /// backup can be read on the way, with all Secrets in it. `bucket_in_host=True` puts the bucket before the host's name. `request_deadline`
    /// is how many seconds a request may take with its repetitions, `idle_deadline` how many an answer may pause.
    ///
    /// Raises `InvalidInput` for settings that do not go together.
    ///
    /// >>> from trimtab import etcd
    /// >>> etcd.Store.s3("backups", prefix="clusters/a", endpoint="https://minio.example:9000", access_key_id="id", secret_access_key="secret")
    /// <Store https://minio.example:9000/backups/clusters/a>
    #[staticmethod]
    #[pyo3(signature = (
        bucket, /, *, prefix = None, region = None, endpoint = None, access_key_id = None, secret_access_key = None, session_token = None,
        ca = None, plain_http = false, bucket_in_host = false, request_deadline = 60.0, idle_deadline = 30.0
    ))]
    #[expect(clippy::too_many_arguments, reason = "all but one are keywords with a default")]
    fn s3(
        bucket: &str,
        prefix: Option<&str>,
        region: Option<&str>,
        endpoint: Option<&str>,
        access_key_id: Option<&str>,
        secret_access_key: Option<&str>,
        session_token: Option<&str>,
        ca: Option<Pem>,
        plain_http: bool,
        bucket_in_host: bool,
        request_deadline: f64,
        idle_deadline: f64,
    ) -> PyResult<Self> {
        let mut settings = S3::bucket(bucket).or_raise()?;
        if let Some(prefix) = prefix {
            settings = settings.with_prefix(prefix).or_raise()?;
        }
        if let Some(endpoint) = endpoint {
            settings = settings.with_endpoint(endpoint).or_raise()?;
        }
        settings = region.into_iter().fold(settings, S3::with_region);
        settings = ca.into_iter().fold(settings, |settings, ca| settings.with_ca_pem(ca.0));
        settings = match (both("access_key_id", access_key_id, "secret_access_key", secret_access_key)?, session_token) {
            (Some((id, secret)), None) => settings.with_keys(id, secret),
            (Some((id, secret)), Some(token)) => settings.with_session_keys(id, secret, token),
            (None, None) => settings,
            (None, Some(_)) => return Err(Trouble::missing("access_key_id", "session_token")).or_raise(),
        };
        settings = if plain_http { settings.with_plain_http() } else { settings };
        settings = if bucket_in_host { settings.with_bucket_in_host() } else { settings };
        settings = settings.with_request_deadline(seconds("request_deadline", request_deadline)?);
        Self::new(Place::Bucket(Box::new(settings.with_idle_deadline(seconds("idle_deadline", idle_deadline)?))))
    }

    /// Where it is, as plans and errors name it.
    #[getter]
    fn location(&self) -> &str {
        &self.location
    }

    /// Everything that is there, with the manifests. Deeper folders are passed over, and keys that are no path (with a control character).
    #[pyo3(signature = (*, progress = None))]
    fn list(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<PyCatalog> {
        self.run(py, progress, |store, _| async move { store.list().await }).map(PyCatalog)
    }

    /// Puts a backup there that was saved, with its manifest, and gives the manifest as it stands there. The manifest comes last: a call that
    /// fails or is ended leaves nothing that counts.
    ///
    /// `file` is the path of the snapshot, `manifest` its manifest. `compression` is `"none"` or `"zstd"`. `check` proves that it arrived:
    /// `"readBack"` reads everything back, `"size"` compares the size, for stores that charge for reading.
    ///
    /// Raises `AlreadyExists` for a backup that is there already, `BrokenFile` where the file is not the one that was verified or the store
    /// changed it, `FileError` where it cannot be read.
    #[pyo3(signature = (file, manifest, /, *, compression = None, check = "readBack", progress = None), text_signature = "(self, file, manifest, /, *, compression='none', check='readBack', progress=None)")]
    fn put(
        &self,
        py: Python<'_>,
        file: PathBuf,
        manifest: &Bound<'_, PyManifest>,
        compression: Option<&Bound<'_, PyString>>,
        check: &str,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<PyManifest> {
        let compression: Compression = compression.map(|given| read(given, "compression")).transpose()?.unwrap_or_default();
        let how = Put { compression, check: upload_check(check)? };
        let manifest = manifest.get().0.clone();
        let put = self.run(py, progress, |store, progress| async move {
            store.put(&file, &manifest, &how, &mut |message| progress.tell(PyEvent::said(message))).await
        });
        put.map(PyManifest)
    }

    /// Reads a backup once more and proves every byte of it, in a file without a name in the directory `scratch`, which is gone afterwards.
    /// A broken backup is an answer and no error; `record` makes it count.
    ///
    /// Raises `BrokenFile` where there is no manifest to verify it against, `InvalidInput` where it is of an etcd that this version does not know,
    /// `FileError` and `StorageFull` for `scratch`: then it is not known whether the backup is sound.
    #[pyo3(signature = (name, /, *, scratch, progress = None))]
    fn verify(&self, py: Python<'_>, name: Name, scratch: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<PyVerification> {
        let verified = self.run(py, progress, |store, progress| async move {
            store.verify(&name.0, &scratch, &mut |message| progress.tell(PyEvent::said(message))).await
        });
        verified.map(PyVerification)
    }

    /// Writes what a verification found beside the backup. From then on every listing knows: one that was found broken no longer counts.
    #[pyo3(signature = (name, verification, /, *, progress = None))]
    fn record(&self, py: Python<'_>, name: Name, verification: &Bound<'_, PyVerification>, progress: Option<Py<PyAny>>) -> PyResult<()> {
        let verification = verification.get().0.clone();
        self.run(py, progress, |store, _| async move { store.record(&name.0, &verification).await })
    }

    /// Fetches a backup, unpacked and proven, as `etcdutl snapshot restore` and `restore_observe` take it. The file gets its name (mode 0600)
    /// when all is proven and on the disk; a call that fails or is ended leaves nothing.
    ///
    /// Raises `AlreadyExists` where `to` is there, `BrokenFile` for a backup that is broken, `FileError` and `StorageFull` for `to`.
    #[pyo3(signature = (name, to, /, *, progress = None))]
    fn fetch(&self, py: Python<'_>, name: Name, to: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<PyManifest> {
        let fetched =
            self.run(
                py,
                progress,
                |store, progress| async move { store.fetch(&name.0, &to, &mut |message| progress.tell(PyEvent::said(message))).await },
            );
        fetched.map(PyManifest)
    }

    fn __repr__(&self) -> String {
        format!("<Store {}>", self.location)
    }
}

impl PyStore {
    /// What is wrong with the settings is said here, and not only when they are used.
    fn new(place: Place) -> PyResult<Self> {
        let location = place.clone().open().or_raise()?.location().to_owned();
        Ok(Self { place, location })
    }

    /// A store for one call: it lives as long as the call's runtime does.
    fn run<T, F, W>(&self, py: Python<'_>, callback: Option<Py<PyAny>>, work: W) -> PyResult<T>
    where
        T: Send,
        F: Future<Output = Result<T, Error>>,
        W: FnOnce(Store, wait::Progress) -> F + Send,
    {
        let place = self.place.clone();
        let done = wait::run(py, callback, Afterwards::Finish, |progress| async move { work(place.open()?, progress).await })?;
        done.or_raise()
    }

    /// Carries out a plan; see `RetentionPlan.apply`.
    pub(crate) fn apply<D, E>(
        &self,
        py: Python<'_>,
        plan: Plan<D>,
        callback: Option<Py<PyAny>>,
        afterwards: Afterwards,
        event: fn(EventData<D>) -> E,
    ) -> PyResult<Report<D>>
    where
        D: Domain,
        Store: Site<D>,
        E: for<'py> IntoPyObject<'py>,
    {
        let place = self.place.clone();
        let report = wait::run(py, callback, afterwards, |progress| async move {
            let mut store = place.open()?;
            Ok::<_, Error>(plan.apply(&mut store, |told| progress.tell(event(EventData::of(&told, &plan)))).await)
        })?;
        report.or_raise()
    }
}

fn upload_check(given: &str) -> PyResult<UploadCheck> {
    match given {
        "readBack" => Ok(UploadCheck::ReadBack),
        "size" => Ok(UploadCheck::Size),
        other => Err(Trouble::out_of_range("check", &other, "among readBack and size")).or_raise(),
    }
}
