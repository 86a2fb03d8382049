//! Starts real etcd clusters on loopback and ends them by process id.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

use crate::pki::Pki;
use crate::{testbed, wait, watch};

/// The versions of the test bed, one for each supported minor.
pub const VERSIONS: [&str; 4] = ["3.4.23", "3.5.35", "3.6.16", "3.7.3"];

/// What backups are taken from and restored for: beside [`VERSIONS`] a 3.5 whose members can disagree after a crash (3.5.0 to 3.5.2).
pub const BACKUP_VERSIONS: [&str; 5] = ["3.4.23", "3.5.1", "3.5.35", "3.6.16", "3.7.3"];

/// How a cluster is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// One of [`VERSIONS`] or [`BACKUP_VERSIONS`].
    pub version: &'static str,
    /// 1 or 3.
    pub members: usize,
    /// `--quota-backend-bytes`; etcd's default where there is none.
    pub quota_bytes: Option<i64>,
    /// Serve TLS and want client certificates.
    pub pki: Option<Pki>,
    /// `--initial-cluster-token`, part of what the cluster's id is made from.
    pub token: String,
    /// Further flags of every member; they come last, so they win.
    pub args: Vec<String>,
    /// Where members keep their data, one for each, existing or not; they outlive the cluster. By default folders of the cluster's own.
    pub data_dirs: Option<Vec<PathBuf>>,
}

impl Options {
    pub fn new(version: &'static str, members: usize) -> Self {
        Self { version, members, quota_bytes: None, pki: None, token: "trimtab".to_owned(), args: Vec::new(), data_dirs: None }
    }

    #[must_use]
    pub fn with_quota_bytes(self, bytes: i64) -> Self {
        Self { quota_bytes: Some(bytes), ..self }
    }

    #[must_use]
    pub fn with_pki(self, pki: Pki) -> Self {
        Self { pki: Some(pki), ..self }
    }

    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self }
    }

    #[must_use]
    pub fn with_args(self, args: &[&str]) -> Self {
        Self { args: args.iter().map(|&arg| arg.to_owned()).collect(), ..self }
    }

    #[must_use]
    pub fn with_data_dirs(self, data_dirs: Vec<PathBuf>) -> Self {
        assert_eq!(data_dirs.len(), self.members, "one data directory for each member");
        Self { data_dirs: Some(data_dirs), ..self }
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
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Of the cluster's first members.
    Founder,
    /// Added to a running cluster; it answers no read that needs a quorum.
    Learner,
}

impl Role {
    fn initial_cluster_state(self) -> &'static str {
        match self {
            Self::Founder => "new",
            Self::Learner => "existing",
        }
    }

    /// A read that succeeds once the member takes part.
    fn readiness(self) -> &'static [&'static str] {
        match self {
            Self::Founder => &["get", "trimtab-ready"],
            Self::Learner => &["get", "trimtab-ready", "--consistency=s"],
        }
    }
}

/// A cluster that has its names, ports and token but does not run yet: what a restore has to write into the data directories.
/// It holds its ports until it starts.
#[derive(Debug)]
pub struct Reserved {
    cluster: Cluster,
    held: Vec<TcpListener>,
}

impl Reserved {
    pub fn member_names(&self) -> Vec<String> {
        (0..self.cluster.members.len()).map(member_name).collect()
    }

    /// Each member's one peer URL, in the members' order.
    pub fn peer_urls(&self) -> Vec<String> {
        self.cluster.members.iter().map(|member| self.cluster.url(member.peer_port)).collect()
    }

    /// The client URLs that the members will serve.
    pub fn endpoints(&self) -> Vec<String> {
        self.cluster.endpoints()
    }

    /// `--initial-cluster`, as etcd and `etcdutl snapshot restore` take it.
    pub fn initial_cluster(&self) -> String {
        self.cluster.initial_cluster()
    }

    /// `--initial-cluster-token`.
    pub fn token(&self) -> &str {
        &self.cluster.options.token
    }

    /// Where the members will look for their data if [`Options::data_dirs`] does not say otherwise; not made yet.
    pub fn data_dirs(&self) -> Vec<PathBuf> {
        (0..self.cluster.members.len()).map(|index| self.cluster.data_dir(index)).collect()
    }

    /// Starts the members on these data directories, each of which was made for the member of its place, and waits until each answers.
    /// The end of a log is the error where one does not. The directories stay when the cluster is dropped, [`Reserved::data_dirs`] excepted.
    pub fn start_on(self, data_dirs: Vec<PathBuf>) -> Result<Cluster, String> {
        let Self { mut cluster, held } = self;
        cluster.options = cluster.options.clone().with_data_dirs(data_dirs);
        drop(held);
        cluster.start_all()?;
        Ok(cluster)
    }
}

impl Cluster {
    /// Starts all members and waits until each answers. Somebody else may take a port between its choice and its use, so it tries again.
    pub fn start(options: &Options) -> Self {
        let mut last = String::new();
        for _ in 0..3 {
            let Reserved { mut cluster, held } = Self::reserve(options);
            drop(held);
            match cluster.start_all() {
                Ok(()) => return cluster,
                Err(why) => last = why,
            }
        }
        panic!("etcd {} did not start: {last}", options.version);
    }

    /// Chooses names, ports and token, and starts nothing yet.
    pub fn reserve(options: &Options) -> Reserved {
        let dir = tempfile::Builder::new().prefix("trimtab-etcd-").tempdir().expect("a temporary folder can be made");
        if let Some(pki) = &options.pki {
            pki.write_to(dir.path());
        }
        // All listeners are held at once, so that no port is drawn twice.
        let held: Vec<TcpListener> = (0..options.members * 2).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let ports: Vec<u16> = held.iter().map(|listener| listener.local_addr().expect("a bound port").port()).collect();
        let members = ports.chunks(2).map(|pair| Member { client_port: pair[0], peer_port: pair[1], child: None, role: Role::Founder }).collect();
        Reserved { cluster: Self { options: options.clone(), members, dir }, held }
    }

    fn start_all(&mut self) -> Result<(), String> {
        for index in 0..self.members.len() {
            self.start_member(index);
        }
        self.wait_until_ready()
    }

    /// Adds a learner, starts it, and waits until it holds what the first member holds by then. Returns its index.
    pub fn add_learner(&mut self) -> usize {
        let Reserved { cluster: mut one, held } = Self::reserve(&Options::new(self.options.version, 1));
        let index = self.members.len();
        let member = Member { role: Role::Learner, ..one.members.remove(0) };
        let peer_url = format!("--peer-urls={}", self.url(member.peer_port));
        // A cluster that has just started refuses changes until its members have been connected for some seconds.
        let add = || succeeded(&self.etcdctl_at(&self.endpoints()[0], &["member", "add", &member_name(index), &peer_url, "--learner"]));
        wait::until("a member to be added", wait::LONG, add).unwrap_or_else(|why| panic!("{why}"));
        self.members.push(member);
        drop(held);
        self.start_member(index);
        self.wait_until_ready().unwrap_or_else(|why| panic!("the learner did not start: {why}"));
        let goal = self.revision(0);
        wait::until("the learner to catch up", wait::LONG, || match self.revision(index) {
            held if held >= goal => Ok(()),
            held => Err(format!("revision {held} of {goal}")),
        })
        .unwrap_or_else(|why| panic!("{why}"));
        index
    }

    /// The revision that a member has applied, by its own status.
    pub fn revision(&self, index: usize) -> i64 {
        let said = self.etcdctl_at(&self.endpoints()[index], &["endpoint", "status", "--write-out=json"]);
        let status: serde_json::Value = serde_json::from_slice(&said.stdout).expect("a status as JSON");
        status[0]["Status"]["header"]["revision"].as_i64().expect("a revision")
    }

    /// Compacts everything before the newest revision, so that what pages through an older one is told that it is gone.
    pub fn compact(&self) {
        let revision = self.revision(0).to_string();
        succeeded(&self.etcdctl_at(&self.endpoints()[0], &["compact", &revision])).unwrap_or_else(|why| panic!("{why}"));
    }

    /// Starts one member, also again after it was ended, with the arguments of the cluster.
    pub fn start_member(&mut self, index: usize) {
        watch::this_test();
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
        let member = &self.members[index];
        let (client, peer) = (self.url(member.client_port), self.url(member.peer_port));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program(self.options.version, "etcd"));
        command.args(["--name", &member_name(index), "--initial-cluster-token", &self.options.token]);
        command.args(["--initial-cluster-state", member.role.initial_cluster_state(), "--initial-cluster", &self.initial_cluster()]);
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
        command.args(&self.options.args);
        command
    }

    fn url(&self, port: u16) -> String {
        format!("{}://127.0.0.1:{port}", self.options.scheme())
    }

    fn initial_cluster(&self) -> String {
        let peers = self.members.iter().enumerate().map(|(index, member)| format!("{}={}", member_name(index), self.url(member.peer_port)));
        peers.collect::<Vec<_>>().join(",")
    }

    /// Until every member answers a read that needs a quorum, and a learner one that needs none. An error as soon as a member has ended.
    pub fn wait_until_ready(&self) -> Result<(), String> {
        for (index, endpoint) in self.endpoints().iter().enumerate() {
            let member = &self.members[index];
            let told = || format!("member {}: {}", member_name(index), tail(&self.log(index)));
            let answers = || match self.etcdctl_at(endpoint, member.role.readiness()).status.success() {
                true => Ok(Ok(())),
                false if self.has_ended(index) => Ok(Err(told())),
                false => Err(told()),
            };
            wait::until("a cluster that answers", wait::LONG, answers)??;
        }
        Ok(())
    }

    /// The members' client URLs.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| self.url(member.client_port)).collect()
    }

    /// `etcdctl` of the same version, at one endpoint.
    pub fn etcdctl_at(&self, endpoint: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program(self.options.version, "etcdctl"));
        command.env("ETCDCTL_API", "3").args(["--endpoints", endpoint, "--dial-timeout", "10s", "--command-timeout", "10s"]);
        if self.options.pki.is_some() {
            let file = |name: &str| self.dir.path().join(name);
            command.arg("--cacert").arg(file("ca.crt")).arg("--cert").arg(file("client.crt")).arg("--key").arg(file("client.key"));
        }
        command.args(arguments).output().expect("etcdctl can be started")
    }

    /// Hangs a member (SIGSTOP).
    pub fn hang(&self, index: usize) {
        self.signal(index, Signal::STOP);
        wait::until_stopped(self.members[index].child.as_ref().expect("the member runs"));
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

    /// Whether a member that was started has ended by itself. It stays to be waited for.
    fn has_ended(&self, index: usize) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = |child: &Child| waitid(WaitId::Pid(Pid::from_child(child)), look).expect("our own child can be looked at").is_some();
        self.members[index].child.as_ref().is_some_and(ended)
    }

    /// Where a member keeps its data; a learner's is always the cluster's own.
    pub fn data_dir(&self, index: usize) -> PathBuf {
        let given = self.options.data_dirs.as_ref().and_then(|dirs| dirs.get(index));
        given.cloned().unwrap_or_else(|| self.dir.path().join(member_name(index)))
    }

    fn log(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("{}.log", member_name(index)))
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

fn succeeded(output: &Output) -> Result<(), String> {
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// A program of the test bed; a missing one fails with the way to get it.
pub fn program(version: &str, name: &str) -> PathBuf {
    let path = testbed::folder().join("bin").join(format!("etcd-{version}")).join(name);
    assert!(path.is_file(), "{name} {version} is missing: run `make testbed` (looked at {})", path.display());
    path
}

/// `--name` of the member at this place.
fn member_name(index: usize) -> String {
    format!("m{index}")
}

/// The last lines of a server's log.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
