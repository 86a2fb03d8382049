//! `trimtab.certs`, probes: which certificates a server shows. Converts, detaches, asks `trimtab_certs::live::Probe`, converts back.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};
use trimtab::certs::Error;
use trimtab::certs::certificate::{Certificate, certificates};
use trimtab::certs::live::Probe;
use trimtab::certs::served::{Served, ServedBesideFile};

use crate::certs::PyCertificate;
use crate::certs_renew::{CertificateDer, PyPrivateKey};
use crate::convert::write_dict;
use crate::data_class::data_class;
use crate::error::{OrRaise, Trouble};
use crate::etcd::{Pem, both, seconds};
use crate::wait::{self, Afterwards, on_a_thread};

/// Asks a server which certificates it shows, its own first: renewed on the disk is not yet in use. A TLS handshake and nothing beyond it, since
/// nobody vouches for the server; whatever it shows is taken, and `verify_chain` judges it.
///
/// `server_name` is the name that it is asked for (SNI), by default `host`. Servers that want a client certificate show their own before, so that
/// `certificate` (PEM `bytes` with its chain, or the path of such a file) and `key` (a `PrivateKey`) are seldom needed. `timeout` is in seconds.
///
/// Blocks; releases the lock of the interpreter and answers Ctrl-C.
///
/// Raises `Unreachable`, `DeadlineExceeded`, `TlsError` where no TLS is spoken, `InvalidInput` for a name or a certificate that cannot be used.
///
/// >>> from trimtab import certs
/// >>> certs.probe("127.0.0.1", 6443, server_name="no name")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: 127.0.0.1:6443 cannot be asked: invalid dns name
#[pyfunction]
#[pyo3(signature = (host, port, /, *, server_name = None, certificate = None, key = None, timeout = 10.0))]
pub(crate) fn probe(
    py: Python<'_>,
    host: &str,
    port: u16,
    server_name: Option<&str>,
    certificate: Option<Pem>,
    key: Option<&Bound<'_, PyPrivateKey>>,
    timeout: f64,
) -> PyResult<PyServed> {
    let mut probe = Probe::new(host, port).with_deadline(seconds("timeout", timeout)?);
    if let Some(name) = server_name {
        probe = probe.with_server_name(name);
    }
    if let Some((chain, key)) = both("certificate", certificate, "key", key)? {
        let chain = certificates(&chain.0).into_iter().map(|found| found.certificate.map_err(|problem| no_chain(&problem)));
        probe = probe.with_identity(&chain.collect::<Result<Vec<_>, _>>().or_raise()?, key.get().0.clone());
    }
    let served = wait::run(py, None, Afterwards::LetGo, |_| async move { on_a_thread(move |_| probe.run(), &mut |_| ()).await })?;
    served.or_raise().map(PyServed)
}

fn no_chain(problem: &impl ToString) -> Trouble {
    Error::InvalidProbe { endpoint: "a server".to_owned(), problem: format!("certificate: {}", problem.to_string()) }.into()
}

/// The certificates that a server showed: what `probe` gives.
#[pyclass(name = "Served", module = "trimtab.certs", frozen, eq)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PyServed(Served);

#[pymethods]
impl PyServed {
    /// Its own certificate, and those above it that it showed.
    #[getter]
    fn chain(&self) -> Vec<PyCertificate> {
        self.0.chain.iter().cloned().map(PyCertificate).collect()
    }

    /// Compares what is shown with the certificate of the file that should be: a `Certificate`, or `bytes`, PEM or DER.
    #[pyo3(signature = (file, /))]
    fn beside(&self, file: CertificateDer) -> PyResult<PyServedBesideFile> {
        let file = Certificate::from_der(&file.0).or_raise()?;
        Ok(PyServedBesideFile(self.0.beside(&file)))
    }

    /// Every fact as plain data.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        write_dict(py, &self.0)
    }

    /// What pickle calls.
    #[staticmethod]
    #[pyo3(name = "_again")]
    fn again(chain: Vec<Vec<u8>>) -> PyResult<Self> {
        let chain = chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<_, _>>().or_raise()?;
        Ok(Self(Served { chain }))
    }

    fn __repr__(&self) -> String {
        let own = self.0.chain.first().map_or_else(String::new, |own| format!(" {}, to {}", own.subject, own.not_after));
        format!("<Served{own}>")
    }

    #[expect(clippy::type_complexity, reason = "what pickle wants")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Vec<Bound<'py, PyBytes>>,))> {
        let chain = self.0.chain.iter().map(|certificate| PyBytes::new(py, certificate.der())).collect();
        let class: Bound<'_, PyType> = py.get_type::<Self>();
        Ok((class.getattr("_again")?, (chain,)))
    }
}

data_class! {
    in "trimtab.certs";
    /// What a server shows, beside a file. `str()` says what to do.
    PyServedBesideFile(ServedBesideFile) as "ServedBesideFile" {
        /// `"same"`, `"older"` (renewed in the file, and not loaded yet), `"newer"`, `"another"` (another subject's), `"nothing"`.
        #[getter]
        fn beside<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
            write_dict(py, &self.0)?.get_item("beside")
        }

        fn __str__(&self) -> String {
            self.0.to_string()
        }

        fn __repr__(&self) -> String {
            format!("<ServedBesideFile {}>", self.0)
        }
    }
}
