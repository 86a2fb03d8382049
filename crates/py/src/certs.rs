//! `trimtab.certs`: what certificates say and when they are renewed. Converts, asks `trimtab_certs`, converts back.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use trimtab::certs::certificate::{self, Certificate, CertificateError, Found, MAX_FILE_BYTES};
use trimtab::certs::pem::SkippedByGo;
use trimtab::certs::renewal_time::{InWindow, RenewalRule, RenewalWindow, in_window};
use trimtab::certs::rotation::{self, PairFile, RotationWindow, Template};

use crate::convert::{read, write, write_dict};
use crate::error::{OrRaise, Trouble};
use crate::etcd_backup::Moment;
use crate::etcd_file::{Content, Source};

/// Reads every certificate of a file: PEM blocks among others in any order, or DER. What cannot be read comes in its place with its
/// reason, and hides nothing else; a file without any certificate gives one item that says so.
///
/// `file` is a path, or the contents as `bytes`.
///
/// Raises `FileNotFoundError` and its like, and `InvalidInput` for a file above 100 MiB.
///
/// >>> from trimtab import certs
/// >>> [found.problem["problem"] for found in certs.certificates(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")]
/// ['notX509']
#[pyfunction]
#[pyo3(signature = (file, /))]
pub(crate) fn certificates(py: Python<'_>, file: Content) -> PyResult<Vec<PyFound>> {
    let found = match file.open()? {
        Source::Bytes(bytes) => py.detach(|| certificate::certificates(&bytes)),
        Source::File(file) => py.detach(|| contents(file).map(|read| certificate::certificates(&read)))?,
    };
    found.into_iter().map(|found| PyFound::new(py, found)).collect()
}

/// All of a file, if it is not too long for one of certificates.
pub(crate) fn contents(file: File) -> PyResult<Vec<u8>> {
    // Room for an ordinary one, so that it is read at once and nobody has to ask for its length.
    let mut bytes = Vec::with_capacity(8 * 1024);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Trouble::out_of_range("file", &"longer", &format!("above {MAX_FILE_BYTES} bytes, which no file of certificates is")).into());
    }
    Ok(bytes)
}

/// One item of a file: a certificate, or why there is none.
#[pyclass(name = "FoundCertificate", module = "trimtab.certs", frozen, eq)]
#[derive(Debug)]
pub(crate) struct PyFound {
    offset: usize,
    skipped_by_go: Option<SkippedByGo>,
    /// Made once: each copy of a certificate takes as long as reading one.
    certificate: Result<Py<PyCertificate>, CertificateError>,
}

impl PyFound {
    fn new(py: Python<'_>, found: Found) -> PyResult<Self> {
        let Found { offset, skipped_by_go, certificate } = found;
        let certificate = match certificate {
            Ok(certificate) => Ok(Py::new(py, PyCertificate(certificate))?),
            Err(problem) => Err(problem),
        };
        Ok(Self { offset, skipped_by_go, certificate })
    }

    fn read(&self) -> Result<&Certificate, &CertificateError> {
        self.certificate.as_ref().map(|certificate| &certificate.get().0)
    }
}

impl PartialEq for PyFound {
    fn eq(&self, other: &Self) -> bool {
        (self.offset, self.skipped_by_go, self.read()) == (other.offset, other.skipped_by_go, other.read())
    }
}

#[pymethods]
impl PyFound {
    /// The certificate, or `None`.
    #[getter]
    fn certificate(&self, py: Python<'_>) -> Option<Py<PyCertificate>> {
        self.certificate.as_ref().ok().map(|certificate| certificate.clone_ref(py))
    }

    /// Why there is none: a dict whose `problem` is the kind, and its fields; `None` beside a certificate.
    #[getter]
    fn problem<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.read().err().map(|problem| write(py, problem)).transpose()
    }

    /// Where its block begins, in bytes from the beginning of the file.
    #[getter]
    const fn offset(&self) -> usize {
        self.offset
    }

    /// Why no component of Kubernetes would see it, though others do: `"byteOrderMark"` or `"indented"`; `None` otherwise.
    #[getter]
    fn skipped_by_go<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write(py, &self.skipped_by_go)
    }

    /// As plain data: `certificate`, `problem`, `offset`, `skippedByGo`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("certificate", write(py, &self.read().ok())?)?;
        dict.set_item("problem", self.problem(py)?)?;
        dict.set_item("offset", self.offset)?;
        dict.set_item("skippedByGo", self.skipped_by_go(py)?)?;
        Ok(dict)
    }

    /// What pickle calls.
    #[staticmethod]
    #[pyo3(name = "_again")]
    fn again(py: Python<'_>, der: Option<&[u8]>, problem: &Bound<'_, PyAny>, offset: usize, skipped_by_go: &Bound<'_, PyAny>) -> PyResult<Self> {
        let certificate = match der {
            Some(der) => Ok(Certificate::from_der(der).or_raise()?),
            None => Err(read(problem, "the problem")?),
        };
        Self::new(py, Found { offset, skipped_by_go: read(skipped_by_go, "skipped_by_go")?, certificate })
    }

    fn __repr__(&self) -> String {
        match self.read() {
            Ok(certificate) => format!("FoundCertificate({certificate:?})"),
            Err(problem) => format!("FoundCertificate({problem})"),
        }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let der = self.read().ok().map(|certificate| PyBytes::new(py, certificate.der()));
        let arguments = (der, self.problem(py)?, self.offset, self.skipped_by_go(py)?).into_pyobject(py)?;
        Ok((py.get_type::<Self>().getattr("_again")?, arguments))
    }
}

/// What a certificate says.
///
/// >>> from trimtab import certs
/// >>> certs.Certificate(b"0\x00")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: no X.509 certificate: Parsing requires 1 bytes/chars; it was cut or changed, copy it again from where it came from
#[pyclass(name = "Certificate", module = "trimtab.certs", frozen, eq)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PyCertificate(pub(crate) Certificate);

#[pymethods]
impl PyCertificate {
    /// From DER. Raises `InvalidInput`.
    #[new]
    #[pyo3(signature = (der, /))]
    fn new(der: &[u8]) -> PyResult<Self> {
        Certificate::from_der(der).or_raise().map(Self)
    }

    /// Whom it is about, as RFC 4514 writes it, with control characters and marks that turn text escaped too.
    #[getter]
    fn subject(&self) -> String {
        self.0.subject.to_string()
    }

    /// The subject's parts in the order of the certificate, with openssl's names.
    #[getter]
    fn subject_ordered(&self) -> Vec<String> {
        self.0.subject.rdn_strings()
    }

    /// Who says so.
    #[getter]
    fn issuer(&self) -> String {
        self.0.issuer.to_string()
    }

    /// The issuer's parts in the order of the certificate, with openssl's names.
    #[getter]
    fn issuer_ordered(&self) -> Vec<String> {
        self.0.issuer.rdn_strings()
    }

    /// Its number among those of its issuer.
    #[getter]
    fn serial_number<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        crate::certs_info::signed(py, &self.0.serial)
    }

    /// 1 or 3.
    #[getter]
    const fn version(&self) -> u8 {
        self.0.version
    }

    /// The first second at which it is valid, RFC 3339.
    #[getter]
    fn not_before(&self) -> String {
        self.0.not_before.to_string()
    }

    /// The last second at which it is valid, RFC 3339.
    #[getter]
    fn not_after(&self) -> String {
        self.0.not_after.to_string()
    }

    /// The kind and size of its key: `RSA-2048`, `ECDSA-P256`, `Ed25519`.
    #[getter]
    fn public_key(&self) -> String {
        self.0.public_key.kind.to_string()
    }

    /// How it was signed: Go's name (`SHA256-RSA`), the number where Go has none.
    #[getter]
    fn signature_algorithm(&self) -> String {
        self.0.signature_algorithm.to_string()
    }

    /// The number of the signature's algorithm, dotted.
    #[getter]
    fn signature_algorithm_oid(&self) -> String {
        self.0.signature_algorithm.oid.to_string()
    }

    /// The names that it stands for: a list of dicts with `type`; `None` without the extension.
    #[getter]
    fn subject_alt_name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write(py, &self.0.extensions.subject_alt_name)
    }

    /// What its key may be used for, in RFC 5280's words; `None` without the extension.
    #[getter]
    fn key_usage(&self) -> Option<Vec<&'static str>> {
        self.0.extensions.key_usage.as_ref().map(|usage| usage.names.clone())
    }

    /// For whom: `serverAuth`, `clientAuth`, a number where it has no name; `None` without the extension.
    #[getter]
    fn ext_key_usage(&self) -> Option<Vec<String>> {
        self.0.extensions.ext_key_usage.clone()
    }

    /// Whether it may sign others.
    #[getter]
    fn is_ca(&self) -> bool {
        self.0.is_ca()
    }

    /// What is wrong in it, though it can be read: a list of dicts.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write(py, &self.0.problems)
    }

    /// What is too weak in it: a list of texts.
    #[getter]
    fn weaknesses(&self) -> Vec<String> {
        self.0.weaknesses().iter().map(ToString::to_string).collect()
    }

    /// The bytes that it was read from.
    #[getter]
    fn der<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.der())
    }

    /// Whether it is valid at a time: a `datetime` with a time zone, or a text. Both ends are.
    #[pyo3(signature = (time, /))]
    fn is_valid_at(&self, time: Moment) -> bool {
        self.0.is_valid_at(time.0)
    }

    /// For each name the answer of `is_valid_at`, as Ansible's `community.crypto.x509_certificate_info` has it.
    #[pyo3(signature = (times, /))]
    fn valid_at(&self, times: HashMap<String, Moment>) -> HashMap<String, bool> {
        times.into_iter().map(|(name, time)| (name, self.0.is_valid_at(time.0))).collect()
    }

    /// What Ansible's `community.crypto.x509_certificate_info` returns of it: the same keys, the same forms of values. `valid_at` are moments by
    /// any names: as there `"+1w"`, `"20271231235959Z"`, or a `datetime`.
    ///
    /// A certificate that the module refuses (an extension twice or unreadable, an unknown key) is told as far as it can be read.
    ///
    /// Raises `InvalidInput` for what is no moment.
    ///
    /// >>> from trimtab import certs
    /// >>> leaf = certs.example_pair(now="2026-01-01T00:00:00Z")[0]
    /// >>> info = leaf.info(now="2026-06-01T00:00:00Z", valid_at={"next_year": "+52w"})
    /// >>> info["extended_key_usage"], info["expired"], info["valid_at"]
    /// (['TLS Web Server Authentication'], False, {'next_year': False})
    #[pyo3(signature = (*, now, valid_at = HashMap::new()), text_signature = "($self, /, *, now, valid_at={})")]
    fn info<'py>(&self, py: Python<'py>, now: Moment, valid_at: HashMap<String, Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyDict>> {
        crate::certs_info::info(py, &self.0, now.0, valid_at)
    }

    /// Every fact as plain data.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.der().hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (Bound<'py, PyBytes>,)) {
        (py.get_type::<Self>(), (self.der(py),))
    }
}

/// Between which two moments a kubelet renews a certificate of this life: 0.7 and 0.9 of it. The moment itself is drawn anew at every
/// start. Two texts, RFC 3339. Source: `nextRotationDeadline`, `client-go/util/certificate/certificate_manager.go`.
///
/// >>> from trimtab import certs
/// >>> certs.rotation_window("2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z")
/// ('2026-01-08T00:00:00Z', '2026-01-10T00:00:00Z')
#[pyfunction]
#[pyo3(signature = (not_before, not_after, /))]
pub(crate) fn rotation_window(not_before: Moment, not_after: Moment) -> (String, String) {
    let window = RotationWindow::of(not_before.0, not_after.0);
    (window.earliest.to_string(), window.latest.to_string())
}

/// When a certificate is renewed after this part of its life, in nanoseconds since 1970 as its two ends are; cut off.
///
/// Raises `OverflowError` beyond 64 bits.
///
/// >>> from trimtab import certs
/// >>> certs.rotation_deadline_ns(0, 360_000_000_000_000, part=0.7)
/// 251999999999999
#[pyfunction]
#[pyo3(signature = (not_before_ns, not_after_ns, /, *, part))]
pub(crate) fn rotation_deadline_ns(not_before_ns: i64, not_after_ns: i64, part: f64) -> i128 {
    let at = |nanosecond: i64| jiff::Timestamp::from_nanosecond(i128::from(nanosecond)).unwrap_or_default();
    rotation::rotation_deadline(at(not_before_ns), at(not_after_ns), part).as_nanosecond()
}

/// How long after the beginning of a life a kubelet renews, for a number drawn from [0, 1). Nanoseconds.
///
/// Raises `OverflowError` beyond 64 bits.
///
/// >>> from trimtab import certs
/// >>> certs.jittery_duration_ns(10, random=0.25)
/// 7
#[pyfunction]
#[pyo3(signature = (total_ns, /, *, random))]
pub(crate) fn jittery_duration_ns(total_ns: i64, random: f64) -> i64 {
    rotation::jittery_duration_ns(total_ns, random)
}

/// The name of the file in which a kubelet keeps certificate and key: `which` is `"current"`, `"updated"`, or the time at which it was
/// made, by the node's own clock and without a zone.
///
/// Raises `InvalidInput` for what is neither.
///
/// >>> from trimtab import certs
/// >>> certs.pair_file_name("kubelet-client", "current"), certs.pair_file_name("kubelet-server", "2024-02-29T23:59:59")
/// ('kubelet-client-current.pem', 'kubelet-server-2024-02-29-23-59-59.pem')
#[pyfunction]
#[pyo3(signature = (prefix, which, /))]
pub(crate) fn pair_file_name(prefix: &str, which: &str) -> PyResult<String> {
    let file = match which {
        "current" => PairFile::Current,
        "updated" => PairFile::Updated,
        time => PairFile::Made(time.parse().map_err(|_| Trouble::no_moment(time)).or_raise()?),
    };
    Ok(file.name(prefix))
}

/// Whether a kubelet is content with the certificate that it has. Both are dicts with `commonName`, `organizations`, `dnsNames`,
/// `ipAddresses`; without a certificate it is not, without a template it always is. The common name has to be equal, of the lists those of
/// the template have to be there. Source: `certSatisfiesTemplateLocked`, `client-go/util/certificate/certificate_manager.go`.
///
/// Raises `InvalidInput`; its `path` names the field.
///
/// >>> from trimtab import certs
/// >>> certs.satisfies_template({"dnsNames": ["a", "b"]}, {"dnsNames": ["a"]}), certs.satisfies_template(None, {})
/// (True, False)
#[pyfunction]
#[pyo3(signature = (certificate, template, /))]
pub(crate) fn satisfies_template(certificate: &Bound<'_, PyAny>, template: &Bound<'_, PyAny>) -> PyResult<bool> {
    let certificate: Option<Template> = read(certificate, "the certificate")?;
    let template: Option<Template> = read(template, "the template")?;
    Ok(rotation::satisfies_template(certificate.as_ref(), template.as_ref()))
}

/// How long before its end cert-manager renews a certificate of this life, in seconds. `renew_before` counts where it is above zero and
/// shorter than the life, `renew_before_percentage` where it is 1 to 99; otherwise a third of the life.
/// Source: `RenewBefore`, `pkg/util/pki/renewaltime.go`.
///
/// >>> from trimtab import certs
/// >>> certs.renew_before(10_800), certs.renew_before(10_800, renew_before_percentage=25)
/// (3600, 2700)
#[pyfunction]
#[pyo3(signature = (life_seconds, /, *, renew_before = None, renew_before_percentage = None))]
pub(crate) fn renew_before(life_seconds: i64, renew_before: Option<i64>, renew_before_percentage: Option<i32>) -> i64 {
    let rule = RenewalRule { renew_before: renew_before.map(SignedDuration::from_secs), renew_before_percentage };
    rule.renew_before(SignedDuration::from_secs(life_seconds)).as_secs()
}

/// When cert-manager renews a certificate, RFC 3339, cut off to the second. `renew_before` is in seconds; see there.
///
/// >>> from trimtab import certs
/// >>> certs.renewal_time("2026-01-01T00:00:00Z", "2026-01-01T03:00:00Z")
/// '2026-01-01T02:00:00Z'
#[pyfunction]
#[pyo3(signature = (not_before, not_after, /, *, renew_before = None, renew_before_percentage = None))]
pub(crate) fn renewal_time(not_before: Moment, not_after: Moment, renew_before: Option<i64>, renew_before_percentage: Option<i32>) -> String {
    let rule = RenewalRule { renew_before: renew_before.map(SignedDuration::from_secs), renew_before_percentage };
    rule.renewal_time(not_before.0, not_after.0).to_string()
}

/// The first moment from `target` on that one of the windows allows, and whether one does before the certificate ends; where none does it
/// is `target`. A window is a cron expression of five fields in UTC, and how many seconds it stays open.
///
/// Raises `InvalidInput` for what is no window.
///
/// >>> from trimtab import certs
/// >>> certs.renewal_in_window("2026-01-01T13:00:00Z", not_after="2026-01-03T00:00:00Z", windows=[("0 10 * * *", 7200)])
/// ('2026-01-02T10:00:00Z', True)
#[pyfunction]
#[pyo3(signature = (target, /, *, not_after, windows))]
pub(crate) fn renewal_in_window(target: Moment, not_after: Moment, windows: Vec<(String, i64)>) -> PyResult<(String, bool)> {
    let window = |(cron, seconds): (String, i64)| RenewalWindow::new(&cron, SignedDuration::from_secs(seconds), TimeZone::UTC).or_raise();
    let windows = windows.into_iter().map(window).collect::<PyResult<Vec<_>>>()?;
    Ok(match in_window(target.0, not_after.0, &windows) {
        InWindow::At(at) => (at.to_string(), true),
        InWindow::NoneInTime(at) => (at.to_string(), false),
    })
}
