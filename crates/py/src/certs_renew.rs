//! `trimtab.certs`, renewal: private keys, and certificates made and checked with them. Converts, asks `trimtab_certs::renew`, converts back.
//!
//! No key leaves Rust but by `PrivateKey.to_pem`.

use std::fmt::Display;

use jiff::SignedDuration;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use serde::Serialize;
use trimtab::certs::certificate::Certificate;
use trimtab::certs::key::{KeyAlgorithm, KeyFormat, PrivateKey};
use trimtab::certs::kubeadm::facts::KeyKind;
use trimtab::certs::renew::{self as ours, CertificateAuthority, KeyPolicy, NewSerial, Policy, Renewed, system_random};
use trimtab::certs::{Error, pem};

use crate::certs::PyCertificate;
use crate::convert::{read, write, write_dict};
use crate::error::{OrRaise, Trouble};
use crate::etcd::Pem;
use crate::etcd_backup::Moment;

/// A private key that can sign. What it is never shows: not in `repr`, not in an error, and pickle refuses it; `to_pem` alone gives it out.
/// Two are equal when their public keys are.
///
/// >>> from trimtab import certs
/// >>> key = certs.PrivateKey.generate("ECDSA-P256")
/// >>> key, certs.PrivateKey.from_pem(key.to_pem()) == key
/// (PrivateKey(ECDSA-P256, SEC1), True)
/// >>> certs.PrivateKey.from_pem(b"no key")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: no private key in it: give a file with -----BEGIN RSA PRIVATE KEY-----, EC PRIVATE KEY or PRIVATE KEY
#[pyclass(name = "PrivateKey", module = "trimtab.certs", frozen, eq)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PyPrivateKey(pub(crate) PrivateKey);

#[pymethods]
impl PyPrivateKey {
    /// The first private key of a PEM file that can be read: PKCS#1, SEC1 or PKCS#8, each under its own label. Certificates around it are
    /// passed over. `pem` are `bytes`, or the path of a file as a `pathlib.Path`.
    ///
    /// Raises `InvalidInput`, and `FileNotFoundError` and its like.
    #[staticmethod]
    #[pyo3(signature = (pem, /))]
    fn from_pem(py: Python<'_>, pem: Pem) -> PyResult<Self> {
        py.detach(|| PrivateKey::from_pem(&pem.0)).or_raise().map(Self)
    }

    /// A private key from DER. Raises `InvalidInput`.
    #[staticmethod]
    #[pyo3(signature = (der, /))]
    fn from_der(py: Python<'_>, der: &[u8]) -> PyResult<Self> {
        py.detach(|| PrivateKey::from_der(der)).or_raise().map(Self)
    }

    /// A new key from the system's randomness: `"RSA-2048"`, `"RSA-3072"`, `"RSA-4096"`, `"ECDSA-P256"`, `"ECDSA-P384"`, `"ECDSA-P521"`,
    /// `"Ed25519"`. RSA takes a tenth of a second to some seconds; the lock of the interpreter is released meanwhile. Raises `InvalidInput`.
    #[staticmethod]
    #[pyo3(signature = (algorithm, /))]
    fn generate(py: Python<'_>, algorithm: Algorithm) -> PyResult<Self> {
        py.detach(|| PrivateKey::generate(algorithm.0)).or_raise().map(Self)
    }

    /// Its algorithm and size: `"RSA-2048"`, `"ECDSA-P256"`.
    #[getter]
    fn algorithm(&self) -> String {
        self.0.algorithm().to_string()
    }

    /// The form that it was read from: `"pkcs1"`, `"sec1"` or `"pkcs8"`.
    #[getter]
    fn format<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        write(py, &self.0.format())
    }

    /// Its public half: a `SubjectPublicKeyInfo` in DER.
    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.public_key())
    }

    /// Whether it belongs to a certificate: a `Certificate`, or `bytes`, PEM or DER. Raises `InvalidInput`.
    #[pyo3(signature = (certificate, /))]
    fn matches(&self, certificate: CertificateDer) -> PyResult<bool> {
        let certificate = Certificate::from_der(&certificate.0).or_raise()?;
        Ok(self.0.matches(&certificate.public_key.spki))
    }

    /// The contents of its file, in its own form or in another one. This is the key: whoever has it, has the key. Raises `InvalidInput`
    /// where its algorithm has no such form.
    #[pyo3(signature = (format = None))]
    fn to_pem<'py>(&self, py: Python<'py>, format: Option<&Bound<'py, PyString>>) -> PyResult<Bound<'py, PyBytes>> {
        let format: KeyFormat = format.map(|format| read(format, "format")).transpose()?.unwrap_or(self.0.format());
        let pem = self.0.to_pem(format).or_raise()?;
        Ok(PyBytes::new(py, pem.as_bytes()))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(secret("PrivateKey", &self.0))
    }
}

/// A renewed certificate, verified against its CA, and the key that belongs to it. It holds a key: pickle refuses it, `repr` and `to_dict`
/// do not show it.
#[pyclass(name = "Renewed", module = "trimtab.certs", frozen, eq)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PyRenewed(Renewed);

#[pymethods]
impl PyRenewed {
    /// The certificate.
    #[getter]
    fn certificate(&self) -> PyResult<PyCertificate> {
        Certificate::from_der(&self.0.certificate_der).or_raise().map(PyCertificate)
    }

    /// The certificate in DER.
    #[getter]
    fn certificate_der<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.certificate_der)
    }

    /// The contents of its file.
    #[getter]
    fn certificate_pem<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, pem::encode("CERTIFICATE", &self.0.certificate_der).as_bytes())
    }

    /// The key that belongs to it.
    #[getter]
    fn key(&self) -> PyPrivateKey {
        PyPrivateKey(self.0.key.clone())
    }

    /// Its first second, RFC 3339.
    #[getter]
    fn not_before(&self) -> String {
        self.0.not_before.to_string()
    }

    /// Its last second, RFC 3339.
    #[getter]
    fn not_after(&self) -> String {
        self.0.not_after.to_string()
    }

    /// What came out otherwise than one would expect: a list of dicts with `note`, its fields, and a `message`.
    #[getter]
    fn notes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.0.notes.iter().map(|note| told(py, note)).collect()
    }

    /// The certificate and what is told of it, as plain data; of the key its algorithm alone.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("certificate", pem::encode("CERTIFICATE", &self.0.certificate_der))?;
        dict.set_item("keyAlgorithm", self.0.key.algorithm().to_string())?;
        dict.set_item("notBefore", self.not_before())?;
        dict.set_item("notAfter", self.not_after())?;
        dict.set_item("notes", self.notes(py)?)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(secret("Renewed", &self.0.key))
    }
}

/// Renews a certificate so that nothing is lost: subject, names, usages and every other extension stay byte for byte; serial number,
/// validity and key are new. It is signed by the CA, within the CA's validity, and verified before it is handed out. Nothing is written.
///
/// `certificate` and `ca` are each a `Certificate`, or `bytes`, PEM or DER, of which the first certificate counts; `ca_key` is the
/// `PrivateKey` of the CA. It is valid for `validity_hours` from `now` on, and begins `backdate_seconds` before. Its key is a new one of
/// the old one's algorithm; of another one where `algorithm` names it; `keep_key` is the old key, which is kept.
///
/// Raises `InvalidInput`: for a CA that is none, has expired or another key, for a certificate that is a CA itself, and for what cannot be
/// read. The lock of the interpreter is released while it works.
///
/// What surprises: it never outlives its CA; `notes` tell where it was cut.
///
/// >>> from trimtab import certs
/// >>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> renewed = certs.renew(old, ca=ca, ca_key=ca_key, now="2026-11-23T06:00:00Z", validity_hours=48)
/// >>> renewed.not_before, renewed.not_after, renewed.certificate.subject == old.subject, renewed.key.matches(renewed.certificate)
/// ('2026-11-23T05:55:00Z', '2026-11-25T06:00:00Z', True, True)
#[pyfunction]
#[pyo3(signature = (certificate, /, *, ca, ca_key, now, validity_hours = 8760, backdate_seconds = 300, algorithm = None, keep_key = None))]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn renew(
    py: Python<'_>,
    certificate: CertificateDer,
    ca: CertificateDer,
    ca_key: &Bound<'_, PyPrivateKey>,
    now: Moment,
    validity_hours: u32,
    backdate_seconds: u32,
    algorithm: Option<Algorithm>,
    keep_key: Option<&Bound<'_, PyPrivateKey>>,
) -> PyResult<PyRenewed> {
    let policy = Policy {
        validity: SignedDuration::from_hours(validity_hours.into()),
        backdate: SignedDuration::from_secs(backdate_seconds.into()),
        key: key_policy(algorithm, keep_key.is_some())?,
    };
    let (ca_key, kept) = (ca_key.get().0.clone(), keep_key.map(|key| key.get().0.clone()));
    py.detach(|| renewed(&certificate.0, &ca.0, ca_key, &policy, kept, &now)).or_raise().map(PyRenewed)
}

fn key_policy(algorithm: Option<Algorithm>, kept: bool) -> PyResult<KeyPolicy> {
    match (algorithm, kept) {
        (None, false) => Ok(KeyPolicy::NewSameAlgorithm),
        (Some(Algorithm(algorithm)), false) => Ok(KeyPolicy::New { algorithm }),
        (None, true) => Ok(KeyPolicy::Kept),
        (Some(_), true) => Err(Trouble::either("algorithm", "keep_key")).or_raise(),
    }
}

fn renewed(old: &[u8], ca: &[u8], ca_key: PrivateKey, policy: &Policy, kept: Option<PrivateKey>, now: &Moment) -> Result<Renewed, Error> {
    let ca = CertificateAuthority::new(ca, ca_key, now.0)?;
    let new = policy.key.wanted(old)?.map(PrivateKey::generate).transpose()?;
    let key = new.or(kept).ok_or(Error::KeptKeyDiffers)?;
    ours::renewed(old, &ca, policy, &key, now.0, NewSerial::draw(&mut system_random)?)
}

/// A request for the successor of a certificate, for a CA whose key is elsewhere: PEM. Subject and extensions are those of the old
/// certificate, byte for byte; `key` is the key that the new one is for.
///
/// `certificate` is a `Certificate`, or `bytes`, PEM or DER. Raises `InvalidInput`.
///
/// >>> from trimtab import certs
/// >>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> certs.signing_request(old, key=certs.PrivateKey.generate("ECDSA-P256")).splitlines()[0]
/// b'-----BEGIN CERTIFICATE REQUEST-----'
#[pyfunction]
#[pyo3(signature = (certificate, /, *, key))]
pub(crate) fn signing_request<'py>(py: Python<'py>, certificate: CertificateDer, key: &Bound<'py, PyPrivateKey>) -> PyResult<Bound<'py, PyBytes>> {
    let key = key.get().0.clone();
    let request = py.detach(|| ours::certificate_signing_request(&certificate.0, &key)).or_raise()?;
    Ok(PyBytes::new(py, request.to_pem().as_bytes()))
}

/// Checks what an external CA sent back against the request and that CA: the same key and subject, no name and no usage fewer, no CA,
/// signed by the CA, valid at `now`. A dict with `notBefore`, `notAfter`, `effectiveNotAfter` (the CA's end, where that is earlier) and
/// `changedExtensions`.
///
/// `request` are `bytes`, PEM or DER; `answer` and `ca` are each a `Certificate`, or `bytes`, PEM or DER.
///
/// Raises `InvalidInput`, which says what to ask the CA for.
///
/// >>> from trimtab import certs
/// >>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> renewed = certs.renew(old, ca=ca, ca_key=ca_key, now="2026-11-23T06:00:00Z")  # by the CA, elsewhere
/// >>> request = certs.signing_request(old, key=renewed.key)
/// >>> certs.accept(request, renewed.certificate, ca=ca, now="2026-11-23T06:00:00Z")["changedExtensions"]
/// []
#[pyfunction]
#[pyo3(signature = (request, answer, /, *, ca, now))]
pub(crate) fn accept(py: Python<'_>, request: RequestDer, answer: CertificateDer, ca: CertificateDer, now: Moment) -> PyResult<Bound<'_, PyDict>> {
    let accepted = py.detach(|| ours::accept(&request.0, &answer.0, &ca.0, now.0)).or_raise()?;
    write_dict(py, &accepted)
}

/// Whether the key of `issuer` made the signature of a certificate: a dict whose `check` is `"good"` (with its `weaknesses`), `"bad"`, or
/// `"cannotCheck"` (with the `reason`), which is not the same. Dates and names are not looked at: `verify_chain` does.
///
/// Both are a `Certificate`, or `bytes`, PEM or DER. Raises `InvalidInput`.
///
/// >>> from trimtab import certs
/// >>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> certs.check_signature(old, issuer=ca), certs.check_signature(ca, issuer=old)
/// ({'check': 'good', 'weaknesses': []}, {'check': 'bad'})
#[pyfunction]
#[pyo3(signature = (certificate, /, *, issuer))]
pub(crate) fn check_signature(py: Python<'_>, certificate: CertificateDer, issuer: CertificateDer) -> PyResult<Bound<'_, PyDict>> {
    let issuer = Certificate::from_der(&issuer.0).or_raise()?;
    write_dict(py, &ours::check_signature(&certificate.0, &issuer.public_key.spki).or_raise()?)
}

/// Everything that stands against a certificate being one of `ca`'s at a time: a list of dicts with `problem`, its fields, and a `message`;
/// an empty one is good. One CA is looked at, not a chain of them.
///
/// Both are a `Certificate`, or `bytes`, PEM or DER; `at` is a `datetime` with a time zone, or a text. Raises `InvalidInput`.
///
/// >>> from trimtab import certs
/// >>> old, key, ca, ca_key = certs.example_pair(now="2026-01-01T00:00:00Z")
/// >>> certs.verify_chain(old, ca=ca, at="2026-06-01T00:00:00Z")
/// []
/// >>> [problem["message"] for problem in certs.verify_chain(old, ca=ca, at="2027-06-01T00:00:00Z")]
/// ['it expired at 2027-01-01T00:00:00Z, before 2027-06-01T00:00:00Z']
#[pyfunction]
#[pyo3(signature = (certificate, /, *, ca, at))]
pub(crate) fn verify_chain(py: Python<'_>, certificate: CertificateDer, ca: CertificateDer, at: Moment) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let problems = ours::verify_chain(&certificate.0, &ca.0, at.0).or_raise()?;
    problems.iter().map(|problem| told(py, problem)).collect()
}

/// The fields of what is to be said, and its words.
pub(crate) fn told<'py, T: Serialize + Display>(py: Python<'py>, said: &T) -> PyResult<Bound<'py, PyDict>> {
    let dict = write_dict(py, said)?;
    dict.set_item("message", said.to_string())?;
    Ok(dict)
}

/// `Debug` of a key shows its algorithm alone.
fn secret(class: &str, key: &PrivateKey) -> PyErr {
    PyTypeError::new_err(format!("cannot pickle a {class}: {key:?} would be written down with it; key.to_pem() gives it out where that is wanted"))
}

/// An argument: a certificate, or the bytes of a file with one, PEM or DER; the first one counts.
pub(crate) struct CertificateDer(pub(crate) Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for CertificateDer {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyCertificate>() {
            Ok(certificate) => Ok(Self(certificate.get().0.der().to_vec())),
            Err(_) => der(given, "CERTIFICATE").map(Self),
        }
    }
}

/// An argument: a certificate signing request, PEM or DER.
pub(crate) struct RequestDer(Vec<u8>);

impl<'py> FromPyObject<'_, 'py> for RequestDer {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        der(given, "CERTIFICATE REQUEST").map(Self)
    }
}

/// The contents of the first PEM block with that label; the bytes as they are where there is none. A text is not repeated in an error: it
/// may hold a key.
fn der(given: Borrowed<'_, '_, PyAny>, label: &str) -> PyResult<Vec<u8>> {
    let bytes = given.cast::<PyBytes>().map_err(|_| PyTypeError::new_err("give a Certificate, or PEM or DER as bytes"))?;
    let bytes = bytes.as_bytes();
    let block = pem::blocks(bytes).flatten().find(|block| block.label == label);
    Ok(block.map_or_else(|| bytes.to_vec(), |block| block.contents))
}

/// An argument: the name of an algorithm with its size, as `encryptionAlgorithm` of kubeadm has it.
pub(crate) struct Algorithm(pub(crate) KeyAlgorithm);

impl<'py> FromPyObject<'_, 'py> for Algorithm {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let kind: KeyKind = read(&given, "algorithm")?;
        match kind {
            KeyKind::Rsa(bits) => Ok(KeyAlgorithm::Rsa { bits }),
            KeyKind::EcdsaP256 => Ok(KeyAlgorithm::EcdsaP256),
            KeyKind::EcdsaP384 => Ok(KeyAlgorithm::EcdsaP384),
            KeyKind::EcdsaP521 => Ok(KeyAlgorithm::EcdsaP521),
            KeyKind::Ed25519 => Ok(KeyAlgorithm::Ed25519),
            KeyKind::Other(algorithm) => Err(Error::KeyUnsupported { algorithm }),
        }
        .or_raise()
        .map(Self)
    }
}
