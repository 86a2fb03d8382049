//! Objects as a test writes them, and where the API serves their kinds.

use serde_json::{Value, json};

/// A kind of object, and where the API serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, or `GROUP/VERSION`.
    pub api_version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Cluster,
    Namespaced,
}

pub const NAMESPACES: Resource = Resource::of_the_cluster("v1", "Namespace", "namespaces");
pub const CONFIG_MAPS: Resource = Resource::namespaced("v1", "ConfigMap", "configmaps");
pub const SECRETS: Resource = Resource::namespaced("v1", "Secret", "secrets");
pub const EVENTS: Resource = Resource::namespaced("v1", "Event", "events");
pub const LEASES: Resource = Resource::namespaced("coordination.k8s.io/v1", "Lease", "leases");
pub const NODES: Resource = Resource::of_the_cluster("v1", "Node", "nodes");
pub const PODS: Resource = Resource::namespaced("v1", "Pod", "pods");
pub const SERVICE_ACCOUNTS: Resource = Resource::namespaced("v1", "ServiceAccount", "serviceaccounts");
pub const DEPLOYMENTS: Resource = Resource::namespaced("apps/v1", "Deployment", "deployments");
pub const REPLICA_SETS: Resource = Resource::namespaced("apps/v1", "ReplicaSet", "replicasets");
pub const STATEFUL_SETS: Resource = Resource::namespaced("apps/v1", "StatefulSet", "statefulsets");
pub const DAEMON_SETS: Resource = Resource::namespaced("apps/v1", "DaemonSet", "daemonsets");
pub const CONTROLLER_REVISIONS: Resource = Resource::namespaced("apps/v1", "ControllerRevision", "controllerrevisions");
pub const JOBS: Resource = Resource::namespaced("batch/v1", "Job", "jobs");
pub const CRON_JOBS: Resource = Resource::namespaced("batch/v1", "CronJob", "cronjobs");
pub const CLUSTER_ROLES: Resource = Resource::of_the_cluster("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles");
pub const CLUSTER_ROLE_BINDINGS: Resource = Resource::of_the_cluster("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings");
pub const ROLES: Resource = Resource::namespaced("rbac.authorization.k8s.io/v1", "Role", "roles");
pub const ROLE_BINDINGS: Resource = Resource::namespaced("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings");
pub const PRIORITY_LEVELS: Resource =
    Resource::of_the_cluster("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", "prioritylevelconfigurations");
pub const FLOW_SCHEMAS: Resource = Resource::of_the_cluster("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "flowschemas");
pub const ADMISSION_POLICIES: Resource =
    Resource::of_the_cluster("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies");
pub const ADMISSION_POLICY_BINDINGS: Resource =
    Resource::of_the_cluster("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings");
pub const CUSTOM_RESOURCE_DEFINITIONS: Resource =
    Resource::of_the_cluster("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions");

impl Resource {
    pub const fn namespaced(api_version: &'static str, kind: &'static str, plural: &'static str) -> Self {
        Self { api_version, kind, plural, scope: Scope::Namespaced }
    }

    pub const fn of_the_cluster(api_version: &'static str, kind: &'static str, plural: &'static str) -> Self {
        Self { api_version, kind, plural, scope: Scope::Cluster }
    }

    /// The group alone, empty for `v1`.
    pub fn group(&self) -> &'static str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Where its objects are listed and created; of all namespaces for an empty one.
    pub fn path(&self, namespace: &str) -> String {
        let root = if self.api_version.contains('/') { "/apis" } else { "/api" };
        let within = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        format!("{root}/{}{within}/{}", self.api_version, self.plural)
    }
}

/// An object as a test writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub resource: Resource,
    /// Empty where the kind has none.
    pub namespace: String,
    pub name: String,
    /// What it has beside `apiVersion`, `kind` and `metadata`.
    pub fields: Value,
}

impl Object {
    pub fn new(resource: &Resource, namespace: &str, name: &str, fields: Value) -> Self {
        assert_eq!(resource.scope == Scope::Cluster, namespace.is_empty(), "{} {name}: a namespace, or none", resource.kind);
        Self { resource: *resource, namespace: namespace.to_owned(), name: name.to_owned(), fields }
    }

    pub fn namespace(name: &str) -> Self {
        Self::new(&NAMESPACES, "", name, json!({}))
    }

    pub fn config_map(namespace: &str, name: &str, value: &str) -> Self {
        Self::new(&CONFIG_MAPS, namespace, name, json!({ "data": { "value": value } }))
    }

    pub fn secret(namespace: &str, name: &str, value: &str) -> Self {
        Self::new(&SECRETS, namespace, name, json!({ "stringData": { "value": value } }))
    }

    /// An event about a pod. The API server stores it with a lease, an hour by default.
    pub fn event(namespace: &str, name: &str, message: &str) -> Self {
        let pod = json!({ "kind": "Pod", "namespace": namespace, "name": name });
        Self::new(&EVENTS, namespace, name, json!({ "involvedObject": pod, "reason": "Tested", "message": message, "type": "Normal" }))
    }

    /// A lease as a node or a leader holds it: an object, not etcd's lease.
    pub fn lease(namespace: &str, name: &str, holder: &str) -> Self {
        Self::new(&LEASES, namespace, name, json!({ "spec": { "holderIdentity": holder, "leaseDurationSeconds": 40 } }))
    }

    pub(super) fn definition(resource: &Resource) -> Self {
        let (group, version) = resource.api_version.split_once('/').expect("a kind of our own has a group");
        let scope = match resource.scope {
            Scope::Cluster => "Cluster",
            Scope::Namespaced => "Namespaced",
        };
        let spec = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let schema = json!({ "openAPIV3Schema": { "type": "object", "properties": { "spec": spec } } });
        let names = json!({ "plural": resource.plural, "singular": resource.kind.to_lowercase(), "kind": resource.kind });
        let versions = json!([{ "name": version, "served": true, "storage": true, "schema": schema }]);
        let fields = json!({ "spec": { "group": group, "scope": scope, "names": names, "versions": versions } });
        Self::new(&CUSTOM_RESOURCE_DEFINITIONS, "", &format!("{}.{group}", resource.plural), fields)
    }

    /// Where it is created.
    pub fn collection(&self) -> String {
        self.resource.path(&self.namespace)
    }

    /// Where the object is.
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    /// What is sent to create it.
    pub fn body(&self) -> Value {
        let mut body = self.fields.clone();
        body["apiVersion"] = json!(self.resource.api_version);
        body["kind"] = json!(self.resource.kind);
        body["metadata"]["name"] = json!(self.name);
        if !self.namespace.is_empty() {
            body["metadata"]["namespace"] = json!(self.namespace);
        }
        body
    }
}
