//! `trimtab.KubeVersion`, and the arguments `version` and `feature_gates` of every function.

use std::collections::BTreeMap;
use std::str::FromStr;

use pyo3::prelude::*;
use pyo3::types::PyString;
use trimtab::{FeatureGates, KubeVersion};

use crate::convert::read;
use crate::error::OrRaise;

/// A Kubernetes release from 1.12 to 1.37: a minor and, where known, a patch.
///
/// Without a patch the newest one of that minor is meant, so `1.30` is greater than `1.30.14`. Reads what clusters report: a
/// leading `v`, vendor suffixes, a minor with `+`, pre-releases (read as the release they lead to).
///
/// Every argument `version` takes such an object or its text.
///
/// Raises `UnsupportedVersion` outside of the range (its `nearest` is the closest known release; nothing is clamped silently)
/// and `InvalidInput` for what is no version at all.
///
/// >>> from trimtab import KubeVersion
/// >>> gke = KubeVersion("v1.34.2-gke.1")
/// >>> gke, gke.minor, gke.patch
/// (KubeVersion('1.34.2'), 34, 2)
/// >>> gke < KubeVersion("1.34+"), KubeVersion("1.30").patch is None
/// (True, True)
#[pyclass(name = "KubeVersion", module = "trimtab", frozen, eq, ord, hash)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PyKubeVersion(pub(crate) KubeVersion);

#[pymethods]
impl PyKubeVersion {
    #[new]
    #[pyo3(signature = (text, /))]
    fn new(text: Version) -> Self {
        Self(text.0)
    }

    /// The oldest release that trimtab knows: 1.12.
    #[classattr]
    #[pyo3(name = "MIN")]
    const fn min() -> Self {
        Self(KubeVersion::MIN)
    }

    /// The newest release that trimtab knows: 1.37.
    #[classattr]
    #[pyo3(name = "MAX")]
    const fn max() -> Self {
        Self(KubeVersion::MAX)
    }

    /// The minor, from 12 to 37.
    #[getter]
    const fn minor(&self) -> u8 {
        self.0.minor()
    }

    /// The patch, or `None` where the newest one is meant.
    #[getter]
    const fn patch(&self) -> Option<u16> {
        self.0.patch()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("KubeVersion('{}')", self.0)
    }

    fn __getnewargs__(&self) -> (String,) {
        (self.0.to_string(),)
    }
}

/// An argument: a `KubeVersion` or its text.
pub(crate) struct Version(pub(crate) KubeVersion);

impl<'py> FromPyObject<'_, 'py> for Version {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(version) = given.cast::<PyKubeVersion>() {
            return Ok(Self(version.get().0));
        }
        let text = given.cast::<PyString>()?.to_string_lossy().into_owned();
        KubeVersion::from_str(&text).or_raise().map(Self)
    }
}

/// A release with what is set in it: a mapping of names to booleans, or the text of a `--feature-gates` flag.
pub(crate) fn gates(version: &Version, set: Option<&Bound<'_, PyAny>>) -> PyResult<FeatureGates> {
    let Some(set) = set else { return Ok(FeatureGates::at(version.0)) };
    if let Ok(text) = set.cast::<PyString>() {
        return FeatureGates::parse(&text.to_string_lossy(), version.0).or_raise();
    }
    let settings: BTreeMap<String, bool> = read(set, "feature_gates")?;
    FeatureGates::at(version.0).with_all(settings).or_raise()
}
