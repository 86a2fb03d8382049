//! A real kube-apiserver over a given etcd, with a PKI that kubeadm makes for it, and a client that puts objects into it. Where a test asks for them:
//! its kube-controller-manager, kwok in the kubelet's place, an audit log, users with few rights.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

use crate::etcd::Cluster;
use crate::server::Server;
use crate::{testbed, wait};

mod audit;
mod controllers;
mod kwok;
mod object;
mod options;
mod pki;
mod user;

pub use audit::Deletion;
pub use kwok::ENDS;
pub use object::*;
pub use options::Options;
pub use user::User;

/// The Kubernetes release of the test bed.
pub const VERSION: &str = "1.37.2";

/// kubeadm refuses a loopback address here. This one is set aside for documentation: it stands in the certificates and in
/// the endpoints of the service `kubernetes`, and nothing is ever sent to it.
const ADVERTISED: &str = "203.0.113.10";

/// A running kube-apiserver, with what was started beside it. Dropping it ends them and removes its certificates; what they wrote stays in etcd.
///
/// Drop it before its etcd: declared later, a local variable is dropped first. With its etcd gone an API server never ends by itself.
#[derive(Debug)]
pub struct ControlPlane {
    url: String,
    client: Client,
    // In the order in which they are dropped: who calls the API server goes first.
    controllers: Option<Server>,
    kwok: Option<Server>,
    api_server: Server,
    dir: TempDir,
}

impl ControlPlane {
    /// Starts an API server on all members of a cluster and waits until it is ready, about three seconds on an idle machine.
    pub async fn start(cluster: &Cluster) -> Self {
        Self::start_as(cluster, &Options::new()).await
    }

    /// As [`ControlPlane::start`], with further flags, which come last and so win: `--storage-media-type=application/json`,
    /// `--encryption-provider-config=FILE`.
    pub async fn start_with(cluster: &Cluster, args: &[&str]) -> Self {
        Self::start_as(cluster, &Options::new().with_args(args)).await
    }

    /// As [`ControlPlane::start`], with what else the options ask for.
    pub async fn start_as(cluster: &Cluster, options: &Options) -> Self {
        // Somebody else may take the port between its choice and its use.
        let mut last = String::new();
        for _ in 0..3 {
            match Self::try_start(cluster, options).await {
                Ok(mut ready) => {
                    ready.start_what_else(options).await;
                    return ready;
                }
                Err(why) => last = why,
            }
        }
        panic!("kube-apiserver {VERSION} did not start: {last}");
    }

    async fn try_start(cluster: &Cluster, options: &Options) -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("trimtab-kube-").tempdir().expect("a temporary folder can be made");
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("a bound port").port();
        pki::make(dir.path(), port);
        let mut args = flags(cluster, dir.path(), port);
        if let Some(policy) = &options.audit_policy {
            args.extend(audit::flags(dir.path(), policy));
        }
        args.extend(options.args.iter().cloned());
        let api_server = Server::start(&program("kube-apiserver"), &args, &dir.path().join("log"));
        let client = pki::super_admin(dir.path());
        let mut started = Self { url: format!("https://127.0.0.1:{port}"), client, controllers: None, kwok: None, api_server, dir };
        started.wait_until_ready().await?;
        Ok(started)
    }

    async fn start_what_else(&mut self, options: &Options) {
        if let Some(args) = &options.controllers {
            self.start_controllers(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
        if !options.nodes.is_empty() {
            self.start_kwok(&options.nodes.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
    }

    async fn wait_until_ready(&mut self) -> Result<(), String> {
        let (client, url) = (&self.client, format!("{}/readyz", self.url));
        let ready = async || {
            let answer = client.get(&url).send().await.map_err(|error| format!("{error:?}"))?;
            if answer.status().is_success() { Ok(()) } else { Err(answer.text().await.unwrap_or_default()) }
        };
        self.api_server.wait_until("kube-apiserver to be ready", ready).await
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder that is removed with the API server: its log, and `pki` with what kubeadm made.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A kubeconfig that may do everything, with the API server on loopback.
    pub fn kubeconfig(&self) -> PathBuf {
        pki::super_admin_conf(self.dir.path())
    }

    /// kube's client, which may do everything. It repeats what the API server has no time for (429) by itself; [`ControlPlane::config`] has the settings.
    pub async fn client(&self) -> kube::Client {
        kube::Client::try_from(self.config().await).expect("a client can be made")
    }

    /// What [`ControlPlane::client`] is made of, to change it.
    pub async fn config(&self) -> kube::Config {
        user::config(&self.kubeconfig()).await
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

    /// Creates thousands of objects, sixteen at a time: about 1,000 small ones a second on two cores.
    pub async fn create_many(&self, objects: impl IntoIterator<Item = Object>) {
        let created = stream::iter(objects).map(async |object| self.create(&object).await).buffer_unordered(16);
        created.for_each(async |_| ()).await;
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

    /// Every object of that kind in one namespace.
    pub async fn list_in(&self, namespace: &str, resource: &Resource) -> Vec<Value> {
        let mut list = answer(self.request(Method::GET, &resource.path(namespace))).await;
        serde_json::from_value(list["items"].take()).expect("a list has items")
    }

    /// The names of [`ControlPlane::list_in`].
    pub async fn names_in(&self, namespace: &str, resource: &Resource) -> Vec<String> {
        let name = |object: &Value| object["metadata"]["name"].as_str().expect("an object has a name").to_owned();
        self.list_in(namespace, resource).await.iter().map(name).collect()
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

    /// Any request at all, for what the others do not do: its status, what `Warning` said, and its body.
    pub async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let request = headers.iter().fold(self.request(method, path), |request, (name, value)| request.header(*name, *value));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap_or_else(|error| panic!("the API server does not answer: {error:?}"));
        let header = |name: &str| answer.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let (status, warning, priority_level) = (answer.status(), header("warning"), header("x-kubernetes-pf-prioritylevel-uid"));
        let text = answer.text().await.expect("an answer with a body");
        Answer { status: status.as_u16(), warning, priority_level, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }
}

/// What the API server said.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// The header `Warning`.
    pub warning: Option<String>,
    /// The uid of the `PriorityLevelConfiguration` that the request was counted under.
    pub priority_level: Option<String>,
    /// JSON; a text where it is none.
    pub body: Value,
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

fn flags(cluster: &Cluster, dir: &Path, port: u16) -> Vec<String> {
    let file = |folder: &str, name: &str| dir.join(folder).join(name).display().to_string();
    let mut flags: Vec<String> = [
        ("etcd-servers", cluster.endpoints().join(",")),
        ("bind-address", "127.0.0.1".to_owned()),
        ("secure-port", port.to_string()),
        ("advertise-address", ADVERTISED.to_owned()),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("service-cluster-ip-range", "10.96.0.0/12".to_owned()),
        ("service-account-issuer", "https://kubernetes.default.svc.cluster.local".to_owned()),
        ("client-ca-file", file("pki", "ca.crt")),
        ("tls-cert-file", file("pki", "apiserver.crt")),
        ("tls-private-key-file", file("pki", "apiserver.key")),
        ("service-account-key-file", file("pki", "sa.pub")),
        ("service-account-signing-key-file", file("pki", "sa.key")),
    ]
    .map(|(name, value)| format!("--{name}={value}"))
    .into();
    if let Some(etcd) = &cluster.options.pki {
        std::fs::create_dir(dir.join("etcd")).expect("our own folder can be written to");
        etcd.write_to(&dir.join("etcd"));
        let files = [("etcd-cafile", "ca.crt"), ("etcd-certfile", "client.crt"), ("etcd-keyfile", "client.key")];
        flags.extend(files.map(|(flag, name)| format!("--{flag}={}", file("etcd", name))));
    }
    flags
}

fn program(name: &str) -> PathBuf {
    let path = testbed::folder().join("bin").join(format!("kube-{VERSION}")).join(name);
    assert!(path.is_file(), "{name} {VERSION} is missing: run `make testbed` (looked at {})", path.display());
    path
}
