use super::*;
use serde_json::json;

fn gates(minor: u64) -> FeatureGates {
    FeatureGates::at(KubeVersion::new(minor).unwrap())
}

fn decoded(spec: &Value, gates: &FeatureGates) -> Value {
    let mut pod = Pod::from_value(&json!({"spec": spec})).unwrap();
    set_defaults(&mut pod, gates);
    serde_json::to_value(pod.spec).unwrap()
}

fn created(spec: &Value, gates: &FeatureGates) -> Value {
    let mut pod = Pod::from_value(&json!({"spec": spec})).unwrap();
    create(&mut pod, gates);
    serde_json::to_value(pod.spec).unwrap()
}

fn with_resources(containers: &Value, resources: &Value) -> Value {
    json!({"containers": containers, "resources": resources})
}

#[test]
fn a_limit_becomes_a_request_where_that_is_missing() {
    let resources = json!({"limits": {"cpu": "2", "memory": "1Gi", "example.com/gpu": "1"}, "requests": {"cpu": "0"}});
    let spec = json!({"containers": [{"name": "a", "resources": resources}], "initContainers": [{"name": "i", "resources": resources}]});
    let expected = json!({"cpu": "0", "memory": "1Gi", "example.com/gpu": "1"});
    for minor in [12, 31, 37] {
        let decoded = decoded(&spec, &gates(minor));
        assert_eq!(decoded["containers"][0]["resources"]["requests"], expected);
        assert_eq!(decoded["initContainers"][0]["resources"]["requests"], expected);
    }
}

#[test]
fn limits_of_ephemeral_containers_stay_alone_but_are_rounded() {
    let spec = json!({"containers": [], "ephemeralContainers": [{"name": "e", "resources": {"limits": {"cpu": "1n"}}}]});
    let resources = &decoded(&spec, &gates(37))["ephemeralContainers"][0]["resources"];
    assert_eq!(*resources, json!({"limits": {"cpu": "1m"}}));
}

#[test]
fn fields_that_a_release_does_not_know_are_dropped() {
    let spec = json!({
        "containers": [{"name": "a"}],
        "initContainers": [{"name": "i", "restartPolicy": "Always"}],
        "ephemeralContainers": [{"name": "e"}],
        "overhead": {"cpu": "1"},
        "resources": {"requests": {"cpu": "1"}},
    });
    let known = |minor| {
        let spec = decoded(&spec, &gates(minor));
        let fields = [&spec["overhead"], &spec["ephemeralContainers"], &spec["initContainers"][0]["restartPolicy"], &spec["resources"]];
        fields.map(|field| !field.is_null())
    };
    assert_eq!(known(15), [false, false, false, false]);
    assert_eq!(known(16), [true, true, false, false]);
    assert_eq!(known(28), [true, true, true, false]);
    assert_eq!(known(32), [true, true, true, true]);
}

#[test]
fn what_is_summed_up_is_rounded_afterwards() {
    let tiny = json!({"resources": {"requests": {"cpu": "1n"}}});
    let spec = with_resources(&json!([tiny, tiny]), &json!({"limits": {"memory": "1Gi"}}));
    assert_eq!(decoded(&spec, &gates(36))["resources"]["requests"]["cpu"], "1m");
    // On create the containers are rounded first.
    assert_eq!(created(&spec, &gates(37))["resources"]["requests"]["cpu"], "2m");
}

#[test]
fn pod_level_requests_take_a_pod_level_limit_up_to_1_36() {
    let container = json!({"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}});
    let requests =
        |resources: &Value, minor| created(&with_resources(&json!([container]), resources), &gates(minor))["resources"]["requests"].clone();
    let limited = json!({"limits": {"cpu": "4"}});
    assert_eq!(
        [33, 36, 37].map(|minor| requests(&limited, minor)),
        [json!(null), json!({"cpu": "1", "memory": "1Gi"}), json!({"cpu": "1", "memory": "1Gi"})]
    );
    let requested = json!({"requests": {"cpu": "4"}});
    assert_eq!([36, 37].map(|minor| requests(&requested, minor)), [json!({"cpu": "4"}), json!({"cpu": "4", "memory": "1Gi"})]);
}

#[test]
fn a_new_pod_level_limit_takes_limits_of_all_containers_and_is_no_less_than_the_request() {
    let limited = json!({"resources": {"limits": {"cpu": "1"}}});
    let limits =
        |containers: &Value| created(&with_resources(containers, &json!({"requests": {"cpu": "3"}})), &gates(37))["resources"]["limits"].clone();
    assert_eq!(limits(&json!([limited])), json!({"cpu": "3"}));
    assert_eq!(limits(&json!([limited, limited, limited, limited])), json!({"cpu": "4"}));
    assert_eq!(limits(&json!([limited, {"name": "b"}])), json!(null));
    assert_eq!(limits(&json!([])), json!(null));
}

#[test]
fn hugepage_limits_of_containers_become_the_pods_since_1_33() {
    let container = json!({"resources": {"limits": {"hugepages-2Mi": "4Mi"}}});
    let on = |minor| gates(minor).with("PodLevelResources", true).unwrap();
    let limits = |resources: &Value, minor| {
        decoded(&with_resources(&json!([container]), resources), &on(minor))["resources"]["limits"]["hugepages-2Mi"].clone()
    };
    let asking = json!({"requests": {"cpu": "1"}});
    assert_eq!([32, 33, 34, 36].map(|minor| limits(&asking, minor)), [json!(null), json!("4Mi"), json!("4Mi"), json!("4Mi")]);
    let asking = json!({"requests": {"hugepages-2Mi": "2Mi"}});
    assert_eq!([33, 34].map(|minor| limits(&asking, minor)), [json!("4Mi"), json!(null)]);
}

#[test]
fn nothing_is_filled_in_where_the_pod_level_list_is_empty_or_the_gate_is_off() {
    let container = json!({"name": "a", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}});
    for minor in [32, 34, 37] {
        assert_eq!(decoded(&with_resources(&json!([container]), &json!({})), &gates(minor))["resources"], json!({}));
    }
    assert_eq!(created(&with_resources(&json!([container]), &json!({"limits": {"cpu": "2"}})), &gates(33))["resources"], json!(null));
}

#[test]
fn restart_policies_of_init_containers_need_the_gate_on_create() {
    let spec = json!({"initContainers": [{"name": "i", "restartPolicy": "Always"}]});
    let policy = |gates: &FeatureGates| created(&spec, gates)["initContainers"][0]["restartPolicy"].clone();
    assert_eq!([28, 29, 37].map(|minor| policy(&gates(minor))), [json!(null), json!("Always"), json!("Always")]);
}

#[test]
fn claims_of_containers_are_known_since_1_26_and_need_a_gate_on_create() {
    let spec = json!({"containers": [{"name": "a", "resources": {"claims": [{"name": "gpu"}]}}]});
    let claims = |spec: &Value| !spec["containers"][0]["resources"]["claims"].is_null();
    assert_eq!([25, 26].map(|minor| claims(&decoded(&spec, &gates(minor)))), [false, true]);
    assert_eq!([26, 33, 34, 37].map(|minor| claims(&created(&spec, &gates(minor)))), [false, false, true, true]);
    let manifest = json!({"spec": spec});
    assert_eq!([33, 34].map(|minor| claims(&default_manifest(&manifest, &gates(minor)).unwrap()["spec"])), [false, true]);
}

#[test]
fn system_classes_have_their_priority_and_others_are_left_alone() {
    let priority = |class: &str| created(&json!({"priorityClassName": class}), &gates(34))["priority"].clone();
    assert_eq!(priority("system-node-critical"), 2_000_001_000);
    assert_eq!(priority("system-cluster-critical"), 2_000_000_000);
    assert_eq!(priority("mine"), json!(null));
}

#[test]
fn a_class_in_the_status_of_a_new_pod_is_believed_from_1_29_to_1_36() {
    let class = |minor| {
        let mut pod = Pod::from_value(&json!({"spec": {"containers": [{}]}, "status": {"qosClass": "Guaranteed"}})).unwrap();
        create(&mut pod, &gates(minor));
        pod.status.qos_class
    };
    assert_eq!([28, 29, 36, 37].map(class), ["BestEffort", "Guaranteed", "Guaranteed", "BestEffort"]);
}

#[test]
fn a_manifest_keeps_everything_that_is_not_defaulted() {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "x": [1], "metadata": {"labels": {"a": "b"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "containers": [null, {"name": "a", "image": "i", "resources": {"claims": [{"name": "c"}], "limits": {"cpu": "1000m"}, "y": 1}}],
            "resources": {"z": 1, "limits": {"cpu": "2"}},
        },
        "status": {"hostIP": "10.0.0.1"},
    });
    let expected = json!({
        "apiVersion": "v1", "kind": "Pod", "x": [1], "metadata": {"labels": {"a": "b"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "containers": [
                {"resources": {}},
                {"name": "a", "image": "i", "resources": {"claims": [{"name": "c"}], "limits": {"cpu": "1"}, "requests": {"cpu": "1"}, "y": 1}},
            ],
            "resources": {"z": 1, "limits": {"cpu": "2"}, "requests": {"cpu": "1"}},
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    });
    assert_eq!(default_manifest(&manifest, &gates(36)), Ok(expected));
}

#[test]
fn a_manifest_loses_what_the_release_does_not_know() {
    let manifest = json!({"spec": {"containers": [], "ephemeralContainers": [{"name": "e"}], "resources": {"limits": {"cpu": "2"}}}});
    let stored = default_manifest(&manifest, &gates(15)).unwrap();
    assert_eq!(stored["spec"], json!({"containers": []}));
}

#[test]
fn creating_again_what_was_created_changes_nothing() {
    let container = json!({"name": "a", "resources": {"limits": {"cpu": "1500u", "memory": "0.1"}, "requests": {"cpu": "1u"}}});
    let manifest = json!({"spec": {"containers": [container], "initContainers": [container], "resources": {"requests": {"cpu": "5"}}}});
    for minor in 12..=37 {
        let once = default_manifest(&manifest, &gates(minor)).unwrap();
        assert_eq!(default_manifest(&once, &gates(minor)).as_ref(), Ok(&once), "1.{minor}");
    }
}
