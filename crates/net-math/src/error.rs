//! What can be wrong with a value that is given to this crate.

use crate::dns_replicas::{ControlMode, Dimension};

/// Any error of this crate; each says who erred and what to do. Where upstream has a text of its own, it comes first.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The parameters are no JSON.
    #[error("could not parse {mode} parameters: {detail}; write one JSON object, without trailing commas and with quoted keys")]
    InvalidJson {
        /// Whose parameters.
        mode: ControlMode,
        /// What is wrong, with line and column.
        detail: String,
    },
    /// A JSON value of another kind than its field takes.
    #[error("could not parse {mode} parameters: {field} takes {wanted}, not {found}")]
    WrongKind {
        /// Whose parameters.
        mode: ControlMode,
        /// The field as upstream spells it.
        field: &'static str,
        /// What the field takes.
        wanted: &'static str,
        /// What stands there, cut to 80 characters.
        found: String,
    },
    /// `min` is below zero.
    #[error("invalid negative value for min: {min}; write 1 or more, or leave it out for 1")]
    NegativeMin {
        /// What was given, in replicas.
        min: i64,
    },
    /// `max` is below `min`.
    #[error(
        "max replicas count {max} should be greater than / equal to min replicas count {min}; raise max, lower min, or leave max out for no limit"
    )]
    MaxBelowMin {
        /// What was given, in replicas.
        max: i64,
        /// The `min` that holds, after its default of 1.
        min: i64,
    },
    /// Neither dimension drives the replicas.
    #[error("should at least provide either CoresPerReplica or NodesPerReplica (Greater than 0); set one of them")]
    NoRatio,
    /// A ratio below zero.
    #[error("invalid negative value for {}: {value}; write a number above 0, or leave it out to ignore {dimension}", dimension.ratio_field())]
    NegativeRatio {
        /// Which ratio.
        dimension: Dimension,
        /// What was given.
        value: f64,
    },
    /// A ratio that is infinite or not a number; JSON cannot say it, a caller can.
    #[error("{} is {value}: pass a finite number", dimension.ratio_field())]
    NotFinite {
        /// Which ratio.
        dimension: Dimension,
        /// What was given.
        value: f64,
    },
    /// An entry of a ladder with a number below zero.
    #[error("invalid negative values in entry [{threshold} {replicas}] in {}; both numbers of an entry are 0 or more", dimension.ladder_map())]
    NegativeEntry {
        /// Which list.
        dimension: Dimension,
        /// The entry's first number.
        threshold: i64,
        /// The entry's second number.
        replicas: i64,
    },
    /// A `ConfigMap` must hold its control mode and nothing else.
    #[error("invalid configMap format, expected only one entry, got: {}; keep exactly one key, linear or ladder", listed(keys))]
    ExpectedOneEntry {
        /// The keys that are there, sorted.
        keys: Vec<String>,
    },
    /// A control mode that the autoscaler does not have.
    #[error("not a supported control mode: {mode}; write linear or ladder, in lower case")]
    UnsupportedMode {
        /// The key that was found.
        mode: String,
    },
    /// A manifest that is no `ConfigMap`.
    #[error("a ConfigMap is wanted, this is {found}: pass the object that the autoscaler's --configmap flag names")]
    NotAConfigMap {
        /// The `kind`, or what the manifest is instead of an object.
        found: String,
    },
    /// A value of a `ConfigMap` that is no text.
    #[error("data[{key:?}] of the ConfigMap is {found}, not a text: quote the JSON, or write it as a block with |-")]
    DataIsNoText {
        /// The key, or `data` itself where it is no map.
        key: String,
        /// What stands there.
        found: &'static str,
    },
}

fn listed(keys: &[String]) -> String {
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}
