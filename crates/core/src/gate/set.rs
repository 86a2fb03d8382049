//! A release and what a cluster has set in it.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Gate, GateError, Stage, spelling};
use crate::version::KubeVersion;

/// A release, plus the feature gates that were set explicitly.
///
/// Whether a setting is possible is checked against that release, as upstream's `featuregate` does: unknown gates and
/// locked ones are refused, a locked gate may be set to the value it is locked to. `AllAlpha` and `AllBeta` move every
/// gate of their stage that is not set by name, whatever the order. Setting a gate twice keeps the last value.
///
/// Source: `SetFromMap` in `featuregate/feature_gate.go`, k8s.io/component-base v0.37.2.
///
/// DIFFERENCE: dependencies between gates, which upstream checks from 1.35 on, are not checked: in 1.37
/// `with("PodLevelResources", false)` is accepted although gates that need it stay on. A formula reads each gate by itself.
///
/// ```
/// use trimtab_core::{FeatureGates, Gate, KubeVersion};
///
/// let version = KubeVersion::new(32)?;
/// let gates = FeatureGates::at(version).with("InPlacePodVerticalScaling", false)?.with("AllAlpha", true)?;
/// assert!(gates.is_on(Gate::POD_LEVEL_RESOURCES));
/// assert!(!gates.is_on(Gate::IN_PLACE_POD_VERTICAL_SCALING));
/// # Ok::<(), trimtab_core::Error>(())
/// ```
///
/// A release decides what can be set:
///
/// ```
/// use trimtab_core::gate::GateError;
/// use trimtab_core::{FeatureGates, KubeVersion};
///
/// let gates = FeatureGates::at(KubeVersion::new(36)?);
/// assert!(gates.clone().with("SidecarContainers", true).is_ok());
/// assert!(matches!(gates.with("SidecarContainers", false), Err(GateError::Locked { value: true, .. })));
/// # Ok::<(), trimtab_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeatureGates {
    version: KubeVersion,
    /// Ordered by gate, each once.
    set: Vec<(Gate, bool)>,
}

impl FeatureGates {
    /// A release with its defaults.
    ///
    /// ```
    /// use trimtab_core::{FeatureGates, Gate, KubeVersion};
    ///
    /// assert!(FeatureGates::at(KubeVersion::new(34)?).is_on(Gate::POD_LEVEL_RESOURCES));
    /// assert!(!FeatureGates::at(KubeVersion::new(33)?).is_on(Gate::POD_LEVEL_RESOURCES));
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    #[must_use]
    pub const fn at(version: KubeVersion) -> Self {
        Self { version, set: Vec::new() }
    }

    /// Reads the text of a `--feature-gates` flag: `NAME=BOOL`, separated by commas, later ones winning over earlier ones.
    ///
    /// Spaces around names and values and empty pieces are ignored; the booleans are Go's (`1 t T TRUE true True` and their
    /// opposites). Source: `MapStringBool` and `featureGate.Set`, k8s.io/component-base v0.37.2.
    ///
    /// DIFFERENCE: a component's prefix (`kube:NAME=BOOL`), which the API server reads from 1.31 on, is not understood.
    ///
    /// # Errors
    /// [`GateError::Unreadable`] for a piece that is not `NAME=BOOL`; else as [`FeatureGates::with`].
    ///
    /// ```
    /// use trimtab_core::{FeatureGates, Gate, KubeVersion};
    ///
    /// let gates = FeatureGates::parse("PodLevelResources=true,SidecarContainers=false", KubeVersion::new(32)?)?;
    /// assert!(gates.is_on(Gate::POD_LEVEL_RESOURCES) && !gates.is_on(Gate::SIDECAR_CONTAINERS));
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    pub fn parse(text: &str, version: KubeVersion) -> Result<Self, GateError> {
        let pieces = text.split(',').filter(|piece| !piece.is_empty());
        pieces.map(setting).try_fold(Self::at(version), |gates, setting| {
            let (name, on) = setting?;
            gates.with(name, on)
        })
    }

    /// Sets one gate.
    ///
    /// # Errors
    /// [`GateError::Unknown`], [`GateError::NotYet`] or [`GateError::Gone`] where the release does not know the gate,
    /// [`GateError::Locked`] where it is locked to the other value.
    ///
    /// ```
    /// use trimtab_core::gate::GateError;
    /// use trimtab_core::{FeatureGates, KubeVersion};
    ///
    /// let error = FeatureGates::at(KubeVersion::new(31)?).with("PodLevelResources", true).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "Kubernetes 1.31 has no feature gate PodLevelResources, it came with 1.32: leave it out, or ask for 1.32 or later"
    /// );
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    pub fn with(mut self, name: &str, on: bool) -> Result<Self, GateError> {
        let gate = self.settable(name, on)?;
        match self.position(gate) {
            Ok(at) => self.set[at].1 = on,
            Err(at) => self.set.insert(at, (gate, on)),
        }
        Ok(self)
    }

    /// Sets several gates, later ones winning over earlier ones.
    ///
    /// # Errors
    /// The first one of [`FeatureGates::with`].
    ///
    /// ```
    /// use trimtab_core::{FeatureGates, KubeVersion};
    ///
    /// let gates = FeatureGates::at(KubeVersion::new(34)?).with_all([("PodLevelResources", false), ("SidecarContainers", true)])?;
    /// assert_eq!(gates.set().count(), 2);
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    pub fn with_all<N: AsRef<str>>(self, settings: impl IntoIterator<Item = (N, bool)>) -> Result<Self, GateError> {
        settings.into_iter().try_fold(self, |gates, (name, on)| gates.with(name.as_ref(), on))
    }

    /// The release.
    #[must_use]
    pub const fn version(&self) -> KubeVersion {
        self.version
    }

    /// What was set explicitly, ordered by name.
    ///
    /// ```
    /// use trimtab_core::{FeatureGates, Gate, KubeVersion};
    ///
    /// let gates = FeatureGates::at(KubeVersion::new(33)?).with("PodLevelResources", true)?;
    /// assert_eq!(gates.set().collect::<Vec<_>>(), [(Gate::POD_LEVEL_RESOURCES, true)]);
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    #[must_use]
    pub fn set(&self) -> impl ExactSizeIterator<Item = (Gate, bool)> + '_ {
        self.set.iter().copied()
    }

    /// Whether the gate is on: what was set, else what `AllAlpha` or `AllBeta` say of its stage, else the release's default.
    ///
    /// A gate that the release does not know yet is off. One that it no longer knows is what it last was.
    ///
    /// ```
    /// use trimtab_core::{FeatureGates, Gate, KubeVersion};
    ///
    /// let gates = FeatureGates::at(KubeVersion::new(37)?);
    /// assert!(gates.is_on(Gate::SIDECAR_CONTAINERS)); // removed in 1.37, on for good
    /// assert!(!gates.is_on(Gate::EXPERIMENTAL_CRITICAL_POD_ANNOTATION)); // removed in 1.16, off for good
    /// # Ok::<(), trimtab_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_on(&self, gate: Gate) -> bool {
        let stage = gate.stage(self.version);
        self.explicit(gate).or_else(|| self.by_stage(gate, stage)).unwrap_or_else(|| stage.default())
    }

    /// What `AllAlpha` and `AllBeta` make of a gate; they do not move each other.
    fn by_stage(&self, gate: Gate, stage: Stage) -> Option<bool> {
        if gate == Gate::ALL_ALPHA || gate == Gate::ALL_BETA {
            return None;
        }
        match stage {
            Stage::Alpha { .. } => self.explicit(Gate::ALL_ALPHA),
            Stage::Beta { .. } => self.explicit(Gate::ALL_BETA),
            Stage::Absent | Stage::Ga { .. } | Stage::Deprecated { .. } | Stage::Locked { .. } | Stage::Removed { .. } => None,
        }
    }

    fn explicit(&self, gate: Gate) -> Option<bool> {
        self.position(gate).ok().map(|at| self.set[at].1)
    }

    fn position(&self, gate: Gate) -> Result<usize, usize> {
        self.set.binary_search_by_key(&gate, |(set, _)| *set)
    }

    /// The gate of that name, where this release lets it have that value.
    fn settable(&self, name: &str, on: bool) -> Result<Gate, GateError> {
        let version = self.version;
        let Some(gate) = Gate::named(name) else {
            return Err(GateError::Unknown { name: spelling::cut(name), version, did_you_mean: spelling::nearest(name, version) });
        };
        match gate.stage(version) {
            Stage::Absent => Err(GateError::NotYet { name: gate, version, first: gate.first() }),
            Stage::Removed { .. } => Err(GateError::Gone { name: gate, version, last: gate.last() }),
            Stage::Locked { value } if value != on => Err(GateError::Locked { name: gate, version, value }),
            Stage::Alpha { .. } | Stage::Beta { .. } | Stage::Ga { .. } | Stage::Deprecated { .. } | Stage::Locked { .. } => Ok(gate),
        }
    }
}

impl Serialize for FeatureGates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("FeatureGates", 2)?;
        fields.serialize_field("version", &self.version)?;
        fields.serialize_field("set", &Set(&self.set))?;
        fields.end()
    }
}

/// Serializes the settings as a map from name to value.
struct Set<'a>(&'a [(Gate, bool)]);

impl Serialize for Set<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// Reads one `NAME=BOOL`.
fn setting(piece: &str) -> Result<(&str, bool), GateError> {
    let unreadable = || GateError::Unreadable { text: spelling::cut(piece) };
    let (name, value) = piece.split_once('=').ok_or_else(unreadable)?;
    let on = go_bool(value.trim()).ok_or_else(unreadable)?;
    Ok((name.trim(), on))
}

/// Go's `strconv.ParseBool`.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minor: u64) -> FeatureGates {
        FeatureGates::at(KubeVersion::new(minor).unwrap())
    }

    fn on(gates: &FeatureGates, name: &str) -> bool {
        gates.is_on(Gate::named(name).unwrap())
    }

    #[test]
    fn a_setting_wins_over_the_default_and_the_last_one_over_earlier_ones() {
        let gates = at(34).with_all([("PodLevelResources", false), ("MemoryQoS", true)]).unwrap();
        assert!(!on(&gates, "PodLevelResources") && on(&gates, "MemoryQoS"));
        assert!(on(&gates.with("PodLevelResources", true).unwrap(), "PodLevelResources"));
    }

    #[test]
    fn all_alpha_and_all_beta_move_their_stage_and_nothing_else() {
        let gates = at(33).with_all([("AllAlpha", true), ("AllBeta", false)]).unwrap();
        assert!(on(&gates, "PodLevelResources"), "alpha");
        assert!(!on(&gates, "InPlacePodVerticalScaling"), "beta");
        assert!(on(&gates, "SidecarContainers"), "locked");
        assert!(!on(&gates, "HugepageAwareEviction"), "absent");
        assert!(!on(&gates, "ExperimentalCriticalPodAnnotation"), "removed while it was alpha");
        assert!(on(&gates, "AllAlpha") && !on(&gates, "AllBeta"));
        assert!(!on(&at(33).with("AllBeta", true).unwrap(), "AllAlpha"));
    }

    #[test]
    fn explicit_settings_win_over_all_alpha_whatever_the_order() {
        let (all, one) = (("AllAlpha", true), ("PodLevelResources", false));
        for settings in [[all, one], [one, all]] {
            assert!(!on(&at(33).with_all(settings).unwrap(), "PodLevelResources"));
        }
    }

    #[test]
    fn all_beta_came_with_1_17() {
        let error = at(16).with("AllBeta", false).unwrap_err();
        assert!(matches!(error, GateError::NotYet { first, .. } if first.minor() == 17), "{error}");
    }

    #[test]
    fn a_locked_gate_takes_its_own_value_only() {
        assert!(on(&at(35).with("InPlacePodVerticalScaling", true).unwrap(), "InPlacePodVerticalScaling"));
        let error = at(35).with("InPlacePodVerticalScaling", false).unwrap_err();
        assert_eq!(error.to_string(), "feature gate InPlacePodVerticalScaling is locked to true in Kubernetes 1.35: leave it out, or set it to true");
    }

    #[test]
    fn a_removed_gate_names_its_last_release() {
        let error = at(37).with("SidecarContainers", true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Kubernetes 1.37 has no feature gate SidecarContainers any more, 1.36 was the last one: leave it out, the gate keeps its last value"
        );
    }

    #[test]
    fn a_gate_of_a_later_release_names_the_first_one() {
        let error = at(36).with("HugepageAwareEviction", true).unwrap_err();
        assert!(matches!(error, GateError::NotYet { first: KubeVersion::MAX, .. }), "{error}");
    }

    #[test]
    fn an_unknown_gate_offers_the_nearest_name() {
        let offered = |name: &str| {
            let error = at(34).with(name, true).unwrap_err();
            let GateError::Unknown { did_you_mean, .. } = error else { panic!("{error}") };
            did_you_mean.map(Gate::name)
        };
        assert_eq!(offered("podlevelresources"), Some("PodLevelResources"));
        assert_eq!(offered("PodLevelResuorces"), Some("PodLevelResources"));
        assert_eq!(offered("SideCarContainer"), Some("SidecarContainers"));
        assert_eq!(offered("KubeletOOMScoreAdjTieBreak"), None);
        assert_eq!(offered(""), None);
        assert_eq!(offered(&"PodLevelResources".repeat(10_000)), None);
    }

    #[test]
    fn a_long_name_is_cut_in_the_error() {
        let error = at(34).with(&"x".repeat(500), true).unwrap_err();
        assert!(matches!(&error, GateError::Unknown { name, .. } if name.len() == 80), "{error}");
    }

    #[test]
    fn the_text_of_a_flag_is_read_as_go_reads_it() {
        let read = |text: &str| FeatureGates::parse(text, KubeVersion::new(34).unwrap());
        let gates = read(" PodLevelResources = F ,,MemoryQoS=1,MemoryQoS=True").unwrap();
        let names: Vec<_> = gates.set().map(|(gate, on)| (gate.name(), on)).collect();
        assert_eq!(names, [("MemoryQoS", true), ("PodLevelResources", false)]);
        assert_eq!(read("").unwrap(), at(34));
        for wrong in ["PodLevelResources", "PodLevelResources=yes", "PodLevelResources=", " ", "PodLevelResources=true=true"] {
            assert!(matches!(read(wrong), Err(GateError::Unreadable { .. })), "{wrong:?}");
        }
        assert!(matches!(read("=true"), Err(GateError::Unknown { .. })));
    }

    #[test]
    fn it_serializes_as_a_release_and_a_map() {
        let gates = at(34).with_all([("PodLevelResources", false), ("MemoryQoS", true)]).unwrap();
        let json = serde_json::to_string(&gates).unwrap();
        assert_eq!(json, r#"{"version":"1.34","set":{"MemoryQoS":true,"PodLevelResources":false}}"#);
    }

    #[test]
    fn gates_are_equal_where_release_and_settings_are() {
        let one = at(34).with("MemoryQoS", true).unwrap();
        assert_eq!(one, at(34).with_all([("MemoryQoS", false), ("MemoryQoS", true)]).unwrap());
        assert_ne!(one, at(34));
        assert_ne!(at(34), at(35));
    }

    proptest! {
        #[test]
        fn what_can_be_set_is_what_the_release_knows(minor in 12_u64..=37, position in 0..Gate::all().len(), value: bool) {
            let gate = Gate::all().nth(position).unwrap();
            let version = KubeVersion::new(minor).unwrap();
            match (gate.stage(version), FeatureGates::at(version).with(gate.name(), value)) {
                (Stage::Absent, Err(GateError::NotYet { first, .. })) => prop_assert!(version < first && gate.stage(first).is_known()),
                (Stage::Removed { .. }, Err(GateError::Gone { last, .. })) => prop_assert!(last < version && gate.stage(last).is_known()),
                (Stage::Locked { value: only }, Err(GateError::Locked { .. })) => prop_assert_ne!(only, value),
                (stage, set) => {
                    prop_assert!(stage.is_known());
                    prop_assert_eq!(set.unwrap().is_on(gate), value);
                }
            }
        }

        #[test]
        fn any_text_gives_gates_or_an_error(text in "[A-Za-z=, ]{0,60}|.{0,60}", minor in 12_u64..=37) {
            let _ = FeatureGates::parse(&text, KubeVersion::new(minor).unwrap());
        }
    }
}
