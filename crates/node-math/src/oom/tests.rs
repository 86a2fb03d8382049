use super::*;
use serde_json::{Value, json};
use trimtab_core::KubeVersion;

const GI: i64 = 1 << 30;

fn capacity() -> MemoryCapacity {
    MemoryCapacity::from_bytes(16 * GI)
}

fn gates(minor: u64) -> FeatureGates {
    FeatureGates::at(KubeVersion::new(minor).unwrap())
}

fn pod(spec: &Value) -> Pod {
    Pod::from_value(&json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
}

fn asking(name: &str, memory: &str) -> Value {
    json!({"name": name, "resources": {"requests": {"memory": memory}}})
}

fn score(spec: &Value, container: &str, minor: u64) -> i64 {
    oom_score_adj(&pod(spec), container, capacity(), &gates(minor)).unwrap()
}

#[test]
fn asking_for_more_never_raises_the_score_as_long_as_nothing_wraps() {
    let rules = OomRules::at(KubeVersion::MAX);
    let scores: Vec<_> = (0..=64).map(|step| burstable(step * GI / 4, capacity(), &rules).unwrap()).collect();
    assert!(scores.is_sorted_by(|less, more| less >= more));
    assert_eq!((scores[0], scores[64]), (999, 3));
}

#[test]
fn the_guaranteed_value_and_the_lowest_burstable_one_rose_by_one_in_1_20() {
    let amounts = json!({"cpu": "1", "memory": "16Gi"});
    let guaranteed = json!({"containers": [{"name": "a", "resources": {"requests": amounts, "limits": amounts}}]});
    assert_eq!([19, 20].map(|minor| score(&guaranteed, "a", minor)), [-998, -997]);
    assert_eq!([19, 20].map(|minor| score(&json!({"containers": [asking("a", "16Gi")]}), "a", minor)), [2, 3]);
}

#[test]
fn a_request_that_wraps_gives_what_upstream_gives() {
    let rules = OomRules::at(KubeVersion::MAX);
    assert_eq!(burstable(10_000_000_000_000_000, capacity(), &rules), Ok(491_666_214));
}

#[test]
fn the_lowest_product_over_minus_one_does_not_panic() {
    let rules = OomRules::at(KubeVersion::MAX);
    let minus_one = MemoryCapacity::from_bytes(-1);
    // 1000 * 2^60 wraps to the lowest number, which divided by -1 is itself, in Go as here.
    assert_eq!(burstable(1 << 60, minus_one, &rules), Ok(3));
    assert_eq!(burstable(GI, minus_one, &rules), Ok(1_073_741_825_000));
}

#[test]
fn a_request_is_rounded_up_to_whole_bytes() {
    let one_byte = MemoryCapacity::from_bytes(1);
    let spec = json!({"containers": [asking("a", "1m")]});
    assert_eq!(oom_score_adj(&pod(&spec), "a", one_byte, &gates(37)), Ok(3));
}

#[test]
fn a_name_is_looked_for_among_regular_init_and_ephemeral_containers_in_that_order() {
    let spec = json!({
        "containers": [asking("a", "1Gi"), asking("a", "2Gi")],
        "initContainers": [asking("a", "3Gi"), asking("b", "4Gi")],
        "ephemeralContainers": [asking("b", "5Gi"), asking("c", "8Gi")],
    });
    assert_eq!(["a", "b", "c"].map(|name| score(&spec, name, 31)), [938, 750, 500]);
    let names: Vec<_> = oom_score_adjs(&pod(&spec), capacity(), &gates(31)).unwrap().into_iter().map(|line| line.name).collect();
    assert_eq!(names, ["a", "a", "a", "b", "b", "c"]);
}

#[test]
fn ephemeral_containers_are_unknown_before_1_16() {
    let spec = json!({"containers": [asking("a", "1Gi")], "ephemeralContainers": [{"name": "debug"}]});
    assert_eq!(score(&spec, "debug", 16), 999);
    let error = oom_score_adj(&pod(&spec), "debug", capacity(), &gates(15)).unwrap_err();
    assert_eq!(error, Error::NoSuchContainer { pod: "p".to_owned(), container: "debug".to_owned(), known: vec!["a".to_owned()] });
}

#[test]
fn a_sidecar_is_no_more_likely_to_be_killed_than_the_smallest_container_since_1_32() {
    let sidecar = json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"memory": "1Gi"}}});
    let spec = json!({"containers": [asking("a", "4Gi"), asking("b", "8Gi")], "initContainers": [sidecar]});
    assert_eq!([31, 32, 37].map(|minor| score(&spec, "s", minor)), [938, 750, 750]);
    let off = gates(32).with("SidecarContainers", false).unwrap();
    assert_eq!(oom_score_adj(&pod(&spec), "s", capacity(), &off), Ok(938));
}

#[test]
fn a_pod_level_request_beyond_the_containers_is_shared_among_all_of_them() {
    let spec = json!({
        "containers": [asking("a", "2Gi")],
        "initContainers": [asking("i", "1Gi")],
        "resources": {"requests": {"memory": "6Gi"}},
    });
    // (6 - 2) / 2 = 2 more for each.
    assert_eq!([33, 34, 37].map(|minor| score(&spec, "a", minor)), [875, 750, 750]);
    assert_eq!(score(&spec, "i", 34), 813);
}

#[test]
fn containers_that_ask_for_more_than_their_pod_go_beyond_1000_up_to_1_36() {
    let spec = json!({"containers": [asking("a", "2Gi"), asking("b", "1")], "resources": {"requests": {"memory": "1Gi"}}});
    assert_eq!([36, 37].map(|minor| score(&spec, "b", minor)), [1031, 999]);
}

#[test]
fn a_critical_pod_is_protected_whatever_it_asks_for() {
    let spec = json!({"containers": [{"name": "a"}], "priority": 2_000_001_000, "priorityClassName": "system-node-critical"});
    let lines = oom_score_adjs(&pod(&spec), capacity(), &gates(37)).unwrap();
    assert_eq!((lines[0].oom_score_adj, lines[0].reason), (-997, OomReason::Critical));
}

#[test]
fn a_class_that_is_none_takes_the_formula() {
    let pod = Pod::from_value(&json!({"spec": {"containers": [{"name": "a"}]}, "status": {"qosClass": "Bogus"}})).unwrap();
    assert_eq!([28, 29].map(|minor| oom_score_adj(&pod, "a", capacity(), &gates(minor))), [Ok(1000), Ok(999)]);
}

#[test]
fn where_upstream_panics_there_is_an_error() {
    let nothing = MemoryCapacity::from_bytes(0);
    assert_eq!(burstable(GI, nothing, &OomRules::at(KubeVersion::MAX)), Err(Error::ZeroMemoryCapacity));
    assert_eq!(oom_score_adj(&pod(&json!({"containers": [asking("a", "1Gi")]})), "a", nothing, &gates(37)), Err(Error::ZeroMemoryCapacity));
    // Where the formula is not asked, neither is the capacity.
    assert_eq!(oom_score_adj(&pod(&json!({"containers": [{"name": "a"}]})), "a", nothing, &gates(37)), Ok(1000));
    let none = Err(Error::NoContainers { pod: "p".to_owned() });
    let sidecar = json!({"initContainers": [{"name": "s", "restartPolicy": "Always", "resources": {"requests": {"memory": "1"}}}]});
    assert_eq!(oom_score_adj(&pod(&sidecar), "s", capacity(), &gates(37)), none);
    let debugged = json!({"ephemeralContainers": [{"name": "d"}], "resources": {"requests": {"memory": "1"}}});
    assert_eq!(oom_score_adj(&pod(&debugged), "d", capacity(), &gates(37)), none);
}

#[test]
fn an_allocation_counts_from_1_27_to_1_31_with_the_gate_on() {
    let status = json!({"containerStatuses": [{"name": "a", "allocatedResources": {"memory": "4Gi"}}, {"name": "b"}]});
    let spec = json!({"containers": [asking("a", "1Gi"), asking("b", "1Gi"), asking("c", "1Gi")]});
    let pod = Pod::from_value(&json!({"spec": spec, "status": status})).unwrap();
    let scores = |gates: &FeatureGates| ["a", "b", "c"].map(|name| oom_score_adj(&pod, name, capacity(), gates).unwrap());
    let on = |minor| gates(minor).with("InPlacePodVerticalScaling", true).unwrap();
    assert_eq!(scores(&on(27)), [750, 999, 938]);
    assert_eq!(scores(&on(31)), [750, 999, 938]);
    assert_eq!([scores(&gates(31)), scores(&on(32))], [[938; 3]; 2]);
}

#[test]
fn a_claim_is_shared_by_the_containers_that_name_it() {
    let claim = json!({
        "containers": ["a", "b"],
        "mapping": [{"name": "memory", "quantity": "2Gi"}, {"name": "cpu", "quantity": "4"}],
        "overhead": [{"name": "memory", "perPod": "2Gi", "perContainer": "1Gi"}],
    });
    let pod = Pod::from_value(&json!({
        "spec": {"containers": [asking("a", "1Gi"), asking("b", "1Gi"), asking("c", "1Gi")]},
        "status": {"nodeAllocatableResourceClaimStatuses": [claim]},
    }));
    let pod = pod.unwrap();
    let scores = |gates: &FeatureGates| ["a", "b", "c"].map(|name| oom_score_adj(&pod, name, capacity(), gates).unwrap());
    let on = |minor| gates(minor).with("DRANodeAllocatableResources", true).unwrap();
    assert_eq!([scores(&gates(37)), scores(&on(36))], [[938; 3]; 2]);
    assert_eq!(scores(&on(37)), [750, 750, 938]);
}

#[test]
fn a_claim_counts_among_the_containers_of_a_pod_level_request() {
    let claim = json!({
        "containers": ["a", "b"],
        "mapping": [{"name": "memory", "quantity": "2Gi"}],
        "overhead": [{"name": "memory", "perPod": "1Gi", "perContainer": "1Gi"}],
    });
    let resources = json!({"requests": {"memory": "11Gi"}});
    let pod = Pod::from_value(&json!({
        "spec": {"containers": [asking("a", "1Gi"), asking("b", "1Gi")], "resources": resources},
        "status": {"nodeAllocatableResourceClaimStatuses": [claim]},
    }));
    let on = gates(37).with("DRANodeAllocatableResources", true).unwrap();
    // The containers come to 2 and the claim to 2 + 1 + 2 * 1, so that (11 - 7) / 2 is left for each; its own are 1 and 1 + 0.5 + 1.
    assert_eq!(oom_score_adj(&pod.unwrap(), "a", capacity(), &on), Ok(1000 - 1000 * 11 / 32));
}
