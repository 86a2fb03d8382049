//! A real etcd and a real kube-apiserver on a folder that kubeadm filled, each file given to what kubeadm's static pods give it to.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use trimtab_certs::kubeconfig::{Kubeconfig, Material, Secret};

use crate::etcd::{program as etcd_program, tail};
use crate::{control_plane, testbed, wait, watch};

/// What must stand in the `ClusterConfiguration` so that a client may call the API server by its address on loopback. etcd's certificates have it anyway.
pub const ON_LOOPBACK: &str = "apiServer: {certSANs: [127.0.0.1, localhost]}\n";

/// The etcd of kubeadm 1.37.
const ETCD: &str = "3.6.16";
/// How long the API server gets to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// The two servers of a control-plane node that show certificates. Dropping it ends them; the folder of certificates is not theirs.
#[derive(Debug)]
pub struct StaticPods {
    kubernetes: PathBuf,
    ports: Ports,
    dir: TempDir,
    etcd: Child,
    api: Child,
}

/// Where they listen on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub api: u16,
    pub etcd: u16,
    pub etcd_peer: u16,
}

impl StaticPods {
    /// Starts both and waits until the API server is ready, asked as `kubeconfig` of the folder.
    pub async fn start(kubernetes: &Path, kubeconfig: &str) -> Self {
        watch::this_test();
        // Somebody else may take a port between its choice and its use.
        let mut last = String::new();
        for _ in 0..3 {
            match Self::try_start(kubernetes, kubeconfig).await {
                Ok(ready) => return ready,
                Err(why) => last = why,
            }
        }
        panic!("the control plane did not start on {}: {last}", kubernetes.display());
    }

    async fn try_start(kubernetes: &Path, kubeconfig: &str) -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("trimtab-pods-").tempdir().expect("a temporary folder can be made");
        let held: [TcpListener; 3] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [api, etcd, etcd_peer] = held.map(|listener| listener.local_addr().expect("a bound port").port());
        let ports = Ports { api, etcd, etcd_peer };
        let mut started = Self {
            kubernetes: kubernetes.to_owned(),
            ports,
            etcd: spawn(&mut etcd_command(kubernetes, ports, dir.path()), &dir.path().join("etcd.log")),
            api: spawn(&mut api_command(kubernetes, ports), &dir.path().join("api.log")),
            dir,
        };
        started.wait_until_ready(kubeconfig).await?;
        Ok(started)
    }

    async fn wait_until_ready(&mut self, kubeconfig: &str) -> Result<(), String> {
        let caller = self.caller(&std::fs::read(self.kubernetes.join(kubeconfig)).expect("kubeadm wrote a kubeconfig"));
        let look = async || {
            for (child, log) in [(&mut self.etcd, "etcd.log"), (&mut self.api, "api.log")] {
                if child.try_wait().expect("our own child can be looked at").is_some() {
                    return Ok(Err(tail(&self.dir.path().join(log))));
                }
            }
            let status = caller.status("/readyz").await?;
            if status == 200 { Ok(Ok(())) } else { Err(format!("/readyz: {status}")) }
        };
        wait::until_async("kube-apiserver to be ready", wait::LONG, look).await?
    }

    pub const fn ports(&self) -> Ports {
        self.ports
    }

    /// Ends etcd at once and starts it again on its data; whoever was connected to it shakes hands anew.
    pub fn restart_etcd(&mut self) {
        self.etcd.kill().and_then(|()| self.etcd.wait()).expect("our own child can be ended");
        self.etcd = spawn(&mut etcd_command(&self.kubernetes, self.ports, self.dir.path()), &self.dir.path().join("etcd.log"));
    }

    /// A client of the API server that shows the certificate of a kubeconfig and trusts what it trusts. The server that the kubeconfig names is on
    /// no network of the test's, so ours is called.
    pub fn caller(&self, kubeconfig: &[u8]) -> Caller {
        let config = Kubeconfig::read(kubeconfig).expect("a kubeconfig");
        let (_, cluster, user) = config.current().expect("a current context");
        let (
            Some(Material::Embedded { contents: authority }),
            Some(Material::Embedded { contents: certificate }),
            Some(Secret::Embedded { contents: key }),
        ) = (&cluster.certificate_authority, &user.client_certificate, &user.client_key)
        else {
            panic!("kubeadm embeds certificates: {config:?}")
        };
        let client = Client::builder().tls_certs_only(Certificate::from_pem_bundle(authority).expect("an authority"));
        let client = client.identity(Identity::from_pem(&[&certificate[..], key].concat()).expect("a client certificate"));
        let client = client.timeout(Duration::from_secs(30)).no_proxy().build().expect("a client can be made");
        Caller { client, url: format!("https://127.0.0.1:{}", self.ports.api) }
    }

    /// `etcdctl endpoint health` over TLS, with the pair of this name in `pki`; none where it is called without one.
    pub fn etcd_health(&self, pair: Option<&str>) -> Output {
        let pki = self.kubernetes.join("pki");
        let mut command = Command::new(etcd_program(ETCD, "etcdctl"));
        command.args(["--endpoints", &format!("https://127.0.0.1:{}", self.ports.etcd), "--command-timeout", "10s"]);
        command.arg("--cacert").arg(pki.join("etcd/ca.crt"));
        if let Some(pair) = pair {
            command.arg("--cert").arg(pki.join(format!("{pair}.crt"))).arg("--key").arg(pki.join(format!("{pair}.key")));
        }
        command.args(["endpoint", "health"]).output().expect("etcdctl can be started")
    }
}

impl Drop for StaticPods {
    /// The API server first: with its etcd gone it never ends by itself.
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.api), Signal::TERM);
        let _ = wait::until("kube-apiserver to end", GRACE, || match self.api.try_wait() {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(_) => Err("it runs".to_owned()),
        });
        for child in [&mut self.api, &mut self.etcd] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Somebody with a client certificate.
#[derive(Debug, Clone)]
pub struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    /// Who the API server takes it for: the user and its groups.
    pub async fn who(&self) -> (String, Vec<String>) {
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let (status, answer) = self.ask(Method::POST, "/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).await.expect("an answer");
        assert_eq!(status, 201, "{answer}");
        let answer: Value = serde_json::from_str(&answer).expect("the API answers in JSON");
        let user = &answer["status"]["userInfo"];
        let groups = user["groups"].as_array().into_iter().flatten().filter_map(|group| Some(group.as_str()?.to_owned())).collect();
        (user["username"].as_str().unwrap_or_default().to_owned(), groups)
    }

    /// The status of a GET.
    ///
    /// # Errors
    /// Where no answer came: the handshake failed, or nobody listens.
    pub async fn status(&self, path: &str) -> Result<u16, String> {
        self.text(path).await.map(|(status, _)| status)
    }

    /// Status and body of a GET.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn text(&self, path: &str) -> Result<(u16, String), String> {
        self.ask(Method::GET, path, &Value::Null).await
    }

    /// Creates an object, or replaces a part of one with PUT.
    pub async fn put(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await.expect("an answer");
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        serde_json::from_str(&answer).expect("the API answers in JSON")
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<(u16, String), String> {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|error| format!("{error:?}"))?))
    }
}

/// `setpriv` has the kernel end the server where the test itself is killed.
fn spawn(command: &mut Command, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).expect("a log file");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
    command.spawn().unwrap_or_else(|error| panic!("setpriv (Debian: util-linux) cannot start a server: {error}"))
}

/// Source: `getEtcdCommand`, `cmd/kubeadm/app/phases/etcd/local.go@v1.37.2`.
fn etcd_command(kubernetes: &Path, ports: Ports, dir: &Path) -> Command {
    let pki = kubernetes.join("pki/etcd");
    let (client, peer) = (format!("https://127.0.0.1:{}", ports.etcd), format!("https://127.0.0.1:{}", ports.etcd_peer));
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(etcd_program(ETCD, "etcd")).args(["--name", "node-a", "--unsafe-no-fsync"]);
    command.arg("--data-dir").arg(dir.join("etcd")).args(["--initial-cluster", &format!("node-a={peer}")]);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer, "--client-cert-auth", "--peer-client-cert-auth"]);
    command.arg("--trusted-ca-file").arg(pki.join("ca.crt")).arg("--peer-trusted-ca-file").arg(pki.join("ca.crt"));
    command.arg("--cert-file").arg(pki.join("server.crt")).arg("--key-file").arg(pki.join("server.key"));
    command.arg("--peer-cert-file").arg(pki.join("peer.crt")).arg("--peer-key-file").arg(pki.join("peer.key"));
    command
}

/// Source: `getAPIServerCommand`, `cmd/kubeadm/app/phases/controlplane/manifests.go@v1.37.2`.
fn api_command(kubernetes: &Path, ports: Ports) -> Command {
    let pki = kubernetes.join("pki");
    let program = testbed::folder().join("bin").join(format!("kube-{}", control_plane::VERSION)).join("kube-apiserver");
    assert!(program.is_file(), "kube-apiserver is missing: run `make testbed` (looked at {})", program.display());
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command.args(["--bind-address", "127.0.0.1", "--secure-port", &ports.api.to_string(), "--advertise-address", "203.0.113.10"]);
    command.args(["--authorization-mode", "Node,RBAC", "--service-cluster-ip-range", "10.96.0.0/12"]);
    command.args(["--etcd-servers", &format!("https://127.0.0.1:{}", ports.etcd)]);
    command.args(["--service-account-issuer", "https://kubernetes.default.svc.cluster.local"]);
    command.args(["--requestheader-allowed-names", "front-proxy-client", "--requestheader-username-headers", "X-Remote-User"]);
    command.args(["--requestheader-group-headers", "X-Remote-Group", "--requestheader-extra-headers-prefix", "X-Remote-Extra-"]);
    for (flag, file) in [
        ("client-ca-file", "ca.crt"),
        ("tls-cert-file", "apiserver.crt"),
        ("tls-private-key-file", "apiserver.key"),
        ("kubelet-client-certificate", "apiserver-kubelet-client.crt"),
        ("kubelet-client-key", "apiserver-kubelet-client.key"),
        ("proxy-client-cert-file", "front-proxy-client.crt"),
        ("proxy-client-key-file", "front-proxy-client.key"),
        ("requestheader-client-ca-file", "front-proxy-ca.crt"),
        ("etcd-cafile", "etcd/ca.crt"),
        ("etcd-certfile", "apiserver-etcd-client.crt"),
        ("etcd-keyfile", "apiserver-etcd-client.key"),
        ("service-account-key-file", "sa.pub"),
        ("service-account-signing-key-file", "sa.key"),
    ] {
        command.arg(format!("--{flag}")).arg(pki.join(file));
    }
    command
}
