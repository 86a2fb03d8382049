//! What is started beside an API server, and how.

use serde_json::{Value, json};

/// By default an API server alone.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further flags of the API server; they come last, so they win.
    pub args: Vec<String>,
    /// The audit log's policy; no log where there is none.
    pub audit_policy: Option<Value>,
    /// Further flags of kube-controller-manager; it is not started where there are none, not even an empty list.
    pub controllers: Option<Vec<String>>,
    /// Nodes that kwok plays; it is not started for none.
    pub nodes: Vec<String>,
}

impl Options {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with_args(self, args: &[&str]) -> Self {
        Self { args: owned(args), ..self }
    }

    /// An audit log of every deletion, with the preconditions that came with it: at level `Metadata` they cannot be seen.
    #[must_use]
    pub fn with_audit_of_deletions(self) -> Self {
        let deletions = json!({ "level": "Request", "verbs": ["delete", "deletecollection"] });
        self.with_audit_rules(&json!([deletions, { "level": "None" }]))
    }

    /// An audit log by the rules of a policy; each request is in it once, when it has been answered.
    #[must_use]
    pub fn with_audit_rules(self, rules: &Value) -> Self {
        let stages = ["RequestReceived", "ResponseStarted"];
        let policy = json!({ "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": stages, "rules": rules });
        Self { audit_policy: Some(policy), ..self }
    }

    /// kube-controller-manager, with further flags: `--terminated-pod-gc-threshold=5`.
    #[must_use]
    pub fn with_controllers(self, args: &[&str]) -> Self {
        Self { controllers: Some(owned(args)), ..self }
    }

    /// kwok, which plays the kubelets of these nodes.
    #[must_use]
    pub fn with_nodes(self, names: &[&str]) -> Self {
        Self { nodes: owned(names), ..self }
    }
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}
