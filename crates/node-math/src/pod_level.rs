//! Pod-level resources (KEP-2837): which of them count, and what the containers of a pod come to together.

use std::collections::BTreeSet;

use trimtab_core::view::{Container, PodSpec, ResourceList, ResourceName, ResourceRequirements};
use trimtab_core::{KubeVersion, Quantity, Row, Since};

/// The resources that may be given for a pod as a whole: upstream's `IsSupportedPodLevelResource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supported {
    /// The release has no pod-level resources.
    Nothing,
    /// `cpu` and `memory`.
    CpuAndMemory,
    /// `cpu`, `memory` and every `hugepages-…`.
    CpuMemoryAndHugepages,
}

static SUPPORTED: Since<Supported> = Since::new(&[
    Row::new(12, Supported::Nothing, "PodSpec has no field resources, k8s.io/api/core/v1/types.go@v0.31.14"),
    Row::new(32, Supported::CpuAndMemory, "k8s.io/component-helpers/resource/helpers.go@v0.32.13"),
    Row::new(33, Supported::CpuMemoryAndHugepages, "k8s.io/component-helpers/resource/helpers.go@v0.33.13"),
]);

impl Supported {
    pub(crate) fn at(version: KubeVersion) -> Self {
        *SUPPORTED.at(version)
    }

    pub(crate) fn includes(self, name: &ResourceName) -> bool {
        match self {
            Self::Nothing => false,
            Self::CpuAndMemory => is_overcommittable(name),
            Self::CpuMemoryAndHugepages => is_overcommittable(name) || name.is_hugepages(),
        }
    }

    /// Upstream's `IsPodLevelRequestsSet`: a key is enough, its quantity may be zero.
    pub(crate) fn in_requests(self, resources: &ResourceRequirements) -> bool {
        resources.each_request().any(|(name, _)| self.includes(name))
    }

    /// Upstream's `IsPodLevelResourcesSet`.
    pub(crate) fn in_any(self, resources: &ResourceRequirements) -> bool {
        self.in_requests(resources) || resources.each_limit().any(|(name, _)| self.includes(name))
    }
}

/// Of the supported resources, those that may be promised more often than there are: `cpu` and `memory`.
pub(crate) fn is_overcommittable(name: &ResourceName) -> bool {
    match name {
        ResourceName::Cpu | ResourceName::Memory => true,
        ResourceName::Other(_) => false,
    }
}

/// What a pod comes to in one resource: the regular containers and sidecars together, or what the init containers come to at
/// their peak, whichever is more. `amount` is what one container asks for; `None` where nobody names the resource.
///
/// Source: `AggregateContainerRequests` and `AggregateContainerLimits`, k8s.io/component-helpers/resource/helpers.go
/// v0.32.13 to v0.37.2. Upstream goes by whole lists; each resource is on its own in them.
pub(crate) fn aggregate<'a>(spec: &'a PodSpec, amount: impl Fn(&'a Container) -> Option<&'a Quantity>) -> Option<Quantity> {
    let mut together = None;
    for container in &spec.containers {
        add(&mut together, amount(container));
    }
    let (mut sidecars, mut peak) = (None, None);
    for container in &spec.init_containers {
        let own = amount(container);
        if container.is_restartable() {
            add(&mut together, own);
            add(&mut sidecars, own);
            raise(&mut peak, sidecars.clone());
        } else {
            let mut running = own.cloned();
            add(&mut running, sidecars.as_ref());
            raise(&mut peak, running);
        }
    }
    raise(&mut together, peak);
    together
}

/// [`aggregate`] for every resource that some container names.
pub(crate) fn aggregate_list<'a>(spec: &'a PodSpec, list: impl Fn(&'a Container) -> Option<&'a ResourceList>) -> ResourceList {
    let lists = spec.containers.iter().chain(&spec.init_containers).filter_map(&list);
    let names: BTreeSet<&ResourceName> = lists.flat_map(|list| list.iter().map(|(name, _)| name)).collect();
    let of = |name| aggregate(spec, |container| list(container)?.quantity(name));
    names.into_iter().filter_map(|name| Some((name.clone(), of(name)?))).collect()
}

/// Adds what is there to what is there; upstream's `addResourceList`.
pub(crate) fn add(sum: &mut Option<Quantity>, quantity: Option<&Quantity>) {
    match (sum.as_mut(), quantity) {
        (Some(sum), Some(quantity)) => sum.add(quantity),
        (None, Some(quantity)) => *sum = Some(quantity.clone()),
        (_, None) => {}
    }
}

/// Keeps the larger one, the first where they are equal; upstream's `maxResourceList`, whose comparison may turn the one that it
/// keeps into the big form: then 100E, which is worth 0 bytes by itself, wraps.
fn raise(largest: &mut Option<Quantity>, quantity: Option<Quantity>) {
    if let Some(mut quantity) = quantity {
        if largest.as_ref().is_none_or(|largest| quantity.cmp_in_place(largest).is_gt()) {
            *largest = Some(quantity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use trimtab_core::view::Pod;

    fn memory(spec: &Value) -> Option<String> {
        let pod = Pod::from_value(&json!({"spec": spec})).unwrap();
        aggregate(&pod.spec, |container| container.resources.request(&ResourceName::Memory)).map(|quantity| quantity.to_string())
    }

    fn with(memory: &str) -> Value {
        json!({"resources": {"requests": {"memory": memory}}})
    }

    fn sidecar(memory: &str) -> Value {
        json!({"restartPolicy": "Always", "resources": {"requests": {"memory": memory}}})
    }

    #[test]
    fn a_larger_one_that_met_a_big_one_is_big_itself() {
        let spec = |first: &str| json!({"containers": [with("1Gi")], "initContainers": [with(first), with("100E")]});
        let value = |spec: &Value| {
            let pod = Pod::from_value(&json!({"spec": spec})).unwrap();
            aggregate(&pod.spec, |container| container.resources.request(&ResourceName::Memory)).unwrap().value()
        };
        assert_eq!((value(&spec("128Mi")), value(&spec("0.125Gi"))), (0, 7_766_279_631_452_241_920));
    }

    #[test]
    fn a_sidecar_counts_beside_the_containers_and_beside_later_init_containers() {
        assert_eq!(memory(&json!({"containers": [with("2Gi")], "initContainers": [sidecar("1Gi")]})).as_deref(), Some("3Gi"));
        let before = json!({"containers": [with("2Gi")], "initContainers": [sidecar("1Gi"), with("4Gi")]});
        assert_eq!(memory(&before).as_deref(), Some("5Gi"));
        let after = json!({"containers": [with("2Gi")], "initContainers": [with("4Gi"), sidecar("1Gi")]});
        assert_eq!(memory(&after).as_deref(), Some("4Gi"));
    }

    #[test]
    fn a_resource_that_nobody_names_has_no_sum() {
        assert_eq!(memory(&json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]})), None);
        assert_eq!(memory(&json!({"containers": [with("0")]})).as_deref(), Some("0"));
    }

    #[test]
    fn hugepages_count_from_1_33_on_and_other_resources_never() {
        let hugepages = ResourceName::from("hugepages-2Mi");
        let at = |minor| Supported::at(KubeVersion::new(minor).unwrap());
        assert_eq!([31, 32, 33, 37].map(|minor| at(minor).includes(&hugepages)), [false, false, true, true]);
        assert_eq!([31, 32].map(|minor| at(minor).includes(&ResourceName::Cpu)), [false, true]);
        assert!(!at(37).includes(&ResourceName::from("ephemeral-storage")));
    }
}
