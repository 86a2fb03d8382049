//! `trimtab.certs`: many files read, parsed and judged in one call.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use trimtab::certs::certificate::MAX_FILE_BYTES;
use trimtab::certs::finding::{self, FindingPolicy};
use trimtab::certs::inspect::Inspection;

use crate::convert::write_dict;
use crate::error::Trouble;
use crate::etcd_backup::Moment;
use crate::etcd_file::{Content, Source};

/// After so many files Python may handle its signals: some milliseconds.
const FILES_AT_ONCE: usize = 256;

/// Reads files with certificates, and judges all of them together: a list of dicts, the worst first. Each has `severity` (`"error"`, `"warning"`,
/// `"notice"`), `place` (`source` and `entry`), `position`, `subject`, `finding` (what it is), its numbers, and `message`, which says what to do. Who
/// signed whom is looked for among all files, so give those of the authorities too.
///
/// `files` are paths of PEM, DER, kubeconfigs, or files with a key beside its certificate, as a kubelet keeps them. `now` is a `datetime` with a time
/// zone or a text. What ends within `expiring_within_days`, an authority within `authority_expiring_within_days`, and a life longer than
/// `longest_life_days` are told. Releases the lock of the interpreter and answers Ctrl-C. A thousand nodes take less than a second.
///
/// Raises `FileNotFoundError` and its like for a file that cannot be read at all, and `InvalidInput` for one above 100 MiB. What is in it and cannot be read is a finding.
///
/// >>> from trimtab import certs
/// >>> certs.findings([], now="2026-11-25T00:00:00Z")
/// []
#[pyfunction]
#[pyo3(signature = (files, /, *, now, expiring_within_days = 30, authority_expiring_within_days = 365, longest_life_days = 3653))]
pub(crate) fn findings<'py>(
    py: Python<'py>,
    files: Vec<PathBuf>,
    now: Moment,
    expiring_within_days: i32,
    authority_expiring_within_days: i32,
    longest_life_days: i32,
) -> PyResult<Bound<'py, PyList>> {
    let days = |days: i32| SignedDuration::from_hours(24 * i64::from(days));
    let policy = FindingPolicy {
        expiring_within: days(expiring_within_days),
        authority_expiring_within: days(authority_expiring_within_days),
        longest_life: days(longest_life_days),
    };
    let mut all = Inspection::default();
    for some in files.chunks(FILES_AT_ONCE) {
        py.check_signals()?;
        py.detach(|| some.iter().try_for_each(|path| add(&mut all, path)))?;
    }
    let found = py.detach(|| finding::findings(&all, &policy, now.0));
    // Nothing that was found holds on to it, and giving ten thousand certificates back takes a while.
    py.detach(|| drop(all));
    let told = |finding: &finding::Finding| -> PyResult<Bound<'py, PyDict>> {
        let dict = write_dict(py, finding)?;
        dict.set_item("message", finding.problem.to_string())?;
        Ok(dict)
    };
    PyList::new(py, found.iter().map(told).collect::<PyResult<Vec<_>>>()?)
}

fn add(all: &mut Inspection, path: &Path) -> PyResult<()> {
    let bytes = match Content::File(path.to_owned()).open()? {
        Source::Bytes(bytes) => bytes.to_vec(),
        Source::File(file) => {
            let mut bytes = Vec::new();
            file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
            bytes
        }
    };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Trouble::out_of_range("file", &"longer", &format!("above {MAX_FILE_BYTES} bytes, which no file of certificates is")).into());
    }
    all.append(Inspection::of_file(&path.to_string_lossy(), &bytes));
    Ok(())
}
