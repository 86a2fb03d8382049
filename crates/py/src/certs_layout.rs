//! `trimtab.certs`: layouts of distributions, and PKCS#12 files. Converts, asks `trimtab_certs`, converts back.

use std::collections::BTreeMap;
use std::io::Read as _;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use trimtab::certs::Inspection;
use trimtab::certs::inspect::{Inspected, Unread};
use trimtab::certs::layout::{Distribution, Layout, LayoutNode, Mismatch, NodeKind};
use trimtab::certs::pkcs12::MAX_PKCS12_BYTES;

use crate::certs::PyCertificate;
use crate::convert::{read, write, write_dict};
use crate::error::OrRaise;
use crate::etcd_file::{Content, Source};
use crate::version::Version;

/// Where a distribution of this release keeps certificates, who signs them and who renews them: `distribution` is `"kubeadm"`, `"k3s"`, `"rke2"` or
/// `"k0s"`. A dict with `dataDir`, `dataDirSetting` and `entries`.
///
/// From the distributions' sources, by commit; k3s, RKE2 and k0s themselves were not run.
///
/// Raises `InvalidInput` for another distribution.
///
/// >>> from trimtab import certs
/// >>> layout = certs.layout("k3s", version="1.33.1")
/// >>> layout["dataDir"], layout["entries"][5]["name"], layout["entries"][5]["renewal"]["withinDays"]
/// ('/var/lib/rancher/k3s', 'client-admin', 120)
#[pyfunction]
#[pyo3(signature = (distribution, /, *, version))]
pub(crate) fn layout<'py>(py: Python<'py>, distribution: &str, version: Version) -> PyResult<Bound<'py, PyDict>> {
    write_dict(py, &of(distribution, &version)?)
}

/// Every file to read for a layout, with the keys. `data_dir` is where it was moved to, if it was. Not all of them are on every node.
///
/// Raises `InvalidInput` for another distribution.
///
/// >>> from trimtab import certs
/// >>> certs.layout_files("k0s", version="1.33")[:2]
/// ['/var/lib/k0s/pki/ca.crt', '/var/lib/k0s/pki/ca.key']
#[pyfunction]
#[pyo3(signature = (distribution, /, *, version, data_dir = None))]
pub(crate) fn layout_files(distribution: &str, version: Version, data_dir: Option<String>) -> PyResult<Vec<String>> {
    let layout = of(distribution, &version)?;
    Ok(layout.files(data_dir.as_deref().unwrap_or(&layout.data_dir)))
}

/// What of the files of a node is otherwise than the layout has it: a list of dicts with `entry`, `path`, `mismatch`, its numbers and `message`. `files` are
/// contents as `bytes` by their paths; those that the layout does not name are passed over. `kinds` are `"server"` and `"agent"`, both by default;
/// `node_name` is compared where it is given.
///
/// Raises `InvalidInput` for another distribution or kind.
///
/// >>> from trimtab import certs
/// >>> certs.layout_mismatches("rke2", {}, version="1.33", kinds=["agent"])[0]["message"]
/// "it is not there: is this the node's data directory, and does it run this part of the distribution?"
#[pyfunction]
#[pyo3(
    signature = (distribution, files, /, *, version, data_dir = None, kinds = None, node_name = None),
    text_signature = "(distribution, files, /, *, version, data_dir=None, kinds=('server', 'agent'), node_name=None)"
)]
pub(crate) fn layout_mismatches<'py>(
    py: Python<'py>,
    distribution: &str,
    files: BTreeMap<String, Vec<u8>>,
    version: Version,
    data_dir: Option<String>,
    kinds: Option<&Bound<'py, PyAny>>,
    node_name: Option<String>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let layout = of(distribution, &version)?;
    let kinds = kinds.map_or_else(|| Ok(vec![NodeKind::Server, NodeKind::Agent]), |kinds| read(kinds, "kinds"))?;
    let node = LayoutNode { data_dir: data_dir.unwrap_or_else(|| layout.data_dir.clone()), kinds, name: node_name };
    let mismatches = py.detach(|| {
        let mut inspection = Inspection::default();
        for (path, contents) in &files {
            inspection.append(Inspection::of_file(path, contents));
        }
        layout.mismatches(&inspection, &node)
    });
    let with_message = |mismatch: &Mismatch| {
        let dict = write_dict(py, mismatch)?;
        dict.set_item("message", mismatch.problem.to_string())?;
        Ok(dict)
    };
    mismatches.iter().map(with_message).collect()
}

fn of(distribution: &str, version: &Version) -> PyResult<Layout> {
    let distribution: Distribution = distribution.parse().or_raise()?;
    Ok(Layout::of(distribution, version.0))
}

/// Looks through a PKCS#12 file (`.p12`, `.pfx`), written the old way or the new one: a dict with `items` and `unread`. An item has `entry` (the friendly
/// name), `certificate` or `problem`, and `key` (`own`, `differs`, `none`, `unreadable`); keys themselves are not given. What could not be read is a dict
/// with `entry`, `problem` and `message`.
///
/// `file` is a path, or the contents as `bytes`. The password is in no message. A file that asks for more hashing than any tool writes is refused.
///
/// Raises `FileNotFoundError` and its like.
///
/// >>> from trimtab import certs
/// >>> certs.pkcs12(b"nothing", password="secret")["unread"][0]["problem"]
/// 'notPkcs12'
#[pyfunction]
#[pyo3(signature = (file, /, *, password))]
pub(crate) fn pkcs12<'py>(py: Python<'py>, file: Content, password: &str) -> PyResult<Bound<'py, PyDict>> {
    let look = |bytes: &[u8]| py.detach(|| Inspection::of_pkcs12("", bytes, password));
    let found = match file.open()? {
        Source::Bytes(bytes) => look(&bytes),
        Source::File(file) => {
            let mut bytes = Vec::new();
            py.detach(|| file.take(MAX_PKCS12_BYTES as u64 + 1).read_to_end(&mut bytes))?;
            look(&bytes)
        }
    };
    let dict = PyDict::new(py);
    dict.set_item("items", found.items.iter().map(|item| inspected(py, item)).collect::<PyResult<Vec<_>>>()?)?;
    dict.set_item("unread", found.unread.iter().map(|unread| told(py, unread)).collect::<PyResult<Vec<_>>>()?)?;
    Ok(dict)
}

fn inspected<'py>(py: Python<'py>, item: &Inspected) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("entry", item.place.entry.as_deref())?;
    dict.set_item("certificate", item.certificate().ok().cloned().map(PyCertificate))?;
    dict.set_item("problem", item.certificate().err().map(|problem| write(py, problem)).transpose()?)?;
    dict.set_item("key", write(py, &item.key)?.get_item("key")?)?;
    Ok(dict)
}

fn told<'py>(py: Python<'py>, unread: &Unread) -> PyResult<Bound<'py, PyDict>> {
    let dict = write(py, &unread.problem)?.get_item("pkcs12")?.cast_into::<PyDict>()?;
    dict.set_item("entry", unread.place.entry.as_deref())?;
    dict.set_item("message", unread.problem.to_string())?;
    Ok(dict)
}
