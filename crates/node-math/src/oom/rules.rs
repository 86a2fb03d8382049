//! The rules for `oom_score_adj`, release by release.

use trimtab_core::view::Pod;
use trimtab_core::{FeatureGates, Gate, KubeVersion, Row, Since};

/// The rules of one release.
///
/// ```
/// use trimtab_core::KubeVersion;
/// use trimtab_node_math::oom::OomRules;
///
/// let [old, new] = [19, 20].map(|minor| KubeVersion::new(minor).map(OomRules::at));
/// assert_eq!([old?.guaranteed, new?.guaranteed], [-998, -997]);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomRules {
    /// The value of guaranteed and of critical pods. Burstable ones get at least 1000 more than it.
    pub guaranteed: i64,
    /// Which pods are protected whatever their class.
    pub critical: Critical,
    /// What counts as a container's memory request.
    pub memory_request: MemoryRequest,
    /// What sidecars get.
    pub sidecars: Sidecars,
    /// What a pod-level request adds.
    pub pod_level: PodLevelShare,
    /// The value of the Docker daemon, where the kubelet sets it: up to 1.23, with dockershim.
    pub docker: Option<i64>,
    /// The value of the pod's sandbox (its pause container), where the kubelet sets it: up to 1.23, with dockershim. Elsewhere
    /// the runtime chooses; containerd and CRI-O have their own.
    pub sandbox: Option<i64>,
    ephemeral_containers: EphemeralContainers,
}

impl OomRules {
    /// The value of best-effort containers. Burstable ones that come to it get one less.
    pub const BEST_EFFORT: i64 = 1000;
    /// The value of the kubelet itself, in every release (`--oom-score-adj`).
    pub const KUBELET: i64 = -999;
    /// The value of kube-proxy, in every release (`oomScoreAdj` of its configuration).
    pub const KUBE_PROXY: i64 = -999;

    /// The rules that hold in `version`.
    #[must_use]
    pub fn at(version: KubeVersion) -> Self {
        let dockershim = *DOCKERSHIM.at(version);
        Self {
            guaranteed: *GUARANTEED.at(version),
            critical: *CRITICAL.at(version),
            memory_request: *MEMORY_REQUEST.at(version),
            sidecars: *SIDECARS.at(version),
            pod_level: *POD_LEVEL.at(version),
            docker: dockershim.map(|[docker, _]| docker),
            sandbox: dockershim.map(|[_, sandbox]| sandbox),
            ephemeral_containers: *EPHEMERAL_CONTAINERS.at(version),
        }
    }

    /// Keeps a burstable value above the guaranteed ones and off the best-effort one; above that it is not bounded.
    pub(super) fn bounded(&self, score: i64) -> i64 {
        let least = 1000 + self.guaranteed;
        if score == Self::BEST_EFFORT { score - 1 } else { score.max(least) }
    }

    pub(super) fn knows_ephemeral_containers(&self) -> bool {
        self.ephemeral_containers == EphemeralContainers::Known
    }
}

/// Which pods are protected whatever their class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Critical {
    /// None.
    Nobody,
    /// With the gate `PodPriority` on, a priority of 2,000,000,000 or more; with `ExperimentalCriticalPodAnnotation` on, the empty
    /// annotation `scheduler.alpha.kubernetes.io/critical-pod` in `kube-system`.
    PriorityOrAnnotation,
    /// Static pods, and a priority of 2,000,000,000 or more.
    StaticOrPriority,
    /// Static pods, mirror pods, and a priority of 2,000,000,000 or more.
    StaticMirrorOrPriority,
    /// The same, if their priority class is `system-node-critical` as well.
    NodeCritical,
}

impl Critical {
    /// Upstream's `IsCriticalPod` and `IsNodeCriticalPod`, `pkg/kubelet/types/pod_update.go`.
    pub(super) fn holds(self, pod: &Pod, gates: &FeatureGates) -> bool {
        match self {
            Self::Nobody => false,
            Self::PriorityOrAnnotation => {
                (gates.is_on(Gate::POD_PRIORITY) && has_system_priority(pod))
                    || (gates.is_on(Gate::EXPERIMENTAL_CRITICAL_POD_ANNOTATION) && has_critical_annotation(pod))
            }
            Self::StaticOrPriority => is_static(pod) || has_system_priority(pod),
            Self::StaticMirrorOrPriority => is_static(pod) || is_mirror(pod) || has_system_priority(pod),
            Self::NodeCritical => pod.spec.priority_class_name == "system-node-critical" && Self::StaticMirrorOrPriority.holds(pod, gates),
        }
    }
}

/// `SystemCriticalPriority`, pkg/apis/scheduling/types.go@v1.37.2.
pub(crate) const SYSTEM_CRITICAL_PRIORITY: i32 = 2_000_000_000;

fn has_system_priority(pod: &Pod) -> bool {
    pod.spec.priority.is_some_and(|priority| priority >= SYSTEM_CRITICAL_PRIORITY)
}

/// A kubelet notes in this annotation where a pod came from; anything but `api` is static.
fn is_static(pod: &Pod) -> bool {
    pod.metadata.annotations.get("kubernetes.io/config.source").is_some_and(|source| source != "api")
}

/// What stands in the annotation does not matter.
fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.contains_key("kubernetes.io/config.mirror")
}

fn has_critical_annotation(pod: &Pod) -> bool {
    let annotation = pod.metadata.annotations.get("scheduler.alpha.kubernetes.io/critical-pod");
    pod.metadata.namespace == "kube-system" && annotation.is_some_and(String::is_empty)
}

/// What counts as a container's memory request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryRequest {
    /// What the spec says.
    Spec,
    /// With the gate `InPlacePodVerticalScaling` on and a status for the container: `allocatedResources` of that status, zero
    /// where it names no memory. Else what the spec says.
    AllocatedIfResizable,
    /// What the spec says; with the gate `DRANodeAllocatableResources` on, what resource claims add to it as well.
    SpecAndClaims,
}

/// What sidecars get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecars {
    /// What any container gets.
    AsOthers,
    /// With the gate `SidecarContainers` on: no more than the regular container with the smallest request would get.
    AsLeastRegular,
}

/// What a pod-level request adds, with the gate `PodLevelResources` on: an equal share for each container and init container of
/// what the pod asks for beyond them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodLevelShare {
    /// Nothing.
    None,
    /// The share, below zero where the containers ask for more than the pod.
    Signed,
    /// The share, zero where the containers ask for more than the pod.
    NotNegative,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EphemeralContainers {
    Unknown,
    Known,
}

static GUARANTEED: Since<i64> =
    Since::new(&[Row::new(12, -998, "pkg/kubelet/qos/policy.go@v1.12.10"), Row::new(20, -997, "pkg/kubelet/qos/policy.go@v1.20.15")]);

static CRITICAL: Since<Critical> = Since::new(&[
    Row::new(12, Critical::Nobody, "pkg/kubelet/qos/policy.go@v1.12.10"),
    Row::new(14, Critical::PriorityOrAnnotation, "pkg/kubelet/qos/policy.go, pkg/kubelet/types/pod_update.go@v1.14.10"),
    Row::new(16, Critical::StaticOrPriority, "pkg/kubelet/types/pod_update.go@v1.16.15"),
    Row::new(17, Critical::StaticMirrorOrPriority, "pkg/kubelet/types/pod_update.go@v1.17.17"),
    Row::new(22, Critical::NodeCritical, "pkg/kubelet/qos/policy.go@v1.22.17"),
]);

static MEMORY_REQUEST: Since<MemoryRequest> = Since::new(&[
    Row::new(12, MemoryRequest::Spec, "pkg/kubelet/qos/policy.go@v1.12.10"),
    Row::new(27, MemoryRequest::AllocatedIfResizable, "pkg/kubelet/qos/policy.go@v1.27.16"),
    Row::new(32, MemoryRequest::Spec, "pkg/kubelet/qos/policy.go@v1.32.13"),
    Row::new(37, MemoryRequest::SpecAndClaims, "pkg/kubelet/qos/policy.go@v1.37.2"),
]);

static SIDECARS: Since<Sidecars> = Since::new(&[
    Row::new(12, Sidecars::AsOthers, "pkg/kubelet/qos/policy.go@v1.12.10"),
    Row::new(32, Sidecars::AsLeastRegular, "pkg/kubelet/qos/policy.go@v1.32.13"),
]);

static POD_LEVEL: Since<PodLevelShare> = Since::new(&[
    Row::new(12, PodLevelShare::None, "pkg/kubelet/qos/policy.go@v1.12.10"),
    Row::new(32, PodLevelShare::Signed, "pkg/kubelet/qos/helpers.go@v1.32.13"),
    Row::new(37, PodLevelShare::NotNegative, "pkg/kubelet/qos/helpers.go@v1.37.2"),
]);

/// The Docker daemon and the sandbox; the constants moved from qos/policy.go into dockershim in 1.18.
static DOCKERSHIM: Since<Option<[i64; 2]>> = Since::new(&[
    Row::new(12, Some([-999, -998]), "pkg/kubelet/qos/policy.go@v1.12.10, pkg/kubelet/dockershim/docker_sandbox.go@v1.23.17"),
    Row::new(24, None, "dockershim is gone from pkg/kubelet@v1.24.17"),
]);

static EPHEMERAL_CONTAINERS: Since<EphemeralContainers> = Since::new(&[
    Row::new(12, EphemeralContainers::Unknown, "PodSpec, k8s.io/api/core/v1/types.go at 1.15"),
    Row::new(16, EphemeralContainers::Known, "PodSpec, k8s.io/api/core/v1/types.go at 1.16"),
]);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn critical(minor: u64, pod: &serde_json::Value) -> bool {
        let version = KubeVersion::new(minor).unwrap();
        OomRules::at(version).critical.holds(&Pod::from_value(pod).unwrap(), &FeatureGates::at(version))
    }

    #[test]
    fn a_high_priority_protects_from_1_14_to_1_21() {
        let pod = json!({"spec": {"priority": 2_000_000_000}});
        assert_eq!([13, 14, 16, 21, 22].map(|minor| critical(minor, &pod)), [false, true, true, true, false]);
        let pod = json!({"spec": {"priority": 1_999_999_999}});
        assert_eq!([14, 16, 21].map(|minor| critical(minor, &pod)), [false; 3]);
    }

    #[test]
    fn since_1_22_it_takes_the_class_of_node_critical_pods_as_well() {
        let of = |class: &str| json!({"spec": {"priority": 2_000_001_000, "priorityClassName": class}});
        assert!(critical(22, &of("system-node-critical")));
        assert!(!critical(22, &of("system-cluster-critical")));
        assert!(!critical(37, &json!({"spec": {"priorityClassName": "system-node-critical"}})));
    }

    #[test]
    fn static_pods_are_protected_from_1_16_and_mirror_pods_from_1_17_on() {
        let of = |annotation: &str, value: &str| json!({"metadata": {"annotations": {annotation: value}}});
        let from_file = of("kubernetes.io/config.source", "file");
        assert_eq!([15, 16, 17, 21, 22].map(|minor| critical(minor, &from_file)), [false, true, true, true, false]);
        let from_api = of("kubernetes.io/config.source", "api");
        assert_eq!([16, 21].map(|minor| critical(minor, &from_api)), [false; 2]);
        let mirror = of("kubernetes.io/config.mirror", "");
        assert_eq!([16, 17, 21, 22].map(|minor| critical(minor, &mirror)), [false, true, true, false]);
    }

    #[test]
    fn the_old_annotation_takes_a_gate_and_the_right_namespace() {
        let of = |namespace: &str, value: &str| {
            let annotations = json!({"scheduler.alpha.kubernetes.io/critical-pod": value});
            Pod::from_value(&json!({"metadata": {"namespace": namespace, "annotations": annotations}})).unwrap()
        };
        let off = FeatureGates::at(KubeVersion::new(15).unwrap());
        let on = off.clone().with("ExperimentalCriticalPodAnnotation", true).unwrap();
        let rule = Critical::PriorityOrAnnotation;
        assert!(rule.holds(&of("kube-system", ""), &on));
        assert!(!rule.holds(&of("kube-system", ""), &off));
        assert!(!rule.holds(&of("kube-system", "true"), &on));
        assert!(!rule.holds(&of("default", ""), &on));
    }

    #[test]
    fn the_bounds_leave_values_above_1000_alone() {
        let rules = OomRules::at(KubeVersion::MAX);
        assert_eq!([i64::MIN, 2, 3, 999, 1000, 1001, i64::MAX].map(|score| rules.bounded(score)), [3, 3, 3, 999, 999, 1001, i64::MAX]);
    }

    #[test]
    fn the_kubelet_names_a_sandbox_value_as_long_as_there_is_dockershim() {
        let sandbox = |minor| OomRules::at(KubeVersion::new(minor).unwrap()).sandbox;
        assert_eq!([12, 23, 24, 37].map(sandbox), [Some(-998), Some(-998), None, None]);
    }
}
