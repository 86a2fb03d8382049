//! `oom_score_adj`: how eagerly the kernel kills a container's processes when memory runs out.
//!
//! A kubelet computes it for each container from the pod's class, its memory request and the memory of the node, and the
//! runtime writes it to `/proc/PID/oom_score_adj`. What the kernel makes of it is in [`oom_kill`](crate::oom_kill).
//!
//! Guaranteed containers get -997 (-998 up to 1.19), best-effort ones 1000, burstable ones
//! `1000 - 1000 * request / capacity`, at least 3 (2) and never exactly 1000.
//!
//! The pod has to be as stored: for a manifest as its author wrote it, see [`PodForm`](crate::defaults::PodForm).

use serde::{Deserialize, Serialize};
use trimtab_core::view::{Container, NodeAllocatableResourceClaimStatus, Pod, ResourceName};
use trimtab_core::{FeatureGates, Gate, Quantity};

use crate::error::Error;
use crate::pod_level::{Supported, add, aggregate};
use crate::qos::{PodQos, QosClass, pod_qos};

mod capacity;
mod rules;

pub use capacity::MemoryCapacity;
pub(crate) use rules::SYSTEM_CRITICAL_PRIORITY;
pub use rules::{Critical, MemoryRequest, OomRules, PodLevelShare, Sidecars};

/// The `oom_score_adj` of one container; upstream's `GetContainerOOMScoreAdjust`, pkg/kubelet/qos/policy.go.
///
/// The container is looked for among the regular, the init and the ephemeral ones, in that order. The arithmetic is upstream's:
/// 64 bits that wrap, a division that truncates, and no upper bound but that 1000 becomes 999.
///
/// What surprises: requests from 8 Pi on wrap, and the value may be anything; from 1.32 to 1.36 containers that ask for more than
/// the pod-level request get values above 1000, which the kernel refuses, so that the container never starts.
///
/// DIFFERENCE: where upstream panics (a capacity of zero, a pod without regular containers) there is an error.
///
/// # Errors
/// [`Error::NoSuchContainer`]; [`Error::ZeroMemoryCapacity`] where the formula divides by it; [`Error::NoContainers`] where the formula needs the regular containers and there are none.
///
/// ```
/// use trimtab_core::{FeatureGates, KubeVersion, view::Pod};
/// use trimtab_node_math::oom::{MemoryCapacity, oom_score_adj};
///
/// let pod = Pod::from_json(r#"{"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "resources": {"requests": {"memory": "4Gi"}}}]}}"#)?;
/// let (capacity, gates) = (MemoryCapacity::from_bytes(16 << 30), FeatureGates::at(KubeVersion::new(34)?));
/// assert_eq!(oom_score_adj(&pod, "app", capacity, &gates)?, 750);
///
/// let error = oom_score_adj(&pod, "ap", capacity, &gates).unwrap_err();
/// assert_eq!(error.to_string(), "pod web has no container \"ap\"; it has app");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn oom_score_adj(pod: &Pod, container: &str, capacity: MemoryCapacity, gates: &FeatureGates) -> Result<i64, Error> {
    let scoring = Scoring::of(pod, capacity, gates);
    match scoring.containers().find(|(_, known)| known.name == container) {
        Some((_, found)) => scoring.score(found).map(|(score, _)| score),
        None => Err(Error::NoSuchContainer {
            pod: pod.to_string(),
            container: container.to_owned(),
            known: scoring.containers().map(|(_, known)| known.name.clone()).collect(),
        }),
    }
}

/// The `oom_score_adj` of every container of a pod: regular ones, init containers and sidecars, ephemeral ones.
///
/// Containers that share a name each get their own line. Ephemeral containers exist since 1.16, sidecars since 1.28.
///
/// # Errors
/// [`Error::ZeroMemoryCapacity`] where the formula divides by it; [`Error::NoContainers`] where the formula needs the regular containers and there are none.
///
/// ```
/// use trimtab_core::{FeatureGates, KubeVersion, view::Pod};
/// use trimtab_node_math::oom::{ContainerKind, MemoryCapacity, oom_score_adjs};
///
/// let pod = Pod::from_json(r#"{"spec": {
///     "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
///     "containers": [{"name": "app", "resources": {"requests": {"memory": "4Gi"}}}]
/// }}"#)?;
/// let capacity = MemoryCapacity::from_bytes(16 << 30);
/// let shown = |minor| -> Result<Vec<_>, Box<dyn std::error::Error>> {
///     let lines = oom_score_adjs(&pod, capacity, &FeatureGates::at(KubeVersion::new(minor)?))?;
///     Ok(lines.into_iter().map(|line| (line.kind, line.oom_score_adj)).collect())
/// };
/// assert_eq!(shown(31)?, [(ContainerKind::Regular, 750), (ContainerKind::Sidecar, 999)]);
/// assert_eq!(shown(32)?, [(ContainerKind::Regular, 750), (ContainerKind::Sidecar, 750)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn oom_score_adjs(pod: &Pod, capacity: MemoryCapacity, gates: &FeatureGates) -> Result<Vec<ContainerOom>, Error> {
    let scoring = Scoring::of(pod, capacity, gates);
    let line = |(kind, container): (ContainerKind, &Container)| {
        let (oom_score_adj, reason) = scoring.score(container)?;
        Ok(ContainerOom { name: container.name.clone(), kind, oom_score_adj, reason })
    };
    scoring.containers().map(line).collect()
}

/// The value of a burstable container from plain numbers: its memory request and the node's memory, both in bytes.
///
/// Only the formula: pod-level resources and sidecars are left out.
///
/// # Errors
/// [`Error::ZeroMemoryCapacity`].
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_node_math::oom::{MemoryCapacity, OomRules, burstable};
///
/// let (node, rules) = (MemoryCapacity::from_bytes(16 << 30), OomRules::at(KubeVersion::new(34)?));
/// assert_eq!([0, 1 << 30, 16 << 30].map(|request| burstable(request, node, &rules)), [Ok(999), Ok(938), Ok(3)]);
/// // 8 Ei times 1000 wraps to nothing at all.
/// assert_eq!(burstable(i64::MIN, node, &rules), Ok(999));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn burstable(memory_request_bytes: i64, capacity: MemoryCapacity, rules: &OomRules) -> Result<i64, Error> {
    capacity.unbounded_score(memory_request_bytes).map(|score| rules.bounded(score))
}

/// One container and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerOom {
    /// The container.
    pub name: String,
    /// Which of the pod's lists it stands in.
    pub kind: ContainerKind,
    /// What the kubelet hands to the runtime.
    pub oom_score_adj: i64,
    /// Which rule it comes from.
    pub reason: OomReason,
}

/// What a container is in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContainerKind {
    /// One of `containers`.
    Regular,
    /// One of `initContainers` that ends before the regular ones start.
    Init,
    /// One of `initContainers` with restart policy `Always`, where the release knows that and the gate `SidecarContainers` is on.
    Sidecar,
    /// One of `ephemeralContainers`.
    Ephemeral,
}

/// Which rule a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OomReason {
    /// The pod is [critical](Critical) and has the value of guaranteed ones.
    Critical,
    /// The pod is guaranteed.
    Guaranteed,
    /// The pod is best effort.
    BestEffort,
    /// The formula.
    Burstable,
}

/// A pod on a node, with the rules that hold there.
struct Scoring<'a> {
    pod: &'a Pod,
    gates: &'a FeatureGates,
    capacity: MemoryCapacity,
    rules: OomRules,
    /// The value of every container, where it does not take the formula.
    fixed: Option<(i64, OomReason)>,
}

impl<'a> Scoring<'a> {
    fn of(pod: &'a Pod, capacity: MemoryCapacity, gates: &'a FeatureGates) -> Self {
        let rules = OomRules::at(gates.version());
        let fixed = if rules.critical.holds(pod, gates) {
            Some((rules.guaranteed, OomReason::Critical))
        } else {
            match pod_qos(pod, gates) {
                PodQos::Class(QosClass::Guaranteed) => Some((rules.guaranteed, OomReason::Guaranteed)),
                PodQos::Class(QosClass::BestEffort) => Some((OomRules::BEST_EFFORT, OomReason::BestEffort)),
                PodQos::Class(QosClass::Burstable) | PodQos::Unknown(_) => None,
            }
        };
        Self { pod, gates, capacity, rules, fixed }
    }

    /// The containers that the release knows, in the order in which a name is looked for.
    fn containers(&self) -> impl Iterator<Item = (ContainerKind, &'a Container)> {
        let spec = &self.pod.spec;
        let sidecars = self.gates.is_on(Gate::SIDECAR_CONTAINERS);
        let init = move |container: &'a Container| {
            let kind = if sidecars && container.is_restartable() { ContainerKind::Sidecar } else { ContainerKind::Init };
            (kind, container)
        };
        let ephemeral: &[Container] = if self.rules.knows_ephemeral_containers() { &spec.ephemeral_containers } else { &[] };
        let regular = spec.containers.iter().map(|container| (ContainerKind::Regular, container));
        let ephemeral = ephemeral.iter().map(|container| (ContainerKind::Ephemeral, container));
        regular.chain(spec.init_containers.iter().map(init)).chain(ephemeral)
    }

    fn score(&self, container: &Container) -> Result<(i64, OomReason), Error> {
        if let Some(fixed) = self.fixed {
            return Ok(fixed);
        }
        let share = self.pod_level_share()?;
        let mut score = self.capacity.unbounded_score(self.memory_request(container).wrapping_add(share))?;
        if self.is_protected_sidecar(container) {
            score = score.min(self.capacity.unbounded_score(self.least_regular_request()?.wrapping_add(share))?);
        }
        Ok((self.rules.bounded(score), OomReason::Burstable))
    }

    /// In bytes, rounded up to whole ones.
    fn memory_request(&self, container: &Container) -> i64 {
        let spec = memory_bytes(container.resources.request(&ResourceName::Memory));
        match self.rules.memory_request {
            MemoryRequest::AllocatedIfResizable if self.gates.is_on(Gate::IN_PLACE_POD_VERTICAL_SCALING) => {
                self.allocated_memory(container).unwrap_or(spec)
            }
            MemoryRequest::Spec | MemoryRequest::AllocatedIfResizable => spec,
            MemoryRequest::SpecAndClaims => spec.wrapping_add(claimed_memory(self.claims(), &container.name)),
        }
    }

    /// The resource claims, where they count.
    fn claims(&self) -> &'a [NodeAllocatableResourceClaimStatus] {
        match self.rules.memory_request {
            MemoryRequest::SpecAndClaims if self.gates.is_on(Gate::DRA_NODE_ALLOCATABLE_RESOURCES) => {
                &self.pod.status.node_allocatable_resource_claim_statuses
            }
            MemoryRequest::Spec | MemoryRequest::AllocatedIfResizable | MemoryRequest::SpecAndClaims => &[],
        }
    }

    /// `None` where the container has no status yet; zero where its status says nothing of memory.
    fn allocated_memory(&self, container: &Container) -> Option<i64> {
        let status = self.pod.status.container_statuses.iter().find(|status| status.name == container.name)?;
        Some(memory_bytes(status.allocated_resources.as_ref().and_then(|list| list.quantity(&ResourceName::Memory))))
    }

    /// Each container's share of what the pod asks for beyond its containers; upstream's `remainingPodMemReqPerContainer`.
    fn pod_level_share(&self) -> Result<i64, Error> {
        let Some(pod_bytes) = self.pod_level_request() else { return Ok(0) };
        let spec = &self.pod.spec;
        let mut containers = aggregate(spec, |container| container.resources.request(&ResourceName::Memory));
        self.claims().iter().for_each(|claim| add_claim(&mut containers, claim));
        let rest = pod_bytes.wrapping_sub(memory_bytes(containers.as_ref()));
        let rest = match self.rules.pod_level {
            PodLevelShare::Signed | PodLevelShare::None => rest,
            PodLevelShare::NotNegative => rest.max(0),
        };
        // Init containers that have ended count as well.
        i64::try_from(spec.containers.len() + spec.init_containers.len())
            .ok()
            .and_then(|count| rest.checked_div(count))
            .ok_or_else(|| self.no_containers())
    }

    /// The pod-level memory request in bytes, where it takes part and is not zero.
    fn pod_level_request(&self) -> Option<i64> {
        let resources = self.pod.spec.resources.as_ref()?;
        let takes_part = match self.rules.pod_level {
            PodLevelShare::None => false,
            PodLevelShare::Signed | PodLevelShare::NotNegative => {
                self.gates.is_on(Gate::POD_LEVEL_RESOURCES) && Supported::at(self.gates.version()).in_requests(resources)
            }
        };
        let memory = resources.request(&ResourceName::Memory)?;
        (takes_part && !memory.is_zero()).then(|| memory.value())
    }

    /// Upstream's `isSidecarContainer`: by its own restart policy, and by its name among the init containers.
    fn is_protected_sidecar(&self, container: &Container) -> bool {
        let protects = match self.rules.sidecars {
            Sidecars::AsOthers => false,
            Sidecars::AsLeastRegular => self.gates.is_on(Gate::SIDECAR_CONTAINERS),
        };
        protects && container.is_restartable() && self.pod.spec.init_containers.iter().any(|init| init.name == container.name)
    }

    /// Upstream's `minRegularContainerMemory`, in bytes.
    fn least_regular_request(&self) -> Result<i64, Error> {
        let requests = self.pod.spec.containers.iter().map(|container| self.memory_request(container));
        requests.min().ok_or_else(|| self.no_containers())
    }

    fn no_containers(&self) -> Error {
        Error::NoContainers { pod: self.pod.to_string() }
    }
}

fn memory_bytes(quantity: Option<&Quantity>) -> i64 {
    quantity.map_or(0, Quantity::value)
}

/// What claims add to one container's request: its part of what the containers of a claim share, each part truncated, and its
/// own overhead. Source: `getEffectiveContainerMemoryRequest`, pkg/kubelet/qos/policy.go@v1.37.2.
fn claimed_memory(claims: &[NodeAllocatableResourceClaimStatus], container: &str) -> i64 {
    let mut bytes = 0_i64;
    for claim in claims.iter().filter(|claim| claim.containers.iter().any(|name| name == container)) {
        // The claim names this container, so the count is at least one.
        let count = i64::try_from(claim.containers.len()).unwrap_or(i64::MAX);
        let part = |quantity: Option<&Quantity>| memory_bytes(quantity).checked_div(count).unwrap_or(0);
        for mapped in claim.mapping.iter().filter(|mapped| mapped.name == ResourceName::Memory) {
            bytes = bytes.wrapping_add(part(mapped.quantity.as_ref()));
        }
        for overhead in claim.overhead.iter().filter(|overhead| overhead.name == ResourceName::Memory) {
            let own = memory_bytes(overhead.per_container.as_ref());
            bytes = bytes.wrapping_add(part(overhead.per_pod.as_ref())).wrapping_add(own);
        }
    }
    bytes
}

/// Adds a whole claim to the sum of the containers, whoever refers to it.
/// Source: `addDRANodeAllocatableClaimResources`, k8s.io/component-helpers/resource/helpers.go v0.37.2.
fn add_claim(sum: &mut Option<Quantity>, claim: &NodeAllocatableResourceClaimStatus) {
    for mapped in claim.mapping.iter().filter(|mapped| mapped.name == ResourceName::Memory) {
        add(sum, mapped.quantity.as_ref());
    }
    for overhead in claim.overhead.iter().filter(|overhead| overhead.name == ResourceName::Memory) {
        add(sum, overhead.per_pod.as_ref());
        for _ in &claim.containers {
            add(sum, overhead.per_container.as_ref());
        }
    }
}

#[cfg(test)]
mod tests;
