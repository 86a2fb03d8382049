//! What Ansible's `community.crypto.x509_certificate_info` says of a certificate, as a dict.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt};
use trimtab::certs::certificate::info::{CertificateInfo, Number, PublicKeyData, point_in_time};
use trimtab::certs::certificate::{Certificate, Serial};

use crate::convert::write_dict;
use crate::error::Trouble;
use crate::etcd_backup::Moment;

/// The dict, with numbers of any length, and with the fingerprints that Python's hashlib has and no crate here.
pub(crate) fn info<'py>(
    py: Python<'py>,
    certificate: &Certificate,
    now: Timestamp,
    valid_at: HashMap<String, Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let asked = valid_at.into_iter().map(|(name, time)| Ok((name, moment(&time, now)?)));
    let info = certificate.info(now, &asked.collect::<PyResult<BTreeMap<_, _>>>()?);
    let dict = write_dict(py, &info)?;
    dict.set_item("serial_number", signed(py, &info.serial_number)?)?;
    dict.set_item("authority_cert_serial_number", info.authority_cert_serial_number.as_ref().map(|serial| signed(py, serial)).transpose()?)?;
    dict.set_item("public_key_data", key_data(py, &info)?)?;
    dict.set_item("fingerprints", fingerprints(py, certificate.der())?)?;
    dict.set_item("public_key_fingerprints", fingerprints(py, &certificate.public_key.spki)?)?;
    Ok(dict)
}

/// A text as Ansible's modules take it, or what `Moment` takes.
fn moment(time: &Bound<'_, PyAny>, now: Timestamp) -> PyResult<Timestamp> {
    match time.extract::<String>() {
        Ok(text) => point_in_time(&text, now).ok_or_else(|| Trouble::no_moment(&text).into()),
        Err(_) => Ok(time.extract::<Moment>()?.0),
    }
}

fn key_data<'py>(py: Python<'py>, info: &CertificateInfo) -> PyResult<Bound<'py, PyDict>> {
    let dict = write_dict(py, &info.public_key_data)?;
    let numbers: Vec<(&str, Option<&Number>)> = match &info.public_key_data {
        PublicKeyData::Rsa { modulus, exponent, .. } => vec![("modulus", Some(modulus)), ("exponent", Some(exponent))],
        PublicKeyData::Dsa { p, q, g, y, .. } => vec![("p", Some(p)), ("q", Some(q)), ("g", Some(g)), ("y", Some(y))],
        PublicKeyData::Ecc { x, y, .. } => vec![("x", Some(x)), ("y", y.as_ref())],
        PublicKeyData::None {} => Vec::new(),
    };
    for (name, number) in numbers {
        dict.set_item(
            name,
            number.map(|number| py.get_type::<PyInt>().call_method1("from_bytes", (PyBytes::new(py, number.as_bytes()), "big"))).transpose()?,
        )?;
    }
    Ok(dict)
}

/// Of a text Python reads some thousand digits at most.
pub(crate) fn signed<'py>(py: Python<'py>, serial: &Serial) -> PyResult<Bound<'py, PyAny>> {
    let signed = PyDict::new(py);
    signed.set_item("signed", true)?;
    py.get_type::<PyInt>().call_method("from_bytes", (PyBytes::new(py, serial.as_bytes()), "big"), Some(&signed))
}

/// By every function of `hashlib.algorithms_guaranteed` that this Python may use, those of any length with 32 bytes, as the module does.
fn fingerprints<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let hashlib = py.import("hashlib")?;
    let found = PyDict::new(py);
    for name in hashlib.getattr("algorithms_guaranteed")?.try_iter()? {
        let name: String = name?.extract()?;
        // A Python that is bound to FIPS refuses some.
        let Ok(hash) = hashlib.call_method1("new", (&name, PyBytes::new(py, bytes))) else { continue };
        let arguments: &[usize] = if name.starts_with("shake_") { &[32] } else { &[] };
        let digest: String = hash.call_method1("hexdigest", pyo3::types::PyTuple::new(py, arguments)?)?.extract()?;
        let pairs: Vec<&str> = (0..digest.len() / 2).map(|at| &digest[2 * at..2 * at + 2]).collect();
        found.set_item(name, pairs.join(":"))?;
    }
    Ok(found)
}
