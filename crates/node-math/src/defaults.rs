//! What the API server makes of a pod when it is created: requests out of limits, quantities rounded, pod-level resources filled
//! in, the quality-of-service class written down.
//!
//! [`set_defaults`] is the part that happens whenever a pod is decoded, [`create`] all of it. [`default_manifest`] does it to a
//! manifest and keeps everything else that stands there. A formula that is given a manifest says with [`PodForm`] which it is.
//!
//! What other objects of the cluster add is unknown here: limit ranges, runtime classes (overhead), priority classes of one's
//! own, webhooks. A pod template is not defaulted so, only the pods that are made of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_core::quantity::Scale;
use trimtab_core::view::{Container, Pod, PodSpec, PodStatus, ResourceList, ResourceRequirements};
use trimtab_core::{FeatureGates, Gate, KubeVersion, Row, Since};

use crate::error::Error;
use crate::oom::SYSTEM_CRITICAL_PRIORITY;
use crate::pod_level::{Supported, aggregate, aggregate_list, is_overcommittable};
use crate::qos::pod_qos;

mod manifest;

/// Where a pod comes from.
///
/// ```
/// use trimtab_core::{FeatureGates, KubeVersion, view::Pod};
/// use trimtab_node_math::{defaults::PodForm, qos::{QosClass, compute_qos}};
///
/// let pod = Pod::from_json(r#"{"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]}}"#)?;
/// let gates = FeatureGates::at(KubeVersion::new(34)?);
/// assert_eq!(compute_qos(&PodForm::Stored.stored(&pod, &gates), &gates), QosClass::Burstable);
/// assert_eq!(compute_qos(&PodForm::Written.stored(&pod, &gates), &gates), QosClass::Guaranteed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PodForm {
    /// As its author wrote it: it has yet to be created.
    Written,
    /// As the API server stores and shows it.
    Stored,
}

impl PodForm {
    /// The pod as that release's API server stores it: [created](create) where it is written, itself where it is stored.
    #[must_use]
    pub fn stored<'a>(self, pod: &'a Pod, gates: &FeatureGates) -> Cow<'a, Pod> {
        match self {
            Self::Written => {
                let mut created = pod.clone();
                create(&mut created, gates);
                Cow::Owned(created)
            }
            Self::Stored => Cow::Borrowed(pod),
        }
    }
}

/// Creates a manifest as [`create`] does, and gives it back with everything else that stood in it.
///
/// What changes: requests and limits, the priority of system classes, fields that the release does not know or whose gate is off
/// (`spec.resources`, `spec.overhead`, ephemeral containers, restart policies of init containers, claims of containers), and the
/// status, of which phase and class are left. Quantities come out in the API server's spelling.
///
/// # Errors
/// [`Error::Pod`] where a field that is read has the wrong type.
///
/// ```
/// use serde_json::json;
/// use trimtab_core::{FeatureGates, KubeVersion};
/// use trimtab_node_math::defaults::default_manifest;
///
/// let manifest = json!({"metadata": {"name": "web"}, "spec": {"containers": [
///     {"name": "app", "image": "nginx", "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}}}
/// ]}});
/// let stored = default_manifest(&manifest, &FeatureGates::at(KubeVersion::new(34)?))?;
/// assert_eq!(stored["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "1", "memory": "1Gi"}));
/// assert_eq!(stored["spec"]["containers"][0]["image"], "nginx");
/// assert_eq!(stored["status"], json!({"phase": "Pending", "qosClass": "Guaranteed"}));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn default_manifest(manifest: &Value, gates: &FeatureGates) -> Result<Value, Error> {
    let mut pod = Pod::from_value(manifest)?;
    create(&mut pod, gates);
    Ok(manifest::written(manifest, &pod))
}

/// What a `POST` of the pod would store, as far as a view shows it.
///
/// [`set_defaults`], the priority of the two system classes where none is given (the admission plugin Priority), then the pod
/// strategy's `PrepareForCreate`: fields whose gate is off are dropped, 1.37 fills in pod-level resources, and the status is
/// replaced by phase `Pending` and the class.
///
/// What surprises: from 1.29 to 1.36 a class that the author wrote into the status is believed and kept.
/// Source: pkg/registry/core/pod/strategy.go and pkg/api/pod/util.go@v1.37.2, v1.36.5; plugin/pkg/admission/priority.
///
/// ```
/// use trimtab_core::{FeatureGates, KubeVersion, view::Pod};
/// use trimtab_node_math::defaults::create;
///
/// let mut pod = Pod::from_json(r#"{"spec": {"containers": [{"name": "a"}]}, "status": {"qosClass": "Guaranteed"}}"#)?;
/// let mut newer = pod.clone();
/// create(&mut pod, &FeatureGates::at(KubeVersion::new(36)?));
/// create(&mut newer, &FeatureGates::at(KubeVersion::new(37)?));
/// assert_eq!([pod.status.qos_class, newer.status.qos_class], ["Guaranteed", "BestEffort"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create(pod: &mut Pod, gates: &FeatureGates) {
    let rules = DefaultRules::at(gates.version());
    set_defaults(pod, gates);
    set_system_priority(&mut pod.spec, gates);
    match rules.written_class {
        WrittenClass::Counts => {}
        WrittenClass::Dropped => pod.status = PodStatus::default(),
    }
    // Up to 1.36 the class comes before this, which makes no difference: it reads nothing whose gate is off.
    drop_disabled_fields(&mut pod.spec, gates);
    match rules.pod_level_at(gates) {
        PodLevelDefaults::OnCreate => set_pod_level_on_create(&mut pod.spec, rules, gates),
        PodLevelDefaults::Never | PodLevelDefaults::OnDecode => {}
    }
    let qos_class = pod_qos(pod, gates).as_str().to_owned();
    pod.status = PodStatus { phase: "Pending".to_owned(), qos_class, ..PodStatus::default() };
}

/// What happens whenever that release's API server decodes a pod; upstream's `SetObjectDefaults_Pod`.
///
/// Fields that the release does not know are dropped. Each limit becomes a request where that is missing (containers and init
/// containers), pod-level requests and hugepage limits are filled in (1.32 to 1.36, with `PodLevelResources` on), and every
/// quantity is rounded away from zero to a thousandth. Source: pkg/apis/core/v1/defaults.go, and
/// what is generated beside it.
///
/// ```
/// use trimtab_core::{FeatureGates, KubeVersion, view::{Pod, ResourceName}};
/// use trimtab_node_math::defaults::set_defaults;
///
/// let mut pod = Pod::from_json(r#"{"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1500u"}}}]}}"#)?;
/// set_defaults(&mut pod, &FeatureGates::at(KubeVersion::new(34)?));
/// let request = pod.spec.containers[0].resources.request(&ResourceName::Cpu);
/// assert_eq!(request.map(ToString::to_string).as_deref(), Some("2m"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_defaults(pod: &mut Pod, gates: &FeatureGates) {
    let rules = DefaultRules::at(gates.version());
    rules.known_fields.keep(&mut pod.spec);
    for container in pod.spec.containers.iter_mut().chain(&mut pod.spec.init_containers) {
        requests_from_limits(&mut container.resources);
    }
    match rules.pod_level_at(gates) {
        PodLevelDefaults::OnDecode => set_pod_level_on_decode(&mut pod.spec, rules, gates),
        PodLevelDefaults::Never | PodLevelDefaults::OnCreate => {}
    }
    // Sums come before rounding: two containers of 1n come to 2n, and that to 1m.
    round_up(&mut pod.spec);
}

/// The rules of one release.
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_node_math::defaults::{DefaultRules, HugepageLimits};
///
/// assert_eq!(DefaultRules::at(KubeVersion::new(32)?).hugepage_limits, HugepageLimits::Left);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRules {
    /// Which fields of a pod there are.
    pub known_fields: KnownFields,
    /// When pod-level resources are filled in.
    pub pod_level: PodLevelDefaults,
    /// Whether hugepage limits of containers become pod-level ones.
    pub hugepage_limits: HugepageLimits,
    /// What a class in the status of a new pod is worth.
    pub written_class: WrittenClass,
}

impl DefaultRules {
    /// The rules that hold in `version`.
    #[must_use]
    pub fn at(version: KubeVersion) -> Self {
        Self {
            known_fields: *KNOWN_FIELDS.at(version),
            pod_level: *POD_LEVEL.at(version),
            hugepage_limits: *HUGEPAGE_LIMITS.at(version),
            written_class: *WRITTEN_CLASS.at(version),
        }
    }

    fn pod_level_at(self, gates: &FeatureGates) -> PodLevelDefaults {
        if !gates.is_on(Gate::POD_LEVEL_RESOURCES) {
            return PodLevelDefaults::Never;
        }
        match self.pod_level {
            PodLevelDefaults::OnCreate if !gates.is_on(Gate::POD_LEVEL_RESOURCES_FIX_DEFAULTING) => PodLevelDefaults::OnDecode,
            PodLevelDefaults::Never | PodLevelDefaults::OnDecode | PodLevelDefaults::OnCreate => self.pod_level,
        }
    }
}

/// Which fields of a pod a release's API has, of those that differ; the newest one is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KnownFields {
    /// None of the others.
    Base,
    /// `spec.overhead` and `spec.ephemeralContainers`.
    EphemeralContainers,
    /// `resources.claims` of a container.
    ResourceClaims,
    /// `restartPolicy` of a container.
    ContainerRestartPolicy,
    /// `spec.resources`.
    PodLevelResources,
}

impl KnownFields {
    fn keep(self, spec: &mut PodSpec) {
        if self < Self::PodLevelResources {
            spec.resources = None;
        }
        if self < Self::ContainerRestartPolicy {
            all_containers(spec).for_each(|container| container.restart_policy = None);
        }
        if self < Self::ResourceClaims {
            all_containers(spec).for_each(|container| container.resources.claims.clear());
        }
        if self < Self::EphemeralContainers {
            spec.ephemeral_containers.clear();
            spec.overhead = None;
        }
    }
}

/// When pod-level resources are filled in, with the gate `PodLevelResources` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodLevelDefaults {
    /// Not at all.
    Never,
    /// Whenever a pod is decoded. Requests, where there is a limit at pod level: for `cpu` and `memory` what the containers come
    /// to, else the pod's limit.
    OnDecode,
    /// When a pod is created, after admission, where there is a request or a limit at pod level: requests as above, and then
    /// limits for what every container limits. With the gate `PodLevelResourcesFixDefaulting` off: as above.
    OnCreate,
}

/// Whether hugepage limits of containers become pod-level ones, where there is a request or a limit at pod level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HugepageLimits {
    /// No.
    Left,
    /// Yes.
    FromContainers,
    /// Yes, for sizes that are not requested at pod level.
    FromContainersUnlessRequested,
}

/// What a class in the status of a pod that is created is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenClass {
    /// It is there when the class is determined: since 1.29 that means it is kept.
    Counts,
    /// It is gone before.
    Dropped,
}

static KNOWN_FIELDS: Since<KnownFields> = Since::new(&[
    Row::new(12, KnownFields::Base, "k8s.io/api/core/v1/types.go at 1.15"),
    Row::new(16, KnownFields::EphemeralContainers, "k8s.io/api/core/v1/types.go at 1.16"),
    Row::new(26, KnownFields::ResourceClaims, "pkg/apis/core/types.go@v1.26.15"),
    Row::new(28, KnownFields::ContainerRestartPolicy, "k8s.io/api/core/v1/types.go at 1.28"),
    Row::new(32, KnownFields::PodLevelResources, "k8s.io/api/core/v1/types.go@v0.32.13"),
]);

static POD_LEVEL: Since<PodLevelDefaults> = Since::new(&[
    Row::new(12, PodLevelDefaults::Never, "pkg/apis/core/v1/defaults.go@v1.12.10"),
    Row::new(32, PodLevelDefaults::OnDecode, "pkg/apis/core/v1/defaults.go@v1.32.13"),
    Row::new(37, PodLevelDefaults::OnCreate, "pkg/api/pod/util.go DefaultPodLevelResources@v1.37.2"),
]);

static HUGEPAGE_LIMITS: Since<HugepageLimits> = Since::new(&[
    Row::new(12, HugepageLimits::Left, "pkg/apis/core/v1/defaults.go@v1.32.13"),
    Row::new(33, HugepageLimits::FromContainers, "pkg/apis/core/v1/defaults.go@v1.33.0, v1.33.13"),
    Row::new(34, HugepageLimits::FromContainersUnlessRequested, "pkg/apis/core/v1/defaults.go@v1.34.0, v1.34.10"),
]);

static WRITTEN_CLASS: Since<WrittenClass> = Since::new(&[
    Row::new(12, WrittenClass::Counts, "pkg/registry/core/pod/strategy.go@v1.12.10"),
    Row::new(37, WrittenClass::Dropped, "pkg/registry/core/pod/strategy.go@v1.37.2"),
]);

/// The classes that every cluster has; source: `SystemPriorityClasses`, pkg/apis/scheduling/v1/helpers.go@v1.37.2.
const SYSTEM_PRIORITY_CLASSES: [(&str, i32); 2] =
    [("system-node-critical", SYSTEM_CRITICAL_PRIORITY + 1000), ("system-cluster-critical", SYSTEM_CRITICAL_PRIORITY)];

fn set_system_priority(spec: &mut PodSpec, gates: &FeatureGates) {
    let class = SYSTEM_PRIORITY_CLASSES.iter().find(|(name, _)| *name == spec.priority_class_name);
    if let (Some((_, priority)), None, true) = (class, spec.priority, gates.is_on(Gate::POD_PRIORITY)) {
        spec.priority = Some(*priority);
    }
}

const DYNAMIC_RESOURCE_ALLOCATION: Gate = Gate::known("DynamicResourceAllocation");

/// The part of `DropDisabledPodFields`, pkg/api/pod/util.go, that a view shows.
fn drop_disabled_fields(spec: &mut PodSpec, gates: &FeatureGates) {
    if !gates.is_on(Gate::POD_LEVEL_RESOURCES) {
        spec.resources = None;
    }
    if !gates.is_on(Gate::POD_OVERHEAD) {
        spec.overhead = None;
    }
    if !gates.is_on(Gate::SIDECAR_CONTAINERS) {
        spec.init_containers.iter_mut().for_each(|container| container.restart_policy = None);
    }
    if !gates.is_on(DYNAMIC_RESOURCE_ALLOCATION) {
        all_containers(spec).for_each(|container| container.resources.claims.clear());
    }
}

fn requests_from_limits(resources: &mut ResourceRequirements) {
    let Some(limits) = &resources.limits else { return };
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in limits.iter() {
        if !requests.contains(name) {
            requests.insert(name.clone(), limit.clone());
        }
    }
}

/// `defaultHugePagePodLimits` and `defaultPodRequests`, pkg/apis/core/v1/defaults.go@v1.36.5.
fn set_pod_level_on_decode(spec: &mut PodSpec, rules: DefaultRules, gates: &FeatureGates) {
    let Some(mut resources) = spec.resources.take() else { return };
    if !is_empty(&resources) {
        set_hugepage_limits(&mut resources, spec, rules);
    }
    if resources.each_limit().next().is_some() {
        set_requests(&mut resources, spec, Supported::at(gates.version()));
    }
    spec.resources = Some(resources);
}

/// `DefaultPodLevelResources`, pkg/api/pod/util.go@v1.37.2.
fn set_pod_level_on_create(spec: &mut PodSpec, rules: DefaultRules, gates: &FeatureGates) {
    let Some(mut resources) = spec.resources.take() else { return };
    if !is_empty(&resources) {
        let supported = Supported::at(gates.version());
        set_hugepage_limits(&mut resources, spec, rules);
        set_requests(&mut resources, spec, supported);
        set_limits(&mut resources, spec, supported);
    }
    spec.resources = Some(resources);
}

fn is_empty(resources: &ResourceRequirements) -> bool {
    resources.each_request().next().is_none() && resources.each_limit().next().is_none()
}

fn set_hugepage_limits(resources: &mut ResourceRequirements, spec: &PodSpec, rules: DefaultRules) {
    for (name, quantity) in aggregate_list(spec, |container| container.resources.limits.as_ref()).iter() {
        let wanted = match rules.hugepage_limits {
            HugepageLimits::Left => false,
            HugepageLimits::FromContainers => true,
            HugepageLimits::FromContainersUnlessRequested => resources.request(name).is_none(),
        };
        if name.is_hugepages() && wanted && resources.limit(name).is_none() {
            resources.limits.get_or_insert_default().insert(name.clone(), quantity.clone());
        }
    }
}

/// What the containers come to, for `cpu` and `memory`; for what is missing then, the pod's limit.
fn set_requests(resources: &mut ResourceRequirements, spec: &PodSpec, supported: Supported) {
    let of_containers = aggregate_list(spec, |container| container.resources.requests.as_ref());
    let of_containers = of_containers.iter().filter(|(name, _)| is_overcommittable(name));
    let limits = resources.limits.clone().unwrap_or_default();
    for (name, quantity) in of_containers.chain(limits.iter()) {
        if supported.includes(name) && resources.request(name).is_none() {
            resources.requests.get_or_insert_default().insert(name.clone(), quantity.clone());
        }
    }
}

/// What is requested at pod level and limited by every container gets the sum of those limits, or the request if that is more.
/// Ephemeral containers count as containers here, though none can be there on create.
fn set_limits(resources: &mut ResourceRequirements, spec: &PodSpec, supported: Supported) {
    let requests = resources.requests.clone().unwrap_or_default();
    for (name, request) in requests.iter() {
        let mut containers = spec.containers.iter().chain(&spec.init_containers).chain(&spec.ephemeral_containers);
        let is_wanted = supported.includes(name) && resources.limit(name).is_none();
        if !is_wanted || !containers.all(|container| container.resources.limit(name).is_some()) {
            continue;
        }
        if let Some(limit) = aggregate(spec, |container| container.resources.limit(name)) {
            let limit = if *request > limit { request.clone() } else { limit };
            resources.limits.get_or_insert_default().insert(name.clone(), limit);
        }
    }
}

/// `SetDefaults_ResourceList` on every list of the spec.
fn round_up(spec: &mut PodSpec) {
    let mut lists: Vec<&mut ResourceList> = spec.overhead.iter_mut().collect();
    let containers = spec.containers.iter_mut().chain(&mut spec.init_containers).chain(&mut spec.ephemeral_containers);
    for resources in containers.map(|container| &mut container.resources).chain(&mut spec.resources) {
        lists.extend(resources.limits.iter_mut().chain(&mut resources.requests));
    }
    for quantity in lists.into_iter().flat_map(ResourceList::quantities_mut) {
        quantity.round_up(Scale::MILLI);
    }
}

fn all_containers(spec: &mut PodSpec) -> impl Iterator<Item = &mut Container> {
    spec.containers.iter_mut().chain(&mut spec.init_containers).chain(&mut spec.ephemeral_containers)
}

#[cfg(test)]
mod tests;
