//! Starts real etcd clusters on loopback and ends them by process id.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::pki::Pki;

/// The versions of the test bed, one for each supported minor.
pub const VERSIONS: [&str; 4] = ["3.4.23", "3.5.35", "3.6.16", "3.7.3"];

/// How a cluster is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// One of [`VERSIONS`].
    pub version: &'static str,
    /// 1 or 3.
    pub members: usize,
    /// `--quota-backend-bytes`; etcd's default where there is none.
    pub quota_bytes: Option<i64>,
    /// Serve TLS and want client certificates.
    pub pki: Option<Pki>,
}

impl Options {
    pub fn new(version: &'static str, members: usize) -> Self {
        Self { version, members, quota_bytes: None, pki: None }
    }

    #[must_use]
    pub fn with_quota_bytes(self, bytes: i64) -> Self {
        Self { quota_bytes: Some(bytes), ..self }
    }

    #[must_use]
    pub fn with_pki(self, pki: Pki) -> Self {
        Self { pki: Some(pki), ..self }
    }

    fn scheme(&self) -> &'static str {
        if self.pki.is_some() { "https" } else { "http" }
    }
}

/// A running cluster; dropping it ends every member and removes their data.
#[derive(Debug)]
pub struct Cluster {
    pub options: Options,
    members: Vec<Member>,
    dir: TempDir,
}

#[derive(Debug)]
struct Member {
    client_port: u16,
    peer_port: u16,
    child: Option<Child>,
}

impl Cluster {
    /// Starts all members and waits until each answers. Somebody else may take a port between its choice and its use, so it tries again.
    pub fn start(options: &Options) -> Self {
        let mut last = String::new();
        for _ in 0..3 {
            let mut cluster = Self::prepare(options);
            for index in 0..options.members {
                cluster.start_member(index);
            }
            match cluster.wait_until_ready() {
                Ok(()) => return cluster,
                Err(why) => last = why,
            }
        }
        panic!("etcd {} did not start: {last}", options.version);
    }

    fn prepare(options: &Options) -> Self {
        let dir = tempfile::Builder::new().prefix("trimtab-etcd-").tempdir().expect("a temporary folder can be made");
        if let Some(pki) = &options.pki {
            pki.write_to(dir.path());
        }
        // All listeners are held at once, so that no port is drawn twice.
        let held: Vec<TcpListener> = (0..options.members * 2).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let ports: Vec<u16> = held.iter().map(|listener| listener.local_addr().expect("a bound port").port()).collect();
        let members = ports.chunks(2).map(|pair| Member { client_port: pair[0], peer_port: pair[1], child: None }).collect();
        Self { options: options.clone(), members, dir }
    }

    /// Starts one member, also again after it was ended, with the arguments of the cluster.
    pub fn start_member(&mut self, index: usize) {
        let log = File::options().create(true).append(true).open(self.log(index)).expect("a log file");
        let child = self
            .command(index)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv (Debian: util-linux) cannot start etcd: {error}"));
        self.members[index].child = Some(child);
    }

    /// `setpriv` has the kernel end the member where the test itself is killed.
    fn command(&self, index: usize) -> Command {
        let scheme = self.options.scheme();
        let url = |port: u16| format!("{scheme}://127.0.0.1:{port}");
        let (client, peer) = (url(self.members[index].client_port), url(self.members[index].peer_port));
        let peers = self.members.iter().enumerate().map(|(at, member)| format!("m{at}={}", url(member.peer_port)));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program(self.options.version, "etcd"));
        command.args(["--name", &format!("m{index}"), "--initial-cluster-token", "trimtab", "--initial-cluster-state", "new"]);
        command.args(["--initial-cluster", &peers.collect::<Vec<_>>().join(",")]);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.arg("--data-dir").arg(self.data_dir(index)).args(["--unsafe-no-fsync"].iter().filter(|_| self.options.version != "3.4.23"));
        if let Some(bytes) = self.options.quota_bytes {
            command.arg(format!("--quota-backend-bytes={bytes}"));
        }
        if self.options.pki.is_some() {
            let file = |name: &str| self.dir.path().join(name);
            command.arg("--client-cert-auth").arg("--peer-client-cert-auth");
            command.arg("--trusted-ca-file").arg(file("ca.crt")).arg("--peer-trusted-ca-file").arg(file("ca.crt"));
            command.arg("--cert-file").arg(file("server.crt")).arg("--key-file").arg(file("server.key"));
            command.arg("--peer-cert-file").arg(file("server.crt")).arg("--peer-key-file").arg(file("server.key"));
        }
        command
    }

    /// Until every member answers a read that needs a quorum.
    pub fn wait_until_ready(&self) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(30);
        for (index, endpoint) in self.endpoints().iter().enumerate() {
            while !self.etcdctl_at(endpoint, &["get", "trimtab-ready"]).status.success() {
                if Instant::now() > until {
                    return Err(format!("member m{index}: {}", tail(&self.log(index))));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// The members' client URLs.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("{}://127.0.0.1:{}", self.options.scheme(), member.client_port)).collect()
    }

    /// `etcdctl` of the same version, at one endpoint.
    pub fn etcdctl_at(&self, endpoint: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program(self.options.version, "etcdctl"));
        command.env("ETCDCTL_API", "3").args(["--endpoints", endpoint, "--command-timeout", "2s"]);
        if self.options.pki.is_some() {
            let file = |name: &str| self.dir.path().join(name);
            command.arg("--cacert").arg(file("ca.crt")).arg("--cert").arg(file("client.crt")).arg("--key").arg(file("client.key"));
        }
        command.args(arguments).output().expect("etcdctl can be started")
    }

    /// Hangs a member (SIGSTOP).
    pub fn hang(&self, index: usize) {
        self.signal(index, Signal::STOP);
    }

    /// Lets a hung member go on (SIGCONT).
    pub fn resume(&self, index: usize) {
        self.signal(index, Signal::CONT);
    }

    /// Ends a member at once (SIGKILL) and waits for its end.
    pub fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.members[index].child.take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child can be waited for");
        }
    }

    fn signal(&self, index: usize, signal: Signal) {
        let child = self.members[index].child.as_ref().expect("the member runs");
        kill_process(Pid::from_child(child), signal).expect("our own child can be signalled");
    }

    /// Where a member keeps its data.
    pub fn data_dir(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("m{index}"))
    }

    fn log(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("m{index}.log"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(mut child) = member.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// A program of the test bed; a missing one fails with the way to get it.
pub fn program(version: &str, name: &str) -> PathBuf {
    let path = testbed().join("bin").join(format!("etcd-{version}")).join(name);
    assert!(path.is_file(), "{name} {version} is missing: run `make testbed` (looked at {})", path.display());
    path
}

/// `TRIMTAB_TESTBED`, or `.testbed` at the root of the repository.
pub fn testbed() -> PathBuf {
    std::env::var_os("TRIMTAB_TESTBED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.testbed"), PathBuf::from)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
