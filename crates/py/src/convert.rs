//! Between Python objects and Rust values, by way of serde and without a JSON value in between.

mod read;
mod write;

use std::fmt::{self, Display};

use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use write::{write, write_dict};

use crate::error::{OrRaise, Trouble};
use read::Reader;

/// Reads a Python object: dictionaries (any mapping), lists, tuples, texts, numbers, `None`. `what` is named in the error.
///
/// The path of a field that cannot be read costs time, so it is looked for only where there is something to say about it.
pub(crate) fn read<T: DeserializeOwned>(value: &Bound<'_, PyAny>, what: &str) -> PyResult<T> {
    T::deserialize(Reader::new(value)).map_err(|plain| located::<T>(value, what, &plain)).or_raise()
}

fn located<T: DeserializeOwned>(value: &Bound<'_, PyAny>, what: &str, plain: &Problem) -> Trouble {
    match serde_path_to_error::deserialize::<_, T>(Reader::new(value)) {
        Err(error) => Trouble::unreadable(what, &error.path().to_string(), &error.inner().to_string()),
        Ok(_) => Trouble::unreadable(what, ".", &plain.to_string()),
    }
}

/// As one line of JSON.
pub(crate) fn to_json<T: Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| Trouble::unwritable(&error.to_string())).or_raise()
}

/// The other way round. `what` is named in the error.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> PyResult<T> {
    serde_json::from_str(text).map_err(|error| Trouble::unreadable(what, ".", &error.to_string())).or_raise()
}

/// `Name(field=value, …)`, with the values as Python shows them.
pub(crate) fn shown(py: Python<'_>, name: &str, fields: &[(&str, Py<PyAny>)]) -> PyResult<String> {
    let parts = fields.iter().map(|(field, value)| Ok(format!("{field}={}", value.bind(py).repr()?)));
    Ok(format!("{name}({})", parts.collect::<PyResult<Vec<_>>>()?.join(", ")))
}

/// What serde could not read or write.
#[derive(Debug)]
pub(crate) struct Problem(String);

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl serde::de::Error for Problem {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl serde::ser::Error for Problem {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl From<PyErr> for Problem {
    fn from(error: PyErr) -> Self {
        Self(error.to_string())
    }
}
