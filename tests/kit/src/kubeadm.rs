//! Real kubeadm of several releases, over a folder of the test's own: in private namespaces, so that it sees that folder as `/etc/kubernetes`
//! and has no network but loopback. No root.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[cfg(feature = "live")]
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use trimtab_certs::kubeadm::observe::{FileSeen, Files};
#[cfg(feature = "live")]
use trimtab_certs::{Error, kubeadm::Item, live::Node, renew::Policy, renewal::RenewalPolicy};
#[cfg(feature = "live")]
use trimtab_core::KubeVersion;

use crate::testbed;

/// Before super-admin.conf, before v1beta4, and now.
pub const VERSIONS: [&str; 3] = ["1.28.15", "1.31.0", "1.37.2"];

/// `certificatesDir`, as kubeadm sees it.
pub const CERTIFICATES_DIR: &str = "/etc/kubernetes/pki";

/// A folder that kubeadm takes for `/etc/kubernetes`.
#[derive(Debug)]
pub struct Kubernetes {
    version: &'static str,
    dir: TempDir,
}

impl Kubernetes {
    /// Everything that `init phase certs all` and `init phase kubeconfig all` make; `cluster` is added to the `ClusterConfiguration`.
    pub fn init(version: &'static str, cluster: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("trimtab-kubeadm-").tempdir().expect("a temporary folder can be made");
        std::fs::create_dir(dir.path().join("kubernetes")).expect("a folder of the test's own");
        let made = Self { version, dir };
        std::fs::write(made.dir.path().join("config.yaml"), config(version, cluster)).expect("a file of the test's own");
        made.make();
        made
    }

    /// Another control-plane node of the same cluster: the same authorities and service account keys, everything else its own.
    #[must_use]
    pub fn join(&self) -> Self {
        let dir = tempfile::Builder::new().prefix("trimtab-kubeadm-").tempdir().expect("a temporary folder can be made");
        let joined = Self { version: self.version, dir };
        std::fs::create_dir_all(joined.folder().join("pki/etcd")).expect("a folder of the test's own");
        let shared = ["ca.crt", "ca.key", "sa.pub", "sa.key", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"];
        let pairs = shared.map(|name| format!("kubernetes/pki/{name}"));
        for name in pairs.iter().map(String::as_str).chain(["config.yaml"]) {
            std::fs::copy(self.dir.path().join(name), joined.dir.path().join(name)).expect("a file of the test's own");
        }
        joined.make();
        joined
    }

    fn make(&self) {
        for what in ["certs", "kubeconfig"] {
            let output = self.kubeadm(&["init", "phase", what, "all"]);
            assert!(output.status.success(), "kubeadm {} init phase {what}: {}", self.version, String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Runs kubeadm with `--config`.
    pub fn kubeadm(&self, arguments: &[&str]) -> Output {
        let script = "mount -t tmpfs tmpfs /etc && mkdir /etc/kubernetes && mount --bind \"$0\" /etc/kubernetes && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-rmn", "--propagation", "private", "sh", "-c", script]).arg(self.folder()).arg(program(self.version)).args(arguments);
        command.arg("--config").arg(self.dir.path().join("config.yaml")).env("HOME", self.dir.path());
        command.output().unwrap_or_else(|error| panic!("unshare (Debian: util-linux) cannot be started: {error}"))
    }

    /// What stands for `/etc/kubernetes`.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("kubernetes")
    }

    /// Every file, under the path that kubeadm knows it by.
    pub fn files(&self) -> Files {
        let mut files = BTreeMap::new();
        collect(&self.folder(), "/etc/kubernetes", &mut files);
        files
    }
}

/// The `KubeletConfiguration` that this kubeadm gives a kubelet.
pub fn kubelet_configuration(version: &str) -> String {
    let mut command = Command::new("unshare");
    command.args(["-rn"]).arg(program(version)).args(["config", "print", "init-defaults", "--component-configs", "KubeletConfiguration"]);
    let output =
        command.env("HOME", std::env::temp_dir()).output().unwrap_or_else(|error| panic!("unshare (Debian: util-linux) cannot be started: {error}"));
    assert!(output.status.success(), "kubeadm {version} config print: {}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("kubeadm prints text");
    let own = printed.split("\n---\n").find(|document| document.contains("kind: KubeletConfiguration"));
    own.unwrap_or_else(|| panic!("kubeadm {version} prints no KubeletConfiguration:\n{printed}")).to_owned()
}

/// Everything is due, and what is renewed ends an hour later than any leaf that is there: kubeadm and a test can be through within a second, after
/// which there would be nothing to gain.
#[cfg(feature = "live")]
pub fn to_gain_an_hour(node: &Node, version: KubeVersion) -> Result<RenewalPolicy, Error> {
    let (seen, now) = (node.observe()?, Timestamp::now());
    let leaves = Item::ALL.into_iter().filter(|item| !item.is_authority()).filter_map(|item| seen.pki.readable(item));
    let longest = leaves.map(|leaf| leaf.not_after).max().unwrap_or(now);
    let validity = longest.duration_since(now) + SignedDuration::from_hours(1);
    let due_within = SignedDuration::from_hours(24 * 3650);
    Ok(RenewalPolicy { due_within, renew: Policy { validity, ..Policy::default() }, ..RenewalPolicy::new(version) })
}

fn collect(folder: &Path, name: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).expect("a folder of the test's own").flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &name, files);
        } else {
            files.insert(name, FileSeen::Contents(std::fs::read(entry.path()).expect("a file of the test's own")));
        }
    }
}

fn config(version: &str, cluster: &str) -> String {
    let api = if version.starts_with("1.28") { "v1beta3" } else { "v1beta4" };
    format!(
        "apiVersion: kubeadm.k8s.io/{api}\nkind: InitConfiguration\nlocalAPIEndpoint: {{advertiseAddress: 203.0.113.10}}\nnodeRegistration: {{name: node-a}}\n---\n\
         apiVersion: kubeadm.k8s.io/{api}\nkind: ClusterConfiguration\nkubernetesVersion: v{version}\n{cluster}"
    )
}

fn program(version: &str) -> PathBuf {
    let folder = if version.starts_with("1.37") { "kube" } else { "kubeadm" };
    let path = testbed::folder().join("bin").join(format!("{folder}-{version}")).join("kubeadm");
    assert!(path.is_file(), "kubeadm {version} is missing: run `make testbed` (looked at {})", path.display());
    path
}
