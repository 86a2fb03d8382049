//! The frame of the classes that are plain data.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

/// A frozen class around one value that serde knows: `==`, pickle, `to_dict`, `from_dict`, `to_json`, `from_json`. It is one of `trimtab.etcd`, unless
/// `in "trimtab.certs";` comes first.
macro_rules! data_class {
    (in $module:tt; $(#[$doc:meta])* $class:ident($inner:ty) as $name:tt { $($methods:tt)* }) => {
        $(#[$doc])*
        #[pyo3::pyclass(name = $name, module = $module, frozen, eq)]
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $class(pub(crate) $inner);

        #[pyo3::pymethods]
        impl $class {
            $($methods)*

            /// As plain data: dicts, lists, texts, numbers.
            fn to_dict<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::types::PyDict>> {
                $crate::convert::write_dict(py, &self.0)
            }

            /// The other way round. Raises `InvalidInput`; its `path` names the field.
            #[classmethod]
            #[pyo3(signature = (data, /))]
            fn from_dict(_class: &pyo3::Bound<'_, pyo3::types::PyType>, data: &pyo3::Bound<'_, pyo3::PyAny>) -> pyo3::PyResult<Self> {
                $crate::convert::read(data, concat!("the ", $name)).map(Self)
            }

            /// As one line of JSON, to be saved.
            fn to_json(&self) -> pyo3::PyResult<String> {
                $crate::convert::to_json(&self.0)
            }

            /// The other way round. Raises `InvalidInput`.
            #[classmethod]
            #[pyo3(signature = (text, /))]
            fn from_json(_class: &pyo3::Bound<'_, pyo3::types::PyType>, text: &str) -> pyo3::PyResult<Self> {
                $crate::convert::from_json(text, concat!("the ", $name)).map(Self)
            }

            fn __reduce__<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<(pyo3::Bound<'py, pyo3::PyAny>, (pyo3::Bound<'py, pyo3::types::PyDict>,))> {
                Ok((py.get_type::<Self>().getattr("from_dict")?, (self.to_dict(py)?,)))
            }
        }
    };
    ($(#[$doc:meta])* $class:ident($inner:ty) as $name:tt { $($methods:tt)* }) => {
        $crate::data_class::data_class! { in "trimtab.etcd"; $(#[$doc])* $class($inner) as $name { $($methods)* } }
    };
}

pub(crate) use data_class;

/// A hash over all that a value holds: equal values have equal JSON.
pub(crate) fn hash_of<T: Serialize>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(value).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
