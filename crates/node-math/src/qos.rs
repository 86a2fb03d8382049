//! The quality-of-service class of a pod: `Guaranteed`, `Burstable` or `BestEffort`.
//!
//! A kubelet reads the class from the pod's status ([`pod_qos`]); the API server works it out of the requests and limits when
//! the pod is created ([`compute_qos`]). Neither defaults anything: a pod that has only limits is `Burstable` here, and becomes
//! `Guaranteed` on its way through the API server ([`defaults`](crate::defaults)).
//!
//! Two formulas have been used. Up to 1.36 the positive requests and limits of all containers are summed up, and the sums are
//! compared; since 1.37 each container has a class of its own, and a pod has that of its containers where they agree.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};
use trimtab_core::view::{Pod, ResourceName, ResourceRequirements};
use trimtab_core::{FeatureGates, Gate, KubeVersion, Quantity, Row, Since};

use crate::pod_level::Supported;

/// Works the class out of requests and limits; upstream's `ComputePodQOS`.
///
/// The status is not looked at. Fields that the release does not know, and gates that are off, have no effect.
/// Source: pkg/apis/core/v1/helper/qos/qos.go; its internal twin that the API server uses, pkg/apis/core/helper/qos, is the same.
///
/// What surprises: up to 1.36 the sums decide, so that containers with 1 CPU of 2 and 2 CPUs of 1 make a `Guaranteed` pod; from
/// 1.34 to 1.36 an empty `spec.resources` makes any pod `BestEffort`.
///
/// ```
/// use trimtab_core::{FeatureGates, KubeVersion, view::Pod};
/// use trimtab_node_math::qos::{QosClass, compute_qos};
///
/// let pod = Pod::from_json(r#"{"spec": {"containers": [
///     {"name": "a", "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "1Gi"}}},
///     {"name": "b", "resources": {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1Gi"}}}
/// ]}}"#)?;
/// assert_eq!(compute_qos(&pod, &FeatureGates::at(KubeVersion::new(36)?)), QosClass::Guaranteed);
/// assert_eq!(compute_qos(&pod, &FeatureGates::at(KubeVersion::new(37)?)), QosClass::Burstable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn compute_qos(pod: &Pod, gates: &FeatureGates) -> QosClass {
    let rules = QosRules::at(gates.version());
    if let Some(resources) = deciding_resources(pod, rules, gates) {
        return rules.formula.class(std::iter::once(resources));
    }
    let containers = pod.spec.containers.iter();
    match rules.init_containers {
        InitContainers::Ignored => rules.formula.class(containers.map(|container| &container.resources)),
        InitContainers::Counted => rules.formula.class(containers.chain(&pod.spec.init_containers).map(|container| &container.resources)),
    }
}

/// The class that a kubelet goes by; upstream's `GetPodQOS`.
///
/// Since 1.29 it is what stands in `status.qosClass`, whatever that is, and only where nothing stands there it is computed.
///
/// ```
/// use trimtab_core::{FeatureGates, KubeVersion, view::Pod};
/// use trimtab_node_math::qos::{PodQos, QosClass, pod_qos};
///
/// let pod = Pod::from_json(r#"{"status": {"qosClass": "Bogus"}}"#)?;
/// assert_eq!(pod_qos(&pod, &FeatureGates::at(KubeVersion::new(28)?)), PodQos::Class(QosClass::BestEffort));
/// assert_eq!(pod_qos(&pod, &FeatureGates::at(KubeVersion::new(29)?)), PodQos::Unknown("Bogus"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn pod_qos<'a>(pod: &'a Pod, gates: &FeatureGates) -> PodQos<'a> {
    let recorded = pod.status.qos_class.as_str();
    match QosRules::at(gates.version()).status {
        RecordedClass::Trusted if !recorded.is_empty() => PodQos::from(recorded),
        RecordedClass::Trusted | RecordedClass::Ignored => PodQos::Class(compute_qos(pod, gates)),
    }
}

/// A class.
///
/// ```
/// use trimtab_node_math::qos::QosClass;
///
/// assert_eq!(QosClass::BestEffort.to_string(), "BestEffort");
/// assert_eq!(serde_json::to_string(&QosClass::Burstable).unwrap(), "\"Burstable\"");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QosClass {
    /// CPU and memory are limited to exactly what is requested.
    Guaranteed,
    /// Anything between.
    Burstable,
    /// No CPU and no memory is requested or limited.
    BestEffort,
}

impl QosClass {
    /// As Kubernetes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

impl fmt::Display for QosClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What `GetPodQOS` answers: a class, or whatever text somebody wrote into the status.
///
/// ```
/// use trimtab_node_math::qos::{PodQos, QosClass};
///
/// assert_eq!(PodQos::from("Guaranteed"), PodQos::Class(QosClass::Guaranteed));
/// assert_eq!(PodQos::from("guaranteed").as_str(), "guaranteed");
/// assert_eq!(PodQos::from("guaranteed").class(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PodQos<'a> {
    /// One of the three.
    Class(QosClass),
    /// Another text, which a kubelet treats as it treats `Burstable`.
    Unknown(&'a str),
}

impl<'a> PodQos<'a> {
    /// As it stands in the status.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        match self {
            Self::Class(class) => class.as_str(),
            Self::Unknown(text) => text,
        }
    }

    /// The class, if it is one.
    #[must_use]
    pub const fn class(self) -> Option<QosClass> {
        match self {
            Self::Class(class) => Some(class),
            Self::Unknown(_) => None,
        }
    }
}

impl<'a> From<&'a str> for PodQos<'a> {
    fn from(text: &'a str) -> Self {
        [QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort]
            .into_iter()
            .find(|class| class.as_str() == text)
            .map_or(Self::Unknown(text), Self::Class)
    }
}

impl fmt::Display for PodQos<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The rules of one release.
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_node_math::qos::{QosFormula, QosRules};
///
/// assert_eq!(QosRules::at(KubeVersion::new(36)?).formula, QosFormula::Sums);
/// assert_eq!(QosRules::at(KubeVersion::new(37)?).formula, QosFormula::EachContainer);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QosRules {
    /// How requests and limits are compared.
    pub formula: QosFormula,
    /// Whether init containers take part.
    pub init_containers: InitContainers,
    /// Whether the class in the status is believed.
    pub status: RecordedClass,
    /// When `spec.resources` decides instead of the containers.
    pub pod_level: PodLevelDecides,
}

impl QosRules {
    /// The rules that hold in `version`.
    #[must_use]
    pub fn at(version: KubeVersion) -> Self {
        Self {
            formula: *FORMULA.at(version),
            init_containers: *INIT_CONTAINERS.at(version),
            status: *STATUS.at(version),
            pod_level: *POD_LEVEL.at(version),
        }
    }
}

/// How requests and limits are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QosFormula {
    /// What is above zero is summed up over the containers. Guaranteed where every container limits both resources and the sums
    /// of requests and limits are equal; best effort where nothing is above zero.
    Sums,
    /// Each container has a class; the pod has the one that all of them have, or is burstable. What is missing is zero, and
    /// negative quantities count as they stand.
    EachContainer,
}

/// Whether init containers take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitContainers {
    /// Only regular containers do.
    Ignored,
    /// They do, sidecars or not.
    Counted,
}

/// Whether the class in the status is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedClass {
    /// It is always computed.
    Ignored,
    /// It is taken as it is, even if it is no class.
    Trusted,
}

/// When `spec.resources` decides instead of the containers; only with the gate `PodLevelResources` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodLevelDecides {
    /// The release does not know it.
    Never,
    /// Where it is given at all, even empty: then the pod is best effort, whatever its containers ask for.
    WhereGiven,
    /// Where it names `cpu`, `memory` or hugepages. With the gate `PodLevelResourcesFixKubeletQOSClass` off: where it is given.
    WhereNamed,
}

static FORMULA: Since<QosFormula> = Since::new(&[
    Row::new(12, QosFormula::Sums, "pkg/apis/core/v1/helper/qos/qos.go@v1.12.10"),
    Row::new(37, QosFormula::EachContainer, "pkg/apis/core/v1/helper/qos/qos.go@v1.37.2"),
]);

static INIT_CONTAINERS: Since<InitContainers> = Since::new(&[
    Row::new(12, InitContainers::Ignored, "pkg/apis/core/v1/helper/qos/qos.go@v1.12.10"),
    Row::new(16, InitContainers::Counted, "pkg/apis/core/v1/helper/qos/qos.go@v1.16.15"),
]);

static STATUS: Since<RecordedClass> = Since::new(&[
    Row::new(12, RecordedClass::Ignored, "pkg/apis/core/v1/helper/qos/qos.go@v1.12.10"),
    Row::new(29, RecordedClass::Trusted, "pkg/apis/core/v1/helper/qos/qos.go@v1.29.15"),
]);

static POD_LEVEL: Since<PodLevelDecides> = Since::new(&[
    Row::new(12, PodLevelDecides::Never, "pkg/apis/core/v1/helper/qos/qos.go@v1.12.10"),
    Row::new(32, PodLevelDecides::WhereGiven, "pkg/apis/core/v1/helper/qos/qos.go@v1.32.13"),
    Row::new(37, PodLevelDecides::WhereNamed, "pkg/apis/core/v1/helper/qos/qos.go@v1.37.2"),
]);

fn deciding_resources<'a>(pod: &'a Pod, rules: QosRules, gates: &FeatureGates) -> Option<&'a ResourceRequirements> {
    let resources = pod.spec.resources.as_ref()?;
    let decides = match rules.pod_level {
        PodLevelDecides::Never => false,
        PodLevelDecides::WhereGiven => true,
        PodLevelDecides::WhereNamed => {
            !gates.is_on(Gate::POD_LEVEL_RESOURCES_FIX_KUBELET_QOS_CLASS) || Supported::at(gates.version()).in_any(resources)
        }
    };
    (decides && gates.is_on(Gate::POD_LEVEL_RESOURCES)).then_some(resources)
}

impl QosFormula {
    fn class<'a>(self, parts: impl Iterator<Item = &'a ResourceRequirements>) -> QosClass {
        match self {
            Self::Sums => Sums::of(parts).class(),
            Self::EachContainer => common(parts.map(requirements_class)).unwrap_or(QosClass::BestEffort),
        }
    }
}

/// The sums of what is above zero, for the formula up to 1.36.
#[derive(Default)]
struct Sums<'a> {
    cpu: Sum<'a>,
    memory: Sum<'a>,
    /// Some container does not limit both.
    unlimited: bool,
}

/// Requests and limits of one resource; `None` where none was above zero. Most pods need no addition, so nothing is copied.
#[derive(Default)]
struct Sum<'a> {
    requests: Option<Cow<'a, Quantity>>,
    limits: Option<Cow<'a, Quantity>>,
}

impl<'a> Sums<'a> {
    fn of(parts: impl Iterator<Item = &'a ResourceRequirements>) -> Self {
        let mut sums = Self::default();
        for part in parts {
            for (name, sum) in [(ResourceName::Cpu, &mut sums.cpu), (ResourceName::Memory, &mut sums.memory)] {
                let limit = positive(part.limit(&name));
                sums.unlimited |= limit.is_none();
                add(&mut sum.limits, limit);
                add(&mut sum.requests, positive(part.request(&name)));
            }
        }
        sums
    }

    fn class(&self) -> QosClass {
        let sums = [&self.cpu, &self.memory];
        if sums.iter().all(|sum| sum.requests.is_none() && sum.limits.is_none()) {
            return QosClass::BestEffort;
        }
        if !self.unlimited && sums.iter().all(|sum| sum.requests == sum.limits) {
            return QosClass::Guaranteed;
        }
        QosClass::Burstable
    }
}

fn positive(quantity: Option<&Quantity>) -> Option<&Quantity> {
    quantity.filter(|quantity| quantity.sign() == Ordering::Greater)
}

fn add<'a>(sum: &mut Option<Cow<'a, Quantity>>, quantity: Option<&'a Quantity>) {
    match (sum.as_mut(), quantity) {
        (Some(sum), Some(quantity)) => sum.to_mut().add(quantity),
        (None, Some(quantity)) => *sum = Some(Cow::Borrowed(quantity)),
        (_, None) => {}
    }
}

/// The class of one set of requests and limits, for the formula since 1.37: upstream's `requirementsQOS`.
fn requirements_class(resources: &ResourceRequirements) -> QosClass {
    let of = |name| resource_class(resources.request(&name), resources.limit(&name));
    common([of(ResourceName::Cpu), of(ResourceName::Memory)]).unwrap_or(QosClass::BestEffort)
}

/// Upstream's `resourceQOS`: what is missing is zero.
fn resource_class(request: Option<&Quantity>, limit: Option<&Quantity>) -> QosClass {
    let given = |quantity: Option<&'_ Quantity>| quantity.is_some_and(|quantity| !quantity.is_zero());
    match (given(request), given(limit)) {
        (false, false) => QosClass::BestEffort,
        (true, true) if request == limit => QosClass::Guaranteed,
        (true, _) | (_, true) => QosClass::Burstable,
    }
}

/// The class that all have, or burstable; `None` of nothing.
fn common(classes: impl IntoIterator<Item = QosClass>) -> Option<QosClass> {
    classes.into_iter().reduce(|one, other| if one == other { one } else { QosClass::Burstable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn gates(minor: u64) -> FeatureGates {
        FeatureGates::at(KubeVersion::new(minor).unwrap())
    }

    fn class(minor: u64, spec: &Value) -> QosClass {
        compute_qos(&Pod::from_value(&json!({"spec": spec})).unwrap(), &gates(minor))
    }

    fn container(requests: &Value, limits: &Value) -> Value {
        json!({"name": "a", "resources": {"requests": requests, "limits": limits}})
    }

    fn guaranteed() -> Value {
        container(&json!({"cpu": "1", "memory": "1Gi"}), &json!({"cpu": "1", "memory": "1Gi"}))
    }

    #[test]
    fn equal_amounts_are_equal_however_they_are_written() {
        let spec = json!({"containers": [container(&json!({"cpu": "1000m", "memory": "1024Mi"}), &json!({"cpu": "1", "memory": "1Gi"}))]});
        assert_eq!([16, 36, 37].map(|minor| class(minor, &spec)), [QosClass::Guaranteed; 3]);
    }

    #[test]
    fn a_pod_without_containers_is_best_effort() {
        assert_eq!([12, 36, 37].map(|minor| class(minor, &json!({}))), [QosClass::BestEffort; 3]);
    }

    #[test]
    fn init_containers_count_from_1_16_on_and_ephemeral_ones_never() {
        let asking = container(&json!({"cpu": "1"}), &json!({}));
        let spec = json!({"containers": [{"name": "a"}], "initContainers": [asking]});
        assert_eq!([15, 16, 37].map(|minor| class(minor, &spec)), [QosClass::BestEffort, QosClass::Burstable, QosClass::Burstable]);
        let spec = json!({"containers": [{"name": "a"}], "ephemeralContainers": [asking]});
        assert_eq!([15, 16, 37].map(|minor| class(minor, &spec)), [QosClass::BestEffort; 3]);
    }

    #[test]
    fn one_container_without_limits_spoils_a_guaranteed_pod() {
        let spec = json!({"containers": [guaranteed(), {"name": "b"}]});
        assert_eq!([36, 37].map(|minor| class(minor, &spec)), [QosClass::Burstable; 2]);
    }

    #[test]
    fn negative_quantities_are_absent_up_to_1_36_and_values_since() {
        let amounts = json!({"cpu": "-1", "memory": "-1Gi"});
        let spec = json!({"containers": [container(&amounts, &amounts)]});
        assert_eq!([36, 37].map(|minor| class(minor, &spec)), [QosClass::BestEffort, QosClass::Guaranteed]);
        let spec = json!({"containers": [container(&json!({"cpu": "-1"}), &json!({}))]});
        assert_eq!([36, 37].map(|minor| class(minor, &spec)), [QosClass::BestEffort, QosClass::Burstable]);
    }

    #[test]
    fn only_cpu_and_memory_matter() {
        let spec = json!({"containers": [container(&json!({"ephemeral-storage": "1Gi", "hugepages-2Mi": "2Mi"}), &json!({}))]});
        assert_eq!([12, 36, 37].map(|minor| class(minor, &spec)), [QosClass::BestEffort; 3]);
    }

    #[test]
    fn an_empty_pod_level_list_hides_the_containers_from_1_34_to_1_36() {
        let spec = json!({"containers": [guaranteed()], "resources": {}});
        let expected = [QosClass::Guaranteed, QosClass::Guaranteed, QosClass::BestEffort, QosClass::BestEffort, QosClass::Guaranteed];
        assert_eq!([31, 33, 34, 36, 37].map(|minor| class(minor, &spec)), expected);
    }

    #[test]
    fn hugepages_alone_at_pod_level_make_a_best_effort_pod_in_1_37_too() {
        let spec = json!({"containers": [guaranteed()], "resources": {"requests": {"hugepages-2Mi": "2Mi"}}});
        assert_eq!([34, 37].map(|minor| class(minor, &spec)), [QosClass::BestEffort; 2]);
    }

    #[test]
    fn an_empty_class_in_the_status_is_none() {
        let pod = Pod::from_value(&json!({"status": {"qosClass": ""}})).unwrap();
        assert_eq!(pod_qos(&pod, &gates(37)).class(), Some(QosClass::BestEffort));
    }
}
