//! Users with client certificates of the cluster's CA and no more rights than a test gives them; and what stands in their way.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    ADMISSION_POLICIES, ADMISSION_POLICY_BINDINGS, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, CONFIG_MAPS, ControlPlane, FLOW_SCHEMAS, Object,
    PRIORITY_LEVELS, ROLE_BINDINGS, ROLES, pki,
};
use crate::wait;

/// Somebody other than the administrator.
#[derive(Debug, Clone)]
pub struct User {
    pub name: String,
    kubeconfig: PathBuf,
}

impl User {
    /// It stands in the folder of the API server, which removes it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// kube's client. It repeats what the API server has no time for (429) by itself; [`User::config`] has the settings.
    pub async fn client(&self) -> kube::Client {
        kube::Client::try_from(self.config().await).expect("a client can be made")
    }

    /// What [`User::client`] is made of, to change it.
    pub async fn config(&self) -> kube::Config {
        config(&self.kubeconfig).await
    }
}

/// A kubeconfig as kube's client reads it, without whatever proxy the environment names.
pub(super) async fn config(kubeconfig: &Path) -> kube::Config {
    let read = Kubeconfig::read_from(kubeconfig).expect("kubeadm wrote a kubeconfig");
    let mut config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.expect("a kubeconfig with one context");
    config.proxy_url = None;
    config
}

impl ControlPlane {
    /// A user who may do nothing yet but ask what the API is.
    pub fn user(&self, name: &str) -> User {
        User { name: name.to_owned(), kubeconfig: pki::make_user(self.dir(), name, &[]) }
    }

    /// Gives a user rights by RBAC rules, `{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "delete"]}`, in one namespace or, where that is
    /// empty, everywhere; and waits until they hold.
    pub async fn grant(&self, user: &User, namespace: &str, rules: &Value) {
        let (role, binding) = if namespace.is_empty() { (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS) } else { (ROLES, ROLE_BINDINGS) };
        let group = "rbac.authorization.k8s.io";
        self.create(&Object::new(&role, namespace, &user.name, json!({ "rules": rules }))).await;
        let role = json!({ "apiGroup": group, "kind": role.kind, "name": user.name });
        let subjects = json!([{ "apiGroup": group, "kind": "User", "name": user.name }]);
        self.create(&Object::new(&binding, namespace, &user.name, json!({ "roleRef": role, "subjects": subjects }))).await;
        let first = &rules[0];
        let (group, resource, verb) = (&first["apiGroups"][0], &first["resources"][0], &first["verbs"][0]);
        let about = json!({ "namespace": namespace, "group": group, "resource": resource, "verb": verb });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": { "user": user.name, "resourceAttributes": about },
        });
        let holds = async || {
            let answer = self.ask(Method::POST, "/apis/authorization.k8s.io/v1/subjectaccessreviews", &[], Some(review.clone())).await;
            if answer.body["status"]["allowed"] == true { Ok(()) } else { Err(answer.body["status"].to_string()) }
        };
        wait::until_async("a right to hold", wait::LONG, holds).await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Has one request of a user served at a time and refuses the others with 429 and `Retry-After`: API priority and fairness with a level of the
    /// user's own, which has no share, borrows nothing and has no queue. The last seat is never taken away from a level.
    pub async fn throttle(&self, user: &User) {
        let limited = json!({
            "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0, "limitResponse": { "type": "Reject" },
        });
        let level = Object::new(&PRIORITY_LEVELS, "", &user.name, json!({ "spec": { "type": "Limited", "limited": limited } }));
        let uid = self.create(&level).await["metadata"]["uid"].as_str().expect("a uid").to_owned();
        let subjects = json!([{ "kind": "User", "user": { "name": user.name } }]);
        let all = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "clusterScope": true, "namespaces": ["*"] }]);
        let rules = json!([{ "subjects": subjects, "resourceRules": all }]);
        let spec = json!({ "priorityLevelConfiguration": { "name": user.name }, "matchingPrecedence": 2, "rules": rules });
        self.create(&Object::new(&FLOW_SCHEMAS, "", &user.name, json!({ "spec": spec }))).await;
        let path = CONFIG_MAPS.path("default");
        let holds = async || {
            let answer = self.ask(Method::GET, &path, &[("Impersonate-User", &user.name)], None).await;
            if answer.priority_level.as_deref() == Some(&uid) { Ok(()) } else { Err(format!("{answer:?}")) }
        };
        wait::until_async("the limit to hold", wait::LONG, holds).await.unwrap_or_else(|why| panic!("{why}"));
    }

    /// Has admission refuse (422) the deletion of every object with a label of this name: a `ValidatingAdmissionPolicy`. It is returned when it holds.
    pub async fn refuse_deletions_of(&self, label: &str) {
        let name = "trimtab-kept";
        let rules = json!([{ "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["DELETE"], "resources": ["*"] }]);
        let expression = format!("!has(oldObject.metadata.labels) || !('{label}' in oldObject.metadata.labels)");
        let validations = json!([{ "expression": expression, "message": format!("{label} is kept") }]);
        let spec = json!({ "failurePolicy": "Fail", "matchConstraints": { "resourceRules": rules }, "validations": validations });
        self.create(&Object::new(&ADMISSION_POLICIES, "", name, json!({ "spec": spec }))).await;
        let spec = json!({ "policyName": name, "validationActions": ["Deny"] });
        self.create(&Object::new(&ADMISSION_POLICY_BINDINGS, "", name, json!({ "spec": spec }))).await;
        let labels = json!({ "metadata": { "labels": { label: "" } } });
        let probe = Object::new(&CONFIG_MAPS, "kube-public", "trimtab-kept", labels);
        let holds = async || {
            let created = self.ask(Method::POST, &probe.collection(), &[], Some(probe.body())).await;
            let deleted = self.ask(Method::DELETE, &probe.path(), &[], None).await;
            if deleted.status == 422 { Ok(()) } else { Err(format!("{created:?} {deleted:?}")) }
        };
        wait::until_async("admission to refuse", wait::LONG, holds).await.unwrap_or_else(|why| panic!("{why}"));
    }
}
