//! kwok, which plays the kubelets: nodes become ready, pods run, end as they are told to, and go when they are deleted.

use serde_json::json;

use super::{ControlPlane, NODES, Object};
use crate::server::Server;
use crate::testbed;

/// The kwok of the test bed.
const VERSION: &str = "0.8.0";

/// A pod's annotation that says how it ends as soon as it runs: `Succeeded` or `Failed`. Without it a pod runs until it is deleted.
pub const ENDS: &str = "trimtab.example/ends";

impl ControlPlane {
    /// Starts kwok with these nodes and waits until they are ready. There is no scheduler: a pod names its node itself (`spec.nodeName`).
    pub async fn start_kwok(&mut self, nodes: &[&str]) {
        assert!(self.kwok.is_none(), "kwok runs already");
        let stages = self.dir().join("stages.yaml");
        std::fs::write(&stages, STAGES).expect("our own folder can be written to");
        let flags = [
            format!("--kubeconfig={}", self.kubeconfig().display()),
            format!("--config={}", stages.display()),
            "--manage-all-nodes=true".to_owned(),
            // It serves nothing here; by default it would listen on every address of the machine.
            "--node-port=0".to_owned(),
        ];
        let mut kwok = Server::start(&program(), &flags, &self.dir().join("kwok.log"));
        for name in nodes {
            self.create(&Object::new(&NODES, "", name, json!({}))).await;
            let ready = kwok.wait_until("a node to be ready", async || self.is_ready(name).await).await;
            ready.unwrap_or_else(|why| panic!("kwok {VERSION}: {why}"));
            // Admission adds a taint to each new node, which the node controller would take away; it does not run here.
            self.update(&Object::new(&NODES, "", name, json!({ "spec": { "taints": null } }))).await;
        }
        self.kwok = Some(kwok);
    }

    /// Ends kwok: pods are no longer started, and those that are deleted stay. It can be started again, with other nodes.
    pub fn end_kwok(&mut self) {
        self.kwok = None;
    }

    async fn is_ready(&self, node: &str) -> Result<(), String> {
        let node = self.read(&Object::new(&NODES, "", node, json!({}))).await;
        let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
        let ready = conditions.filter(|condition| condition["type"] == "Ready").any(|condition| condition["status"] == "True");
        if ready { Ok(()) } else { Err(node["status"].to_string()) }
    }
}

fn program() -> std::path::PathBuf {
    let path = testbed::folder().join("bin").join(format!("kwok-{VERSION}")).join("kwok");
    assert!(path.is_file(), "kwok {VERSION} is missing: run `make testbed` (looked at {})", path.display());
    path
}

/// What happens to nodes and pods, as kwok wants to be told. Templates are written onto `status`.
const STAGES: &str = r#"
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.status.conditions.[] | select(.type == "Ready") | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      allocatable: {cpu: "64", memory: 256Gi, pods: "5000"}
      capacity: {cpu: "64", memory: 256Gi, pods: "5000"}
      conditions:
      - {type: Ready, status: "True", reason: KubeletReady, lastHeartbeatTime: {{ Now | Quote }}, lastTransitionTime: {{ Now | Quote }}}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-runs}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: In, values: [Pending]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      phase: Running
      startTime: {{ $now | Quote }}
      podIP: 10.0.0.1
      podIPs: [{ip: 10.0.0.1}]
      conditions:
      {{ range $type := list "Initialized" "ContainersReady" "Ready" }}
      - {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
      {{ end }}
      containerStatuses:
      {{ range .spec.containers }}
      - {name: {{ .name }}, image: {{ .image | Quote }}, imageID: "", ready: true, started: true, restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ends}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: In, values: [Running]}
    - {key: '.metadata.annotations["trimtab.example/ends"]', operator: In, values: [Succeeded, Failed]}
  next:
    statusTemplate: |
      {{ $now := Now }}
      {{ $ends := index .metadata.annotations "trimtab.example/ends" }}
      {{ $code := 0 }}
      {{ if eq $ends "Failed" }}{{ $code = 1 }}{{ end }}
      phase: {{ $ends }}
      conditions:
      - {type: Ready, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name }}
        image: {{ .image | Quote }}
        imageID: ""
        ready: false
        started: false
        restartCount: 0
        state: {terminated: {exitCode: {{ $code }}, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-goes}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: Exists}
  next:
    delete: true
"#;
