//! What kubeadm makes for one API server: its certificates, and kubeconfigs for whom a test names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Client, Identity};

use super::{ADVERTISED, VERSION, program};

/// Has kubeadm make all certificates, and the kubeconfig that needs no RBAC. ECDSA, because RSA takes half a second more.
pub(super) fn make(dir: &Path, port: u16) {
    let config = config(dir);
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
    kubeadm(&["init", "phase", "certs", "all", "--config", text_of(&config)]);
    kubeadm(&["init", "phase", "kubeconfig", "super-admin", "--config", text_of(&config), "--kubeconfig-dir", text_of(dir)]);
}

/// A kubeconfig with a new client certificate of the cluster's CA, as `NAME.conf`. Its server is the API server on loopback; what
/// `init phase kubeconfig` writes for a controller manager is the advertised address.
pub(super) fn make_user(dir: &Path, name: &str, groups: &[&str]) -> PathBuf {
    let config = config(dir);
    let mut arguments = vec!["kubeconfig", "user", "--config", text_of(&config), "--client-name", name];
    arguments.extend(groups.iter().flat_map(|group| ["--org", group]));
    let path = dir.join(format!("{}.conf", name.replace(':', "-")));
    std::fs::write(&path, kubeadm(&arguments)).expect("our own folder can be written to");
    path
}

pub(super) fn super_admin_conf(dir: &Path) -> PathBuf {
    dir.join("super-admin.conf")
}

/// A client with the certificate of kubeadm's `super-admin.conf`, which is in `system:masters` (from 1.29 on the only one).
pub(super) fn super_admin(dir: &Path) -> Client {
    let config = std::fs::read_to_string(super_admin_conf(dir)).expect("kubeadm wrote a kubeconfig");
    let field = |name: &str| {
        let found = config.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        STANDARD.decode(found.unwrap_or_else(|| panic!("super-admin.conf has no {name}"))).expect("base64")
    };
    let ca = Certificate::from_pem(&field("certificate-authority-data")).expect("a CA");
    let identity = Identity::from_pem(&[field("client-certificate-data"), field("client-key-data")].concat()).expect("a client certificate");
    let client = Client::builder().tls_certs_only([ca]).identity(identity).timeout(Duration::from_secs(30)).no_proxy();
    client.build().expect("a client can be made")
}

fn config(dir: &Path) -> PathBuf {
    dir.join("kubeadm.yaml")
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("temporary folders have names that are text")
}

/// kubeadm, in a network namespace that has nothing but loopback, where the machine lets us make one. Gives what it wrote to its output.
fn kubeadm(arguments: &[&str]) -> Vec<u8> {
    let alone = ["--map-root-user", "--net", "--"];
    let unshared = Command::new("unshare").args(alone).arg("true").output().is_ok_and(|output| output.status.success());
    let program = program("kubeadm");
    let mut command = if unshared { Command::new("unshare") } else { Command::new(&program) };
    if unshared {
        command.args(alone).arg(&program);
    }
    let output = command.args(arguments).output().expect("kubeadm can be started");
    assert!(output.status.success(), "kubeadm: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
