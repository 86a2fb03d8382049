//! A real etcd and a real kube-apiserver on renewed certificates: started on them, and running while they are renewed.

mod renewed;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use renewed::{LEAVES, assert_every_pair_matches, days, openssl_verifies, planned, policy, renew_all};
use reqwest::Method;
use serde_json::json;
use trimtab_certs::certificate::{Certificate, certificates};
use trimtab_certs::key::PrivateKey;
use trimtab_certs::kubeadm::Item;
use trimtab_certs::live::{Node, Probe};
use trimtab_certs::renew::KeyPolicy;
use trimtab_certs::renewal::RenewalPolicy;
use trimtab_certs::served::ServedBesideFile;
use trimtab_kit::kubeadm::Kubernetes;
use trimtab_kit::static_pods::{Caller, ON_LOOPBACK, StaticPods};
use trimtab_kit::wait;

const VERSION: &str = "1.37.2";
const CONFS: [(Item, &str, Option<&str>); 4] = [
    (Item::SuperAdminConf, "kubernetes-super-admin", Some("system:masters")),
    (Item::AdminConf, "kubernetes-admin", Some("kubeadm:cluster-admins")),
    (Item::ControllerManagerConf, "system:kube-controller-manager", None),
    (Item::SchedulerConf, "system:kube-scheduler", None),
];

fn init(algorithm: &str) -> Kubernetes {
    Kubernetes::init(VERSION, &format!("{ON_LOOPBACK}encryptionAlgorithm: {algorithm}\n"))
}

fn copied(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    assert!(Command::new("cp").arg("-a").arg(folder.join(".")).arg(copy.path()).status().unwrap().success());
    copy
}

fn in_file(folder: &Path, item: Item) -> Certificate {
    certificates(&fs::read(folder.join("pki").join(format!("{}.crt", item.base_name()))).unwrap()).remove(0).certificate.unwrap()
}

fn caller(pods: &StaticPods, folder: &Path, item: Item) -> Caller {
    pods.caller(&fs::read(folder.join(item.name())).unwrap())
}

/// Every client certificate of the folder, each at the server that it is for, and taken for the one that it names.
async fn every_client_is_answered(pods: &StaticPods, folder: &Path) {
    for (item, user, group) in CONFS {
        let (name, groups) = caller(pods, folder, item).who().await;
        assert_eq!(name, user);
        assert!(group.is_none_or(|group| groups.iter().any(|one| one == group)), "{item}: {groups:?}");
    }
    let asked = async |item: Item, path: &str| caller(pods, folder, item).status(path).await.unwrap();
    assert_eq!(asked(Item::SuperAdminConf, "/api/v1/secrets").await, 200);
    assert_eq!(asked(Item::ControllerManagerConf, "/api/v1/namespaces").await, 200);
    assert_eq!((asked(Item::SchedulerConf, "/api/v1/nodes").await, asked(Item::SchedulerConf, "/api/v1/secrets").await), (200, 403));
    let pki = folder.join("pki");
    for pair in [Item::ApiserverEtcdClient, Item::EtcdHealthcheckClient, Item::EtcdPeer] {
        let health = pods.etcd_health(Some(pki.join(pair.base_name()).to_str().unwrap()));
        assert!(health.status.success(), "{pair}: {}", String::from_utf8_lossy(&health.stderr));
    }
    assert!(!pods.etcd_health(None).status.success(), "etcd wants a certificate");
    let other = pods.etcd_health(Some(pki.join(Item::FrontProxyClient.base_name()).to_str().unwrap()));
    assert!(!other.status.success(), "etcd takes none of another authority");
}

/// admin.conf may do everything once somebody who may has said so, as `kubeadm init` does.
async fn admin_is_bound(pods: &StaticPods, folder: &Path) {
    let admin = caller(pods, folder, Item::AdminConf);
    assert_eq!(admin.status("/api/v1/secrets").await.unwrap(), 403);
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "kubeadm:cluster-admins" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "kubeadm:cluster-admins" }],
    });
    caller(pods, folder, Item::SuperAdminConf).put(Method::POST, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding).await;
    let look = async || match admin.status("/api/v1/secrets").await? {
        200 => Ok(()),
        status => Err(status.to_string()),
    };
    wait::until_async("the binding to count", wait::LONG, look).await.unwrap();
}

async fn a_control_plane_starts_on_what_was_renewed(algorithm: &str) {
    let kubernetes = init(algorithm);
    let folder = kubernetes.folder();
    let old = copied(&folder);
    assert_eq!(renew_all(&mut Node::new(&folder), &policy(VERSION)).steps.len(), 11);
    assert!(LEAVES.iter().all(|item| in_file(&folder, *item) != in_file(old.path(), *item)));
    let pods = StaticPods::start(&folder, Item::SuperAdminConf.name()).await;
    every_client_is_answered(&pods, &folder).await;
    admin_is_bound(&pods, &folder).await;
    // Those that were handed out before are as good as before, until they end: the authority is the same.
    every_client_is_answered(&pods, old.path()).await;
}

#[tokio::test]
async fn a_control_plane_of_rsa_starts_on_what_was_renewed_and_answers_every_client() {
    a_control_plane_starts_on_what_was_renewed("RSA-2048").await;
}

#[tokio::test]
async fn a_control_plane_of_ecdsa_starts_on_what_was_renewed_and_answers_every_client() {
    a_control_plane_starts_on_what_was_renewed("ECDSA-P256").await;
}

/// An authority elsewhere, played by openssl: everything that it is asked for it signs, and nothing else.
struct Elsewhere(tempfile::TempDir);

impl Elsewhere {
    fn take_keys_of(pki: &Path) -> Self {
        let away = tempfile::tempdir().unwrap();
        for authority in [Item::Ca, Item::FrontProxyCa, Item::EtcdCa] {
            let key = format!("{}.key", authority.base_name());
            fs::rename(pki.join(&key), away.path().join(key.replace('/', "-"))).unwrap();
        }
        Self(away)
    }

    fn sign(&self, pki: &Path, authority: Item, request: &str) -> Vec<u8> {
        let at = |name: &str| self.0.path().join(name);
        let mut command = Command::new("openssl");
        command.args(["x509", "-req", "-days", "300", "-copy_extensions", "copyall", "-in", request]);
        command.arg("-CA").arg(pki.join(format!("{}.crt", authority.base_name())));
        command.arg("-CAkey").arg(at(&format!("{}.key", authority.base_name().replace('/', "-"))));
        command.args(["-CAcreateserial", "-CAserial"]).arg(at("serial")).arg("-out").arg(at("answer.crt"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(at("answer.crt")).unwrap()
    }
}

#[tokio::test]
async fn a_control_plane_starts_on_the_answers_of_an_authority_elsewhere() {
    let kubernetes = init("ECDSA-P256");
    let folder = kubernetes.folder();
    let (pki, old) = (folder.join("pki"), copied(&folder));
    let elsewhere = Elsewhere::take_keys_of(&pki);
    let node = Node::new(&folder);
    let held = planned(&node, &policy(VERSION));
    assert!(held.is_empty() && held.held.len() >= 11, "nothing can be signed here: {held}");
    let requests = tempfile::tempdir().unwrap();
    for item in LEAVES.into_iter().chain(CONFS.map(|(item, ..)| item)) {
        let requested = node.request(item, KeyPolicy::NewSameAlgorithm, requests.path()).unwrap();
        let answer = elsewhere.sign(&pki, item.authority().unwrap(), &requested.request);
        node.answer(item, requests.path(), &answer, &mut |_| ()).unwrap();
    }
    assert!(fs::read_dir(requests.path()).unwrap().next().is_none(), "requests and keys are gone");
    assert!(LEAVES.iter().all(|item| in_file(&folder, *item) != in_file(old.path(), *item)));
    openssl_verifies(&folder);
    let pods = StaticPods::start(&folder, Item::SuperAdminConf.name()).await;
    every_client_is_answered(&pods, &folder).await;
    every_client_is_answered(&pods, old.path()).await;
}

/// `openssl s_server`, which answers every request with the certificate that it was shown, and reads its own only once. The API server calls it as it
/// calls a kubelet, or a server behind an `APIService`: neither can be had here, and what counts is what the API server shows.
struct Mirror {
    child: Child,
    port: u16,
}

impl Mirror {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "openssl", "s_server", "-quiet", "-www", "-Verify", "1", "-accept", &format!("127.0.0.1:{port}")]);
        command.arg("-cert").arg(folder.join("pki/apiserver.crt")).arg("-key").arg(folder.join("pki/apiserver.key"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let listens = || Probe::new("127.0.0.1", port).run().map(|_| ()).map_err(|error| error.to_string());
        wait::until("openssl to listen", wait::LONG, listens).unwrap();
        Self { child, port }
    }

    /// What the API server shows it on this path, once that is the certificate of `item`.
    async fn is_shown(&self, caller: &Caller, path: &str, folder: &Path, item: Item) {
        let wanted = in_file(folder, item);
        let look = async || {
            let (status, answer) = caller.text(path).await?;
            match certificates(answer.as_bytes()).remove(0).certificate {
                Ok(shown) if shown == wanted => Ok(()),
                shown => Err(format!("{status}: {shown:?} in {}", answer.get(..200).unwrap_or(&answer))),
            }
        };
        wait::until_async(&format!("the API server to show {item}"), wait::LONG, look).await.unwrap();
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the kubelet of the pod's node answers comes back as the log.
const AS_KUBELET: &str = "/api/v1/namespaces/default/pods/shop/log";
const AS_AGGREGATOR: &str = "/apis/mirror.example/v1";

/// A pod on a node whose kubelet, and an API whose server, is the mirror.
async fn show_yourself_to(mirror: &Mirror, admin: &Caller) {
    let mut node = admin.put(Method::POST, "/api/v1/nodes", &json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-b" } })).await;
    node["status"] = json!({
        "addresses": [{ "type": "InternalIP", "address": "127.0.0.1" }], "daemonEndpoints": { "kubeletEndpoint": { "Port": mirror.port } },
    });
    admin.put(Method::PUT, "/api/v1/nodes/node-b/status", &node).await;
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } });
    admin.put(Method::POST, "/api/v1/namespaces/default/serviceaccounts", &account).await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "shop" },
        "spec": { "nodeName": "node-b", "automountServiceAccountToken": false, "containers": [{ "name": "shop", "image": "shop:1" }] },
    });
    admin.put(Method::POST, "/api/v1/namespaces/default/pods", &pod).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "mirror" },
        "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": mirror.port }] },
    });
    admin.put(Method::POST, "/api/v1/namespaces/default/services", &service).await;
    let api = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": "v1.mirror.example" },
        "spec": {
            "group": "mirror.example", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": true,
            "service": { "namespace": "default", "name": "mirror", "port": mirror.port },
        },
    });
    admin.put(Method::POST, "/apis/apiregistration.k8s.io/v1/apiservices", &api).await;
}

/// What each of the three ports shows, beside the file that it should show.
fn beside_files(pods: &StaticPods, folder: &Path) -> [(Item, Probe, ServedBesideFile); 3] {
    let ports = pods.ports();
    let healthcheck = |ending: &str| fs::read(folder.join("pki/etcd/healthcheck-client").with_extension(ending)).unwrap();
    [(Item::Apiserver, ports.api), (Item::EtcdServer, ports.etcd), (Item::EtcdPeer, ports.etcd_peer)].map(|(item, port)| {
        let chain = [certificates(&healthcheck("crt")).remove(0).certificate.unwrap()];
        let probe = Probe::new("127.0.0.1", port).with_identity(&chain, PrivateKey::from_pem(&healthcheck("key")).unwrap());
        let served = probe.run().unwrap().beside(&in_file(folder, item));
        (item, probe, served)
    })
}

#[tokio::test]
async fn renewed_under_running_servers_what_is_served_is_the_file_and_what_is_not_is_told() {
    let kubernetes = init("ECDSA-P256");
    let folder: PathBuf = kubernetes.folder();
    let mut pods = StaticPods::start(&folder, Item::SuperAdminConf.name()).await;
    let mirror = Mirror::start(&folder);
    let admin = caller(&pods, &folder, Item::SuperAdminConf);
    show_yourself_to(&mirror, &admin).await;
    mirror.is_shown(&admin, AS_KUBELET, &folder, Item::ApiserverKubeletClient).await;
    mirror.is_shown(&admin, AS_AGGREGATOR, &folder, Item::FrontProxyClient).await;
    for (item, _, served) in beside_files(&pods, &folder) {
        assert!(matches!(served, ServedBesideFile::Same { .. }), "{item}: {served}");
    }

    renew_all(&mut Node::new(&folder), &policy(VERSION));

    // etcd reads its files for each handshake, and the API server looks at its own now and then: until it has, that is told.
    for (item, probe, served) in beside_files(&pods, &folder) {
        let allowed = matches!(served, ServedBesideFile::Same { .. }) || item == Item::Apiserver && matches!(served, ServedBesideFile::Older { .. });
        assert!(allowed, "{item}: {served}");
        let look = || match probe.run().unwrap().beside(&in_file(&folder, item)) {
            ServedBesideFile::Same { .. } => Ok(()),
            other => Err(other.to_string()),
        };
        wait::until(&format!("{item} to be loaded"), wait::LONG, look).unwrap();
    }
    // Whoever reads its files once shows the old one for ever.
    let told = Probe::new("127.0.0.1", mirror.port).run().unwrap().beside(&in_file(&folder, Item::Apiserver));
    assert!(matches!(told, ServedBesideFile::Older { .. }) && told.to_string().contains("restart"), "{told}");

    mirror.is_shown(&admin, AS_KUBELET, &folder, Item::ApiserverKubeletClient).await;
    mirror.is_shown(&admin, AS_AGGREGATOR, &folder, Item::FrontProxyClient).await;
    pods.restart_etcd();
    let stored = async || match caller(&pods, &folder, Item::SuperAdminConf).status("/api/v1/namespaces/default").await? {
        200 => Ok(()),
        status => Err(status.to_string()),
    };
    wait::until_async("the API server to find etcd again, by its renewed certificate", wait::LONG, stored).await.unwrap();
    every_client_is_answered(&pods, &folder).await;

    // Twice in one life of the servers.
    renew_all(&mut Node::new(&folder), &RenewalPolicy { renew: days(500), ..policy(VERSION) });
    assert_every_pair_matches(&folder);
    mirror.is_shown(&admin, AS_KUBELET, &folder, Item::ApiserverKubeletClient).await;
    every_client_is_answered(&pods, &folder).await;
}
