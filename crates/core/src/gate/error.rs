//! What can be wrong with a setting of a feature gate.

use super::Gate;
use crate::version::KubeVersion;

/// Why a feature gate cannot be set so.
///
/// ```
/// use trimtab_core::gate::GateError;
/// use trimtab_core::{FeatureGates, KubeVersion};
///
/// let error = FeatureGates::at(KubeVersion::new(34)?).with("PodLevelResource", true).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "no Kubernetes release from 1.12 to 1.37 has a feature gate \"PodLevelResource\" (asked for 1.34); did you mean \"PodLevelResources\"?"
/// );
/// # Ok::<(), trimtab_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// No release that trimtab knows has a gate of this name.
    #[error(
        "no Kubernetes release from {} to {} has a feature gate {name:?} (asked for {version}); {}",
        KubeVersion::MIN,
        KubeVersion::MAX,
        suggestion(*did_you_mean)
    )]
    Unknown {
        /// What was given, cut to 80 characters.
        name: String,
        /// The release it was set for.
        version: KubeVersion,
        /// The gate with the nearest spelling, if there is a near one.
        did_you_mean: Option<Gate>,
    },
    /// A later release brought the gate.
    #[error("Kubernetes {version} has no feature gate {name}, it came with {first}: leave it out, or ask for {first} or later")]
    NotYet {
        /// The gate.
        name: Gate,
        /// The release it was set for.
        version: KubeVersion,
        /// The first release with the gate.
        first: KubeVersion,
    },
    /// An earlier release was the last one with the gate.
    #[error("Kubernetes {version} has no feature gate {name} any more, {last} was the last one: leave it out, the gate keeps its last value")]
    Gone {
        /// The gate.
        name: Gate,
        /// The release it was set for.
        version: KubeVersion,
        /// The last release with the gate.
        last: KubeVersion,
    },
    /// The gate is locked to the other value.
    #[error("feature gate {name} is locked to {value} in Kubernetes {version}: leave it out, or set it to {value}")]
    Locked {
        /// The gate.
        name: Gate,
        /// The release it was set for.
        version: KubeVersion,
        /// What it is locked to.
        value: bool,
    },
    /// A piece of a list of settings is not `NAME=BOOL`.
    #[error("{text:?} sets no feature gate: write NAME=true or NAME=false, several separated by commas")]
    Unreadable {
        /// The piece, cut to 80 characters.
        text: String,
    },
}

fn suggestion(nearest: Option<Gate>) -> String {
    nearest.map_or_else(|| "leave it out, or correct its name".to_owned(), |gate| format!("did you mean {:?}?", gate.name()))
}
