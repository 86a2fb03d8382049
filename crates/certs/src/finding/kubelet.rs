//! Whether a kubelet renews its certificates: what its configuration says, and what became of its signing requests.

mod requests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Finding, Problem, Severity, node, worst_first};
use crate::human_duration::human_duration;
use crate::inspect::Place;
use crate::name::escaped;
use crate::renewal::{KubeletState, NodeSeen};

pub use requests::{RequestPolicy, of_request_objects, of_requests};

/// Why a kubelet's certificate will not be renewed, or is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "finding")]
#[non_exhaustive]
pub enum KubeletProblem {
    /// The kubelet does not renew its client certificate.
    #[error("rotateCertificates is {}: nobody renews the kubelet's client certificate{}; set it to true and restart the kubelet", off(*stated), end(*not_after))]
    RotationOff {
        /// Whether the file says so. Where it says nothing it is off too: kubeadm writes `true`, upstream's default is `false`.
        stated: bool,
        /// The last second of the certificate that is there, where it was looked at.
        not_after: Option<Timestamp>,
    },
    /// The kubelet shows a certificate that it signed itself.
    #[error(
        "serverTLSBootstrap is off: the kubelet signs its serving certificate itself, for a year and for nobody to verify (metrics-server needs --kubelet-insecure-tls); set it to true, and have somebody approve the requests"
    )]
    ServingSelfSigned,
    /// The kubelet shows a certificate that is given to it.
    #[error("tlsCertFile is {path}: the kubelet shows that certificate and does not renew it; whoever writes it has to")]
    ServingFromFile {
        /// Which.
        path: String,
    },
    /// The kubelet asks for a serving certificate, and has none.
    #[error(
        "serverTLSBootstrap is on, and no certificate came ({path} is missing): kubectl logs and exec fail; approve its request (`kubectl get csr`)"
    )]
    ServingNotIssued {
        /// Where it would be.
        path: String,
    },
    /// No `KubeletConfiguration`.
    #[error("no KubeletConfiguration: line {line}, column {column} is not what one has there")]
    ConfigurationUnreadable {
        /// From 1; 0 where the reader does not say.
        line: u64,
        /// From 1; 0 where the reader does not say.
        column: u64,
    },
    /// A request that nobody has decided about.
    #[error("{request}: undecided; {}", remedy(request.signer, &request.name))]
    RequestPending {
        /// Which.
        #[serde(flatten)]
        request: Request,
    },
    /// A request that somebody has denied.
    #[error("{request}: denied ({reason}); the kubelet asks again; find out who denied it and why")]
    RequestDenied {
        /// Which.
        #[serde(flatten)]
        request: Request,
        /// What whoever denied it gave as reason and message.
        reason: String,
    },
    /// A request that the signer gave up on.
    #[error("{request}: given up by the signer ({reason}); mend that, the kubelet asks again")]
    RequestFailed {
        /// Which.
        #[serde(flatten)]
        request: Request,
        /// What the signer gave as reason and message.
        reason: String,
    },
    /// A request that was approved, and no certificate came.
    #[error("{request}: approved, and no certificate came; see whether kube-controller-manager runs with --cluster-signing-cert-file and its key")]
    RequestNotIssued {
        /// Which.
        #[serde(flatten)]
        request: Request,
    },
}

/// Requests of one kubelet to one signer since its last certificate came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The newest one's name.
    pub name: String,
    /// Whom it is sent to.
    pub signer: Signer,
    /// Who asks: the node, or the user that asked for it.
    pub requestor: String,
    /// How many there are; a kubelet asks anew every quarter of an hour.
    pub requests: usize,
    /// How long the oldest one waits, in seconds; none where it does not say when it was made.
    pub age_seconds: Option<i64>,
}

/// The two signers that a kubelet asks. Source: `staging/src/k8s.io/api/certificates/v1/types.go@v1.37.2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Signer {
    /// For the certificate that it shows. Nothing in Kubernetes approves these.
    #[serde(rename = "kubernetes.io/kubelet-serving")]
    KubeletServing,
    /// For the certificate with which it calls the API server. kube-controller-manager approves these where RBAC lets the kubelet have them.
    #[serde(rename = "kubernetes.io/kube-apiserver-client-kubelet")]
    KubeApiserverClientKubelet,
}

/// What of a `KubeletConfiguration` is about certificates.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    rotate_certificates: Option<bool>,
    #[serde(rename = "serverTLSBootstrap")]
    server_tls_bootstrap: Option<bool>,
    tls_cert_file: Option<String>,
}

/// What a `KubeletConfiguration` (`/var/lib/kubelet/config.yaml`, or what the `ConfigMap` of kubeadm, `kubelet-config`, has in it), YAML or JSON, means for the kubelet's
/// certificates. `seen` is its node, where it was observed: then what is there is told with it.
///
/// Surprising: a file that does not mention `rotateCertificates` has it off, and what kubeadm sets by itself is on. The flags of the kubelet's command
/// line win over the file, and are not seen here.
///
/// Source: `SetDefaults_KubeletConfiguration`, `pkg/kubelet/apis/config/v1beta1/defaults.go@v1.37.2`;
/// `cmd/kubeadm/app/componentconfigs/kubelet.go@v1.37.2`.
///
/// ```
/// use trimtab_certs::finding::kubelet;
///
/// let found = kubelet::of_configuration("/var/lib/kubelet/config.yaml", b"rotateCertificates: false\nserverTLSBootstrap: true\n", None);
/// assert!(found[0].to_string().starts_with("warning: /var/lib/kubelet/config.yaml: rotateCertificates is false: nobody renews"));
/// ```
#[must_use]
pub fn of_configuration(path: &str, file: &[u8], seen: Option<&NodeSeen>) -> Vec<Finding> {
    let node = seen.and_then(|seen| node::name(seen, None)).map(|name| escaped(&name).into_owned());
    let place = Place { node, source: path.to_owned(), entry: None };
    let finding =
        |(severity, problem)| Finding { severity, place: place.clone(), position: 0, subject: String::new(), problem: Problem::Kubelet(problem) };
    let mut found: Vec<Finding> = match configuration(file) {
        Ok(configuration) => client(&configuration, seen).into_iter().chain(serving(&configuration, seen)).map(finding).collect(),
        Err(problem) => vec![finding((Severity::Error, problem))],
    };
    worst_first(&mut found);
    found
}

fn configuration(file: &[u8]) -> Result<Configuration, KubeletProblem> {
    let unreadable = |line, column| KubeletProblem::ConfigurationUnreadable { line, column };
    let text = std::str::from_utf8(file).map_err(|_| unreadable(0, 0))?;
    let read: Option<Configuration> = serde_saphyr::from_str_with_options(text, serde_saphyr::options! { with_snippet: false })
        .map_err(|error| error.location().map_or_else(|| unreadable(0, 0), |at| unreadable(at.line(), at.column())))?;
    Ok(read.unwrap_or_default())
}

fn client(configuration: &Configuration, seen: Option<&NodeSeen>) -> Option<(Severity, KubeletProblem)> {
    let stated = configuration.rotate_certificates.is_some();
    let not_after = seen.and_then(|seen| match &seen.kubelet.state {
        KubeletState::Link { not_after, .. } => Some(*not_after),
        KubeletState::NotLookedAt
        | KubeletState::Missing
        | KubeletState::Dangling { .. }
        | KubeletState::RegularFile
        | KubeletState::Unreadable { .. } => None,
    });
    let off = configuration.rotate_certificates != Some(true);
    off.then_some((Severity::Warning, KubeletProblem::RotationOff { stated, not_after }))
}

/// Source: `InitializeTLS`, `cmd/kubelet/app/server.go@v1.37.2`: a file that is given wins, and is not renewed.
fn serving(configuration: &Configuration, seen: Option<&NodeSeen>) -> Option<(Severity, KubeletProblem)> {
    if configuration.server_tls_bootstrap == Some(true) {
        let server = seen.and_then(|seen| seen.kubelet_server.as_ref()).filter(|server| server.state == KubeletState::Missing)?;
        return Some((Severity::Warning, KubeletProblem::ServingNotIssued { path: server.path.clone() }));
    }
    match configuration.tls_cert_file.as_deref().filter(|path| !path.is_empty()) {
        Some(path) => Some((Severity::Notice, KubeletProblem::ServingFromFile { path: escaped(path).into_owned() })),
        None => Some((Severity::Notice, KubeletProblem::ServingSelfSigned)),
    }
}

fn off(stated: bool) -> &'static str {
    if stated { "false" } else { "not set, which is false" }
}

fn end(not_after: Option<Timestamp>) -> String {
    not_after.map(|not_after| format!(", which ends at {not_after}")).unwrap_or_default()
}

fn remedy(signer: Signer, name: &str) -> String {
    match signer {
        Signer::KubeletServing => format!(
            "nothing in Kubernetes approves those for serving; see that it is the node's (names, addresses), then `kubectl certificate approve {name}`, or run an approver"
        ),
        Signer::KubeApiserverClientKubelet => format!(
            "kube-controller-manager does where the binding of system:certificates.k8s.io:certificatesigningrequests:selfnodeclient (nodeclient for a new node) is there; \
             see whether it runs, or `kubectl certificate approve {name}`"
        ),
    }
}

impl std::fmt::Display for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::KubeletServing => "kubernetes.io/kubelet-serving",
            Self::KubeApiserverClientKubelet => "kubernetes.io/kube-apiserver-client-kubelet",
        })
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { signer, requestor, requests, age_seconds, .. } = self;
        if *requests == 1 {
            write!(f, "a request of {requestor} to {signer}")?;
        } else {
            write!(f, "{requests} requests of {requestor} to {signer}")?;
        }
        let oldest = if *requests == 1 { "" } else { "the oldest " };
        match age_seconds {
            Some(age) => write!(f, ", {oldest}made {} ago", human_duration(age.saturating_mul(1_000_000_000))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
