//! Configurations, and requests in every state.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::*;
use crate::renewal::{KubeletSeen, example};

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn of(file: &str) -> Vec<Finding> {
    of_configuration("config.yaml", file.as_bytes(), None)
}

fn problems(found: &[Finding]) -> Vec<&KubeletProblem> {
    fn problem(finding: &Finding) -> &KubeletProblem {
        let Finding { problem: Problem::Kubelet(problem), .. } = finding else { panic!("{finding}") };
        problem
    }
    found.iter().map(problem).collect()
}

#[test]
fn rotation_that_is_on_and_requests_for_serving_are_no_findings() {
    for file in ["rotateCertificates: true\nserverTLSBootstrap: true\n", r#"{"rotateCertificates": true, "serverTLSBootstrap": true, "x": [1]}"#] {
        assert_eq!(of(file), []);
    }
}

#[test]
fn rotation_that_is_off_by_word_or_by_silence_is_told() {
    for (file, stated) in [("rotateCertificates: false\nserverTLSBootstrap: true", true), ("serverTLSBootstrap: true", false)] {
        assert_eq!(problems(&of(file)), [&KubeletProblem::RotationOff { stated, not_after: None }]);
    }
    assert_eq!(problems(&of("")).len(), 2, "an empty file has upstream's defaults: {:?}", of(""));
    let seen = example::node("1.31".parse().unwrap(), "2026-01-05T00:00:00Z".parse().unwrap());
    let found = of_configuration("config.yaml", b"serverTLSBootstrap: true", Some(&seen));
    assert!(found[0].to_string().starts_with("warning: node-a: config.yaml: rotateCertificates is not set, which is false"), "{}", found[0]);
    assert!(found[0].to_string().contains("which ends at 2027-01-05T00:00:00Z"), "{}", found[0]);
}

#[test]
fn a_serving_certificate_that_nobody_verifies_or_renews_is_worth_a_notice() {
    assert_eq!(problems(&of("rotateCertificates: true")), [&KubeletProblem::ServingSelfSigned]);
    let given = of("rotateCertificates: true\ntlsCertFile: /etc/kubelet.crt");
    assert_eq!(problems(&given), [&KubeletProblem::ServingFromFile { path: "/etc/kubelet.crt".to_owned() }]);
    assert_eq!(given[0].severity, Severity::Notice);
    let mut seen = example::node("1.31".parse().unwrap(), now());
    let path = "/var/lib/kubelet/pki/kubelet-server-current.pem".to_owned();
    seen.kubelet_server = Some(KubeletSeen { path: path.clone(), state: KubeletState::Missing });
    let found = of_configuration("config.yaml", b"rotateCertificates: true\nserverTLSBootstrap: true", Some(&seen));
    assert_eq!(problems(&found), [&KubeletProblem::ServingNotIssued { path }]);
}

#[test]
fn what_is_no_configuration_is_an_error_with_its_line() {
    let found = of("rotateCertificates: true\nserverTLSBootstrap: [s3cret]\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().starts_with("error: config.yaml: no KubeletConfiguration: line 2"), "{}", found[0]);
    assert!(!found[0].to_string().contains("s3cret"));
    assert!(of_configuration("c", b"\xff", None)[0].to_string().contains("no KubeletConfiguration"));
}

fn request(node: &str) -> String {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("system:node:{node}"));
    STANDARD.encode(params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap())
}

fn csr(name: &str, signer: &str, user: &str, made: &str, status: &Value) -> Value {
    json!({"kind": "CertificateSigningRequest", "metadata": {"name": name, "creationTimestamp": made},
        "spec": {"signerName": format!("kubernetes.io/{signer}"), "username": user}, "status": status})
}

fn condition(kind: &str) -> Value {
    json!({"conditions": [{"type": kind, "reason": "Why", "message": "because\u{1b}[2J"}]})
}

fn issued() -> Value {
    json!({"conditions": [{"type": "Approved"}], "certificate": "LS0t"})
}

fn requested(items: &[Value]) -> Vec<Finding> {
    of_requests("csr.json", json!({"items": items}).to_string().as_bytes(), &RequestPolicy::default(), now())
}

const NODE: &str = "system:node:w1";

#[test]
fn requests_that_brought_a_certificate_and_those_of_others_are_no_findings() {
    let hour = "2026-06-01T11:00:00Z";
    let others = csr("d", "kube-apiserver-client", "admin", hour, &json!({}));
    assert_eq!(requested(&[csr("a", "kubelet-serving", NODE, hour, &issued()), others, json!({"kind": "Pod"}), json!(7)]), []);
    let fresh = csr("b", "kubelet-serving", NODE, "2026-06-01T11:59:30Z", &json!({}));
    assert_eq!(requested(&[fresh]), [], "half a minute is nothing");
}

#[test]
fn a_pending_request_is_told_with_its_age_and_who_would_approve_it() {
    let pending = |signer| requested(&[csr("csr-7x", signer, NODE, "2026-06-01T09:00:00Z", &json!({}))]);
    let serving = pending("kubelet-serving").remove(0);
    assert_eq!(
        serving.to_string(),
        "warning: w1: CertificateSigningRequest csr-7x: a request of w1 to kubernetes.io/kubelet-serving, made 3h ago: undecided; nothing in Kubernetes \
         approves those for serving; see that it is the node's (names, addresses), then `kubectl certificate approve csr-7x`, or run an approver"
    );
    let json = serde_json::to_value(&serving).unwrap();
    assert_eq!(
        (&json["finding"], &json["ageSeconds"], &json["signer"]),
        (&"requestPending".into(), &10800.into(), &"kubernetes.io/kubelet-serving".into())
    );
    assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), serving);
    assert!(pending("kube-apiserver-client-kubelet")[0].to_string().contains("kube-controller-manager does where"));
}

#[test]
fn each_state_without_a_certificate_has_its_words() {
    for (status, words) in [
        (condition("Denied"), "denied (Why: because\\1B[2J)"),
        (condition("Failed"), "given up by the signer (Why: because\\1B[2J)"),
        (condition("Approved"), "approved, and no certificate came"),
    ] {
        let found = requested(&[csr("a", "kubelet-serving", NODE, "2026-06-01T09:00:00Z", &status)]);
        assert!(found.len() == 1 && found[0].to_string().contains(words), "{found:#?}");
    }
}

#[test]
fn only_what_came_after_the_last_certificate_counts_and_is_counted() {
    let at = |name: &str, hour: u8, status: &Value| csr(name, "kubelet-serving", NODE, &format!("2026-06-01T{hour:02}:00:00Z"), status);
    assert_eq!(requested(&[at("new", 9, &issued()), at("old", 8, &json!({}))]), []);
    let found =
        requested(&[at("c", 10, &json!({})), at("a", 8, &issued()), at("b", 9, &condition("Denied")), at("z", 7, &json!({})), at("y", 6, &issued())]);
    assert_eq!(found.len(), 1);
    let text = found[0].to_string();
    assert!(
        text.contains("CertificateSigningRequest c: 2 requests of w1 to kubernetes.io/kubelet-serving, the oldest made 3h ago: undecided"),
        "{text}"
    );
}

#[test]
fn with_a_bootstrap_token_the_request_itself_says_which_node_asks() {
    let asked = |name: &str, node: &str, status: &Value| {
        let mut csr = csr(name, "kube-apiserver-client-kubelet", "system:bootstrap:abcdef", "2026-06-01T09:00:00Z", status);
        csr["spec"]["request"] = request(node).into();
        csr
    };
    let found = requested(&[asked("a", "w1", &json!({})), asked("b", "w2", &issued())]);
    assert_eq!(found.iter().map(|finding| finding.place.node.as_deref()).collect::<Vec<_>>(), [Some("w1")], "{found:#?}");
}

#[test]
fn the_first_releases_of_the_api_name_no_signer() {
    let mut csr = csr("a", "legacy-unknown", NODE, "2026-06-01T09:00:00Z", &json!({}));
    csr["spec"]["usages"] = json!(["digital signature", "server auth"]);
    assert!(requested(&[csr.clone()])[0].to_string().contains("kubernetes.io/kubelet-serving"));
    csr["spec"]["usages"] = json!(["client auth"]);
    assert!(requested(&[csr])[0].to_string().contains("kubernetes.io/kube-apiserver-client-kubelet"));
}

#[test]
fn the_items_of_a_dump_alone_are_a_list_too() {
    let pending = csr("a", "kubelet-serving", NODE, "2026-06-01T11:00:00Z", &json!({}));
    let alone = of_request_objects(&json!([pending]), &RequestPolicy::default(), now());
    assert_eq!((alone.len(), alone), (1, requested(&[pending])));
}

#[test]
fn what_is_no_dump_is_an_error() {
    let found = of_requests("csr.json", b"NAME AGE", &RequestPolicy::default(), now());
    assert!(found.len() == 1 && found[0].to_string().starts_with("error: csr.json: no JSON of `kubectl get"), "{found:#?}");
}

#[test]
fn what_is_no_list_of_requests_is_no_answer_that_there_are_none() {
    let now = "2026-11-25T12:00:00Z".parse().unwrap();
    for junk in ["null", "\"x\"", "{\"items\": 5}", "{", "7"] {
        let found = of_requests("csr.json", junk.as_bytes(), &RequestPolicy::default(), now);
        assert!(found.len() == 1 && found[0].to_string().contains("no JSON of `kubectl get"), "{junk}: {found:?}");
    }
    assert_eq!(of_requests("csr.json", b"{\"items\": []}", &RequestPolicy::default(), now), []);
}
