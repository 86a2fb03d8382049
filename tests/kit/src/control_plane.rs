//! A real kube-apiserver over a given etcd, with a PKI that kubeadm makes for it, and a client that puts objects into it.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, Identity, Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::etcd::{Cluster, tail};
use crate::{testbed, wait, watch};

/// The Kubernetes release of the test bed.
pub const VERSION: &str = "1.37.2";

/// kubeadm refuses a loopback address here. This one is set aside for documentation: it stands in the certificates and in
/// the endpoints of the service `kubernetes`, and nothing is ever sent to it.
const ADVERTISED: &str = "203.0.113.10";

/// How long an API server gets to end by itself. With its etcd gone it never does.
const GRACE: Duration = Duration::from_secs(5);

/// A running kube-apiserver. Dropping it ends it and removes its certificates; what it wrote stays in etcd.
///
/// Drop it before its etcd: declared later, a local variable is dropped first.
#[derive(Debug)]
pub struct ControlPlane {
    url: String,
    client: Client,
    child: Child,
    dir: TempDir,
}

impl ControlPlane {
    /// Starts an API server on all members of a cluster and waits until it is ready, about three seconds on an idle machine.
    pub async fn start(cluster: &Cluster) -> Self {
        Self::start_with(cluster, &[]).await
    }

    /// As [`ControlPlane::start`], with further flags, which come last and so win: `--storage-media-type=application/json`,
    /// `--encryption-provider-config=FILE`.
    pub async fn start_with(cluster: &Cluster, args: &[&str]) -> Self {
        watch::this_test();
        // Somebody else may take the port between its choice and its use.
        let mut last = String::new();
        for _ in 0..3 {
            match Self::try_start(cluster, args).await {
                Ok(ready) => return ready,
                Err(why) => last = why,
            }
        }
        panic!("kube-apiserver {VERSION} did not start: {last}");
    }

    async fn try_start(cluster: &Cluster, args: &[&str]) -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("trimtab-kube-").tempdir().expect("a temporary folder can be made");
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a bound port").port();
        make_pki(dir.path(), port);
        let client = super_admin(dir.path());
        let log = File::create(dir.path().join("log")).expect("a log file");
        let mut command = command(cluster, dir.path(), port);
        command.args(args).stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("setpriv (Debian: util-linux) cannot start kube-apiserver: {error}"));
        let mut started = Self { url: format!("https://127.0.0.1:{port}"), client, child, dir };
        started.wait_until_ready().await?;
        Ok(started)
    }

    /// Until the API server says that it is ready; an error as soon as it has ended.
    async fn wait_until_ready(&mut self) -> Result<(), String> {
        let look = async || {
            if self.child.try_wait().expect("our own child can be looked at").is_some() {
                return Ok(Err(tail(&self.dir.path().join("log"))));
            }
            let answer = self.client.get(format!("{}/readyz", self.url)).send().await.map_err(|error| format!("{error:?}"))?;
            if answer.status().is_success() { Ok(Ok(())) } else { Err(answer.text().await.unwrap_or_default()) }
        };
        wait::until_async("kube-apiserver to be ready", wait::LONG, look).await?
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder that is removed with the API server: its log, and `pki` with what kubeadm made.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Creates an object and returns it as the API server stored it.
    pub async fn create(&self, object: &Object) -> Value {
        let request = self.request(Method::POST, &object.collection()).json(&object.body());
        answer(request).await
    }

    /// Creates many objects, one after the other.
    pub async fn create_all(&self, objects: impl IntoIterator<Item = Object>) {
        for object in objects {
            self.create(&object).await;
        }
    }

    /// Merges an object's fields into the stored one, which makes another revision of it.
    pub async fn update(&self, object: &Object) -> Value {
        let request = self.request(Method::PATCH, &object.path()).header("content-type", "application/merge-patch+json");
        answer(request.body(object.body().to_string())).await
    }

    /// The object as it is stored now.
    pub async fn read(&self, object: &Object) -> Value {
        answer(self.request(Method::GET, &object.path())).await
    }

    pub async fn delete(&self, object: &Object) {
        answer(self.request(Method::DELETE, &object.path())).await;
    }

    /// Every object of that kind, in all namespaces.
    pub async fn list(&self, resource: &Resource) -> Vec<Value> {
        let mut list = answer(self.request(Method::GET, &resource.path(""))).await;
        serde_json::from_value(list["items"].take()).expect("a list has items")
    }

    pub async fn count(&self, resource: &Resource) -> usize {
        self.list(resource).await.len()
    }

    /// Makes the API server serve a kind of our own, by a custom resource definition with a free-form `spec`, and waits until it does.
    pub async fn define(&self, resource: &Resource) {
        self.create(&Object::definition(resource)).await;
        let look = async || {
            let answer = self.request(Method::GET, &resource.path("")).send().await.map_err(|error| error.to_string())?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
        };
        wait::until_async("the new kind to be served", wait::LONG, look).await.unwrap_or_else(|why| panic!("{why}"));
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let ended = wait::until("kube-apiserver to end", GRACE, || match self.child.try_wait() {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(_) => Err("it runs".to_owned()),
        });
        if ended.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Asks again for as long as the API server says that its storage for that kind is not ready yet (429), as its own clients do.
async fn answer(request: reqwest::RequestBuilder) -> Value {
    let ask = async || {
        let request = request.try_clone().expect("a body that can be sent again");
        let answer = request.send().await.unwrap_or_else(|error| panic!("the API server does not answer: {error:?}"));
        let (status, url) = (answer.status(), answer.url().clone());
        let text = answer.text().await.expect("an answer with a body");
        if status == StatusCode::TOO_MANY_REQUESTS { Err(text) } else { Ok((status, url, text)) }
    };
    let (status, url, text) = wait::until_async("the API server's storage", wait::LONG, ask).await.unwrap_or_else(|why| panic!("{why}"));
    assert!(status.is_success(), "{url}: {status}: {text}");
    serde_json::from_str(&text).expect("the API answers in JSON")
}

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

pub const NAMESPACES: Resource = Resource { api_version: "v1", kind: "Namespace", plural: "namespaces", scope: Scope::Cluster };
pub const CONFIG_MAPS: Resource = Resource::namespaced("v1", "ConfigMap", "configmaps");
pub const SECRETS: Resource = Resource::namespaced("v1", "Secret", "secrets");
pub const EVENTS: Resource = Resource::namespaced("v1", "Event", "events");
pub const LEASES: Resource = Resource::namespaced("coordination.k8s.io/v1", "Lease", "leases");
pub const CUSTOM_RESOURCE_DEFINITIONS: Resource =
    Resource { api_version: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", plural: "customresourcedefinitions", scope: Scope::Cluster };

impl Resource {
    pub const fn namespaced(api_version: &'static str, kind: &'static str, plural: &'static str) -> Self {
        Self { api_version, kind, plural, scope: Scope::Namespaced }
    }

    /// Where its objects are listed and created; of all namespaces for an empty one.
    fn path(&self, namespace: &str) -> String {
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

    fn definition(resource: &Resource) -> Self {
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

    fn collection(&self) -> String {
        self.resource.path(&self.namespace)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name)
    }

    fn body(&self) -> Value {
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

/// Has kubeadm make all certificates, and the kubeconfig that needs no RBAC. ECDSA, because RSA takes half a second more.
fn make_pki(dir: &Path, port: u16) {
    let config = dir.join("kubeadm.yaml");
    let text = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {ADVERTISED}, bindPort: {port}}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{VERSION}
encryptionAlgorithm: ECDSA-P256
certificatesDir: {pki}
controlPlaneEndpoint: 127.0.0.1:{port}
apiServer: {{certSANs: [127.0.0.1, localhost]}}
",
        pki = dir.join("pki").display()
    );
    std::fs::write(&config, text).expect("our own folder can be written to");
    kubeadm(&[Path::new("certs"), Path::new("all"), Path::new("--config"), &config]);
    kubeadm(&[Path::new("kubeconfig"), Path::new("super-admin"), Path::new("--config"), &config, Path::new("--kubeconfig-dir"), dir]);
}

/// A phase of `kubeadm init`, in a network namespace that has nothing but loopback, where the machine lets us make one.
fn kubeadm(phase: &[&Path]) {
    let alone = ["--map-root-user", "--net", "--"];
    let unshared = Command::new("unshare").args(alone).arg("true").output().is_ok_and(|output| output.status.success());
    let program = program("kubeadm");
    let mut command = if unshared { Command::new("unshare") } else { Command::new(&program) };
    if unshared {
        command.args(alone).arg(&program);
    }
    let output = command.args(["init", "phase"]).args(phase).output().expect("kubeadm can be started");
    assert!(output.status.success(), "kubeadm: {}", String::from_utf8_lossy(&output.stderr));
}

/// A client with the certificate of kubeadm's `super-admin.conf`, which is in `system:masters` (from 1.29 on the only one).
fn super_admin(dir: &Path) -> Client {
    let config = std::fs::read_to_string(dir.join("super-admin.conf")).expect("kubeadm wrote a kubeconfig");
    let field = |name: &str| {
        let found = config.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        STANDARD.decode(found.unwrap_or_else(|| panic!("super-admin.conf has no {name}"))).expect("base64")
    };
    let ca = Certificate::from_pem(&field("certificate-authority-data")).expect("a CA");
    let identity = Identity::from_pem(&[field("client-certificate-data"), field("client-key-data")].concat()).expect("a client certificate");
    let client = Client::builder().tls_certs_only([ca]).identity(identity).timeout(Duration::from_secs(30)).no_proxy();
    client.build().expect("a client can be made")
}

/// `setpriv` has the kernel end the server where the test itself is killed; more exactly, with the thread that started it.
fn command(cluster: &Cluster, dir: &Path, port: u16) -> Command {
    let pki = dir.join("pki");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program("kube-apiserver"));
    command.args(["--etcd-servers", &cluster.endpoints().join(",")]);
    command.args(["--bind-address", "127.0.0.1", "--secure-port", &port.to_string(), "--advertise-address", ADVERTISED]);
    command.args(["--authorization-mode", "Node,RBAC", "--service-cluster-ip-range", "10.96.0.0/12"]);
    command.args(["--service-account-issuer", "https://kubernetes.default.svc.cluster.local"]);
    command.arg("--client-ca-file").arg(pki.join("ca.crt"));
    command.arg("--tls-cert-file").arg(pki.join("apiserver.crt")).arg("--tls-private-key-file").arg(pki.join("apiserver.key"));
    command.arg("--service-account-key-file").arg(pki.join("sa.pub")).arg("--service-account-signing-key-file").arg(pki.join("sa.key"));
    if let Some(etcd) = &cluster.options.pki {
        let folder = dir.join("etcd");
        std::fs::create_dir(&folder).expect("our own folder can be written to");
        etcd.write_to(&folder);
        command.arg("--etcd-cafile").arg(folder.join("ca.crt"));
        command.arg("--etcd-certfile").arg(folder.join("client.crt")).arg("--etcd-keyfile").arg(folder.join("client.key"));
    }
    command
}

fn program(name: &str) -> PathBuf {
    let path = testbed::folder().join("bin").join(format!("kube-{VERSION}")).join(name);
    assert!(path.is_file(), "{name} {VERSION} is missing: run `make testbed` (looked at {})", path.display());
    path
}
