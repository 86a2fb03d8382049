//! Every Rust error as the Python exception that has its remedy, with its fields. The classes stand in `trimtab/exceptions.py`.

use pyo3::prelude::*;
use serde_json::{Value, json};
use trimtab::gate::GateError;
use trimtab::quantity::QuantityError;
use trimtab::version::VersionError;
use trimtab::{etcd, net, node, sched};

use crate::convert::write;

/// An exception that is about to be raised.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    class: Class,
    message: String,
    /// What `to_dict()` of the exception gives: the kind of error under `error`, and its fields.
    details: Value,
}

/// One class for each remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    InvalidInput,
    UnsupportedVersion,
    FeatureGateError,
    Unreachable,
    DeadlineExceeded,
    TlsError,
    AccessDenied,
    NoSpace,
    ClusterError,
}

impl Class {
    const fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "InvalidInput",
            Self::UnsupportedVersion => "UnsupportedVersion",
            Self::FeatureGateError => "FeatureGateError",
            Self::Unreachable => "Unreachable",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::TlsError => "TlsError",
            Self::AccessDenied => "AccessDenied",
            Self::NoSpace => "NoSpace",
            Self::ClusterError => "ClusterError",
        }
    }
}

/// `?` for the errors of the crates below.
pub(crate) trait OrRaise<T> {
    /// As Python's exception.
    fn or_raise(self) -> PyResult<T>;
}

impl<T, E: Into<Trouble>> OrRaise<T> for Result<T, E> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| error.into().into())
    }
}

impl Trouble {
    fn new(class: Class, message: impl ToString, details: Value) -> Self {
        Self { class, message: message.to_string(), details }
    }

    fn invalid(message: impl ToString, details: Value) -> Self {
        Self::new(Class::InvalidInput, message, details)
    }

    /// A Python object that is not what is wanted; `path` is `.` for the object as a whole.
    pub(crate) fn unreadable(what: &str, path: &str, problem: &str) -> Self {
        Self::invalid(format!("{what} cannot be read: {path}: {problem}"), json!({"error": "unreadable", "path": path, "problem": problem}))
    }

    /// A value that Python cannot hold.
    pub(crate) fn unwritable(problem: &str) -> Self {
        Self::invalid(format!("this cannot be given to Python: {problem}"), json!({"error": "unwritable", "problem": problem}))
    }

    /// An argument that no type of Rust's can hold.
    pub(crate) fn out_of_range(argument: &str, given: &dyn std::fmt::Display, range: &str) -> Self {
        Self::invalid(
            format!("{argument} is {given}, it lies {range}"),
            json!({"error": "outOfRange", "argument": argument, "given": given.to_string()}),
        )
    }

    /// One of two arguments that only make sense together.
    pub(crate) fn missing(argument: &str, beside: &str) -> Self {
        Self::invalid(
            format!("{beside} is given without {argument}: give both, or neither"),
            json!({"error": "missing", "argument": argument, "beside": beside}),
        )
    }

    fn raise(&self, py: Python<'_>) -> PyResult<PyErr> {
        let class = py.import("trimtab.exceptions")?.getattr(self.class.name())?;
        Ok(PyErr::from_value(class.call1((&self.message, write(py, &self.details)?))?))
    }
}

impl From<Trouble> for PyErr {
    fn from(trouble: Trouble) -> Self {
        Python::attach(|py| trouble.raise(py).unwrap_or_else(|error| error))
    }
}

impl From<VersionError> for Trouble {
    fn from(error: VersionError) -> Self {
        match &error {
            VersionError::Unreadable { text } => Self::invalid(&error, json!({"error": "unreadableVersion", "text": text})),
            VersionError::OutOfRange { text, nearest } => {
                Self::new(Class::UnsupportedVersion, &error, json!({"error": "unsupportedVersion", "text": text, "nearest": nearest}))
            }
            _ => Self::invalid(&error, json!({"error": "version"})),
        }
    }
}

impl From<GateError> for Trouble {
    fn from(error: GateError) -> Self {
        let details = match &error {
            GateError::Unknown { name, version, did_you_mean } => {
                json!({"error": "unknown", "name": name, "version": version, "didYouMean": did_you_mean})
            }
            GateError::NotYet { name, version, first } => json!({"error": "notYet", "name": name, "version": version, "first": first}),
            GateError::Gone { name, version, last } => json!({"error": "gone", "name": name, "version": version, "last": last}),
            GateError::Locked { name, version, value } => json!({"error": "locked", "name": name, "version": version, "value": value}),
            GateError::Unreadable { text } => json!({"error": "unreadable", "text": text}),
            _ => json!({"error": "featureGate"}),
        };
        Self::new(Class::FeatureGateError, error, details)
    }
}

impl From<QuantityError> for Trouble {
    fn from(error: QuantityError) -> Self {
        let name = error.name();
        let details = match &error {
            QuantityError::FormatWrong { text } | QuantityError::Suffix { text } | QuantityError::Numeric { text } => {
                json!({"error": name, "text": text})
            }
            QuantityError::TooManyDigits { digits } => json!({"error": name, "digits": digits}),
            QuantityError::ExponentOutOfBounds { exponent } => json!({"error": name, "exponent": exponent}),
            QuantityError::DoesNotFit { text, unit } => json!({"error": name, "text": text, "unit": unit}),
            _ => json!({"error": name}),
        };
        Self::invalid(error, details)
    }
}

impl From<node::Error> for Trouble {
    fn from(error: node::Error) -> Self {
        let details = match &error {
            node::Error::Pod(view) => json!({"error": "unreadable", "path": view.path, "problem": view.problem}),
            node::Error::ZeroMemoryCapacity => json!({"error": "zeroMemoryCapacity"}),
            node::Error::NoSuchContainer { pod, container, known } => {
                json!({"error": "noSuchContainer", "pod": pod, "container": container, "known": known})
            }
            node::Error::NoContainers { pod } => json!({"error": "noContainers", "pod": pod}),
            node::Error::OomScoreAdjOutOfRange { value } => json!({"error": "oomScoreAdjOutOfRange", "value": value}),
            node::Error::NoPages { total_bytes, page_bytes } => json!({"error": "noPages", "totalBytes": total_bytes, "pageBytes": page_bytes}),
            _ => json!({"error": "node"}),
        };
        Self::invalid(error, details)
    }
}

impl From<sched::Error> for Trouble {
    fn from(error: sched::Error) -> Self {
        let details = match &error {
            sched::Error::PercentageOutOfRange { field, value } => json!({"error": "percentageOutOfRange", "field": field, "value": value}),
            sched::Error::NoStartNodeIndex => json!({"error": "noStartNodeIndex"}),
            sched::Error::NoNodes { all, left } => json!({"error": "noNodes", "all": all, "left": left}),
            _ => json!({"error": "sched"}),
        };
        Self::invalid(error, details)
    }
}

impl From<net::Error> for Trouble {
    fn from(error: net::Error) -> Self {
        let details = match &error {
            net::Error::InvalidJson { mode, detail } => json!({"error": "invalidJson", "mode": mode, "detail": detail}),
            net::Error::WrongKind { mode, field, wanted, found } => {
                json!({"error": "wrongKind", "mode": mode, "field": field, "wanted": wanted, "found": found})
            }
            net::Error::NegativeMin { min } => json!({"error": "negativeMin", "min": min}),
            net::Error::MaxBelowMin { max, min } => json!({"error": "maxBelowMin", "max": max, "min": min}),
            net::Error::NoRatio => json!({"error": "noRatio"}),
            net::Error::NegativeRatio { dimension, value } => {
                json!({"error": "negativeRatio", "dimension": dimension.to_string(), "value": value})
            }
            net::Error::NotFinite { dimension, value } => json!({"error": "notFinite", "dimension": dimension.to_string(), "value": value}),
            net::Error::NegativeEntry { dimension, threshold, replicas } => {
                json!({"error": "negativeEntry", "dimension": dimension.to_string(), "threshold": threshold, "replicas": replicas})
            }
            net::Error::ExpectedOneEntry { keys } => json!({"error": "expectedOneEntry", "keys": keys}),
            net::Error::UnsupportedMode { mode } => json!({"error": "unsupportedMode", "mode": mode}),
            net::Error::NotAConfigMap { found } => json!({"error": "notAConfigMap", "found": found}),
            net::Error::DataIsNoText { key, found } => json!({"error": "dataIsNoText", "key": key, "found": found}),
            _ => json!({"error": "net"}),
        };
        Self::invalid(error, details)
    }
}

impl From<etcd::Error> for Trouble {
    fn from(error: etcd::Error) -> Self {
        let details = serde_json::to_value(&error).unwrap_or_else(|_| json!({"error": "etcd"}));
        Self::new(etcd_class(&error), error, details)
    }
}

fn etcd_class(error: &etcd::Error) -> Class {
    match error {
        etcd::Error::InvalidEndpoint { .. }
        | etcd::Error::InvalidPolicy { .. }
        | etcd::Error::InvalidCredentials { .. }
        | etcd::Error::AnotherCluster { .. }
        | etcd::Error::AnotherMember { .. } => Class::InvalidInput,
        etcd::Error::ClientCertificateExpired { .. } | etcd::Error::ServerCertificate { .. } | etcd::Error::ClientCertificateRejected { .. } => {
            Class::TlsError
        }
        etcd::Error::Unreachable { .. } => Class::Unreachable,
        etcd::Error::Deadline { .. } => Class::DeadlineExceeded,
        etcd::Error::LoginRefused { .. } | etcd::Error::LoginNeeded { .. } | etcd::Error::AccessDenied { .. } => Class::AccessDenied,
        etcd::Error::NoSpace { .. } => Class::NoSpace,
        etcd::Error::NoEndpoint { troubles } => common_class(troubles),
        etcd::Error::Corrupt { .. }
        | etcd::Error::Compacted { .. }
        | etcd::Error::UnknownMember { .. }
        | etcd::Error::NotDefragmented { .. }
        | etcd::Error::NotReadBack { .. }
        | etcd::Error::Server { .. }
        | _ => Class::ClusterError,
    }
}

/// Several endpoints that failed alike have the remedy of one.
fn common_class(troubles: &[etcd::Error]) -> Class {
    let mut classes = troubles.iter().map(etcd_class);
    let first = classes.next().unwrap_or(Class::Unreachable);
    if classes.all(|class| class == first) { first } else { Class::Unreachable }
}
