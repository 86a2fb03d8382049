//! Every Rust error as the Python exception that has its remedy, with its fields. The classes stand in `trimtab/exceptions.py`.

use pyo3::prelude::*;
use serde_json::{Value, json};
use trimtab::gate::GateError;
use trimtab::quantity::QuantityError;
use trimtab::version::VersionError;
use trimtab::{certs, etcd, etcd_file, history, net, node, sched};

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
    BrokenFile,
    FileInUse,
    FileError,
    Interrupted,
    AlreadyExists,
    NotFound,
    StorageFull,
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
            Self::BrokenFile => "BrokenFile",
            Self::FileInUse => "FileInUse",
            Self::FileError => "FileError",
            Self::Interrupted => "Interrupted",
            Self::AlreadyExists => "AlreadyExists",
            Self::NotFound => "NotFound",
            Self::StorageFull => "StorageFull",
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

    /// Two arguments that exclude each other.
    pub(crate) fn either(one: &str, other: &str) -> Self {
        Self::invalid(format!("{one} and {other} are given: give one of them"), json!({"error": "either", "one": one, "other": other}))
    }

    /// With one more field.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        if let Value::Object(details) = &mut self.details {
            details.insert(field.to_owned(), value);
        }
        self
    }

    /// An error whose own fields do not name its kind.
    fn of_kind(kind: &str, error: &(impl serde::Serialize + ToString)) -> Self {
        let details = serde_json::to_value(error).unwrap_or_else(|_| json!({}));
        Self::invalid(error.to_string(), details).with("error", kind.into())
    }

    /// What is no moment, or one without a time zone.
    pub(crate) fn no_moment(given: &str) -> Self {
        Self::invalid(
            format!("{given:?} is no moment: give a datetime with a time zone, or a text like 2026-11-25T03:15:00Z"),
            json!({"error": "noMoment", "given": given}),
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

impl From<certs::Error> for Trouble {
    fn from(error: certs::Error) -> Self {
        let details = serde_json::to_value(&error).unwrap_or_else(|_| json!({"error": "certs"}));
        Self::new(certs_class(&error), error, details)
    }
}

fn certs_class(error: &certs::Error) -> Class {
    match error {
        certs::Error::Unreachable { .. } => Class::Unreachable,
        certs::Error::ProbeDeadline { .. } => Class::DeadlineExceeded,
        certs::Error::NoTls { .. } => Class::TlsError,
        certs::Error::Unreadable { .. } | certs::Error::Unwritable { .. } | certs::Error::NotReadBack { .. } => Class::FileError,
        certs::Error::DiskFull { .. } => Class::StorageFull,
        certs::Error::Busy { .. } | certs::Error::Changed { .. } => Class::FileInUse,
        certs::Error::Interrupted { .. } | certs::Error::LeftHalfway { .. } | certs::Error::JournalNotRead { .. } | certs::Error::Torn { .. } => {
            Class::Interrupted
        }
        // About what was given: a key, a certificate, an answer, a policy.
        certs::Error::InvalidWindow { .. }
        | certs::Error::NoPrivateKey
        | certs::Error::KeyPem { .. }
        | certs::Error::KeyEncrypted
        | certs::Error::KeyLabel { .. }
        | certs::Error::KeyUnsupported { .. }
        | certs::Error::RsaSize { .. }
        | certs::Error::KeyNotRead
        | certs::Error::KeyNotGenerated { .. }
        | certs::Error::KeyFormat { .. }
        | certs::Error::Randomness
        | certs::Error::SerialNumber { .. }
        | certs::Error::CertificateNotRead { .. }
        | certs::Error::DuplicateExtension { .. }
        | certs::Error::TimeOutOfRange { .. }
        | certs::Error::CaKeyDiffers
        | certs::Error::NotACa
        | certs::Error::CaMayNotSign
        | certs::Error::CaExpired { .. }
        | certs::Error::CaNotYetValid { .. }
        | certs::Error::WouldRenewCa
        | certs::Error::Validity { .. }
        | certs::Error::KeptKeyDiffers
        | certs::Error::NewKeyIsOld
        | certs::Error::NewKeyAlgorithm { .. }
        | certs::Error::NotSigned
        | certs::Error::NotVerified { .. }
        | certs::Error::RequestNotRead { .. }
        | certs::Error::AnswerKey
        | certs::Error::AnswerSubject { .. }
        | certs::Error::AnswerNames { .. }
        | certs::Error::AnswerUsages { .. }
        | certs::Error::AnswerIsCa
        | certs::Error::InvalidRenewalPolicy { .. }
        | certs::Error::InvalidProbe { .. }
        | certs::Error::BackupNotUsable { .. }
        | certs::Error::KubeconfigNotRewritten { .. }
        | certs::Error::NotAsPlanned { .. }
        | certs::Error::AnswerChain { .. }
        | _ => Class::InvalidInput,
    }
}

impl From<certs::certificate::CertificateError> for Trouble {
    fn from(error: certs::certificate::CertificateError) -> Self {
        Self::of_kind("noCertificate", &error)
    }
}

impl From<certs::kubeadm::Refusal> for Trouble {
    fn from(error: certs::kubeadm::Refusal) -> Self {
        Self::of_kind("configRefused", &error)
    }
}

impl From<certs::kubeadm::command::UsageError> for Trouble {
    fn from(error: certs::kubeadm::command::UsageError) -> Self {
        Self::of_kind("usage", &error)
    }
}

impl From<certs::kubeadm::SanError> for Trouble {
    fn from(error: certs::kubeadm::SanError) -> Self {
        let details = serde_json::to_value(&error).unwrap_or_else(|_| json!({"error": "altNames"}));
        Self::invalid(error, details)
    }
}

impl From<history::Error> for Trouble {
    fn from(error: history::Error) -> Self {
        let class = match &error {
            history::Error::Unreachable { .. } => Class::Unreachable,
            history::Error::Api { .. } => Class::ClusterError,
            history::Error::Journal { .. } | history::Error::JournalExposed { .. } => Class::FileError,
            history::Error::JournalBusy { .. } => Class::FileInUse,
            history::Error::NegativeAge { .. }
            | history::Error::Percent { .. }
            | history::Error::NotADump { .. }
            | history::Error::Kubeconfig { .. }
            | history::Error::JournalOfAnother { .. }
            | _ => Class::InvalidInput,
        };
        let details = serde_json::to_value(&error).unwrap_or_else(|_| json!({"error": "history"}));
        Self::new(class, error, details)
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
        | etcd::Error::InvalidStore { .. }
        | etcd::Error::UnknownRelease { .. }
        | etcd::Error::AnotherCluster { .. }
        | etcd::Error::AnotherMember { .. } => Class::InvalidInput,
        etcd::Error::ClientCertificateExpired { .. } | etcd::Error::ServerCertificate { .. } | etcd::Error::ClientCertificateRejected { .. } => {
            Class::TlsError
        }
        etcd::Error::Unreachable { .. } | etcd::Error::StoreUnreachable { .. } => Class::Unreachable,
        etcd::Error::Deadline { .. } | etcd::Error::Stalled { .. } | etcd::Error::StoreDeadline { .. } => Class::DeadlineExceeded,
        etcd::Error::LoginRefused { .. } | etcd::Error::LoginNeeded { .. } | etcd::Error::AccessDenied { .. } | etcd::Error::StoreRefuses { .. } => {
            Class::AccessDenied
        }
        etcd::Error::NoSpace { .. } => Class::NoSpace,
        etcd::Error::NoEndpoint { troubles } => common_class(troubles),
        etcd::Error::BrokenSnapshot { .. }
        | etcd::Error::BackupFile { .. }
        | etcd::Error::StoredDiffers { .. }
        | etcd::Error::NotItsManifest { .. }
        | etcd::Error::NotUnpacked { .. }
        | etcd::Error::Unverified { .. } => Class::BrokenFile,
        etcd::Error::DiskFull { .. } | etcd::Error::StoreFull { .. } => Class::StorageFull,
        etcd::Error::Unwritable { .. } => Class::FileError,
        etcd::Error::DestinationExists { .. } | etcd::Error::ObjectExists { .. } => Class::AlreadyExists,
        etcd::Error::NoSuchStore { .. } | etcd::Error::NoSuchObject { .. } => Class::NotFound,
        etcd::Error::Corrupt { .. }
        | etcd::Error::Compacted { .. }
        | etcd::Error::NeverStarted { .. }
        | etcd::Error::UnknownMember { .. }
        | etcd::Error::NotDefragmented { .. }
        | etcd::Error::NotReadBack { .. }
        | etcd::Error::MembersDiffer { .. }
        | etcd::Error::Server { .. }
        | etcd::Error::Store { .. }
        | _ => Class::ClusterError,
    }
}

impl From<etcd_file::Error> for Trouble {
    fn from(error: etcd_file::Error) -> Self {
        let details = file_details(&error);
        Self::new(file_class(&error), error, details)
    }
}

impl Trouble {
    /// An argument that etcd-file cannot read. What a file says of its own release cannot be read either, and there the file is to blame.
    pub(crate) fn of_argument(error: etcd_file::Error) -> Self {
        let details = file_details(&error);
        Self::invalid(error, details)
    }
}

fn file_details(error: &etcd_file::Error) -> Value {
    serde_json::to_value(error).unwrap_or_else(|_| json!({"error": "etcdFile"}))
}

fn file_class(error: &etcd_file::Error) -> Class {
    match error {
        etcd_file::Error::Changed { .. } | etcd_file::Error::Written { .. } => Class::FileInUse,
        etcd_file::Error::AnotherFile { .. }
        | etcd_file::Error::Compacted { .. }
        | etcd_file::Error::FutureRevision { .. }
        | etcd_file::Error::InvalidCluster { .. } => Class::InvalidInput,
        etcd_file::Error::DestinationExists { .. } => Class::AlreadyExists,
        etcd_file::Error::Unreadable { .. } | etcd_file::Error::Unwritable { .. } | etcd_file::Error::Unopened { .. } => Class::FileError,
        etcd_file::Error::NotBolt { .. }
        | etcd_file::Error::NotEtcd { .. }
        | etcd_file::Error::Truncated { .. }
        | etcd_file::Error::NoSha256 { .. }
        | etcd_file::Error::Sha256Mismatch { .. }
        | etcd_file::Error::Broken { .. }
        | etcd_file::Error::InvalidVersion { .. }
        | _ => Class::BrokenFile,
    }
}

impl From<etcd::backup::name::Foreign> for Trouble {
    fn from(error: etcd::backup::name::Foreign) -> Self {
        Self::invalid(&error, json!({"error": "foreignName"}))
    }
}

/// Several endpoints that failed alike have the remedy of one.
fn common_class(troubles: &[etcd::Error]) -> Class {
    let mut classes = troubles.iter().map(etcd_class);
    let first = classes.next().unwrap_or(Class::Unreachable);
    if classes.all(|class| class == first) { first } else { Class::Unreachable }
}
