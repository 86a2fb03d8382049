//! The signing requests of kubelets, out of a dump.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::{KubeletProblem, Request, Signer};
use crate::finding::{Finding, Problem, Severity, worst_first};
use crate::inspect::{Place, UnreadProblem};
use crate::name::{Name, escaped};
use crate::pem::blocks;

/// Which requests are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RequestPolicy {
    /// One that waits no longer than this is nothing yet; a minute by default. kube-controller-manager takes seconds.
    pub pending_for: SignedDuration,
}

impl Default for RequestPolicy {
    fn default() -> Self {
        Self { pending_for: SignedDuration::from_mins(1) }
    }
}

/// The requests of kubelets that brought no certificate, out of what `kubectl get csr -o json` prints: pending, denied, failed, or approved and not
/// signed; the worst first. Those that a later request of the same kubelet has made good are passed over, and so are those of others.
///
/// Which node asks is read in the request itself: with bootstrap tokens many have one user. Requests live an hour after they were decided about, and a
/// day otherwise, so that a dump shows recent ones only.
///
/// Source: `pkg/controller/certificates/{approver/sarapprove,cleaner/cleaner}.go@v1.37.2`.
///
/// ```
/// use trimtab_certs::finding::kubelet::{self, RequestPolicy};
///
/// let dump = br#"{"items": [{"kind": "CertificateSigningRequest", "metadata": {"name": "csr-7x", "creationTimestamp": "2026-11-25T09:00:00Z"},
///     "spec": {"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:worker-1"}, "status": {}}]}"#;
/// let found = kubelet::of_requests("csr.json", dump, &RequestPolicy::default(), "2026-11-25T12:00:00Z".parse()?);
/// assert!(found[0].to_string().contains("a request of worker-1 to kubernetes.io/kubelet-serving, made 3h ago: undecided"), "{}", found[0]);
/// # Ok::<(), jiff::Error>(())
/// ```
#[must_use]
pub fn of_requests(path: &str, json: &[u8], policy: &RequestPolicy, now: Timestamp) -> Vec<Finding> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(object)) if object.contains_key("kind") || object.get("items").is_some_and(Value::is_array) => {
            of_request_objects(&Value::Object(object), policy, now)
        }
        Ok(list @ Value::Array(_)) => of_request_objects(&list, policy, now),
        Ok(_) => vec![no_dump(path, 1, 1)],
        Err(error) => vec![no_dump(path, error.line(), error.column())],
    }
}

/// The same out of a dump that was read: a list, its `items` alone, or one object.
#[must_use]
pub fn of_request_objects(dump: &Value, policy: &RequestPolicy, now: Timestamp) -> Vec<Finding> {
    let mut by_kubelet: BTreeMap<(String, Signer), Vec<One<'_>>> = BTreeMap::new();
    let list = dump["items"].as_array().or_else(|| dump.as_array());
    for one in list.map_or(std::slice::from_ref(dump), Vec::as_slice).iter().filter_map(One::read) {
        by_kubelet.entry((one.requestor.clone(), one.signer)).or_default().push(one);
    }
    let mut found: Vec<Finding> = by_kubelet.into_values().filter_map(|requests| of_kubelet(requests, policy, now)).collect();
    worst_first(&mut found);
    found
}

/// One request.
struct One<'a> {
    name: &'a str,
    signer: Signer,
    requestor: String,
    node: Option<String>,
    created: Option<Timestamp>,
    state: State,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Pending,
    NotIssued,
    Denied(String),
    Failed(String),
    Issued,
}

impl<'a> One<'a> {
    /// None for what is no request of a kubelet.
    fn read(object: &'a Value) -> Option<Self> {
        let spec = &object["spec"];
        let node = of_request(&spec["request"]).or_else(|| node_of(spec["username"].as_str().unwrap_or_default()));
        let signer = signer(spec, node.is_some())?;
        let requestor = node.clone().unwrap_or_else(|| spec["username"].as_str().unwrap_or_default().to_owned());
        let created = object["metadata"]["creationTimestamp"].as_str().and_then(|time| time.parse().ok());
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        Some(Self { name, signer, requestor, node, created, state: state(&object["status"]) })
    }
}

/// The first releases of the API name no signer: the uses tell.
fn signer(spec: &Value, of_node: bool) -> Option<Signer> {
    if let Some(name) = spec["signerName"].as_str().filter(|name| *name != "kubernetes.io/legacy-unknown") {
        return serde_json::from_value(name.into()).ok();
    }
    let uses = |usage: &str| spec["usages"].as_array().into_iter().flatten().any(|used| used == usage);
    match (of_node, uses("server auth"), uses("client auth")) {
        (true, true, _) => Some(Signer::KubeletServing),
        (true, false, true) => Some(Signer::KubeApiserverClientKubelet),
        (true, false, false) | (false, _, _) => None,
    }
}

fn node_of(user: &str) -> Option<String> {
    user.strip_prefix("system:node:").filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The node that a request is about.
fn of_request(request: &Value) -> Option<String> {
    let pem = STANDARD.decode(request.as_str()?).ok()?;
    let block = blocks(&pem).flatten().find(|block| block.label == "CERTIFICATE REQUEST")?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents).ok()?;
    node_of(Name::read(&request.certification_request_info.subject).common_name()?)
}

/// A certificate that came wins over everything; then what was decided.
fn state(status: &Value) -> State {
    let condition = |kind: &str| status["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == kind);
    let why = |condition: &Value| {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        escaped([text("reason"), text("message")].join(": ").trim_matches([':', ' '])).into_owned()
    };
    let issued = status["certificate"].as_str().is_some_and(|certificate| !certificate.is_empty());
    match (issued, condition("Failed"), condition("Denied"), condition("Approved")) {
        (true, ..) => State::Issued,
        (false, Some(failed), ..) => State::Failed(why(failed)),
        (false, None, Some(denied), _) => State::Denied(why(denied)),
        (false, None, None, Some(_)) => State::NotIssued,
        (false, None, None, None) => State::Pending,
    }
}

/// Those since the last one that brought a certificate; the newest one tells what is the matter.
fn of_kubelet(mut requests: Vec<One<'_>>, policy: &RequestPolicy, now: Timestamp) -> Option<Finding> {
    requests.sort_by_key(|one| one.created);
    let after = requests.iter().rposition(|one| one.state == State::Issued).map_or(0, |at| at + 1);
    let open = requests.get(after..)?;
    let (newest, oldest) = (open.last()?, open.first()?);
    let age = oldest.created.map(|created| now.duration_since(created));
    if age.is_some_and(|age| age <= policy.pending_for) {
        return None;
    }
    let request = Request {
        name: escaped(newest.name).into_owned(),
        signer: newest.signer,
        requestor: escaped(&newest.requestor).into_owned(),
        requests: open.len(),
        age_seconds: age.map(|age| age.as_secs()),
    };
    let problem = match &newest.state {
        State::Issued => return None,
        State::Pending => KubeletProblem::RequestPending { request },
        State::NotIssued => KubeletProblem::RequestNotIssued { request },
        State::Denied(reason) => KubeletProblem::RequestDenied { request, reason: reason.clone() },
        State::Failed(reason) => KubeletProblem::RequestFailed { request, reason: reason.clone() },
    };
    let node = newest.node.as_deref().map(|node| escaped(node).into_owned());
    let place = Place { node, source: format!("CertificateSigningRequest {}", escaped(newest.name)), entry: None };
    Some(Finding { severity: Severity::Warning, place, position: 0, subject: String::new(), problem: Problem::Kubelet(problem) })
}

fn no_dump(path: &str, line: usize, column: usize) -> Finding {
    let around = UnreadProblem::NotADump { line, column };
    let place = Place { node: None, source: path.to_owned(), entry: None };
    Finding { severity: Severity::Error, place, position: 0, subject: String::new(), problem: Problem::Unread { around } }
}
