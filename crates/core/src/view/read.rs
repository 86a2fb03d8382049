//! Reading a view, and saying where it went wrong.

use std::fmt::Display;

use serde::{Deserialize, Deserializer};

/// Why an object cannot be read: where, and what stands there instead of what.
///
/// ```
/// use trimtab_core::view::Pod;
///
/// let error = Pod::from_json(r#"{"spec": {"nodeName": 5}}"#).unwrap_err();
/// assert_eq!(error.path, "spec.nodeName");
/// assert_eq!(error.problem, "invalid type: integer `5`, expected a string at line 1 column 23");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ViewError {
    /// The field, as `spec.containers[0].resources.requests.cpu`; `.` for the object as a whole.
    pub path: String,
    /// What was found there and what is expected; with line and column where text was read.
    pub problem: String,
}

/// Reads and follows the path, for the error to name it.
pub(super) fn traced<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, ViewError> {
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| ViewError { path: error.path().to_string(), problem: error.into_inner().to_string() })
}

/// Reads a second time what could not be read, for the path. `plain` is what the first reading said; it stands where the second
/// one has nothing to say: text after the object.
pub(super) fn located<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D, plain: &impl Display) -> ViewError {
    match traced::<T, D>(deserializer) {
        Err(error) => error,
        Ok(_) => ViewError { path: ".".to_owned(), problem: plain.to_string() },
    }
}
